/* SPDX-License-Identifier: ISC */
#ifndef T_FUZZ_FAKE_REDIS_H
#define T_FUZZ_FAKE_REDIS_H

/*
 * A Redis server that answers anything, behind lib/redis.h: each reply is made
 * of the next bytes of an input.
 *
 *	255		the connection is lost; no other can be made
 *	248		there is none yet, where nobody waits for it
 *	else		the low three bits: 0 nil, 1 status, 2 error, 3 integer,
 *			4 and 5 string, 6 and 7 array; the others say more:
 *	  texts		0 to 23 a text of fake_texts[], else the next byte is a
 *			length, and the text follows
 *	  integer	as it is, but for 31: the next eight bytes
 *	  array		how many elements, at most 4 deep
 *
 * Behind the input all replies are nil, and after 2000 of them the connection
 * is lost.  Time passes with each wait.
 *
 * Or it is a server that keeps what it is told (fake-keys.h): the input begins
 * with commands, each an array, that others gave it before, up to what is no
 * array; then come what it says to scripts.  Any reply may be another, as
 * FAULT_ANSWER of an input has it (faults.h):
 *
 *	0 EIO		the connection is lost; no other can be made
 *	3 EAGAIN	the connection is lost
 *	4 ENOENT	nil
 *	5 EACCES	a string, a uuid
 *	6, 7		0, 1
 *	8 short		an array of no element
 *	2 EINTR, 9	of a string, of an error
 *	1 ENOSPC	an error
 */

#include <stddef.h>
#include <stdint.h>

extern const char *const fake_texts[24];

void fake_redis_begin(const uint8_t *, size_t len);

/* From here on it keeps what it is told. */
void fake_redis_keeps(void);

/* What is left of the last reply is freed; no connection may be open. */
void fake_redis_end(void);

#endif
