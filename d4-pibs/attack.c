/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "d4-pibs/attack-inside.h"
#include "d4-pibs/flow-add.h"
#include "d4-pibs/reserve.h"

#define NONE		UINT32_MAX
#define GIVING_WAY	32	/* flows among which one gives way */
#define AHEAD		16	/* so many answers on they are fetched */
#define REPEATS		16	/* this part of memory knows repetitions */
#define BEHIND		1000	/* packets after which the clock is wrong */

/* -- memory ---------------------------------------------------------------- */

uint32_t
attack_classes(const struct flow_limits *limits)
{
	return PACKET_BIT(PACKET_SYNACK) | PACKET_BIT(PACKET_RST) |
	    PACKET_BIT(PACKET_ICMP) |
	    (limits->ack ? PACKET_BIT(PACKET_ACK) : 0) |
	    (limits->dns ? PACKET_BIT(PACKET_UDP_DNS) : 0);
}

struct attacks *
attack_new(const struct flow_limits *limits, size_t memory,
    attack_report *report, void *arg)
{
	struct attacks *a = calloc(1, sizeof(*a));
	size_t i;

	if (a == NULL)
		return NULL;
	a->limits = *limits;
	a->report = report;
	a->arg = arg;
	a->silence = (int64_t)(limits->interval * SECOND);
	a->grain = limits->interval / (SPOKES / 4) + 1;
	a->budget.limit = memory;
	for (i = 0; i < SPOKES; i++)
		a->wheel[i] = NONE;
	a->free = NONE;
	a->maxflows = (uint32_t)(memory / sizeof(*a->flows)) + 1;
	for (a->nheads = 1024; a->nheads < a->maxflows; )
		a->nheads *= 2;
	if (hash_key_new(&a->budget.key) == -1 ||
	    (a->repeats = repeats_new(memory / REPEATS)) == NULL ||
	    (a->flows = reserve(a->maxflows * sizeof(*a->flows))) == NULL ||
	    (a->heads = reserve(a->nheads * sizeof(*a->heads))) == NULL) {
		attack_free(a);
		errno = ENOMEM;
		return NULL;
	}
	a->budget.used = a->nheads * sizeof(*a->heads) +
	    a->repeats->nslots * sizeof(*a->repeats->slots);
	return a;
}

void
attack_free(struct attacks *a)
{
	uint32_t i;

	if (a == NULL)
		return;
	for (i = 0; a->flows != NULL && i < a->nflows; i++) {
		if (a->flows[i].used)
			flow_clear(&a->flows[i], &a->budget);
	}
	unreserve(a->flows, a->maxflows * sizeof(*a->flows));
	unreserve(a->heads, a->nheads * sizeof(*a->heads));
	repeats_free(a->repeats);
	free(a);
}

void
attack_watch(struct attacks *a,
    void (*watch)(void *, const struct answer *, uint32_t[2]), void *arg)
{
	a->watch = watch;
	a->watch_arg = arg;
}

/* -- the wheel: flows by the time when they may end ------------------------ */

static uint64_t
due(const struct attacks *a, const struct flow *f)
{
	return (f->last / SECOND + a->limits.interval) / a->grain + 1;
}

static void
put_on_wheel(struct attacks *a, uint32_t n)
{
	struct flow *f = &a->flows[n];
	uint64_t at = due(a, f);

	if (at <= a->turned)
		at = a->turned + 1;
	f->spoke = (uint32_t)(at % SPOKES);
	f->before = NONE;
	f->after = a->wheel[f->spoke];
	if (f->after != NONE)
		a->flows[f->after].before = n;
	a->wheel[f->spoke] = n;
}

static void
take_off_wheel(struct attacks *a, const struct flow *f)
{
	if (f->before != NONE)
		a->flows[f->before].after = f->after;
	else
		a->wheel[f->spoke] = f->after;
	if (f->after != NONE)
		a->flows[f->after].before = f->before;
}

/* -- the table ------------------------------------------------------------- */

/* Heads hold the index and 1, so that 0 is none. */
static inline uint32_t *
head_of(const struct attacks *a, uint32_t hash)
{
	return &a->heads[hash & (a->nheads - 1)];
}

