/* SPDX-License-Identifier: ISC */
#include "d4-recv/stream-check.h"
#include "d4-recv/stream-keys.h"
#include "d4-recv/stream-own.h"

/* The first that has an id, and of which is not known whether it is there; the
 * last of its type. */
static struct cmd *
find_unknown(const struct stream_session *s, struct cmd **last)
{
	struct cmd *cmd, *first = NULL;
	struct pipeline_cmd *p;

	TAILQ_FOREACH(p, &s->pending, entry) {
		cmd = cmd_of(p);
		if (cmd->kind != CMD_ADD || cmd->tailed || cmd->id[0] == '\0' ||
		    cmd->found != FOUND_UNKNOWN)
			continue;
		if (first == NULL)
			first = cmd;
		if (cmd->type == first->type)
			*last = cmd;
	}
	return first;
}

/* Asks for those of one type after another, then goes on. */
static void
ask(struct stream_session *s)
{
	struct cmd *first, *last = NULL;
	char key[STREAM_KEY];

	s->checks = false;
	if ((first = find_unknown(s, &last)) != NULL) {
		stream_key(key, first->type, s->text);
		/* Without memory for it they are sent as if they were not. */
		s->checks = ASK(s->stream, CMD_CHECK, s, "EVAL",
		    stream_check_script, "1", key, first->id, last->id);
	}
	stream_release(s);
}

/* What was refused comes again, and what is behind it too: of that which is
 * there is taken away. */
static void
repeat(struct stream_session *s, struct cmd *refused)
{
	struct pipeline_cmd *p = &refused->p;
	char key[STREAM_KEY];
	struct cmd *cmd;

	stream_key(key, refused->type, s->text);
	for (; p != NULL; p = TAILQ_NEXT(p, entry)) {
		cmd = cmd_of(p);
		if (cmd->kind != CMD_ADD || cmd->type != refused->type)
			continue;
		if (cmd->found == FOUND_THERE)
			ASK(s->stream, CMD_SIDE, NULL, "XDEL", key, cmd->id);
		cmd->id[0] = '\0';
	}
}

void
stream_take_check(struct stream_session *s, const struct d4_redis_reply *reply)
{
	struct cmd *last = NULL, *cmd = find_unknown(s, &last);
	struct pipeline_cmd *p, *next;
	uint64_t added;
	uint8_t type;

	if (cmd == NULL || reply->kind != D4_REDIS_ARRAY) {
		s->checks = false;
		stream_release(s);
		return;
	}
	type = cmd->type;
	/* Of another type than the last it is not known. */
	added = check_entries(&s->pending, type,
	    type == s->type ? s->added : 0, reply);
	for (p = &cmd->p; p != NULL; p = next) {
		next = TAILQ_NEXT(p, entry);
		cmd = cmd_of(p);
		if (cmd->kind != CMD_ADD || cmd->type != type)
			continue;
		if (cmd->found == FOUND_REFUSED)
			repeat(s, cmd);
		if (cmd->found != FOUND_THERE)
			break;
		TAILQ_REMOVE(&s->pending, p, entry);
		s->room -= s->room > 0;
		stream_count(s->stream, cmd);
		stream_forget(s->stream, cmd);
	}
	if (type == s->type)
		s->added = added;
	ask(s);
}

void
stream_take_unanswered(struct stream *st)
{
	struct pipeline_cmd *p, *next;
	struct stream_session *s;
	struct cmd *cmd;

	for (p = pipeline_first(st->pipeline); p != NULL; p = next) {
		next = TAILQ_NEXT(p, entry);
		cmd = cmd_of(p);
		s = cmd->session;
		if (s == NULL || s->unsure > 0 || (cmd->kind != CMD_ADD &&
		    cmd->kind != CMD_SIDE && cmd->kind != CMD_STORED &&
		    cmd->kind != CMD_CHECK))
			continue;
		pipeline_withdraw(st->pipeline, p);
		s->inflight--;
		if (cmd->kind == CMD_CHECK) {
			cmd_free(&st->spares, cmd);
			continue;
		}
		s->room += cmd->kind == CMD_ADD && s->room < s->limit;
		stream_wait_for_turn(s, cmd);
	}
}

void
stream_check(struct stream_session *s)
{
	struct pipeline_cmd *p;

	if (s->unsure > 0)
		return;
	TAILQ_FOREACH(p, &s->pending, entry)
		cmd_of(p)->found = FOUND_UNKNOWN;
	ask(s);
}
