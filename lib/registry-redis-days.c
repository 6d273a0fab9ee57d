/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/registry-redis.h"

/*
 * Days that d4-core counted before there was anything of ours: records of a
 * sensor by type and by address, not by both, and no bytes.  Its keys are
 *
 *	daily_uuid:DAY			sensors
 *	stat_uuid_type:DAY:UUID		types and their records
 *	stat_uuid_ip:DAY:UUID		addresses and their records
 *
 * From the first day of ours on we count into these ourselves.
 */

#define DAYS	"daily_uuid:"

struct days {
	uint32_t	*list;
	size_t		 n;
	uint32_t	 before;
};

int
rds_first_day(struct rds *r, uint32_t *day)
{
	struct rds_texts texts;
	uint64_t n = UINT32_MAX;
	int rc;

	rc = RDS_LIST(r, &texts, "SORT", OURS "days", "LIMIT", "0", "1");
	if (rc == 0 && texts.n > 0 &&
	    d4_registry_digits(texts.list[0], 99999999, &n) == -1)
		rc = rds_bad(r, OURS "days", "holds what is no day");
	rds_texts_free(&texts);
	*day = (uint32_t)n;
	return rc;
}

static int
on_key(void *cookie, const char *text)
{
	struct days *days = cookie;
	uint64_t day;
	void *list;

	/* What else a person called so is none of ours. */
	if (d4_registry_digits(text, 99999999, &day) == -1 ||
	    day >= days->before)
		return 0;
	list = realloc(days->list, (days->n + 1) * sizeof(*days->list));
	if (list == NULL)
		return -1;
	days->list = list;
	days->list[days->n++] = (uint32_t)day;
	return 0;
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int
rds_each_core_day(struct rds *r, uint32_t before,
    d4_registry_on_day *callback, void *cookie)
{
	struct days days = { .before = before };
	size_t i;
	int rc;

	rc = rds_scan(r, DAYS, on_key, &days);
	if (days.n > 0)
		qsort(days.list, days.n, sizeof(*days.list), compare);
	for (i = 0; rc == 0 && i < days.n; i++) {
		/* SCAN may give a key more than once. */
		if (i == 0 || days.list[i] != days.list[i - 1])
			rc = callback(cookie, days.list[i]);
	}
	free(days.list);
	return rc;
}

/* Each type with the sensor's address, if it had one; each address with its
 * type, if that was one; of several of both the types alone. */
static int
pair(struct rds *r, const char *key, struct d4_registry_count *count,
    const struct rds_texts *types, const struct rds_texts *addresses,
    d4_registry_on_count *callback, void *cookie)
{
	bool by_address = types->n == 2 && addresses->n >= 2;
	const struct rds_texts *each = by_address ? addresses : types;
	const char *address = addresses->n == 2 ? addresses->list[0] :
	    "other";
	uint64_t type;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i + 1 < each->n; i += 2) {
		if (by_address)
			address = each->list[i];
		if (d4_registry_digits(types->list[by_address ? 0 : i],
		    UINT8_MAX, &type) == -1 ||
		    !d4_registry_text_ok(address, sizeof(count->address)) ||
		    d4_registry_digits(each->list[i + 1], UINT64_MAX,
		    &count->records) == -1)
			return rds_bad(r, key,
			    "does not hold the counts of a day");
		count->type = (uint8_t)type;
		(void)snprintf(count->address, sizeof(count->address), "%s",
		    address);
		rc = callback(cookie, count);
	}
	return rc;
}

static int
load_sensor(struct rds *r, uint32_t day, const uint8_t *uuid,
    d4_registry_on_count *callback, void *cookie)
{
	struct rds_texts types, addresses = { .n = 0 };
	struct d4_registry_count count;
	char hex[D4_UUID_HEX], key[RDS_KEY];
	int rc;

	memset(&count, 0, sizeof(count));
	memcpy(count.uuid, uuid, sizeof(count.uuid));
	d4_uuid_hex(hex, uuid);
	rds_key(key, "stat_uuid_ip:%" PRIu32 ":%s", day, hex);
	rc = RDS_LIST(r, &addresses, "ZRANGE", key, "0", "-1", "WITHSCORES");
	rds_key(key, "stat_uuid_type:%" PRIu32 ":%s", day, hex);
	if (rc == 0) {
		rc = RDS_LIST(r, &types, "ZRANGE", key, "0", "-1",
		    "WITHSCORES");
		if (rc == 0)
			rc = pair(r, key, &count, &types, &addresses,
			    callback, cookie);
		rds_texts_free(&types);
	}
	rds_texts_free(&addresses);
	return rc;
}

int
rds_core_counts(struct rds *r, uint32_t day, const uint8_t *uuid,
    d4_registry_on_count *callback, void *cookie)
{
	uint8_t one[D4_UUID_LEN];
	struct rds_texts texts;
	char key[RDS_KEY];
	size_t i;
	int rc;

	if (uuid != NULL)
		return load_sensor(r, day, uuid, callback, cookie);
	rds_key(key, DAYS "%" PRIu32, day);
	rc = RDS_LIST(r, &texts, "ZRANGE", key, "0", "-1");
	for (i = 0; rc == 0 && i < texts.n; i++) {
		rc = rds_uuid(r, key, texts.list[i], one);
		if (rc == 0)
			rc = load_sensor(r, day, one, callback, cookie);
	}
	rds_texts_free(&texts);
	return rc;
}
