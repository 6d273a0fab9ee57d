/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "d4-pibs/hash.h"
#include "d4-pibs/reserve.h"
#include "d4-pibs/seen.h"

#define BITS_MIN	16	/* sparse at first, and still in the cache */
#define LINE		8	/* slots of one word in a cache line */
#define RUN_MAX		512	/* an entry lies at most so far from home */
#define VICTIMS		16	/* neighbours looked at for one to give up */

/* A slot is 1 or 3 words.  The last one is never 0 in use and holds the
 * second in its low half; above it stands the IPv4 address, or a 1. */
#define USED6		(UINT64_C(1) << 32)

/*
 * Home is the top bits of the hash, so that a table twice as large has its
 * entries in the same order and can grow in place, from the end down.  There
 * is no wrapping around the end: RUN_MAX slots stand behind the last home.
 * Slots of one word are looked at one cache line after the other, in each from
 * the place of home on and around: nearly always one line is all.
 */
struct table {
	uint64_t	*slots;
	size_t		 words;		/* of a slot */
	size_t		 used;
	size_t		 full;		/* used at which to grow */
	unsigned	 bits, bits_max;
	struct hash_key	 key;
};

struct seen {
	struct table	 v4, v6;
	uint32_t	 expire;
	uint32_t	 first;		/* the least second there is */
	uint64_t	 lost;
};

/* Each of these is compiled twice, with words a constant. */
#define TWICE	static inline __attribute__((always_inline))

/* Keeps a condition one value: seeing "a & b" in an if, compilers branch on a
 * and then on b, and on a alone nobody guesses right. */
static inline unsigned
whole(unsigned value)
{
	__asm__("" : "+r" (value));
	return value;
}

/* -- one table, of either width -------------------------------------------- */

static size_t
capacity(unsigned bits)
{
	return ((size_t)1 << bits) + RUN_MAX;
}

static size_t
table_bytes(const struct table *t)
{
	return capacity(t->bits_max) * t->words * sizeof(*t->slots);
}

static void
set_bits(struct table *t, unsigned bits)
{
	size_t homes = (size_t)1 << bits;

	t->bits = bits;
	t->full = bits < t->bits_max ? homes / 8 * 5 : homes / 8 * 7;
}

static int
table_open(struct table *t, size_t words, size_t limit)
{
	unsigned bits = BITS_MIN;

	t->words = words;
	while (bits < 36 && (words * 8) << (bits + 1) <= limit)
		bits++;
	t->bits_max = bits;
	if (hash_key_new(&t->key) == -1)
		return -1;
	if ((t->slots = reserve(table_bytes(t))) == NULL)
		return -1;
	set_bits(t, BITS_MIN);
	return 0;
}

static void
table_close(struct table *t)
{
	unreserve(t->slots, table_bytes(t));
}

TWICE uint64_t
hash_addr(const struct hash_key *key, size_t words, struct addr a)
{
	return words == 1 ? hash_word(key, a.lo) :
	    hash_words(key, a.hi, a.lo);
}

/* The slot looked at after i others. */
TWICE uint64_t *
place(uint64_t *slots, size_t words, size_t home, size_t i)
{
	return words == 1 ? slots + (home & ~(size_t)(LINE - 1)) +
	    (i & ~(size_t)(LINE - 1)) + ((home + i) & (LINE - 1)) :
	    slots + (home + i) * words;
}

TWICE bool
is_at(const uint64_t *slot, size_t words, struct addr a)
{
	if (words == 1)
		return (uint32_t)(slot[0] >> 32) == (uint32_t)a.lo;
	return slot[0] == a.hi && slot[1] == a.lo;
}

TWICE struct addr
addr_at(const uint64_t *slot, size_t words)
{
	if (words == 1)
		return (struct addr){ 0, ADDR_V4 | slot[0] >> 32 };
	return (struct addr){ slot[0], slot[1] };
}

TWICE void
set_slot(uint64_t *slot, size_t words, struct addr a, uint32_t sec)
{
	if (words == 1) {
		slot[0] = a.lo << 32 | sec;
	} else {
		slot[0] = a.hi;
		slot[1] = a.lo;
		slot[2] = USED6 | sec;
	}
}

