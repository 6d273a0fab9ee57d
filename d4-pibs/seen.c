/* SPDX-License-Identifier: ISC */
#include <sys/mman.h>

#include <stdlib.h>
#include <string.h>

#include "d4-pibs/hash.h"
#include "d4-pibs/seen.h"

#ifndef MAP_NORESERVE
#define MAP_NORESERVE	0
#endif

#define BITS_MIN	16	/* sparse at first, and still in the cache */
#define RUN_MAX		512	/* an entry lies at most so far from home */
#define VICTIMS		16	/* neighbours looked at for one to give up */

/* A slot is 1 or 3 words.  The last one is never 0 in use and holds the
 * second in its low half; above it stands the IPv4 address, or a 1. */
#define USED6		(UINT64_C(1) << 32)

/*
 * Home is the top bits of the hash, so that a table twice as large has its
 * entries in the same order and can grow in place, from the end down.  There
 * is no wrapping around: RUN_MAX slots stand behind the last home.
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
	t->slots = mmap(NULL, table_bytes(t), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->slots == MAP_FAILED) {
		t->slots = NULL;
		return -1;
	}
#ifdef MADV_HUGEPAGE
	/* Each lookup in a large table is a miss; let it be one only. */
	(void)madvise(t->slots, table_bytes(t), MADV_HUGEPAGE);
#endif
	set_bits(t, BITS_MIN);
	return 0;
}

static void
table_close(struct table *t)
{
	if (t->slots != NULL)
		(void)munmap(t->slots, table_bytes(t));
}

TWICE uint64_t
hash_addr(const struct table *t, size_t words, struct addr a)
{
	return words == 1 ? hash_word(&t->key, a.lo) :
	    hash_words(&t->key, a.hi, a.lo);
}

