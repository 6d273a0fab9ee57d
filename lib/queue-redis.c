/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/queue-backend.h"
#include "lib/uuid.h"

#define KEY_MAX		160
#define BATCH_ITEMS	512		/* pushed together at most, */
#define BATCH_BYTES	(1u << 20)	/* if it is not one that is longer */
#define ANSWER_MS	5000		/* for the server to answer */
#define CONNECT_MS	2000
#define RETRY_MS	1000		/* between connections, doubled */
#define RETRY_MAX_MS	8000
#define MARK_S		"86400"		/* a batch is remembered */
#define BLOCK_S		"1"		/* the server waits so long at a time */
#define BLOCK_MS	1000
#define PEEK_ITEMS	100		/* looked at together */
#define REPLY_MAX	200		/* bytes of an error's words */

#define WORDS(argv)	((int)(sizeof(argv) / sizeof(*(argv))))

/* Only what was in hand goes back, and is never in both lists or none. */
#define PUT_BACK \
    "if redis.call('LREM', KEYS[1], -1, ARGV[1]) == 0 then return 0 end " \
    "redis.call('RPUSH', KEYS[2], ARGV[1]) return 1"
/* Of the newest taken first, so that the oldest is last in and first out. */
#define RECOVER \
    "local item = redis.call('LPOP', KEYS[1]) " \
    "if not item then return 0 end " \
    "redis.call('RPUSH', KEYS[2], item) return 1"

/*
 * A batch of items; answers how many were dropped for it.  The mark says which
 * one of this handle was the last, and that number, so that one whose answer
 * was lost can be pushed again and is not there twice.
 */
#define PUSH \
    "local max, n, over = tonumber(ARGV[3]), 0, 0 " \
    "local mark = redis.call('GET', KEYS[2]) " \
    "local had = mark and string.match(mark, '^' .. ARGV[1] .. ' (%d+)$') " \
    "if had then return tonumber(had) end " \
    "for i = 4, #ARGV do n = redis.call('LPUSH', KEYS[1], ARGV[i]) end " \
    "if max > 0 and n > max then " \
    "redis.call('LTRIM', KEYS[1], 0, max - 1) over = n - max end " \
    "redis.call('SET', KEYS[2], ARGV[1] .. ' ' .. over, 'EX', ARGV[2]) " \
    "return over"
#define PUSH_WORDS	8		/* before the items */

struct redis_queue {
	struct d4_queue		 q;		/* first */
	struct d4_redis		*redis;
	char			 where[D4_REDIS_NAME];
	char			 key[KEY_MAX], hand[KEY_MAX + 8];
	bool			 plain;		/* without hand */
	bool			 one_by_one;	/* the server's RPOP */
	size_t			 usual;		/* bytes of an item */
	int64_t			 retry_at, retry_ms;
	char			 mark[KEY_MAX];	/* of the last batch */
	uint64_t		 nbatches;
	uint8_t			*batch;		/* items, one after the other */
	size_t			 len, size;	/* bytes of it, that it may
						 * be */
	size_t			 nitems;
	bool			 sent;		/* it may have arrived: no item
						 * comes to it */
	size_t			 lens[BATCH_ITEMS];
	/* A take whose reply comes later: the server waits for an item up to
	 * this time, or has one for us. */
	bool			 blocked;
	int64_t			 blocked_until;
	struct d4_queue_item	 early;		/* of a take that ended */
};

static struct redis_queue *
inside(struct d4_queue *q)
{
	union { struct d4_queue *q; struct redis_queue *r; } u = { .q = q };

	return u.r;
}

static int
fail(struct redis_queue *r, const char *words)
{
	(void)snprintf(r->q.fault, sizeof(r->q.fault), "%.100s: %.*s",
	    r->where, REPLY_MAX, words);
	return -1;
}

static int
check(struct redis_queue *r, const struct d4_redis_reply *reply)
{
	return reply->kind == D4_REDIS_ERROR ? fail(r, reply->text) : 0;
}

