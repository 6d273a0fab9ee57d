/* SPDX-License-Identifier: ISC */
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/queue.h"
#include "lib/stop.h"
#include "t/unit/redis-server.h"
#include "t/unit/scratch.h"
#include "t/unit/tap.h"

#define UUID	"6072e072-bfaa-4395-9bb1-cdb3b470d715"
#define KEY	"analyzer:1:" UUID
#define MANY	4000

static struct d4_redis_addr server;
static struct d4_queue_where where;	/* of the backend under test */
static const char *backend;
static bool sanitized;

static struct d4_queue *
reopen(void)
{
	char fault[D4_QUEUE_FAULT];
	struct d4_queue *q = d4_queue_open(&where, fault);

	if (q == NULL) {
		diag("%s", fault);
		abort();
	}
	return q;
}

static bool
push(struct d4_queue *q, const char *text)
{
	return d4_queue_push(q, text, strlen(text)) == 0 &&
	    d4_queue_flush(q) == 0;
}

/* Takes the oldest and compares it. */
static bool
taken(struct d4_queue *q, struct d4_queue_item *item, const char *text)
{
	return d4_queue_take(q, item, 0) == 1 && item->len == strlen(text) &&
	    memcmp(item->data, text, item->len + 1) == 0;
}

static bool
popped(struct d4_queue *q, const char *text)
{
	struct d4_queue_item item;
	bool good = d4_queue_pop(q, &item, 0) == 1 &&
	    item.len == strlen(text) && memcmp(item.data, text, item.len) == 0;

	d4_queue_item_free(&item);
	return good;
}

static bool
empty(struct d4_queue *q)
{
	struct d4_queue_item item;

	return d4_queue_take(q, &item, 0) == 0 && d4_queue_length(q) == 0;
}

static int64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
nap(int ms)
{
	struct timespec t = { .tv_sec = ms / 1000,
	    .tv_nsec = (long)(ms % 1000) * 1000000 };

	(void)nanosleep(&t, NULL);
}

/* -- what both do ---------------------------------------------------------- */

static void
test_order(struct d4_queue *q)
{
	static const uint8_t any[] = { 0, 1, '\n', '\r', 0xff, 0 };
	struct d4_queue_item item;

	ok(empty(q), "%s: a new queue is empty", backend);
	ok(push(q, "one") && push(q, "two") && push(q, ""), "three pushes");
	is(d4_queue_push(q, any, sizeof(any)), 0, "one of any bytes");
	is(d4_queue_length(q), 4, "four wait");
	ok(popped(q, "one"), "the oldest is first,");
	ok(popped(q, "two"), "then the second,");
	ok(popped(q, ""), "one of no bytes");
	is(d4_queue_take(q, &item, 0), 1, "and the last");
	ok(item.len == sizeof(any) && memcmp(item.data, any, item.len) == 0 &&
	    item.data[item.len] == 0, "with all its bytes and a NUL");
	is(d4_queue_ack(q, &item), 0, "is done with");
	ok(empty(q), "then it is empty");
}

static void
test_hand(struct d4_queue *q)
{
	struct d4_queue_item a, b;
	struct d4_queue *other;

	ok(push(q, "a") && push(q, "b") && push(q, "c"), "%s: three more",
	    backend);
	ok(taken(q, &a, "a") && taken(q, &b, "b"), "two are taken");
	is(d4_queue_length(q), 1, "one waits");
	is(d4_queue_put_back(q, &a), 0, "the first goes back");
	ok(popped(q, "a"), "and is the oldest again");
	other = reopen();
	is(d4_queue_recover(other), 1, "what was in hand comes back");
	is(d4_queue_recover(other), 0, "once");
	is(d4_queue_ack(q, &b), -1, "it is in hand no more");
	ok(strstr(d4_queue_fault(q), ": ") != NULL, "said: %s",
	    d4_queue_fault(q));
	ok(popped(other, "b") && popped(other, "c") && empty(other),
	    "all in their order");
	ok(push(q, "d") && push(q, "e") && taken(q, &a, "d") &&
	    taken(q, &b, "e"), "two are taken");
	d4_queue_item_free(&a);
	d4_queue_item_free(&b);
	is(d4_queue_recover(other), 2, "both come back");
	ok(popped(q, "d") && popped(q, "e") && empty(q), "in their order");
	d4_queue_close(other);
}

