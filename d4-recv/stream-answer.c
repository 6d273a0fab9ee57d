/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "d4-recv/stream-keys.h"
#include "d4-recv/stream-own.h"
#include "lib/clock.h"
#include "lib/type.h"

#define RETRY_MS	1000	/* what others do not wait for */

/* Whether it is about these keys, which a stranger made, or a right that
 * entries do not need: then other sessions go on.  Of a script's refusal words
 * may stand before it, or others in its place. */
static bool
is_aside(const struct cmd *cmd, const char *why)
{
	return strstr(why, "WRONGTYPE") != NULL || (cmd->kind != CMD_ADD &&
	    (strstr(why, "NOPERM") != NULL ||
	    strstr(why, "The user executing the script") != NULL));
}

/* Which keys these are. */
static const char *
keys_of(const struct cmd *cmd)
{
	switch (cmd->kind) {
	case CMD_REFUSED:
		return "Error:IncorrectType";
	case CMD_KICKED:
		return "server:sensor_to_kick";
	case CMD_BEAT:
		return PREFIX "receivers";
	case CMD_STORED:
		return "session_uuid";
	case CMD_SIDE:
		return "active_connection and others";
	default:
		return "stream";
	}
}

static void
take_error(struct stream *st, const struct cmd *cmd, const char *why)
{
	char words[512];

	if (!is_aside(cmd, why)) {
		pipeline_refuse(st->pipeline, why);
		st->doubtful = st->doubtful || cmd->kind == CMD_BEAT;
		return;
	}
	(void)snprintf(words, sizeof(words), "%s: %s: %.200s",
	    pipeline_name(st->pipeline), keys_of(cmd), why);
	faults_say(&st->faults[cmd->kind], words);
	if (cmd->session != NULL)
		cmd->session->retry_ms = d4_clock_ms() + RETRY_MS;
}

static void
take_length(struct stream_session *s, long long n)
{
	uint64_t used = (uint64_t)n + s->since_asked;

	s->asking = false;
	s->room = used < s->limit ? s->limit - used : 0;
	if (s->room == 0 && s->stream->s.disconnects &&
	    !TAILQ_EMPTY(&s->pending) && s->since_asked == 0 &&
	    s->end == STREAM_GOES_ON) {
		s->end = STREAM_OVERFLOW;
		s->stream->figures.noverflows++;
	}
	if (s->end == STREAM_OVERFLOW)
		s->stream->eased = true;
	stream_release(s);
}

static bool
is_double(const struct d4_redis_reply *reply)
{
	return strstr(reply->text, "equal or smaller") != NULL;
}

/* An entry came before its turn: it is taken back, and from now on all that
 * wait get new ids. */
static void
take_back(struct stream *st, const struct cmd *cmd)
{
	struct stream_session *s = cmd->session;
	struct pipeline_cmd *other;
	char key[STREAM_KEY];

	stream_key(key, cmd->type, s->text);
	ASK(st, CMD_SIDE, NULL, "XDEL", key, cmd->id);
	s->renumbers = true;
	TAILQ_FOREACH(other, &s->pending, entry)
		cmd_of(other)->id[0] = '\0';
}

/* What went wrong waits, and what comes behind it in its session; scripts can
 * be run twice. */
static void
take_refusal(struct stream *st, struct cmd *cmd, bool refused)
{
	struct stream_session *s = cmd->session;

	if (!refused && cmd->kind == CMD_ADD) {
		s->added += cmd->type == s->type;
		take_back(st, cmd);
	}
	s->failing = true;
	if (s->renumbers)
		cmd->id[0] = '\0';
	if (cmd->kind == CMD_ADD && s->room < s->limit)
		s->room++;
	stream_wait_for_turn(s, cmd);
}

/* Sessions whose data a worker refused. */
static void
take_refused(struct stream *st, const struct d4_redis_reply *reply)
{
	struct stream_session *s;
	struct d4_redis_reply one;
	uint8_t id[D4_UUID_LEN];
	char key[STREAM_KEY], text[D4_UUID_TEXT];
	size_t i;

	for (i = 0; i < reply->n; i++) {
		d4_redis_element(reply, i, &one);
		if (d4_uuid_parse(id, one.text) == -1 ||
		    (s = d4_table_get(st->sessions, id)) == NULL ||
		    s->end != STREAM_GOES_ON)
			continue;
		memcpy(text, s->text, sizeof(text));
		stream_key(key, s->type, text);
		s->end = STREAM_BAD_DATA;
		st->eased = true;
		ASK(st, CMD_SIDE, NULL, "DEL", key);
		ASK(st, CMD_SIDE, NULL, "SREM", "Error:IncorrectType", text);
	}
}

/* Sensors that d4-core's web pages want out. */
static void
take_kicked(struct stream *st, const struct d4_redis_reply *reply)
{
	struct d4_redis_reply one;
	uint8_t uuid[D4_UUID_LEN];
	char hex[D4_UUID_HEX], key[STREAM_KEY];
	size_t i;

	for (i = 0; i < reply->n; i++) {
		d4_redis_element(reply, i, &one);
		if (d4_uuid_parse(uuid, one.text) == -1 ||
		    d4_registry_kick(st->s.registry, uuid,
		    (uint64_t)time(NULL)) == -1)
			continue;
		d4_uuid_hex(hex, uuid);
		(void)snprintf(key, sizeof(key), "temp_blacklist_uuid:%s",
		    hex);
		ASK(st, CMD_SIDE, NULL, "SET", key, "Some Value...", "EX",
		    "30");
		ASK(st, CMD_SIDE, NULL, "SREM", "server:sensor_to_kick",
		    one.text);
	}
}

