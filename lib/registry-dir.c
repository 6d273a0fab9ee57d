/* SPDX-License-Identifier: ISC */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/mac.h"
#include "lib/registry-dir.h"
#include "lib/uuid.h"

/* Strangers are counted again after this many new ones, and have to leave
 * when there are so many that each of 16 workers may write as many more. */
#define COUNT_AFTER	64
#define STRANGERS	(D4_REGISTRY_PENDING - 1024)
#define LEAVERS		1024	/* looked for at a time */

static const char *const sets[D4_SETS] = {
	[D4_SET_BLOCKED_ADDRESSES] = "blocks/address",
	[D4_SET_BLOCKED_UUIDS] = "blocks/uuid",
	[D4_SET_BLOCKED_BY_UUID] = "blocks/by-uuid",
	[D4_SET_TYPES] = "types",
	[D4_SET_EXTENDED] = "metatypes"
};

static const char *const made[] = {
	".tmp", "blocks", "blocks/address", "blocks/by-uuid", "blocks/uuid",
	"claims", "days", "facts", "kicked", "metatypes", "pending",
	"sensors", "types", "workers"
};

/* -- opening --------------------------------------------------------------- */

static int
open_tree(struct dir *dir, struct tree *tree, const char *name, bool create)
{
	struct stat st;
	bool fresh;

	if ((tree->name = strdup(name)) == NULL) {
		(void)snprintf(dir->why, D4_REGISTRY_WHY, "%s",
		    strerror(errno));
		return -1;
	}
	fresh = create && mkdir(name, 0750) == 0;
	if (create && !fresh && errno != EEXIST)
		return dir_fault(dir, tree, "", strerror(errno));
	tree->fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* The superuser makes it for whom the directory above belongs to. */
	if (tree->fd == -1 || (fresh && geteuid() == 0 &&
	    (fstatat(tree->fd, "..", &st, 0) == -1 ||
	    fchown(tree->fd, st.st_uid, st.st_gid) == -1)))
		return dir_fault(dir, tree, "", strerror(errno));
	return 0;
}

static int
make_layout(struct dir *dir)
{
	size_t i;

	for (i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
		if (dir_make(dir, &dir->root, made[i]) == -1)
			return -1;
	}
	return dir_make(dir, &dir->queues, ".tmp");
}

static int
open_both(struct dir *dir, const char *spec, const char *queues, bool create)
{
	char path[4096];
	struct stat st;
	int n;

	if (open_tree(dir, &dir->root, spec, create) == -1)
		return -1;
	n = snprintf(path, sizeof(path), "%s/queues", spec);
	if (queues == NULL && (n < 0 || (size_t)n >= sizeof(path)))
		return dir_fault(dir, &dir->root, "",
		    "the name is too long");
	if (open_tree(dir, &dir->queues, queues != NULL ? queues : path,
	    create) == -1)
		return -1;
	if (fstat(dir->root.fd, &st) == -1)
		return dir_fault(dir, &dir->root, "", strerror(errno));
	dir->chown = geteuid() == 0;
	dir->uid = st.st_uid;
	dir->gid = st.st_gid;
	return create ? make_layout(dir) : 0;
}

static void
close_dir(void *store)
{
	struct dir *dir = store;

	dir_worker_close(dir);
	if (dir->lock != -1)
		(void)close(dir->lock);
	dir_late_free(dir);
	if (dir->queues.fd != -1)
		(void)close(dir->queues.fd);
	if (dir->root.fd != -1)
		(void)close(dir->root.fd);
	free(dir->leavers);
	free(dir->queues.name);
	free(dir->root.name);
	free(dir);
}

static void *
open_dir(const char *spec, const char *queues, bool create,
    const struct d4_registry_login *login, char *why)
{
	uint8_t token[D4_UUID_LEN];
	struct dir *dir;

	if ((dir = calloc(1, sizeof(*dir))) == NULL) {
		(void)snprintf(why, D4_REGISTRY_WHY, "%s", strerror(errno));
		return NULL;
	}
	dir->root.fd = dir->queues.fd = dir->lock = -1;
	dir->worker.fd = dir->worker.claims = -1;
	dir->why = why;
	dir->strangers = COUNT_AFTER;
	/* Who we are the file system knows. */
	dir->insecure_key = login != NULL && login->insecure_key;
	d4_uuid_new(token);
	d4_uuid_hex(dir->token, token);
	if (open_both(dir, spec, queues, create) == -1) {
		close_dir(dir);
		return NULL;
	}
	return dir;
}

/* -- the stamp and the lock ------------------------------------------------ */

