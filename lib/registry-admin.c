/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/mac.h"
#include "lib/registry-own.h"
#include "lib/uuid.h"

/* Seconds for which a kick that has ended is kept. */
#define KICK_KEPT	3600

int
registry_changed(struct d4_registry *reg, int r)
{
	char why[D4_REGISTRY_WHY];

	if (r == 1)
		return 1;
	if (reg->begun) {
		reg->changed = true;
		return r;
	}
	if (r == 0)
		return reg->backend->touch(reg->store);
	/* What failed may have been done in part; the reason is its own. */
	memcpy(why, reg->why, sizeof(why));
	(void)reg->backend->touch(reg->store);
	memcpy(reg->why, why, sizeof(why));
	return -1;
}

int
registry_lock(struct d4_registry *reg)
{
	return reg->begun ? 0 : reg->backend->lock(reg->store);
}

int
registry_unlock(struct d4_registry *reg, int r)
{
	r = registry_changed(reg, r);
	if (!reg->begun)
		reg->backend->unlock(reg->store);
	return r;
}

int
d4_registry_begin(struct d4_registry *reg)
{
	if (registry_lock(reg) == -1)
		return -1;
	if (reg->backend->begin != NULL)
		reg->backend->begin(reg->store);
	reg->begun = true;
	reg->changed = false;
	return 0;
}

int
d4_registry_commit(struct d4_registry *reg)
{
	int r = reg->backend->commit == NULL ? 0 :
	    reg->backend->commit(reg->store);

	reg->begun = false;
	return registry_unlock(reg, r == 0 && !reg->changed ? 1 : r) == -1 ?
	    -1 : 0;
}

int
d4_registry_announce(struct d4_registry *reg, const void *key, size_t len)
{
	char text[D4_REGISTRY_KEY + 1];
	int r;

	if (reg->backend->announce == NULL)
		return 0;
	if (len >= sizeof(text) || memchr(key, '\0', len) != NULL)
		return registry_fault(reg, "the default key is none");
	memcpy(text, key, len);
	text[len] = '\0';
	r = reg->backend->announce(reg->store, text);
	d4_mac_wipe(text, sizeof(text));
	return r;
}

/* -- values ---------------------------------------------------------------- */

/* Why the value is not one of the field, or NULL. */
static const char *
judge(enum d4_registry_field field, const char *value, size_t len)
{
	switch (field) {
	case D4_FIELD_KEY:
		if (len == 0)
			return "the key is empty";
		if (len > D4_REGISTRY_KEY)
			return "the key is too long";
		if (memchr(value, '\0', len) != NULL)
			return "the key holds a NUL";
		/* It would be taken for a part of the line's end. */
		return value[len - 1] == '\r' ?
		    "the key ends with a carriage return" : NULL;
	case D4_FIELD_DESCRIPTION:
	case D4_FIELD_MAIL:
	case D4_FIELD_THIRD_PARTY:
		return d4_registry_text_ok(value, D4_REGISTRY_TEXT) &&
		    strlen(value) == len ? NULL : "the text is not one line";
	case D4_FIELD_LIMIT:
	case D4_FIELD_MONITOR:
	case D4_FIELD_MAX_AGE:
		return len > 0 && len < 19 &&
		    strspn(value, "0123456789") == len ? NULL :
		    "the number is not one";
	case D4_FIELD_MONOTONIC:
		return len == 1 && *value == '1' ? NULL : "is not 1";
	case D4_FIELDS:
		break;
	}
	return "there is no such field";
}

int
d4_registry_get(struct d4_registry *reg, const uint8_t uuid[D4_UUID_LEN],
    enum d4_registry_field field, void *buf, size_t size, size_t *len)
{
	return reg->backend->get(reg->store, uuid, field, buf, size, len);
}

/* As judge() wants texts to end, the value is copied with a NUL behind. */
static int
set_value(struct d4_registry *reg, const uint8_t *uuid,
    enum d4_registry_field field, const void *value, size_t len)
{
	const char *why;
	char *text;
	int r;

