/* SPDX-License-Identifier: ISC */
#include "d4/cut.h"
#include "lib/bytes.h"
#include "t/unit/stream.h"
#include "t/unit/tap.h"

/* Hands data over in slices of so many bytes. */
static void
feed(struct cut *c, const void *data, size_t len, size_t slice)
{
	const uint8_t *from = data;
	uint8_t *at;
	size_t n, room;

	for (; len > 0; from += n, len -= n) {
		room = cut_space(c, &at);
		n = slice < room ? slice : room;
		n = n < len ? n : len;
		memcpy(at, from, n);
		if (cut_take(c, n) == -1)
			abort();
	}
}

static struct cut *
make(struct window *w, enum d4_border_kind kind, size_t snaplen, bool drop)
{
	struct cut *c = cut_new(w, kind, 3, snaplen, drop, "test");

	if (c == NULL)
		abort();
	return c;
}

/* The session of all that was added. */
static const char *
sent(struct window *w)
{
	if (window_seal(w) == -1)
		abort();
	(void)take(w, STREAM, STREAM);
	return session();
}

static void
test_lines(void)
{
	struct window *w = make_window(10, 0, 1000);
	struct cut *c = make(w, D4_BORDER_LINES, 10, false);

	nwire = 0;
	feed(c, "a\nbc\nhalf", 9, 100);
	ok(same(sent(w), "|a\nbc\n"), "whole lines go at once, packed");
	is(cut_pending(c), 4, "half a line waits");
	feed(c, " line\n", 6, 1);
	ok(same(sent(w), "|a\nbc\n|half line\n"), "for the other half");
	nwire = 0;
	feed(c, "12345678\n1\n2\n", 13, 100);
	ok(same(sent(w), "|12345678\n|1\n2\n"), "no line is cut to fit");
	nwire = 0;
	feed(c, "x\na line longer than snaplen\ny\n", 31, 100);
	ok(same(sent(w), "|x\n|a line lon|ger than s|naplen\n|y\n"),
	    "one that is too long goes alone");
	nwire = 0;
	feed(c, "rest", 4, 100);
	ok(cut_finish(c) == 0, "the end");
	ok(same(sent(w), "|rest|[]"), "has the rest and the closing record");
	is(cut_bytes(c), 63, "bytes of all");
	is(cut_dropped(c), 0, "none was left out");
	cut_free(c);
	cut_free(NULL);
	window_free(w);
}

/* At each byte: the session after a loss there begins with a line. */
static void
test_resume(void)
{
	static const char text[] = "one\ntwo\nthe third line\n4\n5\n6\n";
	size_t at, bad = 0;

	for (at = 0; at < 600; at++) {
		struct window *w = make_window(8, 0, 100000);
		struct cut *c = make(w, D4_BORDER_LINES, 8, false);
		const char *first;

		nwire = 0;
		feed(c, text, sizeof(text) - 1, 1 + at % 7);
		if (cut_finish(c) == -1 || window_seal(w) == -1)
			abort();
		(void)take(w, at, STREAM);
		(void)reconnect(w);
		(void)take(w, STREAM, STREAM);
		first = session();
		bad += strchr("|", *first) == NULL || (*first == '|' &&
		    strchr("ot456[", first[1]) == NULL) ||
		    strstr(first, "+") != NULL;
		cut_free(c);
		window_free(w);
	}
	is(bad, 0, "no session starts in mid-line");
}

static size_t
put_packet(uint8_t *at, char letter, size_t len)
{
	memset(at, 0, 16);
	d4_put32le(at, 1795220274);
	d4_put32le(at + 8, (uint32_t)len);
	d4_put32le(at + 12, (uint32_t)len);
	memset(at + 16, letter, len);
	return 16 + len;
}

static size_t
put_header(uint8_t *at)
{
	memset(at, 0, 24);
	d4_put32le(at, 0xa1b2c3d4);
	d4_put16le(at + 4, 2);
	d4_put16le(at + 6, 4);
	d4_put32le(at + 16, 262144);
	d4_put32le(at + 20, 1);
	return 24;
}

