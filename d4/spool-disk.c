/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "d4/spool-disk.h"

#define TEMPORARY	"new.tmp"

int (*disk_hook)(const struct disk_call *);

static int
refused(const struct disk_call *call)
{
	int err;

	if (disk_hook == NULL || (err = disk_hook(call)) == 0)
		return 0;
	errno = err;
	return -1;
}

static void
set_name(struct disk_file *f, const char *name)
{
	(void)snprintf(f->name, sizeof(f->name), "%s", name);
}

int
disk_create(struct disk_file *f, int dir, const char *name)
{
	struct disk_call call = { .op = DISK_CREATE, .name = name };

	f->fd = -1;
	set_name(f, name);
	if (refused(&call) == -1 ||
	    (unlinkat(dir, name, 0) == -1 && errno != ENOENT))
		return -1;
	f->fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC |
	    O_NOFOLLOW, 0600);
	return f->fd == -1 ? -1 : 0;
}

int
disk_open(struct disk_file *f, int dir, const char *name)
{
	struct stat st;

	set_name(f, name);
	f->fd = openat(dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK | O_NOCTTY);
	if (f->fd == -1)
		return -1;
	if (fstat(f->fd, &st) == 0 && S_ISREG(st.st_mode))
		return 0;
	disk_close(f);
	errno = EINVAL;
	return -1;
}

void
disk_close(struct disk_file *f)
{
	if (f->fd != -1)
		(void)close(f->fd);
	f->fd = -1;
}

int
disk_write(const struct disk_file *f, const void *bytes, size_t len,
    uint64_t at)
{
	struct disk_call call = { .op = DISK_WRITE, .name = f->name,
	    .bytes = bytes, .len = len, .at = at };
	size_t done = 0;
	ssize_t n;

	if (refused(&call) == -1)
		return -1;
	while (done < len) {
		n = pwrite(f->fd, (const uint8_t *)bytes + done, len - done,
		    (off_t)(at + done));
		if (n == 0)
			errno = ENOSPC;
		if (n <= 0 && errno != EINTR)
			return -1;
		if (n > 0)
			done += (size_t)n;
	}
	return 0;
}

int
disk_sync(const struct disk_file *f)
{
	struct disk_call call = { .op = DISK_SYNC, .name = f->name };

	return refused(&call) == -1 ? -1 : fdatasync(f->fd);
}

int
disk_rename(struct disk_file *f, int dir, const char *to)
{
	struct disk_call call = { .op = DISK_RENAME, .name = f->name,
	    .to = to };

	if (refused(&call) == -1 || renameat(dir, f->name, dir, to) == -1)
		return -1;
	set_name(f, to);
	return 0;
}

int
disk_unlink(int dir, const char *name)
{
	struct disk_call call = { .op = DISK_UNLINK, .name = name };

	return refused(&call) == -1 ? -1 : unlinkat(dir, name, 0);
}

int
disk_sync_names(int dir)
{
	struct disk_call call = { .op = DISK_SYNC_NAMES, .name = "" };

	return refused(&call) == -1 ? -1 : fsync(dir);
}

int
disk_replace(int dir, const char *name, const void *bytes, size_t len)
{
	struct disk_file f;
	int err;

	if (disk_create(&f, dir, TEMPORARY) == 0 &&
	    disk_write(&f, bytes, len, 0) == 0 && disk_sync(&f) == 0 &&
	    disk_rename(&f, dir, name) == 0) {
		disk_close(&f);
		return disk_sync_names(dir);
	}
	err = errno;
	disk_close(&f);
	(void)disk_unlink(dir, TEMPORARY);
	errno = err;
	return -1;
}
