/* SPDX-License-Identifier: ISC */
#include <sys/file.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "d4-recv/complete.h"
#include "d4-recv/finish.h"
#include "d4-recv/hook.h"
#include "lib/clock.h"
#include "lib/log.h"

/* So many files in hand or waiting are enough: each holds a descriptor. */
#define BUSY		512
#define LOADED		(BUSY - BUSY / 8)	/* before what can wait */

/* Seconds between two looks whether a full disk has room. */
#define FULL_FIRST	1
#define FULL_LAST	16

#define ENTRIES_MAX	1000000	/* of one path at a time */

struct job {
	STAILQ_ENTRY(job)	 next;
	struct complete_file	 file;
	int			 result;	/* of complete_run() */
	int			 err;		/* after -1 */
};

/* First in, first out. */
STAILQ_HEAD(jobs, job);

struct finish {
	char		*root;
	struct items	 items;
	struct hook	*hook;
	int		 wake[2];	/* the thread writes, the loop reads */
	pthread_t	 thread;
	struct complete	 complete;

	pthread_mutex_t	 lock;		/* over the next four */
	pthread_cond_t	 more;
	struct jobs	 todo;
	struct jobs	 ready;
	int		 full;		/* errno of a wait for room, or 0 */

	/* The loop's own. */
	struct jobs	 pushing;
	uint64_t	 nsubmitted, ndone;
	bool		 said_full;
	bool		 said_slow;	/* of the hook */
	bool		 ending;	/* hooks hold nothing back any more */
	struct finish_figures figures;
};

static void
free_job(struct job *job)
{
	(void)close(job->file.fd);
	if (job->file.out != -1)
		(void)close(job->file.out);
	free(job);
}

static void
free_jobs(struct jobs *jobs)
{
	struct job *job;

	while ((job = STAILQ_FIRST(jobs)) != NULL) {
		STAILQ_REMOVE_HEAD(jobs, next);
		free_job(job);
	}
}

/* -- the thread ---------------------------------------------------------- */

static void
wake_loop(struct finish *f)
{
	/* A full pipe has woken it already. */
	while (write(f->wake[1], "", 1) == -1 && errno == EINTR)
		;
}

/* Waits, with the lock, for room or for the end. */
static void
wait_for_room(struct finish *f, int err, unsigned seconds)
{
	struct timespec until;

	if (f->full == 0) {
		f->full = err;
		wake_loop(f);
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += seconds;
	while (!atomic_load(&f->complete.stop) && pthread_cond_timedwait(
	    &f->more, &f->lock, &until) != ETIMEDOUT)
		;
}

static void
complete_job(struct finish *f, struct job *job)
{
	unsigned seconds = FULL_FIRST;

	for (;;) {
		job->result = complete_run(&f->complete, &job->file);
		job->err = job->result == -1 ? errno : 0;
		if (!complete_waits(job->err) ||
		    atomic_load(&f->complete.stop))
			return;
		(void)pthread_mutex_lock(&f->lock);
		wait_for_room(f, job->err, seconds);
		(void)pthread_mutex_unlock(&f->lock);
		if (seconds < FULL_LAST)
			seconds *= 2;
	}
}

static void *
run_thread(void *cookie)
{
	struct finish *f = cookie;
	struct job *job;

	(void)pthread_mutex_lock(&f->lock);
	for (;;) {
		while (!atomic_load(&f->complete.stop) &&
		    STAILQ_EMPTY(&f->todo))
			(void)pthread_cond_wait(&f->more, &f->lock);
		if (atomic_load(&f->complete.stop))
			break;
		job = STAILQ_FIRST(&f->todo);
		STAILQ_REMOVE_HEAD(&f->todo, next);
		(void)pthread_mutex_unlock(&f->lock);
		complete_job(f, job);
		(void)pthread_mutex_lock(&f->lock);
		if (!complete_waits(job->err))
			f->full = 0;
		STAILQ_INSERT_TAIL(&f->ready, job, next);
		wake_loop(f);
	}
	(void)pthread_mutex_unlock(&f->lock);
	return NULL;
}

/* Signals are for the loop. */
static int
start_thread(struct finish *f)
{
	pthread_condattr_t attr;
	sigset_t all, before;
	int err;

	(void)pthread_mutex_init(&f->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&f->more, &attr);
	(void)pthread_condattr_destroy(&attr);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&f->thread, NULL, run_thread, f);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err == 0)
		return 0;
	(void)pthread_cond_destroy(&f->more);
	(void)pthread_mutex_destroy(&f->lock);
	errno = err;
	return -1;
}

/* -- opening ------------------------------------------------------------- */

