/* SPDX-License-Identifier: ISC */

/* Reads what export.c writes: all of it is checked before the registry is
 * opened. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "d4-admin/admin.h"
#include "lib/base64.h"
#include "lib/cidr.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mac.h"
#include "lib/meta-value.h"
#include "lib/uuid.h"

/* Lines whose changes are made at a time, and ms within which they are begun:
 * meanwhile other administrators wait. */
#define GATHER		1000
#define GATHER_MS	1000

struct days {
	uint32_t	*list;
	size_t		 n;
};

struct import {
	struct admin	*admin;
	const char	*name;
	char		*text;
	size_t		 len;
	size_t		 line;		/* from 1 */
	size_t		 first;		/* of those gathered, 0: none are */
	int64_t		 since_ms;
	bool		 checks;	/* only, and changes nothing */
	bool		 adds;		/* counts to those of a day */
	struct days	 days;		/* of the counts in the file */
	struct days	 had;		/* that had counts before */
};

/* Says what is wrong with the line. */
static int
refuse(const struct import *im, const char *reason)
{
	d4_log_warnx("%s: line %zu: %s", im->name, im->line, reason);
	return -1;
}

/* The same of one member. */
static int
refuse_member(const struct import *im, const char *key, const char *reason)
{
	d4_log_warnx("%s: line %zu: %s: %s", im->name, im->line, key, reason);
	return -1;
}

static int
fault(const struct import *im)
{
	return refuse(im, d4_registry_why(im->admin->reg));
}

/* -- members --------------------------------------------------------------- */

static int
get_uuid(const struct import *im, const struct d4_meta_value *v,
    uint8_t uuid[D4_UUID_LEN])
{
	const char *text;

	if (d4_meta_value_string(v, "uuid", &text) != 0 ||
	    d4_uuid_parse(uuid, text) == -1)
		return refuse(im, "no uuid");
	return 0;
}

/* A number up to max; absent it is 0. */
static int
get_number(const struct import *im, const struct d4_meta_value *v,
    const char *key, uint64_t max, uint64_t *n)
{
	*n = 0;
	if (d4_meta_value_uint(v, key, n) == -1 || *n > max)
		return refuse_member(im, key, "is not a number, or too great");
	return 0;
}

static int
get_type(const struct import *im, const struct d4_meta_value *v,
    uint8_t *type, char extended[D4_TYPE_NAME_MAX + 1])
{
	const char *name = "";
	uint64_t n;

	if (get_number(im, v, "type", UINT8_MAX, &n) == -1)
		return -1;
	if (d4_meta_value_string(v, "extended", &name) == -1 ||
	    (*name != '\0' && !d4_type_name_ok(name, strlen(name))))
		return refuse(im, "the extended type is no name of one");
	*type = (uint8_t)n;
	(void)snprintf(extended, D4_TYPE_NAME_MAX + 1, "%s", name);
	return 0;
}

/* Text of one line; absent it is "". */
static int
get_text(const struct import *im, const struct d4_meta_value *v,
    const char *key, char *text, size_t size)
{
	const char *value = "";
	const unsigned char *c;

	if (d4_meta_value_string(v, key, &value) == -1 ||
	    strlen(value) >= size)
		return refuse_member(im, key, "is not a text, or too long");
	for (c = (const unsigned char *)value; *c != '\0'; c++) {
		if (*c < ' ' || *c == 127)
			return refuse_member(im, key, "is not one line");
	}
	(void)snprintf(text, size, "%s", value);
	return 0;
}

/* -- sensors --------------------------------------------------------------- */

struct values {
	uint8_t		 uuid[D4_UUID_LEN];
	int		 registered, pending, monotonic;
	bool		 has_key;
	char		 key[D4_REGISTRY_KEY + 3];
	size_t		 keylen;
	char		 text[3][D4_REGISTRY_TEXT];
	uint64_t	 number[3];
};

static const enum d4_registry_field text_fields[] = {
	D4_FIELD_DESCRIPTION, D4_FIELD_MAIL, D4_FIELD_THIRD_PARTY
};
static const enum d4_registry_field number_fields[] = {
	D4_FIELD_LIMIT, D4_FIELD_MONITOR, D4_FIELD_MAX_AGE
};

static int
get_key(const struct import *im, const struct d4_meta_value *v,
    struct values *s)
{
	const char *text;
	int r;

