/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "d4-pibs/intake.h"

/* What is handed over at a time: enough that handing over does not count,
 * little enough to stay in the cache meanwhile. */
#define BATCHES		4
#define CRATES		16

#define SPINS		30000	/* about the time that a crate takes */

struct crate {
	int		got[BATCHES];		/* as intake_next() */
	struct harvest	harvest[BATCHES];
};

/*
 * A ring of crates.  The thread fills them ahead; when none is ready and the
 * thread is not at it, since another program has its processor, whoever asks
 * fills one himself instead of waiting.  Answers are prepared by the thread
 * when it is well ahead, by whoever asks when it is not: so both have as much
 * to do, whatever takes longer.
 */
struct intake {
	struct capture	*capture;
	struct decoder	*decoder;
	struct frame	 frames[FRAME_BATCH];
	bool		 idle;

	bool		 threaded;
	atomic_int	 percent;		/* done */
	pthread_t	 thread;
	pthread_mutex_t	 mutex;
	pthread_cond_t	 changed;
	atomic_bool	 filling;		/* one of the two is at it */
	bool		 ended, stop;		/* under the mutex */
	atomic_size_t	 filled, emptied;	/* crates so far */
	pthread_mutex_t	 preparing;
	atomic_size_t	 prepared;		/* crates so far */
	size_t		 at;			/* batch of the crate at hand */
	struct crate	 crates[CRATES];
};

/* -- decoding -------------------------------------------------------------- */

static void
decode_pibs(struct decoder *d, struct batch *b, const struct frame *f,
    size_t n)
{
	d->small += packet_decode_pibs(&d->shadow, b->packet, f, n);
	b->n = n;
	b->nanswers = b->nsynacks = 0;
}

static void
decode_own(struct decoder *d, struct batch *b, const struct frame *f,
    size_t n)
{
	packet_decode(b, f, n, &d->wanted);
	if (d->unread == 0)
		d->unread_link = b->unread_link;
	d->unread += b->unread;
}

static int
decode(struct intake *t, struct harvest *h)
{
	struct decoder *d = t->decoder;
	int got = capture_next(t->capture, t->frames, FRAME_BATCH);
	size_t n;

	if (got <= 0)
		return got == 0 ? -2 : -1;
	n = (size_t)got;
	t->idle = n < FRAME_BATCH;
	if (d->filter != NULL)
		n = filter_frames(d->filter, t->frames, n);
	h->frames = n;
	h->sec = n == 0 ? 0 : t->frames[n - 1].sec;
	if (d->pibs)
		decode_pibs(d, &h->batch, t->frames, n);
	else
		decode_own(d, &h->batch, t->frames, n);
	return 0;
}

/* -- the ring -------------------------------------------------------------- */

static size_t
ready(struct intake *t)
{
	return atomic_load(&t->filled) - atomic_load(&t->emptied);
}

/* Fills the next crate.  The mutex is held, but not meanwhile. */
static void
fill(struct intake *t)
{
	struct crate *c = &t->crates[atomic_load(&t->filled) % CRATES];
	int n = 0;
	size_t i;

	atomic_store(&t->filling, true);
	(void)pthread_mutex_unlock(&t->mutex);
	for (i = 0; n != -2 && i < BATCHES; i++)
		n = c->got[i] = decode(t, &c->harvest[i]);
	atomic_store(&t->percent, capture_percent(t->capture));
	(void)pthread_mutex_lock(&t->mutex);
	atomic_store(&t->filling, false);
	t->ended = n == -2;
	atomic_fetch_add(&t->filled, 1);
	(void)pthread_cond_signal(&t->changed);
}

/* Whether fewer than n crates are prepared. */
static bool
unprepared(struct intake *t, size_t n)
{
	return t->decoder->attacks != NULL && atomic_load(&t->prepared) < n;
}

/* Prepares the next crate, unless n are prepared. */
static void
prepare(struct intake *t, size_t n)
{
	size_t k, i;

	(void)pthread_mutex_lock(&t->preparing);
	if ((k = atomic_load(&t->prepared)) < n) {
		struct crate *c = &t->crates[k % CRATES];

		for (i = 0; i < BATCHES && c->got[i] != -2; i++) {
			if (c->got[i] == 0)
				attack_prepare(t->decoder->attacks,
				    &c->harvest[i].batch);
		}
		atomic_store(&t->prepared, k + 1);
	}
	(void)pthread_mutex_unlock(&t->preparing);
}

/* While the other one fills a crate, which is done sooner than anybody falls
 * asleep and wakes, unless he has lost his processor. */
