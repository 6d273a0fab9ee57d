/* SPDX-License-Identifier: ISC */
#ifndef LIB_REDIS_H
#define LIB_REDIS_H

/*
 * A connection to a Redis server, by hiredis.  Commands are appended and their
 * replies come in the same order, so that many may be under way at once.
 * Nothing here waits unless a timeout is given:
 *
 *	waiting				not waiting
 *	d4_redis_connect(r, ms)		d4_redis_begin(r)
 *	d4_redis_send(r, ...)		d4_redis_send(r, ...)
 *	d4_redis_wait(r, &reply, ms)	poll(2) as d4_redis_poll() says, then
 *					d4_redis_next(r, &reply)
 *
 * Only resolving a name may take its time in either case.
 */

#include <sys/types.h>
#include <sys/uio.h>

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/net.h"

struct d4_redis;

/* HOST:PORT/DB, [V6]:PORT/DB, /path/to/socket/DB; "redis:" may stand before
 * the first two, "unix:" before the last. */
struct d4_redis_addr {
	struct d4_net_addr	net;
	unsigned		db;
};

enum d4_redis_kind {
	D4_REDIS_NIL,
	D4_REDIS_STATUS,	/* text */
	D4_REDIS_ERROR,		/* text */
	D4_REDIS_INTEGER,	/* number */
	D4_REDIS_STRING,	/* text, any bytes */
	D4_REDIS_ARRAY		/* n elements */
};

/* A reply, or an element of one.  It lies in the connection's memory until the
 * next reply is asked for or the connection ends. */
struct d4_redis_reply {
	enum d4_redis_kind	 kind;
	const char		*text;	/* a NUL stands behind it */
	size_t			 len;
	long long		 number;
	size_t			 n;
	const void		*inside;
};

/* Reads the text.  Returns 0, or -1 with *why a few static words. */
int d4_redis_parse(struct d4_redis_addr *, const char *, const char **why);

/* The opposite, for messages. */
#define D4_REDIS_NAME	(D4_NET_NAME + 16)
void d4_redis_text(const struct d4_redis_addr *, char[D4_REDIS_NAME]);

/*
 * Not connected yet.  With a password it logs in, as user when there is one
 * (Redis 6); both are kept, not copied, and may be NULL or "" for none.  NULL
 * when memory is short.
 */
struct d4_redis *d4_redis_new(const struct d4_redis_addr *, const char *user,
    const char *password);

/* Takes NULL.  Closes the connection. */
void d4_redis_free(struct d4_redis *);

/*
 * Begins to connect, logs in and chooses the database; a connection there was
 * is closed, and its replies with it.  Commands may be appended at once.
 * Returns 0, or -1 with d4_redis_why().
 */
int d4_redis_begin(struct d4_redis *);

/* The same and waits until that is done, timeout_ms at most. */
int d4_redis_connect(struct d4_redis *, int timeout_ms);

/* Closes the connection. */
void d4_redis_drop(struct d4_redis *);

/*
 * Appends a command of argc words, copied; len are their lengths, or NULL for
 * C strings.  It goes out when replies are asked for.  Returns 0, or -1: not
 * connected, or memory is short.
 */
int d4_redis_send(struct d4_redis *, int argc, const char *const argv[],
    const size_t len[]);

/*
 * Writes commands as they are (resp.h), straight from the caller's memory and
 * behind those that were appended: as much as can be now.  Returns how many
 * bytes were taken, 0 for none; or -1 with d4_redis_why(), as d4_redis_next()
 * does.  A command that was taken in part has to be completed before any other.
 */
ssize_t d4_redis_write(struct d4_redis *, const struct iovec *, int n);

/* Sends and receives what can be.  Returns 1 and the next reply; 0 when there
 * is none yet, or more than was read, of which poll(2) tells; -1 with
 * d4_redis_why() when the connection failed: it is closed then.  An error reply
 * to a command is a reply. */
int d4_redis_next(struct d4_redis *, struct d4_redis_reply *);

/* The same, waiting timeout_ms at most; no reply in time is a failure. */
int d4_redis_wait(struct d4_redis *, struct d4_redis_reply *, int timeout_ms);

/* Both for one command, when no reply is still to come: sends it and waits for
 * its reply.  Returns 0, or -1 with d4_redis_why(). */
int d4_redis_call(struct d4_redis *, struct d4_redis_reply *, int timeout_ms,
    int argc, const char *const argv[], const size_t len[]);

/* The element i of an array; beyond the last one, and of another reply, nil: so
 * a server that answers less than it should does no harm. */
void d4_redis_element(const struct d4_redis_reply *, size_t i,
    struct d4_redis_reply *);

/* Fills in what poll(2) is to wait for before d4_redis_next(); fd -1 when not
 * connected.  After d4_redis_write() that did not take all it is room for the
 * rest, and no reply. */
void d4_redis_poll(const struct d4_redis *, struct pollfd *);

/* Whether it is connected and logged in. */
bool d4_redis_ready(const struct d4_redis *);

/* Bytes received so far over all connections: tells a slow reply from none. */
uint64_t d4_redis_received(const struct d4_redis *);

/* Why it failed, fit for "server: reason".  Never NULL. */
const char *d4_redis_why(const struct d4_redis *);

#endif
