/* SPDX-License-Identifier: ISC */

/*
 * An analyzer queue's directory in which anybody may have written.  The first
 * byte says whether max_size is there, with the next eight as its content, and
 * how many items are looked at; then come items, each a name and its content (a
 * byte of length before each of the two).  They are looked at, taken, put back
 * and acknowledged.  Faults may be behind it (faults.h); the choice is what
 * lies there, too, or another way to name the queue.
 */

#include <sys/time.h>

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/queue.h"
#include "t/fuzz/faults.h"
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

enum choice {
	ITEMS_ALONE, FOLDER, LINK, LARGE, SOON, STALE, FIFO_LIMIT, /* there */
	OF_STORE, OF_QUEUES, NOT_THERE, LONG_PATH, NO_NAME,	/* otherwise */
	CHOICES
};

static bool strange;	/* there is more than items */

/* Then, or when a call failed, less holds. */
static bool
excused(void)
{
	return strange || faults_any();
}

/* The queue, by another name of it perhaps. */
static struct d4_queue *
open_queue(enum choice choice)
{
	static char path[4096];
	struct d4_queue_where where = { .path = scratch_path("q"),
	    .create = true };
	char fault[D4_QUEUE_FAULT] = "";
	struct d4_queue *q;

	switch (choice) {
	case OF_STORE:
		where.store = scratch;
		where.path = NULL;
		break;
	case OF_QUEUES:
		where.queues = scratch_path("queues");
		where.path = NULL;
		break;
	case NOT_THERE:
		where.path = scratch_path("none");
		where.create = false;
		break;
	case LONG_PATH:
		memset(path, '/', sizeof(path) - 1);
		where.path = path;
		break;
	case NO_NAME:
		where.path = NULL;
		where.store = scratch;
		break;
	default:
		break;
	}
	where.type = choice == NO_NAME ? "." : "1";
	where.uuid = "0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35";
	q = d4_queue_open(&where, fault);
	assert(q != NULL || *fault != '\0');
	assert((q != NULL) == (choice < NOT_THERE) || faults_any());
	return q;
}

/* What lies in new/ or tmp/ and is no item of ours, or a strange one. */
static void
put_choice(enum choice choice)
{
	static const struct timeval old[2];
	const char *path;
	struct timespec now;
	char name[64];

	switch (choice) {
	case FOLDER:
		assert(mkdir(scratch_path("q/new/folder"), 0700) == 0);
		break;
	case LINK:
		assert(symlink("/dev/null", scratch_path("q/new/link")) == 0);
		break;
	case LARGE:
		path = scratch_path("q/new/large");
		assert(scratch_write(path, "", 0));
		assert(truncate(path, D4_QUEUE_ITEM + 1) == 0);
		break;
	case SOON:
		/* As one that comes while the others are read. */
		(void)clock_gettime(CLOCK_REALTIME, &now);
		(void)snprintf(name, sizeof(name), "%020lld-%016x-1",
		    now.tv_sec * 1000000000LL + now.tv_nsec + 500000000, 1);
		assert(scratch_write(scratch_path("q/new/%s", name), "x", 1));
		break;
	case STALE:
		path = scratch_path("q/tmp/stale");
		assert(scratch_write(path, "half", 4));
		assert(utimes(path, old) == 0);
		break;
	case FIFO_LIMIT:
		path = scratch_path("q/max_size");
		(void)remove(path);
		assert(mkdir(path, 0700) == 0);
		break;
	default:
		break;
	}
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
			assert(d4_queue_ack(q, &item[i]) == 0 || faults_any());
			n++;
		}
	}
	assert(got == 0 || *d4_queue_fault(q) != '\0');
	return n;
}

/* An item that comes while somebody waits is seen. */
static void
await(struct d4_queue *q)
{
	struct d4_queue_item item;
	int i;

	for (i = 0; i < 3; i++) {
		if (i == 1 && d4_queue_push(q, "late", 4) == -1)
			assert(faults_any());
		if (d4_queue_take(q, &item, 2) == 1)
			assert(d4_queue_ack(q, &item) == 0 || faults_any());
	}
}

static void
look(struct d4_queue *q, unsigned most)
{
	int64_t length = d4_queue_length(q);
	size_t seen = 0;
	int rc;

	assert(length == -1 ? faults_any() : length <= ITEMS + 1);
	rc = d4_queue_peek(q, most, on_item, &seen);
	assert(seen <= most);
	assert(rc == 0 || *d4_queue_fault(q) != '\0');
}

static void
use(struct d4_queue *q, unsigned how)
{
	static const unsigned most[] = { ITEMS, 1, 3, 0 };
	struct d4_queue_item item;
	size_t taken;
	bool has;
	int rc;

	look(q, most[how >> 1 & 3]);
	assert(d4_queue_recover(q) >= 0 || faults_any());
	assert(d4_queue_push(q, "pushed", 6) == 0 || faults_any());
	/* Within a limit it may be the oldest by the names of the others. */
	rc = d4_queue_has(q, "pushed", 6);
	has = rc == 1;
	assert(has || (rc == 0 && d4_queue_dropped(q) > 0) || excused());
	assert(d4_queue_flush(q) == 0 && !d4_queue_lost(q));
	if (d4_queue_take(q, &item, 0) == 1)
		assert(d4_queue_put_back(q, &item) == 0 || faults_any());
	taken = drain(q);
	assert(taken <= ITEMS + 1);
	assert(taken >= has || excused());
	if ((how & 8) != 0)
		await(q);
	assert((d4_queue_clear(q) == 0 && d4_queue_length(q) == 0) ||
	    excused());
}

static void
once(const uint8_t *data, size_t len)
{
	static const char *const folders[] = { "new", "new", "hand", "tmp" };
	enum choice choice;
	struct d4_queue *q;
	uint8_t how;
	size_t n = 0;

	if (len < 9)
		return;
	how = data[0];
	choice = (enum choice)(faults_choice() % CHOICES);
	strange = choice != ITEMS_ALONE;
	assert(scratch_make() == 0);
	q = open_queue(ITEMS_ALONE);
	if ((how & 1) != 0)
		assert(scratch_write(scratch_path("q/max_size"), data + 1,
		    8));
	len -= 9;
	data += 9;
	while (n < ITEMS && write_one(&data, &len, folders[n % 4]))
		n++;
	put_choice(choice);
	d4_queue_close(q);
	faults_on();
	if ((q = open_queue(choice)) != NULL) {
		use(q, how);
		d4_queue_close(q);
	}
	faults_off();
	scratch_remove();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	faults_run(data, len, once);
	return 0;
}
