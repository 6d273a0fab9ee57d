/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/queue-backend.h"
#include "lib/stop.h"

#define KEY_MAX		160
#define PIPE_MAX	512	/* pushes whose answers may be outstanding */
#define SLICE_S		1	/* a server waits so long before we look up */

struct redis_queue {
	struct d4_queue	 q;		/* first */
	struct d4_redis	*redis;
	char		 key[KEY_MAX], hand[KEY_MAX + 8];
	size_t		 outstanding;
};

static struct redis_queue *
inside(struct d4_queue *q)
{
	union { struct d4_queue *q; struct redis_queue *r; } u = { .q = q };

	return u.r;
}

static int
fail(struct redis_queue *r)
{
	(void)snprintf(r->q.fault, sizeof(r->q.fault), "%s",
	    d4_redis_fault(r->redis));
	return -1;
}

static int
ready(struct redis_queue *r)
{
	if (d4_redis_connected(r->redis))
		return 0;
	r->outstanding = 0;
	return d4_redis_connect(r->redis) == -1 ? fail(r) : 0;
}

static void
close_redis(struct d4_queue *q)
{
	struct redis_queue *r = inside(q);

	d4_redis_free(r->redis);
	free(r);
}

/* -- pushing ---------------------------------------------------------------- */

/* Cuts the list to its limit after a push made it n long. */
static int
trim(struct redis_queue *r, int64_t n)
{
	char last[24];

	if (r->q.max == 0 || n <= (int64_t)r->q.max)
		return 0;
	(void)snprintf(last, sizeof(last), "%llu",
	    (unsigned long long)r->q.max - 1);
	if (d4_redis_text(r->redis, NULL, "LTRIM", r->key, "0", last,
	    NULL) == -1)
		return fail(r);
	r->q.dropped += (uint64_t)n - r->q.max;
	return 0;
}

static int
flush_redis(struct d4_queue *q)
{
	struct redis_queue *r = inside(q);
	struct d4_redis_reply reply;
	int64_t n = 0;
	int rc = 0;

	for (; r->outstanding > 0; r->outstanding--) {
		if (d4_redis_receive(r->redis, &reply) == -1) {
			rc = fail(r);
			if (!d4_redis_connected(r->redis)) {
				r->outstanding = 0;
				return rc;
			}
			continue;
		}
		n = reply.number;
	}
	return rc == -1 ? rc : trim(r, n);
}

static int
push_redis(struct d4_queue *q, const void *data, size_t len)
{
	struct redis_queue *r = inside(q);
	const void *argv[] = { "LPUSH", r->key, data };
	size_t lens[] = { 5, strlen(r->key), len };

	if (ready(r) == -1)
		return -1;
	if (d4_redis_send(r->redis, 3, argv, lens) == -1)
		return fail(r);
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
		if (d4_redis_text(r->redis, &reply, "RPOPLPUSH", r->key,
		    r->hand, NULL) == -1)
			return fail(r);
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
		if (d4_redis_text(r->redis, &reply, "BRPOPLPUSH", r->key,
		    r->hand, slice, NULL) == -1)
			return fail(r);
		if (reply.kind == D4_REDIS_STRING)
			return keep(r, item, &reply);
	}
}

static int
remove_from_hand(struct redis_queue *r, const struct d4_queue_item *item)
{
	const void *argv[] = { "LREM", r->hand, "-1", item->data };
	size_t lens[] = { 4, strlen(r->hand), 2, item->len };

	if (ready(r) == -1)
		return -1;
	return d4_redis_command(r->redis, NULL, 4, argv, lens) == -1 ?
	    fail(r) : 0;
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
	const void *argv[] = { "RPUSH", r->key, item->data };
	size_t lens[] = { 5, strlen(r->key), item->len };

	if (ready(r) == -1)
		return -1;
	if (d4_redis_command(r->redis, NULL, 3, argv, lens) == -1)
		return fail(r);
	return remove_from_hand(r, item);
}

static int64_t
recover_redis(struct d4_queue *q)
{
	struct redis_queue *r = inside(q);
	struct d4_redis_reply reply;
	int64_t n = 0;

	if (ready(r) == -1 || flush_redis(q) == -1)
		return -1;
	/* The newest taken goes back first, so that the oldest is last in and
	 * first out. */
	for (;; n++) {
		const void *argv[] = { "RPUSH", r->key, NULL };
		size_t lens[] = { 5, strlen(r->key), 0 };
		struct d4_queue_item item = { .data = NULL };

		if (d4_redis_text(r->redis, &reply, "LINDEX", r->hand, "0",
		    NULL) == -1)
			return fail(r);
		if (reply.kind != D4_REDIS_STRING)
			return n;
		if (keep(r, &item, &reply) == -1)
			return -1;
		argv[2] = item.data;
		lens[2] = item.len;
		if (d4_redis_command(r->redis, NULL, 3, argv, lens) == -1 ||
		    d4_redis_text(r->redis, NULL, "LPOP", r->hand,
		    NULL) == -1) {
			d4_queue_item_free(&item);
			return fail(r);
		}
		d4_queue_item_free(&item);
	}
}

/* -- looking ---------------------------------------------------------------- */

static int64_t
length_redis(struct d4_queue *q)
{
	struct redis_queue *r = inside(q);
	struct d4_redis_reply reply;

	if (ready(r) == -1 || flush_redis(q) == -1)
		return -1;
	if (d4_redis_text(r->redis, &reply, "LLEN", r->key, NULL) == -1)
		return fail(r);
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
	if (ready(r) == -1 || flush_redis(q) == -1)
		return -1;
	if (d4_redis_text(r->redis, &reply, "LRANGE", r->key, "0", last,
	    NULL) == -1)
		return fail(r);
	for (i = 0; i < reply.n && d4_redis_item(r->redis, i, &item) == 0;
	    i++) {
		if (each(arg, item.text, item.len) != 0)
			break;
	}
	return 0;
}

static int
clear_redis(struct d4_queue *q)
{
	struct redis_queue *r = inside(q);

	if (ready(r) == -1 || flush_redis(q) == -1)
		return -1;
	return d4_redis_text(r->redis, NULL, "DEL", r->key, NULL) == -1 ?
	    fail(r) : 0;
}

static const struct d4_queue_backend backend = {
	close_redis, push_redis, flush_redis, take_redis, ack_redis,
	put_back_redis, recover_redis, length_redis, peek_redis, clear_redis
};

struct d4_queue *
d4_queue_redis_open(const struct d4_queue_where *where,
    char fault[D4_QUEUE_FAULT])
{
	struct redis_queue *r = calloc(1, sizeof(*r));
	struct d4_redis_reply reply;
	int n;

	if (r == NULL || (r->redis = d4_redis_new(where->redis)) == NULL) {
		(void)snprintf(fault, D4_QUEUE_FAULT, "out of memory");
		free(r);
		return NULL;
	}
	r->q.backend = &backend;
	n = snprintf(r->key, sizeof(r->key), "analyzer:%s:%s", where->type,
	    where->uuid);
	(void)snprintf(r->hand, sizeof(r->hand), "%s:hand", r->key);
	if (n >= KEY_MAX)
		(void)snprintf(r->q.fault, D4_QUEUE_FAULT, "name too long");
	/* A key of another type, or no right to it, is found out here. */
	else if (d4_redis_connect(r->redis) == -1 ||
	    d4_redis_text(r->redis, &reply, "LLEN", r->key, NULL) == -1)
		(void)fail(r);
	else
		return &r->q;
	(void)snprintf(fault, D4_QUEUE_FAULT, "%s", r->q.fault);
	close_redis(&r->q);
	return NULL;
}
