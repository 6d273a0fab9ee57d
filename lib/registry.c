/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/clock.h"
#include "lib/mac.h"
#include "lib/registry-own.h"
#include "lib/uuid.h"

/* Sensors kept in memory; strangers never are. */
#define SENSORS_MAX	100000

struct sensor {
	uint8_t				uuid[D4_UUID_LEN];
	struct d4_registry_sensor	values;
	int64_t				loaded_ms;
	uint8_t				key[];
};

int
registry_fault(struct d4_registry *reg, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(reg->why, sizeof(reg->why), fmt, ap);
	va_end(ap);
	return -1;
}

/* -- opening --------------------------------------------------------------- */

static void
free_sensor(void *item)
{
	struct sensor *sensor = item;

	d4_mac_wipe(sensor->key, sensor->values.keylen);
	free(sensor);
}

static struct d4_registry *
new_registry(const struct d4_registry_backend *backend)
{
	uint8_t random[D4_UUID_LEN];
	struct d4_registry *reg;
	uint64_t seed;

	if ((reg = calloc(1, sizeof(*reg))) == NULL)
		return NULL;
	d4_uuid_new(random);
	seed = d4_get64le(random) ^ d4_get64le(random + 8);
	TAILQ_INIT(&reg->lost);
	TAILQ_INIT(&reg->waiting);
	reg->backend = backend;
	reg->sensors = d4_table_new(seed);
	reg->claims = d4_table_new(seed);
	reg->noted = d4_table_new(seed);
	if (reg->sensors != NULL && reg->claims != NULL && reg->noted != NULL)
		return reg;
	d4_registry_close(reg);
	return NULL;
}

struct d4_registry *
d4_registry_open(const char *spec, const char *queues, bool create,
    char why[256])
{
	return d4_registry_open_as(spec, queues, create, NULL, why);
}

struct d4_registry *
d4_registry_open_as(const char *spec, const char *queues, bool create,
    const struct d4_registry_login *login, char why[256])
{
	struct d4_registry *reg;

	reg = new_registry(strncmp(spec, "redis:", 6) == 0 ?
	    &d4_registry_redis : &d4_registry_dir);
	if (reg == NULL) {
		(void)snprintf(why, 256, "%s", strerror(errno));
		return NULL;
	}
	reg->store = reg->backend->open(spec, queues, create, login,
	    reg->why);
	if (reg->store == NULL ||
	    reg->backend->stamp(reg->store, reg->stamp) == -1) {
		(void)snprintf(why, 256, "%.255s", reg->why);
		d4_registry_close(reg);
		return NULL;
	}
	return reg;
}

const char *
d4_registry_why(const struct d4_registry *reg)
{
	return reg->why;
}

/* -- lists ----------------------------------------------------------------- */

int
uuids_add(struct uuids *uuids, const uint8_t uuid[D4_UUID_LEN])
{
	size_t room;
	void *list;

	if (uuids->n == uuids->room) {
		room = uuids->room == 0 ? 16 : 2 * uuids->room;
		list = realloc(uuids->list, room * sizeof(*uuids->list));
		if (list == NULL)
			return -1;
		uuids->list = list;
		uuids->room = room;
	}
	memcpy(uuids->list[uuids->n++], uuid, D4_UUID_LEN);
	return 0;
}

static int
compare_uuids(const void *a, const void *b)
{
	return memcmp(a, b, D4_UUID_LEN);
}

/* In order, each once. */
void
uuids_sort(struct uuids *uuids)
{
	size_t i, n = 0;

	if (uuids->n == 0)
		return;
	qsort(uuids->list, uuids->n, sizeof(*uuids->list), compare_uuids);
	for (i = 1; i < uuids->n; i++) {
		if (memcmp(uuids->list[n], uuids->list[i], D4_UUID_LEN) != 0)
			memmove(uuids->list[++n], uuids->list[i],
			    D4_UUID_LEN);
	}
	uuids->n = n + 1;
}

