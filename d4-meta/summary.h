/* SPDX-License-Identifier: ISC */
#ifndef D4_META_SUMMARY_H
#define D4_META_SUMMARY_H

/* What a whole stream held, to standard output, at its end. */

#include <stdbool.h>
#include <stdint.h>

#include "d4-meta/stream.h"

/* Runs the stream, whose in, name, mac and key the caller has set, and prints
 * a table, or JSON lines.  gap is in seconds.  Returns 0, or -1 as show_run()
 * does. */
int summary_run(struct stream *, uint64_t gap, bool json);

#endif
