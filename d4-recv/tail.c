/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/tail-own.h"
#include "lib/log.h"
#include "lib/uuid.h"

#define PENDING_FIRST	64

/* -- opening --------------------------------------------------------------- */

static int
make_new(struct tail *t)
{
	char name[TAIL_NAME];
	int rc;

	if (tails_make_folder(t->tails, t->base) == -1)
		return -1;
	tails_prune(t->tails, t->base);
	tails_generation(name, t->base, 0);
	t->fd = openat(t->tails->dir, name, O_RDWR | O_CREAT | O_EXCL |
	    O_CLOEXEC, 0600);
	if (t->fd == -1)
		return errno == EEXIST ? 1 : -1;
	if ((rc = generation_hold(t->fd)) != 0)
		return rc;
	t->generation = 0;
	t->len = LOG_HEAD;
	t->entries = true;
	return generation_put_head(t, t->fd, 0, true);
}

static void
give_up(const struct tail *t, const char *why)
{
	d4_log_warnx("%s/" TAIL_DIR "/%s%" PRIu64 ": %s, given up",
	    t->tails->root, t->base, t->generation, why);
	if (t->before != -1)
		tails_remove(t->tails, t->base, t->generation_before);
	tails_remove(t->tails, t->base, t->generation);
}

static void
forget(struct tail *t)
{
	tail_match_done(t);
	if (t->fd != -1)
		(void)close(t->fd);
	if (t->before != -1)
		(void)close(t->before);
	if (t->unmarked != -1)
		(void)close(t->unmarked);
	free(t->holes);
	free(t->preamble);
	free(t->pending);
	memset(&t->file, 0, sizeof(t->file));
	t->fd = t->before = t->unmarked = -1;
	t->holes = NULL;
	t->preamble = NULL;
	t->pending = NULL;
	t->nholes = t->npreamble = t->npending = t->room = 0;
	t->nentries = t->nbefore = t->wire = t->nfiles = t->lost = 0;
	t->by_mark = t->fresh = false;
	t->marked = t->nmarks = 0;
	t->part.taken = 0;
}

/* One that is there.  0; 1: another has it; 2: it was damaged, and is gone;
 * -1. */
static int
take_hold(struct tail *t, uint64_t last, uint64_t before, int n)
{
	uint64_t now, other;
	int rc;

	t->generation = last;
	if ((t->fd = generation_open(t, last)) == -1)
		return errno == ENOENT ? 1 : -1;
	if ((rc = generation_hold(t->fd)) != 0)
		return rc;
	/* Its holder may have begun the next one before it let go. */
	if (tails_find(t->tails, t->base, &now, &other) < 1 ||
	    now != last)
		return 1;
	if ((rc = tail_load(t, before, n > 1)) != 1)
		return rc;
	give_up(t, "damaged");
	return 2;
}

static int
open_any(struct tails *tails, const char base[TAIL_BASE],
    const uint8_t hello[D4_HMAC_LEN], bool create, struct tail **out)
{
	uint64_t last = 0, before = 0;
	char name[TAIL_NAME];
	struct tail *t;
	int n, rc = -1;

	*out = NULL;
	if ((t = calloc(1, sizeof(*t))) == NULL)
		return -1;
	t->tails = tails;
	t->fd = t->before = t->unmarked = -1;
	memcpy(t->base, base, sizeof(t->base));
	memcpy(t->hello, hello, sizeof(t->hello));
	if ((n = tails_find(tails, base, &last, &before)) > 0)
		rc = take_hold(t, last, before, n);
	else if (n == 0)
		rc = 2;
	if (rc == 2 && create) {
		forget(t);
		rc = make_new(t);
	}
	if (rc == 0) {
		tails_name_want(name, base);
		(void)unlinkat(tails->dir, name, 0);
		*out = t;
	} else {
		tail_close(t);
	}
	return rc;
}

int
tail_open(struct tails *tails, const uint8_t uuid[D4_UUID_LEN], uint8_t type,
    const uint8_t hello[D4_HMAC_LEN], struct tail **out)
{
	char stream[PLACE_TAIL], base[TAIL_BASE];

	tails_stream(stream, hello);
	tails_base(base, uuid, type, stream);
	return open_any(tails, base, hello, true, out);
}

/* What generation_get_head() says of a generation; 1 when it just went.
 * alone: whether nobody holds it. */
static int
peek(const struct tails *tails, const char base[TAIL_BASE], uint64_t generation,
    struct log_head *head, bool *alone)
{
	char name[TAIL_NAME];
	int fd, rc;

	tails_generation(name, base, generation);
	fd = openat(tails->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
	    O_CLOEXEC);
	if (fd == -1)
		return errno == ENOENT ? 1 : -1;
	rc = generation_get_head(fd, head);
	*alone = generation_hold(fd) == 0;
	(void)close(fd);
	return rc;
}

