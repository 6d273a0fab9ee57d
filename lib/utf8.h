/* SPDX-License-Identifier: ISC */
#ifndef LIB_UTF8_H
#define LIB_UTF8_H

/* Characters in texts of others: which bytes are one, and which of them act on
 * a terminal. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The length of the character at the beginning of len bytes, of which there is
 * one at least; 0 when there is none: RFC 3629, section 4, in which the second
 * byte excludes overlong forms, surrogates and what lies beyond U+10FFFF.
 */
static inline size_t
d4_utf8_len(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint8_t low = 0x80, high = 0xbf;
	size_t i, n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (len < n || p[1] < low || p[1] > high)
		return 0;
	for (i = 2; i < n; i++) {
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	}
	return n;
}

/* Whether that character, of d4_utf8_len() bytes, is a control: C0, DEL or one
 * of C1, which terminals obey, too. */
static inline bool
d4_utf8_is_control(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	return len == 1 ? p[0] < ' ' || p[0] == 127 :
	    len == 2 && p[0] == 0xc2 && p[1] < 0xa0;
}

#endif
