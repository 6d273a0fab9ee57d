/* SPDX-License-Identifier: ISC */
#include <poll.h>
#include <stdio.h>

#include "d4-recv/stream-keys.h"
#include "d4-recv/stream-own.h"
#include "lib/clock.h"

#define WINDOW		((size_t)16 << 20)	/* bytes not answered, then */
#define WINDOW_LOW	((size_t)8 << 20)	/* sensors wait until so few */
#define WALK_MS		20	/* between two looks at all sessions */
#define ASK_MS		100	/* between two questions for the length */
#define SEARCH		5	/* ticks between two searches for the dead */
#define KEEP		60	/* and after which a tail's life begins anew */

static void
on_session(struct stream *st, void (*visit)(struct stream_session *))
{
	struct stream_session *s;
	size_t at = 0;

	while ((s = d4_table_next(st->sessions, &at)) != NULL)
		visit(s);
}

/* What the server should know of a session, if it was emptied meanwhile or we
 * were taken for dead. */
static void
announce(struct stream_session *s)
{
	if (s->ended)
		return;
	stream_run_script(s, CMD_SIDE, stream_open_script);
	if (s->stored)
		stream_run_script(s, CMD_STORED, stream_stored_script);
}

void
stream_announce(struct stream *st)
{
	on_session(st, announce);
}

void
stream_on_ready(void *cookie)
{
	struct stream *st = cookie;

	st->doubtful = true;
	stream_take_unanswered(st);
	stream_announce(st);
	on_session(st, stream_check);
}

static void
go_on(struct stream_session *s)
{
	struct stream *st = s->stream;

	stream_release(s);
	if (s->passage != NULL && *st->sha == '\0' &&
	    !pipeline_pauses(st->pipeline))
		stream_load(st);
	if (s->room == 0 && !TAILQ_EMPTY(&s->pending) &&
	    d4_clock_ms() - s->asked_ms >= ASK_MS)
		stream_ask_length(s);
}

static void
release_due(struct stream *st)
{
	struct stream_session *s;

	while ((s = TAILQ_FIRST(&st->due)) != NULL) {
		TAILQ_REMOVE(&st->due, s, due);
		s->is_due = false;
		stream_release(s);
	}
}

/* Who waited for the window goes on at once: what it still holds may be done in
 * a few milliseconds. */
static void
look_at_window(struct stream *st)
{
	size_t waiting = pipeline_figures(st->pipeline)->waiting;
	bool was_full = st->full;

	st->full = waiting > (was_full ? WINDOW_LOW : WINDOW);
	if (was_full && !st->full && st->blocked) {
		st->blocked = false;
		st->eased = true;
	}
}

/* Looks which sessions have room again, and has those who wait ask anew. */
static void
walk(struct stream *st)
{
	int64_t now = d4_clock_ms();

	if (now - st->walked_ms < WALK_MS)
		return;
	st->walked_ms = now;
	on_session(st, go_on);
	if (st->blocked && !st->full) {
		st->blocked = false;
		st->eased = true;
	}
}

void
stream_run(struct stream *st)
{
	release_due(st);
	walk(st);
	pipeline_run(st->pipeline);
	look_at_window(st);
}

int
stream_timeout(const struct stream *st, int timeout_ms)
{
	bool waits = st->blocked || !pipeline_is_ready(st->pipeline);

	return waits && timeout_ms > WALK_MS ? WALK_MS : timeout_ms;
}

/* That of a sensor which has had nothing to send for long. */
static void
keep_tail(struct stream_session *s)
{
	char key[CMD_TAIL];

	if (s->passage == NULL || s->closed)
		return;
	(void)snprintf(key, sizeof(key), "%.*s",
	    (int)cmd_tail_len(s->tail), s->tail);
	ASK(s->stream, CMD_SIDE, NULL, "EXPIRE", key, STREAM_LIFE);
	ASK(s->stream, CMD_SIDE, NULL, "EXPIRE", s->tail, STREAM_LIFE);
}

void
stream_tick(struct stream *st)
{
	if (pipeline_figures(st->pipeline)->nwaiting == 0)
		cmd_spares_free(&st->spares);
	/* A server that stands still is not to find many of these. */
	if (pipeline_is_ready(st->pipeline) && !st->beating) {
		if (st->ticks % KEEP == KEEP - 1)
			on_session(st, keep_tail);
		st->beating = ASK(st, CMD_BEAT, NULL, "EVAL",
		    stream_beat_script, "0", PREFIX, st->token,
		    st->ticks++ % SEARCH == 0 ? "1" : "0");
		ASK(st, CMD_REFUSED, NULL, "SMEMBERS", "Error:IncorrectType");
		ASK(st, CMD_KICKED, NULL, "SMEMBERS", "server:sensor_to_kick");
	}
	stream_run(st);
}

int
stream_drain(struct stream *st, int timeout_ms)
{
	int64_t until = d4_clock_ms() + timeout_ms;
	struct pollfd pfd;

	for (;;) {
		stream_run(st);
		if (pipeline_figures(st->pipeline)->nwaiting == 0 &&
		    d4_table_count(st->sessions) == 0)
			return 0;
		if (d4_clock_ms() >= until)
			return -1;
		pipeline_poll(st->pipeline, &pfd);
		(void)poll(&pfd, pfd.fd == -1 ? 0 : 1, 20);
	}
}
