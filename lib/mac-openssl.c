/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "lib/mac-engine.h"

struct mac_openssl {
	EVP_MAC	*hmac;
};

struct mac_openssl *
mac_openssl_new(void)
{
	struct mac_openssl *engine;

	if ((engine = calloc(1, sizeof(*engine))) == NULL)
		return NULL;
	if ((engine->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL)) == NULL) {
		free(engine);
		return NULL;
	}
	return engine;
}

void
mac_openssl_free(struct mac_openssl *engine)
{
	if (engine == NULL)
		return;
	EVP_MAC_free(engine->hmac);
	free(engine);
}

/* The key is a context that holds it, begun anew for each message: that spares
 * the two hashes over the key. */
void *
mac_openssl_key_new(struct mac_openssl *engine, const void *bytes, size_t len)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[2];
	EVP_MAC_CTX *ctx;

	if ((ctx = EVP_MAC_CTX_new(engine->hmac)) == NULL)
		return NULL;
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
	    digest, 0);
	params[1] = OSSL_PARAM_construct_end();
	/* An empty key still needs a pointer, else it counts as "no key". */
	if (EVP_MAC_init(ctx, len > 0 ? bytes : "", len, params) != 1) {
		EVP_MAC_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

void
mac_openssl_key_free(void *key)
{
	EVP_MAC_CTX_free(key);	/* wipes what it holds */
}

int
mac_openssl_tag(const struct mac_message *m)
{
	/* The context is all that changes; the key in it stays. */
	union { const void *in; EVP_MAC_CTX *out; } key = { .in = m->key };
	size_t len;

	return EVP_MAC_init(key.out, NULL, 0, NULL) == 1 &&
	    EVP_MAC_update(key.out, m->bytes, m->len) == 1 &&
	    EVP_MAC_final(key.out, m->tag, &len, D4_HMAC_LEN) == 1 ? 0 : -1;
}
