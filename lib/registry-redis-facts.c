/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/registry-redis.h"

/*
 * Facts and counts of all workers go into the same keys, put together by the
 * server, so nothing has to be read before: "mine" is nothing.  Where d4-core's
 * keys say less than ours (which address sent what, bytes, when the error was)
 * there are some of our own beside:
 *
 *	facts:UUID		hash, error and error_time
 *	days			set of days with counts
 *	counts:DAY		set of sensors counted that day
 *	counts:DAY:UUID		hash, "TYPE ADDRESS r" and "... b"
 */

#define STAMP_DIGITS	14	/* YYYYMMDDHHMMSS */

/* -- facts ----------------------------------------------------------------- */

/* "ADDRESS-YYYYMMDDHHMMSS", in local time as d4-core has it. */
static void
address_text(char text[RDS_KEY], const char *address, uint64_t when)
{
	char at[STAMP_DIGITS + 1] = "";
	time_t t = (time_t)when;
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL ||
	    strftime(at, sizeof(at), "%Y%m%d%H%M%S", &tm) == 0)
		(void)snprintf(at, sizeof(at), "%s", "19700101000000");
	rds_key(text, "%s-%s", address, at);
}

static int
parse_address(struct d4_registry_facts *facts, char *text)
{
	unsigned int n[6];
	struct tm tm = { .tm_isdst = -1 };
	char *at;

	/* NOLINTBEGIN(cert-err34-c): no part is as long as to overflow */
	if ((at = strrchr(text, '-')) == NULL ||
	    strlen(at + 1) != STAMP_DIGITS || sscanf(at + 1,
	    "%4u%2u%2u%2u%2u%2u", &n[0], &n[1], &n[2], &n[3], &n[4],
	    &n[5]) != 6)
		return -1;
	/* NOLINTEND(cert-err34-c) */
	*at = '\0';
	if (!d4_registry_text_ok(text, D4_REGISTRY_ADDRESS))
		return -1;
	tm.tm_year = (int)n[0] - 1900;
	tm.tm_mon = (int)n[1] - 1;
	tm.tm_mday = (int)n[2];
	tm.tm_hour = (int)n[3];
	tm.tm_min = (int)n[4];
	tm.tm_sec = (int)n[5];
	d4_registry_facts_address(facts, text, (uint64_t)mktime(&tm));
	return 0;
}

/* The time that is the element i of what a hash answered; 0 without. */
static int
take_time(struct rds *r, const char *key, const struct d4_redis_reply *reply,
    size_t i, const char *field, uint64_t *time)
{
	char why[64];
	struct d4_redis_reply one;

	d4_redis_element(reply, i, &one);
	*time = 0;
	if (one.kind != D4_REDIS_STRING ||
	    d4_registry_digits(one.text, UINT64_MAX, time) == 0)
		return 0;
	(void)snprintf(why, sizeof(why), "%s is not a time", field);
	return rds_bad(r, key, why);
}

/* The next answer has first_seen and last_seen of a hash, and perhaps more. */
static int
load_times(struct rds *r, const char *key, struct d4_redis_reply *reply,
    uint64_t *first, uint64_t *last)
{
	if (rds_answer(r, reply) == -1)
		return -1;
	if (reply->n < 2)
		return rds_bad(r, key, "does not hold the facts of a sensor");
	return take_time(r, key, reply, 0, "first_seen", first) == -1 ? -1 :
	    take_time(r, key, reply, 1, "last_seen", last);
}

