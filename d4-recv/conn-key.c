/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "d4-recv/conn-own.h"

struct conn_key *
conn_key_new(struct d4_mac *mac, const void *bytes, size_t len)
{
	struct conn_key *key;

	if ((key = calloc(1, sizeof(*key))) == NULL)
		return NULL;
	if (d4_digest_sha256(key->digest, bytes, len) == -1 ||
	    (key->mac = d4_mac_key_new(mac, bytes, len)) == NULL) {
		free(key);
		return NULL;
	}
	key->refs = 1;
	return key;
}

bool
conn_key_is(const struct conn_key *key, const void *bytes, size_t len)
{
	uint8_t digest[D4_DIGEST_SHA256];

	return d4_digest_sha256(digest, bytes, len) == 0 &&
	    memcmp(digest, key->digest, sizeof(digest)) == 0;
}

void
conn_key_drop(struct conn_key *key)
{
	if (key == NULL || --key->refs > 0)
		return;
	d4_mac_key_free(key->mac);
	free(key);
}
