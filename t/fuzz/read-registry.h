/* SPDX-License-Identifier: ISC */
#ifndef T_FUZZ_READ_REGISTRY_H
#define T_FUZZ_READ_REGISTRY_H

#include "lib/registry.h"

/* Asks a registry for all that it has, of the sensor and queue that the seeds
 * name above all.  What is handed out is as the header of the room says, and a
 * fault has words.  named: members of sets are names of files, and so not empty. */
void read_registry(struct d4_registry *, bool named);

#endif
