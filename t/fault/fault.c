/* SPDX-License-Identifier: ISC */

/*
 * Failing calls, for tests: a library to be preloaded (LD_PRELOAD) into a
 * program of ours.  Calls count and fail when they come from the program
 * itself, libd4 included, not from the libraries it uses, which fail in ways
 * that are theirs.  By the environment:
 *
 *	FAULT=CALL:REASON:K	the K-th CALL of the process, from 1, fails
 *	FAULT=CALL:REASON:K+	and so does each behind it
 *	FAULT_COUNT=FILE	how many calls there were: a line "CALL number"
 *				each, added to the file when the process ends
 *
 * CALL is one of
 *
 *	alloc	malloc, calloc, realloc, strdup, strndup, fopen, fdopen,
 *		open_memstream, opendir, fdopendir
 *	read	read, readv, pread, recv
 *	write	write, writev, pwrite, pwritev, send, sendto
 *	sync	fsync, fdatasync
 *	rename	rename, renameat, renameat2, link, linkat
 *	remove	unlink, unlinkat, rmdir
 *	open	open, openat, mkdir, mkdirat, socket, pipe
 *	resize	ftruncate
 *	accept	accept, accept4
 *	thread	pthread_create, fork
 *
 * REASON is ENOMEM, EIO, ENOSPC, EINTR, EAGAIN, EMFILE, EACCES, EROFS or
 * "short": a read or write of one byte.  A child begins to count anew only
 * when it executes a program.
 */

#define _GNU_SOURCE
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum call {
	ALLOC, READ, WRITE, SYNC, RENAME, REMOVE, OPEN, RESIZE, ACCEPT, THREAD,
	NCALLS
};

static const char *const names[NCALLS] = {
	"alloc", "read", "write", "sync", "rename", "remove", "open", "resize",
	"accept", "thread"
};

static const struct {
	const char	*name;
	int		 value;
} reasons[] = {
	{ "ENOMEM", ENOMEM }, { "EIO", EIO }, { "ENOSPC", ENOSPC },
	{ "EINTR", EINTR }, { "EAGAIN", EAGAIN }, { "EMFILE", EMFILE },
	{ "EACCES", EACCES }, { "EROFS", EROFS }, { "short", -1 }
};

static atomic_ulong counts[NCALLS];
static uintptr_t text_from, text_to;	/* of the program */
static enum call chosen = NCALLS;
static int reason;			/* an errno, or -1: short */
static unsigned long from, until;

static int
find_text(struct dl_phdr_info *info, size_t size, void *cookie)
{
	int i;

	(void)size;
	(void)cookie;
	for (i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type == PT_LOAD &&
		    (info->dlpi_phdr[i].p_flags & PF_X) != 0) {
			text_from = info->dlpi_addr +
			    info->dlpi_phdr[i].p_vaddr;
			text_to = text_from + info->dlpi_phdr[i].p_memsz;
		}
	}
	return 1;	/* the first is the program */
}

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "fault: %s: not understood\n", what);
	abort();
}

static int report = -1;		/* the counts, or -1 */
#define REPORT	200		/* above what a program opens */

__attribute__((constructor)) static void
begin(void)
{
	const char *text = getenv("FAULT"), *count = getenv("FAULT_COUNT");
	char call[16], why[16], more = '\0';
	size_t i;
	int fd;

	(void)dl_iterate_phdr(find_text, NULL);
	/* Out of the way, and before the program is confined. */
	if (count != NULL && (fd = open(count, O_WRONLY | O_CREAT | O_APPEND |
	    O_CLOEXEC, 0600)) != -1) {
		report = fcntl(fd, F_DUPFD_CLOEXEC, REPORT);
		(void)close(fd);
	}
	if (text == NULL)
		return;
	if (sscanf(text, "%15[^:]:%15[^:]:%lu%c", call, why, &from,
	    &more) < 3 || from == 0)
		die(text);
	until = more == '+' ? (unsigned long)-1 : from;
	for (i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
		if (strcmp(why, reasons[i].name) == 0)
			reason = reasons[i].value;
	}
	for (i = 0; i < NCALLS; i++) {
		if (strcmp(call, names[i]) == 0)
			chosen = (enum call)i;
	}
	if (reason == 0 || chosen == NCALLS)
		die(text);
}

static void
say_counts(void)
{
	char text[512];
	int i, len = 0;

	if (report == -1)
		return;
	for (i = 0; i < NCALLS; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len,
		    "%s %lu\n", names[i], atomic_load(&counts[i]));
	if (write(report, text, (size_t)len) == -1)
		perror("FAULT_COUNT");
}

__attribute__((destructor)) static void
end(void)
{
	say_counts();
}

/* The way out that passes destructors by. */
void
_exit(int status)
{
	static void (*real)(int);

	*(void **)&real = dlsym(RTLD_NEXT, "_exit");
	say_counts();
	for (;;)
		real(status);
}

