/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "d4-admin/check.h"
#include "lib/cidr.h"
#include "lib/log.h"
#include "lib/mac.h"
#include "lib/uuid.h"

/* -- sets ------------------------------------------------------------------ */

struct members {
	struct check		*check;
	enum d4_registry_set	 set;
	const char		*what;
};

/* Why the text is no member of the set, or NULL. */
static const char *
judge(enum d4_registry_set set, const char *text)
{
	const char *why = NULL;
	uint8_t uuid[D4_UUID_LEN];
	struct d4_cidr net;

	switch (set) {
	case D4_SET_BLOCKED_ADDRESSES:
		return d4_cidr_parse(&net, text, &why) == 0 ? NULL : why;
	case D4_SET_BLOCKED_UUIDS:
	case D4_SET_BLOCKED_BY_UUID:
		return d4_uuid_parse(uuid, text) == 0 ? NULL :
		    "is not a uuid";
	case D4_SET_TYPES:
		return *text != '\0' && strlen(text) < 4 &&
		    strspn(text, "0123456789") == strlen(text) &&
		    strtol(text, NULL, 10) <= UINT8_MAX ? NULL :
		    "is not a number of 0 to 255";
	default:
		return d4_type_name_ok(text, strlen(text)) ? NULL :
		    "is not a name of one";
	}
}

static int
on_member(void *cookie, const char *text)
{
	struct members *m = cookie;
	const char *why = judge(m->set, text);
	char object[320];

	if (why != NULL) {
		(void)snprintf(object, sizeof(object), "%s %.255s", m->what,
		    text);
		check_report(m->check, object, why, false);
	}
	return 0;
}

static void
check_sets(struct check *c)
{
	static const char *const names[D4_SETS] = {
		[D4_SET_BLOCKED_ADDRESSES] = "blocked address",
		[D4_SET_BLOCKED_UUIDS] = "blocked uuid",
		[D4_SET_BLOCKED_BY_UUID] = "blocked by uuid",
		[D4_SET_TYPES] = "type",
		[D4_SET_EXTENDED] = "extended type"
	};
	struct members m = { .check = c };
	unsigned i;

	for (i = 0; i < D4_SETS; i++) {
		m.set = (enum d4_registry_set)i;
		m.what = names[i];
		if (d4_registry_each(c->admin->reg, m.set, on_member, &m) != 0)
			check_report(c, m.what,
			    d4_registry_why(c->admin->reg), false);
	}
}

/* -- sensors --------------------------------------------------------------- */

/* Why the value is not one of its field, or NULL. */
static const char *
judge_value(enum d4_registry_field field, const char *value, size_t len)
{
	size_t i;

	if (field == D4_FIELD_KEY)
		return len == 0 ? "is empty" : NULL;
	if (field >= D4_FIELD_LIMIT)
		return len > 0 && len < 19 &&
		    strspn(value, "0123456789") == len ? NULL :
		    "is not a number";
	for (i = 0; i < len; i++) {
		if ((unsigned char)value[i] < ' ' || value[i] == 127)
			return "is not one line";
	}
	return len < D4_REGISTRY_TEXT ? NULL : "is too long";
}

static void
check_field(struct check *c, const uint8_t *uuid, const char *name,
    enum d4_registry_field field)
{
	char value[D4_REGISTRY_KEY + 1], text[64];
	const char *why;
	size_t len;
	int r;

	r = d4_registry_get(c->admin->reg, uuid, field, value, sizeof(value),
	    &len);
	if (r == -1) {
		check_report(c, name, d4_registry_why(c->admin->reg), false);
	} else if (r == 0 && (why = judge_value(field, value, len)) != NULL) {
		(void)snprintf(text, sizeof(text), "%s: %s",
		    d4_registry_field_name(field), why);
		check_report(c, name, text, false);
	}
	d4_mac_wipe(value, sizeof(value));
}

/* What is known of a sensor can be read, value by value. */
static void
check_sensor(struct check *c, const uint8_t *uuid)
{
	struct d4_registry_facts facts;
	char name[D4_UUID_TEXT];
	unsigned i;

	d4_uuid_text(name, uuid);
	for (i = 0; i < D4_FIELDS; i++)
		check_field(c, uuid, name, (enum d4_registry_field)i);
	if (d4_registry_facts(c->admin->reg, uuid, &facts) == -1)
		check_report(c, name, d4_registry_why(c->admin->reg), false);
	d4_registry_facts_free(&facts);
}

static int
compare(const void *a, const void *b)
{
	return memcmp(a, b, D4_UUID_LEN);
}

static void
check_sensors(struct check *c)
{
	struct uuids *uuids = &c->sensors;
	size_t i;

	if (check_is_redis(c->admin->place.registry) &&
	    d4_registry_sensors(c->admin->reg, keep_uuid, uuids) != 0)
		check_report(c, "registry", d4_registry_why(c->admin->reg),
		    false);
	c->failed = c->failed || uuids->failed;
	if (uuids->n > 0)
		qsort(uuids->list, uuids->n, D4_UUID_LEN, compare);
	for (i = 0; i < uuids->n; i++) {
		if (i == 0 || compare(uuids->list[i - 1],
		    uuids->list[i]) != 0)
			check_sensor(c, uuids->list[i]);
	}
}

/* -- days ------------------------------------------------------------------ */

static int
on_count(void *cookie, const struct d4_registry_count *count)
{
	(void)cookie;
	(void)count;
	return 0;
}