	if ((r = d4_meta_value_string(v, "key", &text)) == 1)
		return 0;
	if (r == -1 || D4_BASE64_DECODED(strlen(text)) > sizeof(s->key) ||
	    d4_base64_decode(s->key, &s->keylen, text, strlen(text)) == -1 ||
	    s->keylen == 0 || s->keylen > D4_REGISTRY_KEY ||
	    memchr(s->key, '\0', s->keylen) != NULL)
		return refuse(im, "the key is none in base64");
	s->has_key = true;
	return 0;
}

static int
get_values(const struct import *im, const struct d4_meta_value *v,
    struct values *s)
{
	static const char *const texts[] = {
		"description", "mail", "third_party"
	};
	static const char *const numbers[] = { "limit", "monitor", "max_age" };
	size_t i;

	memset(s, 0, sizeof(*s));
	if (get_uuid(im, v, s->uuid) == -1 || get_key(im, v, s) == -1)
		return -1;
	if (d4_meta_value_bool(v, "registered", &s->registered) == -1 ||
	    d4_meta_value_bool(v, "pending", &s->pending) == -1 ||
	    d4_meta_value_bool(v, "monotonic", &s->monotonic) == -1)
		return refuse(im, "is neither true nor false");
	if ((s->registered || s->pending) && !d4_uuid_is_v4(s->uuid))
		return refuse(im, "the uuid is not of version 4");
	for (i = 0; i < 3; i++) {
		if (get_text(im, v, texts[i], s->text[i],
		    sizeof(s->text[i])) == -1 ||
		    get_number(im, v, numbers[i], 999999999999999,
		    &s->number[i]) == -1)
			return -1;
	}
	return 0;
}

static int
put_values(struct import *im, const struct values *s)
{
	static const struct d4_registry_registration none = { .key = NULL };
	struct d4_registry *reg = im->admin->reg;
	char text[24];
	size_t i;
	int r = 0;

	if (s->has_key)
		r = d4_registry_set(reg, s->uuid, D4_FIELD_KEY, s->key,
		    s->keylen);
	for (i = 0; r != -1 && i < 3; i++) {
		if (*s->text[i] != '\0')
			r = d4_registry_set(reg, s->uuid, text_fields[i],
			    s->text[i], strlen(s->text[i]));
	}
	for (i = 0; r != -1 && i < 3; i++) {
		(void)snprintf(text, sizeof(text), "%llu",
		    (unsigned long long)s->number[i]);
		if (s->number[i] != 0)
			r = d4_registry_set(reg, s->uuid, number_fields[i],
			    text, strlen(text));
	}
	if (r != -1 && s->monotonic)
		r = d4_registry_set(reg, s->uuid, D4_FIELD_MONOTONIC, "1", 1);
	if (r != -1 && s->registered)
		r = d4_registry_approve(reg, s->uuid);
	else if (r != -1 && s->pending)
		r = d4_registry_register(reg, s->uuid, &none, false);
	return r == -1 ? fault(im) : 0;
}

static int
import_sensor(struct import *im, const struct d4_meta_value *v)
{
	struct values s;
	int r;

	if ((r = get_values(im, v, &s)) == 0 && !im->checks)
		r = put_values(im, &s);
	d4_mac_wipe(&s, sizeof(s));
	return r;
}

static int
import_stranger(struct import *im, const struct d4_meta_value *v)
{
	char address[D4_REGISTRY_ADDRESS];
	uint8_t uuid[D4_UUID_LEN];
	uint64_t time;

	if (get_uuid(im, v, uuid) == -1 || get_text(im, v, "address", address,
	    sizeof(address)) == -1 ||
	    get_number(im, v, "time", UINT32_MAX, &time) == -1)
		return -1;
	return im->checks || d4_registry_stranger(im->admin->reg, uuid,
	    address, time) != -1 ? 0 : fault(im);
}

/* -- facts and counts ------------------------------------------------------ */

struct facts {
	struct import			*im;
	struct d4_registry_facts	 f;
};

static int
on_seen(void *cookie, const struct d4_meta_value *v)
{
	struct facts *facts = cookie;
	struct d4_registry_seen *seen;

	seen = realloc(facts->f.seen, (facts->f.nseen + 1) * sizeof(*seen));
	if (seen == NULL)
		return refuse(facts->im, strerror(errno));
	facts->f.seen = seen;
	seen += facts->f.nseen;
	if (get_type(facts->im, v, &seen->type, seen->extended) == -1 ||
	    get_number(facts->im, v, "first_seen", UINT32_MAX,
	    &seen->first) == -1 || get_number(facts->im, v, "last_seen",
	    UINT32_MAX, &seen->last) == -1)
		return -1;
	facts->f.nseen++;
	return 0;
}

