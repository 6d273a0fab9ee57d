/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/cidr.h"
#include "lib/mac.h"
#include "lib/registry-redis.h"

#define NETWORKS	OURS "blacklist_networks"
#define KICKED		OURS "kicked"
#define STRANGERS	OURS "strangers"	/* uuids by time */
#define STRANGERS_FROM	OURS "strangers_from"	/* their addresses */
#define REGISTERED_AT	OURS "registered_at"
#define PENDING_AT	OURS "pending_at"
#define MODE		OURS "mode"

/* Where a value is kept. */
struct place {
	enum {
		IN_SENSOR,	/* the sensor's own hash: prefix, field */
		IN_HASH,	/* a hash of all sensors: prefix */
		IN_SET		/* a set: prefix; its time in a hash: field */
	}		 kind;
	const char	*prefix;
	const char	*field;
};

static const struct place places[D4_MARKS] = {
	[D4_FIELD_KEY] = { IN_SENSOR, "metadata_uuid:", "hmac_key" },
	[D4_FIELD_DESCRIPTION] = { IN_SENSOR, "metadata_uuid:",
	    "description" },
	[D4_FIELD_MAIL] = { IN_SENSOR, "metadata_uuid:", "user_mail" },
	[D4_FIELD_THIRD_PARTY] = { IN_SENSOR, "metadata_uuid:",
	    "third_party" },
	[D4_FIELD_LIMIT] = { IN_HASH, "stream_max_size_by_uuid", NULL },
	[D4_FIELD_MONITOR] = { IN_SENSOR, "to_monitor:sensor:",
	    "delta_time" },
	[D4_FIELD_MAX_AGE] = { IN_SENSOR, OURS "sensor:", "max_age" },
	[D4_FIELD_MONOTONIC] = { IN_SENSOR, OURS "sensor:", "monotonic" },
	[D4_MARK_REGISTERED] = { IN_SET, "registered_uuid", REGISTERED_AT },
	[D4_MARK_PENDING] = { IN_SET, "sensor_pending_registration",
	    PENDING_AT }
};

/* -- values of a sensor ---------------------------------------------------- */

/* The time of a mark is ours alone: d4-core's marks have none. */
static int
get_mark(struct rds *r, const struct place *place, const char *hex,
    struct d4_redis_reply *reply)
{
	long long is;

	if ((is = RDS_COUNT(r, "SISMEMBER", place->prefix, hex)) != 1)
		return is == 0 ? 1 : -1;
	if (RDS_DO(r, reply, "HGET", place->field, hex) == -1)
		return -1;
	if (reply->kind == D4_REDIS_NIL) {
		reply->kind = D4_REDIS_STRING;
		reply->text = "0";
		reply->len = 1;
	}
	return 0;
}

int
rds_get(void *store, const uint8_t *uuid, unsigned int field, void *buf,
    size_t size, size_t *len)
{
	const struct place *place = &places[field];
	char hex[D4_UUID_HEX], key[RDS_KEY];
	struct d4_redis_reply reply = { .kind = D4_REDIS_NIL };
	struct rds *r = store;
	int rc = 0;

	d4_uuid_hex(hex, uuid);
	rds_key(key, "%s%s", place->prefix, hex);
	if (r->sensor.good && memcmp(r->sensor.uuid, uuid,
	    D4_UUID_LEN) == 0) {
		if ((reply.text = r->sensor.text[field]) != NULL)
			reply.kind = D4_REDIS_STRING;
		reply.len = r->sensor.len[field];
	} else if (place->kind == IN_SET)
		rc = get_mark(r, place, hex, &reply);
	else if (place->kind == IN_HASH)
		rc = RDS_DO(r, &reply, "HGET", place->prefix, hex);
	else
		rc = RDS_DO(r, &reply, "HGET", key, place->field);
	if (rc != 0 || reply.kind == D4_REDIS_NIL)
		return rc != 0 ? rc : 1;
	rds_key(key, "metadata_uuid:%s: %s", hex, place->field != NULL ?
	    place->field : place->prefix);
	if (reply.len >= size)
		return rds_bad(r, key, "is too long");
	if (memchr(reply.text, '\0', reply.len) != NULL)
		return rds_bad(r, key, "holds a NUL");
	memcpy(buf, reply.text, reply.len);
	((char *)buf)[reply.len] = '\0';
	*len = reply.len;
	return 0;
}

