/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "d4-admin/sensor.h"
#include "d4-admin/table.h"
#include "d4-admin/walk.h"
#include "lib/log.h"
#include "lib/type.h"
#include "lib/uuid.h"

#define LIST_TEXT	32768	/* of types and addresses: 16 and some */
#define FAULTS_MAX	10	/* sensors that can't be read, of a list */

/* -- what is known of one -------------------------------------------------- */

/* Appends an item and a newline where it fits. */
static void
append(char *list, size_t size, const char *item)
{
	size_t len = strlen(list);

	if (len + strlen(item) + 2 <= size)
		(void)snprintf(list + len, size - len, "%s\n", item);
}

static void
type_text(char text[D4_TYPE_NAME_MAX + 1], uint8_t type, const char *extended)
{
	if (*extended != '\0')
		(void)snprintf(text, D4_TYPE_NAME_MAX + 1, "%s", extended);
	else
		(void)snprintf(text, D4_TYPE_NAME_MAX + 1, "%u", type);
}

/* "registered", "pending", "blocked" or "unregistered". */
static int
load_state(struct admin *a, const uint8_t *uuid,
    const struct d4_registry_sensor *s, const char **state)
{
	int waits = s->pending;

	*state = s->blocked ? "blocked" : "registered";
	if (s->blocked || s->registered)
		return 0;
	if (!waits && (waits = d4_registry_waits(a->reg, uuid)) == -1)
		return admin_fault(a);
	*state = waits ? "pending" : "unregistered";
	return 0;
}

static int
on_connection(void *cookie, const struct d4_registry_live *live)
{
	struct connected *c = cookie;
	void *list;

	list = realloc(c->list, (c->n + 1) * sizeof(*c->list));
	if (list == NULL)
		return -1;
	c->list = list;
	c->list[c->n++] = *live;
	return 0;
}

int
connected_compare(const void *left, const void *right)
{
	const struct d4_registry_live *a = left, *b = right;
	int r = memcmp(a->uuid, b->uuid, sizeof(a->uuid));

	return r != 0 ? r : memcmp(a->session, b->session, sizeof(a->session));
}

int
connected_load(struct admin *a, struct connected *c)
{
	memset(c, 0, sizeof(*c));
	if (d4_registry_connections(a->reg, on_connection, c) != 0)
		return admin_fault(a);
	if (c->n > 0)
		qsort(c->list, c->n, sizeof(*c->list), connected_compare);
	return 0;
}

