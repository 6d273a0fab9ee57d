/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "d4-admin/admin.h"
#include "d4-admin/table.h"
#include "lib/log.h"
#include "lib/uuid.h"

#define PEEK		10	/* items, and bytes of each that are shown: */
#define PEEK_WIDTH	3000	/* d4-core's default */

static const struct column columns[] = {
	{ "queue", "queue", CELL_TEXT },
	{ "type", "type", CELL_COUNT },
	{ "extended", "extended", CELL_TEXT },
	{ "grouped", "for members only", CELL_FLAG },
	{ "members", "members", CELL_LIST },
	{ "items", "items", CELL_COUNT },
	{ "limit", "limit", CELL_COUNT },
	{ "updated", "updated", CELL_TIME },
	{ "description", "description", CELL_TEXT }
};

static const struct column list_columns[] = {
	{ "queue", "QUEUE", CELL_TEXT },
	{ "type", "TYPE", CELL_COUNT },
	{ "extended", "EXTENDED", CELL_TEXT },
	{ "grouped", "GROUP", CELL_FLAG },
	{ "members", NULL, CELL_LIST },
	{ "items", "ITEMS", CELL_COUNT },
	{ "limit", "LIMIT", CELL_COUNT },
	{ "updated", "UPDATED (UTC)", CELL_TIME },
	{ "description", "DESCRIPTION", CELL_TEXT }
};

#define NCOLUMNS	(sizeof(columns) / sizeof(columns[0]))

/* -- listings -------------------------------------------------------------- */

struct listing {
	struct admin	*admin;
	struct table	*table;
	const uint8_t	*uuid;		/* this one only, or NULL */
	size_t		 n;
	bool		 failed;
	int		 (*each)(struct listing *, struct d4_queue *);
	uint64_t	 items, width;	/* for peek */
};

/* The members, each with a newline; NULL when memory is short. */
static char *
member_list(const struct d4_registry_queue *q)
{
	char *text, *p;
	size_t i;

	if ((text = malloc(q->nmembers * D4_UUID_TEXT + 1)) == NULL)
		return NULL;
	for (i = 0, p = text; i < q->nmembers; i++, p += D4_UUID_TEXT) {
		d4_uuid_text(p, q->members[i]);
		p[D4_UUID_TEXT - 1] = '\n';
	}
	*p = '\0';
	return text;
}

static int64_t
length(const struct place *place, const struct d4_registry_queue *q)
{
	struct d4_queue *queue;
	int64_t n;

	if ((queue = place_queue(place, q)) == NULL)
		return -1;
	if ((n = d4_queue_length(queue)) == -1)
		d4_log_warnx("%s", d4_queue_fault(queue));
	d4_queue_close(queue);
	return n;
}

static int
on_queue(void *cookie, const struct d4_registry_queue *q)
{
	struct listing *l = cookie;
	char uuid[D4_UUID_TEXT], *members;
	int64_t n;

	if (l->uuid != NULL && memcmp(l->uuid, q->uuid, D4_UUID_LEN) != 0)
		return 0;
	l->n++;
	if ((n = length(&l->admin->place, q)) == -1 ||
	    (members = member_list(q)) == NULL) {
		l->failed = true;
		return 0;
	}
	d4_uuid_text(uuid, q->uuid);
	table_text(l->table, uuid);
	table_number(l->table, q->type);
	table_text(l->table, *q->extended != '\0' ? q->extended : NULL);
	table_number(l->table, q->grouped);
	table_text(l->table, members);
	table_number(l->table, (uint64_t)n);
	table_number(l->table, q->max_size);
	table_number(l->table, q->updated);
	table_text(l->table, *q->description != '\0' ? q->description : NULL);
	free(members);
	return 0;
}

static int
unknown(const char *queue)
{
	d4_log_warnx("%s: unknown queue", queue);
	return 1;
}

