/* SPDX-License-Identifier: ISC */
#ifndef D4_ANCHOR_H
#define D4_ANCHOR_H

/*
 * Which records a lost stream may be resumed at.  The receiver finds the place
 * by the HMAC of the first record that it gets again, so that HMAC must not
 * have occurred before in the stream.  Equal HMACs need equal timestamps and
 * equal lengths, for both are hashed with the data: a record of a length that
 * no earlier one of the same second had is one of its kind, whatever is in it.
 * That takes a bit for each length, and no hashing.
 *
 * Where nothing else makes an anchor for long, the caller makes one: it ends a
 * record early, at a length not used yet.  Where all are used up, it waits for
 * the next second.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct anchor;

/*
 * For payloads of at most snaplen bytes, at the beginning of a stream, which
 * is an anchor by itself.  Two anchors are to be less than half a window apart,
 * or 512 KiB where that is more.  With window 0 none is needed and none is
 * ever due.  NULL when memory is short.
 */
struct anchor *anchor_new(size_t snaplen, size_t window);

/* Takes NULL. */
void anchor_free(struct anchor *);

/* The second that the next records are sealed in, never less than before. */
void anchor_second(struct anchor *, uint64_t);

/* A record of the stream with a payload of that length comes next, which may
 * be resumed at if it is one of its kind.  Returns whether it is an anchor. */
bool anchor_take(struct anchor *, size_t len, bool may_resume);

/* Whether one is to be made at the next occasion. */
bool anchor_due(const struct anchor *);

/* Whether no record of this second had that length; and the smallest such
 * length from 1 to snaplen, 0 when there is none. */
bool anchor_unused(const struct anchor *, size_t len);
size_t anchor_shortest(struct anchor *);

/* Whether nothing should be added before the next second. */
bool anchor_waits(const struct anchor *);

#endif
