/* SPDX-License-Identifier: ISC */
#include <sys/queue.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "d4-recv/passage.h"
#include "d4-recv/pipeline.h"
#include "d4-recv/stream-check.h"
#include "d4-recv/stream-cmd.h"
#include "d4-recv/stream-keys.h"
#include "d4-recv/stream.h"
#include "d4-recv/tail-blob.h"
#include "lib/clock.h"
#include "lib/digest.h"
#include "lib/log.h"
#include "lib/table.h"
#include "lib/uuid.h"

#define WINDOW		((size_t)4 << 20)	/* bytes not answered, then */
#define WINDOW_LOW	((size_t)2 << 20)	/* sensors wait until so few */
#define UNSURE		((size_t)512 << 10)	/* bytes of a stream with a tail */
#define UNSURE_LOW	((size_t)256 << 10)	/* not answered, likewise */
#define WALK_MS		20	/* between two looks at all sessions */
#define ASK_MS		100	/* between two questions for the length */
#define PREFIX		"d4toolkit:"
#define TRIM_BYTES	((uint32_t)256 << 10)	/* between two cuts of a list */

struct stream_session {
	uint8_t			 id[D4_UUID_LEN];	/* first, for the table */
	struct stream		*stream;
	char			 uuid[D4_UUID_HEX];
	char			 text[D4_UUID_TEXT];	/* the id with dashes */
	uint8_t			 type;		/* of the last record */
	bool			 stored;	/* its worker was told */
	bool			 closed;
	bool			 ended;		/* and that was sent */
	bool			 replaced;
	bool			 failing;	/* an answer was a refusal */
	bool			 renumbers;	/* and a later one was none */
	bool			 waits;		/* to be settled */
	enum stream_end		 end;
	struct pipeline_cmds	 pending;	/* not in the pipeline, by turn */
	uint64_t		 turns;		/* that were given out */
	size_t			 inflight;	/* in the pipeline */
	uint64_t		 limit;
	uint64_t		 room;		/* entries until we must ask */
	uint64_t		 since_asked;
	bool			 asking;
	int64_t			 asked_ms;
	uint64_t		 added;		/* entries, of the last type */
	bool			 checks;	/* which of them are there */
	uint64_t		 last_ms;	/* of the last entry's id */
	unsigned		 last_n;

	/* Of a stream with a tail: */
	char			*hello;		/* digits of its HMAC, or NULL */
	bool			 taking;	/* it was asked for */
	struct passage		*passage;	/* and that answered */
	char			 tail[CMD_TAIL];	/* its list's key */
	bool			 judged;	/* the record that comes now */
	struct cmd_tail		 next;		/* so */
	TAILQ_ENTRY(stream_session) due;
	bool			 is_due;	/* to be released this turn */
	uint32_t		 untrimmed;
	size_t			 unsure;	/* bytes that are not answered */
	bool			 held;		/* somebody was told of those */
};

struct stream {
	struct stream_settings	 s;
	struct pipeline		*pipeline;
	const char		*probe[7];
	char			 token[D4_UUID_HEX];
	char			 sha[CMD_SHA];	/* of the script, or "" */
	bool			 loading;	/* it was handed over */
	struct d4_table		*sessions;
	TAILQ_HEAD(, stream_session) due;
	struct cmd_spares	 spares;
	bool			 full;
	bool			 blocked;	/* somebody was told so */
	bool			 eased;
	int64_t			 walked_ms;	/* through all sessions */
	unsigned		 ticks;
	struct stream_figures	 figures;
};

/* -- commands -------------------------------------------------------------- */

static void
enqueue(struct stream *st, struct cmd *cmd)
{
	if (cmd->session != NULL)
		cmd->session->inflight++;
	pipeline_put(st->pipeline, &cmd->p);
}

/* One that is forgotten for want of memory is no entry.  Returns whether it is
 * under way. */
static bool
ask(struct stream *st, enum cmd_kind kind, struct stream_session *session,
    const char *const words[])
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

#define ASK(st, kind, session, ...) \
    ask(st, kind, session, (const char *const[]){ __VA_ARGS__, NULL })

/* It was answered, or never will be. */
static void
forget(struct stream *st, struct cmd *cmd)
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

/* One that was refused goes before those that came meanwhile. */
static void
wait_for_turn(struct stream_session *s, struct cmd *cmd)
{
	struct pipeline_cmd *before = TAILQ_LAST(&s->pending, pipeline_cmds);

	while (before != NULL && cmd_of(before)->turn > cmd->turn)
		before = TAILQ_PREV(before, pipeline_cmds, entry);
	if (before != NULL)
		TAILQ_INSERT_AFTER(&s->pending, before, &cmd->p, entry);
	else
		TAILQ_INSERT_HEAD(&s->pending, &cmd->p, entry);
}

