/* SPDX-License-Identifier: ISC */
#ifndef LIB_META_JA3_H
#define LIB_META_JA3_H

/*
 * A part of the meta room: one line of the extended type ja3-jl, a JSON object
 * that describes a TLS session.  Needed of it are "Timestamp", a string, and
 * "Certificates", null or a list of objects in which "Raw" is a string, the
 * DER in base64.  All else is free.
 */

#include <stddef.h>

/* The longest line, in bytes: it is parsed as a whole. */
#define D4_META_JA3_MAX	((size_t)1 << 20)

struct d4_meta_ja3;

/* Checks it.  NULL with *why a few words, static; the caller frees. */
struct d4_meta_ja3 *d4_meta_ja3_parse(const char *, size_t len,
    const char **why);

/* Takes NULL. */
void d4_meta_ja3_free(struct d4_meta_ja3 *);

/* Both are good as long as the line; *len is their length.  i is less than
 * the number of certificates. */
const char *d4_meta_ja3_timestamp(const struct d4_meta_ja3 *, size_t *len);
size_t d4_meta_ja3_ncerts(const struct d4_meta_ja3 *);
const char *d4_meta_ja3_cert(const struct d4_meta_ja3 *, size_t i,
    size_t *len);

#endif
