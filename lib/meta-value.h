/* SPDX-License-Identifier: ISC */
#ifndef LIB_META_VALUE_H
#define LIB_META_VALUE_H

/*
 * Lines of JSON as programs read them that lib/meta-line made: one object each,
 * as strict as a meta header (UTF-8, no duplicate keys, no NUL), but of any
 * length.
 *
 * What is absent or null is told apart from what is of another kind.
 */

#include <stddef.h>
#include <stdint.h>

struct d4_meta_value;		/* an object */

/* Parses one object.  NULL with *why a few static words. */
struct d4_meta_value *d4_meta_value_parse(const void *, size_t len,
    const char **why);

/* Takes NULL. */
void d4_meta_value_free(struct d4_meta_value *);

/*
 * The value of a member: 0, 1 when it is absent or null, -1 when it is of
 * another kind, a negative number among them; but for 0 the value is left as
 * it was.  A string is good as long as the object.
 */
int d4_meta_value_string(const struct d4_meta_value *, const char *key,
    const char **);
int d4_meta_value_uint(const struct d4_meta_value *, const char *key,
    uint64_t *);
int d4_meta_value_bool(const struct d4_meta_value *, const char *key, int *);

/* Calls back with each member of a list of strings, or of objects; what a
 * callback returns but 0 ends it, and is returned.  0 also when it is absent
 * or null, -1 when it is of another kind. */
int d4_meta_value_strings(const struct d4_meta_value *, const char *key,
    int (*)(void *, const char *), void *);
int d4_meta_value_objects(const struct d4_meta_value *, const char *key,
    int (*)(void *, const struct d4_meta_value *), void *);

#endif
