/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/tail-own.h"

/* Streams that other stores have a part of. */

/* -- looking for a place --------------------------------------------------- */

/* What is looked for. */
struct search {
	const uint8_t		*tag;
	struct tail_place	 from, found;
	uint64_t		 ordinal;	/* of the file that is read */
	bool			 data;		/* it has some before */
	bool			 any;
};

static bool
has_data(const struct log_frame *f, size_t len)
{
	size_t at;

	for (at = 0; at < len; at += LOG_ENTRY) {
		if ((log_entry_flags(f->body + at) & LOG_PREAMBLE) == 0)
			return true;
	}
	return false;
}

/* The first such entry of a frame of which those behind the place are looked
 * at.  Files have to be known by their names, as they may be of before. */
static void
search_frame(struct search *s, const struct log_frame *f)
{
	uint64_t end = f->end, size;
	size_t at;

	if (s->ordinal < s->from.ordinal)
		return;
	for (at = f->len; at > 0; end -= size < end ? size : end) {
		at -= LOG_ENTRY;
		size = log_entry_wire(f->body + at) - D4_HEADER_LEN;
		if (s->ordinal == s->from.ordinal && end <= s->from.whole)
			return;
		if (memcmp(f->body + at, s->tag, MATCH_TAG) != 0)
			continue;
		s->found.ordinal = s->ordinal;
		s->found.whole = size < end ? end - size : 0;
		s->found.data = s->data || has_data(f, at);
		s->any = true;
	}
}

static int
search_generation(struct search *s, int fd, uint64_t generation, uint64_t len)
{
	struct log_reader reader = { .fd = -1 };
	struct log_frame f;
	struct place place;
	char entry[PLACE_ENTRY];
	unsigned n;
	bool done;
	int rc;

	log_reader_begin(&reader, fd, generation);
	while (!s->any && (rc = log_read(&reader, &f)) == 1 &&
	    reader.at <= len) {
		if (f.kind == LOG_FILE && f.len < sizeof(entry)) {
			memcpy(entry, f.body, f.len);
			entry[f.len] = '\0';
			if (place_parse(&place, entry, &n, &done) == 0)
				s->ordinal = place.ordinal;
			s->data = (f.flags & LOG_DATA) != 0;
		} else if (f.kind == LOG_ENTRIES) {
			search_frame(s, &f);
			s->data = s->data || has_data(&f, f.len);
		}
	}
	log_reader_free(&reader);
	return !s->any && rc == -1 ? -1 : 0;
}

int
tail_find(const struct tail *t, const uint8_t tag[MATCH_TAG],
    struct tail_place *place)
{
	struct search s = { .tag = tag, .from = *place };

	if ((t->before != -1 && search_generation(&s, t->before,
	    t->generation_before, UINT64_MAX) == -1) ||
	    (!s.any && search_generation(&s, t->fd, t->generation,
	    t->len) == -1))
		return -1;
	if (s.any)
		*place = s.found;
	return s.any;
}

/* -- taking over ----------------------------------------------------------- */

/* Frames of a generation that begins with what another store has. */
static int
append_import(const struct tail *t, int fd, uint64_t generation,
    uint64_t *len, const struct tail_import *in)
{
	static const struct part none;
	struct log_frame f = { .kind = LOG_ENTRIES };
	struct part part = { .taken = in->part_taken };
	size_t most = LOG_BODY_MAX / LOG_ENTRY, done, n;
	uint8_t *buf;
	int rc = 0;

	memcpy(part.tag, in->part, sizeof(part.tag));
	if (*t->file.entry != '\0' && (generation_append_file(fd, generation,
	    len, &t->file) == -1 || generation_append_settled(fd, generation,
	    len, t->file.end, 0, &none) == -1))
		return -1;
	if ((buf = malloc(LOG_FRAME + most * LOG_ENTRY)) == NULL)
		return -1;
	for (done = 0; rc == 0 && done < in->nentries; done += n) {
		n = in->nentries - done < most ? in->nentries - done : most;
		f.len = n * LOG_ENTRY;
		memcpy(buf + LOG_FRAME, in->entries + done * LOG_ENTRY, f.len);
		rc = generation_append(fd, generation, len, buf, &f);
	}
	free(buf);
	if (rc == 0 && part.taken > 0)
		rc = generation_append_settled(fd, generation, len,
		    t->file.end, 0, &part);
	return rc;
}

/* The next generation, in the place of all there are. */
static void
step_over(struct tail *t, int fd, uint64_t generation)
{
	if (t->before != -1) {
		(void)close(t->before);
		tails_remove(t->tails, t->base, t->generation_before);
	}
	if (t->unmarked != -1)
		(void)close(t->unmarked);
	(void)close(t->fd);
	tails_remove(t->tails, t->base, t->generation);
	t->before = t->unmarked = -1;
	t->fd = fd;
	t->generation = generation;
	t->wire = t->nentries = t->nbefore = t->nholes = 0;
	t->marked = 0;
	t->by_mark = t->file.by_mark = t->fresh = false;
	t->entries = true;
}

int
tail_import(struct tail *t, const struct tail_import *in)
{
	uint64_t generation = t->generation + 1, len;
	uint8_t (*tags)[MATCH_TAG] = t->preamble;
	size_t ntags = t->npreamble;
	int fd;

	t->preamble = in->preamble;
	t->npreamble = in->npreamble;
	fd = generation_create(t, generation, &len);
	t->preamble = tags;
	t->npreamble = ntags;
	if (fd == -1)
		return -1;
	if (append_import(t, fd, generation, &len, in) == -1)
		return generation_abandon(t, fd, generation);
	step_over(t, fd, generation);
	return tail_load_generation(t, fd, generation, len, &t->len) == 0 ?
	    0 : -1;
}