TWICE uint64_t *
home(const struct table *t, size_t words, uint64_t hash)
{
	return t->slots + (size_t)(hash >> (64 - t->bits)) * words;
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

/* Where the address is or could be: its slot, the free one where its run
 * ends, or NULL when the run is as long as may be. */
TWICE uint64_t *
find(const struct table *t, size_t words, uint64_t hash, struct addr a)
{
	uint64_t *slot = home(t, words, hash), *end = slot + RUN_MAX * words;

	for (; slot < end; slot += words) {
		if (whole((slot[words - 1] == 0) | is_at(slot, words, a)))
			return slot;
	}
	return NULL;
}

/* Puts an entry, taken from elsewhere, where it belongs. */
TWICE void
settle(struct table *t, size_t words, const uint64_t *entry)
{
	struct addr a = addr_at(entry, words);
	uint64_t *slot = find(t, words, hash_addr(t, words, a), a);

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

/* The slot among an address's neighbours that was silent longest. */
static uint64_t *
oldest(const struct table *t, uint64_t *slot)
{
	uint64_t *best = slot;
	int i;

	for (i = 0; i < VICTIMS; i++, slot += t->words) {
		if (slot[t->words - 1] == 0)
			break;
		if ((uint32_t)slot[t->words - 1] <
		    (uint32_t)best[t->words - 1])
			best = slot;
	}
	return best;
}

/* Makes an entry for an address that has none. */
static void
insert(struct seen *s, struct table *t, struct addr a, uint32_t sec)
{
	uint64_t hash = hash_addr(t, t->words, a);
	uint64_t *slot;

	if (t->used >= t->full && t->bits < t->bits_max)
		grow(t);
	slot = find(t, t->words, hash, a);
	if (slot == NULL || t->used >= t->full) {
		slot = oldest(t, home(t, t->words, hash));
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

static inline bool
is_live(const struct seen *s, uint32_t last, uint32_t now)
{
	return (last != 0) & ((s->expire == 0) | (last >= now) |
	    (now - last <= s->expire));
}

/* What a batch asks of one table: which packets, their hashes. */
struct asked {
	uint64_t	hash[FRAME_BATCH];
	uint8_t		index[FRAME_BATCH];
	size_t		n;
};

/*
 * Written without branches on what a packet is: in mixed traffic each would be
 * guessed wrong half the time, which costs more than the whole rule.  keep[i]
 * becomes whether packet i is backscatter.
 */
TWICE void
judge(struct seen *s, struct table *t, size_t words, const struct asked *q,
    const struct packet *k, uint8_t *keep)
{
	size_t j;

	for (j = 0; j < q->n; j++) {
		const struct packet *p = &k[q->index[j]];
		uint64_t *slot = find(t, words, q->hash[j], p->src);
		uint64_t none = 0, *last = slot == NULL ? &none :
		    &slot[words - 1];
		uint64_t sec = p->sec < s->first ? s->first : p->sec;
		bool syn = p->class == PACKET_SYN, found = *last != 0;
		uint64_t change = (*last ^ sec) & UINT32_MAX &
		    -(uint64_t)(syn & found);

		keep[q->index[j]] = !syn & !is_live(s, (uint32_t)*last,
		    p->sec);
		*last ^= change;
		if (!whole(syn & !found))
			continue;
		if (slot == NULL || t->used >= t->full) {
			insert(s, t, p->src, (uint32_t)sec);
		} else {
			set_slot(slot, words, p->src, (uint32_t)sec);
			t->used++;
		}
	}
}

/* Sorts packets by table, and has the memory fetched that will be needed. */
static inline void
ask(const struct seen *s, const struct packet *k, size_t n,
    enum packet_class most, struct asked *q4, struct asked *q6)
{
	size_t i;

	q4->n = q6->n = 0;
	for (i = 0; i < n; i++) {
		unsigned wanted = k[i].class <= most;

		/* Another processor may have it in its cache. */
		__builtin_prefetch(&k[i + 16 < n ? i + 16 : i]);
		if (whole(wanted & !addr_is_v4(k[i].src))) {
			uint64_t h = hash_addr(&s->v6, 3, k[i].src);

			__builtin_prefetch(home(&s->v6, 3, h), 1);
			q6->hash[q6->n] = h;
			q6->index[q6->n++] = (uint8_t)i;
			continue;
		}
		q4->hash[q4->n] = hash_addr(&s->v4, 1, k[i].src);
		q4->index[q4->n] = (uint8_t)i;
		__builtin_prefetch(home(&s->v4, 1, q4->hash[q4->n]), 1);
		q4->n += wanted;
	}
}

TWICE void
apply(struct seen *s, const struct packet *k, size_t n,
    enum packet_class most, uint8_t *keep)
{
	struct asked q4, q6;

	ask(s, k, n, most, &q4, &q6);
	judge(s, &s->v4, 1, &q4, k, keep);
	judge(s, &s->v6, 3, &q6, k, keep);
}

size_t
seen_rule(struct seen *s, const struct packet *k, size_t n, uint8_t *report)
{
	uint8_t keep[FRAME_BATCH] = { 0 };
	size_t i, m = 0;

	apply(s, k, n, PACKET_ACK, keep);
	for (i = 0; i < n; i++) {
		report[m] = (uint8_t)i;
		m += keep[i];
	}
	return m;
}

void
seen_record(struct seen *s, const struct packet *k, size_t n)
{
	uint8_t keep[FRAME_BATCH];

	apply(s, k, n, PACKET_SYN, keep);
}

uint32_t
seen_last(const struct seen *s, struct addr a, uint32_t now)
{
	const struct table *t = addr_is_v4(a) ? &s->v4 : &s->v6;
	const uint64_t *slot = find(t, t->words, hash_addr(t, t->words, a), a);
	uint32_t last;

	if (slot == NULL || slot[t->words - 1] == 0)
		return 0;
	last = (uint32_t)slot[t->words - 1];
	return is_live(s, last, now) ? last : 0;
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

			if (slot[t->words - 1] != 0 && is_live(s, last, now))
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
