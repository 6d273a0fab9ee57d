/* SPDX-License-Identifier: ISC */
#include <sys/queue.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "d4-recv/stream-keys.h"
#include "d4-recv/stream-own.h"
#include "lib/clock.h"
#include "lib/log.h"

#define TRIM_BYTES	((uint32_t)256 << 10)	/* between two cuts of a list */
#define UNSURE		((size_t)512 << 10)	/* bytes of a stream with a
						 * tail */
#define UNSURE_LOW	((size_t)256 << 10)	/* not answered, likewise */

/* -- commands -------------------------------------------------------------- */

static void
enqueue(struct stream *st, struct cmd *cmd)
{
	if (cmd->session != NULL)
		cmd->session->inflight++;
	pipeline_put(st->pipeline, &cmd->p);
}

bool
stream_ask(struct stream *st, enum cmd_kind kind,
    struct stream_session *session, const char *const words[])
{
	struct cmd *cmd;

	if ((cmd = cmd_words(&st->spares, kind, words)) == NULL) {
		d4_log_warn("%s", pipeline_name(st->pipeline));
		return false;
	}
	cmd->session = session;
	enqueue(st, cmd);
	return true;
}

void
stream_forget(struct stream *st, struct cmd *cmd)
{
	struct stream_session *s = cmd->session;

	if (s != NULL && cmd->tailed) {
		s->unsure -= cmd->size;
		if (s->held && s->unsure <= UNSURE_LOW) {
			s->held = false;
			st->eased = true;
		}
	}
	cmd_free(&st->spares, cmd);
}

static void
give_turn(struct stream_session *s, struct cmd *cmd)
{
	cmd->session = s;
	cmd->turn = s->turns++;
}

void
stream_wait_for_turn(struct stream_session *s, struct cmd *cmd)
{
	struct pipeline_cmd *before = TAILQ_LAST(&s->pending, pipeline_cmds);

	while (before != NULL && cmd_of(before)->turn > cmd->turn)
		before = TAILQ_PREV(before, pipeline_cmds, entry);
	if (before != NULL)
		TAILQ_INSERT_AFTER(&s->pending, before, &cmd->p, entry);
	else
		TAILQ_INSERT_HEAD(&s->pending, &cmd->p, entry);
}

void
stream_run_script(struct stream_session *s, enum cmd_kind kind,
    const char *script)
{
	struct stream *st = s->stream;
	char type[4];
	struct cmd *cmd;

	(void)snprintf(type, sizeof(type), "%u", s->type);
	cmd = cmd_words(&st->spares, kind, (const char *const[]){ "EVAL",
	    script, "0", PREFIX, st->token, s->uuid, s->text, type, NULL });
	if (cmd == NULL) {
		d4_log_warn("%s", pipeline_name(st->pipeline));
		return;
	}
	give_turn(s, cmd);
	if (TAILQ_EMPTY(&s->pending) && !s->failing)
		enqueue(st, cmd);
	else
		stream_wait_for_turn(s, cmd);
}

/* -- sessions -------------------------------------------------------------- */

struct stream_session *
stream_open(struct stream *st, const uint8_t uuid[D4_UUID_LEN],
    const uint8_t session[D4_UUID_LEN], uint8_t type, uint64_t limit)
{
	struct stream_session *s;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	memcpy(s->id, session, sizeof(s->id));
	if (d4_table_put(st->sessions, s) == -1) {
		free(s);
		return NULL;
	}
	s->stream = st;
	s->type = type;
	s->room = s->limit = limit == 0 ? STREAM_LIMIT : limit;
	TAILQ_INIT(&s->pending);
	d4_uuid_hex(s->uuid, uuid);
	d4_uuid_text(s->text, session);
	stream_run_script(s, CMD_SIDE, stream_open_script);
	return s;
}

void
stream_ask_length(struct stream_session *s)
{
	char key[STREAM_KEY];

	if (s->asking)
		return;
	stream_key(key, s->type, s->text);
	s->asking = true;
	s->asked_ms = d4_clock_ms();
	s->since_asked = 0;
	ASK(s->stream, CMD_LENGTH, s, "XLEN", key);
}

void
stream_set_limit(struct stream_session *s, uint64_t limit)
{
	if (limit == 0)
		limit = STREAM_LIMIT;
	if (limit == s->limit)
		return;
	s->limit = limit;
	if (s->room > limit)
		s->room = limit;
	stream_ask_length(s);
}

