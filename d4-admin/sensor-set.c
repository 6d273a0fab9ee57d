/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-admin/secret.h"
#include "d4-admin/sensor.h"
#include "d4-admin/table.h"
#include "d4-admin/verbs.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/uuid.h"

#define SILENT_S	3600	/* d4-core's default */

/* Looks whether the registry knows the sensor: a slip of the pen makes no new
 * one. */
static int
known_sensor(struct admin *a, const char *text,
    const uint8_t uuid[D4_UUID_LEN])
{
	struct d4_registry_sensor sensor;
	struct d4_registry_facts facts;
	struct connected live;
	bool seen;
	int r;

	if (d4_registry_sensor(a->reg, uuid, &sensor) == -1)
		return admin_fault(a);
	if (sensor.known)
		return 0;
	r = d4_registry_facts(a->reg, uuid, &facts);
	seen = facts.first != 0;
	d4_registry_facts_free(&facts);
	if (r == -1)
		return admin_fault(a);
	/* Of one that has just come nothing is written yet. */
	if (!seen) {
		if (connected_load(a, &live) != 0)
			return 1;
		seen = connected_count(&live, uuid) > 0;
		free(live.list);
	}
	if (!seen)
		d4_log_warnx("%s: unknown sensor", text);
	return seen ? 0 : 1;
}

/* Opens the registry, which must know the first operand. */
static int
open_known(struct admin *a, const struct args *args,
    const uint8_t uuid[D4_UUID_LEN])
{
	return admin_open(a, args) == -1 ? admin_fault(a) :
	    known_sensor(a, args->operand[0], uuid);
}

/* -- for each uuid --------------------------------------------------------- */

/* What is done to each of several sensors: 0, 1 there was nothing to do, -1. */
typedef int changer(struct admin *, const uint8_t[D4_UUID_LEN]);

/* All are uuids, and the registry is open. */
static int
open_each(struct admin *a, const struct args *args, bool v4)
{
	uint8_t uuid[D4_UUID_LEN];
	size_t i;

	for (i = 0; i < args->n; i++) {
		if ((v4 ? args_sensor : args_uuid)(args->operand[i],
		    uuid) != 0)
			return 2;
	}
	return admin_open(a, args) == -1 ? admin_fault(a) : 0;
}

/* missing: what to say, and fail, when there was nothing to do. */
static int
change_opened(struct admin *a, const struct args *args, changer *change,
    const char *missing)
{
	uint8_t uuid[D4_UUID_LEN];
	size_t i;
	int status = 0;

	for (i = 0; i < args->n; i++) {
		(void)d4_uuid_parse(uuid, args->operand[i]);
		switch (change(a, uuid)) {
		case -1:
			return admin_fault(a);
		case 1:
			if (missing == NULL) {
				d4_log_info(1, "%s: nothing to do",
				    args->operand[i]);
				break;
			}
			d4_log_warnx("%s: %s", args->operand[i], missing);
			status = 1;
		}
	}
	return status;
}

static int
change_each(struct admin *a, const struct args *args, changer *change,
    bool v4, const char *missing)
{
	int status = open_each(a, args, v4);

	return status != 0 ? status :
	    change_opened(a, args, change, missing);
}

static int
approve(struct admin *a, const uint8_t uuid[D4_UUID_LEN])
{
	return d4_registry_approve(a->reg, uuid);
}

static int
reject(struct admin *a, const uint8_t uuid[D4_UUID_LEN])
{
	return d4_registry_reject(a->reg, uuid);
}

static int
unregister(struct admin *a, const uint8_t uuid[D4_UUID_LEN])
{
	return d4_registry_unregister(a->reg, uuid);
}

static int
kick(struct admin *a, const uint8_t uuid[D4_UUID_LEN])
{
	return d4_registry_kick(a->reg, uuid, a->now);
}

static int
block(struct admin *a, const uint8_t uuid[D4_UUID_LEN])
{
	char hex[D4_UUID_HEX];

	d4_uuid_hex(hex, uuid);
	return d4_registry_add(a->reg, D4_SET_BLOCKED_UUIDS, hex);
}

static int
unblock(struct admin *a, const uint8_t uuid[D4_UUID_LEN])
{
	char hex[D4_UUID_HEX];

	d4_uuid_hex(hex, uuid);
	return d4_registry_remove(a->reg, D4_SET_BLOCKED_UUIDS, hex);
}

int
sensor_approve(struct admin *a, const struct args *args)
{
	return change_each(a, args, approve, true, NULL);
}

