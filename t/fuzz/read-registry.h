/* SPDX-License-Identifier: ISC */
#ifndef T_FUZZ_READ_REGISTRY_H
#define T_FUZZ_READ_REGISTRY_H

#include "lib/registry.h"

/* Asks a registry for all that it has, of the sensor and queue that the seeds
 * name above all.  What is handed out is as the header of the room says; of a
 * directory (files) also that names are not empty and faults have words. */
void read_registry(struct d4_registry *, bool files);

/* Writes there, of the same sensor and another: by the number what is set of
 * them, registrations, sets, queues, claims, facts, many at a time, or all of
 * these.  Whatever comes of it, what it finds there is what it has to stand. */
void write_registry(struct d4_registry *, unsigned what);

#endif
