/* SPDX-License-Identifier: ISC */

/* All that a registry holds as JSON lines; d4-admin(8) has the members.
 * import.c reads them. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-admin/admin.h"
#include "lib/base64.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/mac.h"
#include "lib/meta-line.h"
#include "lib/uuid.h"

struct export {
	struct admin		*admin;
	struct d4_meta_line	*line;
	int			 fd;
	const char		*name;
	bool			 keys;
	const char		*set;		/* of blocks, types */
	uint32_t		 day;		/* of counts */
	bool			 failed;
};

/* -- lines ----------------------------------------------------------------- */

static void
begin(struct export *e, const char *kind)
{
	d4_meta_line_string(e->line, "kind", kind);
}

/* Ends the line and writes it; -1 when that failed. */
static int
end(struct export *e)
{
	const char *bytes;
	size_t len;

	d4_meta_line_end(e->line);
	if ((bytes = d4_meta_line_bytes(e->line, &len)) == NULL) {
		d4_log_warnx("memory: not enough");
		e->failed = true;
	} else if (d4_io_write_full(e->fd, bytes, len, NULL) == -1) {
		d4_log_warn("%s", e->name);
		e->failed = true;
	}
	d4_meta_line_clear(e->line);
	return e->failed ? -1 : 0;
}

static void
put_uuid(struct export *e, const char *key, const uint8_t *uuid)
{
	char text[D4_UUID_TEXT];

	d4_uuid_text(text, uuid);
	d4_meta_line_string(e->line, key, text);
}

/* -- sensors --------------------------------------------------------------- */

/* Any bytes, so in base64. */
static int
put_key(struct export *e, const uint8_t *uuid)
{
	char text[D4_BASE64_ENCODED(D4_REGISTRY_KEY) + 1];
	char key[D4_REGISTRY_KEY + 1];
	size_t len;
	int r;

	r = d4_registry_get(e->admin->reg, uuid, D4_FIELD_KEY, key,
	    sizeof(key), &len);
	if (r == 0) {
		d4_base64_encode(text, key, len);
		text[D4_BASE64_ENCODED(len)] = '\0';
		d4_meta_line_string(e->line, "key", text);
	}
	d4_mac_wipe(key, sizeof(key));
	d4_mac_wipe(text, sizeof(text));
	return r;
}

static int
put_fields(struct export *e, const uint8_t *uuid)
{
	static const struct {
		enum d4_registry_field	 field;
		bool			 number;
	} fields[] = {
		{ D4_FIELD_DESCRIPTION, false },
		{ D4_FIELD_MAIL, false },
		{ D4_FIELD_THIRD_PARTY, false },
		{ D4_FIELD_LIMIT, true },
		{ D4_FIELD_MONITOR, true },
		{ D4_FIELD_MAX_AGE, true }
	};
	const char *name;
	char text[D4_REGISTRY_TEXT];
	size_t i, len;
	int r;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		r = d4_registry_get(e->admin->reg, uuid, fields[i].field,
		    text, sizeof(text), &len);
		if (r == -1)
			return -1;
		name = d4_registry_field_name(fields[i].field);
		if (r == 0 && fields[i].number)
			d4_meta_line_uint(e->line, name,
			    strtoull(text, NULL, 10));
		else if (r == 0)
			d4_meta_line_string(e->line, name, text);
	}
	return 0;
}

static int
export_values(struct export *e, const uint8_t *uuid)
{
	struct d4_registry_sensor s;

	if (d4_registry_sensor(e->admin->reg, uuid, &s) == -1)
		return -1;
	begin(e, "sensor");
	put_uuid(e, "uuid", uuid);
	d4_meta_line_bool(e->line, "registered", s.registered);
	d4_meta_line_bool(e->line, "pending", s.pending);
	d4_meta_line_bool(e->line, "monotonic", s.monotonic);
	if ((e->keys && put_key(e, uuid) == -1) || put_fields(e, uuid) == -1) {
		d4_meta_line_clear(e->line);
		return -1;
	}
	return end(e);
}