/* Runs a script over the session's keys, after what was taken before. */
static void
run_script(struct stream_session *s, const char *script, const char *more)
{
	struct stream *st = s->stream;
	char type[4];
	struct cmd *cmd;

	(void)snprintf(type, sizeof(type), "%u", s->type);
	cmd = cmd_words(&st->spares, CMD_SIDE, (const char *const[]){ "EVAL",
	    script, "0", PREFIX, st->token, s->uuid, s->text, type, more,
	    NULL });
	if (cmd == NULL) {
		d4_log_warn("%s", pipeline_name(st->pipeline));
		return;
	}
	give_turn(s, cmd);
	if (TAILQ_EMPTY(&s->pending) && !s->failing)
		enqueue(st, cmd);
	else
		wait_for_turn(s, cmd);
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
	run_script(s, stream_open_script, "");
	return s;
}

static void
ask_length(struct stream_session *s)
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
	ask_length(s);
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

	for (i = 0; i < n; i++) {
		cmd = first_pending(s);
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

/* Moves what has room into the pipeline. */
static void
release(struct stream_session *s)
{
	struct stream *st = s->stream;
	struct cmd *cmd;

	if ((s->failing && s->inflight > 0) || s->checks ||
	    pipeline_pauses(st->pipeline))
		return;
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
		ask_length(s);
}

/* Those with a tail wait for what comes in the same turn. */
static void
release_due(struct stream *st)
{
	struct stream_session *s;

	while ((s = TAILQ_FIRST(&st->due)) != NULL) {
		TAILQ_REMOVE(&st->due, s, due);
		s->is_due = false;
		release(s);
	}
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
		run_script(s, stream_become_script, "");
	}
	cmd = cmd_entry(&s->stream->spares, h, s->uuid, payload,
	    s->judged ? &s->next : NULL);
	if (cmd == NULL)
		return -1;
	s->judged = false;
	if (cmd->tailed)
		s->unsure += cmd->size;
	give_turn(s, cmd);
	wait_for_turn(s, cmd);
	if (!s->stored) {
		s->stored = true;
		run_script(s, stream_stored_script, "");
	}
	if (!cmd->tailed) {
		release(s);
	} else if (!s->is_due) {
		s->is_due = true;
		TAILQ_INSERT_TAIL(&s->stream->due, s, due);
	}
	return 0;
}

/* -- streams that go on ---------------------------------------------------- */

void
stream_resume(struct stream_session *s, const uint8_t hello[D4_HMAC_LEN])
{
	/* Without memory it is one that can't be gone on with. */
	if ((s->hello = malloc(2 * D4_HMAC_LEN + 1)) != NULL)
		d4_digest_hex(s->hello, hello, D4_HMAC_LEN);
}

/* The script by which entries with a tail are added. */
static void
load(struct stream *st)
{
	if (!st->loading)
		st->loading = ASK(st, CMD_LOAD, NULL, "SCRIPT", "LOAD",
		    stream_add_script);
}

/* Behind that script. */
static void
take_tail(struct stream_session *s, uint8_t type)
{
	char key[CMD_TAIL], name[CMD_TAIL], of[CMD_TAIL];

	s->taking = true;
	(void)snprintf(of, sizeof(of), "%s:%u", s->uuid, type);
	(void)snprintf(name, sizeof(name), "%s:%u:%.16s", s->uuid, type,
	    s->hello);
	(void)snprintf(key, sizeof(key), PREFIX "entries:%s:%u:%.16s", s->uuid,
	    type, s->hello);
	(void)snprintf(s->tail, sizeof(s->tail), PREFIX "entries:%s:%u:%.16s"
	    CMD_TAGS, s->uuid, type, s->hello);
	if (*s->stream->sha == '\0')
		load(s->stream);
	ASK(s->stream, CMD_TAKE, s, "EVAL", stream_take_script, "2", key,
	    s->tail, PREFIX, s->text, name, of);
}

/* Its tail was asked for. */
static bool
awaits_tail(const struct stream_session *s)
{
	return s->taking && s->end != STREAM_TAKEN &&
	    (s->passage == NULL || *s->stream->sha == '\0');
}

