/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "d4-recv/syncer.h"

STAILQ_HEAD(jobs, sync_job);

struct syncer {
	pthread_t	 thread;
	int		 wake[2];	/* the thread writes, the loop reads */
	size_t		 nwaiting;	/* the loop's */
	pthread_mutex_t	 lock;		/* over the rest */
	pthread_cond_t	 more;
	bool		 stop;
	struct jobs	 todo;
	struct jobs	 done;
};

/* -- a job ----------------------------------------------------------------- */

struct sync_state *
sync_state_new(void)
{
	struct sync_state *state;

	if ((state = calloc(1, sizeof(*state))) == NULL)
		return NULL;
	atomic_init(&state->failed, false);
	state->refs = 1;
	return state;
}

void
sync_state_drop(struct sync_state *state)
{
	if (state != NULL && --state->refs == 0)
		free(state);
}

static int
sync_data(const struct sync_job *job)
{
	if (job->fd != -1) {
		while (fdatasync(job->fd) == -1) {
			if (errno != EINTR)
				return -1;
		}
	}
	if (job->entries != -1 && fsync(job->entries) == -1)
		return -1;
	return job->has_mark ? tail_mark_write(&job->mark) : 0;
}

void
sync_job_run(struct sync_job *job)
{
	job->err = 0;
	if (atomic_load(&job->state->failed)) {
		job->err = EIO;
	} else if (sync_data(job) == -1) {
		job->err = errno;
		atomic_store(&job->state->failed, true);
		if (job->has_mark)
			tail_mark_doubt(&job->mark);
	}
}

void
sync_job_free(struct sync_job *job)
{
	if (job->fd != -1)
		(void)close(job->fd);
	if (job->has_mark)
		tail_mark_close(&job->mark);
	sync_state_drop(job->state);
	share_drop(job->share);
	free(job);
}

static struct sync_job *
take(struct jobs *jobs)
{
	struct sync_job *job = STAILQ_FIRST(jobs);

	if (job != NULL)
		STAILQ_REMOVE_HEAD(jobs, next);
	return job;
}

/* -- the thread ------------------------------------------------------------ */

static void *
run_thread(void *cookie)
{
	struct syncer *s = cookie;
	struct sync_job *job;

	(void)pthread_mutex_lock(&s->lock);
	for (;;) {
		while (!s->stop && STAILQ_EMPTY(&s->todo))
			(void)pthread_cond_wait(&s->more, &s->lock);
		if (s->stop)
			break;
		job = take(&s->todo);
		(void)pthread_mutex_unlock(&s->lock);
		sync_job_run(job);
		(void)pthread_mutex_lock(&s->lock);
		STAILQ_INSERT_TAIL(&s->done, job, next);
		/* A full pipe has woken the loop already. */
		while (write(s->wake[1], "", 1) == -1 && errno == EINTR)
			;
	}
	(void)pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* Signals are for the loop. */
static int
start_thread(struct syncer *s)
{
	sigset_t all, before;
	int err;

	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_cond_init(&s->more, NULL);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&s->thread, NULL, run_thread, s);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err == 0)
		return 0;
	(void)pthread_cond_destroy(&s->more);
	(void)pthread_mutex_destroy(&s->lock);
	errno = err;
	return -1;
}

struct syncer *
syncer_new(void)
{
	struct syncer *s;
	int i, err;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	STAILQ_INIT(&s->todo);
	STAILQ_INIT(&s->done);
	if (pipe(s->wake) == -1) {
		free(s);
		return NULL;
	}
	for (i = 0; i < 2; i++) {
		(void)fcntl(s->wake[i], F_SETFD, FD_CLOEXEC);
		(void)fcntl(s->wake[i], F_SETFL, O_NONBLOCK);
	}
	if (start_thread(s) == 0)
		return s;
	err = errno;
	(void)close(s->wake[0]);
	(void)close(s->wake[1]);
	free(s);
	errno = err;
	return NULL;
}

void
syncer_free(struct syncer *s)
{
	struct sync_job *job;

	if (s == NULL)
		return;
	(void)pthread_mutex_lock(&s->lock);
	s->stop = true;
	(void)pthread_cond_signal(&s->more);
	(void)pthread_mutex_unlock(&s->lock);
	(void)pthread_join(s->thread, NULL);
	while ((job = take(&s->todo)) != NULL || (job = take(&s->done)) != NULL)
		sync_job_free(job);
	(void)pthread_cond_destroy(&s->more);
	(void)pthread_mutex_destroy(&s->lock);
	(void)close(s->wake[0]);
	(void)close(s->wake[1]);
	free(s);
}

int
syncer_fd(const struct syncer *s)
{
	return s->wake[0];
}

void
syncer_submit(struct syncer *s, struct sync_job *job)
{
	s->nwaiting++;
	(void)pthread_mutex_lock(&s->lock);
	STAILQ_INSERT_TAIL(&s->todo, job, next);
	(void)pthread_cond_signal(&s->more);
	(void)pthread_mutex_unlock(&s->lock);
}

struct sync_job *
syncer_take(struct syncer *s)
{
	struct sync_job *job;
	char drain[64];

	while (read(s->wake[0], drain, sizeof(drain)) > 0)
		;
	(void)pthread_mutex_lock(&s->lock);
	job = take(&s->done);
	(void)pthread_mutex_unlock(&s->lock);
	if (job != NULL)
		s->nwaiting--;
	return job;
}

size_t
syncer_nwaiting(const struct syncer *s)
{
	return s->nwaiting;
}