int
sensor_reject(struct admin *a, const struct args *args)
{
	return change_each(a, args, reject, false,
	    "does not wait for approval");
}

int
sensor_remove(struct admin *a, const struct args *args)
{
	return change_each(a, args, unregister, false,
	    "unknown sensor, nothing is set of it");
}

int
sensor_kick(struct admin *a, const struct args *args)
{
	int status = open_each(a, args, false);
	uint8_t uuid[D4_UUID_LEN];
	size_t i;

	for (i = 0; status == 0 && i < args->n; i++) {
		(void)d4_uuid_parse(uuid, args->operand[i]);
		status = known_sensor(a, args->operand[i], uuid);
	}
	return status != 0 ? status : change_opened(a, args, kick, NULL);
}

int
sensor_block(struct admin *a, const struct args *args)
{
	return change_each(a, args, block, false, NULL);
}

int
sensor_unblock(struct admin *a, const struct args *args)
{
	return change_each(a, args, unblock, false, "is not blocked");
}

/* -- values ---------------------------------------------------------------- */

static int
set(struct admin *a, const uint8_t *uuid, enum d4_registry_field field,
    const char *value)
{
	size_t len = value == NULL ? 0 : strlen(value);

	if (len == 0)
		value = NULL;
	return d4_registry_set(a->reg, uuid, field, value, len) == -1 ?
	    admin_fault(a) : 0;
}

/* A number, or "none" to unset. */
static int
set_number(struct admin *a, const struct args *args,
    enum d4_registry_field field, uint64_t fallback)
{
	const char *text = args->n > 1 ? args->operand[1] : NULL;
	bool none = text != NULL && strcmp(text, "none") == 0;
	bool given = text != NULL && !none;
	uint8_t uuid[D4_UUID_LEN];
	uint64_t n = fallback;
	char value[24];
	int status;

	if (given && (*text < '0' || *text > '9'))
		return args_misuse(args);
	if (args_uuid(args->operand[0], uuid) != 0 ||
	    (given && args_number(args->verb->name, text, 1, 999999999999,
	    &n) != 0))
		return 2;
	if ((status = open_known(a, args, uuid)) != 0)
		return status;
	(void)snprintf(value, sizeof(value), "%llu", (unsigned long long)n);
	return set(a, uuid, field, none ? NULL : value);
}

int
sensor_limit(struct admin *a, const struct args *args)
{
	return set_number(a, args, D4_FIELD_LIMIT, 0);
}

int
sensor_age(struct admin *a, const struct args *args)
{
	return set_number(a, args, D4_FIELD_MAX_AGE, 0);
}

int
sensor_monitor(struct admin *a, const struct args *args)
{
	return set_number(a, args, D4_FIELD_MONITOR, SILENT_S);
}

int
sensor_monotonic(struct admin *a, const struct args *args)
{
	bool yes = strcmp(args->operand[1], "yes") == 0;
	uint8_t uuid[D4_UUID_LEN];
	int status;

	if (!yes && strcmp(args->operand[1], "no") != 0)
		return args_misuse(args);
	if (args_uuid(args->operand[0], uuid) != 0)
		return 2;
	status = open_known(a, args, uuid);
	return status != 0 ? status :
	    set(a, uuid, D4_FIELD_MONOTONIC, yes ? "1" : NULL);
}

int
sensor_describe(struct admin *a, const struct args *args)
{
	const char *value[] = {
		args->n > 1 ? args->operand[1] : NULL,
		args_option(args, "mail"), args_option(args, "third-party")
	};
	static const char *const names[] = { "text", "--mail",
	    "--third-party" };
	static const enum d4_registry_field fields[] = {
		D4_FIELD_DESCRIPTION, D4_FIELD_MAIL, D4_FIELD_THIRD_PARTY
	};
	uint8_t uuid[D4_UUID_LEN];
	int status;
	size_t i;

	if (value[0] == NULL && value[1] == NULL && value[2] == NULL)
		return args_misuse(args);
	if (args_uuid(args->operand[0], uuid) != 0)
		return 2;
	for (i = 0; i < 3; i++) {
		if (value[i] != NULL && args_text(names[i], value[i]) != 0)
			return 2;
	}
	status = open_known(a, args, uuid);
	for (i = 0; status == 0 && i < 3; i++) {
		if (value[i] != NULL)
			status = set(a, uuid, fields[i], value[i]);
	}
	return status;
}

/* -- keys ------------------------------------------------------------------ */

