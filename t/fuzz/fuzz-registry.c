/* SPDX-License-Identifier: ISC */

/*
 * A registry's directory in which anybody may have written: up to eight files,
 * each a byte for where, a name and its content (a byte of length before each
 * of the two); then all of it is read.  What is handed out is as the header of
 * the room says, and a fault has words.
 */

#include <sys/file.h>
#include <sys/stat.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/registry-backend.h"
#include "lib/registry.h"
#include "lib/uuid.h"
#include "t/unit/scratch.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define FILES	8
#define HEX	"0f3c2a9e5b714c8d9a647e2d1b0c9f35"
#define TEXT	"0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35"
#define DAY	20240229

/* The worker that lives, as claims name it: slot 0 and this token. */
#define TOKEN	"00112233445566778899aabbccddeeff"

static const char *const folders[] = {
	"sensors/" HEX, "facts", "days/20240229", "claims", "workers",
	"kicked", "pending", "blocks/address", "blocks/uuid",
	"blocks/by-uuid", "types", "metatypes", "queues/1/" TEXT,
	"queues/1/" TEXT "/group", "queues/x/" TEXT, "sensors", "days",
	"queues"
};

static const uint8_t uuid[D4_UUID_LEN] = {
	0x0f, 0x3c, 0x2a, 0x9e, 0x5b, 0x71, 0x4c, 0x8d,
	0x9a, 0x64, 0x7e, 0x2d, 0x1b, 0x0c, 0x9f, 0x35
};

static struct d4_registry *reg;

/* -- what is handed out ---------------------------------------------------- */

static int
on_text(void *cookie, const char *text)
{
	(void)cookie;
	assert(*text != '\0' && strlen(text) < 256);
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
	uint32_t *last = cookie;

	assert(day >= 10000000 && day <= 99999999 && day >= *last);
	*last = day;
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
	assert(queue->grouped || queue->nmembers == 0);
	for (i = 1; i < queue->nmembers; i++)
		assert(memcmp(queue->members[i - 1], queue->members[i],
		    D4_UUID_LEN) < 0);
	return 0;
}

static int
check(int r)
{
	assert(r != -1 || *d4_registry_why(reg) != '\0');
	return r;
}