static int
on_address(void *cookie, const struct d4_meta_value *v)
{
	struct facts *facts = cookie;
	size_t i = facts->f.naddresses;

	if (i == D4_REGISTRY_ADDRESSES)
		return refuse(facts->im, "too many addresses");
	if (get_text(facts->im, v, "address", facts->f.addresses[i].text,
	    sizeof(facts->f.addresses[i].text)) == -1 ||
	    get_number(facts->im, v, "time", UINT32_MAX,
	    &facts->f.addresses[i].time) == -1)
		return -1;
	facts->f.naddresses++;
	return 0;
}

static int
import_facts(struct import *im, const struct d4_meta_value *v)
{
	struct facts facts = { .im = im };
	struct d4_registry_facts *f = &facts.f;
	uint8_t uuid[D4_UUID_LEN];
	int r = 0;

	if (get_uuid(im, v, uuid) == -1 ||
	    get_number(im, v, "first_seen", UINT32_MAX, &f->first) == -1 ||
	    get_number(im, v, "last_seen", UINT32_MAX, &f->last) == -1 ||
	    get_number(im, v, "error_time", UINT32_MAX,
	    &f->error_time) == -1 ||
	    get_text(im, v, "error", f->error, sizeof(f->error)) == -1)
		return -1;
	if (d4_meta_value_objects(v, "types", on_seen, &facts) != 0 ||
	    d4_meta_value_objects(v, "addresses", on_address, &facts) != 0)
		r = refuse(im, "types or addresses are wrong");
	else if (!im->checks &&
	    d4_registry_merge_facts(im->admin->reg, uuid, f) == -1)
		r = fault(im);
	free(f->seen);
	return r;
}

/* The counts of a day come one after the other, so the last is looked at
 * first. */
static bool
has_day(const struct days *days, uint32_t day)
{
	size_t i;

	for (i = days->n; i-- > 0; ) {
		if (days->list[i] == day)
			return true;
	}
	return false;
}

static int
keep_day(void *cookie, uint32_t day)
{
	struct days *days = cookie;
	void *list;

	if ((list = realloc(days->list, (days->n + 1) *
	    sizeof(*days->list))) == NULL)
		return -1;
	days->list = list;
	days->list[days->n++] = day;
	return 0;
}

static int
import_count(struct import *im, const struct d4_meta_value *v)
{
	struct d4_registry_count c = { .records = 0 };
	char extended[D4_TYPE_NAME_MAX + 1];
	uint64_t day;

	if (get_uuid(im, v, c.uuid) == -1 ||
	    get_type(im, v, &c.type, extended) == -1 ||
	    get_text(im, v, "address", c.address, sizeof(c.address)) == -1 ||
	    get_number(im, v, "day", 99991231, &day) == -1 ||
	    get_number(im, v, "records", UINT64_MAX, &c.records) == -1 ||
	    get_number(im, v, "bytes", UINT64_MAX, &c.bytes) == -1)
		return -1;
	if (day < 19700101)
		return refuse(im, "the day is wrong");
	if (im->checks)
		return has_day(&im->days, (uint32_t)day) ||
		    keep_day(&im->days, (uint32_t)day) == 0 ? 0 :
		    refuse(im, strerror(errno));
	/* Counted twice they would be wrong for good. */
	if (!im->adds && has_day(&im->had, (uint32_t)day))
		return 0;
	return d4_registry_merge_count(im->admin->reg, (uint32_t)day,
	    &c) != -1 ? 0 : fault(im);
}

/* -- sets and queues ------------------------------------------------------- */

static int
import_member(struct import *im, const struct d4_meta_value *v,
    enum d4_registry_set set)
{
	const char *value, *why;
	uint8_t uuid[D4_UUID_LEN];
	struct d4_cidr net;
	bool good;

