/* SPDX-License-Identifier: ISC */
#ifndef D4_SHELF_H
#define D4_SHELF_H

/* Sealed records in memory, in the order of their stream, and where they were
 * added: they never move.  A position is a count of bytes of records from the
 * stream's beginning. */

#include <stddef.h>
#include <stdint.h>

#include "lib/header.h"
#include "lib/mac.h"

struct shelf;

/* What is asked about a record long after its bytes have left the cache. */
struct run_record {
	uint32_t	 len;		/* of header and payload */
	uint8_t		 flags;		/* the caller's */
};

/* Whole records that lie one behind the other. */
struct run {
	uint64_t	 pos;		/* of the first */
	const uint8_t	*bytes;
	size_t		 len;
	const struct run_record *records;
	size_t		 n;
};

/* For records of this version and uuid, with payloads of at most snaplen, the
 * first of which has this position.  NULL when memory is short. */
struct shelf *shelf_new(const struct d4_header *, size_t snaplen,
    struct d4_mac *, struct d4_mac_key *, uint64_t pos);

/* Takes NULL. */
void shelf_free(struct shelf *);

/* Adds a record with a copy of len bytes, to be sealed.  -1: no memory. */
int shelf_add(struct shelf *, uint8_t type, const void *, size_t len,
    uint8_t flags);

/* Seals what was added.  -1 when the mac failed. */
int shelf_seal(struct shelf *, uint64_t timestamp);

/*
 * The records around a position, where one begins or is under way, as far as
 * they lie in one piece: to be looked at once they are sealed, and good until
 * they are dropped.  Returns 1, or 0 when there is none yet, or no longer.
 */
int shelf_run(struct shelf *, uint64_t pos, struct run *);

/* What lies wholly between these positions is not asked for again; what was
 * added last stays all the same. */
void shelf_drop(struct shelf *, uint64_t from, uint64_t to);

#endif
