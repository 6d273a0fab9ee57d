/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/registry-redis.h"

/*
 * A worker holds a lease, a key that expires, and says with each look at the
 * stamp that it lives.  A claim names the token of its worker, and is worth
 * nothing without that worker's lease.  Scripts look and change in one step.
 *
 *	workers			set of tokens
 *	worker:TOKEN		its process's number; expires
 *	live:TOKEN		hash, session -> what is claimed
 *	numbers:TOKEN		hash, session -> records and bytes
 *	claim:UUID:TYPE		"TOKEN SESSION"; not of types 2 and 254
 *	lost:TOKEN		list of sessions that others took; expires
 *
 * What a worker claimed it also knows by itself: when its lease was lost, for
 * the server was away or it was stopped, it claims anew.
 */

#define LEASE_MS	"3000"	/* three looks at the stamp */
#define BEATS		60	/* between two searches for the dead */
#define LINE_MAX_BYTES	256	/* of what is claimed */

struct rds_live {
	uint8_t			session[D4_UUID_LEN];
	struct d4_registry_live	live;
};

static bool
is_shared(uint8_t type)
{
	return type == D4_TYPE_META || type == D4_TYPE_EXTENDED;
}

static void
claim_key(char key[RDS_KEY], const struct d4_registry_live *live)
{
	char hex[D4_UUID_HEX];

	d4_uuid_hex(hex, live->uuid);
	rds_key(key, OURS "claim:%s:%u", hex, live->type);
}

/* "UUID TYPE SINCE ADDRESS [EXTENDED]" */
static void
claim_line(char line[LINE_MAX_BYTES], const struct d4_registry_live *live)
{
	char hex[D4_UUID_HEX];

	d4_uuid_hex(hex, live->uuid);
	(void)snprintf(line, LINE_MAX_BYTES, "%s %u %ju %s%s%s", hex,
	    live->type, (uintmax_t)live->since, live->address,
	    live->extended[0] != '\0' ? " " : "", live->extended);
}

/* -- the lease ------------------------------------------------------------- */

/* Forgets workers without a lease, and what they claimed. */
static int
bury_dead(struct rds *r)
{
	static const char script[] =
	    "local p = ARGV[1] "
	    "for _, t in ipairs(redis.call('SMEMBERS', p..'workers')) do "
	    "if redis.call('EXISTS', p..'worker:'..t) == 0 then "
	    "for _, l in ipairs(redis.call('HVALS', p..'live:'..t)) do "
	    "local u, y = l:match('^(%x+) (%d+) ') "
	    "if u then local c = p..'claim:'..u..':'..y "
	    "local h = redis.call('GET', c) "
	    "if h and h:sub(1, #t) == t then redis.call('DEL', c) end "
	    "end end "
	    "redis.call('DEL', p..'live:'..t, p..'numbers:'..t) "
	    "redis.call('SREM', p..'workers', t) end end "
	    "return 0";

	return (int)RDS_COUNT(r, "EVAL", script, "0", OURS);
}

