/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "d4-pibs/flow.h"

#define BLOCKS_MIN	4

/* -- tallies --------------------------------------------------------------- */

static void
tally_add(struct tally *t, uint32_t key, uint32_t n)
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

/* Where the block of the key is, or the free one where it could be. */
static struct block *
find_block(struct block *blocks, uint32_t max, uint64_t key,
    const struct budget *budget)
{
	uint64_t at = hash_word(&budget->key, key);

	while (blocks[at & (max - 1)].key != key &&
	    blocks[at & (max - 1)].key != 0)
		at++;
	return &blocks[at & (max - 1)];
}

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
			*find_block(blocks, max, b->key, budget) = *b;
	}
	free(d->blocks);
	d->blocks = blocks;
	d->maxblocks = max;
	return 0;
}

static void
add_destination(struct detail *d, uint64_t dst, struct budget *budget)
{
	uint64_t bit = UINT64_C(1) << (dst & 63), *bits;
	struct block *b;

	if (d->nblocks * 4 >= d->maxblocks * 3 &&
	    grow_blocks(d, budget) == -1 && d->maxblocks == 0) {
		d->capped = true;
		return;
	}
	b = find_block(d->blocks, d->maxblocks, (dst >> 8) + 1, budget);
	if (b->key == 0) {
		/* Where it could not grow it fills up, but not to the brim. */
		if (d->nblocks * 8 >= d->maxblocks * 7) {
			d->capped = true;
			return;
		}
		d->nblocks++;
		b->key = (dst >> 8) + 1;
	}
	bits = &b->bits[dst >> 6 & 3];
	d->destinations += (*bits & bit) == 0;
	*bits |= bit;
}

/* -- rates ----------------------------------------------------------------- */

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

static void
add_rate(struct detail *d, uint32_t sec, const struct flow_limits *l)
{
	uint64_t at;
	uint32_t n;

	if (sec - d->begin < l->slide) {
		d->bucket[d->newest]++;
		d->sum++;
		return;
	}
	n = l->window / l->slide;
	at = sec < d->base ? 0 : (sec - d->base) / l->slide;
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

/* -- what a packet says ---------------------------------------------------- */

static void
add_isn(struct isn *n, const struct event *e)
{
	uint32_t seq = e->ack - 1;

	if (n->packets++ == 0) {
		n->first = n->least = n->most = seq;
	} else if (seq < n->least)
		n->least = seq;
	else if (seq > n->most)
		n->most = seq;
	n->same += seq == n->first;
	n->address += e->v4 != 0 && seq == e->v4;
}

static void
add_reporter(struct detail *d, struct addr a)
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

static void
settle(struct detail *d)
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
	if (f->detail != NULL)
		settle(f->detail);
}

/* What a packet of TCP looks like. */
static inline void
add_looks(struct detail *d, const struct event *e)
{
	if (e->flags != d->like_flags || e->window != d->like_window ||
	    e->ttl != d->like_ttl) {
		settle(d);
		d->like_flags = e->flags;
		d->like_window = e->window;
		d->like_ttl = e->ttl;
	}
	d->like++;
}

static void
count(struct detail *d, const struct flow *f, const struct event *e,
    const struct flow_limits *l, struct budget *budget)
{
	add_rate(d, (uint32_t)(e->time / SECOND), l);
	add_destination(d, e->dst, budget);
	if (e->port != 0)
		tally_add(&d->ports, e->port, 1);
	if (e->class == PACKET_ICMP) {
		tally_add(&d->icmp, (uint32_t)e->type << 8 | e->code, 1);
		/* A router's TTL says nothing about the target. */
		if (e->quoted && !addr_equal(e->reporter, f->target))
			add_reporter(d, e->reporter);
		else
			tally_add(&d->ttls, e->ttl, 1);
	} else if (e->class == PACKET_UDP_DNS) {
		tally_add(&d->ttls, e->ttl, 1);
	} else {
		add_looks(d, e);
		if ((e->flags & 0x10) && !e->repeated)
			add_isn(&d->isn, e);
	}
}

struct detail *
flow_detail(struct flow *f, const struct flow_limits *l, struct budget *budget)
{
	struct detail *d = f->detail;
	uint64_t i;

	if (d != NULL)
		return d;
	if (budget->limit - budget->used < sizeof(*d) ||
	    (d = calloc(1, sizeof(*d))) == NULL)
		return NULL;
	budget->used += sizeof(*d);
	d->base = d->begin = (uint32_t)(f->early[0].time / SECOND);
	f->detail = d;
	for (i = 0; i < f->packets && i < FLOW_EARLY; i++)
		count(d, f, &f->early[i], l, budget);
	return d;
}

int
flow_add(struct flow *f, const struct event *e, const struct flow_limits *l,
    struct budget *budget)
{
	if (f->packets < FLOW_EARLY && f->detail == NULL)
		f->early[f->packets] = *e;
	else if (flow_detail(f, l, budget) == NULL)
		return -1;
	if (f->packets == 0 || e->time < f->first)
		f->first = e->time;
	if (f->packets == 0 || e->time > f->last)
		f->last = e->time;
	f->packets++;
	f->bytes += e->bytes;
	f->repeated += e->repeated;
	f->quoted += e->quoted;
	f->mismatched += e->mismatch;
	if (f->detail != NULL)
		count(f->detail, f, e, l, budget);
	return 0;
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
	memset(f, 0, sizeof(*f));
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