/* Whether a slot is the address's or free. */
TWICE bool
fits(const uint64_t *slot, size_t words, struct addr a)
{
	return whole((slot[words - 1] == 0) | is_at(slot, words, a));
}

/* Behind the first slot of a run. */
TWICE uint64_t *
find_behind(uint64_t *slots, size_t words, size_t home, struct addr a)
{
	size_t i;

	for (i = 1; i < RUN_MAX; i++) {
		uint64_t *slot = place(slots, words, home, i);

		if (fits(slot, words, a))
			return slot;
	}
	return NULL;
}

static __attribute__((noinline)) uint64_t *
find_behind4(uint64_t *slots, size_t home, struct addr a)
{
	return find_behind(slots, 1, home, a);
}

/* Where the address is or could be: its slot, the free one where its run
 * ends, or NULL when the run is as long as may be.  Nearly always it is the
 * first, and the others are out of the way. */
TWICE uint64_t *
find(uint64_t *slots, size_t words, size_t home, struct addr a)
{
	uint64_t *slot = slots + home * words;

	if (fits(slot, words, a))
		return slot;
	return words == 1 ? find_behind4(slots, home, a) :
	    find_behind(slots, words, home, a);
}

TWICE size_t
home_of(const struct table *t, size_t words, struct addr a)
{
	return (size_t)(hash_addr(&t->key, words, a) >> (64 - t->bits));
}

/* Puts an entry, taken from elsewhere, where it belongs. */
TWICE void
settle(struct table *t, size_t words, const uint64_t *entry)
{
	struct addr a = addr_at(entry, words);
	uint64_t *slot = find(t->slots, words, home_of(t, words, a), a);

	if (slot != NULL)
		memcpy(slot, entry, words * sizeof(*entry));
	else
		t->used--;
}

/*
 * Moves every entry to its place among more homes, four times as many where
 * they may be.  Going down, all that lies above is moved already, and an entry
 * goes up, except near the beginning, where it may lie further from home than
 * home from the beginning: those are set aside and go last.
 */
TWICE void
grow_table(struct table *t, size_t words)
{
	uint64_t low[2 * RUN_MAX * 3], entry[3];
	size_t nlow = 2 * RUN_MAX * words;
	size_t i = capacity(t->bits) * words;

	memcpy(low, t->slots, nlow * sizeof(*low));
	memset(t->slots, 0, nlow * sizeof(*low));
	set_bits(t, t->bits + 2 < t->bits_max ? t->bits + 2 : t->bits + 1);
	while (i > nlow) {
		uint64_t *slot = t->slots + (i -= words);

		if (slot[words - 1] == 0)
			continue;
		memcpy(entry, slot, words * sizeof(*entry));
		memset(slot, 0, words * sizeof(*entry));
		settle(t, words, entry);
	}
	for (i = 0; i < nlow; i += words) {
		if (low[i + words - 1] != 0)
			settle(t, words, low + i);
	}
}

static void
grow(struct table *t)
{
	if (t->words == 1)
		grow_table(t, 1);
	else
		grow_table(t, 3);
}

/* The slot that was silent longest among those first looked at. */
static uint64_t *
oldest(const struct table *t, size_t home)
{
	size_t words = t->words, i;
	uint64_t *best = place(t->slots, words, home, 0);

	for (i = 0; i < VICTIMS; i++) {
		uint64_t *slot = place(t->slots, words, home, i);

		if (slot[words - 1] == 0)
			break;
		if ((uint32_t)slot[words - 1] < (uint32_t)best[words - 1])
			best = slot;
	}
	return best;
}

/* Makes an entry for an address that has none. */
static void
insert(struct seen *s, struct table *t, struct addr a, uint32_t sec)
{
	size_t home = home_of(t, t->words, a);
	uint64_t *slot;

	/* Never so, which analyzers can't know. */
	if (t->slots == NULL)
		return;
	slot = find(t->slots, t->words, home, a);
	if (slot == NULL || t->used >= t->full) {
		slot = oldest(t, home);
		if (slot[t->words - 1] != 0)
			s->lost++;
		else
			t->used++;
	} else
		t->used++;
	set_slot(slot, t->words, a, sec);
}