/* 0 claimed, 1 held by another, -1; *took as in the backend's claim. */
static int
claim(struct rds *r, const struct d4_registry_live *live, bool take_over,
    bool *took, uint8_t lost[D4_UUID_LEN])
{
	static const char script[] =
	    "local p, token, session, line, over, pid, lease, shared = "
	    "unpack(ARGV) "
	    "local took = '' "
	    "redis.call('SET', p..'worker:'..token, pid, 'PX', lease) "
	    "redis.call('SADD', p..'workers', token) "
	    "if shared == '0' then "
	    "local t, s = (redis.call('GET', KEYS[1]) or ''):match("
	    "'^(%x+) (%x+)$') "
	    "if t and s ~= session and (t == token or "
	    "redis.call('EXISTS', p..'worker:'..t) == 1) then "
	    "if over == '0' then return {1, ''} end "
	    "if t == token then took = s else "
	    "redis.call('RPUSH', p..'lost:'..t, s) "
	    "redis.call('EXPIRE', p..'lost:'..t, 3600) end "
	    "end "
	    "if t and s ~= session then redis.call('HDEL', p..'live:'..t, s) "
	    "end "
	    "redis.call('SET', KEYS[1], token..' '..session) end "
	    "redis.call('HSET', p..'live:'..token, session, line) "
	    "local meta = 'metadata_uuid:'..line:match('^%x+') "
	    "local e = redis.call('HGET', meta, 'Error') "
	    "if e and e:sub(1, 12) == 'Error: Type=' then "
	    "redis.call('HDEL', meta, 'Error') end "
	    "return {0, took}";
	char key[RDS_KEY], line[LINE_MAX_BYTES], session[D4_UUID_HEX];
	struct d4_redis_reply reply, one;
	char pid[RDS_NUMBER];
	long long held;

	claim_key(key, live);
	claim_line(line, live);
	d4_uuid_hex(session, live->session);
	rds_number(pid, (uint64_t)getpid());
	if (RDS_DO(r, &reply, "EVAL", script, "1", key, OURS, r->token,
	    session, line, take_over ? "1" : "0", pid, LEASE_MS,
	    is_shared(live->type) ? "1" : "0") == -1)
		return -1;
	if (reply.n != 2)
		return rds_bad(r, key, "is not a claim");
	d4_redis_element(&reply, 0, &one);
	held = one.number;
	d4_redis_element(&reply, 1, &one);
	*took = one.len > 0 && d4_uuid_parse(lost, one.text) == 0;
	return held == 1;
}

/* Somebody has it now: the door learns of it with rds_lost(). */
static int
lose(struct rds *r, const uint8_t session[D4_UUID_LEN])
{
	uint8_t (*lost)[D4_UUID_LEN];

	lost = realloc(r->lost, (r->nlost + 1) * sizeof(*lost));
	if (lost == NULL)
		return rds_fault(r, strerror(errno));
	r->lost = lost;
	memcpy(lost[r->nlost++], session, D4_UUID_LEN);
	return 0;
}

static int
claim_anew(struct rds *r)
{
	const struct rds_live *one;
	uint8_t none[D4_UUID_LEN];
	size_t at = 0;
	bool took;
	int rc;

	while ((one = d4_table_next(r->lives, &at)) != NULL) {
		rc = claim(r, &one->live, false, &took, none);
		if (rc == -1 || (rc == 1 && lose(r, one->session) == -1))
			return -1;
	}
	return 0;
}

/* The lease is set anew at last, so that what fails is tried again. */
int
rds_beat(struct rds *r)
{
	char key[RDS_KEY], pid[RDS_NUMBER];
	struct d4_redis_reply reply;

	rds_key(key, OURS "worker:%s", r->token);
	rds_number(pid, (uint64_t)getpid());
	if (RDS_DO(r, &reply, "SET", key, pid, "PX", LEASE_MS, "XX") == -1)
		return -1;
	if (reply.kind == D4_REDIS_NIL && claim_anew(r) == -1) {
		(void)RDS_COUNT(r, "DEL", key);
		return -1;
	}
	if (r->beats++ % BEATS == 0)
		return bury_dead(r);
	return 0;
}

void
rds_leave(struct rds *r)
{
	char key[4][RDS_KEY];

	rds_key(key[0], OURS "worker:%s", r->token);
	rds_key(key[1], OURS "live:%s", r->token);
	rds_key(key[2], OURS "numbers:%s", r->token);
	rds_key(key[3], OURS "lost:%s", r->token);
	(void)rds_finish(r);
	if (RDS_SEND(r, "DEL", key[0], key[1], key[2], key[3]) == -1)
		return;
	(void)RDS_SEND(r, "SREM", OURS "workers", r->token);
	(void)rds_finish(r);
}

/* -- claims ---------------------------------------------------------------- */