/* Gives out the next n ids: greater than any before, of whatever clock. */
static void
number(struct stream_session *s, unsigned n)
{
	struct timespec ts;
	uint64_t now;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	now = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	if (now > s->last_ms) {
		s->last_ms = now;
		s->last_n = n - 1;
	} else
		s->last_n += n;
}

/* The first of them that wait; NULL when there is none. */
static struct cmd *
first_pending(const struct stream_session *s)
{
	return TAILQ_EMPTY(&s->pending) ? NULL :
	    cmd_of(TAILQ_FIRST(&s->pending));
}

/* Moves one that waits, or several that are one command, into the pipeline. */
static void
move(struct stream_session *s, unsigned n)
{
	struct cmd *cmd;
	unsigned i;

	for (i = 0; i < n && (cmd = first_pending(s)) != NULL; i++) {
		TAILQ_REMOVE(&s->pending, &cmd->p, entry);
		if (cmd->kind == CMD_ADD) {
			s->room--;
			s->since_asked++;
		}
		cmd->place = i;
		cmd->p.goes_on = i + 1 < n;
		enqueue(s->stream, cmd);
	}
}

/* The first that waits has a tail: all that can be added with it. */
static int
release_batch(struct stream_session *s, struct cmd *first)
{
	struct stream *st = s->stream;
	struct cmd_batch b = { .first = first, .session = s->text,
		.uuid = s->uuid, .sha = st->sha, .tail = s->tail };
	struct pipeline_cmd *p = &first->p;
	struct cmd *head;
	size_t bytes = 0;

	do {
		b.n++;
		bytes += p->len;
		s->untrimmed += cmd_of(p)->tail.wire;
		p = TAILQ_NEXT(p, entry);
	} while (p != NULL && b.n < CMD_BATCH_MAX && b.n < s->room &&
	    bytes < CMD_BATCH_BYTES && cmd_joins(first, cmd_of(p)));
	if ((b.trims = s->untrimmed > TRIM_BYTES))
		s->untrimmed = 0;
	number(s, b.n);
	b.ms = s->last_ms;
	b.seq = s->last_n - (b.n - 1);
	if ((head = cmd_batch(&st->spares, &b)) == NULL) {
		d4_log_warn("%s", pipeline_name(st->pipeline));
		return -1;
	}
	enqueue(st, head);
	move(s, b.n);
	return 0;
}

void
stream_release(struct stream_session *s)
{
	struct stream *st = s->stream;
	struct cmd *cmd;

	if ((s->failing && s->inflight > 0) || s->checks ||
	    pipeline_pauses(st->pipeline) || (s->retry_ms != 0 &&
	    d4_clock_ms() < s->retry_ms))
		return;
	s->retry_ms = 0;
	s->failing = s->renumbers = false;
	while ((cmd = first_pending(s)) != NULL) {
		if (cmd->kind == CMD_ADD && s->room == 0)
			return;
		if (cmd->tailed) {
			if (release_batch(s, cmd) == -1)
				return;
			continue;
		}
		/* What may be there already keeps its id. */
		if (cmd->kind == CMD_ADD && cmd->id[0] == '\0') {
			number(s, 1);
			cmd_set_id(cmd, s->text, s->last_ms, s->last_n);
		}
		move(s, 1);
	}
	if (s->room < s->limit / 2 && s->since_asked > s->limit / 8)
		stream_ask_length(s);
}

int
stream_add(struct stream_session *s, const struct d4_header *h,
    const uint8_t *payload)
{
	struct cmd *cmd;

	/* Of a header and its data the worker knows one session. */
	if (h->type != s->type) {
		s->type = h->type;
		s->room = s->limit;
		s->added = 0;
		stream_run_script(s, CMD_SIDE, stream_become_script);
	}
	cmd = cmd_entry(&s->stream->spares, h, s->uuid, payload,
	    s->judged ? &s->next : NULL);
	if (cmd == NULL)
		return -1;
	s->judged = false;
	if (cmd->tailed)
		s->unsure += cmd->size;
	give_turn(s, cmd);
	stream_wait_for_turn(s, cmd);
	if (!s->stored) {
		s->stored = true;
		stream_run_script(s, CMD_STORED, stream_stored_script);
	}
	/* Those with a tail wait for what comes in the same turn. */
	if (!cmd->tailed) {
		stream_release(s);
	} else if (!s->is_due) {
		s->is_due = true;
		TAILQ_INSERT_TAIL(&s->stream->due, s, due);
	}
	return 0;
}

/* -- full or not ----------------------------------------------------------- */

/* What is not answered when we die, or the sensor comes again, must be sent
 * again: it has to be well below what a sensor keeps for that. */
