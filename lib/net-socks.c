/* SPDX-License-Identifier: ISC */
#include <sys/socket.h>

#include <arpa/inet.h>

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/clock.h"
#include "lib/net-socks.h"

#define VERSION		5
#define NO_LOGIN	0
#define CONNECT		1
#define REQUEST_MAX	(4 + 1 + 255 + 2)

enum { ADDR_V4 = 1, ADDR_NAME = 3, ADDR_V6 = 4 };

struct talk {
	int	 fd;
	int64_t	 deadline;
	char	*why;
};

static int
fail(struct talk *talk, const char *reason)
{
	snprintf(talk->why, 256, "proxy: %s", reason);
	return -1;
}

static int
wait_for(struct talk *talk, short events)
{
	struct pollfd pfd = { .fd = talk->fd, .events = events };
	int64_t left;
	int n;

	do {
		left = talk->deadline - d4_clock_ms();
		n = poll(&pfd, 1, left > 0 ? (int)left : 0);
	} while (n == -1 && errno == EINTR);
	if (n == 0)
		return fail(talk, "timed out");
	return n == -1 ? fail(talk, strerror(errno)) : 0;
}

static int
put(struct talk *talk, const uint8_t *bytes, size_t len)
{
	ssize_t n;

	while (len > 0) {
		if (wait_for(talk, POLLOUT) == -1)
			return -1;
		n = send(talk->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n == -1 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n == -1)
			return fail(talk, strerror(errno));
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Exactly len bytes: what comes behind them belongs to the caller. */
static int
get(struct talk *talk, uint8_t *bytes, size_t len)
{
	ssize_t n;

	while (len > 0) {
		if (wait_for(talk, POLLIN) == -1)
			return -1;
		n = recv(talk->fd, bytes, len, MSG_DONTWAIT);
		if (n == -1 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n == -1)
			return fail(talk, strerror(errno));
		if (n == 0)
			return fail(talk, "closed the connection");
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

static int
greet(struct talk *talk)
{
	static const uint8_t hello[] = { VERSION, 1, NO_LOGIN };
	uint8_t answer[2];

	if (put(talk, hello, sizeof(hello)) == -1 ||
	    get(talk, answer, sizeof(answer)) == -1)
		return -1;
	if (answer[0] != VERSION)
		return fail(talk, "does not speak SOCKS5");
	if (answer[1] != NO_LOGIN)
		return fail(talk, "asks for a login");
	return 0;
}

static int
ask(struct talk *talk, const char *host, uint16_t port)
{
	uint8_t request[REQUEST_MAX] = { VERSION, CONNECT, 0 };
	uint8_t *at = request + 4;
	size_t len = strlen(host);

	if (inet_pton(AF_INET, host, at) == 1) {
		request[3] = ADDR_V4;
		at += 4;
	} else if (inet_pton(AF_INET6, host, at) == 1) {
		request[3] = ADDR_V6;
		at += 16;
	} else if (strchr(host, '%') != NULL) {
		return fail(talk, "can't take an address with a zone");
	} else if (len == 0 || len > 255) {
		return fail(talk, "can't take a name of that length");
	} else {
		request[3] = ADDR_NAME;
		*at++ = (uint8_t)len;
		memcpy(at, host, len);
		at += len;
	}
	d4_put16be(at, port);
	return put(talk, request, (size_t)(at + 2 - request));
}

static int
refused(struct talk *talk, uint8_t code)
{
	static const char *const words[] = {
		[1] = "general failure",
		[2] = "not allowed by its rules",
		[3] = "network unreachable",
		[4] = "host unreachable",
		[5] = "connection refused",
		[6] = "TTL expired",
		[7] = "command not supported",
		[8] = "address type not supported",
	};
	char text[32];

	if (code < sizeof(words) / sizeof(words[0]))
		return fail(talk, words[code]);
	snprintf(text, sizeof(text), "unknown reply %u", code);
	return fail(talk, text);
}

/* The reply says from which address the proxy connects; nobody asked. */
static int
hear(struct talk *talk)
{
	uint8_t head[4], rest[255 + 2];
	size_t len;

	if (get(talk, head, sizeof(head)) == -1)
		return -1;
	if (head[0] != VERSION)
		return fail(talk, "does not speak SOCKS5");
	if (head[1] != 0)
		return refused(talk, head[1]);
	switch (head[3]) {
	case ADDR_V4:
		len = 4;
		break;
	case ADDR_V6:
		len = 16;
		break;
	case ADDR_NAME:
		if (get(talk, rest, 1) == -1)
			return -1;
		len = rest[0];
		break;
	default:
		return fail(talk, "replied with an unknown address type");
	}
	return get(talk, rest, len + 2);
}

int
net_socks_request(int fd, const char *host, uint16_t port, int timeout_ms,
    char why[256])
{
	struct talk talk = {
		.fd = fd, .deadline = d4_clock_ms() + timeout_ms, .why = why
	};

	return greet(&talk) == 0 && ask(&talk, host, port) == 0 &&
	    hear(&talk) == 0 ? 0 : -1;
}
