/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "lib/sum.h"
#include "t/unit/tap.h"

#define LEN	600

static uint8_t bytes[LEN];

static int
by_value(const void *a, const void *b)
{
	const uint64_t *one = a, *other = b;

	return *one < *other ? -1 : *one > *other;
}

/* How many of the sums are as another one. */
static int
equals(uint64_t *sums, size_t n)
{
	int same = 0;
	size_t i;

	qsort(sums, n, sizeof(*sums), by_value);
	for (i = 1; i < n; i++)
		same += sums[i] == sums[i - 1];
	return same;
}

static void
test_bits(size_t len)
{
	static uint64_t sums[LEN * 8 + 1];
	size_t i, n = 0;

	sums[n++] = d4_sum_add(1, bytes, len);
	for (i = 0; i < len * 8; i++) {
		bytes[i / 8] ^= (uint8_t)(1u << i % 8);
		sums[n++] = d4_sum_add(1, bytes, len);
		bytes[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	is(equals(sums, n), 0, "a bit of %zu bytes makes another sum", len);
}

/* Words that changed their places, each pair of them. */
static void
test_order(void)
{
	static uint64_t sums[LEN / 8 * LEN / 8];
	uint8_t one[8];
	size_t i, j, n = 0;

	for (i = 0; i < LEN; i += 8) {
		for (j = 0; j < i; j += 8) {
			memcpy(one, bytes + i, 8);
			memcpy(bytes + i, bytes + j, 8);
			memcpy(bytes + j, one, 8);
			sums[n++] = d4_sum_add(1, bytes, LEN);
			memcpy(bytes + j, bytes + i, 8);
			memcpy(bytes + i, one, 8);
		}
	}
	is(equals(sums, n), 0, "so do words in another order");
}

static void
test_lengths(void)
{
	static const uint8_t zeros[LEN];
	uint64_t sums[LEN + 1];
	size_t i;

	for (i = 0; i <= LEN; i++)
		sums[i] = d4_sum_add(0, zeros, i);
	is(equals(sums, LEN + 1), 0, "and zeros, by how many they are");
	for (i = 0; i < LEN; i++)
		sums[i] = d4_sum_add(i, bytes, LEN);
	is(equals(sums, LEN), 0, "and what was before");
}

int
main(void)
{
	size_t i;

	for (i = 0; i < LEN; i++)
		bytes[i] = (uint8_t)(i * i * 31 >> 5);
	test_bits(7);
	test_bits(255);
	test_bits(256);
	test_bits(LEN - 1);
	test_order();
	test_lengths();
	return tap_done();
}
