/* SPDX-License-Identifier: ISC */
#include <sys/socket.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "d4/link.h"
#include "t/unit/tap.h"

static int listener;
static uint16_t port;

static long long
now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static struct link *
make(void)
{
	struct link_settings s = { .fd = -1 };
	struct link *l;

	s.addr.kind = D4_NET_TCP;
	s.addr.port = port;
	memcpy(s.addr.host, "127.0.0.1", 10);
	if ((l = link_new(&s)) == NULL)
		abort();
	return l;
}

/* Goes on until it is in that state, for so long. */
static bool
reaches(struct link *l, enum link_state want, int ms)
{
	long long end = now_ms() + ms;
	struct pollfd pfd;
	int n;

	while (link_step(l) != want) {
		if (now_ms() >= end)
			return false;
		n = link_poll(l, false, &pfd);
		(void)poll(&pfd, (nfds_t)n, 10);
	}
	return true;
}

/* A link that is up, and its peer. */
static struct link *
connected(int *peer)
{
	struct sockaddr_storage sa;
	struct pollfd pfd = { .fd = listener, .events = POLLIN };
	struct link *l = make();

	if (link_dial(l) == -1 || !reaches(l, LINK_UP, 5000) ||
	    poll(&pfd, 1, 5000) != 1 ||
	    (*peer = d4_net_accept(listener, &sa)) == -1)
		abort();
	return l;
}

/* As read(2), which waits. */
static ssize_t
hear(int peer, void *buf, size_t len)
{
	struct pollfd pfd = { .fd = peer, .events = POLLIN };

	(void)poll(&pfd, 1, 5000);
	return read(peer, buf, len);
}

/* Goes on until so much was sent.  Returns how much. */
static size_t
reports(struct link *l, size_t want)
{
	long long end = now_ms() + 5000;
	struct pollfd pfd;
	size_t sent = 0;

	while (sent < want && now_ms() < end) {
		(void)poll(&pfd, (nfds_t)link_poll(l, false, &pfd), 100);
		(void)link_step(l);
		sent += link_sent(l);
	}
	return sent;
}

static int
descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (dir != NULL && readdir(dir) != NULL)
		n++;
	if (dir != NULL)
		(void)closedir(dir);
	return n;
}

static void
test_life(void)
{
	char text[16] = "";
	struct link *l;
	int peer;

	l = make();
	is(link_state(l), LINK_DOWN, "a new link is down");
	link_free(l);
	l = connected(&peer);
	is(link_write(l, "hello", 5), 5, "it takes bytes");
	is(hear(peer, text, sizeof(text)), 5, "the peer gets them");
	is(reports(l, 5), 5, "they are said to be sent");
	is(link_sent(l), 0, "once");
	is(write(peer, "what?", 5), 5, "what the peer says");
	is(link_step(l), LINK_UP, "is not listened to");
	link_close(l, 5000);
	is(link_state(l), LINK_CLOSING, "we end");
	is(hear(peer, text, sizeof(text)), 0, "the peer hears it");
	(void)close(peer);
	ok(reaches(l, LINK_CLOSED, 1000), "its end is the end");
	link_free(l);
	link_free(NULL);
}

