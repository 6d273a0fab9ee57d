/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "d4-admin/admin.h"
#include "d4-admin/table.h"
#include "lib/log.h"
#include "lib/uuid.h"

#define TOP	10	/* rows, without -n */

/* What counts are put together by; the rest is left out. */
enum { BY_DAY = 1, BY_UUID = 2, BY_TYPE = 4, BY_ADDRESS = 8 };

struct sum {
	uint32_t	day;
	uint8_t		uuid[D4_UUID_LEN];
	uint8_t		type;
	char		address[D4_REGISTRY_ADDRESS];
	uint64_t	records, bytes;
};

struct sums {
	int		 by;
	uint32_t	 day;		/* whose counts come now */
	int		 type;		/* this one only, or -1 */
	struct sum	*list;
	size_t		 n, room;
};

/* -- sums ------------------------------------------------------------------ */

static int
compare_keys(const void *left, const void *right)
{
	const struct sum *a = left, *b = right;
	int r;

	if (a->day != b->day)
		return a->day < b->day ? -1 : 1;
	if ((r = memcmp(a->uuid, b->uuid, sizeof(a->uuid))) != 0)
		return r;
	return a->type != b->type ? a->type - b->type :
	    strcmp(a->address, b->address);
}

static int
compare_bytes(const void *left, const void *right)
{
	const struct sum *a = left, *b = right;

	if (a->bytes != b->bytes)
		return a->bytes > b->bytes ? -1 : 1;
	return compare_keys(left, right);
}

static void
merge(struct sums *s)
{
	size_t i, n = 0;

	if (s->n == 0)
		return;
	qsort(s->list, s->n, sizeof(*s->list), compare_keys);
	for (i = 1; i < s->n; i++) {
		if (compare_keys(&s->list[n], &s->list[i]) != 0) {
			s->list[++n] = s->list[i];
			continue;
		}
		s->list[n].records += s->list[i].records;
		s->list[n].bytes += s->list[i].bytes;
	}
	s->n = n + 1;
}

/* Merging when it is full keeps the room near what is to be shown. */
static int
make_room(struct sums *s)
{
	size_t room = s->room == 0 ? 1024 : s->room * 2;
	void *list;

	if (s->n < s->room)
		return 0;
	merge(s);
	if (s->room > 0 && s->n < s->room / 2)
		return 0;
	if ((list = realloc(s->list, room * sizeof(*s->list))) == NULL)
		return -1;
	s->list = list;
	s->room = room;
	return 0;
}

static int
on_count(void *cookie, const struct d4_registry_count *count)
{
	struct sums *s = cookie;
	struct sum *sum;

	if (s->type != -1 && count->type != s->type)
		return 0;
	if (make_room(s) == -1)
		return 1;
	sum = &s->list[s->n++];
	memset(sum, 0, sizeof(*sum));
	if ((s->by & BY_DAY) != 0)
		sum->day = s->day;
	if ((s->by & BY_UUID) != 0)
		memcpy(sum->uuid, count->uuid, sizeof(sum->uuid));
	if ((s->by & BY_TYPE) != 0)
		sum->type = count->type;
	if ((s->by & BY_ADDRESS) != 0)
		memcpy(sum->address, count->address, sizeof(sum->address));
	sum->records = count->records;
	sum->bytes = count->bytes;
	return 0;
}

static int
load_day(struct admin *a, struct sums *s, uint32_t day, const uint8_t *uuid)
{
	int r;

	s->day = day;
	r = d4_registry_counts(a->reg, day, uuid, on_count, s);
	if (r == 1)
		d4_log_warnx("memory: not enough");
	return r == 0 ? 0 : r == 1 ? 1 : admin_fault(a);
}

struct days {
	uint32_t	*list;
	size_t		 n;
};

static int
on_day(void *cookie, uint32_t day)
{
	struct days *days = cookie;
	void *list;

	list = realloc(days->list, (days->n + 1) * sizeof(*days->list));
	if (list == NULL)
		return 1;
	days->list = list;
	days->list[days->n++] = day;
	return 0;
}

/* All days: they are listed first, for a callback asks nothing itself. */
static int
load_days(struct admin *a, struct sums *s, const uint8_t *uuid)
{
	struct days days = { .n = 0 };
	int status = 0;
	size_t i;

	if (d4_registry_days(a->reg, on_day, &days) != 0)
		status = admin_fault(a);
	for (i = 0; status == 0 && i < days.n; i++)
		status = load_day(a, s, days.list[i], uuid);
	free(days.list);
	return status;
}

/* -- printing -------------------------------------------------------------- */

#define COLUMNS_MAX	6

/* The columns that the sums are put together by, and what was counted. */
static size_t
choose(struct column columns[COLUMNS_MAX], int by)
{
	static const struct column all[COLUMNS_MAX] = {
		{ "day", "DAY", CELL_TEXT },
		{ "uuid", "UUID", CELL_TEXT },
		{ "type", "TYPE", CELL_COUNT },
		{ "address", "ADDRESS", CELL_TEXT },
		{ "records", "RECORDS", CELL_COUNT },
		{ "bytes", "BYTES", CELL_BYTES }
	};
	size_t i, n = 0;

	for (i = 0; i < COLUMNS_MAX; i++) {
		if (i >= 4 || (by & 1 << i) != 0)
			columns[n++] = all[i];
	}
	return n;
}

