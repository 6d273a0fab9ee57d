/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_STREAM_KEYS_H
#define D4_RECV_STREAM_KEYS_H

/*
 * d4-core's keys around a session, changed by scripts of the server: each can
 * be run twice without harm.  Their arguments are our prefix, the receiver's
 * token, and but for the last one uuid, session and type.
 */

#include <stddef.h>
#include <stdint.h>

#define STREAM_KEY	64	/* bytes of stream:TYPE:SESSION with NUL */
#define STREAM_ID	32	/* of an entry's id */
#define STREAM_LIFE	"604800"	/* seconds that a tail is kept */

/* Its length. */
size_t stream_key(char[STREAM_KEY], uint8_t type, const char *session);

/* The first record verified. */
extern const char stream_open_script[];

/* It was stored: the worker is to come.  1 when it was not told so before, or
 * has ended the session since, 0 when it was. */
extern const char stream_stored_script[];

/* Of type 2 it became 254. */
extern const char stream_become_script[];

/* It is over. */
extern const char stream_close_script[];

/* This receiver lives; with a third argument "1" sessions of those that died
 * are ended, for nobody else does.  1 when the receiver was not known: it has
 * come just now, was taken for dead, or the server was emptied; else 0. */
extern const char stream_beat_script[];

/* What there is of some entries of a session's stream, which is the key;
 * arguments are the first one's id and the last one's.  The last id that the
 * stream ever had; how many entries were ever added to it, and the last id that
 * was taken away, or -1 and "" (Redis 7 knows these); and the ids of those of
 * them that are there. */
extern const char stream_check_script[];

/*
 * A stream that may be gone on with (d4-resume(7)) has a tail beside its
 * entries, so that these and it change in one step:
 *
 *	entries:UUID:TYPE:STREAM	hash
 *		holder			the session that may add to it
 *		n			how many records that has added
 *		preamble		tags of it, of 16 bytes
 *		bytes			that the next key covers
 *	entries:UUID:TYPE:STREAM:tags	list, as tail-blob.h has it
 *	entries_of:UUID:TYPE		list of UUID:TYPE:STREAM, newest first
 *
 * Takes it; KEYS are hash and list, arguments our prefix, the session, the
 * stream and UUID:TYPE.  Answers the preamble, then all of the list.
 */
extern const char stream_take_script[];

/* Adds entries that follow one another, and their tags; KEYS are the session's
 * stream, hash and list, arguments the session, the number in it of the first
 * record, 1 to trim the list, what is added to list and preamble, or "", the
 * two halves of the first entry's id, whose second grows by one with each,
 * uuid, timestamp and version of all, then each payload.  How many of them are
 * there, from the first on, and the refusal of the next if that is not all; -1:
 * another session has taken the stream; -2: the one before is not there; -3: a
 * worker has ended the session. */
extern const char stream_add_script[];

#endif