static void
test_limit(struct d4_queue *q)
{
	char text[16];
	int i;

	d4_queue_limit(q, 10);
	for (i = 0; i < 100; i++) {
		(void)snprintf(text, sizeof(text), "item %d", i);
		if (d4_queue_push(q, text, strlen(text)) == -1)
			abort();
	}
	is(d4_queue_length(q), 10, "%s: ten of a hundred are kept", backend);
	is(d4_queue_dropped(q), 90, "ninety were dropped");
	ok(popped(q, "item 90"), "the oldest");
	ok(push(q, "item 100") && d4_queue_dropped(q) == 90,
	    "what was taken makes room");
	is(d4_queue_clear(q), 0, "all that waits is dropped");
	ok(empty(q), "and gone");
	ok(push(q, "last") && popped(q, "last"), "it goes on");
	d4_queue_limit(q, 0);
}

struct seen {
	char	text[64];
	size_t	n, most;
};

static int
on_item(void *arg, const uint8_t *data, size_t len)
{
	struct seen *s = arg;

	(void)snprintf(s->text + strlen(s->text), sizeof(s->text) -
	    strlen(s->text), "%.*s ", (int)len, (const char *)data);
	return ++s->n == s->most;
}

static void
test_look(struct d4_queue *q)
{
	struct seen s = { .most = 99 }, t = { .most = 2 };
	char text[16];
	int i;

	ok(push(q, "old") && push(q, "/a/b") && push(q, "new"),
	    "%s: three items", backend);
	is(d4_queue_peek(q, 2, on_item, &s), 0, "the newest two");
	ok(strcmp(s.text, "new /a/b ") == 0, "newest first");
	is(d4_queue_peek(q, 99, on_item, &t), 0, "of more, up to two");
	ok(strcmp(t.text, "new /a/b ") == 0, "it stops when told");
	is(d4_queue_has(q, "/a/b", 4), 1, "an item is found");
	is(d4_queue_has(q, "/a/", 3), 0, "its beginning is not,");
	is(d4_queue_has(q, "/a/c", 4), 0, "nor another");
	is(d4_queue_length(q), 3, "all stay");
	ok(popped(q, "old") && popped(q, "/a/b") &&
	    d4_queue_has(q, "/a/b", 4) == 0, "one taken waits no more");
	is(d4_queue_clear(q), 0, "cleared");
	for (i = 0; i <= D4_QUEUE_LOOK; i++) {
		(void)snprintf(text, sizeof(text), "%d", i);
		if (d4_queue_push(q, text, strlen(text)) == -1)
			abort();
	}
	is(d4_queue_has(q, "1", 1), 1, "the last of %d is found",
	    D4_QUEUE_LOOK);
	is(d4_queue_has(q, "0", 1), 0, "the one before is not");
	is(d4_queue_clear(q), 0, "cleared");
}

static void
test_long(struct d4_queue *q)
{
	size_t len = 3u << 20;
	char *data = malloc(D4_QUEUE_ITEM + 1);
	struct d4_queue_item item;

	memset(data, 'x', D4_QUEUE_ITEM + 1);
	is(d4_queue_push(q, data, D4_QUEUE_ITEM + 1), -1,
	    "%s: an item too long is refused", backend);
	is(d4_queue_push(q, data, len), 0, "one of 3 MiB is taken");
	ok(d4_queue_pop(q, &item, 0) == 1 && item.len == len &&
	    memcmp(item.data, data, len) == 0, "and comes back");
	d4_queue_item_free(&item);
	free(data);
}

/* Runs what in a child after a nap. */
static pid_t
later(int ms, void (*what)(struct d4_queue *))
{
	pid_t pid = fork();

	if (pid == 0) {
		struct d4_queue *q;

		nap(ms);
		q = reopen();
		what(q);
		d4_queue_close(q);
		_exit(0);
	}
	return pid;
}

