/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "d4-recv/admit.h"
#include "lib/log.h"
#include "lib/type.h"
#include "lib/uuid.h"

/* A connection that was heard of this long ago may be a dead one's ghost. */
#define GHOST_MS	5000

unsigned
admit_address(struct conn_context *ctx, const char *address)
{
	int blocked = d4_registry_address_blocked(ctx->registry, address);

	if (blocked == -1) {
		d4_log_warnx("%s", d4_registry_why(ctx->registry));
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
	if (ctx->settings->registered_only && !sensor->registered)
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
	d4_log_warnx("%s", d4_registry_why(ctx->registry));
	return -1;
}

static unsigned
take_key(struct conn_context *ctx, struct conn *c,
    const struct d4_registry_sensor *sensor)
{
	if (sensor->key != NULL) {
		c->key = conn_key_new(ctx->mac, sensor->key, sensor->keylen);
		return c->key != NULL ? 0 : REFUSED_OURS;
	}
	c->key = ctx->default_key;
	c->key->refs++;
	return 0;
}

unsigned
admit_sensor(struct conn_context *ctx, struct conn *c,
    const struct d4_header *h)
{
	struct d4_registry_sensor sensor;
	unsigned reason;

	if (look_up(ctx, h->uuid, &sensor) == -1)
		return REFUSED_OURS;
	if (sensor.block_address) {
		if (d4_registry_add(ctx->registry, D4_SET_BLOCKED_ADDRESSES,
		    c->peer) == -1)
			d4_log_warnx("%s", d4_registry_why(ctx->registry));
		return REFUSED_BLOCKED_ADDRESS;
	}
	reason = judge(ctx, &sensor);
	if (reason == REFUSED_NOT_REGISTERED && !sensor.known &&
	    d4_uuid_is_v4(h->uuid) && d4_registry_stranger(ctx->registry,
	    h->uuid, c->peer, (uint64_t)ctx->now) == -1)
		d4_log_warnx("%s", d4_registry_why(ctx->registry));
	if (reason == 0 && h->size > D4_PAYLOAD_MAX)
		reason = D4_TOO_LARGE;
	return reason != 0 ? reason : take_key(ctx, c, &sensor);
}

/* What the search for an older connection looks at. */
struct ghost {
	const struct conn	*conn;
	uint64_t		 as_of_ms;	/* the newest sign of life */
};

static int
on_connection(void *cookie, const struct d4_registry_live *live)
{
	struct ghost *g = cookie;

	if (live->type == g->conn->session.type && memcmp(live->uuid,
	    g->conn->session.uuid, sizeof(live->uuid)) == 0 &&
	    live->as_of_ms > g->as_of_ms)
		g->as_of_ms = live->as_of_ms;
	return 0;
}

/*
 * A sensor that lost its link comes back while its old connection still seems
 * to live: the new one, authenticated, wins unless the old one sent something
 * just now.
 */
static bool
older_is_dead(struct conn_context *ctx, const struct conn *c)
{
	struct ghost g = { .conn = c };

	if (d4_registry_connections(ctx->registry, on_connection, &g) == -1)
		return false;
	return g.as_of_ms + GHOST_MS < (uint64_t)ctx->now * 1000;
}

unsigned
admit_live(struct conn_context *ctx, struct conn *c)
{
	struct d4_registry_live live = { .since = (uint64_t)ctx->now };
	int rc;

	if (ctx->settings->bind_uuid && c->tls != NULL &&
	    !d4_tls_peer_has_uuid(c->tls, c->session.uuid))
		return REFUSED_CERTIFICATE;
	memcpy(live.uuid, c->session.uuid, sizeof(live.uuid));
	d4_uuid_new(c->id);
	memcpy(live.session, c->id, sizeof(live.session));
	live.type = c->session.type;
	(void)snprintf(live.address, sizeof(live.address), "%.63s", c->peer);
	rc = d4_registry_claim(ctx->registry, &live, false, c, &c->claim);
	if (rc == 1 && older_is_dead(ctx, c))
		rc = d4_registry_claim(ctx->registry, &live, true, c,
		    &c->claim);
	if (rc == -1) {
		d4_log_warnx("%s", d4_registry_why(ctx->registry));
		return REFUSED_OURS;
	}
	return rc == 1 ? REFUSED_DUPLICATE : 0;
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
	return sensor.block_address ? REFUSED_BLOCKED_UUID :
	    judge(ctx, &sensor);
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
	size_t i;
	int n, rc;

	if ((n = d4_registry_types(ctx->registry, rules.types)) == -1)
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
	return 0;
}
