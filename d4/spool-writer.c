/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "d4/spool-own.h"
#include "lib/clock.h"

/*
 * The thread that writes: it makes the sums of records and writes them from
 * where they lie, never more than a sync is to take ahead of the one that runs.
 */
#define WRITE_RECORDS	(DISK_IOVS / 2)	/* each with its frame */
#define WRITE_BYTES	((size_t)1 << 20)

struct writer {
	struct spool	*spool;
	bool		 spare;		/* there is a file to be written over */
	int64_t		 again_ms;	/* with a full disk, not before */
	uint8_t		 frames[WRITE_RECORDS][FORM_FRAME];
	struct iovec	 iov[DISK_IOVS];
};

/* -- segments -------------------------------------------------------------- */

/*
 * A file that is written over needs neither blocks nor a longer length, which
 * makes its syncs cheaper.  What it had counts no more: its sums are those of
 * another number.
 */
static int
open_file(struct writer *w, struct disk_file *f)
{
	int dir = w->spool->dir;

	if (w->spare) {
		w->spare = false;
		if (disk_open(f, dir, SPOOL_SPARE) == 0 &&
		    disk_rename(f, dir, SPOOL_SEGMENT) == 0)
			return 0;
		disk_close(f);
		(void)disk_unlink(dir, SPOOL_SPARE);
	}
	return disk_create(f, dir, SPOOL_SEGMENT);
}

static int
begin(struct writer *w, struct making *m)
{
	uint8_t head[FORM_HEAD];

	form_put_segment(head, &m->segment, m->now.preamble);
	if (open_file(w, &m->file) == -1 ||
	    disk_write(&m->file, head, sizeof(head), 0) == -1 ||
	    (m->now.preamblelen > 0 && disk_write(&m->file, m->now.preamble,
	    m->now.preamblelen, FORM_HEAD) == -1))
		return -1;
	m->at = FORM_HEAD + m->now.preamblelen;
	return 0;
}

/* A segment that goes on where the one before ends. */
static struct making *
making_new(struct spool *sp)
{
	const struct progress *from = sp->before != NULL ? &sp->before->now :
	    &sp->done;
	struct making *m;

	if ((m = calloc(1, sizeof(*m))) == NULL)
		return NULL;
	m->file.fd = -1;
	if (progress_copy(&m->now, from) == -1) {
		free(m);
		return NULL;
	}
	m->segment.stream = sp->id;
	m->segment.number = sp->next_number++;
	m->segment.pos = from->pos;
	m->segment.data = from->data;
	m->segment.second = from->second;
	m->segment.preamble = (uint32_t)from->preamblelen;
	return m;
}

/* Its file is left as it is, or goes if it has no name yet. */
static void
abandon(struct spool *sp, struct making *m)
{
	if (m != NULL && m->file.fd != -1 && !m->named)
		(void)disk_unlink(sp->dir, SPOOL_SEGMENT);
	making_free(m);
}

/* Whether there is a segment to be written to, or may be another. */
static bool
has_segment(struct spool *sp)
{
	struct making *m = sp->making;

	if (m == NULL || m->at < sp->segment_bytes)
		return true;
	if (m->synced_at == m->at) {
		making_free(m);
	} else if (m->named && sp->before == NULL) {
		sp->before = m;
	} else {
		return false;
	}
	sp->making = NULL;
	return true;
}

/* -- faults ---------------------------------------------------------------- */

/* The mutex is held. */
static void
stall(struct writer *w, int err)
{
	w->spool->stalled = err;
	w->spool->stalled_at = w->spool->written;
	w->again_ms = d4_clock_ms() + SPOOL_AGAIN_MS;
	(void)pthread_cond_signal(&w->spool->to_sync);
	threads_wake_owner(w->spool);
}

/* What is not synced is to be written once more, to another segment. */
static void
step_back(struct writer *w)
{
	struct spool *sp = w->spool;
	int err = sp->broken;

	abandon(sp, sp->making);
	abandon(sp, sp->before);
	sp->making = sp->before = NULL;
	sp->written = sp->synced;
	sp->unwritten = sp->first;
	sp->broken = 0;
	if (is_full(err))
		stall(w, err);
	else if (++sp->failures > 1)
		threads_fail(sp, err, "a segment");
}

/* -- writing --------------------------------------------------------------- */

/* The records of the parts with their frames, as they are written.  Returns
 * how many pieces that makes, of *bytes. */
static int
frame_parts(struct writer *w, const struct making *m, const struct part *p,
    size_t nparts, uint64_t *bytes)
{
	union { const uint8_t *in; uint8_t *out; } record;
	int n = 0;
	size_t i, len;

	/* What is behind the last part is not looked at. */
	for (*bytes = 0;; p = p->next) {
		record.in = p->run.bytes;
		for (i = 0; i < p->run.n; i++) {
			len = p->run.records[i].len;
			form_put_frame(w->frames[n / 2], &m->segment,
			    m->at + *bytes, p->run.records[i].flags,
			    record.in, len);
			w->iov[n].iov_base = w->frames[n / 2];
			w->iov[n++].iov_len = FORM_FRAME;
			w->iov[n].iov_base = record.out;
			w->iov[n++].iov_len = len;
			record.in += len;
			*bytes += FORM_FRAME + len;
		}
		if (--nparts == 0)
			return n;
	}
}

/* They are written.  -1: no memory. */
static int
take_parts(struct spool *sp, const struct part *p, size_t nparts)
{
	struct making *m = sp->making;
	const uint8_t *record;
	size_t i, len;

	for (; nparts > 0; nparts--, p = p->next) {
		record = p->run.bytes;
		for (i = 0; i < p->run.n; i++, record += len) {
			len = p->run.records[i].len;
			if (progress_take(&m->now, p->run.records[i].flags,
			    record, len) == -1)
				return -1;
		}
	}
	return 0;
}