/* Whether what arrived is a capture by itself: a file header in a record of its
 * own, then whole packets, each record at the border of one.  Returns how many
 * packets, -1 if not. */
static int
packets(bool long_ones)
{
	size_t at = 0, left = 0;
	int n = -1;

	while (at < nwire) {
		const uint8_t *p = wire + at + D4_HEADER_LEN;
		size_t size = d4_get32le(wire + at + D4_SIZE_AT);

		at += D4_HEADER_LEN + size;
		if (at > nwire || (left > 0 && !long_ones))
			return -1;
		if (n == -1) {
			if (size != 24 || d4_get32le(p) != 0xa1b2c3d4)
				return -1;
			n = 0;
			continue;
		}
		while (size > 0) {
			size_t part;

			if (left == 0) {
				left = 16 + d4_get32le(p + 8);
				n++;
			}
			part = left < size ? left : size;
			p += part;
			size -= part;
			left -= part;
		}
	}
	return left == 0 ? n : -1;
}

static void
test_pcap(size_t packet, size_t snaplen, size_t keep)
{
	static uint8_t data[200000];
	size_t len, end, at, slice;
	int i, n, bad = 0, lost = 0;

	len = put_header(data);
	for (i = 0; i < 40; i++)
		len += put_packet(data + len, (char)('a' + i % 26), packet);
	for (slice = 1; slice < 4000; slice = slice * 3 + 1) {
		struct window *w = make_window(snaplen, keep, 1u << 20);
		struct cut *c = make(w, D4_BORDER_PCAP, snaplen, false);

		feed(c, data, len, slice);
		if (window_seal(w) == -1)
			abort();
		end = (size_t)window_end(w);
		for (at = 1, n = 40; at < end; at += 1 + end / 20) {
			nwire = 0;
			(void)take(w, at, STREAM);
			(void)reconnect(w);
		}
		(void)take(w, STREAM, STREAM);
		n = packets(packet > snaplen);
		bad += n == -1;
		(void)reconnect(w);
		(void)take(w, STREAM, STREAM);
		lost += keep >= len + 100 * 62 &&
		    packets(packet > snaplen) != 40;
		cut_free(c);
		window_free(w);
	}
	is(bad, 0, "packets of %zu, snaplen %zu, window %zu: each session is "
	    "a capture", packet, snaplen, keep);
	is(lost, 0, "and none is missing that the window covers");
}

static void
test_other_data(void)
{
	struct window *w = make_window(8, 1000, 10000);
	struct cut *c = make(w, D4_BORDER_PCAP, 8, false);

	nwire = 0;
	feed(c, "this is no capture", 18, 5);
	ok(same(sent(w), "|this |is no| capt|ure"),
	    "what is not of its type is carried all the same");
	(void)cut_finish(c);
	ok(same(sent(w), "|this |is no| capt|ure|[]"), "to its end");
	cut_free(c);
	window_free(w);
}

static void
test_drop(void)
{
	struct window *w = make_window(100, 0, 200);
	struct cut *c = make(w, D4_BORDER_LINES, 100, true);
	static char line[600000];
	int i;

	nwire = 0;
	ok(cut_drops(c), "it drops");
	for (i = 0; i < 10; i++)
		feed(c, "1\n2\n3\n", 6, 100);
	is(cut_dropped(c), 21, "lines that find it full are counted");
	ok(same(sent(w), "|1\n2\n3\n|1\n2\n3\n|1\n2\n3\n"),
	    "the others arrive");
	nwire = 0;
	feed(c, "4\n", 2, 100);
	ok(same(sent(w), "|4\n"), "and what comes later");
	for (i = 0; i < 4; i++)
		feed(c, "0\n", 2, 100);
	memset(line, 'x', sizeof(line));
	feed(c, line, sizeof(line), sizeof(line));
	feed(c, "\n", 1, 1);
	is(cut_dropped(c), 22, "a long line is one");
	is(cut_pending(c), 0, "and is left out whole");
	nwire = 0;
	ok(same(sent(w), "|0\n|0\n|0\n|0\n"), "not a byte of it arrives");
	cut_free(c);
	window_free(w);
}

