/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/registry-redis.h"

#define TIMEOUT_MS	2000	/* of the server with the items */
#define ALL		"all_analyzer_queues"

/* The keys of a kind of queues, "8" or "254:ja3-jl", and what d4-core's
 * workers and producers call it: "8", "ja3-jl". */
struct kind {
	char		text[RDS_KEY];
	char		name[RDS_KEY];
	bool		extended;
};

static void
make_kind(struct kind *kind, uint8_t type, const char *extended)
{
	kind->extended = *extended != '\0';
	if (kind->extended) {
		rds_key(kind->text, "%u:%s", D4_TYPE_EXTENDED, extended);
		rds_key(kind->name, "%s", extended);
	} else {
		rds_key(kind->text, "%u", type);
		rds_key(kind->name, "%u", type);
	}
}

/* Where queues of a kind are listed. */
static void
list_key(char key[RDS_KEY], const struct kind *kind, bool grouped)
{
	rds_key(key, "analyzer%s:%s", grouped ? "_uuid_group" : "",
	    kind->text);
}

static void
by_kind_key(char key[RDS_KEY], const struct kind *kind)
{
	rds_key(key, "all:analyzer:by:%s:%s", kind->extended ?
	    "extended_type" : "format_type", kind->name);
}

static void
wanted_key(char key[RDS_KEY], const struct kind *kind, const uint8_t *sensor)
{
	char hex[D4_UUID_HEX];

	d4_uuid_hex(hex, sensor);
	rds_key(key, "sensor:queues:%s:%s", kind->name, hex);
}

/* -- changing -------------------------------------------------------------- */

static void
send_member(struct rds *r, const struct kind *kind, const char *queue,
    const uint8_t *sensor, bool member)
{
	char hex[D4_UUID_HEX], group[RDS_KEY], wanted[RDS_KEY];
	const char *verb = member ? "SADD" : "SREM";

	d4_uuid_hex(hex, sensor);
	rds_key(group, "analyzer_sensor_group:%s", queue);
	wanted_key(wanted, kind, sensor);
	(void)RDS_SEND(r, verb, group, hex);
	(void)RDS_SEND(r, verb, wanted, queue);
}

int
rds_queue_create(void *store, const struct d4_registry_queue *queue)
{
	char by[RDS_KEY], key[RDS_KEY], list[RDS_KEY], size[RDS_NUMBER];
	char text[D4_UUID_TEXT], type[4];
	struct rds *r = store;
	struct kind kind;
	long long is;
	size_t i;

	d4_uuid_text(text, queue->uuid);
	if ((is = RDS_COUNT(r, "SISMEMBER", ALL, text)) != 0)
		return (int)is;
	make_kind(&kind, queue->type, queue->extended);
	rds_key(key, "analyzer:%s", text);
	list_key(list, &kind, queue->grouped);
	by_kind_key(by, &kind);
	rds_number(size, queue->max_size);
	(void)snprintf(type, sizeof(type), "%u", queue->type);
	if (RDS_SEND(r, "MULTI") == -1)
		return -1;
	(void)RDS_SEND(r, "HSET", key, "type", type, "description",
	    queue->description != NULL ? queue->description : "", "max_size",
	    size);
	if (kind.extended)
		(void)RDS_SEND(r, "HSET", key, "metatype", queue->extended);
	for (i = 0; i < queue->nmembers; i++)
		send_member(r, &kind, text, queue->members[i], true);
	(void)RDS_SEND(r, "SADD", kind.extended ?
	    "all:analyzer:extended_type" : "all:analyzer:format_type",
	    kind.name);
	(void)RDS_SEND(r, "SADD", by, text);
	(void)RDS_SEND(r, "SADD", list, text);
	(void)RDS_SEND(r, "SADD", ALL, text);
	(void)RDS_SEND(r, "EXEC");
	return rds_finish(r);
}

/* 0 and its kind, 1 none, -1. */
static int
find(struct rds *r, const char *text, struct kind *kind)
{
	struct d4_redis_reply reply, one;
	char key[RDS_KEY];
	uint64_t type;

	rds_key(key, "analyzer:%s", text);
	if (RDS_DO(r, &reply, "HMGET", key, "type", "metatype") == -1)
		return -1;
	d4_redis_element(&reply, 0, &one);
	if (one.kind != D4_REDIS_STRING)
		return 1;
	if (d4_registry_digits(one.text, UINT8_MAX, &type) == -1)
		return rds_bad(r, key, "type is not one");
	d4_redis_element(&reply, 1, &one);
	make_kind(kind, (uint8_t)type, type == D4_TYPE_EXTENDED ? one.text :
	    "");
	return 0;
}

