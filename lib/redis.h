/* SPDX-License-Identifier: ISC */
#ifndef LIB_REDIS_H
#define LIB_REDIS_H

/*
 * The only door to hiredis: one connection, commands as lists of binary
 * arguments, pipelined where wanted.  After a fault of the connection every
 * call fails until d4_redis_connect() is called again, which is left to the
 * caller.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a server is. */
struct d4_redis_where {
	const char	*host;		/* or the path of a unix socket, with / */
	uint16_t	 port;
	uint32_t	 db;
	const char	*password;	/* NULL: none */
	int		 timeout_ms;	/* to connect and of each answer */
};

struct d4_redis;

enum d4_redis_kind {
	D4_REDIS_NIL,
	D4_REDIS_STATUS,		/* text says "OK" or the like */
	D4_REDIS_NUMBER,
	D4_REDIS_STRING,
	D4_REDIS_LIST,
	D4_REDIS_ERROR			/* text is what the server said */
};

/* An answer, lent until the next call on its connection. */
struct d4_redis_reply {
	enum d4_redis_kind	 kind;
	int64_t			 number;
	const uint8_t		*text;	/* not NUL-terminated by contract */
	size_t			 len;
	size_t			 n;	/* of a list, see d4_redis_item() */
};

/* A handle, not yet connected.  The place is copied; NULL when memory is
 * short. */
struct d4_redis *d4_redis_new(const struct d4_redis_where *);

/* Disconnects and frees, takes NULL. */
void d4_redis_free(struct d4_redis *);

/* Connects, or anew; then AUTH and SELECT where they are needed.  Returns 0,
 * or -1 and words in d4_redis_fault(). */
int d4_redis_connect(struct d4_redis *);

/* Whether there is a connection that has not failed. */
bool d4_redis_connected(const struct d4_redis *);

/* After -1: what went wrong, in a few words; "host:port: words". */
const char *d4_redis_fault(const struct d4_redis *);

/*
 * Sends a command of n arguments and waits for its answer.  Returns 0, or -1
 * when the connection failed or the answer is an error of the server (then
 * the connection is good and reply->kind says so).  reply may be NULL.
 */
int d4_redis_command(struct d4_redis *, struct d4_redis_reply *, size_t n,
    const void *const *argv, const size_t *lens);

/* The same for text arguments, with NULL behind the last. */
int d4_redis_text(struct d4_redis *, struct d4_redis_reply *, ...);

/* Puts a command into the pipe without waiting; the server answers in order. */
int d4_redis_send(struct d4_redis *, size_t n, const void *const *argv,
    const size_t *lens);

/* The next answer of the pipe, as d4_redis_command(). */
int d4_redis_receive(struct d4_redis *, struct d4_redis_reply *);

/* An item of the list that was answered last.  Returns 0, or -1 when it is
 * not there. */
int d4_redis_item(const struct d4_redis *, size_t i, struct d4_redis_reply *);

/* Makes answers wait so long from now on, for commands that block. */
int d4_redis_timeout(struct d4_redis *, int timeout_ms);

#endif