static void
drop(struct attacks *a, uint32_t n)
{
	struct flow *f = &a->flows[n];
	uint32_t *link = head_of(a, answer_hash(f->target, f->proto,
	    &a->budget.key));

	while (*link != n + 1)
		link = &a->flows[*link - 1].next;
	*link = f->next;
	take_off_wheel(a, f);
	flow_clear(f, &a->budget);
	a->budget.used -= sizeof(*f);
	f->next = a->free;
	a->free = n;
	a->count--;
}

static void
finish(struct attacks *a, uint32_t n)
{
	struct flow *f = &a->flows[n];

	a->report(a->arg, f, flow_is_attack(f, &a->limits, &a->budget),
	    false);
	drop(a, n);
}

/* Memory is used up: the flow of the fewest packets among some gives way, the
 * first that has but one. */
static void
give_way(struct attacks *a, uint32_t except)
{
	uint32_t best = NONE, i, seen = 0;

	for (i = 0; i < a->nflows && seen < GIVING_WAY &&
	    (best == NONE || a->flows[best].packets > 1); i++) {
		const struct flow *f;

		a->hand = a->hand + 1 < a->nflows ? a->hand + 1 : 0;
		f = &a->flows[a->hand];
		if (!f->used || a->hand == except)
			continue;
		seen++;
		if (best == NONE || f->packets < a->flows[best].packets)
			best = a->hand;
	}
	if (best == NONE)
		return;
	a->lost++;
	finish(a, best);
}

void
attack_give_way(struct attacks *a)
{
	give_way(a, NONE);
}

/* The index of a flow that is not in use; NONE if there is no memory. */
static uint32_t
take_free(struct attacks *a)
{
	uint32_t n;

	while (a->budget.limit - a->budget.used < sizeof(*a->flows) &&
	    a->count > 0)
		give_way(a, NONE);
	if (a->budget.limit - a->budget.used < sizeof(*a->flows))
		return NONE;
	if (a->free != NONE) {
		n = a->free;
		a->free = a->flows[n].next;
	} else if (a->nflows < a->maxflows)
		n = a->nflows++;
	else
		return NONE;
	a->budget.used += sizeof(*a->flows);
	memset(&a->flows[n], 0, sizeof(a->flows[n]));
	return n;
}

uint32_t
attack_open(struct attacks *a, struct addr target, uint8_t proto,
    uint64_t time)
{
	uint32_t n = take_free(a), *head;
	struct flow *f;

	if (n == NONE)
		return n;
	f = &a->flows[n];
	f->target = target;
	f->proto = proto;
	f->used = true;
	f->first = f->last = time;
	head = head_of(a, answer_hash(target, proto, &a->budget.key));
	f->next = *head;
	*head = n + 1;
	put_on_wheel(a, n);
	a->count++;
	return n;
}

static inline bool
is_target(const struct flow *f, const struct answer *w)
{
	return f->proto == w->proto && addr_equal(f->target, w->src);
}

/* Also puts it first of its hash, where it is looked for next. */
static __attribute__((noinline)) struct flow *
find_flow(struct attacks *a, const struct answer *w)
{
	uint32_t *head = head_of(a, w->hash), *link = head, n;
	struct flow *f;

	for (; (n = *link) != 0; link = &f->next) {
		f = &a->flows[n - 1];
		/* An answer may be older than the first or the last. */
		if (!is_target(f, w) ||
		    (int64_t)(w->time - f->last) > a->silence ||
		    (int64_t)(f->first - w->time) > a->silence)
			continue;
		*link = f->next;
		f->next = *head;
		*head = n;
		return f;
	}
	return NULL;
}

/* -- time ------------------------------------------------------------------ */

static int
compare(const void *x, const void *y)
{
	const struct flow *const *p = x, *const *q = y;
	const struct flow *f = *p, *g = *q;

	if (f->first != g->first)
		return f->first < g->first ? -1 : 1;
	if (f->target.hi != g->target.hi)
		return f->target.hi < g->target.hi ? -1 : 1;
	if (f->target.lo != g->target.lo)
		return f->target.lo < g->target.lo ? -1 : 1;
	return f->proto - g->proto;
}

/* Ends flows in the order of their beginning, so that what is printed does not
 * hang on where they lie in memory. */