bool
uuids_have(const struct uuids *uuids, const uint8_t uuid[D4_UUID_LEN])
{
	return uuids->n > 0 && bsearch(uuid, uuids->list, uuids->n,
	    sizeof(*uuids->list), compare_uuids) != NULL;
}

struct loading {
	struct d4_registry	*reg;
	struct lists		*lists;
	struct uuids		*uuids;
};

static int
on_network(void *cookie, const char *text)
{
	struct loading *loading = cookie;
	char canonical[D4_CIDR_TEXT];
	struct d4_cidr net;
	const char *why;

	if (d4_cidr_parse(&net, text, &why) == -1)
		return registry_fault(loading->reg, "blocked address "
		    "%.100s: %s", text, why);
	d4_cidr_text(canonical, &net);
	if (strcmp(canonical, text) != 0)
		return registry_fault(loading->reg, "blocked address "
		    "%.100s: should be spelt %s", text, canonical);
	if (d4_cidr_set_add(loading->lists->networks, &net) == -1)
		return registry_fault(loading->reg, "%s", strerror(errno));
	return 0;
}

static int
on_blocked(void *cookie, const char *text)
{
	struct loading *loading = cookie;
	uint8_t uuid[D4_UUID_LEN];

	if (d4_uuid_parse(uuid, text) == -1)
		return registry_fault(loading->reg,
		    "blocked uuid %.100s: is not a uuid", text);
	if (uuids_add(loading->uuids, uuid) == -1)
		return registry_fault(loading->reg, "%s", strerror(errno));
	return 0;
}

static int
on_kicked(void *cookie, const uint8_t uuid[D4_UUID_LEN], uint64_t until)
{
	struct loading *loading = cookie;
	struct lists *lists = loading->lists;
	struct kicked *kicked;

	kicked = realloc(lists->kicked,
	    (lists->nkicked + 1) * sizeof(*kicked));
	if (kicked == NULL)
		return registry_fault(loading->reg, "%s", strerror(errno));
	lists->kicked = kicked;
	memcpy(kicked[lists->nkicked].uuid, uuid, D4_UUID_LEN);
	kicked[lists->nkicked++].until = until;
	return 0;
}

static int
on_type(void *cookie, const char *text)
{
	struct loading *loading = cookie;
	unsigned long n;
	char *end;

	n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || n > UINT8_MAX)
		return registry_fault(loading->reg,
		    "type %.100s: is not a number of 0 to 255", text);
	loading->lists->types[n] = true;
	loading->lists->ntypes++;
	return 0;
}

static int
on_name(void *cookie, const char *text)
{
	struct loading *loading = cookie;
	struct lists *lists = loading->lists;
	char **names;

	if (!d4_type_name_ok(text, strlen(text)))
		return registry_fault(loading->reg,
		    "extended type %.100s: is not a name of one", text);
	names = realloc(lists->names, (lists->nnames + 1) * sizeof(*names));
	if (names == NULL)
		return registry_fault(loading->reg, "%s", strerror(errno));
	lists->names = names;
	if ((names[lists->nnames] = strdup(text)) == NULL)
		return registry_fault(loading->reg, "%s", strerror(errno));
	lists->nnames++;
	return 0;
}

static int
load_mode(struct d4_registry *reg, struct lists *lists)
{
	char word[D4_REGISTRY_WORD];
	int r;

	if ((r = reg->backend->get_mode(reg->store, word)) != 0)
		return r == 1 ? 0 : -1;
	if (d4_registry_mode_parse(word, &lists->mode) == -1)
		return registry_fault(reg, "mode: is neither "
		    "\"registration\" nor \"shared-secret\"");
	return 0;
}

