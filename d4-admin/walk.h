/* SPDX-License-Identifier: ISC */
#ifndef D4_ADMIN_WALK_H
#define D4_ADMIN_WALK_H

/* All that lies below a directory. */

#include <sys/stat.h>

#define WALK_DEPTH	32	/* directories within each other, at most */

/*
 * Calls back with each entry below it, a directory before what is in it;
 * symbolic links are not followed.  A callback that returns not 0 ends it, and
 * that is returned.  What vanishes meanwhile is passed over; -1 when something
 * can't be read, which is said on stderr.
 */
int walk(const char *path, int (*)(void *, const char *, const struct stat *),
    void *);

#endif
