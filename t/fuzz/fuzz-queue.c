/* SPDX-License-Identifier: ISC */

/*
 * An analyzer queue's directory in which anybody may have written.  The first
 * byte says whether max_size is there, with the next eight as its content; then
 * come items, each a name and its content (a byte of length before each of the
 * two).  They are looked at, taken, put back and acknowledged.
 */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/queue.h"
#include "t/unit/scratch.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define ITEMS	16

static int
on_item(void *cookie, const uint8_t *data, size_t len)
{
	assert(data[len] == '\0');
	(*(size_t *)cookie)++;
	return 0;
}

static struct d4_queue *
open_queue(void)
{
	struct d4_queue_where where = { .path = scratch_path("q"),
	    .create = true };
	char fault[D4_QUEUE_FAULT];
	struct d4_queue *q = d4_queue_open(&where, fault);

	assert(q != NULL);
	return q;
}

/* Writes one item; false at the end. */
static bool
write_one(const uint8_t **data, size_t *left, const char *folder)
{
	size_t len[2] = { 0, 0 }, i;
	const uint8_t *bytes[2];
	char name[256];

	if (*left == 0)
		return false;
	for (i = 0; i < 2; i++) {
		bytes[i] = *data;
		if (*left == 0)
			continue;
		bytes[i]++;
		len[i] = **data < *left - 1 ? **data : *left - 1;
		*data += 1 + len[i];
		*left -= 1 + len[i];
	}
	memcpy(name, bytes[0], len[0]);
	name[len[0]] = '\0';
	for (i = 0; i < len[0]; i++) {
		if (name[i] == '/' || name[i] == '\0')
			name[i] = '_';
	}
	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		(void)strcpy(name, "n");
	(void)scratch_write(scratch_path("q/%s/%s", folder, name), bytes[1],
	    len[1]);
	return true;
}

/* Takes all that there is.  Each item is taken once, and no half one. */
static size_t
drain(struct d4_queue *q)
{
	struct d4_queue_item item[4];
	size_t n = 0;
	int got, i;

	while ((got = d4_queue_take_some(q, item, 4, 0)) > 0) {
		for (i = 0; i < got; i++) {
			assert(item[i].data[item[i].len] == '\0');
			assert(strlen(item[i].name) < D4_QUEUE_NAME);
			assert(d4_queue_ack(q, &item[i]) == 0);
			n++;
		}
	}
	assert(got == 0 || *d4_queue_fault(q) != '\0');
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const folders[] = { "new", "new", "hand", "tmp" };
	size_t n = 0, seen = 0, taken;
	struct d4_queue_item item;
	struct d4_queue *q;
	int64_t length;
	int has;

	if (len < 9)
		return 0;
	assert(scratch_make() == 0);
	q = open_queue();
	if ((data[0] & 1) != 0)
		assert(scratch_write(scratch_path("q/max_size"), data + 1,
		    8));
	len -= 9;
	data += 9;
	while (n < ITEMS && write_one(&data, &len, folders[n % 4]))
		n++;
	d4_queue_close(q);
	q = open_queue();
	length = d4_queue_length(q);
	assert(length >= 0 && length <= ITEMS);
	assert(d4_queue_peek(q, ITEMS, on_item, &seen) == 0);
	assert(seen <= (size_t)length);
	assert(d4_queue_recover(q) >= 0);
	assert(d4_queue_push(q, "pushed", 6) == 0);
	/* Within a limit it may be the oldest by the names of the others. */
	has = d4_queue_has(q, "pushed", 6);
	assert(has == 1 || (has == 0 && d4_queue_dropped(q) > 0));
	assert(d4_queue_flush(q) == 0);
	if (d4_queue_take(q, &item, 0) == 1)
		assert(d4_queue_put_back(q, &item) == 0);
	taken = drain(q);
	assert(taken <= ITEMS + 1 && taken >= (size_t)has);
	assert(d4_queue_clear(q) == 0 && d4_queue_length(q) == 0);
	d4_queue_close(q);
	scratch_remove();
	return 0;
}