int
rds_claim(void *store, const struct d4_registry_live *live, bool take_over,
    bool *took, uint8_t lost[D4_UUID_LEN])
{
	struct rds *r = store;
	struct rds_live *own;
	int rc;

	*took = false;
	if ((own = malloc(sizeof(*own))) == NULL)
		return rds_fault(r, strerror(errno));
	memcpy(own->session, live->session, sizeof(own->session));
	own->live = *live;
	if (d4_table_put(r->lives, own) == -1) {
		free(own);
		return rds_fault(r, strerror(errno));
	}
	rc = claim(r, live, take_over, took, lost);
	if (rc != 0)
		free(d4_table_take(r->lives, live->session));
	else if (*took)
		free(d4_table_take(r->lives, lost));
	r->works = r->works || rc == 0;
	return rc;
}

int
rds_become(void *store, const struct d4_registry_live *was,
    const struct d4_registry_live *is)
{
	char key[RDS_KEY], line[LINE_MAX_BYTES], session[D4_UUID_HEX];
	struct rds *r = store;
	struct rds_live *own;

	/* Only of these may one become another. */
	if (!is_shared(was->type) || !is_shared(is->type))
		return rds_fault(r, "such a type does not change");
	if ((own = d4_table_get(r->lives, is->session)) != NULL)
		own->live = *is;
	rds_key(key, OURS "live:%s", r->token);
	claim_line(line, is);
	d4_uuid_hex(session, is->session);
	return RDS_COUNT(r, "HSET", key, session, line) == -1 ? -1 : 0;
}

int
rds_release(void *store, const struct d4_registry_live *live)
{
	static const char script[] =
	    "local p, token, session = unpack(ARGV) "
	    "if redis.call('GET', KEYS[1]) == token..' '..session then "
	    "redis.call('DEL', KEYS[1]) end "
	    "redis.call('HDEL', p..'numbers:'..token, session) "
	    "return redis.call('HDEL', p..'live:'..token, session)";
	char key[RDS_KEY], session[D4_UUID_HEX];
	struct rds *r = store;

	free(d4_table_take(r->lives, live->session));
	claim_key(key, live);
	d4_uuid_hex(session, live->session);
	return RDS_COUNT(r, "EVAL", script, "1", key, OURS, r->token,
	    session) == -1 ? -1 : 0;
}

int
rds_lost(void *store, uint8_t session[D4_UUID_LEN])
{
	struct d4_redis_reply reply;
	struct rds *r = store;
	char key[RDS_KEY];

	if (!r->works)
		return 1;
	if (r->nlost > 0)
		memcpy(session, r->lost[--r->nlost], D4_UUID_LEN);
	else {
		rds_key(key, OURS "lost:%s", r->token);
		if (RDS_DO(r, &reply, "LPOP", key) == -1)
			return -1;
		if (reply.kind != D4_REDIS_STRING)
			return 1;
		if (rds_uuid(r, key, reply.text, session) == -1)
			return -1;
	}
	free(d4_table_take(r->lives, session));
	return 0;
}

/* Collectors name the tail of a stream so. */
int
rds_has_stream(void *store, const uint8_t *uuid, uint8_t type,
    const uint8_t *hello)
{
	char key[RDS_KEY], hex[D4_UUID_HEX], stream[2 * D4_HMAC_LEN + 1];
	size_t i;

	d4_uuid_hex(hex, uuid);
	for (i = 0; i < 8; i++)
		(void)snprintf(stream + 2 * i, 3, "%02x", hello[i]);
	rds_key(key, OURS "tail:%s:%u:%s", hex, type, stream);
	return (int)RDS_COUNT(store, "EXISTS", key);
}

/* -- numbers of live connections ------------------------------------------- */