int
tail_open_for(struct tails *tails, const struct place *p, struct tail **out)
{
	uint64_t last = 0, before = 0;
	struct log_head head;
	char base[TAIL_BASE];
	bool alone;
	int n, rc;

	*out = NULL;
	tails_base(base, p->uuid, p->type, p->tail);
	if ((n = tails_find(tails, base, &last, &before)) < 1)
		return n == -1 ? -1 : 2;
	/* The name has half of the hello only. */
	rc = peek(tails, base, last, &head, &alone);
	if (rc == 2 && n == 1)
		return alone ? 3 : 1;
	if (rc == 2)
		rc = peek(tails, base, before, &head, &alone);
	if (rc == -1)
		return -1;
	/* Damaged, which who holds it will see. */
	if (rc != 0)
		memset(head.hello, 0, sizeof(head.hello));
	return open_any(tails, base, head.hello, false, out);
}

void
tail_close(struct tail *t)
{
	if (t == NULL)
		return;
	forget(t);
	free(t);
}

void
tail_drop(struct tail *t, const char *why)
{
	if (t == NULL)
		return;
	give_up(t, why);
	tail_close(t);
}

/* -- what it says ---------------------------------------------------------- */

const struct tail_file *
tail_file(const struct tail *t)
{
	return &t->file;
}

bool
tail_lost(const struct tail *t, uint64_t ordinal)
{
	return t->lost > 0 && ordinal >= t->lost &&
	    ordinal < t->lost + TAIL_LOST;
}

uint64_t
tail_count(const struct tail *t)
{
	uint64_t n = t->nentries;
	size_t i;

	for (i = 0; i < t->nholes; i++)
		n -= t->holes[i].to - t->holes[i].from;
	return n;
}

uint32_t
tail_part(const struct tail *t, const uint8_t tag[MATCH_TAG])
{
	return t->part.taken > 0 &&
	    memcmp(t->part.tag, tag, MATCH_TAG) == 0 ? t->part.taken : 0;
}

bool
tail_next_part(const struct tail *t, uint8_t tag[MATCH_TAG], uint32_t *taken)
{
	memcpy(tag, t->part.tag, MATCH_TAG);
	*taken = t->part.taken;
	return t->part.taken > 0;
}

struct tail_place
tail_place(const struct tail *t)
{
	struct tail_place place = {
		.ordinal = t->file.ordinal, .whole = t->file.whole,
		.data = t->file.data
	};

	return place;
}

bool
tail_is_wanted(const struct tail *t)
{
	char name[TAIL_NAME];

	tails_name_want(name, t->base);
	return faccessat(t->tails->dir, name, F_OK, 0) == 0;
}

/* -- adding ---------------------------------------------------------------- */

void
tail_name(const struct tail *t, struct place *p)
{
	uint64_t next = t->nfiles + 1;

	if (tail_lost(t, next))
		next = t->lost + TAIL_LOST;
	tails_stream(p->tail, t->hello);
	p->ordinal = next;
}

int
tail_begin_file(struct tail *t, const char *entry, uint64_t ordinal,
    uint64_t start)
{
	struct tail_file file = {
		.ordinal = ordinal, .end = start, .whole = start
	};

	(void)snprintf(file.entry, sizeof(file.entry), "%s", entry);
	if (generation_append_file(t->fd, t->generation, &t->len, &file) == -1)
		return -1;
	t->file = file;
	t->nfiles = ordinal;
	return 0;
}

int
tail_add(struct tail *t, const uint8_t tag[MATCH_TAG], uint32_t wire,
    uint8_t flags, const struct tail_end *end)
{
	size_t room = t->room == 0 ? PENDING_FIRST : 2 * t->room;
	struct pending *p;

	if (t->npending == t->room) {
		if ((p = realloc(t->pending, room * sizeof(*p))) == NULL)
			return -1;
		t->pending = p;
		t->room = room;
	}
	p = &t->pending[t->npending++];
	memcpy(p->tag, tag, MATCH_TAG);
	p->wire = wire;
	p->flags = flags;
	p->end = end->end;
	p->whole = end->whole;
	p->data = end->data;
	t->pending_bytes += wire;
	return 0;
}

size_t
tail_npending(const struct tail *t)
{
	return t->npending;
}

uint64_t
tail_pending_bytes(const struct tail *t)
{
	return t->pending_bytes;
}

/* The next generation, whose head says what the last one ends with. */
static int
begin_generation(struct tail *t)
{
	uint64_t generation = t->generation + 1, len;
	int fd;

	if ((fd = generation_create(t, generation, &len)) == -1)
		return -1;
	if ((*t->file.entry != '\0' && generation_append_file(fd, generation,
	    &len, &t->file) == -1) || (t->file.settled &&
	    generation_append_settled(fd, generation, &len, t->file.end, 0,
	    &t->part) == -1))
		return generation_abandon(t, fd, generation);
	if (t->before != -1) {
		(void)close(t->before);
		tails_remove(t->tails, t->base, t->generation_before);
	}
	if (t->unmarked != -1)
		(void)close(t->unmarked);
	t->unmarked = fcntl(t->fd, F_DUPFD_CLOEXEC, 3);
	t->unmarked_at = t->len;
	t->before = t->fd;
	t->generation_before = t->generation;
	t->fd = fd;
	t->generation = generation;
	t->len = len;
	t->wire = 0;
	t->marked = 0;
	t->entries = true;
	/* Nobody matches now; numbers begin anew when it is opened. */
	t->nholes = 0;
	t->nentries = t->nbefore = 0;
	return 0;
}

