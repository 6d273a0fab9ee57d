/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "d4/anchor.h"
#include "d4/shelf.h"
#include "d4/window.h"
#include "lib/bytes.h"
#include "lib/record.h"

#define THIN	64	/* so many anchors a window are enough */

/*
 * A spool remembers the head from time to time.  Until it has, nothing is sent
 * that lies so far behind the one it has that a receiver, who knows the last
 * 16 MiB, would not find that again.
 */
#define HEAD_STEP	((uint64_t)1 << 20)
#define HEAD_AHEAD	((uint64_t)15 << 20)

/* Records of a preamble; those who refer to it share it. */
struct preamble {
	size_t	 users;
	size_t	 len;
	uint8_t	 bytes[];
};

/* Where a session may begin, and what it has to begin with there. */
struct place {
	uint64_t	 pos;
	struct preamble	*preamble;	/* NULL: none */
};

struct bytes {
	uint8_t	*buf;
	size_t	 len;
	size_t	 cap;
};

struct window {
	struct d4_header	 header;
	size_t			 snaplen;
	struct d4_mac		*mac;
	struct d4_mac_key	*key;
	size_t			 keep;
	size_t			 buffer;
	struct anchor		*anchor;
	struct shelf		*shelf;		/* all, or the last ones of */
	struct spool		*spool;		/* the spool, or NULL */
	uint64_t		 second;	/* of what is added */
	bool			 border;	/* a unit ended with the last */

	/* Positions, in bytes of records from the stream's beginning. */
	struct place		 head;
	uint64_t		 acked;		/* the most ever acknowledged */
	uint64_t		 sent;
	uint64_t		 reached;	/* the most ever sent */
	uint64_t		 end;
	uint64_t		 asked;		/* the spool to remember */
	uint64_t		 records;	/* added */

	/* With a spool, whose threads read the shelf. */
	uint64_t		 given;		/* to it */
	uint64_t		 given_run;	/* begins here, of which */
	size_t			 ngiven;	/* so many were */
	uint64_t		 lent;		/* to the link, from sent on */

	struct bytes		 hello;
	struct bytes		 opening;	/* of this session */
	size_t			 opening_sent;

	/* The walk over records behind what is sent. */
	struct run		 run;
	size_t			 next;		/* in the run: not sent whole */
	uint64_t		 next_at;	/* where that begins */
	struct preamble		*preamble;	/* in force there */
	struct place		*anchors;	/* passed, behind the head */
	size_t			 nanchors;
	size_t			 room;
};

/* -- preambles and places -------------------------------------------------- */

static struct preamble *
hold(struct preamble *p)
{
	if (p != NULL)
		p->users++;
	return p;
}

static void
let_go(struct preamble *p)
{
	if (p != NULL && --p->users == 0)
		free(p);
}

/* Another preamble: of the old one, unless that is NULL, and this record. */
static struct preamble *
extend(const struct preamble *old, const uint8_t *record, size_t len)
{
	size_t before = old != NULL ? old->len : 0;
	struct preamble *p;

	if ((p = malloc(sizeof(*p) + before + len)) == NULL)
		return NULL;
	p->users = 1;
	p->len = before + len;
	if (old != NULL)
		memcpy(p->bytes, old->bytes, before);
	memcpy(p->bytes + before, record, len);
	return p;
}

static void
move_head(struct window *w, uint64_t pos, struct preamble *preamble)
{
	struct preamble *old = w->head.preamble;

	w->head.pos = pos;
	w->head.preamble = hold(preamble);
	let_go(old);
	if (w->spool == NULL)
		shelf_drop(w->shelf, 0, pos);
	else if (pos - w->asked >= HEAD_STEP)
		window_rest(w);
}

static int
push_anchor(struct window *w, uint64_t pos)
{
	uint64_t last = w->nanchors > 0 ? w->anchors[w->nanchors - 1].pos :
	    w->head.pos;

	if (pos - last < w->keep / THIN || pos == last)
		return 0;
	if (w->nanchors == w->room) {
		size_t room = w->room > 0 ? 2 * w->room : 2 * THIN;
		struct place *anchors;

		anchors = realloc(w->anchors, room * sizeof(*anchors));
		if (anchors == NULL)
			return -1;
		w->anchors = anchors;
		w->room = room;
	}
	w->anchors[w->nanchors].pos = pos;
	w->anchors[w->nanchors++].preamble = hold(w->preamble);
	return 0;
}

/* Forgets the first n anchors. */
static void
shift_anchors(struct window *w, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		let_go(w->anchors[i].preamble);
	w->nanchors -= n;
	if (n > 0)
		memmove(w->anchors, w->anchors + n,
		    w->nanchors * sizeof(*w->anchors));
}

/* -- the window ------------------------------------------------------------ */

