/* SPDX-License-Identifier: ISC */
#ifndef D4_PIBS_HASH_H
#define D4_PIBS_HASH_H

/*
 * Hashing under a random key: two rounds of multiplying and folding, so that
 * somebody who chooses addresses without knowing the key can't make them meet.
 */

#include <stdint.h>

struct hash_key {
	uint64_t	k[3];		/* k[1] and k[2] are odd */
};

/* A new random key.  Returns 0, or -1 with errno. */
int hash_key_new(struct hash_key *);

static inline uint64_t
hash_word(const struct hash_key *key, uint64_t x)
{
	x = (x ^ key->k[0]) * key->k[1];
	x ^= x >> 32;
	x *= key->k[2];
	return x ^ x >> 29;
}

static inline uint64_t
hash_words(const struct hash_key *key, uint64_t a, uint64_t b)
{
	return hash_word(key, hash_word(key, a) ^ b);
}

#endif
