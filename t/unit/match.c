/* SPDX-License-Identifier: ISC */
#include <stdint.h>
#include <string.h>

#include "d4-recv/match.h"
#include "t/unit/tap.h"

/*
 * A client by the contract (d4-resume(7)) and a receiver that keeps numbers: a
 * record is a number, its tag is made of its second and its words, so that
 * equal ones have equal tags.  Sessions are cut at random; what was stored in
 * the end is what was sent, each once and in order.
 */

#define NRECORDS	4000
#define TAIL_MIN	600	/* records that the tail has at least */
#define WINDOW		200	/* that a client sends again, about */

static uint64_t seed;

static uint64_t
next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static unsigned
pick(unsigned n)
{
	return (unsigned)(next_random() % n);
}

struct sent {
	uint8_t		 tag[MATCH_TAG];
	bool		 anchor;
	bool		 preamble;
};

struct stream {
	struct sent	 sent[NRECORDS];
	unsigned	 nsent;
	unsigned	 stored[4 * NRECORDS];	/* by number */
	unsigned	 nstored;
	unsigned	 at;			/* of the tail's next */
};

static struct stream st;

static unsigned
tail_from(void)
{
	/* Between once and twice as much, as generations come and go. */
	return st.nstored < TAIL_MIN ? 0 :
	    st.nstored / TAIL_MIN * TAIL_MIN - TAIL_MIN;
}

static void
rewind_tail(void *cookie)
{
	(void)cookie;
	st.at = tail_from();
}

static const uint8_t *
next_of_tail(void *cookie, bool *preamble)
{
	const struct sent *sent;

	(void)cookie;
	if (st.at == st.nstored)
		return NULL;
	sent = &st.sent[st.stored[st.at++]];
	*preamble = sent->preamble;
	return sent->tag;
}

static bool
is_preamble(void *cookie, const uint8_t tag[MATCH_TAG])
{
	(void)cookie;
	return st.sent[0].preamble && memcmp(tag, st.sent[0].tag,
	    MATCH_TAG) == 0;
}

static const struct match_tail tail = {
	NULL, rewind_tail, next_of_tail, is_preamble
};

/* Words of few kinds, so that there are many equal records in each second;
 * anchors by rule: the first of a second, and any that had no equal. */
static void
make_stream(unsigned kinds, unsigned per_second, bool preamble)
{
	unsigned i, j, second;
	struct sent *s;

	memset(&st, 0, sizeof(st));
	st.nsent = NRECORDS;
	for (i = 0; i < NRECORDS; i++) {
		s = &st.sent[i];
		second = i / per_second;
		memcpy(s->tag, &second, sizeof(second));
		s->tag[8] = (uint8_t)(1 + pick(kinds));
		/* A record of its own length where there is no other anchor
		 * for long. */
		if (i % (WINDOW / 4) == 0)
			memcpy(s->tag + 9, &i, sizeof(i));
		s->anchor = true;
		for (j = second * per_second; j < i && s->anchor; j++)
			s->anchor = memcmp(st.sent[j].tag, s->tag,
			    MATCH_TAG) != 0;
	}
	if (preamble) {
		st.sent[0].preamble = true;
		st.sent[0].anchor = false;
		memset(st.sent[0].tag, 0xff, MATCH_TAG);
	}
}

/* The last anchor at least a window before what was acknowledged. */
static unsigned
head(unsigned acknowledged)
{
	unsigned at = acknowledged < WINDOW ? 0 : acknowledged - WINDOW;

	while (at > 0 && !st.sent[at].anchor)
		at--;
	return at;
}

/* One session from a record on; its link takes so many records to the
 * receiver.  Returns the first that did not arrive. */
static unsigned
session(unsigned from, unsigned n, struct match *m)
{
	unsigned i;

	if (st.nstored == 0)
		match_none(m);
	else
		match_begin(m, &tail);
	if (from > 0 && st.sent[0].preamble &&
	    match_judge(m, st.sent[0].tag) == MATCH_NEW)
		st.stored[st.nstored++] = 0;
	for (i = from; i < st.nsent && i < from + n; i++) {
		if (match_judge(m, st.sent[i].tag) == MATCH_NEW &&
		    st.nstored < 4 * NRECORDS)
			st.stored[st.nstored++] = i;
	}
	return i;
}

static bool
is_exact(void)
{
	unsigned i;

	for (i = 0; i < st.nstored; i++) {
		if (st.stored[i] != i)
			return false;
	}
	return st.nstored == st.nsent;
}

