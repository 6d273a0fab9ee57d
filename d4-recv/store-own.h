/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_STORE_OWN_H
#define D4_RECV_STORE_OWN_H

/* Within the room of the store: what its files share. */

#include <sys/queue.h>

#include "d4-recv/handler.h"
#include "d4-recv/line.h"
#include "d4-recv/store.h"
#include "d4-recv/syncer.h"
#include "lib/border.h"
#include "lib/type.h"

#define BUFFER_MAX	((size_t)256 << 10)	/* few calls, yet in a core's
						 * cache */
#define MAGIC_LEN	4u		/* tells what type 4 is given as */

STAILQ_HEAD(jobs, sync_job);

struct store {
	struct store_settings	 set;
	struct store_stream	*streams;
	struct store_figures	 figures;
	bool			 made_entries;	/* since the last sync */
	struct tails		*tails;
	struct syncer		*syncer;	/* for STORE_SYNC_SECOND */
	struct share		*share;		/* or NULL */
	struct jobs		 handing;	/* files of which it is to know
						 * before */
	size_t			 nhanding;	/* files that wait for it */
	bool			 left_some;	/* for recover_run() */
};

struct store_stream {
	struct store_stream	*next, **prev;
	struct store		*store;
	uint8_t			 uuid[D4_UUID_LEN];
	uint8_t			 type;
	char			 ext[D4_TYPE_NAME_MAX + 1];
	enum d4_border_kind	 kind;
	bool			 keeps;		/* a file */
	struct d4_border	*border;	/* NULL until kind is known */
	uint8_t			 magic[MAGIC_LEN];
	size_t			 magic_len;	/* taken while it is not */

	struct handler		*handler;	/* of lines, or NULL */
	struct line		 line;
	bool			 pending;	/* line waits for the handler */

	/* The current file: what is written, then what is buffered. */
	int			 fd;		/* -1: not opened */
	struct place		 place;
	unsigned		 n;
	time_t			 opened;
	uint64_t		 written;
	uint8_t			*buffer;
	size_t			 len, cap;
	uint64_t		 whole;		/* where the last unit ends */
	bool			 data;		/* a unit of data is in it */
	bool			 renew;		/* to be ended at once */
	bool			 unsynced;

	/* A stream with a tail. */
	bool			 resumes;
	uint8_t			 hello[D4_HMAC_LEN];
	struct tail		*tail;		/* NULL: not yet held */
	struct match		 match;
	bool			 matched;	/* and that was counted */
	bool			 fed;		/* the border, and no file */
	bool			 in_record;	/* the rest of it comes */
	bool			 at_start;	/* and nothing of it yet */
	bool			 of_data;	/* a unit in it is data */
	bool			 began_whole;	/* at a border */
	uint64_t		 taken;		/* bytes, kept or not */
	struct tail_end		 last;		/* of the last record */
	uint64_t		 start;		/* of data in the file */
	time_t			 named;		/* its last file was */
	bool			 unlisted;	/* the file's entry, so far */
	struct sync_state	*sync;
	struct share_stream	*share;		/* NULL: not asked, or alone */
	struct tail		*coming;	/* the tail before it is ours */
	bool			 uploaded;	/* it was, in its place */
	bool			 imported;	/* it is another store's, which
						 * is to be told we go on */
	bool			 confirming;	/* and was */
	bool			 goes_on;	/* the first new record waits */
	size_t			 stored;	/* bytes of it */
	uint64_t		 nth;		/* file of the session */
	uint64_t		 committed;	/* into the tail, up to there */
	uint64_t		 awaits;	/* of the finisher's, then
						 * mark */

	bool			 closed;	/* the session is over */
	bool			 clean;		/* as its sensor wanted */
	int			 err;		/* after STORE_FAILED */
	const char		*why;		/* after STORE_BAD_DATA */
};

/* -- store.c: the store, and its streams ----------------------------------- */

/* It is ours to blame, with errno, and is said. */
enum store_result store_fail(struct store_stream *);

/* What ended it before, said again, with errno; STORE_OK while it lasts. */
enum store_result store_standing(const struct store_stream *);