int
rds_save_live(void *store, const struct d4_registry_live *const *live,
    size_t n, uint64_t now_ms)
{
	char key[RDS_KEY], numbers[2 * RDS_NUMBER], now[RDS_NUMBER];
	char session[D4_UUID_HEX];
	struct rds *r = store;
	size_t i;

	if (!r->works)
		return 0;
	rds_key(key, OURS "numbers:%s", r->token);
	rds_number(now, now_ms);
	(void)rds_finish(r);
	if (RDS_SEND(r, "HSET", key, "as_of_ms", now) == -1)
		return -1;
	for (i = 0; i < n; i++) {
		d4_uuid_hex(session, live[i]->session);
		(void)snprintf(numbers, sizeof(numbers), "%ju %ju",
		    (uintmax_t)live[i]->records, (uintmax_t)live[i]->bytes);
		(void)RDS_SEND(r, "HSET", key, session, numbers);
	}
	return rds_finish(r);
}

static int
parse_line(char *line, struct d4_registry_live *live)
{
	uint64_t type;
	char *address, *uuid = d4_registry_word(&line);

	if (uuid == NULL || d4_uuid_parse(live->uuid, uuid) == -1 ||
	    d4_registry_number(&line, UINT8_MAX, &type) == -1 ||
	    d4_registry_number(&line, UINT64_MAX, &live->since) == -1 ||
	    (address = d4_registry_word(&line)) == NULL ||
	    !d4_registry_text_ok(address, sizeof(live->address)) ||
	    (line != NULL && !d4_type_name_ok(line, strlen(line))))
		return -1;
	live->type = (uint8_t)type;
	(void)snprintf(live->address, sizeof(live->address), "%s", address);
	(void)snprintf(live->extended, sizeof(live->extended), "%s",
	    line != NULL ? line : "");
	return 0;
}

/* One worker's claims: session, line, numbers of each. */
static int
each_of_worker(struct rds *r, const char *token, d4_registry_on_live *callback,
    void *cookie)
{
	static const char script[] =
	    "local p, t = ARGV[1], ARGV[2] "
	    "local pid = redis.call('GET', p..'worker:'..t) "
	    "if not pid then return {} end "
	    "local all = {pid, redis.call('HGET', p..'numbers:'..t, "
	    "'as_of_ms') or '0'} "
	    "local l = redis.call('HGETALL', p..'live:'..t) "
	    "for i = 1, #l, 2 do all[#all + 1] = l[i] "
	    "all[#all + 1] = l[i + 1] all[#all + 1] = "
	    "redis.call('HGET', p..'numbers:'..t, l[i]) or '' end "
	    "return all";
	struct d4_registry_live live;
	struct rds_texts texts;
	char key[RDS_KEY], *numbers;
	size_t i;
	int rc;

	rds_key(key, OURS "live:%.64s", token);
	rc = RDS_LIST(r, &texts, "EVAL", script, "0", OURS, token);
	for (i = 2; rc == 0 && i + 2 < texts.n; i += 3) {
		memset(&live, 0, sizeof(live));
		live.pid = strtol(texts.list[0], NULL, 10);
		if (rds_uuid(r, key, texts.list[i], live.session) == -1 ||
		    parse_line(texts.list[i + 1], &live) == -1) {
			rc = rds_bad(r, key, "holds what is not a claim");
			break;
		}
		numbers = texts.list[i + 2];
		if (d4_registry_number(&numbers, UINT64_MAX,
		    &live.records) == 0 &&
		    d4_registry_digits(numbers, UINT64_MAX, &live.bytes) == 0)
			live.as_of_ms = strtoull(texts.list[1], NULL, 10);
		rc = callback(cookie, &live);
	}
	rds_texts_free(&texts);
	return rc;
}

int
rds_each_live(void *store, d4_registry_on_live *callback, void *cookie)
{
	struct rds_texts workers;
	size_t i;
	int rc;

	rc = RDS_LIST(store, &workers, "SMEMBERS", OURS "workers");
	for (i = 0; rc == 0 && i < workers.n; i++)
		rc = each_of_worker(store, workers.list[i], callback, cookie);
	rds_texts_free(&workers);
	return rc;
}
