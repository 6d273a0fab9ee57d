/* SPDX-License-Identifier: ISC */
#ifndef LIB_MAC_H
#define LIB_MAC_H

/*
 * HMAC-SHA-256 (RFC 2104) over records: the 62 bytes of the header with the
 * hmac field zeroed, then the payload; all 32 bytes of the tag travel.
 *
 * Records are sealed and verified many at a time, since each is authenticated
 * by itself: an engine may hash them side by side.  A batch may mix keys and
 * lengths.  An engine and its keys belong to one thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/header.h"

struct d4_mac;		/* an engine */
struct d4_mac_key;	/* a key made ready for that engine */

/* One record of a batch. */
struct d4_mac_job {
	struct d4_mac_key	*key;
	uint8_t			*record;	/* header and payload */
	size_t			 len;		/* of both, at least 62 */
	bool			 good;		/* verify: whether it matches */
};

/* An engine, the fastest that this machine has; see mac.c for the choice.
 * NULL when OpenSSL has no HMAC-SHA-256 or memory is short. */
struct d4_mac *d4_mac_new(void);

/* Takes NULL.  The engine's keys must be gone before. */
void d4_mac_free(struct d4_mac *);

/* Which engine it is, in a word or two for people, static. */
const char *d4_mac_name(const struct d4_mac *);

/* Makes a key of any length, 0 included, ready; the bytes are not kept.  NULL
 * when memory is short. */
struct d4_mac_key *d4_mac_key_new(struct d4_mac *, const void *bytes,
    size_t keylen);

/* Wipes and frees, takes NULL. */
void d4_mac_key_free(struct d4_mac_key *);

/* Seals n records in place: writes the tag of each into its hmac field,
 * whatever stood there.  Returns 0, or -1 when OpenSSL failed (memory); then
 * no record may be used. */
int d4_mac_seal(struct d4_mac *, struct d4_mac_job *, size_t n);

/*
 * Verifies n records and sets good in each job; the comparison takes the same
 * time wherever tags differ.  The records may be written to meanwhile and are
 * as before when it returns.  Returns 0, or -1 when OpenSSL failed; then good
 * is false in all.
 */
int d4_mac_verify(struct d4_mac *, struct d4_mac_job *, size_t n);

/* Overwrites memory that held a secret, in a way no compiler leaves out. */
void d4_mac_wipe(void *, size_t len);

#endif
