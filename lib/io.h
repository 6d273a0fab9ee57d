/* SPDX-License-Identifier: ISC */
#ifndef LIB_IO_H
#define LIB_IO_H

/*
 * Reading and writing that finish the job.  A descriptor may be blocking or
 * not (an inherited one is as somebody else left it, and is left so): where
 * it would block, these wait.
 */

#include <sys/types.h>
#include <sys/uio.h>

#include <stdbool.h>
#include <stddef.h>

struct stat;

/*
 * One readv(2), waiting until there is something.  Returns the bytes read, 0
 * at the end of file, or -1 with errno; EINTR comes through, so that a caller
 * sees signals.
 */
ssize_t d4_io_readv(int fd, const struct iovec *, int n);
ssize_t d4_io_read(int fd, void *, size_t len);

/* Reads len bytes unless the end of file comes first, over interruptions.
 * Returns the bytes read, or -1 with errno. */
ssize_t d4_io_read_full(int fd, void *, size_t len);

/*
 * Writes all of it, over short writes and interruptions.  Returns 0, or -1
 * with errno.  *done, when not NULL, is how many bytes went out in either
 * case.  The array of writev is used up: its members change.  n may exceed
 * IOV_MAX.
 */
int d4_io_write_full(int fd, const void *, size_t len, size_t *done);
int d4_io_writev_full(int fd, struct iovec *, size_t n, size_t *done);

/*
 * Fills the places 0, 1 and 2 where they were handed over closed, with what
 * cannot be read (0) or written (1): so no file opened later is taken for
 * standard input or output.  To be called before anything is opened.
 */
void d4_io_hold_standard(void);

/* Opens the path, relative to the directory and beneath it: no component may
 * be a symbolic link or "..".  A descriptor, or -1 with errno, ELOOP or ENOTDIR
 * for a symbolic link, EXDEV for a path that would lead out. */
int d4_io_open_beneath(int dir, const char *path, int flags);

/* Takes the last n bytes off a regular file, where the descriptor stands at its
 * end: the half of something that could not be written whole.  With n 0, and
 * for anything else, nothing happens.  Returns 0, or -1 with errno. */
int d4_io_take_back(int fd, size_t n);

/* Whether the descriptor is of that regular file.  Who reads a file and writes
 * to it would never come to its end, or lose it. */
bool d4_io_is_file(int fd, const struct stat *file);

/* Waits until the descriptor can be read (or written, with write not 0), is at
 * its end or failed.  Returns 0, or -1 with errno, EINTR among them. */
int d4_io_wait(int fd, int write);

#endif
