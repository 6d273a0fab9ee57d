/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_STREAM_KEYS_H
#define D4_RECV_STREAM_KEYS_H

/*
 * d4-core's keys around a session, changed by scripts of the server: each can
 * be run twice without harm.  Their arguments are our prefix, the receiver's
 * token, and but for the last one uuid, session, type and one more.
 */

#include <stddef.h>
#include <stdint.h>

#define STREAM_KEY	64	/* bytes of stream:TYPE:SESSION with NUL */
#define STREAM_ID	32	/* of an entry's id */

/* Its length. */
size_t stream_key(char[STREAM_KEY], uint8_t type, const char *session);

/* The first record verified. */
extern const char stream_open_script[];

/* It was stored: the worker is to come. */
extern const char stream_stored_script[];

/* Of type 2 it became 254. */
extern const char stream_become_script[];

/* It is over; one more is "1" when another connection replaced it. */
extern const char stream_close_script[];

/* This receiver lives; with a third argument "1" sessions of those that died
 * are ended, for nobody else does. */
extern const char stream_beat_script[];

#endif