static void
push_one(struct d4_queue *q)
{
	(void)push(q, "late");
}

static void
signal_parent(struct d4_queue *q)
{
	(void)q;
	(void)kill(getppid(), SIGUSR1);
}

static void
test_wait(struct d4_queue *q)
{
	struct d4_queue_item item;
	struct d4_queue *mine;
	int64_t from = now_ms(), took;
	pid_t pid;

	is(d4_queue_take(q, &item, 150), 0, "%s: none in time", backend);
	took = now_ms() - from;
	ok(took >= 140 && took < tap_time(900), "it took %d ms", (int)took);
	from = now_ms();
	pid = later(100, push_one);
	is(d4_queue_pop(q, &item, -1), 1, "one that comes later");
	took = now_ms() - from;
	ok(took >= 90 && took < tap_time(900), "it took %d ms", (int)took);
	ok(item.len == 4 && memcmp(item.data, "late", 4) == 0, "as it was");
	d4_queue_item_free(&item);
	(void)waitpid(pid, NULL, 0);

	from = now_ms();
	pid = later(100, signal_parent);
	is(d4_queue_take(q, &item, -1), 0, "a signal ends the waiting");
	took = now_ms() - from;
	ok(took >= 90 && took < tap_time(900), "it took %d ms", (int)took);
	ok(d4_stop_take_figures() && !d4_stop_wanted(), "this one");
	(void)alarm(0);		/* of the signal that was taken */
	d4_stop_drain();
	(void)waitpid(pid, NULL, 0);
	ok(push(q, "x") && d4_queue_length(q) <= 1 && popped(q, "x") &&
	    empty(q), "nothing is lost after it");

	/* What comes as one goes is not left in its hand. */
	mine = reopen();
	is(d4_queue_take(mine, &item, 50), 0, "none in time");
	ok(push(q, "y"), "one more");
	d4_queue_close(mine);
	ok(popped(q, "y") && empty(q) && d4_queue_recover(q) == 0,
	    "waits when the other has gone");
}

/* -- many at once ---------------------------------------------------------- */

#define PROCESSES	4

static void
push_many(struct d4_queue *q)
{
	char text[32];
	int i;

	for (i = 0; i < MANY / PROCESSES; i++) {
		(void)snprintf(text, sizeof(text), "%ld %d", (long)getpid(),
		    i);
		if (d4_queue_push(q, text, strlen(text)) == -1)
			_exit(1);
	}
	if (d4_queue_flush(q) == -1)
		_exit(1);
}

static void
take_many(struct d4_queue *q)
{
	struct d4_queue_item item;
	int n = 0;

	while (d4_queue_pop(q, &item, 500) == 1) {
		d4_queue_item_free(&item);
		n++;
	}
	_exit(n > 200 ? 200 : n);	/* few fit in a status */
}

/* Each item of each process comes once and in its order. */
static void
test_many(struct d4_queue *q)
{
	pid_t pid[PROCESSES];
	long next[PROCESSES] = { 0 }, from, at;
	struct d4_queue_item item;
	int i, n, status, failed = 0, wrong = 0;

	for (i = 0; i < PROCESSES; i++)
		pid[i] = later(0, push_many);
	for (n = 0; n < MANY && d4_queue_pop(q, &item, 10000) == 1; n++) {
		if (sscanf((char *)item.data, "%ld %ld", &from, &at) != 2)
			wrong++;
		for (i = 0; i < PROCESSES; i++) {
			if (pid[i] == from)
				wrong += at != next[i]++;
		}
		d4_queue_item_free(&item);
	}
	for (i = 0; i < PROCESSES; i++) {
		(void)waitpid(pid[i], &status, 0);
		failed += status != 0;
	}
	is(failed, 0, "%s: %d processes push at once", backend, PROCESSES);
	if (!ok(n == MANY, "all is taken"))
		diag("%d: %s", n, d4_queue_fault(q));
	is(wrong, 0, "in the order of each");
	ok(empty(q), "and no more");

	for (i = 0; i < 300; i++)
		(void)d4_queue_push(q, "x", 1);
	(void)d4_queue_flush(q);
	for (i = n = 0; i < 2; i++)
		pid[i] = later(0, take_many);
	for (i = 0; i < 2; i++) {
		(void)waitpid(pid[i], &status, 0);
		n += WEXITSTATUS(status);
	}
	ok(n >= 200 && n <= 300 && empty(q), "two take them all");
}

