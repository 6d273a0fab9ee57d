/* SPDX-License-Identifier: ISC */
#ifndef D4_PIBS_REPEAT_H
#define D4_PIBS_REPEAT_H

/*
 * SYN/ACKs that are sent again: a table of the hash and second of those seen
 * last, in which a newer one takes the place of an older.
 */

#include <stddef.h>
#include <stdint.h>

#include "d4-pibs/packet.h"

struct repeats {
	uint64_t	*slots;		/* hash, and the second below; 0 none */
	size_t		 nslots;	/* a power of two */
};

/* Takes at most limit bytes, or what little there must be.  NULL with errno
 * when memory is short. */
struct repeats *repeats_new(size_t limit);

/* Takes NULL. */
void repeats_free(struct repeats *);

/* Marks the SYN/ACKs of a batch, in their order, that were sent before: the
 * same under this key, at most 120 seconds before or after. */
void repeats_mark(struct repeats *, struct batch *, const struct hash_key *);

#endif
