/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "d4-recv/share-own.h"
#include "d4-recv/tail-blob.h"
#include "lib/bytes.h"
#include "lib/clock.h"

#define BACK_MS		6000	/* after Redis was away, until others have found
				 * that, and those that did not are dead */

static void
note_parse(struct share_note *note, const char *text)
{
	char digits[3] = "", *end;
	uint64_t n[3];
	size_t i;

	memset(note, 0, sizeof(*note));
	for (i = 0; i < 3; i++) {
		n[i] = strtoull(text, &end, 10);
		if (end == text)
			return;
		text = end;
	}
	note->any = true;
	note->place.ordinal = n[0];
	note->place.whole = n[1];
	note->place.data = n[2] != 0;
	if (strlen(text) != 1 + 2 * MATCH_TAG)
		return;
	for (i = 0, text++; i < MATCH_TAG; i++, text += 2) {
		memcpy(digits, text, 2);
		note->tag[i] = (uint8_t)strtoul(digits, &end, 16);
		if (end != digits + 2)
			return;
	}
	note->first = true;
}

static int
take_import(struct share_stream *s, const struct d4_redis_reply *reply)
{
	struct tail_import *in = &s->import;
	struct share_note note;
	struct d4_redis_reply one;
	size_t i;
	int rc = 0;

	blob_free(in);
	d4_redis_element(reply, 3, &one);
	(void)snprintf(s->other, sizeof(s->other), "%s", one.text);
	d4_redis_element(reply, 4, &one);
	note_parse(&note, one.text);
	s->other_place = note.place;
	d4_redis_element(reply, 5, &one);
	if (blob_take_preamble(in, one.text, one.len) == -1)
		return -1;
	d4_redis_element(reply, 6, &one);
	if (one.len == LOG_PART) {
		memcpy(in->part, one.text, MATCH_TAG);
		in->part_taken = d4_get32le((const uint8_t *)one.text +
		    MATCH_TAG);
	}
	for (i = 7; rc == 0 && i < reply->n; i++) {
		d4_redis_element(reply, i, &one);
		rc = blob_take(in, one.text, one.len);
	}
	return rc;
}

void
share_send_ask(struct share_stream *s)
{
	const struct share *sh = s->share;
	int64_t now = d4_clock_ms();
	char of[NAME];
	struct begin b;
	struct words w;
	struct cmd *cmd;

	(void)snprintf(of, sizeof(of), "%.*s",
	    (int)(strrchr(s->name, ':') - s->name), s->name);
	words_begin(&w, s, share_take_script, &b);
	words_text(&w, s->tail != NULL ? "recover" :
	    now - s->since_ms > SHARE_PATIENCE ? "force" :
	    sh->back_ms != 0 && now - sh->back_ms < BACK_MS ? "wait" : "ask");
	words_text(&w, s->name);
	words_text(&w, of);
	if ((s->asked = cmd = cmd_make(&w, s, TAKE)) != NULL)
		share_put(s, cmd);
	s->ask_ms = now + ASK_MS;
}

void
share_take_answer(struct share_stream *s, const struct d4_redis_reply *reply)
{
	struct d4_redis_reply one;

	d4_redis_element(reply, 0, &one);
	if (one.kind != D4_REDIS_STRING || strcmp(one.text, "held") == 0) {
		if (s->tail != NULL)
			share_enter(s, SHARE_HELD);
		return;
	}
	s->holds = strcmp(one.text, "own") == 0 || s->tail == NULL;
	d4_redis_element(reply, 2, &one);
	note_parse(&s->note, one.kind == D4_REDIS_STRING ? one.text : "");
	d4_redis_element(reply, 1, &one);
	s->epoch = strtoull(one.kind == D4_REDIS_STRING ? one.text : "", NULL,
	    10);
	d4_redis_element(reply, 0, &one);
	if (strcmp(one.text, "own") == 0)
		share_enter(s, SHARE_OWN);
	else if (s->tail != NULL || take_import(s, reply) == 0)
		share_enter(s, SHARE_OTHERS);
}
