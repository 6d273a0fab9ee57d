/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_STORE_H
#define D4_RECV_STORE_H

/*
 * The streams of sensors become whole files: cut at the borders of their type
 * (lib/border.h), each a valid file by itself, rotated by time and size, and
 * handed to finish.h.  Lines become items of analyzer queues on their way, and
 * whatever the handler of an extended type makes of them (handler.h).
 *
 * A file of a capture begins with the bytes as they were sent, or, after a
 * rotation, with the preamble.  It is opened when the first data has come, not
 * for a preamble alone, and is named by that time.  A pcap file header in
 * mid-stream begins a new file.  At the end of a session a capture is cut to
 * its last whole unit; an unfinished line stays in the file, for it was sent,
 * but is no item.  Over LINE_ITEM_MAX bytes a line is several items; the file
 * has it as it was.
 *
 * Nothing here waits for anything but a write(2) to a file.  When there is no
 * room (the disk, the queues, too many unfinished files) the caller hears
 * STORE_FULL, stops reading from that sensor, and calls again with what was
 * not taken, after the next tick or finish_run().  What was taken is never
 * lost by that and needs no second call.
 *
 * A stream that may be gone on with by a later session (d4-resume(7)) has a
 * tail (tail.h): store_resume(), then for each record store_judge() and, when
 * it is new, store_record() in the place of store_write().  Its files end at
 * ends of records, and a session of it that was cut off leaves nothing behind
 * its last whole unit.
 *
 * One process may have one store; several may share a directory.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "d4-recv/finish.h"
#include "d4-recv/match.h"
#include "d4-recv/share.h"
#include "d4-recv/tail.h"
#include "lib/gz.h"
#include "lib/meta.h"

/* A longer line is cut into items of this many bytes. */
#define LINE_ITEM_MAX	100000

struct store;
struct store_stream;	/* of one session */

/* When what streams with a tail wrote is synced, and marked there. */
enum store_sync {
	STORE_SYNC_SECOND,	/* each second, by a thread */
	STORE_SYNC_ALWAYS,	/* by each store_flush() */
	STORE_SYNC_NEVER	/* before a file is named, as others are */
};

struct store_settings {
	struct finish	*finish;	/* outlives the store */
	enum store_sync	 sync;		/* as of store_new() */
	unsigned	 rotate;	/* seconds, 0: never */
	uint64_t	 rotate_size;	/* bytes before compression, 0: never */
	enum d4_gz_kind	 compress;
	size_t		 max_files;	/* open at a time, 0: any number; from
					 * half of it on files are ended after
					 * a few seconds */
	struct items	 items;
};

struct store_figures {
	uint64_t	nbytes;		/* of payload taken */
	uint64_t	nitems;		/* lines pushed */
	size_t		nstreams;	/* open, with those still closing */
	size_t		nfiles;		/* open */
	uint64_t	nresumed;	/* sessions that went on */
	uint64_t	nstored;	/* records of theirs that were there */
	uint64_t	ngaps;		/* of those, which can't be aligned */
};

enum store_result {
	STORE_OK,		/* all of it was taken */
	STORE_FULL,		/* *taken bytes were; no room for more now */
	STORE_BAD_DATA,		/* the data is not what its type says:
				 * store_why(); all before is kept */
	STORE_FAILED		/* ours to blame, errno is set: the disk or
				 * memory.  store_close() saves what it can */
};

/* NULL when memory is short. */
struct store *store_new(const struct store_settings *);

/* Ends and frees; streams must have been closed.  What could not be written,
 * for the disk is full, is cut off at the last whole unit on the disk and said
 * on stderr.  Takes NULL. */
void store_free(struct store *);

/* New values for files that are opened from now on; the finisher stays. */
void store_reload(struct store *, const struct store_settings *);

/*
 * A stream of a session whose first record was verified.  meta, for type 254
 * alone, is its checked header and must stay until store_close().  NULL with
 * a reason in *why: the handler refuses the header, or memory is short (then
 * errno is ENOMEM, else EINVAL).  Nothing is written yet.
 */
struct store_stream *store_open(struct store *, const uint8_t[D4_UUID_LEN],
    uint8_t type, const struct d4_meta *, const char **why);

