/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/meta.h"
#include "t/unit/tap.h"

/* A literal with its length, so that NUL may stand within. */
#define LIT(s)	s, sizeof(s) - 1

#define NAME64	"a123456789b123456789c123456789d123456789e123456789" \
		"f123456789g123"

static const struct good {
	const char	*json;
	size_t		 len;
	const char	*type;
	const char	*text;
} good[] = {
	{ LIT("{\"type\":\"ja3-jl\"}"), "ja3-jl", "{\"type\":\"ja3-jl\"}" },
	{ LIT(" \t\r\n{ \"type\" : \"x\" }\n\n"), "x", "{\"type\":\"x\"}" },
	{ LIT("{\"z\":[1,{\"b\":null}],\"type\":\"0.a_b-c\",\"a\":true}"),
	    "0.a_b-c", "{\"a\":true,\"type\":\"0.a_b-c\","
	    "\"z\":[1,{\"b\":null}]}" },
	{ LIT("{\"type\":\"" NAME64 "\"}"), NAME64,
	    "{\"type\":\"" NAME64 "\"}" },
	{ LIT("{\"\\u0074ype\":\"\\u0061\"}"), "a", "{\"type\":\"a\"}" },
	{ LIT("{\"type\":\"a\",\"n\":\"\xc3\xa9\"}"), "a",
	    "{\"n\":\"\xc3\xa9\",\"type\":\"a\"}" },
	{ LIT("{\"type\":\"a\",\"n\":\"]]}}[[\\\"{{\"}"), "a",
	    "{\"n\":\"]]}}[[\\\"{{\",\"type\":\"a\"}" },
	{ LIT("{\"type\":\"a\",\"o\":{\"type\":7,\"type2\":7}}"), "a",
	    "{\"o\":{\"type\":7,\"type2\":7},\"type\":\"a\"}" },
};

static const struct bad {
	const char	*what;
	const char	*json;
	size_t		 len;
} bad[] = {
	{ "nothing", LIT("") },
	{ "white space", LIT(" \n\t ") },
	{ "an array", LIT("[{\"type\":\"a\"}]") },
	{ "an empty array", LIT("[]") },
	{ "a number", LIT("7") },
	{ "a string", LIT("\"type\"") },
	{ "null", LIT("null") },
	{ "no type", LIT("{}") },
	{ "type further down", LIT("{\"a\":{\"type\":\"a\"}}") },
	{ "Type", LIT("{\"Type\":\"a\"}") },
	{ "a number as type", LIT("{\"type\":7}") },
	{ "null as type", LIT("{\"type\":null}") },
	{ "an array as type", LIT("{\"type\":[\"a\"]}") },
	{ "an empty type", LIT("{\"type\":\"\"}") },
	{ "a path as type", LIT("{\"type\":\"../x\"}") },
	{ "a slash in type", LIT("{\"type\":\"a\\/b\"}") },
	{ "a dot first", LIT("{\"type\":\".a\"}") },
	{ "a capital", LIT("{\"type\":\"JA3\"}") },
	{ "a blank", LIT("{\"type\":\"a b\"}") },
	{ "65 bytes of type", LIT("{\"type\":\"" NAME64 "5\"}") },
	{ "NUL in type", LIT("{\"type\":\"a\\u0000b\"}") },
	{ "NUL behind type", LIT("{\"type\":\"a\\u0000\"}") },
	{ "a raw NUL in type", LIT("{\"type\":\"a\0b\"}") },
	{ "NUL in a key", LIT("{\"type\":\"a\",\"b\\u0000\":1}") },
	{ "type twice", LIT("{\"type\":\"a\",\"type\":\"a\"}") },
	{ "type twice, spelt two ways",
	    LIT("{\"type\":\"a\",\"\\u0074ype\":\"b\"}") },
	{ "another key twice",
	    LIT("{\"type\":\"a\",\"b\":{\"c\":1,\"c\":2}}") },
	{ "bad UTF-8", LIT("{\"type\":\"a\",\"b\":\"\xff\"}") },
	{ "bad UTF-8 in a key", LIT("{\"type\":\"a\",\"\xc3\":1}") },
	{ "overlong UTF-8", LIT("{\"type\":\"a\",\"b\":\"\xc0\xaf\"}") },
	{ "a surrogate", LIT("{\"type\":\"a\",\"b\":\"\xed\xa0\x80\"}") },
	{ "half a surrogate pair", LIT("{\"type\":\"a\",\"b\":\"\\ud800\"}") },
	{ "a byte order mark", LIT("\xef\xbb\xbf{\"type\":\"a\"}") },
	{ "UTF-16", LIT("{\0\"\0t\0y\0p\0e\0\"\0:\0\"\0a\0\"\0}\0") },
	{ "a byte after the object", LIT("{\"type\":\"a\"}x") },
	{ "a NUL after the object", LIT("{\"type\":\"a\"}\0") },
	{ "a second object", LIT("{\"type\":\"a\"}{\"type\":\"a\"}") },
	{ "a brace too many", LIT("{\"type\":\"a\"}}") },
	{ "half of it", LIT("{\"type\":\"a\"") },
	{ "half a string", LIT("{\"type\":\"a") },
	{ "a comma last", LIT("{\"type\":\"a\",}") },
	{ "a comment", LIT("{\"type\":\"a\"/**/}") },
	{ "single quotes", LIT("{'type':'a'}") },
	{ "a raw newline in a string", LIT("{\"type\":\"a\",\"b\":\"\n\"}") },
	{ "an escape that is none", LIT("{\"type\":\"a\",\"b\":\"\\x41\"}") },
	{ "NaN", LIT("{\"type\":\"a\",\"b\":NaN}") },
	{ "a number like 01", LIT("{\"type\":\"a\",\"b\":01}") },
	{ "a number without end", LIT("{\"type\":\"a\",\"b\":1e999}") },
};

