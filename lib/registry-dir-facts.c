/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/registry-dir.h"
#include "lib/uuid.h"

/*
 * Each worker writes files of its own, named by its slot: facts/UUID.SLOT and
 * days/DAY/UUID.SLOT.  Who comes into the slot next goes on with them.  All of
 * them together are what is known, so nobody waits and no count is lost.
 */

static void
facts_path(char path[DIR_PATH], const uint8_t *uuid, unsigned int slot)
{
	char hex[D4_UUID_HEX];

	d4_uuid_hex(hex, uuid);
	dir_path(path, "facts/%s.%u", hex, slot);
}

static void
counts_path(char path[DIR_PATH], uint32_t day, const uint8_t *uuid,
    unsigned int slot)
{
	char hex[D4_UUID_HEX];

	d4_uuid_hex(hex, uuid);
	dir_path(path, "days/%" PRIu32 "/%s.%u", day, hex, slot);
}

/* "UUID.SLOT" */
static int
parse_name(const char *name, uint8_t uuid[D4_UUID_LEN])
{
	char hex[D4_UUID_HEX];
	uint64_t slot;

	if (strlen(name) < D4_UUID_HEX || name[D4_UUID_HEX - 1] != '.')
		return -1;
	memcpy(hex, name, D4_UUID_HEX - 1);
	hex[D4_UUID_HEX - 1] = '\0';
	if (dir_uuid(uuid, hex) == -1)
		return -1;
	return d4_registry_digits(name + D4_UUID_HEX, DIR_WORKERS - 1, &slot);
}

/* A number of workers/ that was once a slot's. */
static int
parse_slot(const char *name, unsigned int *slot)
{
	uint64_t n;

	if (d4_registry_digits(name, DIR_WORKERS - 1, &n) == -1)
		return -1;
	*slot = (unsigned int)n;
	return 0;
}

/* -- facts ----------------------------------------------------------------- */

static int
parse_times(char *line, uint64_t *first, uint64_t *last)
{
	return d4_registry_number(&line, UINT64_MAX, first) == 0 &&
	    d4_registry_digits(line, UINT64_MAX, last) == 0 ? 0 : -1;
}

static int
parse_seen(struct d4_registry_facts *facts, bool extended, char *line)
{
	struct d4_registry_seen *seen;
	uint64_t type = D4_TYPE_EXTENDED;
	char *name;

	name = d4_registry_word(&line);
	if (name == NULL || (extended ? !d4_type_name_ok(name, strlen(name)) :
	    d4_registry_digits(name, UINT8_MAX, &type) == -1))
		return -1;
	seen = d4_registry_facts_seen(facts, (uint8_t)type,
	    extended ? name : "");
	return seen == NULL ? -1 : parse_times(line, &seen->first, &seen->last);
}

static int
parse_fact(struct d4_registry_facts *facts, char *line)
{
	uint64_t time;
	char *word;

	if ((word = d4_registry_word(&line)) == NULL || line == NULL)
		return -1;
	if (strcmp(word, "seen") == 0)
		return parse_times(line, &facts->first, &facts->last);
	if (strcmp(word, "type") == 0 || strcmp(word, "extended") == 0)
		return parse_seen(facts, *word == 'e', line);
	if (d4_registry_number(&line, UINT64_MAX, &time) == -1 ||
	    line == NULL)
		return -1;
	if (strcmp(word, "address") == 0) {
		if (!d4_registry_text_ok(line, D4_REGISTRY_ADDRESS))
			return -1;
		d4_registry_facts_address(facts, line, time);
		return 0;
	}
	if (strcmp(word, "error") != 0 ||
	    !d4_registry_text_ok(line, sizeof(facts->error)))
		return -1;
	facts->error_time = time;
	memcpy(facts->error, line, strlen(line) + 1);
	return 0;
}