static void
free_lists(struct lists *lists)
{
	size_t i;

	d4_cidr_set_free(lists->networks);
	free(lists->blocked.list);
	free(lists->by_uuid.list);
	free(lists->kicked);
	for (i = 0; i < lists->nnames; i++)
		free(lists->names[i]);
	free(lists->names);
	registry_free_queues(lists);
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
load(struct d4_registry *reg, struct lists *lists)
{
	struct loading l = { .reg = reg, .lists = lists };
	const struct d4_registry_backend *b = reg->backend;

	memset(lists, 0, sizeof(*lists));
	if ((lists->networks = d4_cidr_set_new()) == NULL)
		return registry_fault(reg, "%s", strerror(errno));
	if (b->each(reg->store, D4_SET_BLOCKED_ADDRESSES, on_network, &l) != 0)
		return -1;
	lists->nnetworks = d4_cidr_set_count(lists->networks);
	d4_cidr_set_seal(lists->networks);
	l.uuids = &lists->blocked;
	if (b->each(reg->store, D4_SET_BLOCKED_UUIDS, on_blocked, &l) != 0)
		return -1;
	l.uuids = &lists->by_uuid;
	if (b->each(reg->store, D4_SET_BLOCKED_BY_UUID, on_blocked, &l) != 0)
		return -1;
	uuids_sort(&lists->blocked);
	uuids_sort(&lists->by_uuid);
	if (b->each_kick(reg->store, on_kicked, &l) != 0 ||
	    b->each(reg->store, D4_SET_TYPES, on_type, &l) != 0 ||
	    b->each(reg->store, D4_SET_EXTENDED, on_name, &l) != 0 ||
	    load_mode(reg, lists) == -1)
		return -1;
	if (lists->nkicked > 0)
		qsort(lists->kicked, lists->nkicked, sizeof(*lists->kicked),
		    compare_uuids);
	if (lists->nnames > 0)
		qsort(lists->names, lists->nnames, sizeof(*lists->names),
		    compare_names);
	return registry_load_queues(reg, lists);
}

/* What was loaded before stays until what comes instead is whole. */
static int
reload(struct d4_registry *reg)
{
	struct lists lists;

	if (load(reg, &lists) == -1) {
		free_lists(&lists);
		return -1;
	}
	(void)registry_flush_queues(reg);
	free_lists(&reg->lists);
	reg->lists = lists;
	reg->loaded = true;
	return 0;
}

int
registry_lists(struct d4_registry *reg)
{
	return reg->loaded ? 0 : reload(reg);
}

void
d4_registry_close(struct d4_registry *reg)
{
	if (reg == NULL)
		return;
	registry_free_claims(reg);
	registry_free_notes(reg);
	free_lists(&reg->lists);
	d4_table_free(reg->sensors, free_sensor);
	if (reg->store != NULL)
		reg->backend->close(reg->store);
	free(reg);
}

/* -- changes by others ----------------------------------------------------- */

static int
drop_sensors(struct d4_registry *reg)
{
	uint8_t random[D4_UUID_LEN];
	struct d4_table *empty;

	if (d4_table_count(reg->sensors) == 0)
		return 0;
	d4_uuid_new(random);
	if ((empty = d4_table_new(d4_get64le(random + 8))) == NULL)
		return registry_fault(reg, "%s", strerror(errno));
	d4_table_free(reg->sensors, free_sensor);
	reg->sensors = empty;
	return 0;
}

int
d4_registry_refresh(struct d4_registry *reg)
{
	uint64_t stamp[2];
	bool changed;

	if (registry_find_lost(reg) == -1 ||
	    reg->backend->stamp(reg->store, stamp) == -1)
		return -1;
	changed = memcmp(stamp, reg->stamp, sizeof(stamp)) != 0;
	if (!changed && !reg->stale)
		return 0;
	if (changed) {
		if (drop_sensors(reg) == -1)
			return -1;
		reg->generation++;
	}
	/* The stamp was read first: a change from now on will be seen. */
	memcpy(reg->stamp, stamp, sizeof(stamp));
	reg->stale = reg->loaded && reload(reg) == -1;
	if (reg->stale)
		return -1;
	if (!changed)
		reg->generation++;
	return 1;
}

uint64_t
d4_registry_generation(const struct d4_registry *reg)
{
	return reg->generation;
}

/* -- admission ------------------------------------------------------------- */

/* A value that is a number, or 0. */
static int
load_number(struct d4_registry *reg, const uint8_t *uuid, unsigned int field,
    const char *name, uint64_t *n)
{
	char hex[D4_UUID_HEX], text[32], *end;
	size_t len;
	int r;

	*n = 0;
	if ((r = reg->backend->get(reg->store, uuid, field, text,
	    sizeof(text), &len)) != 0)
		return r == 1 ? 0 : -1;
	errno = 0;
	*n = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0)
		return 0;
	d4_uuid_hex(hex, uuid);
	return registry_fault(reg, "sensor %s: %s: is not a number", hex,
	    name);
}

