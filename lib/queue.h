/* SPDX-License-Identifier: ISC */
#ifndef LIB_QUEUE_H
#define LIB_QUEUE_H

/*
 * An analyzer's queue: items go in at one end and come out at the other,
 * oldest first.  Two backends, which behave alike:
 *
 *	a directory	STORE/queues/TYPE/UUID/ with
 *			new/	one file an item, names in order of arrival
 *			tmp/	where an item is made before it is renamed
 *			hand/	items taken and not yet acknowledged
 *			max_size, description	one value per file
 *	Redis		list analyzer:TYPE:UUID, pushed at the head and popped
 *			at the tail as d4-core does, and analyzer:TYPE:UUID:hand
 *
 * TYPE is a D4 type's number or an extended type's name.  After a crash there
 * are whole items or none; an item in hand stays there until it is put back.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/redis.h"

/* The longest words of a fault, with their NUL. */
#define D4_QUEUE_FAULT	320

struct d4_queue;

/* Where a queue is: store, or path for the queue's directory itself, or
 * redis.  Exactly one of the three is set. */
struct d4_queue_where {
	const char			*store;
	const char			*path;
	const struct d4_redis_addr	*redis;
	const char			*user, *password;	/* or NULL */
	int				 timeout_ms;	/* of Redis, over 1000 */
	const char			*type, *uuid;	/* not with path */
	bool				 create;	/* a directory, if missing */
};

/* An item; data is owned by it and has a NUL behind its len bytes. */
struct d4_queue_item {
	uint8_t	*data;
	size_t	 len;
	char	 name[64];		/* a directory's, else "" */
};

/* Opens a queue.  The type and the uuid become part of a path or key: they are
 * checked ones.  NULL and words in the last argument. */
struct d4_queue *d4_queue_open(const struct d4_queue_where *,
    char[D4_QUEUE_FAULT]);

/* Takes NULL.  Pushes not yet flushed may be lost. */
void d4_queue_close(struct d4_queue *);

/* After -1: what went wrong, "where: words". */
const char *d4_queue_fault(const struct d4_queue *);

/*
 * Keeps at most max items, 0 for any number: when a push makes them more the
 * oldest are dropped.  A directory's own max_size holds until this is called.
 */
void d4_queue_limit(struct d4_queue *, uint64_t max);

/* How many items this handle has dropped. */
uint64_t d4_queue_dropped(const struct d4_queue *);

/*
 * Adds an item.  Redis answers are waited for in d4_queue_flush() or when many
 * are outstanding, so that many pushes cost little more than one.  Returns 0,
 * or -1.  After -1 of either it is not known which of the pushes since the last
 * flush arrived.
 */
int d4_queue_push(struct d4_queue *, const void *, size_t len);
int d4_queue_flush(struct d4_queue *);

/*
 * Takes the oldest item into hand, waiting up to timeout_ms for one, 0 not at
 * all, -1 for ever.  Returns 1; 0 when there was none in time or the end was
 * asked for (stop.h); -1 on a fault, EINTR not among them.
 */
int d4_queue_take(struct d4_queue *, struct d4_queue_item *, int timeout_ms);

/* Done with an item taken: it is gone for good.  Frees its data.  Returns 0,
 * or -1. */
int d4_queue_ack(struct d4_queue *, struct d4_queue_item *);

/* Puts an item taken back where it was, as the oldest.  Frees its data.
 * Returns 0, or -1. */
int d4_queue_put_back(struct d4_queue *, struct d4_queue_item *);

/* d4_queue_take() and d4_queue_ack(), keeping the data for the caller, who
 * frees it with d4_queue_item_free(). */
int d4_queue_pop(struct d4_queue *, struct d4_queue_item *, int timeout_ms);

void d4_queue_item_free(struct d4_queue_item *);

/* Puts back all that is in anybody's hand: for a start after a crash, when
 * nobody else takes from the queue.  Returns how many, or -1. */
int64_t d4_queue_recover(struct d4_queue *);

/* How many items wait.  -1 on a fault. */
int64_t d4_queue_length(struct d4_queue *);

/* Calls back with up to n of the newest items, newest first, which stay.  The
 * callback returns 0 to go on.  Returns 0, or -1. */
int d4_queue_peek(struct d4_queue *, size_t n,
    int (*)(void *, const uint8_t *, size_t), void *);

/* Drops all that waits.  Returns 0, or -1. */
int d4_queue_clear(struct d4_queue *);

#endif