static int
compare_numbers(const void *a, const void *b)
{
	return (int)(strtol(*(char *const *)a, NULL, 10) -
	    strtol(*(char *const *)b, NULL, 10));
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
types_key(char key[RDS_KEY], const char *hex, bool extended)
{
	rds_key(key, "all_%stypes_by_uuid:%s", extended ? "extended_" : "",
	    hex);
}

static void
seen_key(char key[RDS_KEY], const char *hex, bool extended, const char *name)
{
	rds_key(key, "metadata_%stype_by_uuid:%s:%.100s",
	    extended ? "extended_" : "", hex, name);
}

/* The next answer has the types that were ever announced. */
static int
load_names(struct rds *r, const char *hex, bool extended,
    struct rds_texts *names)
{
	struct d4_redis_reply reply;
	char key[RDS_KEY];
	uint64_t type;
	size_t i;

	if (rds_answer(r, &reply) == -1 || rds_copy(r, &reply, names) == -1)
		return -1;
	types_key(key, hex, extended);
	for (i = 0; i < names->n; i++) {
		if (extended ? !d4_type_name_ok(names->list[i],
		    strlen(names->list[i])) :
		    d4_registry_digits(names->list[i], UINT8_MAX, &type) == -1)
			return rds_bad(r, key, "holds what is no type");
	}
	if (names->n > 0)
		qsort(names->list, names->n, sizeof(char *), extended ?
		    compare_names : compare_numbers);
	return 0;
}

/* When these were seen, if so. */
static int
load_seen(struct rds *r, const char *hex, bool extended,
    const struct rds_texts *names, struct d4_registry_facts *facts)
{
	struct d4_registry_seen *seen;
	struct d4_redis_reply reply;
	uint64_t first = 0, last = 0;
	char key[RDS_KEY];
	size_t i;

	for (i = 0; i < names->n; i++) {
		seen_key(key, hex, extended, names->list[i]);
		if (RDS_SEND(r, "HMGET", key, "first_seen", "last_seen") == -1)
			return -1;
	}
	for (i = 0; i < names->n; i++) {
		seen_key(key, hex, extended, names->list[i]);
		if (load_times(r, key, &reply, &first, &last) == -1)
			return -1;
		if (last == 0)
			continue;
		seen = d4_registry_facts_seen(facts, extended ?
		    D4_TYPE_EXTENDED : (uint8_t)strtoul(names->list[i], NULL,
		    10), extended ? names->list[i] : "");
		if (seen == NULL)
			return rds_fault(r, strerror(errno));
		seen->first = first;
		seen->last = last;
	}
	return 0;
}

/* The next answer has the last addresses, newest first. */
static int
load_addresses(struct rds *r, const char *hex,
    struct d4_registry_facts *facts)
{
	struct d4_redis_reply reply;
	struct rds_texts texts;
	char key[RDS_KEY];
	size_t i;
	int rc;

	if (rds_answer(r, &reply) == -1)
		return -1;
	rds_key(key, "list_uuid_ip:%s", hex);
	rc = rds_copy(r, &reply, &texts);
	for (i = texts.n; rc == 0 && i > 0; i--) {
		if (parse_address(facts, texts.list[i - 1]) == -1)
			rc = rds_bad(r, key, "holds what is no address");
	}
	rds_texts_free(&texts);
	return rc;
}

/* The next answer has our error, with its time; one that only d4-core's hash
 * has, which is in theirs, is as old as the sensor's last sign of life. */
static int
load_error(struct rds *r, const char *hex, const char *theirs,
    struct d4_registry_facts *facts)
{
	struct d4_redis_reply reply, one;
	char key[RDS_KEY];

	if (rds_answer(r, &reply) == -1)
		return -1;
	rds_key(key, OURS "facts:%s", hex);
	if (take_time(r, key, &reply, 0, "error_time",
	    &facts->error_time) == -1)
		return -1;
	d4_redis_element(&reply, 1, &one);
	if (one.kind == D4_REDIS_STRING)
		(void)snprintf(facts->error, sizeof(facts->error), "%s",
		    one.text);
	if (theirs != NULL && strcmp(theirs, facts->error) != 0) {
		(void)snprintf(facts->error, sizeof(facts->error), "%s",
		    theirs);
		facts->error_time = facts->last != 0 ? facts->last : 1;
	}
	return 0;
}

/* Asks for all at once, then for what only the answers tell. */
static int
load_all(struct rds *r, const char *hex, struct d4_registry_facts *facts)
{
	char meta[RDS_KEY], key[RDS_KEY], error[D4_REGISTRY_TEXT];
	struct rds_texts types = { .n = 0 }, extended = { .n = 0 };
	struct d4_redis_reply reply, one;
	int rc;

	rds_key(meta, "metadata_uuid:%s", hex);
	(void)rds_finish(r);
	if (RDS_SEND(r, "HMGET", meta, "first_seen", "last_seen",
	    "Error") == -1)
		return -1;
	rds_key(key, OURS "facts:%s", hex);
	(void)RDS_SEND(r, "HMGET", key, "error_time", "error");
	rds_key(key, "list_uuid_ip:%s", hex);
	(void)RDS_SEND(r, "LRANGE", key, "0", "-1");
	types_key(key, hex, false);
	(void)RDS_SEND(r, "SMEMBERS", key);
	types_key(key, hex, true);
	(void)RDS_SEND(r, "SMEMBERS", key);
	rc = load_times(r, meta, &reply, &facts->first, &facts->last);
	if (rc == 0) {
		d4_redis_element(&reply, 2, &one);
		(void)snprintf(error, sizeof(error), "%s",
		    one.kind == D4_REDIS_STRING ? one.text : "");
		rc = load_error(r, hex, one.kind == D4_REDIS_STRING ? error :
		    NULL, facts);
	}
	if (rc == 0 && (load_addresses(r, hex, facts) == -1 ||
	    load_names(r, hex, false, &types) == -1 ||
	    load_names(r, hex, true, &extended) == -1 ||
	    load_seen(r, hex, false, &types, facts) == -1 ||
	    load_seen(r, hex, true, &extended, facts) == -1))
		rc = -1;
	rds_texts_free(&types);
	rds_texts_free(&extended);
	return rc;
}

int
rds_load_facts(void *store, const uint8_t *uuid, bool mine,
    struct d4_registry_facts *facts)
{
	struct d4_registry_facts one = { .first = 0 };
	char hex[D4_UUID_HEX], why[D4_REGISTRY_WHY];
	struct rds *r = store;
	int rc;

	if (mine)
		return 0;
	d4_uuid_hex(hex, uuid);
	if ((rc = load_all(r, hex, &one)) == -1) {
		/* The reason is that of the first fault. */
		memcpy(why, r->why, sizeof(why));
		(void)rds_finish(r);
		memcpy(r->why, why, sizeof(why));
	} else if (d4_registry_facts_add(facts, &one) == -1) {
		rc = rds_fault(r, strerror(errno));
	}
	d4_registry_facts_free(&one);
	return rc;
}

/*
 * ARGV: prefix, uuid, first, last, error's time, error, number of addresses,
 * addresses newest first, then four of each type: "t" or "e", name, first,
 * last.  d4-core's web pages have errors in its words.  One goes with the next
 * sign of life; those on data that came before, which workers find bad, with
 * the next connection.
 */
static const char save_script[] =
    "local p, u = ARGV[1], ARGV[2] "
    "local function span(key, first, last) "
    "local f = tonumber(redis.call('HGET', key, 'first_seen') or nil) "
    "local l = tonumber(redis.call('HGET', key, 'last_seen') or nil) "
    "if first ~= '0' and (not f or tonumber(first) < f) then "
    "redis.call('HSET', key, 'first_seen', first) end "
    "if last ~= '0' and (not l or tonumber(last) > l) then "
    "redis.call('HSET', key, 'last_seen', last) l = tonumber(last) end "
    "return l or 0 end "
    "local meta = 'metadata_uuid:'..u "
    "local last = span(meta, ARGV[3], ARGV[4]) "
    "local facts, etime = p..'facts:'..u, tonumber(ARGV[5]) "
    "local known = tonumber(redis.call('HGET', facts, 'error_time') or '0') "
    "if etime > 0 and etime >= known then "
    "redis.call('HSET', facts, 'error_time', ARGV[5], 'error', ARGV[6]) "
    "known = etime end "
    "local e = redis.call('HGET', facts, 'error') or '' "
    "if known > 0 and known >= last and e:sub(1, 7) == 'Error: ' then "
    "redis.call('HSET', meta, 'Error', e) else "
    "e = redis.call('HGET', meta, 'Error') "
    "if e and e:sub(1, 12) ~= 'Error: Type=' then "
    "redis.call('HDEL', meta, 'Error') end end "
    "local n = tonumber(ARGV[7]) "
    "if n > 0 then local list, has = 'list_uuid_ip:'..u, {} "
    "local all = redis.call('LRANGE', list, 0, -1) "
    "for _, a in ipairs(all) do has[a] = true end "
    "local new = false "
    "for i = 1, n do local a = ARGV[7 + i] "
    "if not has[a] then new = true local at = 1 "
    "while all[at] and all[at]:sub(-14) > a:sub(-14) do at = at + 1 end "
    "table.insert(all, at, a) end end "
    "if new then redis.call('DEL', list) "
    "for i = 1, math.min(#all, 16) do redis.call('RPUSH', list, all[i]) end "
    "end end "
    "for i = 8 + n, #ARGV, 4 do local x = ARGV[i] == 'e' and 'extended_' "
    "or '' "
    "redis.call('SADD', 'all_'..x..'types_by_uuid:'..u, ARGV[i + 1]) "
    "span('metadata_'..x..'type_by_uuid:'..u..':'..ARGV[i + 1], "
    "ARGV[i + 2], ARGV[i + 3]) end "
    "return 0";

/* Words of a command that are made one after the other. */
struct words {
	const char	**list;
	char		(*texts)[RDS_KEY];
	size_t		 n;
	size_t		 ntexts;
};

static void
put(struct words *w, const char *word)
{
	w->list[w->n++] = word;
}

static void
put_number(struct words *w, uint64_t n)
{
	rds_key(w->texts[w->ntexts], "%ju", (uintmax_t)n);
	put(w, w->texts[w->ntexts++]);
}

static void
put_address(struct words *w, const char *address, uint64_t when)
{
	address_text(w->texts[w->ntexts], address, when);
	put(w, w->texts[w->ntexts++]);
}

static void
put_seen(struct words *w, const struct d4_registry_seen *seen)
{
	/* Claimed, but nothing was noted yet. */
	if (seen->last == 0)
		return;
	put(w, seen->extended[0] != '\0' ? "e" : "t");
	if (seen->extended[0] != '\0')
		put(w, seen->extended);
	else
		put_number(w, seen->type);
	put_number(w, seen->first);
	put_number(w, seen->last);
}

int
rds_save_facts(void *store, const uint8_t *uuid,
    const struct d4_registry_facts *facts)
{
	size_t i, max = 16 + D4_REGISTRY_ADDRESSES + 4 * facts->nseen;
	struct words w = { .n = 0 };
	char hex[D4_UUID_HEX];
	struct rds *r = store;
	struct d4_redis_reply reply;
	int rc = -1;

	d4_uuid_hex(hex, uuid);
	w.list = calloc(max, sizeof(*w.list));
	w.texts = calloc(max, sizeof(*w.texts));
	if (w.list != NULL && w.texts != NULL) {
		put(&w, "EVAL");
		put(&w, save_script);
		put(&w, "0");
		put(&w, OURS);
		put(&w, hex);
		put_number(&w, facts->first);
		put_number(&w, facts->last);
		put_number(&w, facts->error_time);
		put(&w, facts->error);
		put_number(&w, facts->naddresses);
		for (i = 0; i < facts->naddresses; i++)
			put_address(&w, facts->addresses[i].text,
			    facts->addresses[i].time);
		for (i = 0; i < facts->nseen; i++)
			put_seen(&w, &facts->seen[i]);
		rc = rds_do(r, &reply, w.list);
	} else
		(void)rds_fault(r, strerror(errno));
	free(w.texts);
	free(w.list);
	return rc;
}

/* -- counts ---------------------------------------------------------------- */

/* d4-core's days are local ones.  What is counted now is of that day. */
static uint32_t
local_day(uint32_t day)
{
	time_t now = time(NULL);
	struct tm tm;

	if (day != d4_registry_day((uint64_t)now) ||
	    localtime_r(&now, &tm) == NULL)
		return day;
	return (uint32_t)((tm.tm_year + 1900) * 10000 +
	    (tm.tm_mon + 1) * 100 + tm.tm_mday);
}

static void
add(struct rds *r, const char *n, const char *member, const char *fmt,
    uint32_t day, const char *of)
{
	char key[RDS_KEY];

	rds_key(key, "%s:%" PRIu32 "%s%s", fmt, day, *of != '\0' ? ":" : "",
	    of);
	(void)RDS_SEND(r, "ZINCRBY", key, n, member);
}

/* d4-core's seven, and ours. */
static void
send_cell(struct rds *r, uint32_t day, const char *hex,
    const struct d4_registry_cell *cell)
{
	char field[RDS_KEY], key[RDS_KEY], n[RDS_NUMBER], type[4];
	uint32_t theirs = local_day(day);

	rds_number(n, cell->new_records);
	(void)snprintf(type, sizeof(type), "%u", cell->type);
	add(r, n, hex, "daily_uuid", theirs, "");
	add(r, n, cell->address, "daily_ip", theirs, "");
	add(r, n, type, "daily_type", theirs, "");
	add(r, n, cell->address, "stat_uuid_ip", theirs, hex);
	add(r, n, hex, "stat_ip_uuid", theirs, cell->address);
	add(r, n, type, "stat_uuid_type", theirs, hex);
	add(r, n, hex, "stat_type_uuid", theirs, type);
	rds_key(key, OURS "counts:%" PRIu32 ":%s", day, hex);
	rds_key(field, "%s %s r", type, cell->address);
	(void)RDS_SEND(r, "HINCRBY", key, field, n);
	rds_key(field, "%s %s b", type, cell->address);
	rds_number(n, cell->new_bytes);
	(void)RDS_SEND(r, "HINCRBY", key, field, n);
}

int
rds_save_counts(void *store, uint32_t day, const uint8_t *uuid,
    const struct d4_registry_cell *cells, size_t n)
{
	char hex[D4_UUID_HEX], key[RDS_KEY], text[RDS_NUMBER];
	struct rds *r = store;
	size_t i;

	d4_uuid_hex(hex, uuid);
	rds_number(text, day);
	rds_key(key, OURS "counts:%" PRIu32, day);
	(void)rds_finish(r);
	if (RDS_SEND(r, "MULTI") == -1)
		return -1;
	(void)RDS_SEND(r, "SADD", OURS "days", text);
	(void)RDS_SEND(r, "SADD", key, hex);
	for (i = 0; i < n; i++) {
		if (cells[i].new_records > 0)
			send_cell(r, day, hex, &cells[i]);
	}
	(void)RDS_SEND(r, "EXEC");
	return rds_finish(r);
}

/* "TYPE ADDRESS r" or "... b" */
static int
parse_field(char *field, const char *number, struct d4_registry_count *count)
{
	uint64_t n, type;
	char *address;

	if (d4_registry_number(&field, UINT8_MAX, &type) == -1 ||
	    (address = d4_registry_word(&field)) == NULL || field == NULL ||
	    !d4_registry_text_ok(address, sizeof(count->address)) ||
	    d4_registry_digits(number, UINT64_MAX, &n) == -1 ||
	    (strcmp(field, "r") != 0 && strcmp(field, "b") != 0))
		return -1;
	count->type = (uint8_t)type;
	(void)snprintf(count->address, sizeof(count->address), "%s", address);
	count->records = *field == 'r' ? n : 0;
	count->bytes = *field == 'b' ? n : 0;
	return 0;
}

static int
load_sensor(struct rds *r, uint32_t day, const uint8_t *uuid,
    d4_registry_on_count *callback, void *cookie)
{
	struct d4_registry_count count;
	char hex[D4_UUID_HEX], key[RDS_KEY];
	struct rds_texts texts;
	size_t i;
	int rc;

	d4_uuid_hex(hex, uuid);
	rds_key(key, OURS "counts:%" PRIu32 ":%s", day, hex);
	memset(&count, 0, sizeof(count));
	memcpy(count.uuid, uuid, sizeof(count.uuid));
	rc = RDS_LIST(r, &texts, "HGETALL", key);
	for (i = 0; rc == 0 && i + 1 < texts.n; i += 2)
		rc = parse_field(texts.list[i], texts.list[i + 1],
		    &count) == -1 ?
		    rds_bad(r, key, "does not hold the counts of a day") :
		    callback(cookie, &count);
	rds_texts_free(&texts);
	return rc;
}

int
rds_load_counts(void *store, uint32_t day, const uint8_t *uuid, bool mine,
    d4_registry_on_count *callback, void *cookie)
{
	uint8_t one[D4_UUID_LEN];
	struct rds_texts texts;
	struct rds *r = store;
	char key[RDS_KEY];
	uint32_t first;
	size_t i;
	int rc;

	if (mine)
		return 0;
	if (rds_first_day(r, &first) == -1)
		return -1;
	if (day < first)
		return rds_core_counts(r, day, uuid, callback, cookie);
	if (uuid != NULL)
		return load_sensor(r, day, uuid, callback, cookie);
	rds_key(key, OURS "counts:%" PRIu32, day);
	rc = RDS_LIST(r, &texts, "SMEMBERS", key);
	for (i = 0; rc == 0 && i < texts.n; i++) {
		rc = rds_uuid(r, key, texts.list[i], one);
		if (rc == 0)
			rc = load_sensor(r, day, one, callback, cookie);
	}
	rds_texts_free(&texts);
	return rc;
}

/* What can't be read was never read as mine. */
void
rds_set_aside(void *store, const uint8_t *uuid, uint32_t day)
{
	(void)store;
	(void)uuid;
	(void)day;
}

int
rds_each_day(void *store, d4_registry_on_day *callback, void *cookie)
{
	struct rds_texts texts;
	uint32_t first;
	uint64_t day;
	size_t i;
	int rc;

	if ((rc = rds_first_day(store, &first)) != 0 ||
	    (rc = rds_each_core_day(store, first, callback, cookie)) != 0)
		return rc;
	rc = RDS_LIST(store, &texts, "SORT", OURS "days");
	for (i = 0; rc == 0 && i < texts.n; i++)
		rc = d4_registry_digits(texts.list[i], 99999999, &day) == -1 ||
		    day < 10000000 ?
		    rds_bad(store, OURS "days", "holds what is no day") :
		    callback(cookie, (uint32_t)day);
	rds_texts_free(&texts);
	return rc;
}

int
rds_forget_day(void *store, uint32_t day)
{
	static const char script[] =
	    "local p, d = ARGV[1], ARGV[2] "
	    "if redis.call('SREM', p..'days', d) == 0 and "
	    "redis.call('EXISTS', 'daily_uuid:'..d) == 0 then return 1 end "
	    "local function del(k) redis.call('DEL', k) end "
	    "local function each(k) return redis.call('ZRANGE', k..d, 0, -1) "
	    "end "
	    "for _, u in ipairs(each('daily_uuid:')) do "
	    "del('stat_uuid_ip:'..d..':'..u) "
	    "del('stat_uuid_type:'..d..':'..u) end "
	    "for _, a in ipairs(each('daily_ip:')) do "
	    "del('stat_ip_uuid:'..d..':'..a) end "
	    "for _, t in ipairs(each('daily_type:')) do "
	    "del('stat_type_uuid:'..d..':'..t) end "
	    "for _, u in ipairs(redis.call('SMEMBERS', p..'counts:'..d)) do "
	    "local c = p..'counts:'..d..':'..u "
	    "for _, f in ipairs(redis.call('HKEYS', c)) do "
	    "local t, a = f:match('^(%d+) (%S+) ') "
	    "if t then del('stat_ip_uuid:'..d..':'..a) "
	    "del('stat_type_uuid:'..d..':'..t) end end "
	    "del('stat_uuid_ip:'..d..':'..u) del('stat_uuid_type:'..d..':'..u) "
	    "del(c) end "
	    "del('daily_uuid:'..d) del('daily_ip:'..d) del('daily_type:'..d) "
	    "del(p..'counts:'..d) return 0";
	char text[RDS_NUMBER];

	rds_number(text, day);
	return (int)RDS_COUNT(store, "EVAL", script, "0", OURS, text);
}