static void
print_sum(struct table *t, int by, const struct sum *sum)
{
	char text[D4_UUID_TEXT];

	if ((by & BY_DAY) != 0) {
		(void)snprintf(text, sizeof(text), "%04u-%02u-%02u",
		    sum->day / 10000, sum->day / 100 % 100, sum->day % 100);
		table_text(t, text);
	}
	if ((by & BY_UUID) != 0) {
		d4_uuid_text(text, sum->uuid);
		table_text(t, text);
	}
	if ((by & BY_TYPE) != 0)
		table_number(t, sum->type);
	if ((by & BY_ADDRESS) != 0)
		table_text(t, sum->address);
	table_number(t, sum->records);
	table_number(t, sum->bytes);
}

/* Prints the first so many, and frees. */
static int
print(const struct admin *a, struct sums *s, size_t most)
{
	struct column columns[COLUMNS_MAX];
	size_t i, n = choose(columns, s->by);
	struct table *t;

	if ((t = table_new(columns, n, a->json, a->now)) != NULL) {
		for (i = 0; i < s->n && i < most; i++)
			print_sum(t, s->by, &s->list[i]);
	}
	free(s->list);
	return table_end(t);
}

/* -- verbs ----------------------------------------------------------------- */

static int
show_day(struct admin *a, const struct args *args, uint32_t day)
{
	struct sums s = { .by = BY_UUID | BY_TYPE, .type = -1 };
	int status;

	if (admin_open(a, args) == -1)
		return admin_fault(a);
	status = load_day(a, &s, day, NULL);
	merge(&s);
	return print(a, &s, SIZE_MAX) == 0 ? status : 1;
}

int
stats_today(struct admin *a, const struct args *args)
{
	return show_day(a, args, d4_registry_day(a->now));
}

int
stats_day(struct admin *a, const struct args *args)
{
	uint32_t day;

	return args_day(args->operand[0], &day) != 0 ? 2 :
	    show_day(a, args, day);
}

int
stats_sensor(struct admin *a, const struct args *args)
{
	struct sums s = { .by = BY_DAY | BY_TYPE, .type = -1 };
	uint8_t uuid[D4_UUID_LEN];
	int status;

	if (args_uuid(args->operand[0], uuid) != 0)
		return 2;
	if (admin_open(a, args) == -1)
		return admin_fault(a);
	status = load_days(a, &s, uuid);
	merge(&s);
	return print(a, &s, SIZE_MAX) == 0 ? status : 1;
}

int
stats_type(struct admin *a, const struct args *args)
{
	struct sums s = { .by = BY_DAY | BY_UUID };
	uint64_t type;
	int status;

	if (args_number("type", args->operand[0], 0, UINT8_MAX, &type) != 0)
		return 2;
	if (admin_open(a, args) == -1)
		return admin_fault(a);
	s.type = (int)type;
	status = load_days(a, &s, NULL);
	merge(&s);
	return print(a, &s, SIZE_MAX) == 0 ? status : 1;
}

int
stats_top(struct admin *a, const struct args *args)
{
	const char *by = args_option(args, "by"), *n = args_option(args, "n");
	const char *date = args_option(args, "day");
	struct sums s = { .by = BY_UUID, .type = -1 };
	uint32_t day = d4_registry_day(a->now);
	uint64_t most = TOP;
	int status;

	if (by != NULL && strcmp(by, "address") == 0)
		s.by = BY_ADDRESS;
	else if (by != NULL && strcmp(by, "type") == 0)
		s.by = BY_TYPE;
	else if (by != NULL && strcmp(by, "uuid") != 0)
		return args_misuse(args);
	if ((n != NULL && args_number("-n", n, 1, 1000000, &most) != 0) ||
	    (date != NULL && args_day(date, &day) != 0))
		return 2;
	if (admin_open(a, args) == -1)
		return admin_fault(a);
	status = load_day(a, &s, day, NULL);
	merge(&s);
	if (s.n > 0)
		qsort(s.list, s.n, sizeof(*s.list), compare_bytes);
	return print(a, &s, (size_t)most) == 0 ? status : 1;
}

int
stats_forget(struct admin *a, const struct args *args)
{
	int r, status = 0;
	uint32_t day;
	size_t i;

	for (i = 0; i < args->n; i++) {
		if (args_day(args->operand[i], &day) != 0)
			return 2;
		if (day >= d4_registry_day(a->now)) {
			d4_log_warnx("%s: is not over (expected a day before "
			    "today, UTC)", args->operand[i]);
			return 2;
		}
	}
	if (admin_open(a, args) == -1)
		return admin_fault(a);
	for (i = 0; i < args->n; i++) {
		(void)args_day(args->operand[i], &day);
		if ((r = d4_registry_forget_day(a->reg, day)) == -1)
			return admin_fault(a);
		if (r == 1) {
			d4_log_warnx("%s: has no counts", args->operand[i]);
			status = 1;
		}
	}
	return status;
}
