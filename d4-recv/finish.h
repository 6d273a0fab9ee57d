/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_FINISH_H
#define D4_RECV_FINISH_H

/*
 * What happens to a file of the store once nothing is added to it: one thread
 * beside the event loop syncs it, compresses it, gives it its name and syncs
 * the directory; then the loop's thread pushes its path to the analyzer queues
 * and runs the hook.
 *
 * All that is unfinished lies in STORE/.open (place.h), each entry under an
 * exclusive flock(2) of the process that works on it, so that processes share
 * a store and what a dead one left is told apart.  In order:
 *
 *	1 entry~0~gz is synced
 *	2 entry~0~gz~ is made from it, compressed, synced
 *	3 link(2) gives it its name; a name that is taken is left alone and the
 *	  next is tried.  The directory is synced
 *	4 entry~0~gz is removed
 *	5 the path is pushed to the queues, if files of the kind are
 *	6 entry~0~gz~ is removed, the hook is run
 *
 * without 2 and 4 for what is not compressed.  So an entry with two links is
 * finished and perhaps not pushed, and its other name is found by its inode.
 * recover.h goes on from any of these points.
 *
 * A full disk is waited for; nothing is given up.  The store needs a file
 * system with hard links.
 *
 * All functions are for the loop's thread, and for the process that called
 * finish_new(): no thread survives fork(2).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "d4-recv/place.h"

struct finish;

/*
 * Who takes items for analyzer queues.  queue is a decimal type or an extended
 * type; the item is a path (absolute) or a line without its newline, no NUL
 * behind it.  again says that this item may have been pushed before a crash,
 * and is to be dropped where it is known.  Returns 0, or -1 when it can't be
 * taken now: it comes again, by itself or with the sensor's next data.
 */
struct items {
	int	(*push)(void *cookie, const uint8_t uuid[D4_UUID_LEN],
		    const char *queue, const void *item, size_t len,
		    bool again);
	void	*cookie;
	/* Hands over what push() took, so that it is not lost with this
	 * process; may be NULL. */
	void	(*flush)(void *cookie);
};

struct finish_settings {
	const char	*root;		/* the store; made when missing */
	const char	*hook;		/* program, or NULL */
	int		 runner;	/* of hooks (runner.h), if any */
	int		 level;		/* of compression, 0: the usual */
	struct items	 items;
};

struct finish_figures {
	uint64_t	nfiles;		/* finished */
	uint64_t	npushed;	/* paths pushed */
	uint64_t	nhooks;		/* hooks run */
	uint64_t	nhooks_failed;	/* that said so by their status */
	uint64_t	nleft;		/* left unfinished by a fault, as was
					 * said, for the next start */
	size_t		waiting;	/* files in hand or waiting */
	bool		full;		/* it waits for room on the disk */
};

/* Starts the thread.  The settings are copied.  NULL with errno when root
 * can't be used, memory is short or there is no thread. */
struct finish *finish_new(const struct finish_settings *);

/* Ends the thread after the file in hand (which it leaves if it takes long)
 * and frees; what waits is left for recover_run().  Takes NULL. */
void finish_free(struct finish *);

/* From now on; NULL: none. */
int finish_set_hook(struct finish *, const char *hook);

/* How many files were submitted, and how many of them are on the disk, first
 * in, first out. */
uint64_t finish_nsubmitted(const struct finish *);
uint64_t finish_ndone(const struct finish *);

/* Readable when finish_run() is to be called. */
int finish_fd(const struct finish *);

/* Pushes what became finished, runs hooks, reaps them.  To be called when the
 * descriptor is readable and once a second. */
void finish_run(struct finish *);

/* Goes on until all is finished and pushed and hooks were begun, or for that
 * long.  Returns 0, or -1 when time was up. */
int finish_drain(struct finish *, int timeout_ms);

/* The end has begun: a hook that takes long holds nothing back any more, for
 * what sensors sent has to be stored. */
void finish_hurry(struct finish *);

/* It is over: says for how many finished files the hook was not run, which the
 * next start does not make good. */
void finish_drop_hooks(struct finish *);

/* Whether so much waits that no new files should be begun: store_write() asks
 * this by itself. */
bool finish_busy(const struct finish *);

/* Whether nearly as much waits: what can be handed over later should be. */
bool finish_loaded(const struct finish *);

const struct finish_figures *finish_figures(struct finish *);

/* The store as an absolute path and as a descriptor, and its directory .open
 * as one. */
const char *finish_root(const struct finish *);
int finish_root_dir(const struct finish *);
int finish_open_dir(const struct finish *);

/* -- for the store, handler.c and recover.c ------------------------------ */

/*
 * Makes an entry for the place, empty, locked, for reading and writing.
 * Returns the descriptor and *n, or -1 with errno.
 */
int finish_create(struct finish *, const struct place *, unsigned *n);

/* How the entry came here. */
enum finish_how {
	FINISH_WHOLE,		/* as it is */
	FINISH_CUT,		/* left by a crash, to be cut */
	FINISH_LINKED		/* left by a crash: named, perhaps pushed */
};

/*
 * Takes over the entry's descriptor, with its lock, and sees to the rest.
 * done: it is the one with the finished bytes (place_entry()).  Returns 0, or
 * -1 when memory is short: then the descriptor is closed too, and the next
 * start will find the entry.
 */
int finish_submit(struct finish *, const struct place *, unsigned n, bool done,
    int fd, enum finish_how);

/* Removes the entry and closes its descriptor: there is nothing to keep. */
void finish_discard(struct finish *, const struct place *, unsigned n, int fd);

#endif
