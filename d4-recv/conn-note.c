/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <string.h>

#include "d4-recv/conn-own.h"
#include "lib/log.h"
#include "lib/type.h"

const char *
conn_name(const struct conn *c, char name[D4_NET_HOST + D4_UUID_TEXT])
{
	size_t len = strlen(c->peer);

	memcpy(name, c->peer, len + 1);
	if (c->verified) {
		name[len] = ' ';
		d4_uuid_text(name + len + 1, c->session.uuid);
	}
	return name;
}

void
conn_note_turn(struct conn_context *ctx, struct conn *c)
{
	if (c->turn_records > 0 && c->claim != NULL &&
	    d4_registry_note(ctx->registry, c->claim, c->turn_records,
	    c->turn_bytes, (uint64_t)ctx->now) == -1)
		faults_say(&ctx->faults, d4_registry_why(ctx->registry));
	c->turn_records = c->turn_bytes = 0;
}

void
conn_tell_session(const struct conn *c)
{
	char name[D4_NET_HOST + D4_UUID_TEXT];

	(void)conn_name(c, name);
	/* Who resumes sends them again. */
	if (c->backlog_at < c->backlog_len && !c->resumes)
		d4_log_warnx("%s: %zu bytes found no room", name,
		    c->backlog_len - c->backlog_at);
	if (c->session.nrecords == 0)
		return;
	d4_log_info(1, "%s: type %u (%s), %llu records, %llu bytes",
	    name, c->session.type,
	    d4_type_get(c->session.type)->name,
	    (unsigned long long)c->session.nrecords,
	    (unsigned long long)c->session.nbytes);
}

void
conn_tell_match(const struct conn_context *ctx, struct conn *c)
{
	const struct match *m = c->stream != NULL ? store_match(c->stream) :
	    stream_match(c->sink);
	char name[D4_NET_HOST + D4_UUID_TEXT];

	(void)ctx;
	if (c->told || m == NULL || m->end == MATCH_OPEN)
		return;
	c->told = true;
	(void)conn_name(c, name);
	if (m->end == MATCH_GAP)
		d4_log_warnx("%s: type %u: goes on, but not where anything "
		    "stored ends: a gap, or all is twice", name,
		    c->session.type);
	else if (m->end == MATCH_DIVERGED)
		d4_log_warnx("%s: type %u: goes on, but after %llu records "
		    "with others than were stored", name, c->session.type,
		    (unsigned long long)m->nstored);
	else if (m->nstored > 0)
		d4_log_info(2, "%s: type %u: goes on, dropped as stored: %llu "
		    "records", name, c->session.type,
		    (unsigned long long)m->nstored);
}

void
conn_note_newest(struct conn_context *ctx, struct conn *c)
{
	if (!c->monotonic || c->noted_newest || ctx->store == NULL ||
	    c->newest == 0)
		return;
	if (store_note_newest(ctx->store, c->session.uuid, c->session.type,
	    c->newest) == -1)
		faults_say(&ctx->faults, strerror(errno));
	c->noted_newest = true;
}
