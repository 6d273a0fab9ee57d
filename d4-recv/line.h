/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_LINE_H
#define D4_RECV_LINE_H

/* A line in the making: what of it came in earlier slices.  A line that lies
 * whole in one slice is not copied. */

#include <stdbool.h>
#include <stddef.h>

struct line {
	char	*bytes;
	size_t	 len, cap;
};

/*
 * Takes the next n bytes of a line; whole: the last of them is its newline.
 * Then *text and *len are the line without it, within the slice or here and
 * good until the next call; else *text is NULL.  0, or -1 when memory is short.
 */
int line_take(struct line *, const char *slice, size_t n, bool whole,
    const char **text, size_t *len);

/* Keeps a line that lay in the slice: bytes becomes a copy.  0, or -1. */
int line_keep(struct line *, const char *, size_t len);

/* Forgets the line, and gives back what a long one took. */
void line_clear(struct line *);

void line_free(struct line *);

#endif
