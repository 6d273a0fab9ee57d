/* SPDX-License-Identifier: ISC */
#ifndef D4_META_TELEMETRY_H
#define D4_META_TELEMETRY_H

/*
 * A session of type d4-telemetry: the meta header, then one JSON line at once
 * and another at each interval on the state of this host and its D4 programs.
 */

#include "d4-meta/options.h"
#include "d4-meta/send.h"
#include "d4-meta/settings.h"

#define TELEMETRY_TYPE	"d4-telemetry"

/* The longest line, in bytes with its newline: d4-core's receiver cuts one at
 * 100,000. */
#define TELEMETRY_LINE_MAX	100000

struct telemetry;

/* What the lines tell of, by the options and settings, which outlive it.  NULL
 * when memory is short. */
struct telemetry *telemetry_new(const struct options *,
    const struct settings *);

/* Takes NULL. */
void telemetry_free(struct telemetry *);

/*
 * Writes the header and goes on until a signal; then ends the session with a
 * record of size 0.  Returns 0, or -1 when standard output failed or nobody
 * reads it any more, which was said on stderr.
 */
int telemetry_run(struct telemetry *, struct send *, const void *header,
    size_t len);

#endif
