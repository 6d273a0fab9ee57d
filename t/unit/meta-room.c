/* SPDX-License-Identifier: ISC */

/* The parts of the meta room beyond the header itself (meta.c tests that): the
 * scanner, the checks, the line writer. */

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "lib/meta-line.h"
#include "lib/meta.h"
#include "t/unit/tap.h"

#define LIT(s)	s, sizeof(s) - 1

static const struct {
	const char		*what;
	const char		*text;
	size_t			 len;
	enum d4_meta_state	 state;
} scans[] = {
	{ "nothing", LIT(""), D4_META_MORE },
	{ "white space", LIT(" \t\r\n"), D4_META_MORE },
	{ "an object that has not ended", LIT("{\"a\":{}"), D4_META_MORE },
	{ "an object", LIT("{\"a\":[1,{}]}"), D4_META_WHOLE },
	{ "white space around it", LIT(" {} \n"), D4_META_WHOLE },
	{ "brackets in strings", LIT("{\"}\":\"\\\"}\"}"), D4_META_WHOLE },
	{ "a string that has not ended", LIT("{\"}\\\"}"), D4_META_MORE },
	{ "a list", LIT("["), D4_META_NEVER },
	{ "a string", LIT("\"{}\""), D4_META_NEVER },
	{ "a number", LIT("7"), D4_META_NEVER },
	{ "a closing bracket", LIT("}{}"), D4_META_NEVER },
	{ "two objects", LIT("{}{}"), D4_META_NEVER },
	{ "a byte behind", LIT("{} x"), D4_META_NEVER },
	{ "16 deep", LIT("{[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}"),
	    D4_META_WHOLE },
	{ "17 deep", LIT("{[[[[[[[[[[[[[[[["), D4_META_NEVER },
};

static void
test_scan(void)
{
	size_t i, j, wrong = 0;

	for (i = 0; i < sizeof(scans) / sizeof(scans[0]); i++) {
		struct d4_meta_scan whole = { .depth = 0 };
		struct d4_meta_scan sliced = { .depth = 0 };
		enum d4_meta_state state;

		is(d4_meta_scan(&whole, scans[i].text, scans[i].len),
		    scans[i].state, "scan: %s", scans[i].what);
		state = d4_meta_scan(&sliced, "", 0);
		for (j = 0; j < scans[i].len; j++)
			state = d4_meta_scan(&sliced, scans[i].text + j, 1);
		wrong += state != scans[i].state;
	}
	is(wrong, 0, "scan: the same byte by byte");
}

static void
test_checks(void)
{
	ok(d4_meta_is_value(LIT("true")), "a word is a value");
	ok(d4_meta_is_value(LIT(" [1,\"a\"] ")), "a list is");
	ok(!d4_meta_is_value(LIT("")), "nothing is none");
	ok(!d4_meta_is_value(LIT("1,2")), "two values are none");
	ok(!d4_meta_is_value(LIT("1,\"b\":2")), "nor is a further member");
	ok(!d4_meta_is_value(LIT("{\"a\":1,\"a\":1}")), "nor a key twice");
	ok(!d4_meta_is_value(LIT("[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]")),
	    "nor 17 deep");
	ok(d4_meta_line_is_utf8(LIT("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9d")),
	    "1 to 4 bytes are UTF-8");
	ok(d4_meta_line_is_utf8(LIT("\xed\x9f\xbf\xee\x80\x80"
	    "\xf4\x8f\xbf\xbf")), "so are the borders");
	ok(!d4_meta_line_is_utf8(LIT("\x80")), "a lone continuation is not");
	ok(!d4_meta_line_is_utf8(LIT("\xc0\xaf")), "nor an overlong form");
	ok(!d4_meta_line_is_utf8(LIT("\xe0\x9f\xbf")), "nor one of three");
	ok(!d4_meta_line_is_utf8(LIT("\xf0\x8f\xbf\xbf")), "nor one of four");
	ok(!d4_meta_line_is_utf8(LIT("\xed\xa0\x80")), "nor a surrogate");
	ok(!d4_meta_line_is_utf8(LIT("\xf4\x90\x80\x80")),
	    "nor beyond U+10FFFF");
	ok(!d4_meta_line_is_utf8(LIT("\xe2\x82")), "nor a cut one");
}