/* Takes as many parts as are written in one go: nothing is put to the last of
 * them from now on.  Returns how many. */
static size_t
choose(struct spool *sp)
{
	struct part *p = sp->unwritten;
	uint64_t room = sp->segment_bytes - sp->making->at;
	size_t nparts = 0, bytes = 0, n = 0;

	do {
		bytes += p->run.len + p->run.n * FORM_FRAME;
		n += p->run.n;
		nparts++;
		p = p->next;
	} while (p != NULL && bytes < WRITE_BYTES && bytes < room &&
	    n + p->run.n <= WRITE_RECORDS);
	sp->unwritten = p;
	return nparts;
}

/* The mutex is held, though not while the disk is waited for. */
static int
write_parts(struct writer *w)
{
	struct spool *sp = w->spool;
	struct part *first = sp->unwritten;
	struct making *m = sp->making;
	size_t nparts = choose(sp);
	uint64_t bytes;
	bool idle;
	int n, rc, err;

	(void)pthread_mutex_unlock(&sp->mutex);
	n = frame_parts(w, m, first, nparts, &bytes);
	rc = disk_writev(&m->file, w->iov, n, m->at);
	err = errno;
	(void)pthread_mutex_lock(&sp->mutex);
	if (rc == -1) {
		sp->unwritten = first;
		errno = err;
		return -1;
	}
	m->at += bytes;
	if (take_parts(sp, first, nparts) == -1)
		return -1;
	idle = sp->written == sp->synced;
	if (idle)
		sp->unsynced_ms = d4_clock_ms();
	sp->written = m->now.pos;
	if (idle || sync_is_due(sp, d4_clock_ms()))
		(void)pthread_cond_signal(&sp->to_sync);
	return 0;
}

static int
begin_segment(struct writer *w)
{
	struct spool *sp = w->spool;
	struct making *m;
	int rc, err;

	if ((m = making_new(sp)) == NULL)
		return -1;
	(void)pthread_mutex_unlock(&sp->mutex);
	rc = begin(w, m);
	err = errno;
	(void)pthread_mutex_lock(&sp->mutex);
	if (rc == 0)
		sp->making = m;
	else
		abandon(sp, m);
	errno = err;
	return rc;
}

static void
write_some(struct writer *w)
{
	struct spool *sp = w->spool;

	if ((sp->making != NULL || begin_segment(w) == 0) &&
	    write_parts(w) == 0)
		w->again_ms = 0;
	else if (is_full(errno))
		stall(w, errno);
	else
		sp->broken = errno;
}

static bool
may_write(const struct writer *w)
{
	struct spool *sp = w->spool;

	if (sp->unwritten == NULL || sp->broken != 0 ||
	    (sp->stalled != 0 && d4_clock_ms() < w->again_ms))
		return false;
	return sp->written - sp->syncing < SPOOL_ROUND && has_segment(sp);
}

/* -- removing -------------------------------------------------------------- */

/* The oldest segment that is not needed any more. */
static bool
oldest_done(struct spool *sp, uint64_t *number)
{
	bool done = sp->nsegments > 1 && sp->segments[0].end <= sp->have_head;

	if (done) {
		*number = sp->segments[0].number;
		sp->on_disk -= sp->segments[0].bytes;
		sp->nsegments--;
		memmove(sp->segments, sp->segments + 1,
		    sp->nsegments * sizeof(*sp->segments));
	}
	return done;
}

/* Removes it.  Returns whether there was one.  As write_parts(). */
static bool
remove_oldest(struct writer *w)
{
	struct spool *sp = w->spool;
	struct disk_file f = { .fd = -1 };
	uint64_t number;
	bool keep = !w->spare && sp->stalled == 0;

	if (!oldest_done(sp, &number))
		return false;
	(void)pthread_mutex_unlock(&sp->mutex);
	form_segment_name(f.name, number);
	/* What stays for a fault is found at the next start. */
	if (keep && disk_rename(&f, sp->dir, SPOOL_SPARE) == 0)
		w->spare = true;
	else
		(void)disk_unlink(sp->dir, f.name);
	w->again_ms = 0;
	(void)pthread_mutex_lock(&sp->mutex);
	threads_wake_owner(sp);
	return true;
}

/* -- the thread ------------------------------------------------------------ */

static void
wait_for_work(struct writer *w)
{
	struct spool *sp = w->spool;
	bool stalled = sp->stalled != 0 && sp->unwritten != NULL &&
	    sp->broken == 0;

	sp->waiting = sp->unwritten != NULL && !stalled;
	if (sp->waiting)
		(void)pthread_cond_signal(&sp->to_sync);
	threads_wait(sp, &sp->to_write, stalled ? w->again_ms : INT64_MAX);
	sp->waiting = false;
}

void *
writer_main(void *spool)
{
	struct writer w = { .spool = spool };
	struct spool *sp = spool;

	(void)pthread_mutex_lock(&sp->mutex);
	while (!threads_are_done(sp)) {
		if (sp->broken != 0 && sp->syncing == sp->synced)
			step_back(&w);
		else if (may_write(&w))
			write_some(&w);
		else if (!remove_oldest(&w))
			wait_for_work(&w);
	}
	/* The others may wait for just that. */
	threads_wake(sp);
	(void)pthread_mutex_unlock(&sp->mutex);
	if (w.spare)
		(void)disk_unlink(sp->dir, SPOOL_SPARE);
	return NULL;
}
