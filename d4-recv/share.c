/* SPDX-License-Identifier: ISC */
#include <sys/queue.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "d4-recv/pipeline.h"
#include "d4-recv/share-keys.h"
#include "d4-recv/share-own.h"
#include "d4-recv/tail-blob.h"
#include "d4-recv/tail-log.h"
#include "lib/bytes.h"
#include "lib/clock.h"
#include "lib/digest.h"
#include "lib/log.h"
#include "lib/resp.h"
#include "lib/table.h"
#include "lib/uuid.h"

void
share_touch(struct share_stream *s)
{
	if (s->is_due)
		return;
	s->is_due = true;
	TAILQ_INSERT_TAIL(&s->share->due, s, due);
}

void
share_put(struct share_stream *s, struct cmd *cmd)
{
	s->inflight = true;
	pipeline_put(s->share->pipeline, &cmd->p);
}

/* -- streams ---------------------------------------------------------------- */

static void
name_stream(char name[NAME], const uint8_t uuid[D4_UUID_LEN], uint8_t type,
    const char stream[PLACE_TAIL])
{
	char hex[D4_UUID_HEX];

	d4_uuid_hex(hex, uuid);
	(void)snprintf(name, NAME, "%s:%u:%.16s", hex, type, stream);
}

/* The table's key, -1 when there is none. */
static int
identify(uint8_t id[D4_UUID_LEN], const char *name)
{
	uint8_t digest[D4_DIGEST_SHA256];

	if (d4_digest_sha256(digest, name, strlen(name)) == -1)
		return -1;
	memcpy(id, digest, D4_UUID_LEN);
	return 0;
}

static void
free_stream(struct share_stream *s)
{
	struct share *sh = s->share;

	if (s->is_due)
		TAILQ_REMOVE(&sh->due, s, due);
	if (s->state == SHARE_ASKS)
		sh->nasking--;
	(void)d4_table_take(sh->streams, s->id);
	tail_close(s->tail);
	blob_free(&s->import);
	free(s->records);
	free(s->next);
	free(s);
	sh->news = true;
}

static struct share_stream *
new_stream(struct share *sh, const uint8_t uuid[D4_UUID_LEN], uint8_t type,
    const char stream[PLACE_TAIL])
{
	struct share_stream *s;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	s->share = sh;
	name_stream(s->name, uuid, type, stream);
	if (identify(s->id, s->name) == -1 ||
	    d4_table_get(sh->streams, s->id) != NULL ||
	    d4_table_put(sh->streams, s) == -1) {
		free(s);
		return NULL;
	}
	s->refs = 1;
	s->state = SHARE_ASKS;
	s->since_ms = d4_clock_ms();
	sh->nasking++;
	share_touch(s);
	return s;
}

struct share_stream *
share_take(struct share *sh, const uint8_t uuid[D4_UUID_LEN], uint8_t type,
    const char stream[PLACE_TAIL])
{
	return new_stream(sh, uuid, type, stream);
}

struct share_stream *
share_keep(struct share_stream *s)
{
	if (s != NULL)
		s->refs++;
	return s;
}

void
share_drop(struct share_stream *s)
{
	if (s != NULL && --s->refs == 0)
		share_touch(s);
}

enum share_state
share_state(const struct share_stream *s)
{
	return s->state;
}

bool
share_is_wanted(const struct share_stream *s)
{
	return s->wanted;
}

const struct tail_import *
share_import(const struct share_stream *s)
{
	return &s->import;
}

const struct share_note *
share_note(const struct share_stream *s)
{
	return &s->note;
}

bool
share_lacks_all(const struct share_stream *s)
{
	return s->lacks_all && s->next == NULL && !s->inflight;
}

bool
share_has_arrived(const struct share_stream *s, uint64_t ticket)
{
	return s->arrived >= ticket;
}

void
share_enter(struct share_stream *s, enum share_state state)
{
	if (s->state == SHARE_ASKS && state != SHARE_ASKS)
		s->share->nasking--;
	s->state = state;
	s->share->news = true;
}

/* -- turns ------------------------------------------------------------------ */

/* Sends what is to be sent next.  Returns whether it has something to send
 * later; it may be gone. */
static bool
advance(struct share_stream *s)
{
	struct cmd *cmd = s->next;

	if (s->inflight)
		return false;
	if (s->refs == 0 && (!s->holds || s->state == SHARE_GONE)) {
		free_stream(s);
		return false;
	}
	if (s->state == SHARE_GONE || s->state == SHARE_HELD)
		return false;
	if (s->state == SHARE_ASKS) {
		if (d4_clock_ms() < s->ask_ms)
			return true;
		share_send_ask(s);
	} else if (cmd != NULL) {
		s->next = NULL;
		share_put(s, cmd);
	} else if (s->state == SHARE_SETTLED && !s->lacks_all &&
	    (s->check || s->sent != s->ticket)) {
		share_send_push(s);
	} else if (s->refs == 0) {
		share_send_release(s);
	} else {
		return false;
	}
	/* Without memory for a command it is tried again. */
	return !s->inflight;
}

