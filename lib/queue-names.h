/* SPDX-License-Identifier: ISC */
#ifndef LIB_QUEUE_NAMES_H
#define LIB_QUEUE_NAMES_H

/*
 * Inside the queue room: names of a directory's items.
 *
 *	NANOSECONDS-HANDLE-LENGTH
 *
 * is the time of arrival (UTC, 20 digits), the random number of who made it
 * (16 hexadecimal digits) and the item's length in bytes.  Items brought in by
 * others, with mv(1) say, may have any name that doesn't begin with a dot and
 * is shorter than D4_QUEUE_NAME.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/queue.h"

struct queue_namer {
	uint64_t	handle;
	uint64_t	stamp;		/* the last one given */
};

void queue_namer_init(struct queue_namer *);

/* Makes a name that nobody else makes, later than all of this namer before. */
void queue_name_make(struct queue_namer *, size_t len, char[D4_QUEUE_NAME]);

/* Whether a name says this length, or none. */
bool queue_name_fits(const char *, uint64_t len);

/* Calls back with each name in the directory until that returns -1.  Returns
 * 0, or -1 with errno. */
int queue_names_each(int fd, int (*)(void *, const char *), void *);

struct queue_names {
	char	(*name)[D4_QUEUE_NAME];
	size_t	 n, room;
};

/*
 * Reads the most oldest (or newest) names, first of all the oldest (newest).
 * Of the oldest those are left out that came while it read, for one that came
 * before them may have been missed; so there may be none of many.  Returns how
 * many there are in the directory, or -1 with errno.
 */
int64_t queue_names_read(struct queue_names *, int fd, size_t most,
    bool newest);

void queue_names_free(struct queue_names *);

#endif
