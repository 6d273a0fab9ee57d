/* SPDX-License-Identifier: ISC */
#ifndef D4_STDOUT_SUPPLY_H
#define D4_STDOUT_SUPPLY_H

/*
 * The queue, over losses of its server: a loss is said once, and tried again
 * after waits that grow from a tenth of a second to half a minute.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "d4-stdout/options.h"
#include "lib/queue.h"

struct supply {
	struct d4_queue	*queue;
	bool		 acknowledge;
	bool		 lost;		/* now */
	int		 wait_ms;	/* before the next attempt */
	int64_t		 retry_at;
	uint64_t	 reconnects;
	uint64_t	 put_back;	/* items */
};

enum {
	SUPPLY_LOST = -2,		/* no server for the time being */
	SUPPLY_FAILED = -1
};

/* Opens the queue; with acknowledge what was left in hand is put back.
 * Returns 0, or -1 and has said why.  supply_close() is owed in any case. */
int supply_open(struct supply *, const struct options *);
void supply_close(struct supply *);

/* As d4_queue_take_some(), but a loss is SUPPLY_LOST after at most timeout_ms:
 * call again.  SUPPLY_FAILED has said why. */
int supply_take(struct supply *, struct d4_queue_item *, size_t most,
    int timeout_ms);

/* As d4_queue_ack(), waiting for a server that was lost until it is back or
 * the end is asked for, when it returns -1.  An item that somebody else put
 * back meanwhile is said and is no reason to end. */
int supply_ack(struct supply *, struct d4_queue_item *);

/* As d4_queue_put_back(); waits for a lost server 10 seconds at most.  Returns
 * 0, or -1 and has said why. */
int supply_put_back(struct supply *, struct d4_queue_item *);

#endif
