/* SPDX-License-Identifier: ISC */
#include <sys/epoll.h>
#include <sys/queue.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "d4-recv/stream-keys.h"
#include "d4-recv/stream.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/redis.h"
#include "lib/table.h"
#include "lib/type.h"
#include "lib/uuid.h"

#define WINDOW		((size_t)16 << 20)	/* bytes not answered, then */
#define WINDOW_LOW	((size_t)8 << 20)	/* sensors wait until so few */
#define CHUNK		((size_t)256 << 10)	/* handed to the kernel at once */
#define BACKOFF_MS	250
#define BACKOFF_MAX_MS	4000
#define CONNECT_MS	3000
#define WALK_MS		20	/* between two looks at all sessions */
#define ASK_MS		100	/* between two questions for the length */
#define WORDS_MAX	12
#define PREFIX		"d4toolkit:"

enum kind { ADD, LENGTH, SIDE, REFUSED, KICKED };

/* A command that is kept until it was answered. */
struct cmd {
	TAILQ_ENTRY(cmd)	 entry;
	struct stream_session	*session;	/* or NULL */
	enum kind		 kind;
	size_t			 size;		/* of all words */
	int			 argc;
	size_t			 len[WORDS_MAX];
	char			 id[STREAM_ID];	/* of an entry, when sent */
	char			 words[];
};

TAILQ_HEAD(cmds, cmd);

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
	struct cmds		 pending;	/* not in the queue */
	size_t			 inflight;	/* in the queue */
	uint64_t		 limit;
	uint64_t		 room;		/* entries until we must ask */
	uint64_t		 since_asked;
	bool			 asking;
	int64_t			 asked_ms;
	uint64_t		 last_ms;	/* of the last entry's id */
	unsigned		 last_n;
};

struct stream {
	struct stream_settings	 s;
	struct d4_redis		*redis;
	char			 name[D4_REDIS_NAME];
	char			 token[D4_UUID_HEX];
	struct d4_table		*sessions;
	struct cmds		 queue;		/* not answered */
	struct cmd		*unsent;	/* the first of them, or NULL */
	bool			 connected;
	bool			 connecting;
	bool			 probing;	/* whether it takes writes */
	int64_t			 connecting_ms;
	int64_t			 retry_ms;
	int64_t			 backoff_ms;
	int			 fd;		/* that epoll watches, or -1 */
	uint32_t		 events;
	bool			 full;
	bool			 blocked;	/* somebody was told so */
	bool			 eased;
	int64_t			 walked_ms;	/* through all sessions */
	unsigned		 ticks;
	struct stream_figures	 figures;
};

/* -- commands -------------------------------------------------------------- */

static struct cmd *
make(enum kind kind, struct stream_session *session, int argc,
    const void *const words[], const size_t len[])
{
	struct cmd *cmd;
	size_t size = 0;
	char *at;
	int i;

	for (i = 0; i < argc; i++)
		size += len[i];
	if ((cmd = malloc(sizeof(*cmd) + size + 1)) == NULL)
		return NULL;
	cmd->kind = kind;
	cmd->session = session;
	cmd->size = size;
	cmd->argc = argc;
	cmd->id[0] = '\0';
	for (i = 0, at = cmd->words; i < argc; i++) {
		cmd->len[i] = len[i];
		if (len[i] > 0)
			memcpy(at, words[i], len[i]);
		at += len[i];
	}
	return cmd;
}

/* Into the queue: it will be sent in its turn. */
static void
enqueue(struct stream *st, struct cmd *cmd)
{
	TAILQ_INSERT_TAIL(&st->queue, cmd, entry);
	if (st->unsent == NULL)
		st->unsent = cmd;
	st->figures.waiting += cmd->size;
	if (cmd->session != NULL)
		cmd->session->inflight++;
}

static void
dequeue(struct stream *st, struct cmd *cmd)
{
	TAILQ_REMOVE(&st->queue, cmd, entry);
	st->figures.waiting -= cmd->size;
	if (cmd->session != NULL)
		cmd->session->inflight--;
}