int
stream_judge(struct stream_session *s, const struct d4_header *h,
    const uint8_t *payload, enum match_verdict *verdict)
{
	bool preamble;

	/* Of a stream that another session has nothing may be added. */
	*verdict = s->end == STREAM_TAKEN ? MATCH_STORED : MATCH_NEW;
	if (s->hello == NULL || s->end == STREAM_TAKEN)
		return 1;
	if (!s->taking)
		take_tail(s, h->type);
	if (awaits_tail(s))
		return 0;
	*verdict = passage_judge(s->passage, h->hmac, payload, h->size,
	    &preamble);
	if (*verdict == MATCH_STORED)
		return 1;
	s->judged = true;
	s->next.n++;
	memcpy(s->next.tag, h->hmac, MATCH_TAG);
	s->next.wire = h->size + D4_HEADER_LEN;
	s->next.known = *verdict == MATCH_PREAMBLE;
	s->next.preamble = preamble;
	return 1;
}

const struct match *
stream_match(const struct stream_session *s)
{
	return s->passage == NULL ? NULL : passage_match(s->passage);
}

static void
take_answer(struct stream_session *s, uint8_t type,
    const struct d4_redis_reply *reply)
{
	struct tail_import known = { .preamble = NULL };
	struct d4_redis_reply one;
	size_t i;
	int rc;

	d4_redis_element(reply, 0, &one);
	rc = blob_take_preamble(&known, one.text, one.len);
	for (i = 1; rc == 0 && i < reply->n; i++) {
		d4_redis_element(reply, i, &one);
		rc = blob_take(&known, one.text, one.len);
	}
	if (rc == 0)
		s->passage = passage_new(type, &known);
	blob_free(&known);
	s->stream->eased = true;
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
	    awaits_tail(s) || is_unsure(s);
}

bool
stream_is_full(struct stream_session *s)
{
	bool full;

	if (s->is_due)
		release(s);
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
		forget(s->stream, cmd);
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

/* After an answer, or when it was closed: says that it ended once all that was
 * taken is there, then goes. */
static void
look_after(struct stream_session *s)
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
		run_script(s, stream_close_script, s->replaced ? "1" : "0");
		return;
	}
	free_session(d4_table_take(st->sessions, s->id));
}

void
stream_close(struct stream_session *s, bool replaced)
{
	if (s == NULL)
		return;
	s->closed = true;
	s->replaced = replaced;
	/* What was over the limit, or what its worker wants nothing of. */
	if (s->end != STREAM_GOES_ON)
		forget_pending(s);
	look_after(s);
}

/* -- answers --------------------------------------------------------------- */

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
	release(s);
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

/* What went wrong waits, and what comes behind it in its session; scripts can be
 * run twice. */
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
	wait_for_turn(s, cmd);
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
		ASK(st, CMD_SIDE, NULL, "SET", key, "Some Value...", "EX", "30");
		ASK(st, CMD_SIDE, NULL, "SREM", "server:sensor_to_kick",
		    one.text);
	}
}

/* Somebody else has the stream, or Redis does not know what it knew: entries
 * that come now are refused, and the sensor goes on in another session. */
static void
end_taken(struct stream_session *s)
{
	if (s->end != STREAM_GOES_ON)
		return;
	s->end = STREAM_TAKEN;
	s->stream->eased = true;
}

static void
count_entry(struct stream *st, const struct cmd *cmd)
{
	st->figures.nentries++;
	st->figures.nbytes += cmd->size;
	cmd->session->added += cmd->type == cmd->session->type;
	pipeline_is_well(st->pipeline);
}

/* One of a batch.  It is there, or comes again: what comes behind a refusal waits
 * with it, in order; or it belongs to another session. */
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
		count_entry(st, cmd);
	} else {
		if (lost)
			load(st);
		else if (reply->kind != D4_REDIS_INTEGER)
			pipeline_refuse(st->pipeline, refusal.text);
		if (waits && s->end == STREAM_GOES_ON) {
			take_refusal(st, cmd, true);
			return;
		}
		if (!waits)
			end_taken(s);
	}
	forget(st, cmd);
	look_after(s);
}

/* -- entries whose answers were lost ---------------------------------------- */

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
check(struct stream_session *s)
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
	release(s);
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

static void
take_check(struct stream_session *s, const struct d4_redis_reply *reply)
{
	struct cmd *last = NULL, *cmd = find_unknown(s, &last);
	struct pipeline_cmd *p, *next;
	uint64_t added;
	uint8_t type;

	if (cmd == NULL || reply->kind != D4_REDIS_ARRAY) {
		s->checks = false;
		release(s);
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
		count_entry(s->stream, cmd);
		forget(s->stream, cmd);
	}
	if (type == s->type)
		s->added = added;
	check(s);
}

/* What was not answered is taken back from the pipeline, so that it is sent again
 * only where it is not there.  Batches know that by themselves, and sessions
 * that have some wait with them. */
