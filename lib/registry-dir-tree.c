/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/mac.h"
#include "lib/os.h"
#include "lib/os-swap.h"
#include "lib/registry-dir.h"
#include "lib/uuid.h"

#define TRIES	100	/* to read a file that others replace */

int
dir_fault(struct dir *dir, const struct tree *tree, const char *path,
    const char *reason)
{
	(void)snprintf(dir->why, D4_REGISTRY_WHY, "%.200s%s%.200s: %.100s",
	    tree->name, *path == '\0' ? "" : "/", path, reason);
	return -1;
}

void
dir_path(char path[DIR_PATH], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(path, DIR_PATH, fmt, ap);
	va_end(ap);
}

/* -- reading --------------------------------------------------------------- */

/* Opens a regular file without waiting for what else might be there. */
static int
open_file(struct dir *dir, const struct tree *tree, const char *path,
    size_t max, size_t *len)
{
	const char *reason;
	struct stat st;
	int fd;

	fd = openat(tree->fd, path,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd == -1) {
		if (errno == ENOENT)
			return -2;
		return dir_fault(dir, tree, path, strerror(errno));
	}
	if (fstat(fd, &st) == -1)
		reason = strerror(errno);
	else if (!S_ISREG(st.st_mode))
		reason = "is not a regular file";
	else if (st.st_size < 0 || (uintmax_t)st.st_size > max)
		reason = "is too long";
	else {
		*len = (size_t)st.st_size;
		return fd;
	}
	(void)close(fd);
	return dir_fault(dir, tree, path, reason);
}

/* Reads all of it; -1 with errno. */
static int
read_file(int fd, size_t size, char **text, size_t *len)
{
	ssize_t got = -1;
	char *buf;
	int saved;

	if ((buf = malloc(size + 1)) != NULL)
		got = d4_io_read_full(fd, buf, size);
	if (got == -1) {
		saved = errno;
		free(buf);
		errno = saved;
		return -1;
	}
	buf[got] = '\0';
	*text = buf;
	*len = (size_t)got;
	return 0;
}

/* Whether another file came in its place since: then this one may have been
 * written over meanwhile. */
static bool
is_replaced(const struct tree *tree, const char *path, int fd)
{
	struct stat is, was;

	return fstat(fd, &was) == 0 && fstatat(tree->fd, path, &is,
	    AT_SYMLINK_NOFOLLOW) == 0 &&
	    (is.st_ino != was.st_ino || is.st_dev != was.st_dev);
}

int
dir_slurp(struct dir *dir, const struct tree *tree, const char *path,
    size_t max, char **text, size_t *len)
{
	int fd, r, tries;
	bool again;
	size_t size = 0;

	for (tries = 0;; tries++) {
		if ((fd = open_file(dir, tree, path, max, &size)) < 0)
			return fd == -2 ? 1 : -1;
		if ((r = read_file(fd, size, text, len)) == -1)
			r = dir_fault(dir, tree, path, strerror(errno));
		again = r == 0 && is_replaced(tree, path, fd);
		(void)close(fd);
		if (!again)
			return r;
		d4_mac_wipe(*text, *len);
		free(*text);
		if (tries == TRIES)
			return dir_fault(dir, tree, path,
			    "changes faster than it can be read");
	}
}

int
dir_value(struct dir *dir, const struct tree *tree, const char *path,
    char *out, size_t size, size_t *len)
{
	char *text;
	size_t all, n;
	int r;

	if ((r = dir_slurp(dir, tree, path, D4_REGISTRY_KEY + 2, &text,
	    &all)) != 0)
		return r;
	for (n = all; n > 0 && text[n - 1] != '\n'; n--)
		continue;
	n = n > 0 ? n - 1 : all;
	if (n > 0 && text[n - 1] == '\r')
		n--;
	if (n >= size)
		r = dir_fault(dir, tree, path, "is too long");
	else if (memchr(text, '\0', n) != NULL)
		r = dir_fault(dir, tree, path, "holds a NUL");
	else {
		memcpy(out, text, n);
		out[n] = '\0';
		*len = n;
	}
	d4_mac_wipe(text, all);
	free(text);
	return r;
}

