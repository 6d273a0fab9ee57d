/* SPDX-License-Identifier: ISC */
#include "lib/base64.h"

#define BAD	0x80u		/* no character of the alphabet */

static const char alphabet[64] = {
	'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N',
	'O', 'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'a', 'b',
	'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p',
	'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', '0', '1', '2', '3',
	'4', '5', '6', '7', '8', '9', '+', '/'
};

void
d4_base64_encode(char *out, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint32_t v;

	for (; len >= 3; len -= 3, p += 3, out += 4) {
		v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
		out[0] = alphabet[v >> 18];
		out[1] = alphabet[v >> 12 & 63];
		out[2] = alphabet[v >> 6 & 63];
		out[3] = alphabet[v & 63];
	}
	if (len == 0)
		return;
	v = (uint32_t)p[0] << 16 | (len == 2 ? (uint32_t)p[1] << 8 : 0);
	out[0] = alphabet[v >> 18];
	out[1] = alphabet[v >> 12 & 63];
	out[2] = len == 2 ? alphabet[v >> 6 & 63] : '=';
	out[3] = '=';
}

/* The six bits of a character, or BAD. */
static uint32_t
value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (uint32_t)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (uint32_t)(c - 'a') + 26;
	if (c >= '0' && c <= '9')
		return (uint32_t)(c - '0') + 52;
	return c == '+' ? 62 : c == '/' ? 63 : BAD;
}

/* The last four characters, with one or two '=' at their end. */
static int
decode_padded(uint8_t *out, size_t *n, const char *p)
{
	uint32_t a = value(p[0]), b = value(p[1]), c = value(p[2]);

	if (p[2] == '=') {
		if (((a | b) & BAD) != 0 || (b & 15) != 0)
			return -1;
		out[(*n)++] = (uint8_t)(a << 2 | b >> 4);
		return 0;
	}
	if (((a | b | c) & BAD) != 0 || (c & 3) != 0)
		return -1;
	out[(*n)++] = (uint8_t)(a << 2 | b >> 4);
	out[(*n)++] = (uint8_t)(b << 4 | c >> 2);
	return 0;
}

int
d4_base64_decode(void *bytes, size_t *n, const char *p, size_t len)
{
	uint8_t *out = bytes;
	uint32_t a, b, c, d;

	*n = 0;
	if (len % 4 != 0)
		return -1;
	for (; len > 0; len -= 4, p += 4) {
		if (len == 4 && p[3] == '=')
			return decode_padded(out, n, p);
		a = value(p[0]);
		b = value(p[1]);
		c = value(p[2]);
		d = value(p[3]);
		if (((a | b | c | d) & BAD) != 0)
			return -1;
		out[(*n)++] = (uint8_t)(a << 2 | b >> 4);
		out[(*n)++] = (uint8_t)(b << 4 | c >> 2);
		out[(*n)++] = (uint8_t)(c << 6 | d);
	}
	return 0;
}