int
queue_list(struct admin *a, const struct args *args)
{
	struct listing l = { .admin = a };
	int status = 0;

	if (admin_open(a, args) == -1)
		return admin_fault(a);
	if ((l.table = table_new(list_columns, NCOLUMNS, a->json,
	    a->now)) == NULL)
		return table_end(NULL);
	if (each_queue(a, on_queue, &l) != 0)
		status = admin_fault(a);
	return table_end(l.table) == 0 && !l.failed ? status : 1;
}

int
queue_show(struct admin *a, const struct args *args)
{
	struct listing l = { .admin = a };
	uint8_t uuid[D4_UUID_LEN];
	int status = 0;

	if (args_uuid(args->operand[0], uuid) != 0)
		return 2;
	if (admin_open(a, args) == -1)
		return admin_fault(a);
	l.uuid = uuid;
	if ((l.table = table_form(columns, NCOLUMNS, a->json, a->now)) == NULL)
		return table_end(NULL);
	if (d4_registry_queues(a->reg, on_queue, &l) != 0)
		status = admin_fault(a);
	else if (l.n == 0)
		status = unknown(args->operand[0]);
	return table_end(l.table) == 0 && !l.failed ? status : 1;
}

/* -- definitions ----------------------------------------------------------- */

static int
parse_type(const char *text, struct d4_registry_queue *q)
{
	const char *name;

	if (args_type(text, &q->type, &name) != 0)
		return 2;
	(void)snprintf(q->extended, sizeof(q->extended), "%s", name);
	if (*name != '\0' || (q->type != D4_TYPE_META &&
	    q->type != D4_TYPE_EXTENDED))
		return 0;
	d4_log_warnx("%s: has no queues (expected the name of an extended "
	    "type, like ja3-jl)", text);
	return 2;
}

/* The sensors behind the type; the caller frees the list. */
static int
parse_members(char *const text[], size_t n, struct uuids *members)
{
	uint8_t uuid[D4_UUID_LEN];
	size_t i;

	for (i = 0; i < n; i++) {
		if (args_sensor(text[i], uuid) != 0)
			return 2;
		(void)keep_uuid(members, uuid);
	}
	if (!members->failed)
		return 0;
	d4_log_warnx("memory: not enough");
	return 1;
}

/* Looks whether the collector takes what the queue is for. */
static void
warn_unaccepted(struct admin *a, const struct d4_registry_queue *q,
    const char *name)
{
	bool types[UINT8_MAX + 1];

	if (d4_registry_types(a->reg, types) > 0 &&
	    (*q->extended != '\0' ? d4_registry_extended(a->reg,
	    q->extended) == 0 : !types[q->type]))
		d4_log_warnx("type %s is not accepted, so the queue stays "
		    "empty (type add %s)", name, name);
}

static int
create(struct admin *a, struct d4_registry_queue *q)
{
	char text[D4_UUID_TEXT];

	d4_uuid_text(text, q->uuid);
	switch (d4_registry_queue_create(a->reg, q)) {
	case -1:
		return admin_fault(a);
	case 1:
		d4_log_warnx("%s: there is such a queue", text);
		return 1;
	}
	(void)puts(text);
	return d4_log_flush(stdout);
}

int
queue_add(struct admin *a, const struct args *args)
{
	const char *uuid = args_option(args, "uuid");
	const char *limit = args_option(args, "limit");
	struct d4_registry_queue q = { .description =
	    args_option(args, "description") };
	struct uuids members = { .n = 0 };
	int status;

	if (q.description == NULL)
		q.description = "";
	d4_uuid_new(q.uuid);
	if (parse_type(args->operand[0], &q) != 0 ||
	    args_text("--description", q.description) != 0 ||
	    (uuid != NULL && args_uuid(uuid, q.uuid) != 0) ||
	    (limit != NULL && args_number("--limit", limit, 1, 999999999999,
	    &q.max_size) != 0))
		return 2;
	status = parse_members(args->operand + 1, args->n - 1, &members);
	if (status == 0 && admin_open(a, args) == -1)
		status = admin_fault(a);
	if (status == 0) {
		q.grouped = members.n > 0 || args_option(args, "group") != NULL;
		q.members = (const uint8_t (*)[D4_UUID_LEN])members.list;
		q.nmembers = members.n;
		warn_unaccepted(a, &q, args->operand[0]);
		status = create(a, &q);
	}
	free(members.list);
	return status;
}

