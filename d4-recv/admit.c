/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "d4-recv/admit.h"
#include "lib/log.h"
#include "lib/type.h"
#include "lib/uuid.h"

/* A connection that was last heard of this long ago, in seconds, may be a dead
 * one's ghost. */
#define GHOST_S		5

unsigned
admit_address(struct conn_context *ctx, const char *address)
{
	int blocked = d4_registry_address_blocked(ctx->registry, address);

	if (blocked == -1) {
		faults_say(&ctx->faults, d4_registry_why(ctx->registry));
		return REFUSED_OURS;
	}
	return blocked ? REFUSED_BLOCKED_ADDRESS : 0;
}

/* What blocks a sensor, registered or not. */
static unsigned
judge(struct conn_context *ctx, const struct d4_registry_sensor *sensor)
{
	if (sensor->blocked)
		return REFUSED_BLOCKED_UUID;
	if (ctx->registered_only && !sensor->registered)
		return REFUSED_NOT_REGISTERED;
	if (sensor->kicked_until > (uint64_t)ctx->now)
		return REFUSED_KICKED;
	return 0;
}

static int
look_up(struct conn_context *ctx, const uint8_t uuid[D4_UUID_LEN],
    struct d4_registry_sensor *sensor)
{
	if (d4_registry_sensor(ctx->registry, uuid, sensor) != -1)
		return 0;
	faults_say(&ctx->faults, d4_registry_why(ctx->registry));
	return -1;
}

static unsigned
take_key(struct conn_context *ctx, struct conn *c,
    const struct d4_registry_sensor *sensor)
{
	if (sensor->key != NULL) {
		c->key = conn_key_new(ctx->mac, sensor->key, sensor->keylen);
		c->own_key = true;
		return c->key != NULL ? 0 : REFUSED_OURS;
	}
	c->key = ctx->default_key;
	c->key->refs++;
	return 0;
}

/* From now on nobody comes from there. */
static unsigned
block_address(struct conn_context *ctx, const struct conn *c)
{
	if (d4_registry_add(ctx->registry, D4_SET_BLOCKED_ADDRESSES,
	    c->peer) == -1)
		faults_say(&ctx->faults, d4_registry_why(ctx->registry));
	return REFUSED_BLOCKED_ADDRESS;
}

unsigned
admit_sensor(struct conn_context *ctx, struct conn *c,
    const struct d4_header *h)
{
	struct d4_registry_sensor sensor;
	unsigned reason;

	if (look_up(ctx, h->uuid, &sensor) == -1)
		return REFUSED_OURS;
	if (sensor.block_address)
		return block_address(ctx, c);
	reason = judge(ctx, &sensor);
	if (reason == REFUSED_NOT_REGISTERED && !sensor.known &&
	    d4_uuid_is_v4(h->uuid) && d4_registry_stranger(ctx->registry,
	    h->uuid, c->peer, (uint64_t)ctx->now) == -1)
		faults_say(&ctx->faults, d4_registry_why(ctx->registry));
	if (reason == 0 && h->size > D4_PAYLOAD_MAX)
		reason = D4_TOO_LARGE;
	return reason != 0 ? reason : take_key(ctx, c, &sensor);
}

/* The older connection, when it is one of this worker's; else NULL.  This one
 * has no claim yet. */
static const struct conn *
find_older(const struct conn_context *ctx, const struct conn *c)
{
	const struct conn *older;

	for (older = ctx->first; older != NULL; older = older->next) {
		if (older->claim != NULL &&
		    older->session.type == c->session.type &&
		    memcmp(older->session.uuid, c->session.uuid,
		    sizeof(c->session.uuid)) == 0)
			break;
	}
	return older;
}

/* When a sensor was last heard of as this type, by any worker; 0: never. */
static uint64_t
last_heard(struct conn_context *ctx, const struct session *session)
{
	struct d4_registry_facts facts = { .first = 0 };
	uint64_t last = 0;
	size_t i;

	if (d4_registry_facts(ctx->registry, session->uuid, &facts) == -1)
		last = UINT64_MAX;
	for (i = 0; i < facts.nseen && last != UINT64_MAX; i++) {
		if (facts.seen[i].type == session->type)
			last = facts.seen[i].last;
	}
	d4_registry_facts_free(&facts);
	return last;
}

struct conn *
admit_same_stream(const struct conn_context *ctx, const struct conn *c)
{
	struct conn *older;

	if (!c->resumes)
		return NULL;
	for (older = ctx->first; older != NULL; older = older->next) {
		if (older->claim != NULL && older->resumes &&
		    memcmp(older->hello, c->hello, sizeof(c->hello)) == 0)
			break;
	}
	return older;
}

/* Its older connection need not be dead for it to be over: a stream that goes
 * on here has ended there. */
static bool
goes_on(const struct conn_context *ctx, const struct conn *c, uint8_t type,
    const struct conn *older)
{
	return older != NULL || (c->resumes &&
	    (ctx->store != NULL && (store_has_stream(ctx->store,
	    c->session.uuid, type, c->hello) ||
	    d4_registry_has_stream(ctx->registry, c->session.uuid, type,
	    c->hello) == 1)));
}

/*
 * A sensor that lost its link comes back while its old connection still seems
 * to live: the new one, authenticated, wins unless the old one sent something
 * just now.
 */
