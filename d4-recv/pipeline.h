/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_PIPELINE_H
#define D4_RECV_PIPELINE_H

/*
 * Commands to one Redis server, without waiting for answers.  Each is kept
 * until it was answered: when the connection is lost all that are left are
 * sent again, in their order.  A server that is away is tried again with
 * growing pauses, and gets nothing before a probe of ours has succeeded.
 */

#include <sys/queue.h>

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/redis.h"

struct pipeline;

/* Begins what malloc(3) gave. */
struct pipeline_cmd {
	TAILQ_ENTRY(pipeline_cmd) entry;	/* the caller's, if not here */
	const char		*bytes;		/* as in resp.h */
	size_t			 len;
	bool			 goes_on;	/* with the next one: they are
						 * one command */
};

TAILQ_HEAD(pipeline_cmds, pipeline_cmd);

struct pipeline_settings {
	const char		*where;		/* redis:..., not kept */
	const char		*user;		/* these are kept, not copied */
	const char		*password;	/* both may be NULL */
	const char *const	*probe;		/* words, then NULL */
	const char		*what;		/* waits, for messages */
	int			 epoll;		/* which waits for us */
	void			*tag;		/* with this data */

	/* The command was answered and is the caller's again: each piece of
	 * it, in their order, with the same reply, that is good until this
	 * returns. */
	void (*answer)(void *cookie, struct pipeline_cmd *,
	    const struct d4_redis_reply *);

	/* Connected, for the first time or again; nothing was sent yet. */
	void (*ready)(void *cookie);

	/* It answers again as it should, after it refused or was silent; may
	 * be NULL. */
	void (*well)(void *cookie);
	void			*cookie;
};

struct pipeline_figures {
	size_t		nwaiting;	/* commands not answered */
	size_t		waiting;	/* bytes of these */
	uint64_t	nconnects;	/* times that it was ready */
	uint64_t	nlosses;	/* of the connection, and refusals */
	bool		away;		/* it is lost, refuses, or is silent */
};

/* NULL with a reason in why.  The server need not be there yet. */
struct pipeline *pipeline_new(const struct pipeline_settings *, char why[256]);

/* What is not answered is freed.  Takes NULL. */
void pipeline_free(struct pipeline *);

/* Takes a command: it is sent in its turn. */
void pipeline_put(struct pipeline *, struct pipeline_cmd *);

/* In ready() alone: the first command that was not answered, which others
 * follow by their entries; gives one of them, that is of one piece, back. */
struct pipeline_cmd *pipeline_first(struct pipeline *);
void pipeline_withdraw(struct pipeline *, struct pipeline_cmd *);

/* Sends and receives what can be, and connects when it is time to. */
void pipeline_run(struct pipeline *);

/* The server answered with this error: it is away, though connected, and for a
 * while nothing should be asked of it again. */
void pipeline_refuse(struct pipeline *, const char *why);
bool pipeline_pauses(const struct pipeline *);

/* It answered as it should. */
void pipeline_is_well(struct pipeline *);

/* Whether it is connected and the probe has succeeded. */
bool pipeline_is_ready(const struct pipeline *);

/* What poll(2) may wait for; fd -1 when it is not connected. */
void pipeline_poll(const struct pipeline *, struct pollfd *);

const struct pipeline_figures *pipeline_figures(const struct pipeline *);

/* The server, for messages. */
const char *pipeline_name(const struct pipeline *);

#endif
