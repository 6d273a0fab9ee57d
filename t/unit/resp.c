/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "lib/resp.h"
#include "t/unit/tap.h"

static char out[256];

/* What was written up to end, and nothing behind it. */
static void
wrote(const char *end, const char *want, size_t len, const char *name)
{
	ok((size_t)(end - out) == len && memcmp(out, want, len) == 0 &&
	    *end == '!', "%s", name);
	memset(out, '!', sizeof(out));
}

#define WROTE(end, want, name)	wrote((end), (want), sizeof(want) - 1, (name))

int
main(void)
{
	static char word[1000000];
	char *big, *end;

	memset(out, '!', sizeof(out));
	WROTE(d4_resp_count(out, 0), "*0\r\n", "no words");
	WROTE(d4_resp_count(out, 11), "*11\r\n", "eleven words");
	WROTE(d4_resp_word(out, "GET", 3), "$3\r\nGET\r\n", "a word");
	WROTE(d4_resp_word(out, NULL, 0), "$0\r\n\r\n", "an empty one");
	WROTE(d4_resp_word(out, "a\0\r\n$", 5), "$5\r\na\0\r\n$\r\n",
	    "one of any bytes");
	WROTE(d4_resp_number(out, 0), "$1\r\n0\r\n", "the least number");
	WROTE(d4_resp_number(out, UINT64_MAX),
	    "$20\r\n18446744073709551615\r\n", "the greatest");
	WROTE(d4_resp_digits(out, 9), "9", "a digit");
	WROTE(d4_resp_digits(out, 1000), "1000", "digits");
	WROTE(d4_resp_digits(out, UINT64_MAX), "18446744073709551615",
	    "as many as there can be");
	if ((big = malloc(D4_RESP_WORD(sizeof(word)))) == NULL)
		abort();
	memset(word, 'x', sizeof(word));
	end = d4_resp_word(big, word, sizeof(word));
	ok(end - big == 1 + 7 + 2 + 1000000 + 2 &&
	    memcmp(big, "$1000000\r\nx", 11) == 0 &&
	    memcmp(end - 3, "x\r\n", 3) == 0, "a large word");
	free(big);
	return tap_done();
}
