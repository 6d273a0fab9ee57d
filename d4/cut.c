/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "d4/cut.h"
#include "lib/bytes.h"
#include "lib/log.h"

#define SPACE	((size_t)512 << 10)	/* more than any preamble */
#define ROOM	((size_t)64 << 10)	/* the least that is read at a time */
#define PAYLOADS 1024			/* the most of them, if they are full */

struct cut {
	struct window	*window;
	struct d4_border *border;
	enum d4_border_kind kind;	/* as it was to be */
	bool		 lines;
	bool		 opaque;	/* every byte is a unit */
	uint8_t		 type;
	size_t		 snaplen;
	bool		 drop;
	const char	*name;
	uint64_t	 ndropped;
	uint64_t	 nbytes;
	uint8_t		*buf;
	size_t		 len;		/* bytes there */
	/* begin <= unit <= scanned <= len */
	size_t		 begin;		/* first byte not yet added */
	size_t		 unit;		/* where the present unit begins */
	size_t		 scanned;	/* the scanner has seen all before */
	size_t		 nunits;	/* whole ones from begin to unit */
	bool		 within;	/* the present one began before begin */
	size_t		 before;	/* and that part is so long */
	bool		 dropping;	/* and that part was left out */
	bool		 other;		/* another writer's bytes follow, not */
	size_t		 other_at;	/* scanned before it is known how */
					/* they begin */
};

struct cut *
cut_new(struct window *window, enum d4_border_kind kind, uint8_t type,
    size_t snaplen, bool drop, const char *name)
{
	struct cut *c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	c->border = d4_border_new(kind);
	c->buf = malloc(SPACE);
	if (c->border == NULL || c->buf == NULL) {
		cut_free(c);
		return NULL;
	}
	c->window = window;
	c->kind = kind;
	c->lines = kind == D4_BORDER_LINES;
	c->opaque = kind == D4_BORDER_OPAQUE;
	c->type = type;
	c->snaplen = snaplen;
	c->drop = drop;
	c->name = name;
	return c;
}

void
cut_free(struct cut *c)
{
	if (c == NULL)
		return;
	d4_border_free(c->border);
	free(c->buf);
	free(c);
}

/*
 * How much of what lies before end goes into the next record.  With split it
 * begins a unit that is the only one, or any byte is.
 */
static size_t
piece(struct cut *c, size_t end, bool split)
{
	size_t short_one, len = end - c->begin;

	if (len > c->snaplen)
		len = c->snaplen;
	if (split && window_wants_anchor(c->window) &&
	    !window_anchors(c->window, len)) {
		short_one = window_shortest_anchor(c->window);
		if (short_one > 0 && short_one < len)
			return short_one;
	}
	return len;
}

/*
 * Adds what lies before end as records: whole units, or with within the next
 * part of one, which it is the last of when whole.
 */
static int
add(struct cut *c, size_t end, bool whole, int flags)
{
	bool split = c->opaque || (!c->within && c->nunits <= 1 &&
	    (flags & WINDOW_PREAMBLE) == 0);
	size_t len;

	if (!c->within)
		c->dropping = c->drop && (flags & WINDOW_PREAMBLE) == 0 &&
		    window_full(c->window);
	for (; c->begin < end; c->begin += len) {
		len = piece(c, end, split);
		split = c->opaque;
		if (c->dropping)
			continue;
		if (c->opaque || (whole && len == end - c->begin))
			flags |= WINDOW_END;
		if (window_add(c->window, c->type, c->buf + c->begin, len,
		    flags) == -1)
			return -1;
		c->nbytes += len;
		flags &= ~WINDOW_RESET;
	}
	if (c->dropping)
		c->ndropped += c->nunits;
	c->nunits = 0;
	return 0;
}

/* Whether the units so far had better go alone, as an anchor. */
static bool
makes_anchor(struct cut *c)
{
	size_t short_one;

	if (!window_wants_anchor(c->window))
		return false;
	if (window_anchors(c->window, c->unit - c->begin))
		return true;
	if (c->nunits > 1)
		return false;
	short_one = window_shortest_anchor(c->window);
	return short_one > 0 && short_one < c->unit - c->begin;
}

/*
 * The present unit is whole.  It is packed with those before it, or goes alone
 * when it is longer than a payload or belongs to the preamble, which begins
 * anew with it when it is all of it.
 */
static int
take_unit(struct cut *c)
{
	size_t len = c->scanned - c->unit, preamble;
	int flags = 0;

	if (d4_border_was_preamble(c->border)) {
		(void)d4_border_preamble(c->border, &preamble);
		flags = preamble == len ? WINDOW_PREAMBLE | WINDOW_RESET :
		    WINDOW_PREAMBLE;
	}
	if (c->scanned - c->begin > c->snaplen || flags != 0) {
		if (c->nunits > 0 && add(c, c->unit, true, 0) == -1)
			return -1;
	}
	c->nunits++;
	c->unit = c->scanned;
	if (c->within || len > c->snaplen || flags != 0 || makes_anchor(c)) {
		if (add(c, c->unit, true, flags) == -1)
			return -1;
	}
	c->within = false;
	c->before = 0;
	return 0;
}

