/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/admit.h"
#include "d4-recv/conn-own.h"

#define READ_BYTES	((size_t)256 << 10)	/* of a sensor in one turn */
#define STREAM_BYTES	((size_t)128 << 10)	/* of records, for Redis */
#define READ_STRANGER	((size_t)4 << 10)	/* of one that is not known */

#define ENDING_MS	10000	/* to answer the end of a sensor */

static unsigned
admit(struct conn_context *ctx, struct conn *c, const struct d4_header *h)
{
	unsigned reason;

	if (c->key == NULL && (reason = admit_sensor(ctx, c, h)) != 0)
		return reason;
	if (h->size > D4_PAYLOAD_MAX)
		return D4_TOO_LARGE;
	return session_admit(&c->session, &ctx->rules, h);
}

/* Puts the whole records that the feed holds into the batch. */
static void
gather(struct conn_context *ctx, struct conn *c)
{
	struct d4_feed_record record;

	while (c->state != CONN_DEAD && c->refusal == 0) {
		if (d4_feed_next(c->feed, &record) == D4_SHORT)
			break;
		if ((c->refusal = admit(ctx, c, &record.header)) != 0) {
			c->odd = record.header;
			break;
		}
		ctx->headers[ctx->njobs] = record.header;
		ctx->owners[ctx->njobs] = c;
		ctx->jobs[ctx->njobs].key = c->key->mac;
		ctx->jobs[ctx->njobs].record = record.bytes;
		ctx->jobs[ctx->njobs].len = record.len;
		ctx->gathered += record.len;
		if (++ctx->njobs == CONN_BATCH)
			conn_settle(ctx);
	}
}

static ssize_t
receive(struct conn *c, void *buf, size_t len)
{
	ssize_t n;

	if (c->tls != NULL)
		return d4_tls_read(c->tls, buf, len);
	while ((n = read(c->fd, buf, len)) == -1 && errno == EINTR)
		continue;
	if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return D4_TLS_AGAIN;
	return n;
}

static void
lose_link(struct conn *c, int err)
{
	c->refusal = REFUSED_CUT_OFF;
	if (c->tls == NULL)
		c->more = strerror(err);
	else if (!d4_tls_cut_off(c->tls))
		c->more = d4_tls_why(c->tls);
}

/* Reads up to a bound into the feed.  c->again says that more may wait. */
static void
read_some(struct conn_context *ctx, struct conn *c)
{
	size_t want = c->state == CONN_QUIET ? READ_STRANGER : READ_BYTES;
	size_t got = 0, room;
	int err;
	ssize_t n = 0;
	uint8_t *at;

	if ((room = d4_feed_space(c->feed, want, &at)) == 0) {
		conn_refuse(ctx, c, REFUSED_OURS, "not enough memory");
		return;
	}
	if (room > want)
		room = want;
	while (got < room && (n = receive(c, at + got, room - got)) > 0) {
		got += (size_t)n;
		if (c->blocking)
			break;
	}
	err = errno;
	d4_feed_filled(c->feed, got);
	gather(ctx, c);
	c->again = n > 0;
	if (got > 0)
		c->heard_ms = ctx->now_ms;
	if (n == 0)
		c->ended = true;
	else if (n == D4_TLS_FAILED && c->refusal == 0)
		lose_link(c, err);
}

/* Who says nothing costs us no TLS, which would be most of what it costs. */
static void
shake_hands(struct conn_context *ctx, struct conn *c)
{
	int rc;

	if (c->tls == NULL &&
	    (c->tls = d4_tls_new(ctx->tls, c->fd, NULL)) == NULL) {
		conn_refuse(ctx, c, REFUSED_OURS, "not enough memory");
		return;
	}
	rc = d4_tls_handshake(c->tls);
	if (rc == D4_TLS_FAILED)
		conn_refuse(ctx, c, REFUSED_TLS, d4_tls_why(c->tls));
	else if (rc == 0)
		conn_enter(ctx, c, CONN_QUIET);
}

void
conn_answer(struct conn_context *ctx, struct conn *c)
{
	enum store_result result;

	if (c->backlog_len > 0)
		return;
	if (!c->answering && c->stream != NULL) {
		result = c->closing ? store_end(c->stream, ctx->now) :
		    store_flush(c->stream, ctx->now);
		if (result == STORE_FULL || conn_took(ctx, c, result) == -1)
			return;
	}
	c->complete = c->closing;
	if (!c->answering && c->sink != NULL && !stream_settled(c->sink))
		return;
	if (c->tls != NULL) {
		if (!c->answering)
			c->since_ms = ctx->now_ms;
		c->answering = true;
		if (d4_tls_shutdown(c->tls) == D4_TLS_AGAIN &&
		    ctx->now_ms - c->since_ms < ENDING_MS)
			return;
	}
	c->answered = true;
	conn_bury(ctx, c);
}

/* Redis would run out of work while many sensors are read in one turn: it gets
 * what was gathered as soon as that is worth a call.  The memory is the next
 * sensor's, then. */
static void
feed_streams(struct conn_context *ctx, struct conn *c)
{
	if (ctx->streams == NULL || ctx->gathered < STREAM_BYTES)
		return;
	conn_settle(ctx);
	if (c->state != CONN_DEAD)
		d4_feed_idle(c->feed);
	stream_run(ctx->streams);
}

void
conn_ready(struct conn_context *ctx, struct conn *c)
{
	if (c->state == CONN_DEAD)
		return;
	conn_touch(ctx, c);
	if (c->state == CONN_HANDSHAKE)
		shake_hands(ctx, c);
	/* A second read would move the records that stand in the batch. */
	if ((c->state == CONN_QUIET || c->state == CONN_LIVE) &&
	    !c->was_read && !c->ended && c->refusal == 0 &&
	    !conn_is_full(c)) {
		c->was_read = true;
		read_some(ctx, c);
		feed_streams(ctx, c);
	}
}
