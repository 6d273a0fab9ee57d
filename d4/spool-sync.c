/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>

#include "d4/spool-own.h"
#include "lib/clock.h"

/*
 * The thread that waits for the disk.  While it does, the next records are
 * written.  Under load each sync is of as much as there may be; a line that
 * comes alone is synced at once.
 */
#define AT_LAST_MS	1000

/* What is written of the segment counts up to there. */
static int
publish(struct spool *sp, struct making *m, const struct progress *upto,
    uint64_t at)
{
	struct segment s = { .number = m->segment.number,
	    .pos = m->segment.pos, .end = upto->pos, .bytes = at };
	struct part *p;

	if (progress_copy(&sp->done, upto) == -1)
		return -1;
	if (m->synced_at == 0) {
		if (segment_push(sp, &s) == -1)
			return -1;
	} else {
		sp->on_disk += at - m->synced_at;
		sp->segments[sp->nsegments - 1] = s;
	}
	m->synced_at = at;
	sp->synced = upto->pos;
	sp->unsynced_ms = sp->written > sp->synced ? d4_clock_ms() : 0;
	while ((p = sp->first) != NULL &&
	    p->run.pos + p->run.len <= sp->synced) {
		sp->first = p->next;
		free(p);
	}
	if (sp->first == NULL)
		sp->last = NULL;
	if (m == sp->before && at == m->at) {
		making_free(m);
		sp->before = NULL;
	}
	return 0;
}

/* Only once it is synced has a segment its name. */
static int
sync_segment(struct spool *sp, struct making *m, bool named)
{
	char name[DISK_NAME];

	if (disk_sync(&m->file) == -1)
		return -1;
	if (named)
		return 0;
	form_segment_name(name, m->segment.number);
	if (disk_rename(&m->file, sp->dir, name) == -1)
		return -1;
	(void)pthread_mutex_lock(&sp->mutex);
	m->named = true;
	(void)pthread_mutex_unlock(&sp->mutex);
	return disk_sync_names(sp->dir);
}

/* Syncs what is written, of the older segment first.  The mutex is held,
 * though not while the disk is waited for. */
static void
sync_written(struct spool *sp)
{
	struct making *m = sp->before != NULL ? sp->before : sp->making;
	struct progress upto = { .pos = 0 };
	uint64_t at = m->at;
	bool named = m->named;
	int err = 0;

	if (progress_copy(&upto, &m->now) == -1) {
		err = ENOMEM;
	} else {
		sp->syncing = upto.pos;
		(void)pthread_cond_signal(&sp->to_write);
		(void)pthread_mutex_unlock(&sp->mutex);
		if (sync_segment(sp, m, named) == -1)
			err = errno;
		(void)pthread_mutex_lock(&sp->mutex);
	}
	if (err == 0 && publish(sp, m, &upto, at) == -1)
		err = ENOMEM;
	if (err != 0)
		sp->broken = err;
	else
		sp->failures = 0;
	if (sp->stalled != 0 && sp->synced > sp->stalled_at)
		sp->stalled = 0;
	sp->syncing = sp->synced;
	progress_free(&upto);
	(void)pthread_cond_signal(&sp->to_write);
	threads_wake_owner(sp);
}

bool
sync_is_due(const struct spool *sp, int64_t now)
{
	uint64_t n = sp->written - sp->synced;

	if (n == 0 || sp->broken != 0)
		return false;
	/* A disk that is full has room for what it has taken. */
	return n >= SPOOL_ROUND || sp->waiting || sp->closing ||
	    sp->stalled != 0 || now >= sp->unsynced_ms + AT_LAST_MS ||
	    (sp->wanted > sp->synced && sp->written >= sp->wanted);
}

void *
syncer_main(void *spool)
{
	struct spool *sp = spool;

	(void)pthread_mutex_lock(&sp->mutex);
	while (!threads_are_done(sp)) {
		if (sync_is_due(sp, d4_clock_ms()))
			sync_written(sp);
		else
			threads_wait(sp, &sp->to_sync, sp->written >
			    sp->synced && sp->broken == 0 ?
			    sp->unsynced_ms + AT_LAST_MS : INT64_MAX);
	}
	/* The others may wait for just that. */
	threads_wake(sp);
	(void)pthread_mutex_unlock(&sp->mutex);
	return NULL;
}