static void
push_for_ever(struct d4_queue *q)
{
	char text[1000];

	memset(text, 'k', sizeof(text));
	while (d4_queue_push(q, text, sizeof(text)) == 0)
		continue;
}

static void
test_kill(struct d4_queue *q)
{
	struct d4_queue_item item;
	int i, n = 0, wrong = 0;

	for (i = 0; i < 5; i++) {
		pid_t pid = later(0, push_for_ever);

		nap(sanitized ? 200 : 60);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
	nap(100);		/* the server may still read */
	while (n < 500 && d4_queue_pop(q, &item, 0) == 1) {
		wrong += item.len != 1000 || item.data[999] != 'k';
		d4_queue_item_free(&item);
		n++;
	}
	ok(n > 0, "%s: %d items of some that were killed", backend, n);
	is(wrong, 0, "are all whole");
	is(d4_queue_clear(q), 0, "cleared");
}

static void
test_names(void)
{
	struct d4_queue_where bad = where;
	char fault[D4_QUEUE_FAULT];

	bad.type = "../1";
	ok(d4_queue_open(&bad, fault) == NULL, "%s: no type: %s", backend,
	    fault);
	bad.type = "1";
	bad.uuid = "";
	ok(d4_queue_open(&bad, fault) == NULL, "no uuid: %s", fault);
}

static void
test_backend(void)
{
	struct d4_queue *q = reopen();

	test_order(q);
	test_hand(q);
	test_limit(q);
	test_look(q);
	test_long(q);
	test_wait(q);
	test_many(q);
	test_kill(q);
	test_names();
	d4_queue_close(q);
}

/* -- a directory ----------------------------------------------------------- */

/* The name of the only file in a part of the queue. */
static const char *
only(const char *part)
{
	static char name[256];
	DIR *dir = opendir(scratch_path("queues/1/" UUID "/%s", part));
	const struct dirent *e;

	name[0] = '\0';
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] != '.')
			(void)snprintf(name, sizeof(name), "%s", e->d_name);
	}
	(void)closedir(dir);
	return name;
}

static void
test_torn(struct d4_queue *q)
{
	ok(push(q, "half") && push(q, "whole"), "two items in a directory");
	ok(popped(q, "half"), "one is taken");
	ok(truncate(scratch_path("queues/1/" UUID "/new/%s", only("new")), 2)
	    == 0, "the other is cut short");
	is(d4_queue_has(q, "wh", 2), 0, "it is not found");
	ok(push(q, "next") && popped(q, "next"), "it is passed over");
	ok(empty(q) && d4_queue_recover(q) == 0, "and gone");
}

static void
test_foreign(struct d4_queue *q)
{
	const char *path = scratch_path("queues/1/" UUID "/new/by-hand");
	struct d4_queue_item item;

	ok(scratch_write(path, "moved here", 10) && popped(q, "moved here"),
	    "an item of another name");
	ok(mkdir(path, 0700) == 0 && d4_queue_take(q, &item, 0) == -1,
	    "no item: %s", d4_queue_fault(q));
	ok(empty(q), "is in nobody's way");
	ok(rmdir(scratch_path("queues/1/" UUID "/hand/by-hand")) == 0,
	    "but in hand");
}

static void
test_rest(struct d4_queue *q)
{
	struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };

	ok(scratch_write(scratch_path("queues/1/" UUID "/tmp/old"), "x", 1) &&
	    scratch_write(scratch_path("queues/1/" UUID "/tmp/new"), "x", 1) &&
	    utimensat(AT_FDCWD, scratch_path("queues/1/" UUID "/tmp/old"), old,
	    0) == 0, "two items half made");
	is(d4_queue_recover(q), 0, "are no items");
	ok(access(scratch_path("queues/1/" UUID "/tmp/old"), F_OK) == -1,
	    "the old one is cleared away");
	ok(unlink(scratch_path("queues/1/" UUID "/tmp/new")) == 0,
	    "the other is not");
}

