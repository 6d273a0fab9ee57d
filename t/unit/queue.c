/* SPDX-License-Identifier: ISC */

/* The same suite over both backends: they must behave alike. */

#include <sys/wait.h>

#include <string.h>
#include <unistd.h>

#include "lib/queue.h"
#include "lib/stop.h"
#include "t/unit/redis-server.h"
#include "t/unit/scratch.h"
#include "t/unit/tap.h"

#define QUEUE	"3d1a0a5a-2d4e-4f5c-8a55-2f2f6d0c9b11"

static struct d4_queue_where where;
static const char *backend;

static struct d4_queue *
open_queue(void)
{
	char fault[D4_QUEUE_FAULT] = "";
	struct d4_queue *q = d4_queue_open(&where, fault);

	if (!ok(q != NULL, "%s: opens", backend)) {
		printf("# %s\n", fault);
		exit(tap_done());
	}
	return q;
}

static bool
push(struct d4_queue *q, const char *text)
{
	return d4_queue_push(q, text, strlen(text)) == 0;
}

static bool
is_item(struct d4_queue *q, const char *want)
{
	struct d4_queue_item item;
	bool same;

	if (d4_queue_pop(q, &item, 0) != 1)
		return false;
	same = item.len == strlen(want) && memcmp(item.data, want,
	    item.len) == 0 && item.data[item.len] == '\0';
	d4_queue_item_free(&item);
	return same;
}

static int
join(void *arg, const uint8_t *data, size_t len)
{
	char *text = arg;

	strncat(text, (const char *)data, len);
	strcat(text, ",");
	return 0;
}

static int
first_only(void *arg, const uint8_t *data, size_t len)
{
	(void)join(arg, data, len);
	return 1;
}

static void
test_order(struct d4_queue *q)
{
	struct d4_queue_item item;
	char text[64] = "";

	is(d4_queue_length(q), 0, "%s: empty", backend);
	is(d4_queue_pop(q, &item, 0), 0, "%s: nothing to take", backend);
	ok(push(q, "one") && push(q, "two") && push(q, "three") &&
	    d4_queue_flush(q) == 0, "%s: pushes", backend);
	is(d4_queue_length(q), 3, "%s: three wait", backend);
	ok(d4_queue_peek(q, 2, join, text) == 0 &&
	    strcmp(text, "three,two,") == 0, "%s: the newest two: %s", backend,
	    text);
	text[0] = '\0';
	ok(d4_queue_peek(q, 2, first_only, text) == 0 &&
	    strcmp(text, "three,") == 0, "%s: a callback ends it", backend);
	ok(is_item(q, "one") && is_item(q, "two") && is_item(q, "three"),
	    "%s: oldest first", backend);
	is(d4_queue_length(q), 0, "%s: empty again", backend);
}

static void
test_bytes(struct d4_queue *q)
{
	static char big[300000];
	struct d4_queue_item item;

	memset(big, 0xff, sizeof(big));
	memcpy(big, "a\0b\nc", 5);
	ok(d4_queue_push(q, big, sizeof(big)) == 0 &&
	    d4_queue_push(q, "", 0) == 0, "%s: any bytes", backend);
	ok(d4_queue_pop(q, &item, 0) == 1 && item.len == sizeof(big) &&
	    memcmp(item.data, big, sizeof(big)) == 0, "%s: come back", backend);
	d4_queue_item_free(&item);
	ok(is_item(q, ""), "%s: and none of them", backend);
}

static void
test_hand(struct d4_queue *q)
{
	struct d4_queue_item one, two;
	struct d4_queue *again;

	ok(push(q, "one") && push(q, "two") && push(q, "one"),
	    "%s: equal items", backend);
	ok(d4_queue_take(q, &one, 0) == 1 && d4_queue_take(q, &two, 0) == 1,
	    "%s: two in hand", backend);
	is(d4_queue_length(q), 1, "%s: one waits", backend);
	is(d4_queue_ack(q, &one), 0, "%s: one acknowledged", backend);
	is(d4_queue_put_back(q, &two), 0, "%s: one put back", backend);
	ok(is_item(q, "two") && is_item(q, "one"), "%s: as the oldest",
	    backend);
	/* Somebody takes two and dies. */
	ok(push(q, "one") && push(q, "two") && push(q, "three") &&
	    d4_queue_take(q, &one, 0) == 1 && d4_queue_take(q, &two, 0) == 1,
	    "%s: two in hand once more", backend);
	d4_queue_item_free(&one);
	d4_queue_item_free(&two);
	again = open_queue();
	is(d4_queue_length(again), 1, "%s: they stay in hand", backend);
	is(d4_queue_recover(again), 2, "%s: until they are put back", backend);
	ok(is_item(again, "one") && is_item(again, "two") &&
	    is_item(again, "three"), "%s: in their order", backend);
	is(d4_queue_recover(again), 0, "%s: nothing is left", backend);
	d4_queue_close(again);
}

