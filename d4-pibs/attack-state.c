/* SPDX-License-Identifier: ISC */

/*
 * Flows as bytes.  One description of the fields serves both directions, so
 * what is written and what is read can't differ.
 */

#include <stdlib.h>
#include <string.h>

#include "d4-pibs/attack-inside.h"
#include "lib/bytes.h"

struct coder {
	void		(*put)(void *, const void *, size_t);	/* or reading */
	void		*arg;
	const uint8_t	*at;
	size_t		 left;
	bool		 broken;
};

static void
code64(struct coder *c, uint64_t *v)
{
	uint8_t b[8];

	if (c->put != NULL) {
		d4_put64le(b, *v);
		c->put(c->arg, b, sizeof(b));
	} else if (c->left < sizeof(b)) {
		c->broken = true;
		*v = 0;
	} else {
		*v = d4_get64le(c->at);
		c->at += sizeof(b);
		c->left -= sizeof(b);
	}
}

static void
code32(struct coder *c, uint32_t *v)
{
	uint64_t wide = *v;

	code64(c, &wide);
	*v = (uint32_t)wide;
}

static void
code8(struct coder *c, uint8_t *v)
{
	uint64_t wide = *v;

	code64(c, &wide);
	*v = (uint8_t)wide;
}

static void
code16(struct coder *c, uint16_t *v)
{
	uint64_t wide = *v;

	code64(c, &wide);
	*v = (uint16_t)wide;
}

static void
code_bool(struct coder *c, bool *v)
{
	uint64_t wide = *v;

	code64(c, &wide);
	*v = wide != 0;
}

/* A bit of several as a number of its own. */
static void
code_mark(struct coder *c, uint8_t *marks, uint8_t bit)
{
	bool set = (*marks & bit) != 0;

	code_bool(c, &set);
	*marks = (uint8_t)((*marks & ~bit) | (set ? bit : 0));
}

/* A count that says how many entries of an array follow. */
static void
code_count(struct coder *c, uint32_t *n, uint32_t max)
{
	code32(c, n);
	if (*n > max) {
		c->broken = true;
		*n = 0;
	}
}

static void
code_addr(struct coder *c, struct addr *a)
{
	code64(c, &a->hi);
	code64(c, &a->lo);
}

static void
code_event(struct coder *c, struct event *e)
{
	uint32_t none = 0;

	code64(c, &e->time);
	code64(c, &e->dst);
	code_addr(c, &e->reporter);
	code32(c, &e->bytes);
	code32(c, &e->ack);
	/* There was more of the destination once. */
	code32(c, &none);
	code16(c, &e->port);
	code16(c, &e->window);
	code8(c, &e->class);
	code8(c, &e->flags);
	code8(c, &e->ttl);
	code8(c, &e->type);
	code8(c, &e->code);
	code_mark(c, &e->marks, ANSWER_QUOTED);
	code_mark(c, &e->marks, ANSWER_MISMATCH);
	code_mark(c, &e->marks, ANSWER_REPEATED);
}

static void
code_tally(struct coder *c, struct tally *t)
{
	uint32_t i;

	code_count(c, &t->n, FLOW_VALUES);
	code32(c, &t->lost);
	for (i = 0; i < t->n; i++) {
		code32(c, &t->entry[i].key);
		code32(c, &t->entry[i].count);
	}
}

static void
code_isn(struct coder *c, struct isn *n)
{
	code64(c, &n->packets);
	code64(c, &n->same);
	code64(c, &n->address);
	code32(c, &n->first);
	code32(c, &n->least);
	code32(c, &n->most);
}

/* All but the blocks. */
static void
code_detail(struct coder *c, struct detail *d)
{
	uint32_t i;

	code64(c, &d->peak);
	code64(c, &d->bucket_at);
	code32(c, &d->base);
	code32(c, &d->begin);
	code_count(c, &d->newest, FLOW_BUCKETS - 1);
	code32(c, &d->sum);
	for (i = 0; i < FLOW_BUCKETS; i++)
		code32(c, &d->bucket[i]);
	code_isn(c, &d->isn);
	code64(c, &d->destinations);
	code_bool(c, &d->capped);
	code_count(c, &d->nreporters, FLOW_VALUES);
	code64(c, &d->morereporters);
	for (i = 0; i < d->nreporters; i++) {
		code_addr(c, &d->reporter[i].addr);
		code64(c, &d->reporter[i].packets);
	}
	code_tally(c, &d->ports);
	code_tally(c, &d->flags);
	code_tally(c, &d->icmp);
	code_tally(c, &d->ttls);
	code_tally(c, &d->windows);
}