/* -- the two of them ------------------------------------------------------- */

struct seen *
seen_new(size_t limit, uint32_t expire, bool pibs)
{
	struct seen *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->expire = expire;
	s->first = pibs ? 0 : 1;
	if (table_open(&s->v4, 1, limit / 5 * 4) == -1 ||
	    table_open(&s->v6, 3, limit / 5) == -1) {
		seen_free(s);
		return NULL;
	}
	return s;
}

void
seen_free(struct seen *s)
{
	if (s == NULL)
		return;
	table_close(&s->v4);
	table_close(&s->v6);
	free(s);
}

/* An entry counts for so many seconds; with expire 0 for more than there
 * are. */
static inline int64_t
life(const struct seen *s)
{
	return s->expire == 0 ? INT64_MAX : s->expire;
}

static inline bool
is_live(int64_t expire, uint32_t last, uint32_t now)
{
	return (last != 0) & ((int64_t)now - last <= expire);
}

static inline uint32_t
max32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* What a batch asks: which packets, and their homes. */
struct asked {
	size_t		home[FRAME_BATCH];
	uint8_t		index[FRAME_BATCH];
	size_t		n;
	bool		mixed;		/* not all are IPv4 */
};

/* Has the memory fetched that the packets of the classes up to most need: of
 * all as if they were IPv4, then of those that are not. */
static void
fetch(const struct seen *s, const struct packet *k, size_t n,
    enum packet_class most, struct asked *q)
{
	const struct table v4 = s->v4, v6 = s->v6;
	uint64_t others = 0;
	size_t i, m = 0;

	for (i = 0; i < n; i++) {
		size_t home = home_of(&v4, 1, k[i].src);

		/* Another processor may have it in its cache. */
		__builtin_prefetch(&k[i + 16]);
		__builtin_prefetch(v4.slots + home, 1);
		q->index[m] = (uint8_t)i;
		q->home[m] = home;
		others |= k[i].src.hi | (k[i].src.lo ^ ADDR_V4) >> 32;
		m += k[i].class <= most;
	}
	q->n = m;
	q->mixed = others != 0;
	for (i = 0; q->mixed && i < m; i++) {
		struct addr a = k[q->index[i]].src;

		if (addr_is_v4(a))
			continue;
		q->home[i] = home_of(&v6, 3, a);
		__builtin_prefetch(v6.slots + q->home[i] * 3, 1);
	}
}

static void
make_room(struct table *t, size_t n)
{
	while (t->used + n > t->full && t->bits < t->bits_max)
		grow(t);
}

/*
 * The rule for a packet; whether it is an answer of a source not recorded.
 * Written without branches on what a packet is: in mixed traffic each would be
 * guessed wrong half the time, which costs more than the whole rule.  With
 * room the table is sure to have some.
 */
TWICE unsigned
judge(struct seen *s, struct table *t, size_t words, size_t home,
    const struct packet *p, int64_t expire, bool room)
{
	uint64_t *slot = find(t->slots, words, home, p->src);
	uint64_t last = slot == NULL ? 0 : slot[words - 1];
	uint32_t sec = max32(p->sec, s->first);
	unsigned syn = p->class == PACKET_SYN;
	uint64_t if_syn = -(uint64_t)syn;

	if (slot == NULL || (!room && whole((t->used >= t->full) &
	    (last == 0)))) {
		if (syn)
			insert(s, t, p->src, sec);
	} else if (words == 1) {
		*slot = last ^ ((last ^ (p->src.lo << 32 | sec)) & if_syn);
		t->used += syn & (last == 0);
	} else if (syn) {
		set_slot(slot, words, p->src, sec);
		t->used += last == 0;
	}
	return (syn ^ 1) & !is_live(expire, (uint32_t)last, p->sec);
}