static void
advance_all(struct share *sh)
{
	TAILQ_HEAD(, share_stream) later = TAILQ_HEAD_INITIALIZER(later);
	struct share_stream *s;

	while ((s = TAILQ_FIRST(&sh->due)) != NULL) {
		TAILQ_REMOVE(&sh->due, s, due);
		s->is_due = false;
		if (advance(s)) {
			s->is_due = true;
			TAILQ_INSERT_TAIL(&later, s, due);
		}
	}
	TAILQ_CONCAT(&sh->due, &later, due);
}

static void
take_number(struct share_stream *s, struct cmd *cmd, long long number)
{
	if (number == 0) {
		d4_log_info(2, "tail %s: another has taken it", s->name);
		share_enter(s, SHARE_GONE);
	} else if (number == 2) {
		s->lacks_all = true;
		s->share->news = true;
	} else {
		if (s->arrived < cmd->ticket)
			s->arrived = cmd->ticket;
		if (cmd->kind != PUSH)
			share_enter(s, SHARE_SETTLED);
		s->share->news = true;
	}
}

static void
take_asked(struct share *sh, const struct d4_redis_reply *reply)
{
	uint8_t id[D4_UUID_LEN];
	struct d4_redis_reply one;
	struct share_stream *s;
	size_t i;

	for (i = 0; i < reply->n; i++) {
		d4_redis_element(reply, i, &one);
		if (identify(id, one.text) == 0 &&
		    (s = d4_table_get(sh->streams, id)) != NULL) {
			s->wanted = true;
			sh->news = true;
		}
	}
}

/* Who is silent since then may live: nobody could say so. */
static void
was_away(struct share *sh)
{
	struct share_stream *s;
	size_t at = 0;

	sh->back_ms = d4_clock_ms();
	while ((s = d4_table_next(sh->streams, &at)) != NULL)
		s->since_ms = sh->back_ms;
}

static void
on_answer(void *cookie, struct pipeline_cmd *p,
    const struct d4_redis_reply *reply)
{
	struct share *sh = cookie;
	struct cmd *cmd = (struct cmd *)p;
	struct share_stream *s = cmd->stream;
	bool bad = reply->kind == D4_REDIS_ERROR;

	if (bad) {
		pipeline_refuse(sh->pipeline, reply->text);
		was_away(sh);
	} else
		pipeline_is_well(sh->pipeline);
	if (cmd->kind == BEAT) {
		sh->beating = false;
		if (!bad)
			take_asked(sh, reply);
		free(cmd);
		return;
	}
	s->inflight = false;
	s->asked = NULL;
	share_touch(s);
	if (bad && cmd->kind != TAKE && cmd->kind != RELEASE &&
	    s->next == NULL) {
		s->next = cmd;
		return;
	}
	if (cmd->kind == TAKE && !bad)
		share_take_answer(s, reply);
	else if (cmd->kind == RELEASE)
		s->holds = false;
	else if (!bad && cmd->kind != TAKE)
		take_number(s, cmd, reply->number);
	free(cmd);
}

static void
beat(struct share *sh)
{
	struct words w = { .at = NULL };
	struct cmd *cmd;

	if (sh->beating)
		return;
	words_text(&w, "EVAL");
	words_text(&w, share_beat_script);
	words_text(&w, "0");
	words_text(&w, SHARE_PREFIX);
	words_text(&w, sh->store);
	words_text(&w, sh->token);
	words_text(&w, "0");
	if ((cmd = cmd_make(&w, NULL, BEAT)) == NULL)
		return;
	sh->beating = true;
	pipeline_put(sh->pipeline, &cmd->p);
}

static void
on_well(void *cookie)
{
	was_away(cookie);
}

/* The server may have lost what it had. */
static void
on_ready(void *cookie)
{
	struct share *sh = cookie;
	struct share_stream *s;
	size_t at = 0;

	beat(sh);
	if (pipeline_figures(sh->pipeline)->nconnects > 1)
		was_away(sh);
	while ((s = d4_table_next(sh->streams, &at)) != NULL) {
		s->check = s->state == SHARE_SETTLED;
		/* It is to be asked in another way than before. */
		if (s->asked != NULL) {
			pipeline_withdraw(sh->pipeline, &s->asked->p);
			free(s->asked);
			s->asked = NULL;
			s->inflight = false;
		}
		share_touch(s);
	}
}

