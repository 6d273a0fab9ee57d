/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "lib/meta-value.h"
#include "t/unit/tap.h"

static struct d4_meta_value *
parse(const char *text)
{
	const char *why;

	return d4_meta_value_parse(text, strlen(text), &why);
}

static int
count(void *n, const char *text)
{
	(void)text;
	return ++*(int *)n == 2 ? 7 : 0;
}

static int
sum(void *n, const struct d4_meta_value *v)
{
	uint64_t x = 0;

	(void)d4_meta_value_uint(v, "n", &x);
	*(uint64_t *)n += x;
	return 0;
}

static void
test_refusals(void)
{
	static const char *const bad[] = {
		"", "[]", "1", "{", "{\"a\":1,\"a\":2}", "{} {}",
		"{\"a\":\"\xff\"}", "{\"a\":\"b\\u0000c\"}"
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(parse(bad[i]) == NULL, "refused: %zu", i);
}

int
main(void)
{
	struct d4_meta_value *v = parse("{\"s\":\"x\",\"n\":9,\"m\":-1,"
	    "\"r\":1.5,\"b\":true,\"z\":null,"
	    "\"l\":[\"p\",\"q\",\"r\"],\"o\":[{\"n\":3},{\"n\":4}],"
	    "\"mixed\":[1]}");
	const char *s = "as it was";
	uint64_t n = 5, total = 0;
	int yes = 0, seen = 0;

	test_refusals();
	ok(v != NULL, "an object");
	is(d4_meta_value_string(v, "n", &s), -1, "a number is no string");
	is(d4_meta_value_string(v, "z", &s), 1, "null is absent");
	ok(strcmp(s, "as it was") == 0, "and leaves the value");
	is(d4_meta_value_string(v, "s", &s), 0, "a string");
	ok(strcmp(s, "x") == 0, "is x");
	is(d4_meta_value_uint(v, "m", &n), -1, "a negative number");
	is(d4_meta_value_uint(v, "r", &n), -1, "a broken one");
	is(d4_meta_value_uint(v, "no", &n), 1, "an absent one");
	is(n, 5, "leave the value");
	is(d4_meta_value_uint(v, "n", &n), 0, "a number");
	is(n, 9, "is 9");
	is(d4_meta_value_bool(v, "b", &yes), 0, "a truth");
	is(yes, 1, "is true");
	is(d4_meta_value_bool(v, "s", &yes), -1, "a string is none");
	is(d4_meta_value_strings(v, "l", count, &seen), 7,
	    "a callback ends the list");
	is(seen, 2, "at the second");
	is(d4_meta_value_strings(v, "mixed", count, &seen), -1,
	    "a list of numbers is none of strings");
	is(d4_meta_value_strings(v, "s", count, &seen), -1, "nor a string");
	is(d4_meta_value_strings(v, "no", count, &seen), 0, "an absent one");
	is(d4_meta_value_objects(v, "o", sum, &total), 0, "objects");
	is(total, 7, "with their members");
	is(d4_meta_value_objects(v, "l", sum, &total), -1,
	    "strings are no objects");
	d4_meta_value_free(v);
	d4_meta_value_free(NULL);
	return tap_done();
}
