/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "d4-pibs/intake.h"

/* What is handed over at a time: enough that handing over does not count,
 * little enough to stay in the cache meanwhile. */
#define BATCHES		8
#define CRATES		3

struct crate {
	int		count[BATCHES];		/* as intake_next() */
	size_t		n;			/* batches */
	struct packet	packets[BATCHES][FRAME_BATCH];
};

struct intake {
	struct capture	*capture;
	struct decoder	*decoder;
	struct frame	 frames[FRAME_BATCH];
	bool		 idle;

	bool		 threaded;
	atomic_int	 percent;		/* done by the thread */
	pthread_t	 thread;
	pthread_mutex_t	 mutex;
	pthread_cond_t	 changed;
	uint64_t	 filled, emptied;	/* crates, under the mutex */
	bool		 stop;			/* likewise */
	size_t		 at;			/* batch of the crate at hand */
	struct crate	 crates[CRATES];
};

/* -- decoding -------------------------------------------------------------- */

static void
check_links(struct decoder *d, const struct frame *f, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (f[i].link == LINK_ETHERNET || frame_link_known(f[i].link))
			continue;
		if (d->unread++ == 0)
			d->unread_link = f[i].link;
	}
}

static int
decode(struct intake *t, struct packet *packets)
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
	if (d->pibs) {
		d->small += packet_decode_pibs(&d->shadow, packets, t->frames,
		    n);
	} else {
		packet_decode(packets, t->frames, n, d->brief);
		check_links(d, t->frames, n);
	}
	return (int)n;
}

/* -- the thread ahead ------------------------------------------------------ */

/* Waits until a crate is empty.  NULL when there is no use in going on. */
static struct crate *
wait_empty(struct intake *t)
{
	struct crate *c = NULL;

	(void)pthread_mutex_lock(&t->mutex);
	while (t->filled - t->emptied == CRATES && !t->stop)
		(void)pthread_cond_wait(&t->changed, &t->mutex);
	if (!t->stop)
		c = &t->crates[t->filled % CRATES];
	(void)pthread_mutex_unlock(&t->mutex);
	return c;
}

static void
change(struct intake *t, uint64_t *count)
{
	(void)pthread_mutex_lock(&t->mutex);
	++*count;
	(void)pthread_cond_signal(&t->changed);
	(void)pthread_mutex_unlock(&t->mutex);
}

static void *
fill(void *arg)
{
	struct intake *t = arg;
	struct crate *c;
	int n = 0;

	while (n != -2 && (c = wait_empty(t)) != NULL) {
		for (c->n = 0; n != -2 && c->n < BATCHES; c->n++)
			n = c->count[c->n] = decode(t, c->packets[c->n]);
		atomic_store(&t->percent, capture_percent(t->capture));
		change(t, &t->filled);
	}
	return NULL;
}

static int
next_ahead(struct intake *t, const struct packet **packets)
{
	struct crate *c = &t->crates[t->emptied % CRATES];

	if (t->at == BATCHES) {
		t->at = 0;
		change(t, &t->emptied);
		c = &t->crates[t->emptied % CRATES];
	}
	if (t->at == 0) {
		(void)pthread_mutex_lock(&t->mutex);
		while (t->filled == t->emptied)
			(void)pthread_cond_wait(&t->changed, &t->mutex);
		(void)pthread_mutex_unlock(&t->mutex);
	}
	*packets = c->packets[t->at];
	return c->count[t->at++];
}

/* Signals are for the thread that was there before. */
static int
start(struct intake *t)
{
	sigset_t all, old;
	int rc;

	(void)pthread_mutex_init(&t->mutex, NULL);
	(void)pthread_cond_init(&t->changed, NULL);
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&t->thread, NULL, fill, t);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc;
}

/* -- the door -------------------------------------------------------------- */

struct intake *
intake_open(struct capture *capture, struct decoder *decoder, bool frames)
{
	struct intake *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
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
		(void)pthread_mutex_destroy(&t->mutex);
	}
	free(t);
}

int
intake_next(struct intake *t, const struct packet **packets,
    const struct frame **frames)
{
	if (t->threaded)
		return next_ahead(t, packets);
	*packets = t->crates[0].packets[0];
	*frames = t->frames;
	return decode(t, t->crates[0].packets[0]);
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