static int
call(struct redis_queue *r, struct d4_redis_reply *reply, int argc,
    const char *const argv[], const size_t len[])
{
	if (d4_redis_call(r->redis, reply, ANSWER_MS, argc, argv, len) == -1)
		return fail(r, d4_redis_why(r->redis));
	return check(r, reply);
}

static int
keep(struct redis_queue *r, struct d4_queue_item *item,
    const struct d4_redis_reply *reply)
{
	memset(item, 0, sizeof(*item));
	if ((item->data = malloc(reply->len + 1)) == NULL)
		return fail(r, "out of memory");
	memcpy(item->data, reply->text, reply->len + 1);
	item->len = reply->len;
	return 1;
}

/* -- the take that goes on ------------------------------------------------- */

static int
block(struct redis_queue *r)
{
	const char *hand[] = { "BRPOPLPUSH", r->key, r->hand, BLOCK_S };
	const char *plain[] = { "BRPOP", r->key, BLOCK_S };

	if ((r->plain ? d4_redis_send(r->redis, WORDS(plain), plain, NULL) :
	    d4_redis_send(r->redis, WORDS(hand), hand, NULL)) == -1)
		return fail(r, "out of memory");
	r->blocked = true;
	r->blocked_until = d4_clock_ms() + BLOCK_MS + ANSWER_MS;
	return 0;
}

/* Looks for its reply, waiting for it with wait.  Returns 1 and the item, 0
 * when there is none, yet or now that the server ended it, or -1. */
static int
unblock(struct redis_queue *r, struct d4_queue_item *item, bool wait)
{
	int left = queue_left_ms(r->blocked_until);
	struct d4_redis_reply reply;
	int rc;

	if (wait || left == 0)
		rc = d4_redis_wait(r->redis, &reply, left) == -1 ? -1 : 1;
	else
		rc = d4_redis_next(r->redis, &reply);
	if (rc == 0)
		return 0;
	r->blocked = false;
	if (rc == -1)
		return fail(r, d4_redis_why(r->redis));
	/* BRPOP tells the key first. */
	if (reply.kind == D4_REDIS_ARRAY && reply.n == 2) {
		struct d4_redis_reply pair = reply;

		d4_redis_element(&pair, 1, &reply);
	}
	if (reply.kind == D4_REDIS_STRING)
		return keep(r, item, &reply);
	return check(r, &reply);
}

/* Makes the connection fit for other commands: made, and nothing under way but
 * pushes. */
static int
ready(struct redis_queue *r)
{
	if (d4_redis_ready(r->redis))
		return r->blocked && unblock(r, &r->early, true) == -1 ? -1 : 0;
	r->blocked = false;
	if (d4_clock_ms() < r->retry_at)
		return -1;
	if (d4_redis_connect(r->redis, CONNECT_MS) == -1) {
		r->retry_ms = r->retry_ms == 0 ? RETRY_MS :
		    r->retry_ms < RETRY_MAX_MS ? 2 * r->retry_ms :
		    RETRY_MAX_MS;
		r->retry_at = d4_clock_ms() + r->retry_ms;
		return fail(r, d4_redis_why(r->redis));
	}
	r->retry_ms = 0;
	return 0;
}

/* -- pushing --------------------------------------------------------------- */

