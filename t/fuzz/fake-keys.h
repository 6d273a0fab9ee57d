/* SPDX-License-Identifier: ISC */
#ifndef T_FUZZ_FAKE_KEYS_H
#define T_FUZZ_FAKE_KEYS_H

/*
 * What a fake Redis server keeps, and the commands that it knows: those that
 * the library sends, without scripts and transactions.  A key has no kind: it
 * is rows of a field and a value, in their order, and each command sees in them
 * what it is for.  Only the newest FAKE_ROWS are kept.
 */

#include <stdbool.h>
#include <stddef.h>

#include "t/fuzz/fake-reply.h"

#define FAKE_ROWS	512

/* Forgets all. */
void fake_keys_clear(void);

/* Does a command and makes its reply; false when it knows none such. */
bool fake_keys_do(struct fake_reply *, int argc, const char *const argv[],
    const size_t len[]);

#endif
