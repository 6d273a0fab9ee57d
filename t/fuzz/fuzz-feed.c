/* SPDX-License-Identifier: ISC */

/*
 * Headers and records.  The first byte picks the greatest payload, the rest is
 * the stream: taken whole, and in slices whose lengths are bytes of it.  Faults
 * may be behind it (faults.h).
 */

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/feed.h"
#include "lib/header.h"
#include "t/fuzz/faults.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* What one pass handed out. */
struct pass {
	uint8_t		*out;		/* records, one after another */
	size_t		 len;
	size_t		 n;
	size_t		 pending;
	uint32_t	 announced;
	enum d4_refusal	 end;
};

static void
check_header(const uint8_t *bytes)
{
	uint8_t again[D4_HEADER_LEN];
	struct d4_header h;

	d4_header_decode(&h, bytes);
	d4_header_encode(again, &h);
	assert(memcmp(again, bytes, sizeof(again)) == 0);
}

static void
take(struct pass *p, struct d4_feed *feed, uint32_t max)
{
	struct d4_feed_record r;

	while ((p->end = d4_feed_next(feed, &r)) == D4_OK) {
		assert(r.len == D4_HEADER_LEN + (size_t)r.header.size);
		assert(r.header.size <= max);
		check_header(r.bytes);
		memcpy(p->out + p->len, r.bytes, r.len);
		p->len += r.len;
		p->n++;
	}
	assert(p->end == D4_SHORT || p->end == D4_TOO_LARGE);
	if (p->end == D4_TOO_LARGE) {
		assert(r.header.size > max);
		assert(d4_feed_next(feed, &r) == D4_TOO_LARGE);
	}
}

/* 0 when memory is short. */
static size_t
give(struct d4_feed *feed, const uint8_t *data, size_t len, bool more)
{
	uint8_t *at;
	size_t room;

	faults_on();
	room = d4_feed_space(feed, more ? len + 100 : len, &at);
	faults_off();
	if (room == 0 && faults_any())
		return 0;
	assert(room >= len);
	memcpy(at, data, len);
	d4_feed_filled(feed, len);
	return len;
}

static void
run(struct pass *p, uint32_t max, const uint8_t *data, size_t len,
    bool sliced)
{
	struct d4_feed *feed;
	size_t done = 0, n;

	memset(p, 0, sizeof(*p));
	p->end = D4_SHORT;
	faults_on();
	feed = d4_feed_new(max);
	faults_off();
	if (feed == NULL) {
		assert(faults_any());
		return;
	}
	p->out = malloc(len + 1);
	assert(p->out != NULL);
	while (done < len && p->end == D4_SHORT) {
		n = sliced ? 1u + data[done] % 100 : len;
		if (n > len - done)
			n = len - done;
		if ((n = give(feed, data + done, n, data[done] % 2 == 1)) == 0)
			break;
		done += n;
		take(p, feed, max);
		assert(d4_feed_pending(feed) == done - p->len);
		faults_on();
		if (data[done - 1] % 4 == 0)
			d4_feed_idle(feed);
		faults_off();
	}
	assert(memcmp(p->out, data, p->len) == 0);
	p->pending = d4_feed_pending(feed);
	p->announced = d4_feed_announced(feed);
	assert(p->pending >= D4_HEADER_LEN || p->announced == 0);
	d4_feed_free(feed);
}

static void
once(const uint8_t *data, size_t len)
{
	static const uint32_t limits[] = { 0, 100, 4096, D4_PAYLOAD_MAX };
	struct pass whole, sliced;
	uint32_t max;

	if (len == 0)
		return;
	max = limits[data[0] % 4];
	assert(*d4_refusal_str((enum d4_refusal)(data[0] % 16)) !=
	    '\0');
	run(&whole, max, data + 1, len - 1, false);
	run(&sliced, max, data + 1, len - 1, true);
	assert((whole.end == sliced.end && whole.n == sliced.n &&
	    whole.len == sliced.len) || faults_any());
	if (whole.end == D4_SHORT && !faults_any())
		assert(whole.pending == sliced.pending &&
		    whole.announced == sliced.announced);
	free(whole.out);
	free(sliced.out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	faults_run(data, len, once);
	return 0;
}
