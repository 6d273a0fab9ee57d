/* SPDX-License-Identifier: ISC */
#ifndef D4_PIBS_WINDOW_H
#define D4_PIBS_WINDOW_H

/*
 * A window on the bytes of a file, which slides forward.  A plain file is
 * mapped, some MiB at a time; a pipe, a terminal or a compressed file is read
 * into memory.  Whoever looks through it takes no notice.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct window;

/* The greatest n of window_need(), in bytes. */
#define WINDOW_MAX	(64u << 20)

/* A window on a descriptor, which stays the caller's; name is for messages and
 * is kept.  NULL with errno. */
struct window *window_open(int fd, const char *name);

/* Takes NULL. */
void window_close(struct window *);

/*
 * Sees to it that n bytes are in sight, unless the file ends before.  Returns
 * how many are in sight from *at on, which may be more; fewer than n at the
 * end and after a fault.  -1 when a signal interrupted: nothing is lost, call
 * again.  What was at *at before may have moved.
 */
ptrdiff_t window_need(struct window *, size_t n, const uint8_t **at);

/* The same, going on after signals unless the end is asked for (stop.h). */
ptrdiff_t window_begin(struct window *, size_t n, const uint8_t **at);

/* Slides forward over n bytes that are in sight. */
void window_skip(struct window *, size_t n);

/* After the end: what went wrong, in a few words, or NULL. */
const char *window_fault(const struct window *);

/* How much of the file is done, in percent; -1 when nobody knows. */
int window_percent(const struct window *);

#endif
