/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/queue-backend.h"
#include "lib/stop.h"

#define KEY_MAX		160
#define PIPE_MAX	512	/* pushes whose answers may be outstanding */
#define WORDS_MAX	6
#define SLICE_S		1	/* a server waits so long before we look up */

struct redis_queue {
	struct d4_queue	 q;		/* first */
	struct d4_redis	*redis;
	char		*password;	/* which the connection keeps */
	char		*user;
	char		 name[D4_REDIS_NAME];
	char		 key[KEY_MAX], hand[KEY_MAX + 8];
	int		 timeout_ms;
	size_t		 outstanding;
};

static struct redis_queue *
inside(struct d4_queue *q)
{
	union { struct d4_queue *q; struct redis_queue *r; } u = { .q = q };

	return u.r;
}

static int
fail(struct redis_queue *r, const char *why)
{
	(void)snprintf(r->q.fault, sizeof(r->q.fault), "%.120s: %.180s",
	    r->name, why);
	return -1;
}

static int
ready(struct redis_queue *r)
{
	if (d4_redis_ready(r->redis))
		return 0;
	r->outstanding = 0;
	return d4_redis_connect(r->redis, r->timeout_ms) == -1 ?
	    fail(r, d4_redis_why(r->redis)) : 0;
}

/* The next answer; one that is an error of the server is a fault too. */
static int
answer(struct redis_queue *r, struct d4_redis_reply *reply)
{
	if (d4_redis_wait(r->redis, reply, r->timeout_ms) == -1)
		return fail(r, d4_redis_why(r->redis));
	return reply->kind == D4_REDIS_ERROR ? fail(r, reply->text) : 0;
}

/* A command of words and its answer; data, when not NULL, is its last one. */
static int
command(struct redis_queue *r, struct d4_redis_reply *reply,
    const char *const words[], const void *data, size_t len)
{
	const char *argv[WORDS_MAX];
	size_t lens[WORDS_MAX];
	int n;

	for (n = 0; words[n] != NULL; n++) {
		argv[n] = words[n];
		lens[n] = strlen(words[n]);
	}
	if (data != NULL) {
		argv[n] = data;
		lens[n++] = len;
	}
	if (d4_redis_send(r->redis, n, argv, lens) == -1)
		return fail(r, d4_redis_why(r->redis));
	return answer(r, reply);
}

#define COMMAND(r, reply, ...) \
    command(r, reply, (const char *const[]){ __VA_ARGS__, NULL }, NULL, 0)
#define COMMAND_WITH(r, reply, data, len, ...) \
    command(r, reply, (const char *const[]){ __VA_ARGS__, NULL }, data, len)

static void
close_redis(struct d4_queue *q)
{
	struct redis_queue *r = inside(q);

	d4_redis_free(r->redis);
	free(r->user);
	free(r->password);
	free(r);
}

/* -- pushing ---------------------------------------------------------------- */

/* Cuts the list to its limit after a push made it n long. */
static int
trim(struct redis_queue *r, long long n)
{
	struct d4_redis_reply reply;
	char last[24];

	if (r->q.max == 0 || n <= (long long)r->q.max)
		return 0;
	(void)snprintf(last, sizeof(last), "%llu",
	    (unsigned long long)r->q.max - 1);
	if (COMMAND(r, &reply, "LTRIM", r->key, "0", last) == -1)
		return -1;
	r->q.dropped += (uint64_t)n - r->q.max;
	return 0;
}

static int
flush_redis(struct d4_queue *q)
{
	struct redis_queue *r = inside(q);
	struct d4_redis_reply reply;
	long long n = 0;
	int rc = 0;

	for (; r->outstanding > 0; r->outstanding--) {
		if (answer(r, &reply) == 0)
			n = reply.number;
		else
			rc = -1;
		if (!d4_redis_ready(r->redis)) {
			r->outstanding = 0;
			return -1;
		}
	}
	return rc == -1 ? -1 : trim(r, n);
}

static int
push_redis(struct d4_queue *q, const void *data, size_t len)
{
	struct redis_queue *r = inside(q);
	const char *argv[] = { "LPUSH", r->key, data };
	size_t lens[] = { 5, strlen(r->key), len };

	if (ready(r) == -1)
		return -1;
	if (d4_redis_send(r->redis, 3, argv, lens) == -1)
		return fail(r, d4_redis_why(r->redis));
	return ++r->outstanding < PIPE_MAX ? 0 : flush_redis(q);
}

/* -- taking ----------------------------------------------------------------- */

static int
keep(struct redis_queue *r, struct d4_queue_item *item,
    const struct d4_redis_reply *reply)
{
	if ((item->data = malloc(reply->len + 1)) == NULL) {
		(void)snprintf(r->q.fault, sizeof(r->q.fault),
		    "out of memory");
		return -1;
	}
	if (reply->len > 0)
		memcpy(item->data, reply->text, reply->len);
	item->data[reply->len] = '\0';
	item->len = reply->len;
	return 1;
}

static int64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Moves the oldest item into hand.  The server waits for it in slices, between
 * which the end may be asked for: an item is never under way meanwhile. */