/* d4-core's sensors_manager reads its list anew when this time is another. */
static int
set_monitored(struct rds *r, const char *hex, const char *key,
    const char *value)
{
	char now[RDS_NUMBER];

	rds_number(now, (uint64_t)time(NULL));
	if (RDS_SEND(r, "MULTI") == -1)
		return -1;
	if (value != NULL) {
		(void)RDS_SEND(r, "HSET", key, "delta_time", value);
		(void)RDS_SEND(r, "SADD", "to_monitor:sensors", hex);
	} else {
		(void)RDS_SEND(r, "DEL", key);
		(void)RDS_SEND(r, "SREM", "to_monitor:sensors", hex);
		(void)RDS_SEND(r, "SREM", "sensors_monitoring:sensors_error",
		    hex);
	}
	(void)RDS_SEND(r, "SET", "sensors_monitoring:last_updated", now);
	(void)RDS_SEND(r, "EXEC");
	return rds_finish(r);
}

static int
set_mark(struct rds *r, const struct place *place, const char *hex,
    const char *value)
{
	struct d4_redis_reply reply;
	long long n;

	if (RDS_SEND(r, value != NULL ? "SADD" : "SREM", place->prefix,
	    hex) == -1)
		return -1;
	if (value != NULL)
		(void)RDS_SEND(r, "HSET", place->field, hex, value);
	else
		(void)RDS_SEND(r, "HDEL", place->field, hex);
	n = rds_answer(r, &reply) == -1 ? -1 : reply.number;
	if (rds_finish(r) == -1 || n == -1)
		return -1;
	return value == NULL && n == 0 ? 1 : 0;
}

int
rds_set(void *store, const uint8_t *uuid, unsigned int field,
    const void *value, size_t len)
{
	const struct place *place = &places[field];
	char hex[D4_UUID_HEX], key[RDS_KEY];
	struct rds *r = store;
	long long n;

	(void)len;	/* a NUL stands behind it, and none is in it */
	d4_uuid_hex(hex, uuid);
	rds_key(key, "%s%s", place->prefix, hex);
	if (place->kind == IN_SET)
		return set_mark(r, place, hex, value);
	if (field == D4_FIELD_MONITOR) {
		n = RDS_COUNT(r, "EXISTS", key);
		if (n == -1 || set_monitored(r, hex, key, value) == -1)
			return -1;
		return value == NULL && n == 0 ? 1 : 0;
	}
	if (place->kind == IN_HASH)
		n = value != NULL ?
		    RDS_COUNT(r, "HSET", place->prefix, hex, value) :
		    RDS_COUNT(r, "HDEL", place->prefix, hex);
	else
		n = value != NULL ?
		    RDS_COUNT(r, "HSET", key, place->field, value) :
		    RDS_COUNT(r, "HDEL", key, place->field);
	return n == -1 ? -1 : value == NULL && n == 0 ? 1 : 0;
}

int
rds_forget(void *store, const uint8_t *uuid)
{
	unsigned int field;
	int rc, had = 1;

	/* The marks first: what is ended halfway is no registered sensor for
	 * which the default key holds. */
	for (field = D4_MARKS; field-- > 0; ) {
		if ((rc = rds_set(store, uuid, field, NULL, 0)) == -1)
			return -1;
		if (rc == 0)
			had = 0;
	}
	return had;
}

void
rds_drop_sensor(struct rds *r)
{
	unsigned int field;

	if (!r->sensor.good)
		return;
	r->sensor.good = false;
	for (field = 0; field < D4_MARKS; field++) {
		if (r->sensor.text[field] != NULL)
			d4_mac_wipe(r->sensor.text[field],
			    r->sensor.len[field]);
		free(r->sensor.text[field]);
		r->sensor.text[field] = NULL;
	}
}

/* Sends for all values of a sensor, each mark with its time behind it. */
static int
send_sensor(struct rds *r, const char *hex)
{
	const struct place *place;
	char key[RDS_KEY];
	int rc = 0;

	for (place = places; rc == 0 && place < places + D4_MARKS; place++) {
		rds_key(key, "%s%s", place->prefix, hex);
		if (place->kind == IN_SENSOR)
			rc = RDS_SEND(r, "HGET", key, place->field);
		else if (place->kind == IN_HASH)
			rc = RDS_SEND(r, "HGET", place->prefix, hex);
		else if ((rc = RDS_SEND(r, "SISMEMBER", place->prefix,
		    hex)) == 0)
			rc = RDS_SEND(r, "HGET", place->field, hex);
	}
	return rc;
}

