/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_CONN_H
#define D4_RECV_CONN_H

/*
 * A sensor's life, from accept(2) to close(2):
 *
 *	HANDSHAKE	TLS is being agreed on
 *	QUIET		no record has verified yet: a stranger; or its claim
 *			in the registry found no room, and that record waits
 *	LIVE		the sensor is who it says; what it sends is kept
 *	ENDING		it said that this was all; our answer goes out once all
 *			is stored
 *	DEAD		to be freed at the end of the turn
 *
 * What has verified and finds no room waits with the connection, which is not
 * read meanwhile, and does not end before it is stored.
 *
 * Records of all connections that are ready in one turn of the loop are
 * gathered, verified together and then taken in order, each connection's by
 * itself.  Nothing of a record is acted on before its HMAC has verified.
 */

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "d4-recv/faults.h"
#include "d4-recv/peers.h"
#include "d4-recv/refusals.h"
#include "d4-recv/session.h"
#include "d4-recv/settings.h"
#include "d4-recv/store.h"
#include "d4-recv/stream.h"
#include "lib/digest.h"
#include "lib/feed.h"
#include "lib/mac.h"
#include "lib/registry.h"
#include "lib/tls.h"

#define CONN_BATCH	1024	/* records verified together */

enum conn_state {
	CONN_HANDSHAKE, CONN_QUIET, CONN_LIVE, CONN_ENDING, CONN_DEAD
};

/* A key that several connections may share. */
struct conn_key {
	struct d4_mac_key	*mac;
	uint8_t			 digest[D4_DIGEST_SHA256]; /* of its bytes */
	size_t			 refs;
};

struct conn {
	struct conn		*prev, *next;	/* of all, by age */
	TAILQ_ENTRY(conn)	 stranger;	/* of those, by age */
	struct conn		*touched;	/* the next one of this turn */
	bool			 is_touched;
	bool			 was_read;	/* in this turn: its feed holds
						 * records of the batch */
	bool			 again;		/* more waits that epoll can't
						 * see */
	enum conn_state		 state;
	int			 fd;
	uint64_t		 serial;	/* in the order of accept(2) */
	bool			 blocking;	/* stdin: one read at a time */
	uint32_t		 events;	/* what epoll waits for, 0: it
						 * does not know us */
	struct d4_tls		*tls;		/* or NULL: none, or not
						 * a byte has come */
	char			 peer[D4_NET_HOST];
	struct peer		*counted;	/* among those of its address */
	int64_t			 since_ms;	/* the state was entered */
	int64_t			 heard_ms;	/* bytes came last */
	int64_t			 record_ms;	/* a record was begun, or 0 */
	struct d4_feed		*feed;
	struct session		 session;
	struct conn_key		*key;		/* from the first header on */
	bool			 own_key;	/* sensor's, not the default */
	uint8_t			 id[D4_UUID_LEN];	/* of the session */
	struct d4_registry_claim *claim;	/* from LIVE on */
	bool			 opened;	/* the first data came */
	struct store_stream	*stream;	/* from then on, where files are
						 * kept */
	struct stream_session	*sink;		/* from LIVE on, where there are
						 * streams */
	bool			 resumes;	/* d4-resume(7) */
	uint8_t			 hello[D4_HMAC_LEN];	/* of its stream */
	bool			 told;		/* what was stored before */
	bool			 closing;	/* its last record was empty */
	bool			 complete;	/* and its end was answered */
	bool			 answered;	/* its end, complete or not */
	uint64_t		 max_age;	/* of its timestamps, 0: any */
	bool			 monotonic;
	uint64_t		 newest;	/* the greatest one */
	bool			 noted_newest;
	uint8_t			*backlog;	/* verified, not yet stored:
						 * headers and payloads */
	size_t			 backlog_len, backlog_at;
	size_t			 taken;		/* of the first one's payload */
	bool			 judged;	/* it is new */
	bool			 partly;	/* and came before, but cut */
	bool			 ended;		/* the peer said so */
	bool			 answering;	/* close_notify is on its way */
	bool			 verified;	/* a record has, ever */
	bool			 condemned;	/* no more is taken of it */
	unsigned		 refusal;	/* why it is to end, 0: not */
	const char		*more;		/* words to that, static or of
						 * tls; NULL: none */
	struct d4_header	 odd;		/* the one that was refused */
	uint64_t		 turn_records;	/* taken in this turn */
	uint64_t		 turn_bytes;
};

