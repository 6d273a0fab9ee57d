/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/registry-own.h"

/* Where the claim's type, or extended type, is in the facts. */
static int
find_seen(struct d4_registry *reg, struct d4_registry_claim *claim)
{
	struct d4_registry_facts *facts = &claim->noted->facts;
	struct d4_registry_seen *seen;

	seen = d4_registry_facts_seen(facts, claim->live.type, "");
	if (seen == NULL)
		return registry_fault(reg, "%s", strerror(errno));
	claim->seen = (size_t)(seen - facts->seen);
	if (claim->live.extended[0] == '\0')
		return 0;
	seen = d4_registry_facts_seen(facts, D4_TYPE_EXTENDED,
	    claim->live.extended);
	if (seen == NULL)
		return registry_fault(reg, "%s", strerror(errno));
	claim->seen_extended = (size_t)(seen - facts->seen);
	return 0;
}

static void
lose(struct d4_registry *reg, const uint8_t session[D4_UUID_LEN])
{
	struct d4_registry_claim *claim;

	claim = d4_table_get(reg->claims, session);
	if (claim == NULL || claim->taken)
		return;
	claim->taken = claim->tells = true;
	TAILQ_INSERT_TAIL(&reg->lost, claim, entry);
}

/* Frees a claim that no table knows. */
static void
free_claim(struct d4_registry *reg, struct d4_registry_claim *claim)
{
	claim->noted->claims--;
	registry_note_drop(reg, claim->noted);
	free(claim);
}

static struct d4_registry_claim *
new_claim(struct d4_registry *reg, const struct d4_registry_live *live,
    void *cookie)
{
	struct d4_registry_claim *claim;

	if ((claim = calloc(1, sizeof(*claim))) == NULL) {
		(void)registry_fault(reg, "%s", strerror(errno));
		return NULL;
	}
	if ((claim->noted = registry_note_get(reg, live->uuid)) == NULL) {
		free(claim);
		return NULL;
	}
	claim->noted->claims++;
	memcpy(claim->session, live->session, sizeof(claim->session));
	claim->live = *live;
	claim->live.records = claim->live.bytes = 0;
	claim->cookie = cookie;
	if (find_seen(reg, claim) == 0)
		return claim;
	free_claim(reg, claim);
	return NULL;
}

static int
check(struct d4_registry *reg, const char *address, const char *extended)
{
	if (!d4_registry_text_ok(address, D4_REGISTRY_ADDRESS) ||
	    *address == '\0' || strchr(address, ' ') != NULL)
		return registry_fault(reg, "an address is none");
	if (*extended != '\0' && !d4_type_name_ok(extended, strlen(extended)))
		return registry_fault(reg, "an extended type is none");
	return 0;
}

int
d4_registry_claim(struct d4_registry *reg,
    const struct d4_registry_live *live, bool take_over, void *cookie,
    struct d4_registry_claim **out)
{
	struct d4_registry_claim *claim;
	uint8_t loser[D4_UUID_LEN];
	bool took;
	int r, saved;

	if (check(reg, live->address, live->extended) == -1)
		return -1;
	if (d4_table_get(reg->claims, live->session) != NULL)
		return registry_fault(reg, "the session has a claim");
	if ((claim = new_claim(reg, live, cookie)) == NULL)
		return -1;
	if (d4_table_put(reg->claims, claim) == -1) {
		r = registry_fault(reg, "%s", strerror(errno));
		free_claim(reg, claim);
		return r;
	}
	errno = 0;
	if ((r = reg->backend->claim(reg->store, live, take_over, &took,
	    loser)) != 0) {
		saved = errno;
		(void)d4_table_take(reg->claims, claim->session);
		free_claim(reg, claim);
		errno = saved;
		return r;
	}
	if (took)
		lose(reg, loser);
	d4_registry_facts_address(&claim->noted->facts, live->address,
	    live->since);
	registry_note_facts(reg, claim->noted);
	reg->live_changed = true;
	*out = claim;
	return 0;
}

int
d4_registry_claim_become(struct d4_registry *reg,
    struct d4_registry_claim *claim, uint8_t type, const char *name)
{
	struct d4_registry_live was = claim->live;