static int
append(struct bytes *b, const uint8_t *data, size_t len)
{
	if (b->cap - b->len < len) {
		size_t cap = 2 * (b->len + len);
		uint8_t *buf;

		if ((buf = realloc(b->buf, cap)) == NULL)
			return -1;
		b->buf = buf;
		b->cap = cap;
	}
	if (len > 0)
		memcpy(b->buf + b->len, data, len);
	b->len += len;
	return 0;
}

/* With the stream of the spool.  What lies there may have been sent, and more
 * in its last second: so another one begins. */
static int
go_on(struct window *w, struct spool *spool)
{
	const struct spool_stream *s = spool_stream(spool);
	struct preamble *p = NULL;

	if (s->head_preamblelen > 0 && (p = extend(NULL, s->head_preamble,
	    s->head_preamblelen)) == NULL)
		return -1;
	w->spool = spool;
	w->end = w->given = s->end;
	w->head.pos = w->asked = w->reached = s->head;
	w->head.preamble = p;
	window_clock(w, s->second + 1);
	return append(&w->hello, s->opening, s->openinglen) == -1 ? -1 :
	    window_rewind(w);
}

struct window *
window_new(const struct d4_header *header, size_t snaplen, struct d4_mac *mac,
    struct d4_mac_key *key, size_t keep, size_t buffer,
    struct spool *spool)
{
	struct window *w;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		return NULL;
	w->header = *header;
	w->snaplen = snaplen;
	w->mac = mac;
	w->key = key;
	w->keep = keep;
	w->buffer = buffer;
	w->border = true;
	w->anchor = anchor_new(snaplen, keep);
	w->shelf = shelf_new(header, snaplen, mac, key,
	    spool != NULL ? spool_stream(spool)->end : 0);
	if (w->anchor == NULL || w->shelf == NULL ||
	    (spool != NULL && go_on(w, spool) == -1)) {
		window_free(w);
		return NULL;
	}
	return w;
}

void
window_free(struct window *w)
{
	if (w == NULL)
		return;
	if (w->spool != NULL)
		spool_rest(w->spool);
	shift_anchors(w, w->nanchors);
	let_go(w->preamble);
	let_go(w->head.preamble);
	anchor_free(w->anchor);
	shelf_free(w->shelf);
	free(w->anchors);
	free(w->hello.buf);
	free(w->opening.buf);
	free(w);
}

void
window_clock(struct window *w, uint64_t timestamp)
{
	if (timestamp > w->second)
		w->second = timestamp;
	anchor_second(w->anchor, w->second);
}

int
window_add_opening(struct window *w, uint8_t type, const void *data,
    size_t len)
{
	struct d4_record *one;
	const uint8_t *bytes;
	size_t n;
	int rc = -1;

	one = d4_record_new(&w->header, w->snaplen, w->mac, w->key);
	if (one != NULL && d4_record_put(one, type, data, len) == 0 &&
	    d4_record_seal(one, w->second) == 0) {
		bytes = d4_record_bytes(one, &n);
		rc = append(&w->hello, bytes, n) == -1 ||
		    append(&w->opening, bytes, n) == -1 ? -1 : 0;
	}
	d4_record_free(one);
	return rc;
}

int
window_add(struct window *w, uint8_t type, const void *data, size_t len,
    int flags)
{
	if (anchor_take(w->anchor, len, w->border && len > 0 &&
	    (flags & WINDOW_PREAMBLE) == 0))
		flags |= WINDOW_ANCHOR;
	if (shelf_add(w->shelf, type, data, len, (uint8_t)flags) == -1)
		return -1;
	w->border = (flags & WINDOW_END) != 0;
	w->end += D4_HEADER_LEN + len;
	w->records++;
	return 0;
}

/* Lends the spool what of the run it was not given yet. */
static int
give(struct window *w, const struct run *run)
{
	size_t n = run->pos == w->given_run ? w->ngiven : 0;
	struct run rest = *run;

	rest.pos = w->given;
	rest.bytes += w->given - run->pos;
	rest.len -= (size_t)(w->given - run->pos);
	rest.records += n;
	rest.n -= n;
	w->given = run->pos + run->len;
	w->given_run = run->pos;
	w->ngiven = run->n;
	return spool_add(w->spool, &rest);
}

/*
 * What is synced can be read again.  The last of it stays in memory, where the
 * link takes it from if it keeps up, and so does what the link has in hand.
 */
static void
trim(struct window *w)
{
	uint64_t synced = spool_synced(w->spool);

	shelf_drop(w->shelf, 0, w->sent < synced ? w->sent : synced);
	if (synced > w->buffer)
		shelf_drop(w->shelf, w->lent, synced - w->buffer);
}

int
window_seal(struct window *w)
{
	struct run run;

	if (shelf_seal(w->shelf, w->second) == -1)
		return -1;
	if (w->spool == NULL)
		return 0;
	while (shelf_run(w->shelf, w->given, &run) == 1) {
		if (give(w, &run) == -1)
			return -1;
	}
	trim(w);
	return 0;
}

