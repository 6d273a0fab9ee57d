/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "d4-pibs/flow-add.h"

#define BLOCKS_MIN	4

/* What comes seldom stays out of the way of what comes with each packet. */
#define SELDOM	__attribute__((noinline, cold))

/* -- tallies --------------------------------------------------------------- */

void
tally_search(struct tally *t, uint32_t key, uint32_t n)
{
	struct tally_entry *e = t->entry, swap;
	uint32_t i;

	for (i = 0; i < t->n; i++) {
		if (e[i].key == key)
			break;
	}
	if (i == FLOW_VALUES) {
		/* Near enough the rarest: the frequent move away from here. */
		t->lost = e[--i].count;
		e[i].key = key;
	} else if (i == t->n)
		e[t->n++] = (struct tally_entry){ .key = key };
	e[i].count = UINT32_MAX - e[i].count < n ? UINT32_MAX :
	    e[i].count + n;
	if (i > 0 && e[i].count > e[i - 1].count) {
		swap = e[i];
		e[i] = e[i - 1];
		e[i - 1] = swap;
	}
}

static int
compare(const void *a, const void *b)
{
	const struct tally_entry *x = a, *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return x->key < y->key ? -1 : x->key > y->key;
}

void
tally_sort(struct tally *t)
{
	qsort(t->entry, t->n, sizeof(*t->entry), compare);
}

/* -- destinations ---------------------------------------------------------- */

/* Twice as many blocks, while there is room for them. */
static int
grow_blocks(struct detail *d, struct budget *budget)
{
	uint32_t max = d->maxblocks == 0 ? BLOCKS_MIN : d->maxblocks * 2, i;
	size_t more = (max - d->maxblocks) * sizeof(*d->blocks);
	struct block *blocks;

	if (max > FLOW_BLOCKS || budget->limit - budget->used < more ||
	    (blocks = calloc(max, sizeof(*blocks))) == NULL)
		return -1;
	budget->used += more;
	for (i = 0; i < d->maxblocks; i++) {
		const struct block *b = &d->blocks[i];

		if (b->key != 0)
			*find_block(blocks, max, b->key, (uint32_t)hash_word(
			    &budget->key, b->key)) = *b;
	}
	free(d->blocks);
	d->blocks = blocks;
	d->maxblocks = max;
	return 0;
}

/* A block for a key that has none; NULL when there is no room for it. */
SELDOM struct block *
flow_new_block(struct detail *d, uint64_t key, uint32_t at,
    struct budget *budget)
{
	struct block *b;

	if (d->nblocks * 4 >= d->maxblocks * 3)
		(void)grow_blocks(d, budget);
	/* Where it could not grow it fills up, but not to the brim, where a
	 * search would have no end. */
	if (d->nblocks + 1 >= d->maxblocks ||
	    d->nblocks * 8 >= d->maxblocks * 7)
		return NULL;
	d->nblocks++;
	b = find_block(d->blocks, d->maxblocks, key, at);
	b->key = key;
	return b;
}

/* -- rates ----------------------------------------------------------------- */

static void
add_fresh(struct detail *d)
{
	d->bucket[d->newest] += d->fresh;
	d->sum += d->fresh;
	d->fresh = 0;
}

/* Slides of the window as corsaro: counted from the first packet's second, the
 * best sum taken before each step.  A late packet counts where it belongs. */
static void
step_rate(struct detail *d, uint64_t at, const struct flow_limits *l,
    uint32_t n)
{
	if (d->sum > d->peak)
		d->peak = d->sum;
	if (at - d->bucket_at >= n) {
		memset(d->bucket, 0, sizeof(d->bucket));
		d->sum = 0;
		d->bucket_at = at;
	}
	while (d->bucket_at < at) {
		uint32_t *old = &d->bucket[++d->bucket_at % n];

		d->sum -= *old;
		*old = 0;
	}
	d->newest = (uint32_t)(at % n);
	d->begin = d->base + (uint32_t)(at * l->slide);
}