/* A line without an end must not fill the memory. */
static void
test_endless(void)
{
	struct window *w = make_window(65536, 0, 1u << 20);
	struct cut *c = make(w, D4_BORDER_LINES, 65536, false);
	static char part[65536];
	size_t most = 0, i;

	memset(part, 'x', sizeof(part));
	for (i = 0; i < (192u << 20) / sizeof(part); i++) {
		size_t again;

		feed(c, part, sizeof(part), sizeof(part));
		if (window_seal(w) == -1)
			abort();
		nwire = 0;
		(void)take(w, STREAM, STREAM);
		if (i % 256 == 0) {
			nwire = 0;
			again = reconnect(w);
			most = again > most ? again : most;
			while (nwire = 0, take(w, STREAM / 2, STREAM) > 0)
				continue;
		}
	}
	ok(most > 0 && most < (80u << 20), "at most %zu bytes are kept", most);
	cut_free(c);
	window_free(w);
}

/* Whether the payloads that arrived since, one behind the other, are these. */
static bool
arrived(const uint8_t *want, size_t len)
{
	size_t at, n, size;

	for (at = n = 0; at < nwire; at += D4_HEADER_LEN + size) {
		size = d4_get32le(wire + at + D4_SIZE_AT);
		if (size > len - n || memcmp(wire + at + D4_HEADER_LEN,
		    want + n, size) != 0)
			return false;
		n += size;
	}
	nwire = 0;
	return n == len;
}

/* A writer leaves within a packet, or wrote something else; the next begins a
 * capture. */
static void
test_other_writer(size_t slice)
{
	struct window *w = make_window(4096, 0, 1u << 20);
	struct cut *c = make(w, D4_BORDER_PCAP, 4096, false);
	uint8_t a[200], b[200], other[200];
	size_t alen, blen;

	memset(other, 0xee, sizeof(other));
	alen = put_header(a);
	alen += put_packet(a + alen, 'a', 20);
	blen = put_header(b);
	blen += put_packet(b + blen, 'b', 20);
	nwire = 0;
	feed(c, a, alen, slice);
	feed(c, a + 24, 30, slice);
	(void)sent(w);
	ok(arrived(a, alen), "by %zu: one packet, and the half of another",
	    slice);
	cut_other_writer(c);
	feed(c, b, blen, slice);
	(void)sent(w);
	ok(arrived(b, blen), "which is left out when another capture begins");
	is(cut_pending(c), 0, "nothing waits");
	feed(c, a + 24, 5, slice);
	cut_other_writer(c);
	feed(c, a + 29, alen - 29, slice);
	(void)sent(w);
	ok(arrived(a + 24, alen - 24), "but not when the packet goes on");
	feed(c, other, sizeof(other), slice);
	(void)sent(w);
	nwire = 0;
	cut_other_writer(c);
	feed(c, b, blen, slice);
	feed(c, b + 24, 10, slice);
	(void)sent(w);
	ok(arrived(b, blen), "after what was none, a capture is one again");
	cut_free(c);
	window_free(w);
}

int
main(void)
{
	test_lines();
	test_resume();
	test_pcap(100, 4096, 1u << 20);
	test_pcap(100, 4096, 1000);
	test_pcap(100, 300, 0);
	test_pcap(1500, 128, 1u << 20);
	test_pcap(1500, 128, 0);
	test_other_data();
	test_other_writer(1);
	test_other_writer(300);
	test_drop();
	test_endless();
	d4_mac_key_free(key);
	d4_mac_free(mac);
	return tap_done();
}
