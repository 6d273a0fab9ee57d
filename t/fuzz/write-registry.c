/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "t/fuzz/faults.h"
#include "t/fuzz/read-registry.h"

#define NOW	1709251198
#define DAY	20240229

static const uint8_t uuid[D4_UUID_LEN] = {
	0x0f, 0x3c, 0x2a, 0x9e, 0x5b, 0x71, 0x4c, 0x8d,
	0x9a, 0x64, 0x7e, 0x2d, 0x1b, 0x0c, 0x9f, 0x35
};
static const uint8_t other[D4_UUID_LEN] = {
	0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x49, 0x88,
	0x9a, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0x00
};

static void
write_sensor(struct d4_registry *reg)
{
	static const char *const values[D4_FIELDS] = { "its key",
	    "a sensor", "a@example.org", "third", "100", "60", "30", "1" };
	int i;

	for (i = 0; i < D4_FIELDS; i++) {
		(void)d4_registry_set(reg, uuid, (enum d4_registry_field)i,
		    values[i], strlen(values[i]));
		(void)d4_registry_set(reg, uuid, (enum d4_registry_field)i,
		    "a\tb\n", 4);
		(void)d4_registry_set(reg, other, (enum d4_registry_field)i,
		    NULL, 0);
	}
	(void)d4_registry_kick(reg, other, 1);
	(void)d4_registry_kick(reg, uuid, NOW);
}

static void
write_registration(struct d4_registry *reg)
{
	static const struct d4_registry_registration some = { .key = "a key",
	    .keylen = 5, .description = "one", .mail = "a@example.org",
	    .third_party = "third" }, none = { .key = NULL };

	(void)d4_registry_stranger(reg, uuid, "192.0.2.1", NOW);
	(void)d4_registry_stranger(reg, uuid, "192.0.2.2", NOW + 1);
	(void)d4_registry_register(reg, uuid, &some, false);
	(void)d4_registry_register(reg, other, &some, false);
	(void)d4_registry_approve(reg, uuid);
	(void)d4_registry_reject(reg, other);
	(void)d4_registry_reject(reg, other);
	(void)d4_registry_register(reg, other, &none, true);
	(void)d4_registry_approve(reg, other);
	(void)d4_registry_unregister(reg, uuid);
	(void)d4_registry_unregister(reg, uuid);
}

static void
write_sets(struct d4_registry *reg)
{
	static const char *const texts[D4_SETS][3] = {
		{ "192.0.2.0/24", "2001:DB8::1", "192.0.2.1/24" },
		{ "0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35",
		  "ffeeddccbbaa49889a66554433221100", "x" },
		{ "0f3c2a9e5b714c8d9a647e2d1b0c9f35",
		  "ffeeddccbbaa49889a66554433221100", "" },
		{ "1", "254", "256" }, { "x", "ja3-jl", ".x" }
	};
	int i, j;

	for (i = 0; i < D4_SETS; i++) {
		enum d4_registry_set set = (enum d4_registry_set)i;

		for (j = 0; j < 3; j++)
			(void)d4_registry_add(reg, set, texts[i][j]);
		(void)d4_registry_add(reg, set, texts[i][0]);
		(void)d4_registry_remove(reg, set, texts[i][0]);
		(void)d4_registry_remove(reg, set, texts[i][0]);
		(void)d4_registry_remove(reg, set, texts[i][2]);
	}
	(void)d4_registry_set_mode(reg, D4_MODE_REGISTRATION);
	(void)d4_registry_set_mode(reg, D4_MODE_SHARED_SECRET);
	(void)d4_registry_set_mode(reg, D4_MODE_CONFIGURED);
	(void)d4_registry_set_mode(reg, D4_MODE_CONFIGURED);
}

static void
write_queues(struct d4_registry *reg)
{
	static const uint8_t members[2][D4_UUID_LEN] = { { 1 }, { 2 } };
	struct d4_registry_queue q = { .type = 1, .max_size = 10,
	    .description = "of all" };

	memcpy(q.uuid, uuid, sizeof(q.uuid));
	(void)d4_registry_queue_create(reg, &q);
	(void)d4_registry_queue_create(reg, &q);
	memcpy(q.uuid, other, sizeof(q.uuid));
	q.type = D4_TYPE_EXTENDED;
	(void)strcpy(q.extended, "x");
	q.grouped = true;
	q.members = members;
	q.nmembers = 2;
	q.description = "";
	q.max_size = 0;
	(void)d4_registry_queue_create(reg, &q);
	(void)d4_registry_queue_describe(reg, uuid, "anew");
	(void)d4_registry_queue_describe(reg, members[0], "nobody's");
	(void)d4_registry_queue_limit(reg, uuid, 20);
	(void)d4_registry_queue_limit(reg, members[0], 20);
	(void)d4_registry_queue_member(reg, uuid, other, true);
	(void)d4_registry_queue_member(reg, other, members[0], false);
	(void)d4_registry_queue_member(reg, members[0], other, true);
	d4_registry_note_queue(reg, uuid, NOW);
	(void)d4_registry_flush(reg, 0);
	(void)d4_registry_queue_remove(reg, uuid);
	(void)d4_registry_queue_remove(reg, uuid);
}

