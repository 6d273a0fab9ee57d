/* SPDX-License-Identifier: ISC */
#ifndef D4_SPOOL_OWN_H
#define D4_SPOOL_OWN_H

/* Within the room of the spool: what its files share. */

#include <pthread.h>

#include "d4/spool-disk.h"
#include "d4/spool-form.h"
#include "d4/spool.h"

#define SPOOL_STREAM	"stream"
#define SPOOL_HEAD	"head"
#define SPOOL_LOCK	"lock"
#define SPOOL_SEGMENT	"segment.tmp"	/* before it has its name */
#define SPOOL_SPARE	"spare.tmp"	/* an old one, to be written over */

#define SPOOL_THREADS	3		/* writer, syncer and keeper */

/* A segment as far as it counts. */
struct segment {
	uint64_t	number;
	uint64_t	pos;
	uint64_t	end;		/* of its last record */
	uint64_t	bytes;		/* and where that ends in the file */
};

/* How far a stream has come. */
struct progress {
	uint64_t	 pos;
	uint64_t	 data;
	uint64_t	 second;
	uint8_t		*preamble;	/* in force, NULL: none */
	size_t		 preamblelen;
};

/* Records of the window's that are not synced yet.  The writer takes it whole:
 * then it grows no more. */
struct part {
	struct part	*next;
	struct run	 run;
};

/* A segment in the making.  The writer writes to it and forgets it, the syncer
 * syncs it and gives it its name, at the same time. */
struct making {
	struct disk_file file;
	struct form_segment segment;
	bool		 named;
	uint64_t	 at;		/* where the next frame goes */
	uint64_t	 synced_at;	/* 0: it is not in the list */
	struct progress	 now;		/* there */
};

struct spool {
	int		 dir;
	struct disk_file lock;		/* held while it is open */
	uint64_t	 size;
	uint64_t	 segment_bytes;	/* then another is begun */
	size_t		 queue_max;
	int		 wake[2];

	/* The stream. */
	bool		 there;
	bool		 ended;		/* there was one, see spool_ended() */
	uint64_t	 id;
	uint64_t	 hello_time;
	char		*state;		/* what the stream file holds */
	struct spool_stream stream;
	struct progress	 head;		/* of recovery, for stream */
	struct progress	 tail;
	char		 damage[SPOOL_WHY];

	pthread_t	 threads[SPOOL_THREADS];
	size_t		 nthreads;	/* that run */

	/* All threads', behind the mutex. */
	pthread_mutex_t	 mutex;
	pthread_cond_t	 to_write;	/* for the writer */
	pthread_cond_t	 to_sync;	/* for the syncer */
	pthread_cond_t	 to_keep;	/* for the keeper */
	struct segment	*segments;	/* oldest first */
	size_t		 nsegments;
	size_t		 room;
	uint64_t	 on_disk;	/* bytes of those */
	struct part	*first, *last;	/* not synced */
	struct part	*unwritten;	/* the first of those not written */
	struct making	*making;	/* NULL: none yet */
	struct making	*before;	/* one not wholly synced, or NULL */
	struct progress	 done;		/* what is synced */
	uint64_t	 added;		/* positions */
	uint64_t	 written;
	uint64_t	 wanted;	/* on the disk, waiting for no more */
	uint64_t	 syncing;	/* up to there; synced: nothing is */
	uint64_t	 synced;
	uint64_t	 want_head;
	uint64_t	 have_head;	/* on the disk */
	uint64_t	 next_number;
	int64_t		 unsynced_ms;	/* since when something is */
	bool		 waiting;	/* the writer is, for a sync */
	int		 broken;	/* what is not synced is to be written
					 * anew, for this errno */
	int		 failures;	/* of segments in a row */
	int		 stalled;	/* no room for segments */
	uint64_t	 stalled_at;	/* behind that */
	int		 head_stalled;	/* no room for the head */
	int		 failed;
	const char	*failed_at;	/* what could not be done */
	bool		 closing;

	/* The reader's, see spool_run(). */
	struct disk_file open;
	struct form_reader reader;
	uint64_t	 read_pos;	/* of its next frame */
	uint8_t		*records;
	size_t		 cap;
	struct run_record *of_run;	/* what lies there */
	struct run	 run;
};

/* -- progress -------------------------------------------------------------- */

/* Goes on by a record.  0, or -1 with errno. */
int progress_take(struct progress *, uint32_t flags, const uint8_t *record,
    size_t len);
int progress_copy(struct progress *, const struct progress *);
void progress_free(struct progress *);

/* -- spool-state.c --------------------------------------------------------- */

enum state {
	STATE_NONE,
	STATE_STREAM,
	STATE_ENDED		/* and where another would begin */
};

/* Reads the stream file into state, stream and the like.  What it says of, or
 * -1 with errno, EILSEQ when it is damaged. */
int state_read(struct spool *);

/* Writes it: a stream, or one that has ended; without a source none.  0, or -1
 * with errno. */
int state_write(struct spool *, enum state, const struct spool_source *,
    const uint8_t *opening, size_t len);

/* The head file: where the stream may be resumed, 0 when it does not say. */
uint64_t head_read(const struct spool *);
int head_write(const struct spool *, uint64_t pos);

/* -- spool-recover.c ------------------------------------------------------- */

/* Looks through the directory.  0, or -1 with errno. */
int recover(struct spool *);

/* Adds a segment to the list.  0, or -1 with errno. */
int segment_push(struct spool *, const struct segment *);

/* Removes every segment's file.  0, or -1 with errno. */
int segments_remove(const struct spool *);

/* -- spool-threads.c ------------------------------------------------------- */

#define SPOOL_ROUND	((uint64_t)4 << 20)	/* between two syncs, about */
#define SPOOL_AGAIN_MS	500			/* when the disk is full */

/* The threads, from what recovery has found on.  0, or -1 with errno. */
int threads_start(struct spool *);

/* Has them end with what was added, and waits for that. */
void threads_stop(struct spool *);

/* For the threads, with the mutex.  Whether nothing is to be done any more, or
 * can be; waits, INT64_MAX: for ever; has all of them look; what nothing helps
 * against. */
bool threads_are_done(const struct spool *);
void threads_wait(struct spool *, pthread_cond_t *, int64_t until_ms);
void threads_wake(struct spool *);
void threads_fail(struct spool *, int err, const char *what);
void threads_wake_owner(const struct spool *);

void *writer_main(void *spool);
void *syncer_main(void *spool);
void *keeper_main(void *spool);

/* Whether what is written is to be synced now. */
bool sync_is_due(const struct spool *, int64_t now_ms);

/* Whether that errno is of a disk that is to be tried until it has room. */
bool is_full(int err);

/* Takes NULL. */
void making_free(struct making *);

#endif
