/* SPDX-License-Identifier: ISC */
#ifndef D4_ADMIN_ADMIN_H
#define D4_ADMIN_ADMIN_H

/*
 * What every verb is given, and the verbs themselves, each in the file of its
 * object.  A verb judges its arguments, opens the registry if it needs one,
 * does its work, says what is wrong on stderr, and returns the exit status: 0
 * done, 1 failed, 2 wrong usage.
 */

#include <stdbool.h>
#include <stdint.h>

#include "d4-admin/args.h"
#include "d4-admin/place.h"
#include "lib/registry.h"

struct admin {
	struct place		 place;
	struct d4_registry	*reg;	/* NULL before admin_open() */
	char			 why[256];	/* it could not be opened */
	bool			 json;
	bool			 insecure_key;	/* others may read keys */
	uint64_t		 now;
};

/*
 * Opens the registry as the verb needs it (verbs.h), once all arguments are
 * right: a wrong one makes nothing and waits for nobody.  Returns 0, or -1
 * with the reason in admin_why().
 */
int admin_open(struct admin *, const struct args *);

/* Why the registry failed, or could not be opened. */
const char *admin_why(const struct admin *);

/* Says so.  Returns 1. */
int admin_fault(const struct admin *);

/* Copies of what callbacks are given: what they do to the registry must wait
 * for the end of the listing. */
struct uuids {
	uint8_t		(*list)[D4_UUID_LEN];
	size_t		 n;
	bool		 failed;	/* memory was short */
};

/* Adds one; always 0, as callbacks return to go on. */
int keep_uuid(void *cookie, const uint8_t[D4_UUID_LEN]);

/* Calls back with each member of a set in order, numbers by their value;
 * returns what the callback did, or -1 with the registry's reason. */
int each_member(const struct admin *, enum d4_registry_set,
    int (*)(void *, const char *), void *);

/* Calls back with each queue in the order of uuids, likewise. */
int each_queue(const struct admin *, int (*)(void *,
    const struct d4_registry_queue *), void *);

int sensor_list(struct admin *, const struct args *);
int sensor_show(struct admin *, const struct args *);
int sensor_files(struct admin *, const struct args *);
int sensor_register(struct admin *, const struct args *);
int sensor_approve(struct admin *, const struct args *);
int sensor_reject(struct admin *, const struct args *);
int sensor_remove(struct admin *, const struct args *);
int sensor_key(struct admin *, const struct args *);
int sensor_describe(struct admin *, const struct args *);
int sensor_limit(struct admin *, const struct args *);
int sensor_age(struct admin *, const struct args *);
int sensor_monotonic(struct admin *, const struct args *);
int sensor_monitor(struct admin *, const struct args *);
int sensor_check(struct admin *, const struct args *);
int sensor_kick(struct admin *, const struct args *);
int sensor_block(struct admin *, const struct args *);
int sensor_unblock(struct admin *, const struct args *);

int block_list(struct admin *, const struct args *);
int block_add(struct admin *, const struct args *);
int block_remove(struct admin *, const struct args *);

int type_list(struct admin *, const struct args *);
int type_add(struct admin *, const struct args *);
int type_remove(struct admin *, const struct args *);

int queue_list(struct admin *, const struct args *);
int queue_add(struct admin *, const struct args *);
int queue_remove(struct admin *, const struct args *);
int queue_show(struct admin *, const struct args *);
int queue_limit(struct admin *, const struct args *);
int queue_describe(struct admin *, const struct args *);
int queue_flush(struct admin *, const struct args *);
int queue_peek(struct admin *, const struct args *);
int queue_members(struct admin *, const struct args *);

int stats_today(struct admin *, const struct args *);
int stats_day(struct admin *, const struct args *);
int stats_sensor(struct admin *, const struct args *);
int stats_type(struct admin *, const struct args *);
int stats_top(struct admin *, const struct args *);
int stats_forget(struct admin *, const struct args *);

int mode_show(struct admin *, const struct args *);
int mode_set(struct admin *, const struct args *);

int check_all(struct admin *, const struct args *);
int export_all(struct admin *, const struct args *);
int import_all(struct admin *, const struct args *);
int watch_all(struct admin *, const struct args *);

int tls_init(struct admin *, const struct args *);
int tls_client(struct admin *, const struct args *);
int tls_renew(struct admin *, const struct args *);

#endif
