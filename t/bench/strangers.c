/* SPDX-License-Identifier: ISC */

/*
 * What strangers do to a collector, on loopback and bounded:
 *
 *	strangers silent N PORT		N connections that say nothing.  A
 *					line when all are there, one when the
 *					last was closed, with the seconds
 *	strangers drip N S PORT		N connections that send a byte each
 *					second, for S seconds, and come again
 *					when they are closed
 *	strangers flood RATE S PORT	so many connections a second that are
 *					closed at once, reset, or bring HTTP,
 *					noise, half of a TLS greeting, zeros
 *	strangers flip KEY PORT		a record for each of the 496 bits of its
 *					header and 4096 of its payload, with
 *					that bit turned: plain TCP
 *
 * and, without a collector,
 *
 *	strangers tags N		N random tags to one record; prints how
 *					many were taken for right
 *	strangers timing N		N pairs of verifications, of tags that
 *					differ in the first and in the last
 *					byte: prints Welch's t of their times
 *
 * They come from many addresses of 127.0.0.0/8.
 */

#include <sys/resource.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/header.h"
#include "lib/mac.h"

#define PER_ADDRESS	250
#define OPEN_MAX	4000	/* of a flood, at a time */
#define PAYLOAD		512	/* 4096 bits */

static struct pollfd *fds;
static size_t nfds;
static unsigned created;

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "strangers: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double
now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int
dial(uint16_t port)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	struct sockaddr_in to = { .sin_family = AF_INET };
	int fd;

	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 +
	    created++ / PER_ADDRESS % 60000);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons(port);
	if ((fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)) == -1 ||
	    bind(fd, (struct sockaddr *)&from, sizeof(from)) == -1 ||
	    (connect(fd, (struct sockaddr *)&to, sizeof(to)) == -1 &&
	    errno != EINPROGRESS))
		die("connect");
	return fd;
}

/* Reads and throws away.  Whether the peer has closed. */
static int
is_closed(int fd)
{
	char trash[4096];
	ssize_t n;

	while ((n = recv(fd, trash, sizeof(trash), 0)) > 0)
		continue;
	return n == 0 || (errno != EAGAIN && errno != EINTR);
}

static void
sleep_until(double at)
{
	double left = at - now();

	if (left > 0)
		(void)poll(NULL, 0, (int)(left * 1000) + 1);
}

/* Closes those whose peer has; returns how many are left. */
static size_t
reap(int timeout_ms)
{
	size_t i, left = 0;

	if (poll(fds, nfds, timeout_ms) == -1)
		die("poll");
	for (i = 0; i < nfds; i++) {
		if (fds[i].fd != -1 && fds[i].revents != 0 &&
		    is_closed(fds[i].fd)) {
			(void)close(fds[i].fd);
			fds[i].fd = -1;
		}
		left += fds[i].fd != -1;
	}
	return left;
}

static void
room_for(size_t n)
{
	struct rlimit limit;
	size_t i;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		die("RLIMIT_NOFILE");
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	if ((fds = calloc(n, sizeof(*fds))) == NULL)
		die("memory");
	for (i = 0; i < n; i++) {
		fds[i].fd = -1;
		fds[i].events = POLLIN;
	}
	nfds = n;
}

static void
be_silent(size_t n, uint16_t port)
{
	double began = now();
	size_t i, left = n;

	room_for(n);
	for (i = 0; i < n; i++) {
		fds[i].fd = dial(port);
		/* No faster than they are accepted. */
		if (i % 100 == 99)
			sleep_until(now() + 0.005);
	}
	printf("%zu connected in %.1f s\n", n, now() - began);
	(void)fflush(stdout);
	began = now();
	while (left > 0 && now() < began + 60)
		left = reap(100);
	printf("%zu left after %.1f s\n", left, now() - began);
}

static void
drip(size_t n, unsigned seconds, uint16_t port)
{
	/* What a TLS greeting begins with, of the greatest length. */
	static const char greeting[] = "\x16\x03\x01\x3f\xff\x01\x00\x3f\xfb";
	double began = now();
	unsigned turn;
	size_t i;

	room_for(n);
	for (turn = 0; turn < seconds; turn++) {
		for (i = 0; i < n; i++) {
			if (fds[i].fd == -1)
				fds[i].fd = dial(port);
			else
				(void)send(fds[i].fd,
				    turn < sizeof(greeting) - 1 ?
				    greeting + turn : "x", 1, MSG_NOSIGNAL);
		}
		(void)reap(0);
		sleep_until(began + turn + 1);
	}
	printf("%u connections\n", created);
}

