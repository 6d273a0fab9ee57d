/* SPDX-License-Identifier: ISC */

/* Flows: when they end, what is counted, what gives way. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-pibs/attack-inside.h"
#include "t/unit/tap.h"

struct result {
	unsigned	ended, attacks, open;
	struct flow	last;		/* the last attack; no detail */
	struct detail	detail;
};

static void
on_flow(void *arg, struct flow *f, bool over, bool open)
{
	struct result *r = arg;

	r->ended += !open;
	r->open += open;
	if (!over)
		return;
	r->attacks++;
	r->last = *f;
	r->detail = *f->detail;
}

static struct answer
synack(uint32_t target, uint32_t to, double when)
{
	return (struct answer){ .src = { 0, ADDR_V4 | target },
	    .dst = to,
	    .time = (uint64_t)(when * 1e9), .class = PACKET_SYNACK,
	    .flags = 0x12, .port = 80, .ack = to * 7 + 1, .bytes = 40,
	    .ttl = 50, .proto = 6 };
}

static void
add_answer(struct attacks *a, const struct answer *w)
{
	static struct batch b = { .nanswers = 1,
	    .reporter = { { 0, ADDR_V4 | 77 } } };

	struct hash_key key = attack_key(a);
	uint32_t sec = (uint32_t)(w->time / SECOND);

	b.answer[0] = *w;
	b.answer[0].sec = sec;
	b.answer[0].hash = answer_hash(w->src, w->proto, &key);
	b.answer[0].spot = answer_spot(w->dst, &key);
	b.nsynacks = w->class == PACKET_SYNACK;
	b.synack[0] = (struct synack){ .same = w->dst << 32 | (w->src.lo &
	    UINT32_MAX), .sec = sec };
	attack_prepare(a, &b);
	attack_add(a, &b);
}

static void
add(struct attacks *a, uint32_t target, uint32_t to, double when)
{
	struct answer w = synack(target, to, when);

	add_answer(a, &w);
}

static struct attacks *
start(struct result *r)
{
	struct flow_limits limits = FLOW_LIMITS;

	memset(r, 0, sizeof(*r));
	return attack_new(&limits, (size_t)4 << 20, on_flow, r);
}

static void
test_thresholds(void)
{
	static const struct {
		unsigned	n;
		double		gap;
		unsigned	attacks;
		const char	*name;
	} t[] = {
		{ 100, 1, 1, "100 packets, one a second" },
		{ 24, 3, 0, "too few" },
		{ 60, 1, 0, "59 seconds" },
		{ 61, 1, 1, "60 seconds" },
		{ 40, 2.2, 0, "under 30 a minute" },
		{ 40, 2, 1, "30 a minute" }
	};
	struct result r;
	size_t i;
	unsigned j;

	for (i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct attacks *a = start(&r);

		for (j = 0; j < t[i].n; j++)
			add(a, 9, j + 1, 1000 + j * t[i].gap);
		attack_flush(a);
		is(r.attacks, t[i].attacks, "%s", t[i].name);
		is(r.ended, 1, "one flow");
		attack_free(a);
	}
}

static void
test_silence(void)
{
	struct result r;
	struct attacks *a = start(&r);
	unsigned i;

	for (i = 0; i < 100; i++)
		add(a, 9, i + 1, 1000 + i);
	add(a, 9, 500, 1099 + 300);
	is(r.ended, 0, "300 seconds of silence are borne");
	add(a, 9, 501, 1399 + 301);
	is(r.attacks, 1, "301 are not");
	is(r.last.packets, 101, "with all packets before");
	attack_free(a);

	a = start(&r);
	for (i = 0; i < 100; i++)
		add(a, 9, i + 1, 1000 + i);
	add(a, 7, 1, 4000000000u);
	add(a, 9, 300, 1100);
	is(r.ended, 0, "one packet of the far future ends nothing");
	for (i = 0; i < 1000; i++)
		add(a, 8, i, 1100 + i);
	is(r.attacks, 1, "the packets of others do");
	attack_free(a);
}

