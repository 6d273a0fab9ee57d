/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "d4/source-backend.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/redis.h"

#define ROUND		64	/* commands of a kind under way at once */
#define AHEAD_BYTES	262144	/* taken and not yet asked for, about */
#define EMPTY_MS	200	/* until an empty list is looked at again */
#define BLOCK_S		5	/* or Redis itself waits for an item */
#define ANSWER_MS	10000	/* a server that is silent so long is dead */
#define RETRY_MS	1000	/* to begin with, then doubled */
#define RETRY_MAX_MS	30000
#define CLOSE_MS	1000	/* for the last removals */

/* An item that was taken and is not known to be off our list of Redis's. */
struct item {
	struct item	*next;
	uint64_t	 end;		/* the mark behind it */
	bool		 listed;	/* is on that list */
	size_t		 len;		/* with its newline */
	char		 bytes[];
};

enum state {
	DOWN,			/* not before q->retry */
	LISTING,		/* what did an earlier connection leave? */
	TAKING			/* rounds of LREM and RPOPLPUSH */
};

struct queue {
	struct d4_redis	*redis;
	char		 name[D4_REDIS_NAME];	/* the server, for messages */
	const char	*list;		/* of the caller */
	char		*own;		/* our list */
	enum state	 state;
	bool		 closing;	/* take no more */

	struct item	*first;		/* oldest first */
	struct item	**last;		/* where the next one goes */
	struct item	*unread;	/* the first that was not handed out */
	size_t		 at;		/* bytes of it that were */
	uint64_t	 end;		/* of the last item */
	uint64_t	 handed;	/* bytes handed out */
	uint64_t	 sent;

	unsigned	 nremove;	/* replies to come, first these */
	unsigned	 ntake;		/* then these */
	size_t		 largest;	/* item of late, > 0 */
	bool		 empty;		/* the list was */
	int64_t		 again;		/* then look again */
	uint64_t	 received;	/* bytes, when the deadline was set */
	int64_t		 deadline;

	int64_t		 retry;
	int		 retry_ms;
	unsigned	 ntries;	/* in vain, since it was last there */
};

/* -- items ----------------------------------------------------------------- */

static int
add_item(struct queue *q, const struct d4_redis_reply *reply)
{
	struct item *item;

	if ((item = malloc(sizeof(*item) + reply->len + 1)) == NULL)
		return -1;
	item->next = NULL;
	item->listed = true;
	item->len = reply->len + 1;
	memcpy(item->bytes, reply->text, reply->len);
	item->bytes[reply->len] = '\n';
	item->end = q->end += item->len;
	*q->last = item;
	q->last = &item->next;
	if (q->unread == NULL)
		q->unread = item;
	if (item->len > q->largest)
		q->largest = item->len;
	return 0;
}

/* The oldest item, which was handed out. */
static void
drop_first(struct queue *q)
{
	struct item *item = q->first;

	if ((q->first = item->next) == NULL)
		q->last = &q->first;
	free(item);
}

/*
 * Our list as it stands in Redis, newest first.  What we have not got is new
 * to us: left by an earlier run, or taken by a command whose reply was lost.
 * What we have and it has not is not to be removed from it.
 */
static int
compare_list(struct queue *q, const struct d4_redis_reply *list)
{
	struct item *item, *known = q->first;
	struct d4_redis_reply reply;
	size_t i;

	for (item = q->first; item != NULL; item = item->next)
		item->listed = false;
	for (i = list->n; i > 0; i--) {
		d4_redis_element(list, i - 1, &reply);
		for (item = known; item != NULL; item = item->next) {
			if (item->len == reply.len + 1 && memcmp(item->bytes,
			    reply.text, reply.len) == 0)
				break;
		}
		if (item != NULL) {
			item->listed = true;
			known = item->next;
		} else if (add_item(q, &reply) == -1) {
			return -1;
		}
	}
	return 0;
}

/* -- the server ------------------------------------------------------------ */

static void
lose(struct queue *q, const char *why)
{
	if (q->ntries++ == 0)
		d4_log_warnx("%s: %s", q->name, why);
	d4_redis_drop(q->redis);
	q->state = DOWN;
	q->nremove = q->ntake = 0;
	q->retry = d4_clock_ms() + q->retry_ms;
	q->retry_ms *= 2;
	if (q->retry_ms > RETRY_MAX_MS)
		q->retry_ms = RETRY_MAX_MS;
}