	if ((text = malloc(len + 1)) == NULL)
		return registry_fault(reg, "%s", strerror(errno));
	memcpy(text, value, len);
	text[len] = '\0';
	if ((why = judge(field, text, len)) != NULL)
		r = registry_fault(reg, "%s", why);
	else
		r = reg->backend->set(reg->store, uuid, field, text, len);
	d4_mac_wipe(text, len);
	free(text);
	return r;
}

const char *
d4_registry_field_name(enum d4_registry_field field)
{
	static const char *const names[D4_FIELDS] = {
		[D4_FIELD_KEY] = "key",
		[D4_FIELD_DESCRIPTION] = "description",
		[D4_FIELD_MAIL] = "mail",
		[D4_FIELD_THIRD_PARTY] = "third_party",
		[D4_FIELD_LIMIT] = "limit",
		[D4_FIELD_MONITOR] = "monitor",
		[D4_FIELD_MAX_AGE] = "max_age",
		[D4_FIELD_MONOTONIC] = "monotonic"
	};

	return names[field];
}

int
d4_registry_set(struct d4_registry *reg, const uint8_t uuid[D4_UUID_LEN],
    enum d4_registry_field field, const void *value, size_t len)
{
	int r;

	if (registry_lock(reg) == -1)
		return -1;
	r = value != NULL ? set_value(reg, uuid, field, value, len) :
	    reg->backend->set(reg->store, uuid, field, NULL, 0);
	return registry_unlock(reg, r);
}

/* -- registration ---------------------------------------------------------- */

/* Whether the sensor has the mark: 0, 1 not, -1. */
static int
has_mark(struct d4_registry *reg, const uint8_t *uuid, unsigned int mark)
{
	char text[64];
	size_t len;

	return reg->backend->get(reg->store, uuid, mark, text, sizeof(text),
	    &len);
}

static int
set_mark(struct d4_registry *reg, const uint8_t *uuid, unsigned int mark)
{
	char text[32];
	int n;

	n = snprintf(text, sizeof(text), "%jd", (intmax_t)time(NULL));
	return reg->backend->set(reg->store, uuid, mark, text, (size_t)n);
}

static int
set_text(struct d4_registry *reg, const uint8_t *uuid,
    enum d4_registry_field field, const char *text)
{
	return text == NULL ? 0 :
	    set_value(reg, uuid, field, text, strlen(text));
}

/* The mark comes last: what was begun and not ended is no registration. */
static int
register_sensor(struct d4_registry *reg, const uint8_t *uuid,
    const struct d4_registry_registration *r, unsigned int mark)
{
	int has;

	if ((has = has_mark(reg, uuid, D4_MARK_REGISTERED)) != 1 ||
	    (has = has_mark(reg, uuid, D4_MARK_PENDING)) != 1)
		return has == 0 ? 1 : -1;
	if ((r->key != NULL && set_value(reg, uuid, D4_FIELD_KEY, r->key,
	    r->keylen) == -1) ||
	    set_text(reg, uuid, D4_FIELD_DESCRIPTION, r->description) == -1 ||
	    set_text(reg, uuid, D4_FIELD_MAIL, r->mail) == -1 ||
	    set_text(reg, uuid, D4_FIELD_THIRD_PARTY, r->third_party) == -1 ||
	    set_mark(reg, uuid, mark) == -1)
		return -1;
	return mark == D4_MARK_REGISTERED &&
	    reg->backend->forget_stranger(reg->store, uuid) == -1 ? -1 : 0;
}

static int
check_v4(struct d4_registry *reg, const uint8_t *uuid)
{
	return d4_uuid_is_v4(uuid) ? 0 :
	    registry_fault(reg, "the uuid is not of version 4");
}

int
d4_registry_register(struct d4_registry *reg, const uint8_t uuid[D4_UUID_LEN],
    const struct d4_registry_registration *registration, bool approved)
{
	if (check_v4(reg, uuid) == -1 || registry_lock(reg) == -1)
		return -1;
	return registry_unlock(reg, register_sensor(reg, uuid, registration,
	    approved ? D4_MARK_REGISTERED : D4_MARK_PENDING));
}