static bool
older_is_dead(struct conn_context *ctx, const struct conn *c)
{
	const struct conn *older;
	uint64_t last;

	if ((older = find_older(ctx, c)) != NULL)
		return older->ended || older->refusal != 0 ||
		    ctx->now_ms - older->heard_ms > GHOST_S * 1000;
	last = last_heard(ctx, &c->session);
	/* 0: it came so lately that nothing is written of it yet. */
	return last != 0 && last < UINT64_MAX - GHOST_S &&
	    last + GHOST_S < (uint64_t)ctx->now;
}

unsigned
admit_live(struct conn_context *ctx, struct conn *c, uint8_t type,
    const struct conn *older)
{
	struct d4_registry_live live = { .since = (uint64_t)ctx->now };
	int rc;

	if (ctx->settings->bind_uuid && c->tls != NULL &&
	    !d4_tls_peer_has_uuid(c->tls, c->session.uuid))
		return REFUSED_CERTIFICATE;
	/* What a sensor sent before its link was lost may be read behind what
	 * it sends over the next one. */
	if (older != NULL && older->serial > c->serial)
		return REFUSED_TAKEN_OVER;
	memcpy(live.uuid, c->session.uuid, sizeof(live.uuid));
	d4_uuid_new(c->id);
	memcpy(live.session, c->id, sizeof(live.session));
	live.type = type;
	(void)snprintf(live.address, sizeof(live.address), "%.63s", c->peer);
	rc = d4_registry_claim(ctx->registry, &live, false, c, &c->claim);
	if (rc == 1 && (goes_on(ctx, c, type, older) ||
	    older_is_dead(ctx, c)))
		rc = d4_registry_claim(ctx->registry, &live, true, c,
		    &c->claim);
	/* Said with all that wait for room. */
	if (rc == -1 && (errno == ENOSPC || errno == EDQUOT))
		return ADMIT_LATER;
	if (rc == -1) {
		faults_say(&ctx->faults, d4_registry_why(ctx->registry));
		return REFUSED_OURS;
	}
	return rc == 1 ? REFUSED_DUPLICATE : 0;
}

/* Whether a connection began with the key that the sensor has now.  A default
 * key that was changed since is good for those that have it. */
static bool
has_key(const struct conn *c, const struct d4_registry_sensor *sensor)
{
	return sensor->key == NULL ? !c->own_key :
	    conn_key_is(c->key, sensor->key, sensor->keylen);
}

/* Whether what it sends is still accepted. */
static bool
has_type(const struct conn_context *ctx, const struct session *session)
{
	return ctx->rules.types[session->type] && (session->header == NULL ||
	    rules_accept_metatype(&ctx->rules,
	    d4_meta_type(session->header)));
}

unsigned
admit_again(struct conn_context *ctx, struct conn *c)
{
	struct d4_registry_sensor sensor;
	unsigned reason;

	if ((reason = admit_address(ctx, c->peer)) != 0)
		return reason;
	if (!c->session.begun)
		return 0;
	if (look_up(ctx, c->session.uuid, &sensor) == -1)
		return 0;
	if (sensor.block_address) {
		ctx->judges_again = true;
		return block_address(ctx, c);
	}
	if ((reason = judge(ctx, &sensor)) != 0)
		return reason;
	if (!has_key(c, &sensor))
		return REFUSED_KEY_CHANGED;
	if (!has_type(ctx, &c->session))
		return D4_BAD_TYPE;
	if (c->sink != NULL)
		stream_set_limit(c->sink, sensor.limit);
	return 0;
}

void
admit_limits(struct conn_context *ctx, struct conn *c)
{
	struct d4_registry_sensor sensor;

	c->max_age = ctx->settings->max_age;
	c->monotonic = ctx->settings->monotonic;
	if (look_up(ctx, c->session.uuid, &sensor) == -1)
		return;
	if (sensor.max_age > 0)
		c->max_age = sensor.max_age;
	c->monotonic = c->monotonic || sensor.monotonic;
}

static int
on_extended(void *cookie, const char *name)
{
	return rules_add_metatype(cookie, name);
}

int
admit_rules(struct conn_context *ctx)
{
	const struct rules *configured = &ctx->settings->rules;
	struct rules rules = { .nmetatypes = 0 };
	enum d4_registry_mode mode;
	size_t i;
	int n, rc;

	if ((n = d4_registry_types(ctx->registry, rules.types)) == -1 ||
	    d4_registry_mode(ctx->registry, &mode) == -1)
		return -1;
	if (n > 0) {
		rc = d4_registry_each(ctx->registry, D4_SET_EXTENDED,
		    on_extended, &rules);
	} else {
		memcpy(rules.types, configured->types, sizeof(rules.types));
		for (i = 0, rc = 0; rc == 0 && i < configured->nmetatypes; i++)
			rc = rules_add_metatype(&rules,
			    configured->metatypes[i]);
	}
	if (rc != 0) {
		rules_free(&rules);
		return -1;
	}
	rules_free(&ctx->rules);
	ctx->rules = rules;
	ctx->registered_only = mode == D4_MODE_CONFIGURED ?
	    ctx->settings->registered_only : mode == D4_MODE_REGISTRATION;
	return 0;
}
