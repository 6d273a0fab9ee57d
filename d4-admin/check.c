/* SPDX-License-Identifier: ISC */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-admin/admin.h"
#include "d4-admin/table.h"
#include "d4-admin/walk.h"
#include "lib/log.h"
#include "lib/uuid.h"

#define OPEN_DIR	"/.open/"	/* unfinished files of a store */

struct check {
	struct admin	*admin;
	struct table	*table;
	struct stat	 owner;		/* who owns it */
	bool		 registry;	/* it is one, with modes of its own */
	bool		 fixes;
	size_t		 left;		/* faults that were not mended */
	bool		 failed;	/* could not look */
};

static const struct column columns[] = {
	{ "object", "OBJECT", CELL_TEXT },
	{ "fault", "FAULT", CELL_TEXT },
	{ "fixed", "FIXED", CELL_FLAG }
};

static void
report(struct check *c, const char *object, const char *what, bool fixed)
{
	table_text(c->table, object);
	table_text(c->table, what);
	table_number(c->table, fixed);
	if (!fixed)
		c->left++;
}

/* -- files ----------------------------------------------------------------- */

static bool
ends(const char *path, const char *name)
{
	size_t n = strlen(path), len = strlen(name);

	return n >= len && strcmp(path + n - len, name) == 0;
}

static void
check_mode(struct check *c, const char *path, const struct stat *st)
{
	mode_t mode = st->st_mode & 07777, right = mode & ~(mode_t)S_IWOTH;

	if (c->registry && S_ISDIR(st->st_mode))
		right = 0750;
	else if (c->registry)
		right = ends(path, "/key") ? 0600 : 0640;
	/* Stricter than it must be is no fault, but for what we need. */
	if ((mode & ~right) == 0 && (mode & right & 0700) == (right & 0700))
		return;
	report(c, path, "mode gives others too much, or us too little",
	    c->fixes && fchmodat(AT_FDCWD, path, right, 0) == 0);
}

/* A file in the making is held by a lock of its collector. */
static void
check_unfinished(struct check *c, const char *path, const struct stat *st)
{
	int fd;

	if (!S_ISREG(st->st_mode) ||
	    (fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) == -1)
		return;
	if (flock(fd, LOCK_SH | LOCK_NB) == 0)
		report(c, path, "unfinished: d4-recv completes it at its start",
		    false);
	(void)close(fd);
}

static int
on_file(void *cookie, const char *path, const struct stat *st)
{
	struct check *c = cookie;
	bool fixed;

	if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode)) {
		report(c, path, "neither a file nor a directory", false);
		return 0;
	}
	if (st->st_uid != c->owner.st_uid) {
		fixed = c->fixes && lchown(path, c->owner.st_uid,
		    c->owner.st_gid) == 0;
		report(c, path, "owned by another", fixed);
	}
	check_mode(c, path, st);
	if (!c->registry && strstr(path, OPEN_DIR) != NULL)
		check_unfinished(c, path, st);
	return 0;
}

/* Whether it lies elsewhere, or within what was walked before. */
static bool
is_within(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && path[len] == '/';
}

static int
on_store(void *cookie, const char *path, const struct stat *st)
{
	struct check *c = cookie;
	const struct place *p = &c->admin->place;

	if (strcmp(path, p->registry) == 0 || is_within(path, p->registry))
		return 0;
	return on_file(cookie, path, st);
}

/* What is not there, or in Redis, is passed over. */
static void
check_tree(struct check *c, const char *root, bool registry)
{
	if (*root == '\0' || strncmp(root, "redis:", 6) == 0 ||
	    stat(root, &c->owner) == -1)
		return;
	c->registry = registry;
	if (walk(root, registry ? on_file : on_store, c) == -1)
		c->failed = true;
}

/* -- registry -------------------------------------------------------------- */

/* What is known of each sensor can be read. */
static int
check_sensors(struct check *c)
{
	struct d4_registry_sensor sensor;
	struct uuids uuids = { .n = 0 };
	struct d4_registry_facts facts;
	char text[D4_UUID_TEXT];
	size_t i;
	int r;

	r = d4_registry_sensors(c->admin->reg, keep_uuid, &uuids);
	for (i = 0; r == 0 && i < uuids.n; i++) {
		d4_uuid_text(text, uuids.list[i]);
		if (d4_registry_sensor(c->admin->reg, uuids.list[i],
		    &sensor) == -1)
			report(c, text, d4_registry_why(c->admin->reg), false);
		if (d4_registry_facts(c->admin->reg, uuids.list[i],
		    &facts) == -1)
			report(c, text, d4_registry_why(c->admin->reg), false);
		d4_registry_facts_free(&facts);
	}
	free(uuids.list);
	return r == 0 ? 0 : admin_fault(c->admin);
}

