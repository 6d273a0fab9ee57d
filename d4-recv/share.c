/* SPDX-License-Identifier: ISC */
#include <sys/queue.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "d4-recv/share-own.h"
#include "d4-recv/tail-blob.h"
#include "lib/bytes.h"
#include "lib/clock.h"
#include "lib/digest.h"
#include "lib/table.h"

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

/* -- streams --------------------------------------------------------------- */

static void
name_stream(char name[NAME], const uint8_t uuid[D4_UUID_LEN], uint8_t type,
    const char stream[PLACE_TAIL])
{
	char hex[D4_UUID_HEX];

	d4_uuid_hex(hex, uuid);
	(void)snprintf(name, NAME, "%s:%u:%.16s", hex, type, stream);
}

int
share_identify(uint8_t id[D4_UUID_LEN], const char *name)
{
	uint8_t digest[D4_DIGEST_SHA256];

	if (d4_digest_sha256(digest, name, strlen(name)) == -1)
		return -1;
	memcpy(id, digest, D4_UUID_LEN);
	return 0;
}

void
share_free_stream(struct share_stream *s)
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
	if (share_identify(s->id, s->name) == -1 ||
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

/* -- what dead processes left ---------------------------------------------- */

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
	if (share_identify(id, name) == -1)
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

/* -- beginning and end ----------------------------------------------------- */

struct share *
share_new(const struct share_settings *settings, char why[256])
{
	struct pipeline_settings p = {
		.where = settings->where, .user = settings->user,
		.password = settings->password, .what = "shared tails",
		.epoll = settings->epoll, .tag = settings->tag,
		.answer = share_on_answer, .ready = share_on_ready,
		.well = share_on_well
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