static void
finish_all(struct attacks *a, struct flow **list, size_t n)
{
	size_t i;

	/* cppcheck-suppress uninitvar ; the first n are set */
	qsort(list, n, sizeof(*list), compare);
	for (i = 0; i < n; i++)
		finish(a, (uint32_t)(list[i] - a->flows));
}

static void
finish_few(struct attacks *a, const uint32_t *list, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		finish(a, list[i]);
}

/* One spoke of the wheel: flows that are due end, the others go on.  Most that
 * end are of few packets, and their heads are far away: those are fetched of
 * some before one of these ends. */
static void
turn(struct attacks *a, uint32_t spoke, uint64_t now)
{
	struct flow *over[256];
	uint32_t few[64], n = a->wheel[spoke], next;
	size_t nover = 0, nfew = 0;

	for (; n != NONE; n = next) {
		struct flow *f = &a->flows[n];

		next = f->after;
		if (next != NONE) {
			__builtin_prefetch(&a->flows[next]);
			__builtin_prefetch(&a->flows[next].repeated);
		}
		if (due(a, f) > now) {
			take_off_wheel(a, f);
			put_on_wheel(a, n);
		} else if (f->packets >= a->limits.packets &&
		    nover < sizeof(over) / sizeof(*over))
			over[nover++] = f;
		else {
			__builtin_prefetch(head_of(a, answer_hash(f->target,
			    f->proto, &a->budget.key)), 1);
			few[nfew++] = n;
		}
		if (nfew == sizeof(few) / sizeof(*few)) {
			finish_few(a, few, nfew);
			nfew = 0;
		}
	}
	finish_few(a, few, nfew);
	finish_all(a, over, nover);
}

static void
sweep(struct attacks *a)
{
	uint64_t now = a->clock / SECOND / a->grain;

	if (a->turned == 0)
		a->turned = now;
	if (now - a->turned > SPOKES && now > a->turned)
		a->turned = now - SPOKES;
	while (a->turned < now) {
		a->turned++;
		turn(a, (uint32_t)(a->turned % SPOKES), a->turned);
	}
}

/* Time stands still while all that comes is far behind, as after packets with a
 * wrong time: then no flow would end.  It goes back, and what is on the wheel
 * is come by in its next turn. */
static __attribute__((noinline, cold)) void
fall_behind(struct attacks *a, uint64_t time)
{
	if (++a->behind < BEHIND)
		return;
	a->behind = 0;
	a->clock = time;
	a->turned = time / SECOND / a->grain;
	a->next_turn = (a->turned + 1) * a->grain * SECOND;
}

/* The clock follows the packets, but not one that is alone in the future. */
static void
set_clock(struct attacks *a, uint64_t time)
{
	uint64_t t = time < a->before ? time : a->before;

	a->before = time;
	if (t <= a->clock) {
		if (a->clock - t > (uint64_t)a->silence)
			fall_behind(a, t);
		return;
	}
	a->clock = t;
	if (t >= a->next_turn) {
		sweep(a);
		a->behind = 0;
		a->next_turn = (a->turned + 1) * a->grain * SECOND;
	}
}

/* -- packets --------------------------------------------------------------- */

struct hash_key
attack_key(const struct attacks *a)
{
	return a->budget.key;
}

void
attack_prepare(struct attacks *a, struct batch *b)
{
	/* What lies around it changes in the other thread. */
	const struct hash_key key = a->budget.key;

	repeats_mark(a->repeats, b, &key);
}

/*
 * What an answer needs is far away in memory, and each piece is found by way of
 * the one before.  So a piece is asked for of a whole batch before the next:
 * these misses do not wait for one another.  As calls gcc would leave them out:
 * it takes a function that only fetches for one that does nothing.
 */
#define FETCH	static inline __attribute__((always_inline))

/* The first flow of the hash, which is the answer's own nearly always; NULL
 * when there is none. */
FETCH struct flow *
fetch_flow(const struct attacks *a, const struct answer *w)
{
	uint32_t at = *head_of(a, w->hash);
	struct flow *f;

	if (at == 0)
		return NULL;
	f = &a->flows[at - 1];
	__builtin_prefetch(f);
	__builtin_prefetch(&f->repeated);
	return f;
}

