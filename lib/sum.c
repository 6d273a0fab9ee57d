/* SPDX-License-Identifier: ISC */
#include "lib/bytes.h"
#include "lib/sum.h"

/* Odd, half of its bits set: every bit of a word reaches those above it, and
 * by the shift those below. */
#define FACTOR	UINT64_C(0x9e3779b97f4a7c15)
#define WORD	8

static uint64_t
mix(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * FACTOR;
	return sum ^ sum >> 29;
}

uint64_t
d4_sum_add(uint64_t before, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	uint64_t rest = 0, sum = mix(before, len);

	for (; len >= WORD; at += WORD, len -= WORD)
		sum = mix(sum, d4_get64le(at));
	while (len > 0)
		rest = rest << 8 | at[--len];
	return mix(sum, rest);
}
