/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "lib/bytes.h"
#include "lib/table.h"
#include "t/unit/tap.h"

#define ITEMS	5000

struct item {
	uint8_t		uuid[D4_UUID_LEN];
	int		in;		/* by our own account */
	int		met;
};

static struct item items[ITEMS];
static int freed;

static void
on_free(void *item)
{
	(void)item;
	freed++;
}

/* All uuids alike but for a few bits: the hardest case. */
static void
make_items(void)
{
	size_t i;

	for (i = 0; i < ITEMS; i++)
		d4_put32le(items[i].uuid + (i % 2 == 0 ? 0 : 12),
		    (uint32_t)i + 1);
}

static size_t
count_wrong(const struct d4_table *table)
{
	size_t i, wrong = 0;

	for (i = 0; i < ITEMS; i++)
		wrong += (d4_table_get(table, items[i].uuid) == &items[i]) !=
		    items[i].in;
	return wrong;
}

static size_t
count_unmet(const struct d4_table *table)
{
	size_t at = 0, i, wrong = 0;
	struct item *item;

	for (i = 0; i < ITEMS; i++)
		items[i].met = 0;
	while ((item = d4_table_next(table, &at)) != NULL)
		item->met++;
	for (i = 0; i < ITEMS; i++)
		wrong += items[i].met != items[i].in;
	return wrong;
}

int
main(void)
{
	struct d4_table *table = d4_table_new(42);
	size_t i, n = 0, round, wrong = 0;

	make_items();
	ok(table != NULL, "a table is made");
	ok(d4_table_get(table, items[0].uuid) == NULL, "it is empty");
	ok(d4_table_take(table, items[0].uuid) == NULL,
	    "nothing can be taken out");
	for (i = 0; i < ITEMS; i++) {
		wrong += d4_table_put(table, &items[i]) != 0;
		items[i].in = 1;
	}
	is(wrong, 0, "%d items are put", ITEMS);
	is(d4_table_count(table), ITEMS, "they are counted");
	is(count_wrong(table), 0, "and found");
	is(count_unmet(table), 0, "and each met once");
	srand(1);
	for (round = 0, wrong = 0; round < 20 * ITEMS; round++) {
		i = (size_t)rand() % ITEMS;
		if (items[i].in)
			wrong += d4_table_take(table, items[i].uuid) !=
			    &items[i];
		else
			wrong += d4_table_put(table, &items[i]) != 0;
		items[i].in = !items[i].in;
		if (round % 10000 == 0)
			wrong += count_wrong(table);
	}
	is(wrong, 0, "items come and go");
	is(count_wrong(table), 0, "those that stayed are found");
	is(count_unmet(table), 0, "and met");
	for (i = 0; i < ITEMS; i++)
		n += (size_t)items[i].in;
	is(d4_table_count(table), n, "and counted");
	d4_table_free(table, on_free);
	is(freed, n, "each is freed");
	d4_table_free(NULL, on_free);
	return tap_done();
}
