/* SPDX-License-Identifier: ISC */
#ifndef LIB_SUM_H
#define LIB_SUM_H

/*
 * A sum over bytes that tells what a disk has kept in part, in another place
 * or wrong: by accident, not by design, which is for mac.  It is no standard,
 * for files of this machine alone; some 10 GB/s.
 */

#include <stddef.h>
#include <stdint.h>

/* Of len bytes behind others, whose sum is the first argument; or of what else
 * it is to depend on. */
uint64_t d4_sum_add(uint64_t before, const void *, size_t len);

#endif
