/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "d4/anchor.h"
#include "lib/header.h"

/* A small window must not have every record cut short. */
#define LEAST	((uint64_t)256 << 10)

struct anchor {
	size_t		 snaplen;
	uint64_t	 due;		/* bytes after an anchor, 0: never */
	uint64_t	 second;
	size_t		 shortest;	/* all below are used */
	uint64_t	 since;		/* bytes since the last began */
	uint8_t		 used[];	/* a bit for each length */
};

static size_t
map_len(size_t snaplen)
{
	return snaplen / 8 + 1;
}

struct anchor *
anchor_new(size_t snaplen, size_t window)
{
	struct anchor *a;

	if ((a = calloc(1, sizeof(*a) + map_len(snaplen))) == NULL)
		return NULL;
	a->snaplen = snaplen;
	a->shortest = 1;
	if (window > 0)
		a->due = window / 4 > LEAST ? window / 4 : LEAST;
	return a;
}

void
anchor_free(struct anchor *a)
{
	free(a);
}

void
anchor_second(struct anchor *a, uint64_t second)
{
	if (second == a->second)
		return;
	a->second = second;
	a->shortest = 1;
	memset(a->used, 0, map_len(a->snaplen));
}

bool
anchor_unused(const struct anchor *a, size_t len)
{
	return (a->used[len / 8] & 1u << len % 8) == 0;
}

bool
anchor_take(struct anchor *a, size_t len, bool may_resume)
{
	bool is_one = may_resume && a->due > 0 && anchor_unused(a, len);

	a->used[len / 8] = (uint8_t)(a->used[len / 8] | 1u << len % 8);
	if (is_one)
		a->since = 0;
	a->since += D4_HEADER_LEN + len;
	return is_one;
}

bool
anchor_due(const struct anchor *a)
{
	return a->due > 0 && a->since >= a->due;
}

size_t
anchor_shortest(struct anchor *a)
{
	while (a->shortest <= a->snaplen && !anchor_unused(a, a->shortest))
		a->shortest++;
	return a->shortest <= a->snaplen ? a->shortest : 0;
}

bool
anchor_waits(const struct anchor *a)
{
	return a->due > 0 && a->since >= 2 * a->due;
}