/* -- items ----------------------------------------------------------------- */

/* Items of these are paths; of type 4 only those that look like one. */
static bool
holds_paths(const struct d4_registry_queue *q)
{
	static const char *const extended[] = {
		"ja3-jl", "filewatcher", "filewatcherjson"
	};
	size_t i;

	if (*q->extended == '\0')
		return q->type == 1 || q->type == 4 || q->type == 5 ||
		    q->type == 7;
	for (i = 0; i < sizeof(extended) / sizeof(extended[0]); i++) {
		if (strcmp(q->extended, extended[i]) == 0)
			return true;
	}
	return false;
}

static bool
is_missing(const struct d4_queue_item *item)
{
	struct stat st;

	return item->len > 0 && item->data[0] == '/' &&
	    strlen((const char *)item->data) == item->len &&
	    stat((const char *)item->data, &st) == -1 && errno == ENOENT;
}

struct items {
	struct check	*check;
	const char	*queue;
	size_t		 missing;
};

static int
on_item(void *cookie, const uint8_t *data, size_t len)
{
	struct d4_queue_item item = { .len = len };
	struct items *items = cookie;
	char what[512];

	if ((item.data = malloc(len + 1)) == NULL)
		return -1;
	memcpy(item.data, data, len);
	item.data[len] = '\0';
	if (is_missing(&item)) {
		items->missing++;
		(void)snprintf(what, sizeof(what), "item names a missing "
		    "file: %.400s", (const char *)item.data);
		report(items->check, items->queue, what,
		    items->check->fixes);
	}
	free(item.data);
	return 0;
}

/* Takes each item once: what is missing goes, the others go back where they
 * were, the last first for each goes to the front. */
static int
drop_missing(struct d4_queue *queue)
{
	struct d4_queue_item *kept;
	int64_t i, n = d4_queue_length(queue), nkept = 0;
	int r = 1;

	if (n == -1 || (kept = calloc((size_t)n + 1, sizeof(*kept))) == NULL)
		return -1;
	for (i = 0; r == 1 && i < n; i++) {
		r = d4_queue_take(queue, &kept[nkept], 0);
		if (r == 1 && is_missing(&kept[nkept]))
			(void)d4_queue_ack(queue, &kept[nkept]);
		else if (r == 1)
			nkept++;
	}
	while (nkept > 0) {
		if (d4_queue_put_back(queue, &kept[--nkept]) == -1)
			r = -1;
	}
	free(kept);
	return r == -1 ? -1 : 0;
}

static int
on_queue(void *cookie, const struct d4_registry_queue *q)
{
	char text[D4_UUID_TEXT];
	struct items items = { .check = cookie, .queue = text };
	struct d4_queue *queue;
	int64_t n;

	if (!holds_paths(q))
		return 0;
	d4_uuid_text(text, q->uuid);
	if ((queue = place_queue(&items.check->admin->place, q)) == NULL) {
		items.check->failed = true;
		return 0;
	}
	if ((n = d4_queue_length(queue)) == -1 ||
	    d4_queue_peek(queue, (size_t)n, on_item, &items) == -1 ||
	    (items.check->fixes && items.missing > 0 &&
	    drop_missing(queue) == -1)) {
		d4_log_warnx("%s", d4_queue_fault(queue));
		items.check->failed = true;
	}
	d4_queue_close(queue);
	return 0;
}

int
check_all(struct admin *a, const struct args *args)
{
	struct check c = { .admin = a,
	    .fixes = args_option(args, "fix") != NULL };
	const struct place *p = &a->place;

	if ((c.table = table_new(columns, sizeof(columns) /
	    sizeof(columns[0]), a->json, a->now)) == NULL)
		return table_end(NULL);
	check_tree(&c, p->store, false);
	if (*p->store == '\0' || !is_within(p->queues, p->store))
		check_tree(&c, p->queues, false);
	check_tree(&c, p->registry, true);
	if (check_sensors(&c) != 0)
		c.failed = true;
	if (d4_registry_queues(a->reg, on_queue, &c) != 0) {
		(void)admin_fault(a);
		c.failed = true;
	}
	return table_end(c.table) != 0 || c.failed || c.left > 0 ? 1 : 0;
}
