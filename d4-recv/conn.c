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
#include "lib/bytes.h"
#include "lib/log.h"
#include "lib/type.h"
#include "lib/uuid.h"

#define HANDSHAKE_MS	10000
#define RECORD_MS	30000	/* for a record once begun, and for each KiB */
#define RECORD_KIB_MS	1000	/* that it announces */

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

/* -- beginning and end ------------------------------------------------------ */

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

static void
release(struct conn_context *ctx, struct conn *c)
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
	stream_close(c->sink, c->replaced);
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

/* When strangers are too many the one that was quiet longest has to go. */
static void
make_room(struct conn_context *ctx)
{
	if (ctx->nstrangers >= ctx->settings->max_unauthenticated)
		conn_refuse(ctx, TAILQ_FIRST(&ctx->strangers), REFUSED_FULL,
		    "a stranger, quiet longest");
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

/* Who waits for nothing leaves epoll, which would tell of a lost link again
 * and again. */
static void
watch(struct conn_context *ctx, struct conn *c)
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
		release(ctx, c);
		return;
	}
	make_room(ctx);
	c->state = ctx->tls != NULL ? CONN_HANDSHAKE : CONN_QUIET;
	link_in(ctx, c);
	watch(ctx, c);
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

/* -- turns and ticks -------------------------------------------------------- */

/* Notes when a record was begun, for its deadline. */
static void
mind_record(struct conn_context *ctx, struct conn *c)
{
	if (d4_feed_pending(c->feed) == 0)
		c->record_ms = 0;
	else if (c->record_ms == 0 || c->turn_records > 0)
		c->record_ms = ctx->now_ms;
}

/* Why the stream has to end, or 0. */
static unsigned
judge_stream(const struct conn *c)
{
	enum stream_end end = c->sink == NULL ? STREAM_GOES_ON :
	    stream_end(c->sink);

	return end == STREAM_TAKEN ? REFUSED_TAKEN_OVER :
	    end == STREAM_OVERFLOW ? REFUSED_OVERFLOW :
	    end == STREAM_BAD_DATA ? REFUSED_WORKER : 0;
}

/* After the batch was taken: what is left to do for a connection. */
static void
finish_turn(struct conn_context *ctx, struct conn *c)
{
	if (c->state == CONN_DEAD)
		return;
	mind_record(ctx, c);
	conn_note_turn(ctx, c);
	d4_feed_idle(c->feed);
	if (judge_stream(c) != 0) {
		conn_refuse(ctx, c, judge_stream(c), NULL);
		return;
	}
	if (c->refusal != 0 && c->backlog_len == 0) {
		conn_refuse(ctx, c, c->refusal, c->more);
		return;
	}
	if (ctx->settings->sync == STORE_SYNC_ALWAYS && c->resumes &&
	    c->stream != NULL && conn_took(ctx, c, store_flush(c->stream,
	    ctx->now)) == -1)
		return;
	if (c->ended && c->refusal == 0 && c->state != CONN_ENDING) {
		if (d4_feed_pending(c->feed) > 0)
			conn_refuse_stored(ctx, c, D4_SHORT, NULL);
		else
			conn_enter(ctx, c, CONN_ENDING);
	}
	if (c->state == CONN_ENDING)
		conn_answer(ctx, c);
	if (c->state != CONN_DEAD)
		watch(ctx, c);
}

/* Whether bytes lie decrypted, of which epoll doesn't tell. */
static bool
waits_unseen(struct conn *c)
{
	return c->state != CONN_DEAD && c->again && c->tls != NULL &&
	    !c->ended && c->refusal == 0 && !conn_is_full(c) &&
	    d4_tls_pending(c->tls);
}

bool
conn_turn(struct conn_context *ctx)
{
	struct conn *c, *next;
	bool again = false;

	conn_settle(ctx);
	c = ctx->touched;
	ctx->touched = NULL;
	for (; c != NULL; c = next) {
		next = c->touched;
		c->is_touched = c->was_read = false;
		finish_turn(ctx, c);
		if (waits_unseen(c)) {
			conn_touch(ctx, c);
			again = true;
		}
	}
	while ((c = ctx->dead) != NULL) {
		ctx->dead = c->next;
		release(ctx, c);
	}
	return again;
}

