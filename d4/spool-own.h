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

/* Frames that wait to be written, their sums yet to be made. */
struct block {
	struct block	*next;
	size_t		 len;
	size_t		 cap;
	uint8_t		 bytes[];
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
	uint64_t	 id;
	uint64_t	 hello_time;
	char		*state;		/* what the stream file holds */
	struct spool_stream stream;
	struct progress	 head;		/* of recovery, for stream */
	struct progress	 tail;
	char		 damage[SPOOL_WHY];

	pthread_t	 thread;
	bool		 running;

	/* Both threads', behind the mutex. */
	pthread_mutex_t	 mutex;
	pthread_cond_t	 work;		/* for the writer */
	struct segment	*segments;	/* oldest first */
	size_t		 nsegments;
	size_t		 room;
	uint64_t	 on_disk;	/* bytes of those */
	struct block	*first, *last;	/* the queue */
	size_t		 queued;	/* bytes in it and being written */
	uint64_t	 added;		/* positions */
	uint64_t	 synced;
	uint64_t	 want_head;
	uint64_t	 have_head;	/* on the disk */
	uint64_t	 next_number;
	int		 stalled;
	int		 failed;
	const char	*failed_at;	/* what could not be done */
	bool		 closing;

	/* The reader's, see spool_run(). */
	struct disk_file open;
	struct form_reader reader;
	uint64_t	 read_pos;	/* of its next frame */
	uint8_t		*records;
	size_t		 cap;
	uint8_t		*flags;
	struct run	 run;
};

/* -- progress ---------------------------------------------------------------- */

/* Goes on by a record.  0, or -1 with errno. */
int progress_take(struct progress *, uint32_t flags, const uint8_t *record,
    size_t len);
int progress_copy(struct progress *, const struct progress *);
void progress_free(struct progress *);

/* -- spool-state.c ----------------------------------------------------------- */

/* Reads the stream file into state, stream and the like.  1; 0 when there is
 * none or no stream; -1 with errno, EILSEQ when it is damaged. */
int state_read(struct spool *);

/* Writes it: a stream, or with NULL none.  0, or -1 with errno. */
int state_write(struct spool *, const struct spool_source *,
    const uint8_t *opening, size_t len);

/* The head file: where the stream may be resumed, 0 when it does not say. */
uint64_t head_read(const struct spool *);
int head_write(const struct spool *, uint64_t pos);

/* -- spool-recover.c --------------------------------------------------------- */

/* Looks through the directory.  0, or -1 with errno. */
int recover(struct spool *);

/* Adds a segment to the list.  0, or -1 with errno. */
int segment_push(struct spool *, const struct segment *);

/* Removes every segment's file.  0, or -1 with errno. */
int segments_remove(const struct spool *);

/* -- spool-writer.c ---------------------------------------------------------- */

int writer_start(struct spool *);

/* Has it end with what is queued, and waits for that. */
void writer_stop(struct spool *);

#endif
