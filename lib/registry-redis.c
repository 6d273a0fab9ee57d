/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/mac.h"
#include "lib/registry-redis.h"

#define TIMEOUT_MS	2000	/* for an answer */
#define BACKOFF_MS	500	/* between two attempts to connect, doubled */
#define BACKOFF_MAX_MS	8000
#define LOCK_MS		"5000"	/* an administrator's, who may have died */
#define LOCK_NAP_NS	2000000
#define LOCK_TRIES	10000
#define QUEUES_DB	2	/* d4-core's for the items of queues */
#define WORDS_MAX	16
#define MAX_AGE_MS	2000	/* d4-core's programs leave no stamp */

int
rds_fault(struct rds *r, const char *reason)
{
	(void)snprintf(r->why, D4_REGISTRY_WHY, "%.150s: %.200s", r->name,
	    reason);
	return -1;
}

int
rds_bad(struct rds *r, const char *key, const char *reason)
{
	(void)snprintf(r->why, D4_REGISTRY_WHY, "%.150s: %.200s: %.100s",
	    r->name, key, reason);
	return -1;
}

void
rds_key(char key[RDS_KEY], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(key, RDS_KEY, fmt, ap);
	va_end(ap);
}

void
rds_number(char text[RDS_NUMBER], uint64_t n)
{
	(void)snprintf(text, RDS_NUMBER, "%ju", (uintmax_t)n);
}

/* -- commands -------------------------------------------------------------- */

/* A server that is away is asked for rarely, so that nobody waits for it all
 * the time. */
static int
connect_again(struct rds *r)
{
	int64_t now = d4_clock_ms();

	r->outstanding = 0;
	if (now < r->retry_ms)
		return rds_fault(r, d4_redis_why(r->redis));
	if (d4_redis_connect(r->redis, TIMEOUT_MS) == 0) {
		r->backoff_ms = 0;
		return 0;
	}
	r->backoff_ms = r->backoff_ms == 0 ? BACKOFF_MS : 2 * r->backoff_ms;
	if (r->backoff_ms > BACKOFF_MAX_MS)
		r->backoff_ms = BACKOFF_MAX_MS;
	r->retry_ms = d4_clock_ms() + r->backoff_ms;
	return rds_fault(r, d4_redis_why(r->redis));
}

/* A connection that was closed since is found out before it is used. */
static int
ready(struct rds *r)
{
	struct d4_redis_reply none;

	if (d4_redis_ready(r->redis) && (r->outstanding > 0 ||
	    d4_redis_next(r->redis, &none) == 0))
		return 0;
	return connect_again(r);
}

int
rds_send(struct rds *r, const char *const words[])
{
	int n;

	rds_drop_sensor(r);
	if (r->outstanding == 0 && ready(r) == -1)
		return -1;
	for (n = 0; words[n] != NULL; n++)
		continue;
	r->outstanding++;
	if (d4_redis_send(r->redis, n, words, NULL) == 0)
		return 0;
	/* None of the answers may be taken for another's. */
	d4_redis_drop(r->redis);
	return r->outstanding == 1 ? rds_finish(r) : 0;
}

int
rds_answer(struct rds *r, struct d4_redis_reply *reply)
{
	struct d4_redis_reply one;
	size_t i;

	if (r->outstanding == 0)
		return -1;	/* the connection was lost before */
	r->outstanding--;
	if (d4_redis_wait(r->redis, reply, TIMEOUT_MS) == -1) {
		r->outstanding = 0;
		return rds_fault(r, d4_redis_why(r->redis));
	}
	if (reply->kind == D4_REDIS_ERROR)
		return rds_fault(r, reply->text);
	/* What EXEC answers holds the answers of its commands. */
	for (i = 0; i < reply->n; i++) {
		d4_redis_element(reply, i, &one);
		if (one.kind == D4_REDIS_ERROR)
			return rds_fault(r, one.text);
	}
	return 0;
}

int
rds_finish(struct rds *r)
{
	struct d4_redis_reply reply;
	int rc = 0;

	while (r->outstanding > 0) {
		if (rds_answer(r, &reply) == -1)
			rc = -1;
	}
	return rc;
}

int
rds_do(struct rds *r, struct d4_redis_reply *reply, const char *const words[])
{
	(void)rds_finish(r);
	return rds_send(r, words) == -1 ? -1 : rds_answer(r, reply);
}