static int
export_facts(struct export *e, const uint8_t *uuid)
{
	struct d4_registry_facts f;
	size_t i;

	if (d4_registry_facts(e->admin->reg, uuid, &f) == -1) {
		d4_registry_facts_free(&f);
		return -1;
	}
	if (f.first == 0 && f.error_time == 0) {
		d4_registry_facts_free(&f);
		return 0;
	}
	begin(e, "facts");
	put_uuid(e, "uuid", uuid);
	d4_meta_line_uint(e->line, "first_seen", f.first);
	d4_meta_line_uint(e->line, "last_seen", f.last);
	d4_meta_line_list(e->line, "types");
	for (i = 0; i < f.nseen; i++) {
		d4_meta_line_object(e->line, NULL);
		d4_meta_line_uint(e->line, "type", f.seen[i].type);
		if (*f.seen[i].extended != '\0')
			d4_meta_line_string(e->line, "extended",
			    f.seen[i].extended);
		d4_meta_line_uint(e->line, "first_seen", f.seen[i].first);
		d4_meta_line_uint(e->line, "last_seen", f.seen[i].last);
		d4_meta_line_close(e->line);
	}
	d4_meta_line_close(e->line);
	d4_meta_line_list(e->line, "addresses");
	for (i = 0; i < f.naddresses; i++) {
		d4_meta_line_object(e->line, NULL);
		d4_meta_line_string(e->line, "address", f.addresses[i].text);
		d4_meta_line_uint(e->line, "time", f.addresses[i].time);
		d4_meta_line_close(e->line);
	}
	d4_meta_line_close(e->line);
	if (f.error_time != 0) {
		d4_meta_line_string(e->line, "error", f.error);
		d4_meta_line_uint(e->line, "error_time", f.error_time);
	}
	d4_registry_facts_free(&f);
	return end(e);
}

static int
export_sensors(struct export *e)
{
	struct uuids uuids = { .n = 0 };
	size_t i;
	int r;

	r = d4_registry_sensors(e->admin->reg, keep_uuid, &uuids);
	for (i = 0; r == 0 && i < uuids.n; i++) {
		r = export_values(e, uuids.list[i]);
		if (r == 0)
			r = export_facts(e, uuids.list[i]);
	}
	if (uuids.failed) {
		d4_log_warnx("memory: not enough");
		e->failed = true;
	}
	free(uuids.list);
	return r;
}

static int
on_stranger(void *cookie, const struct d4_registry_waiting *one)
{
	struct export *e = cookie;

	/* One that an administrator registered is a sensor with values. */
	if (*one->address == '\0')
		return 0;
	begin(e, "stranger");
	put_uuid(e, "uuid", one->uuid);
	d4_meta_line_string(e->line, "address", one->address);
	d4_meta_line_uint(e->line, "time", one->time);
	return end(e);
}

/* -- the rest -------------------------------------------------------------- */

static int
on_member(void *cookie, const char *member)
{
	struct export *e = cookie;

	begin(e, e->set);
	d4_meta_line_string(e->line, "value", member);
	return end(e);
}

static int
export_sets(struct export *e)
{
	static const struct {
		enum d4_registry_set	 set;
		const char		*kind;
	} sets[] = {
		{ D4_SET_BLOCKED_ADDRESSES, "block_address" },
		{ D4_SET_BLOCKED_UUIDS, "block_uuid" },
		{ D4_SET_BLOCKED_BY_UUID, "block_by_uuid" },
		{ D4_SET_TYPES, "type" },
		{ D4_SET_EXTENDED, "extended_type" }
	};
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < sizeof(sets) / sizeof(sets[0]); i++) {
		e->set = sets[i].kind;
		r = each_member(e->admin, sets[i].set, on_member, e);
	}
	return r;
}

static int
export_mode(struct export *e)
{
	enum d4_registry_mode mode;
	const char *word;

	if (d4_registry_mode(e->admin->reg, &mode) == -1)
		return -1;
	if ((word = d4_registry_mode_word(mode)) == NULL)
		return 0;
	begin(e, "mode");
	d4_meta_line_string(e->line, "value", word);
	return end(e);
}

static int
on_queue(void *cookie, const struct d4_registry_queue *q)
{
	struct export *e = cookie;
	char text[D4_UUID_TEXT];
	size_t i;

	begin(e, "queue");
	put_uuid(e, "uuid", q->uuid);
	d4_meta_line_uint(e->line, "type", q->type);
	if (*q->extended != '\0')
		d4_meta_line_string(e->line, "extended", q->extended);
	d4_meta_line_uint(e->line, "limit", q->max_size);
	d4_meta_line_string(e->line, "description", q->description);
	d4_meta_line_bool(e->line, "grouped", q->grouped);
	d4_meta_line_list(e->line, "members");
	for (i = 0; i < q->nmembers; i++) {
		d4_uuid_text(text, q->members[i]);
		d4_meta_line_string(e->line, NULL, text);
	}
	d4_meta_line_close(e->line);
	return end(e);
}

/* The counts of one day: parts of the same one are put together. */
struct counts {
	struct d4_registry_count	*list;
	size_t				 n, room;
};