SELDOM void
flow_add_elsewhere(struct detail *d, uint32_t sec, const struct flow_limits *l)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): no slide is 0 */
	uint32_t n = l->window / l->slide;
	uint64_t at = sec < d->base ? 0 : (sec - d->base) / l->slide;

	add_fresh(d);
	if (at > d->bucket_at)
		step_rate(d, at, l, n);
	if (d->bucket_at - at < n) {
		d->bucket[at % n]++;
		d->sum++;
	}
}

uint64_t
flow_ppm(const struct flow *f, const struct flow_limits *l)
{
	uint64_t peak = f->packets;

	if (f->detail != NULL)
		peak = f->detail->peak > f->detail->sum ? f->detail->peak :
		    f->detail->sum;
	return peak * 60 / l->window;
}

/* -- packets kept as they came --------------------------------------------- */

SELDOM void
flow_keep(struct flow *f, const struct answer *w, const struct addr *reporter)
{
	struct event *e = &f->early[f->packets];

	*e = (struct event){
		.time = w->time, .dst = w->dst, .bytes = w->bytes,
		.ack = w->ack, .port = w->port, .window = w->window,
		.class = w->class, .flags = w->flags, .ttl = w->ttl,
		.type = w->type, .code = w->code, .marks = w->marks
	};
	if (w->marks & ANSWER_QUOTED)
		e->reporter = *reporter;
}

/* What count() takes of the answer again. */
static struct answer
answer_of(const struct event *e, const struct budget *budget)
{
	return (struct answer){
		.spot = answer_spot(e->dst, &budget->key), .dst = e->dst,
		.sec = (uint32_t)(e->time / SECOND), .class = e->class,
		.flags = e->flags, .port = e->port, .window = e->window,
		.ack = e->ack, .ttl = e->ttl, .type = e->type,
		.code = e->code, .marks = e->marks
	};
}

/* -- what a packet says ---------------------------------------------------- */

void
flow_add_reporter(struct detail *d, struct addr a)
{
	uint32_t i;

	for (i = 0; i < d->nreporters; i++) {
		if (addr_equal(d->reporter[i].addr, a)) {
			d->reporter[i].packets++;
			return;
		}
	}
	if (i == FLOW_VALUES)
		d->morereporters++;
	else
		d->reporter[d->nreporters++] = (struct reporter){ a, 1 };
}

SELDOM void
flow_add_likes(struct detail *d)
{
	if (d->like == 0)
		return;
	tally_add(&d->flags, d->like_flags, d->like);
	tally_add(&d->windows, d->like_window, d->like);
	tally_add(&d->ttls, d->like_ttl, d->like);
	d->like = 0;
}

void
flow_settle(struct flow *f)
{
	if (f->detail == NULL)
		return;
	add_fresh(f->detail);
	flow_add_likes(f->detail);
}

SELDOM struct detail *
flow_make_detail(struct flow *f, const struct flow_limits *l,
    struct budget *budget)
{
	struct detail *d;
	uint64_t i;

	if (budget->limit - budget->used < sizeof(*d) ||
	    (d = calloc(1, sizeof(*d))) == NULL)
		return NULL;
	budget->used += sizeof(*d);
	d->base = d->begin = (uint32_t)(f->early[0].time / SECOND);
	f->detail = d;
	for (i = 0; i < f->packets && i < FLOW_EARLY; i++) {
		struct answer w = answer_of(&f->early[i], budget);

		count(d, f, &w, &f->early[i].reporter, l, budget);
	}
	return d;
}

void
flow_clear(struct flow *f, struct budget *budget)
{
	if (f->detail != NULL) {
		budget->used -= sizeof(*f->detail) +
		    f->detail->maxblocks * sizeof(*f->detail->blocks);
		free(f->detail->blocks);
		free(f->detail);
	}
	f->detail = NULL;
	f->used = false;
}

bool
flow_is_attack(struct flow *f, const struct flow_limits *l,
    struct budget *budget)
{
	if (f->packets < l->packets ||
	    f->last - f->first < l->duration * SECOND)
		return false;
	/* With thresholds this low the early packets may be all. */
	if (flow_detail(f, l, budget) == NULL)
		return false;
	flow_settle(f);
	return flow_ppm(f, l) >= l->ppm;
}
