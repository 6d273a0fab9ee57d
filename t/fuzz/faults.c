/* SPDX-License-Identifier: ISC */
#define _GNU_SOURCE	/* fopencookie() */

#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/fuzz/faults.h"

#define MARK	0xfa
#define CHOICE	15
#define FOREVER	128
#define SWEEPS	64

struct fault {
	enum fault_call	call;
	unsigned	before;		/* calls that succeed */
	int		how;		/* errno, FAULT_SHORT or FAULT_NONE */
	bool		forever, sweeps;
	unsigned	left;		/* of those before */
	bool		spent;
};

static const int reasons[] = {
	EIO, ENOSPC, EINTR, EAGAIN, ENOENT, EACCES, EMFILE, EEXIST,
	FAULT_SHORT, FAULT_NONE
};

static struct fault faults[FAULTS_MAX];
static size_t nfaults;
static unsigned choice;
static bool any, ever;		/* a call failed: so far, in this time */
static _Thread_local bool on;

/* Returns the length of the rest. */
static size_t
parse(const uint8_t *data, size_t len)
{
	const uint8_t *p;

	nfaults = choice = 0;
	for (; nfaults < FAULTS_MAX && len >= 4 && data[len - 4] == MARK;
	    len -= 4) {
		p = data + len - 3;
		if ((p[0] & 15) == CHOICE) {
			choice = p[1];
			continue;
		}
		faults[nfaults++] = (struct fault){
			.call = (enum fault_call)((p[0] & 15) % FAULT_CALLS),
			.how = reasons[(p[1] & 15) %
			    (sizeof(reasons) / sizeof(*reasons))],
			.before = p[2],
			.forever = (p[1] & FOREVER) != 0,
			.sweeps = (p[1] & SWEEPS) != 0
		};
	}
	return len;
}

/* Whether there is a next time. */
static bool
goes_on(void)
{
	bool more = false;
	size_t i;

	for (i = 0; i < nfaults && ever; i++) {
		faults[i].before += faults[i].sweeps;
		more = more || faults[i].sweeps;
	}
	return more;
}

void
faults_run(const uint8_t *data, size_t len,
    void (*once)(const uint8_t *, size_t))
{
	unsigned n = 0;

	len = parse(data, len);
	do {
		on = ever = false;
		faults_rewind();
		once(data, len);
	} while (++n < FAULTS_SWEEP && goes_on());
}

unsigned
faults_choice(void)
{
	return choice;
}

void
faults_on(void)
{
	on = true;
}

void
faults_off(void)
{
	on = false;
}

void
faults_rewind(void)
{
	size_t i;

	any = false;
	for (i = 0; i < nfaults; i++) {
		faults[i].left = faults[i].before;
		faults[i].spent = false;
	}
}

void
faults_forget(void)
{
	size_t i;

	any = false;
	for (i = 0; i < nfaults; i++)
		faults[i].spent = true;
}

bool
faults_pause(void)
{
	bool were = on;

	on = false;
	return were;
}

void
faults_resume(bool were)
{
	on = were;
}

bool
faults_any(void)
{
	return any;
}

/* How this call is to end: 0 as it does, an errno, which is set, FAULT_SHORT or
 * FAULT_NONE for those that have a length. */
static int
fails(enum fault_call call, bool has_length)
{
	struct fault *f;
	int how = 0;

	if (!on)
		return 0;
	for (f = faults; f < faults + nfaults; f++) {
		if (f->call != call || f->spent)
			continue;
		if (f->left > 0) {
			f->left--;
			continue;
		}
		how = f->how;
		/* Who tries again after these would do so for ever. */
		f->spent = !f->forever || how == EINTR || how == EAGAIN ||
		    how == FAULT_NONE;
		break;
	}
	if (how == 0)
		return 0;
	any = ever = true;
	if (call == FAULT_ALLOC || call == FAULT_LIBRARY)
		how = ENOMEM;
	else if (how < 0 && !has_length)
		how = EIO;
	if (how > 0)
		errno = how;
	return how;
}

int
faults_next(enum fault_call call)
{
	return fails(call, true);
}

/* The length of a call that ends so. */
static size_t
cut(size_t n, int how)
{
	return how == FAULT_NONE ? 0 : how == FAULT_SHORT && n > 1 ? 1 : n;
}

/* -- calls by themselves --------------------------------------------------- */

/* Each is declared, as the linker has it, and fails or is what it was. */
#define WRAP(call, type, bad, name, params, args)			\
	type __real_##name params;					\
	WRAP_ONLY(call, type, bad, name, params, args)
#define WRAP_ONLY(call, type, bad, name, params, args)			\
	type __wrap_##name params;					\
	type __wrap_##name params					\
	{								\
		return fails(call, false) != 0 ? (bad) :		\
		    __real_##name args;					\
	}

