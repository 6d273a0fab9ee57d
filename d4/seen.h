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
#include <stddef.h>

struct seen;

/* An empty set; NULL when memory is short. */
struct seen *seen_new(void);

/* Takes NULL. */
void seen_free(struct seen *);

bool seen_has(const struct seen *, const struct stat *);

/* Adds it unless it is there.  Returns 0, or -1 when memory is short. */
int seen_add(struct seen *, const struct stat *);

/* How many there are. */
size_t seen_count(const struct seen *);

/*
 * The same on a disk, where the next run finds it: entries of 24 bytes, one
 * behind the other.  note() appends one, save() all there are; load() adds what
 * is whole, cuts off what is not and says how many entries that was.  Returns
 * 0, or -1 with errno.
 */
int seen_note(int fd, const struct stat *);
int seen_save(const struct seen *, int fd);
int seen_load(struct seen *, int fd, size_t *n);

#endif