/* Files come in any order: that of a sensor whose line was down comes late. */
static void
test_backwards(void)
{
	struct result r;
	struct attacks *a = start(&r);
	unsigned i;

	for (i = 0; i < 40; i++)
		add(a, 9, i + 1, 100000 + i);
	add(a, 9, 500, 100000 - 301);
	attack_flush(a);
	is(r.attacks, 0, "an old packet makes no attack longer");
	is(r.ended, 2, "it is a flow of its own");
	attack_free(a);

	a = start(&r);
	for (i = 0; i < 40; i++)
		add(a, 9, i + 1, 100000 + i);
	add(a, 9, 500, 100000 - 300);
	attack_flush(a);
	is(r.attacks, 1, "one that is late by the interval is not");
	attack_free(a);

	a = start(&r);
	for (i = 0; i < 100; i++)
		add(a, 9, i + 1, 100000 + i);
	for (i = 0; i < 100; i++)
		add(a, 9, i + 1, 50000 + i);
	is(r.ended, 0, "the old flow ends no later one");
	for (i = 100; i < 200; i++)
		add(a, 9, i + 1, 100000 + i);
	attack_flush(a);
	is(r.attacks, 2, "both are attacks");
	is(r.last.packets, 200, "and the later one goes on");
	is(r.last.first / SECOND, 100000, "from where it began");
	attack_free(a);

	a = start(&r);
	for (i = 0; i < 100; i++) {
		add(a, 9, i + 1, 100000 + i);
		add(a, 9, i + 1, 50000 + i);
	}
	attack_flush(a);
	is(r.attacks, 2, "two clocks in turns are two attacks");
	attack_free(a);

	a = start(&r);
	for (i = 0; i < 20000; i++)
		add(a, 9, i + 1, 4000000000.0 - i * 1000.0);
	ok(attack_count(a) <= 2, "never more than two flows");
	is(r.ended + attack_count(a), 20000, "each silence ends one");
	attack_free(a);
}

/* A sensor whose clock is wrong must not stop that of all others. */
static void
test_future(void)
{
	struct result r;
	struct attacks *a = start(&r);
	unsigned i;

	add(a, 7, 1, 4000000000u);
	add(a, 7, 2, 4000000001u);
	for (i = 0; i < 100; i++)
		add(a, 9, i + 1, 1000 + i);
	for (i = 0; i < 4000; i++)
		add(a, 8, i, 1100 + i);
	is(r.attacks, 1, "an attack ends although packets of the future came");
	is(r.ended, 1, "and nothing else does");
	add(a, 7, 3, 4000000002u);
	add(a, 8, i, 1100 + i);
	is(r.ended, 1, "flows on both sides go on");
	add(a, 6, 1, 4000000003u);
	add(a, 6, 2, 4000000003u);
	add(a, 6, 3, 4000000004u);
	is(r.attacks, 2, "until the time of the future comes");
	attack_free(a);
}

static void
test_counts(void)
{
	struct result r;
	struct attacks *a = start(&r);
	struct answer w;
	unsigned i, j;

	for (i = 0; i < 300; i++) {
		w = synack(9, 0x0a000000 + i, 1000 + i);
		w.port = i % 3 == 0 ? 443 : 80;
		w.flags = i < 100 ? 0x12 : 0x52;
		add_answer(a, &w);
		for (j = 1; i < 10 && j <= 3; j++) {
			w.time += SECOND;
			add_answer(a, &w);	/* sent again */
		}
	}
	for (i = 0; i < 50; i++) {
		w = synack(9, i, 1300 + i);
		w.class = PACKET_ICMP;
		w.type = 3;
		w.code = 1;
		w.marks = ANSWER_QUOTED;
		w.ttl = 99;
		add_answer(a, &w);
	}
	attack_flush(a);
	is(r.last.packets, 380, "packets");
	is(r.last.repeated, 30, "repeated SYN/ACKs");
	is(r.last.quoted, 50, "quoted");
	is(r.detail.destinations, 350, "destinations");
	is(r.detail.ports.n, 2, "ports");
	is(r.detail.flags.n, 2, "flags");
	is(r.detail.ttls.n, 1, "a router's TTL is not the target's");
	is(r.detail.isn.packets, 300, "acknowledged once each");
	is(r.detail.nreporters, 1, "reporters");
	is(r.detail.reporter[0].packets, 50, "and their packets");
	attack_free(a);
}