	if (d4_meta_value_string(v, "value", &value) != 0)
		return refuse(im, "no value");
	if (set == D4_SET_BLOCKED_ADDRESSES)
		good = d4_cidr_parse(&net, value, &why) == 0;
	else if (set == D4_SET_TYPES)
		good = strlen(value) < 4 && strspn(value, "0123456789") ==
		    strlen(value) && *value != '\0' &&
		    strtol(value, NULL, 10) <= UINT8_MAX;
	else if (set == D4_SET_EXTENDED)
		good = d4_type_name_ok(value, strlen(value));
	else
		good = d4_uuid_parse(uuid, value) == 0;
	if (!good)
		return refuse(im, "the value is not one of its kind");
	return im->checks || d4_registry_add(im->admin->reg, set, value) != -1
	    ? 0 : fault(im);
}

static int
import_mode(struct import *im, const struct d4_meta_value *v)
{
	enum d4_registry_mode mode;
	const char *value;

	if (d4_meta_value_string(v, "value", &value) != 0 ||
	    d4_registry_mode_parse(value, &mode) == -1)
		return refuse(im, "the mode is none");
	return im->checks || d4_registry_set_mode(im->admin->reg, mode) != -1 ?
	    0 : fault(im);
}

static int
on_queue_member(void *cookie, const char *text)
{
	uint8_t uuid[D4_UUID_LEN];

	return d4_uuid_parse(uuid, text) == 0 ? keep_uuid(cookie, uuid) : -1;
}

/* One that is there gets limit, description and members in addition. */
static int
put_queue(struct import *im, const struct d4_registry_queue *q)
{
	struct d4_registry *reg = im->admin->reg;
	size_t i;
	int r;

	if ((r = d4_registry_queue_create(reg, q)) == 1) {
		r = d4_registry_queue_describe(reg, q->uuid, q->description);
		if (r != -1 && q->max_size != 0)
			r = d4_registry_queue_limit(reg, q->uuid,
			    q->max_size);
		for (i = 0; r != -1 && i < q->nmembers; i++)
			r = d4_registry_queue_member(reg, q->uuid,
			    q->members[i], true);
	}
	return r == -1 ? fault(im) : 0;
}

static int
import_queue(struct import *im, const struct d4_meta_value *v)
{
	char description[D4_REGISTRY_TEXT];
	struct d4_registry_queue q = { .description = description };
	struct uuids members = { .n = 0 };
	int grouped = 0, r = 0;

	if (get_uuid(im, v, q.uuid) == -1 ||
	    get_type(im, v, &q.type, q.extended) == -1 ||
	    get_number(im, v, "limit", 999999999999999, &q.max_size) == -1 ||
	    get_text(im, v, "description", description,
	    sizeof(description)) == -1)
		return -1;
	if (d4_meta_value_bool(v, "grouped", &grouped) == -1 ||
	    d4_meta_value_strings(v, "members", on_queue_member,
	    &members) != 0 || members.failed)
		r = refuse(im, "the group is wrong");
	q.grouped = grouped;
	q.members = (const uint8_t (*)[D4_UUID_LEN])members.list;
	q.nmembers = members.n;
	if (r == 0 && !im->checks)
		r = put_queue(im, &q);
	free(members.list);
	return r;
}

/* -- lines ----------------------------------------------------------------- */

static int
import_head(struct import *im, const struct d4_meta_value *v)
{
	uint64_t version;

	if (get_number(im, v, "version", UINT32_MAX, &version) == -1)
		return -1;
	return version == 1 ? 0 : refuse(im, "of another version");
}

static int
import_object(struct import *im, const struct d4_meta_value *v)
{
	static const struct {
		const char	*kind;
		int		 (*import)(struct import *,
				     const struct d4_meta_value *);
	} kinds[] = {
		{ "registry", import_head }, { "sensor", import_sensor },
		{ "stranger", import_stranger }, { "facts", import_facts },
		{ "mode", import_mode }, { "count", import_count },
		{ "queue", import_queue }
	};
	static const struct {
		const char		*kind;
		enum d4_registry_set	 set;
	} sets[] = {
		{ "block_address", D4_SET_BLOCKED_ADDRESSES },
		{ "block_uuid", D4_SET_BLOCKED_UUIDS },
		{ "block_by_uuid", D4_SET_BLOCKED_BY_UUID },
		{ "type", D4_SET_TYPES }, { "extended_type", D4_SET_EXTENDED }
	};
	const char *kind = "";
	size_t i;

	(void)d4_meta_value_string(v, "kind", &kind);
	if (im->line == 1 && strcmp(kind, "registry") != 0)
		return refuse(im, "not an export of a registry");
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].kind, kind) == 0)
			return kinds[i].import(im, v);
	}
	for (i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		if (strcmp(sets[i].kind, kind) == 0)
			return import_member(im, v, sets[i].set);
	}
	return refuse(im, "of no known kind");
}