/* One that is registered may wait still, where somebody ended in between. */
static int
approve(struct d4_registry *reg, const uint8_t *uuid)
{
	int was, waited, stranger;

	if ((was = has_mark(reg, uuid, D4_MARK_REGISTERED)) == -1 ||
	    (was == 1 && set_mark(reg, uuid, D4_MARK_REGISTERED) == -1) ||
	    (waited = reg->backend->set(reg->store, uuid, D4_MARK_PENDING,
	    NULL, 0)) == -1 ||
	    (stranger = reg->backend->forget_stranger(reg->store,
	    uuid)) == -1)
		return -1;
	return was == 0 && waited == 1 && stranger == 1 ? 1 : 0;
}

int
d4_registry_approve(struct d4_registry *reg, const uint8_t uuid[D4_UUID_LEN])
{
	if (check_v4(reg, uuid) == -1 || registry_lock(reg) == -1)
		return -1;
	return registry_unlock(reg, approve(reg, uuid));
}

static int
reject(struct d4_registry *reg, const uint8_t *uuid)
{
	int forgotten, has, waits;

	if ((has = has_mark(reg, uuid, D4_MARK_REGISTERED)) != 1)
		return has == 0 ? 1 : -1;
	if ((waits = has_mark(reg, uuid, D4_MARK_PENDING)) == 0)
		waits = reg->backend->forget(reg->store, uuid);
	if (waits == -1)
		return -1;
	forgotten = reg->backend->forget_stranger(reg->store, uuid);
	return forgotten == 1 ? waits : forgotten;
}

int
d4_registry_reject(struct d4_registry *reg, const uint8_t uuid[D4_UUID_LEN])
{
	if (registry_lock(reg) == -1)
		return -1;
	return registry_unlock(reg, reject(reg, uuid));
}

int
d4_registry_unregister(struct d4_registry *reg,
    const uint8_t uuid[D4_UUID_LEN])
{
	if (registry_lock(reg) == -1)
		return -1;
	return registry_unlock(reg, reg->backend->forget(reg->store, uuid));
}

/* -- kicks ----------------------------------------------------------------- */

struct ended {
	struct uuids	 uuids;
	uint64_t	 before;
};

static int
on_kick(void *cookie, const uint8_t uuid[D4_UUID_LEN], uint64_t until)
{
	struct ended *ended = cookie;

	return until < ended->before ? uuids_add(&ended->uuids, uuid) : 0;
}

int
d4_registry_kick(struct d4_registry *reg, const uint8_t uuid[D4_UUID_LEN],
    uint64_t now)
{
	struct ended ended = { .before = now > KICK_KEPT ?
	    now - KICK_KEPT : 0 };
	size_t i;
	int r;

	if (registry_lock(reg) == -1)
		return -1;
	r = reg->backend->each_kick(reg->store, on_kick, &ended);
	for (i = 0; r != -1 && i < ended.uuids.n; i++)
		r = reg->backend->unkick(reg->store, ended.uuids.list[i]);
	free(ended.uuids.list);
	if (r != -1)
		r = reg->backend->kick(reg->store, uuid,
		    now + D4_REGISTRY_KICK);
	return registry_unlock(reg, r);
}

/* -- sets ------------------------------------------------------------------ */