static int
load_one(struct dir *dir, const uint8_t *uuid, unsigned int slot,
    struct d4_registry_facts *facts)
{
	struct d4_registry_facts one;
	char path[DIR_PATH], *text, *rest, *line;
	size_t len;
	int r;

	facts_path(path, uuid, slot);
	if ((r = dir_slurp(dir, &dir->root, path, DIR_FILE_MAX, &text,
	    &len)) != 0)
		return r == 1 ? 0 : -1;
	memset(&one, 0, sizeof(one));
	/* A file cut short has no newline at its end. */
	if (len == 0 || text[len - 1] != '\n')
		r = -1;
	rest = text;
	while (r == 0 && (line = dir_line(&rest)) != NULL)
		r = parse_fact(&one, line);
	if (r == 0)
		r = d4_registry_facts_add(facts, &one);
	if (r == -1)
		(void)dir_fault(dir, &dir->root, path,
		    "does not hold the facts of a sensor");
	d4_registry_facts_free(&one);
	free(text);
	return r;
}

struct loading {
	struct dir			*dir;
	const uint8_t			*uuid;
	struct d4_registry_facts	*facts;
};

static int
on_facts_slot(void *cookie, const char *name)
{
	struct loading *loading = cookie;
	unsigned int slot;

	if (parse_slot(name, &slot) == -1)
		return 0;
	return load_one(loading->dir, loading->uuid, slot, loading->facts);
}

int
dir_load_facts(void *store, const uint8_t *uuid, bool mine,
    struct d4_registry_facts *facts)
{
	struct loading loading = { .dir = store, .uuid = uuid,
	    .facts = facts };
	struct dir *dir = store;

	if (!mine)
		return dir_each(dir, &dir->root, "workers", on_facts_slot,
		    &loading);
	if (dir_worker(dir) == -1)
		return -1;
	return load_one(dir, uuid, dir->worker.slot, facts);
}

static void
print_facts(FILE *file, const struct d4_registry_facts *facts)
{
	size_t i;

	(void)fprintf(file, "seen %ju %ju\n", (uintmax_t)facts->first,
	    (uintmax_t)facts->last);
	for (i = 0; i < facts->nseen; i++) {
		const struct d4_registry_seen *seen = &facts->seen[i];

		/* Claimed, but nothing was noted yet. */
		if (seen->last == 0)
			continue;
		if (seen->extended[0] != '\0')
			(void)fprintf(file, "extended %s", seen->extended);
		else
			(void)fprintf(file, "type %u", seen->type);
		(void)fprintf(file, " %ju %ju\n", (uintmax_t)seen->first,
		    (uintmax_t)seen->last);
	}
	for (i = 0; i < facts->naddresses; i++)
		(void)fprintf(file, "address %ju %s\n",
		    (uintmax_t)facts->addresses[i].time,
		    facts->addresses[i].text);
	if (facts->error_time != 0)
		(void)fprintf(file, "error %ju %s\n",
		    (uintmax_t)facts->error_time, facts->error);
}

int
dir_save_facts(void *store, const uint8_t *uuid,
    const struct d4_registry_facts *facts)
{
	char path[DIR_PATH], *text = NULL;
	struct dir *dir = store;
	size_t len = 0;
	FILE *file;
	int r = -1;

	if (dir_worker(dir) == -1)
		return -1;
	facts_path(path, uuid, dir->worker.slot);
	if ((file = open_memstream(&text, &len)) != NULL) {
		print_facts(file, facts);
		r = fclose(file);
	}
	if (r == -1)
		(void)dir_fault(dir, &dir->root, path, strerror(errno));
	else
		r = dir_rewrite(dir, path, text, len);
	free(text);
	return r;
}

static int
name_fault(struct dir *dir, const char *in, const char *name)
{
	char path[DIR_PATH];

	(void)snprintf(path, sizeof(path), "%.50s/%.200s", in, name);
	return dir_fault(dir, &dir->root, path,
	    "is not named by a uuid and a worker");
}