/* The same for those that have a length, and vectors. */
#define WRAP_LENGTH(call, name, params, args)				\
	ssize_t __real_##name params;					\
	ssize_t __wrap_##name params;					\
	ssize_t __wrap_##name params					\
	{								\
		int how = fails(call, true);				\
									\
		if (how > 0)						\
			return -1;					\
		n = cut(n, how);					\
		return __real_##name args;				\
	}

WRAP(FAULT_ALLOC, void *, NULL, malloc, (size_t n), (n))
WRAP(FAULT_ALLOC, void *, NULL, calloc, (size_t n, size_t size), (n, size))
WRAP(FAULT_ALLOC, void *, NULL, realloc, (void *p, size_t n), (p, n))
WRAP(FAULT_ALLOC, char *, NULL, strdup, (const char *s), (s))
WRAP(FAULT_ALLOC, char *, NULL, strndup, (const char *s, size_t n), (s, n))
WRAP(FAULT_ALLOC, FILE *, NULL, fopen, (const char *path, const char *mode),
    (path, mode))
WRAP(FAULT_ALLOC, FILE *, NULL, fdopen, (int fd, const char *mode),
    (fd, mode))
WRAP(FAULT_ALLOC, FILE *, NULL, open_memstream, (char **at, size_t *n),
    (at, n))
WRAP(FAULT_ALLOC, FILE *, NULL, fopencookie, (void *cookie, const char *mode,
    cookie_io_functions_t io), (cookie, mode, io))
WRAP(FAULT_ALLOC, void *, MAP_FAILED, mmap, (void *at, size_t n, int prot,
    int flags, int fd, off_t from), (at, n, prot, flags, fd, from))
WRAP(FAULT_ALLOC, DIR *, NULL, opendir, (const char *path), (path))
WRAP(FAULT_ALLOC, DIR *, NULL, fdopendir, (int fd), (fd))

WRAP_LENGTH(FAULT_READ, read, (int fd, void *at, size_t n), (fd, at, n))
WRAP_LENGTH(FAULT_READ, pread, (int fd, void *at, size_t n, off_t from),
    (fd, at, n, from))
WRAP_LENGTH(FAULT_WRITE, write, (int fd, const void *at, size_t n),
    (fd, at, n))
WRAP_LENGTH(FAULT_WRITE, pwrite, (int fd, const void *at, size_t n, off_t to),
    (fd, at, n, to))

WRAP(FAULT_READ, struct dirent *, NULL, readdir, (DIR *dir), (dir))

ssize_t __real_readv(int, const struct iovec *, int);
ssize_t __wrap_readv(int, const struct iovec *, int);
ssize_t __real_writev(int, const struct iovec *, int);
ssize_t __wrap_writev(int, const struct iovec *, int);

/* Those go as far as the first of the vector does. */
static ssize_t
vector(ssize_t (*real)(int, const struct iovec *, int), enum fault_call call,
    int fd, const struct iovec *v, int n)
{
	int how = fails(call, true);
	struct iovec one;

	if (how >= 0 || n < 1)
		return how > 0 ? -1 : real(fd, v, n);
	one = *v;
	one.iov_len = cut(one.iov_len, how);
	return real(fd, &one, 1);
}

ssize_t
__wrap_readv(int fd, const struct iovec *v, int n)
{
	return vector(__real_readv, FAULT_READ, fd, v, n);
}

ssize_t
__wrap_writev(int fd, const struct iovec *v, int n)
{
	return vector(__real_writev, FAULT_WRITE, fd, v, n);
}

/* What a run writes is not to outlive it: nothing is synced. */
static int
synced(int fd)
{
	(void)fd;
	return 0;
}

#define __real_fsync		synced
#define __real_fdatasync	synced
WRAP_ONLY(FAULT_SYNC, int, -1, fsync, (int fd), (fd))
WRAP_ONLY(FAULT_SYNC, int, -1, fdatasync, (int fd), (fd))
WRAP(FAULT_RENAME, int, -1, rename, (const char *from, const char *to),
    (from, to))
WRAP(FAULT_RENAME, int, -1, renameat, (int a, const char *from, int b,
    const char *to), (a, from, b, to))
WRAP(FAULT_RENAME, int, -1, linkat, (int a, const char *from, int b,
    const char *to, int flags), (a, from, b, to, flags))
WRAP(FAULT_REMOVE, int, -1, unlink, (const char *path), (path))
WRAP(FAULT_REMOVE, int, -1, unlinkat, (int fd, const char *path, int flags),
    (fd, path, flags))
WRAP(FAULT_OPEN, int, -1, mkdir, (const char *path, mode_t mode),
    (path, mode))
WRAP(FAULT_OPEN, int, -1, mkdirat, (int fd, const char *path, mode_t mode),
    (fd, path, mode))
