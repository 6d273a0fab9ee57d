/* SPDX-License-Identifier: ISC */

/* What d4-stdout asks of the queue room beyond one item at a time: several, in
 * their order and back again; from Redis without a hand; a server that goes. */

#include <signal.h>
#include <string.h>

#include "lib/queue.h"
#include "t/unit/redis-server.h"
#include "t/unit/scratch.h"
#include "t/unit/tap.h"

#define UUID	"3d1a0a5a-2d4e-4f5c-8a55-2f2f6d0c9b11"
#define MOST	64

static struct d4_queue_item items[MOST];

static bool
holds(size_t at, int n, int first)
{
	char want[32];
	int i;

	for (i = 0; i < n; i++) {
		(void)snprintf(want, sizeof(want), "item %d", first + i);
		if (items[at + (size_t)i].len != strlen(want) ||
		    strcmp((char *)items[at + (size_t)i].data, want) != 0)
			return false;
	}
	return true;
}

static void
fill(struct d4_queue *q, int n)
{
	char item[32];
	int i;

	for (i = 0; i < n; i++) {
		(void)snprintf(item, sizeof(item), "item %d", i);
		(void)d4_queue_push(q, item, strlen(item));
	}
	(void)d4_queue_flush(q);
}

/* hand: whether Redis gives one at a time. */
static void
test_some(struct d4_queue *q, const char *name, bool hand)
{
	int n, got = 0, i;

	fill(q, 100);
	is(d4_queue_take_some(q, items, 1, 0), 1, "%s: one when asked for one",
	    name);
	ok(holds(0, 1, 0), "%s: the oldest", name);
	is(d4_queue_put_back(q, &items[0]), 0, "%s: put back", name);
	n = d4_queue_take_some(q, items, MOST, 0);
	is(n, hand ? 1 : MOST, "%s: as many as asked for", name);
	ok(holds(0, n, 0), "%s: in their order", name);
	for (i = n - 1; i >= n / 2; i--)
		got += d4_queue_put_back(q, &items[i]);
	for (i = 0; i < n / 2; i++)
		got += d4_queue_ack(q, &items[i]);
	is(got, 0, "%s: half of it put back", name);
	is(d4_queue_length(q), 100 - n / 2, "%s: the others are gone", name);
	got = n / 2;
	while ((n = d4_queue_take_some(q, items, MOST, 0)) > 0) {
		ok(holds(0, n, got), "%s: the rest, from %d on", name, got);
		got += n;
		for (i = 0; i < n; i++)
			(void)d4_queue_ack(q, &items[i]);
		if (hand && got == 3)
			break;
	}
	is(got, hand ? 3 : 100, "%s: all of it", name);
	ok(!d4_queue_lost(q), "%s: nothing is lost", name);
	(void)d4_queue_clear(q);
}

static void
test_lost(struct d4_queue *q, const char *name, char text[256])
{
	fill(q, 3);
	is(d4_queue_take(q, &items[0], 0), 1, "%s: taken", name);
	redis_stop(SIGKILL);
	is(d4_queue_put_back(q, &items[0]), -1, "%s: not put back", name);
	ok(d4_queue_lost(q), "%s: the server is lost", name);
	ok(holds(0, 1, 0), "%s: the item is not", name);
	redis_start(scratch, "", text);
	/* It connects again once a second at most. */
	(void)sleep(1);
	is(d4_queue_put_back(q, &items[0]), 0, "%s: put back now", name);
	is(d4_queue_length(q), 3, "%s: none is missing", name);
	(void)d4_queue_clear(q);
}

static void
test_redis(bool plain)
{
	const char *name = plain ? "Redis, plain" : "Redis";
	struct d4_queue_where where = {
		.type = "3", .uuid = UUID, .plain = plain
	};
	struct d4_redis_addr addr;
	char fault[D4_QUEUE_FAULT], text[256];
	const char *why;
	struct d4_queue *q;

	redis_start(scratch, "", text);
	if (d4_redis_parse(&addr, text, &why) == -1)
		return;
	where.redis = &addr;
	q = d4_queue_open(&where, fault);
	if (ok(q != NULL, "%s: opened", name)) {
		test_some(q, name, !plain);
		test_lost(q, name, text);
	}
	d4_queue_close(q);
	redis_stop(SIGTERM);
}

int
main(void)
{
	struct d4_queue_where where = { .create = true };
	char fault[D4_QUEUE_FAULT];
	struct d4_queue *q;

	(void)signal(SIGPIPE, SIG_IGN);
	if (scratch_make() == -1)
		return 1;
	where.path = scratch_path("queue");
	q = d4_queue_open(&where, fault);
	if (ok(q != NULL, "directory: opened"))
		test_some(q, "directory", false);
	d4_queue_close(q);
	if (redis_installed()) {
		test_redis(false);
		test_redis(true);
	} else
		skip("no redis-server");
	scratch_remove();
	return tap_done();
}