/* Cuts at random; sometimes the end of what the receiver had is lost with it,
 * within the window. */
static bool
simulate(bool crashes)
{
	unsigned from = 0, arrived = 0, acknowledged = 0, lost, sessions = 0;
	struct match m;

	while (st.nstored < st.nsent || arrived < st.nsent) {
		arrived = session(from, 1 + pick(3 * WINDOW), &m);
		if (++sessions > 20 * NRECORDS)
			return false;
		if (m.end == MATCH_GAP || m.end == MATCH_DIVERGED)
			return false;
		/* In the stream, and never going back. */
		if (arrived > acknowledged)
			acknowledged = arrived;
		lost = pick(WINDOW / 2);
		if (crashes && st.nstored > lost + TAIL_MIN &&
		    st.nstored - lost + WINDOW > acknowledged)
			st.nstored -= lost;
		from = head(acknowledged);
	}
	return is_exact();
}

static void
test_streams(void)
{
	static const struct {
		const char	*name;
		unsigned	 kinds, per_second;
	} streams[] = {
		{ "all lines equal, one second", 1, NRECORDS },
		{ "all lines equal, many seconds", 1, 37 },
		{ "two kinds of lines", 2, 500 },
		{ "few kinds", 5, 3000 },
		{ "many kinds", 200, 100 },
	};
	unsigned i, j, good;

	for (i = 0; i < sizeof(streams) / sizeof(*streams); i++) {
		for (j = 0, good = 0; j < 40; j++) {
			seed = 88172645463325252u + i * 1000 + j;
			make_stream(streams[i].kinds, streams[i].per_second,
			    j % 3 == 0);
			good += simulate(j % 2 == 1);
		}
		is(good, 40, "%s, cut at random: each once", streams[i].name);
	}
}

/* -- by hand --------------------------------------------------------------- */

static unsigned
feed(struct match *m, const char *words)
{
	uint8_t tag[MATCH_TAG];
	unsigned fresh = 0;

	for (; *words != '\0'; words++) {
		memset(tag, 0, sizeof(tag));
		tag[0] = (uint8_t)*words;
		fresh = fresh * 2 + (match_judge(m, tag) == MATCH_NEW);
	}
	return fresh;
}

static void
keep(const char *words)
{
	memset(&st, 0, sizeof(st));
	for (; *words != '\0'; words++) {
		st.sent[st.nstored].tag[0] = (uint8_t)*words;
		st.sent[st.nstored].preamble = *words == 'P' || *words == 'Q';
		st.stored[st.nstored] = st.nstored;
		st.nstored++;
	}
	if (st.sent[0].tag[0] != 'P')
		st.sent[0].preamble = false;
}

static void
test_rules(void)
{
	struct match m;

	match_none(&m);
	is(feed(&m, "aab"), 7, "a new stream: all is new");
	keep("");
	match_begin(&m, &tail);
	is(feed(&m, "ab"), 3, "an empty tail: all is new");
	is(m.end, MATCH_COMPLETE, "which is no gap");
	keep("abcab");
	match_begin(&m, &tail);
	is(feed(&m, "bcabd"), 1, "aligned, followed, then new");
	is(m.end, MATCH_COMPLETE, "without a gap");
	is(m.nstored, 4, "and counted");
	match_begin(&m, &tail);
	is(feed(&m, "abcabab"), 3, "equal ones behind the tail are new");
	match_begin(&m, &tail);
	is(feed(&m, "xab"), 7, "one that is not there: all is new from there");
	is(m.end, MATCH_GAP, "which is a gap");
	match_begin(&m, &tail);
	is(feed(&m, "bccab"), 7, "one that differs: likewise");
	is(m.end, MATCH_DIVERGED, "which is a divergence");
	match_begin(&m, &tail);
	is(feed(&m, "abc"), 0, "a session that ends within the tail");
	is(m.end, MATCH_OPEN, "is open");
	keep("PabQcd");
	match_begin(&m, &tail);
	is(feed(&m, "PabQcde"), 1, "from the beginning, with the preamble");
	match_begin(&m, &tail);
	is(feed(&m, "PbQcde"), 1, "from the middle, with the preamble");
	match_begin(&m, &tail);
	is(feed(&m, "Pcde"), 1, "behind a preamble within");
	keep("P");
	match_begin(&m, &tail);
	is(feed(&m, "Pa"), 1, "a preamble alone was stored");
	is(m.end, MATCH_COMPLETE, "then the first data is no gap");
}

int
main(void)
{
	test_rules();
	test_streams();
	return tap_done();
}