static void
found(struct queue *q)
{
	if (q->ntries > 0)
		d4_log_say("%s: there again after %u attempts", q->name,
		    q->ntries);
	q->ntries = 0;
	q->retry_ms = RETRY_MS;
}

static void
expect_answer(struct queue *q, int ms)
{
	q->received = d4_redis_received(q->redis);
	q->deadline = d4_clock_ms() + ms;
}

static void
begin(struct queue *q)
{
	const char *words[] = { "LRANGE", q->own, "0", "-1" };

	if (d4_redis_begin(q->redis) == -1 ||
	    d4_redis_send(q->redis, 4, words, NULL) == -1) {
		lose(q, d4_redis_why(q->redis));
		return;
	}
	q->state = LISTING;
	q->empty = false;
	expect_answer(q, ANSWER_MS);
}

/* Asks for the removal of the oldest items, as far as they were sent. */
static int
ask_removals(struct queue *q)
{
	const char *words[] = { "LREM", q->own, "-1", NULL };
	size_t len[] = { 4, strlen(q->own), 2, 0 };
	struct item *item;

	while (q->first != NULL && q->first->end <= q->sent &&
	    !q->first->listed)
		drop_first(q);
	for (item = q->first; item != NULL && item->end <= q->sent &&
	    item->listed && q->nremove < ROUND; item = item->next) {
		words[3] = item->bytes;
		len[3] = item->len - 1;
		if (d4_redis_send(q->redis, 4, words, len) == -1)
			return -1;
		q->nremove++;
	}
	return 0;
}

/* Asks for items; with none of ours on the way Redis may wait for one, since
 * nothing else will be asked for meanwhile. */
static int
ask_items(struct queue *q)
{
	char seconds[16];
	const char *take[] = { "RPOPLPUSH", q->list, q->own };
	const char *wait[] = { "BRPOPLPUSH", q->list, q->own, seconds };
	size_t n = AHEAD_BYTES / q->largest;

	if (q->closing || q->end - q->handed >= AHEAD_BYTES)
		return 0;
	if (q->empty && q->first == NULL) {
		(void)snprintf(seconds, sizeof(seconds), "%d", BLOCK_S);
		q->ntake = 1;
		return d4_redis_send(q->redis, 4, wait, NULL);
	}
	if (q->empty && q->again > d4_clock_ms())
		return 0;
	n = n > ROUND ? ROUND : n < 1 ? 1 : n;
	if (!q->empty)
		q->largest = 1;
	for (; q->ntake < n; q->ntake++) {
		if (d4_redis_send(q->redis, 3, take, NULL) == -1)
			return -1;
	}
	return 0;
}

/* Returns 0, or -1 when the server is of no use. */
static int
on_reply(struct queue *q, const struct d4_redis_reply *reply)
{
	if (reply->kind == D4_REDIS_ERROR) {
		lose(q, reply->text);
		return -1;
	}
	if (q->state == LISTING) {
		q->state = TAKING;
		if (compare_list(q, reply) == 0)
			return 0;
	} else if (q->nremove > 0) {
		q->nremove--;
		drop_first(q);
		return 0;
	} else {
		q->ntake--;
		found(q);
		q->empty = reply->kind != D4_REDIS_STRING;
		if (q->empty)
			q->again = d4_clock_ms() + EMPTY_MS;
		if (q->empty || add_item(q, reply) == 0)
			return 0;
	}
	/* It lies in our list of Redis's and will be found there. */
	lose(q, strerror(ENOMEM));
	return -1;
}

static bool
is_awaited(const struct queue *q)
{
	return q->state == LISTING || q->nremove > 0 || q->ntake > 0;
}

/* The next round.  Returns whether there is one. */
static bool
ask(struct queue *q)
{
	if (ask_removals(q) == -1 || ask_items(q) == -1) {
		lose(q, strerror(ENOMEM));
		return false;
	}
	expect_answer(q, ANSWER_MS + BLOCK_S * 1000);
	return is_awaited(q);
}