/* Two with the same limit keep to it, but for an eighth. */
static void
test_limit_shared(struct d4_queue *q)
{
	struct d4_queue *other = reopen();
	int i, rc = 0;

	d4_queue_limit(q, 80);
	d4_queue_limit(other, 80);
	for (i = 0; i < 1000; i++) {
		rc |= d4_queue_push(q, "x", 1);
		rc |= d4_queue_push(other, "y", 1);
	}
	is(rc, 0, "two push to a limit");
	i = (int)d4_queue_length(q);
	ok(i >= 80 && i <= 90, "it keeps %d of 80", i);
	is(d4_queue_dropped(q) + d4_queue_dropped(other) + (uint64_t)i, 2000,
	    "the rest was dropped");
	d4_queue_close(other);
	d4_queue_limit(q, 0);
	is(d4_queue_clear(q), 0, "cleared");
}

static void
test_directory(void)
{
	struct d4_queue_where none = where, path = where;
	char fault[D4_QUEUE_FAULT], full[512];
	struct d4_queue *q = reopen(), *same;

	none.create = false;
	none.uuid = "none";
	ok(d4_queue_open(&none, fault) == NULL, "%s", fault);
	test_torn(q);
	test_foreign(q);
	test_rest(q);
	test_limit_shared(q);
	(void)snprintf(full, sizeof(full), "%s", scratch_path("queues/1/"
	    UUID));
	path = (struct d4_queue_where){ .path = full };
	ok((same = d4_queue_open(&path, fault)) != NULL && push(q, "a") &&
	    popped(same, "a"), "it is the same by its path");
	d4_queue_close(same);
	path = (struct d4_queue_where){ .store = scratch, .type = "1",
	    .uuid = UUID };
	ok((same = d4_queue_open(&path, fault)) != NULL && push(q, "a") &&
	    popped(same, "a"), "and by its store");
	d4_queue_close(same);
	ok(scratch_write(scratch_path("queues/1/" UUID "/max_size"), "3\n", 2),
	    "a limit in its definition");
	same = reopen();
	ok(push(same, "a") && push(same, "b") && push(same, "c") &&
	    push(same, "d") && d4_queue_length(same) == 3, "is kept to");
	d4_queue_close(same);
	is(d4_queue_clear(q), 0, "cleared");
	(void)nftw(full, scratch_on_entry, 16, FTW_DEPTH | FTW_PHYS);
	ok(!push(q, "x"), "removed: %s", d4_queue_fault(q));
	d4_queue_close(q);
}

/* -- Redis ----------------------------------------------------------------- */

static bool
command(int argc, const char *const argv[])
{
	struct d4_redis *r = d4_redis_new(&server, NULL, NULL);
	struct d4_redis_reply reply;
	bool good = d4_redis_connect(r, REDIS_MS) == 0 &&
	    d4_redis_call(r, &reply, REDIS_MS, argc, argv, NULL) == 0 &&
	    reply.kind != D4_REDIS_ERROR;

	d4_redis_free(r);
	return good;
}

/* As d4-core's workers push and its analyzers pop. */
static void
test_core(struct d4_queue *q)
{
	static const char *const in[] = { "LPUSH", KEY,
	    "by a worker" };
	static const char *const out[] = { "RPOP", KEY };

	ok(command(3, in) && popped(q, "by a worker"), "d4-core's is taken");
	ok(push(q, "x") && command(2, out) && empty(q), "it takes ours");
}

/* What was pushed goes out once, whether the server took it and its answer was
 * lost, or not. */