/* Keeps the value that the next answers have of a field, if they have one. */
static int
keep_value(struct rds *r, unsigned int field)
{
	bool mark = places[field].kind == IN_SET, is = true;
	struct d4_redis_reply reply;
	const char *text = "0";
	size_t len = 1;

	if (mark) {
		if (rds_answer(r, &reply) == -1)
			return -1;
		is = reply.number == 1;
	}
	if (rds_answer(r, &reply) == -1)
		return -1;
	if (reply.kind == D4_REDIS_STRING) {
		text = reply.text;
		len = reply.len;
	} else if (!mark) {
		is = false;
	}
	if (!is)
		return 0;
	if ((r->sensor.text[field] = malloc(len + 1)) == NULL)
		return rds_fault(r, strerror(errno));
	memcpy(r->sensor.text[field], text, len);
	r->sensor.text[field][len] = '\0';
	r->sensor.len[field] = len;
	return 0;
}

/* Asks for all values at once, for they are what is wanted next. */
int
rds_is_known(void *store, const uint8_t *uuid)
{
	char hex[D4_UUID_HEX], why[D4_REGISTRY_WHY];
	struct rds *r = store;
	unsigned int field;
	bool known = false;
	int rc;

	d4_uuid_hex(hex, uuid);
	(void)rds_finish(r);
	rc = send_sensor(r, hex);
	r->sensor.good = true;
	memcpy(r->sensor.uuid, uuid, D4_UUID_LEN);
	for (field = 0; rc == 0 && field < D4_MARKS; field++) {
		rc = keep_value(r, field);
		known = known || r->sensor.text[field] != NULL;
	}
	if (rc == -1) {
		/* The reason is that of the first fault. */
		memcpy(why, r->why, sizeof(why));
		(void)rds_finish(r);
		memcpy(r->why, why, sizeof(why));
		rds_drop_sensor(r);
		return -1;
	}
	return known ? 0 : 1;
}

/* -- which sensors there are ----------------------------------------------- */

struct known {
	struct rds		*r;
	const char		*key;		/* where it stands */
	d4_registry_on_uuid	*callback;
	void			*cookie;
};

static int
on_known(void *cookie, const char *text)
{
	struct known *k = cookie;
	uint8_t uuid[D4_UUID_LEN];

	if (rds_uuid(k->r, k->key, text, uuid) == -1)
		return -1;
	return k->callback(k->cookie, uuid);
}

/* A sensor's hash has what was set and what was seen. */
int
rds_each_seen(void *store, d4_registry_on_uuid *callback, void *cookie)
{
	static const char *const fields[] = { "last_seen", NULL };
	struct known k = { .r = store, .key = "metadata_uuid:",
	    .callback = callback, .cookie = cookie };

	return rds_scan_hashes(store, k.key, fields, on_known, &k);
}

int
rds_each_known(void *store, d4_registry_on_uuid *callback, void *cookie)
{
	static const char *const fields[] = { "hmac_key", "description",
		"user_mail", "third_party", NULL };
	static const char *const lists[][2] = {
		{ "SMEMBERS", "registered_uuid" },
		{ "SMEMBERS", "sensor_pending_registration" },
		{ "SMEMBERS", "to_monitor:sensors" },
		{ "HKEYS", "stream_max_size_by_uuid" }
	};
	struct known k = { .r = store, .key = "metadata_uuid:",
	    .callback = callback, .cookie = cookie };
	struct rds_texts texts;
	size_t i, j;
	int rc;

	/* Those in several places come several times, for the door to sort. */
	if ((rc = rds_scan_hashes(store, k.key, fields, on_known, &k)) != 0)
		return rc;
	k.key = OURS "sensor:";
	rc = rds_scan(store, k.key, on_known, &k);
	for (i = 0; rc == 0 && i < sizeof(lists) / sizeof(lists[0]); i++) {
		k.key = lists[i][1];
		rc = RDS_LIST(store, &texts, lists[i][0], lists[i][1]);
		for (j = 0; rc == 0 && j < texts.n; j++)
			rc = on_known(&k, texts.list[j]);
		rds_texts_free(&texts);
	}
	return rc;
}