void
share_run(struct share *sh)
{
	if (pipeline_is_ready(sh->pipeline) && !pipeline_pauses(sh->pipeline))
		advance_all(sh);
	pipeline_run(sh->pipeline);
	if (pipeline_is_ready(sh->pipeline) && !pipeline_pauses(sh->pipeline))
		sh->away_ms = 0;
	else if (sh->away_ms == 0)
		sh->away_ms = d4_clock_ms();
}

bool
share_has_news(struct share *sh)
{
	bool news = sh->news;

	sh->news = false;
	return news;
}

int
share_timeout(const struct share *sh, int timeout_ms)
{
	if (sh->news)
		return 0;
	if (timeout_ms > ASK_MS && (sh->nasking > 0 ||
	    !TAILQ_EMPTY(&sh->due) || !pipeline_is_ready(sh->pipeline)))
		timeout_ms = ASK_MS;
	return timeout_ms;
}

void
share_tick(struct share *sh)
{
	if (pipeline_is_ready(sh->pipeline))
		beat(sh);
	/* Who waited for it waits no more. */
	sh->news = sh->news || share_is_away(sh);
}

bool
share_is_away(const struct share *sh)
{
	return sh->away_ms != 0 && d4_clock_ms() - sh->away_ms > SHARE_AWAY;
}

int
share_drain(struct share *sh, int timeout_ms)
{
	int64_t until = d4_clock_ms() + timeout_ms;
	struct pollfd pfd;

	while (d4_table_count(sh->streams) > 0) {
		share_run(sh);
		if (d4_table_count(sh->streams) == 0)
			break;
		if (d4_clock_ms() >= until)
			return -1;
		pipeline_poll(sh->pipeline, &pfd);
		(void)poll(&pfd, pfd.fd == -1 ? 0 : 1, 5);
	}
	return 0;
}

/* -- what dead processes left ----------------------------------------------- */

int
share_recover(struct share *sh, const struct place *place, struct tail *tail)
{
	struct share_stream *s;

	s = new_stream(sh, place->uuid, place->type, place->tail);
	if (s == NULL) {
		tail_close(tail);
		return -1;
	}
	s->tail = tail;
	return 0;
}

struct share_stream *
share_recovering(struct share *sh, const struct place *place)
{
	uint8_t id[D4_UUID_LEN];
	struct share_stream *s;
	char name[NAME];

	name_stream(name, place->uuid, place->type, place->tail);
	if (identify(id, name) == -1)
		return NULL;
	s = d4_table_get(sh->streams, id);
	return s != NULL && s->tail != NULL && s->refs > 0 ? s : NULL;
}

struct tail *
share_tail(struct share_stream *s)
{
	return s->tail;
}

void
share_recovered(struct share *sh)
{
	struct share_stream *s;
	size_t at = 0;

	while ((s = d4_table_next(sh->streams, &at)) != NULL) {
		if (s->tail == NULL || s->refs == 0 || s->inflight ||
		    s->next != NULL || s->state == SHARE_ASKS)
			continue;
		tail_close(s->tail);
		s->tail = NULL;
		share_drop(s);
	}
}

/* -- beginning and end ------------------------------------------------------ */

struct share *
share_new(const struct share_settings *settings, char why[256])
{
	struct pipeline_settings p = {
		.where = settings->where, .user = settings->user,
		.password = settings->password, .what = "shared tails",
		.epoll = settings->epoll, .tag = settings->tag,
		.answer = on_answer, .ready = on_ready, .well = on_well
	};
	uint8_t token[D4_UUID_LEN];
	struct share *sh;

	(void)snprintf(why, 256, "not enough memory");
	if ((sh = calloc(1, sizeof(*sh))) == NULL)
		return NULL;
	TAILQ_INIT(&sh->due);
	d4_uuid_new(token);
	d4_uuid_hex(sh->token, token);
	(void)snprintf(sh->store, sizeof(sh->store), "%s", settings->store);
	(void)snprintf(sh->alive, KEY, SHARE_PREFIX "tails:%s", sh->token);
	memcpy(sh->probe, (const char *[]){ "SET", sh->alive, "1", "PX",
	    "3000", NULL }, sizeof(sh->probe));
	p.probe = sh->probe;
	p.cookie = sh;
	sh->streams = d4_table_new(d4_get64le(token));
	if (sh->streams != NULL &&
	    (sh->pipeline = pipeline_new(&p, why)) != NULL)
		return sh;
	share_free(sh);
	return NULL;
}

static void
free_item(void *item)
{
	struct share_stream *s = item;

	tail_close(s->tail);
	blob_free(&s->import);
	free(s->records);
	free(s->next);
	free(s);
}

void
share_free(struct share *sh)
{
	if (sh == NULL)
		return;
	pipeline_free(sh->pipeline);
	d4_table_free(sh->streams, free_item);
	free(sh);
}
