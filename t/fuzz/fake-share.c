/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "d4-recv/tail-blob.h"
#include "d4-recv/tail-log.h"
#include "lib/bytes.h"
#include "t/fuzz/fake-share.h"
#include "t/fuzz/faults.h"

struct fake_share fake_share;

struct record {
	uint8_t		 tag[MATCH_TAG];
	uint32_t	 wire;		/* 0: a tag of the preamble alone */
	bool		 preamble;
	uint64_t	 file, end;
};

struct records {
	struct record	*at;
	size_t		 n, room;
};

/* What the server has of a stream. */
struct known {
	struct known		*next;
	struct place		 of;
	struct records		 stored;
	struct tail_place	 place;
	uint8_t			 part[MATCH_TAG];
	uint32_t		 part_taken;
};

struct share_stream {
	struct share_stream	*next;
	struct known		*known;
	enum share_state	 state;
	unsigned		 refs;
	bool			 uploaded, confirmed;	/* and not answered */
	bool			 lacks_all;
	struct records		 records;	/* that were not pushed */
	size_t			 nready;
	struct tail_import	 import;
	struct share_note	 note;
	uint64_t		 ticket, arrived;
};

struct share {
	struct share_stream	*streams;
	struct known		*known;
};

static struct share share;

static void
add(struct records *r, const struct record *one)
{
	if (r->n == r->room) {
		r->room = r->room == 0 ? 16 : 2 * r->room;
		r->at = realloc(r->at, r->room * sizeof(*r->at));
		assert(r->at != NULL);
	}
	r->at[r->n++] = *one;
}

static void
drop_first(struct records *r, size_t n)
{
	r->n -= n;
	if (r->n > 0)
		memmove(r->at, r->at + n, r->n * sizeof(*r->at));
}

/* -- the server ------------------------------------------------------------ */

struct share *
fake_share_begin(void)
{
	assert(share.streams == NULL && share.known == NULL);
	memset(&fake_share, 0, sizeof(fake_share));
	return &share;
}

static void
free_stream(struct share_stream *s)
{
	struct share_stream **at;

	for (at = &share.streams; *at != s; at = &(*at)->next)
		assert(*at != NULL);
	*at = s->next;
	blob_free(&s->import);
	free(s->records.at);
	free(s);
}

void
fake_share_end(void)
{
	struct share_stream *s, *next;
	struct known *k;

	for (s = share.streams; s != NULL; s = next) {
		next = s->next;
		assert(s->refs == 0);
		free_stream(s);
	}
	while ((k = share.known) != NULL) {
		share.known = k->next;
		free(k->stored.at);
		free(k);
	}
}

/* What another store has is what this one told of; of the older half of it the
 * server may know no more. */
static int
make_import(struct tail_import *in, const struct known *k)
{
	size_t i = fake_share.forgets ? k->stored.n / 2 : 0;
	uint8_t blob[BLOB_HEAD + MATCH_SHORT];
	const struct record *r;

	for (; i < k->stored.n; i++) {
		r = &k->stored.at[i];
		if (r->preamble &&
		    blob_take_preamble(in, r->tag, MATCH_TAG) == -1)
			return -1;
		if (r->wire == 0)
			continue;
		d4_put32le(blob, r->wire);
		memcpy(blob + BLOB_HEAD, r->tag, MATCH_SHORT);
		if (blob_take(in, blob, sizeof(blob)) == -1)
			return -1;
	}
	memcpy(in->part, k->part, sizeof(in->part));
	in->part_taken = k->part_taken;
	return 0;
}

/* Of ours counts what the server knows; or all before the last record of that,
 * which came first elsewhere. */
static void
make_note(struct share_note *note, const struct known *k)
{
	note->any = k->stored.n > 0;
	note->place = k->place;
	if (!fake_share.first || !note->any)
		return;
	note->first = true;
	note->place.whole = 0;
	memcpy(note->tag, k->stored.at[k->stored.n - 1].tag, MATCH_TAG);
}

static void
answer_question(struct share_stream *s)
{
	if (!fake_share.elsewhere) {
		s->state = SHARE_OWN;
		return;
	}
	make_note(&s->note, s->known);
	blob_free(&s->import);
	memset(&s->import, 0, sizeof(s->import));
	/* Without memory for the answer it is asked again. */
	if (make_import(&s->import, s->known) == 0)
		s->state = SHARE_OTHERS;
}

static void
take_push(struct share_stream *s)
{
	bool were = faults_pause();
	size_t i;

	for (i = 0; i < s->nready; i++)
		add(&s->known->stored, &s->records.at[i]);
	faults_resume(were);
	drop_first(&s->records, s->nready);
	s->nready = 0;
	s->arrived = s->ticket;
}

static void
answer(struct share_stream *s)
{
	if (s->state == SHARE_ASKS) {
		answer_question(s);
	} else if (fake_share.taken) {
		s->state = SHARE_GONE;
	} else if (fake_share.lost && (s->uploaded || s->confirmed ||
	    s->state == SHARE_SETTLED)) {
		s->lacks_all = true;
		s->uploaded = s->confirmed = false;
	} else if (s->uploaded || s->confirmed) {
		s->uploaded = s->confirmed = false;
		s->state = SHARE_SETTLED;
		s->arrived = s->ticket;
	} else if (s->state == SHARE_SETTLED) {
		take_push(s);
	}
}

void
fake_share_run(void)
{
	struct share_stream *s, *next;

	if (fake_share.away || fake_share.mute)
		return;
	for (s = share.streams; s != NULL; s = next) {
		next = s->next;
		if (s->refs == 0)
			free_stream(s);
		else
			answer(s);
	}
	fake_share.lost = false;
}

