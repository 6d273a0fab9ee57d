/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "d4/spool-own.h"
#include "lib/clock.h"

void
threads_wake_owner(const struct spool *sp)
{
	/* Full, it is readable already. */
	if (write(sp->wake[1], "", 1) == -1)
		return;
}

void
threads_wait(struct spool *sp, pthread_cond_t *cond, int64_t until_ms)
{
	struct timespec then = {
		.tv_sec = (time_t)(until_ms / 1000),
		.tv_nsec = until_ms % 1000 * 1000000
	};

	if (until_ms == INT64_MAX)
		(void)pthread_cond_wait(cond, &sp->mutex);
	else
		(void)pthread_cond_timedwait(cond, &sp->mutex, &then);
}

bool
threads_are_done(const struct spool *sp)
{
	if (sp->failed != 0)
		return true;
	return sp->closing && (sp->synced == sp->added || sp->stalled != 0) &&
	    (sp->want_head <= sp->have_head || sp->head_stalled != 0);
}

void
threads_fail(struct spool *sp, int err, const char *what)
{
	if (sp->failed == 0) {
		sp->failed = err;
		sp->failed_at = what;
	}
	(void)pthread_cond_signal(&sp->to_write);
	(void)pthread_cond_signal(&sp->to_sync);
	threads_wake_owner(sp);
}

bool
is_full(int err)
{
	return err == ENOSPC || err == EDQUOT;
}

void
making_free(struct making *m)
{
	if (m == NULL)
		return;
	disk_close(&m->file);
	progress_free(&m->now);
	free(m);
}

/* Closes what is not wholly synced, and forgets what was to be. */
static void
reset(struct spool *sp)
{
	struct part *p;

	making_free(sp->making);
	making_free(sp->before);
	sp->making = sp->before = NULL;
	while ((p = sp->first) != NULL) {
		sp->first = p->next;
		free(p);
	}
	sp->last = sp->unwritten = NULL;
}

/* Signals are for the thread that looks at them. */
int
threads_start(struct spool *sp)
{
	sigset_t all, before;
	int err;

	if (progress_copy(&sp->done, &sp->tail) == -1)
		return -1;
	sp->written = sp->syncing = sp->synced;
	sp->broken = sp->failures = 0;
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&sp->writer, NULL, writer_main, sp);
	if (err == 0 && (err = pthread_create(&sp->syncer, NULL, syncer_main,
	    sp)) != 0) {
		(void)pthread_mutex_lock(&sp->mutex);
		sp->closing = true;
		(void)pthread_cond_signal(&sp->to_write);
		(void)pthread_mutex_unlock(&sp->mutex);
		(void)pthread_join(sp->writer, NULL);
		sp->closing = false;
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	sp->running = err == 0;
	errno = err;
	return err == 0 ? 0 : -1;
}

void
threads_stop(struct spool *sp)
{
	if (!sp->running)
		return;
	(void)pthread_mutex_lock(&sp->mutex);
	sp->closing = true;
	(void)pthread_cond_signal(&sp->to_write);
	(void)pthread_cond_signal(&sp->to_sync);
	(void)pthread_mutex_unlock(&sp->mutex);
	(void)pthread_join(sp->writer, NULL);
	(void)pthread_join(sp->syncer, NULL);
	sp->running = false;
	sp->closing = false;
	reset(sp);
}
