/* SPDX-License-Identifier: ISC */
#ifndef LIB_META_LINE_H
#define LIB_META_LINE_H

/*
 * Lines of JSON in the making, for programs that print them: members stand in
 * the order in which they are added, strings are escaped here.  A line begins
 * as an empty object.
 *
 * key is the member's name, or NULL within a list.  Memory that falls short is
 * remembered and told once, by d4_meta_line_bytes().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct d4_meta_line;

/* NULL when memory is short. */
struct d4_meta_line *d4_meta_line_new(void);

/* Takes NULL. */
void d4_meta_line_free(struct d4_meta_line *);

/* An object or a list as the value, to be closed by d4_meta_line_close().  They
 * nest at most D4_META_DEPTH (meta.h) deep, the line itself being 1. */
void d4_meta_line_object(struct d4_meta_line *, const char *key);
void d4_meta_line_list(struct d4_meta_line *, const char *key);
void d4_meta_line_close(struct d4_meta_line *);

/* Text; a byte that is not UTF-8 becomes U+FFFD, a control character an
 * escape. */
void d4_meta_line_string(struct d4_meta_line *, const char *key,
    const char *text);

void d4_meta_line_uint(struct d4_meta_line *, const char *key, uint64_t);
void d4_meta_line_int(struct d4_meta_line *, const char *key, int64_t);

/* With so many significant digits, 1 to 17 (exact); null when it is not
 * finite. */
void d4_meta_line_real(struct d4_meta_line *, const char *key, double,
    size_t digits);
void d4_meta_line_bool(struct d4_meta_line *, const char *key, bool);
void d4_meta_line_null(struct d4_meta_line *, const char *key);

/* A value that is JSON already, on one line. */
void d4_meta_line_json(struct d4_meta_line *, const char *key,
    const char *json);

/* Ends the line: closes its object and adds the newline.  The next member
 * begins another line behind it. */
void d4_meta_line_end(struct d4_meta_line *);

/*
 * The bytes so far, whole lines and a line in the making, NUL-terminated and
 * good until the next change; *len is their number.  NULL when memory was short
 * at any time since the last clearing.
 */
const char *d4_meta_line_bytes(const struct d4_meta_line *, size_t *len);

void d4_meta_line_clear(struct d4_meta_line *);

/* Whether len bytes are UTF-8 (RFC 3629). */
bool d4_meta_line_is_utf8(const void *, size_t len);

#endif