/*
 * Takes the payload of verified records in order, in slices of any length.
 * *taken is how many bytes were taken, whatever the result; after STORE_FULL
 * call with the rest (len may be 0 to ask whether there is room again).
 * After STORE_BAD_DATA and STORE_FAILED only store_close() is left.
 */
enum store_result store_write(struct store_stream *, const void *, size_t len,
    time_t now, size_t *taken);

/*
 * The stream is one that may be gone on with, or goes on: to be called before
 * anything is written, with the HMAC of its hello.
 */
void store_resume(struct store_stream *, const uint8_t hello[D4_HMAC_LEN]);

/* What tells the store from others, as tails_id(). */
int store_id(const struct store *, char[TAIL_STORE]);

/* From now on other stores are told of streams, and asked for them. */
void store_share(struct store *, struct share *);

/* Whether there is such a stream, held or not. */
bool store_has_stream(const struct store *, const uint8_t uuid[D4_UUID_LEN],
    uint8_t type, const uint8_t hello[D4_HMAC_LEN]);

/*
 * Says what the next record of such a stream is.  What is stored already is
 * dropped with this; MATCH_NEW has to be taken by store_record(), without the
 * first *stored bytes, which are stored: it was cut within.  STORE_FULL: not
 * yet, another session of the stream has to let go of it.
 */
enum store_result store_judge(struct store_stream *,
    const uint8_t hmac[D4_HMAC_LEN], const void *payload, size_t size,
    enum match_verdict *, size_t *stored);

/* Takes it as store_write() takes bytes: len of its size are left.  When all
 * were taken the record was, whatever the result. */
enum store_result store_record(struct store_stream *,
    const uint8_t hmac[D4_HMAC_LEN], uint32_t size, const void *payload,
    size_t len, time_t now, size_t *taken);

/* The sensor said that this was all: as store_flush(), and the tail says that
 * the file ends here.  Only store_close() is left. */
enum store_result store_end(struct store_stream *, time_t now);

/* How far a stream has been matched; NULL before its first record. */
const struct match *store_match(const struct store_stream *);

/* Whether a record would be one of the preamble. */
bool store_is_preamble(const struct store_stream *, const void *, size_t len);

/* Whether the stream waits for another session of it, or for what other stores
 * say; and once a second, for that session: whether another one waits, at this
 * store or another, or has taken the stream. */
bool store_is_held(const struct store_stream *);
void store_want(const struct store_stream *);
bool store_is_wanted(const struct store_stream *);
bool store_is_taken(const struct store_stream *);

/* The greatest timestamp that was noted of a sensor and type, 0: none; notes
 * one, -1 with errno. */
uint64_t store_newest(const struct store *, const uint8_t uuid[D4_UUID_LEN],
    uint8_t type);
int store_note_newest(const struct store *, const uint8_t uuid[D4_UUID_LEN],
    uint8_t type, uint64_t timestamp);

/* Hands what is buffered to the kernel, so that nothing is lost if this
 * process dies: before an end of session is answered.  STORE_OK, STORE_FULL,
 * STORE_FAILED. */
enum store_result store_flush(struct store_stream *, time_t now);

/* After STORE_BAD_DATA: what is wrong, a few words, static. */
const char *store_why(const struct store_stream *);

/*
 * The session is over, for whatever reason: the file is completed and handed
 * on.  What waits for room stays with the store until there is some.  The
 * stream is gone.  clean: its sensor said so; of a stream that may be gone on
 * with the beginning of a unit is kept only then.  Takes NULL.
 */
void store_close(struct store_stream *, bool clean, time_t now);

/* Readable when store_run() is to be called, -1: never. */
int store_fd(const struct store *);

/* Goes on with files that have been synced, or that other stores have been told
 * of: also when share_has_news().  Returns whether a stream that somebody
 * may wait for was let go of. */
bool store_run(struct store *);

/* Whether recover_run() is to be called, for a file was left: once each. */
bool store_left_some(struct store *);

/* The tails, for recover_run(). */
struct tails *store_tails(struct store *);

/* Once a second: writes what is buffered, gives the buffers back, rotates the
 * files whose time has come, goes on with closed streams that wait.  Returns
 * whether something still waits for room. */
bool store_tick(struct store *, time_t now);

/* Writes and syncs (fdatasync(2)) all that came since the last call.  0, or -1
 * with errno when something failed, which was said on stderr. */
int store_sync(struct store *, time_t now);

const struct store_figures *store_figures(const struct store *);

#endif
