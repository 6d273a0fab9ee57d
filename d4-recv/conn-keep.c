/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "d4-recv/conn-own.h"

int
conn_keep(struct conn *c, const struct d4_header *h, const uint8_t *payload)
{
	size_t len = sizeof(*h) + h->size;
	uint8_t *backlog;

	if ((backlog = realloc(c->backlog, c->backlog_len + len)) == NULL)
		return -1;
	memcpy(backlog + c->backlog_len, h, sizeof(*h));
	memcpy(backlog + c->backlog_len + sizeof(*h), payload, h->size);
	c->backlog = backlog;
	c->backlog_len += len;
	return 0;
}

int
conn_took(struct conn_context *ctx, struct conn *c, enum store_result result)
{
	if (result == STORE_BAD_DATA) {
		c->backlog_len = c->backlog_at = 0;
		conn_refuse(ctx, c, D4_BAD_DATA, store_why(c->stream));
	} else if (result == STORE_FAILED)
		conn_refuse(ctx, c, REFUSED_OURS, strerror(errno));
	return c->state == CONN_DEAD ? -1 : 0;
}

unsigned
conn_judge_time(struct conn_context *ctx, struct conn *c,
    const struct d4_header *h, const uint8_t *payload)
{
	unsigned reason = 0;

	if (c->max_age > 0 && h->timestamp < (uint64_t)ctx->now &&
	    (uint64_t)ctx->now - h->timestamp > c->max_age)
		reason = REFUSED_TOO_OLD;
	else if (c->monotonic && h->timestamp < c->newest)
		reason = REFUSED_BACKWARDS;
	if (reason != 0 && c->resumes && c->stream != NULL &&
	    store_is_preamble(c->stream, payload, h->size))
		return 0;
	if (reason == 0 && h->timestamp > c->newest) {
		c->newest = h->timestamp;
		c->noted_newest = false;
	}
	return reason;
}

void
conn_hand_on(struct conn_context *ctx, struct conn *c,
    const struct d4_header *h, const uint8_t *payload)
{
	if (c->sink != NULL && stream_add(c->sink, h, payload) == -1)
		conn_refuse(ctx, c, REFUSED_OURS, "not enough memory");
}

/* A record of a stream that may be gone on with and is in no file: what Redis
 * has of it is not news. */
static enum store_result
pass_on(struct conn_context *ctx, struct conn *c, const struct d4_header *h,
    const uint8_t *payload)
{
	enum match_verdict verdict;
	unsigned reason;
	int rc;

	if ((rc = stream_judge(c->sink, h, payload, &verdict)) == 0)
		return STORE_FULL;
	if (rc == -1) {
		conn_refuse(ctx, c, REFUSED_OURS, "not enough memory");
		return STORE_OK;
	}
	conn_tell_match(ctx, c);
	if (verdict == MATCH_STORED)
		return STORE_OK;
	if (verdict == MATCH_NEW && (c->max_age > 0 || c->monotonic) &&
	    (reason = conn_judge_time(ctx, c, h, payload)) != 0) {
		c->backlog_len = c->backlog_at = 0;
		conn_refuse(ctx, c, reason, NULL);
		return STORE_OK;
	}
	conn_hand_on(ctx, c, h, payload);
	return STORE_OK;
}

/* A record of a stream that may be gone on with.  STORE_FULL: not all of it,
 * yet; c->taken is how much. */
static enum store_result
keep_record(struct conn_context *ctx, struct conn *c,
    const struct d4_header *h, const uint8_t *payload)
{
	enum match_verdict verdict = MATCH_NEW;
	enum store_result result;
	size_t taken;
	unsigned reason;

	if (!c->judged) {
		result = store_judge(c->stream, h->hmac, payload, h->size,
		    &verdict, &c->taken);
		c->partly = c->taken > 0;
		conn_tell_match(ctx, c);
		if (result != STORE_OK)
			return result;
	}
	if (verdict == MATCH_PREAMBLE)
		conn_hand_on(ctx, c, h, payload);
	if (verdict != MATCH_NEW)
		return STORE_OK;
	if (!c->judged && (c->max_age > 0 || c->monotonic) &&
	    (reason = conn_judge_time(ctx, c, h, payload)) != 0) {
		c->backlog_len = c->backlog_at = 0;
		conn_refuse(ctx, c, reason, NULL);
		return STORE_OK;
	}
	c->judged = true;
	result = store_record(c->stream, h->hmac, h->size, payload + c->taken,
	    h->size - c->taken, ctx->now, &taken);
	c->taken += taken;
	if (c->taken < h->size)
		return result;
	if (result != STORE_BAD_DATA && result != STORE_FAILED && !c->partly)
		conn_hand_on(ctx, c, h, payload);
	c->judged = false;
	c->taken = 0;
	return result == STORE_FULL ? STORE_OK : result;
}

/* The same of any other. */
static enum store_result
keep_data(struct conn_context *ctx, struct conn *c, const struct d4_header *h,
    const uint8_t *payload)
{
	enum store_result result;
	size_t taken;

	if (c->stream == NULL)
		return pass_on(ctx, c, h, payload);
	if (c->resumes)
		return keep_record(ctx, c, h, payload);
	result = store_write(c->stream, payload + c->taken,
	    h->size - c->taken, ctx->now, &taken);
	c->taken += taken;
	if (result == STORE_FULL && c->taken == h->size)
		result = STORE_OK;
	if (result == STORE_OK)
		c->taken = 0;
	return result;
}

void
conn_take_data(struct conn_context *ctx, struct conn *c,
    const struct d4_header *h, const uint8_t *payload)
{
	enum store_result result = STORE_FULL;

	if (c->backlog_len == 0) {
		result = keep_data(ctx, c, h, payload);
		if (c->state == CONN_DEAD || conn_took(ctx, c, result) == -1)
			return;
	}
	if (result == STORE_FULL && conn_keep(c, h, payload) == -1)
		conn_refuse(ctx, c, REFUSED_OURS, "not enough memory");
}

void
conn_drain_backlog(struct conn_context *ctx, struct conn *c)
{
	enum store_result result;
	struct d4_header h;

	if (c->claim == NULL) {
		conn_take_again(ctx, c);
		return;
	}
	while (c->backlog_at < c->backlog_len) {
		memcpy(&h, c->backlog + c->backlog_at, sizeof(h));
		result = keep_data(ctx, c, &h, c->backlog + c->backlog_at +
		    sizeof(h));
		if (c->state == CONN_DEAD || conn_took(ctx, c, result) == -1 ||
		    result == STORE_FULL)
			return;
		c->backlog_at += sizeof(h) + h.size;
	}
	free(c->backlog);
	c->backlog = NULL;
	c->backlog_len = c->backlog_at = 0;
	/* The wait was ours, not the sensor's; bytes may lie decrypted. */
	if (c->record_ms != 0)
		c->record_ms = ctx->now_ms;
	conn_touch(ctx, c);
}
