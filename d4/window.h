/* SPDX-License-Identifier: ISC */
#ifndef D4_WINDOW_H
#define D4_WINDOW_H

/*
 * Sealed records on their way: first those already handed to the link and kept
 * to be sent again, then those it has not taken yet.
 *
 *	head   anchor  anchor ... acked     sent            tail
 *	|---------- kept -------------------->|--- waiting -->|
 *	       |------- at least keep --|
 *
 * A new session starts with the opening (what every session must begin with:
 * the hello, the meta header, the preamble of the data behind it) and goes on
 * at the head, which is an anchor (anchor.h): so that the receiver can tell
 * what it has.  Records never change: what is sent again is sent byte for byte.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "d4/spool.h"
#include "lib/header.h"
#include "lib/mac.h"

struct window;

/* What a record is to those that resume at it. */
enum {
	WINDOW_END = 1,		/* a unit of data ends with it */
	WINDOW_PREAMBLE = 2,	/* it belongs to the stream's preamble */
	WINDOW_RESET = 4,	/* and the preamble begins anew with it */
	WINDOW_ANCHOR = 8	/* the window's own: it is one */
};

/* The most that may be kept: receivers know what they stored last by 16 MiB,
 * and the head may lie half of this farther back, see anchor.h. */
#define WINDOW_KEEP_MAX	((size_t)8 << 20)

/*
 * Keeps at least keep bytes of records before the last one that the peer's
 * system has acknowledged, and calls itself full with buffer bytes that never
 * were sent; what is sent again does not count there.  With keep 0 no unit is
 * sent again that went out whole, and each session is a stream of its own,
 * with another hello: nothing then could tell a record that was stored from an
 * equal one that was not.
 *
 * Records are of this version and uuid, with payloads of at most snaplen.
 * With a spool, which has a stream, they are kept there, and in memory but the
 * last buffer bytes of them; the window goes on with that stream: with its
 * opening and timestamps, at its head.  Only what is synced is sent, and what
 * counts as full is the spool's to say.
 * NULL when memory is short.
 */
struct window *window_new(const struct d4_header *, size_t snaplen,
    struct d4_mac *, struct d4_mac_key *, size_t keep, size_t buffer,
    struct spool *);

/* Takes NULL.  A spool is at rest then. */
void window_free(struct window *);

/* The timestamp of what is added from now on, at least that of before. */
void window_clock(struct window *, uint64_t timestamp);

/* Adds a record, sealed at once, to what opens every session; only before the
 * first session.  -1: no memory. */
int window_add_opening(struct window *, uint8_t type, const void *,
    size_t len);

/* Adds a record with a copy of len bytes, to be sealed.  -1: no memory. */
int window_add(struct window *, uint8_t type, const void *, size_t len,
    int flags);

/* Seals what was added.  -1 when the mac failed. */
int window_seal(struct window *);

/*
 * For who cuts records.  Whether the next one that begins a unit should be an
 * anchor; whether that length would make it one; and the shortest such length,
 * 0 when there is none in this second.
 */
bool window_wants_anchor(const struct window *);
bool window_anchors(const struct window *, size_t len);
size_t window_shortest_anchor(struct window *);

/* The next bytes for the link, opening first, behind those that were sent and
 * ahead more: returns how many lie at *at, 0 when there are none, or none yet.
 * They stay there until they were sent, or the next rewind. */
size_t window_next(struct window *, size_t ahead, const uint8_t **at);

/* Says that the link has sent the next n.  -1: no memory. */
int window_sent(struct window *, size_t n);

/* Says how many of all that were sent the peer's system has not acknowledged;
 * what need not be kept is forgotten.  To be called now and then, and before
 * window_rewind(). */
void window_unacked(struct window *, size_t n);

/* The session is over: the next has the opening, then all from the head.
 * Returns 0, or -1: no memory. */
int window_rewind(struct window *);

/* Bytes that would be sent again, those that wait, which are to be sent again
 * or never were, and whether more should not be added now. */
size_t window_kept(const struct window *);
size_t window_waiting(const struct window *);
bool window_full(const struct window *);

/* Whether nothing should be added before the next second. */
bool window_pauses(const struct window *);

/* How many bytes of a record that is not sent whole were. */
size_t window_partial(const struct window *);

/* What opens every session, but for the preamble; and the timestamp of the
 * hello that was sent last. */
const uint8_t *window_hello(const struct window *, size_t *len);
uint64_t window_hello_time(const struct window *);

/* Records added, without the opening. */
uint64_t window_records(const struct window *);

/* Up to where what was added is safe: the link took it, or it is in the
 * spool. */
uint64_t window_safe(const struct window *);

/* Gives up the oldest part of a spool that has no room, and goes on behind it
 * with the window_rewind() that is due then.  1 and how many units are lost; 0
 * when it can't be now; -1 with errno. */
int window_drop(struct window *, uint64_t *units);

/* Nothing more is added for now: a spool is not to wait for it. */
void window_flush(struct window *);

/* Has the spool remember where the stream is to be resumed, in full. */
void window_rest(struct window *);

/* Whether something waits that may be sent once the spool has remembered how
 * far all has come: a matter of milliseconds. */
bool window_held(const struct window *);

/* Bytes of records added so far, and how far the link ever took them: with the
 * two a caller learns when something it added was sent. */
uint64_t window_end(const struct window *);
uint64_t window_reached(const struct window *);

#endif