static int
take_redis(struct d4_queue *q, struct d4_queue_item *item, int timeout_ms)
{
	struct redis_queue *r = inside(q);
	int64_t until = now_ms() + timeout_ms;
	struct d4_redis_reply reply;
	char slice[8];

	(void)snprintf(slice, sizeof(slice), "%d", SLICE_S);
	if (ready(r) == -1 || flush_redis(q) == -1)
		return -1;
	for (;;) {
		if (COMMAND(r, &reply, "RPOPLPUSH", r->key, r->hand) == -1)
			return -1;
		if (reply.kind == D4_REDIS_STRING)
			return keep(r, item, &reply);
		if (d4_stop_wanted() ||
		    (timeout_ms >= 0 && now_ms() >= until))
			return 0;
		if (timeout_ms >= 0 && until - now_ms() < SLICE_S * 1000) {
			struct timespec nap = { .tv_nsec = 10000000 };

			(void)nanosleep(&nap, NULL);
			continue;
		}
		if (COMMAND(r, &reply, "BRPOPLPUSH", r->key, r->hand,
		    slice) == -1)
			return -1;
		if (reply.kind == D4_REDIS_STRING)
			return keep(r, item, &reply);
	}
}

static int
remove_from_hand(struct redis_queue *r, const struct d4_queue_item *item)
{
	struct d4_redis_reply reply;

	return ready(r) == -1 ? -1 : COMMAND_WITH(r, &reply, item->data,
	    item->len, "LREM", r->hand, "-1");
}

static int
ack_redis(struct d4_queue *q, const struct d4_queue_item *item)
{
	return remove_from_hand(inside(q), item);
}

/* First it is in both, then in one: a crash between doubles it, which is
 * better than losing it. */
static int
put_back_redis(struct d4_queue *q, const struct d4_queue_item *item)
{
	struct redis_queue *r = inside(q);
	struct d4_redis_reply reply;

	if (ready(r) == -1 || COMMAND_WITH(r, &reply, item->data, item->len,
	    "RPUSH", r->key) == -1)
		return -1;
	return remove_from_hand(r, item);
}

/* The newest taken goes back first, so that the oldest is last in and first
 * out. */
static int64_t
recover_redis(struct d4_queue *q)
{
	struct redis_queue *r = inside(q);
	struct d4_queue_item item = { .data = NULL };
	struct d4_redis_reply reply;
	int64_t n = 0;

	if (ready(r) == -1 || flush_redis(q) == -1)
		return -1;
	for (;; n++) {
		if (COMMAND(r, &reply, "LINDEX", r->hand, "0") == -1)
			return -1;
		if (reply.kind != D4_REDIS_STRING)
			return n;
		if (keep(r, &item, &reply) == -1)
			return -1;
		if (COMMAND_WITH(r, &reply, item.data, item.len, "RPUSH",
		    r->key) == -1 ||
		    COMMAND(r, &reply, "LPOP", r->hand) == -1)
			n = -1;
		d4_queue_item_free(&item);
		if (n == -1)
			return -1;
	}
}

/* -- looking ---------------------------------------------------------------- */

static int64_t
length_redis(struct d4_queue *q)
{
	struct redis_queue *r = inside(q);
	struct d4_redis_reply reply;

	if (ready(r) == -1 || flush_redis(q) == -1 ||
	    COMMAND(r, &reply, "LLEN", r->key) == -1)
		return -1;
	return reply.number;
}

static int
peek_redis(struct d4_queue *q, size_t n,
    int (*each)(void *, const uint8_t *, size_t), void *arg)
{
	struct redis_queue *r = inside(q);
	struct d4_redis_reply reply, item;
	char last[24];
	size_t i;

	if (n == 0)
		return 0;
	(void)snprintf(last, sizeof(last), "%zu", n - 1);
	if (ready(r) == -1 || flush_redis(q) == -1 ||
	    COMMAND(r, &reply, "LRANGE", r->key, "0", last) == -1)
		return -1;
	for (i = 0; i < reply.n; i++) {
		d4_redis_element(&reply, i, &item);
		if (each(arg, (const uint8_t *)item.text, item.len) != 0)
			break;
	}
	return 0;
}

static int
clear_redis(struct d4_queue *q)
{
	struct redis_queue *r = inside(q);
	struct d4_redis_reply reply;

	return ready(r) == -1 || flush_redis(q) == -1 ? -1 :
	    COMMAND(r, &reply, "DEL", r->key);
}

static const struct d4_queue_backend backend = {
	close_redis, push_redis, flush_redis, take_redis, ack_redis,
	put_back_redis, recover_redis, length_redis, peek_redis, clear_redis
};

/* What the connection keeps must last as long as it. */
static int
make_connection(struct redis_queue *r, const struct d4_queue_where *w)
{
	r->timeout_ms = w->timeout_ms;
	d4_redis_text(w->redis, r->name);
	if (w->user != NULL && (r->user = strdup(w->user)) == NULL)
		return -1;
	if (w->password != NULL && (r->password = strdup(w->password)) == NULL)
		return -1;
	r->redis = d4_redis_new(w->redis, r->user, r->password);
	return r->redis == NULL ? -1 : 0;
}

struct d4_queue *
d4_queue_redis_open(const struct d4_queue_where *where,
    char fault[D4_QUEUE_FAULT])
{
	struct redis_queue *r = calloc(1, sizeof(*r));
	int n;

	if (r == NULL || make_connection(r, where) == -1) {
		(void)snprintf(fault, D4_QUEUE_FAULT, "out of memory");
		if (r != NULL)
			close_redis(&r->q);
		return NULL;
	}
	r->q.backend = &backend;
	n = snprintf(r->key, sizeof(r->key), "analyzer:%s:%s", where->type,
	    where->uuid);
	(void)snprintf(r->hand, sizeof(r->hand), "%s:hand", r->key);
	if (n >= KEY_MAX)
		(void)fail(r, "the queue's name is too long");
	/* A key of another type, or no right to it, is found out here. */
	else if (length_redis(&r->q) != -1)
		return &r->q;
	(void)snprintf(fault, D4_QUEUE_FAULT, "%s", r->q.fault);
	close_redis(&r->q);
	return NULL;
}
