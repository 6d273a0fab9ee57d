/* SPDX-License-Identifier: ISC */
#ifndef D4_STDOUT_DRAIN_H
#define D4_STDOUT_DRAIN_H

/* From the queue to standard output, item after item. */

#include "d4-stdout/files.h"
#include "d4-stdout/options.h"
#include "d4-stdout/output.h"
#include "d4-stdout/supply.h"

/* files is NULL where items are written themselves.  Returns the exit
 * status. */
int drain_run(const struct options *, struct supply *, struct files *,
    struct output *);

#endif
