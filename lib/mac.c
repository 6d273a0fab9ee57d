/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "lib/mac.h"

struct d4_mac {
	EVP_MAC	*hmac;
};

struct d4_mac_key {
	EVP_MAC_CTX	*ctx;	/* keyed, begun anew for each record */
};

struct d4_mac *
d4_mac_new(void)
{
	struct d4_mac *mac;

	if ((mac = calloc(1, sizeof(*mac))) == NULL)
		return NULL;
	if ((mac->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL)) == NULL) {
		free(mac);
		return NULL;
	}
	return mac;
}

void
d4_mac_free(struct d4_mac *mac)
{
	if (mac == NULL)
		return;
	EVP_MAC_free(mac->hmac);
	free(mac);
}

const char *
d4_mac_name(const struct d4_mac *mac)
{
	(void)mac;
	return "openssl";
}

struct d4_mac_key *
d4_mac_key_new(struct d4_mac *mac, const void *bytes, size_t keylen)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[2];
	struct d4_mac_key *key;

	if ((key = calloc(1, sizeof(*key))) == NULL)
		return NULL;
	if ((key->ctx = EVP_MAC_CTX_new(mac->hmac)) == NULL)
		goto err0;
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
	    digest, 0);
	params[1] = OSSL_PARAM_construct_end();
	/* An empty key still needs a pointer, else it counts as "no key". */
	if (EVP_MAC_init(key->ctx, keylen > 0 ? bytes : "", keylen,
	    params) != 1)
		goto err1;
	return key;

err1:
	EVP_MAC_CTX_free(key->ctx);
err0:
	free(key);
	return NULL;
}

void
d4_mac_key_free(struct d4_mac_key *key)
{
	if (key == NULL)
		return;
	EVP_MAC_CTX_free(key->ctx);	/* wipes the key within */
	free(key);
}

/* The tag of a record, its hmac field taken as zero. */
static int
tag_of(struct d4_mac_key *key, const uint8_t *record, size_t len,
    uint8_t tag[D4_HMAC_LEN])
{
	uint8_t head[D4_HEADER_LEN];
	size_t n;

	memcpy(head, record, D4_HEADER_LEN);
	memset(head + D4_HMAC_AT, 0, D4_HMAC_LEN);
	if (EVP_MAC_init(key->ctx, NULL, 0, NULL) != 1 ||
	    EVP_MAC_update(key->ctx, head, D4_HEADER_LEN) != 1 ||
	    EVP_MAC_update(key->ctx, record + D4_HEADER_LEN,
	    len - D4_HEADER_LEN) != 1 ||
	    EVP_MAC_final(key->ctx, tag, &n, D4_HMAC_LEN) != 1)
		return -1;
	return 0;
}

int
d4_mac_seal(struct d4_mac *mac, struct d4_mac_job *jobs, size_t n)
{
	size_t i;

	(void)mac;
	for (i = 0; i < n; i++) {
		if (tag_of(jobs[i].key, jobs[i].record, jobs[i].len,
		    jobs[i].record + D4_HMAC_AT) == -1)
			return -1;
	}
	return 0;
}

int
d4_mac_verify(struct d4_mac *mac, struct d4_mac_job *jobs, size_t n)
{
	uint8_t tag[D4_HMAC_LEN];
	size_t i;

	(void)mac;
	for (i = 0; i < n; i++)
		jobs[i].good = false;
	for (i = 0; i < n; i++) {
		if (tag_of(jobs[i].key, jobs[i].record, jobs[i].len,
		    tag) == -1)
			goto err0;
		jobs[i].good = CRYPTO_memcmp(tag,
		    jobs[i].record + D4_HMAC_AT, D4_HMAC_LEN) == 0;
	}
	return 0;

err0:
	for (i = 0; i < n; i++)
		jobs[i].good = false;
	return -1;
}

void
d4_mac_wipe(void *secret, size_t len)
{
	OPENSSL_cleanse(secret, len);
}
