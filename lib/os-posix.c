/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stddef.h>

#include "lib/os.h"

void
d4_os_grow_pipe(int fd)
{
	(void)fd;
}

void *
d4_os_heap(void)
{
	return NULL;
}

void
d4_os_write_out(int fd)
{
	(void)fd;
}

void
d4_os_end_with_parent(void)
{
}

int
d4_os_open_beneath(int dir, const char *path, int flags)
{
	(void)dir;
	(void)path;
	(void)flags;
	errno = ENOSYS;
	return -1;
}

struct d4_os_watch *
d4_os_watch_new(void)
{
	errno = ENOSYS;
	return NULL;
}

void
d4_os_watch_free(struct d4_os_watch *w)
{
	(void)w;
}

int
d4_os_watch_add(struct d4_os_watch *w, const char *dir,
    struct timespec *since)
{
	(void)w;
	(void)dir;
	(void)since;
	errno = ENOSYS;
	return -1;
}

int
d4_os_watch_fd(const struct d4_os_watch *w)
{
	(void)w;
	return -1;
}

enum d4_os_watched
d4_os_watch_next(struct d4_os_watch *w, char path[PATH_MAX])
{
	(void)w;
	(void)path;
	return D4_OS_WATCH_NONE;
}
