/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "d4-pibs/flow.h"

#define BLOCKS_MIN	4

/* What comes seldom stays out of the way of what comes with each packet. */
#define SELDOM	static __attribute__((noinline, cold))

/* -- tallies --------------------------------------------------------------- */

static __attribute__((noinline)) void
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

/* Most often it is the first. */
static inline void
tally_add(struct tally *t, uint32_t key, uint32_t n)
{
	struct tally_entry *first = t->entry;

	if (first->key == key && t->n > 0 && UINT32_MAX - first->count >= n)
		first->count += n;
	else
		tally_search(t, key, n);
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

/* Where the block of the key is, or the free one where it could be.  The first
 * two are looked at without a branch between them: which it is nobody could
 * guess, but it is one of them nearly always. */
static inline struct block *
find_block(struct block *blocks, uint32_t max, uint64_t key, uint32_t at)
{
	uint64_t first = blocks[at & (max - 1)].key;

	at += (first != key) & (first != 0);
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
new_block(struct detail *d, uint64_t key, uint32_t at, struct budget *budget)
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

static inline void
add_destination(struct detail *d, uint64_t dst, uint32_t at,
    struct budget *budget)
{
	uint64_t key = (dst >> 8) + 1;
	uint64_t bit = UINT64_C(1) << (dst & 63), *bits;
	struct block *b = d->maxblocks == 0 ? NULL :
	    find_block(d->blocks, d->maxblocks, key, at);

	if ((b == NULL || b->key == 0) &&
	    (b = new_block(d, key, at, budget)) == NULL) {
		d->capped = true;
		return;
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

SELDOM void
add_elsewhere(struct detail *d, uint32_t sec, const struct flow_limits *l)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): no slide is 0 */
	uint32_t n = l->window / l->slide;
	uint64_t at = sec < d->base ? 0 : (sec - d->base) / l->slide;

	if (at > d->bucket_at)
		step_rate(d, at, l, n);
	if (d->bucket_at - at < n) {
		d->bucket[at % n]++;
		d->sum++;
	}
}

/* Most fall into the newest bucket. */
static inline void
add_rate(struct detail *d, uint32_t sec, const struct flow_limits *l)
{
	if (sec - d->begin < l->slide) {
		d->bucket[d->newest]++;
		d->sum++;
	} else
		add_elsewhere(d, sec, l);
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
keep_event(struct event *e, const struct answer *w,
    const struct addr *reporter)
{
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
		.spot = flow_spot(e->dst, &budget->key), .dst = e->dst,
		.sec = (uint32_t)(e->time / SECOND), .class = e->class,
		.flags = e->flags, .port = e->port, .window = e->window,
		.ack = e->ack, .ttl = e->ttl, .type = e->type,
		.code = e->code, .marks = e->marks
	};
}

/* -- what a packet says ---------------------------------------------------- */

/* n is 1 to count it, 0 not to: no branch, as RSTs with and without ACK come in
 * turns; one that is not counted stands for the first again, which changes
 * neither least nor most.  The hash of an IPv6 destination is no number of 32
 * bits. */
static inline void
add_isn(struct isn *i, const struct answer *w, unsigned n)
{
	uint32_t seq = w->ack - 1;

	if (i->packets == 0) {
		if (n == 0)
			return;
		i->first = i->least = i->most = seq;
	}
	seq = i->first ^ ((i->first ^ seq) & (0 - n));
	i->least = seq < i->least ? seq : i->least;
	i->most = seq > i->most ? seq : i->most;
	i->packets += n;
	i->same += n & (seq == i->first);
	i->address += n & (seq == w->dst);
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

SELDOM void
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
add_looks(struct detail *d, const struct answer *w)
{
	if (w->flags != d->like_flags || w->window != d->like_window ||
	    w->ttl != d->like_ttl) {
		settle(d);
		d->like_flags = w->flags;
		d->like_window = w->window;
		d->like_ttl = w->ttl;
	}
	d->like++;
}

/* Nearly all the time goes here, so it is not a call. */
static inline __attribute__((always_inline)) void
count(struct detail *d, const struct flow *f, const struct answer *w,
    const struct addr *reporter, const struct flow_limits *l,
    struct budget *budget)
{
	add_rate(d, w->sec, l);
	add_destination(d, w->dst, w->spot, budget);
	if (w->port != 0)
		tally_add(&d->ports, w->port, 1);
	if (w->class == PACKET_ICMP) {
		tally_add(&d->icmp, (uint32_t)w->type << 8 | w->code, 1);
		/* A router's TTL says nothing about the target. */
		if (w->marks & ANSWER_QUOTED &&
		    !addr_equal(*reporter, f->target))
			add_reporter(d, *reporter);
		else
			tally_add(&d->ttls, w->ttl, 1);
	} else if (w->class == PACKET_UDP_DNS) {
		tally_add(&d->ttls, w->ttl, 1);
	} else {
		add_looks(d, w);
		add_isn(&d->isn, w, (w->flags >> 4 & 1) &
		    ((w->marks & ANSWER_REPEATED) == 0));
	}
}

static inline void
add_marks(struct flow *f, unsigned marks)
{
	f->repeated += (marks & ANSWER_REPEATED) != 0;
	f->quoted += (marks & ANSWER_QUOTED) != 0;
	f->mismatched += (marks & ANSWER_MISMATCH) != 0;
}

SELDOM struct detail *
make_detail(struct flow *f, const struct flow_limits *l,
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

struct detail *
flow_detail(struct flow *f, const struct flow_limits *l, struct budget *budget)
{
	return f->detail != NULL ? f->detail : make_detail(f, l, budget);
}

int
flow_add(struct flow *f, const struct answer *w,
    const struct addr *reporter, const struct flow_limits *l,
    struct budget *budget)
{
	struct detail *d = f->detail;
	uint64_t time = w->time;

	if (d == NULL && f->packets < FLOW_EARLY)
		keep_event(&f->early[f->packets], w, reporter);
	else if (d == NULL && (d = make_detail(f, l, budget)) == NULL)
		return -1;
	else
		count(d, f, w, reporter, l, budget);
	if (f->packets == 0)
		f->first = f->last = time;
	else if (time > f->last)
		f->last = time;
	else if (time < f->first)
		f->first = time;
	f->packets++;
	f->bytes += w->bytes;
	if (w->marks != 0)
		add_marks(f, w->marks);
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
