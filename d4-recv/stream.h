/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_STREAM_H
#define D4_RECV_STREAM_H

/*
 * Verified records into d4-core's Redis Streams, for its workers: each payload
 * is an entry of stream:TYPE:SESSION, and the keys around it (d4-redis(7)) say
 * which sessions there are, whose they are and which have ended.
 *
 * Commands go out without waiting for answers, and are kept until those come.
 * When the server is lost they are sent again: entries have ids of our making,
 * in order, so that what had arrived is refused as a second and nothing is
 * lost or doubled.  When the server has no room or no right for us they wait.
 * Meanwhile, and when a session's stream has as many entries as it may, the
 * session is full: its sensor is not to be read.
 *
 * An entry of a stream with a tail and its tag are added by one script, which
 * takes them in order, each once, and from no session but the last one that
 * asked for the tail.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "d4-recv/match.h"
#include "lib/header.h"
#include "lib/registry.h"

#define STREAM_LIMIT	10000	/* entries, where the registry has no other */

struct stream;
struct stream_session;

struct stream_settings {
	const char		*where;		/* redis:... */
	const char		*user;		/* these two are kept, not */
	const char		*password;	/* copied; may be NULL */
	bool			 disconnects;	/* at the limit */
	struct d4_registry	*registry;	/* for kicks by d4-core */
	int			 epoll;		/* which waits for us */
	void			*tag;		/* with this data */
};

struct stream_figures {
	uint64_t	nentries;	/* answered: they are there */
	uint64_t	nbytes;		/* of their payloads */
	size_t		nwaiting;	/* commands not yet answered */
	size_t		waiting;	/* bytes of these */
	size_t		nheld;		/* sensors that are not to be read */
	uint64_t	nlosses;	/* of the connection, or its refusals */
	uint64_t	nreconnects;
	uint64_t	noverflows;	/* sessions ended for their length */
	bool		away;		/* lost, or it refuses */
};

/* Why a session has to end. */
enum stream_end {
	STREAM_GOES_ON, STREAM_OVERFLOW, STREAM_BAD_DATA,
	STREAM_TAKEN,		/* another session of it has it, or the server
				 * lost what it had: its sensor is to go on */
	STREAM_LOST		/* the server lost what it had, and the rest
				 * alone can't be read: it is to begin anew */
};

/* NULL with a reason in why.  The server need not be there yet. */
struct stream *stream_new(const struct stream_settings *, char why[256]);

/* Frees all, sessions too; what is not answered is lost.  Takes NULL. */
void stream_free(struct stream *);

/* A session whose first record has verified; limit 0 is STREAM_LIMIT.  NULL
 * when memory is short. */
struct stream_session *stream_open(struct stream *,
    const uint8_t uuid[D4_UUID_LEN], const uint8_t session[D4_UUID_LEN],
    uint8_t type, uint64_t limit);

/* Another limit holds from now on; 0 is STREAM_LIMIT. */
void stream_set_limit(struct stream_session *, uint64_t limit);

/*
 * The session is of a stream that may be gone on with (d4-resume(7)), of which
 * no file tells what is kept: its tail is beside the entries, and what was
 * added by an earlier session, here or at another receiver, is not added again.
 * Then stream_judge() comes before stream_add() for each record of data.
 */
void stream_resume(struct stream_session *, const uint8_t hello[D4_HMAC_LEN]);

/* 1 and the verdict on the record, of which MATCH_STORED is not to be added; 0:
 * not yet, stream_eased() will tell; -1 when memory is short. */
int stream_judge(struct stream_session *, const struct d4_header *,
    const uint8_t *payload, enum match_verdict *);

/* How that goes; NULL before the first verdict. */
const struct match *stream_match(const struct stream_session *);

/* Takes a record; of types 2 and 254 one session may have both, in that order.
 * 0, or -1 when memory is short. */
int stream_add(struct stream_session *, const struct d4_header *,
    const uint8_t *payload);

/* Whether the sensor is not to be read now; stream_eased() tells when to ask
 * again. */
bool stream_is_full(struct stream_session *);
bool stream_eased(struct stream *);

/* Whether the connection is to be cut. */
enum stream_end stream_end(const struct stream_session *);

/* Whether all that was taken is answered; when not stream_eased() will tell. */
bool stream_settled(struct stream_session *);

/* The connection is over.  What was taken still goes out.  Takes NULL. */
void stream_close(struct stream_session *);

/* Sends and receives what can be: at the end of each turn, and when epoll
 * gives the tag. */
void stream_run(struct stream *);

/* How long epoll may wait: less than that while somebody waits for us. */
int stream_timeout(const struct stream *, int timeout_ms);

/* Once a second: says that we live, looks what workers and administrators
 * want, connects again. */
void stream_tick(struct stream *);

/* Goes on until all is answered, or for that long: 0, or -1 when time was
 * up. */
int stream_drain(struct stream *, int timeout_ms);

const struct stream_figures *stream_figures(struct stream *);

#endif