/* What the line holds now is the text; empties it. */
static void
line_is(struct d4_meta_line *line, const char *want, const char *name)
{
	size_t len;
	const char *got = d4_meta_line_bytes(line, &len);

	if (!ok(got != NULL && len == strlen(want) &&
	    memcmp(got, want, len) == 0, "line: %s", name))
		diag("got %s", got == NULL ? "nothing" : got);
	d4_meta_line_clear(line);
}

static void
test_line(void)
{
	struct d4_meta_line *line = d4_meta_line_new();

	line_is(line, "", "nothing at first");
	d4_meta_line_end(line);
	line_is(line, "{}\n", "no members");
	d4_meta_line_uint(line, "a", 0);
	d4_meta_line_uint(line, "b", UINT64_MAX);
	d4_meta_line_int(line, "c", INT64_MIN);
	d4_meta_line_int(line, "d", 7);
	d4_meta_line_end(line);
	line_is(line, "{\"a\":0,\"b\":18446744073709551615,"
	    "\"c\":-9223372036854775808,\"d\":7}\n", "whole numbers");
	d4_meta_line_real(line, "a", 0.25, 17);
	d4_meta_line_real(line, "b", 2.0 / 3, 3);
	d4_meta_line_real(line, "c", (double)INFINITY, 17);
	d4_meta_line_real(line, "d", (double)NAN, 17);
	d4_meta_line_end(line);
	line_is(line, "{\"a\":0.25,\"b\":0.667,\"c\":null,\"d\":null}\n",
	    "numbers");
	d4_meta_line_object(line, "o");
	d4_meta_line_list(line, "l");
	d4_meta_line_bool(line, NULL, true);
	d4_meta_line_null(line, NULL);
	d4_meta_line_object(line, NULL);
	d4_meta_line_close(line);
	d4_meta_line_close(line);
	d4_meta_line_json(line, "j", "[1]");
	d4_meta_line_close(line);
	d4_meta_line_bool(line, "z", false);
	d4_meta_line_end(line);
	d4_meta_line_string(line, "next", "line");
	d4_meta_line_end(line);
	line_is(line, "{\"o\":{\"l\":[true,null,{}],\"j\":[1]},\"z\":false}\n"
	    "{\"next\":\"line\"}\n", "objects, lists, two lines");
	d4_meta_line_string(line, "q\"", "\\ \n\x01\x7f/ \xc3\xa9");
	d4_meta_line_string(line, "bad", "a\xff\xc3");
	d4_meta_line_end(line);
	line_is(line, "{\"q\\\"\":\"\\\\ \\u000a\\u0001\\u007f/ \xc3\xa9\","
	    "\"bad\":\"a\\ufffd\\ufffd\"}\n", "escapes");
	d4_meta_line_string(line, "c1", "\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0\x9b");
	d4_meta_line_end(line);
	line_is(line, "{\"c1\":\"\\u0080\\u009b\\u009f\xc2\xa0\\ufffd\"}\n",
	    "escapes of C1");
	d4_meta_line_free(line);
	d4_meta_line_free(NULL);
}

static void
test_depth(void)
{
	struct d4_meta_line *line = d4_meta_line_new();
	const char *text;
	size_t len;
	int i;

	d4_meta_line_object(line, "a");
	for (i = 2; i < D4_META_DEPTH; i++)
		d4_meta_line_object(line, "a");
	d4_meta_line_end(line);
	text = d4_meta_line_bytes(line, &len);
	ok(d4_meta_is_value(text, len), "line: 16 deep");
	d4_meta_line_clear(line);
	for (i = 1; i <= D4_META_DEPTH; i++)
		d4_meta_line_object(line, "a");
	ok(d4_meta_line_bytes(line, &len) == NULL, "line: 17 is told");
	d4_meta_line_clear(line);
	d4_meta_line_end(line);
	line_is(line, "{}\n", "as new after clearing");
	d4_meta_line_free(line);
}

int
main(void)
{
	test_scan();
	test_checks();
	test_line();
	test_depth();
	return tap_done();
}