static void
test_limit(struct d4_queue *q)
{
	char text[16];
	int i;

	d4_queue_limit(q, 10);
	for (i = 0; i < 1000; i++) {
		(void)snprintf(text, sizeof(text), "%d", i);
		if (!push(q, text))
			break;
	}
	ok(i == 1000 && d4_queue_flush(q) == 0, "%s: a thousand", backend);
	is(d4_queue_length(q), 10, "%s: ten are kept", backend);
	is(d4_queue_dropped(q), 990, "%s: the others counted", backend);
	ok(is_item(q, "990") && is_item(q, "991"), "%s: the newest", backend);
	d4_queue_limit(q, 0);
	is(d4_queue_clear(q), 0, "%s: cleared", backend);
	is(d4_queue_length(q), 0, "%s: none is left", backend);
}

static int64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
test_wait(struct d4_queue *q)
{
	struct timespec nap = { .tv_nsec = 300000000 };
	struct d4_queue_item item;
	int64_t start = now_ms();
	pid_t pid;

	is(d4_queue_take(q, &item, 200), 0, "%s: nothing in time", backend);
	ok(now_ms() - start >= 190, "%s: but waited for", backend);
	if ((pid = fork()) == 0) {
		struct d4_queue *other;
		char fault[D4_QUEUE_FAULT];

		(void)nanosleep(&nap, NULL);
		other = d4_queue_open(&where, fault);
		_exit(other != NULL && push(other, "late") &&
		    d4_queue_flush(other) == 0 ? 0 : 1);
	}
	start = now_ms();
	ok(d4_queue_take(q, &item, 10000) == 1 && item.len == 4,
	    "%s: one that comes late", backend);
	ok(now_ms() - start < 5000, "%s: as soon as it comes", backend);
	is(d4_queue_ack(q, &item), 0, "%s: acknowledged", backend);
	(void)waitpid(pid, NULL, 0);
}

static void
suite(void)
{
	struct d4_queue *q = open_queue();

	test_order(q);
	test_bytes(q);
	test_hand(q);
	test_limit(q);
	test_wait(q);
	d4_queue_close(q);
}

/* A signal ends a wait without end. */
static void
test_stop(void)
{
	struct d4_queue *q = open_queue();
	struct d4_queue_item item;
	pid_t pid;
	int status;

	if ((pid = fork()) == 0) {
		(void)d4_stop_install(false);
		(void)alarm(20);
		_exit(d4_queue_take(q, &item, -1) == 0 &&
		    d4_stop_wanted() ? 0 : 1);
	}
	(void)nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
	(void)kill(pid, SIGTERM);
	(void)waitpid(pid, &status, 0);
	is(status, 0, "%s: a signal ends a wait", backend);
	d4_queue_close(q);
}

static void
test_directory(void)
{
	char fault[D4_QUEUE_FAULT] = "";
	struct d4_queue *q;

	backend = "directory";
	where = (struct d4_queue_where){ .store = scratch, .type = "1",
	    .uuid = QUEUE };
	ok(d4_queue_open(&where, fault) == NULL && fault[0] != '\0',
	    "directory: one that is not there is a fault: %s", fault);
	where.create = true;
	suite();
	test_stop();
	ok(scratch_write(scratch_path("queues/1/%s/max_size", QUEUE), "2\n",
	    2), "directory: a limit in its definition");
	q = open_queue();
	ok(push(q, "1") && push(q, "2") && push(q, "3"), "directory: holds");
	is(d4_queue_length(q), 2, "directory: for pushes");
	d4_queue_close(q);
	where = (struct d4_queue_where){
	    .path = scratch_path("queues/1/%s", QUEUE) };
	q = open_queue();
	is(d4_queue_length(q), 2, "directory: opened by its own path");
	d4_queue_close(q);
}

static void
test_redis(void)
{
	char text[256], fault[D4_QUEUE_FAULT] = "";
	struct d4_redis_addr addr;
	const char *why;

	backend = "redis";
	redis_start(scratch, "", text);
	if (d4_redis_parse(&addr, text, &why) == -1)
		exit(1);
	where = (struct d4_queue_where){ .redis = &addr, .type = "ja3-jl",
	    .uuid = QUEUE, .timeout_ms = REDIS_MS };
	suite();
	test_stop();
	redis_stop(SIGTERM);
	ok(d4_queue_open(&where, fault) == NULL && fault[0] != '\0',
	    "redis: no server is a fault: %s", fault);
}

int
main(void)
{
	if (scratch_make() == -1)
		return 1;
	test_directory();
	if (redis_installed())
		test_redis();
	else
		skip("redis-server is not installed");
	scratch_remove();
	return tap_done();
}
