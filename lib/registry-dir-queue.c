/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/registry-dir.h"
#include "lib/uuid.h"

/*
 * QUEUES/TYPE/UUID is a queue: the directory defines it, files in it say more.
 * What else lies there belongs to the queue room.
 */

static const char *
kind(const struct d4_registry_queue *queue, char number[4])
{
	if (queue->extended[0] != '\0')
		return queue->extended;
	(void)snprintf(number, 4, "%u", queue->type);
	return number;
}

static int
parse_kind(const char *name, struct d4_registry_queue *queue)
{
	uint64_t type;

	queue->extended[0] = '\0';
	if (d4_registry_digits(name, UINT8_MAX, &type) == 0) {
		queue->type = (uint8_t)type;
		return 0;
	}
	if (!d4_type_name_ok(name, strlen(name)))
		return -1;
	queue->type = D4_TYPE_EXTENDED;
	memcpy(queue->extended, name, strlen(name) + 1);
	return 0;
}

/* Queues are spelt with dashes, as d4-core has them. */
static int
parse_queue(const char *name, uint8_t uuid[D4_UUID_LEN])
{
	char text[D4_UUID_TEXT];

	if (d4_uuid_parse(uuid, name) == -1)
		return -1;
	d4_uuid_text(text, uuid);
	return strcmp(text, name) == 0 ? 0 : -1;
}

/* -- finding one by its uuid ----------------------------------------------- */

struct finding {
	struct dir	*dir;
	const char	*uuid;
	char		 path[DIR_PATH];
};

static int
on_kind(void *cookie, const char *name)
{
	struct finding *finding = cookie;
	struct d4_registry_queue queue;
	int r;

	if (parse_kind(name, &queue) == -1)
		return 0;
	dir_path(finding->path, "%s/%s", name, finding->uuid);
	r = dir_has(finding->dir, &finding->dir->queues, finding->path);
	return r == 0 ? 2 : r == 1 ? 0 : -1;
}

/* 0 and its path, 1 none, -1. */
static int
find(struct dir *dir, const uint8_t *uuid, char path[DIR_PATH])
{
	struct finding finding = { .dir = dir };
	char text[D4_UUID_TEXT];
	int r;

	d4_uuid_text(text, uuid);
	finding.uuid = text;
	if ((r = dir_each(dir, &dir->queues, ".", on_kind, &finding)) == 2)
		memcpy(path, finding.path, sizeof(finding.path));
	return r == 2 ? 0 : r == 0 ? 1 : -1;
}

/* -- changing -------------------------------------------------------------- */

static int
write_value(struct dir *dir, const char *in, const char *name,
    const char *value, int how)
{
	char data[D4_REGISTRY_TEXT + 1], path[DIR_PATH];
	int n;

	dir_path(path, "%s/%s", in, name);
	n = snprintf(data, sizeof(data), "%s\n", value);
	return dir_write(dir, &dir->queues, path, data, (size_t)n, how);
}

static int
write_limit(struct dir *dir, const char *in, uint64_t limit)
{
	char number[24];

	(void)snprintf(number, sizeof(number), "%ju", (uintmax_t)limit);
	return write_value(dir, in, "max_size", number, DIR_SYNC);
}

static int
write_member(struct dir *dir, const char *in, const uint8_t *sensor)
{
	char hex[D4_UUID_HEX], path[DIR_PATH];

	dir_path(path, "%s/group", in);
	if (dir_make(dir, &dir->queues, path) == -1)
		return -1;
	d4_uuid_hex(hex, sensor);
	dir_path(path, "%s/group/%s", in, hex);
	return dir_mark(dir, &dir->queues, path);
}

static int
fill(struct dir *dir, const char *in, const struct d4_registry_queue *queue)
{
	char path[DIR_PATH];
	size_t i;

	if (dir_make(dir, &dir->queues, in) == -1 ||
	    write_limit(dir, in, queue->max_size) == -1 ||
	    write_value(dir, in, "description", queue->description != NULL ?
	    queue->description : "", DIR_SYNC) == -1)
		return -1;
	dir_path(path, "%s/group", in);
	if (queue->grouped && dir_make(dir, &dir->queues, path) == -1)
		return -1;
	for (i = 0; i < queue->nmembers; i++) {
		if (write_member(dir, in, queue->members[i]) == -1)
			return -1;
	}
	return 0;
}

int
dir_queue_create(void *store, const struct d4_registry_queue *queue)
{
	char number[4], path[DIR_PATH], text[D4_UUID_TEXT], tmp[DIR_PATH];
	char why[D4_REGISTRY_WHY];
	struct dir *dir = store;
	int r;

	if ((r = find(dir, queue->uuid, path)) != 1)
		return r == 0 ? 1 : -1;
	/* Filled in out of sight, so that no worker sees half of it. */
	d4_uuid_text(text, queue->uuid);
	(void)snprintf(tmp, sizeof(tmp), ".tmp/%s.queue", dir->token);
	dir_path(path, "%s/%s", kind(queue, number), text);
	if (fill(dir, tmp, queue) == -1 ||
	    dir_make(dir, &dir->queues, kind(queue, number)) == -1)
		goto err;
	if (renameat(dir->queues.fd, tmp, dir->queues.fd, path) == -1) {
		(void)dir_fault(dir, &dir->queues, path, strerror(errno));
		goto err;
	}
	return dir_sync(dir, &dir->queues, kind(queue, number));

err:
	/* The reason is that of the first fault. */
	memcpy(why, dir->why, sizeof(why));
	(void)dir_remove_tree(dir, &dir->queues, tmp);
	memcpy(dir->why, why, sizeof(why));
	return -1;
}