static void
test_redis_lost(const char *dir)
{
	struct d4_queue *q = reopen();
	char path[256];

	(void)d4_queue_clear(q);
	ok(push(q, "a"), "an item");
	is(kill(redis_pid, SIGSTOP), 0, "the server stands still");
	ok(d4_queue_push(q, "b", 1) == 0 && d4_queue_push(q, "c", 1) == 0 &&
	    d4_queue_flush(q) == -1, "two more: %s", d4_queue_fault(q));
	(void)kill(redis_pid, SIGCONT);
	ok(push(q, "d"), "it goes on, and gets one more");
	ok(popped(q, "a") && popped(q, "b") && popped(q, "c") &&
	    popped(q, "d"), "all are there, in order");
	is(d4_queue_length(q), 0, "and none twice");
	d4_queue_limit(q, 2);
	ok(push(q, "a") && push(q, "b") && push(q, "c"), "three of two");
	is(kill(redis_pid, SIGSTOP), 0, "the server stands still");
	ok(d4_queue_push(q, "d", 1) == 0 && d4_queue_flush(q) == -1,
	    "one more: %s", d4_queue_fault(q));
	(void)kill(redis_pid, SIGCONT);
	is(d4_queue_flush(q), 0, "it goes on");
	is(d4_queue_dropped(q), 2, "what was dropped meanwhile is counted");
	ok(popped(q, "c") && popped(q, "d"), "the newest are there");
	d4_queue_limit(q, 0);
	ok(d4_queue_push(q, "e", 1) == 0 && d4_queue_push(q, "f", 1) == 0,
	    "two that it has not got");
	redis_stop(SIGKILL);
	ok(d4_queue_flush(q) == -1, "when it dies: %s", d4_queue_fault(q));
	redis_start(dir, "", path);
	is(d4_queue_flush(q), 0, "it is back");
	ok(popped(q, "e") && popped(q, "f"), "and has them");
	is(d4_queue_length(q), 0, "once");
	d4_queue_close(q);
}

static void
test_redis_faults(const char *dir)
{
	static const char *const set[] = { "SET", "analyzer:1:text", "x" };
	struct d4_queue_where text = where;
	char fault[D4_QUEUE_FAULT], path[256];
	struct d4_queue *q = reopen();
	struct d4_queue_item item;
	int64_t from;

	text.uuid = "text";
	ok(command(3, set) && d4_queue_open(&text, fault) == NULL,
	    "another type: %s", fault);
	is(d4_queue_take(q, &item, 50), 0, "a take is under way");
	redis_stop(SIGKILL);
	ok(!push(q, "x"), "the server dies: %s", d4_queue_fault(q));
	from = now_ms();
	ok(!push(q, "x") && !push(q, "y") && now_ms() - from < tap_time(500),
	    "it is not asked each time");
	redis_start(dir, "", path);
	nap(1100);
	ok(push(q, "z") && popped(q, "z"), "then it is back");
	d4_queue_close(q);
	redis_stop(SIGKILL);
	ok(d4_queue_open(&where, fault) == NULL, "none is there: %s", fault);
}

static void
test_redis(void)
{
	char text[256];
	const char *why;
	struct d4_queue *q;

	redis_start(scratch, "", text);
	if (d4_redis_parse(&server, text, &why) == -1)
		abort();
	backend = "Redis";
	where = (struct d4_queue_where){ .redis = &server, .type = "1",
	    .uuid = UUID };
	test_backend();
	q = reopen();
	test_core(q);
	d4_queue_close(q);
	test_redis_lost(scratch);
	test_redis_faults(scratch);
}

int
main(void)
{
	const char *sanitize = getenv("D4_SANITIZE");
	char queues[128];

	sanitized = sanitize != NULL && *sanitize != '\0';
	if (scratch_make() == -1 || d4_stop_install(false) == -1)
		return 1;
	(void)snprintf(queues, sizeof(queues), "%s/queues", scratch);
	backend = "directory";
	where = (struct d4_queue_where){ .queues = queues, .type = "1",
	    .uuid = UUID, .create = true };
	test_backend();
	test_directory();
	if (redis_installed())
		test_redis();
	else
		skip("redis-server is not installed");
	scratch_remove();
	return tap_done();
}