/* Whether this call is to fail, errno being set then, or to be short. */
static int
fails(enum call call, const void *caller)
{
	unsigned long n;

	if ((uintptr_t)caller < text_from || (uintptr_t)caller >= text_to)
		return 0;
	n = atomic_fetch_add(&counts[call], 1) + 1;
	if (call != chosen || n < from || n > until)
		return 0;
	if (reason != -1)
		errno = reason;
	return reason;
}

/* The call as it is behind this library, found once. */
#define REAL(name)							\
	static __typeof__(&name) real;					\
	if (real == NULL)						\
		*(void **)&real = dlsym(RTLD_NEXT, #name)
#define FAILS(call)	fails(call, __builtin_return_address(0))

/* -- memory ---------------------------------------------------------------- */

/* dlsym(3) itself allocates, so memory is had by glibc's other names. */
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

void *
malloc(size_t n)
{
	return FAILS(ALLOC) ? NULL : __libc_malloc(n);
}

void *
calloc(size_t n, size_t size)
{
	return FAILS(ALLOC) ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *p, size_t n)
{
	return FAILS(ALLOC) ? NULL : __libc_realloc(p, n);
}

char *
strdup(const char *text)
{
	size_t n = strlen(text) + 1;
	char *copy = FAILS(ALLOC) ? NULL : __libc_malloc(n);

	return copy == NULL ? NULL : memcpy(copy, text, n);
}

char *
strndup(const char *text, size_t max)
{
	size_t n = strnlen(text, max);
	char *copy = FAILS(ALLOC) ? NULL : __libc_malloc(n + 1);

	if (copy == NULL)
		return NULL;
	copy[n] = '\0';
	return memcpy(copy, text, n);
}

FILE *
fopen(const char *path, const char *mode)
{
	REAL(fopen);
	return FAILS(ALLOC) ? NULL : real(path, mode);
}

FILE *
fdopen(int fd, const char *mode)
{
	REAL(fdopen);
	return FAILS(ALLOC) ? NULL : real(fd, mode);
}

FILE *
open_memstream(char **at, size_t *size)
{
	REAL(open_memstream);
	return FAILS(ALLOC) ? NULL : real(at, size);
}

DIR *
opendir(const char *path)
{
	REAL(opendir);
	return FAILS(ALLOC) ? NULL : real(path);
}

DIR *
fdopendir(int fd)
{
	REAL(fdopendir);
	return FAILS(ALLOC) ? NULL : real(fd);
}

/* -- bytes ----------------------------------------------------------------- */

/* The length of a call that is to be short. */
static size_t
at_most(size_t n, int how)
{
	return how == -1 && n > 1 ? 1 : n;
}


ssize_t
read(int fd, void *at, size_t n)
{
	int how = FAILS(READ);

	REAL(read);
	return how > 0 ? -1 : real(fd, at, at_most(n, how));
}

/* What a build with _FORTIFY_SOURCE calls. */
extern ssize_t __read_chk(int, void *, size_t, size_t);
ssize_t
__read_chk(int fd, void *at, size_t n, size_t room)
{
	int how = FAILS(READ);

	REAL(__read_chk);
	return how > 0 ? -1 : real(fd, at, at_most(n, how), room);
}

ssize_t
pread(int fd, void *at, size_t n, off_t offset)
{
	int how = FAILS(READ);

	REAL(pread);
	return how > 0 ? -1 : real(fd, at, at_most(n, how), offset);
}

ssize_t
recv(int fd, void *at, size_t n, int flags)
{
	int how = FAILS(READ);

	REAL(recv);
	return how > 0 ? -1 : real(fd, at, at_most(n, how), flags);
}

ssize_t
readv(int fd, const struct iovec *v, int n)
{
	int how = FAILS(READ);
	struct iovec one;

	REAL(readv);
	if (how != -1 || n < 1)
		return how > 0 ? -1 : real(fd, v, n);
	one = *v;
	one.iov_len = at_most(one.iov_len, how);
	return real(fd, &one, 1);
}

ssize_t
write(int fd, const void *at, size_t n)
{
	int how = FAILS(WRITE);

	REAL(write);
	return how > 0 ? -1 : real(fd, at, at_most(n, how));
}

ssize_t
pwrite(int fd, const void *at, size_t n, off_t offset)
{
	int how = FAILS(WRITE);

	REAL(pwrite);
	return how > 0 ? -1 : real(fd, at, at_most(n, how), offset);
}

ssize_t
send(int fd, const void *at, size_t n, int flags)
{
	int how = FAILS(WRITE);

	REAL(send);
	return how > 0 ? -1 : real(fd, at, at_most(n, how), flags);
}

ssize_t
writev(int fd, const struct iovec *v, int n)
{
	int how = FAILS(WRITE);
	struct iovec one;

	REAL(writev);
	if (how != -1 || n < 1)
		return how > 0 ? -1 : real(fd, v, n);
	one = *v;
	one.iov_len = at_most(one.iov_len, how);
	return real(fd, &one, 1);
}

ssize_t
pwritev(int fd, const struct iovec *v, int n, off_t offset)
{
	int how = FAILS(WRITE);
	struct iovec one;

	REAL(pwritev);
	if (how != -1 || n < 1)
		return how > 0 ? -1 : real(fd, v, n, offset);
	one = *v;
	one.iov_len = at_most(one.iov_len, how);
	return real(fd, &one, 1, offset);
}

/* -- files ----------------------------------------------------------------- */

int
fsync(int fd)
{
	REAL(fsync);
	return FAILS(SYNC) ? -1 : real(fd);
}

int
fdatasync(int fd)
{
	REAL(fdatasync);
	return FAILS(SYNC) ? -1 : real(fd);
}

int
rename(const char *old, const char *new)
{
	REAL(rename);
	return FAILS(RENAME) ? -1 : real(old, new);
}

int
renameat(int from_dir, const char *old, int to_dir, const char *new)
{
	REAL(renameat);
	return FAILS(RENAME) ? -1 : real(from_dir, old, to_dir, new);
}

int
renameat2(int from_dir, const char *old, int to_dir, const char *new,
    unsigned int flags)
{
	REAL(renameat2);
	return FAILS(RENAME) ? -1 : real(from_dir, old, to_dir, new, flags);
}

int
link(const char *old, const char *new)
{
	REAL(link);
	return FAILS(RENAME) ? -1 : real(old, new);
}

int
linkat(int from_dir, const char *old, int to_dir, const char *new, int flags)
{
	REAL(linkat);
	return FAILS(RENAME) ? -1 : real(from_dir, old, to_dir, new, flags);
}

int
unlink(const char *path)
{
	REAL(unlink);
	return FAILS(REMOVE) ? -1 : real(path);
}

int
unlinkat(int dir, const char *path, int flags)
{
	REAL(unlinkat);
	return FAILS(REMOVE) ? -1 : real(dir, path, flags);
}

int
rmdir(const char *path)
{
	REAL(rmdir);
	return FAILS(REMOVE) ? -1 : real(path);
}

int
ftruncate(int fd, off_t len)
{
	REAL(ftruncate);
	return FAILS(RESIZE) ? -1 : real(fd, len);
}

static mode_t
mode_of(int flags, va_list args)
{
	return (flags & (O_CREAT | __O_TMPFILE)) != 0 ?
	    (mode_t)va_arg(args, unsigned int) : 0;
}

int
open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = mode_of(flags, args);
	va_end(args);
	REAL(open);
	return FAILS(OPEN) ? -1 : real(path, flags, mode);
}

