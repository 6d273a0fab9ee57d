/* SPDX-License-Identifier: ISC */
#ifndef LIB_QUEUE_H
#define LIB_QUEUE_H

/*
 * An analyzer's queue: items go in at one end and come out at the other,
 * oldest first.  Two backends, which behave alike:
 *
 *	a directory	QUEUES/TYPE/UUID/ with
 *			new/	one file an item, names in order of arrival
 *			tmp/	where an item is made before it is renamed
 *			hand/	items taken and not yet acknowledged
 *			max_size	the limit, a decimal number
 *	Redis		list analyzer:TYPE:UUID, pushed at the head and popped
 *			at the tail as d4-core does, and analyzer:TYPE:UUID:hand
 *
 * A directory takes some ten thousand pushes a second on ext4, more in memory;
 * Redis takes hundreds of thousands.
 *
 * An item is a line or a path, any bytes.  TYPE is a D4 type's number or an
 * extended type's name.  Any number of processes may push to and take from one
 * queue at a time; with several of them "oldest" is so within each.
 *
 * When a process dies there are whole items or none, and what it had in hand
 * stays there until d4_queue_recover().  Nothing here is synced: when the
 * machine loses its power a directory may lose the pushes of the last half
 * minute or so, as the file system writes them, and Redis what its own
 * configuration says; what remains are whole items.
 *
 * A handle belongs to one thread of one process, not to a child after fork(2).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/redis.h"

#define D4_QUEUE_FAULT	320		/* bytes of a fault with its NUL */
#define D4_QUEUE_ITEM	(64u << 20)	/* the longest item, in bytes */
#define D4_QUEUE_NAME	64		/* bytes of an item's name, NUL too */
#define D4_QUEUE_LOOK	10000		/* how far d4_queue_has() looks */

struct d4_queue;

/* Where a queue is.  One of the first four is set. */
struct d4_queue_where {
	const char	*store;		/* STORE/queues/TYPE/UUID */
	const char	*queues;	/* QUEUES/TYPE/UUID */
	const char	*path;		/* the queue's directory itself */
	const struct d4_redis_addr *redis;
	const char	*user;		/* of Redis, see d4_redis_new() */
	const char	*password;	/* these two are not copied */
	const char	*type, *uuid;	/* not with path */
	/* Of Redis: items are taken for good, with RPOP, as d4-core's analyzers
	 * do.  There is no hand then: what a dead process had is lost. */
	bool		 plain;
	bool		 create;	/* the directory, if missing */
};

/* An item; data is owned by it and has a NUL behind its len bytes. */
struct d4_queue_item {
	uint8_t	*data;
	size_t	 len;
	char	 name[D4_QUEUE_NAME];	/* a directory's, else "" */
};

/* Opens a queue; Redis is connected to.  NULL and words in the last argument,
 * as "where: words". */
struct d4_queue *d4_queue_open(const struct d4_queue_where *,
    char[D4_QUEUE_FAULT]);

/* Takes NULL.  Pushes not yet flushed may be lost.  After a d4_queue_take()
 * from Redis that ended without an item it may last a second. */
void d4_queue_close(struct d4_queue *);

/* After -1: what went wrong, "where: words". */
const char *d4_queue_fault(const struct d4_queue *);

/*
 * Keeps at most max items, 0 for any number: when a push makes them more the
 * oldest are dropped.  A directory's own max_size holds until this is called.
 * For a moment there are more: of a directory up to an eighth for each other
 * process that pushes.
 */
void d4_queue_limit(struct d4_queue *, uint64_t max);

/* How many items this handle has dropped. */
uint64_t d4_queue_dropped(const struct d4_queue *);

/*
 * Adds an item of at most D4_QUEUE_ITEM bytes.  In a directory it is there at
 * once.  To Redis it goes with others, in d4_queue_flush() or when many wait,
 * so that many pushes cost little more than one.  Returns 0, or -1: the item
 * was not taken.  What was taken goes out with a later call when the server is
 * back, once, whether it was there before its answer was lost or not.  That
 * call connects again, once a second at most, later every 8 seconds, and for 2
 * seconds.
 */
int d4_queue_push(struct d4_queue *, const void *, size_t len);
int d4_queue_flush(struct d4_queue *);

/*
 * Whether an item of these bytes waits among the newest D4_QUEUE_LOOK: for one
 * that may have been pushed before a crash.  Reads as many, so it is nothing
 * for every push.  Returns 1, 0, or -1.
 */
int d4_queue_has(struct d4_queue *, const void *, size_t len);

/*
 * Takes the oldest item into hand, waiting up to timeout_ms for one, 0 not at
 * all, -1 for ever.  Returns 1; 0 when there was none in time or a signal came
 * meanwhile (stop.h tells which; an item that is there goes before); -1 on a
 * fault.
 */
int d4_queue_take(struct d4_queue *, struct d4_queue_item *, int timeout_ms);

/* The same, and up to most - 1 more items that are there already, about a MiB
 * in all.  Returns how many, 0 or -1 likewise. */
int d4_queue_take_some(struct d4_queue *, struct d4_queue_item *, size_t most,
    int timeout_ms);

/* Done with an item taken: it is gone for good.  Frees its data.  Returns 0,
 * or -1: it was in hand no more, or a fault. */
int d4_queue_ack(struct d4_queue *, struct d4_queue_item *);

/* Puts an item taken back where it was, as the oldest; so of several the last
 * one taken first.  Frees its data.  Returns 0, or -1 likewise. */
int d4_queue_put_back(struct d4_queue *, struct d4_queue_item *);

/* After -1: whether the server was lost.  Then the next call connects again,
 * once a second at most, and an item not acknowledged or put back was not
 * freed, so that this can be tried again. */
bool d4_queue_lost(const struct d4_queue *);

/* d4_queue_take() and d4_queue_ack(), keeping the data for the caller, who
 * frees it with d4_queue_item_free(). */
int d4_queue_pop(struct d4_queue *, struct d4_queue_item *, int timeout_ms);

void d4_queue_item_free(struct d4_queue_item *);

/* Puts back all that is in anybody's hand, and clears away what was left half
 * made an hour ago and more: for a start after a crash, when nobody else takes
 * from the queue.  Returns how many were put back, or -1. */
int64_t d4_queue_recover(struct d4_queue *);

/* How many items wait.  -1 on a fault. */
int64_t d4_queue_length(struct d4_queue *);

/* Calls back with up to n of the newest items, newest first, which stay; a NUL
 * stands behind each.  The callback returns 0 to go on and doesn't touch the
 * queue.  Returns 0, or -1. */
int d4_queue_peek(struct d4_queue *, size_t n,
    int (*)(void *, const uint8_t *, size_t), void *);

/* Drops all that waits.  Returns 0, or -1. */
int d4_queue_clear(struct d4_queue *);

#endif
