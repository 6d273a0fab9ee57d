/* SPDX-License-Identifier: ISC */
#include <sys/file.h>
#include <sys/stat.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/tail-own.h"
#include "lib/bytes.h"

#define TAGS_MAX	((size_t)LOG_BODY_MAX / MATCH_TAG)

/* -- the preamble in force ------------------------------------------------- */

/* One that finds no memory will be taken for a gap at worst. */
static void
note_preamble(struct tail *t, const uint8_t tag[MATCH_TAG], uint8_t flags)
{
	uint8_t (*grown)[MATCH_TAG];

	if ((flags & LOG_PREAMBLE) == 0)
		return;
	if ((flags & LOG_ANEW) != 0)
		t->npreamble = 0;
	if (t->npreamble == TAGS_MAX)
		return;
	grown = realloc(t->preamble, (t->npreamble + 1) * sizeof(*grown));
	if (grown == NULL)
		return;
	t->preamble = grown;
	memcpy(t->preamble[t->npreamble++], tag, MATCH_TAG);
}

static int
take_tags(struct tail *t, const struct log_frame *f)
{
	uint8_t (*tags)[MATCH_TAG] = NULL;

	if (f->len > 0 && (tags = malloc(f->len)) == NULL)
		return -1;
	if (f->len > 0)
		memcpy(tags, f->body, f->len);
	free(t->preamble);
	t->preamble = tags;
	t->npreamble = f->len / MATCH_TAG;
	return 0;
}

/* -- what a frame says ----------------------------------------------------- */

int
tail_take_settled(struct tail *t, uint64_t end, uint64_t dropped,
    const struct part *part)
{
	struct hole *grown;

	t->file.settled = true;
	t->file.end = t->file.whole = end;
	t->part = *part;
	if (dropped == 0 || dropped > t->nentries)
		return 0;
	grown = realloc(t->holes, (t->nholes + 1) * sizeof(*grown));
	if (grown == NULL)
		return -1;
	t->holes = grown;
	t->holes[t->nholes].from = t->nentries - dropped;
	t->holes[t->nholes++].to = t->nentries;
	return 0;
}

void
tail_take_entries(struct tail *t, const struct log_frame *f)
{
	size_t at;

	for (at = 0; at < f->len; at += LOG_ENTRY) {
		note_preamble(t, f->body + at, log_entry_flags(f->body + at));
		t->wire += log_entry_wire(f->body + at);
		t->nentries++;
	}
	t->part.taken = 0;
	if (t->file.settled)
		return;
	t->file.end = f->end;
	t->file.whole = f->whole;
	t->file.data = (f->flags & LOG_DATA) != 0;
}

/* 0, 1 when the name is none of ours. */
static int
take_file(struct tail *t, const struct log_frame *f)
{
	struct place place;
	unsigned n;
	bool done;

	if (f->len >= sizeof(t->file.entry))
		return 1;
	memcpy(t->file.entry, f->body, f->len);
	t->file.entry[f->len] = '\0';
	if (place_parse(&place, t->file.entry, &n, &done) == -1 || done ||
	    place.kind != PLACE_STREAM || *place.tail == '\0')
		return 1;
	t->file.ordinal = place.ordinal;
	t->file.settled = false;
	t->file.data = (f->flags & LOG_DATA) != 0;
	t->file.end = f->end;
	t->file.whole = f->whole;
	if (place.ordinal > t->nfiles)
		t->nfiles = place.ordinal;
	return 0;
}

static void
get_part(struct part *part, const struct log_frame *f)
{
	part->taken = 0;
	if (f->len < 8 + LOG_PART)
		return;
	memcpy(part->tag, f->body + 8, MATCH_TAG);
	part->taken = d4_get32le(f->body + 8 + MATCH_TAG);
}

static int
take_frame(struct tail *t, const struct log_frame *f)
{
	struct part part;

	switch (f->kind) {
	case LOG_ENTRIES:
		tail_take_entries(t, f);
		return 0;
	case LOG_TAGS:
		return take_tags(t, f);
	case LOG_FILE:
		return take_file(t, f);
	case LOG_SETTLED:
		get_part(&part, f);
		return tail_take_settled(t, f->end, d4_get64le(f->body), &part);
	}
	return 0;
}

/* -- generations ----------------------------------------------------------- */

