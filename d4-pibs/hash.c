/* SPDX-License-Identifier: ISC */
#include <unistd.h>

#include "d4-pibs/hash.h"

int
hash_key_new(struct hash_key *key)
{
	if (getentropy(key->k, sizeof(key->k)) == -1)
		return -1;
	key->k[1] |= 1;
	key->k[2] |= 1;
	return 0;
}