/* What a change of a queue returned. */
static int
changed(struct admin *a, int r, const char *queue)
{
	return r == -1 ? admin_fault(a) : r == 1 ? unknown(queue) : 0;
}

int
queue_remove(struct admin *a, const struct args *args)
{
	uint8_t uuid[D4_UUID_LEN];
	int status = 0;
	size_t i;

	for (i = 0; i < args->n; i++) {
		if (args_uuid(args->operand[i], uuid) != 0)
			return 2;
	}
	if (admin_open(a, args) == -1)
		return admin_fault(a);
	for (i = 0; i < args->n; i++) {
		(void)d4_uuid_parse(uuid, args->operand[i]);
		if (changed(a, d4_registry_queue_remove(a->reg, uuid),
		    args->operand[i]) != 0)
			status = 1;
	}
	return status;
}

int
queue_limit(struct admin *a, const struct args *args)
{
	uint8_t uuid[D4_UUID_LEN];
	uint64_t n;

	if (args_uuid(args->operand[0], uuid) != 0 ||
	    args_number("limit", args->operand[1], 1, 999999999999, &n) != 0)
		return 2;
	if (admin_open(a, args) == -1)
		return admin_fault(a);
	return changed(a, d4_registry_queue_limit(a->reg, uuid, n),
	    args->operand[0]);
}

int
queue_describe(struct admin *a, const struct args *args)
{
	uint8_t uuid[D4_UUID_LEN];

	if (args_uuid(args->operand[0], uuid) != 0 ||
	    args_text("text", args->operand[1]) != 0)
		return 2;
	if (admin_open(a, args) == -1)
		return admin_fault(a);
	return changed(a, d4_registry_queue_describe(a->reg, uuid,
	    args->operand[1]), args->operand[0]);
}

/* -- members --------------------------------------------------------------- */

static const struct column member_columns[] = {
	{ "uuid", "MEMBER", CELL_TEXT }
};

static int
on_members(void *cookie, const struct d4_registry_queue *q)
{
	struct listing *l = cookie;
	char text[D4_UUID_TEXT];
	size_t i;

	if (memcmp(l->uuid, q->uuid, D4_UUID_LEN) != 0)
		return 0;
	l->n++;
	for (i = 0; i < q->nmembers; i++) {
		d4_uuid_text(text, q->members[i]);
		table_text(l->table, text);
	}
	return 0;
}

static int
list_members(struct admin *a, const struct args *args, const uint8_t *uuid)
{
	struct listing l = { .admin = a, .uuid = uuid };
	int status = 0;

	if (admin_open(a, args) == -1)
		return admin_fault(a);
	if ((l.table = table_new(member_columns, 1, a->json, a->now)) == NULL)
		return table_end(NULL);
	if (d4_registry_queues(a->reg, on_members, &l) != 0)
		status = admin_fault(a);
	else if (l.n == 0)
		status = unknown(args->operand[0]);
	return table_end(l.table) == 0 ? status : 1;
}

int
queue_members(struct admin *a, const struct args *args)
{
	struct uuids members = { .n = 0 };
	uint8_t uuid[D4_UUID_LEN];
	int status;
	bool adds;
	size_t i;

	if (args_uuid(args->operand[0], uuid) != 0)
		return 2;
	if (args->n == 1)
		return list_members(a, args, uuid);
	adds = strcmp(args->operand[1], "add") == 0;
	if (args->n == 2 || (!adds &&
	    strcmp(args->operand[1], "remove") != 0))
		return args_misuse(args);
	status = parse_members(args->operand + 2, args->n - 2, &members);
	if (status == 0 && admin_open(a, args) == -1)
		status = admin_fault(a);
	for (i = 0; status == 0 && i < members.n; i++)
		status = changed(a, d4_registry_queue_member(a->reg, uuid,
		    members.list[i], adds), args->operand[0]);
	free(members.list);
	return status;
}

