/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "lib/type.h"
#include "t/unit/tap.h"

static void
test_registry(void)
{
	static const uint8_t numbers[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 254 };
	const struct d4_type *list;
	size_t i, n;
	int wrong = 0;

	list = d4_type_list(&n);
	is(n, sizeof(numbers), "ten types are known");
	for (i = 0; i < n && i < sizeof(numbers); i++) {
		const struct d4_type *t = d4_type_get(numbers[i]);

		wrong += list[i].number != numbers[i] || t != &list[i] ||
		    *t->name == '\0' || *t->description == '\0' ||
		    *t->suffix == '\0' || *t->suffix == '.';
	}
	is(wrong, 0, "each has its number, words and a suffix");
	is(d4_type_get(1)->border, D4_BORDER_PCAP, "1 is pcap");
	is(d4_type_get(3)->border, D4_BORDER_LINES, "3 is lines");
	is(d4_type_get(5)->border, D4_BORDER_PCAPNG, "5 is pcapng");
	is(d4_type_get(7)->border, D4_BORDER_IPFIX, "7 is ipfix");
}

static void
test_unknown(void)
{
	int i, wrong = 0;

	for (i = 9; i < 256; i++) {
		const struct d4_type *t = d4_type_get((uint8_t)i);

		wrong += i != 254 && (t == NULL ||
		    strcmp(t->name, "unknown") != 0 ||
		    t->border != D4_BORDER_OPAQUE);
	}
	is(wrong, 0, "every other number is unknown and opaque");
}

static void
test_names(void)
{
	static const char longest[] = "a123456789b123456789c123456789"
	    "d123456789e123456789f123456789g123";
	static const char *const bad[] = {
		"", ".", "..", "../x", "a/b", "/etc", ".hidden", "-x", "_x",
		"A", "ja3-JL", "a b", " a", "a ", "a\n", "a:b", "a%b", "a*",
		"\xc3\xa9", "a\xc3\xa9"
	};
	char text[4];
	size_t i, n;
	int c, wrong = 0;
	const struct d4_type_extended *list = d4_type_extended_list(&n);

	ok(n >= 6, "the extended types of the project are listed");
	for (i = 0; i < n; i++)
		wrong += !d4_type_name_ok(list[i].name, strlen(list[i].name));
	is(wrong, 0, "their names may be names");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (d4_type_name_ok(bad[i], strlen(bad[i])))
			diag("taken: \"%s\"", bad[i]), wrong++;
	}
	is(wrong, 0, "what is unsafe in a path is no name");
	is(strlen(longest), D4_TYPE_NAME_MAX, "the longest has 64 bytes");
	ok(d4_type_name_ok(longest, 64), "64 bytes are taken");
	ok(!d4_type_name_ok("a123456789b123456789c123456789"
	    "d123456789e123456789f123456789g1234", 65), "65 are not");
	ok(!d4_type_name_ok("a\0b", 3) && !d4_type_name_ok("\0", 1) &&
	    !d4_type_name_ok("ab", 3), "NUL is no part of a name");
	for (c = 0; c < 256; c++) {
		bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		bool more = letter || c == '.' || c == '_' || c == '-';

		text[0] = (char)c;
		wrong += d4_type_name_ok(text, 1) != letter;
		text[0] = 'a';
		text[1] = (char)c;
		wrong += d4_type_name_ok(text, 2) != more;
	}
	is(wrong, 0, "each byte first and later: [a-z0-9][a-z0-9._-]");
}

static void
test_follow(void)
{
	int a, b, wrong = 0;

	for (a = 0; a < 256; a++) {
		for (b = 0; b < 256; b++) {
			bool want = a == b || (a == 2 && b == 254);

			wrong += d4_type_may_follow((uint8_t)a,
			    (uint8_t)b) != want;
		}
	}
	is(wrong, 0, "a type follows itself, and 254 follows 2");
}

int
main(void)
{
	test_registry();
	test_unknown();
	test_names();
	test_follow();
	return tap_done();
}