/* Goes as far as is possible without waiting. */
static void
advance(struct queue *q)
{
	struct d4_redis_reply reply;
	int rc;

	if (q->state == DOWN) {
		if (q->closing || q->retry > d4_clock_ms())
			return;
		begin(q);
		if (q->state == DOWN)
			return;
	}
	do {
		while ((rc = d4_redis_next(q->redis, &reply)) == 1) {
			if (on_reply(q, &reply) == -1)
				return;
		}
		if (rc == -1) {
			lose(q, d4_redis_why(q->redis));
			return;
		}
	} while (!is_awaited(q) && ask(q));
	if (q->received != d4_redis_received(q->redis))
		expect_answer(q, ANSWER_MS + BLOCK_S * 1000);
	else if (is_awaited(q) && d4_clock_ms() >= q->deadline)
		lose(q, "no answer in time");
}

/* -- the source ------------------------------------------------------------ */

static void
redis_free(struct queue *q)
{
	while (q->first != NULL)
		drop_first(q);
	d4_redis_free(q->redis);
	free(q->own);
	free(q);
}

static int
redis_check(const struct source_settings *s, char why[SOURCE_WHY])
{
	struct d4_redis_addr addr;
	const char *words;

	if (d4_redis_parse(&addr, s->redis, &words) == 0)
		return 0;
	(void)snprintf(why, SOURCE_WHY, "redis_d4: %s", words);
	return -1;
}

static void *
redis_open(const struct source_settings *s, char why[SOURCE_WHY])
{
	struct d4_redis_addr addr;
	struct queue *q;
	const char *words;
	size_t size;

	(void)d4_redis_parse(&addr, s->redis, &words);
	size = strlen(s->queue) + strlen(s->consumer) + sizeof(":d4:");
	if ((q = calloc(1, sizeof(*q))) == NULL ||
	    (q->own = malloc(size)) == NULL ||
	    (q->redis = d4_redis_new(&addr, s->user, s->password)) == NULL) {
		(void)snprintf(why, SOURCE_WHY, "%s", strerror(errno));
		if (q != NULL)
			redis_free(q);
		return NULL;
	}
	d4_redis_text(&addr, q->name);
	q->list = s->queue;
	(void)snprintf(q->own, size, "%s:d4:%s", s->queue, s->consumer);
	q->last = &q->first;
	q->retry_ms = RETRY_MS;
	q->largest = AHEAD_BYTES;	/* until it is known: one at a time */
	return q;
}

static void
redis_close(void *state)
{
	struct queue *q = state;
	int64_t end = d4_clock_ms() + CLOSE_MS;
	struct pollfd pfd;

	q->closing = true;
	for (;;) {
		advance(q);
		if (q->state != TAKING || q->first == NULL ||
		    q->first->end > q->sent || d4_clock_ms() >= end)
			break;
		d4_redis_poll(q->redis, &pfd);
		(void)poll(&pfd, 1, source_until(end));
	}
	redis_free(q);
}

static ssize_t
redis_read(void *state, void *buf, size_t len, char why[SOURCE_WHY])
{
	struct queue *q = state;
	char *to = buf;
	size_t part, done = 0;

	(void)why;
	advance(q);
	while (q->unread != NULL && done < len) {
		part = q->unread->len - q->at;
		if (part > len - done)
			part = len - done;
		memcpy(to + done, q->unread->bytes + q->at, part);
		done += part;
		q->at += part;
		if (q->at == q->unread->len) {
			q->unread = q->unread->next;
			q->at = 0;
		}
	}
	q->handed += done;
	/* The next items may be on their way while these are sent. */
	if (done > 0 && !is_awaited(q))
		advance(q);
	if (done > 0)
		return (ssize_t)done;
	errno = EAGAIN;
	return -1;
}

static int
redis_poll(const void *state, struct pollfd *pfd)
{
	const struct queue *q = state;

	d4_redis_poll(q->redis, pfd);
	if (q->unread != NULL)
		return 0;
	return source_until(q->state == DOWN ? q->retry :
	    is_awaited(q) ? q->deadline : q->again);
}

static uint64_t
redis_mark(const void *state)
{
	const struct queue *q = state;

	return q->handed;
}

static void
redis_sent(void *state, uint64_t mark)
{
	struct queue *q = state;

	q->sent = mark;
	if (!is_awaited(q))
		advance(q);
}

const struct source_kind source_redis = {
	redis_check, redis_open, redis_close, redis_read, redis_poll,
	redis_mark, redis_sent
};