/* The spelling that is kept, or NULL and why not. */
static const char *
canonical(enum d4_registry_set set, const char *text,
    char buf[D4_TYPE_NAME_MAX + 1], const char **why)
{
	uint8_t uuid[D4_UUID_LEN];
	struct d4_cidr net;
	unsigned long n;
	char *end;
	bool number;

	n = strtoul(text, &end, 10);
	number = *text >= '0' && *text <= '9' && *end == '\0' &&
	    strlen(text) < 4 && n <= UINT8_MAX;
	switch (set) {
	case D4_SET_BLOCKED_ADDRESSES:
		if (d4_cidr_parse(&net, text, why) == -1)
			return NULL;
		d4_cidr_text(buf, &net);
		return buf;
	case D4_SET_BLOCKED_UUIDS:
	case D4_SET_BLOCKED_BY_UUID:
		*why = "is not a uuid";
		if (d4_uuid_parse(uuid, text) == -1)
			return NULL;
		d4_uuid_hex(buf, uuid);
		return buf;
	case D4_SET_TYPES:
		*why = "is not a number of 0 to 255";
		(void)snprintf(buf, D4_TYPE_NAME_MAX + 1, "%lu", n);
		return number ? buf : NULL;
	case D4_SET_EXTENDED:
		*why = "is not a name [a-z0-9][a-z0-9._-]{0,63}";
		/* A number would be taken for the type's queue. */
		return !number && d4_type_name_ok(text, strlen(text)) ? text :
		    NULL;
	case D4_SETS:
		break;
	}
	*why = "belongs to no set";
	return NULL;
}

/* How many blocks the set has, as of the last look. */
static size_t
nblocks(struct d4_registry *reg, enum d4_registry_set set)
{
	if (registry_lists(reg) == -1)
		return 0;
	return set == D4_SET_BLOCKED_ADDRESSES ? reg->lists.nnetworks :
	    set == D4_SET_BLOCKED_UUIDS ? reg->lists.blocked.n :
	    set == D4_SET_BLOCKED_BY_UUID ? reg->lists.by_uuid.n : 0;
}

int
d4_registry_add(struct d4_registry *reg, enum d4_registry_set set,
    const char *text)
{
	char buf[D4_TYPE_NAME_MAX + 1];
	const char *member, *why;

	if ((member = canonical(set, text, buf, &why)) == NULL)
		return registry_fault(reg, "%.100s: %s", text, why);
	if (nblocks(reg, set) >= D4_REGISTRY_BLOCKS)
		return registry_fault(reg, "%.100s: too many are blocked",
		    text);
	return registry_changed(reg, reg->backend->add(reg->store, set,
	    member));
}

int
d4_registry_remove(struct d4_registry *reg, enum d4_registry_set set,
    const char *text)
{
	char buf[D4_TYPE_NAME_MAX + 1];
	const char *member, *why;

	if ((member = canonical(set, text, buf, &why)) == NULL)
		return registry_fault(reg, "%.100s: %s", text, why);
	return registry_changed(reg, reg->backend->remove(reg->store, set,
	    member));
}

int
d4_registry_each(struct d4_registry *reg, enum d4_registry_set set,
    int (*callback)(void *, const char *), void *cookie)
{
	return reg->backend->each(reg->store, set, callback, cookie);
}

int
d4_registry_set_mode(struct d4_registry *reg, enum d4_registry_mode mode)
{
	return registry_changed(reg, reg->backend->set_mode(reg->store,
	    d4_registry_mode_word(mode)));
}

/* -- listings -------------------------------------------------------------- */

struct listing {
	struct d4_registry	*reg;
	struct uuids		 uuids;
};

static int
on_uuid(void *cookie, const uint8_t uuid[D4_UUID_LEN])
{
	struct listing *listing = cookie;

	return uuids_add(&listing->uuids, uuid) == 0 ? 0 :
	    registry_fault(listing->reg, "%s", strerror(errno));
}

static int
on_stranger(void *cookie, const struct d4_registry_waiting *one)
{
	return on_uuid(cookie, one->uuid);
}

static int
on_text(void *cookie, const char *text)
{
	struct listing *listing = cookie;
	uint8_t uuid[D4_UUID_LEN];

	if (d4_uuid_parse(uuid, text) == -1)
		return registry_fault(listing->reg,
		    "blocked uuid %.100s: is not a uuid", text);
	return on_uuid(cookie, uuid);
}