static int
make_directory(int at, const char *path, mode_t mode)
{
	if (mkdirat(at, path, mode) == -1 && errno != EEXIST)
		return -1;
	return openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int
open_wake(int fds[2])
{
	int i;

	if (pipe(fds) == -1) {
		fds[0] = fds[1] = -1;
		return -1;
	}
	for (i = 0; i < 2; i++) {
		if (fcntl(fds[i], F_SETFD, FD_CLOEXEC) == -1 ||
		    fcntl(fds[i], F_SETFL, O_NONBLOCK) == -1)
			return -1;
	}
	return 0;
}

static void
close_files(struct finish *f)
{
	int fds[] = { f->complete.root, f->complete.entries, f->wake[0],
	    f->wake[1] };
	size_t i;

	for (i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		if (fds[i] != -1)
			(void)close(fds[i]);
	}
	hook_free(f->hook);
	free(f->root);
	free(f);
}

struct finish *
finish_new(const struct finish_settings *settings)
{
	struct finish *f;
	int err;

	if ((f = calloc(1, sizeof(*f))) == NULL)
		return NULL;
	STAILQ_INIT(&f->todo);
	STAILQ_INIT(&f->ready);
	STAILQ_INIT(&f->pushing);
	f->items = settings->items;
	f->complete.level = settings->level;
	f->complete.entries = f->wake[0] = f->wake[1] = -1;
	atomic_init(&f->complete.stop, false);
	f->complete.root = make_directory(AT_FDCWD, settings->root, 0777);
	if (f->complete.root != -1 &&
	    (f->root = realpath(settings->root, NULL)) != NULL &&
	    (f->complete.entries = make_directory(f->complete.root,
	    PLACE_OPEN, 0700)) != -1 && open_wake(f->wake) == 0 &&
	    (f->hook = hook_new(settings->runner)) != NULL &&
	    hook_set(f->hook, settings->hook) == 0 && start_thread(f) == 0)
		return f;
	err = errno;
	close_files(f);
	errno = err;
	return NULL;
}

void
finish_free(struct finish *f)
{
	if (f == NULL)
		return;
	(void)pthread_mutex_lock(&f->lock);
	atomic_store(&f->complete.stop, true);
	(void)pthread_cond_signal(&f->more);
	(void)pthread_mutex_unlock(&f->lock);
	(void)pthread_join(f->thread, NULL);
	free_jobs(&f->todo);
	free_jobs(&f->ready);
	free_jobs(&f->pushing);
	(void)pthread_cond_destroy(&f->more);
	(void)pthread_mutex_destroy(&f->lock);
	close_files(f);
}

int
finish_set_hook(struct finish *f, const char *hook)
{
	return hook_set(f->hook, hook);
}

uint64_t
finish_nsubmitted(const struct finish *f)
{
	return f->nsubmitted;
}

uint64_t
finish_ndone(const struct finish *f)
{
	return f->ndone;
}

int
finish_fd(const struct finish *f)
{
	return f->wake[0];
}

const char *
finish_root(const struct finish *f)
{
	return f->root;
}

int
finish_root_dir(const struct finish *f)
{
	return f->complete.root;
}

int
finish_open_dir(const struct finish *f)
{
	return f->complete.entries;
}

/* -- entries ------------------------------------------------------------- */

/* Locks what was just made.  Another process may have taken it for a leftover
 * in between: then it is lost. */
static bool
is_ours(int fd)
{
	struct stat st;

	return flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 &&
	    st.st_nlink > 0;
}

/* Whether a file of this number is finished and waits to be pushed. */
static bool
has_finished(const struct finish *f, const struct place *p, unsigned n)
{
	char entry[PLACE_ENTRY];
	struct stat st;

	if (p->compress == D4_GZ_PLAIN)
		return false;
	place_entry(p, n, true, entry);
	return fstatat(f->complete.entries, entry, &st,
	    AT_SYMLINK_NOFOLLOW) == 0;
}

int
finish_create(struct finish *f, const struct place *p, unsigned *n)
{
	char entry[PLACE_ENTRY];
	int fd;

	for (*n = 0; *n < ENTRIES_MAX; (*n)++) {
		place_entry(p, *n, false, entry);
		fd = openat(f->complete.entries, entry, O_RDWR | O_CREAT |
		    O_EXCL | O_CLOEXEC, 0666);
		if (fd == -1 && errno == EEXIST)
			continue;
		if (fd == -1)
			return -1;
		/* Looked at now: while the other entry was there, ours could
		 * not be made. */
		if (!has_finished(f, p, *n)) {
			if (is_ours(fd))
				return fd;
		} else {
			(void)unlinkat(f->complete.entries, entry, 0);
		}
		(void)close(fd);
	}
	errno = EEXIST;
	return -1;
}

void
finish_discard(struct finish *f, const struct place *p, unsigned n, int fd)
{
	char entry[PLACE_ENTRY];

	place_entry(p, n, false, entry);
	(void)unlinkat(f->complete.entries, entry, 0);
	(void)close(fd);
}

int
finish_submit(struct finish *f, const struct place *p, unsigned n, bool done,
    int fd, enum finish_how how)
{
	struct job *job;

	if ((job = calloc(1, sizeof(*job))) == NULL) {
		(void)close(fd);
		return -1;
	}
	job->file.place = *p;
	job->file.n = n;
	job->file.done = done;
	job->file.how = how;
	job->file.fd = fd;
	job->file.out = -1;
	f->figures.waiting++;
	f->nsubmitted++;
	(void)pthread_mutex_lock(&f->lock);
	STAILQ_INSERT_TAIL(&f->todo, job, next);
	(void)pthread_cond_signal(&f->more);
	(void)pthread_mutex_unlock(&f->lock);
	return 0;
}

/* -- the loop's side ----------------------------------------------------- */

/* The path of a finished file goes to the queues.  -1: not now. */
static int
push_path(struct finish *f, const struct complete_file *file,
    const char *path)
{
	char queue[D4_TYPE_NAME_MAX + 1];

	if (!place_is_queued(&file->place))
		return 0;
	place_queue(&file->place, queue);
	if (f->items.push(f->items.cookie, file->place.uuid, queue, path,
	    strlen(path), file->how == FINISH_LINKED) == -1)
		return -1;
	f->figures.npushed++;
	return 0;
}

/* Step 5 and 6 for a file with a name.  -1: not now. */
static int
hand_out(struct finish *f, const struct complete_file *file)
{
	char entry[PLACE_ENTRY], *path;
	size_t len = strlen(f->root) + 1 + strlen(file->final) + 1;
	int rc;

	if ((path = malloc(len)) == NULL)
		return -1;
	(void)snprintf(path, len, "%s/%s", f->root, file->final);
	if ((rc = push_path(f, file, path)) == 0) {
		f->figures.nfiles++;
		place_entry(&file->place, file->n, file->done, entry);
		(void)unlinkat(f->complete.entries, entry, 0);
		if (file->place.kind != PLACE_HEADER &&
		    file->place.kind != PLACE_CERT &&
		    hook_add(f->hook, path) == -1)
			d4_log_warn("%s", path);
	}
	free(path);
	return rc;
}

static void
hand_out_all(struct finish *f)
{
	struct job *job;

	while ((job = STAILQ_FIRST(&f->pushing)) != NULL) {
		if (job->result == 1 && hand_out(f, &job->file) == -1)
			return;
		if (job->result == -1 && job->err != EINTR) {
			errno = job->err;
			d4_log_warn("%s/%s: left unfinished", f->root,
			    job->file.place.path);
			f->figures.nleft++;
		}
		STAILQ_REMOVE_HEAD(&f->pushing, next);
		free_job(job);
		f->figures.waiting--;
	}
}

static void
say_full(struct finish *f, int full)
{
	if (full != 0 && !f->said_full) {
		errno = full;
		d4_log_warn("%s: waiting for room", f->root);
	} else if (full == 0 && f->said_full) {
		d4_log_say("%s: there is room again", f->root);
	}
	f->said_full = f->figures.full = full != 0;
}

/* Files that wait for the hook, where they hold others back. */
static size_t
hook_load(const struct finish *f)
{
	return f->ending ? 0 : hook_nwait(f->hook);
}

/* It is not the disk then that sensors wait for. */
static void
say_slow(struct finish *f)
{
	size_t load = hook_load(f);

	if (load >= BUSY && !f->said_slow) {
		hook_say(f->hook, "many files wait for it, and so do sensors");
		f->said_slow = true;
	} else if (load < LOADED && f->said_slow && !f->ending) {
		hook_say(f->hook, "goes on");
		f->said_slow = false;
	}
}

void
finish_run(struct finish *f)
{
	struct job *job;
	char drain[64];
	int full;

	while (read(f->wake[0], drain, sizeof(drain)) > 0)
		;
	(void)pthread_mutex_lock(&f->lock);
	STAILQ_FOREACH(job, &f->ready, next)
		f->ndone++;
	STAILQ_CONCAT(&f->pushing, &f->ready);
	full = f->full;
	(void)pthread_mutex_unlock(&f->lock);
	say_full(f, full);
	hand_out_all(f);
	hook_tick(f->hook);
	say_slow(f);
}

int
finish_drain(struct finish *f, int timeout_ms)
{
	struct pollfd pfd = { .fd = f->wake[0], .events = POLLIN };
	long long end = d4_clock_ms() + timeout_ms, left;

	for (;;) {
		finish_run(f);
		if (f->figures.waiting == 0 && hook_nwait(f->hook) == 0)
			return 0;
		if ((left = end - d4_clock_ms()) <= 0)
			return -1;
		/* Hooks end, and queues get room, without a word. */
		(void)poll(&pfd, 1, left < 50 ? (int)left : 50);
	}
}

void
finish_hurry(struct finish *f)
{
	f->ending = true;
}

void
finish_drop_hooks(struct finish *f)
{
	hook_drop(f->hook);
}

bool
finish_busy(const struct finish *f)
{
	return f->figures.waiting >= BUSY || hook_load(f) >= BUSY;
}

bool
finish_loaded(const struct finish *f)
{
	return f->figures.waiting >= LOADED || hook_load(f) >= LOADED;
}

const struct finish_figures *
finish_figures(struct finish *f)
{
	f->figures.nhooks = hook_nrun(f->hook);
	f->figures.nhooks_failed = hook_nfailed(f->hook);
	return &f->figures;
}
