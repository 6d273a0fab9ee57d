/* SPDX-License-Identifier: ISC */
#include "lib/bytes.h"
#include "t/unit/stream.h"
#include "t/unit/tap.h"

#define RECORD(text)	(D4_HEADER_LEN + sizeof(text) - 1)

/* A record in the present second. */
static void
add_now(struct window *w, const char *text, int flags)
{
	if (window_add(w, 3, text, strlen(text), flags) == -1 ||
	    window_seal(w) == -1)
		abort();
}

/* One in a second of its own, and so an anchor where a unit begins. */
static void
add(struct window *w, const char *text, int flags)
{
	static uint64_t second = TIME;

	window_clock(w, ++second);
	add_now(w, text, flags);
}

static void
test_order(void)
{
	struct window *w = make_window(100, 1000, 1000);
	const uint8_t *at;

	nwire = 0;
	is(window_next(w, 0, &at), 0, "an empty window has nothing");
	add(w, "one", WINDOW_END);
	add(w, "two", WINDOW_END);
	is(take(w, STREAM, 1), 2 * RECORD("one"), "all goes out, by bytes");
	ok(same(session(), "|one|two"), "in order and sealed");
	is(window_waiting(w), 0, "nothing waits");
	is(window_records(w), 2, "two records");
	add(w, "three", WINDOW_END);
	is(window_waiting(w), RECORD("three"), "the next waits");
	is(window_end(w) - window_reached(w), RECORD("three"),
	    "and was never sent");
	window_free(w);
	window_free(NULL);
}

static void
test_opening(void)
{
	struct window *w = make_window(100, 1000, 1000);
	uint8_t first[D4_HEADER_LEN];

	nwire = 0;
	ok(window_add_opening(w, 2, NULL, 0) == 0 &&
	    window_add_opening(w, 2, "{}", 2) == 0, "an opening");
	take(w, STREAM, STREAM);
	ok(same(session(), "|2:[]|2:{}"), "goes out by itself");
	memcpy(first, wire, sizeof(first));
	add(w, "data", WINDOW_END);
	take(w, STREAM, STREAM);
	ok(same(session(), "|2:[]|2:{}|data"), "before the data");
	is(reconnect(w), RECORD("data"), "the data is sent again");
	take(w, STREAM, STREAM);
	ok(same(session(), "|2:[]|2:{}|data"), "behind the opening");
	ok(memcmp(first, wire, sizeof(first)) == 0,
	    "of the same bytes");
	(void)reconnect(w);
	take(w, 70, STREAM);
	(void)reconnect(w);
	take(w, STREAM, 7);
	ok(same(session(), "|2:[]|2:{}|data"),
	    "also where the first was cut off within");
	window_free(w);
}

/* Whatever was sent of it, a session resumes at the border of a unit, and
 * keeps what it is to keep. */
static void
test_resume(void)
{
	size_t cut, all = 3 * RECORD("a1") + 2 * RECORD("b1");
	struct window *w;

	for (cut = 0; cut <= all; cut++) {
		w = make_window(100, 0, 1000);
		nwire = 0;
		add(w, "a1", 0);
		add(w, "a2", 0);
		add(w, "a3", WINDOW_END);
		add(w, "b1", 0);
		add(w, "b2", WINDOW_END);
		take(w, cut, 5);
		(void)reconnect(w);
		take(w, STREAM, STREAM);
		if (!same(session(), cut < 3 * RECORD("a1") ?
		    "|a1|a2|a3|b1|b2" : cut < all ? "|b1|b2" : ""))
			break;
		window_free(w);
	}
	is(cut, all + 1, "window 0: resumed at the unit that was not sent");
}

/* The timestamp of the session's first record. */
static uint64_t
hello_time(void)
{
	return nwire < D4_HEADER_LEN ? 0 : d4_get64le(wire + D4_TIMESTAMP_AT);
}

static void
test_hello(void)
{
	struct window *w = make_window(100, 0, 1000);
	uint64_t first, second;

	nwire = 0;
	if (window_add_opening(w, 3, NULL, 0) == -1)
		abort();
	add_now(w, "a", WINDOW_END);
	take(w, STREAM, STREAM);
	first = hello_time();
	(void)reconnect(w);
	add_now(w, "b", WINDOW_END);
	take(w, STREAM, STREAM);
	second = hello_time();
	ok(same(session(), "|[]|b"), "window 0: another hello");
	ok(first == TIME && second == TIME + 1, "a second later");
	is(window_hello_time(w), TIME + 1, "which is known");
	(void)reconnect(w);
	add(w, "c", WINDOW_END);
	take(w, STREAM, STREAM);
	ok(same(session(), "|[]|c") && hello_time() > second,
	    "and another for the next session");
	window_free(w);
}

