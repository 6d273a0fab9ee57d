/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "d4-pibs/bins.h"
#include "d4-pibs/hash.h"

#define SLOTS_MIN	256
#define LINE		8	/* marks of one cache line */

struct bins {
	uint32_t	 width;
	uint64_t	 outside;
	struct hash_key	 key;
	uint64_t	*marks;		/* hashes of target and bin; 0 none */
	size_t		 nmarks;	/* a power of two */
	struct bin	*slots;		/* open table */
	size_t		 nslots, maxslots, n;
	struct bin	*last;		/* found last */
	struct bin	*sorted;	/* a copy, made for readers */
};

struct bins *
bins_new(uint32_t width, size_t memory)
{
	struct bins *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->width = width;
	b->nslots = b->maxslots = SLOTS_MIN;
	/* An eighth for marks.  Growing, there is the half as large table too,
	 * and at the end half of the slots sorted. */
	while (b->maxslots * 3 * sizeof(*b->slots) <= memory / 8 * 7)
		b->maxslots *= 2;
	for (b->nmarks = LINE; b->nmarks * 2 * sizeof(*b->marks) <=
	    memory / 8; )
		b->nmarks *= 2;
	b->slots = calloc(b->nslots, sizeof(*b->slots));
	b->marks = calloc(b->nmarks, sizeof(*b->marks));
	if (b->slots == NULL || b->marks == NULL ||
	    hash_key_new(&b->key) == -1) {
		bins_free(b);
		return NULL;
	}
	return b;
}

void
bins_free(struct bins *b)
{
	if (b == NULL)
		return;
	free(b->slots);
	free(b->marks);
	free(b->sorted);
	free(b);
}

static struct bin *
find(const struct bins *b, struct bin *slots, size_t nslots, uint32_t number)
{
	uint64_t at = hash_word(&b->key, number);

	while (slots[at & (nslots - 1)].used &&
	    slots[at & (nslots - 1)].number != number)
		at++;
	return &slots[at & (nslots - 1)];
}

static int
grow(struct bins *b)
{
	size_t nslots = b->nslots * 2, i;
	struct bin *slots;

	if (b->nslots == b->maxslots ||
	    (slots = calloc(nslots, sizeof(*slots))) == NULL)
		return -1;
	for (i = 0; i < b->nslots; i++) {
		if (b->slots[i].used)
			*find(b, slots, nslots, b->slots[i].number) =
			    b->slots[i];
	}
	free(b->slots);
	b->slots = slots;
	b->nslots = nslots;
	return 0;
}

/* The bin, made if need be; NULL when there are too many. */
static struct bin *
get(struct bins *b, uint32_t number)
{
	struct bin *bin = b->last;

	if (bin != NULL && bin->number == number)
		return bin;
	bin = find(b, b->slots, b->nslots, number);
	if (!bin->used) {
		if (b->n * 2 >= b->nslots) {
			if (grow(b) == -1)
				return NULL;
			bin = find(b, b->slots, b->nslots, number);
		}
		bin->used = 1;
		bin->number = number;
		b->n++;
	}
	b->last = bin;
	return bin;
}

/* Whether the target is new to the bin, as far as is known; then it is not any
 * more.  One that finds no room takes that of another. */
static bool
is_new(struct bins *b, struct addr target, uint32_t number)
{
	uint64_t hash = hash_words(&b->key, hash_words(&b->key, target.hi,
	    target.lo), number), mark = hash | 1;
	uint64_t *line = &b->marks[(hash >> 8) & (b->nmarks - 1) &
	    ~(size_t)(LINE - 1)];
	size_t i;

	for (i = 0; i < LINE && line[i] != 0; i++) {
		if (line[i] == mark)
			return false;
	}
	line[i < LINE ? i : hash >> 1 & (LINE - 1)] = mark;
	return true;
}

void
bins_count(void *arg, const struct answer *w, uint32_t note[2])
{
	struct bins *b = arg;
	uint32_t number = w->sec / b->width, mark = number + 1;
	struct bin *bin = get(b, number);

	if (bin == NULL) {
		b->outside++;
		return;
	}
	bin->packets++;
	if (mark == note[0] || mark == note[1])
		return;
	bin->targets += is_new(b, w->src, number);
	note[1] = note[0];
	note[0] = mark;
}

static int
compare(const void *x, const void *y)
{
	const struct bin *a = x, *b = y;

	return a->number < b->number ? -1 : a->number > b->number;
}

const struct bin *
bins_sorted(struct bins *b, size_t *n)
{
	size_t i;

	*n = 0;
	free(b->sorted);
	b->sorted = malloc((b->n + 1) * sizeof(*b->sorted));
	if (b->sorted == NULL)
		return NULL;
	for (i = 0; i < b->nslots; i++) {
		if (b->slots[i].used)
			b->sorted[(*n)++] = b->slots[i];
	}
	qsort(b->sorted, *n, sizeof(*b->sorted), compare);
	return b->sorted;
}

uint32_t
bins_width(const struct bins *b)
{
	return b->width;
}

uint64_t
bins_outside(const struct bins *b)
{
	return b->outside;
}

void
bins_write(struct bins *b, struct out *o, bool json)
{
	const struct bin *bin;
	size_t n, i;

	bin = bins_sorted(b, &n);
	if (!json)
		out_text(o, "start,packets,targets\n");
	for (i = 0; i < n; i++) {
		unsigned long long start =
		    (unsigned long long)bin[i].number * b->width;
		unsigned long long packets = bin[i].packets;
		unsigned long long targets = bin[i].targets;

		if (json)
			out_printf(o, "{\"start\":%llu,\"packets\":%llu,"
			    "\"targets\":%llu}\n", start, packets, targets);
		else
			out_printf(o, "%llu,%llu,%llu\n", start, packets,
			    targets);
	}
}