static void
test_good(void)
{
	const char *why;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct d4_meta *m = d4_meta_parse(good[i].json, good[i].len,
		    &why);
		char *text = m == NULL ? NULL : d4_meta_text(m);

		ok(m != NULL && strcmp(d4_meta_type(m), good[i].type) == 0 &&
		    text != NULL && strcmp(text, good[i].text) == 0,
		    "taken: %s", good[i].text);
		if (m == NULL)
			diag("%s", why);
		else if (text != NULL && strcmp(text, good[i].text) != 0)
			diag("text: %s", text);
		free(text);
		d4_meta_free(m);
	}
}

/* Refused, with a line of words; returns the milliseconds it took. */
static double
refuse(const char *what, const char *json, size_t len)
{
	struct d4_meta *m;
	const char *why = NULL;
	clock_t begin = clock();
	char *copy = malloc(len > 0 ? len : 1);

	/* In memory of its own, so that a sanitizer sees a byte too many. */
	if (copy == NULL)
		abort();
	memcpy(copy, json, len);
	m = d4_meta_parse(copy, len, &why);
	ok(m == NULL && why != NULL && *why != '\0' &&
	    strchr(why, '\n') == NULL, "refused: %s (%s)", what,
	    why == NULL ? "taken" : why);
	d4_meta_free(m);
	free(copy);
	return (double)(clock() - begin) * 1000 / CLOCKS_PER_SEC;
}

static void
test_bad(void)
{
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refuse(bad[i].what, bad[i].json, bad[i].len);
}

/* A text of n times open, a middle, n times close. */
static char *
repeat(const char *open, size_t n, const char *middle, const char *close,
    size_t *len)
{
	size_t o = strlen(open), c = strlen(close), m = strlen(middle), i;
	char *text = malloc(n * (o + c) + m + 1), *p = text;

	if (text == NULL)
		abort();
	for (i = 0; i < n; i++, p += o)
		memcpy(p, open, o);
	memcpy(p, middle, m);
	p += m;
	for (i = 0; i < n; i++, p += c)
		memcpy(p, close, c);
	*len = (size_t)(p - text);
	return text;
}

