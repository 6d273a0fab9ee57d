/* SPDX-License-Identifier: ISC */
#ifndef D4_PIBS_FLOW_ADD_H
#define D4_PIBS_FLOW_ADD_H

/*
 * Inside the attack room: counting an answer, for the loop of attack.c.  Nearly
 * all of that loop's time goes here, a fifth of it into the call when this was
 * one.  What comes seldom is a call, in flow.c.
 */

#include "d4-pibs/flow.h"

/* Cold, and so out of the way. */
void tally_search(struct tally *, uint32_t key, uint32_t n);
struct block *flow_new_block(struct detail *, uint64_t key, uint32_t at,
    struct budget *);
void flow_add_elsewhere(struct detail *, uint32_t sec,
    const struct flow_limits *);
void flow_add_reporter(struct detail *, struct addr);
void flow_add_likes(struct detail *);
void flow_keep(struct flow *, const struct answer *, const struct addr *);

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

static inline void
add_destination(struct detail *d, uint64_t dst, uint32_t at,
    struct budget *budget)
{
	uint64_t key = (dst >> 8) + 1;
	uint64_t bit = UINT64_C(1) << (dst & 63), *bits;
	struct block *b = d->maxblocks == 0 ? NULL :
	    find_block(d->blocks, d->maxblocks, key, at);

	if ((b == NULL || b->key == 0) &&
	    (b = flow_new_block(d, key, at, budget)) == NULL) {
		d->capped = true;
		return;
	}
	bits = &b->bits[dst >> 6 & 3];
	d->destinations += (*bits & bit) == 0;
	*bits |= bit;
}

/* Most fall into the newest bucket. */
static inline void
add_rate(struct detail *d, uint32_t sec, const struct flow_limits *l)
{
	if (sec - d->begin < l->slide)
		d->fresh++;
	else
		flow_add_elsewhere(d, sec, l);
}

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

/* What a packet of TCP looks like. */
static inline void
add_looks(struct detail *d, const struct answer *w)
{
	if (w->flags != d->like_flags || w->window != d->like_window ||
	    w->ttl != d->like_ttl) {
		flow_add_likes(d);
		d->like_flags = w->flags;
		d->like_window = w->window;
		d->like_ttl = w->ttl;
	}
	d->like++;
}

static inline void
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
			flow_add_reporter(d, *reporter);
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

/* Counts an answer, and its reporter, if it quotes.  Returns 0, or -1 when the
 * budget has no room for what it needs; then nothing was counted. */
static inline int
flow_add(struct flow *f, const struct answer *w, const struct addr *reporter,
    const struct flow_limits *l, struct budget *budget)
{
	uint64_t time = w->time;

	if (f->detail != NULL || f->packets >= FLOW_EARLY) {
		struct detail *d = flow_detail(f, l, budget);

		if (d == NULL)
			return -1;
		count(d, f, w, reporter, l, budget);
	} else
		flow_keep(f, w, reporter);
	if (time > f->last)
		f->last = time;
	else if (time < f->first)
		f->first = time;
	f->packets++;
	f->bytes += w->bytes;
	/* These lie elsewhere, and most have none. */
	if (w->marks != 0) {
		f->repeated += (w->marks & ANSWER_REPEATED) != 0;
		f->quoted += (w->marks & ANSWER_QUOTED) != 0;
		f->mismatched += (w->marks & ANSWER_MISMATCH) != 0;
	}
	return 0;
}

#endif