long long
rds_count(struct rds *r, const char *const words[])
{
	struct d4_redis_reply reply;

	return rds_do(r, &reply, words) == -1 ? -1 : reply.number;
}

int
rds_copy(struct rds *r, const struct d4_redis_reply *reply,
    struct rds_texts *texts)
{
	struct d4_redis_reply one;
	size_t i;

	texts->n = 0;
	if ((texts->list = calloc(reply->n + 1, sizeof(char *))) == NULL)
		return rds_fault(r, strerror(errno));
	for (i = 0; i < reply->n; i++) {
		d4_redis_element(reply, i, &one);
		if ((texts->list[i] = strdup(one.text)) == NULL)
			return rds_fault(r, strerror(errno));
		texts->n++;
	}
	return 0;
}

void
rds_texts_free(struct rds_texts *texts)
{
	size_t i;

	for (i = 0; i < texts->n; i++)
		free(texts->list[i]);
	free(texts->list);
	texts->list = NULL;
	texts->n = 0;
}

int
rds_list(struct rds *r, struct rds_texts *texts, const char *const words[])
{
	struct d4_redis_reply reply;

	memset(texts, 0, sizeof(*texts));
	return rds_do(r, &reply, words) == -1 ? -1 :
	    rds_copy(r, &reply, texts);
}

/* A callback with a batch of keys, without the beginning. */
typedef int on_batch(struct rds *, const struct rds_texts *, void *);

static int
scan(struct rds *r, const char *begin, on_batch *callback, void *cookie)
{
	char cursor[RDS_NUMBER] = "0", pattern[RDS_KEY];
	struct d4_redis_reply reply, part;
	struct rds_texts texts;
	size_t i, len = strlen(begin);
	int rc = 0;

	rds_key(pattern, "%s*", begin);
	do {
		if (RDS_DO(r, &reply, "SCAN", cursor, "MATCH", pattern,
		    "COUNT", "1000") == -1)
			return -1;
		if (reply.n != 2)
			return rds_bad(r, pattern, "is not answered");
		d4_redis_element(&reply, 0, &part);
		(void)snprintf(cursor, sizeof(cursor), "%s", part.text);
		d4_redis_element(&reply, 1, &part);
		rc = rds_copy(r, &part, &texts);
		for (i = 0; rc == 0 && i < texts.n; i++) {
			if (strncmp(texts.list[i], begin, len) != 0)
				rc = rds_bad(r, pattern,
				    "is answered by other keys");
			else
				memmove(texts.list[i], texts.list[i] + len,
				    strlen(texts.list[i] + len) + 1);
		}
		if (rc == 0)
			rc = callback(r, &texts, cookie);
		rds_texts_free(&texts);
	} while (rc == 0 && strcmp(cursor, "0") != 0);
	return rc;
}

/* What is done with each key. */
struct each {
	const char		*begin;
	const char *const	*fields;
	d4_registry_on_text	*callback;
	void			*cookie;
};

static int
on_keys(struct rds *r, const struct rds_texts *texts, void *cookie)
{
	const struct each *each = cookie;
	size_t i;
	int rc = 0;

	(void)r;
	for (i = 0; rc == 0 && i < texts->n; i++)
		rc = each->callback(each->cookie, texts->list[i]);
	return rc;
}

int
rds_scan(struct rds *r, const char *begin, d4_registry_on_text *callback,
    void *cookie)
{
	struct each each = { .callback = callback, .cookie = cookie };

	return scan(r, begin, on_keys, &each);
}

/* Sends for all hashes before it reads of the first. */
static int
on_hashes(struct rds *r, const struct rds_texts *texts, void *cookie)
{
	const char *words[WORDS_MAX + 3] = { "HMGET" };
	const struct each *each = cookie;
	struct d4_redis_reply reply, one;
	char key[RDS_KEY];
	size_t i, j;
	int rc = 0;

	words[1] = key;
	for (j = 0; j < WORDS_MAX && each->fields[j] != NULL; j++)
		words[j + 2] = each->fields[j];
	for (i = 0; rc == 0 && i < texts->n; i++) {
		rds_key(key, "%s%.200s", each->begin, texts->list[i]);
		if (rds_send(r, words) == -1)
			rc = -1;
	}
	for (i = 0; rc == 0 && i < texts->n; i++) {
		if (rds_answer(r, &reply) == -1)
			rc = -1;
		for (j = 0; rc == 0 && j < reply.n; j++) {
			d4_redis_element(&reply, j, &one);
			if (one.kind != D4_REDIS_STRING)
				continue;
			rc = each->callback(each->cookie, texts->list[i]);
			break;
		}
	}
	if (rc != 0)
		(void)rds_finish(r);
	return rc;
}

