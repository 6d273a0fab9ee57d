/* SPDX-License-Identifier: ISC */
#ifndef D4_META_SHOW_H
#define D4_META_SHOW_H

/* A line of JSON for each record of a stream, to standard output. */

#include "d4-meta/stream.h"

/* Runs the stream, whose in, name, mac and key the caller has set.  Returns 0,
 * or -1 when the stream is broken, an HMAC bad, or something failed, which was
 * said on stderr. */
int show_run(struct stream *);

#endif
