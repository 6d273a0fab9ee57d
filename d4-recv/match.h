/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_MATCH_H
#define D4_RECV_MATCH_H

/*
 * Which records of a session that goes on with a stream are stored already
 * (d4-resume(7)).  Pure: the tail, what was stored last in order, comes through
 * calls; no descriptor, clock or memory.
 *
 *	SEEK	records of the preamble are dropped; the first other one is
 *		looked up, and its first occurrence in the tail aligns
 *	FOLLOW	each record has to be the tail's next, and is dropped, until
 *		the tail is used up
 *	LIVE	all are new
 *
 * By sequence, never by membership: records that are equal by right, as the
 * same line twice in a second, stay two.  What can't be aligned is new: at
 * worst something is stored twice, nothing is ever dropped for looking like
 * something else.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* So many bytes of the HMAC tell records apart. */
#define MATCH_TAG	16

/* So many of them are enough where room is dear (share.h): the others are zero
 * then. */
#define MATCH_SHORT	8

/* The tail, whose owner outlives the match. */
struct match_tail {
	void	*cookie;
	/* Goes back to the first entry. */
	void	(*rewind)(void *);
	/* The next entry, good until the next call, and whether it is one of
	 * the preamble; NULL at the end. */
	const uint8_t *(*next)(void *, bool *preamble);
	/* Whether a record of the preamble in force where the tail begins, or
	 * of one within it, has this tag. */
	bool	(*is_preamble)(void *, const uint8_t tag[MATCH_TAG]);
};

enum match_state { MATCH_SEEK, MATCH_FOLLOW, MATCH_LIVE };

/* How the match ended. */
enum match_end {
	MATCH_OPEN,		/* it did not yet */
	MATCH_COMPLETE,		/* at the end of the tail, or it was empty */
	MATCH_GAP,		/* a record before alignment was not in it */
	MATCH_DIVERGED		/* a record after it was another */
};

struct match {
	const struct match_tail	*tail;
	enum match_state	 state;
	enum match_end		 end;
	bool			 aligned;	/* a record was in the tail */
	uint64_t		 nstored;	/* records dropped as stored */
};

enum match_verdict {
	MATCH_STORED,		/* drop it */
	MATCH_PREAMBLE,		/* likewise, but what follows needs it */
	MATCH_NEW		/* store it */
};

/* A session goes on with the stream that has this tail. */
void match_begin(struct match *, const struct match_tail *);

/* A session of a new stream: all is new. */
void match_none(struct match *);

/* The next record's verdict. */
enum match_verdict match_judge(struct match *, const uint8_t tag[MATCH_TAG]);

#endif