static bool
is_unsure(const struct stream_session *s)
{
	return s->unsure > (s->held ? UNSURE_LOW : UNSURE);
}

static bool
is_full(const struct stream_session *s)
{
	return s->stream->full || !TAILQ_EMPTY(&s->pending) ||
	    stream_awaits_tail(s) || is_unsure(s);
}

bool
stream_is_full(struct stream_session *s)
{
	bool full;

	if (s->is_due)
		stream_release(s);
	full = is_full(s);
	s->held = is_unsure(s);
	s->stream->blocked = s->stream->blocked || (full && !s->held);
	return full;
}

bool
stream_eased(struct stream *st)
{
	bool eased = st->eased;

	st->eased = false;
	return eased;
}

enum stream_end
stream_end(const struct stream_session *s)
{
	return s->end;
}

bool
stream_settled(struct stream_session *s)
{
	s->waits = s->inflight > 0 || !TAILQ_EMPTY(&s->pending);
	return !s->waits;
}

static void
forget_pending(struct stream_session *s)
{
	struct cmd *cmd;

	while ((cmd = first_pending(s)) != NULL) {
		TAILQ_REMOVE(&s->pending, &cmd->p, entry);
		stream_forget(s->stream, cmd);
	}
}

static void
free_session(void *item)
{
	struct stream_session *s = item;

	forget_pending(s);
	if (s->is_due)
		TAILQ_REMOVE(&s->stream->due, s, due);
	passage_free(s->passage);
	free(s->hello);
	free(s);
}

void
stream_look_after(struct stream_session *s)
{
	struct stream *st = s->stream;

	if (s->inflight > 0 || !TAILQ_EMPTY(&s->pending))
		return;
	if (s->waits) {
		s->waits = false;
		st->eased = true;
	}
	if (!s->closed)
		return;
	if (!s->ended) {
		s->ended = true;
		stream_run_script(s, CMD_SIDE, stream_close_script);
		return;
	}
	free_session(d4_table_take(st->sessions, s->id));
}

void
stream_close(struct stream_session *s)
{
	if (s == NULL)
		return;
	s->closed = true;
	/* What was over the limit, or what its worker wants nothing of. */
	if (s->end != STREAM_GOES_ON)
		forget_pending(s);
	stream_look_after(s);
}

/* -- beginning and end ----------------------------------------------------- */

const struct stream_figures *
stream_figures(struct stream *st)
{
	const struct pipeline_figures *p = pipeline_figures(st->pipeline);
	struct pipeline_cmd *cmd;
	struct stream_session *s;
	size_t at = 0;

	st->figures.nwaiting = p->nwaiting;
	st->figures.waiting = p->waiting;
	st->figures.nlosses = p->nlosses;
	st->figures.nreconnects = p->nconnects > 0 ? p->nconnects - 1 : 0;
	st->figures.away = p->away;
	st->figures.nheld = 0;
	while ((s = d4_table_next(st->sessions, &at)) != NULL) {
		st->figures.nheld += !s->closed && is_full(s);
		TAILQ_FOREACH(cmd, &s->pending, entry) {
			st->figures.nwaiting++;
			st->figures.waiting += cmd->len != 0 ? cmd->len :
			    cmd_of(cmd)->fields;
		}
	}
	return &st->figures;
}

struct stream *
stream_new(const struct stream_settings *settings, char why[256])
{
	struct pipeline_settings p = {
		.where = settings->where, .user = settings->user,
		.password = settings->password, .what = "streams",
		.epoll = settings->epoll, .tag = settings->tag,
		.answer = stream_on_answer, .ready = stream_on_ready
	};
	uint8_t token[D4_UUID_LEN];
	struct stream *st;

	(void)snprintf(why, 256, "not enough memory");
	if ((st = calloc(1, sizeof(*st))) == NULL)
		return NULL;
	st->s = *settings;
	TAILQ_INIT(&st->due);
	d4_uuid_new(token);
	d4_uuid_hex(st->token, token);
	memcpy(st->probe, (const char *[]){ "EVAL", stream_beat_script, "0",
	    PREFIX, st->token, "0", NULL }, sizeof(st->probe));
	p.probe = st->probe;
	p.cookie = st;
	st->sessions = d4_table_new(0);
	if (st->sessions != NULL &&
	    (st->pipeline = pipeline_new(&p, why)) != NULL)
		return st;
	stream_free(st);
	return NULL;
}

void
stream_free(struct stream *st)
{
	if (st == NULL)
		return;
	pipeline_free(st->pipeline);
	d4_table_free(st->sessions, free_session);
	cmd_spares_free(&st->spares);
	free(st);
}
