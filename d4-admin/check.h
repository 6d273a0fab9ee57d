/* SPDX-License-Identifier: ISC */
#ifndef D4_ADMIN_CHECK_H
#define D4_ADMIN_CHECK_H

/*
 * Whether a collector's store is in order: check.c goes through its files,
 * whose names tell what there is, check-registry.c through what registry and
 * queues hold.  No fault hides another.
 */

#include <sys/stat.h>

#include "d4-admin/admin.h"

struct check {
	struct admin	*admin;
	struct table	*table;
	struct stat	 owner;		/* who owns the tree that is walked */
	const char	*root;		/* its path */
	bool		 registry;	/* it is one, with modes of its own */
	bool		 fixes;
	size_t		 left;		/* faults that were not mended */
	bool		 failed;	/* could not look */

	/* What directories say that there is; none of Redis. */
	struct uuids	 sensors;	/* in no order, some more than once */
	struct d4_registry_queue *queues;
	size_t		 nqueues;
};

/* A row. */
void check_report(struct check *, const char *object, const char *fault,
    bool fixed);

/* Whether it is Redis, which has no files. */
bool check_is_redis(const char *place);

/* Registry and queues, once the files have been seen. */
void check_registry(struct check *);

#endif
