/* SPDX-License-Identifier: ISC */
#ifndef D4_STDOUT_OUTPUT_H
#define D4_STDOUT_OUTPUT_H

/* Standard output, and how much of the item in hand has gone there. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct output {
	int		fd;
	bool		messages;	/* each write is one: a socket of
					 * datagrams, say */
	uint64_t	bytes;		/* all of them */
	uint64_t	of_item;	/* since output_begin() */
};

/* From now on it is this descriptor, which stays the caller's. */
void output_open(struct output *, int fd);

/* What follows belongs to another item. */
void output_begin(struct output *);

/* Writes all of it.  Returns 0, or -1 and has said why. */
int output_write(struct output *, const void *, size_t len);

/* After a failure: takes what there is of the item off a regular file again.
 * From a pipe nothing comes back. */
void output_take_back(struct output *);

#endif