/* From here on the data is cut anywhere: the scanner has lost its way. */
static int
give_up(struct cut *c)
{
	struct d4_border *opaque;

	d4_log_warnx("%s: data is not what its type says: %s; cut anywhere "
	    "from here on", c->name, d4_border_fault(c->border));
	if ((opaque = d4_border_new(D4_BORDER_OPAQUE)) == NULL)
		return -1;
	d4_border_free(c->border);
	c->border = opaque;
	c->opaque = true;
	c->within = false;
	return 0;
}

/* A part of a unit that is too long to wait for the rest of it. */
static int
add_part(struct cut *c)
{
	bool last;

	c->before += c->len - c->begin;
	last = c->before > D4_BORDER_UNIT_MAX;
	if (add(c, c->len, last, 0) == -1)
		return -1;
	c->unit = c->begin;
	c->within = !last;
	if (last)
		c->before = 0;
	return 0;
}

static int
scan(struct cut *c)
{
	ptrdiff_t taken;
	bool whole;

	while (c->scanned < c->len) {
		taken = d4_border_step(c->border, c->buf + c->scanned,
		    c->len - c->scanned, &whole);
		if (taken == -1) {
			if (give_up(c) == -1)
				return -1;
			continue;
		}
		c->scanned += (size_t)taken;
		if (whole && take_unit(c) == -1)
			return -1;
	}
	/* What is whole goes now; the rest waits, unless it is too long to. */
	if (c->nunits > 0 && add(c, c->unit, true, 0) == -1)
		return -1;
	return c->len - c->begin > SPACE - ROOM ? add_part(c) : 0;
}

size_t
cut_space(struct cut *c, uint8_t **at)
{
	size_t room = SPACE - c->len, most = PAYLOADS * c->snaplen;

	*at = c->buf + c->len;
	return room < most ? room : most;
}

void
cut_other_writer(struct cut *c)
{
	/* Of a unit that went out in part the rest is owed. */
	c->other = !c->within && (c->opaque || !d4_border_at(c->border));
	c->other_at = c->len;
}

/* What lies before other_at is all of the present unit. */
static int
begin_anew(struct cut *c)
{
	size_t rest = c->other_at - c->begin;
	struct d4_border *border;

	c->other = false;
	if (!d4_border_begins(c->kind, c->buf + c->other_at))
		return 0;
	if ((border = d4_border_new(c->kind)) == NULL)
		return -1;
	d4_border_free(c->border);
	c->border = border;
	c->opaque = false;
	if (rest > 0)
		d4_log_warnx("%s: a writer left: %zu bytes of an unfinished "
		    "unit are left out", c->name, rest);
	c->begin = c->unit = c->scanned = c->other_at;
	return 0;
}

int
cut_take(struct cut *c, size_t n)
{
	c->len += n;
	if (c->other && c->len - c->other_at < D4_BORDER_BEGIN)
		return 0;
	if ((c->other && begin_anew(c) == -1) || scan(c) == -1)
		return -1;
	memmove(c->buf, c->buf + c->begin, c->len - c->begin);
	c->len -= c->begin;
	c->unit -= c->begin;
	c->scanned -= c->begin;
	c->begin = 0;
	return 0;
}

int
cut_put(struct cut *c, const uint8_t *bytes, size_t len)
{
	uint8_t *at;
	size_t n;

	for (; len > 0; bytes += n, len -= n) {
		n = cut_space(c, &at);
		n = n < len ? n : len;
		memcpy(at, bytes, n);
		if (cut_take(c, n) == -1)
			return -1;
	}
	return 0;
}

void
cut_go_on(struct cut *c, const uint8_t *records, size_t len)
{
	size_t at, n, border;

	for (at = 0; at + D4_HEADER_LEN <= len; at += D4_HEADER_LEN + n) {
		n = d4_get32le(records + at + D4_SIZE_AT);
		if (n > len - at - D4_HEADER_LEN || d4_border_scan(c->border,
		    records + at + D4_HEADER_LEN, n, &border) == -1)
			return;
	}
}

static int
add_rest(struct cut *c)
{
	if (c->begin == c->len)
		return 0;
	c->nunits = 1;
	return add(c, c->len, true, 0);
}

int
cut_rest(struct cut *c)
{
	return c->lines || c->opaque ? add_rest(c) : 0;
}

int
cut_finish(struct cut *c)
{
	if (add_rest(c) == -1)
		return -1;
	return window_add(c->window, c->type, NULL, 0, WINDOW_END);
}

size_t
cut_pending(const struct cut *c)
{
	return c->len - c->begin;
}

bool
cut_drops(const struct cut *c)
{
	return c->drop;
}

uint64_t
cut_dropped(const struct cut *c)
{
	return c->ndropped;
}

uint64_t
cut_bytes(const struct cut *c)
{
	return c->nbytes;
}