size_t
connected_count(const struct connected *c, const uint8_t uuid[D4_UUID_LEN])
{
	size_t low = 0, high = c->n, middle, n = 0;

	/* The first of this uuid, if any. */
	while (low < high) {
		middle = low + (high - low) / 2;
		if (memcmp(c->list[middle].uuid, uuid, D4_UUID_LEN) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	while (low + n < c->n && memcmp(c->list[low + n].uuid, uuid,
	    D4_UUID_LEN) == 0)
		n++;
	return n;
}

/* A text of the registry, or "". */
static int
get(struct admin *a, const uint8_t *uuid, enum d4_registry_field field,
    char text[D4_REGISTRY_TEXT])
{
	size_t len;
	int r;

	r = d4_registry_get(a->reg, uuid, field, text, D4_REGISTRY_TEXT, &len);
	if (r != 0)
		*text = '\0';
	return r == -1 ? admin_fault(a) : 0;
}

static void
put_text(struct table *t, const char *text)
{
	table_text(t, *text != '\0' ? text : NULL);
}

static void
put_some(struct table *t, uint64_t n)
{
	if (n == 0)
		table_none(t);
	else
		table_number(t, n);
}

static void
put_types(struct table *t, const struct d4_registry_facts *facts)
{
	char list[LIST_TEXT] = "", text[D4_TYPE_NAME_MAX + 1];
	size_t i;

	for (i = 0; i < facts->nseen; i++) {
		type_text(text, facts->seen[i].type, facts->seen[i].extended);
		append(list, sizeof(list), text);
	}
	table_text(t, list);
}

static void
put_addresses(struct table *t, const struct d4_registry_facts *facts)
{
	char list[LIST_TEXT] = "";
	size_t i;

	for (i = 0; i < facts->naddresses; i++)
		append(list, sizeof(list), facts->addresses[i].text);
	table_text(t, list);
}

/* -- list ------------------------------------------------------------------ */

static const struct column list_columns[] = {
	{ "uuid", "UUID", CELL_TEXT },
	{ "state", "STATE", CELL_TEXT },
	{ "connections", "CONN", CELL_COUNT },
	{ "types", "TYPES", CELL_LIST },
	{ "first_seen", NULL, CELL_TIME },
	{ "last_seen", "LAST SEEN (UTC)", CELL_TIME },
	{ "error", NULL, CELL_TEXT },
	{ "description", "DESCRIPTION", CELL_TEXT }
};

static int
list_one(struct admin *a, struct table *t, const uint8_t *uuid,
    const struct connected *live)
{
	char hex[D4_UUID_TEXT], description[D4_REGISTRY_TEXT];
	const char *state;
	struct d4_registry_sensor sensor;
	struct d4_registry_facts facts;

	if (d4_registry_sensor(a->reg, uuid, &sensor) == -1)
		return admin_fault(a);
	if (load_state(a, uuid, &sensor, &state) != 0 ||
	    get(a, uuid, D4_FIELD_DESCRIPTION, description) != 0)
		return 1;
	if (d4_registry_facts(a->reg, uuid, &facts) == -1) {
		d4_registry_facts_free(&facts);
		return admin_fault(a);
	}
	d4_uuid_text(hex, uuid);
	table_text(t, hex);
	table_text(t, state);
	table_number(t, connected_count(live, uuid));
	put_types(t, &facts);
	table_number(t, facts.first);
	table_number(t, facts.last);
	put_text(t, facts.error);
	put_text(t, description);
	d4_registry_facts_free(&facts);
	return 0;
}

static int
on_waiting(void *cookie, const struct d4_registry_waiting *one)
{
	return keep_uuid(cookie, one->uuid);
}

static int
compare(const void *a, const void *b)
{
	return memcmp(a, b, D4_UUID_LEN);
}

/* Takes out what comes twice. */
static void
sort(struct uuids *uuids)
{
	size_t i, n = 0;

	if (uuids->n == 0)
		return;
	qsort(uuids->list, uuids->n, D4_UUID_LEN, compare);
	for (i = 1; i < uuids->n; i++) {
		if (compare(uuids->list[n], uuids->list[i]) != 0)
			memmove(uuids->list[++n], uuids->list[i],
			    D4_UUID_LEN);
	}
	uuids->n = n + 1;
}

/* Those that are meant: all that anything is known of or that are connected,
 * of which nothing may be written yet, in order. */
static int
load_uuids(struct admin *a, struct uuids *uuids, const struct connected *live,
    bool connected, bool pending)
{
	size_t i;

	if ((!connected && !pending &&
	    d4_registry_sensors(a->reg, keep_uuid, uuids) != 0) ||
	    (!connected &&
	    d4_registry_waiting(a->reg, on_waiting, uuids) != 0))
		return admin_fault(a);
	for (i = 0; !pending && i < live->n; i++)
		(void)keep_uuid(uuids, live->list[i].uuid);
	if (uuids->failed) {
		d4_log_warnx("memory: not enough");
		return 1;
	}
	sort(uuids);
	return 0;
}

int
sensor_list(struct admin *a, const struct args *args)
{
	bool connected = args_option(args, "connected") != NULL;
	bool pending = args_option(args, "pending") != NULL;
	struct connected live = { .n = 0 };
	struct uuids uuids = { .n = 0 };
	struct table *t;
	int status, faults = 0;
	size_t i;

	if (connected && pending)
		return args_misuse(args);
	if (admin_open(a, args) == -1)
		return admin_fault(a);
	if ((t = table_new(list_columns, sizeof(list_columns) /
	    sizeof(list_columns[0]), a->json, a->now)) == NULL)
		return table_end(t);
	status = connected_load(a, &live);
	if (status == 0)
		status = load_uuids(a, &uuids, &live, connected, pending);
	/* One that can't be read hides no other; but all of them may be so. */
	for (i = 0; status == 0 && faults < FAULTS_MAX && i < uuids.n; i++)
		faults += list_one(a, t, uuids.list[i], &live);
	free(uuids.list);
	free(live.list);
	return table_end(t) == 0 && faults == 0 ? status : 1;
}

/* -- show ------------------------------------------------------------------ */

static const struct column show_columns[] = {
	{ "uuid", "uuid", CELL_TEXT },
	{ "state", "state", CELL_TEXT },
	{ "registered", NULL, CELL_FLAG },
	{ "blocked", NULL, CELL_FLAG },
	{ "addresses_blocked", "addresses blocked", CELL_FLAG },
	{ "kicked_until", "kicked until", CELL_TIME },
	{ "description", "description", CELL_TEXT },
	{ "mail", "mail", CELL_TEXT },
	{ "third_party", "third party", CELL_TEXT },
	{ "key", "key", CELL_TEXT },
	{ "limit", "limit", CELL_COUNT },
	{ "monitor", "may be silent", CELL_SECONDS },
	{ "max_age", "greatest age", CELL_SECONDS },
	{ "monotonic", "monotonic", CELL_FLAG },
	{ "connections", "connections", CELL_COUNT },
	{ "first_seen", "first seen", CELL_TIME },
	{ "last_seen", "last seen", CELL_TIME },
	{ "types", "types", CELL_LIST },
	{ "addresses", "addresses", CELL_LIST },
	{ "error", "last error", CELL_TEXT },
	{ "error_time", "error time", CELL_TIME }
};

static void
show_values(struct admin *a, struct table *t, const uint8_t *uuid,
    const struct d4_registry_sensor *s)
{
	static const enum d4_registry_field texts[] = {
		D4_FIELD_DESCRIPTION, D4_FIELD_MAIL, D4_FIELD_THIRD_PARTY
	};
	char text[D4_REGISTRY_TEXT];
	size_t i;

	for (i = 0; i < 3; i++) {
		(void)get(a, uuid, texts[i], text);
		put_text(t, text);
	}
	table_text(t, s->key != NULL ? "own" : "default");
	put_some(t, s->limit);
	(void)get(a, uuid, D4_FIELD_MONITOR, text);
	put_some(t, strtoull(text, NULL, 10));
	put_some(t, s->max_age);
	table_number(t, s->monotonic);
}

static void
show_facts(struct table *t, const struct d4_registry_facts *facts)
{
	table_number(t, facts->first);
	table_number(t, facts->last);
	put_types(t, facts);
	put_addresses(t, facts);
	put_text(t, facts->error);
	if (*facts->error == '\0')
		table_none(t);
	else
		table_number(t, facts->error_time);
}

static int
show(struct admin *a, const uint8_t *uuid, const struct connected *live,
    const struct d4_registry_facts *facts)
{
	struct d4_registry_sensor sensor;
	char text[D4_UUID_TEXT];
	const char *state;
	struct table *t;

	if (d4_registry_sensor(a->reg, uuid, &sensor) == -1)
		return admin_fault(a);
	if (load_state(a, uuid, &sensor, &state) != 0)
		return 1;
	d4_uuid_text(text, uuid);
	if (!sensor.known && facts->first == 0 &&
	    strcmp(state, "unregistered") == 0 &&
	    connected_count(live, uuid) == 0) {
		d4_log_warnx("%s: unknown sensor", text);
		return 1;
	}
	if ((t = table_form(show_columns, sizeof(show_columns) /
	    sizeof(show_columns[0]), a->json, a->now)) == NULL)
		return table_end(t);
	table_text(t, text);
	table_text(t, state);
	table_number(t, sensor.registered);
	table_number(t, sensor.blocked);
	table_number(t, sensor.block_address);
	if (sensor.kicked_until > a->now)
		table_number(t, sensor.kicked_until);
	else
		table_none(t);
	show_values(a, t, uuid, &sensor);
	table_number(t, connected_count(live, uuid));
	show_facts(t, facts);
	return table_end(t);
}

int
sensor_show(struct admin *a, const struct args *args)
{
	struct d4_registry_facts facts;
	uint8_t uuid[D4_UUID_LEN];
	struct connected live;
	int status;

	if (args_uuid(args->operand[0], uuid) != 0)
		return 2;
	if (admin_open(a, args) == -1)
		return admin_fault(a);
	if (connected_load(a, &live) != 0) {
		free(live.list);
		return 1;
	}
	if (d4_registry_facts(a->reg, uuid, &facts) == -1)
		status = admin_fault(a);
	else
		status = show(a, uuid, &live, &facts);
	d4_registry_facts_free(&facts);
	free(live.list);
	return status;
}

/* -- files ----------------------------------------------------------------- */

static const struct column file_columns[] = {
	{ "type", "TYPE", CELL_TEXT },
	{ "files", "FILES", CELL_COUNT },
	{ "bytes", "BYTES", CELL_BYTES },
	{ "last_changed", "LAST CHANGED (UTC)", CELL_TIME }
};

struct files {
	uint64_t	n, bytes, last;
};

static int
on_file(void *cookie, const struct walk_entry *entry)
{
	const struct stat *st = &entry->st;
	struct files *files = cookie;

	if (S_ISREG(st->st_mode)) {
		files->n++;
		files->bytes += (uint64_t)st->st_size;
		if ((uint64_t)st->st_mtime > files->last)
			files->last = (uint64_t)st->st_mtime;
	}
	return 0;
}

/* Counts what lies below the directory of one type. */
static int
count_files(struct table *t, const char *path)
{
	struct files files = { .n = 0 };

	if (walk(path, on_file, &files) == -1)
		return 1;
	table_text(t, strrchr(path, '/') + 1);
	table_number(t, files.n);
	table_number(t, files.bytes);
	table_number(t, files.last);
	return 0;
}

int
sensor_files(struct admin *a, const struct args *args)
{
	char dir[D4_CONF_TEXT + 64], path[D4_CONF_TEXT + 80];
	char hex[D4_UUID_HEX];
	uint8_t uuid[D4_UUID_LEN];
	struct table *t;
	int n, status = 0;
	struct stat st;

	if (args_uuid(args->operand[0], uuid) != 0)
		return 2;
	if (*a->place.store == '\0') {
		d4_log_warnx("sensor files: no store named (expected -d store "
		    "or -c directory)");
		return 2;
	}
	if ((t = table_new(file_columns, sizeof(file_columns) /
	    sizeof(file_columns[0]), a->json, a->now)) == NULL)
		return table_end(t);
	d4_uuid_hex(hex, uuid);
	(void)snprintf(dir, sizeof(dir), "%s/%s", a->place.store, hex);
	for (n = 0; status == 0 && n <= UINT8_MAX; n++) {
		(void)snprintf(path, sizeof(path), "%s/%d", dir, n);
		if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
			status = count_files(t, path);
	}
	return table_end(t) == 0 ? status : 1;
}