/* The batch stays until the server has said that it has it. */
static int
flush_redis(struct d4_queue *q)
{
	struct redis_queue *r = inside(q);
	const char *argv[PUSH_WORDS + BATCH_ITEMS];
	size_t lens[PUSH_WORDS + BATCH_ITEMS], i, at = 0;
	char number[24], max[24];
	const char *first[PUSH_WORDS] = { "EVAL", PUSH, "2", r->key, r->mark,
	    number, MARK_S, max };
	struct d4_redis_reply reply;

	if (r->nitems == 0)
		return 0;
	if (ready(r) == -1)
		return -1;
	(void)snprintf(number, sizeof(number), "%llu",
	    (unsigned long long)r->nbatches);
	(void)snprintf(max, sizeof(max), "%llu", (unsigned long long)q->max);
	for (i = 0; i < PUSH_WORDS; i++) {
		argv[i] = first[i];
		lens[i] = strlen(first[i]);
	}
	for (i = 0; i < r->nitems; i++) {
		argv[PUSH_WORDS + i] = (const char *)r->batch + at;
		lens[PUSH_WORDS + i] = r->lens[i];
		at += r->lens[i];
	}
	r->sent = true;
	if (call(r, &reply, (int)(PUSH_WORDS + r->nitems), argv, lens) == -1)
		return -1;
	r->sent = false;
	if (reply.number > 0)
		q->dropped += (uint64_t)reply.number;
	r->nbatches++;
	r->nitems = r->len = 0;
	return 0;
}

static int
push_redis(struct d4_queue *q, const void *data, size_t len)
{
	struct redis_queue *r = inside(q);
	size_t size = r->len + len;
	uint8_t *batch;

	if ((r->sent || r->nitems == BATCH_ITEMS ||
	    (r->nitems > 0 && size > BATCH_BYTES)) && flush_redis(q) == -1)
		return -1;
	if (ready(r) == -1)
		return -1;
	size = r->len + len;
	if (size > r->size || r->batch == NULL) {
		size = size < BATCH_BYTES ? size * 2 : size;
		if ((batch = realloc(r->batch, size + 1)) == NULL)
			return fail(r, "out of memory");
		r->batch = batch;
		r->size = size;
	}
	if (len > 0)
		memcpy(r->batch + r->len, data, len);
	r->len += len;
	r->lens[r->nitems++] = len;
	/* When this fails the next one says so. */
	if (r->nitems == BATCH_ITEMS || r->len >= BATCH_BYTES)
		(void)flush_redis(q);
	return 0;
}

/* Ready for a command whose reply is waited for at once. */
static int
settle(struct redis_queue *r)
{
	return ready(r) == -1 ? -1 : flush_redis(&r->q);
}

/* -- taking ---------------------------------------------------------------- */

/* Takes what is there.  While the server waits for an item there is none. */
static int
take_now(struct redis_queue *r, struct d4_queue_item *item)
{
	const char *hand[] = { "RPOPLPUSH", r->key, r->hand };
	const char *plain[] = { "RPOP", r->key };
	struct d4_redis_reply reply;
	int rc;

	if (r->early.data != NULL) {
		*item = r->early;
		memset(&r->early, 0, sizeof(r->early));
		return 1;
	}
	if (r->blocked && d4_redis_ready(r->redis)) {
		rc = unblock(r, item, false);
		if (rc != 0 || r->blocked)
			return rc;
	}
	if (settle(r) == -1 || (r->plain ?
	    call(r, &reply, WORDS(plain), plain, NULL) :
	    call(r, &reply, WORDS(hand), hand, NULL)) == -1)
		return -1;
	return reply.kind == D4_REDIS_STRING ? keep(r, item, &reply) : 0;
}

/* As many as fit, going by those before.  RPOP takes a number since Redis
 * 6.2; what is in hand is taken singly. */
static size_t
more_redis(struct d4_queue *q, struct d4_queue_item *items, size_t most)
{
	struct redis_queue *r = inside(q);
	size_t fit = QUEUE_SOME / (r->usual + 1), n, bytes = 0;
	char count[24];
	const char *argv[] = { "RPOP", r->key, count };
	struct d4_redis_reply reply, item;

	if (!r->plain || r->one_by_one || r->blocked || fit == 0 ||
	    !d4_redis_ready(r->redis))
		return 0;
	(void)snprintf(count, sizeof(count), "%zu", most < fit ? most : fit);
	if (call(r, &reply, WORDS(argv), argv, NULL) == -1) {
		r->one_by_one = d4_redis_ready(r->redis);
		return 0;
	}
	if (reply.kind != D4_REDIS_ARRAY)
		return 0;
	/* Nothing that calls itself a server gives more than was asked for and
	 * writes beyond. */
	for (n = 0; n < reply.n && n < most; n++) {
		d4_redis_element(&reply, n, &item);
		if (keep(r, &items[n], &item) == -1)
			break;
		bytes += items[n].len;
	}
	r->usual = n > 0 ? bytes / n : 0;
	return n;
}

