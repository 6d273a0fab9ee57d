/* SPDX-License-Identifier: ISC */
#define _GNU_SOURCE
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/magic.h>
#ifdef SYS_openat2
#include <linux/openat2.h>
#endif

#include "lib/os.h"

/* /proc/sys/fs/pipe-max-size as the kernel sets it. */
#define PIPE_BYTES	(1 << 20)

#define WATCH_MASK	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | \
    IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK)

/* A watched directory and the kernel's number for it. */
struct dir {
	int		 wd;
	char		*path;
	struct timespec	 since;		/* see d4_os_watch_add() */
};

struct d4_os_watch {
	int		 fd;
	struct dir	*dirs;		/* by wd */
	size_t		 ndirs;
	size_t		 room;
	size_t		 at;		/* of the next event in buf */
	size_t		 len;
	_Alignas(struct inotify_event) char buf[16384];
};

void
d4_os_grow_pipe(int fd)
{
	(void)fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES);
}

void *
d4_os_heap(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	void *from, *heap = NULL;
	char line[512];

	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
		if (strstr(line, "[heap]") != NULL &&
		    sscanf(line, "%p-", &from) == 1)
			heap = from;
	}
	if (maps != NULL)
		(void)fclose(maps);
	return heap;
}

void
d4_os_write_out(int fd)
{
	(void)syncfs(fd);
}

void
d4_os_end_with_parent(void)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
}

int
d4_os_open_beneath(int dir, const char *path, int flags)
{
#ifdef SYS_openat2
	struct open_how how = {
		.flags = (unsigned)flags,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS
	};

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
#else
	(void)dir;
	(void)path;
	(void)flags;
	errno = ENOSYS;
	return -1;
#endif
}

struct d4_os_watch *
d4_os_watch_new(void)
{
	struct d4_os_watch *w;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		return NULL;
	if ((w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) == -1) {
		free(w);
		return NULL;
	}
	return w;
}

void
d4_os_watch_free(struct d4_os_watch *w)
{
	if (w == NULL)
		return;
	(void)close(w->fd);
	while (w->ndirs > 0)
		free(w->dirs[--w->ndirs].path);
	free(w->dirs);
	free(w);
}

/* The place of the directory, or where it belongs. */
static size_t
place(const struct d4_os_watch *w, int wd)
{
	size_t low = 0, high = w->ndirs;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (w->dirs[mid].wd < wd)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Whether others than this system's processes write to it. */
static bool
is_remote(const char *dir)
{
	static const unsigned remote[] = {
		AFS_FS_MAGIC, AFS_SUPER_MAGIC, CEPH_SUPER_MAGIC,
		CIFS_SUPER_MAGIC, CODA_SUPER_MAGIC, FUSE_SUPER_MAGIC,
		NCP_SUPER_MAGIC, NFS_SUPER_MAGIC, OCFS2_SUPER_MAGIC,
		SMB2_SUPER_MAGIC, SMB_SUPER_MAGIC, V9FS_MAGIC
	};
	struct statfs fs;
	size_t i;

	if (statfs(dir, &fs) == -1)
		return true;
	for (i = 0; i < sizeof(remote) / sizeof(remote[0]); i++) {
		if ((unsigned)fs.f_type == remote[i])
			return true;
	}
	return false;
}

/* From now on all is told of. */
static void
begin_hearing(struct dir *d)
{
	if (is_remote(d->path) ||
	    clock_gettime(CLOCK_REALTIME, &d->since) == -1)
		d->since.tv_sec = -1;
}

static int
insert(struct d4_os_watch *w, size_t at, int wd, char *path)
{
	if (w->ndirs == w->room) {
		size_t room = w->room == 0 ? 16 : w->room * 2;
		struct dir *dirs;

		if ((dirs = realloc(w->dirs, room * sizeof(*dirs))) == NULL)
			return -1;
		w->dirs = dirs;
		w->room = room;
	}
	memmove(w->dirs + at + 1, w->dirs + at,
	    (w->ndirs - at) * sizeof(*w->dirs));
	w->dirs[at].wd = wd;
	w->dirs[at].path = path;
	begin_hearing(&w->dirs[at]);
	w->ndirs++;
	return 0;
}

/* What was told under the name that it had before was of no use. */
static void
rename_dir(struct dir *d, char *path)
{
	bool same = strcmp(d->path, path) == 0;

	free(d->path);
	d->path = path;
	if (!same)
		begin_hearing(d);
}

int
d4_os_watch_add(struct d4_os_watch *w, const char *dir,
    struct timespec *since)
{
	char *path;
	size_t at;
	int wd;

	if (w == NULL) {
		errno = ENOSYS;
		return -1;
	}
	if ((path = strdup(dir)) == NULL)
		return -1;
	if ((wd = inotify_add_watch(w->fd, dir, WATCH_MASK)) == -1) {
		free(path);
		return -1;
	}
	at = place(w, wd);
	if (at < w->ndirs && w->dirs[at].wd == wd) {
		rename_dir(&w->dirs[at], path);
	} else if (insert(w, at, wd, path) == -1) {
		(void)inotify_rm_watch(w->fd, wd);
		free(path);
		return -1;
	}
	*since = w->dirs[at].since;
	return 0;
}

int
d4_os_watch_fd(const struct d4_os_watch *w)
{
	return w == NULL ? -1 : w->fd;
}

static void
forget(struct d4_os_watch *w, size_t at)
{
	free(w->dirs[at].path);
	w->ndirs--;
	memmove(w->dirs + at, w->dirs + at + 1,
	    (w->ndirs - at) * sizeof(*w->dirs));
}

static enum d4_os_watched
understand(struct d4_os_watch *w, const struct inotify_event *e,
    const char *name, char path[PATH_MAX])
{
	size_t at = place(w, e->wd);
	bool known = at < w->ndirs && w->dirs[at].wd == e->wd;
	int len;

	if (e->mask & IN_Q_OVERFLOW) {
		for (at = 0; at < w->ndirs; at++)
			begin_hearing(&w->dirs[at]);
		return D4_OS_WATCH_AGAIN;
	}
	if (e->mask & IN_IGNORED) {
		if (known)
			forget(w, at);
		return D4_OS_WATCH_AGAIN;
	}
	if (e->mask & IN_MOVE_SELF) {
		/* Where it is now, in sight or not, only a new look tells. */
		(void)inotify_rm_watch(w->fd, e->wd);
		return D4_OS_WATCH_AGAIN;
	}
	if (e->mask & IN_ISDIR)
		return D4_OS_WATCH_AGAIN;
	if (!known || (e->mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) == 0)
		return D4_OS_WATCH_NONE;
	len = snprintf(path, PATH_MAX, "%s/%s", w->dirs[at].path, name);
	return len < PATH_MAX ? D4_OS_WATCH_FILE : D4_OS_WATCH_AGAIN;
}

enum d4_os_watched
d4_os_watch_next(struct d4_os_watch *w, char path[PATH_MAX])
{
	enum d4_os_watched what = D4_OS_WATCH_NONE;
	struct inotify_event e;
	ssize_t got;

	while (w != NULL && what == D4_OS_WATCH_NONE) {
		if (w->at == w->len) {
			w->at = w->len = 0;
			got = read(w->fd, w->buf, sizeof(w->buf));
			if (got <= 0)
				break;
			w->len = (size_t)got;
		}
		memcpy(&e, w->buf + w->at, sizeof(e));
		what = understand(w, &e, w->buf + w->at + sizeof(e), path);
		w->at += sizeof(e) + e.len;
	}
	return what;
}
