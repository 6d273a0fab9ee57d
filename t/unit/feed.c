/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "lib/feed.h"
#include "t/unit/tap.h"

#define LIMIT	5000u
#define STREAM	(1u << 18)

static uint8_t stream[STREAM];
static size_t streamlen, nrecords;

/* The same numbers on every machine and in every run. */
static uint32_t
draw(uint32_t below)
{
	static uint32_t state = 12345;

	state = state * 1664525u + 1013904223u;
	return (state >> 8) % below;
}

static size_t
put_header(uint8_t *at, uint32_t size)
{
	struct d4_header h = { .version = 1, .type = 1, .timestamp = 77 };

	h.size = size;
	d4_header_encode(at, &h);
	return D4_HEADER_LEN;
}

/* Records of every kind of length, the least and greatest among them. */
static void
make_stream(void)
{
	static const uint32_t sizes[] = { 0, 1, 61, 62, 63, LIMIT - 1, LIMIT };
	size_t i;

	streamlen = nrecords = 0;
	for (;;) {
		uint32_t size = nrecords < 7 ? sizes[nrecords] :
		    draw(draw(4) == 0 ? LIMIT + 1 : 200);

		if (streamlen + D4_HEADER_LEN + size > sizeof(stream))
			break;
		streamlen += put_header(stream + streamlen, size);
		for (i = 0; i < size; i++)
			stream[streamlen++] = (uint8_t)draw(256);
		nrecords++;
	}
}

/*
 * Feeds the stream in slices of 1 to most bytes (0: all of one length) and
 * compares what comes out with it.  Returns the records that were right.
 */
static size_t
run_slices(size_t least, size_t most)
{
	struct d4_feed *feed = d4_feed_new(LIMIT);
	struct d4_feed_record r;
	size_t in = 0, out = 0, n = 0;
	uint8_t *at;

	while (in < streamlen) {
		size_t len = least + draw((uint32_t)(most - least + 1));

		if (len > streamlen - in)
			len = streamlen - in;
		if (d4_feed_space(feed, len, &at) < len)
			break;
		memcpy(at, stream + in, len);
		d4_feed_filled(feed, len);
		in += len;
		while (d4_feed_next(feed, &r) == D4_OK) {
			if (r.len != D4_HEADER_LEN + (size_t)r.header.size ||
			    memcmp(r.bytes, stream + out, r.len) != 0)
				goto out;
			out += r.len;
			n++;
		}
		if (d4_feed_pending(feed) != in - out)
			break;
	}
	if (d4_feed_pending(feed) != 0 || out != streamlen)
		n = 0;
out:
	d4_feed_free(feed);
	return n;
}

static void
test_slices(void)
{
	static const size_t lens[] = { 1, 2, 61, 62, 63, 100, 4096, STREAM };
	size_t i;
	int wrong = 0;

	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		is(run_slices(lens[i], lens[i]), nrecords,
		    "%zu records in slices of %zu", nrecords, lens[i]);
	for (i = 0; i < 200; i++)
		wrong += run_slices(1, 1 + draw(20000)) != nrecords;
	is(wrong, 0, "and in 200 runs of random slices");
}

/* Memory follows the bytes received, not what a header announces. */
static void
test_growth(void)
{
	struct d4_feed *feed = d4_feed_new(1000000);
	struct d4_feed_record r;
	size_t held, room, most = 0, want = 4096, greedy = 0;
	uint8_t *at;

	room = d4_feed_space(feed, want, &at);
	ok(room >= want && room < 3 * want, "room for what was wanted");
	held = put_header(at, 1000000);
	d4_feed_filled(feed, held);
	while (held < D4_HEADER_LEN + 1000000) {
		size_t len = D4_HEADER_LEN + 1000000 - held;

		if (d4_feed_next(feed, &r) != D4_SHORT)
			break;
		room = d4_feed_space(feed, want, &at);
		if (held + room > most)
			most = held + room;
		if (held + room > 2 * held + 2 * want)
			greedy++;
		len = len > want ? want : len;
		memset(at, 'x', len);
		d4_feed_filled(feed, len);
		held += len;
	}
	is(greedy, 0, "memory is at most twice what was received");
	ok(most <= D4_HEADER_LEN + 1000000 + want,
	    "and ends at the greatest record and what was wanted");
	printf("# %zu bytes at most\n", most);
	is(d4_feed_next(feed, &r), D4_OK, "the greatest record is taken");
	is(r.len, D4_HEADER_LEN + 1000000, "it is whole");
	d4_feed_free(feed);
}

static void
test_too_large(void)
{
	struct d4_feed *feed = d4_feed_new(LIMIT);
	struct d4_feed_record r;
	uint8_t *at;

	d4_feed_space(feed, 4096, &at);
	put_header(at, 3);
	memcpy(at + D4_HEADER_LEN, "abc", 3);
	put_header(at + D4_HEADER_LEN + 3, LIMIT + 1);
	d4_feed_filled(feed, 2 * D4_HEADER_LEN + 3 - 1);
	is(d4_feed_next(feed, &r), D4_OK, "a good record first");
	is(d4_feed_next(feed, &r), D4_SHORT, "then a header but one byte");
	d4_feed_space(feed, 4096, &at);
	/* The last byte of size, which is little-endian. */
	*at = 0;
	d4_feed_filled(feed, 1);
	memset(&r, 0, sizeof(r));
	is(d4_feed_next(feed, &r), D4_TOO_LARGE, "its size is over the limit");
	is(r.header.size, LIMIT + 1, "the header is shown");
	d4_feed_space(feed, LIMIT * 2, &at);
	memset(at, 0, LIMIT * 2);
	d4_feed_filled(feed, LIMIT * 2);
	is(d4_feed_next(feed, &r), D4_TOO_LARGE, "more bytes do not help");
	is(d4_feed_next(feed, &r), D4_TOO_LARGE, "nor asking again");
	d4_feed_free(feed);

	feed = d4_feed_new(UINT32_MAX);
	d4_feed_space(feed, 100, &at);
	put_header(at, UINT32_MAX);
	d4_feed_filled(feed, D4_HEADER_LEN);
	is(d4_feed_next(feed, &r), D4_SHORT, "4 GiB announced cost nothing");
	d4_feed_free(feed);
}

static void
test_idle(void)
{
	struct d4_feed *feed = d4_feed_new(LIMIT);
	struct d4_feed_record r;
	uint8_t *at;

	d4_feed_idle(feed);
	is(d4_feed_pending(feed), 0, "a new feed holds nothing");
	is(d4_feed_next(feed, &r), D4_SHORT, "and has no record");
	d4_feed_space(feed, 100, &at);
	put_header(at, 3);
	d4_feed_filled(feed, D4_HEADER_LEN);
	d4_feed_idle(feed);
	is(d4_feed_pending(feed), D4_HEADER_LEN, "idle keeps what is pending");
	d4_feed_space(feed, 3, &at);
	memcpy(at, "abc", 3);
	d4_feed_filled(feed, 3);
	is(d4_feed_next(feed, &r), D4_OK, "the record is whole after it");
	ok(memcmp(r.bytes + D4_HEADER_LEN, "abc", 3) == 0, "and right");
	d4_feed_idle(feed);
	is(d4_feed_next(feed, &r), D4_SHORT, "given back");
	ok(d4_feed_space(feed, 10, &at) < 100, "memory begins anew");
	d4_feed_free(feed);
	d4_feed_free(NULL);
}

int
main(void)
{
	make_stream();
	test_slices();
	test_growth();
	test_too_large();
	test_idle();
	return tap_done();
}
