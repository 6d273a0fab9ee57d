/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "d4-recv/session.h"
#include "lib/type.h"
#include "t/unit/tap.h"

static struct rules rules;

/* A header of one of two sensors, 'a' and 'b'. */
static struct d4_header
header(char sensor, uint8_t type)
{
	struct d4_header h = { .version = 1, .type = type };

	memset(h.uuid, sensor, sizeof(h.uuid));
	h.uuid[6] = 0x40;
	h.uuid[8] = 0x80;
	return h;
}

static enum d4_refusal
admit(struct session *s, char sensor, uint8_t type)
{
	struct d4_header h = header(sensor, type);

	return session_admit(s, &rules, &h);
}

static void
test_first(void)
{
	struct session s = { .begun = false };
	struct d4_header h = header('a', 1);

	h.uuid[6] = 0x10;
	is(session_admit(&s, &rules, &h), D4_BAD_UUID, "a version 1 uuid");
	memset(h.uuid, 0, sizeof(h.uuid));
	is(session_admit(&s, &rules, &h), D4_BAD_UUID, "a uuid of zeros");
	is(admit(&s, 'a', 9), D4_BAD_TYPE, "a type not accepted");
	is(admit(&s, 'a', 254), D4_NO_META, "254 without a meta header");
	ok(!s.begun, "nothing of them is remembered");
	h = header('a', 1);
	h.version = 77;
	is(session_admit(&s, &rules, &h), D4_OK, "any version is taken");
	ok(s.begun && s.type == 1 && s.uuid[0] == 'a', "and remembered");
}

static void
test_later(void)
{
	struct session s = { .begun = false };
	struct d4_header h = header('a', 1);

	is(admit(&s, 'a', 1), D4_OK, "a session");
	is(admit(&s, 'a', 1), D4_OK, "goes on");
	is(admit(&s, 'b', 1), D4_UUID_CHANGED, "another sensor does not");
	is(admit(&s, 'a', 3), D4_TYPE_CHANGED, "nor another type");
	is(admit(&s, 'a', 2), D4_TYPE_CHANGED, "nor a meta header");
	is(admit(&s, 'a', 254), D4_TYPE_CHANGED, "nor 254");
	is(admit(&s, 'a', 9), D4_BAD_TYPE, "nor one not accepted");
	h.uuid[6] = 0x50;
	is(session_admit(&s, &rules, &h), D4_BAD_UUID, "nor another version");
	is(admit(&s, 'a', 1), D4_OK, "the session itself still does");
	h = header('a', 1);
	h.uuid[15] ^= 1;
	is(session_admit(&s, &rules, &h), D4_UUID_CHANGED,
	    "the last bit of the uuid counts");
}

/* Every pair of types, all accepted. */
static void
test_pairs(void)
{
	struct rules all = { .nmetatypes = 0 };
	int a, b, wrong = 0;

	memset(all.types, true, sizeof(all.types));
	for (a = 0; a < 256; a++) {
		for (b = 0; b < 256 && a != 254; b++) {
			struct session s = { .begun = false };
			struct d4_header h = header('a', (uint8_t)a);
			enum d4_refusal want = a == b || (a == 2 && b == 254) ?
			    D4_OK : D4_TYPE_CHANGED;

			wrong += session_admit(&s, &all, &h) != D4_OK;
			h.type = (uint8_t)b;
			wrong += session_admit(&s, &all, &h) != want;
		}
	}
	is(wrong, 0, "after each type itself, after 2 also 254");
}

static enum d4_refusal
close_with(const char *first, const char *second, const char **why)
{
	struct session s = { .begun = false };
	enum d4_refusal reason;

	if (session_take_meta(&s, (const uint8_t *)first, strlen(first)) !=
	    D4_OK || session_take_meta(&s, (const uint8_t *)second,
	    strlen(second)) != D4_OK)
		abort();
	reason = session_close_meta(&s, &rules, why);
	session_free(&s);
	return reason;
}

static void
test_meta(void)
{
	struct session s = { .begun = false };
	const char *why = NULL;

	is(admit(&s, 'a', 2), D4_OK, "a meta header opens");
	is(admit(&s, 'a', 2), D4_OK, "in parts");
	is(admit(&s, 'b', 254), D4_UUID_CHANGED, "not for another sensor");
	is(admit(&s, 'a', 254), D4_OK, "then its data");
	is(admit(&s, 'a', 254), D4_OK, "and more");
	is(admit(&s, 'a', 2), D4_TYPE_CHANGED, "and no second header");
	is(close_with("{\"type\":\"ja3-jl\"}", "", &why), D4_OK,
	    "an accepted extended type");
	is(close_with("{\"type\":\"ja3", "-jl\"}", &why), D4_OK,
	    "in two parts");
	is(close_with("{\"type\":\"other\"}", "", &why), D4_BAD_TYPE,
	    "one not accepted");
	ok(why != NULL && *why != '\0', "with words");
	is(close_with("{\"type\":\"ja3-jl\"", "", &why), D4_BAD_META,
	    "half a header");
	is(close_with("", "", &why), D4_BAD_META, "none at all");
}

static void
test_meta_size(void)
{
	static uint8_t bytes[D4_META_MAX + 1];
	struct session s = { .begun = false };

	is(session_take_meta(&s, bytes, D4_META_MAX + 1), D4_BAD_META,
	    "a part over the limit");
	is(s.metalen, 0, "leaves nothing");
	is(session_take_meta(&s, bytes, 0), D4_OK, "an empty part");
	is(session_take_meta(&s, bytes, D4_META_MAX - 1), D4_OK, "a large");
	is(session_take_meta(&s, bytes, 2), D4_BAD_META, "one byte too many");
	is(session_take_meta(&s, bytes, 1), D4_OK, "the last that fits");
	is(session_take_meta(&s, bytes, 1), D4_BAD_META, "no further");
	is(session_take_meta(&s, bytes, SIZE_MAX), D4_BAD_META,
	    "nor a length that wraps");
	is(s.metalen, D4_META_MAX, "the limit exactly");
	session_free(&s);
	ok(s.meta == NULL && s.metalen == 0, "free");
	session_free(&s);
}

static void
test_rules(void)
{
	struct rules r = { .nmetatypes = 0 };

	ok(!rules_accept_metatype(&r, "ja3-jl"), "no rule, no extended type");
	is(rules_add_metatype(&r, "b"), 0, "add");
	is(rules_add_metatype(&r, "c"), 0, "add");
	is(rules_add_metatype(&r, "a"), 0, "add in any order");
	is(rules_add_metatype(&r, "../x"), -1, "a path is no name");
	is(rules_add_metatype(&r, ""), -1, "nor is nothing");
	ok(rules_accept_metatype(&r, "a") && rules_accept_metatype(&r, "b") &&
	    rules_accept_metatype(&r, "c"), "all are found");
	ok(!rules_accept_metatype(&r, "d") && !rules_accept_metatype(&r, "") &&
	    !rules_accept_metatype(&r, "aa"), "others are not");
	rules_free(&r);
	ok(!rules_accept_metatype(&r, "a"), "nor after free");
}

int
main(void)
{
	static const uint8_t types[] = { 1, 2, 3, 254 };
	size_t i;

	for (i = 0; i < sizeof(types); i++)
		rules.types[types[i]] = true;
	(void)rules_add_metatype(&rules, "ja3-jl");
	test_first();
	test_later();
	test_pairs();
	test_meta();
	test_meta_size();
	test_rules();
	rules_free(&rules);
	return tap_done();
}
