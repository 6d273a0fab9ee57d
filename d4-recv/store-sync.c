/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "d4-recv/complete.h"
#include "d4-recv/store-own.h"
#include "lib/log.h"

/* -- other stores -------------------------------------------------------- */

/* What of the stream counts by the tail: the limit of what was added, and the
 * place in our files. */
static uint64_t
find_limit(const struct store_stream *s, struct tail_place *counts)
{
	*counts = tail_place(s->tail);
	return s->keeps && s->fd != -1 ? counts->whole : s->committed;
}

bool
store_is_gone(const struct store_stream *s)
{
	return s->share != NULL && share_state(s->share) == SHARE_GONE;
}

void
sync_tell_all(struct store_stream *s)
{
	struct tail_place counts;
	uint64_t limit = find_limit(s, &counts);

	(void)share_push(s->share, s->nth, limit, &counts);
}

void
sync_tell_again(struct store_stream *s)
{
	if (s->share != NULL && s->matched && share_lacks_all(s->share))
		(void)share_upload(s->share, s->tail);
}

static void
submit_job(struct store *store, struct sync_job *job)
{
	if (finish_submit(store->set.finish, &job->place, job->n, false,
	    job->fd, FINISH_WHOLE) == -1)
		d4_log_warn("%s/%s", finish_root(store->set.finish),
		    job->place.path);
	job->fd = -1;
	store->nhanding--;
	sync_job_free(job);
}

bool
sync_hand_arrived(struct store *store)
{
	struct jobs waiting = STAILQ_HEAD_INITIALIZER(waiting);
	struct sync_job *job;
	bool any = false;

	STAILQ_CONCAT(&waiting, &store->handing);
	while ((job = STAILQ_FIRST(&waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&waiting, next);
		if (share_state(job->share) == SHARE_GONE) {
			store->nhanding--;
			store->left_some = any = true;
			sync_job_free(job);
		} else if (share_has_arrived(job->share, job->ticket) ||
		    share_is_away(store->share)) {
			submit_job(store, job);
			any = true;
		} else {
			STAILQ_INSERT_TAIL(&store->handing, job, next);
		}
	}
	return any;
}

/* -- marks --------------------------------------------------------------- */

void
sync_end_job(struct store *store, struct sync_job *job)
{
	struct store_stream *s;

	if (job->err == 0 && job->share != NULL)
		job->ticket = share_push(job->share, job->file, job->limit,
		    &job->counts);
	if (job->err == 0 && job->hands && job->share != NULL) {
		STAILQ_INSERT_TAIL(&store->handing, job, next);
		return;
	}
	if (job->err == 0 && job->hands) {
		submit_job(store, job);
		return;
	}
	store->nhanding -= job->hands;
	for (s = store->streams; job->err != 0 && s != NULL; s = s->next) {
		if (s->sync != job->state || s->err != 0)
			continue;
		errno = job->err;
		(void)store_fail(s);
	}
	store->left_some = store->left_some || job->err != 0;
	sync_job_free(job);
}

static void
do_job(struct store *store, struct sync_job *job)
{
	if (store->set.sync == STORE_SYNC_SECOND) {
		syncer_submit(store->syncer, job);
		return;
	}
	sync_job_run(job);
	sync_end_job(store, job);
}

static struct sync_job *
make_job(struct store_stream *s)
{
	struct sync_job *job;

	if (s->sync == NULL && (s->sync = sync_state_new()) == NULL)
		return NULL;
	if ((job = calloc(1, sizeof(*job))) == NULL)
		return NULL;
	job->fd = job->entries = -1;
	job->state = s->sync;
	job->state->refs++;
	if (s->share != NULL) {
		job->share = share_keep(s->share);
		job->file = s->nth;
		job->limit = find_limit(s, &job->counts);
	}
	return job;
}

/* The file goes with the job. */
static void
hand_with(struct store_stream *s, struct sync_job *job)
{
	job->fd = s->fd;
	job->hands = true;
	job->place = s->place;
	job->n = s->n;
	s->fd = -1;
	s->store->figures.nfiles--;
	s->store->nhanding++;
}

enum store_result
sync_mark(struct store_stream *s, bool hands)
{
	struct store *store = s->store;
	struct sync_job *job;
	int rc;

	if ((job = make_job(s)) == NULL)
		return store_fail(s);
	if ((rc = tail_mark_begin(s->tail, &job->mark)) == 1)
		job->has_mark = true;
	if (rc == -1 || (rc == 0 && !hands)) {
		sync_job_free(job);
		return rc == 0 ? STORE_OK :
		    complete_waits(errno) ? STORE_FULL : store_fail(s);
	}
	if (hands) {
		hand_with(s, job);
	} else if (s->fd != -1 && s->unsynced &&
	    (job->fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 3)) == -1) {
		/* The mark is lost with it: no more of this stream. */
		sync_job_free(job);
		return store_fail(s);
	}
	if (s->unlisted)
		job->entries = finish_open_dir(store->set.finish);
	s->unlisted = s->unsynced = false;
	do_job(store, job);
	return s->err == 0 ? STORE_OK : STORE_FAILED;
}