static int
on_live(void *cookie, const struct d4_registry_live *live)
{
	(void)live;
	return ++*(int *)cookie > 3;
}

static void
write_claims(struct d4_registry *reg)
{
	struct d4_registry_live live = { .type = 1, .address = "192.0.2.1",
	    .since = NOW };
	struct d4_registry_claim *claims[4] = { NULL };
	static const uint8_t hello[D4_HMAC_LEN] = { 0 };
	int i, n = 0, cookies[4];

	memcpy(live.uuid, uuid, sizeof(live.uuid));
	for (i = 0; i < 4; i++) {
		memcpy(live.session, i % 2 == 0 ? other : uuid,
		    sizeof(live.session));
		live.session[0] = (uint8_t)i;
		live.type = i == 3 ? D4_TYPE_META : 1;
		if (d4_registry_claim(reg, &live, i == 2, &cookies[i],
		    &claims[i]) != 0)
			claims[i] = NULL;
		if (claims[i] != NULL)
			(void)d4_registry_note(reg, claims[i], 3, 100,
			    (uint64_t)(NOW + i));
	}
	(void)d4_registry_connections(reg, on_live, &n);
	(void)d4_registry_has_stream(reg, uuid, 1, hello);
	if (claims[3] != NULL) {
		(void)d4_registry_claim_become(reg, claims[3],
		    D4_TYPE_EXTENDED, "x");
		(void)d4_registry_note(reg, claims[3], 3, 100, NOW + 100000);
	}
	if (claims[0] != NULL)
		(void)d4_registry_claim_become(reg, claims[0],
		    D4_TYPE_EXTENDED, "x");
	if (claims[3] != NULL)
		(void)d4_registry_claim_become(reg, claims[3], 3, "");
	(void)d4_registry_note_error(reg, uuid, "Error: bad", NOW);
	(void)d4_registry_flush(reg, 1);
	(void)d4_registry_flush(reg, 0);
	for (i = 0; i < 3; i++)
		(void)d4_registry_refresh(reg);
	for (i = 0; i < 4 && d4_registry_lost(reg) != NULL; i++)
		continue;
	for (i = 0; i < 4; i++)
		d4_registry_release(reg, claims[i]);
	(void)d4_registry_flush(reg, 0);
}

static int
on_day(void *cookie, uint32_t day)
{
	(void)cookie;
	(void)day;
	return 0;
}

static void
write_facts(struct d4_registry *reg)
{
	struct d4_registry_seen seen = { .type = 1, .first = NOW,
	    .last = NOW + 1 };
	struct d4_registry_facts facts = { .first = NOW, .last = NOW + 1,
	    .nseen = 1, .seen = &seen, .naddresses = 1,
	    .addresses = { { "192.0.2.1", NOW } }, .error_time = NOW,
	    .error = "bad HMAC" };
	struct d4_registry_count count = { .type = 1, .address = "192.0.2.1",
	    .records = 3, .bytes = 100 };

	memcpy(count.uuid, uuid, sizeof(count.uuid));
	(void)d4_registry_merge_facts(reg, uuid, &facts);
	seen.type = D4_TYPE_EXTENDED;
	(void)strcpy(seen.extended, "x");
	(void)d4_registry_merge_facts(reg, other, &facts);
	(void)d4_registry_merge_count(reg, DAY, &count);
	count.type = 2;
	(void)d4_registry_merge_count(reg, DAY, &count);
	(void)d4_registry_flush(reg, 0);
	(void)d4_registry_days(reg, on_day, NULL);
	(void)d4_registry_forget_day(reg, DAY);
	(void)d4_registry_forget_day(reg, DAY);
}

/* What is changed until the end is there then, or nothing is. */
static void
write_many(struct d4_registry *reg)
{
	static const struct d4_registry_registration some = { .key = "a key",
	    .keylen = 5, .description = "one", .mail = "a@example.org" };
	uint8_t many[D4_UUID_LEN];
	uint8_t i;

	if (d4_registry_begin(reg) == -1)
		return;
	write_sensor(reg);
	(void)d4_registry_set(reg, other, D4_FIELD_DESCRIPTION, "one", 3);
	(void)d4_registry_set(reg, other, D4_FIELD_DESCRIPTION, NULL, 0);
	(void)d4_registry_register(reg, other, &some, true);
	(void)d4_registry_register(reg, other, &some, true);
	memcpy(many, other, sizeof(many));
	for (i = 0; i < 16; i++) {
		many[0] = i;
		(void)d4_registry_register(reg, many, &some, true);
	}
	(void)d4_registry_commit(reg);
}

void
write_registry(struct d4_registry *reg, unsigned what)
{
	static void (*const parts[])(struct d4_registry *) = { write_sensor,
	    write_registration, write_sets, write_queues, write_claims,
	    write_facts, write_many };
	const size_t n = sizeof(parts) / sizeof(*parts);
	size_t i;

	for (i = 0; i < n; i++) {
		if (what % (n + 1) == i || what % (n + 1) == n)
			parts[i](reg);
	}
	(void)d4_registry_announce(reg, "a key", 5);
	(void)d4_registry_generation(reg);
}