static int
on_count(void *cookie, const struct d4_registry_count *c)
{
	struct counts *counts = cookie;
	size_t room;
	void *list;

	if (counts->n == counts->room) {
		room = counts->room == 0 ? 64 : 2 * counts->room;
		list = realloc(counts->list, room * sizeof(*counts->list));
		if (list == NULL)
			return 1;
		counts->list = list;
		counts->room = room;
	}
	counts->list[counts->n++] = *c;
	return 0;
}

static int
compare(const void *left, const void *right)
{
	const struct d4_registry_count *a = left, *b = right;
	int r = memcmp(a->uuid, b->uuid, sizeof(a->uuid));

	if (r == 0)
		r = a->type - b->type;
	return r != 0 ? r : strcmp(a->address, b->address);
}

static void
put_together(struct counts *counts)
{
	struct d4_registry_count *last;
	size_t i, n = 0;

	if (counts->n == 0)
		return;
	qsort(counts->list, counts->n, sizeof(*counts->list), compare);
	for (i = 1; i < counts->n; i++) {
		last = &counts->list[n];
		if (compare(last, &counts->list[i]) == 0) {
			last->records += counts->list[i].records;
			last->bytes += counts->list[i].bytes;
		} else {
			counts->list[++n] = counts->list[i];
		}
	}
	counts->n = n + 1;
}

static int
export_count(struct export *e, const struct d4_registry_count *c)
{
	begin(e, "count");
	d4_meta_line_uint(e->line, "day", e->day);
	put_uuid(e, "uuid", c->uuid);
	d4_meta_line_uint(e->line, "type", c->type);
	d4_meta_line_string(e->line, "address", c->address);
	d4_meta_line_uint(e->line, "records", c->records);
	d4_meta_line_uint(e->line, "bytes", c->bytes);
	return end(e);
}

/* Days come in order, so the next is the least beyond the last. */
static int
on_day(void *cookie, uint32_t day)
{
	uint32_t *next = cookie;

	if (day <= *next)
		return 0;
	*next = day;
	return 1;
}

static int
export_day(struct export *e)
{
	struct counts counts = { .n = 0 };
	size_t i;
	int r;

	r = d4_registry_counts(e->admin->reg, e->day, NULL, on_count, &counts);
	if (r == 1) {
		d4_log_warnx("memory: not enough");
		e->failed = true;
	}
	put_together(&counts);
	for (i = 0; r == 0 && i < counts.n; i++)
		r = export_count(e, &counts.list[i]);
	free(counts.list);
	return r;
}

static int
export_counts(struct export *e)
{
	uint32_t day = 0;
	int r;

	while ((r = d4_registry_days(e->admin->reg, on_day, &day)) == 1) {
		e->day = day;
		if ((r = export_day(e)) != 0)
			return r;
	}
	return r;
}

static int
export_everything(struct export *e)
{
	begin(e, "registry");
	d4_meta_line_uint(e->line, "version", 1);
	d4_meta_line_bool(e->line, "keys", e->keys);
	if (end(e) != 0 || export_sensors(e) != 0 ||
	    d4_registry_waiting(e->admin->reg, on_stranger, e) != 0 ||
	    export_sets(e) != 0 || export_mode(e) != 0 ||
	    each_queue(e->admin, on_queue, e) != 0 ||
	    export_counts(e) != 0)
		return e->failed ? 1 : admin_fault(e->admin);
	return e->failed;
}

int
export_all(struct admin *a, const struct args *args)
{
	struct export e = { .admin = a, .fd = STDOUT_FILENO,
	    .name = "stdout", .keys = args_option(args, "no-keys") == NULL };
	const char *path = args_option(args, "o");
	int status;

	if (path == NULL && e.keys && isatty(STDOUT_FILENO)) {
		d4_log_warnx("stdout: keys are not shown on a terminal "
		    "(expected a pipe, -o file, or --no-keys)");
		return 2;
	}
	if (admin_open(a, args) == -1)
		return admin_fault(a);
	if (path != NULL) {
		e.name = path;
		e.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		    0600);
		if (e.fd == -1) {
			d4_log_warn("%s", path);
			return 1;
		}
	}
	if ((e.line = d4_meta_line_new()) == NULL) {
		d4_log_warnx("memory: not enough");
		status = 1;
	} else {
		status = export_everything(&e);
	}
	d4_meta_line_free(e.line);
	if (path != NULL && (fsync(e.fd) == -1 || close(e.fd) == -1)) {
		d4_log_warn("%s", path);
		status = 1;
	}
	if (path != NULL && status != 0)
		(void)unlink(path);
	return status;
}