bool
window_wants_anchor(const struct window *w)
{
	return anchor_due(w->anchor);
}

bool
window_anchors(const struct window *w, size_t len)
{
	return anchor_unused(w->anchor, len);
}

size_t
window_shortest_anchor(struct window *w)
{
	return anchor_shortest(w->anchor);
}

/* -- the link's side ------------------------------------------------------- */

/*
 * Whether what lies there must wait.  Where a unit is so long that there is no
 * anchor to move to, nothing is gained by waiting: then it goes on when the
 * peer's system has all.
 */
static bool
is_held(const struct window *w, uint64_t pos)
{
	uint64_t head;

	if (w->spool == NULL || w->keep == 0)
		return false;
	head = spool_head(w->spool);
	return pos > head + HEAD_AHEAD && (head < w->head.pos ||
	    w->acked < pos);
}

static size_t
record_len(const uint8_t *record)
{
	return D4_HEADER_LEN + (size_t)d4_get32le(record + D4_SIZE_AT);
}

/* The records at a position that lie in memory; of those that a spool has, the
 * synced ones.  Returns as shelf_run(). */
static int
run_in_memory(const struct window *w, uint64_t pos, struct run *run)
{
	uint64_t synced;

	if (w->spool == NULL)
		return shelf_run(w->shelf, pos, run);
	synced = spool_synced(w->spool);
	if (pos >= synced || shelf_run(w->shelf, pos, run) != 1)
		return 0;
	if (run->len > synced - run->pos)
		run->len = (size_t)(synced - run->pos);
	return 1;
}

/* Looks at what lies behind what is sent.  Returns as shelf_run(). */
static int
look(struct window *w)
{
	bool before = w->run.bytes != NULL;
	uint64_t at = w->run.pos;
	int rc;

	rc = run_in_memory(w, w->sent, &w->run);
	if (rc == 0 && w->spool != NULL)
		rc = spool_run(w->spool, w->sent, &w->run);
	if (rc != 1 || (before && w->run.pos == at))
		return rc;
	w->next = 0;
	for (at = w->run.pos; at < w->next_at; w->next++)
		at += w->run.records[w->next].len;
	return rc;
}

/* The records at a position ahead of what is sent.  Of what is read from a
 * spool there is but one run at a time: the next comes when that was sent.
 * Returns as look(). */
static int
look_ahead(struct window *w, uint64_t pos, struct run *run)
{
	if (run_in_memory(w, pos, run) == 1)
		return 1;
	if (w->spool == NULL || look(w) != 1 || pos >= w->run.pos + w->run.len)
		return 0;
	*run = w->run;
	return 1;
}

size_t
window_next(struct window *w, size_t ahead, const uint8_t **at)
{
	size_t opening = w->opening.len - w->opening_sent;
	struct run run;
	uint64_t pos;

	if (ahead < opening) {
		*at = w->opening.buf + w->opening_sent + ahead;
		return opening - ahead;
	}
	pos = w->sent + (ahead - opening);
	if (is_held(w, pos)) {
		if (w->asked < w->head.pos)
			window_rest(w);
		return 0;
	}
	if (pos == w->end || look_ahead(w, pos, &run) != 1)
		return 0;
	*at = run.bytes + (pos - run.pos);
	if (w->lent < run.pos + run.len)
		w->lent = run.pos + run.len;
	return run.len - (size_t)(pos - run.pos);
}

/* The record was sent whole. */
static int
pass(struct window *w, const uint8_t *record, size_t len, int flags)
{
	struct preamble *p;

	if ((flags & WINDOW_ANCHOR) != 0 && push_anchor(w, w->next_at) == -1)
		return -1;
	if ((flags & WINDOW_PREAMBLE) != 0) {
		p = extend((flags & WINDOW_RESET) != 0 ? NULL : w->preamble,
		    record, len);
		if (p == NULL)
			return -1;
		let_go(w->preamble);
		w->preamble = p;
	}
	w->next++;
	w->next_at += len;
	if (w->keep == 0 && (flags & WINDOW_END) != 0)
		move_head(w, w->next_at, w->preamble);
	return 0;
}

/* Some of the run, or all, was sent. */
static int
pass_some(struct window *w)
{
	const struct run_record *record;

	while (w->next < w->run.n) {
		record = &w->run.records[w->next];
		if (w->next_at + record->len > w->sent)
			break;
		if (pass(w, w->run.bytes + (w->next_at - w->run.pos),
		    record->len, record->flags) == -1)
			return -1;
	}
	return 0;
}

