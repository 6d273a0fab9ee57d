/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_TAIL_BLOB_H
#define D4_RECV_TAIL_BLOB_H

/*
 * Tags of a tail as Redis has them, where room is dear: some records together,
 * of each the first MATCH_SHORT bytes, and before them how many bytes all these
 * records have with headers, 4 of them, little-endian.
 */

#include <stddef.h>
#include <stdint.h>

#include "d4-recv/tail.h"

#define BLOB_HEAD	4

/* Adds the records of a blob to those there are.  Which are of the preamble its
 * tags tell, which have to be there before.  0, or -1 when memory is short. */
int blob_take(struct tail_import *, const void *bytes, size_t len);

/* Takes the tags of the preamble, of MATCH_TAG bytes.  0, or -1. */
int blob_take_preamble(struct tail_import *, const void *bytes, size_t len);

void blob_free(struct tail_import *);

#endif