/* How long a record may take once it was begun, in ms. */
static int64_t
record_time(const struct conn *c)
{
	return RECORD_MS + (int64_t)d4_feed_announced(c->feed) *
	    RECORD_KIB_MS / 1024;
}

static void
mind_deadline(struct conn_context *ctx, struct conn *c)
{
	int64_t age = ctx->now_ms - c->since_ms;

	if (c->state == CONN_HANDSHAKE && age > HANDSHAKE_MS)
		conn_refuse(ctx, c, REFUSED_TIMEOUT, "TLS handshake");
	else if (c->record_ms != 0 && !conn_is_full(c) &&
	    ctx->now_ms - c->record_ms > record_time(c))
		conn_refuse(ctx, c, REFUSED_TIMEOUT, "a record");
	else if (c->state == CONN_QUIET &&
	    age > (int64_t)ctx->settings->quiet * 1000)
		conn_refuse(ctx, c, REFUSED_TIMEOUT, "no record");
}

static bool
waits_for_room(const struct conn *c)
{
	/* Not so who waits for another session of its stream. */
	if (c->stream != NULL && store_is_held(c->stream))
		return false;
	return c->state != CONN_DEAD && (c->backlog_len > 0 ||
	    (c->state == CONN_ENDING && !c->answering));
}

void
conn_retry(struct conn_context *ctx)
{
	struct conn *c, *next;

	for (c = ctx->first; c != NULL; c = next) {
		next = c->next;
		if (c->backlog_len > 0 && c->stream != NULL &&
		    store_is_held(c->stream))
			conn_drain_backlog(ctx, c);
		if (c->state == CONN_ENDING)
			conn_touch(ctx, c);
	}
}

void
conn_wake(struct conn_context *ctx)
{
	struct conn *c, *next;

	for (c = ctx->first; c != NULL; c = next) {
		next = c->next;
		if (c->sink == NULL)
			continue;
		if (c->stream == NULL && c->backlog_len > 0)
			conn_drain_backlog(ctx, c);
		/* The wait was ours, not the sensor's. */
		if (c->record_ms != 0 && c->events == 0)
			c->record_ms = ctx->now_ms;
		conn_touch(ctx, c);
	}
}

/* Of types that may have many connections nobody else tells whether a newer one
 * of the same stream waits at another worker; another collector may have it. */
static void
mind_stream(struct conn_context *ctx, struct conn *c)
{
	conn_note_newest(ctx, c);
	if (!c->resumes || c->stream == NULL)
		return;
	if (store_is_held(c->stream)) {
		if (c->backlog_len > 0)
			store_want(c->stream);
	} else if (store_is_taken(c->stream) ||
	    (c->session.type == D4_TYPE_EXTENDED &&
	    store_is_wanted(c->stream))) {
		c->replaced = true;
		conn_refuse_stored(ctx, c, REFUSED_TAKEN_OVER, NULL);
	}
}

void
conn_tick(struct conn_context *ctx, bool judge)
{
	struct conn *c, *next;
	unsigned reason;

	while ((c = d4_registry_lost(ctx->registry)) != NULL) {
		c->replaced = true;
		conn_refuse_stored(ctx, c, REFUSED_TAKEN_OVER, NULL);
	}
	ctx->nwaiting = 0;
	for (c = ctx->first; c != NULL; c = next) {
		next = c->next;
		if (judge && (reason = admit_again(ctx, c)) != 0)
			conn_refuse_stored(ctx, c, reason, NULL);
		else if (judge && c->state == CONN_LIVE)
			admit_limits(ctx, c);
		if (c->state != CONN_DEAD)
			mind_deadline(ctx, c);
		if (c->state != CONN_DEAD)
			mind_stream(ctx, c);
		if (c->state != CONN_DEAD && c->backlog_len > 0)
			conn_drain_backlog(ctx, c);
		if (c->state == CONN_ENDING)
			conn_touch(ctx, c);
		ctx->nwaiting += waits_for_room(c);
	}
	refusals_tick(&ctx->refusals);
}

void
conn_reread(struct conn_context *ctx)
{
	struct conn *c;

	for (c = ctx->touched; c != NULL; c = c->touched) {
		if (c->again)
			conn_ready(ctx, c);
	}
}

void
conn_end_all(struct conn_context *ctx)
{
	while (ctx->first != NULL)
		conn_bury(ctx, ctx->first);
	(void)conn_turn(ctx);
}
