/* SPDX-License-Identifier: ISC */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4/spool-own.h"
#include "d4/window.h"
#include "lib/bytes.h"

/* A segment's file, and what its head says. */
struct found {
	uint64_t		 number;
	bool			 good;
	struct form_segment	 segment;
	uint8_t			*preamble;
	uint64_t		 limit;		/* here a later takes over */
};

struct search {
	struct spool	*spool;
	struct found	*found;
	size_t		 n;
	size_t		 room;
	uint64_t	 head;		/* that the head file names */
	bool		 have_head;
	struct progress	 now;
	uint64_t	 end_at;	/* where tail ends in its file */
	size_t		 end_segment;	/* among spool's segments */
};

/* -- progress -------------------------------------------------------------- */

int
progress_take(struct progress *p, uint32_t flags, const uint8_t *record,
    size_t len)
{
	uint64_t second = d4_get64le(record + D4_TIMESTAMP_AT);
	uint8_t *preamble;

	if ((flags & WINDOW_RESET) != 0)
		p->preamblelen = 0;
	if ((flags & WINDOW_PREAMBLE) != 0) {
		preamble = realloc(p->preamble, p->preamblelen + len);
		if (preamble == NULL)
			return -1;
		memcpy(preamble + p->preamblelen, record, len);
		p->preamble = preamble;
		p->preamblelen += len;
	}
	p->pos += len;
	p->data += len - D4_HEADER_LEN;
	if (second > p->second)
		p->second = second;
	return 0;
}

int
progress_copy(struct progress *to, const struct progress *from)
{
	uint8_t *preamble = to->preamble;

	if (from->preamblelen > 0) {
		preamble = realloc(preamble, from->preamblelen);
		if (preamble == NULL)
			return -1;
		memcpy(preamble, from->preamble, from->preamblelen);
	}
	*to = *from;
	to->preamble = preamble;
	return 0;
}

void
progress_free(struct progress *p)
{
	free(p->preamble);
	memset(p, 0, sizeof(*p));
}

/* -- segments -------------------------------------------------------------- */

int
segment_push(struct spool *sp, const struct segment *s)
{
	if (sp->nsegments == sp->room) {
		size_t room = sp->room > 0 ? 2 * sp->room : 64;
		struct segment *segments;

		segments = realloc(sp->segments, room * sizeof(*segments));
		if (segments == NULL)
			return -1;
		sp->segments = segments;
		sp->room = room;
	}
	sp->segments[sp->nsegments++] = *s;
	sp->on_disk += s->bytes;
	return 0;
}

/* Calls back with the number of each segment's file. */
static int
each_segment(const struct spool *sp, int (*one)(void *, uint64_t),
    void *cookie)
{
	const struct dirent *e;
	uint64_t number;
	DIR *dir;
	int fd, err, rc = 0;

	if ((fd = openat(sp->dir, ".", O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC)) == -1)
		return -1;
	if ((dir = fdopendir(fd)) == NULL) {
		(void)close(fd);
		return -1;
	}
	while (rc == 0 && (errno = 0, e = readdir(dir)) != NULL) {
		if (form_segment_number(e->d_name, &number))
			rc = one(cookie, number);
	}
	err = errno;
	if (rc == 0 && err != 0)
		rc = -1;
	(void)closedir(dir);
	errno = err;
	return rc;
}

static int
remove_number(const struct spool *sp, uint64_t number)
{
	char name[DISK_NAME];

	form_segment_name(name, number);
	/* A directory of such a name is not ours, and does no harm. */
	return disk_unlink(sp->dir, name) == -1 && errno != ENOENT &&
	    errno != EISDIR ? -1 : 0;
}

static int
on_remove(void *cookie, uint64_t number)
{
	return remove_number(cookie, number);
}

int
segments_remove(const struct spool *sp)
{
	union { const struct spool *in; void *out; } u = { .in = sp };

	return each_segment(sp, on_remove, u.out);
}

static int
on_found(void *cookie, uint64_t number)
{
	struct search *s = cookie;

	if (s->n == s->room) {
		size_t room = s->room > 0 ? 2 * s->room : 64;
		struct found *found;

		found = realloc(s->found, room * sizeof(*found));
		if (found == NULL)
			return -1;
		s->found = found;
		s->room = room;
	}
	memset(&s->found[s->n], 0, sizeof(s->found[s->n]));
	s->found[s->n++].number = number;
	return 0;
}

