/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_SHARE_H
#define D4_RECV_SHARE_H

/*
 * Tails in Redis, so that a stream goes on at another receiver, which has a
 * store of its own: together their stores have each byte once (d4-resume(7)).
 *
 * Who has a stream adds to its shared tail what it has stored, but only what
 * counts by then: it ends with a whole unit, is in the store's own tail
 * (tail.h) and, where tails have marks, is marked.  So the shared tail is never
 * ahead of the files.  With it goes the place in these files where it ends.
 * One command of a stream is under way at a time and has all that came
 * meanwhile.
 *
 *	ask	who gets a session of a stream asks for it.  While another
 *		receiver lives that has it, that one is told to let go, and we
 *		ask again, for SHARE_PATIENCE at most, in which Redis is there.
 *		Then it is ours
 *	own	and nobody else had it since: our own tail holds, for it is
 *		ahead of the shared one, which is replaced by it.  Only when
 *		that is answered the file that a dead process left is finished
 *	others	another store had it: the shared tail becomes ours.  Until we
 *		store something the stream is still the other's.  Then it is
 *		told where it went on: at the place that the shared tail has; or
 *		at the record that came first, when that is not in the tail and
 *		so the other may have stored it, and what was before, behind
 *		that place.  Nothing is stored before that is answered
 *	gone	somebody took it for want of an answer of ours: what we stored
 *		behind the place that the shared tail has does not count
 *
 * Who finds files that a dead process left asks before they are finished:
 * behind the place where the stream went on elsewhere they are cut, for that is
 * stored there.  So that nothing is finished that may have to be cut, a file
 * waits until its end is in the shared tail; not so while Redis is away, as
 * then nobody can go on elsewhere.
 *
 * Each taking of a stream has a number, and a command with another than the
 * last one's does nothing; so one who was asleep or cut off can do no harm.
 * Where the server forgot a number that we have, all is sent again.
 *
 * What can't be exact: when Redis was away and a receiver died before it was
 * back, what it finished meanwhile and the overlap of the next session may be
 * there twice; likewise when Redis lost what it had.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "d4-recv/place.h"
#include "d4-recv/tail.h"

#define SHARE_PATIENCE	10000	/* ms for a living receiver to let go */
#define SHARE_AWAY	3000	/* ms without Redis, then nothing awaits it */

struct share;			/* of a process */
struct share_stream;		/* of a stream, ours or asked for */

struct share_settings {
	const char	*where;		/* redis:..., the registry */
	const char	*user;		/* these are kept, not copied; */
	const char	*password;	/* both may be NULL */
	const char	*store;		/* by tails_id(), copied */
	int		 epoll;		/* which waits for us */
	void		*tag;		/* with this data */
};

enum share_state {
	SHARE_ASKS,		/* there is no answer yet */
	SHARE_HELD,		/* of share_recover() alone: a living one
				 * has it */
	SHARE_OWN,		/* our own tail holds: share_upload() is owed */
	SHARE_OTHERS,		/* another store had it: share_import(), then
				 * share_confirm() are owed */
	SHARE_SETTLED,		/* it is ours, and that is known there */
	SHARE_GONE		/* another has taken it */
};

/* Where a stream went on elsewhere, as our store is told. */
struct share_note {
	bool			 any;	/* it was told */
	struct tail_place	 place;
	bool			 first;	/* behind it all counts before that: */
	uint8_t			 tag[MATCH_TAG];
};

/* NULL with a reason in why. */
struct share *share_new(const struct share_settings *, char why[256]);

/* Frees all; what is not answered is lost.  Takes NULL. */
void share_free(struct share *);

/* Sends and receives what can be: at the end of each turn, and when epoll
 * gives the tag. */
void share_run(struct share *);

/* Whether a stream has another state, or something of it was answered, since
 * the last call. */
bool share_has_news(struct share *);

/* How long epoll may wait: less than that while somebody waits for us. */
int share_timeout(const struct share *, int timeout_ms);

/* Once a second: says that we live, hears what is wanted of us. */
void share_tick(struct share *);

/* Whether all was answered that was to be, 0; or -1: time was up. */
int share_drain(struct share *, int timeout_ms);

/* Whether Redis has been away for so long that nothing waits for it. */
bool share_is_away(const struct share *);

/* Asks for a stream.  NULL: another session of it, here, is not done with it
 * yet, or memory is short; to be tried again. */
struct share_stream *share_take(struct share *, const uint8_t[D4_UUID_LEN],
    uint8_t type, const char stream[PLACE_TAIL]);

/* Another share of it; drops one.  With the last one it is let go, once all is
 * answered.  Both take NULL. */
struct share_stream *share_keep(struct share_stream *);
void share_drop(struct share_stream *);

enum share_state share_state(const struct share_stream *);

/* Whether another receiver asks for it. */
bool share_is_wanted(const struct share_stream *);

/* What the other store has, in SHARE_OTHERS, until share_confirm(); where our
 * own files end, in any state but SHARE_ASKS. */
const struct tail_import *share_import(const struct share_stream *);
const struct share_note *share_note(const struct share_stream *);

/* All of a tail, which is settled or has been added to since; nobody matches
 * it.  Puts the shared one in order.  0, or -1 with errno. */
int share_upload(struct share_stream *, struct tail *);

/* Whether that is to be done again, for the server lost what it had. */
bool share_lacks_all(const struct share_stream *);

/* The stream goes on here; ours is the place of what counts in our files so
 * far.  first is the record that comes first, or NULL: it is the next one of
 * the shared tail. */
void share_confirm(struct share_stream *, const struct tail_place *ours,
    const uint8_t first[MATCH_TAG]);

/* The next record, as in tail_add(); file is a number that grows with each
 * file of the session.  0, or -1 when memory is short. */
int share_add(struct share_stream *, const uint8_t tag[MATCH_TAG],
    uint32_t wire, uint8_t flags, uint64_t file, uint64_t end);

/* What was added counts that ends at or before the limit in the file of that
 * number, or is in one before; ours is the place of it.  Returns a ticket. */
uint64_t share_push(struct share_stream *, uint64_t file, uint64_t limit,
    const struct tail_place *ours);

/* Whether that has arrived. */
bool share_has_arrived(const struct share_stream *, uint64_t ticket);

/* -- what dead processes left ---------------------------------------------- */

/* Asks for a stream that a dead process left, of which we hold the tail; takes
 * over that in any case.  -1 when memory is short. */
int share_recover(struct share *, const struct place *, struct tail *);

/* Such a stream and its tail; NULL when it was not asked for. */
struct share_stream *share_recovering(struct share *, const struct place *);
struct tail *share_tail(struct share_stream *);

/* Lets go of those that were answered for, and of their tails. */
void share_recovered(struct share *);

#endif
