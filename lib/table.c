/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/table.h"

/* Open addressing with linear probing, at most two thirds full. */
struct d4_table {
	uint64_t	  seed;
	size_t		  count;
	size_t		  room;		/* a power of two */
	void		**items;
};

struct d4_table *
d4_table_new(uint64_t seed)
{
	struct d4_table *table;

	if ((table = calloc(1, sizeof(*table))) == NULL)
		return NULL;
	table->seed = seed;
	table->room = 16;
	table->items = calloc(table->room, sizeof(*table->items));
	if (table->items == NULL) {
		free(table);
		return NULL;
	}
	return table;
}

void
d4_table_free(struct d4_table *table, void (*item)(void *))
{
	size_t i;

	if (table == NULL)
		return;
	for (i = 0; item != NULL && i < table->room; i++) {
		if (table->items[i] != NULL)
			item(table->items[i]);
	}
	free(table->items);
	free(table);
}

static uint64_t
mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	x ^= x >> 32;
	return x;
}

static size_t
home(const struct d4_table *table, const uint8_t key[D4_UUID_LEN])
{
	uint64_t h;

	h = mix(table->seed ^ d4_get64le(key));
	return (size_t)mix(h + d4_get64le(key + 8)) & (table->room - 1);
}

/* Where the uuid is or would be put. */
static size_t
find(const struct d4_table *table, const uint8_t key[D4_UUID_LEN])
{
	size_t i;

	for (i = home(table, key); table->items[i] != NULL &&
	    memcmp(table->items[i], key, D4_UUID_LEN) != 0;
	    i = (i + 1) & (table->room - 1))
		continue;
	return i;
}

void *
d4_table_get(const struct d4_table *table, const uint8_t key[D4_UUID_LEN])
{
	return table->items[find(table, key)];
}

static int
grow(struct d4_table *table)
{
	size_t i, room = table->room;
	void **old = table->items, **items;

	if ((items = calloc(2 * room, sizeof(*items))) == NULL)
		return -1;
	table->items = items;
	table->room = 2 * room;
	for (i = 0; i < room; i++) {
		if (old[i] != NULL)
			items[find(table, old[i])] = old[i];
	}
	free(old);
	return 0;
}

int
d4_table_put(struct d4_table *table, void *item)
{
	if (3 * (table->count + 1) > 2 * table->room && grow(table) == -1)
		return -1;
	table->items[find(table, item)] = item;
	table->count++;
	return 0;
}

void *
d4_table_take(struct d4_table *table, const uint8_t key[D4_UUID_LEN])
{
	size_t gap, i, mask = table->room - 1;
	void *item;

	gap = find(table, key);
	if ((item = table->items[gap]) == NULL)
		return NULL;
	table->items[gap] = NULL;
	table->count--;
	/* What stands behind and would no longer be found moves up. */
	for (i = (gap + 1) & mask; table->items[i] != NULL;
	    i = (i + 1) & mask) {
		size_t from = home(table, table->items[i]);

		if (((i - from) & mask) >= ((i - gap) & mask)) {
			table->items[gap] = table->items[i];
			table->items[i] = NULL;
			gap = i;
		}
	}
	return item;
}

size_t
d4_table_count(const struct d4_table *table)
{
	return table->count;
}

void *
d4_table_next(const struct d4_table *table, size_t *at)
{
	while (*at < table->room) {
		if (table->items[(*at)++] != NULL)
			return table->items[*at - 1];
	}
	return NULL;
}