int
rds_scan_hashes(struct rds *r, const char *begin, const char *const fields[],
    d4_registry_on_text *callback, void *cookie)
{
	struct each each = { .begin = begin, .fields = fields,
	    .callback = callback, .cookie = cookie };

	return scan(r, begin, on_hashes, &each);
}

int
rds_uuid(struct rds *r, const char *key, const char *text,
    uint8_t uuid[D4_UUID_LEN])
{
	char where[RDS_KEY];

	if (d4_uuid_parse(uuid, text) == 0)
		return 0;
	rds_key(where, "%.100s: %.100s", key, text);
	return rds_bad(r, where, "is not a uuid");
}

/* -- opening --------------------------------------------------------------- */

static void
close_redis(void *store)
{
	struct rds *r = store;

	if (r->works)
		rds_leave(r);
	rds_drop_sensor(r);
	d4_redis_free(r->redis);
	d4_redis_free(r->queues);
	d4_table_free(r->lives, free);
	if (r->password != NULL)
		d4_mac_wipe(r->password, strlen(r->password));
	free(r->password);
	free(r->user);
	free(r->lost);
	free(r);
}

static struct d4_redis *
make_one(struct rds *r, const char *spec)
{
	struct d4_redis_addr addr;
	const char *why;

	if (d4_redis_parse(&addr, spec, &why) == -1) {
		(void)snprintf(r->why, D4_REGISTRY_WHY, "%.200s: %s", spec,
		    why);
		return NULL;
	}
	if (r->redis == NULL)
		d4_redis_text(&addr, r->name);
	return d4_redis_new(&addr, r->user, r->password);
}

/* Items lie in a database of their own: the one named, or d4-core's. */
static int
make_queues(struct rds *r, const char *spec, const char *queues)
{
	char other[D4_REDIS_NAME];

	if (queues != NULL && strncmp(queues, "redis:", 6) != 0)
		return 0;
	if (queues == NULL) {
		(void)snprintf(other, sizeof(other), "%.*s/%d",
		    (int)(strrchr(spec, '/') - spec), spec, QUEUES_DB);
		queues = other;
	}
	return (r->queues = make_one(r, queues)) == NULL ? -1 : 0;
}

static int
keep_login(struct rds *r, const struct d4_registry_login *login)
{
	if (login == NULL)
		return 0;
	if ((login->user != NULL &&
	    (r->user = strdup(login->user)) == NULL) ||
	    (login->password != NULL &&
	    (r->password = strdup(login->password)) == NULL))
		return -1;
	return 0;
}

static void *
open_redis(const char *spec, const char *queues, bool create,
    const struct d4_registry_login *login, char *why)
{
	uint8_t token[D4_UUID_LEN];
	struct rds *r;

	(void)create;	/* nothing is missing in an empty database */
	(void)snprintf(why, D4_REGISTRY_WHY, "not enough memory");
	if ((r = calloc(1, sizeof(*r))) == NULL)
		return NULL;
	r->why = why;
	d4_uuid_new(token);
	d4_uuid_hex(r->token, token);
	if (keep_login(r, login) == -1 ||
	    (r->lives = d4_table_new(0)) == NULL ||
	    (r->redis = make_one(r, spec)) == NULL ||
	    make_queues(r, spec, queues) == -1 || ready(r) == -1) {
		close_redis(r);
		return NULL;
	}
	*why = '\0';
	return r;
}

static int
announce(void *store, const char *key)
{
	struct rds *r = store;
	time_t now = time(NULL);
	char date[16] = "";
	struct tm tm;

	if (localtime_r(&now, &tm) != NULL)
		(void)strftime(date, sizeof(date), "%Y%m%d", &tm);
	(void)rds_finish(r);
	if (RDS_SEND(r, "SET", "server:hmac_default_key", key) == -1)
		return -1;
	(void)RDS_SEND(r, "SET", "first_date", date, "NX");
	return rds_finish(r);
}

