/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_TAIL_H
#define D4_RECV_TAIL_H

/*
 * What of a stream was stored last: the HMACs of its records in order, over at
 * least TAIL_BYTES of them as they came and at most twice as many, kept beside
 * the store, so that a session that goes on with the stream meets them
 * (match.h, d4-resume(7)).
 *
 *	STORE/.tail/<uuid>/<type>-<16 digits of the hello's HMAC>.<generation>
 *	STORE/.tail/<uuid>/<type>-<the same>.want	somebody waits for it
 *	STORE/.tail/<uuid>/<type>.newest	greatest timestamp, a number
 *	STORE/.tail/id				what other stores call this one
 *
 * A generation (tail-log.h has its form) is added to until it covers
 * TAIL_BYTES, then the next one is begun; the one before it stays, older ones
 * go.  Whoever has a stream holds flock(2) on its last generation.
 *
 * An entry is added once its record was handed to the kernel for the stream's
 * file, so a process that dies leaves a file that may be longer than its tail
 * says, never shorter; tail_open() tells where it is to be cut.  When the
 * machine went down since (or a sync failed) only what stands before the last
 * mark counts: marks are made after the data was synced.
 *
 * A tail that is damaged is given up with a word on stderr, and never a reason
 * to cut a file.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "d4-recv/match.h"
#include "d4-recv/place.h"
#include "lib/header.h"

#define TAIL_DIR	".tail"
#define TAIL_BYTES	((uint64_t)16 << 20)
#define TAIL_KEPT	8	/* streams of a sensor and type */
#define TAIL_PENDING	4096	/* entries that should be committed */

/* A file may have so many bytes that its tail has not, before the tail is
 * taken for damaged. */
#define TAIL_SLACK	((uint64_t)4 << 20)

struct tails;		/* of a store */
struct tail;		/* of a stream, held */

/* root is the store's directory, name what to call it; both outlive it.  NULL
 * with errno. */
struct tails *tails_new(int root, const char *name);
void tails_free(struct tails *);

/* What tells the store from others, 32 digits and a NUL: given by the first who
 * asks.  0, or -1 with errno. */
#define TAIL_STORE	33
int tails_id(const struct tails *, char[TAIL_STORE]);

/* Whether marks are made: without, what the machine had when it went down is
 * kept, and no tail. */
void tails_set_marks(struct tails *, bool);

/* Whether such a stream has a tail. */
bool tails_have(const struct tails *, const uint8_t uuid[D4_UUID_LEN],
    uint8_t type, const uint8_t hello[D4_HMAC_LEN]);

/* Says that somebody waits for the stream. */
void tails_want(const struct tails *, const uint8_t uuid[D4_UUID_LEN],
    uint8_t type, const uint8_t hello[D4_HMAC_LEN]);

/* The greatest timestamp noted of a sensor and type, 0: none.  Notes one; -1
 * with errno. */
uint64_t tails_newest(const struct tails *, const uint8_t uuid[D4_UUID_LEN],
    uint8_t type);
int tails_note_newest(const struct tails *, const uint8_t uuid[D4_UUID_LEN],
    uint8_t type, uint64_t timestamp);

/*
 * Takes hold of the stream's tail, a new one where there is none (then the
 * oldest ones of that sensor and type go).  0; 1 when another has it; -1 with
 * errno.
 */
int tail_open(struct tails *, const uint8_t uuid[D4_UUID_LEN], uint8_t type,
    const uint8_t hello[D4_HMAC_LEN], struct tail **);

/* The same for the tail that an entry of .open names; 2: there is none, or it
 * is damaged; 3: nothing of it was ever on the disk, nor counts of the
 * stream. */
int tail_open_for(struct tails *, const struct place *, struct tail **);

/* Whether somebody waits for it. */
bool tail_is_wanted(const struct tail *);

/* Lets go of it.  Takes NULL. */
void tail_close(struct tail *);

/* Gives it up: it says something else than the files. */
void tail_drop(struct tail *, const char *why);

/* The file that the tail ends in. */
struct tail_file {
	char		entry[PLACE_ENTRY];	/* in .open, "": none yet */
	uint64_t	ordinal;
	bool		settled;	/* what follows is done */
	bool		data;		/* it has some */
	uint64_t	end;		/* of the last entry */
	uint64_t	whole;		/* of the last whole unit before */
	bool		by_mark;	/* bytes behind end don't count */
};

const struct tail_file *tail_file(const struct tail *);

/* Whether the stream's file of this number was begun behind what counted when
 * the machine went down: nothing of it does. */
bool tail_lost(const struct tail *, uint64_t ordinal);