int
window_sent(struct window *w, size_t n)
{
	size_t part = w->opening.len - w->opening_sent;

	part = part < n ? part : n;
	w->opening_sent += part;
	for (n -= part; n > 0; n -= part) {
		if (look(w) != 1)
			return -1;
		part = w->run.len - (size_t)(w->sent - w->run.pos);
		part = part < n ? part : n;
		w->sent += part;
		if (w->sent > w->reached)
			w->reached = w->sent;
		if (pass_some(w) == -1)
			return -1;
	}
	return 0;
}

void
window_unacked(struct window *w, size_t n)
{
	size_t i;

	if (w->sent > n && w->sent - n > w->acked)
		w->acked = w->sent - n;
	for (i = 0; i < w->nanchors && w->keep > 0 &&
	    w->anchors[i].pos + w->keep <= w->acked; i++)
		continue;
	if (i == 0)
		return;
	move_head(w, w->anchors[i - 1].pos, w->anchors[i - 1].preamble);
	shift_anchors(w, i);
}

/* Whether the stream goes on with a preamble of its own. */
static bool
head_resets(struct window *w)
{
	return w->sent < w->end && look(w) == 1 &&
	    (w->run.records[w->next].flags & WINDOW_RESET) != 0;
}

/* Another hello, which no stream of this sensor had. */
static int
renew_hello(struct window *w)
{
	struct d4_mac_job job = { .key = w->key, .record = w->hello.buf };

	if (w->hello.len == 0)
		return 0;
	job.len = record_len(w->hello.buf);
	window_clock(w, window_hello_time(w) + 1);
	d4_put64le(w->hello.buf + D4_TIMESTAMP_AT, w->second);
	return d4_mac_seal(w->mac, &job, 1);
}

int
window_rewind(struct window *w)
{
	shift_anchors(w, w->nanchors);
	let_go(w->preamble);
	w->preamble = hold(w->head.preamble);
	w->sent = w->next_at = w->lent = w->head.pos;
	w->run.bytes = NULL;
	w->run.n = w->next = 0;
	w->opening.len = w->opening_sent = 0;
	if ((w->keep == 0 && renew_hello(w) == -1) ||
	    append(&w->opening, w->hello.buf, w->hello.len) == -1)
		return -1;
	return w->preamble == NULL || head_resets(w) ? 0 :
	    append(&w->opening, w->preamble->bytes, w->preamble->len);
}

size_t
window_kept(const struct window *w)
{
	return (size_t)(w->sent - w->head.pos);
}

size_t
window_waiting(const struct window *w)
{
	return (size_t)(w->end - w->sent);
}

bool
window_full(const struct window *w)
{
	if (w->spool != NULL)
		return spool_full(w->spool);
	return w->end - w->reached >= w->buffer;
}

bool
window_pauses(const struct window *w)
{
	return w->border && anchor_waits(w->anchor);
}

size_t
window_partial(const struct window *w)
{
	size_t at = 0, len;

	while (at < w->opening_sent && at < w->opening.len) {
		len = record_len(w->opening.buf + at);
		if (at + len > w->opening_sent)
			return w->opening_sent - at;
		at += len;
	}
	return (size_t)(w->sent - w->next_at);
}

const uint8_t *
window_hello(const struct window *w, size_t *len)
{
	*len = w->hello.len;
	return w->hello.buf;
}

uint64_t
window_hello_time(const struct window *w)
{
	return w->hello.len > 0 ? d4_get64le(w->hello.buf + D4_TIMESTAMP_AT) :
	    0;
}

uint64_t
window_records(const struct window *w)
{
	return w->records;
}

uint64_t
window_end(const struct window *w)
{
	return w->end;
}

uint64_t
window_reached(const struct window *w)
{
	return w->reached;
}

uint64_t
window_safe(const struct window *w)
{
	return w->spool != NULL ? spool_synced(w->spool) : w->reached;
}

void
window_flush(struct window *w)
{
	if (w->spool != NULL)
		spool_flush(w->spool);
}

void
window_rest(struct window *w)
{
	if (w->spool != NULL)
		spool_keep(w->spool, w->head.pos);
	w->asked = w->head.pos;
}

bool
window_held(const struct window *w)
{
	return is_held(w, w->sent);
}

int
window_drop(struct window *w, uint64_t *units)
{
	struct spool_dropped d;
	struct preamble *p = NULL;
	int rc;

	if ((rc = spool_drop(w->spool, w->reached, &d)) != 1)
		return rc;
	if (d.preamble != NULL)
		p = extend(NULL, d.preamble, d.preamblelen);
	rc = d.preamble != NULL && p == NULL ? -1 : 1;
	free(d.preamble);
	if (rc == -1)
		return -1;
	/* The run that may be on its way stays until the rewind. */
	w->asked = d.head;
	move_head(w, d.head, p);
	let_go(p);
	shift_anchors(w, w->nanchors);
	w->sent = w->next_at = d.head;
	*units = d.units;
	return 1;
}