int
openat(int dir, const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = mode_of(flags, args);
	va_end(args);
	REAL(openat);
	return FAILS(OPEN) ? -1 : real(dir, path, flags, mode);
}

extern int __open_2(const char *, int);
int
__open_2(const char *path, int flags)
{
	REAL(__open_2);
	return FAILS(OPEN) ? -1 : real(path, flags);
}

extern int __openat_2(int, const char *, int);
int
__openat_2(int dir, const char *path, int flags)
{
	REAL(__openat_2);
	return FAILS(OPEN) ? -1 : real(dir, path, flags);
}

int
mkdir(const char *path, mode_t mode)
{
	REAL(mkdir);
	return FAILS(OPEN) ? -1 : real(path, mode);
}

int
mkdirat(int dir, const char *path, mode_t mode)
{
	REAL(mkdirat);
	return FAILS(OPEN) ? -1 : real(dir, path, mode);
}

int
socket(int domain, int type, int protocol)
{
	REAL(socket);
	return FAILS(OPEN) ? -1 : real(domain, type, protocol);
}

int
pipe(int fds[2])
{
	REAL(pipe);
	return FAILS(OPEN) ? -1 : real(fds);
}

/* -- others ---------------------------------------------------------------- */

int
accept(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len)
{
	REAL(accept);
	return FAILS(ACCEPT) ? -1 : real(fd, addr, len);
}

int
accept4(int fd, __SOCKADDR_ARG addr, socklen_t *restrict len,
    int flags)
{
	REAL(accept4);
	return FAILS(ACCEPT) ? -1 : real(fd, addr, len, flags);
}

int
pthread_create(pthread_t *restrict thread,
    const pthread_attr_t *restrict attr, void *(*fn)(void *),
    void *restrict cookie)
{
	REAL(pthread_create);
	return FAILS(THREAD) ? EAGAIN : real(thread, attr, fn, cookie);
}

pid_t
fork(void)
{
	REAL(fork);
	return FAILS(THREAD) ? -1 : real();
}
