/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_ANALYZE_H
#define D4_RECV_ANALYZE_H

/*
 * Items for analyzers: each goes into every queue that wants what this sensor
 * sends as this type, by the definitions of the registry.  A queue that cannot
 * take an item misses it, which is counted with those that full queues drop; an
 * item that none of them could take comes again.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "d4-recv/finish.h"
#include "lib/registry.h"

struct analyze;

/* queues is a directory or redis:..., with a login or NULL; all of them are the
 * caller's.  NULL with a reason in why. */
struct analyze *analyze_new(struct d4_registry *, const char *queues,
    const struct d4_registry_login *, char why[256]);

/* Flushes and frees.  Takes NULL. */
void analyze_free(struct analyze *);

/* The call that store and finisher make for each item. */
struct items analyze_items(struct analyze *);

/* Once a second: hands over what waits, forgets queues that are no more. */
void analyze_tick(struct analyze *);

/* Items given to queues, and dropped by full or failing ones. */
uint64_t analyze_pushed(const struct analyze *);
uint64_t analyze_dropped(const struct analyze *);

#endif