static void
test_large(void)
{
	static const struct {
		const char	*what;
		const char	*open;
		size_t		 n;
		const char	*middle;
		const char	*close;
	} cases[] = {
		{ "100,000 opening brackets", "[", 100000, "", "" },
		{ "1,500 balanced brackets", "[", 1500, "", "]" },
		{ "1,500 balanced, in an object", "{\"a\":", 1500, "1", "}" },
		{ "33,000 times {}", "{}", 33000, "", "" },
		{ "100,000 closing brackets", "]", 100000, "", "" },
		{ "100,000 quotes", "\"", 99999, "", "" },
		{ "100,000 backslashes", "\\", 100000, "", "" },
		{ "100,001 blanks before", " ", 100001,
		    "{\"type\":\"a\"}", "" },
	};
	double ms, most = 0;
	size_t i, len;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = repeat(cases[i].open, cases[i].n,
		    cases[i].middle, cases[i].close, &len);

		ms = refuse(cases[i].what, text, len);
		if (ms > most)
			most = ms;
		free(text);
	}
	/* The limit is for a program on a quiet machine; sanitizers and a
	 * loaded one get ten times that. */
	ok(most < tap_time(250), "the slowest took %.1f ms", most);
}

static bool
takes(const char *json, size_t len)
{
	const char *why;
	struct d4_meta *m = d4_meta_parse(json, len, &why);

	d4_meta_free(m);
	return m != NULL;
}

static void
test_limits(void)
{
	static char text[D4_META_MAX + 2];
	char nested[200];
	int depth;

	memset(text, ' ', sizeof(text));
	memcpy(text, "{\"type\":\"a\"}", 12);
	ok(takes(text, D4_META_MAX), "100,000 bytes are taken");
	ok(!takes(text, D4_META_MAX + 1), "100,001 are not");
	for (depth = 15; depth <= 16; depth++) {
		(void)snprintf(nested, sizeof(nested),
		    "{\"type\":\"a\",\"b\":%.*s%.*s}",
		    depth, "[[[[[[[[[[[[[[[[", depth, "]]]]]]]]]]]]]]]]");
		is(takes(nested, strlen(nested)), depth == 15,
		    "%d levels", depth + 1);
	}
}

/* No byte anywhere makes the parser read or write where it must not; what it
 * takes it takes again from its own canonical form. */
static void
test_bytes(void)
{
	static const char json[] = "{\"type\":\"a\",\"b\":[1,\"\\n\"]}";
	char copy[sizeof(json)];
	const char *why;
	size_t i;
	int c, wrong = 0, taken = 0;

	for (i = 0; i < sizeof(json) - 1; i++) {
		for (c = 0; c < 256; c++) {
			struct d4_meta *m;
			char *out;

			memcpy(copy, json, sizeof(json));
			copy[i] = (char)c;
			m = d4_meta_parse(copy, sizeof(json) - 1, &why);
			if (m == NULL)
				continue;
			taken++;
			out = d4_meta_text(m);
			wrong += out == NULL || !takes(out, strlen(out));
			free(out);
			d4_meta_free(m);
		}
		wrong += takes(json, i);
	}
	ok(taken > 0, "%d changed headers are still taken", taken);
	is(wrong, 0, "each also in canonical form, and no beginning alone");
}

static void
test_members(void)
{
	static const char json[] = "{\"type\":\"a\",\"e\":\"utf-8\","
	    "\"t\":true,\"f\":false,\"n\":1}";
	const char *why;
	struct d4_meta *m = d4_meta_parse(json, sizeof(json) - 1, &why);

	if (m == NULL)
		abort();
	ok(strcmp(d4_meta_string(m, "e", "x"), "utf-8") == 0, "a string");
	ok(strcmp(d4_meta_string(m, "n", "x"), "x") == 0, "another kind");
	ok(strcmp(d4_meta_string(m, "q", "x"), "x") == 0, "an absent one");
	is(d4_meta_bool(m, "t", 7), 1, "true");
	is(d4_meta_bool(m, "f", 7), 0, "false");
	is(d4_meta_bool(m, "e", 7), 7, "neither");
	is(d4_meta_bool(m, "q", 7), 7, "absent");
	d4_meta_free(m);
	d4_meta_free(NULL);
}

int
main(void)
{
	test_good();
	test_bad();
	test_large();
	test_limits();
	test_bytes();
	test_members();
	return tap_done();
}