static int
load_mark(struct d4_registry *reg, const uint8_t *uuid, unsigned int field,
    bool *is)
{
	char text[64];
	size_t len;
	int r;

	r = reg->backend->get(reg->store, uuid, field, text, sizeof(text),
	    &len);
	*is = r == 0;
	return r == -1 ? -1 : 0;
}

static struct sensor *
load_sensor(struct d4_registry *reg, const uint8_t *uuid)
{
	uint8_t key[D4_REGISTRY_KEY + 1];
	char hex[D4_UUID_HEX];
	struct d4_registry_sensor *v;
	struct sensor *sensor;
	size_t len = 0;
	uint64_t n;
	int r;

	r = reg->backend->get(reg->store, uuid, D4_FIELD_KEY, key, sizeof(key),
	    &len);
	if (r == 0 && len == 0) {
		d4_uuid_hex(hex, uuid);
		r = registry_fault(reg, "sensor %s: key: is empty", hex);
	}
	if (r == -1)
		return NULL;
	if ((sensor = calloc(1, sizeof(*sensor) + len)) == NULL) {
		(void)registry_fault(reg, "%s", strerror(errno));
		goto err;
	}
	v = &sensor->values;
	memcpy(sensor->uuid, uuid, sizeof(sensor->uuid));
	v->known = true;
	if (r == 0) {
		memcpy(sensor->key, key, len);
		v->key = sensor->key;
		v->keylen = len;
	}
	if (load_mark(reg, uuid, D4_MARK_REGISTERED, &v->registered) == -1 ||
	    load_mark(reg, uuid, D4_MARK_PENDING, &v->pending) == -1 ||
	    load_number(reg, uuid, D4_FIELD_LIMIT, "limit",
	    &v->limit) == -1 ||
	    load_number(reg, uuid, D4_FIELD_MAX_AGE, "max_age",
	    &v->max_age) == -1 ||
	    load_number(reg, uuid, D4_FIELD_MONOTONIC, "monotonic",
	    &n) == -1) {
		free_sensor(sensor);
		sensor = NULL;
	} else
		v->monotonic = n != 0;
err:
	d4_mac_wipe(key, sizeof(key));
	return sensor;
}

/* What is cached of a sensor and not too old. */
static struct sensor *
cached_sensor(struct d4_registry *reg, const uint8_t *uuid)
{
	struct sensor *sensor = d4_table_get(reg->sensors, uuid);

	if (sensor == NULL || reg->backend->max_age_ms == 0 ||
	    d4_clock_ms() - sensor->loaded_ms < reg->backend->max_age_ms)
		return sensor;
	free_sensor(d4_table_take(reg->sensors, uuid));
	return NULL;
}

/* Finds what is set of a sensor, 1 when nothing is. */
static int
find_sensor(struct d4_registry *reg, const uint8_t *uuid,
    struct d4_registry_sensor *values)
{
	struct sensor *sensor;
	int r;

