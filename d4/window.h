/* SPDX-License-Identifier: ISC */
#ifndef D4_WINDOW_H
#define D4_WINDOW_H

/*
 * Sealed records on their way: first those already handed to the link and kept
 * to be sent again, then those it has not taken yet.
 *
 *	head          sent            tail
 *	|--- kept ---->|--- waiting -->|
 *
 * A new session starts with the opening (what every session must begin with:
 * the hello, the meta header, the preamble of the data behind it) and goes on
 * at the head, always at the border of a unit.  Records never change: what is
 * sent again is sent byte for byte.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/header.h"
#include "lib/mac.h"

struct window;

/* What a record is to those that resume at it. */
enum {
	WINDOW_END = 1,		/* a unit of data ends with it */
	WINDOW_PREAMBLE = 2,	/* it belongs to the stream's preamble */
	WINDOW_RESET = 4	/* and the preamble begins anew with it */
};

/*
 * Keeps at least keep bytes of records that were sent, as whole units, and
 * calls itself full with buffer bytes that never were; what is sent again does
 * not count there.  With keep 0 no unit is sent again that went out whole.
 * Records are of this version and uuid, with payloads of at most snaplen.
 * NULL when memory is short.
 */
struct window *window_new(const struct d4_header *, size_t snaplen,
    struct d4_mac *, struct d4_mac_key *, size_t keep, size_t buffer);

/* Takes NULL. */
void window_free(struct window *);

/* Adds a record with a copy of len bytes, to be sealed.  -1: no memory. */
int window_add(struct window *, uint8_t type, const void *, size_t len,
    int flags);

/* Adds a record, sealed at once, to what opens every session; only before the
 * first session.  -1: no memory. */
int window_add_opening(struct window *, uint8_t type, const void *,
    size_t len, uint64_t timestamp);

/* Seals what was added.  -1 when the mac failed. */
int window_seal(struct window *, uint64_t timestamp);

/* The next bytes for the link, opening first, behind those that were sent and
 * ahead more: returns how many lie at *at, 0 when there are none.  They stay
 * there until they were sent, or the next rewind. */
size_t window_next(const struct window *, size_t ahead, const uint8_t **at);

/* Says that the link has sent the next n. */
void window_sent(struct window *, size_t n);

/* The session is over: the next has the opening, then all from the head.
 * Returns how many bytes will be sent that were sent before, without the
 * opening. */
size_t window_rewind(struct window *);

/* Bytes that wait, those to be sent again among them, and whether more should
 * not be added now. */
size_t window_waiting(const struct window *);
bool window_full(const struct window *);

/* How many bytes of a record that is not sent whole were. */
size_t window_partial(const struct window *);

/* Records added, without the opening. */
uint64_t window_records(const struct window *);

/* Bytes of records added so far, and how far the link ever took them: with the
 * two a caller learns when something it added was sent. */
uint64_t window_end(const struct window *);
uint64_t window_reached(const struct window *);

#endif