/* -- kicks ----------------------------------------------------------------- */

int
rds_kick(void *store, const uint8_t *uuid, uint64_t until)
{
	char hex[D4_UUID_HEX], number[RDS_NUMBER];

	d4_uuid_hex(hex, uuid);
	rds_number(number, until);
	return RDS_COUNT(store, "HSET", KICKED, hex, number) == -1 ? -1 : 0;
}

int
rds_unkick(void *store, const uint8_t *uuid)
{
	char hex[D4_UUID_HEX];
	long long n;

	d4_uuid_hex(hex, uuid);
	n = RDS_COUNT(store, "HDEL", KICKED, hex);
	return n == -1 ? -1 : n == 0 ? 1 : 0;
}

int
rds_each_kick(void *store, d4_registry_on_time *callback, void *cookie)
{
	uint8_t uuid[D4_UUID_LEN];
	struct rds_texts texts;
	uint64_t until;
	size_t i;
	int rc;

	rc = RDS_LIST(store, &texts, "HGETALL", KICKED);
	for (i = 0; rc == 0 && i + 1 < texts.n; i += 2) {
		if ((rc = rds_uuid(store, KICKED, texts.list[i], uuid)) == -1)
			break;
		rc = d4_registry_digits(texts.list[i + 1], UINT64_MAX,
		    &until) == -1 ?
		    rds_bad(store, KICKED, "holds what is no time") :
		    callback(cookie, uuid, until);
	}
	rds_texts_free(&texts);
	return rc;
}

/* -- strangers ------------------------------------------------------------- */

/* Of too many the oldest leave, in the same step. */
int
rds_stranger(void *store, const uint8_t *uuid, const char *address,
    uint64_t now)
{
	static const char script[] =
	    "if redis.call('ZADD', KEYS[1], 'NX', ARGV[2], ARGV[1]) == 0 "
	    "then return 1 end "
	    "redis.call('HSET', KEYS[2], ARGV[1], ARGV[3]) "
	    "local n = redis.call('ZCARD', KEYS[1]) - ARGV[4] "
	    "if n > 0 then for _, u in ipairs(redis.call('ZRANGE', KEYS[1], "
	    "0, n - 1)) do redis.call('ZREM', KEYS[1], u) "
	    "redis.call('HDEL', KEYS[2], u) end end "
	    "return 0";
	char hex[D4_UUID_HEX], max[RDS_NUMBER], number[RDS_NUMBER];

	d4_uuid_hex(hex, uuid);
	rds_number(number, now);
	rds_number(max, D4_REGISTRY_PENDING);
	return (int)RDS_COUNT(store, "EVAL", script, "2", STRANGERS,
	    STRANGERS_FROM, hex, number, address, max);
}

int
rds_is_stranger(void *store, const uint8_t *uuid)
{
	char hex[D4_UUID_HEX];
	long long n;

	d4_uuid_hex(hex, uuid);
	n = RDS_COUNT(store, "HEXISTS", STRANGERS_FROM, hex);
	return n == -1 ? -1 : n == 0 ? 1 : 0;
}

int
rds_forget_stranger(void *store, const uint8_t *uuid)
{
	struct rds *r = store;
	struct d4_redis_reply reply;
	char hex[D4_UUID_HEX];
	int had;

	d4_uuid_hex(hex, uuid);
	(void)rds_finish(r);
	if (RDS_SEND(r, "ZREM", STRANGERS, hex) == -1)
		return -1;
	(void)RDS_SEND(r, "HDEL", STRANGERS_FROM, hex);
	had = rds_answer(r, &reply) == -1 ? -1 : reply.number == 0;
	return rds_finish(r) == -1 ? -1 : had;
}

int
rds_each_stranger(void *store, d4_registry_on_waiting *callback, void *cookie)
{
	static const char script[] =
	    "local all = {} "
	    "local z = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES') "
	    "for i = 1, #z, 2 do all[#all + 1] = z[i] "
	    "all[#all + 1] = z[i + 1] "
	    "all[#all + 1] = redis.call('HGET', KEYS[2], z[i]) or '' end "
	    "return all";
	struct d4_registry_waiting one;
	struct rds_texts texts;
	size_t i;
	int rc;

	rc = RDS_LIST(store, &texts, "EVAL", script, "2", STRANGERS,
	    STRANGERS_FROM);
	for (i = 0; rc == 0 && i + 2 < texts.n; i += 3) {
		memset(&one, 0, sizeof(one));
		if ((rc = rds_uuid(store, STRANGERS, texts.list[i],
		    one.uuid)) == -1)
			break;
		one.time = strtoull(texts.list[i + 1], NULL, 10);
		(void)snprintf(one.address, sizeof(one.address), "%s",
		    texts.list[i + 2]);
		rc = callback(cookie, &one);
	}
	rds_texts_free(&texts);
	return rc;
}

