/* SPDX-License-Identifier: ISC */
#ifndef T_FUZZ_READ_REGISTRY_H
#define T_FUZZ_READ_REGISTRY_H

#include "lib/registry.h"

/* Asks a registry for all that it has, of the sensor and queue that the seeds
 * name above all.  What is handed out is as the header of the room says; of a
 * directory (files) also that names are not empty and faults have words. */
void read_registry(struct d4_registry *, bool files);

#endif