int
dir_number(struct dir *dir, const struct tree *tree, const char *path,
    uint64_t *n)
{
	char text[32];
	size_t len;
	int r;

	if ((r = dir_value(dir, tree, path, text, sizeof(text), &len)) != 0)
		return r;
	if (d4_registry_digits(text, UINT64_MAX, n) == -1)
		return dir_fault(dir, tree, path, "is not a number");
	return 0;
}

int
dir_text(struct dir *dir, const struct tree *tree, const char *path,
    char text[D4_REGISTRY_TEXT])
{
	char buf[D4_REGISTRY_TEXT];
	size_t len;
	int r;

	if ((r = dir_value(dir, tree, path, buf, sizeof(buf), &len)) != 0)
		return r;
	if (!d4_registry_text_ok(buf, sizeof(buf)))
		return dir_fault(dir, tree, path, "is not a line of text");
	memcpy(text, buf, len + 1);
	return 0;
}

int
dir_has(struct dir *dir, const struct tree *tree, const char *path)
{
	struct stat st;

	if (fstatat(tree->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return errno == ENOENT ? 1 :
	    dir_fault(dir, tree, path, strerror(errno));
}

int
dir_each(struct dir *dir, const struct tree *tree, const char *path,
    d4_registry_on_text *callback, void *cookie)
{
	struct dirent *entry;
	DIR *d = NULL;
	int fd, r = 0;

	fd = openat(tree->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 && errno == ENOENT)
		return 0;
	if (fd == -1 || (d = fdopendir(fd)) == NULL) {
		(void)dir_fault(dir, tree, path, strerror(errno));
		if (fd != -1)
			(void)close(fd);
		return -1;
	}
	while (r == 0 && (errno = 0, entry = readdir(d)) != NULL) {
		if (entry->d_name[0] != '.')
			r = callback(cookie, entry->d_name);
	}
	if (r == 0 && errno != 0)
		r = dir_fault(dir, tree, path, strerror(errno));
	(void)closedir(d);
	return r;
}

char *
dir_line(char **text)
{
	char *line = *text, *end;

	if (line == NULL || *line == '\0')
		return NULL;
	if ((end = strchr(line, '\n')) != NULL)
		*end++ = '\0';
	*text = end;
	return line;
}

int
dir_uuid(uint8_t uuid[D4_UUID_LEN], const char *name)
{
	char hex[D4_UUID_HEX];
	uint8_t bytes[D4_UUID_LEN];

	if (d4_uuid_parse(bytes, name) == -1)
		return -1;
	d4_uuid_hex(hex, bytes);
	if (strcmp(hex, name) != 0)
		return -1;
	memcpy(uuid, bytes, sizeof(bytes));
	return 0;
}

/* -- writing --------------------------------------------------------------- */

int
dir_sync(struct dir *dir, const struct tree *tree, const char *path)
{
	int fd, r;

	fd = openat(tree->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return dir_fault(dir, tree, path, strerror(errno));
	r = fsync(fd) == 0 ? 0 : dir_fault(dir, tree, path, strerror(errno));
	(void)close(fd);
	return r;
}

static int
sync_parent(struct dir *dir, const struct tree *tree, const char *path)
{
	char parent[DIR_PATH];
	const char *slash;

	if ((slash = strrchr(path, '/')) == NULL)
		return dir_sync(dir, tree, ".");
	memcpy(parent, path, (size_t)(slash - path));
	parent[slash - path] = '\0';
	return dir_sync(dir, tree, parent);
}

/* The same once for all changes of it, when there are many. */
static int
sync_late(struct dir *dir, const struct tree *tree, const char *path)
{
	const char *slash = strrchr(path, '/');
	char parent[DIR_PATH] = ".";
	void *parents;
	size_t i;

	if (!dir->late.on || tree != &dir->root)
		return sync_parent(dir, tree, path);
	if (slash != NULL)
		(void)snprintf(parent, sizeof(parent), "%.*s",
		    (int)(slash - path), path);
	for (i = 0; i < dir->late.nparents; i++) {
		if (strcmp(dir->late.parents[i], parent) == 0)
			return 0;
	}
	if ((parents = realloc(dir->late.parents, (i + 1) *
	    sizeof(*dir->late.parents))) == NULL)
		return dir_fault(dir, tree, path, strerror(errno));
	dir->late.parents = parents;
	memcpy(dir->late.parents[dir->late.nparents++], parent,
	    sizeof(parent));
	return 0;
}

/* What the superuser makes belongs to whom the registry does, so that the
 * collector can read it. */
int
dir_give(const struct dir *dir, int fd)
{
	return dir->chown ? fchown(fd, dir->uid, dir->gid) : 0;
}

/* Writes over what there is, if anything: a file made by truncating would be
 * written out at once by some file systems. */
static int
write_over(const struct dir *dir, int fd, const void *data, size_t len,
    int how)
{
	struct stat st;

	if (fstat(fd, &st) == -1 || dir_give(dir, fd) == -1 ||
	    d4_io_write_full(fd, data, len, NULL) == -1 ||
	    (st.st_size > (off_t)len && ftruncate(fd, (off_t)len) == -1) ||
	    ((how & DIR_SYNC) != 0 && fsync(fd) == -1))
		return -1;
	return 0;
}

static int
write_file(struct dir *dir, const struct tree *tree, const char *path,
    const void *data, size_t len, int how)
{
	int fd, r, saved;

	fd = openat(tree->fd, path, O_WRONLY | O_CREAT | O_CLOEXEC |
	    O_NOFOLLOW, (how & DIR_SECRET) != 0 ? 0600 : 0640);
	if (fd == -1)
		return -1;
	r = write_over(dir, fd, data, len, how);
	saved = errno;
	/* Some file systems say only now that they are full. */
	if (close(fd) == -1 && r == 0) {
		saved = errno;
		r = -1;
	}
	if (r == -1)
		(void)unlinkat(tree->fd, path, 0);
	errno = saved;
	return r;
}

/* A file that waits for its name. */
struct late {
	char	path[DIR_PATH];	/* "": not any more */
	bool	last;		/* behind those that are not */
};

static void
late_name(const struct dir *dir, char tmp[DIR_PATH], size_t i)
{
	(void)snprintf(tmp, DIR_PATH, ".tmp/%s.%zu", dir->token, i);
}

/* The last file of that name to be; NULL when none waits. */
static struct late *
find_late(const struct dir *dir, const char *path)
{
	size_t i;

	for (i = dir->late.n; i-- > 0; ) {
		if (strcmp(dir->late.list[i].path, path) == 0)
			return &dir->late.list[i];
	}
	return NULL;
}

void
dir_late_path(const struct dir *dir, char path[DIR_PATH])
{
	const struct late *one = find_late(dir, path);

	if (one != NULL)
		late_name(dir, path, (size_t)(one - dir->late.list));
}

static int
write_late(struct dir *dir, const char *path, const void *data, size_t len,
    int how)
{
	size_t room = dir->late.room == 0 ? 64 : 2 * dir->late.room;
	char tmp[DIR_PATH];
	struct late *one;
	void *list;

	if (dir->late.n == dir->late.room) {
		if ((list = realloc(dir->late.list, room *
		    sizeof(*dir->late.list))) == NULL)
			return dir_fault(dir, &dir->root, path,
			    strerror(errno));
		dir->late.list = list;
		dir->late.room = room;
	}
	late_name(dir, tmp, dir->late.n);
	if (write_file(dir, &dir->root, tmp, data, len,
	    how & DIR_SECRET) == -1)
		return dir_fault(dir, &dir->root, path, strerror(errno));
	one = &dir->late.list[dir->late.n++];
	(void)snprintf(one->path, sizeof(one->path), "%s", path);
	one->last = (how & DIR_LAST) != 0;
	return 0;
}

int
dir_write(struct dir *dir, const struct tree *tree, const char *path,
    const void *data, size_t len, int how)
{
	char tmp[DIR_PATH];
	int r;

	if (dir->late.on && (how & DIR_LATE) != 0)
		return write_late(dir, path, data, len, how);
	(void)snprintf(tmp, sizeof(tmp), ".tmp/%s", dir->token);
	if (write_file(dir, tree, tmp, data, len, how) == -1)
		return dir_fault(dir, tree, path, strerror(errno));
	if ((how & DIR_NEW) != 0) {
		r = linkat(tree->fd, tmp, tree->fd, path, 0);
		if (r == -1 && errno == EEXIST)
			r = 1;
	} else
		r = renameat(tree->fd, tmp, tree->fd, path);
	if (r == -1)
		(void)dir_fault(dir, tree, path, strerror(errno));
	if (r != 0 || (how & DIR_NEW) != 0)
		(void)unlinkat(tree->fd, tmp, 0);
	if (r != 0)
		return r;
	return (how & DIR_SYNC) != 0 ? sync_parent(dir, tree, path) : 0;
}

int
dir_rewrite(struct dir *dir, const char *path, const void *data, size_t len)
{
	const char *name = strrchr(path, '/') + 1;
	char spare[DIR_PATH];

	dir_path(spare, "%.*s.%s", (int)(name - path), path,
	    name);
	if (write_file(dir, &dir->root, spare, data, len, 0) == -1 ||
	    d4_os_swap(dir->root.fd, spare, path) == -1)
		return dir_fault(dir, &dir->root, path, strerror(errno));
	return 0;
}

int
dir_overwrite(struct dir *dir, const char *path, const void *data,
    size_t len)
{
	return write_file(dir, &dir->root, path, data, len, 0) == 0 ? 0 :
	    dir_fault(dir, &dir->root, path, strerror(errno));
}

int
dir_mark(struct dir *dir, const struct tree *tree, const char *path)
{
	int fd, r;

	fd = openat(tree->fd, path,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd == -1)
		return errno == EEXIST ? 1 :
		    dir_fault(dir, tree, path, strerror(errno));
	r = dir_give(dir, fd) == 0 ? 0 :
	    dir_fault(dir, tree, path, strerror(errno));
	(void)close(fd);
	return r == 0 ? sync_late(dir, tree, path) : -1;
}

int
dir_make(struct dir *dir, const struct tree *tree, const char *path)
{
	if (mkdirat(tree->fd, path, 0750) == -1) {
		if (errno == EEXIST)
			return 0;
		return dir_fault(dir, tree, path, strerror(errno));
	}
	if (dir->chown && fchownat(tree->fd, path, dir->uid, dir->gid,
	    AT_SYMLINK_NOFOLLOW) == -1)
		return dir_fault(dir, tree, path, strerror(errno));
	return sync_late(dir, tree, path);
}

int
dir_unlink(struct dir *dir, const struct tree *tree, const char *path,
    bool sync)
{
	struct late *one;
	int missing = 1;

	while (tree == &dir->root && (one = find_late(dir, path)) != NULL) {
		*one->path = '\0';
		missing = 0;
	}
	if (unlinkat(tree->fd, path, 0) == -1) {
		if (errno == ENOENT)
			return missing;
		return dir_fault(dir, tree, path, strerror(errno));
	}
	return sync ? sync_late(dir, tree, path) : 0;
}

/* -- many files at a time -------------------------------------------------- */

void
dir_begin(void *store)
{
	struct dir *dir = store;

	dir->late.on = true;
}

static int
sync_file(struct dir *dir, const struct late *one, const char *tmp)
{
	int fd, r;

	fd = openat(dir->root.fd, tmp, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1)
		return dir_fault(dir, &dir->root, one->path, strerror(errno));
	r = fsync(fd) == 0 ? 0 :
	    dir_fault(dir, &dir->root, one->path, strerror(errno));
	(void)close(fd);
	return r;
}

/* Gives those their names that are last, or those that are not. */
static int
name_files(struct dir *dir, bool last)
{
	const struct late *one;
	char tmp[DIR_PATH];
	size_t i;

	for (i = 0; i < dir->late.n; i++) {
		one = &dir->late.list[i];
		if (one->last != last || *one->path == '\0')
			continue;
		late_name(dir, tmp, i);
		if (renameat(dir->root.fd, tmp, dir->root.fd,
		    one->path) == -1)
			return dir_fault(dir, &dir->root, one->path,
			    strerror(errno));
	}
	return 0;
}

/* Syncs their directories, after all names are given: else each would be
 * written by itself.  Files of one directory come one after the other. */
static int
sync_names(struct dir *dir, bool last)
{
	const struct late *one, *before = NULL;
	size_t i, len;

	for (i = 0; i < dir->late.n; i++) {
		one = &dir->late.list[i];
		if (one->last != last || *one->path == '\0')
			continue;
		len = (size_t)(strrchr(one->path, '/') - one->path) + 1;
		if (before != NULL &&
		    strncmp(before->path, one->path, len) == 0)
			continue;
		if (sync_parent(dir, &dir->root, one->path) == -1)
			return -1;
		before = one;
	}
	return 0;
}

int
dir_commit(void *store)
{
	struct dir *dir = store;
	char tmp[DIR_PATH];
	size_t i;
	int r = 0;

	dir->late.on = false;
	if (dir->late.n > 0)
		d4_os_write_out(dir->root.fd);
	for (i = 0; r == 0 && i < dir->late.n; i++) {
		late_name(dir, tmp, i);
		r = sync_file(dir, &dir->late.list[i], tmp);
	}
	for (i = 0; r == 0 && i < dir->late.nparents; i++)
		r = dir_sync(dir, &dir->root, dir->late.parents[i]);
	for (i = 0; r == 0 && i < 2; i++) {
		r = name_files(dir, i == 1);
		if (r == 0)
			r = sync_names(dir, i == 1);
	}
	dir_late_free(dir);
	return r;
}

void
dir_late_free(struct dir *dir)
{
	char tmp[DIR_PATH];
	size_t i;

	/* Those that got their names are not there any more. */
	for (i = 0; i < dir->late.n; i++) {
		late_name(dir, tmp, i);
		(void)unlinkat(dir->root.fd, tmp, 0);
	}
	free(dir->late.list);
	free(dir->late.parents);
	memset(&dir->late, 0, sizeof(dir->late));
}

/* -- removing -------------------------------------------------------------- */

/* Removes what is under a descriptor, which is closed; links are not
 * followed. */
static int
empty(int fd, unsigned int depth)
{
	struct dirent *entry;
	DIR *d;
	int child, r = 0;

	if ((d = fdopendir(fd)) == NULL) {
		(void)close(fd);
		return -1;
	}
	while (r == 0 && (errno = 0, entry = readdir(d)) != NULL) {
		const char *name = entry->d_name;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
		    unlinkat(fd, name, 0) == 0)
			continue;
		if ((errno != EISDIR && errno != EPERM) || depth == 0)
			r = -1;
		else if ((child = openat(fd, name, O_RDONLY | O_DIRECTORY |
		    O_CLOEXEC | O_NOFOLLOW)) == -1 ||
		    empty(child, depth - 1) == -1 ||
		    unlinkat(fd, name, AT_REMOVEDIR) == -1)
			r = -1;
	}
	if (errno != 0)
		r = -1;
	(void)closedir(d);
	return r;
}

int
dir_remove_tree(struct dir *dir, const struct tree *tree, const char *path)
{
	char tmp[DIR_PATH];
	int fd;

	/* Gone at once for everybody, then piece by piece. */
	(void)snprintf(tmp, sizeof(tmp), ".tmp/%s.gone", dir->token);
	if (renameat(tree->fd, path, tree->fd, tmp) == -1) {
		if (errno == ENOENT)
			return 1;
		return dir_fault(dir, tree, path, strerror(errno));
	}
	if (sync_parent(dir, tree, path) == -1)
		return -1;
	fd = openat(tree->fd, tmp,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1 || empty(fd, 8) == -1 ||
	    unlinkat(tree->fd, tmp, AT_REMOVEDIR) == -1)
		return dir_fault(dir, tree, tmp, strerror(errno));
	return 0;
}