WRAP(FAULT_STAT, int, -1, fstat, (int fd, struct stat *st), (fd, st))
WRAP(FAULT_STAT, int, -1, stat, (const char *path, struct stat *st),
    (path, st))
WRAP(FAULT_STAT, int, -1, fstatat, (int fd, const char *path,
    struct stat *st, int flags), (fd, path, st, flags))
WRAP(FAULT_RESIZE, int, -1, ftruncate, (int fd, off_t size), (fd, size))
WRAP(FAULT_RESIZE, off_t, -1, lseek, (int fd, off_t to, int from),
    (fd, to, from))
WRAP(FAULT_LOCK, int, -1, fchown, (int fd, uid_t uid, gid_t gid),
    (fd, uid, gid))
WRAP(FAULT_LOCK, int, -1, fchownat, (int fd, const char *path, uid_t uid,
    gid_t gid, int flags), (fd, path, uid, gid, flags))
int __real_flock(int, int);
int __wrap_flock(int, int);

/* To give one up does not fail. */
int
__wrap_flock(int fd, int how)
{
	return how != LOCK_UN && fails(FAULT_LOCK, false) != 0 ? -1 :
	    __real_flock(fd, how);
}

WRAP(FAULT_LOCK, int, -1, epoll_ctl, (int e, int op, int fd,
    struct epoll_event *event), (e, op, fd, event))
WRAP(FAULT_LOCK, int, -1, inotify_init1, (int flags), (flags))
WRAP(FAULT_LOCK, int, -1, inotify_add_watch, (int fd, const char *path,
    uint32_t mask), (fd, path, mask))

/* -- libraries ------------------------------------------------------------- */

/* Of those that are not built in nothing is there. */
#define WRAP_LIBRARY(type, bad, name, params, args)			\
	type __real_##name params __attribute__((weak));		\
	WRAP(FAULT_LIBRARY, type, bad, name, params, args)

struct json_t;
struct ZSTD_inBuffer_s;
struct ZSTD_outBuffer_s;
struct isal_zstream;

WRAP_LIBRARY(int, 0, EVP_Digest, (const void *p, size_t n, unsigned char *md,
    unsigned *size, const void *type, void *engine),
    (p, n, md, size, type, engine))
WRAP_LIBRARY(struct json_t *, NULL, json_real, (double n), (n))
WRAP_LIBRARY(size_t, 0, json_dumpb, (const struct json_t *json, char *to,
    size_t n, size_t flags), (json, to, n, flags))

/* The reason is the last byte of its text. */
struct json_error {
	int	place[3];
	char	source[80];
	char	text[160];
};

#define OUT_OF_MEMORY	1

struct json_t *__real_json_loadb(const char *, size_t, size_t,
    struct json_error *) __attribute__((weak));
struct json_t *__wrap_json_loadb(const char *, size_t, size_t,
    struct json_error *);

struct json_t *
__wrap_json_loadb(const char *text, size_t n, size_t flags,
    struct json_error *error)
{
	if (fails(FAULT_LIBRARY, false) == 0)
		return __real_json_loadb(text, n, flags, error);
	memset(error, 0, sizeof(*error));
	error->text[sizeof(error->text) - 1] = OUT_OF_MEMORY;
	return NULL;
}

WRAP_LIBRARY(void *, NULL, ZSTD_createDCtx, (void), ())
WRAP_LIBRARY(void *, NULL, ZSTD_createCCtx, (void), ())
WRAP_LIBRARY(size_t, (size_t)-64, ZSTD_compressStream2, (void *c,
    struct ZSTD_outBuffer_s *out, struct ZSTD_inBuffer_s *in, int how),
    (c, out, in, how))
WRAP_LIBRARY(int, -1, isal_deflate, (struct isal_zstream *z), (z))

/* -- those of a varying number of arguments -------------------------------- */

int __real_open(const char *, int, ...);
int __wrap_open(const char *, int, ...);
int __real_openat(int, const char *, int, ...);
int __wrap_openat(int, const char *, int, ...);
int __real_fcntl(int, int, ...);
int __wrap_fcntl(int, int, ...);

int
__wrap_open(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return fails(FAULT_OPEN, false) != 0 ? -1 :
	    __real_open(path, flags, mode);
}

int
__wrap_openat(int fd, const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return fails(FAULT_OPEN, false) != 0 ? -1 :
	    __real_openat(fd, path, flags, mode);
}

int
__wrap_fcntl(int fd, int what, ...)
{
	va_list ap;
	int arg;

	va_start(ap, what);
	arg = what == F_GETFL || what == F_GETFD ? 0 : va_arg(ap, int);
	va_end(ap);
	/* All else that we ask of it can't. */
	return what == F_DUPFD_CLOEXEC && fails(FAULT_LOCK, false) != 0 ? -1 :
	    __real_fcntl(fd, what, arg);
}