	memset(values, 0, sizeof(*values));
	if ((sensor = cached_sensor(reg, uuid)) == NULL) {
		if ((r = reg->backend->is_known(reg->store, uuid)) != 0)
			return r;
		if (d4_table_count(reg->sensors) >= SENSORS_MAX &&
		    drop_sensors(reg) == -1)
			return -1;
		if ((sensor = load_sensor(reg, uuid)) == NULL)
			return -1;
		sensor->loaded_ms = d4_clock_ms();
		if (d4_table_put(reg->sensors, sensor) == -1) {
			free_sensor(sensor);
			return registry_fault(reg, "%s", strerror(errno));
		}
	}
	*values = sensor->values;
	return 0;
}

int
d4_registry_sensor(struct d4_registry *reg, const uint8_t uuid[D4_UUID_LEN],
    struct d4_registry_sensor *values)
{
	const struct kicked *kicked = NULL;
	int r;

	if (registry_lists(reg) == -1 ||
	    (r = find_sensor(reg, uuid, values)) == -1)
		return -1;
	if (r == 1) {
		r = reg->backend->is_stranger(reg->store, uuid);
		if (r == -1)
			return -1;
		values->known = values->pending = r == 0;
	}
	values->blocked = uuids_have(&reg->lists.blocked, uuid);
	values->block_address = uuids_have(&reg->lists.by_uuid, uuid);
	if (reg->lists.nkicked > 0)
		kicked = bsearch(uuid, reg->lists.kicked, reg->lists.nkicked,
		    sizeof(*reg->lists.kicked), compare_uuids);
	if (kicked != NULL)
		values->kicked_until = kicked->until;
	values->known = values->known || values->blocked ||
	    values->block_address || kicked != NULL;
	return 0;
}

int
d4_registry_address_blocked(struct d4_registry *reg, const char *address)
{
	if (registry_lists(reg) == -1)
		return -1;
	return d4_cidr_set_has(reg->lists.networks, address);
}

int
d4_registry_types(struct d4_registry *reg, bool types[UINT8_MAX + 1])
{
	if (registry_lists(reg) == -1)
		return -1;
	memcpy(types, reg->lists.types, sizeof(reg->lists.types));
	return (int)(reg->lists.ntypes + reg->lists.nnames);
}

int
d4_registry_extended(struct d4_registry *reg, const char *name)
{
	if (registry_lists(reg) == -1)
		return -1;
	return reg->lists.nnames > 0 && bsearch(&name, reg->lists.names,
	    reg->lists.nnames, sizeof(*reg->lists.names),
	    compare_names) != NULL;
}

int
d4_registry_mode(struct d4_registry *reg, enum d4_registry_mode *mode)
{
	if (registry_lists(reg) == -1)
		return -1;
	*mode = reg->lists.mode;
	return 0;
}

static const char *const mode_words[] = {
	[D4_MODE_CONFIGURED] = NULL,
	[D4_MODE_SHARED_SECRET] = "shared-secret",
	[D4_MODE_REGISTRATION] = "registration"
};

const char *
d4_registry_mode_word(enum d4_registry_mode mode)
{
	return mode_words[mode];
}

int
d4_registry_mode_parse(const char *word, enum d4_registry_mode *mode)
{
	size_t i;

	for (i = 1; i < sizeof(mode_words) / sizeof(mode_words[0]); i++) {
		if (strcmp(word, mode_words[i]) == 0) {
			*mode = (enum d4_registry_mode)i;
			return 0;
		}
	}
	return -1;
}

int
d4_registry_stranger(struct d4_registry *reg, const uint8_t uuid[D4_UUID_LEN],
    const char *address, uint64_t now)
{
	if (!d4_registry_text_ok(address, D4_REGISTRY_ADDRESS) ||
	    *address == '\0' || strchr(address, ' ') != NULL)
		return registry_fault(reg, "an address is none");
	return reg->backend->stranger(reg->store, uuid, address, now);
}