int
tail_load_generation(struct tail *t, int fd, uint64_t generation,
    uint64_t limit, uint64_t *end)
{
	struct log_reader reader = { .fd = -1 };
	struct log_frame f;
	int rc;

	log_reader_begin(&reader, fd, generation);
	*end = reader.at;
	while ((rc = log_read(&reader, &f)) == 1 && reader.at <= limit) {
		if ((rc = take_frame(t, &f)) != 0)
			break;
		*end = reader.at;
	}
	if (rc == 1 && reader.at > limit)
		rc = 0;
	log_reader_free(&reader);
	return rc;
}

/* The generation before the last one, if it is any good; marks of it hold. */
static void
open_before(struct tail *t, uint64_t generation, struct log_head *head)
{
	struct stat st;

	memset(head, 0, sizeof(*head));
	if ((t->before = generation_open(t, generation)) == -1)
		return;
	if (fstat(t->before, &st) == 0 && S_ISREG(st.st_mode) &&
	    generation_get_head(t->before, head) == 0 &&
	    head->generation == generation &&
	    memcmp(head->hello, t->hello, sizeof(t->hello)) == 0) {
		t->generation_before = generation;
		return;
	}
	(void)close(t->before);
	t->before = -1;
}

/* The last generation has nothing that counts: the one before is it. */
static int
step_back(struct tail *t, struct log_head *head)
{
	if (flock(t->before, LOCK_EX | LOCK_NB) == -1)
		return -1;
	tails_remove(t->tails, t->base, t->generation);
	(void)close(t->fd);
	t->fd = t->before;
	t->generation = t->generation_before;
	t->before = -1;
	return generation_get_head(t->fd, head);
}

/* The machine went down: where the last mark is.  0; 1: there is none to go
 * by; -1. */
static int
go_by_mark(struct tail *t, struct log_head *head, const struct log_head *older)
{
	if (head->unmarked)
		return 1;
	if (head->mark != 0 || t->before == -1)
		return 0;
	if (older->mark != 0)
		return step_back(t, head);
	tails_remove(t->tails, t->base, t->generation_before);
	(void)close(t->before);
	t->before = -1;
	return 0;
}

/* Nothing of the last generation is there: the one before is it, or nothing of
 * the stream counts. */
static int
load_blank(struct tail *t, uint64_t generation_before, bool *has_before,
    struct log_head *head)
{
	if (*has_before)
		open_before(t, generation_before, head);
	*has_before = false;
	if (t->before != -1)
		return step_back(t, head);
	t->fresh = true;
	t->lost = 1;
	t->len = LOG_HEAD;
	return ftruncate(t->fd, 0) == -1 ? -1 :
	    generation_put_head(t, t->fd, t->generation, true);
}

int
tail_load(struct tail *t, uint64_t generation_before, bool has_before)
{
	struct log_head head, older = { .mark = 0 };
	uint64_t limit = UINT64_MAX, end;
	struct stat st;
	int rc;

	if ((rc = generation_get_head(t->fd, &head)) == 2)
		rc = load_blank(t, generation_before, &has_before, &head);
	if (rc != 0 || t->fresh)
		return rc;
	if (head.generation != t->generation ||
	    memcmp(head.hello, t->hello, sizeof(t->hello)) != 0)
		return 1;
	if (has_before)
		open_before(t, generation_before, &older);
	t->by_mark = memcmp(head.boot, t->tails->boot, sizeof(head.boot)) != 0;
	if (t->by_mark && (rc = go_by_mark(t, &head, &older)) != 0)
		return rc;
	t->nfiles = head.nfiles;
	t->lost = head.lost;
	t->nmarks = head.mark_count;
	t->marked = head.mark;
	if (t->by_mark)
		limit = head.mark != 0 ? head.mark : LOG_HEAD;
	if (t->before != -1) {
		if ((rc = tail_load_generation(t, t->before,
		    t->generation_before, UINT64_MAX, &end)) != 0)
			return rc;
		t->nbefore = t->nentries;
		t->wire = 0;
	}
	if ((rc = tail_load_generation(t, t->fd, t->generation, limit,
	    &t->len)) != 0)
		return rc;
	if (fstat(t->fd, &st) == -1)
		return -1;
	/* A mark that was being written may be there before what it marks. */
	if (t->by_mark ? t->len < head.mark_before :
	    !log_is_torn(t->fd, t->len, (uint64_t)st.st_size))
		return 1;
	if ((uint64_t)st.st_size > t->len &&
	    ftruncate(t->fd, (off_t)t->len) == -1)
		return -1;
	if (t->by_mark)
		t->lost = t->nfiles + 1;
	t->file.by_mark = t->by_mark;
	return 0;
}
