/* SPDX-License-Identifier: ISC */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-admin/check.h"
#include "d4-admin/table.h"
#include "d4-admin/walk.h"
#include "lib/log.h"
#include "lib/uuid.h"

#define OPEN_DIR	"/.open/"	/* unfinished files of a store */
#define HALF_MADE_S	3600		/* by now nobody goes on with it */

static const struct column columns[] = {
	{ "object", "OBJECT", CELL_TEXT },
	{ "fault", "FAULT", CELL_TEXT },
	{ "fixed", "FIXED", CELL_FLAG }
};

void
check_report(struct check *c, const char *object, const char *fault,
    bool fixed)
{
	table_text(c->table, object);
	table_text(c->table, fault);
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

/*
 * Gives the entry another owner or mode.  As the superuser this is done for one
 * who may put something else in its place meanwhile, or had another's file in
 * it by a second name: so it is the file that was judged, or none.
 */
static bool
set_right(const struct walk_entry *e, const struct stat *owner, mode_t mode)
{
	struct stat st;
	int fd, r;

	fd = openat(e->dir, e->name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	/* What even its owner can't read is not the superuser's business. */
	if (fd == -1)
		return errno == EACCES && owner == NULL &&
		    fchmodat(e->dir, e->name, mode, 0) == 0;
	r = fstat(fd, &st);
	if (r == 0 && (st.st_ino != e->st.st_ino ||
	    st.st_dev != e->st.st_dev ||
	    (S_ISREG(st.st_mode) && st.st_nlink > 1)))
		r = -1;
	if (r == 0)
		r = owner != NULL ? fchown(fd, owner->st_uid, owner->st_gid) :
		    fchmod(fd, mode);
	(void)close(fd);
	return r == 0;
}

static void
check_mode(struct check *c, const struct walk_entry *e)
{
	mode_t mode = e->st.st_mode & 07777, right = mode & ~(mode_t)S_IWOTH;

	if (c->registry && S_ISDIR(e->st.st_mode))
		right = 0750;
	else if (c->registry)
		right = ends(e->path, "/key") ? 0600 : 0640;
	/* Stricter than it must be is no fault, but for what we need. */
	if ((mode & ~right) == 0 && (mode & right & 0700) == (right & 0700))
		return;
	check_report(c, e->path, "mode gives others too much, or us too little",
	    c->fixes && set_right(e, NULL, right));
}

/* A file in the making is held by a lock of its collector. */
static void
check_unfinished(struct check *c, const struct walk_entry *e)
{
	int fd;

	if (!S_ISREG(e->st.st_mode))
		return;
	fd = openat(e->dir, e->name,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd == -1) {
		if (errno != ENOENT) {
			d4_log_warn("%s", e->path);
			c->failed = true;
		}
		return;
	}
	if (flock(fd, LOCK_SH | LOCK_NB) == 0)
		check_report(c, e->path,
		    "unfinished: d4-recv completes it at its start", false);
	(void)close(fd);
}

/* -- names ----------------------------------------------------------------- */

/* Whether it lies below the directory. */
static bool
is_within(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && path[len] == '/';
}

/* What was never renamed into its place, as whoever wrote it has died. */
static void
check_half_made(struct check *c, const struct walk_entry *e)
{
	if (S_ISREG(e->st.st_mode) &&
	    (uint64_t)e->st.st_mtime + HALF_MADE_S < c->admin->now)
		check_report(c, e->path, "left half made by a process that "
		    "died", c->fixes && unlinkat(e->dir, e->name, 0) == 0);
}

/* A name as we write it: with dashes or without, and what ends it. */
static bool
is_uuid(const char *name, bool dashes, char end, uint8_t uuid[D4_UUID_LEN])
{
	char given[D4_UUID_TEXT] = "", text[D4_UUID_TEXT];
	size_t len = dashes ? D4_UUID_TEXT - 1 : D4_UUID_HEX - 1;

	if (strlen(name) < len || name[len] != end)
		return false;
	memcpy(given, name, len);
	if (d4_uuid_parse(uuid, given) == -1)
		return false;
	if (dashes)
		d4_uuid_text(text, uuid);
	else
		d4_uuid_hex(text, uuid);
	return strncmp(text, given, len) == 0;
}

/* Of the registry: name is the path below it. */
static void
check_entry(struct check *c, const char *name, const struct walk_entry *e)
{
	static const struct {
		const char	*dir;
		char		 end;	/* of the uuid */
		bool		 keeps;
	} dirs[] = {
		{ "sensors/", '\0', true }, { "facts/", '.', true },
		{ "kicked/", '\0', false }, { "pending/", '\0', false }
	};
	uint8_t uuid[D4_UUID_LEN];
	size_t i, len;

	if (strncmp(name, ".tmp/", 5) == 0)
		check_half_made(c, e);
	if (strstr(name, "/.bad-") != NULL)
		check_report(c, e->path, "set aside by a collector, which "
		    "could not read it", false);
	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		len = strlen(dirs[i].dir);
		/* With a dot they are kept to be written over. */
		if (strncmp(name, dirs[i].dir, len) != 0 ||
		    name[len] == '.' || strchr(name + len, '/') != NULL)
			continue;
		if (!is_uuid(name + len, false, dirs[i].end, uuid))
			check_report(c, e->path, "is not named by a uuid",
			    false);
		else if (dirs[i].keeps)
			(void)keep_uuid(&c->sensors, uuid);
	}
}

static void
keep_queue(struct check *c, const struct d4_registry_queue *queue)
{
	void *list;

	list = realloc(c->queues, (c->nqueues + 1) * sizeof(*c->queues));
	if (list == NULL) {
		c->failed = true;
		return;
	}
	c->queues = list;
	c->queues[c->nqueues++] = *queue;
}

static bool
is_type(const char *text, struct d4_registry_queue *queue)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	memset(queue, 0, sizeof(*queue));
	queue->type = D4_TYPE_EXTENDED;
	if (*text >= '0' && *text <= '9' && *end == '\0') {
		queue->type = (uint8_t)n;
		return n <= UINT8_MAX && n != D4_TYPE_EXTENDED;
	}
	if (!d4_type_name_ok(text, strlen(text)))
		return false;
	(void)snprintf(queue->extended, sizeof(queue->extended), "%s", text);
	return true;
}

