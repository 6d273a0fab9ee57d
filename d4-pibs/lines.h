/* SPDX-License-Identifier: ISC */
#ifndef D4_PIBS_LINES_H
#define D4_PIBS_LINES_H

/* The lines of -b: "second,source,flags,source port". */

#include "d4-pibs/out.h"
#include "d4-pibs/packet.h"

struct lines;

/* Writes to an output of the caller's.  NULL when memory is short. */
struct lines *lines_new(struct out *);

/* Takes NULL. */
void lines_free(struct lines *);

/* The line with the names of the fields. */
void lines_header(struct lines *);

/* A line for each of the n packets whose indices are given. */
void lines_write(struct lines *, const struct packet *, const uint8_t *index,
    size_t n);

#endif