static void
wait_filling(struct intake *t)
{
	int i;

	(void)pthread_mutex_unlock(&t->mutex);
	for (i = 0; i < SPINS && atomic_load(&t->filling); i++)
		;
	(void)pthread_mutex_lock(&t->mutex);
	if (i == SPINS && atomic_load(&t->filling))
		(void)pthread_cond_wait(&t->changed, &t->mutex);
}

/* The mutex is held, but not meanwhile. */
static void
prepare_ahead(struct intake *t)
{
	(void)pthread_mutex_unlock(&t->mutex);
	prepare(t, atomic_load(&t->filled));
	(void)pthread_mutex_lock(&t->mutex);
}

static void *
fill_ahead(void *arg)
{
	struct intake *t = arg;

	(void)pthread_mutex_lock(&t->mutex);
	while (!t->stop && !t->ended) {
		if (atomic_load(&t->filling))
			wait_filling(t);
		else if (ready(t) > CRATES / 2 &&
		    unprepared(t, atomic_load(&t->filled)))
			prepare_ahead(t);
		else if (ready(t) == CRATES)
			(void)pthread_cond_wait(&t->changed, &t->mutex);
		else
			fill(t);
	}
	(void)pthread_mutex_unlock(&t->mutex);
	return NULL;
}

/* Sees to it that a crate is ready. */
static void
get_ready(struct intake *t)
{
	(void)pthread_mutex_lock(&t->mutex);
	while (ready(t) == 0) {
		if (atomic_load(&t->filling))
			wait_filling(t);
		else
			fill(t);
	}
	(void)pthread_mutex_unlock(&t->mutex);
}

/* The thread is woken when it has half the ring to fill, not for each crate. */
static void
give_back(struct intake *t)
{
	atomic_fetch_add(&t->emptied, 1);
	if (ready(t) != CRATES / 2)
		return;
	(void)pthread_mutex_lock(&t->mutex);
	(void)pthread_cond_signal(&t->changed);
	(void)pthread_mutex_unlock(&t->mutex);
}

static int
next_ahead(struct intake *t, struct harvest **harvest)
{
	struct crate *c;

	if (t->at == BATCHES) {
		t->at = 0;
		give_back(t);
	}
	if (t->at == 0) {
		if (ready(t) == 0)
			get_ready(t);
		if (unprepared(t, atomic_load(&t->emptied) + 1))
			prepare(t, atomic_load(&t->emptied) + 1);
	}
	c = &t->crates[atomic_load(&t->emptied) % CRATES];
	*harvest = &c->harvest[t->at];
	return c->got[t->at++];
}

/* Signals are for the thread that was there before. */
static int
start(struct intake *t)
{
	sigset_t all, old;
	int rc;

	(void)pthread_mutex_init(&t->mutex, NULL);
	(void)pthread_mutex_init(&t->preparing, NULL);
	(void)pthread_cond_init(&t->changed, NULL);
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&t->thread, NULL, fill_ahead, t);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc;
}

/* -- the door -------------------------------------------------------------- */

struct intake *
intake_open(struct capture *capture, struct decoder *decoder, bool frames)
{
	struct intake *t = aligned_alloc(alignof(struct intake), sizeof(*t));

	if (t == NULL)
		return NULL;
	/* The crates are left alone until they are filled. */
	memset(t, 0, offsetof(struct intake, crates));
	t->capture = capture;
	t->decoder = decoder;
	/* Nobody knows the share done of what is no file. */
	t->threaded = !frames && capture_percent(capture) != -1;
	if (t->threaded && (errno = start(t)) != 0) {
		free(t);
		return NULL;
	}
	return t;
}

void
intake_close(struct intake *t)
{
	if (t == NULL)
		return;
	if (t->threaded) {
		(void)pthread_mutex_lock(&t->mutex);
		t->stop = true;
		(void)pthread_cond_signal(&t->changed);
		(void)pthread_mutex_unlock(&t->mutex);
		(void)pthread_join(t->thread, NULL);
		(void)pthread_cond_destroy(&t->changed);
		(void)pthread_mutex_destroy(&t->preparing);
		(void)pthread_mutex_destroy(&t->mutex);
	}
	free(t);
}

int
intake_next(struct intake *t, struct harvest **harvest,
    const struct frame **frames)
{
	int rc;

	if (t->threaded)
		return next_ahead(t, harvest);
	*harvest = &t->crates[0].harvest[0];
	*frames = t->frames;
	rc = decode(t, *harvest);
	if (rc == 0 && t->decoder->attacks != NULL)
		attack_prepare(t->decoder->attacks, &(*harvest)->batch);
	return rc;
}

int
intake_percent(const struct intake *t)
{
	return t->threaded ? atomic_load(&t->percent) :
	    capture_percent(t->capture);
}

bool
intake_idle(const struct intake *t)
{
	return !t->threaded && t->idle;
}
