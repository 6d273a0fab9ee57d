/* SPDX-License-Identifier: ISC */
#ifndef D4_SPOOL_H
#define D4_SPOOL_H

/*
 * Sealed records in a directory, so that they outlive the program and the
 * machine: what is added is written by one thread and synced by another, each
 * second or 4 MiB at least, and only what is synced is given out.  So a
 * collector never has what the spool does not.  A third one writes down where
 * the stream may be resumed.
 *
 *	segments	|------|-------|------|---|
 *	              head                  synced   end
 *	                |--- given out ------>|- queue ->|
 *
 * One stream at a time, of one program at a time (a lock sees to that).  The
 * stream goes on after a restart: its hello, where it may be resumed, how much
 * of the source is in it.  At the start what a crash left of an unfinished
 * unit is cut off, and so is all from the first damaged record on.
 *
 * A disk that is full is tried again until it has room.  What else goes wrong
 * with a segment ends that: its file is not synced again, and what was not
 * synced is written anew to another one; when that fails too, the spool has
 * failed.
 *
 * All calls are for one thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "d4/shelf.h"

#define SPOOL_SIZE_MIN	((uint64_t)32 << 20)
#define SPOOL_WHY	256	/* bytes of a reason with its NUL */

struct spool;

/* What a stream is read from. */
struct spool_source {
	const char	*name;		/* as configured */
	bool		 regular;	/* a file that can be read again: */
	uint64_t	 dev, ino;
	uint64_t	 offset;	/* where the stream began in it */
	uint64_t	 sum;		/* source_sum() there */
	const uint8_t	*prefix;	/* bytes that stand before those of */
	size_t		 prefixlen;	/* the file: a preamble of before */
};

/* A stream that goes on. */
struct spool_stream {
	const uint8_t	*opening;	/* what each session begins with */
	size_t		 openinglen;
	struct spool_source source;
	uint64_t	 data;		/* bytes of data in its records */
	uint64_t	 second;	/* the latest timestamp */
	bool		 closed;	/* its last record is in the spool */
	uint64_t	 head;		/* where it is to be resumed, */
	const uint8_t	*head_preamble;	/* and the preamble's records there */
	size_t		 head_preamblelen;
	uint64_t	 end;		/* and at its end */
	const uint8_t	*end_preamble;
	size_t		 end_preamblelen;
};

/*
 * Opens the directory, made where it is missing, takes its lock and looks
 * through it.  The spool takes up size bytes there and a little more, and
 * queue bytes wait in memory to be synced.  NULL with a reason in why; *wrong
 * says whether the name is at fault, and not something that may pass.
 */
struct spool *spool_open(const char *dir, uint64_t size, size_t queue,
    char why[SPOOL_WHY], bool *wrong);

/* Takes NULL.  What was added is synced first, unless that cannot be. */
void spool_close(struct spool *);

/* The stream that was there, as spool_open() found it; NULL when there was
 * none.  Good until the next one is begun. */
const struct spool_stream *spool_stream(const struct spool *);

/* What of the spool was damaged and is cut off, for people; "" if nothing. */
const char *spool_damage(const struct spool *);

/* The timestamp of the last hello, 0 when there was none. */
uint64_t spool_hello_time(const struct spool *);

/* Another stream, in the place of any there is; it is on the disk when this
 * returns.  Its hello is the opening's first record.  0, or -1 with errno. */
int spool_begin(struct spool *, const struct spool_source *,
    const uint8_t *opening, size_t len);

/* Bytes of data in the records that are on the disk. */
uint64_t spool_data(struct spool *);

/* The stream is over and has arrived: empties the spool.  It remembers where in
 * its source another one would begin, but for the prefix, which it knows, until
 * one does; NULL: nowhere.  0, or -1 with errno. */
int spool_finish(struct spool *, const struct spool_source *end);

/* What it remembers: of the stream its opening and that source.  NULL: nothing,
 * or there is a stream. */
const struct spool_stream *spool_ended(const struct spool *);

/* Adds sealed records.  They are lent: they stay where they are until they are
 * synced, or the spool is at rest.  -1: no memory. */
int spool_add(struct spool *, const struct run *);

/* Nothing more is added for now: what was is synced without waiting for it. */
void spool_flush(struct spool *);

/* Nothing more is added to this stream: what was is synced, unless that cannot
 * be, and what was lent is not in use any more when this returns. */
void spool_rest(struct spool *);

/* Up to where all is on the disk. */
uint64_t spool_synced(struct spool *);

/* As shelf_run(), of what is synced and not before the head; good until the
 * next call.  -1: a segment cannot be read, the spool has failed. */
int spool_run(struct spool *, uint64_t pos, struct run *);

/* The stream can be resumed there, and what lies before is not needed again;
 * and up to where that is on the disk. */
void spool_keep(struct spool *, uint64_t pos);
uint64_t spool_head(struct spool *);

/* Bytes on the disk and in the queue, and whether no more should be added; the
 * second for lack of room on the disk alone. */
uint64_t spool_bytes(struct spool *);
bool spool_full(struct spool *);
bool spool_out_of_room(struct spool *);

/* What a drop leaves. */
struct spool_dropped {
	uint64_t	 units;		/* that are lost */
	uint64_t	 head;		/* where the stream goes on */
	uint8_t		*preamble;	/* the caller's; NULL: none */
	size_t		 preamblelen;
};

/* Gives up the oldest segment; what lies before reached is not lost by that.
 * 1; 0 when it can't be now; -1 with errno. */
int spool_drop(struct spool *, uint64_t reached, struct spool_dropped *);

/* Whether all that was added is synced. */
bool spool_settled(struct spool *);

/* The errno for which the disk takes nothing now, 0 if it does. */
int spool_stalled(struct spool *);

/* Why it has failed, fit for "spool: reason"; NULL while it has not. */
const char *spool_failure(struct spool *);

/* Readable when one of the above may have changed, for poll(2); spool_drain()
 * reads it empty. */
int spool_fd(const struct spool *);
void spool_drain(struct spool *);

#endif