static void
test_keep(void)
{
	struct window *w = make_window(100, 3 * RECORD("00"), 100000);
	char text[16];
	int i;

	nwire = 0;
	for (i = 0; i < 50; i++) {
		(void)snprintf(text, sizeof(text), "%02d", i);
		add(w, text, WINDOW_END);
	}
	take(w, STREAM, STREAM);
	is(reconnect(w), 3 * RECORD("00"), "the last three are kept");
	take(w, STREAM, STREAM);
	ok(same(session(), "|47|48|49"), "and sent again");
	is(reconnect(w), 3 * RECORD("00"), "as often as it takes");
	add(w, "50", WINDOW_END);
	take(w, RECORD("00") + 1, STREAM);
	is(reconnect(w), RECORD("00") + 1, "cut off within");
	take(w, STREAM, STREAM);
	ok(same(session(), "|47|48|49|50"), "none is missing");
	window_free(w);
}

static void
test_unacked(void)
{
	struct window *w = make_window(100, 2 * RECORD("00"), 100000);
	char text[16];
	int i;

	nwire = 0;
	for (i = 0; i < 10; i++) {
		(void)snprintf(text, sizeof(text), "%02d", i);
		add(w, text, WINDOW_END);
	}
	take(w, STREAM, STREAM);
	window_unacked(w, 3 * RECORD("00") + 1);
	is(window_kept(w), 6 * RECORD("00"),
	    "kept: what was not acknowledged, half a record, and the window");
	window_unacked(w, 100 * RECORD("00"));
	is(window_kept(w), 6 * RECORD("00"), "an old word changes nothing");
	nwire = 0;
	if (window_rewind(w) == -1)
		abort();
	take(w, RECORD("00"), STREAM);
	window_unacked(w, 0);
	is(window_kept(w), RECORD("00"),
	    "what was acknowledged before stays so in the next session");
	take(w, STREAM, STREAM);
	ok(same(session(), "|04|05|06|07|08|09"), "which has them all");
	window_unacked(w, 0);
	is(window_kept(w), 2 * RECORD("00"), "then the window is kept");
	window_free(w);
}

/* Equal records in one second are no place to resume at. */
static void
test_anchors(void)
{
	struct window *w = make_window(100, 2 * RECORD("00"), 100000);
	int i;

	nwire = 0;
	for (i = 0; i < 10; i++)
		add_now(w, "same", WINDOW_END);
	take(w, STREAM, STREAM);
	is(reconnect(w), 10 * RECORD("same"), "kept from the stream's start");
	add_now(w, "longer", WINDOW_END);
	for (i = 0; i < 3; i++)
		add_now(w, "same", WINDOW_END);
	take(w, STREAM, STREAM);
	(void)reconnect(w);
	take(w, STREAM, STREAM);
	ok(same(session(), "|longer|same|same|same"), "a length of its own");
	add_now(w, "ab", 0);
	add_now(w, "abc", WINDOW_END);
	for (i = 0; i < 3; i++)
		add_now(w, "same", WINDOW_END);
	take(w, STREAM, STREAM);
	(void)reconnect(w);
	take(w, STREAM, STREAM);
	ok(same(session(), "|ab|abc|same|same|same"),
	    "only where a unit begins");
	window_clock(w, TIME + 1);
	add_now(w, "P", WINDOW_PREAMBLE | WINDOW_RESET | WINDOW_END);
	for (i = 0; i < 5; i++)
		add_now(w, "same", WINDOW_END);
	take(w, STREAM, STREAM);
	(void)reconnect(w);
	take(w, STREAM, STREAM);
	ok(same(session(), "|P|same|same|same|same|same"),
	    "not in the preamble, but behind it in another second");
	window_clock(w, TIME);
	add_now(w, "same", WINDOW_END);
	ok(d4_get64le(wire + D4_TIMESTAMP_AT) == TIME + 1,
	    "time does not go back");
	window_free(w);
}

