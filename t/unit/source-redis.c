/* SPDX-License-Identifier: ISC */
#include <fcntl.h>
#include <stdarg.h>

#include "t/unit/collect.h"
#include "t/unit/redis-server.h"
#include "t/unit/tap.h"

#define LIST	"analyzer:8:queue"
#define OWN	LIST ":d4:sensor"

static char where[256];
static struct d4_redis *side;		/* a connection of the test's own */
static int said = -1;			/* what went to stderr */

/* A command of plain words, up to a NULL; its reply is a number, or 0. */
static long long
redis(const char *word, ...)
{
	const char *words[8];
	struct d4_redis_reply reply;
	va_list ap;
	int n = 0;

	va_start(ap, word);
	for (; word != NULL; word = va_arg(ap, const char *))
		words[n++] = word;
	va_end(ap);
	if (!d4_redis_ready(side) && d4_redis_connect(side, REDIS_MS) == -1)
		abort();
	if (d4_redis_send(side, n, words, NULL) == -1 ||
	    d4_redis_wait(side, &reply, REDIS_MS) == -1)
		abort();
	return reply.number;
}

static void
push_bytes(const void *bytes, size_t len)
{
	const char *words[] = { "LPUSH", LIST, bytes };
	size_t lens[] = { 5, strlen(LIST), len };
	struct d4_redis_reply reply;

	if (d4_redis_send(side, 3, words, lens) == -1 ||
	    d4_redis_wait(side, &reply, REDIS_MS) == -1)
		abort();
}

/* Pushes the numbers from a up to b as d4-core does, at the head. */
static void
push_numbers(int a, int b)
{
	char text[16];

	for (; a < b; a++) {
		(void)snprintf(text, sizeof(text), "%d", a);
		(void)redis("LPUSH", LIST, text, NULL);
	}
}