/*
 * The server is asked to wait for an item for a second, over and over.  When
 * the time is over or a signal comes meanwhile the command stays under way: an
 * item that it takes is given out by the next call, or put back in the end.
 */
static int
take_redis(struct d4_queue *q, struct d4_queue_item *item, int timeout_ms)
{
	struct redis_queue *r = inside(q);
	int64_t until = timeout_ms < 0 ? -1 : d4_clock_ms() + timeout_ms;
	int rc = take_now(r, item), ms, left;
	struct pollfd pfd;

	while (rc == 0 && (ms = queue_left_ms(until)) != 0) {
		if (!r->blocked && block(r) == -1)
			return -1;
		if ((rc = unblock(r, item, false)) != 0 || !r->blocked)
			continue;
		left = queue_left_ms(r->blocked_until);
		d4_redis_poll(r->redis, &pfd);
		if (!queue_wait(pfd.fd, pfd.events, ms == -1 || ms > left ?
		    left : ms))
			return 0;
	}
	return rc;
}

static int
ack_redis(struct d4_queue *q, const struct d4_queue_item *item)
{
	struct redis_queue *r = inside(q);
	const char *argv[] = { "LREM", r->hand, "-1",
	    (const char *)item->data };
	const size_t lens[] = { 4, strlen(r->hand), 2, item->len };
	struct d4_redis_reply reply;

	if (r->plain)
		return 0;
	if (settle(r) == -1 || call(r, &reply, WORDS(argv), argv, lens) == -1)
		return -1;
	return reply.number == 1 ? 0 : fail(r, "item is not in hand");
}

static int
give_back(struct redis_queue *r, const struct d4_queue_item *item)
{
	const char *argv[] = { "RPUSH", r->key, (const char *)item->data };
	const size_t lens[] = { 5, strlen(r->key), item->len };
	struct d4_redis_reply reply;

	return call(r, &reply, WORDS(argv), argv, lens);
}

static int
put_back_redis(struct d4_queue *q, const struct d4_queue_item *item)
{
	struct redis_queue *r = inside(q);
	const char *argv[] = { "EVAL", PUT_BACK, "2", r->hand, r->key,
	    (const char *)item->data };
	const size_t lens[] = { 4, sizeof(PUT_BACK) - 1, 1, strlen(r->hand),
	    strlen(r->key), item->len };
	struct d4_redis_reply reply;

	if (settle(r) == -1)
		return -1;
	if (r->plain)
		return give_back(r, item);
	if (call(r, &reply, WORDS(argv), argv, lens) == -1)
		return -1;
	return reply.number == 1 ? 0 : fail(r, "item is not in hand");
}

static int64_t
recover_redis(struct d4_queue *q)
{
	struct redis_queue *r = inside(q);
	const char *argv[] = { "EVAL", RECOVER, "2", r->hand, r->key };
	struct d4_redis_reply reply;
	int64_t n;

	if (settle(r) == -1)
		return -1;
	d4_queue_item_free(&r->early);
	for (n = 0;; n++) {
		if (call(r, &reply, WORDS(argv), argv, NULL) == -1)
			return -1;
		if (reply.number == 0)
			return n;
	}
}

/* -- looking --------------------------------------------------------------- */

static int64_t
length_redis(struct d4_queue *q)
{
	struct redis_queue *r = inside(q);
	const char *argv[] = { "LLEN", r->key };
	struct d4_redis_reply reply;

	if (settle(r) == -1 || call(r, &reply, WORDS(argv), argv, NULL) == -1)
		return -1;
	return reply.number;
}

/* Some at a time, for all may be more than the memory; one that moves on
 * because of pushes meanwhile is met again, none is missed. */
