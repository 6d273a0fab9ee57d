/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "lib/redis.h"
#include "t/unit/redis-server.h"
#include "t/unit/tap.h"

static char dir[] = "/tmp/d4-redis.XXXXXX";
static char where[256];

static void
test_parse(void)
{
	static const struct {
		const char *text;
		const char *shown;	/* NULL: refused */
	} all[] = {
		{ "localhost:6379/0", "localhost:6379/0" },
		{ "redis:127.0.0.1:6380/2", "127.0.0.1:6380/2" },
		{ "redis:6380/2", "redis:6380/2" },
		{ "redis:redis:6380/2", "redis:6380/2" },
		{ "[::1]:6379/15", "[::1]:6379/15" },
		{ "/run/redis/sock/3", "unix:/run/redis/sock/3" },
		{ "unix:/run/redis/sock/3", "unix:/run/redis/sock/3" },
		{ "localhost:6379", NULL },
		{ "localhost:6379/", NULL },
		{ "localhost:6379/x", NULL },
		{ "localhost:6379/1x", NULL },
		{ "localhost:6379/-1", NULL },
		{ "localhost:6379/99999999999999999999", NULL },
		{ "localhost/0", NULL },
		{ "localhost:0/0", NULL },
		{ "/0", NULL },
		{ "", NULL },
	};
	struct d4_redis_addr a;
	char text[D4_REDIS_NAME];
	const char *why;
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		int rc = d4_redis_parse(&a, all[i].text, &why);

		if (all[i].shown == NULL) {
			is(rc, -1, "\"%s\" is refused", all[i].text);
			continue;
		}
		d4_redis_text(&a, text);
		ok(rc == 0 && strcmp(text, all[i].shown) == 0, "\"%s\" is %s",
		    all[i].text, all[i].shown);
	}
}

static struct d4_redis *
make(const char *user, const char *password)
{
	struct d4_redis_addr addr;
	const char *why;

	if (d4_redis_parse(&addr, where, &why) == -1)
		abort();
	return d4_redis_new(&addr, user, password);
}

static void
test_login(void)
{
	struct d4_redis *r = make(NULL, "wrong");

	is(d4_redis_connect(r, REDIS_MS), -1, "a wrong password is refused");
	ok(strncmp(d4_redis_why(r), "login: WRONGPASS", 16) == 0, "for that");
	d4_redis_free(r);
	r = make("default", "secret");
	is(d4_redis_connect(r, REDIS_MS), 0, "user and password");
	d4_redis_free(r);
	r = make(NULL, NULL);
	is(d4_redis_connect(r, REDIS_MS), -1, "no password is refused");
	ok(strstr(d4_redis_why(r), "NOAUTH") != NULL, "for that");
	d4_redis_free(r);
}

static void
test_commands(struct d4_redis *r)
{
	const char *push[] = { "RPUSH", "list", "a\0b", "", "c\r\n" };
	const char *range[] = { "LRANGE", "list", "0", "-1" };
	const char *get[] = { "GET", "list" };
	const char *none[] = { "GET", "none" };
	size_t len[] = { 5, 4, 3, 0, 3 };
	struct d4_redis_reply reply, e;

	ok(d4_redis_send(r, 5, push, len) == 0 &&
	    d4_redis_send(r, 4, range, NULL) == 0 &&
	    d4_redis_send(r, 2, get, NULL) == 0 &&
	    d4_redis_send(r, 2, none, NULL) == 0, "four commands at once");
	is(d4_redis_wait(r, &reply, REDIS_MS), 0, "the first reply");
	ok(reply.kind == D4_REDIS_INTEGER && reply.number == 3, "a number");
	is(d4_redis_wait(r, &reply, REDIS_MS), 0, "the second");
	ok(reply.kind == D4_REDIS_ARRAY && reply.n == 3, "an array");
	d4_redis_element(&reply, 0, &e);
	ok(e.kind == D4_REDIS_STRING && e.len == 3 &&
	    memcmp(e.text, "a\0b", 4) == 0, "of a string with a NUL,");
	d4_redis_element(&reply, 1, &e);
	ok(e.kind == D4_REDIS_STRING && e.len == 0, "an empty one,");
	d4_redis_element(&reply, 2, &e);
	ok(e.len == 3 && memcmp(e.text, "c\r\n", 3) == 0, "a CR and a LF");
	d4_redis_element(&reply, 3, &e);
	ok(e.kind == D4_REDIS_NIL && *e.text == '\0', "and nothing behind");
	is(d4_redis_wait(r, &reply, REDIS_MS), 0, "the third");
	ok(reply.kind == D4_REDIS_ERROR &&
	    strncmp(reply.text, "WRONGTYPE", 9) == 0, "an error");
	is(d4_redis_wait(r, &reply, REDIS_MS), 0, "the fourth");
	is(reply.kind, D4_REDIS_NIL, "nothing");
	is(d4_redis_next(r, &reply), 0, "no more, and it does not block");
	is(d4_redis_call(r, &reply, REDIS_MS, 2, none, NULL), 0, "a call");
	is(reply.kind, D4_REDIS_NIL, "has its reply");
}

