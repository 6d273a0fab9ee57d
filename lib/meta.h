/* SPDX-License-Identifier: ISC */
#ifndef LIB_META_H
#define LIB_META_H

/*
 * Meta headers: the one JSON object (RFC 8259) that a type 2 record carries,
 * or several records joined, and that says what the type 254 records behind it
 * hold.  Every program of ours asks here, so that what one makes another takes.
 *
 * Accepted is one object, UTF-8, without duplicate keys, nested at most
 * D4_META_DEPTH deep (the object itself is 1), in at most D4_META_MAX bytes,
 * with white space but nothing else around it, and with a member "type", a
 * string that d4_type_name_ok() takes.  Other members are free.
 */

#include <stdbool.h>
#include <stddef.h>

#include "lib/type.h"

#define D4_META_MAX	100000
#define D4_META_DEPTH	16

struct d4_meta;		/* a checked meta header */

/*
 * Checks len bytes.  Returns it, or NULL with *why a few words, static, with
 * what is wrong (also when memory is short).  Time and memory are linear in
 * len; len may exceed the limit.  The caller frees.
 */
struct d4_meta *d4_meta_parse(const void *, size_t len, const char **why);

/* Takes NULL. */
void d4_meta_free(struct d4_meta *);

/* Whether it has that member, of whatever kind. */
bool d4_meta_has(const struct d4_meta *, const char *key);

/* The value of "type", good as long as the header. */
const char *d4_meta_type(const struct d4_meta *);

/* The object in canonical form: keys in order, no white space, UTF-8, one
 * line without a newline; NUL-terminated, the caller frees.  NULL when memory
 * is short. */
char *d4_meta_text(const struct d4_meta *);

/* Members that a handler asks for; fallback where absent or of another kind.
 * The string is good as long as the header. */
const char *d4_meta_string(const struct d4_meta *, const char *key,
    const char *fallback);
int d4_meta_bool(const struct d4_meta *, const char *key, int fallback);

/*
 * Follows a header that comes in parts, such as the payloads of several type 2
 * records, and tells when it is worth parsing: once, however many parts there
 * are.  It begins zeroed.
 */
struct d4_meta_scan {
	int	depth;
	bool	in_string;
	bool	escaped;	/* the last byte was a backslash in a string */
	bool	closed;		/* the outermost object has ended */
	bool	too_deep;
	bool	other;		/* no object, or something behind it */
};

enum d4_meta_state {
	D4_META_MORE,		/* the object has not ended yet */
	D4_META_WHOLE,		/* it has, with at most white space behind it */
	D4_META_NEVER		/* d4_meta_parse() will refuse it */
};

enum d4_meta_state d4_meta_scan(struct d4_meta_scan *, const void *, size_t);

/* Whether len bytes are one JSON value of any kind, as strict as a header is
 * (duplicate keys, depth, length, UTF-8). */
bool d4_meta_is_value(const void *, size_t len);

#endif
