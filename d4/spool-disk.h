/* SPDX-License-Identifier: ISC */
#ifndef D4_SPOOL_DISK_H
#define D4_SPOOL_DISK_H

/*
 * What the spool does to files, all of it: one small place, so that a test can
 * have any of it fail, or note it and play a loss of power.  Names are those of
 * files in the spool's directory, of at most DISK_NAME bytes with their NUL.
 */

#include <sys/uio.h>

#include <stddef.h>
#include <stdint.h>

#define DISK_NAME	32
#define DISK_IOVS	1024

enum disk_op {
	DISK_CREATE,		/* name */
	DISK_WRITE,		/* name, iov, niov, at */
	DISK_SYNC,		/* name */
	DISK_RENAME,		/* name, to */
	DISK_UNLINK,		/* name */
	DISK_SYNC_NAMES		/* of the directory */
};

struct disk_call {
	enum disk_op	 op;
	const char	*name;		/* "" for the directory */
	const char	*to;
	const struct iovec *iov;
	int		 niov;
	uint64_t	 at;
};

/* For tests: asked before each.  Returns 0 to have it done, or an errno to
 * have it fail.  NULL in the program.  Any thread may call it. */
extern int (*disk_hook)(const struct disk_call *);

struct disk_file {
	int	 fd;		/* -1: closed */
	char	 name[DISK_NAME];
};

/* All return 0, or -1 with errno.  While one thread writes to a file another
 * may sync it and give it its name. */

/* Anew and empty, for reading and writing; what had the name goes. */
int disk_create(struct disk_file *, int dir, const char *name);

/* One that is there and a regular file, for reading and writing. */
int disk_open(struct disk_file *, int dir, const char *name);

/* Takes one that is closed. */
void disk_close(struct disk_file *);

/* All of it, at that place.  The second has n of them, at most DISK_IOVS, and
 * uses them up. */
int disk_write(const struct disk_file *, const void *, size_t len,
    uint64_t at);
int disk_writev(const struct disk_file *, struct iovec *, int n, uint64_t at);

/* The file's bytes; then its name may be given to it. */
int disk_sync(const struct disk_file *);
int disk_rename(struct disk_file *, int dir, const char *to);
int disk_unlink(int dir, const char *name);
int disk_sync_names(int dir);

/* A small file as a whole, synced, in the place of what has its name. */
int disk_replace(int dir, const char *name, const void *, size_t len);

#endif
