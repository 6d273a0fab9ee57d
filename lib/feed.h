/* SPDX-License-Identifier: ISC */
#ifndef LIB_FEED_H
#define LIB_FEED_H

/*
 * Bytes in, whole records out.  A feed takes the bytes of one D4 stream in
 * slices of any length and hands out each record where it lies; only what is
 * left of an incomplete record is moved, once, to make room behind it.  It
 * holds no key, descriptor or clock.
 *
 *	room = d4_feed_space(feed, want, &at);
 *	n = read(fd, at, room);
 *	d4_feed_filled(feed, n);
 *	while ((reason = d4_feed_next(feed, &record)) == D4_OK)
 *		...
 *	if (reason != D4_SHORT)
 *		the stream is broken
 *
 * Memory follows the bytes received, never the size that a header announces,
 * and ends at one record of the greatest size plus what was wanted.
 */

#include <stddef.h>
#include <stdint.h>

#include "lib/header.h"

struct d4_feed;

/* A whole record in the feed's memory. */
struct d4_feed_record {
	struct d4_header header;
	uint8_t		*bytes;		/* header and payload, writable */
	size_t		 len;		/* 62 + header.size */
};

/* A feed that refuses payloads over max bytes; NULL when memory is short. */
struct d4_feed *d4_feed_new(uint32_t max);

/* Takes NULL. */
void d4_feed_free(struct d4_feed *);

/*
 * Makes room for at least want bytes, want > 0, and points *at to it.
 * Returns how many bytes may be written there, at least want, or 0 when memory
 * is short; then the feed is as before.  Records handed out before are gone.
 */
size_t d4_feed_space(struct d4_feed *, size_t want, uint8_t **at);

/* Says that n bytes, no more than the room, were written there. */
void d4_feed_filled(struct d4_feed *, size_t n);

/*
 * Hands out the next whole record, good until d4_feed_space() or
 * d4_feed_idle().  D4_OK; D4_SHORT when none is whole; D4_TOO_LARGE when the
 * next header, already whole, announces more than the limit: then the feed
 * stays there and says so again, and record->header is that header.
 */
enum d4_refusal d4_feed_next(struct d4_feed *, struct d4_feed_record *);

/* How many bytes of an incomplete record are held; 0 at a record's border. */
size_t d4_feed_pending(const struct d4_feed *);

/* The payload that the incomplete record announces, 0 when its header is not
 * whole or nothing is pending. */
uint32_t d4_feed_announced(const struct d4_feed *);

/* Gives back memory that the bytes held do not need.  Records handed out
 * before are gone. */
void d4_feed_idle(struct d4_feed *);

#endif
