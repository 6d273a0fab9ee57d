/* SPDX-License-Identifier: ISC */

/*
 * The first byte picks the kind of data, the rest is the stream: taken whole,
 * taken in slices whose lengths are bytes of it, and scanned.  Faults may be
 * behind it (faults.h).
 */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/border.h"
#include "t/fuzz/faults.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define PCAP_FILE_LEN	24u		/* bytes of a capture's header */

/* How one pass over a stream went. */
struct pass {
	struct d4_border *b;
	uint8_t		*ends;		/* 1 where a unit ends after a byte */
	size_t		 border;	/* bytes to the last border */
	size_t		 taken;
};

static void
check_state(const struct pass *p)
{
	size_t len;
	const uint8_t *preamble = d4_border_preamble(p->b, &len);

	assert(p->border <= p->taken);
	assert(len <= D4_BORDER_PREAMBLE_MAX);
	assert(len == 0 || preamble != NULL);
	assert(!d4_border_was_preamble(p->b) || len > 0);
}

static void
run(struct pass *p, enum d4_border_kind kind, const uint8_t *data, size_t len,
    bool sliced)
{
	size_t stop = 0;
	ptrdiff_t n;
	bool whole;

	p->ends = calloc(len + 1, 1);
	assert(p->ends != NULL);
	p->border = p->taken = 0;
	faults_on();
	p->b = d4_border_new(kind);
	faults_off();
	assert(p->b != NULL || faults_any());
	/* Nothing is no unit, and no fault. */
	assert(p->b == NULL || (d4_border_step(p->b, data, 0, &whole) == 0 &&
	    !whole));
	while (p->b != NULL && p->taken < len) {
		if (p->taken == stop) {
			stop += sliced ? 1u + data[stop] % 64 : len;
			if (stop > len)
				stop = len;
		}
		faults_on();
		n = d4_border_step(p->b, data + p->taken, stop - p->taken,
		    &whole);
		faults_off();
		assert((n < 0) == (d4_border_fault(p->b)[0] != '\0'));
		if (n < 0)
			break;
		assert(n > 0 && (size_t)n <= stop - p->taken);
		p->taken += (size_t)n;
		assert(whole == d4_border_at(p->b));
		assert(whole || p->taken == stop);
		if (whole) {
			p->border = p->taken;
			p->ends[p->taken] = 1;
		}
		check_state(p);
	}
	/* A fault stays. */
	assert(p->b == NULL || d4_border_fault(p->b)[0] == '\0' ||
	    d4_border_step(p->b, data, len, &whole) == -1);
}

static void
drop(struct pass *p)
{
	d4_border_free(p->b);
	free(p->ends);
}

static void
check_same(const struct pass *p, const struct pass *q, size_t len)
{
	const uint8_t *mine, *theirs;
	size_t mine_len, theirs_len;

	assert(p->border == q->border);
	assert(memcmp(p->ends, q->ends, len + 1) == 0);
	assert(strcmp(d4_border_fault(p->b), d4_border_fault(q->b)) == 0);
	assert(d4_border_was_preamble(p->b) == d4_border_was_preamble(q->b));
	mine = d4_border_preamble(p->b, &mine_len);
	theirs = d4_border_preamble(q->b, &theirs_len);
	assert(mine_len == theirs_len);
	assert(mine_len == 0 || memcmp(mine, theirs, mine_len) == 0);
}

static void
check_scan(const struct pass *p, enum d4_border_kind kind,
    const uint8_t *data, size_t len)
{
	struct d4_border *b = d4_border_new(kind);
	size_t border;
	ptrdiff_t n;

	assert(b != NULL);
	n = d4_border_scan(b, data, len, &border);
	assert(border == p->border || faults_any());
	assert(n < 0 ? d4_border_fault(b)[0] != '\0' : (size_t)n == len);
	d4_border_free(b);
}

/* What looks like a capture's begin is taken for one. */
static void
check_begin(const struct pass *p, enum d4_border_kind kind,
    const uint8_t *data, size_t len)
{
	bool begins = len >= D4_BORDER_BEGIN && d4_border_begins(kind, data);

	if (begins && kind == D4_BORDER_PCAP && len >= PCAP_FILE_LEN &&
	    !faults_any())
		assert(p->border >= PCAP_FILE_LEN);
}

static void
once(const uint8_t *data, size_t len)
{
	enum d4_border_kind kind;
	struct pass whole, sliced;

	if (len == 0)
		return;
	kind = (enum d4_border_kind)(data[0] % (D4_BORDER_IPFIX + 1));
	data++;
	len--;
	run(&whole, kind, data, len, false);
	run(&sliced, kind, data, len, true);
	if (kind != D4_BORDER_OPAQUE && !faults_any())
		check_same(&whole, &sliced, len);
	check_scan(&whole, kind, data, len);
	check_begin(&whole, kind, data, len);
	drop(&whole);
	drop(&sliced);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	faults_run(data, len, once);
	return 0;
}