FETCH void
fetch_block(const struct flow *f, const struct answer *w)
{
	const struct detail *d = f == NULL ? NULL : f->detail;
	const struct block *b;

	if (d == NULL || d->maxblocks == 0)
		return;
	b = &d->blocks[w->spot & (d->maxblocks - 1)];
	__builtin_prefetch(&b->key, 1);
	__builtin_prefetch(&b->bits[w->dst >> 6 & 3], 1);
}

/* The flow of an answer: the one that was fetched, if it is still that and was
 * not silent since or until then; NULL when there is none. */
static inline struct flow *
flow_of(struct attacks *a, const struct answer *w, struct flow *fetched)
{
	uint64_t silence = (uint64_t)a->silence;

	if (fetched != NULL && fetched->used && is_target(fetched, w) &&
	    w->time - fetched->last + silence <= 2 * silence)
		return fetched;
	return find_flow(a, w);
}

/*
 * Begins a flow for an answer that belongs to none.  The target's flow that was
 * silent too long before it ends; one that comes later goes on beside it, but
 * no more than one.  NULL when there is no memory.
 */
static __attribute__((noinline)) struct flow *
begin(struct attacks *a, const struct answer *w)
{
	uint32_t n = *head_of(a, w->hash), next, later = NONE;

	for (; n != 0; n = next) {
		const struct flow *f = &a->flows[n - 1];

		next = f->next;
		if (!is_target(f, w))
			continue;
		if (w->time < f->first && (later == NONE ||
		    f->first > a->flows[later].first)) {
			if (later != NONE)
				finish(a, later);
			later = n - 1;
		} else
			finish(a, n - 1);
	}
	n = attack_open(a, w->src, w->proto, w->time);
	return n == NONE ? NULL : &a->flows[n];
}

static inline void
add_answer(struct attacks *a, const struct answer *w,
    const struct addr *reporter, struct flow *fetched)
{
	struct flow *f;

	set_clock(a, w->time);
	f = flow_of(a, w, fetched);
	if (f == NULL && (f = begin(a, w)) == NULL)
		return;
	if (a->watch != NULL)
		a->watch(a->watch_arg, w, f->note);
	while (flow_add(f, w, reporter, &a->limits, &a->budget) == -1) {
		if (a->count == 1)
			return;
		give_way(a, (uint32_t)(f - a->flows));
	}
}

void
attack_add(struct attacks *a, const struct batch *b)
{
	struct flow *flow[FRAME_BATCH];
	const struct answer *w = b->answer;
	size_t n = b->nanswers, i;

	for (i = 0; i < n; i++) {
		/* Another processor may have the answers in its cache. */
		if (i + AHEAD < FRAME_BATCH) {
			__builtin_prefetch(&w[i + AHEAD]);
			__builtin_prefetch(&b->reporter[i + AHEAD]);
		}
		flow[i] = fetch_flow(a, &w[i]);
	}
	for (i = 0; i < n; i++)
		fetch_block(flow[i], &w[i]);
	for (i = 0; i < n; i++)
		add_answer(a, &w[i], &b->reporter[i], flow[i]);
}

/* All open flows in the order of their beginning; the caller frees it.  NULL
 * with *n not 0 when memory is short. */
static struct flow **
list_all(const struct attacks *a, size_t *n)
{
	struct flow **list = malloc((a->count + 1) * sizeof(*list));
	uint32_t i;

	*n = 0;
	for (i = 0; list != NULL && i < a->nflows; i++) {
		if (a->flows[i].used)
			list[(*n)++] = &a->flows[i];
	}
	if (list != NULL)
		qsort(list, *n, sizeof(*list), compare);
	return list;
}

void
attack_flush(struct attacks *a)
{
	size_t n;
	struct flow **list = list_all(a, &n);
	uint32_t i;

	if (list != NULL)
		finish_all(a, list, n);
	free(list);
	/* Without memory for the order, in any. */
	for (i = 0; i < a->nflows; i++) {
		if (a->flows[i].used)
			finish(a, i);
	}
}

void
attack_each(struct attacks *a)
{
	size_t n, i;
	struct flow **list = list_all(a, &n);

	for (i = 0; i < n; i++)
		a->report(a->arg, list[i],
		    flow_is_attack(list[i], &a->limits, &a->budget), true);
	free(list);
}

uint64_t
attack_count(const struct attacks *a)
{
	return a->count;
}

uint64_t
attack_lost(const struct attacks *a)
{
	return a->lost;
}
