/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "d4-recv/tail-own.h"

/* A file was cut: entries behind that place count no more. */

/* What of the current file ends behind a place. */
struct behind {
	uint64_t	 whole;		/* the place */
	char		 entry[PLACE_ENTRY];
	uint64_t	 n;		/* entries */
	struct part	 part;		/* of the first one */
};

/* A record of so much payload that ends there, behind the place. */
static void
note_part(struct part *part, const uint8_t tag[MATCH_TAG], int64_t start,
    uint64_t whole)
{
	memcpy(part->tag, tag, MATCH_TAG);
	part->taken = start < (int64_t)whole ?
	    (uint32_t)((int64_t)whole - start) : 0;
}

/* Those of a frame, the first one last.  What a record has in a file before
 * makes it begin before this one does. */
static void
count_frame(struct behind *b, const struct log_frame *f)
{
	int64_t end = (int64_t)f->end;
	bool first = b->n == 0;
	size_t at;

	for (at = f->len; at > 0 && end > (int64_t)b->whole; ) {
		at -= LOG_ENTRY;
		b->n++;
		end -= (int64_t)log_entry_wire(f->body + at) - D4_HEADER_LEN;
		if (first)
			note_part(&b->part, f->body + at, end, b->whole);
	}
}

static int
count_behind(const struct tail *t, int fd, uint64_t generation,
    struct behind *b)
{
	struct log_reader reader = { .fd = -1 };
	struct log_frame f;
	int rc;

	log_reader_begin(&reader, fd, generation);
	while ((rc = log_read(&reader, &f)) == 1) {
		if (fd == t->fd && reader.at > t->len)
			break;
		if (f.kind == LOG_FILE && (f.len != strlen(b->entry) ||
		    memcmp(f.body, b->entry, f.len) != 0)) {
			(void)snprintf(b->entry, PLACE_ENTRY, "%.*s",
			    (int)f.len, (const char *)f.body);
			b->n = 0;
		}
		if (f.kind == LOG_ENTRIES)
			count_frame(b, &f);
	}
	log_reader_free(&reader);
	return rc == -1 ? -1 : 0;
}

/* The first one of those that were not committed. */
static void
count_pending(const struct tail *t, struct behind *b)
{
	const struct pending *p;
	size_t i;

	for (i = 0; i < t->npending && t->pending[i].end <= b->whole; i++)
		continue;
	if (i == t->npending || b->n > 0)
		return;
	p = &t->pending[i];
	note_part(&b->part, p->tag, (int64_t)p->end - (int64_t)p->wire +
	    D4_HEADER_LEN, b->whole);
}

int
tail_settle(struct tail *t, uint64_t whole)
{
	struct behind behind = { .whole = whole, .part = t->part };
	bool open = *t->file.entry != '\0' && !t->file.settled;
	uint64_t len = t->len;

	if (open && t->file.end > whole && ((t->before != -1 &&
	    count_behind(t, t->before, t->generation_before,
	    &behind) == -1) || count_behind(t, t->fd, t->generation,
	    &behind) == -1))
		return -1;
	count_pending(t, &behind);
	if (open || behind.part.taken != t->part.taken) {
		if (generation_append_settled(t->fd, t->generation, &len, whole,
		    behind.n, &behind.part) == -1)
			return -1;
		t->len = len;
		if (tail_take_settled(t, whole, behind.n, &behind.part) == -1)
			return -1;
	}
	t->npending = 0;
	t->pending_bytes = 0;
	if (t->by_mark && generation_put_head(t, t->fd, t->generation,
	    false) == -1)
		return -1;
	t->by_mark = t->file.by_mark = false;
	return 0;
}
