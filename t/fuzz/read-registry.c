/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "lib/registry-backend.h"
#include "t/fuzz/read-registry.h"

#define DAY	20240229

static const uint8_t uuid[D4_UUID_LEN] = {
	0x0f, 0x3c, 0x2a, 0x9e, 0x5b, 0x71, 0x4c, 0x8d,
	0x9a, 0x64, 0x7e, 0x2d, 0x1b, 0x0c, 0x9f, 0x35
};

static bool of_files;

static int
on_text(void *cookie, const char *text)
{
	(void)cookie;
	assert(!of_files || (*text != '\0' && strlen(text) < 256));
	return 0;
}

static int
on_uuid(void *cookie, const uint8_t one[D4_UUID_LEN])
{
	(void)one;
	(*(unsigned *)cookie)++;
	return 0;
}

static int
on_waiting(void *cookie, const struct d4_registry_waiting *one)
{
	(void)cookie;
	assert(d4_registry_text_ok(one->address, sizeof(one->address)));
	return 0;
}

static int
on_monitored(void *cookie, const struct d4_registry_monitored *one)
{
	(void)cookie;
	(void)one;
	return 0;
}

static int
on_live(void *cookie, const struct d4_registry_live *live)
{
	(void)cookie;
	assert(d4_registry_text_ok(live->address, sizeof(live->address)));
	assert(*live->extended == '\0' || d4_type_name_ok(live->extended,
	    strlen(live->extended)));
	return 0;
}

static int
on_count(void *cookie, const struct d4_registry_count *count)
{
	(void)cookie;
	assert(d4_registry_text_ok(count->address, sizeof(count->address)));
	return 0;
}

static int
on_day(void *cookie, uint32_t day)
{
	(void)cookie;
	assert(day >= 10000000 && day <= 99999999);
	return 0;
}

static int
on_queue(void *cookie, const struct d4_registry_queue *queue)
{
	size_t i;

	(void)cookie;
	assert(*queue->extended == '\0' || d4_type_name_ok(queue->extended,
	    strlen(queue->extended)));
	assert(d4_registry_text_ok(queue->description, D4_REGISTRY_TEXT));
	for (i = 1; i < queue->nmembers; i++)
		assert(memcmp(queue->members[i - 1], queue->members[i],
		    D4_UUID_LEN) <= 0);
	return 0;
}

static int
check(struct d4_registry *reg, int r)
{
	/* What a server made up may be handed on as it is, -1 too. */
	assert(r != -1 || !of_files || *d4_registry_why(reg) != '\0');
	return r;
}

static void
read_facts(struct d4_registry *reg)
{
	struct d4_registry_facts facts = { 0 };
	size_t i;

	if (check(reg, d4_registry_facts(reg, uuid, &facts)) == 0) {
		assert(facts.naddresses <= D4_REGISTRY_ADDRESSES);
		for (i = 1; i < facts.naddresses; i++)
			assert(facts.addresses[i - 1].time >=
			    facts.addresses[i].time);
		for (i = 0; i < facts.nseen; i++)
			assert(*facts.seen[i].extended == '\0' ||
			    d4_type_name_ok(facts.seen[i].extended,
			    strlen(facts.seen[i].extended)));
		assert(d4_registry_text_ok(facts.error,
		    sizeof(facts.error)));
	}
	d4_registry_facts_free(&facts);
}

static void
read_sensor(struct d4_registry *reg)
{
	struct d4_registry_sensor sensor;
	uint8_t value[D4_REGISTRY_KEY + 1];
	size_t len;
	int i, r;

	if (check(reg, d4_registry_sensor(reg, uuid, &sensor)) == 0) {
		assert(sensor.key == NULL || (sensor.keylen > 0 &&
		    sensor.keylen <= D4_REGISTRY_KEY));
		assert(sensor.key == NULL || memchr(sensor.key, '\0',
		    sensor.keylen) == NULL);
		assert(sensor.known || !sensor.registered);
	}
	for (i = 0; i < D4_FIELDS; i++) {
		r = check(reg, d4_registry_get(reg, uuid,
		    (enum d4_registry_field)i, value, sizeof(value), &len));
		assert(r != 0 || (len < sizeof(value) && value[len] == '\0' &&
		    strlen((char *)value) == len));
	}
}

void
read_registry(struct d4_registry *reg, bool files)
{
	enum d4_registry_mode mode;
	bool types[UINT8_MAX + 1];
	unsigned n = 0;
	int i;

	of_files = files;
	(void)check(reg, d4_registry_refresh(reg));
	read_sensor(reg);
	read_facts(reg);
	(void)check(reg, d4_registry_address_blocked(reg, "192.0.2.1"));
	(void)check(reg, d4_registry_types(reg, types));
	(void)check(reg, d4_registry_mode(reg, &mode));
	(void)check(reg, d4_registry_extended(reg, "x"));
	(void)check(reg, d4_registry_sensors(reg, on_uuid, &n));
	(void)check(reg, d4_registry_waiting(reg, on_waiting, NULL));
	(void)check(reg, d4_registry_monitor(reg, 1709251198, on_monitored,
	    NULL));
	(void)check(reg, d4_registry_connections(reg, on_live, NULL));
	(void)check(reg, d4_registry_days(reg, on_day, NULL));
	(void)check(reg, d4_registry_counts(reg, DAY, uuid, on_count, NULL));
	(void)check(reg, d4_registry_counts(reg, DAY, NULL, on_count, NULL));
	for (i = 0; i < D4_SETS; i++)
		(void)check(reg, d4_registry_each(reg, (enum d4_registry_set)i,
		    on_text, NULL));
	(void)check(reg, d4_registry_queues(reg, on_queue, NULL));
	(void)check(reg, d4_registry_queues_for(reg, 1, NULL, uuid, on_queue,
	    NULL));
	(void)check(reg, d4_registry_queues_for(reg, D4_TYPE_EXTENDED, "x",
	    uuid, on_queue, NULL));
}