/* The items; they may be on another server, which is needed here alone. */
static int
remove_items(struct rds *r, const struct kind *kind, const char *text)
{
	char hand[RDS_KEY], key[RDS_KEY];
	const char *words[] = { "DEL", key, hand };
	struct d4_redis_reply reply;

	if (r->queues == NULL)
		return 0;
	rds_key(key, "analyzer:%s:%s", kind->name, text);
	rds_key(hand, "analyzer:%s:%s:hand", kind->name, text);
	if (d4_redis_connect(r->queues, TIMEOUT_MS) == -1 ||
	    d4_redis_send(r->queues, 3, words, NULL) == -1 ||
	    d4_redis_wait(r->queues, &reply, TIMEOUT_MS) == -1)
		return rds_fault(r, d4_redis_why(r->queues));
	if (reply.kind == D4_REDIS_ERROR)
		return rds_fault(r, reply.text);
	d4_redis_drop(r->queues);
	return 0;
}

/* The sensors of its group, which are uuids; to be freed in any case. */
static int
load_group(struct rds *r, const char *text, struct rds_texts *members)
{
	uint8_t sensor[D4_UUID_LEN];
	char group[RDS_KEY];
	size_t i;
	int rc;

	rds_key(group, "analyzer_sensor_group:%s", text);
	rc = RDS_LIST(r, members, "SMEMBERS", group);
	for (i = 0; rc == 0 && i < members->n; i++)
		rc = rds_uuid(r, group, members->list[i], sensor);
	return rc;
}

/* In one step: a queue that is there in part would get no items. */
static int
remove_definition(struct rds *r, const struct kind *kind, const char *text,
    const struct rds_texts *members)
{
	char by[RDS_KEY], group[RDS_KEY], grouped[RDS_KEY], key[RDS_KEY];
	char list[RDS_KEY], wanted[RDS_KEY];
	uint8_t sensor[D4_UUID_LEN];
	size_t i;

	rds_key(key, "analyzer:%s", text);
	rds_key(group, "analyzer_sensor_group:%s", text);
	list_key(list, kind, false);
	list_key(grouped, kind, true);
	by_kind_key(by, kind);
	if (RDS_SEND(r, "MULTI") == -1)
		return -1;
	for (i = 0; i < members->n; i++) {
		if (d4_uuid_parse(sensor, members->list[i]) == -1)
			continue;
		wanted_key(wanted, kind, sensor);
		(void)RDS_SEND(r, "SREM", wanted, text);
	}
	(void)RDS_SEND(r, "SREM", ALL, text);
	(void)RDS_SEND(r, "SREM", list, text);
	(void)RDS_SEND(r, "SREM", grouped, text);
	(void)RDS_SEND(r, "SREM", by, text);
	(void)RDS_SEND(r, "DEL", key, group);
	(void)RDS_SEND(r, "EXEC");
	return rds_finish(r);
}

int
rds_queue_remove(void *store, const uint8_t *uuid)
{
	char by[RDS_KEY], text[D4_UUID_TEXT];
	struct rds_texts members;
	struct rds *r = store;
	struct kind kind = { .extended = false };
	long long left;
	int rc;

	d4_uuid_text(text, uuid);
	if ((rc = find(r, text, &kind)) != 0)
		return rc;
	if ((rc = load_group(r, text, &members)) == 0)
		rc = remove_definition(r, &kind, text, &members);
	rds_texts_free(&members);
	if (rc == -1)
		return -1;
	by_kind_key(by, &kind);
	if ((left = RDS_COUNT(r, "SCARD", by)) == -1)
		return -1;
	if (left == 0 && RDS_COUNT(r, "SREM", kind.extended ?
	    "all:analyzer:extended_type" : "all:analyzer:format_type",
	    kind.name) == -1)
		return -1;
	return remove_items(r, &kind, text);
}

static int
set_value(struct rds *r, const uint8_t *uuid, const char *field,
    const char *value)
{
	static const char script[] =
	    "if redis.call('HEXISTS', KEYS[1], 'type') == 0 then return 1 end "
	    "redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) return 0";
	char key[RDS_KEY], text[D4_UUID_TEXT];

	d4_uuid_text(text, uuid);
	rds_key(key, "analyzer:%s", text);
	return (int)RDS_COUNT(r, "EVAL", script, "1", key, field, value);
}

int
rds_queue_describe(void *store, const uint8_t *uuid, const char *description)
{
	return set_value(store, uuid, "description", description);
}

int
rds_queue_limit(void *store, const uint8_t *uuid, uint64_t limit)
{
	char number[RDS_NUMBER];

	rds_number(number, limit);
	return set_value(store, uuid, "max_size", number);
}

int
rds_queue_updated(void *store, const struct d4_registry_queue *queue)
{
	char number[RDS_NUMBER];

	rds_number(number, queue->updated);
	return set_value(store, queue->uuid, "last_updated", number);
}

int
rds_queue_member(void *store, const uint8_t *uuid, const uint8_t *sensor,
    bool member)
{
	char grouped[RDS_KEY], list[RDS_KEY], text[D4_UUID_TEXT];
	struct rds *r = store;
	struct kind kind;
	int rc;

	d4_uuid_text(text, uuid);
	if ((rc = find(r, text, &kind)) != 0)
		return rc;
	list_key(list, &kind, false);
	list_key(grouped, &kind, true);
	if (RDS_SEND(r, "MULTI") == -1)
		return -1;
	if (member)
		(void)RDS_SEND(r, "SMOVE", list, grouped, text);
	send_member(r, &kind, text, sensor, member);
	(void)RDS_SEND(r, "EXEC");
	return rds_finish(r);
}