static const char *
numbers(int a, int b)
{
	static char text[65536];
	size_t n = 0;

	for (text[0] = '\0'; a < b; a++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%d\n", a);
	return text;
}

static long long
length(const char *list)
{
	return redis("LLEN", list, NULL);
}

/* Waits until there are so many. */
static bool
becomes(struct source *src, const char *list, long long want)
{
	long long until = now_ms() + SOON;

	while (length(list) != want && now_ms() < until)
		(void)collect(src, 1, 1, 20, NULL);
	if (length(list) != want)
		diag("%s: %lld", list, length(list));
	return length(list) == want;
}

static struct source *
open_list(const char *server)
{
	static char text[256];
	struct source_settings s = {
		.source = "d4server", .redis = text, .queue = LIST,
		.consumer = "sensor"
	};
	struct source *src;
	char why[SOURCE_WHY];

	(void)snprintf(text, sizeof(text), "%s", server);
	if ((src = source_open(&s, why)) == NULL)
		printf("# %s\n", why);
	return src;
}

static const char *
get(struct source *src, const char *want, size_t slice)
{
	return collect(src, strlen(want), slice, SOON, NULL);
}

/* The lines that went to stderr since the last time. */
static int
lines_said(const char *with)
{
	static off_t at;
	char text[4096];
	ssize_t n = pread(said, text, sizeof(text) - 1, at);
	char *line;
	int lines = 0;

	text[n < 0 ? 0 : n] = '\0';
	at += n < 0 ? 0 : n;
	for (line = strtok(text, "\n"); line != NULL;
	    line = strtok(NULL, "\n")) {
		lines++;
		if (strstr(line, with) == NULL)
			diag("said: %s", line);
	}
	return lines;
}

static void
test_settings(void)
{
	ok(open_list("localhost") == NULL, "a wrong redis_d4 is a fault");
}

static void
test_order(void)
{
	struct source *src;
	char tcp[64];

	(void)snprintf(tcp, sizeof(tcp), "127.0.0.1:%u/0", redis_port);
	src = open_list(tcp);
	is(source_fd(src), -1, "a list is no descriptor");
	push_numbers(0, 1000);
	ok(same(get(src, numbers(0, 1000), 17), numbers(0, 1000)),
	    "the oldest first, over TCP");
	is(length(OWN), 1000, "kept until they are sent");
	is(source_mark(src), strlen(numbers(0, 1000)), "the mark, in bytes");
	source_sent(src, strlen(numbers(0, 300)));
	ok(becomes(src, OWN, 700), "gone as they are");
	source_sent(src, strlen(numbers(0, 301)) - 1);
	nap(50);
	ok(becomes(src, OWN, 700), "not when the newline is missing");
	source_sent(src, source_mark(src));
	source_close(src);
	is(length(OWN), 0, "the last ones on closing");
	is(length(LIST), 0, "nothing is left");
}

static void
test_idle(void)
{
	struct source *src = open_list(where);
	long long until, start;
	int calls = 0;

	(void)collect(src, 1, 1, 100, NULL);
	until = now_ms() + 1000;
	while (now_ms() < until) {
		struct pollfd pfd;
		int wait = source_poll(src, &pfd);

		(void)poll(&pfd, 1, wait < 1000 ? wait : 1000);
		(void)source_read(src, got, 1);
		calls++;
	}
	ok(calls <= 4, "sleeps while the list is empty (%d calls)", calls);
	start = now_ms();
	push_numbers(0, 1);
	ok(same(get(src, "0\n", 10), "0\n"), "wakes up");
	ok(now_ms() - start < tap_time(1000), "at once");
	push_numbers(1, 2);
	ok(same(get(src, "1\n", 10), "1\n"), "also while one is not sent");
	source_sent(src, source_mark(src));
	source_close(src);
	is(length(OWN), 0, "both are gone");
}

static void
test_bytes(void)
{
	enum { BIG = 5000000 };
	static uint8_t big[BIG];
	struct source *src = open_list(where);
	size_t i, n, alike;

	for (i = 0; i < BIG; i++)
		big[i] = (uint8_t)(i * i >> 7);
	push_bytes("\0\n\r\xff", 4);
	push_bytes("", 0);
	push_bytes(big, BIG);
	push_bytes("end", 3);
	n = 4 + 1 + 1 + BIG + 1 + 4;
	(void)collect(src, n, 65536, SOON * 2, NULL);
	is(source_mark(src), n, "binary, empty and big items");
	alike = memcmp(got, "\0\n\r\xff\n\n", 6) == 0;
	alike += memcmp(got + 6, big, BIG) == 0;
	alike += memcmp(got + 6 + BIG, "\nend\n", 5) == 0;
	is(alike, 3, "as they are");
	source_sent(src, source_mark(src));
	ok(becomes(src, OWN, 0), "and gone");
	push_numbers(7, 8);
	push_numbers(7, 8);
	push_numbers(7, 8);
	ok(same(get(src, "7\n7\n7\n", 10), "7\n7\n7\n"), "three equal ones");
	source_sent(src, n + 4);
	ok(becomes(src, OWN, 1), "of which two are sent");
	source_close(src);
	src = open_list(where);
	push_numbers(8, 9);
	ok(same(get(src, "7\n8\n", 10), "7\n8\n"), "the third comes again");
	source_sent(src, source_mark(src));
	source_close(src);
	is(length(OWN), 0, "all are gone");
}

/* Between hand-out and sent. */
static void
test_crash(void)
{
	struct source *src;
	pid_t pid;

	push_numbers(0, 500);
	if ((pid = fork()) == 0) {
		src = open_list(where);
		(void)collect(src, strlen(numbers(0, 400)), 100, SOON, NULL);
		source_sent(src, strlen(numbers(0, 100)));
		(void)collect(src, ROOM, 100, 300, NULL);
		(void)raise(SIGKILL);
	}
	(void)waitpid(pid, NULL, 0);
	ok(length(OWN) >= 300 && length(OWN) + length(LIST) == 400,
	    "a crash left what was not sent");
	push_numbers(500, 600);
	src = open_list(where);
	ok(same(get(src, numbers(100, 600), 1000), numbers(100, 600)),
	    "comes again, first and in order");
	source_sent(src, source_mark(src));
	source_close(src);
	is(length(OWN) + length(LIST), 0, "nothing is left");
}

static void
test_restart(void)
{
	struct source *src = open_list(where);
	const char *rest;

	push_numbers(0, 500);
	(void)collect(src, strlen(numbers(0, 200)) - 1, 100, SOON, NULL);
	source_sent(src, strlen(numbers(0, 50)));
	redis_stop(SIGKILL);
	source_sent(src, strlen(numbers(0, 100)));
	is(source_mark(src), strlen(numbers(0, 200)) - 1, "in mid-item");
	d4_redis_drop(side);
	redis_start(dir, "", where);
	push_numbers(500, 600);
	rest = numbers(199, 600) + 3;
	ok(same(get(src, rest, 100), rest),
	    "none lost, none twice, over a restart of Redis");
	source_sent(src, source_mark(src));
	ok(becomes(src, OWN, 0), "all are gone");
	is(lines_said("redis/0"), 2, "said: away, and there again");
	source_close(src);
}

static void
test_lost_reply(void)
{
	struct source *src = open_list(where);

	push_numbers(0, 3);
	(void)collect(src, 6, 10, SOON, NULL);
	/* As if they had been moved and the connection had died then. */
	(void)redis("LPUSH", OWN, "2", NULL);
	(void)redis("LPUSH", OWN, "3", NULL);
	(void)redis("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", NULL);
	push_numbers(4, 5);
	ok(same(get(src, "2\n3\n4\n", 10), "2\n3\n4\n"),
	    "items whose replies were lost are found, also one seen before");
	source_sent(src, source_mark(src));
	ok(becomes(src, OWN, 0), "all are gone");
	is(lines_said("redis/0"), 2, "said: away, and there again");
	source_close(src);
}

/* A server that comes back empty: what was taken is still sent. */
static void
test_forgetful(void)
{
	struct source *src = open_list(where);

	push_numbers(0, 100);
	(void)collect(src, 2, 2, SOON, NULL);
	ok(becomes(src, LIST, 0), "all are taken");
	(void)collect(src, 1, 1, 0, NULL);
	(void)redis("FLUSHALL", NULL);
	(void)redis("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", NULL);
	push_numbers(100, 110);
	(void)collect(src, ROOM, 1000, 2500, NULL);
	ok(strstr(got, numbers(50, 110)) != NULL, "all come out");
	source_sent(src, source_mark(src));
	ok(becomes(src, OWN, 0), "all are gone");
	(void)lines_said("redis/0");
	source_close(src);
}

static void
test_refused(void)
{
	struct source *src;

	(void)redis("SET", LIST, "not a list", NULL);
	src = open_list(where);
	ok(same(collect(src, 1, 1, 3500, NULL), ""), "not a list");
	is(lines_said("WRONGTYPE"), 1, "said once");
	(void)redis("DEL", LIST, NULL);
	push_numbers(0, 1);
	ok(same(get(src, "0\n", 10), "0\n"), "until it is one");
	is(lines_said("again after"), 1, "which is said");
	source_sent(src, source_mark(src));
	source_close(src);
	is(length(OWN), 0, "gone");
}

static void
test_comes_late(void)
{
	struct source *src;

	redis_stop(SIGTERM);
	d4_redis_drop(side);
	src = open_list(where);
	ok(src != NULL, "the server need not be there yet");
	ok(same(collect(src, 1, 1, 1500, NULL), ""), "it waits");
	is(lines_said(": "), 1, "and says so, once");
	redis_start(dir, "", where);
	push_numbers(0, 1);
	ok(same(get(src, "0\n", 10), "0\n"), "until it is");
	source_sent(src, source_mark(src));
	source_close(src);
	is(length(OWN), 0, "gone");
}

int
main(void)
{
	struct d4_redis_addr addr;
	char command[128];
	const char *why;

	if (!redis_installed()) {
		skip("redis-server is not installed");
		return tap_done();
	}
	(void)signal(SIGPIPE, SIG_IGN);
	tap_limit(240);
	(void)snprintf(dir, sizeof(dir), "/tmp/d4-source.XXXXXX");
	if (mkdtemp(dir) == NULL)
		return 1;
	redis_start(dir, "", where);
	if (d4_redis_parse(&addr, where, &why) == -1 ||
	    (side = d4_redis_new(&addr, NULL, NULL)) == NULL ||
	    (said = open(in_dir("stderr"), O_RDWR | O_CREAT, 0600)) == -1 ||
	    dup2(said, STDERR_FILENO) == -1)
		return 1;
	test_settings();
	test_order();
	test_idle();
	test_bytes();
	test_crash();
	test_restart();
	test_lost_reply();
	test_forgetful();
	test_refused();
	test_comes_late();
	d4_redis_free(side);
	redis_stop(SIGTERM);
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command) != 0)
		return 1;
	return tap_done();
}