/* -- items ----------------------------------------------------------------- */

static int
on_open(void *cookie, const struct d4_registry_queue *q)
{
	struct listing *l = cookie;
	struct d4_queue *queue;

	if (memcmp(l->uuid, q->uuid, D4_UUID_LEN) != 0)
		return 0;
	l->n++;
	if ((queue = place_queue(&l->admin->place, q)) == NULL) {
		l->failed = true;
		return 0;
	}
	if (l->each(l, queue) == -1) {
		d4_log_warnx("%s", d4_queue_fault(queue));
		l->failed = true;
	}
	d4_queue_close(queue);
	return 0;
}

/* Does something with the items of one queue. */
static int
with_queue(struct listing *l, const char *name)
{
	l->n = 0;
	l->failed = false;
	if (d4_registry_queues(l->admin->reg, on_open, l) != 0)
		return admin_fault(l->admin);
	return l->n == 0 ? unknown(name) : l->failed;
}

static int
clear(struct listing *l, struct d4_queue *queue)
{
	(void)l;
	return d4_queue_clear(queue);
}

int
queue_flush(struct admin *a, const struct args *args)
{
	struct listing l = { .admin = a, .each = clear };
	uint8_t uuid[D4_UUID_LEN];
	int status = 0;
	size_t i;

	for (i = 0; i < args->n; i++) {
		if (args_uuid(args->operand[i], uuid) != 0)
			return 2;
	}
	if (admin_open(a, args) == -1)
		return admin_fault(a);
	l.uuid = uuid;
	for (i = 0; i < args->n; i++) {
		(void)d4_uuid_parse(uuid, args->operand[i]);
		if (with_queue(&l, args->operand[i]) != 0)
			status = 1;
	}
	return status;
}

static const struct column item_columns[] = {
	{ "bytes", "BYTES", CELL_COUNT },
	{ "item", "ITEM", CELL_TEXT }
};

static int
on_item(void *cookie, const uint8_t *data, size_t len)
{
	const struct listing *l = cookie;
	size_t i, shown = len < l->width ? len : (size_t)l->width;
	char *text;

	if ((text = malloc(shown + 1)) == NULL)
		return -1;
	for (i = 0; i < shown; i++)
		text[i] = (char)(data[i] == '\0' ? '?' : data[i]);
	text[shown] = '\0';
	table_number(l->table, len);
	table_text(l->table, text);
	free(text);
	return 0;
}

static int
peek(struct listing *l, struct d4_queue *queue)
{
	return d4_queue_peek(queue, (size_t)l->items, on_item, l);
}

int
queue_peek(struct admin *a, const struct args *args)
{
	struct listing l = { .admin = a, .each = peek, .items = PEEK,
	    .width = PEEK_WIDTH };
	const char *n = args_option(args, "n");
	const char *width = args_option(args, "width");
	uint8_t uuid[D4_UUID_LEN];
	int status;

	if (args_uuid(args->operand[0], uuid) != 0 ||
	    (n != NULL && args_number("-n", n, 1, 1000000, &l.items) != 0) ||
	    (width != NULL && args_number("--width", width, 1, 1000000,
	    &l.width) != 0))
		return 2;
	if (admin_open(a, args) == -1)
		return admin_fault(a);
	l.uuid = uuid;
	if ((l.table = table_new(item_columns, 2, a->json, a->now)) == NULL)
		return table_end(NULL);
	status = with_queue(&l, args->operand[0]);
	return table_end(l.table) == 0 ? status : 1;
}
