/* SPDX-License-Identifier: ISC */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/admit.h"
#include "d4-recv/conn-own.h"
#include "d4-recv/errors.h"

static bool
is_stranger(const struct conn *c)
{
	return c->state == CONN_HANDSHAKE || c->state == CONN_QUIET;
}

void
conn_enter(struct conn_context *ctx, struct conn *c, enum conn_state state)
{
	bool before = is_stranger(c);

	c->state = state;
	c->since_ms = ctx->now_ms;
	if (before && !is_stranger(c)) {
		TAILQ_REMOVE(&ctx->strangers, c, stranger);
		ctx->nstrangers--;
	}
}

static void
link_in(struct conn_context *ctx, struct conn *c)
{
	c->prev = ctx->last;
	if (ctx->last != NULL)
		ctx->last->next = c;
	else
		ctx->first = c;
	ctx->last = c;
	ctx->nconns++;
	TAILQ_INSERT_TAIL(&ctx->strangers, c, stranger);
	ctx->nstrangers++;
}

static void
link_out(struct conn_context *ctx, struct conn *c)
{
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		ctx->first = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	else
		ctx->last = c->prev;
	ctx->nconns--;
}

/* Without TLS the end of a connection is its answer.  One that is over without
 * an answer is reset, so that its sensor can tell. */
static void
reset(const struct conn *c)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	if (c->tls == NULL && !c->answered)
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger,
		    sizeof(linger));
}

void
conn_release(struct conn_context *ctx, struct conn *c)
{
	reset(c);
	d4_tls_free(c->tls);
	if (c->fd != -1)
		(void)close(c->fd);
	d4_feed_free(c->feed);
	peers_remove(ctx->peers, c->counted);
	conn_key_drop(c->key);
	session_free(&c->session);
	free(c->backlog);
	free(c);
}

void
conn_bury(struct conn_context *ctx, struct conn *c)
{
	if (c->state == CONN_DEAD)
		return;
	/* Closing is not enough where stdin is the same. */
	if (c->events != 0)
		(void)epoll_ctl(ctx->epoll, EPOLL_CTL_DEL, c->fd, NULL);
	c->events = 0;
	conn_note_turn(ctx, c);
	conn_tell_session(c);
	conn_note_newest(ctx, c);
	store_close(c->stream, c->complete, ctx->now);
	c->stream = NULL;
	stream_close(c->sink);
	c->sink = NULL;
	d4_registry_release(ctx->registry, c->claim);
	c->claim = NULL;
	conn_enter(ctx, c, CONN_DEAD);
	link_out(ctx, c);
	c->next = ctx->dead;
	ctx->dead = c;
}

void
conn_refuse(struct conn_context *ctx, struct conn *c, unsigned reason,
    const char *more)
{
	char name[D4_NET_HOST + D4_UUID_TEXT], error[ERRORS_TEXT];

	if (c->state == CONN_DEAD)
		return;
	refusals_say(&ctx->refusals, ctx->now_ms, reason, conn_name(c, name),
	    more != NULL ? more : "");
	errors_text(error, reason, &c->session, &c->odd);
	/* Of strangers nothing is kept, for or against the uuid they name; a
	 * worker has said itself what is wrong. */
	if (c->verified && reason != REFUSED_WORKER &&
	    d4_registry_note_error(ctx->registry, c->session.uuid, error,
	    (uint64_t)ctx->now) == -1)
		faults_say(&ctx->faults, d4_registry_why(ctx->registry));
	conn_bury(ctx, c);
}

void
conn_refuse_stored(struct conn_context *ctx, struct conn *c, unsigned reason,
    const char *more)
{
	if (c->backlog_len == 0) {
		conn_refuse(ctx, c, reason, more);
	} else if (!c->condemned) {
		c->condemned = true;
		c->refusal = reason;
		c->more = more;
	}
}

/* When strangers are too many the one that was quiet longest has to go, and not
 * who waits for our disk. */
static void
make_room(struct conn_context *ctx)
{
	struct conn *c;

	if (ctx->nstrangers < ctx->settings->max_unauthenticated)
		return;
	TAILQ_FOREACH(c, &ctx->strangers, stranger) {
		if (c->backlog_len == 0)
			break;
	}
	conn_refuse(ctx, c != NULL ? c : TAILQ_FIRST(&ctx->strangers),
	    REFUSED_FULL, "a stranger, quiet longest");
}

bool
conn_is_full(struct conn *c)
{
	return c->backlog_len > 0 ||
	    (c->sink != NULL && stream_is_full(c->sink));
}

/* What to wait for; 0 while there is no room for more. */
static uint32_t
wanted_events(struct conn *c)
{
	uint32_t tls = c->tls == NULL ? 0 : (uint32_t)d4_tls_waits(c->tls);

	if (conn_is_full(c) || (c->state == CONN_ENDING && !c->answering))
		return 0;
	return tls != 0 ? tls : EPOLLIN;
}

void
conn_watch(struct conn_context *ctx, struct conn *c)
{
	struct epoll_event event = { .events = wanted_events(c) };
	int op = EPOLL_CTL_MOD;

	if (event.events == c->events)
		return;
	if (c->events == 0)
		op = EPOLL_CTL_ADD;
	else if (event.events == 0)
		op = EPOLL_CTL_DEL;
	event.data.ptr = c;
	if (epoll_ctl(ctx->epoll, op, c->fd, &event) == 0)
		c->events = event.events;
	/* A regular file, as stdin, is always ready and not for epoll. */
	else if (errno != EPERM)
		conn_refuse(ctx, c, REFUSED_OURS, strerror(errno));
}

static unsigned
open_conn(struct conn_context *ctx, struct conn *c)
{
	unsigned reason;

	if ((reason = admit_address(ctx, c->peer)) != 0)
		return reason;
	if (ctx->nconns >= ctx->max_connections)
		return REFUSED_FULL;
	c->counted = peers_add(ctx->peers, c->peer,
	    ctx->settings->max_per_address);
	if (c->counted == NULL)
		return REFUSED_FULL;
	if ((c->feed = d4_feed_new(D4_PAYLOAD_MAX)) == NULL)
		return REFUSED_OURS;
	c->blocking = (fcntl(c->fd, F_GETFL) & O_NONBLOCK) == 0;
	return 0;
}

void
conn_new(struct conn_context *ctx, int fd, const char *peer)
{
	struct conn *c;
	unsigned reason;

	ctx->naccepted++;
	if ((c = calloc(1, sizeof(*c))) == NULL) {
		refusals_say(&ctx->refusals, ctx->now_ms, REFUSED_OURS, peer,
		    "not enough memory");
		(void)close(fd);
		return;
	}
	c->fd = fd;
	c->serial = ctx->naccepted;
	c->since_ms = ctx->now_ms;
	(void)strncpy(c->peer, peer, sizeof(c->peer) - 1);
	if ((reason = open_conn(ctx, c)) != 0) {
		refusals_say(&ctx->refusals, ctx->now_ms, reason, peer, "");
		conn_release(ctx, c);
		return;
	}
	make_room(ctx);
	c->state = ctx->tls != NULL ? CONN_HANDSHAKE : CONN_QUIET;
	link_in(ctx, c);
	conn_watch(ctx, c);
}

void
conn_touch(struct conn_context *ctx, struct conn *c)
{
	if (c->is_touched)
		return;
	c->is_touched = true;
	c->touched = ctx->touched;
	ctx->touched = c;
}