/* -- listing --------------------------------------------------------------- */

struct listing {
	struct rds			*r;
	struct d4_registry_queue	 queue;
	char				 description[D4_REGISTRY_TEXT];
	uint8_t				(*members)[D4_UUID_LEN];
};

static int
take_value(struct listing *l, const char *key, const char *field,
    const char *value)
{
	struct d4_registry_queue *q = &l->queue;
	uint64_t n;
	size_t len = strlen(value);

	if (strcmp(field, "type") == 0) {
		if (d4_registry_digits(value, UINT8_MAX, &n) == -1)
			return rds_bad(l->r, key, "type is not one");
		q->type = (uint8_t)n;
	} else if (strcmp(field, "metatype") == 0) {
		if (!d4_type_name_ok(value, len))
			return rds_bad(l->r, key, "metatype is not a name");
		memcpy(q->extended, value, len + 1);
	} else if (strcmp(field, "max_size") == 0) {
		if (d4_registry_digits(value, UINT64_MAX, &q->max_size) == -1)
			return rds_bad(l->r, key, "max_size is not a number");
	} else if (strcmp(field, "last_updated") == 0) {
		/* d4-core has fractions of seconds there. */
		q->updated = strtoull(value, NULL, 10);
	} else if (strcmp(field, "description") == 0) {
		if (!d4_registry_text_ok(value, sizeof(l->description)))
			return rds_bad(l->r, key, "description is not a line");
		memcpy(l->description, value, len + 1);
	}
	return 0;
}

static int
load_values(struct listing *l, const char *key)
{
	struct rds_texts texts;
	size_t i;
	int rc;

	l->queue.type = 0;
	l->queue.extended[0] = l->description[0] = '\0';
	l->queue.max_size = D4_REGISTRY_QUEUE_SIZE;
	l->queue.updated = 0;
	l->queue.description = l->description;
	rc = RDS_LIST(l->r, &texts, "HGETALL", key);
	if (rc == 0 && texts.n == 0)
		rc = 1;		/* removed since it was listed */
	for (i = 0; rc == 0 && i + 1 < texts.n; i += 2)
		rc = take_value(l, key, texts.list[i], texts.list[i + 1]);
	rds_texts_free(&texts);
	/* A name goes with type 254 alone. */
	if (rc == 0 && l->queue.type != D4_TYPE_EXTENDED)
		l->queue.extended[0] = '\0';
	return rc;
}

static int
compare_uuids(const void *a, const void *b)
{
	return memcmp(a, b, D4_UUID_LEN);
}

static int
load_members(struct listing *l, const char *text)
{
	struct rds_texts texts;
	char key[RDS_KEY];
	size_t i;
	int rc;

	free(l->members);
	l->members = NULL;
	rds_key(key, "analyzer_sensor_group:%s", text);
	rc = RDS_LIST(l->r, &texts, "SMEMBERS", key);
	if (rc == 0 && (l->members = calloc(texts.n + 1,
	    sizeof(*l->members))) == NULL)
		rc = rds_fault(l->r, strerror(errno));
	for (i = 0; rc == 0 && i < texts.n; i++)
		rc = rds_uuid(l->r, key, texts.list[i], l->members[i]);
	l->queue.nmembers = texts.n;
	/* NOLINTBEGIN(clang-analyzer-core.*): there are members after 0 */
	if (rc == 0 && texts.n > 0)
		qsort(l->members, texts.n, sizeof(*l->members),
		    compare_uuids);
	/* NOLINTEND(clang-analyzer-core.*) */
	l->queue.members = (const uint8_t (*)[D4_UUID_LEN])l->members;
	rds_texts_free(&texts);
	return rc;
}

static int
load_queue(struct listing *l, const char *text)
{
	char grouped[RDS_KEY], key[RDS_KEY];
	struct kind kind;
	long long is;
	int rc;

	rds_key(key, "analyzer:%.64s", text);
	if (rds_uuid(l->r, ALL, text, l->queue.uuid) == -1)
		return -1;
	if ((rc = load_values(l, key)) != 0)
		return rc;
	make_kind(&kind, l->queue.type, l->queue.extended);
	list_key(grouped, &kind, true);
	if ((is = RDS_COUNT(l->r, "SISMEMBER", grouped, text)) == -1)
		return -1;
	l->queue.grouped = is == 1;
	return load_members(l, text);
}

int
rds_each_queue(void *store, d4_registry_on_queue *callback, void *cookie)
{
	struct listing l = { .r = store };
	struct rds_texts queues;
	size_t i;
	int rc;

	rc = RDS_LIST(store, &queues, "SMEMBERS", ALL);
	for (i = 0; rc == 0 && i < queues.n; i++) {
		if ((rc = load_queue(&l, queues.list[i])) == 0)
			rc = callback(cookie, &l.queue);
		else if (rc == 1)
			rc = 0;
	}
	rds_texts_free(&queues);
	free(l.members);
	return rc;
}
