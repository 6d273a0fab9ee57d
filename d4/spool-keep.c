/* SPDX-License-Identifier: ISC */
#include <errno.h>

#include "d4/spool-own.h"
#include "lib/clock.h"

/*
 * The thread that writes down where the stream may be resumed.  That has a sync
 * of its own, which neither waits for that of the records nor has it wait: the
 * link stands still when it comes late.
 */

struct keeper {
	struct spool	*spool;
	int		 failures;	/* in a row */
	int64_t		 again_ms;	/* with a full disk, not before */
};

/* The mutex is held, though not while the disk is waited for. */
static void
move_head(struct keeper *k)
{
	struct spool *sp = k->spool;
	uint64_t head = sp->want_head;
	int err = 0;

	(void)pthread_mutex_unlock(&sp->mutex);
	if (head_write(sp, head) == -1)
		err = errno;
	(void)pthread_mutex_lock(&sp->mutex);
	sp->head_stalled = is_full(err) ? err : 0;
	k->again_ms = is_full(err) ? d4_clock_ms() + SPOOL_AGAIN_MS : 0;
	if (err == 0) {
		k->failures = 0;
		sp->have_head = head;
		/* What lies before can go. */
		(void)pthread_cond_signal(&sp->to_write);
	} else if (!is_full(err) && ++k->failures > 1) {
		threads_fail(sp, err, SPOOL_HEAD);
	}
	threads_wake_owner(sp);
}

void *
keeper_main(void *spool)
{
	struct keeper k = { .spool = spool };
	struct spool *sp = spool;
	bool wanted;

	(void)pthread_mutex_lock(&sp->mutex);
	while (!threads_are_done(sp)) {
		wanted = sp->want_head > sp->have_head;
		if (wanted && d4_clock_ms() >= k.again_ms)
			move_head(&k);
		else
			threads_wait(sp, &sp->to_keep, wanted ? k.again_ms :
			    INT64_MAX);
	}
	/* The others may wait for just that. */
	threads_wake(sp);
	(void)pthread_mutex_unlock(&sp->mutex);
	return NULL;
}
