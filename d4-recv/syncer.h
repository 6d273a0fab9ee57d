/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_SYNCER_H
#define D4_RECV_SYNCER_H

/*
 * A thread that syncs what streams have written and then marks it in their
 * tails (tail.h), one after the other, so that the loop need not wait for the
 * disk.  What fails to be synced is never tried again, for the kernel may have
 * forgotten what it could not write; nor is anything of that stream after it.
 */

#include <sys/queue.h>

#include <stdatomic.h>
#include <stdbool.h>

#include "d4-recv/place.h"
#include "d4-recv/share.h"
#include "d4-recv/tail.h"

/* What all jobs of a stream share. */
struct sync_state {
	atomic_bool	 failed;
	unsigned	 refs;		/* the loop's */
};

struct sync_job {
	STAILQ_ENTRY(sync_job) next;	/* the syncer's */
	struct sync_state *state;
	int		 fd;		/* data, or -1; closed unless handed */
	int		 entries;	/* a directory that has a new entry, or
					 * -1; not closed */
	bool		 has_mark;
	struct tail_mark mark;
	bool		 hands;		/* the file is complete, and goes to
					 * the finisher behind this */
	struct place	 place;
	unsigned	 n;
	struct share_stream *share;	/* which is told of it then, or NULL: */
	uint64_t	 file, limit;	/* as share_push() has it */
	struct tail_place counts;
	uint64_t	 ticket;	/* of that */
	int		 err;		/* 0, or why it failed */
};

struct syncer;

/* Starts the thread.  NULL with errno. */
struct syncer *syncer_new(void);

/* Ends it behind the job in hand; the others are dropped.  Takes NULL. */
void syncer_free(struct syncer *);

/* Readable when syncer_take() has something. */
int syncer_fd(const struct syncer *);

/* Takes over a job. */
void syncer_submit(struct syncer *, struct sync_job *);

/* One that is done, or NULL; sync_job_free() is owed. */
struct sync_job *syncer_take(struct syncer *);

/* How many are not taken back. */
size_t syncer_nwaiting(const struct syncer *);

/* Does a job at once: err tells. */
void sync_job_run(struct sync_job *);

/* Closes what it holds and drops its shares of state and stream. */
void sync_job_free(struct sync_job *);

struct sync_state *sync_state_new(void);
void sync_state_drop(struct sync_state *);

#endif
