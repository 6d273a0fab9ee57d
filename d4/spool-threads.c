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
threads_wake(struct spool *sp)
{
	(void)pthread_cond_signal(&sp->to_write);
	(void)pthread_cond_signal(&sp->to_sync);
	(void)pthread_cond_signal(&sp->to_keep);
}

void
threads_fail(struct spool *sp, int err, const char *what)
{
	if (sp->failed == 0) {
		sp->failed = err;
		sp->failed_at = what;
	}
	threads_wake(sp);
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
	void *(*const mains[SPOOL_THREADS])(void *) = { writer_main,
	    syncer_main, keeper_main };
	sigset_t all, before;
	int err = 0;

	if (progress_copy(&sp->done, &sp->tail) == -1)
		return -1;
	sp->written = sp->syncing = sp->synced;
	sp->broken = sp->failures = 0;
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	while (sp->nthreads < SPOOL_THREADS && err == 0) {
		err = pthread_create(&sp->threads[sp->nthreads], NULL,
		    mains[sp->nthreads], sp);
		sp->nthreads += err == 0;
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err == 0)
		return 0;
	threads_stop(sp);
	errno = err;
	return -1;
}

void
threads_stop(struct spool *sp)
{
	if (sp->nthreads == 0)
		return;
	(void)pthread_mutex_lock(&sp->mutex);
	sp->closing = true;
	threads_wake(sp);
	(void)pthread_mutex_unlock(&sp->mutex);
	while (sp->nthreads > 0)
		(void)pthread_join(sp->threads[--sp->nthreads], NULL);
	sp->closing = false;
	reset(sp);
}