/* Of the queues: TYPE, TYPE/UUID, and what is in them. */
static void
check_queue(struct check *c, const char *name, const struct walk_entry *e)
{
	char type[D4_TYPE_NAME_MAX + 1];
	const char *slash = strchr(name, '/'), *deeper;
	struct d4_registry_queue queue;
	size_t len = slash != NULL ? (size_t)(slash - name) : strlen(name);
	bool known;

	if (strncmp(name, ".tmp/", 5) == 0 || strstr(name, "/tmp/") != NULL)
		check_half_made(c, e);
	deeper = slash != NULL ? strchr(slash + 1, '/') : NULL;
	if (*name == '.' || deeper != NULL)
		return;
	(void)snprintf(type, sizeof(type), "%.*s", (int)len, name);
	known = len < sizeof(type) && is_type(type, &queue);
	if (slash == NULL && !known)
		check_report(c, e->path, "is not named by a type", false);
	if (slash == NULL || !known || slash[1] == '.')
		return;
	if (is_uuid(slash + 1, true, '\0', queue.uuid))
		keep_queue(c, &queue);
	else
		check_report(c, e->path, "is not named by a uuid", false);
}

/* -- all files ------------------------------------------------------------- */

static int
on_file(void *cookie, const struct walk_entry *e)
{
	const struct stat *st = &e->st;
	struct check *c = cookie;
	const char *queues = c->admin->place.queues;

	if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode)) {
		check_report(c, e->path, "neither a file nor a directory",
		    false);
		return 0;
	}
	if (st->st_uid != c->owner.st_uid)
		check_report(c, e->path, "owned by another",
		    c->fixes && set_right(e, &c->owner, 0));
	check_mode(c, e);
	if (c->registry)
		check_entry(c, e->path + strlen(c->root) + 1, e);
	else if (is_within(e->path, queues))
		check_queue(c, e->path + strlen(queues) + 1, e);
	else if (strstr(e->path, OPEN_DIR) != NULL)
		check_unfinished(c, e);
	return 0;
}

static int
on_store(void *cookie, const struct walk_entry *e)
{
	struct check *c = cookie;
	const struct place *p = &c->admin->place;

	if (strcmp(e->path, p->registry) == 0 ||
	    is_within(e->path, p->registry))
		return 0;
	return on_file(cookie, e);
}

bool
check_is_redis(const char *place)
{
	return strncmp(place, "redis:", 6) == 0;
}

/* What is not there, or in Redis, is passed over. */
static void
check_tree(struct check *c, const char *root, bool registry)
{
	if (*root == '\0' || check_is_redis(root) ||
	    stat(root, &c->owner) == -1)
		return;
	c->root = root;
	c->registry = registry;
	if (walk(root, registry ? on_file : on_store, c) == -1)
		c->failed = true;
}

int
check_all(struct admin *a, const struct args *args)
{
	struct check c = { .admin = a,
	    .fixes = args_option(args, "fix") != NULL };
	const struct place *p = &a->place;

	if (admin_open(a, args) == -1)
		return admin_fault(a);
	if ((c.table = table_new(columns, sizeof(columns) /
	    sizeof(columns[0]), a->json, a->now)) == NULL)
		return table_end(NULL);
	check_tree(&c, p->store, false);
	if (*p->store == '\0' || !is_within(p->queues, p->store))
		check_tree(&c, p->queues, false);
	check_tree(&c, p->registry, true);
	check_registry(&c);
	free(c.sensors.list);
	free(c.queues);
	return table_end(c.table) != 0 || c.failed || c.left > 0 ? 1 : 0;
}