static void
read_facts(void)
{
	struct d4_registry_facts facts = { 0 };
	size_t i;

	if (check(d4_registry_facts(reg, uuid, &facts)) == 0) {
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
read_sensor(void)
{
	struct d4_registry_sensor sensor;
	uint8_t value[D4_REGISTRY_KEY + 1];
	size_t len;
	int i, r;

	if (check(d4_registry_sensor(reg, uuid, &sensor)) == 0) {
		assert(sensor.key == NULL || (sensor.keylen > 0 &&
		    sensor.keylen <= D4_REGISTRY_KEY));
		assert(sensor.key == NULL || memchr(sensor.key, '\0',
		    sensor.keylen) == NULL);
		assert(sensor.known || !sensor.registered);
	}
	for (i = 0; i < D4_FIELDS; i++) {
		r = check(d4_registry_get(reg, uuid,
		    (enum d4_registry_field)i, value, sizeof(value), &len));
		assert(r != 0 || (len < sizeof(value) && value[len] == '\0' &&
		    strlen((char *)value) == len));
	}
}

static void
read_all(void)
{
	bool types[UINT8_MAX + 1];
	unsigned n = 0;
	uint32_t day = 0;
	int i;

	(void)check(d4_registry_refresh(reg));
	read_sensor();
	read_facts();
	(void)check(d4_registry_address_blocked(reg, "192.0.2.1"));
	(void)check(d4_registry_types(reg, types));
	(void)check(d4_registry_extended(reg, "x"));
	(void)check(d4_registry_sensors(reg, on_uuid, &n));
	(void)check(d4_registry_waiting(reg, on_waiting, NULL));
	(void)check(d4_registry_monitor(reg, 1709251198, on_monitored, NULL));
	(void)check(d4_registry_connections(reg, on_live, NULL));
	(void)check(d4_registry_days(reg, on_day, &day));
	(void)check(d4_registry_counts(reg, DAY, uuid, on_count, NULL));
	(void)check(d4_registry_counts(reg, DAY, NULL, on_count, NULL));
	for (i = 0; i < D4_SETS; i++)
		(void)check(d4_registry_each(reg, (enum d4_registry_set)i,
		    on_text, NULL));
	(void)check(d4_registry_queues(reg, on_queue, NULL));
	(void)check(d4_registry_queues_for(reg, 1, NULL, uuid, on_queue,
	    NULL));
	(void)check(d4_registry_queues_for(reg, D4_TYPE_EXTENDED, "x", uuid,
	    on_queue, NULL));
}

/* -- what lies there ------------------------------------------------------- */

static void
open_registry(void)
{
	static const char line[] = "1 " TOKEN "\n";
	const char *path;
	char why[256];
	int fd;

	assert(scratch_make() == 0);
	(void)atexit(scratch_remove);
	reg = d4_registry_open(scratch, NULL, true, why);
	assert(reg != NULL);
	path = scratch_path("workers/0");
	assert(scratch_write(path, line, sizeof(line) - 1));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert(fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == 0);
}

static void
make_folder(const char *folder)
{
	char path[128], *slash = path;

	(void)snprintf(path, sizeof(path), "%s/", folder);
	while ((slash = strchr(slash, '/')) != NULL) {
		*slash = '\0';
		assert(mkdir(scratch_path("%s", path), 0700) == 0 ||
		    errno == EEXIST);
		*slash++ = '/';
	}
}

/* Bytes with their length before them; fewer at the end. */
static const uint8_t *
cut(const uint8_t **data, size_t *left, size_t *len)
{
	const uint8_t *bytes;

	*len = 0;
	if (*left == 0)
		return *data;
	bytes = *data + 1;
	*len = **data < *left - 1 ? **data : *left - 1;
	*data += 1 + *len;
	*left -= 1 + *len;
	return bytes;
}

/* A name of a single file, which it is not for all bytes. */
static void
take_name(char name[256], const uint8_t *bytes, size_t len)
{
	size_t i;

	memcpy(name, bytes, len);
	name[len] = '\0';
	for (i = 0; i < len; i++) {
		if (name[i] == '/' || name[i] == '\0')
			name[i] = '_';
	}
	if (*name == '.' || *name == '\0')
		(void)strcpy(name, "n");
	/* That one is held. */
	if (strcmp(name, "0") == 0)
		(void)strcpy(name, "00");
}

/* Writes one file, or with an empty content a folder; its path is kept. */
static bool
write_one(const uint8_t **data, size_t *left, char path[512])
{
	const uint8_t *bytes;
	const char *folder;
	char name[256];
	size_t len;

	if (*left == 0)
		return false;
	folder = folders[**data % (sizeof(folders) / sizeof(*folders))];
	(*data)++;
	(*left)--;
	bytes = cut(data, left, &len);
	take_name(name, bytes, len);
	bytes = cut(data, left, &len);
	make_folder(folder);
	(void)snprintf(path, 512, "%s", scratch_path("%s/%s", folder, name));
	/* What is there already stays, and goes with the rest. */
	(void)scratch_write(path, bytes, len);
	return true;
}

static void
clear(char paths[FILES][512], size_t n)
{
	static const char *const made[] = { "queues/1/" TEXT "/group",
	    "queues/1/" TEXT, "queues/1", "queues/x/" TEXT, "queues/x",
	    "sensors/" HEX, "days/20240229" };
	size_t i;

	while (n-- > 0)
		(void)remove(paths[n]);
	for (i = 0; i < sizeof(made) / sizeof(*made); i++)
		(void)rmdir(scratch_path("%s", made[i]));
}

/* Two files of the same second are two changes: the stamp grows. */
static void
touch(void)
{
	int fd = open(scratch_path("stamp"), O_WRONLY | O_APPEND | O_CREAT,
	    0600);

	assert(fd != -1 && write(fd, "\n", 1) == 1);
	(void)close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static char paths[FILES][512];
	size_t n = 0;

	if (reg == NULL)
		open_registry();
	while (n < FILES && write_one(&data, &len, paths[n]))
		n++;
	touch();
	read_all();
	clear(paths, n);
	return 0;
}
