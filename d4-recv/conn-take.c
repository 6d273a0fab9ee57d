/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "d4-recv/admit.h"
#include "d4-recv/conn-own.h"
#include "lib/log.h"

/* The stream of data begins: with the first record, or behind a meta header. */
static int
open_stream(struct conn_context *ctx, struct conn *c, uint8_t type)
{
	const char *name = "", *why = "";
	enum d4_refusal reason;

	if (type == D4_TYPE_EXTENDED) {
		reason = session_close_meta(&c->session, &ctx->rules, &why);
		if (reason != D4_OK) {
			conn_refuse(ctx, c, reason, why);
			return -1;
		}
		name = d4_meta_type(c->session.header);
		/* What came before this record was of type 2. */
		c->turn_records--;
		conn_note_turn(ctx, c);
		c->turn_records++;
		if (d4_registry_claim_become(ctx->registry, c->claim, type,
		    name) == -1)
			faults_say(&ctx->faults,
			    d4_registry_why(ctx->registry));
	}
	c->opened = true;
	if (ctx->store == NULL)
		return 0;
	c->stream = store_open(ctx->store, c->session.uuid, type,
	    c->session.header, &why);
	if (c->stream != NULL) {
		if (c->resumes)
			store_resume(c->stream, c->hello);
		return 0;
	}
	conn_refuse(ctx, c, errno == ENOMEM ? REFUSED_OURS : D4_BAD_META, why);
	return -1;
}

/* The sensor is who it says: what it sends is kept from now on. */
static unsigned
go_live(struct conn_context *ctx, struct conn *c, uint8_t type)
{
	struct conn *older = admit_same_stream(ctx, c);
	struct d4_registry_sensor sensor;
	unsigned reason;

	if ((reason = admit_live(ctx, c, type, older)) != 0)
		return reason;
	/* Of types that may have many connections a stream has one. */
	if (older != NULL)
		conn_refuse_stored(ctx, older, REFUSED_TAKEN_OVER, NULL);
	conn_enter(ctx, c, CONN_LIVE);
	admit_limits(ctx, c);
	if (c->monotonic && ctx->store != NULL)
		c->newest = store_newest(ctx->store, c->session.uuid,
		    type == D4_TYPE_META ? D4_TYPE_EXTENDED : type);
	if (ctx->streams == NULL)
		return 0;
	if (d4_registry_sensor(ctx->registry, c->session.uuid,
	    &sensor) == -1)
		sensor.limit = 0;
	c->sink = stream_open(ctx->streams, c->session.uuid, c->id,
	    type, sensor.limit);
	if (c->sink != NULL && c->resumes && ctx->store == NULL)
		stream_resume(c->sink, c->hello);
	return c->sink == NULL ? REFUSED_OURS : 0;
}

/* The first record that verified.  Returns whether it is to be taken; on a full
 * disk it waits with those behind it, and the claim is tried again later. */
static bool
begin(struct conn_context *ctx, struct conn *c, const struct d4_header *h,
    const uint8_t *payload)
{
	unsigned reason = ADMIT_LATER;

	if (c->backlog_len == 0) {
		c->resumes = h->size == 0;
		memcpy(c->hello, h->hmac, sizeof(c->hello));
		reason = go_live(ctx, c, h->type);
	}
	if (reason == ADMIT_LATER && conn_keep(c, h, payload) == -1)
		reason = REFUSED_OURS;
	if (reason != 0 && reason != ADMIT_LATER)
		conn_refuse(ctx, c, reason, NULL);
	return reason == 0;
}

/* Takes one verified record. */
static void
take(struct conn_context *ctx, struct conn *c, const struct d4_header *h,
    const uint8_t *payload)
{
	unsigned reason;
	bool hello;

	c->verified = true;
	if (c->claim == NULL && !begin(ctx, c, h, payload))
		return;
	hello = c->session.nrecords++ == 0 && c->resumes;
	c->turn_records++;
	ctx->nrecords++;
	c->closing = h->size == 0 && !hello;
	if (h->type == D4_TYPE_META) {
		if (session_take_meta(&c->session, payload, h->size) != D4_OK)
			conn_refuse(ctx, c, D4_BAD_META, "it is too long");
		else
			conn_hand_on(ctx, c, h, payload);
		return;
	}
	if (!c->opened && open_stream(ctx, c, h->type) == -1)
		return;
	c->session.nbytes += h->size;
	c->turn_bytes += h->size;
	ctx->nbytes += h->size;
	if ((c->stream != NULL || c->sink != NULL) && c->resumes && !hello) {
		conn_take_data(ctx, c, h, payload);
		return;
	}
	if (!hello && (c->max_age > 0 || c->monotonic) &&
	    (reason = conn_judge_time(ctx, c, h, payload)) != 0) {
		conn_refuse_stored(ctx, c, reason, NULL);
		return;
	}
	if (h->size > 0 && c->stream != NULL)
		conn_take_data(ctx, c, h, payload);
	if (c->state != CONN_DEAD)
		conn_hand_on(ctx, c, h, payload);
}

void
conn_settle(struct conn_context *ctx)
{
	size_t i, n = ctx->njobs;
	struct conn *c;

	ctx->njobs = ctx->gathered = 0;
	if (n > 0 && d4_mac_verify(ctx->mac, ctx->jobs, n) == -1)
		d4_log_warnx("HMAC: cannot be computed");
	for (i = 0; i < n; i++) {
		c = ctx->owners[i];
		if (c->state == CONN_DEAD || c->condemned)
			continue;
		if (!ctx->jobs[i].good)
			conn_refuse_stored(ctx, c, D4_BAD_HMAC, NULL);
		else
			take(ctx, c, &ctx->headers[i],
			    ctx->jobs[i].record + D4_HEADER_LEN);
	}
}

void
conn_take_again(struct conn_context *ctx, struct conn *c)
{
	uint8_t *records = c->backlog;
	size_t at, len = c->backlog_len;
	/* What it was condemned for then stands behind all of them. */
	bool condemned = c->condemned;
	struct d4_header h;

	c->backlog = NULL;
	c->backlog_len = c->backlog_at = 0;
	for (at = 0; at < len && c->state != CONN_DEAD &&
	    c->condemned == condemned; at += sizeof(h) + h.size) {
		memcpy(&h, records + at, sizeof(h));
		take(ctx, c, &h, records + at + sizeof(h));
	}
	free(records);
	/* The wait was ours, not the sensor's. */
	if (c->record_ms != 0)
		c->record_ms = ctx->now_ms;
	if (c->state != CONN_DEAD)
		conn_touch(ctx, c);
}
