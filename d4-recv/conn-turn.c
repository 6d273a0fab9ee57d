/* SPDX-License-Identifier: ISC */
#include "d4-recv/admit.h"
#include "d4-recv/conn-own.h"

#define HANDSHAKE_MS	8500	/* with a look each second: gone in 10 s */
#define RECORD_MS	30000	/* for a record once begun, and for each KiB */
#define RECORD_KIB_MS	1000	/* that it announces */

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
	    end == STREAM_LOST ? REFUSED_LOST :
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
		conn_watch(ctx, c);
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
		conn_release(ctx, c);
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
	else if (c->state == CONN_QUIET && !conn_is_full(c) &&
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
	    store_is_wanted(c->stream)))
		conn_refuse_stored(ctx, c, REFUSED_TAKEN_OVER, NULL);
}

void
conn_tick(struct conn_context *ctx, bool judge)
{
	struct conn *c, *next;
	unsigned reason;

	while ((c = d4_registry_lost(ctx->registry)) != NULL)
		conn_refuse_stored(ctx, c, REFUSED_TAKEN_OVER, NULL);
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

bool
conn_drain(struct conn_context *ctx)
{
	struct conn *c, *next;
	bool waits = false;

	for (c = ctx->first; c != NULL; c = next) {
		next = c->next;
		if (c->backlog_len == 0)
			continue;
		conn_drain_backlog(ctx, c);
		waits = waits || (c->state != CONN_DEAD && c->backlog_len > 0);
	}
	return waits;
}

int
conn_end_all(struct conn_context *ctx)
{
	const struct conn *c;
	int rc = 0;

	for (c = ctx->first; c != NULL; c = c->next) {
		if (c->backlog_len > 0 && !c->resumes)
			rc = -1;
	}
	while (ctx->first != NULL)
		conn_bury(ctx, ctx->first);
	(void)conn_turn(ctx);
	return rc;
}