int
dir_queue_remove(void *store, const uint8_t *uuid)
{
	struct dir *dir = store;
	char path[DIR_PATH];
	int r;

	if ((r = find(dir, uuid, path)) != 0)
		return r;
	return dir_remove_tree(dir, &dir->queues, path);
}

int
dir_queue_describe(void *store, const uint8_t *uuid, const char *description)
{
	struct dir *dir = store;
	char path[DIR_PATH];
	int r;

	if ((r = find(dir, uuid, path)) != 0)
		return r;
	return write_value(dir, path, "description", description, DIR_SYNC);
}

int
dir_queue_limit(void *store, const uint8_t *uuid, uint64_t limit)
{
	struct dir *dir = store;
	char path[DIR_PATH];
	int r;

	if ((r = find(dir, uuid, path)) != 0)
		return r;
	return write_limit(dir, path, limit);
}

int
dir_queue_member(void *store, const uint8_t *uuid, const uint8_t *sensor,
    bool member)
{
	char hex[D4_UUID_HEX], in[DIR_PATH], path[DIR_PATH];
	struct dir *dir = store;
	int r;

	if ((r = find(dir, uuid, in)) != 0)
		return r;
	if (member)
		r = write_member(dir, in, sensor);
	else {
		d4_uuid_hex(hex, sensor);
		dir_path(path, "%s/group/%s", in, hex);
		r = dir_unlink(dir, &dir->queues, path, true);
	}
	return r == -1 ? -1 : 0;
}

int
dir_queue_updated(void *store, const struct d4_registry_queue *queue)
{
	char in[DIR_PATH], number[4], text[D4_UUID_TEXT], time[24];
	struct dir *dir = store;

	d4_uuid_text(text, queue->uuid);
	(void)snprintf(time, sizeof(time), "%ju", (uintmax_t)queue->updated);
	dir_path(in, "%s/%s", kind(queue, number), text);
	/* Removed since: there is nothing to say of it. */
	if (dir_has(dir, &dir->queues, in) == 1)
		return 1;
	return write_value(dir, in, "updated", time, 0);
}

/* -- listing --------------------------------------------------------------- */

struct listing {
	struct dir			*dir;
	d4_registry_on_queue		*callback;
	void				*cookie;
	struct d4_registry_queue	 queue;
	char				 in[DIR_PATH];	/* the queue */
	char				 description[D4_REGISTRY_TEXT];
	uint8_t				(*members)[D4_UUID_LEN];
	size_t				 room;
};

static int
on_group(void *cookie, const char *name)
{
	struct listing *l = cookie;
	char path[DIR_PATH];
	size_t room;
	void *more;

	if (l->queue.nmembers == l->room) {
		room = l->room == 0 ? 16 : 2 * l->room;
		more = realloc(l->members, room * sizeof(*l->members));
		if (more == NULL)
			return dir_fault(l->dir, &l->dir->queues, l->in,
			    strerror(errno));
		l->members = more;
		l->room = room;
	}
	if (dir_uuid(l->members[l->queue.nmembers], name) == -1) {
		dir_path(path, "%s/group/%s", l->in, name);
		return dir_fault(l->dir, &l->dir->queues, path,
		    "is not named by a uuid of 32 digits");
	}
	l->queue.nmembers++;
	return 0;
}

static int
compare_uuids(const void *a, const void *b)
{
	return memcmp(a, b, D4_UUID_LEN);
}

static int
load_group(struct listing *l)
{
	char path[DIR_PATH];
	int r;

	l->queue.nmembers = 0;
	dir_path(path, "%s/group", l->in);
	if ((r = dir_has(l->dir, &l->dir->queues, path)) == -1)
		return -1;
	l->queue.grouped = r == 0;
	if (r == 0 && dir_each(l->dir, &l->dir->queues, path, on_group,
	    l) == -1)
		return -1;
	if (l->queue.nmembers > 0)
		qsort(l->members, l->queue.nmembers, sizeof(*l->members),
		    compare_uuids);
	l->queue.members = (const uint8_t (*)[D4_UUID_LEN])l->members;
	return 0;
}

static int
load_values(struct listing *l)
{
	char path[DIR_PATH];

	l->queue.max_size = D4_REGISTRY_QUEUE_SIZE;
	l->queue.updated = 0;
	l->queue.description = l->description;
	l->description[0] = '\0';
	dir_path(path, "%s/max_size", l->in);
	if (dir_number(l->dir, &l->dir->queues, path,
	    &l->queue.max_size) == -1)
		return -1;
	dir_path(path, "%s/updated", l->in);
	if (dir_number(l->dir, &l->dir->queues, path,
	    &l->queue.updated) == -1)
		return -1;
	dir_path(path, "%s/description", l->in);
	if (dir_text(l->dir, &l->dir->queues, path, l->description) == -1)
		return -1;
	return load_group(l);
}

static int
on_queue(void *cookie, const char *name)
{
	struct listing *l = cookie;
	char number[4];

	if (parse_queue(name, l->queue.uuid) == -1)
		return 0;
	dir_path(l->in, "%s/%s", kind(&l->queue, number), name);
	if (load_values(l) == -1)
		return -1;
	return l->callback(l->cookie, &l->queue);
}

static int
on_queues(void *cookie, const char *name)
{
	struct listing *l = cookie;

	if (parse_kind(name, &l->queue) == -1)
		return 0;
	return dir_each(l->dir, &l->dir->queues, name, on_queue, l);
}

int
dir_each_queue(void *store, d4_registry_on_queue *callback, void *cookie)
{
	struct listing l = { .dir = store, .callback = callback,
	    .cookie = cookie };
	int r;

	r = dir_each(store, &l.dir->queues, ".", on_queues, &l);
	free(l.members);
	return r;
}
