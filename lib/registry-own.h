/* SPDX-License-Identifier: ISC */
#ifndef LIB_REGISTRY_OWN_H
#define LIB_REGISTRY_OWN_H

/*
 * A registry's handle, for the files of the door: look-ups and caches
 * (registry.c), an administrator's verbs (registry-admin.c), claims
 * (registry-claim.c), notes on their way to the backend (registry-note.c),
 * facts (registry-facts.c), queues (registry-queue.c).
 */

#include <sys/queue.h>

#include "lib/cidr.h"
#include "lib/registry-backend.h"
#include "lib/table.h"

struct kicked {
	uint8_t		uuid[D4_UUID_LEN];
	uint64_t	until;
};

struct uuids {
	uint8_t		(*list)[D4_UUID_LEN];
	size_t		 n;
	size_t		 room;
};

struct kept_queue {
	struct d4_registry_queue	 queue;
	uint8_t				(*members)[D4_UUID_LEN];
	char				*description;
	bool				 fed;	/* updated is to be written */
};

/* What is loaded as a whole. */
struct lists {
	struct d4_cidr_set		*networks;
	size_t				 nnetworks;	/* before merging */
	struct uuids			 blocked;
	struct uuids			 by_uuid;
	struct kicked			*kicked;
	size_t				 nkicked;
	bool				 types[UINT8_MAX + 1];
	size_t				 ntypes;
	enum d4_registry_mode		 mode;
	char				**names;	/* extended types */
	size_t				 nnames;
	struct kept_queue		*queues;
	size_t				 nqueues;
};

/* What is known here of a sensor that is connected, or has to be written. */
struct noted {
	uint8_t				 uuid[D4_UUID_LEN];
	struct d4_registry_facts	 facts;
	uint32_t			 day;		/* of the cells, or 0 */
	uint64_t			 begins;	/* that day */
	uint64_t			 ends;
	struct d4_registry_cell		*cells;
	size_t				 ncells;
	size_t				 claims;	/* that point here */
	bool				 dirty_facts;
	bool				 dirty_cells;
	bool				 waits;		/* is in the queue */
	char				*fault;		/* to be said once */
	TAILQ_ENTRY(noted)		 entry;
};

struct d4_registry_claim {
	uint8_t				 session[D4_UUID_LEN];
	struct d4_registry_live		 live;
	void				*cookie;
	struct noted			*noted;
	/* Where it counts; the cell is good for one day of the sensor. */
	uint32_t			 day;
	size_t				 cell;
	size_t				 seen;		/* of the type */
	size_t				 seen_extended;
	bool				 taken;		/* by another */
	bool				 tells;		/* is in the queue */
	TAILQ_ENTRY(d4_registry_claim)	 entry;
};

TAILQ_HEAD(noted_queue, noted);
TAILQ_HEAD(claim_queue, d4_registry_claim);

struct d4_registry {
	const struct d4_registry_backend *backend;
	void				*store;
	char				 why[D4_REGISTRY_WHY];

	uint64_t			 stamp[2];
	uint64_t			 generation;
	bool				 loaded;
	bool				 stale;	/* loading again failed */
	bool				 begun;	/* many changes at a time */
	bool				 changed;	/* by one of them */
	struct lists			 lists;
	struct d4_table			*sensors;	/* those with values */

	struct d4_table			*claims;	/* by session */
	struct claim_queue		 lost;
	struct d4_table			*noted;
	struct noted_queue		 waiting;	/* to be written */
	size_t				 nwaiting;
	bool				 live_changed;
	uint64_t			 live_next_ms;
};

/* Puts a reason into why.  Returns -1. */
int registry_fault(struct d4_registry *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Loads the lists once.  0, or -1 when they never could be. */
int registry_lists(struct d4_registry *);

/* Adds a uuid; -1 when memory is short. */
int uuids_add(struct uuids *, const uint8_t[D4_UUID_LEN]);
void uuids_sort(struct uuids *);
bool uuids_have(const struct uuids *, const uint8_t[D4_UUID_LEN]);

/* The lists' queues. */
int registry_load_queues(struct d4_registry *, struct lists *);
void registry_free_queues(struct lists *);
int registry_flush_queues(struct d4_registry *);

/* Lets nobody but this administrator change what two values say together, and
 * announces a change that was made: r is what the change returned. */
int registry_lock(struct d4_registry *);
int registry_unlock(struct d4_registry *, int r);
int registry_changed(struct d4_registry *, int r);

/* What is noted of a sensor; NULL on a fault. */
struct noted *registry_note_get(struct d4_registry *,
    const uint8_t[D4_UUID_LEN]);

/* Lets it go once nobody uses it and nothing has to be written. */
void registry_note_drop(struct d4_registry *, struct noted *);

/* Has it written; counts that were changed are marked besides. */
void registry_note_facts(struct d4_registry *, struct noted *);
void registry_free_notes(struct d4_registry *);

/* Writes the numbers of our claims when it is time, or now. */
int registry_flush_live(struct d4_registry *, bool now);

/* Finds out who took claims of ours. */
int registry_find_lost(struct d4_registry *);
void registry_free_claims(struct d4_registry *);

#endif