/* -- sets ------------------------------------------------------------------ */

/* A network is no address for d4-core, which compares texts. */
static const char *
set_key(enum d4_registry_set which, const char *member)
{
	static const char *const keys[D4_SETS] = {
		[D4_SET_BLOCKED_ADDRESSES] = "blacklist_ip",
		[D4_SET_BLOCKED_UUIDS] = "blacklist_uuid",
		[D4_SET_BLOCKED_BY_UUID] = "blacklist_ip_by_uuid",
		[D4_SET_TYPES] = "server:accepted_type",
		[D4_SET_EXTENDED] = "server:accepted_extended_type"
	};

	return which == D4_SET_BLOCKED_ADDRESSES &&
	    strchr(member, '/') != NULL ? NETWORKS : keys[which];
}

int
rds_add(void *store, enum d4_registry_set which, const char *member)
{
	long long n = RDS_COUNT(store, "SADD", set_key(which, member),
	    member);

	return n == -1 ? -1 : n == 0 ? 1 : 0;
}

/* d4-core's web pages keep uuids as they were typed. */
int
rds_remove(void *store, enum d4_registry_set which, const char *member)
{
	const char *key = set_key(which, member);
	char dashed[D4_UUID_TEXT];
	uint8_t uuid[D4_UUID_LEN];
	long long n;

	if (d4_uuid_parse(uuid, member) == 0) {
		d4_uuid_text(dashed, uuid);
		n = RDS_COUNT(store, "SREM", key, member, dashed);
	} else
		n = RDS_COUNT(store, "SREM", key, member);
	return n == -1 ? -1 : n == 0 ? 1 : 0;
}

static int
each_of(struct rds *r, const char *key, d4_registry_on_text *callback,
    void *cookie)
{
	char text[D4_CIDR_TEXT];
	struct rds_texts texts;
	struct d4_cidr net;
	const char *why;
	size_t i;
	int rc;

	rc = RDS_LIST(r, &texts, "SMEMBERS", key);
	for (i = 0; rc == 0 && i < texts.n; i++) {
		/* Spelt by people: 2001:DB8::1. */
		if (strcmp(key, "blacklist_ip") == 0 &&
		    d4_cidr_parse(&net, texts.list[i], &why) == 0) {
			d4_cidr_text(text, &net);
			rc = callback(cookie, text);
		} else
			rc = callback(cookie, texts.list[i]);
	}
	rds_texts_free(&texts);
	return rc;
}

int
rds_each(void *store, enum d4_registry_set which,
    d4_registry_on_text *callback, void *cookie)
{
	int rc;

	rc = each_of(store, set_key(which, ""), callback, cookie);
	if (rc == 0 && which == D4_SET_BLOCKED_ADDRESSES)
		rc = each_of(store, NETWORKS, callback, cookie);
	return rc;
}

/* -- the mode -------------------------------------------------------------- */

/* d4-core has it in its configuration alone, so the key is ours. */
int
rds_get_mode(void *store, char word[D4_REGISTRY_WORD])
{
	struct d4_redis_reply reply;

	if (RDS_DO(store, &reply, "GET", MODE) == -1)
		return -1;
	if (reply.kind == D4_REDIS_NIL)
		return 1;
	if (reply.len >= D4_REGISTRY_WORD)
		return rds_bad(store, MODE, "is too long");
	memcpy(word, reply.text, reply.len);
	word[reply.len] = '\0';
	return 0;
}

int
rds_set_mode(void *store, const char *word)
{
	struct d4_redis_reply reply;
	long long n;

	if (word != NULL)
		return RDS_DO(store, &reply, "SET", MODE, word);
	n = RDS_COUNT(store, "DEL", MODE);
	return n == -1 ? -1 : n == 0 ? 1 : 0;
}
