/* SPDX-License-Identifier: ISC */
#ifndef LIB_BASE64_H
#define LIB_BASE64_H

/* Base64 with the usual alphabet and padding (RFC 4648, section 4), without
 * line breaks. */

#include <stddef.h>
#include <stdint.h>

/* How many characters len bytes become, without a NUL. */
#define D4_BASE64_ENCODED(len)	(((len) + 2) / 3 * 4)

/* The most bytes that len characters can become. */
#define D4_BASE64_DECODED(len)	((len) / 4 * 3)

/* Writes D4_BASE64_ENCODED(len) characters, no NUL behind them. */
void d4_base64_encode(char *, const void *, size_t len);

/*
 * Writes at most D4_BASE64_DECODED(len) bytes and sets *n to their number.
 * Returns 0, or -1 when it is not exactly what an encoder makes: another
 * character, wrong padding, bits left over.  It may decode in place.
 */
int d4_base64_decode(void *, size_t *n, const char *, size_t len);

#endif