/* A command of texts; one that is forgotten for want of memory is no entry. */
static struct cmd *
make_texts(enum kind kind, struct stream_session *session,
    const char *const texts[])
{
	const void *words[WORDS_MAX];
	size_t len[WORDS_MAX];
	int n;

	for (n = 0; texts[n] != NULL; n++) {
		words[n] = texts[n];
		len[n] = strlen(texts[n]);
	}
	return make(kind, session, n, words, len);
}

static void
ask(struct stream *st, enum kind kind, struct stream_session *session,
    const char *const texts[])
{
	struct cmd *cmd;

	if ((cmd = make_texts(kind, session, texts)) == NULL)
		d4_log_warn("%s", st->name);
	else
		enqueue(st, cmd);
}

#define ASK(st, kind, session, ...) \
    ask(st, kind, session, (const char *const[]){ __VA_ARGS__, NULL })

/* Runs a script over the session's keys, after what was taken before. */
static void
run_script(struct stream_session *s, const char *script, const char *more)
{
	char type[4];
	struct cmd *cmd;

	(void)snprintf(type, sizeof(type), "%u", s->type);
	cmd = make_texts(SIDE, s, (const char *const[]){ "EVAL", script, "0",
	    PREFIX, s->stream->token, s->uuid, s->text, type, more, NULL });
	if (cmd == NULL)
		d4_log_warn("%s", s->stream->name);
	else if (TAILQ_EMPTY(&s->pending) && !s->failing)
		enqueue(s->stream, cmd);
	else
		TAILQ_INSERT_TAIL(&s->pending, cmd, entry);
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

/* The next id: greater than any before, of whatever clock. */
static void
next_id(struct stream_session *s, char id[STREAM_ID])
{
	struct timespec ts;
	uint64_t now;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	now = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	if (now > s->last_ms) {
		s->last_ms = now;
		s->last_n = 0;
	} else
		s->last_n++;
	(void)snprintf(id, STREAM_ID, "%ju-%u", (uintmax_t)s->last_ms,
	    s->last_n);
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
	ASK(s->stream, LENGTH, s, "XLEN", key);
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

/* Moves what has room into the queue. */
static void
release(struct stream_session *s)
{
	struct stream *st = s->stream;
	struct cmd *cmd;

	if ((s->failing && s->inflight > 0) ||
	    (st->retry_ms != 0 && d4_clock_ms() < st->retry_ms))
		return;
	s->failing = s->renumbers = false;
	while ((cmd = TAILQ_FIRST(&s->pending)) != NULL) {
		if (cmd->kind == ADD && s->room == 0)
			return;
		TAILQ_REMOVE(&s->pending, cmd, entry);
		if (cmd->kind == ADD) {
			/* What may be there already keeps its id. */
			if (cmd->id[0] == '\0')
				next_id(s, cmd->id);
			s->room--;
			s->since_asked++;
		}
		enqueue(st, cmd);
	}
	if (s->room < s->limit / 2 && s->since_asked > s->limit / 8)
		ask_length(s);
}

int
stream_add(struct stream_session *s, const struct d4_header *h,
    const uint8_t *payload)
{
	char key[STREAM_KEY], time[24], version[4];
	const void *words[] = { "XADD", key, "", "message", payload, "uuid",
	    s->uuid, "timestamp", time, "version", version };
	size_t len[] = { 4, 0, 0, 7, h->size, 4, D4_UUID_HEX - 1, 9, 0, 7, 0 };
	struct cmd *cmd;

	/* Of a header and its data the worker knows one session. */
	if (h->type != s->type) {
		s->type = h->type;
		s->room = s->limit;
		run_script(s, stream_become_script, "");
	}
	len[1] = stream_key(key, h->type, s->text);
	len[8] = (size_t)snprintf(time, sizeof(time), "%ju",
	    (uintmax_t)h->timestamp);
	len[10] = (size_t)snprintf(version, sizeof(version), "%u", h->version);
	if ((cmd = make(ADD, s, 11, words, len)) == NULL)
		return -1;
	TAILQ_INSERT_TAIL(&s->pending, cmd, entry);
	if (!s->stored) {
		s->stored = true;
		run_script(s, stream_stored_script, "");
	}
	release(s);
	return 0;
}

bool
stream_is_full(struct stream_session *s)
{
	bool full = s->stream->full || !TAILQ_EMPTY(&s->pending);

	s->stream->blocked = s->stream->blocked || full;
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
free_cmds(struct cmds *cmds)
{
	struct cmd *cmd;

	while ((cmd = TAILQ_FIRST(cmds)) != NULL) {
		TAILQ_REMOVE(cmds, cmd, entry);
		free(cmd);
	}
}

static void
free_session(void *item)
{
	struct stream_session *s = item;

	free_cmds(&s->pending);
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
		free_cmds(&s->pending);
	look_after(s);
}

/* -- answers --------------------------------------------------------------- */

static void
say_away(struct stream *st, const char *why)
{
	st->figures.nlosses++;
	if (!st->figures.away)
		d4_log_warnx("%s: %s: streams wait", st->name, why);
	st->figures.away = true;
}

static void
back_off(struct stream *st)
{
	st->backoff_ms = st->backoff_ms == 0 ? BACKOFF_MS :
	    2 * st->backoff_ms;
	if (st->backoff_ms > BACKOFF_MAX_MS)
		st->backoff_ms = BACKOFF_MAX_MS;
	st->retry_ms = d4_clock_ms() + st->backoff_ms;
}

static void
is_well(struct stream *st)
{
	st->backoff_ms = st->retry_ms = 0;
	if (st->figures.away)
		d4_log_warnx("%s: streams go on", st->name);
	st->figures.away = false;
}

static void
take_length(struct stream_session *s, long long n)
{
	uint64_t used = (uint64_t)n + s->since_asked;

	s->asking = false;
	s->room = used < s->limit ? s->limit - used : 0;
	if (s->room == 0 && s->stream->s.disconnects &&
	    !TAILQ_EMPTY(&s->pending) && s->since_asked == 0)
		s->end = STREAM_OVERFLOW;
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
take_back(struct stream *st, struct cmd *cmd)
{
	struct stream_session *s = cmd->session;
	char key[STREAM_KEY];
	struct cmd *other;

	(void)snprintf(key, sizeof(key), "%.*s", (int)cmd->len[1],
	    cmd->words + cmd->len[0]);
	ASK(st, SIDE, NULL, "XDEL", key, cmd->id);
	s->renumbers = true;
	TAILQ_FOREACH(other, &s->pending, entry)
		other->id[0] = '\0';
}

/* What went wrong waits, and what comes behind it in its session. */
static void
take_refusal(struct stream *st, struct cmd *cmd, bool refused)
{
	struct stream_session *s = cmd->session;

	if (!refused)
		take_back(st, cmd);
	s->failing = true;
	if (s->renumbers)
		cmd->id[0] = '\0';
	if (cmd->kind == ADD && s->room < s->limit)
		s->room++;
	TAILQ_INSERT_TAIL(&s->pending, cmd, entry);
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
		ASK(st, SIDE, NULL, "DEL", key);
		ASK(st, SIDE, NULL, "SREM", "Error:IncorrectType", text);
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
		ASK(st, SIDE, NULL, "SET", key, "Some Value...", "EX", "30");
		ASK(st, SIDE, NULL, "SREM", "server:sensor_to_kick",
		    one.text);
	}
}

static void
take_answer(struct stream *st, const struct d4_redis_reply *reply)
{
	struct cmd *cmd = TAILQ_FIRST(&st->queue);
	struct stream_session *s = cmd->session;
	bool bad = reply->kind == D4_REDIS_ERROR &&
	    !(cmd->kind == ADD && is_double(reply));

	dequeue(st, cmd);
	if (bad) {
		say_away(st, reply->text);
		back_off(st);
	}
	if (s != NULL && cmd->kind != LENGTH && s->end != STREAM_BAD_DATA &&
	    (bad || (s->failing && cmd->kind == ADD))) {
		take_refusal(st, cmd, bad);
		return;
	}
	if (cmd->kind == ADD && !bad) {
		st->figures.nentries++;
		is_well(st);
	} else if (cmd->kind == LENGTH && !bad)
		take_length(s, reply->number);
	else if (cmd->kind == LENGTH)
		s->asking = false;
	else if (cmd->kind == REFUSED && !bad)
		take_refused(st, reply);
	else if (cmd->kind == KICKED && !bad)
		take_kicked(st, reply);
	free(cmd);
	if (s != NULL)
		look_after(s);
}

/* -- the connection -------------------------------------------------------- */

static void
send_one(struct stream *st, struct cmd *cmd)
{
	const char *argv[WORDS_MAX], *at = cmd->words;
	size_t len[WORDS_MAX];
	int i;

	for (i = 0; i < cmd->argc; i++) {
		argv[i] = at;
		len[i] = cmd->len[i];
		at += len[i];
	}
	if (cmd->kind == ADD) {
		argv[2] = cmd->id;
		len[2] = strlen(cmd->id);
	}
	/* A fault shows when answers are asked for. */
	(void)d4_redis_send(st->redis, cmd->argc, argv, len);
}

static void
lose(struct stream *st)
{
	say_away(st, d4_redis_why(st->redis));
	back_off(st);
	st->connected = st->connecting = st->probing = false;
	st->fd = -1;
	st->unsent = TAILQ_FIRST(&st->queue);
}

static void
watch(struct stream *st)
{
	struct epoll_event event = { .data.ptr = st->s.tag };
	struct pollfd pfd;

	d4_redis_poll(st->redis, &pfd);
	if (pfd.fd == -1)
		return;
	event.events = ((pfd.events & POLLIN) != 0 ? EPOLLIN : 0u) |
	    ((pfd.events & POLLOUT) != 0 ? EPOLLOUT : 0u);
	if (st->fd == pfd.fd && st->events == event.events)
		return;
	if (epoll_ctl(st->s.epoll, st->fd == pfd.fd ? EPOLL_CTL_MOD :
	    EPOLL_CTL_ADD, pfd.fd, &event) == -1)
		d4_log_warn("epoll");
	st->fd = pfd.fd;
	st->events = event.events;
}

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

/* One that loads its data or takes no writes gets nothing of ours: what it
 * refused in the midst could not be told from what it has. */
static void
probe(struct stream *st)
{
	const char *words[] = { "EVAL", stream_beat_script, "0", PREFIX,
	    st->token, "0" };

	if (!d4_redis_ready(st->redis) || st->connected || st->probing)
		return;
	st->probing = d4_redis_send(st->redis, 6, words, NULL) == 0;
}

static int
take_probe(struct stream *st, const struct d4_redis_reply *reply)
{
	st->probing = false;
	if (reply->kind == D4_REDIS_ERROR) {
		say_away(st, reply->text);
		d4_redis_drop(st->redis);
		return -1;
	}
	st->connected = true;
	st->connecting = false;
	on_session(st, announce);
	return 0;
}

/* Nothing more goes out before the kernel has taken what did. */
static bool
may_send(const struct stream *st)
{
	struct pollfd pfd;

	d4_redis_poll(st->redis, &pfd);
	return st->unsent != NULL && (pfd.events & POLLOUT) == 0;
}

/* Takes all answers there are, and hands out commands: 0, or -1. */
static int
exchange(struct stream *st)
{
	struct d4_redis_reply reply;
	size_t sent;
	int rc;

	for (;;) {
		while ((rc = d4_redis_next(st->redis, &reply)) == 1) {
			if (!st->probing)
				take_answer(st, &reply);
			else if (take_probe(st, &reply) == -1)
				return -1;
		}
		if (rc == -1)
			return -1;
		probe(st);
		if (!st->connected || !may_send(st))
			break;
		for (sent = 0; st->unsent != NULL && sent < CHUNK;) {
			sent += st->unsent->size;
			send_one(st, st->unsent);
			st->unsent = TAILQ_NEXT(st->unsent, entry);
		}
	}
	return 0;
}

static void
connect_again(struct stream *st)
{
	int64_t now = d4_clock_ms();

	if (st->connecting || now < st->retry_ms)
		return;
	if (d4_redis_begin(st->redis) == -1) {
		lose(st);
		return;
	}
	st->fd = -1;
	st->connecting = true;
	st->connecting_ms = now;
}

static void
go_on(struct stream_session *s)
{
	release(s);
	if (s->room == 0 && !TAILQ_EMPTY(&s->pending) &&
	    d4_clock_ms() - s->asked_ms >= ASK_MS)
		ask_length(s);
}

/* Looks which sessions have room again, and has those who wait ask anew. */
static void
walk(struct stream *st)
{
	int64_t now = d4_clock_ms();

	st->full = st->figures.waiting > (st->full ? WINDOW_LOW : WINDOW);
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
	if (!st->connected)
		connect_again(st);
	walk(st);
	if (!st->connected && !st->connecting)
		return;
	if (exchange(st) == -1) {
		lose(st);
		return;
	}
	if (st->connecting && d4_clock_ms() -
	    st->connecting_ms > CONNECT_MS) {
		d4_redis_drop(st->redis);
		lose(st);
		return;
	}
	watch(st);
}

int
stream_timeout(const struct stream *st, int timeout_ms)
{
	bool waits = st->blocked || !st->connected;

	return waits && timeout_ms > WALK_MS ? WALK_MS : timeout_ms;
}

void
stream_tick(struct stream *st)
{
	if (st->connected) {
		ASK(st, SIDE, NULL, "EVAL", stream_beat_script, "0", PREFIX,
		    st->token, st->ticks++ % 10 == 0 ? "1" : "0");
		ASK(st, REFUSED, NULL, "SMEMBERS", "Error:IncorrectType");
		ASK(st, KICKED, NULL, "SMEMBERS", "server:sensor_to_kick");
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
		if (TAILQ_EMPTY(&st->queue) &&
		    d4_table_count(st->sessions) == 0)
			return 0;
		if (d4_clock_ms() >= until)
			return -1;
		d4_redis_poll(st->redis, &pfd);
		(void)poll(&pfd, pfd.fd == -1 ? 0 : 1, 20);
	}
}

const struct stream_figures *
stream_figures(struct stream *st)
{
	return &st->figures;
}

struct stream *
stream_new(const struct stream_settings *settings, char why[256])
{
	struct d4_redis_addr addr;
	uint8_t token[D4_UUID_LEN];
	struct stream *st;
	const char *words;

	if (d4_redis_parse(&addr, settings->where, &words) == -1) {
		(void)snprintf(why, 256, "%.150s: %s", settings->where,
		    words);
		return NULL;
	}
	(void)snprintf(why, 256, "not enough memory");
	if ((st = calloc(1, sizeof(*st))) == NULL)
		return NULL;
	st->s = *settings;
	st->fd = -1;
	TAILQ_INIT(&st->queue);
	d4_redis_text(&addr, st->name);
	d4_uuid_new(token);
	d4_uuid_hex(st->token, token);
	st->sessions = d4_table_new(0);
	st->redis = d4_redis_new(&addr, settings->user, settings->password);
	if (st->sessions != NULL && st->redis != NULL)
		return st;
	stream_free(st);
	return NULL;
}

void
stream_free(struct stream *st)
{
	if (st == NULL)
		return;
	free_cmds(&st->queue);
	d4_table_free(st->sessions, free_session);
	d4_redis_free(st->redis);
	free(st);
}
