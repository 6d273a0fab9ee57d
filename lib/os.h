/* SPDX-License-Identifier: ISC */
#ifndef LIB_OS_H
#define LIB_OS_H

/* What only some systems can do: os-linux.c does it, os-posix.c leaves it out.
 * Nothing depends on it but speed. */

#include <limits.h>
#include <time.h>

/* Whether a sanitizer is built in, which looks into its own process at its end:
 * that must be left as it is. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define D4_OS_SANITIZED	1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define D4_OS_SANITIZED	1
#endif
#endif
#ifndef D4_OS_SANITIZED
#define D4_OS_SANITIZED	0
#endif

/* Asks for pipes as large as an unprivileged process may have; for anything
 * but a pipe nothing happens. */
void d4_os_grow_pipe(int fd);

/* Where malloc(3)'s first arena begins, which ends at sbrk(0); NULL when that
 * isn't known, or it has none yet. */
void *d4_os_heap(void);

/* Writes out what waits in the file system of this descriptor, all at once:
 * fsync(2) of each of many files, which must still follow, has little to do
 * then. */
void d4_os_write_out(int fd);

/* Ends this process with SIGTERM when its parent dies. */
void d4_os_end_with_parent(void);

/* Opens the path, which no symbolic link in it and no ".." leads out of the
 * directory: d4_io_open_beneath() in one system call.  A descriptor, or -1 with
 * errno, ENOSYS where the system can't. */
int d4_os_open_beneath(int dir, const char *path, int flags);

/*
 * Watches directories, each by itself, for files that become complete: closed
 * by a writer or renamed into place.
 */
struct d4_os_watch;

enum d4_os_watched {
	D4_OS_WATCH_NONE,	/* nothing more at present */
	D4_OS_WATCH_FILE,	/* this file */
	D4_OS_WATCH_AGAIN	/* look at everything again: a directory came,
				 * went or was renamed, or events were lost */
};

/* NULL with errno, ENOSYS where the system can't.  The others take NULL. */
struct d4_os_watch *d4_os_watch_new(void);
void d4_os_watch_free(struct d4_os_watch *);

/*
 * Watches one more directory; one that is watched already gets this path.
 * Returns 0 and since when (CLOCK_REALTIME) no file became complete in it
 * without being told of: what was changed later and not told of is still open.
 * tv_sec is -1, never, where others may write to it unseen, as on a network.
 * Or -1 with errno: then look again from time to time.
 */
int d4_os_watch_add(struct d4_os_watch *, const char *dir,
    struct timespec *since);

/* Becomes readable when there is something to tell; -1 for NULL. */
int d4_os_watch_fd(const struct d4_os_watch *);

/* What happened next; never waits.  A file's path begins with that of its
 * directory. */
enum d4_os_watched d4_os_watch_next(struct d4_os_watch *, char[PATH_MAX]);

#endif
