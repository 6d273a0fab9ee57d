/* SPDX-License-Identifier: ISC */
#include <poll.h>
#include <stdlib.h>

#include "d4-recv/share-own.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/table.h"

/* Sends what is to be sent next.  Returns whether it has something to send
 * later; it may be gone. */
static bool
advance(struct share_stream *s)
{
	struct cmd *cmd = s->next;

	if (s->inflight)
		return false;
	if (s->refs == 0 && (!s->holds || s->state == SHARE_GONE)) {
		share_free_stream(s);
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
		if (share_identify(id, one.text) == 0 &&
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

void
share_on_answer(void *cookie, struct pipeline_cmd *p,
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
		s->holds = bad;
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

void
share_on_well(void *cookie)
{
	was_away(cookie);
}

/* The server may have lost what it had. */
void
share_on_ready(void *cookie)
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