static int
stamp(void *store, uint64_t numbers[2])
{
	struct dir *dir = store;
	struct stat st;

	memset(&st, 0, sizeof(st));
	if (fstatat(dir->root.fd, "stamp", &st, 0) == -1 && errno != ENOENT)
		return dir_fault(dir, &dir->root, "stamp", strerror(errno));
	numbers[0] = (uint64_t)st.st_size;
	numbers[1] = (uint64_t)st.st_mtim.tv_sec * 1000000000u +
	    (uint64_t)st.st_mtim.tv_nsec;
	return 0;
}

/* The file grows: two changes within one tick of the file system's clock are
 * two. */
static int
touch(void *store)
{
	struct dir *dir = store;
	int fd, r;

	fd = openat(dir->root.fd, "stamp",
	    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	if (fd == -1)
		return dir_fault(dir, &dir->root, "stamp", strerror(errno));
	r = 0;
	if (dir_give(dir, fd) == -1 ||
	    d4_io_write_full(fd, "\n", 1, NULL) == -1)
		r = dir_fault(dir, &dir->root, "stamp", strerror(errno));
	(void)close(fd);
	return r;
}

static int
lock(void *store)
{
	struct dir *dir = store;

	dir->lock = openat(dir->root.fd, "lock",
	    O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (dir->lock == -1)
		return dir_fault(dir, &dir->root, "lock", strerror(errno));
	if (dir_give(dir, dir->lock) == 0) {
		while (flock(dir->lock, LOCK_EX) == -1) {
			if (errno != EINTR)
				goto err;
		}
		return 0;
	}
err:
	(void)dir_fault(dir, &dir->root, "lock", strerror(errno));
	(void)close(dir->lock);
	dir->lock = -1;
	return -1;
}

static void
unlock(void *store)
{
	struct dir *dir = store;

	(void)close(dir->lock);
	dir->lock = -1;
}

/* -- sensors --------------------------------------------------------------- */

/* A key that others can read or change is none. */
static int
judge_key(struct dir *dir, const char *path)
{
	struct stat st;

	if (dir->insecure_key || fstatat(dir->root.fd, path, &st,
	    AT_SYMLINK_NOFOLLOW) == -1 ||
	    (st.st_mode & (S_IROTH | S_IWOTH)) == 0)
		return 0;
	return dir_fault(dir, &dir->root, path, "can be read or changed by "
	    "others (expected chmod o=, or --insecure-key)");
}

static const char *
field_name(unsigned int field)
{
	return field == D4_MARK_REGISTERED ? "registered" :
	    field == D4_MARK_PENDING ? "pending" :
	    d4_registry_field_name((enum d4_registry_field)field);
}

static int
get(void *store, const uint8_t *uuid, unsigned int field, void *buf,
    size_t size, size_t *len)
{
	char hex[D4_UUID_HEX], path[DIR_PATH];
	struct dir *dir = store;

	d4_uuid_hex(hex, uuid);
	dir_path(path, "sensors/%s/%s", hex, field_name(field));
	if (field == D4_FIELD_KEY && judge_key(dir, path) == -1)
		return -1;
	dir_late_path(dir, path);
	return dir_value(dir, &dir->root, path, buf, size, len);
}

/* Without a value it is no sensor: the last takes the directory with it, if it
 * can.  Some may wait for their names. */
static void
drop_empty(const struct dir *dir, char *path)
{
	*strrchr(path, '/') = '\0';
	if (!dir->late.on)
		(void)unlinkat(dir->root.fd, path, AT_REMOVEDIR);
}

static int
set(void *store, const uint8_t *uuid, unsigned int field, const void *value,
    size_t len)
{
	char data[D4_REGISTRY_KEY + 1], hex[D4_UUID_HEX], path[DIR_PATH];
	struct dir *dir = store;
	int how = DIR_SYNC | DIR_LATE, r;

	d4_uuid_hex(hex, uuid);
	dir_path(path, "sensors/%s/%s", hex, field_name(field));
	if (value == NULL) {
		r = dir_unlink(dir, &dir->root, path, true);
		drop_empty(dir, path);
		return r;
	}
	if (field == D4_FIELD_KEY)
		how |= DIR_SECRET;
	/* What was begun and not ended is no registration. */
	if (field >= D4_FIELDS)
		how |= DIR_LAST;
	memcpy(data, value, len);
	data[len] = '\n';
	*strrchr(path, '/') = '\0';
	r = dir_make(dir, &dir->root, path);
	path[strlen(path)] = '/';
	if (r == 0)
		r = dir_write(dir, &dir->root, path, data, len + 1, how);
	d4_mac_wipe(data, sizeof(data));
	if (r == -1)
		drop_empty(dir, path);
	return r;
}

static int
forget(void *store, const uint8_t *uuid)
{
	char hex[D4_UUID_HEX], path[DIR_PATH];
	struct dir *dir = store;

	d4_uuid_hex(hex, uuid);
	dir_path(path, "sensors/%s", hex);
	return dir_remove_tree(dir, &dir->root, path);
}

static int
is_known(void *store, const uint8_t *uuid)
{
	char hex[D4_UUID_HEX], path[DIR_PATH];
	struct dir *dir = store;

	d4_uuid_hex(hex, uuid);
	dir_path(path, "sensors/%s", hex);
	return dir_has(dir, &dir->root, path);
}

/* For directories whose names are uuids. */
struct names {
	struct dir		 *dir;
	const char		 *path;
	d4_registry_on_uuid	 *on_uuid;
	d4_registry_on_time	 *on_time;
	d4_registry_on_waiting	 *on_waiting;
	void			 *cookie;
};

static int
not_uuid(struct names *names, const char *name)
{
	char path[DIR_PATH];

	(void)snprintf(path, sizeof(path), "%s/%.200s", names->path, name);
	return dir_fault(names->dir, &names->dir->root, path,
	    "is not named by a uuid of 32 digits");
}

static int
on_known(void *cookie, const char *name)
{
	struct names *names = cookie;
	uint8_t uuid[D4_UUID_LEN];

	if (dir_uuid(uuid, name) == -1)
		return not_uuid(names, name);
	return names->on_uuid(names->cookie, uuid);
}

static int
each_known(void *store, d4_registry_on_uuid *callback, void *cookie)
{
	struct names names = { .dir = store, .path = "sensors",
	    .on_uuid = callback, .cookie = cookie };

	return dir_each(store, &names.dir->root, "sensors", on_known, &names);
}

/* -- kicks ----------------------------------------------------------------- */

static int
kick(void *store, const uint8_t *uuid, uint64_t until)
{
	char data[32], hex[D4_UUID_HEX], path[DIR_PATH];
	struct dir *dir = store;
	int n;

	d4_uuid_hex(hex, uuid);
	n = snprintf(data, sizeof(data), "%ju\n", (uintmax_t)until);
	dir_path(path, "kicked/%s", hex);
	return dir_write(dir, &dir->root, path, data, (size_t)n, 0);
}

static int
unkick(void *store, const uint8_t *uuid)
{
	char hex[D4_UUID_HEX], path[DIR_PATH];
	struct dir *dir = store;

	d4_uuid_hex(hex, uuid);
	dir_path(path, "kicked/%s", hex);
	return dir_unlink(dir, &dir->root, path, false);
}

static int
on_kicked(void *cookie, const char *name)
{
	struct names *names = cookie;
	uint8_t uuid[D4_UUID_LEN];
	char path[DIR_PATH];
	uint64_t until;
	int r;

	if (dir_uuid(uuid, name) == -1)
		return not_uuid(names, name);
	dir_path(path, "kicked/%s", name);
	r = dir_number(names->dir, &names->dir->root, path, &until);
	if (r != 0)
		return r == 1 ? 0 : -1;
	return names->on_time(names->cookie, uuid, until);
}

static int
each_kick(void *store, d4_registry_on_time *callback, void *cookie)
{
	struct names names = { .dir = store, .path = "kicked",
	    .on_time = callback, .cookie = cookie };

	return dir_each(store, &names.dir->root, "kicked", on_kicked, &names);
}

/* -- strangers ------------------------------------------------------------- */

struct age {
	struct timespec	time;
	char		name[D4_UUID_HEX];
};

struct ages {
	struct dir	*dir;
	struct age	*list;
	size_t		 n;
	size_t		 room;
};

static int
count_stranger(void *n, const char *name)
{
	(void)name;
	(*(size_t *)n)++;
	return 0;
}

static int
on_age(void *cookie, const char *name)
{
	struct ages *ages = cookie;
	char path[DIR_PATH];
	struct stat st;

	/* Those that came while they were counted wait for the next time. */
	if (ages->n == ages->room)
		return 1;
	(void)snprintf(path, sizeof(path), "pending/%.200s", name);
	if (strlen(name) >= D4_UUID_HEX || fstatat(ages->dir->root.fd, path,
	    &st, AT_SYMLINK_NOFOLLOW) == -1)
		return 0;
	ages->list[ages->n].time = st.st_mtim;
	memcpy(ages->list[ages->n++].name, name, strlen(name) + 1);
	return 0;
}

static int
compare_ages(const void *a, const void *b)
{
	const struct age *x = a, *y = b;

	if (x->time.tv_sec != y->time.tv_sec)
		return x->time.tv_sec < y->time.tv_sec ? -1 : 1;
	if (x->time.tv_nsec != y->time.tv_nsec)
		return x->time.tv_nsec < y->time.tv_nsec ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* The oldest of n, a thousand at a time rather than each by itself. */
static int
find_leavers(struct dir *dir, size_t n)
{
	struct ages ages = { .dir = dir, .room = n };
	size_t i;
	int r;

	dir->nleavers = 0;
	if ((ages.list = malloc(n * sizeof(*ages.list))) == NULL ||
	    (dir->leavers == NULL && (dir->leavers = malloc(LEAVERS *
	    sizeof(*dir->leavers))) == NULL)) {
		(void)dir_fault(dir, &dir->root, "pending", strerror(errno));
		free(ages.list);
		return -1;
	}
	r = dir_each(dir, &dir->root, "pending", on_age, &ages);
	if (r != -1 && ages.n > 0) {
		qsort(ages.list, ages.n, sizeof(*ages.list), compare_ages);
		n = ages.n < LEAVERS ? ages.n : LEAVERS;
		/* Taken from the end. */
		for (i = 0; i < n; i++)
			memcpy(dir->leavers[n - 1 - i], ages.list[i].name,
			    sizeof(ages.list[i].name));
		dir->nleavers = n;
	}
	free(ages.list);
	return r == -1 ? -1 : 0;
}

/*
 * Makes room for one more: when there are too many the oldest one leaves, and
 * its file is where the new one will be written, for a file removed and a file
 * made cost more (lib/os-swap.h).
 */
static int
make_room(struct dir *dir)
{
	char path[DIR_PATH], tmp[DIR_PATH];
	size_t n = 0;

	if (dir->strangers >= COUNT_AFTER) {
		if (dir_each(dir, &dir->root, "pending", count_stranger,
		    &n) == -1)
			return -1;
		dir->crowded = n >= STRANGERS;
		if (dir->crowded && dir->nleavers < COUNT_AFTER &&
		    find_leavers(dir, n) == -1)
			return -1;
		dir->strangers = 0;
	}
	(void)snprintf(tmp, sizeof(tmp), ".tmp/%s", dir->token);
	while (dir->crowded && dir->nleavers > 0) {
		(void)snprintf(path, sizeof(path), "pending/%s",
		    dir->leavers[--dir->nleavers]);
		if (renameat(dir->root.fd, path, dir->root.fd, tmp) == 0)
			break;
		/* Another worker's choice, too, or approved. */
		if (errno != ENOENT)
			return dir_fault(dir, &dir->root, path,
			    strerror(errno));
	}
	return 0;
}

static int
stranger(void *store, const uint8_t *uuid, const char *address, uint64_t now)
{
	char data[128], hex[D4_UUID_HEX], path[DIR_PATH];
	struct dir *dir = store;
	int n, r;

	d4_uuid_hex(hex, uuid);
	dir_path(path, "pending/%s", hex);
	if ((r = dir_has(dir, &dir->root, path)) != 1)
		return r == 0 ? 1 : -1;
	if (make_room(dir) == -1)
		return -1;
	n = snprintf(data, sizeof(data), "%ju %s\n", (uintmax_t)now, address);
	if ((r = dir_write(dir, &dir->root, path, data, (size_t)n,
	    DIR_NEW)) == 0)
		dir->strangers++;
	return r;
}

static int
is_stranger(void *store, const uint8_t *uuid)
{
	char hex[D4_UUID_HEX], path[DIR_PATH];
	struct dir *dir = store;

	d4_uuid_hex(hex, uuid);
	dir_path(path, "pending/%s", hex);
	return dir_has(dir, &dir->root, path);
}

static int
forget_stranger(void *store, const uint8_t *uuid)
{
	char hex[D4_UUID_HEX], path[DIR_PATH];
	struct dir *dir = store;

	d4_uuid_hex(hex, uuid);
	dir_path(path, "pending/%s", hex);
	return dir_unlink(dir, &dir->root, path, true);
}

static int
on_stranger(void *cookie, const char *name)
{
	struct names *names = cookie;
	struct d4_registry_waiting one;
	char text[128], path[DIR_PATH], *line = text, *address;
	size_t len;
	int r;

	if (dir_uuid(one.uuid, name) == -1)
		return not_uuid(names, name);
	dir_path(path, "pending/%s", name);
	if ((r = dir_value(names->dir, &names->dir->root, path, text,
	    sizeof(text), &len)) != 0)
		return r == 1 ? 0 : -1;
	if (d4_registry_number(&line, UINT64_MAX, &one.time) == -1 ||
	    (address = d4_registry_word(&line)) == NULL || line != NULL ||
	    !d4_registry_text_ok(address, sizeof(one.address)))
		return dir_fault(names->dir, &names->dir->root, path,
		    "is not a time and an address");
	memcpy(one.address, address, strlen(address) + 1);
	return names->on_waiting(names->cookie, &one);
}

static int
each_stranger(void *store, d4_registry_on_waiting *callback, void *cookie)
{
	struct names names = { .dir = store, .path = "pending",
	    .on_waiting = callback, .cookie = cookie };

	return dir_each(store, &names.dir->root, "pending", on_stranger,
	    &names);
}

/* -- sets ------------------------------------------------------------------ */

/* A network's slash can't be in a name. */
static void
member_path(char path[DIR_PATH], enum d4_registry_set which,
    const char *member)
{
	char *slash;

	dir_path(path, "%s/%s", sets[which], member);
	if ((slash = strchr(path + strlen(sets[which]) + 1, '/')) != NULL)
		*slash = '_';
}

static int
add(void *store, enum d4_registry_set which, const char *member)
{
	char path[DIR_PATH];
	struct dir *dir = store;

	member_path(path, which, member);
	return dir_mark(dir, &dir->root, path);
}

static int
remove_member(void *store, enum d4_registry_set which, const char *member)
{
	char path[DIR_PATH];
	struct dir *dir = store;

	member_path(path, which, member);
	return dir_unlink(dir, &dir->root, path, true);
}

struct members {
	d4_registry_on_text	*callback;
	void			*cookie;
};

static int
on_member(void *cookie, const char *name)
{
	struct members *members = cookie;
	char text[NAME_MAX + 1], *slash;

	(void)snprintf(text, sizeof(text), "%s", name);
	if ((slash = strchr(text, '_')) != NULL)
		*slash = '/';
	return members->callback(members->cookie, text);
}

static int
each(void *store, enum d4_registry_set which, d4_registry_on_text *callback,
    void *cookie)
{
	struct members members = { .callback = callback, .cookie = cookie };
	struct dir *dir = store;

	return which == D4_SET_BLOCKED_ADDRESSES ?
	    dir_each(dir, &dir->root, sets[which], on_member, &members) :
	    dir_each(dir, &dir->root, sets[which], callback, cookie);
}

/* -- the mode -------------------------------------------------------------- */

static int
get_mode(void *store, char word[D4_REGISTRY_WORD])
{
	struct dir *dir = store;
	size_t len;

	return dir_value(dir, &dir->root, "mode", word, D4_REGISTRY_WORD,
	    &len);
}

static int
set_mode(void *store, const char *word)
{
	char line[D4_REGISTRY_WORD + 1];
	struct dir *dir = store;
	int n;

	if (word == NULL)
		return dir_unlink(dir, &dir->root, "mode", true);
	n = snprintf(line, sizeof(line), "%s\n", word);
	return dir_write(dir, &dir->root, "mode", line, (size_t)n, DIR_SYNC);
}

const struct d4_registry_backend d4_registry_dir = {
	.open = open_dir,
	.close = close_dir,
	.stamp = stamp,
	.touch = touch,
	.lock = lock,
	.unlock = unlock,
	.begin = dir_begin,
	.commit = dir_commit,
	.get = get,
	.set = set,
	.forget = forget,
	.each_known = each_known,
	.each_seen = dir_each_seen,
	.is_known = is_known,
	.kick = kick,
	.unkick = unkick,
	.each_kick = each_kick,
	.stranger = stranger,
	.is_stranger = is_stranger,
	.forget_stranger = forget_stranger,
	.each_stranger = each_stranger,
	.add = add,
	.remove = remove_member,
	.each = each,
	.get_mode = get_mode,
	.set_mode = set_mode,
	.claim = dir_claim,
	.become = dir_become,
	.release = dir_release,
	.lost = dir_lost,
	.save_live = dir_save_live,
	.each_live = dir_each_live,
	.load_facts = dir_load_facts,
	.save_facts = dir_save_facts,
	.load_counts = dir_load_counts,
	.save_counts = dir_save_counts,
	.set_aside = dir_set_aside,
	.each_day = dir_each_day,
	.forget_day = dir_forget_day,
	.queue_create = dir_queue_create,
	.queue_remove = dir_queue_remove,
	.queue_describe = dir_queue_describe,
	.queue_limit = dir_queue_limit,
	.queue_member = dir_queue_member,
	.queue_updated = dir_queue_updated,
	.each_queue = dir_each_queue
};