/* Of what handlers made the finisher knows when it is
 * on the disk. */
enum store_result
sync_mark_new(struct store_stream *s)
{
	const struct finish *finish = s->store->set.finish;

	if (s->store->set.sync == STORE_SYNC_NEVER || s->err != 0 ||
	    !tail_is_unmarked(s->tail))
		return STORE_OK;
	/* One at a time. */
	if (s->sync != NULL && s->sync->refs > 1)
		return STORE_FULL;
	if (!s->keeps && s->awaits == 0)
		s->awaits = finish_nsubmitted(finish) + 1;
	if (!s->keeps && finish_ndone(finish) + 1 < s->awaits)
		return STORE_FULL;
	s->awaits = 0;
	return sync_mark(s, false);
}

/* -- files --------------------------------------------------------------- */

/* Hands a file over that is not synced before, once others know of it. */
static enum store_result
hand_unsynced(struct store_stream *s)
{
	struct sync_job *job;

	if ((job = make_job(s)) == NULL)
		return store_fail(s);
	hand_with(s, job);
	sync_end_job(s->store, job);
	return STORE_OK;
}

enum store_result
sync_hand_over(struct store_stream *s, enum finish_how how)
{
	struct finish *finish = s->store->set.finish;
	int fd = s->fd;

	if (fd == -1)
		return STORE_OK;
	if (s->tail != NULL && s->data && how == FINISH_WHOLE &&
	    s->store->set.sync != STORE_SYNC_NEVER)
		return sync_mark(s, true);
	if (s->share != NULL && s->data && how == FINISH_WHOLE)
		return hand_unsynced(s);
	s->fd = -1;
	s->store->figures.nfiles--;
	if (!s->data && how == FINISH_WHOLE) {
		finish_discard(finish, &s->place, s->n, fd);
		return STORE_OK;
	}
	if (finish_submit(finish, &s->place, s->n, false, fd, how) == 0)
		return STORE_OK;
	errno = ENOMEM;
	return store_fail(s);
}

static int
sync_stream(struct store_stream *s, time_t now)
{
	enum store_result result;

	if (s->border == NULL || s->err != 0)
		return 0;
	if ((result = file_flush(s, now)) == STORE_FULL)
		errno = ENOSPC;
	if (result != STORE_OK)
		return -1;
	if (!s->unsynced || s->fd == -1)
		return 0;
	if (fdatasync(s->fd) == -1) {
		(void)store_fail(s);
		return -1;
	}
	s->unsynced = false;
	return 0;
}

int
store_sync(struct store *store, time_t now)
{
	struct store_stream *s;
	int rc = 0, err = 0;

	for (s = store->streams; s != NULL; s = s->next) {
		if (sync_stream(s, now) == -1) {
			err = errno;
			rc = -1;
		}
	}
	if (store->made_entries) {
		store->made_entries = false;
		if (fsync(finish_open_dir(store->set.finish)) == -1) {
			err = errno;
			d4_log_warn("%s/" PLACE_OPEN,
			    finish_root(store->set.finish));
			rc = -1;
		}
	}
	errno = err;
	return rc;
}
