/* SPDX-License-Identifier: ISC */
#ifndef LIB_TABLE_H
#define LIB_TABLE_H

/*
 * A hash table of the caller's structs by uuid: each struct begins with its 16
 * bytes.  The table holds pointers, the structs stay where they are.
 */

#include <stddef.h>
#include <stdint.h>

#include "lib/header.h"

struct d4_table;

/* An empty table.  Who can choose uuids but does not know the seed can't make
 * them fall together.  NULL when memory is short. */
struct d4_table *d4_table_new(uint64_t seed);

/* Frees the table and, with a function, each item.  Takes NULL. */
void d4_table_free(struct d4_table *, void (*item)(void *));

/* The item of that uuid, or NULL. */
void *d4_table_get(const struct d4_table *, const uint8_t[D4_UUID_LEN]);

/* Adds an item whose uuid is not in the table.  0, or -1 when memory is
 * short. */
int d4_table_put(struct d4_table *, void *item);

/* Takes an item out, and gives it; NULL when there is none. */
void *d4_table_take(struct d4_table *, const uint8_t[D4_UUID_LEN]);

size_t d4_table_count(const struct d4_table *);

/* Goes through all items in no order: *at is 0 before the first call.  NULL at
 * the end.  The table may not change meanwhile. */
void *d4_table_next(const struct d4_table *, size_t *at);

#endif
