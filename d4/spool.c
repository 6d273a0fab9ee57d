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

#define SEGMENT_MAX	((uint64_t)16 << 20)
#define SEGMENTS	8		/* a spool has room for, at least */
#define PART_BYTES	((size_t)64 << 10)
#define PART_RECORDS	(DISK_IOVS / 2)	/* what is written in one go */
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
	sp->of_run = calloc(RUN_RECORDS, sizeof(*sp->of_run));
	(void)pthread_mutex_init(&sp->mutex, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&sp->to_write, &attr);
	(void)pthread_cond_init(&sp->to_sync, &attr);
	(void)pthread_cond_init(&sp->to_keep, &attr);
	(void)pthread_condattr_destroy(&attr);
	return sp;
}

struct spool *
spool_open(const char *dir, uint64_t size, size_t queue, char why[SPOOL_WHY],
    bool *wrong)
{
	struct spool *sp = make(size, queue);
	int err;

	if (sp != NULL && sp->of_run != NULL && open_wake(sp) == 0 &&
	    (mkdir(dir, 0700) == 0 || errno == EEXIST) &&
	    (sp->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) != -1 &&
	    open_lock(sp) == 0 && recover(sp) == 0 &&
	    (!sp->there || threads_start(sp) == 0))
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
	threads_stop(sp);
	close_reader(sp);
	progress_free(&sp->head);
	progress_free(&sp->tail);
	progress_free(&sp->done);
	disk_close(&sp->lock);
	if (sp->dir != -1)
		(void)close(sp->dir);
	if (sp->wake[0] != -1) {
		(void)close(sp->wake[0]);
		(void)close(sp->wake[1]);
	}
	(void)pthread_cond_destroy(&sp->to_write);
	(void)pthread_cond_destroy(&sp->to_sync);
	(void)pthread_cond_destroy(&sp->to_keep);
	(void)pthread_mutex_destroy(&sp->mutex);
	free(sp->segments);
	free(sp->records);
	free(sp->of_run);
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

/* What the threads change. */
static uint64_t
look_at(struct spool *sp, const uint64_t *value)
{
	uint64_t seen;

	(void)pthread_mutex_lock(&sp->mutex);
	seen = *value;
	(void)pthread_mutex_unlock(&sp->mutex);
	return seen;
}

/* No stream: nothing on the disk, nothing in memory. */
static int
empty(struct spool *sp)
{
	threads_stop(sp);
	close_reader(sp);
	progress_free(&sp->head);
	progress_free(&sp->tail);
	sp->nsegments = 0;
	sp->on_disk = sp->added = sp->synced = sp->wanted = 0;
	sp->want_head = sp->have_head = 0;
	sp->stalled = sp->head_stalled = 0;
	return segments_remove(sp);
}

/* The stream file goes first: what it does not name is nobody's. */
int
spool_begin(struct spool *sp, const struct spool_source *source,
    const uint8_t *opening, size_t len)
{
	threads_stop(sp);
	if (state_write(sp, STATE_STREAM, source, opening, len) == -1 ||
	    empty(sp) == -1)
		return -1;
	/* Later the disk may be full, and nothing could be removed without. */
	if (head_write(sp, 0) == -1)
		return -1;
	return threads_start(sp);
}

void
spool_rest(struct spool *sp)
{
	threads_stop(sp);
}

uint64_t
spool_data(struct spool *sp)
{
	return look_at(sp, &sp->done.data);
}

int
spool_finish(struct spool *sp, const struct spool_source *end)
{
	struct spool_source source;
	uint8_t *prefix = NULL;
	int rc;

	threads_stop(sp);
	if (end != NULL) {
		source = *end;
		if (sp->done.preamblelen > 0 &&
		    (prefix = malloc(sp->done.preamblelen)) == NULL)
			return -1;
		source.prefix = prefix;
		source.prefixlen = form_payloads(prefix, sp->done.preamble,
		    sp->done.preamblelen);
		end = &source;
	}
	rc = state_write(sp, STATE_ENDED, end, sp->stream.opening,
	    sp->stream.openinglen);
	free(prefix);
	return rc == -1 ? -1 : empty(sp);
}

const struct spool_stream *
spool_ended(const struct spool *sp)
{
	return sp->ended ? &sp->stream : NULL;
}

/* -- adding ---------------------------------------------------------------- */

/* Puts records to the last part, if that is not taken yet. */
static bool
extend(struct spool *sp, const struct run *run)
{
	struct run *last = &sp->last->run;

	if (sp->unwritten == NULL || last->bytes + last->len != run->bytes ||
	    last->records + last->n != run->records ||
	    last->len + run->len > PART_BYTES ||
	    last->n + run->n > PART_RECORDS)
		return false;
	last->len += run->len;
	last->n += run->n;
	return true;
}

/* The mutex is held. */
static int
add_part(struct spool *sp, const struct run *run)
{
	struct part *p;

	if (sp->last != NULL && extend(sp, run))
		return 0;
	if ((p = malloc(sizeof(*p))) == NULL)
		return -1;
	p->next = NULL;
	p->run = *run;
	if (sp->last != NULL)
		sp->last->next = p;
	else
		sp->first = p;
	sp->last = p;
	if (sp->unwritten == NULL)
		sp->unwritten = p;
	return 0;
}

/* The first part of the run, of one record at least. */
static struct run
split(struct run *run)
{
	struct run part = *run;
	size_t len;

	part.len = part.n = 0;
	do {
		len = run->records->len;
		part.len += len;
		part.n++;
		run->pos += len;
		run->bytes += len;
		run->len -= len;
		run->records++;
		run->n--;
	} while (run->n > 0 && part.n < PART_RECORDS && part.len < PART_BYTES);
	return part;
}

int
spool_add(struct spool *sp, const struct run *run)
{
	struct run rest = *run, part;
	int rc = 0;

	(void)pthread_mutex_lock(&sp->mutex);
	while (rc == 0 && rest.n > 0) {
		part = split(&rest);
		if ((rc = add_part(sp, &part)) == 0)
			sp->added += part.len;
	}
	(void)pthread_cond_signal(&sp->to_write);
	(void)pthread_mutex_unlock(&sp->mutex);
	return rc;
}

void
spool_flush(struct spool *sp)
{
	(void)pthread_mutex_lock(&sp->mutex);
	if (sp->wanted < sp->added) {
		sp->wanted = sp->added;
		(void)pthread_cond_signal(&sp->to_sync);
	}
	(void)pthread_mutex_unlock(&sp->mutex);
}

/* -- what all threads see -------------------------------------------------- */

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
		(void)pthread_cond_signal(&sp->to_keep);
	}
	(void)pthread_mutex_unlock(&sp->mutex);
}

