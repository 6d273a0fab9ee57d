/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "lib/mac-engine.h"
#include "lib/mac.h"

#define GROUP	256	/* records whose tags are held at a time */
#define FEW	4	/* fewer messages leave most lanes empty */

struct d4_mac {
	struct mac_openssl	*openssl;
	struct mac_lanes	*lanes;		/* or NULL */
	struct mac_message	 messages[GROUP];
	uint8_t			 sent[GROUP][D4_HMAC_LEN];
	uint8_t			 computed[GROUP][D4_HMAC_LEN];
};

struct d4_mac_key {
	void	*openssl;
	uint8_t	 lanes[MAC_LANES_KEY_LEN];
};

struct d4_mac *
d4_mac_new(void)
{
	const char *wanted = getenv("D4_MAC");
	struct d4_mac *mac;

	if ((mac = calloc(1, sizeof(*mac))) == NULL)
		return NULL;
	if ((mac->openssl = mac_openssl_new()) == NULL) {
		free(mac);
		return NULL;
	}
	if (wanted == NULL || strcmp(wanted, "openssl") != 0)
		mac->lanes = mac_lanes_new();
	return mac;
}

void
d4_mac_free(struct d4_mac *mac)
{
	if (mac == NULL)
		return;
	mac_lanes_free(mac->lanes);
	mac_openssl_free(mac->openssl);
	free(mac);
}

const char *
d4_mac_name(const struct d4_mac *mac)
{
	return mac->lanes != NULL ? mac_lanes_name(mac->lanes) : "OpenSSL";
}

struct d4_mac_key *
d4_mac_key_new(struct d4_mac *mac, const void *bytes, size_t keylen)
{
	struct d4_mac_key *key;

	if ((key = calloc(1, sizeof(*key))) == NULL)
		return NULL;
	key->openssl = mac_openssl_key_new(mac->openssl, bytes, keylen);
	if (key->openssl == NULL) {
		free(key);
		return NULL;
	}
	if (mac->lanes != NULL)
		mac_lanes_key(mac->lanes, key->lanes, bytes, keylen);
	return key;
}

void
d4_mac_key_free(struct d4_mac_key *key)
{
	if (key == NULL)
		return;
	mac_openssl_key_free(key->openssl);
	d4_mac_wipe(key, sizeof(*key));
	free(key);
}

/*
 * Computes the tags of n <= GROUP records, each to tags[i] or, without tags,
 * into the record.  The hmac fields are zero.
 */
static int
compute(struct d4_mac *mac, const struct d4_mac_job *jobs, size_t n,
    uint8_t (*tags)[D4_HMAC_LEN])
{
	struct mac_message one, *m;
	bool lanes = mac->lanes != NULL && n >= FEW;
	size_t i, nlanes = 0;

	for (i = 0; i < n; i++) {
		bool fits = lanes && jobs[i].len <= MAC_LANES_MAX;

		/* cppcheck-suppress uninitvar ; it is filled in below */
		m = fits ? &mac->messages[nlanes++] : &one;
		m->key = fits ? jobs[i].key->lanes : jobs[i].key->openssl;
		m->bytes = jobs[i].record;
		m->len = jobs[i].len;
		m->tag = tags != NULL ? tags[i] : jobs[i].record + D4_HMAC_AT;
		if (!fits && mac_openssl_tag(m) == -1)
			return -1;
	}
	if (nlanes > 0)
		mac_lanes_tag(mac->lanes, mac->messages, nlanes);
	return 0;
}

int
d4_mac_seal(struct d4_mac *mac, struct d4_mac_job *jobs, size_t n)
{
	size_t i, part;

	for (; n > 0; jobs += part, n -= part) {
		part = n < GROUP ? n : GROUP;
		for (i = 0; i < part; i++)
			memset(jobs[i].record + D4_HMAC_AT, 0, D4_HMAC_LEN);
		if (compute(mac, jobs, part, NULL) == -1)
			return -1;
	}
	return 0;
}

static int
verify_group(struct d4_mac *mac, struct d4_mac_job *jobs, size_t n)
{
	uint8_t *tag;
	size_t i;
	int rc;

	for (i = 0; i < n; i++) {
		tag = jobs[i].record + D4_HMAC_AT;
		memcpy(mac->sent[i], tag, D4_HMAC_LEN);
		memset(tag, 0, D4_HMAC_LEN);
	}
	rc = compute(mac, jobs, n, mac->computed);
	for (i = 0; i < n; i++) {
		memcpy(jobs[i].record + D4_HMAC_AT, mac->sent[i], D4_HMAC_LEN);
		jobs[i].good = rc == 0 && CRYPTO_memcmp(mac->sent[i],
		    mac->computed[i], D4_HMAC_LEN) == 0;
	}
	return rc;
}

int
d4_mac_verify(struct d4_mac *mac, struct d4_mac_job *jobs, size_t n)
{
	size_t i, at, part;

	for (at = 0; at < n; at += part) {
		part = n - at < GROUP ? n - at : GROUP;
		if (verify_group(mac, jobs + at, part) == -1)
			goto err0;
	}
	return 0;

err0:
	for (i = 0; i < n; i++)
		jobs[i].good = false;
	return -1;
}