static int
by_number(const void *a, const void *b)
{
	const struct found *one = a, *other = b;

	return one->number < other->number ? -1 : one->number > other->number;
}

/* Reads every segment's head.  What can't be read is a fault of ours, what
 * makes no sense is damage. */
static int
read_heads(struct search *s)
{
	struct disk_file f;
	struct found *one;
	char name[DISK_NAME];
	uint64_t limit = UINT64_MAX;
	size_t i;
	int rc;

	for (i = 0; i < s->n; i++) {
		one = &s->found[i];
		form_segment_name(name, one->number);
		if (disk_open(&f, s->spool->dir, name) == -1) {
			if (errno != EINVAL && errno != EISDIR &&
			    errno != ELOOP && errno != ENXIO)
				return -1;
			continue;
		}
		rc = form_get_segment(&one->segment, &f, &one->preamble);
		disk_close(&f);
		if (rc == -1)
			return -1;
		one->good = rc == 1 && one->segment.number == one->number &&
		    one->segment.stream == s->spool->id;
	}
	for (i = s->n; i-- > 0;) {
		s->found[i].limit = limit;
		if (s->found[i].good && s->found[i].segment.pos < limit)
			limit = s->found[i].segment.pos;
	}
	return 0;
}

/* The first one that is needed: that with the head, or the first of all. */
static size_t
first_needed(const struct search *s)
{
	size_t i, first = 0;

	for (i = 0; i < s->n; i++) {
		if (s->found[i].good && s->found[i].segment.pos <= s->head &&
		    s->found[i].segment.pos < s->found[i].limit)
			first = i;
	}
	return first;
}

/* -- records --------------------------------------------------------------- */

/* The stream may end here. */
static int
mark_tail(struct search *s, uint64_t at)
{
	s->end_at = at;
	s->end_segment = s->spool->nsegments;
	return progress_copy(&s->spool->tail, &s->now);
}

static int
mark_head(struct search *s)
{
	s->have_head = true;
	return progress_copy(&s->spool->head, &s->now);
}

static int
take(struct search *s, const struct form_frame *f)
{
	if (!s->have_head && (s->now.pos == s->head ||
	    (s->now.pos > s->head && (f->flags & WINDOW_ANCHOR) != 0))) {
		if (mark_head(s) == -1 || mark_tail(s, f->at) == -1)
			return -1;
	}
	if (progress_take(&s->now, f->flags, f->record, f->len) == -1)
		return -1;
	if ((f->flags & WINDOW_END) == 0)
		return 0;
	s->spool->stream.closed = f->len == D4_HEADER_LEN;
	return mark_tail(s, f->at + FORM_FRAME + f->len);
}

static int
read_records(struct search *s, const struct found *one)
{
	struct segment segment = { .number = one->number,
	    .pos = one->segment.pos };
	struct form_reader r;
	struct form_frame f;
	struct disk_file file;
	char name[DISK_NAME];
	int rc = 0;

	form_segment_name(name, one->number);
	if (disk_open(&file, s->spool->dir, name) == -1)
		return -1;
	form_reader_begin(&r, &file, &one->segment);
	while (s->now.pos < one->limit &&
	    (rc = form_read(&r, UINT64_MAX, &f)) == 1) {
		if (take(s, &f) == -1) {
			rc = -1;
			break;
		}
	}
	segment.end = s->now.pos;
	segment.bytes = r.at;
	form_reader_free(&r);
	disk_close(&file);
	return rc == -1 ? -1 : segment_push(s->spool, &segment);
}

