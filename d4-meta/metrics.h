/* SPDX-License-Identifier: ISC */
#ifndef D4_META_METRICS_H
#define D4_META_METRICS_H

/*
 * Figures of another program, from a file in Prometheus text form (0.0.4): a
 * line "name{labels} value [timestamp]" for each, comments and blank lines
 * left out.  What they mean is not our business: they are passed on by the
 * name and labels that they bear.
 */

#include <stddef.h>
#include <stdint.h>

/* The largest file that is passed on, in bytes. */
#define METRICS_MAX	16384

/*
 * The text as a JSON object, "name{labels}": value, in memory that the caller
 * frees.  A value that JSON has no number for (NaN, +Inf) is null.  NULL with
 * *why a few words, static, when a line is no such figure, one stands there
 * twice, or memory is short.
 */
char *metrics_parse(const char *text, size_t len, const char **why);

/* Reads a regular file and parses it; the same, and when it can't be read *why
 * is the system's word.  *mtime is when it was written, in seconds since
 * 1970. */
char *metrics_read(const char *file, int64_t *mtime, const char **why);

#endif