int
d4_registry_sensors(struct d4_registry *reg,
    int (*callback)(void *, const uint8_t[D4_UUID_LEN]), void *cookie)
{
	const struct d4_registry_backend *b = reg->backend;
	struct listing l = { .reg = reg };
	size_t i;
	int r = 0;

	if (b->each_known(reg->store, on_uuid, &l) != 0 ||
	    b->each_seen(reg->store, on_uuid, &l) != 0 ||
	    b->each_stranger(reg->store, on_stranger, &l) != 0 ||
	    b->each(reg->store, D4_SET_BLOCKED_UUIDS, on_text, &l) != 0 ||
	    b->each(reg->store, D4_SET_BLOCKED_BY_UUID, on_text, &l) != 0)
		r = -1;
	uuids_sort(&l.uuids);
	for (i = 0; r == 0 && i < l.uuids.n; i++)
		r = callback(cookie, l.uuids.list[i]);
	free(l.uuids.list);
	return r;
}

int
d4_registry_waits(struct d4_registry *reg, const uint8_t uuid[D4_UUID_LEN])
{
	int has;

	if ((has = has_mark(reg, uuid, D4_MARK_PENDING)) == 1)
		has = reg->backend->is_stranger(reg->store, uuid);
	return has == -1 ? -1 : has == 0;
}

/* Those whose registration waits and who have not come as strangers. */
static int
each_pending(struct d4_registry *reg, const struct uuids *uuids,
    int (*callback)(void *, const struct d4_registry_waiting *), void *cookie)
{
	struct d4_registry_waiting one;
	char text[64];
	size_t i, len;
	int r = 0;

	for (i = 0; r == 0 && i < uuids->n; i++) {
		memset(&one, 0, sizeof(one));
		memcpy(one.uuid, uuids->list[i], sizeof(one.uuid));
		r = reg->backend->get(reg->store, one.uuid, D4_MARK_PENDING,
		    text, sizeof(text), &len);
		if (r == 0 && (r = reg->backend->is_stranger(reg->store,
		    one.uuid)) == 1) {
			one.time = strtoull(text, NULL, 10);
			r = callback(cookie, &one);
		} else if (r == 1)
			r = 0;
	}
	return r;
}

int
d4_registry_waiting(struct d4_registry *reg,
    int (*callback)(void *, const struct d4_registry_waiting *), void *cookie)
{
	struct listing l = { .reg = reg };
	int r;

	r = reg->backend->each_known(reg->store, on_uuid, &l);
	uuids_sort(&l.uuids);
	if (r == 0)
		r = each_pending(reg, &l.uuids, callback, cookie);
	free(l.uuids.list);
	return r != 0 ? r :
	    reg->backend->each_stranger(reg->store, callback, cookie);
}

static int
monitor(struct d4_registry *reg, const uint8_t *uuid, uint64_t now,
    int (*callback)(void *, const struct d4_registry_monitored *),
    void *cookie)
{
	struct d4_registry_monitored one;
	struct d4_registry_facts facts;
	char text[32];
	size_t len;
	int r;

	if ((r = reg->backend->get(reg->store, uuid, D4_FIELD_MONITOR, text,
	    sizeof(text), &len)) != 0)
		return r == 1 ? 0 : -1;
	if (judge(D4_FIELD_MONITOR, text, len) != NULL)
		return registry_fault(reg, "a limit of silence is no number");
	r = d4_registry_facts(reg, uuid, &facts);
	memset(&one, 0, sizeof(one));
	memcpy(one.uuid, uuid, sizeof(one.uuid));
	one.limit = strtoull(text, NULL, 10);
	one.last = facts.last;
	one.fails = now > facts.last && now - facts.last > one.limit;
	d4_registry_facts_free(&facts);
	return r == 0 ? callback(cookie, &one) : r;
}

int
d4_registry_monitor(struct d4_registry *reg, uint64_t now,
    int (*callback)(void *, const struct d4_registry_monitored *),
    void *cookie)
{
	struct listing l = { .reg = reg };
	size_t i;
	int r;

	r = reg->backend->each_known(reg->store, on_uuid, &l);
	uuids_sort(&l.uuids);
	for (i = 0; r == 0 && i < l.uuids.n; i++)
		r = monitor(reg, l.uuids.list[i], now, callback, cookie);
	free(l.uuids.list);
	return r;
}