/* Of two that are the same the one sent again may come first. */
static void
test_repeated(void)
{
	struct result r;
	struct attacks *a = start(&r);
	unsigned i;

	for (i = 0; i < 100; i++) {
		add(a, 9, i, 1001 + i * 2);
		add(a, 9, i, 1000 + i * 2);
	}
	attack_flush(a);
	is(r.last.repeated, 100, "sent again, and shuffled by a second");
	attack_free(a);

	a = start(&r);
	for (i = 0; i < 100; i++)
		add(a, 9, 1, 1121 - (i & 1) * 121 + i / 2);
	attack_flush(a);
	is(r.last.repeated, 0, "121 seconds on either side are too many");
	attack_free(a);
}

/* More targets than fit: attacks stay, flows of a packet give way. */
static void
test_memory(void)
{
	struct result r;
	struct attacks *a = start(&r);
	unsigned i;

	for (i = 0; i < 200000; i++) {
		if (i % 1000 == 0)
			add(a, 9, i, 1000 + i / 1000);
		add(a, 0x20000000 + i, 1, 1000 + i / 1000);
	}
	ok(attack_lost(a) > 0, "some gave way");
	is(attack_count(a) + attack_lost(a), 200001, "all are accounted for");
	attack_each(a);
	is(r.open, attack_count(a), "open ones are called back with");
	attack_flush(a);
	is(r.attacks, 2, "the attack was seen, open and ended");
	is(r.last.packets, 200, "whole");
	attack_free(a);
}

/* However little there is, a flow whose destinations find no more room goes
 * on, and says so.  An endless search would be ended by the alarm. */
static void
test_little_memory(void)
{
	struct flow_limits limits = FLOW_LIMITS;
	unsigned capped = 0, i;
	struct attacks *a;
	struct result r;
	size_t memory;

	tap_limit(60);
	for (memory = 0; memory < (size_t)64 << 10; memory += 64) {
		memset(&r, 0, sizeof(r));
		if ((a = attack_new(&limits, memory, on_flow, &r)) == NULL)
			continue;
		for (i = 0; i < 200; i++)
			add(a, 9, i << 8, 1000 + i);
		attack_flush(a);
		capped += r.attacks == 1 && r.detail.capped;
		attack_free(a);
	}
	tap_limit(0);
	ok(capped > 0, "destinations find no room, and that is said");
}

struct saved {
	uint8_t	*p;
	size_t	 len, room;
};

static void
put(void *arg, const void *p, size_t len)
{
	struct saved *s = arg;

	if (s->room - s->len < len)
		s->p = realloc(s->p, s->room = 2 * (s->room + len));
	memcpy(s->p + s->len, p, len);
	s->len += len;
}

/* What was saved with much memory is loaded with little. */
static void
test_load_little(void)
{
	struct flow_limits limits = FLOW_LIMITS;
	struct saved s = { NULL, 0, 0 };
	struct result r;
	struct attacks *a;
	unsigned i;

	memset(&r, 0, sizeof(r));
	a = attack_new(&limits, (size_t)16 << 20, on_flow, &r);
	for (i = 0; i < 8000; i++)
		add(a, 0x20000000 + i / 4, i << 8, 1000 + i / 400);
	for (i = 0; i < 200; i++)
		add(a, 9, i << 8, 1000 + i);
	is(attack_lost(a), 0, "all flows are there");
	attack_save(a, put, &s);
	attack_free(a);
	a = attack_new(&limits, (size_t)1 << 20, on_flow, &r);
	is(attack_load(a, s.p, s.len), 0, "a state of more memory is taken");
	ok(a->budget.used <= a->budget.limit, "within what there is");
	ok(attack_lost(a) > 0, "and what gave way is counted");
	is(attack_count(a) + attack_lost(a), 2001, "all are accounted for");
	attack_flush(a);
	is(r.attacks, 1, "the attack was none of those");
	is(r.last.packets, 200, "whole");
	attack_free(a);
	free(s.p);
}

int
main(void)
{
	test_little_memory();
	test_thresholds();
	test_silence();
	test_backwards();
	test_future();
	test_counts();
	test_repeated();
	test_memory();
	test_load_little();
	return tap_done();
}