static void
test_loss(void)
{
	struct linger reset = { .l_onoff = 1 };
	struct link *l;
	char text[16];
	int peer;

	l = connected(&peer);
	(void)close(peer);
	ok(reaches(l, LINK_DOWN, 1000), "a peer that leaves is missed");
	ok(strcmp(link_why(l), "closed by the peer") == 0, "%s", link_why(l));
	link_free(l);

	l = connected(&peer);
	(void)setsockopt(peer, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	(void)close(peer);
	ok(reaches(l, LINK_DOWN, 1000), "and one that resets");
	ok(strcmp(link_why(l), "Connection reset by peer") == 0, "%s",
	    link_why(l));
	link_free(l);

	/* It has not read what we sent: that is a reset too. */
	l = connected(&peer);
	(void)link_write(l, "hello", 5);
	usleep(20000);
	link_close(l, 5000);
	(void)close(peer);
	ok(reaches(l, LINK_DOWN, 1000), "and one that ends without reading");
	link_free(l);

	/* It has read all of it, and yet that is no answer. */
	l = connected(&peer);
	(void)link_write(l, "hello", 5);
	link_close(l, 5000);
	while (hear(peer, text, sizeof(text)) > 0)
		continue;
	(void)setsockopt(peer, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	(void)close(peer);
	ok(reaches(l, LINK_DOWN, 1000), "and one that resets behind our end");
	ok(strcmp(link_why(l), "Connection reset by peer") == 0, "%s",
	    link_why(l));
	link_free(l);
}

static void
test_silence(void)
{
	struct link *l;
	int peer;

	l = connected(&peer);
	(void)link_write(l, "hello", 5);
	link_close(l, 200);
	usleep(250000);
	is(link_step(l), LINK_CLOSED, "a peer that never answers has what its "
	    "system has");
	(void)close(peer);
	link_free(l);
}

/* Bytes are lent: they go out in order, from many places, and what the peer
 * has no room for stays ours. */
static void
test_lent(void)
{
	enum { LEN = 8 << 20 };
	static uint8_t data[LEN], got[LEN];
	size_t at, len, in = 0, sent = 0, n = 0;
	struct link *l;
	int peer;
	ssize_t rc;

	for (at = 0; at < LEN; at++)
		data[at] = (uint8_t)(at * 2654435761u >> 13);
	l = connected(&peer);
	for (at = 0; at < LEN; at += len) {
		len = at % 3 == 0 ? 70000 : 1 + at % 999;
		len = len < LEN - at ? len : LEN - at;
		if (link_write(l, data + at, len) == 0)
			break;
	}
	is(at, LEN, "bytes that lie together are one loan");
	while (in < LEN) {
		(void)link_step(l);
		sent += link_sent(l);
		if ((rc = hear(peer, got + in, 100000)) <= 0)
			break;
		in += (size_t)rc;
	}
	ok(in == LEN && memcmp(data, got, LEN) == 0, "all of it arrives");
	is(sent + reports(l, LEN - sent), LEN, "and is said to be sent");
	link_free(l);
	(void)close(peer);

	l = connected(&peer);
	for (n = 0; n < 1000 && link_write(l, data + 4096 * (n % 2000),
	    2000) == 2000; n++)
		continue;
	ok(n >= 8, "places apart are several: %zu", n);
	at = reports(l, 2000 * n);
	is(at, 2000 * n, "they are sent");
	is(link_write(l, data, 2000), 2000, "and there is room again");
	link_free(l);
	(void)close(peer);

	/* Nobody reads. */
	l = connected(&peer);
	is(link_write(l, data, LEN), LEN, "more than the system takes");
	(void)reaches(l, LINK_DOWN, 300);
	sent = link_sent(l);
	ok(sent > 0 && sent < LEN, "is sent in part: %zu", sent);
	(void)close(peer);
	ok(reaches(l, LINK_DOWN, 1000), "the link is lost");
	ok(sent + link_sent(l) < LEN, "the rest with it");
	link_free(l);

	/* Given up, nothing lent is in use. */
	l = connected(&peer);
	(void)link_write(l, data, LEN);
	link_free(l);
	memcpy(got, data, LEN);
	memset(data, 0, LEN);
	for (in = 0; (rc = hear(peer, data, LEN - in)) > 0; in += (size_t)rc) {
		if (memcmp(data, got + in, (size_t)rc) != 0)
			break;
	}
	ok(rc <= 0, "what arrived of a link given up is as it was: %zu", in);
	(void)close(peer);
}

static void
test_flood(void)
{
	static char junk[1 << 20];
	long long begin;
	struct link *l;
	int peer, n = 0;

	l = connected(&peer);
	begin = now_ms();
	while (now_ms() - begin < tap_time(300)) {
		(void)send(peer, junk, sizeof(junk), MSG_DONTWAIT);
		if (link_step(l) != LINK_UP)
			break;
		n++;
	}
	ok(n > 10, "a peer that floods us does not hold us: %d turns", n);
	(void)close(peer);
	link_free(l);
}

static void
test_file(void)
{
	struct link_settings s = { .fd = -1 };
	struct pollfd pfd;
	struct link *l;
	int fds[2];

	if (pipe(fds) == -1)
		abort();
	s.fd = fds[1];
	if ((l = link_new(&s)) == NULL)
		abort();
	is(link_state(l), LINK_UP, "a descriptor is up");
	(void)close(fds[0]);
	is(link_poll(l, false, &pfd), 0, "a reader that is gone wakes nobody");
	is(link_write(l, "x", 1), -1, "until we write");
	ok(strcmp(link_why(l), "Broken pipe") == 0, "%s", link_why(l));
	link_free(l);
	ok(fcntl(fds[1], F_GETFD) != -1, "it stays open");
	(void)close(fds[1]);
}

static void
test_often(void)
{
	struct link *l = make();
	struct sockaddr_storage sa;
	struct pollfd pfd = { .fd = listener, .events = POLLIN };
	int i, peer, before = descriptors(), n = 0;

	for (i = 0; i < 1000; i++) {
		if (link_dial(l) == -1 || !reaches(l, LINK_UP, 5000) ||
		    poll(&pfd, 1, 5000) != 1)
			break;
		peer = d4_net_accept(listener, &sa);
		(void)close(peer);
		n += reaches(l, LINK_DOWN, 5000);
	}
	is(n, 1000, "lost and found a thousand times");
	is(descriptors(), before, "no descriptor is left");
	/* Threads that nobody waits for end by themselves. */
	for (i = 0; i < 50; i++) {
		struct link *other = make();

		(void)link_dial(other);
		link_free(other);
	}
	for (i = 0; i < 100 && descriptors() != before; i++) {
		while ((peer = d4_net_accept(listener, &sa)) != -1)
			(void)close(peer);
		usleep(20000);
	}
	is(descriptors(), before, "nor of those that were given up");
	link_free(l);
}

int
main(void)
{
	struct d4_net_addr addr = { .kind = D4_NET_TCP, .host = "127.0.0.1" };
	char why[256];

	(void)signal(SIGPIPE, SIG_IGN);
	if (d4_net_listen(&addr, false, &listener, 1, why) == -1)
		abort();
	port = d4_net_port(listener);
	test_life();
	test_loss();
	test_silence();
	test_lent();
	test_flood();
	test_file();
	test_often();
	(void)close(listener);
	return tap_done();
}
