/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "d4/spool-disk.h"

#define TEMPORARY	"new.tmp"

int (*disk_hook)(const struct disk_call *);

/* So that a test sees each call with the name that the file has then. */
static pthread_mutex_t naming = PTHREAD_MUTEX_INITIALIZER;

static int
refused(const struct disk_call *call)
{
	int err;

	if (disk_hook == NULL || (err = disk_hook(call)) == 0)
		return 0;
	errno = err;
	return -1;
}

/* The same for what another thread may rename. */
static int
refused_of(const struct disk_file *f, struct disk_call *call)
{
	int rc;

	if (disk_hook == NULL)
		return 0;
	(void)pthread_mutex_lock(&naming);
	call->name = f->name;
	rc = refused(call);
	(void)pthread_mutex_unlock(&naming);
	return rc;
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

/* So much of them is done with.  Returns how many are. */
static int
use_up(struct iovec *iov, int n, size_t done)
{
	int i;

	for (i = 0; i < n && done >= iov[i].iov_len; i++)
		done -= iov[i].iov_len;
	if (i < n) {
		iov[i].iov_base = (uint8_t *)iov[i].iov_base + done;
		iov[i].iov_len -= done;
	}
	return i;
}

int
disk_writev(const struct disk_file *f, struct iovec *iov, int n, uint64_t at)
{
	struct disk_call call = { .op = DISK_WRITE, .iov = iov, .niov = n,
	    .at = at };
	ssize_t done;
	int used;

	if (refused_of(f, &call) == -1)
		return -1;
	while (n > 0) {
		done = pwritev(f->fd, iov, n, (off_t)at);
		if (done == 0)
			errno = ENOSPC;
		if (done <= 0 && errno != EINTR)
			return -1;
		if (done <= 0)
			continue;
		at += (uint64_t)done;
		used = use_up(iov, n, (size_t)done);
		iov += used;
		n -= used;
	}
	return 0;
}

int
disk_write(const struct disk_file *f, const void *bytes, size_t len,
    uint64_t at)
{
	union { const void *in; void *out; } u = { .in = bytes };
	struct iovec iov = { .iov_base = u.out, .iov_len = len };

	return disk_writev(f, &iov, 1, at);
}

int
disk_sync(const struct disk_file *f)
{
	struct disk_call call = { .op = DISK_SYNC };

	return refused_of(f, &call) == -1 ? -1 : fdatasync(f->fd);
}

int
disk_rename(struct disk_file *f, int dir, const char *to)
{
	struct disk_call call = { .op = DISK_RENAME, .name = f->name,
	    .to = to };
	int rc;

	(void)pthread_mutex_lock(&naming);
	rc = refused(&call);
	if (rc == 0 && (rc = renameat(dir, f->name, dir, to)) == 0)
		set_name(f, to);
	(void)pthread_mutex_unlock(&naming);
	return rc;
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