/* What all connections of a worker share. */
struct conn_context {
	const struct settings	*settings;
	struct rules		 rules;		/* of settings or registry */
	bool			 registered_only;	/* likewise */
	struct d4_mac		*mac;
	struct conn_key		*default_key;
	struct d4_registry	*registry;
	struct store		*store;		/* or NULL: no files */
	struct stream		*streams;	/* or NULL */
	struct d4_tls_context	*tls;
	struct refusals		 refusals;
	struct faults		 faults;	/* of the registry */
	struct peers		*peers;
	int			 epoll;
	unsigned		 max_connections; /* that fit our descriptors */
	int64_t			 now_ms;	/* monotonic */
	time_t			 now;

	struct conn		*first, *last;	/* of all, by age */
	size_t			 nconns;
	TAILQ_HEAD(, conn)	 strangers;	/* HANDSHAKE and QUIET */
	size_t			 nstrangers;
	size_t			 nwaiting;	/* for room, at the last tick */
	bool			 judges_again;	/* last tick blocked an address:
						 * others come from it */
	struct conn		*touched;	/* in this turn */
	struct conn		*dead;		/* to be freed after it */

	struct d4_mac_job	 jobs[CONN_BATCH];
	struct conn		*owners[CONN_BATCH];
	struct d4_header	 headers[CONN_BATCH];
	size_t			 njobs;
	size_t			 gathered;	/* bytes of these */

	uint64_t		 naccepted;
	uint64_t		 nrecords;	/* verified */
	uint64_t		 nbytes;	/* of their payloads */
};

/*
 * Takes over an accepted descriptor that does not block, or refuses and closes
 * it.  peer is its address, or what to call it.
 */
void conn_new(struct conn_context *, int fd, const char *peer);

/* Something may be read or written: goes on with the handshake, reads what is
 * there up to a bound, and gathers records.  The turn must be ended after. */
void conn_ready(struct conn_context *, struct conn *);

/* The end of a turn: verifies what was gathered, takes it, and frees what
 * died.  Returns whether connections wait to be read again at once. */
bool conn_turn(struct conn_context *);

/* Once a second: deadlines, what waits for room, changes by administrators
 * (judge anew when registry or settings changed).  A turn must be ended
 * after. */
void conn_tick(struct conn_context *, bool judge);

/* After a turn that returned true: reads those connections again. */
void conn_reread(struct conn_context *);

/* What waits for room is tried again.  Returns whether some still waits.  A
 * turn must be ended after. */
bool conn_drain(struct conn_context *);

/* All connections end, without an answer: what was read is stored.  Returns -1
 * when some of it found no room, which was said, and does not come again. */
int conn_end_all(struct conn_context *);

/* Whether what it sent waits for room; it is not to be read then. */
bool conn_is_full(struct conn *);

/* Another session may have let go of a stream that one of ours waits for: the
 * turn must be ended after. */
void conn_retry(struct conn_context *);

/* Streams have room again, or are settled: the turn must be ended after. */
void conn_wake(struct conn_context *);

/* Makes a room's key shared; drops a share.  Both take NULL. */
struct conn_key *conn_key_new(struct d4_mac *, const void *, size_t);
void conn_key_drop(struct conn_key *);

/* Whether it was made of these bytes. */
bool conn_key_is(const struct conn_key *, const void *, size_t);

#endif
