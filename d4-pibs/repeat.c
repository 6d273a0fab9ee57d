/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "d4-pibs/repeat.h"
#include "d4-pibs/reserve.h"

#define SECONDS		120	/* a SYN/ACK is not sent again later */
#define SLOTS_MIN	512

/* A slot holds the second in its low bits. */
#define SECOND_MASK	((UINT64_C(1) << 20) - 1)

struct repeats *
repeats_new(size_t limit)
{
	struct repeats *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	for (r->nslots = SLOTS_MIN; r->nslots * 2 * sizeof(*r->slots) <=
	    limit; )
		r->nslots *= 2;
	r->slots = reserve(r->nslots * sizeof(*r->slots));
	if (r->slots == NULL) {
		free(r);
		return NULL;
	}
	return r;
}

void
repeats_free(struct repeats *r)
{
	if (r == NULL)
		return;
	unreserve(r->slots, r->nslots * sizeof(*r->slots));
	free(r);
}

/* Whether one of that hash was there before, or a little later: packets are not
 * always in order. */
static inline bool
replace(uint64_t *slot, uint64_t hash, uint32_t sec)
{
	uint64_t old = *slot;

	*slot = (hash & ~SECOND_MASK) | (sec & SECOND_MASK);
	if (((old ^ hash) & ~SECOND_MASK) != 0)
		return false;
	return ((sec - old + SECONDS) & SECOND_MASK) <= 2 * SECONDS;
}

void
repeats_mark(struct repeats *r, struct batch *b, const struct hash_key *key)
{
	const struct synack *s = b->synack;
	uint64_t hash[FRAME_BATCH], *slots = r->slots;
	size_t mask = r->nslots - 1, n = b->nsynacks, i;

	/* Each slot is far away: all are fetched before one is looked at. */
	for (i = 0; i < n; i++) {
		hash[i] = hash_word(key, s[i].same);
		__builtin_prefetch(&slots[hash[i] & mask], 1);
	}
	for (i = 0; i < n; i++) {
		if (replace(&slots[hash[i] & mask], hash[i], s[i].sec))
			b->answer[s[i].answer].marks |= ANSWER_REPEATED;
	}
}