struct seeing {
	struct dir		*dir;
	d4_registry_on_uuid	*callback;
	void			*cookie;
};

static int
on_seen(void *cookie, const char *name)
{
	struct seeing *seeing = cookie;
	uint8_t uuid[D4_UUID_LEN];

	if (parse_name(name, uuid) == -1)
		return name_fault(seeing->dir, "facts", name);
	return seeing->callback(seeing->cookie, uuid);
}

int
dir_each_seen(void *store, d4_registry_on_uuid *callback, void *cookie)
{
	struct seeing seeing = { .dir = store, .callback = callback,
	    .cookie = cookie };

	return dir_each(store, &seeing.dir->root, "facts", on_seen, &seeing);
}

/* -- counts ---------------------------------------------------------------- */

struct counting {
	struct dir		*dir;
	uint32_t		 day;
	const uint8_t		*uuid;
	char			 in[32];	/* days/DAY */
	d4_registry_on_count	*callback;
	void			*cookie;
};

/* "TYPE ADDRESS RECORDS BYTES" */
static int
parse_count(char *line, struct d4_registry_count *count)
{
	uint64_t type;
	char *address;

	if (d4_registry_number(&line, UINT8_MAX, &type) == -1 ||
	    (address = d4_registry_word(&line)) == NULL ||
	    !d4_registry_text_ok(address, sizeof(count->address)) ||
	    d4_registry_number(&line, UINT64_MAX, &count->records) == -1 ||
	    d4_registry_digits(line, UINT64_MAX, &count->bytes) == -1)
		return -1;
	count->type = (uint8_t)type;
	(void)snprintf(count->address, sizeof(count->address), "%s", address);
	return 0;
}

static int
count_file(struct counting *counting, const char *path, const uint8_t *uuid)
{
	struct dir *dir = counting->dir;
	struct d4_registry_count count;
	char *text, *rest, *line;
	size_t len;
	int r;

	if ((r = dir_slurp(dir, &dir->root, path, DIR_FILE_MAX, &text,
	    &len)) != 0)
		return r == 1 ? 0 : -1;
	memcpy(count.uuid, uuid, sizeof(count.uuid));
	rest = text;
	if (len == 0 || text[len - 1] != '\n')
		r = dir_fault(dir, &dir->root, path, "is cut short");
	while (r == 0 && (line = dir_line(&rest)) != NULL)
		r = parse_count(line, &count) == 0 ?
		    counting->callback(counting->cookie, &count) :
		    dir_fault(dir, &dir->root, path,
		    "does not hold the counts of a day");
	free(text);
	return r;
}

static int
on_counts(void *cookie, const char *name)
{
	struct counting *counting = cookie;
	uint8_t uuid[D4_UUID_LEN];
	char path[DIR_PATH];

	if (parse_name(name, uuid) == -1)
		return name_fault(counting->dir, counting->in, name);
	dir_path(path, "%s/%s", counting->in, name);
	return count_file(counting, path, uuid);
}

static int
on_counts_slot(void *cookie, const char *name)
{
	struct counting *counting = cookie;
	char path[DIR_PATH];
	unsigned int slot;

	if (parse_slot(name, &slot) == -1)
		return 0;
	counts_path(path, counting->day, counting->uuid, slot);
	return count_file(counting, path, counting->uuid);
}

int
dir_load_counts(void *store, uint32_t day, const uint8_t *uuid, bool mine,
    d4_registry_on_count *callback, void *cookie)
{
	struct counting counting = { .dir = store, .day = day, .uuid = uuid,
	    .callback = callback, .cookie = cookie };
	struct dir *dir = store;
	char path[DIR_PATH];

	(void)snprintf(counting.in, sizeof(counting.in), "days/%" PRIu32,
	    day);
	if (uuid == NULL)
		return dir_each(dir, &dir->root, counting.in, on_counts,
		    &counting);
	if (!mine)
		return dir_each(dir, &dir->root, "workers", on_counts_slot,
		    &counting);
	if (dir_worker(dir) == -1)
		return -1;
	counts_path(path, day, uuid, dir->worker.slot);
	return count_file(&counting, path, uuid);
}