	if (check(reg, was.address, name) == -1)
		return -1;
	claim->live.type = type;
	memcpy(claim->live.extended, name, strlen(name) + 1);
	claim->day = 0;
	if (find_seen(reg, claim) == -1) {
		claim->live.type = was.type;
		memcpy(claim->live.extended, was.extended,
		    sizeof(was.extended));
		return -1;
	}
	return claim->taken ? 0 :
	    reg->backend->become(reg->store, &was, &claim->live);
}

void
d4_registry_release(struct d4_registry *reg, struct d4_registry_claim *claim)
{
	if (claim == NULL)
		return;
	/* Of a claim that can't be given up others learn when we end. */
	if (!claim->taken)
		(void)reg->backend->release(reg->store, &claim->live);
	if (claim->tells)
		TAILQ_REMOVE(&reg->lost, claim, entry);
	(void)d4_table_take(reg->claims, claim->session);
	reg->live_changed = true;
	free_claim(reg, claim);
}

void
registry_free_claims(struct d4_registry *reg)
{
	struct d4_registry_claim *claim;
	size_t at = 0;

	while (reg->claims != NULL &&
	    (claim = d4_table_next(reg->claims, &at)) != NULL) {
		if (!claim->taken && reg->store != NULL)
			(void)reg->backend->release(reg->store, &claim->live);
		free(claim);
	}
	d4_table_free(reg->claims, NULL);
	reg->claims = NULL;
}

int
registry_find_lost(struct d4_registry *reg)
{
	uint8_t session[D4_UUID_LEN];
	int r;

	while ((r = reg->backend->lost(reg->store, session)) == 0)
		lose(reg, session);
	return r == 1 ? 0 : -1;
}

void *
d4_registry_lost(struct d4_registry *reg)
{
	struct d4_registry_claim *claim;

	if ((claim = TAILQ_FIRST(&reg->lost)) == NULL)
		return NULL;
	TAILQ_REMOVE(&reg->lost, claim, entry);
	claim->tells = false;
	return claim->cookie;
}

int
d4_registry_has_stream(struct d4_registry *reg,
    const uint8_t uuid[D4_UUID_LEN], uint8_t type,
    const uint8_t hello[D4_HMAC_LEN])
{
	return reg->backend->has_stream == NULL ? 0 :
	    reg->backend->has_stream(reg->store, uuid, type, hello);
}

int
d4_registry_connections(struct d4_registry *reg,
    int (*callback)(void *, const struct d4_registry_live *), void *cookie)
{
	return reg->backend->each_live(reg->store, callback, cookie);
}

/* -- numbers --------------------------------------------------------------- */

static uint64_t
clock_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 +
	    (uint64_t)now.tv_nsec / 1000000;
}

static int
save_live(struct d4_registry *reg, uint64_t now_ms)
{
	const struct d4_registry_live **live;
	const struct d4_registry_claim *claim;
	size_t at = 0, n = 0;
	int r;

	live = malloc((d4_table_count(reg->claims) + 1) * sizeof(*live));
	if (live == NULL)
		return registry_fault(reg, "%s", strerror(errno));
	while ((claim = d4_table_next(reg->claims, &at)) != NULL)
		live[n++] = &claim->live;
	r = reg->backend->save_live(reg->store, live, n, now_ms);
	free(live);
	return r;
}

int
registry_flush_live(struct d4_registry *reg, bool now)
{
	uint64_t now_ms, wait_ms;

	if (!reg->live_changed)
		return 0;
	now_ms = clock_ms();
	/* A clock set back must not stop it. */
	wait_ms = 1000 + d4_table_count(reg->claims);
	if (!now && now_ms < reg->live_next_ms &&
	    reg->live_next_ms - now_ms <= 2 * wait_ms)
		return 0;
	if (save_live(reg, now_ms) == -1)
		return -1;
	reg->live_changed = false;
	/* The more there are the seldomer: a thousand lines a second. */
	reg->live_next_ms = now_ms + wait_ms - 100;
	return 0;
}
