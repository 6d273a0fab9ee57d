/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "d4-recv/tail-own.h"

/* A tail as a match reads it: entry by entry, and all tags of preambles. */

static int
compare_tags(const void *a, const void *b)
{
	return memcmp(a, b, MATCH_TAG);
}

static bool
is_preamble(void *cookie, const uint8_t tag[MATCH_TAG])
{
	const struct tail *t = cookie;

	return t->reading->ntags > 0 && bsearch(tag, t->reading->tags,
	    t->reading->ntags, MATCH_TAG, compare_tags) != NULL;
}

static void
start_reading(void *cookie)
{
	struct tail *t = cookie;
	struct reading *r = t->reading;

	r->in_last = t->before == -1;
	r->frame.len = r->at = 0;
	r->lacks_frame = false;
	r->number = 0;
	log_reader_begin(&r->reader, r->in_last ? t->fd : t->before,
	    r->in_last ? t->generation : t->generation_before);
}

/* As log_read().  Faults are ends: what can't be read can't be matched, but for
 * want of memory, which is no end. */
static int
read_frame(struct reading *r, struct log_reader *reader, struct log_frame *f)
{
	int rc = log_read(reader, f);

	r->failed = r->failed || (rc == -1 && errno == ENOMEM);
	return rc;
}

/* The next frame of entries. */
static bool
next_frame(struct tail *t)
{
	struct reading *r = t->reading;
	struct log_frame f;

	for (;;) {
		if (read_frame(r, &r->reader, &f) == 1) {
			if (r->in_last && r->reader.at > t->len)
				return false;
			if (f.kind != LOG_ENTRIES)
				continue;
			r->frame = f;
			r->at = 0;
			return true;
		}
		if (r->in_last || r->failed)
			return false;
		r->in_last = true;
		r->number = t->nbefore;
		log_reader_begin(&r->reader, t->fd, t->generation);
	}
}

static bool
in_hole(const struct tail *t, uint64_t number)
{
	size_t i;

	for (i = 0; i < t->nholes; i++) {
		if (number >= t->holes[i].from && number < t->holes[i].to)
			return true;
	}
	return false;
}

static const uint8_t *
next_entry(void *cookie, bool *preamble)
{
	struct tail *t = cookie;
	struct reading *r = t->reading;
	const uint8_t *entry;

	if (r->lacks_frame && read_frame(r, &r->reader, &r->frame) != 1)
		return NULL;
	r->lacks_frame = false;
	do {
		if (r->at >= r->frame.len && !next_frame(t))
			return NULL;
		entry = r->frame.body + r->at;
		r->at += LOG_ENTRY;
	} while (in_hole(t, r->number++));
	*preamble = (log_entry_flags(entry) & LOG_PREAMBLE) != 0;
	return entry;
}

static int
add_tag(struct reading *r, const uint8_t tag[MATCH_TAG], size_t *room)
{
	uint8_t (*grown)[MATCH_TAG];

	if (r->ntags == *room) {
		*room = *room == 0 ? 16 : *room * 2;
		if ((grown = realloc(r->tags, *room * sizeof(*grown))) == NULL)
			return -1;
		r->tags = grown;
	}
	memcpy(r->tags[r->ntags++], tag, MATCH_TAG);
	return 0;
}

/* All that were in force at any time from where the tail begins. */
static int
gather_tags(struct tail *t, int fd, uint64_t generation, size_t *room)
{
	struct log_reader reader = { .fd = -1 };
	struct log_frame f;
	size_t at, step;
	int rc = 0;

	log_reader_begin(&reader, fd, generation);
	while (rc == 0 && read_frame(t->reading, &reader, &f) == 1) {
		if (f.kind != LOG_TAGS && f.kind != LOG_ENTRIES)
			continue;
		step = f.kind == LOG_TAGS ? MATCH_TAG : LOG_ENTRY;
		for (at = 0; rc == 0 && at < f.len; at += step) {
			if (f.kind == LOG_TAGS || (log_entry_flags(f.body +
			    at) & LOG_PREAMBLE) != 0)
				rc = add_tag(t->reading, f.body + at, room);
		}
	}
	log_reader_free(&reader);
	return t->reading->failed ? -1 : rc;
}

const struct match_tail *
tail_match(struct tail *t)
{
	struct reading *r;
	size_t room = 0;

	if ((r = t->reading = calloc(1, sizeof(*r))) == NULL)
		return NULL;
	r->match.cookie = t;
	r->match.rewind = start_reading;
	r->match.next = next_entry;
	r->match.is_preamble = is_preamble;
	if ((t->before != -1 && gather_tags(t, t->before,
	    t->generation_before, &room) == -1) ||
	    gather_tags(t, t->fd, t->generation, &room) == -1) {
		tail_match_done(t);
		return NULL;
	}
	if (r->ntags > 1)
		qsort(r->tags, r->ntags, MATCH_TAG, compare_tags);
	start_reading(t);
	return &r->match;
}

bool
tail_match_failed(const struct tail *t)
{
	return t->reading != NULL && t->reading->failed;
}

void
tail_match_done(struct tail *t)
{
	if (t->reading == NULL)
		return;
	log_reader_free(&t->reading->reader);
	free(t->reading->tags);
	free(t->reading);
	t->reading = NULL;
}

int
tail_each(struct tail *t, uint64_t max,
    int (*callback)(void *, const uint8_t *, uint32_t), void *cookie)
{
	const uint8_t *entry;
	bool preamble;
	size_t i;
	int rc = 0;

	if (t->reading != NULL) {
		errno = EBUSY;
		return -1;
	}
	if (tail_match(t) == NULL)
		return -1;
	for (i = 0; rc == 0 && i < t->reading->ntags; i++)
		rc = callback(cookie, t->reading->tags[i], 0);
	for (; rc == 0 && max > 0 &&
	    (entry = next_entry(t, &preamble)) != NULL; max--)
		rc = callback(cookie, entry, log_entry_wire(entry));
	if (rc == 0 && t->reading->failed)
		rc = -1;
	tail_match_done(t);
	return rc;
}
