/* SPDX-License-Identifier: ISC */

/* What tests set in a registry and read from it:
 *
 *	registry STORE add SET MEMBER		blocked-addresses, types, ...
 *	registry STORE remove SET MEMBER
 *	registry STORE key UUID KEY
 *	registry STORE register UUID
 *	registry STORE kick UUID
 *	registry STORE queue QUEUE TYPE MAX [UUID...]
 *	registry STORE waiting			UUID ADDRESS
 *	registry STORE live			UUID TYPE EXTENDED ADDRESS
 *	registry STORE sensors			UUID
 *	registry STORE facts UUID		last error, types, addresses
 *	registry STORE counts UUID		TYPE RECORDS BYTES of today
 *
 * A queue's TYPE is a number or an extended type. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/registry.h"
#include "lib/uuid.h"

static struct d4_registry *reg;

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "registry: %s\n", what);
	exit(1);
}

static void
parse_uuid(uint8_t uuid[D4_UUID_LEN], const char *text)
{
	if (d4_uuid_parse(uuid, text) == -1)
		die("not a uuid");
}

static enum d4_registry_set
parse_set(const char *name)
{
	static const char *const names[D4_SETS] = {
		[D4_SET_BLOCKED_ADDRESSES] = "blocked-addresses",
		[D4_SET_BLOCKED_UUIDS] = "blocked-uuids",
		[D4_SET_BLOCKED_BY_UUID] = "blocked-by-uuid",
		[D4_SET_TYPES] = "types",
		[D4_SET_EXTENDED] = "extended"
	};
	unsigned i;

	for (i = 0; i < D4_SETS; i++) {
		if (strcmp(name, names[i]) == 0)
			return (enum d4_registry_set)i;
	}
	die("not a set");
}

static int
on_waiting(void *cookie, const struct d4_registry_waiting *one)
{
	char text[D4_UUID_TEXT];

	(void)cookie;
	d4_uuid_text(text, one->uuid);
	printf("%s %s\n", text, one->address);
	return 0;
}

static int
on_live(void *cookie, const struct d4_registry_live *live)
{
	char text[D4_UUID_TEXT];

	(void)cookie;
	d4_uuid_text(text, live->uuid);
	printf("%s %u %s %s\n", text, live->type,
	    *live->extended == '\0' ? "-" : live->extended, live->address);
	return 0;
}

static int
on_sensor(void *cookie, const uint8_t uuid[D4_UUID_LEN])
{
	char text[D4_UUID_TEXT];

	(void)cookie;
	d4_uuid_text(text, uuid);
	printf("%s\n", text);
	return 0;
}

static int
on_count(void *cookie, const struct d4_registry_count *count)
{
	(void)cookie;
	printf("%u %llu %llu\n", count->type,
	    (unsigned long long)count->records,
	    (unsigned long long)count->bytes);
	return 0;
}

static int
make_queue(char *argv[])
{
	struct d4_registry_queue queue = { .description = "" };
	static uint8_t members[64][D4_UUID_LEN];
	char *end;

	parse_uuid(queue.uuid, argv[0]);
	queue.type = (uint8_t)strtoul(argv[1], &end, 10);
	if (*end != '\0') {
		queue.type = D4_TYPE_EXTENDED;
		(void)snprintf(queue.extended, sizeof(queue.extended), "%s",
		    argv[1]);
	}
	queue.max_size = strtoull(argv[2], NULL, 10);
	for (argv += 3; *argv != NULL && queue.nmembers < 64; argv++)
		parse_uuid(members[queue.nmembers++], *argv);
	queue.grouped = queue.nmembers > 0;
	queue.members = (const uint8_t (*)[D4_UUID_LEN])members;
	return d4_registry_queue_create(reg, &queue);
}

static int
show_facts(const uint8_t uuid[D4_UUID_LEN])
{
	struct d4_registry_facts facts = { .first = 0 };
	size_t i;
	int rc;

	if ((rc = d4_registry_facts(reg, uuid, &facts)) == 0) {
		printf("error: %s\n", facts.error);
		for (i = 0; i < facts.nseen; i++)
			printf("type: %u %s\n", facts.seen[i].type,
			    facts.seen[i].extended);
		for (i = 0; i < facts.naddresses; i++)
			printf("address: %s\n", facts.addresses[i].text);
	}
	d4_registry_facts_free(&facts);
	return rc;
}

static int
change(const char *verb, char *argv[])
{
	uint8_t uuid[D4_UUID_LEN];
	uint64_t now = (uint64_t)time(NULL);

	if (strcmp(verb, "add") == 0)
		return d4_registry_add(reg, parse_set(argv[0]), argv[1]);
	if (strcmp(verb, "remove") == 0)
		return d4_registry_remove(reg, parse_set(argv[0]), argv[1]);
	if (strcmp(verb, "queue") == 0)
		return make_queue(argv);
	parse_uuid(uuid, argv[0]);
	if (strcmp(verb, "key") == 0)
		return d4_registry_set(reg, uuid, D4_FIELD_KEY, argv[1],
		    strlen(argv[1]));
	if (strcmp(verb, "register") == 0)
		return d4_registry_approve(reg, uuid);
	if (strcmp(verb, "kick") == 0)
		return d4_registry_kick(reg, uuid, now);
	if (strcmp(verb, "facts") == 0)
		return show_facts(uuid);
	if (strcmp(verb, "counts") == 0)
		return d4_registry_counts(reg, d4_registry_day(now), uuid,
		    on_count, NULL);
	die("no such verb");
}

int
main(int argc, char *argv[])
{
	char why[256], at[1024], queues[1024];
	int rc;

	if (argc < 3)
		die("STORE VERB ...");
	(void)snprintf(at, sizeof(at), "%s/registry", argv[1]);
	(void)snprintf(queues, sizeof(queues), "%s/queues", argv[1]);
	if ((reg = d4_registry_open(at, queues, true, why)) == NULL)
		die(why);
	if (strcmp(argv[2], "waiting") == 0)
		rc = d4_registry_waiting(reg, on_waiting, NULL);
	else if (strcmp(argv[2], "live") == 0)
		rc = d4_registry_connections(reg, on_live, NULL);
	else if (strcmp(argv[2], "sensors") == 0)
		rc = d4_registry_sensors(reg, on_sensor, NULL);
	else if (argc < 4)
		die("more arguments are needed");
	else
		rc = change(argv[2], argv + 3);
	if (rc == -1)
		fprintf(stderr, "registry: %s\n", d4_registry_why(reg));
	d4_registry_close(reg);
	return rc == -1 ? 1 : 0;
}
