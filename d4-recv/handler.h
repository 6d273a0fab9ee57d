/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_HANDLER_H
#define D4_RECV_HANDLER_H

/*
 * What becomes of the lines of one stream, by its type:
 *
 *	3 6 8		the line is an item; the stream is kept as a file
 *	extended	likewise, and the meta header is kept
 *	maltrail	the line is an item; only the meta header is kept
 *	ja3-jl		the line, a JSON object with the string Timestamp and
 *			with Certificates, null or a list of objects with the
 *			DER in base64 as Raw, is a file, named by Timestamp if
 *			that is a plain word (place_word_ok()), by its SHA-256
 *			if not; its path is the item.  Each certificate is a
 *			file by its SHA-1
 *	filewatcher	the line is base64 of a file, kept by its SHA-256; its
 *			path is the item.  The meta header may hold compress
 *			(a boolean, false), extension (a word, empty) and
 *			segregate (a boolean, true: below the sensor and day;
 *			false: below datas)
 *	filewatcherjson	the line is a file by its SHA-256; its path is the
 *			item
 *
 * Empty lines are nothing.  A line that is not what its handler takes ends the
 * session.  Paths are pushed by finish.h once the file is whole and named.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "d4-recv/finish.h"
#include "lib/meta.h"

struct handler;

enum handler_result {
	HANDLER_OK,
	HANDLER_FULL,		/* no room now: the same line again later */
	HANDLER_BAD_DATA,	/* handler_why() */
	HANDLER_FAILED		/* ours to blame, errno is set */
};

/* The longest line that is taken as a file, in bytes; for ja3-jl, which is
 * parsed, D4_META_JA3_MAX (lib/meta-ja3.h). */
#define HANDLER_FILE_MAX	((size_t)64 << 20)

/* meta is NULL but for type 254; it outlives the handler.  NULL with *why
 * when an option is not what it should be, or memory is short (errno is ENOMEM
 * then, else EINVAL). */
struct handler *handler_open(struct finish *, const struct items *,
    const uint8_t[D4_UUID_LEN], uint8_t type, const struct d4_meta *,
    const char **why);

/* Takes NULL. */
void handler_close(struct handler *);

/* Whether the stream is also kept as a file. */
bool handler_keeps_stream(const struct handler *);

/* The longest line it takes.  A longer one is cut there when cuts is true,
 * else it is bad data. */
size_t handler_line_max(const struct handler *, bool *cuts);

/* Takes one line without its newline; empty ones are fine. */
enum handler_result handler_line(struct handler *, const char *, size_t,
    time_t now);

/* How many items it pushed by itself: lines, not paths. */
uint64_t handler_nitems(const struct handler *);

/* After HANDLER_BAD_DATA: what is wrong, a few words, static. */
const char *handler_why(const struct handler *);

#endif
