/* SPDX-License-Identifier: ISC */

/*
 * What a Redis server answers (fake-redis.h): to a registry when the first byte
 * is even, to an analyzer queue when it is odd; from 128 on the server keeps
 * what it is told.  Faults may be behind them (faults.h), and the choice is
 * what is written to the registry, in the place of reading or, where that is
 * kept, before it.  More bits of that byte say how a registry is opened, and
 * how a queue is used.
 */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/queue.h"
#include "t/fuzz/fake-redis.h"
#include "t/fuzz/faults.h"
#include "t/fuzz/read-registry.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define KEEPS	128

/* After so long one tries to connect again. */
static const struct timespec a_while = { .tv_sec = 5 };

static void
take_registry(uint8_t how)
{
	static const struct d4_registry_login logins[] = {
		{ .user = NULL }, { .user = "a user", .password = "secret" },
		{ .password = "secret" }
	};
	static const char *const queues[] = { NULL, "redis:127.0.0.1:6379/3",
		"queues", "redis:none" };
	struct d4_registry *reg;
	char why[256] = "";
	bool kept = how >= KEEPS;
	unsigned i;

	reg = d4_registry_open_as((how & 32) != 0 ? "redis:none" :
	    "redis:127.0.0.1:6379/1", queues[how >> 1 & 3], true,
	    (how >> 3 & 3) == 3 ? NULL : &logins[how >> 3 & 3], why);
	if (reg == NULL) {
		assert(*why != '\0');
		return;
	}
	if (faults_choice() != 0)
		write_registry(reg, faults_choice() - 1);
	if (faults_choice() == 0 || kept)
		read_registry(reg, false);
	for (i = 0; (how & 64) != 0 && i < 6; i++) {
		(void)nanosleep(&a_while, NULL);
		(void)d4_registry_refresh(reg);
	}
	d4_registry_close(reg);
}

static int
on_item(void *cookie, const uint8_t *data, size_t len)
{
	size_t *n = cookie;

	assert(data[len] == '\0');
	return ++*n == 20;
}

/* Takes up to four at a time, and has done with them in one way or another. */
static void
take_items(struct d4_queue *q, unsigned how)
{
	struct d4_queue_item item[4];
	int n, i;

	n = d4_queue_take_some(q, item, 4, how % 2 == 0 ? 0 : how == 5 ? -1 :
	    2500);
	assert(n >= -1 && n <= 4);
	assert(n != -1 || *d4_queue_fault(q) != '\0' || d4_queue_lost(q));
	for (i = n - 1; i >= 0; i--) {
		assert(item[i].data[item[i].len] == '\0');
		if ((how % 3 == 0 ? d4_queue_ack(q, &item[i]) :
		    d4_queue_put_back(q, &item[i])) == -1)
			d4_queue_item_free(&item[i]);
	}
}

static void
take_queue(uint8_t how)
{
	static char large[70000];
	struct d4_redis_addr addr;
	struct d4_queue_where where = { .redis = &addr, .type = "1",
	    .uuid = "0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35",
	    .plain = (how & 2) != 0 };
	char fault[D4_QUEUE_FAULT] = "";
	struct d4_queue *q;
	size_t seen = 0;
	unsigned i;

	memset(&addr, 0, sizeof(addr));
	if ((how & 16) != 0) {
		memset(large, 'x', sizeof(large) - 1);
		where.type = (how & 32) != 0 ? large : "1";
	}
	if ((q = d4_queue_open(&where, fault)) == NULL) {
		assert(*fault != '\0');
		return;
	}
	if ((how & 4) != 0)
		d4_queue_limit(q, 2);
	(void)d4_queue_length(q);
	for (i = 0; i < 3; i++)
		(void)d4_queue_push(q, "item", 4);
	for (i = 0; (how & 16) != 0 && i < 1100; i++)
		(void)d4_queue_push(q, large, i % 600 < 520 ? i % 2 :
		    sizeof(large));
	(void)d4_queue_flush(q);
	(void)d4_queue_peek(q, 150, on_item, &seen);
	(void)d4_queue_has(q, "x", 1);
	for (i = 0; i < 6; i++)
		take_items(q, i);
	/* A server may have things in hand for ever. */
	if ((how & 8) != 0)
		(void)d4_queue_clear(q);
	else
		(void)d4_queue_recover(q);
	/* Something may be under way at its end. */
	if ((how & 64) != 0)
		take_items(q, 1);
	for (i = 0; (how & 64) != 0 && i < 6; i++) {
		(void)nanosleep(&a_while, NULL);
		(void)d4_queue_length(q);
	}
	if ((how & 64) != 0)
		take_items(q, 1);
	d4_queue_close(q);
}

static void
once(const uint8_t *data, size_t len)
{
	if (len < 1)
		return;
	fake_redis_begin(data + 1, len - 1);
	if (data[0] >= KEEPS)
		fake_redis_keeps();
	faults_on();
	if (data[0] % 2 == 0)
		take_registry(data[0]);
	else
		take_queue(data[0]);
	faults_off();
	fake_redis_end();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	faults_run(data, len, once);
	return 0;
}