/* -- the share ------------------------------------------------------------- */

bool
share_is_away(const struct share *sh)
{
	assert(sh == &share);
	return fake_share.away;
}

static struct known *
know(const uint8_t uuid[D4_UUID_LEN], uint8_t type,
    const char stream[PLACE_TAIL])
{
	bool were = faults_pause();
	struct known *k;

	for (k = share.known; k != NULL; k = k->next) {
		if (k->of.type == type && strcmp(k->of.tail, stream) == 0 &&
		    memcmp(k->of.uuid, uuid, D4_UUID_LEN) == 0)
			break;
	}
	if (k == NULL) {
		k = calloc(1, sizeof(*k));
		assert(k != NULL);
		memcpy(k->of.uuid, uuid, D4_UUID_LEN);
		k->of.type = type;
		strcpy(k->of.tail, stream);
		k->next = share.known;
		share.known = k;
	}
	faults_resume(were);
	return k;
}

struct share_stream *
share_take(struct share *sh, const uint8_t uuid[D4_UUID_LEN], uint8_t type,
    const char stream[PLACE_TAIL])
{
	struct known *k = know(uuid, type, stream);
	struct share_stream *s;

	for (s = sh->streams; s != NULL; s = s->next) {
		if (s->known == k)
			return NULL;
	}
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	s->known = k;
	s->refs = 1;
	s->state = SHARE_ASKS;
	s->next = sh->streams;
	sh->streams = s;
	return s;
}

struct share_stream *
share_keep(struct share_stream *s)
{
	if (s != NULL)
		s->refs++;
	return s;
}

void
share_drop(struct share_stream *s)
{
	if (s != NULL) {
		assert(s->refs > 0);
		s->refs--;
	}
}

enum share_state
share_state(const struct share_stream *s)
{
	return s->state;
}

bool
share_is_wanted(const struct share_stream *s)
{
	(void)s;
	return fake_share.wanted;
}

bool
share_lacks_all(const struct share_stream *s)
{
	return s->lacks_all && !s->uploaded;
}

bool
share_has_arrived(const struct share_stream *s, uint64_t ticket)
{
	assert(ticket <= s->ticket);
	return s->arrived >= ticket;
}

const struct tail_import *
share_import(const struct share_stream *s)
{
	assert(s->state == SHARE_OTHERS && !s->confirmed);
	return &s->import;
}

const struct share_note *
share_note(const struct share_stream *s)
{
	assert(s->state != SHARE_ASKS);
	return &s->note;
}

static int
on_tail(void *cookie, const uint8_t tag[MATCH_TAG], uint32_t wire)
{
	struct record r = { .wire = wire, .preamble = wire == 0 };
	struct known *k = cookie;
	bool were = faults_pause();

	memcpy(r.tag, tag, MATCH_TAG);
	add(&k->stored, &r);
	faults_resume(were);
	return 0;
}

/* Records that count and are in the tail were not pushed. */
int
share_upload(struct share_stream *s, struct tail *tail)
{
	size_t unready = s->records.n - s->nready - tail_npending(tail);

	assert(s->state != SHARE_ASKS);
	s->known->stored.n = 0;
	s->known->place = tail_place(tail);
	if (tail_each(tail, tail_count(tail) - unready, on_tail,
	    s->known) == -1)
		return -1;
	drop_first(&s->records, s->nready);
	s->nready = 0;
	s->uploaded = true;
	s->lacks_all = false;
	return 0;
}

void
share_confirm(struct share_stream *s, const struct tail_place *ours,
    const uint8_t first[MATCH_TAG])
{
	(void)first;
	assert(s->state == SHARE_OTHERS && !s->confirmed);
	s->known->place = *ours;
	s->confirmed = true;
}

int
share_add(struct share_stream *s, const uint8_t tag[MATCH_TAG], uint32_t wire,
    uint8_t flags, uint64_t file, uint64_t end)
{
	struct record r = { .wire = wire, .file = file, .end = end,
	    .preamble = (flags & LOG_PREAMBLE) != 0 };
	bool were;
	void *p;

	if ((p = malloc(1)) == NULL)
		return -1;
	free(p);
	were = faults_pause();
	memcpy(r.tag, tag, MATCH_TAG);
	add(&s->records, &r);
	faults_resume(were);
	return 0;
}

uint64_t
share_push(struct share_stream *s, uint64_t file, uint64_t limit,
    const struct tail_place *ours)
{
	const struct record *r;
	uint64_t start;

	for (; s->nready < s->records.n; s->nready++) {
		r = &s->records.at[s->nready];
		if (r->file > file || (r->file == file && r->end > limit))
			break;
	}
	s->known->place = *ours;
	s->known->part_taken = 0;
	r = s->nready < s->records.n ? &s->records.at[s->nready] : NULL;
	if (r != NULL && r->file == file) {
		start = r->end - (r->wire - D4_HEADER_LEN);
		memcpy(s->known->part, r->tag, MATCH_TAG);
		if (start < limit)
			s->known->part_taken = (uint32_t)(limit - start);
	}
	return ++s->ticket;
}

/* Nobody recovers what dead processes left here. */

int
share_recover(struct share *sh, const struct place *p, struct tail *tail)
{
	(void)sh;
	(void)p;
	(void)tail;
	abort();
}

struct share_stream *
share_recovering(struct share *sh, const struct place *p)
{
	(void)sh;
	(void)p;
	abort();
}

struct tail *
share_tail(struct share_stream *s)
{
	(void)s;
	abort();
}
