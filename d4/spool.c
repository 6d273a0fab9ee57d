/* SPDX-License-Identifier: ISC */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "d4/spool-own.h"
#include "d4/window.h"
#include "lib/bytes.h"

#define SEGMENT_MAX	((uint64_t)16 << 20)
#define SEGMENTS	8		/* a spool has room for, at least */
#define BLOCK_BYTES	((size_t)64 << 10)
#define RUN_BYTES	((size_t)256 << 10)
#define RUN_RECORDS	1024
#define LOCK_MS		50	/* between two tries for the lock */
#define LOCK_TRIES	40

static int
open_lock(struct spool *sp)
{
	const struct timespec wait = { .tv_nsec = LOCK_MS * 1000000L };
	int i;

	sp->lock.fd = openat(sp->dir, SPOOL_LOCK, O_RDWR | O_CREAT |
	    O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (sp->lock.fd == -1)
		return -1;
	/* One that was just killed has it until its last sync is done. */
	for (i = 0; i < LOCK_TRIES; i++) {
		if (flock(sp->lock.fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK)
			return -1;
		(void)nanosleep(&wait, NULL);
	}
	errno = EWOULDBLOCK;
	return -1;
}

static int
open_wake(struct spool *sp)
{
	int i;

	if (pipe(sp->wake) == -1)
		return -1;
	for (i = 0; i < 2; i++) {
		(void)fcntl(sp->wake[i], F_SETFD, FD_CLOEXEC);
		(void)fcntl(sp->wake[i], F_SETFL, O_NONBLOCK);
	}
	return 0;
}

static struct spool *
make(uint64_t size, size_t queue)
{
	pthread_condattr_t attr;
	struct spool *sp;

	if ((sp = calloc(1, sizeof(*sp))) == NULL)
		return NULL;
	sp->dir = sp->lock.fd = sp->open.fd = sp->wake[0] = sp->wake[1] = -1;
	sp->size = size;
	sp->queue_max = queue;
	sp->segment_bytes = size / SEGMENTS < SEGMENT_MAX ? size / SEGMENTS :
	    SEGMENT_MAX;
	sp->flags = malloc(RUN_RECORDS);
	(void)pthread_mutex_init(&sp->mutex, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&sp->work, &attr);
	(void)pthread_condattr_destroy(&attr);
	return sp;
}

struct spool *
spool_open(const char *dir, uint64_t size, size_t queue, char why[SPOOL_WHY],
    bool *wrong)
{
	struct spool *sp = make(size, queue);
	int err;

	if (sp != NULL && sp->flags != NULL && open_wake(sp) == 0 &&
	    (mkdir(dir, 0700) == 0 || errno == EEXIST) &&
	    (sp->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) != -1 &&
	    open_lock(sp) == 0 && recover(sp) == 0 &&
	    (!sp->there || writer_start(sp) == 0))
		return sp;
	err = errno;
	*wrong = err == ENOENT || err == ENOTDIR || err == EACCES ||
	    err == ELOOP || err == EROFS;
	(void)snprintf(why, SPOOL_WHY, "%s", err == EWOULDBLOCK ?
	    "another d4 works with it" : strerror(err));
	spool_close(sp);
	return NULL;
}

static void
drop_queue(struct spool *sp)
{
	struct block *b;

	while ((b = sp->first) != NULL) {
		sp->first = b->next;
		free(b);
	}
	sp->last = NULL;
	sp->queued = 0;
}

static void
close_reader(struct spool *sp)
{
	form_reader_free(&sp->reader);
	disk_close(&sp->open);
	sp->run.len = 0;
}

void
spool_close(struct spool *sp)
{
	int err = errno;

	if (sp == NULL)
		return;
	writer_stop(sp);
	drop_queue(sp);
	close_reader(sp);
	progress_free(&sp->head);
	progress_free(&sp->tail);
	disk_close(&sp->lock);
	if (sp->dir != -1)
		(void)close(sp->dir);
	if (sp->wake[0] != -1) {
		(void)close(sp->wake[0]);
		(void)close(sp->wake[1]);
	}
	(void)pthread_cond_destroy(&sp->work);
	(void)pthread_mutex_destroy(&sp->mutex);
	free(sp->segments);
	free(sp->records);
	free(sp->flags);
	free(sp->state);
	free(sp);
	errno = err;
}

const struct spool_stream *
spool_stream(const struct spool *sp)
{
	return sp->there ? &sp->stream : NULL;
}

const char *
spool_damage(const struct spool *sp)
{
	return sp->damage;
}

uint64_t
spool_hello_time(const struct spool *sp)
{
	return sp->hello_time;
}

/* No stream: nothing on the disk, nothing in memory. */
static int
empty(struct spool *sp)
{
	writer_stop(sp);
	drop_queue(sp);
	close_reader(sp);
	progress_free(&sp->head);
	progress_free(&sp->tail);
	sp->nsegments = 0;
	sp->on_disk = sp->added = sp->synced = 0;
	sp->want_head = sp->have_head = 0;
	sp->stalled = 0;
	return segments_remove(sp);
}

/* The stream file goes first: what it does not name is nobody's. */
int
spool_begin(struct spool *sp, const struct spool_source *source,
    const uint8_t *opening, size_t len)
{
	writer_stop(sp);
	if (state_write(sp, source, opening, len) == -1 || empty(sp) == -1)
		return -1;
	/* Later the disk may be full, and nothing could be removed without. */
	if (head_write(sp, 0) == -1)
		return -1;
	return writer_start(sp);
}

int
spool_finish(struct spool *sp)
{
	writer_stop(sp);
	return state_write(sp, NULL, NULL, 0) == -1 ? -1 : empty(sp);
}

/* -- adding ------------------------------------------------------------------ */

/* Room behind what is queued.  The mutex is held. */
static uint8_t *
room_for(struct spool *sp, size_t len)
{
	struct block *b = sp->last;
	size_t cap = len > BLOCK_BYTES ? len : BLOCK_BYTES;

	if (b == NULL || b->cap - b->len < len) {
		/* A line that comes alone needs no more than that. */
		if (b == NULL)
			cap = len;
		if ((b = malloc(sizeof(*b) + cap)) == NULL)
			return NULL;
		b->next = NULL;
		b->len = 0;
		b->cap = cap;
		if (sp->last != NULL)
			sp->last->next = b;
		else
			sp->first = b;
		sp->last = b;
		sp->queued += sizeof(*b) + cap;
	}
	b->len += len;
	return b->bytes + b->len - len;
}

int
spool_add(struct spool *sp, const struct run *run, uint64_t from)
{
	const uint8_t *record = run->bytes;
	uint8_t *frame;
	size_t i, len;
	int rc = 0;

	(void)pthread_mutex_lock(&sp->mutex);
	for (i = 0; i < run->n && rc == 0; i++, record += len) {
		len = D4_HEADER_LEN + (size_t)d4_get32le(record + D4_SIZE_AT);
		if (run->pos + (size_t)(record - run->bytes) < from)
			continue;
		if ((frame = room_for(sp, FORM_FRAME + len)) == NULL) {
			rc = -1;
			break;
		}
		d4_put32le(frame, (uint32_t)len);
		d4_put32le(frame + 4, run->flags[i]);
		memcpy(frame + FORM_FRAME, record, len);
		sp->added += len;
	}
	(void)pthread_cond_signal(&sp->work);
	(void)pthread_mutex_unlock(&sp->mutex);
	return rc;
}

/* -- what both threads see --------------------------------------------------- */

static uint64_t
look_at(struct spool *sp, const uint64_t *value)
{
	uint64_t seen;

	(void)pthread_mutex_lock(&sp->mutex);
	seen = *value;
	(void)pthread_mutex_unlock(&sp->mutex);
	return seen;
}

uint64_t
spool_synced(struct spool *sp)
{
	return look_at(sp, &sp->synced);
}

uint64_t
spool_head(struct spool *sp)
{
	return look_at(sp, &sp->have_head);
}

void
spool_keep(struct spool *sp, uint64_t pos)
{
	(void)pthread_mutex_lock(&sp->mutex);
	if (pos > sp->want_head) {
		sp->want_head = pos;
		(void)pthread_cond_signal(&sp->work);
	}
	(void)pthread_mutex_unlock(&sp->mutex);
}

/* A copy of what both threads change. */
struct sight {
	uint64_t	 bytes;
	size_t		 queued;
	bool		 settled;
	int		 stalled;
	int		 failed;
};

static struct sight
look(struct spool *sp)
{
	struct sight s;

	(void)pthread_mutex_lock(&sp->mutex);
	s.bytes = sp->on_disk;
	s.queued = sp->queued;
	s.settled = sp->synced == sp->added;
	s.stalled = sp->stalled;
	s.failed = sp->failed;
	(void)pthread_mutex_unlock(&sp->mutex);
	return s;
}

uint64_t
spool_bytes(struct spool *sp)
{
	struct sight s = look(sp);

	return s.bytes + s.queued;
}

bool
spool_out_of_room(struct spool *sp)
{
	struct sight s = look(sp);

	return s.bytes + s.queued >= sp->size || s.stalled != 0;
}

bool
spool_full(struct spool *sp)
{
	struct sight s = look(sp);

	return s.queued >= sp->queue_max || s.bytes + s.queued >= sp->size ||
	    s.stalled != 0;
}

bool
spool_settled(struct spool *sp)
{
	return look(sp).settled;
}

int
spool_stalled(struct spool *sp)
{
	return look(sp).stalled;
}

const char *
spool_failure(struct spool *sp)
{
	struct sight s = look(sp);

	if (s.failed == 0)
		return NULL;
	(void)snprintf(sp->damage, SPOOL_WHY, "%s: %s", sp->failed_at,
	    strerror(s.failed));
	return sp->damage;
}

int
spool_fd(const struct spool *sp)
{
	return sp->wake[0];
}

void
spool_drain(struct spool *sp)
{
	char trash[64];

	while (read(sp->wake[0], trash, sizeof(trash)) == sizeof(trash))
		continue;
}

/* -- reading ----------------------------------------------------------------- */

static void
cannot_read(struct spool *sp, int err)
{
	(void)pthread_mutex_lock(&sp->mutex);
	if (sp->failed == 0) {
		sp->failed = err;
		sp->failed_at = "a segment cannot be read again";
	}
	(void)pthread_mutex_unlock(&sp->mutex);
}

/* The segment with the position.  1, or 0 when there is none yet. */
static int
segment_at(struct spool *sp, uint64_t pos, struct segment *s)
{
	size_t i;
	int rc = 0;

	(void)pthread_mutex_lock(&sp->mutex);
	for (i = 0; i < sp->nsegments && rc == 0; i++) {
		*s = sp->segments[i];
		rc = s->pos <= pos && pos < s->end;
	}
	(void)pthread_mutex_unlock(&sp->mutex);
	return rc;
}

/* Opens it at its first frame.  0, or -1 with errno. */
static int
open_segment(const struct spool *sp, const struct segment *s,
    struct disk_file *f, struct form_reader *r, struct progress *first)
{
	struct form_segment head;
	char name[DISK_NAME];
	uint8_t *preamble;
	int rc;

	form_segment_name(name, s->number);
	if (disk_open(f, sp->dir, name) == -1)
		return -1;
	rc = form_get_segment(&head, f, &preamble);
	if (rc == 1 && head.number == s->number) {
		form_reader_begin(r, f, &head);
		if (first != NULL) {
			first->pos = head.pos;
			first->preamble = preamble;
			first->preamblelen = head.preamble;
			preamble = NULL;
		}
		free(preamble);
		return 0;
	}
	if (rc != -1) {
		free(preamble);
		errno = EILSEQ;
	}
	disk_close(f);
	return -1;
}

/* Has the reader stand before the record at pos, or within it. */
static int
seek(struct spool *sp, const struct segment *s, uint64_t pos)
{
	struct form_frame f;
	struct form_reader before;
	int rc;

	if (sp->open.fd != -1 && sp->reader.segment.number == s->number &&
	    sp->read_pos == pos)
		return 0;
	close_reader(sp);
	if (open_segment(sp, s, &sp->open, &sp->reader, NULL) == -1)
		return -1;
	sp->read_pos = s->pos;
	for (;;) {
		before = sp->reader;
		if (sp->read_pos == pos)
			return 0;
		if ((rc = form_read(&sp->reader, s->bytes, &f)) != 1) {
			if (rc == 0)
				errno = EILSEQ;
			return -1;
		}
		if (pos < sp->read_pos + f.len) {
			/* Within: read it once more. */
			sp->reader.at = before.at;
			return 0;
		}
		sp->read_pos += f.len;
	}
}

static int
keep_record(struct spool *sp, const struct form_frame *f)
{
	size_t cap = sp->run.len + f->len > RUN_BYTES ?
	    sp->run.len + f->len : RUN_BYTES;

	if (sp->cap < cap) {
		uint8_t *records = realloc(sp->records, cap);

		if (records == NULL)
			return -1;
		sp->records = records;
		sp->cap = cap;
	}
	memcpy(sp->records + sp->run.len, f->record, f->len);
	sp->flags[sp->run.n++] = (uint8_t)f->flags;
	sp->run.len += f->len;
	return 0;
}

static int
load(struct spool *sp, const struct segment *s)
{
	struct form_frame f;
	int rc;

	sp->run.pos = sp->read_pos;
	sp->run.len = sp->run.n = 0;
	while (sp->read_pos < s->end && sp->run.len < RUN_BYTES &&
	    sp->run.n < RUN_RECORDS) {
		if ((rc = form_read(&sp->reader, s->bytes, &f)) != 1) {
			if (rc == 0)
				errno = EILSEQ;
			return -1;
		}
		if (keep_record(sp, &f) == -1)
			return -1;
		sp->read_pos += f.len;
	}
	sp->run.bytes = sp->records;
	sp->run.flags = sp->flags;
	return 0;
}

int
spool_run(struct spool *sp, uint64_t pos, struct run *run)
{
	struct segment s;

	if (sp->run.len == 0 || pos < sp->run.pos ||
	    pos - sp->run.pos >= sp->run.len) {
		if (!segment_at(sp, pos, &s))
			return 0;
		if (seek(sp, &s, pos) == -1 || load(sp, &s) == -1) {
			cannot_read(sp, errno);
			close_reader(sp);
			return -1;
		}
	}
	*run = sp->run;
	return 1;
}

/* -- dropping ---------------------------------------------------------------- */

/* The units in the segment that end behind reached. */
static int
count_units(const struct spool *sp, const struct segment *s,
    uint64_t reached, uint64_t *units)
{
	struct form_reader r;
	struct form_frame f;
	struct disk_file file;
	uint64_t pos = s->pos;
	int rc = 1;

	if (open_segment(sp, s, &file, &r, NULL) == -1)
		return -1;
	while (pos < s->end && (rc = form_read(&r, s->bytes, &f)) == 1) {
		pos += f.len;
		*units += (f.flags & WINDOW_END) != 0 && pos > reached;
	}
	form_reader_free(&r);
	disk_close(&file);
	return rc == 1 ? 0 : -1;
}

/* The first anchor in the segment, with the preamble in force there.  1, 0 when
 * it has none, -1 with errno. */
static int
find_anchor(const struct spool *sp, const struct segment *s,
    uint64_t reached, struct spool_dropped *d)
{
	struct progress p = { .pos = 0 };
	struct form_reader r;
	struct form_frame f;
	struct disk_file file;
	int rc = 0, found = 0;

	if (open_segment(sp, s, &file, &r, &p) == -1)
		return -1;
	while (p.pos < s->end && (rc = form_read(&r, s->bytes, &f)) == 1) {
		if ((f.flags & WINDOW_ANCHOR) != 0) {
			d->head = p.pos;
			d->preamble = p.preamblelen > 0 ? p.preamble : NULL;
			d->preamblelen = p.preamblelen;
			if (d->preamble != NULL)
				p.preamble = NULL;
			found = 1;
			break;
		}
		if (progress_take(&p, f.flags, f.record, f.len) == -1) {
			rc = -1;
			break;
		}
		d->units += (f.flags & WINDOW_END) != 0 && p.pos > reached;
	}
	form_reader_free(&r);
	disk_close(&file);
	progress_free(&p);
	return rc == -1 ? -1 : found;
}

int
spool_drop(struct spool *sp, uint64_t reached, struct spool_dropped *d)
{
	struct segment s[2];
	bool can;
	int rc;

	(void)pthread_mutex_lock(&sp->mutex);
	can = sp->nsegments > 1 && sp->want_head <= sp->have_head;
	if (can)
		memcpy(s, sp->segments, sizeof(s));
	(void)pthread_mutex_unlock(&sp->mutex);
	if (!can)
		return 0;
	memset(d, 0, sizeof(*d));
	if ((rc = find_anchor(sp, &s[1], reached, d)) == 1 &&
	    count_units(sp, &s[0], reached, &d->units) == 0) {
		spool_keep(sp, d->head);
		return 1;
	}
	free(d->preamble);
	return rc == 0 ? 0 : -1;
}