/* Commands as they are: more than the kernel takes at once, each in parts. */
static void
test_write(struct d4_redis *r)
{
	static char big[(size_t)8 << 20];
	char head[64], tail[] = "\r\n*2\r\n$6\r\nSTRLEN\r\n$1\r\nk\r\n";
	struct iovec iov[3] = { { .iov_base = head }, { .iov_base = big,
	    .iov_len = sizeof(big) }, { .iov_base = tail,
	    .iov_len = sizeof(tail) - 1 } };
	struct d4_redis_reply reply;
	size_t all, sent = 0;
	const char *get[] = { "GET", "k" };
	int i = 0, parts = 0, others = 0;
	struct pollfd pfd;
	ssize_t n;

	iov[0].iov_len = (size_t)snprintf(head, sizeof(head),
	    "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%zu\r\n", sizeof(big));
	memset(big, 'x', sizeof(big));
	all = iov[0].iov_len + iov[1].iov_len + iov[2].iov_len;
	while (sent < all && (n = d4_redis_write(r, iov + i, 3 - i)) != -1) {
		sent += (size_t)n;
		parts++;
		while (i < 3 && (size_t)n >= iov[i].iov_len)
			n -= (ssize_t)iov[i++].iov_len;
		if (i == 3)
			break;
		iov[i].iov_base = (char *)iov[i].iov_base + n;
		iov[i].iov_len -= (size_t)n;
		d4_redis_poll(r, &pfd);
		others += pfd.events != POLLOUT;
		(void)poll(&pfd, 1, REDIS_MS);
	}
	ok(sent == all && parts > 1, "8 MiB are written in %d parts", parts);
	is(others, 0, "between which room is all that is waited for");
	d4_redis_poll(r, &pfd);
	is(pfd.events, POLLIN, "and replies after them");
	ok(d4_redis_wait(r, &reply, REDIS_MS) == 0 &&
	    reply.kind == D4_REDIS_STATUS, "they are a command");
	ok(d4_redis_wait(r, &reply, REDIS_MS) == 0 &&
	    reply.number == (long long)sizeof(big), "and one more");
	ok(d4_redis_call(r, &reply, REDIS_MS, 2, get, NULL) == 0 &&
	    reply.len == sizeof(big) &&
	    memcmp(reply.text, big, sizeof(big)) == 0, "they are read so");
}

static void
test_failures(struct d4_redis *r)
{
	const char *wait[] = { "BLPOP", "nothing", "2" };
	const char *ping[] = { "PING" };
	struct d4_redis_reply reply;
	struct pollfd pfd;

	(void)d4_redis_send(r, 3, wait, NULL);
	is(d4_redis_wait(r, &reply, 50), -1, "no reply in time is a failure");
	ok(strcmp(d4_redis_why(r), "no answer in time") == 0, "for that");
	ok(!d4_redis_ready(r), "which closes the connection");
	d4_redis_poll(r, &pfd);
	is(pfd.fd, -1, "so there is nothing to wait for");
	is(d4_redis_send(r, 1, ping, NULL), -1, "nor to send to");
	ok(d4_redis_call(r, &reply, REDIS_MS, 1, ping, NULL) == -1 &&
	    strcmp(d4_redis_why(r), "not connected") == 0, "nor to call");
	is(d4_redis_connect(r, REDIS_MS), 0, "it can be made again");
	redis_stop(SIGKILL);
	(void)d4_redis_send(r, 1, ping, NULL);
	is(d4_redis_wait(r, &reply, REDIS_MS), -1, "the server dies");
	ok(d4_redis_why(r)[0] != '\0', "said: %s", d4_redis_why(r));
	is(d4_redis_connect(r, REDIS_MS), -1, "and is not there");
	ok(d4_redis_why(r)[0] != '\0', "said: %s", d4_redis_why(r));
	redis_start(dir, "secret", where);
	is(d4_redis_connect(r, REDIS_MS), 0, "until it is back");
}

int
main(void)
{
	struct d4_redis *r;
	char command[128];

	test_parse();
	if (!redis_installed()) {
		skip("redis-server is not installed");
		return tap_done();
	}
	(void)signal(SIGPIPE, SIG_IGN);
	tap_limit(120);
	if (mkdtemp(dir) == NULL)
		return 1;
	redis_start(dir, "secret", where);
	test_login();
	r = make(NULL, "secret");
	is(d4_redis_connect(r, REDIS_MS), 0, "a password alone");
	test_commands(r);
	test_write(r);
	test_failures(r);
	d4_redis_free(r);
	redis_stop(SIGTERM);
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command) != 0)
		return 1;
	return tap_done();
}