/* Out of the list; what it holds is dropped. */
void store_free_stream(struct store_stream *);

/* -- store-file.c: the file that is written, and what is buffered of it ---- */

/* What of the file is written, and what is not yet. */
static inline uint64_t
file_size(const struct store_stream *s)
{
	return s->written + s->len;
}

/* To the buffer.  0, or -1 when memory is short. */
int file_append(struct store_stream *, const uint8_t *, size_t len);

/* Gives back what an idle stream need not hold. */
void file_shrink(struct store_stream *);

/* Writes the buffer, all of it or what there is room for; the file is opened,
 * if need be. */
enum store_result file_write(struct store_stream *, time_t now);

/* The same where there is more than a preamble; and what the kernel has is
 * put into the tail. */
enum store_result file_flush(struct store_stream *, time_t now);

/* Into the tail, unless more lines may come before that. */
enum store_result file_commit_if_due(struct store_stream *);

/* Forgets what stands behind the last whole unit. */
enum store_result file_cut(struct store_stream *);

/* One that could not be synced, or that its tail doesn't agree with, stays as
 * after a crash. */
void file_leave(struct store_stream *);

/* -- store-sync.c: what was written reaches the disk, the marks of its tail,
 *    other stores and the finisher ----------------------------------------- */

/* Whether another store has taken the stream. */
bool store_is_gone(const struct store_stream *);

/* Tells others of all that the tail has, where that has no marks; and again,
 * if the server lost what it had. */
void sync_tell_all(struct store_stream *);
void sync_tell_again(struct store_stream *);

/* Files that the others know of are for the finisher; where somebody else took
 * the stream they stay as after a crash.  Returns whether there was any. */
bool sync_hand_arrived(struct store *);

/* What became of a job, which is freed: a file that is on the disk goes to the
 * finisher, one that may not be is left for recover_run(). */
void sync_end_job(struct store *, struct sync_job *);

/* Has what the tail says until now synced and marked; hands: and the file
 * handed to the finisher then.  The second: unless all is marked, STORE_FULL
 * while a mark of the stream is under way. */
enum store_result sync_mark(struct store_stream *, bool hands);
enum store_result sync_mark_new(struct store_stream *);

/* The file is complete, as far as it goes, or has nothing in it.  None is left
 * open, unless it is STORE_FULL. */
enum store_result sync_hand_over(struct store_stream *, enum finish_how);

/* -- store-rotate.c: when a file ends, and the next one begins ------------- */

/* Whether the file is to be ended where it is now. */
bool file_is_due(const struct store_stream *, time_t now);

/* Begins the next one with the preamble, in the buffer; ends the file at a
 * border before that. */
enum store_result file_begin(struct store_stream *);
enum store_result file_rotate(struct store_stream *, time_t now);

/* A pcap file header in mid-stream: what was before it is one file, up to
 * there, and the scanner has it as the preamble of the next. */
enum store_result file_begin_anew(struct store_stream *, uint64_t before);

/* -- store-unit.c: bytes become units of their type, and lines items ------- */

/* The data is not what its type says; why is static. */
enum store_result unit_refuse(struct store_stream *, const char *why);

/* A line that had no room. */
enum store_result unit_hand_pending(struct store_stream *, time_t now);

/* Takes bytes as store_write() does; *taken grows. */
enum store_result unit_take(struct store_stream *, const uint8_t *, size_t len,
    time_t now, size_t *taken);

/* Type 4 is known by its first bytes, which wait until there are enough, or no
 * more come. */
bool unit_is_pcap(const uint8_t magic[MAGIC_LEN]);
enum store_result unit_take_magic(struct store_stream *, const uint8_t *,
    size_t len, time_t now, size_t *taken);
enum store_result unit_learn_kind(struct store_stream *, time_t now);

/* -- store-take.c: which store and session has a stream -------------------- */

/* Takes hold of the tail, once nobody else has it; STORE_FULL until then. */
enum store_result store_take_tail(struct store_stream *);

/* -- store-end.c: the end of a session ------------------------------------- */

/* Goes on with it.  Returns false while there is no room; else the stream is
 * gone. */
bool store_end_stream(struct store_stream *, time_t now);

#endif