static int
write_counts(struct dir *dir, uint32_t day, const char *path,
    const char *text, size_t len)
{
	char in[DIR_PATH];

	if (dir->day != day) {
		(void)snprintf(in, sizeof(in), "days/%" PRIu32, day);
		if (dir_make(dir, &dir->root, in) == -1)
			return -1;
		dir->day = day;
	}
	if (dir_rewrite(dir, path, text, len) == -1) {
		/* Perhaps the day was forgotten. */
		dir->day = 0;
		return -1;
	}
	return 0;
}

int
dir_save_counts(void *store, uint32_t day, const uint8_t *uuid,
    const struct d4_registry_cell *cells, size_t n)
{
	char path[DIR_PATH], *text = NULL;
	struct dir *dir = store;
	size_t i, len = 0;
	FILE *file;
	int r = -1;

	if (dir_worker(dir) == -1)
		return -1;
	counts_path(path, day, uuid, dir->worker.slot);
	if ((file = open_memstream(&text, &len)) != NULL) {
		for (i = 0; i < n; i++)
			(void)fprintf(file, "%u %s %ju %ju\n", cells[i].type,
			    cells[i].address, (uintmax_t)cells[i].records,
			    (uintmax_t)cells[i].bytes);
		r = fclose(file);
	}
	if (r == -1)
		(void)dir_fault(dir, &dir->root, path, strerror(errno));
	else
		r = write_counts(dir, day, path, text, len);
	free(text);
	return r;
}

void
dir_set_aside(void *store, const uint8_t *uuid, uint32_t day)
{
	char from[DIR_PATH], to[DIR_PATH], hex[D4_UUID_HEX];
	struct dir *dir = store;

	d4_uuid_hex(hex, uuid);
	if (day == 0)
		facts_path(from, uuid, dir->worker.slot);
	else
		counts_path(from, day, uuid, dir->worker.slot);
	(void)snprintf(to, sizeof(to), "%.*s/.bad-%s.%u",
	    (int)(strrchr(from, '/') - from), from, hex, dir->worker.slot);
	(void)renameat(dir->root.fd, from, dir->root.fd, to);
}

struct days {
	struct dir		*dir;
	uint32_t		*list;
	size_t			 n;
};

static int
on_day(void *cookie, const char *name)
{
	struct days *days = cookie;
	char path[DIR_PATH];
	uint32_t *list;
	uint64_t day;

	if (d4_registry_digits(name, 99999999, &day) == -1 || day < 10000000) {
		(void)snprintf(path, sizeof(path), "days/%.200s", name);
		return dir_fault(days->dir, &days->dir->root, path,
		    "is not named by a day");
	}
	list = realloc(days->list, (days->n + 1) * sizeof(*list));
	if (list == NULL)
		return dir_fault(days->dir, &days->dir->root, "days",
		    strerror(errno));
	list[days->n++] = (uint32_t)day;
	days->list = list;
	return 0;
}

static int
compare_days(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

int
dir_each_day(void *store, d4_registry_on_day *callback, void *cookie)
{
	struct days days = { .dir = store };
	size_t i;
	int r;

	r = dir_each(store, &days.dir->root, "days", on_day, &days);
	if (r == 0 && days.n > 0)
		qsort(days.list, days.n, sizeof(*days.list), compare_days);
	for (i = 0; r == 0 && i < days.n; i++)
		r = callback(cookie, days.list[i]);
	free(days.list);
	return r;
}

int
dir_forget_day(void *store, uint32_t day)
{
	char path[DIR_PATH];
	struct dir *dir = store;

	(void)snprintf(path, sizeof(path), "days/%" PRIu32, day);
	return dir_remove_tree(dir, &dir->root, path);
}
