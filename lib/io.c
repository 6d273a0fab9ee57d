/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "lib/io.h"

#ifndef IOV_MAX
#define IOV_MAX	16	/* _XOPEN_IOV_MAX, which POSIX promises */
#endif

static int
would_block(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK;
}

void
d4_io_hold_standard(void)
{
	static const int mode[] = { O_WRONLY, O_RDONLY, O_WRONLY };
	int fd;

	/* open(2) gives the lowest number that is free. */
	for (fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) == -1)
			(void)open("/dev/null", mode[fd]);
	}
}

int
d4_io_wait(int fd, int write)
{
	struct pollfd pfd = {
		.fd = fd, .events = (short)(write ? POLLOUT : POLLIN)
	};

	return poll(&pfd, 1, -1) == -1 ? -1 : 0;
}

ssize_t
d4_io_readv(int fd, const struct iovec *iov, int n)
{
	ssize_t got;

	while ((got = readv(fd, iov, n)) == -1 && would_block()) {
		if (d4_io_wait(fd, 0) == -1)
			return -1;
	}
	return got;
}

ssize_t
d4_io_read(int fd, void *buf, size_t len)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };

	return d4_io_readv(fd, &iov, 1);
}

ssize_t
d4_io_read_full(int fd, void *buf, size_t len)
{
	char *at = buf;
	size_t done = 0;

	while (done < len) {
		ssize_t got = d4_io_read(fd, at + done, len - done);

		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			return -1;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

int
d4_io_write_full(int fd, const void *buf, size_t len, size_t *done)
{
	/* writev(2) takes a pointer to what it will not change. */
	union { const void *in; void *out; } base = { .in = buf };
	struct iovec iov = { .iov_base = base.out, .iov_len = len };

	return d4_io_writev_full(fd, &iov, 1, done);
}

int
d4_io_writev_full(int fd, struct iovec *iov, size_t n, size_t *done)
{
	size_t sent = 0;
	int rc = 0;

	for (;;) {
		ssize_t put;

		while (n > 0 && iov->iov_len == 0) {
			iov++;
			n--;
		}
		if (n == 0)
			break;
		put = writev(fd, iov, n > IOV_MAX ? IOV_MAX : (int)n);
		if (put == -1 && would_block() &&
		    (d4_io_wait(fd, 1) == 0 || errno == EINTR))
			continue;
		if (put == -1 && errno == EINTR)
			continue;
		if (put == -1) {
			rc = -1;
			break;
		}
		sent += (size_t)put;
		while (put > 0) {
			/* NOLINTNEXTLINE(clang-analyzer-core.*): iov has it */
			size_t part = (size_t)put < iov->iov_len ?
			    (size_t)put : iov->iov_len;

			iov->iov_base = (char *)iov->iov_base + part;
			iov->iov_len -= part;
			put -= (ssize_t)part;
			if (iov->iov_len == 0) {
				iov++;
				n--;
			}
		}
	}
	if (done != NULL)
		*done = sent;
	return rc;
}

static int
open_part(int dir, const char *path, size_t len, int flags)
{
	char name[NAME_MAX + 1] = ".";

	if (len > NAME_MAX || (len == 2 && path[0] == '.' && path[1] == '.')) {
		errno = len > NAME_MAX ? ENAMETOOLONG : EXDEV;
		return -1;
	}
	if (len > 0) {
		memcpy(name, path, len);
		name[len] = '\0';
	}
	return openat(dir, name, flags | O_NOFOLLOW | O_CLOEXEC);
}

int
d4_io_open_beneath(int dir, const char *path, int flags)
{
	int at = dir, next, saved;
	bool more;

	if (path[0] == '/' || path[0] == '\0') {
		errno = path[0] == '/' ? EXDEV : ENOENT;
		return -1;
	}
	do {
		size_t len = strcspn(path, "/");

		more = path[len] == '/';
		next = open_part(at, path, len, more ?
		    O_RDONLY | O_DIRECTORY : flags);
		saved = errno;
		if (at != dir)
			(void)close(at);
		errno = saved;
		at = next;
		path += len + more;
	} while (more && next != -1);
	return next;
}

int
d4_io_take_back(int fd, size_t n)
{
	struct stat st;
	off_t end;

	if (n == 0 || fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))
		return 0;
	end = lseek(fd, 0, SEEK_CUR);
	if (end == -1 || end != st.st_size)
		return 0;	/* somebody else writes here too */
	end -= (off_t)n;
	return ftruncate(fd, end) == -1 || lseek(fd, end, SEEK_SET) == -1 ?
	    -1 : 0;
}

bool
d4_io_is_file(int fd, const struct stat *file)
{
	struct stat st;

	return S_ISREG(file->st_mode) && fstat(fd, &st) == 0 &&
	    st.st_dev == file->st_dev && st.st_ino == file->st_ino;
}