/* A copy of what the threads change. */
struct sight {
	uint64_t	 bytes;
	uint64_t	 queued;
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
	s.queued = sp->added - sp->synced;
	s.settled = sp->synced == sp->added;
	s.stalled = sp->stalled != 0 ? sp->stalled : sp->head_stalled;
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

/* -- reading --------------------------------------------------------------- */

static void
cannot_read(struct spool *sp, int err)
{
	(void)pthread_mutex_lock(&sp->mutex);
	threads_fail(sp, err, "a segment cannot be read again");
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
	struct run_record *record;

	if (sp->cap < cap) {
		uint8_t *records = realloc(sp->records, cap);

		if (records == NULL)
			return -1;
		sp->records = records;
		sp->cap = cap;
	}
	memcpy(sp->records + sp->run.len, f->record, f->len);
	record = &sp->of_run[sp->run.n++];
	record->len = (uint32_t)f->len;
	record->flags = (uint8_t)f->flags;
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
	sp->run.records = sp->of_run;
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

/* -- dropping -------------------------------------------------------------- */

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

/* The oldest segment that is needed, and the one behind it.  Not while one that
 * was given up is still to be removed: the room it leaves may be enough. */
static bool
can_drop(struct spool *sp, struct segment s[2], uint64_t *head)
{
	bool can;

	(void)pthread_mutex_lock(&sp->mutex);
	can = sp->nsegments > 1 && sp->want_head <= sp->have_head &&
	    sp->segments[0].end > sp->have_head;
	if (can) {
		memcpy(s, sp->segments, 2 * sizeof(*s));
		*head = sp->have_head;
	}
	(void)pthread_mutex_unlock(&sp->mutex);
	return can;
}

int
spool_drop(struct spool *sp, uint64_t reached, struct spool_dropped *d)
{
	struct segment s[2];
	uint64_t head;
	int rc;

	if (!can_drop(sp, s, &head))
		return 0;
	/* What was lost by the last drop was counted then. */
	if (reached < head)
		reached = head;
	memset(d, 0, sizeof(*d));
	if ((rc = find_anchor(sp, &s[1], reached, d)) == 1 &&
	    count_units(sp, &s[0], reached, &d->units) == 0) {
		spool_keep(sp, d->head);
		return 1;
	}
	free(d->preamble);
	return rc == 0 ? 0 : -1;
}
