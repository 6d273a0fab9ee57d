/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_PASSAGE_H
#define D4_RECV_PASSAGE_H

/*
 * Which records of a session that is kept in no file are known already, by what
 * was known last of its stream (match.h), and which are of the preamble, that
 * each session needs anew.  Pure but for memory.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "d4-recv/match.h"
#include "d4-recv/tail.h"

struct passage;

/* Of data of a type; takes over what is known and forgets it in the caller's.
 * NULL when memory is short. */
struct passage *passage_new(uint8_t type, struct tail_import *);

/* Takes NULL. */
void passage_free(struct passage *);

/* The next record's verdict; *preamble: it holds nothing but what a reader
 * needs first. */
enum match_verdict passage_judge(struct passage *,
    const uint8_t tag[MATCH_TAG], const void *payload, size_t size,
    bool *preamble);

/* How the match goes. */
const struct match *passage_match(const struct passage *);

#endif
