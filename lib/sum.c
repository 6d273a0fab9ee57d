/* SPDX-License-Identifier: ISC */
#include "lib/bytes.h"
#include "lib/sum.h"

/* Odd, half of its bits set: every bit of a word reaches those above it, and
 * by the shift those below. */
#define FACTOR	UINT64_C(0x9e3779b97f4a7c15)
#define WORD	8
#define LANES	4
#define LONG	256

static uint64_t
mix(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * FACTOR;
	return sum ^ sum >> 29;
}

/* One word has to wait for the one before it, so of much there are four sums
 * at a time, of each fourth word. */
static uint64_t
add_long(uint64_t sum, const uint8_t *at, size_t len)
{
	uint64_t a = sum, b = mix(sum, 1), c = mix(sum, 2), d = mix(sum, 3);

	for (; len >= LANES * WORD; at += LANES * WORD, len -= LANES * WORD) {
		a = mix(a, d4_get64le(at));
		b = mix(b, d4_get64le(at + WORD));
		c = mix(c, d4_get64le(at + 2 * WORD));
		d = mix(d, d4_get64le(at + 3 * WORD));
	}
	return mix(mix(mix(mix(sum, a), b), c), d);
}

uint64_t
d4_sum_add(uint64_t before, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	uint64_t rest = 0, sum = mix(before, len);

	if (len >= LONG) {
		sum = add_long(sum, at, len);
		at += len - len % (LANES * WORD);
		len %= LANES * WORD;
	}
	for (; len >= WORD; at += WORD, len -= WORD)
		sum = mix(sum, d4_get64le(at));
	while (len > 0)
		rest = rest << 8 | at[--len];
	return mix(sum, rest);
}