/* Whatever comes to a port that is open to the world. */
static void
bring(int fd, unsigned kind)
{
	static const char http[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	static const char tls[] =
	    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
	static const struct linger reset = { .l_onoff = 1 };
	char bytes[200] = "";
	size_t i;

	switch (kind % 6) {
	case 0:
		(void)send(fd, http, sizeof(http) - 1, MSG_NOSIGNAL);
		return;
	case 1:
		for (i = 0; i < sizeof(bytes); i++)
			bytes[i] = (char)random();
		/* FALLTHROUGH */
	case 2:
		(void)send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
		return;
	case 3:
		(void)send(fd, tls, sizeof(tls) - 1, MSG_NOSIGNAL);
		(void)shutdown(fd, SHUT_WR);
		return;
	case 4:
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset,
		    sizeof(reset));
		break;
	default:
		break;
	}
	(void)shutdown(fd, SHUT_RDWR);
}

static void
flood(unsigned rate, unsigned seconds, uint16_t port)
{
	double began = now();
	struct pollfd writable = { .events = POLLOUT };
	size_t i, made = 0;

	room_for(OPEN_MAX);
	while (now() < began + seconds) {
		i = made++ % OPEN_MAX;
		if (fds[i].fd != -1)
			(void)close(fds[i].fd);
		writable.fd = fds[i].fd = dial(port);
		(void)poll(&writable, 1, 100);
		bring(fds[i].fd, (unsigned)made);
		if (made % 64 == 0)
			(void)reap(0);
		sleep_until(began + (double)made / rate);
	}
	printf("%zu connections, %.0f/s\n", made,
	    (double)made / (now() - began));
}

/* -- records --------------------------------------------------------------- */

static uint8_t record[D4_HEADER_LEN + PAYLOAD];

static void
make_record(struct d4_mac *mac, struct d4_mac_key *key)
{
	struct d4_header header = { .version = 1, .type = 3, .size = PAYLOAD };
	struct d4_mac_job job = { .key = key, .record = record,
	    .len = sizeof(record) };

	memcpy(header.uuid, "\x11\x11\x11\x11\x11\x11\x41\x11\x81\x11\x11\x11"
	    "\x11\x11\x11\x11", D4_UUID_LEN);
	header.timestamp = (uint64_t)time(NULL);
	d4_header_encode(record, &header);
	memset(record + D4_HEADER_LEN, 'x', PAYLOAD - 1);
	record[sizeof(record) - 1] = '\n';
	if (d4_mac_seal(mac, &job, 1) == -1)
		die("HMAC");
}

/* Sends all, and waits for the peer to close. */
static void
deliver(const uint8_t *bytes, size_t len, uint16_t port)
{
	struct pollfd pfd = { .fd = dial(port), .events = POLLOUT };
	double until = now() + 10;

	if (poll(&pfd, 1, 10000) != 1)
		die("connect");
	(void)send(pfd.fd, bytes, len, MSG_NOSIGNAL);
	(void)shutdown(pfd.fd, SHUT_WR);
	pfd.events = POLLIN;
	while (!is_closed(pfd.fd) && now() < until)
		(void)poll(&pfd, 1, 1000);
	(void)close(pfd.fd);
}

static void
flip(struct d4_mac *mac, const char *path, uint16_t port)
{
	size_t i, bits = 8 * sizeof(record), len;
	struct d4_mac_key *key;
	char text[256];
	FILE *in;

	if ((in = fopen(path, "r")) == NULL)
		die(path);
	len = fread(text, 1, sizeof(text), in);
	(void)fclose(in);
	if (len > 0 && text[len - 1] == '\n')
		len--;
	if ((key = d4_mac_key_new(mac, text, len)) == NULL)
		die("memory");
	make_record(mac, key);
	for (i = 0; i < bits; i++) {
		record[i / 8] ^= (uint8_t)(1U << i % 8);
		deliver(record, sizeof(record), port);
		record[i / 8] ^= (uint8_t)(1U << i % 8);
	}
	printf("%zu bits turned\n", bits);
	(void)fflush(stdout);
	deliver(record, sizeof(record), port);	/* as it is */
	d4_mac_key_free(key);
}

static void
try_tags(struct d4_mac *mac, struct d4_mac_key *key, size_t n)
{
	struct d4_mac_job job = { .key = key, .record = record,
	    .len = sizeof(record) };
	uint8_t right[D4_HMAC_LEN];
	size_t i, j, taken = 0;

	make_record(mac, key);
	memcpy(right, record + D4_HMAC_AT, sizeof(right));
	for (i = 0; i < n; i++) {
		for (j = 0; j < D4_HMAC_LEN; j++)
			record[D4_HMAC_AT + j] = (uint8_t)(random() >> 7);
		if (d4_mac_verify(mac, &job, 1) == -1)
			die("HMAC");
		taken += job.good;
	}
	memcpy(record + D4_HMAC_AT, right, sizeof(right));
	if (d4_mac_verify(mac, &job, 1) == -1 || !job.good)
		die("the right tag");
	printf("%zu of %zu\n", taken, n);
}