static void
take_unanswered(struct stream *st)
{
	struct pipeline_cmd *p, *next;
	struct stream_session *s;
	struct cmd *cmd;

	for (p = pipeline_first(st->pipeline); p != NULL; p = next) {
		next = TAILQ_NEXT(p, entry);
		cmd = cmd_of(p);
		s = cmd->session;
		if (s == NULL || s->unsure > 0 || (cmd->kind != CMD_ADD &&
		    cmd->kind != CMD_SIDE && cmd->kind != CMD_CHECK))
			continue;
		pipeline_withdraw(st->pipeline, p);
		s->inflight--;
		if (cmd->kind == CMD_CHECK) {
			cmd_free(&st->spares, cmd);
			continue;
		}
		s->room += cmd->kind == CMD_ADD && s->room < s->limit;
		wait_for_turn(s, cmd);
	}
}

/* Connected again: looks what became of what waits. */
static void
check_again(struct stream_session *s)
{
	struct pipeline_cmd *p;

	if (s->unsure > 0)
		return;
	TAILQ_FOREACH(p, &s->pending, entry)
		cmd_of(p)->found = FOUND_UNKNOWN;
	check(s);
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
		take_answer(s, s->type, reply);
	else
		s->taking = false;
}

static void
on_answer(void *cookie, struct pipeline_cmd *p,
    const struct d4_redis_reply *reply)
{
	struct stream *st = cookie;
	struct cmd *cmd = cmd_of(p);
	struct stream_session *s = cmd->session;
	bool bad = reply->kind == D4_REDIS_ERROR &&
	    !(cmd->kind == CMD_ADD && is_double(reply));

	if (cmd->kind == CMD_BATCH) {
		forget(st, cmd);
		return;
	}
	if (s != NULL)
		s->inflight--;
	if (cmd->tailed) {
		take_tailed(st, cmd, reply);
		return;
	}
	if (cmd->kind == CMD_CHECK) {
		forget(st, cmd);
		take_check(s, reply);
		look_after(s);
		return;
	}
	if (bad)
		pipeline_refuse(st->pipeline, reply->text);
	if (s != NULL && cmd->kind != CMD_LENGTH && cmd->kind != CMD_TAKE &&
	    s->end != STREAM_BAD_DATA &&
	    (bad || s->failing)) {
		take_refusal(st, cmd, bad);
		return;
	}
	if (cmd->kind == CMD_ADD && !bad) {
		count_entry(st, cmd);
	} else if (cmd->kind == CMD_LENGTH && s != NULL) {
		if (bad)
			s->asking = false;
		else
			take_length(s, reply->number);
	} else if (cmd->kind == CMD_TAKE && s != NULL)
		take_tail_answer(s, bad, reply);
	else if (cmd->kind == CMD_LOAD)
		take_script(st, bad, reply);
	else if (cmd->kind == CMD_REFUSED && !bad)
		take_refused(st, reply);
	else if (cmd->kind == CMD_KICKED && !bad)
		take_kicked(st, reply);
	forget(st, cmd);
	if (s != NULL)
		look_after(s);
}

/* -- turns ----------------------------------------------------------------- */

static void
on_session(struct stream *st, void (*visit)(struct stream_session *))
{
	struct stream_session *s;
	size_t at = 0;

	while ((s = d4_table_next(st->sessions, &at)) != NULL)
		visit(s);
}

/* What the server should know of a session, if it was emptied meanwhile. */
static void
announce(struct stream_session *s)
{
	if (s->ended)
		return;
	run_script(s, stream_open_script, "");
	if (s->stored)
		run_script(s, stream_stored_script, "");
}

static void
on_ready(void *cookie)
{
	take_unanswered(cookie);
	on_session(cookie, announce);
	on_session(cookie, check_again);
}

static void
go_on(struct stream_session *s)
{
	struct stream *st = s->stream;

	release(s);
	if (s->passage != NULL && *st->sha == '\0' &&
	    !pipeline_pauses(st->pipeline))
		load(st);
	if (s->room == 0 && !TAILQ_EMPTY(&s->pending) &&
	    d4_clock_ms() - s->asked_ms >= ASK_MS)
		ask_length(s);
}

/* Who waited for the window goes on at once: less than it holds is done in a few
 * milliseconds. */
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

void
stream_tick(struct stream *st)
{
	if (pipeline_figures(st->pipeline)->nwaiting == 0)
		cmd_spares_free(&st->spares);
	if (pipeline_is_ready(st->pipeline)) {
		ASK(st, CMD_SIDE, NULL, "EVAL", stream_beat_script, "0", PREFIX,
		    st->token, st->ticks++ % 10 == 0 ? "1" : "0");
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
		.answer = on_answer, .ready = on_ready
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