/* Somebody else has the stream, or Redis does not know what it knew: entries
 * that come now are refused, and the sensor goes on in another session. */
static void
end_stream(struct stream_session *s, enum stream_end end)
{
	if (s->end != STREAM_GOES_ON)
		return;
	s->end = end;
	s->stream->eased = true;
}

void
stream_count(struct stream *st, const struct cmd *cmd)
{
	st->figures.nentries++;
	st->figures.nbytes += cmd->size;
	cmd->session->added += cmd->type == cmd->session->type;
	pipeline_is_well(st->pipeline);
}

/* One of a batch.  It is there, or comes again: what comes behind a refusal
 * waits with it, in order; or it belongs to another session. */
static void
take_tailed(struct stream *st, struct cmd *cmd,
    const struct d4_redis_reply *reply)
{
	struct stream_session *s = cmd->session;
	struct d4_redis_reply there = *reply, refusal = *reply;
	bool waits, lost;

	if (reply->kind == D4_REDIS_ARRAY) {
		d4_redis_element(reply, 0, &there);
		d4_redis_element(reply, 1, &refusal);
	}
	lost = reply->kind == D4_REDIS_ERROR &&
	    strncmp(reply->text, "NOSCRIPT", 8) == 0;
	waits = reply->kind != D4_REDIS_INTEGER ||
	    (reply->number == -2 && s->failing);
	if (there.number > (long long)cmd->place) {
		stream_count(st, cmd);
	} else {
		if (lost)
			stream_load(st);
		else if (reply->kind != D4_REDIS_INTEGER)
			take_error(st, cmd, refusal.text);
		if (waits && s->end == STREAM_GOES_ON) {
			take_refusal(st, cmd, true);
			return;
		}
		if (!waits)
			end_stream(s, reply->number == -3 ? STREAM_LOST :
			    STREAM_TAKEN);
	}
	stream_forget(st, cmd);
	stream_look_after(s);
}

static void
take_script(struct stream *st, bool bad, const struct d4_redis_reply *reply)
{
	st->loading = false;
	if (bad || reply->len >= CMD_SHA)
		return;
	(void)snprintf(st->sha, sizeof(st->sha), "%s", reply->text);
	st->eased = true;
}

static void
take_tail_answer(struct stream_session *s, bool bad,
    const struct d4_redis_reply *reply)
{
	if (!bad)
		stream_take_tail(s, s->type, reply);
	else
		s->taking = false;
}

/* Whether what comes later can be read without what came before. */
static bool
is_in_pieces(uint8_t type)
{
	enum d4_border_kind border = d4_type_get(type)->border;

	return type != D4_TYPE_META && type != D4_TYPE_EXTENDED &&
	    border != D4_BORDER_PCAP && border != D4_BORDER_PCAPNG;
}

/* The worker that was told has ended the session, or all is lost: another will
 * come for what there is from now on. */
static void
take_stored(struct stream_session *s, bool new)
{
	if (new && s->told && !is_in_pieces(s->type))
		end_stream(s, STREAM_LOST);
	s->told = true;
}

/* Nobody knows of us: we were taken for dead, or the server was emptied. */
static void
take_beat(struct stream *st, bool bad, const struct d4_redis_reply *reply)
{
	st->beating = false;
	if (bad)
		return;
	if (st->doubtful)
		pipeline_is_well(st->pipeline);
	st->doubtful = false;
	if (reply->number == 1)
		stream_announce(st);
}

void
stream_on_answer(void *cookie, struct pipeline_cmd *p,
    const struct d4_redis_reply *reply)
{
	struct stream *st = cookie;
	struct cmd *cmd = cmd_of(p);
	struct stream_session *s = cmd->session;
	bool bad = reply->kind == D4_REDIS_ERROR &&
	    !(cmd->kind == CMD_ADD && is_double(reply));

	if (cmd->kind == CMD_BATCH) {
		stream_forget(st, cmd);
		return;
	}
	if (s != NULL)
		s->inflight--;
	if (s != NULL && cmd->tailed) {
		take_tailed(st, cmd, reply);
		return;
	}
	if (cmd->kind == CMD_CHECK) {
		stream_forget(st, cmd);
		stream_take_check(s, reply);
		stream_look_after(s);
		return;
	}
	if (bad)
		take_error(st, cmd, reply->text);
	if (s != NULL && cmd->kind != CMD_LENGTH && cmd->kind != CMD_TAKE &&
	    s->end != STREAM_BAD_DATA &&
	    (bad || s->failing)) {
		take_refusal(st, cmd, bad);
		return;
	}
	if (cmd->kind == CMD_ADD && s != NULL && !bad) {
		stream_count(st, cmd);
	} else if (cmd->kind == CMD_LENGTH && s != NULL) {
		if (bad)
			s->asking = false;
		else
			take_length(s, reply->number);
	} else if (cmd->kind == CMD_TAKE && s != NULL)
		take_tail_answer(s, bad, reply);
	else if (cmd->kind == CMD_LOAD)
		take_script(st, bad, reply);
	else if (cmd->kind == CMD_BEAT)
		take_beat(st, bad, reply);
	else if (cmd->kind == CMD_STORED && s != NULL && !bad)
		take_stored(s, reply->number == 1);
	else if (cmd->kind == CMD_REFUSED && !bad)
		take_refused(st, reply);
	else if (cmd->kind == CMD_KICKED && !bad)
		take_kicked(st, reply);
	stream_forget(st, cmd);
	if (s != NULL)
		stream_look_after(s);
}