/* Days come in order, so the next is the least beyond the last. */
static int
on_day(void *cookie, uint32_t day)
{
	uint32_t *last = cookie;

	if (day <= *last)
		return 0;
	*last = day;
	return 1;
}

static void
check_days(struct check *c)
{
	struct d4_registry *reg = c->admin->reg;
	char name[24];
	uint32_t day = 0;
	int r;

	while ((r = d4_registry_days(reg, on_day, &day)) == 1) {
		(void)snprintf(name, sizeof(name), "day %lu",
		    (unsigned long)day);
		if (d4_registry_counts(reg, day, NULL, on_count, NULL) == -1)
			check_report(c, name, d4_registry_why(reg), false);
	}
	if (r == -1)
		check_report(c, "days", d4_registry_why(reg), false);
}

/* -- items ----------------------------------------------------------------- */

/* Items of these are paths; of type 4 only those that look like one. */
static bool
holds_paths(const struct d4_registry_queue *q)
{
	static const char *const extended[] = {
		"ja3-jl", "filewatcher", "filewatcherjson"
	};
	size_t i;

	if (*q->extended == '\0')
		return q->type == 1 || q->type == 4 || q->type == 5 ||
		    q->type == 7;
	for (i = 0; i < sizeof(extended) / sizeof(extended[0]); i++) {
		if (strcmp(q->extended, extended[i]) == 0)
			return true;
	}
	return false;
}

static bool
is_missing(const struct d4_queue_item *item)
{
	struct stat st;

	return item->len > 0 && item->data[0] == '/' &&
	    strlen((const char *)item->data) == item->len &&
	    stat((const char *)item->data, &st) == -1 && errno == ENOENT;
}

struct items {
	struct check	*check;
	const char	*queue;
	bool		 report;	/* as faults that are left */
	size_t		 missing;
};

/* Reports one; with a queue it is dropped from it. */
static void
report_item(const struct items *items, struct d4_queue_item *item,
    struct d4_queue *queue)
{
	char what[512];

	(void)snprintf(what, sizeof(what), "item names a missing file: %.400s",
	    (const char *)item->data);
	check_report(items->check, items->queue, what,
	    queue != NULL && d4_queue_ack(queue, item) == 0);
}

static int
on_item(void *cookie, const uint8_t *data, size_t len)
{
	struct d4_queue_item item = { .len = len };
	struct items *items = cookie;

	if ((item.data = malloc(len + 1)) == NULL)
		return -1;
	memcpy(item.data, data, len);
	item.data[len] = '\0';
	if (is_missing(&item)) {
		items->missing++;
		if (items->report)
			report_item(items, &item, NULL);
	}
	free(item.data);
	return 0;
}

/* Takes each item once: what is missing goes, the others go back where they
 * were, the last first for each goes to the front. */
static int
drop_missing(struct items *items, struct d4_queue *queue)
{
	struct d4_queue_item *kept;
	int64_t i, n = d4_queue_length(queue), nkept = 0;
	int r = 1;

	if (n == -1 || (kept = calloc((size_t)n + 1, sizeof(*kept))) == NULL)
		return -1;
	for (i = 0; r == 1 && i < n; i++) {
		r = d4_queue_take(queue, &kept[nkept], 0);
		if (r == 1 && is_missing(&kept[nkept]))
			report_item(items, &kept[nkept], queue);
		else if (r == 1)
			nkept++;
	}
	while (nkept > 0) {
		if (d4_queue_put_back(queue, &kept[--nkept]) == -1)
			r = -1;
	}
	free(kept);
	return r == -1 ? -1 : 0;
}

static int
look(struct items *items, struct d4_queue *queue)
{
	int64_t n = d4_queue_length(queue);

	items->missing = 0;
	return n == -1 ? -1 : d4_queue_peek(queue, (size_t)n, on_item, items);
}

static int
check_items(void *cookie, const struct d4_registry_queue *q)
{
	char text[D4_UUID_TEXT];
	struct items items = { .check = cookie, .queue = text };
	struct d4_queue *queue;
	int r;

	if (!holds_paths(q))
		return 0;
	d4_uuid_text(text, q->uuid);
	if ((queue = place_queue(&items.check->admin->place, q)) == NULL) {
		items.check->failed = true;
		return 0;
	}
	items.report = !items.check->fixes;
	r = look(&items, queue);
	if (r != -1 && items.check->fixes && items.missing > 0 &&
	    (r = drop_missing(&items, queue)) == -1) {
		/* These are still there. */
		d4_log_warnx("%s", d4_queue_fault(queue));
		items.check->failed = items.report = true;
		r = look(&items, queue);
	}
	if (r == -1) {
		d4_log_warnx("%s", d4_queue_fault(queue));
		items.check->failed = true;
	}
	d4_queue_close(queue);
	return 0;
}

/* -- all of it ------------------------------------------------------------- */

static int
on_defined(void *cookie, const struct d4_registry_queue *q)
{
	struct check *c = cookie;

	/* Those in a directory have been found there. */
	return check_is_redis(c->admin->place.queues) ? check_items(c, q) : 0;
}

void
check_registry(struct check *c)
{
	size_t i;

	check_sets(c);
	check_sensors(c);
	check_days(c);
	/* This needs all lists, kicks and the mode, too, as collectors do. */
	if (d4_registry_queues(c->admin->reg, on_defined, c) != 0)
		check_report(c, "registry", d4_registry_why(c->admin->reg),
		    false);
	for (i = 0; i < c->nqueues; i++)
		(void)check_items(c, &c->queues[i]);
}