/* -- the stamp and the lock ------------------------------------------------ */

/* What d4-core's own programs change without a stamp shows in how many members
 * there are. */
static int
stamp(void *store, uint64_t numbers[2])
{
	static const char *const sets[] = { "blacklist_ip", "blacklist_uuid",
		"blacklist_ip_by_uuid", "server:accepted_type",
		"server:accepted_extended_type", "registered_uuid",
		"sensor_pending_registration", "all_analyzer_queues" };
	struct rds *r = store;
	struct d4_redis_reply reply;
	size_t i;

	if ((r->works && rds_beat(r) == -1) ||
	    RDS_SEND(r, "GET", OURS "stamp") == -1)
		return -1;
	for (i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		(void)RDS_SEND(r, "SCARD", sets[i]);
	(void)RDS_SEND(r, "HLEN", "stream_max_size_by_uuid");
	if (rds_answer(r, &reply) == -1)
		goto err;
	numbers[0] = strtoull(reply.text, NULL, 10);
	numbers[1] = 0;
	while (r->outstanding > 0) {
		if (rds_answer(r, &reply) == -1)
			goto err;
		numbers[1] = numbers[1] * 1000003 + (uint64_t)reply.number;
	}
	return 0;

err:
	(void)rds_finish(r);
	return -1;
}

static int
touch(void *store)
{
	return RDS_COUNT(store, "INCR", OURS "stamp") == -1 ? -1 : 0;
}

static int
lock(void *store)
{
	struct timespec nap = { .tv_nsec = LOCK_NAP_NS };
	struct rds *r = store;
	struct d4_redis_reply reply;
	int i;

	for (i = 0; i < LOCK_TRIES; i++) {
		if (RDS_DO(r, &reply, "SET", OURS "lock", r->token, "NX",
		    "PX", LOCK_MS) == -1)
			return -1;
		if (reply.kind == D4_REDIS_STATUS)
			return 0;
		(void)nanosleep(&nap, NULL);
	}
	return rds_fault(r, "another administrator does not end");
}

/* What it meets does not hide the reason of a fault before. */
static void
unlock(void *store)
{
	static const char script[] =
	    "if redis.call('GET', KEYS[1]) == ARGV[1] then "
	    "return redis.call('DEL', KEYS[1]) end return 0";
	struct rds *r = store;
	char why[D4_REGISTRY_WHY];
	struct d4_redis_reply reply;

	memcpy(why, r->why, sizeof(why));
	(void)RDS_DO(r, &reply, "EVAL", script, "1", OURS "lock", r->token);
	memcpy(r->why, why, sizeof(why));
}

const struct d4_registry_backend d4_registry_redis = {
	.max_age_ms = MAX_AGE_MS,
	.open = open_redis,
	.close = close_redis,
	.announce = announce,
	.stamp = stamp,
	.touch = touch,
	.lock = lock,
	.unlock = unlock,
	.get = rds_get,
	.set = rds_set,
	.forget = rds_forget,
	.each_known = rds_each_known,
	.each_seen = rds_each_seen,
	.is_known = rds_is_known,
	.kick = rds_kick,
	.unkick = rds_unkick,
	.each_kick = rds_each_kick,
	.stranger = rds_stranger,
	.is_stranger = rds_is_stranger,
	.forget_stranger = rds_forget_stranger,
	.each_stranger = rds_each_stranger,
	.add = rds_add,
	.remove = rds_remove,
	.each = rds_each,
	.get_mode = rds_get_mode,
	.set_mode = rds_set_mode,
	.claim = rds_claim,
	.become = rds_become,
	.release = rds_release,
	.has_stream = rds_has_stream,
	.lost = rds_lost,
	.save_live = rds_save_live,
	.each_live = rds_each_live,
	.load_facts = rds_load_facts,
	.save_facts = rds_save_facts,
	.load_counts = rds_load_counts,
	.save_counts = rds_save_counts,
	.set_aside = rds_set_aside,
	.each_day = rds_each_day,
	.forget_day = rds_forget_day,
	.queue_create = rds_queue_create,
	.queue_remove = rds_queue_remove,
	.queue_describe = rds_queue_describe,
	.queue_limit = rds_queue_limit,
	.queue_member = rds_queue_member,
	.queue_updated = rds_queue_updated,
	.each_queue = rds_each_queue
};