static int
by_time(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
nanoseconds(struct d4_mac *mac, struct d4_mac_job *job, size_t at)
{
	struct timespec from, to;

	record[D4_HMAC_AT + at] ^= 0x55;
	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	if (d4_mac_verify(mac, job, 1) == -1)
		die("HMAC");
	(void)clock_gettime(CLOCK_MONOTONIC, &to);
	record[D4_HMAC_AT + at] ^= 0x55;
	return (double)(to.tv_sec - from.tv_sec) * 1e9 +
	    (double)(to.tv_nsec - from.tv_nsec);
}

/* Welch's t, without the slowest tenth, which is other work of the machine. */
static void
time_tags(struct d4_mac *mac, struct d4_mac_key *key, size_t n)
{
	struct d4_mac_job job = { .key = key, .record = record,
	    .len = sizeof(record) };
	double *times[2], *all, most, mean[2], var[2], count[2];
	size_t i, j;

	times[0] = calloc(n, sizeof(double));
	times[1] = calloc(n, sizeof(double));
	if ((all = calloc(2 * n, sizeof(double))) == NULL ||
	    times[0] == NULL || times[1] == NULL)
		die("memory");
	make_record(mac, key);
	for (i = 0; i < n; i++) {
		/* In either order, so that what drifts meets both. */
		for (j = 0; j < 2; j++) {
			size_t which = (size_t)random() >> 9 & 1 ? j : 1 - j;

			if (times[which][i] != 0)
				which = 1 - which;
			times[which][i] = nanoseconds(mac, &job,
			    which == 0 ? 0 : D4_HMAC_LEN - 1);
		}
	}
	memcpy(all, times[0], n * sizeof(double));
	memcpy(all + n, times[1], n * sizeof(double));
	qsort(all, 2 * n, sizeof(double), by_time);
	most = all[2 * n * 9 / 10];
	for (j = 0; j < 2; j++) {
		mean[j] = var[j] = count[j] = 0;
		for (i = 0; i < n; i++) {
			if (times[j][i] > most)
				continue;
			count[j]++;
			mean[j] += times[j][i];
		}
		mean[j] /= count[j];
		for (i = 0; i < n; i++) {
			if (times[j][i] <= most)
				var[j] += pow(times[j][i] - mean[j], 2);
		}
		var[j] /= count[j] - 1;
		free(times[j]);
	}
	free(all);
	printf("t %.2f, %.1f and %.1f ns\n", (mean[0] - mean[1]) /
	    sqrt(var[0] / count[0] + var[1] / count[1]), mean[0], mean[1]);
}

/* -- options --------------------------------------------------------------- */

static unsigned
number(const char *text, unsigned max)
{
	char *rest;
	unsigned long n = strtoul(text, &rest, 10);

	if (*text < '0' || *text > '9' || *rest != '\0' || n < 1 || n > max) {
		errno = EINVAL;
		die(text);
	}
	return (unsigned)n;
}

int
main(int argc, char *argv[])
{
	const char *verb = argc > 1 ? argv[1] : "";
	struct d4_mac *mac = d4_mac_new();
	struct d4_mac_key *key = mac == NULL ? NULL :
	    d4_mac_key_new(mac, "any", 3);

	if (key == NULL)
		die("memory");
	if (strcmp(verb, "silent") == 0 && argc == 4)
		be_silent(number(argv[2], 50000),
		    (uint16_t)number(argv[3], UINT16_MAX));
	else if (strcmp(verb, "drip") == 0 && argc == 5)
		drip(number(argv[2], 50000), number(argv[3], 3600),
		    (uint16_t)number(argv[4], UINT16_MAX));
	else if (strcmp(verb, "flood") == 0 && argc == 5)
		flood(number(argv[2], 10000), number(argv[3], 3600),
		    (uint16_t)number(argv[4], UINT16_MAX));
	else if (strcmp(verb, "flip") == 0 && argc == 4)
		flip(mac, argv[2], (uint16_t)number(argv[3], UINT16_MAX));
	else if (strcmp(verb, "tags") == 0 && argc == 3)
		try_tags(mac, key, number(argv[2], 100000000));
	else if (strcmp(verb, "timing") == 0 && argc == 3)
		time_tags(mac, key, number(argv[2], 100000000));
	else
		return 2;
	d4_mac_key_free(key);
	d4_mac_free(mac);
	free(fds);
	return fflush(stdout) == 0 ? 0 : 1;
}