/* What a match of a session needs, until tail_match_done().  NULL with
 * errno. */
const struct match_tail *tail_match(struct tail *);
void tail_match_done(struct tail *);

/* Whether since then memory was short: what the match says is nothing to go by,
 * another one may have some. */
bool tail_match_failed(const struct tail *);

/* How many records it has, over all. */
uint64_t tail_count(const struct tail *);

/* How many bytes of this record's payload are stored, when it is the next one
 * behind the last: it was cut where a unit in it ends. */
uint32_t tail_part(const struct tail *, const uint8_t tag[MATCH_TAG]);

/* The same of whatever record it is; false: of none. */
bool tail_next_part(const struct tail *, uint8_t tag[MATCH_TAG],
    uint32_t *taken);

/* Calls back with each tag of a preamble that was in force since the tail
 * begins, wire 0; then with each of its first records, max of them, in order;
 * while nobody matches.  A callback that returns not 0 ends it, and that is
 * returned; -1 with errno. */
int tail_each(struct tail *, uint64_t max,
    int (*)(void *, const uint8_t tag[MATCH_TAG], uint32_t wire), void *);

/* -- other stores (share.h) ------------------------------------------------ */

/* So much of a stream's files counts: none behind that number, and of the file
 * itself what is before whole; without data nothing. */
struct tail_place {
	uint64_t	ordinal;
	uint64_t	whole;
	bool		data;
};

struct tail_place tail_place(const struct tail *);

/* Where the first record of this tag begins that is stored behind the place.
 * 1 and the place is that; 0: there is none; -1 with errno. */
int tail_find(const struct tail *, const uint8_t tag[MATCH_TAG],
    struct tail_place *);

/* What another store has stored last. */
struct tail_import {
	uint8_t		(*preamble)[MATCH_TAG];	/* that was in force */
	size_t		 npreamble;
	uint8_t		*entries;	/* as in tail-log.h, their preamble
					 * marked */
	size_t		 nentries, room;
	uint8_t		 part[MATCH_TAG];	/* of the next record */
	uint32_t	 part_taken;		/* is stored, 0: nothing */
};

/* The tail is that, from now on; it has a file that is settled, or none.  0, or
 * -1 with errno: then it is as it was. */
int tail_import(struct tail *, const struct tail_import *);

/* -- adding ---------------------------------------------------------------- */

/* The number and name of the stream's next file, for its entry in .open. */
void tail_name(const struct tail *, struct place *);

/* The next data goes into this entry, which begins with so many bytes of
 * preamble.  0, or -1 with errno: then nothing happened. */
int tail_begin_file(struct tail *, const char *entry, uint64_t ordinal,
    uint64_t start);

/* Where a record ends in the stream's file. */
struct tail_end {
	uint64_t	end;
	uint64_t	whole;	/* the last whole unit does, not behind it */
	bool		data;	/* there is some by then */
};

/* The next record.  Its tag is the beginning of the HMAC, its wire length that
 * with header; flags of tail-log.h.  0, or -1 when memory is short. */
int tail_add(struct tail *, const uint8_t tag[MATCH_TAG], uint32_t wire,
    uint8_t flags, const struct tail_end *);

/* How many records were added and are not committed, and how many bytes they
 * are. */
size_t tail_npending(const struct tail *);
uint64_t tail_pending_bytes(const struct tail *);

/* Gives back memory that an idle stream need not hold. */
void tail_idle(struct tail *);

/* Appends those that end at or before written.  0, or -1 with errno: then they
 * are still to be committed. */
int tail_commit(struct tail *, uint64_t written);

/* The file is complete and ends at whole: what was added or committed and ends
 * behind it is forgotten, but for how much of the first one stands before it.
 * 0, or -1 with errno: to be tried again. */
int tail_settle(struct tail *, uint64_t whole);

/* -- marks ----------------------------------------------------------------- */

/* What is to be marked: the descriptors are the caller's to close; older is -1
 * or that of the generation before, which is to be marked first. */
struct tail_mark {
	int		fd, older;
	uint64_t	at, older_at;
	uint64_t	count;
	int		dir;		/* to be synced before, or -1 */
};

/* Whether there is something to mark. */
bool tail_is_unmarked(const struct tail *);

/* 1 and what to mark; 0: there is nothing new; -1 with errno. */
int tail_mark_begin(struct tail *, struct tail_mark *);

/* Writes and syncs the marks; for any thread.  0, or -1 with errno. */
int tail_mark_write(const struct tail_mark *);
void tail_mark_close(struct tail_mark *);

/* Data could not be synced: from now on only marks count, as if the machine
 * had gone down. */
void tail_mark_doubt(const struct tail_mark *);

#endif