static int
show_key(struct admin *a, const uint8_t *uuid, const char *name)
{
	struct secret s;
	int r;

	r = d4_registry_get(a->reg, uuid, D4_FIELD_KEY, s.text, sizeof(s.text),
	    &s.len);
	if (r == 0) {
		s.text[s.len] = '\n';
		if (d4_io_write_full(STDOUT_FILENO, s.text, s.len + 1,
		    NULL) == -1) {
			d4_log_warn("stdout");
			r = 2;
		}
	}
	secret_wipe(&s);
	if (r == 1)
		d4_log_warnx("%s: has no key of its own", name);
	return r == -1 ? admin_fault(a) : r != 0;
}

int
sensor_key(struct admin *a, const struct args *args)
{
	bool shows = args_option(args, "show") != NULL;
	bool reads = args_option(args, "stdin") != NULL;
	bool generates = args_option(args, "generate") != NULL;
	bool unsets = args_option(args, "unset") != NULL;
	struct secret s = { .len = 0 };
	uint8_t uuid[D4_UUID_LEN];
	int status = 0;

	if (reads + generates + unsets > 1 || (shows && (reads || unsets)) ||
	    shows + reads + generates + unsets == 0)
		return args_misuse(args);
	if (args_uuid(args->operand[0], uuid) != 0)
		return 2;
	if (reads || generates)
		status = generates ? secret_make(&s) : secret_read(&s);
	if (status == 0)
		status = open_known(a, args, uuid);
	if (status == 0 && (reads || generates || unsets))
		status = set(a, uuid, D4_FIELD_KEY, unsets ? NULL : s.text);
	secret_wipe(&s);
	return status == 0 && shows ? show_key(a, uuid, args->operand[0]) :
	    status;
}

/* -- silence --------------------------------------------------------------- */

struct silent {
	struct table	*table;		/* or NULL */
	char		 uuids[512];	/* the first few */
	size_t		 n, failing;
};

static const struct column silent_columns[] = {
	{ "uuid", "UUID", CELL_TEXT },
	{ "last_seen", "LAST SEEN (UTC)", CELL_TIME },
	{ "monitor", "MAY BE SILENT", CELL_SECONDS }
};

static int
on_monitored(void *cookie, const struct d4_registry_monitored *one)
{
	struct silent *s = cookie;
	char text[D4_UUID_TEXT];
	size_t len = strlen(s->uuids);

	s->n++;
	if (!one->fails)
		return 0;
	s->failing++;
	d4_uuid_text(text, one->uuid);
	if (s->table != NULL) {
		table_text(s->table, text);
		table_number(s->table, one->last);
		table_number(s->table, one->limit);
	} else if (len + sizeof(text) + 2 < sizeof(s->uuids)) {
		(void)snprintf(s->uuids + len, sizeof(s->uuids) - len, " %s",
		    text);
	}
	return 0;
}

/* Nagios is told that nothing is known, and why. */
static int
nagios_unknown(const struct admin *a)
{
	char text[512], *bar;

	(void)snprintf(text, sizeof(text), "%s", admin_why(a));
	table_clean(text);
	/* Behind one there would be figures. */
	while ((bar = strchr(text, '|')) != NULL)
		*bar = '?';
	printf("D4 UNKNOWN - %s\n", text);
	return d4_log_flush(stdout) == 0 ? 3 : 1;
}

/* The form of a Nagios plug-in: a line, and behind | the figures. */
static int
nagios(struct admin *a, const struct args *args, struct silent *s)
{
	if (admin_open(a, args) == -1 || d4_registry_monitor(a->reg, a->now,
	    on_monitored, s) != 0)
		return nagios_unknown(a);
	if (s->failing == 0)
		printf("D4 OK - %zu monitored", s->n);
	else
		printf("D4 WARNING - %zu of %zu silent:%s", s->failing, s->n,
		    s->uuids);
	printf("|silent=%zu;0;;0;%zu monitored=%zu\n", s->failing, s->n,
	    s->n);
	return d4_log_flush(stdout) == 0 && s->failing == 0 ? 0 : 1;
}

int
sensor_check(struct admin *a, const struct args *args)
{
	struct silent s = { .n = 0 };
	int status = 0;

	if (args_option(args, "nagios") != NULL)
		return nagios(a, args, &s);
	if (admin_open(a, args) == -1)
		return admin_fault(a);
	if ((s.table = table_new(silent_columns, sizeof(silent_columns) /
	    sizeof(silent_columns[0]), a->json, a->now)) == NULL)
		return table_end(s.table);
	if (d4_registry_monitor(a->reg, a->now, on_monitored, &s) != 0)
		status = admin_fault(a);
	return table_end(s.table) == 0 && status == 0 && s.failing == 0 ?
	    0 : 1;
}