static void
test_preamble(void)
{
	struct window *w = make_window(100, 0, 100000);

	nwire = 0;
	add(w, "S", WINDOW_PREAMBLE | WINDOW_RESET | WINDOW_END);
	add(w, "I", WINDOW_PREAMBLE | WINDOW_END);
	add(w, "p1", WINDOW_END);
	(void)reconnect(w);
	take(w, STREAM, STREAM);
	ok(same(session(), "|S|I|p1"), "a preamble");
	add(w, "p2", WINDOW_END);
	(void)reconnect(w);
	take(w, STREAM, STREAM);
	ok(same(session(), "|S|I|p2"), "opens every later session");
	add(w, "J", WINDOW_PREAMBLE | WINDOW_END);
	add(w, "p3", WINDOW_END);
	take(w, RECORD("J") + 1, STREAM);
	(void)reconnect(w);
	take(w, STREAM, STREAM);
	ok(same(session(), "|S|I|J|p3"), "with what was added to it");
	add(w, "T", WINDOW_PREAMBLE | WINDOW_RESET | WINDOW_END);
	add(w, "q1", WINDOW_END);
	(void)reconnect(w);
	take(w, STREAM, STREAM);
	ok(same(session(), "|T|q1"), "until another begins");
	add(w, "q2", WINDOW_END);
	(void)reconnect(w);
	take(w, STREAM, STREAM);
	ok(same(session(), "|T|q2"), "which then is the preamble");
	window_free(w);
}

/* A preamble that begins just where the window's memory goes on elsewhere. */
static void
test_preamble_border(void)
{
	int n, bad = 0;

	for (n = 1000; n < 1030; n++) {
		struct window *w = make_window(100, 0, 1u << 20);
		int i;

		nwire = 0;
		add(w, "S", WINDOW_PREAMBLE | WINDOW_RESET | WINDOW_END);
		for (i = 1; i < n; i++)
			add(w, "p", WINDOW_END);
		take(w, STREAM, STREAM);
		add(w, "T", WINDOW_PREAMBLE | WINDOW_RESET | WINDOW_END);
		add(w, "q", WINDOW_END);
		(void)reconnect(w);
		take(w, STREAM, STREAM);
		bad += !same(session(), "|T|q");
		window_free(w);
	}
	is(bad, 0, "one preamble a session, wherever it lies");
}

static void
test_full(void)
{
	struct window *w = make_window(100, 1000, 2 * RECORD("one"));

	nwire = 0;
	ok(!window_full(w), "an empty window");
	add(w, "one", WINDOW_END);
	ok(!window_full(w), "a part of the buffer");
	add(w, "two", WINDOW_END);
	ok(window_full(w), "all of it");
	take(w, 1, STREAM);
	ok(!window_full(w), "not when a byte is sent");
	take(w, STREAM, STREAM);
	(void)reconnect(w);
	is(window_waiting(w), 2 * RECORD("one"), "what is sent again waits");
	ok(!window_full(w), "but takes no room of what is new");
	window_free(w);
}

/* How many numbers a session has, each one more than that before and the last
 * one equal to last; -1 if not. */
static int
count(const char *at, int last)
{
	int n = 0, number = -1;

	for (; *at == '|'; n++) {
		if (n > 0 && atoi(at + 1) != number + 1)
			return -1;
		number = atoi(at + 1);
		at += 1 + strspn(at + 1, "0123456789");
	}
	return *at == '\0' && number == last ? n : -1;
}

static void
test_long_run(void)
{
	struct window *w = make_window(4096, 100000, 200000);
	int i, n, cuts = 0, bad = 0, most = 0;
	char text[16];

	for (i = 0; i < 200000; i++) {
		(void)snprintf(text, sizeof(text), "%06d", i);
		add(w, text, WINDOW_END);
		nwire = 0;
		(void)take(w, (size_t)(i % 150), STREAM);
		window_unacked(w, 0);
		if (i % 4999 != 0)
			continue;
		(void)reconnect(w);
		(void)take(w, STREAM, STREAM);
		n = count(session(), i);
		bad += n == -1 || (n < 100000 / 68 && n != i + 1);
		most = n > most ? n : most;
		cuts++;
	}
	ok(bad == 0 && cuts == 41, "%d cuts, nothing is missing", cuts);
	ok(most < 300000 / 68 + 2, "and no more is kept than it says");
	window_free(w);
}

int
main(void)
{
	test_order();
	test_opening();
	test_resume();
	test_hello();
	test_keep();
	test_unacked();
	test_anchors();
	test_preamble();
	test_preamble_border();
	test_full();
	test_long_run();
	d4_mac_key_free(key);
	d4_mac_free(mac);
	return tap_done();
}
