/* SPDX-License-Identifier: ISC */
#ifndef D4_ADMIN_PLACE_H
#define D4_ADMIN_PLACE_H

/*
 * Where a collector keeps what: its store, its registry, the items of its
 * queues.  From -d, a store; -c, a collector's configuration; -i and -p, a
 * Redis server with d4-core's databases.
 */

#include <stdbool.h>
#include <stdint.h>

#include "lib/conf-login.h"
#include "lib/queue.h"
#include "lib/registry.h"

struct place {
	bool	given;			/* one of the options was */
	bool	insecure_key;		/* others may read keys */
	char	conf[D4_CONF_TEXT];	/* these are "" where there is none */
	char	store[D4_CONF_TEXT];
	char	registry[D4_CONF_TEXT];	/* a directory or redis:... */
	char	queues[D4_CONF_TEXT];	/* likewise, of the items */
	struct d4_conf_login login;	/* at Redis */
};

/* What options say, NULL without. */
struct place_options {
	const char	*store, *conf;
	const char	*host, *port, *login;	/* of Redis; the last a
						 * directory */
	bool		 insecure_key;	/* take a password others can read */
};

/* Returns 0, or 2 and says why. */
int place_find(struct place *, const struct place_options *);

/* Whether there is a registry; there is always one in Redis. */
bool place_has_registry(const struct place *);

/* Opens the registry; NULL and the reason in why. */
struct d4_registry *place_open(const struct place *, bool create,
    char why[256]);

/* Opens the items of a queue; NULL and says why. */
struct d4_queue *place_queue(const struct place *,
    const struct d4_registry_queue *);

#endif
