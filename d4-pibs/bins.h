/* SPDX-License-Identifier: ISC */
#ifndef D4_PIBS_BINS_H
#define D4_PIBS_BINS_H

/*
 * The time line: backscatter packets and distinct targets in bins of some
 * seconds.  A target has a flow for each protocol, and a new one after each
 * silence, so which were counted is known beside the flows; of very many in a
 * bin not all, and then one that comes again may count again.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "d4-pibs/out.h"
#include "d4-pibs/packet.h"

struct bin {
	uint32_t	number;		/* its first second by the width */
	uint32_t	used;
	uint64_t	packets, targets;
};

struct bins;

/* Bins of width > 0 seconds, within so many bytes; 1 MiB has room for 8,192.
 * NULL with errno when memory is short. */
struct bins *bins_new(uint32_t width, size_t memory);

/* Takes NULL. */
void bins_free(struct bins *);

/* Counts a packet.  The note belongs to its target: the two bins of it that
 * were counted last; it begins as zeros.  arg is the bins. */
void bins_count(void *arg, const struct answer *, uint32_t note[2]);

/* The bins in order of time, *n of them, lent until the next count. */
const struct bin *bins_sorted(struct bins *, size_t *n);

uint32_t bins_width(const struct bins *);

/* Packets that fell into no bin, since there was room for no more bins. */
uint64_t bins_outside(const struct bins *);

/* Writes them as CSV with a heading, or as a line of JSON each. */
void bins_write(struct bins *, struct out *, bool json);

#endif