static int
peek_redis(struct d4_queue *q, size_t n,
    int (*each)(void *, const uint8_t *, size_t), void *arg)
{
	struct redis_queue *r = inside(q);
	char first[24], last[24];
	const char *argv[] = { "LRANGE", r->key, first, last };
	struct d4_redis_reply reply, item;
	size_t at, i, part;

	if (settle(r) == -1)
		return -1;
	for (at = 0; at < n; at += part) {
		part = n - at < PEEK_ITEMS ? n - at : PEEK_ITEMS;
		(void)snprintf(first, sizeof(first), "%zu", at);
		(void)snprintf(last, sizeof(last), "%zu", at + part - 1);
		if (call(r, &reply, WORDS(argv), argv, NULL) == -1)
			return -1;
		for (i = 0; i < reply.n; i++) {
			d4_redis_element(&reply, i, &item);
			if (each(arg, (const uint8_t *)item.text,
			    item.len) != 0)
				return 0;
		}
		if (reply.n < part)
			break;
	}
	return 0;
}

static int
clear_redis(struct d4_queue *q)
{
	struct redis_queue *r = inside(q);
	const char *argv[] = { "DEL", r->key };
	struct d4_redis_reply reply;

	return settle(r) == -1 ? -1 : call(r, &reply, WORDS(argv), argv, NULL);
}

/* -- opening and closing --------------------------------------------------- */

/* A take under way is waited for, so that its item does not stay in hand. */
static void
close_redis(struct d4_queue *q)
{
	struct redis_queue *r = inside(q);
	const char *forget[] = { "DEL", r->mark };
	struct d4_redis_reply reply;

	if (r->blocked && d4_redis_ready(r->redis))
		(void)unblock(r, &r->early, true);
	if (r->early.data != NULL)
		(void)put_back_redis(q, &r->early);
	d4_queue_item_free(&r->early);
	if (r->nbatches > 0 && d4_redis_ready(r->redis))
		(void)call(r, &reply, WORDS(forget), forget, NULL);
	d4_redis_free(r->redis);
	free(r->batch);
	free(r);
}

static bool
lost_redis(const struct d4_queue *q)
{
	const union { const struct d4_queue *q; const struct redis_queue *r; }
	    u = { .q = q };

	/* NOLINTNEXTLINE(clang-analyzer-core.*): the other member is set */
	return !d4_redis_ready(u.r->redis);
}

static const struct queue_backend backend = {
	close_redis, push_redis, flush_redis, take_redis, more_redis,
	ack_redis, put_back_redis, recover_redis, length_redis, peek_redis,
	clear_redis, lost_redis
};

struct d4_queue *
queue_redis_open(const struct d4_queue_where *w, char fault[D4_QUEUE_FAULT])
{
	struct redis_queue *r = calloc(1, sizeof(*r));
	uint8_t token[D4_UUID_LEN];
	char hex[D4_UUID_HEX];
	int n;

	if (r == NULL || (r->redis = d4_redis_new(w->redis, w->user,
	    w->password)) == NULL) {
		(void)snprintf(fault, D4_QUEUE_FAULT, "out of memory");
		free(r);
		return NULL;
	}
	r->q.backend = &backend;
	r->plain = w->plain;
	d4_redis_text(w->redis, r->where);
	n = snprintf(r->key, sizeof(r->key), "analyzer:%s:%s", w->type,
	    w->uuid);
	(void)snprintf(r->hand, sizeof(r->hand), "%s:hand", r->key);
	d4_uuid_new(token);
	d4_uuid_hex(hex, token);
	(void)snprintf(r->mark, sizeof(r->mark), "d4toolkit:pushed:%s", hex);
	if (n >= KEY_MAX)
		(void)fail(r, "name too long");
	/* A key of another type, or no right to it, is found out here. */
	else if (length_redis(&r->q) != -1)
		return &r->q;
	(void)snprintf(fault, D4_QUEUE_FAULT, "%s", r->q.fault);
	close_redis(&r->q);
	return NULL;
}