/* The table of blocks as it lies: the key of its hash goes with it. */
static void
code_blocks(struct coder *c, struct detail *d, struct budget *budget)
{
	uint32_t i, max = d->maxblocks, used = 0;

	code_count(c, &max, FLOW_BLOCKS);
	code_count(c, &d->nblocks, max);
	if (c->put == NULL && !c->broken && max > 0) {
		if ((max & (max - 1)) != 0 ||
		    c->left / sizeof(*d->blocks) < max ||
		    (d->blocks = calloc(max, sizeof(*d->blocks))) == NULL) {
			c->broken = true;
			return;
		}
		d->maxblocks = max;
		budget->used += max * sizeof(*d->blocks);
	}
	for (i = 0; i < d->maxblocks; i++) {
		code64(c, &d->blocks[i].key);
		code64(c, &d->blocks[i].bits[0]);
		code64(c, &d->blocks[i].bits[1]);
		code64(c, &d->blocks[i].bits[2]);
		code64(c, &d->blocks[i].bits[3]);
		used += d->blocks[i].key != 0;
	}
	/* Looking for what is not there ends at a free one. */
	if (used != d->nblocks || (max > 0 && used == max))
		c->broken = true;
}

static void
code_flow(struct coder *c, struct flow *f, struct budget *budget)
{
	bool detail = f->detail != NULL;
	int i;

	code64(c, &f->first);
	code64(c, &f->packets);
	code64(c, &f->bytes);
	code64(c, &f->repeated);
	code64(c, &f->quoted);
	code64(c, &f->mismatched);
	for (i = 0; i < FLOW_EARLY; i++)
		code_event(c, &f->early[i]);
	code_bool(c, &detail);
	if (!detail || c->broken)
		return;
	if (f->detail == NULL) {
		f->detail = calloc(1, sizeof(*f->detail));
		if (f->detail == NULL) {
			c->broken = true;
			return;
		}
		budget->used += sizeof(*f->detail);
	}
	code_detail(c, f->detail);
	code_blocks(c, f->detail, budget);
}

/* What comes before the flows: what they hang on must be the same. */
static void
code_head(struct coder *c, struct attacks *a, uint64_t *count)
{
	struct flow_limits l = a->limits;
	int i;

	code32(c, &l.interval);
	code32(c, &l.window);
	code32(c, &l.slide);
	if (l.interval != a->limits.interval ||
	    l.window != a->limits.window || l.slide != a->limits.slide)
		c->broken = true;
	for (i = 0; i < 3; i++)
		code64(c, &a->budget.key.k[i]);
	code64(c, &a->clock);
	code64(c, &a->before);
	code64(c, &a->turned);
	code64(c, &a->lost);
	code64(c, count);
}

void
attack_save(const struct attacks *from, void (*put)(void *, const void *,
    size_t), void *arg)
{
	/* Writing changes nothing that can be seen from outside. */
	union { const struct attacks *in; struct attacks *a; } u = {
	    .in = from };
	struct coder c = { .put = put, .arg = arg };
	struct attacks *a = u.a;
	struct repeats *r = a->repeats;
	uint64_t count = a->count, slot;
	uint32_t i;

	code_head(&c, a, &count);
	for (i = 0; i < a->nflows; i++) {
		struct flow *f = &a->flows[i];

		if (!f->used)
			continue;
		code_addr(&c, &f->target);
		code8(&c, &f->proto);
		code64(&c, &f->last);
		flow_settle(f);
		code_flow(&c, f, &a->budget);
	}
	for (slot = count = 0; slot < r->nslots; slot++)
		count += r->slots[slot] != 0;
	code64(&c, &count);
	for (slot = 0; slot < r->nslots; slot++) {
		if (r->slots[slot] == 0)
			continue;
		code64(&c, &slot);
		code64(&c, &r->slots[slot]);
	}
}

static void
load_flow(struct coder *c, struct attacks *a)
{
	struct addr target = { 0, 0 };
	uint8_t proto = 0;
	uint64_t last = 0;
	uint32_t n;

	code_addr(c, &target);
	code8(c, &proto);
	code64(c, &last);
	n = c->broken ? UINT32_MAX : attack_open(a, target, proto, last);
	if (n == UINT32_MAX)
		c->broken = true;
	else
		code_flow(c, &a->flows[n], &a->budget);
	/* There may have been more memory when it was written. */
	while (a->budget.used > a->budget.limit && a->count > 0)
		attack_give_way(a);
}

int
attack_load(struct attacks *a, const uint8_t *p, size_t len)
{
	struct coder c = { .at = p, .left = len };
	uint64_t count, i, slot = 0, value = 0;

	code_head(&c, a, &count);
	a->budget.key.k[1] |= 1;
	a->budget.key.k[2] |= 1;
	for (i = 0; i < count && !c.broken; i++)
		load_flow(&c, a);
	code64(&c, &count);
	for (i = 0; i < count && !c.broken; i++) {
		code64(&c, &slot);
		code64(&c, &value);
		/* Another --memory has another table of them. */
		a->repeats->slots[slot & (a->repeats->nslots - 1)] = value;
	}
	return c.broken || c.left != 0 ? -1 : 0;
}
