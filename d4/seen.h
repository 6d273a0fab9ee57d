/* SPDX-License-Identifier: ISC */
#ifndef D4_SEEN_H
#define D4_SEEN_H

/*
 * Which files were seen before: a set of what tells one state of a file from
 * any other, its device, inode, time of change and size.  The same file under
 * another name is known; changed, it is another.  22 to 43 bytes an entry.
 */

#include <sys/stat.h>

#include <stdbool.h>

struct seen;

/* An empty set; NULL when memory is short. */
struct seen *seen_new(void);

/* Takes NULL. */
void seen_free(struct seen *);

bool seen_has(const struct seen *, const struct stat *);

/* Adds it unless it is there.  Returns 0, or -1 when memory is short. */
int seen_add(struct seen *, const struct stat *);

#endif