static size_t
count_written(const struct tail *t, uint64_t written)
{
	size_t most = (LOG_BODY_MAX / LOG_ENTRY), n;

	for (n = 0; n < t->npending && n < most &&
	    t->pending[n].end <= written; n++)
		continue;
	return n;
}

static int
commit_some(struct tail *t, size_t n)
{
	const struct pending *p = &t->pending[n - 1];
	struct log_frame f = {
		.kind = LOG_ENTRIES, .flags = p->data ? LOG_DATA : 0,
		.end = p->end, .whole = p->whole, .len = n * LOG_ENTRY
	};
	uint8_t small[LOG_FRAME + 16 * LOG_ENTRY], *buf = small;
	size_t i;
	int rc;

	if (n > 16 && (buf = malloc(LOG_FRAME + f.len)) == NULL)
		return -1;
	for (i = 0; i < n; i++) {
		p = &t->pending[i];
		log_put_entry(buf + LOG_FRAME + i * LOG_ENTRY, p->tag, p->wire,
		    p->flags);
	}
	rc = generation_append(t->fd, t->generation, &t->len, buf, &f);
	if (rc == 0)
		tail_take_entries(t, &f);
	if (buf != small)
		free(buf);
	if (rc == -1)
		return -1;
	for (i = 0; i < n; i++)
		t->pending_bytes -= t->pending[i].wire;
	t->npending -= n;
	memmove(t->pending, t->pending + n, t->npending * sizeof(*p));
	return 0;
}

int
tail_commit(struct tail *t, uint64_t written)
{
	size_t n;

	while ((n = count_written(t, written)) > 0) {
		if (commit_some(t, n) == -1)
			return -1;
		/* Without room for the next one this one grows. */
		if (t->wire >= TAIL_BYTES)
			(void)begin_generation(t);
	}
	return 0;
}

void
tail_idle(struct tail *t)
{
	struct reading *r = t->reading;

	if (t->npending == 0) {
		free(t->pending);
		t->pending = NULL;
		t->room = 0;
	}
	/* The frame will be read again. */
	if (r != NULL && r->reader.buf != NULL) {
		if (r->frame.len > 0)
			r->reader.at = r->frame.at;
		r->reader.from = r->reader.at;
		r->reader.len = 0;
		free(r->reader.buf);
		r->reader.buf = NULL;
		r->lacks_frame = r->frame.len > 0;
	}
}

/* -- marks ----------------------------------------------------------------- */

bool
tail_is_unmarked(const struct tail *t)
{
	return t->len != t->marked;
}

int
tail_mark_begin(struct tail *t, struct tail_mark *m)
{
	char folder[D4_UUID_HEX];

	if (t->len == t->marked)
		return 0;
	m->older = m->dir = -1;
	if ((m->fd = fcntl(t->fd, F_DUPFD_CLOEXEC, 3)) == -1)
		return -1;
	if (t->entries) {
		(void)snprintf(folder, sizeof(folder), "%.*s",
		    D4_UUID_HEX - 1, t->base);
		m->dir = openat(t->tails->dir, folder, O_RDONLY |
		    O_DIRECTORY | O_CLOEXEC);
		if (m->dir == -1) {
			(void)close(m->fd);
			return -1;
		}
		t->entries = false;
	}
	m->older = t->unmarked;
	m->older_at = t->unmarked_at;
	t->unmarked = -1;
	m->at = t->marked = t->len;
	m->count = ++t->nmarks;
	return 1;
}

static int
write_mark(int fd, uint64_t at, uint64_t count)
{
	uint8_t mark[LOG_MARK];

	log_put_mark(mark, at, count);
	if (tails_write(fd, mark, sizeof(mark), log_mark_at(count)) == -1)
		return -1;
	while (fdatasync(fd) == -1) {
		if (errno != EINTR)
			return -1;
	}
	return 0;
}

int
tail_mark_write(const struct tail_mark *m)
{
	if (m->dir != -1 && fsync(m->dir) == -1)
		return -1;
	if (m->older != -1 && write_mark(m->older, m->older_at,
	    m->count) == -1)
		return -1;
	return write_mark(m->fd, m->at, m->count);
}

void
tail_mark_close(struct tail_mark *m)
{
	(void)close(m->fd);
	if (m->older != -1)
		(void)close(m->older);
	if (m->dir != -1)
		(void)close(m->dir);
}

void
tail_mark_doubt(const struct tail_mark *m)
{
	static const uint8_t none[LOG_BOOT];

	(void)tails_write(m->fd, none, sizeof(none), LOG_BOOT_AT);
}
