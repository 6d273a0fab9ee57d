/* SPDX-License-Identifier: ISC */
#ifndef D4_META_TALLY_H
#define D4_META_TALLY_H

/*
 * Counting the records of a stream: a row for each uuid, type and metatype,
 * and one over all.  Records with a bad HMAC are counted as such and for
 * nothing else, since nobody vouches for what they say.
 *
 * Memory is bounded: what comes after TALLY_ROWS_MAX rows is counted over all
 * only.  No keys, descriptors or clock.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "d4-meta/stream.h"
#include "lib/type.h"

#define TALLY_ROWS_MAX	16384

struct tally_count {
	uint64_t	nsessions;
	uint64_t	nrecords;
	uint64_t	nbytes;		/* of payload */
	uint64_t	nbad;		/* records with a bad HMAC */
	uint64_t	first;		/* earliest timestamp, seconds */
	uint64_t	last;		/* latest timestamp */
	uint64_t	ngaps;		/* steps forward over the gap ... */
	uint64_t	longest;	/* ... the longest, seconds */
	uint64_t	nbackward;	/* steps backward ... */
	uint64_t	furthest;	/* ... the longest, seconds */
};

struct tally_row {
	uint8_t			uuid[D4_UUID_LEN];
	uint8_t			type;
	char			metatype[D4_TYPE_NAME_MAX + 1];
	uint64_t		previous;	/* timestamp of the last one */
	uint64_t		session;	/* number of its session */
	struct tally_count	count;
};

struct tally;

/* A tally that takes steps of more than gap seconds as gaps; NULL when memory
 * is short. */
struct tally *tally_new(uint64_t gap);

/* Takes NULL. */
void tally_free(struct tally *);

/* Counts a record.  Returns 0, or -1 when memory is short. */
int tally_add(struct tally *, const struct stream_record *);

/* The rows in order of uuid, type and metatype, *n of them; good until the
 * next record. */
const struct tally_row *const *tally_rows(struct tally *, size_t *n);

/* Over all rows: steps in time are those within them. */
const struct tally_count *tally_total(const struct tally *);

/* How many records had no row left for them. */
uint64_t tally_uncounted(const struct tally *);

/* Records or bytes a second between first and last, or -1 where no time
 * passed. */
double tally_rate(const struct tally_count *, uint64_t n);

#endif
