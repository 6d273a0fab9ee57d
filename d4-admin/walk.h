/* SPDX-License-Identifier: ISC */
#ifndef D4_ADMIN_WALK_H
#define D4_ADMIN_WALK_H

/* All that lies below a directory. */

#include <sys/stat.h>

#define WALK_DEPTH	32	/* directories within each other, at most */

struct walk_entry {
	const char	*path;		/* the directory's name before it */
	const char	*name;		/* the last part of it */
	int		 dir;		/* open: the directory that it is in */
	struct stat	 st;		/* of itself, if a symbolic link */
};

/*
 * Calls back with each entry below it, a directory before what is in it;
 * symbolic links are not followed.  A callback that returns not 0 ends it, and
 * that is returned.  What vanishes meanwhile is passed over.  What can't be
 * read is said on stderr and passed over, too: then the end is -1.
 */
int walk(const char *path, int (*)(void *, const struct walk_entry *), void *);

#endif