/* Follows the chain of segments as far as it is whole. */
static int
follow(struct search *s, size_t *last)
{
	const struct found *one;
	bool begun = false;
	size_t i;

	for (i = *last; i < s->n; i++) {
		one = &s->found[i];
		if (one->good && one->segment.pos >= one->limit)
			continue;	/* of before an earlier recovery */
		if (!one->good || (begun && one->segment.pos != s->now.pos)) {
			(void)snprintf(s->spool->damage, SPOOL_WHY,
			    "cut off before segment %016llx, which is "
			    "damaged or has no forerunner",
			    (unsigned long long)one->number);
			break;
		}
		if (!begun) {
			s->now.pos = one->segment.pos;
			s->now.data = one->segment.data;
			s->now.second = one->segment.second;
			s->now.preamblelen = one->segment.preamble;
			if (one->segment.preamble > 0) {
				s->now.preamble = one->preamble;
				s->found[i].preamble = NULL;
			}
			begun = true;
			if (mark_tail(s, 0) == -1)
				return -1;
		}
		if (read_records(s, one) == -1)
			return -1;
		if (one->limit != UINT64_MAX && s->now.pos < one->limit) {
			(void)snprintf(s->spool->damage, SPOOL_WHY,
			    "cut off within segment %016llx, which is damaged",
			    (unsigned long long)one->number);
			i++;
			break;
		}
	}
	*last = i;
	return 0;
}

/* The list ends where the stream does, with a whole unit.  One segment stays,
 * for it says how far the stream had come. */
static int
end_list(struct search *s)
{
	struct spool *sp = s->spool;
	struct segment *last;

	while (sp->nsegments > 0 && sp->nsegments - 1 > s->end_segment) {
		last = &sp->segments[--sp->nsegments];
		sp->on_disk -= last->bytes;
		if (remove_number(sp, last->number) == -1)
			return -1;
	}
	if (sp->nsegments == 0)
		return 0;
	last = &sp->segments[sp->nsegments - 1];
	if (last->end > sp->tail.pos) {
		last->end = sp->tail.pos;
		sp->on_disk -= last->bytes - s->end_at;
		last->bytes = s->end_at;
	}
	return 0;
}

/* 0; 1 when there is no stream to go on with; -1 with errno. */
static int
search(struct search *s)
{
	struct spool *sp = s->spool;
	size_t i, first, last;

	if (each_segment(sp, on_found, s) == -1)
		return -1;
	if (s->n > 0)
		qsort(s->found, s->n, sizeof(*s->found), by_number);
	if (read_heads(s) == -1)
		return -1;
	s->head = head_read(sp);
	first = last = first_needed(s);
	if (follow(s, &last) == -1)
		return -1;
	for (i = 0; i < s->n; i++) {
		if (s->found[i].good)
			sp->next_number = s->found[i].number + 1;
		if ((i < first || i >= last || s->found[i].segment.pos >=
		    s->found[i].limit) &&
		    remove_number(sp, s->found[i].number) == -1)
			return -1;
	}
	if (sp->nsegments == 0 && s->head > 0) {
		(void)snprintf(sp->damage, sizeof(sp->damage),
		    "its segments are gone or damaged: all is left out");
		return 1;
	}
	if (end_list(s) == -1)
		return -1;
	if (!s->have_head || sp->head.pos > sp->tail.pos)
		return progress_copy(&sp->head, &sp->tail);
	return 0;
}

static void
tell(struct spool *sp)
{
	struct spool_stream *s = &sp->stream;

	s->data = sp->tail.data;
	s->second = d4_get64le(s->opening + D4_TIMESTAMP_AT);
	if (sp->tail.second > s->second)
		s->second = sp->tail.second;
	s->head = sp->head.pos;
	s->head_preamble = sp->head.preamble;
	s->head_preamblelen = sp->head.preamblelen;
	s->end = sp->tail.pos;
	s->end_preamble = sp->tail.preamble;
	s->end_preamblelen = sp->tail.preamblelen;
	sp->added = sp->synced = sp->tail.pos;
	sp->want_head = sp->have_head = sp->head.pos;
}

int
recover(struct spool *sp)
{
	struct search s = { .spool = sp };
	size_t i;
	int rc;

	(void)disk_unlink(sp->dir, SPOOL_SEGMENT);
	(void)disk_unlink(sp->dir, SPOOL_SPARE);
	if ((rc = state_read(sp)) == -1 && errno == EILSEQ) {
		(void)snprintf(sp->damage, sizeof(sp->damage),
		    "the file stream is damaged: all is left out");
		rc = STATE_NONE;
	}
	if (rc == -1)
		return -1;
	if (rc != STATE_STREAM)
		return segments_remove(sp);
	if ((rc = search(&s)) == 0)
		tell(sp);
	sp->there = rc == 0;
	progress_free(&s.now);
	for (i = 0; i < s.n; i++)
		free(s.found[i].preamble);
	free(s.found);
	return rc == -1 ? -1 : disk_sync_names(sp->dir);
}