/* Records the source of a SYN; with room the table is sure to have some. */
TWICE void
record(struct seen *s, struct table *t, size_t words, size_t home,
    const struct packet *p, bool room)
{
	uint64_t *slot = find(t->slots, words, home, p->src);

	if (slot == NULL || (!room && slot[words - 1] == 0 &&
	    t->used >= t->full)) {
		insert(s, t, p->src, max32(p->sec, s->first));
		return;
	}
	t->used += slot[words - 1] == 0;
	set_slot(slot, words, p->src, max32(p->sec, s->first));
}

/* Judges what was asked; plain is all of IPv4, with room in its table. */
TWICE size_t
judge_all(struct seen *s, const struct packet *k, const struct asked *q,
    bool plain, uint8_t *report)
{
	const int64_t expire = life(s);
	size_t n = q->n, i, m = 0;

	for (i = 0; i < n; i++) {
		const struct packet *p = &k[q->index[i]];

		report[m] = q->index[i];
		if (!plain && !addr_is_v4(p->src))
			m += judge(s, &s->v6, 3, q->home[i], p, expire, false);
		else
			m += judge(s, &s->v4, 1, q->home[i], p, expire, plain);
	}
	return m;
}

TWICE void
record_all(struct seen *s, const struct packet *k, const struct asked *q,
    bool plain)
{
	size_t n = q->n, i;

	for (i = 0; i < n; i++) {
		const struct packet *p = &k[q->index[i]];

		if (!plain && !addr_is_v4(p->src))
			record(s, &s->v6, 3, q->home[i], p, false);
		else
			record(s, &s->v4, 1, q->home[i], p, plain);
	}
}

/* Whether what was asked is all of IPv4, with room in its table. */
static bool
is_plain(const struct seen *s, const struct asked *q)
{
	return !q->mixed && s->v4.used + q->n <= s->v4.full;
}

static void
prepare(struct seen *s, const struct packet *k, size_t n,
    enum packet_class most, struct asked *q)
{
	make_room(&s->v4, n);
	make_room(&s->v6, n);
	fetch(s, k, n, most, q);
}

size_t
seen_rule(struct seen *s, const struct packet *k, size_t n, uint8_t *report)
{
	struct asked q;

	prepare(s, k, n, PACKET_ACK, &q);
	return is_plain(s, &q) ?
	    judge_all(s, k, &q, true, report) :
	    judge_all(s, k, &q, false, report);
}

void
seen_record(struct seen *s, const struct packet *k, size_t n)
{
	struct asked q;

	prepare(s, k, n, PACKET_SYN, &q);
	if (is_plain(s, &q))
		record_all(s, k, &q, true);
	else
		record_all(s, k, &q, false);
}

uint32_t
seen_last(const struct seen *s, struct addr a, uint32_t now)
{
	const struct table *t = addr_is_v4(a) ? &s->v4 : &s->v6;
	const uint64_t *slot = find(t->slots, t->words,
	    home_of(t, t->words, a), a);
	uint32_t last;

	if (slot == NULL || slot[t->words - 1] == 0)
		return 0;
	last = (uint32_t)slot[t->words - 1];
	return is_live(life(s), last, now) ? last : 0;
}

void
seen_put(struct seen *s, struct addr a, uint32_t sec)
{
	struct packet k = { .src = a, .sec = sec, .class = PACKET_SYN };

	seen_record(s, &k, 1);
}

void
seen_each(const struct seen *s, uint32_t now,
    void (*each)(void *, struct addr, uint32_t), void *arg)
{
	const struct table *tables[] = { &s->v4, &s->v6 };
	size_t i, j;

	for (i = 0; i < 2; i++) {
		const struct table *t = tables[i];

		for (j = 0; j < capacity(t->bits); j++) {
			const uint64_t *slot = t->slots + j * t->words;
			uint32_t last = (uint32_t)slot[t->words - 1];

			if (slot[t->words - 1] != 0 &&
			    is_live(life(s), last, now))
				each(arg, addr_at(slot, t->words), last);
		}
	}
}

uint64_t
seen_count(const struct seen *s)
{
	return s->v4.used + s->v6.used;
}

uint64_t
seen_lost(const struct seen *s)
{
	return s->lost;
}