/* The lines that were gathered are on the disk. */
static int
settle(struct import *im, size_t last)
{
	struct d4_registry *reg = im->admin->reg;
	size_t first = im->first;

	im->first = 0;
	if (first == 0 || d4_registry_commit(reg) == 0)
		return 0;
	d4_log_warnx("%s: lines %zu to %zu: %s", im->name, first, last,
	    d4_registry_why(reg));
	return -1;
}

/* This line is gathered, too. */
static int
gather(struct import *im)
{
	if (im->checks)
		return 0;
	if (im->first != 0 && im->line - im->first < GATHER &&
	    d4_clock_ms() - im->since_ms < GATHER_MS)
		return 0;
	if (settle(im, im->line - 1) == -1)
		return -1;
	if (d4_registry_begin(im->admin->reg) == -1)
		return fault(im);
	im->first = im->line;
	im->since_ms = d4_clock_ms();
	return 0;
}

/* Goes through all lines once. */
static int
import_lines(struct import *im)
{
	const char *line = im->text, *end = im->text + im->len, *next, *why;
	struct d4_meta_value *v;
	int r = 0;

	im->line = 0;
	for (; r == 0 && line < end; line = next + 1) {
		next = memchr(line, '\n', (size_t)(end - line));
		if (next == NULL)
			next = end;
		im->line++;
		v = d4_meta_value_parse(line, (size_t)(next - line), &why);
		r = v == NULL ? refuse(im, why) : gather(im);
		if (r == 0)
			r = import_object(im, v);
		d4_meta_value_free(v);
	}
	if (r == 0 && im->line == 0) {
		im->line = 1;
		r = refuse(im, "not an export of a registry");
	}
	return settle(im, im->line) == 0 ? r : -1;
}

static int
load(struct import *im, FILE *file)
{
	size_t room = 65536;
	char *text;

	while ((text = realloc(im->text, room)) != NULL) {
		im->text = text;
		im->len += fread(text + im->len, 1, room - im->len, file);
		if (im->len < room)
			break;
		room *= 2;
	}
	if (text == NULL || ferror(file)) {
		d4_log_warn("%s", im->name);
		return -1;
	}
	return 0;
}

/* Says so when counts of the file are left out. */
static int
check_days(struct import *im)
{
	size_t i;

	if (d4_registry_days(im->admin->reg, keep_day, &im->had) != 0)
		return admin_fault(im->admin);
	for (i = 0; !im->adds && i < im->days.n; i++) {
		if (has_day(&im->had, im->days.list[i])) {
			d4_log_warnx("%s: counts of days that have some "
			    "already are left out (--add adds them)",
			    im->name);
			break;
		}
	}
	return 0;
}

static int
run(struct import *im, bool check_only)
{
	struct admin *a = im->admin;

	im->checks = true;
	if (import_lines(im) != 0)
		return 1;
	/* A check makes nothing, and needs nothing to be there. */
	if (check_only && !place_has_registry(&a->place))
		return 0;
	if ((a->reg = place_open(&a->place, !check_only, a->why)) == NULL)
		return admin_fault(a);
	if (check_days(im) != 0)
		return 1;
	if (check_only)
		return 0;
	im->checks = false;
	if (import_lines(im) != 0)
		return 1;
	return d4_registry_flush(a->reg, 0) == -1 ? admin_fault(a) : 0;
}

int
import_all(struct admin *a, const struct args *args)
{
	struct import im = { .admin = a, .name = "stdin",
	    .adds = args_option(args, "add") != NULL };
	FILE *file = stdin;
	int status;

	if (args->n == 1 && strcmp(args->operand[0], "-") != 0) {
		im.name = args->operand[0];
		if ((file = fopen(im.name, "re")) == NULL) {
			d4_log_warn("%s", im.name);
			return 1;
		}
	}
	status = load(&im, file) == 0 ?
	    run(&im, args_option(args, "n") != NULL) : 1;
	if (file != stdin)
		(void)fclose(file);
	if (im.text != NULL)
		d4_mac_wipe(im.text, im.len);
	free(im.text);
	free(im.days.list);
	free(im.had.list);
	return status;
}
