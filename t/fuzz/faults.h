/* SPDX-License-Identifier: ISC */
#ifndef T_FUZZ_FAULTS_H
#define T_FUZZ_FAULTS_H

/*
 * Calls that fail, as the end of an input says.  A fuzz program whose decoder
 * has errors of memory, files and devices to answer cuts its input here, and
 * has calls fail while the decoder runs; it is linked with --wrap for each of
 * them (see the Makefile), so only calls of ours count, not those of the
 * libraries.
 *
 * Each of the last four bytes of an input, up to FAULTS_MAX times, may be
 *
 *	0xfa	mark
 *	call	the lower four bits: enum fault_call; 15: a choice
 *	how	the lower four bits: 0 EIO, 1 ENOSPC, 2 EINTR, 3 EAGAIN, 4
 *		ENOENT, 5 EACCES, 6 EMFILE, 7 EEXIST, 8 short: a read or write
 *		of one byte, 9 of none; memory is ENOMEM always.  Bit 7: so does
 *		each call behind it, except with 2, 3 and 9.  Bit 6: and then
 *		all is done again, with k one more, until none fails.  Of a
 *		choice: which
 *	k	how many calls succeed before it
 *
 * An input without that has no faults.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAULTS_MAX	4

#define FAULTS_SWEEP	40	/* times at most, with bit 6 */

enum fault_call {
	FAULT_ALLOC,	/* memory, streams of stdio, directories */
	FAULT_READ,
	FAULT_WRITE,
	FAULT_SYNC,
	FAULT_RENAME,	/* and link */
	FAULT_REMOVE,
	FAULT_OPEN,	/* and mkdir, pipe, socket */
	FAULT_STAT,
	FAULT_RESIZE,	/* and seek */
	FAULT_LOCK,	/* flock, dup, epoll_ctl, inotify, chown */
	FAULT_LIBRARY,	/* what has no memory in one that we use */
	FAULT_ANSWER,	/* of a server that is a fake (fake-redis.h) */
	FAULT_CALLS
};

/* Takes the faults off the end of an input and gives the rest to the function,
 * once or as often as they say. */
void faults_run(const uint8_t *, size_t len,
    void (*)(const uint8_t *, size_t));

/* What the input chose by the way, 0: nothing. */
unsigned faults_choice(void);

/* Calls of this thread count and fail from here to there. */
void faults_on(void);
void faults_off(void);

/* As if none had been made yet; or none fails any more. */
void faults_rewind(void);
void faults_forget(void);

/* How the next such call of a fake is to end: 0 as it does, an errno, which is
 * set, or one of these two. */
#define FAULT_SHORT	(-1)
#define FAULT_NONE	(-2)
int faults_next(enum fault_call);

/* Within that, what a fake does itself, which never fails. */
bool faults_pause(void);
void faults_resume(bool were);

/* Whether one has failed, or was short, since the function was called or one of
 * those two. */
bool faults_any(void);

#endif
