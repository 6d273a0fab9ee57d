/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "lib/resp.h"

static char *
put_end(char *at)
{
	at[0] = '\r';
	at[1] = '\n';
	return at + 2;
}

char *
d4_resp_digits(char *at, uint64_t n)
{
	char digits[D4_RESP_DIGITS];
	size_t i = sizeof(digits);

	do {
		digits[--i] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	memcpy(at, digits + i, sizeof(digits) - i);
	return at + sizeof(digits) - i;
}

static char *
put_head(char *at, char kind, size_t n)
{
	*at = kind;
	return put_end(d4_resp_digits(at + 1, n));
}

char *
d4_resp_count(char *at, size_t n)
{
	return put_head(at, '*', n);
}

char *
d4_resp_word(char *at, const void *bytes, size_t len)
{
	at = put_head(at, '$', len);
	if (len > 0)
		/* cppcheck-suppress uninitvar ; put_digits() wrote them */
		memcpy(at, bytes, len);
	return put_end(at + len);
}

char *
d4_resp_number(char *at, uint64_t n)
{
	char digits[D4_RESP_DIGITS];

	return d4_resp_word(at, digits,
	    (size_t)(d4_resp_digits(digits, n) - digits));
}
