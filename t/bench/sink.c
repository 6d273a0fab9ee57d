/* SPDX-License-Identifier: ISC */

/*
 * sink [-c] PORT CERT: takes connections over TLS on loopback, one after
 * another, reads each to its end, throws the bytes away and says on stdout how
 * many.  The peer of t/bench/tls.sh.  With -c it throws the ciphertext away,
 * for next to nothing: what remains is what a sender costs.
 */

#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/net.h"
#include "lib/tls.h"

static void
wait_for(int fd, short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	(void)poll(&pfd, 1, -1);
}

static unsigned long long
read_all(struct d4_tls *tls, int fd)
{
	static char bytes[65536];
	unsigned long long total = 0;
	ssize_t n;

	while ((n = d4_tls_read(tls, bytes, sizeof(bytes))) != 0) {
		if (n == D4_TLS_AGAIN)
			wait_for(fd, d4_tls_waits(tls));
		else if (n < 0)
			break;
		else
			total += (unsigned long long)n;
	}
	return total;
}

/* Returns whether so many bytes came; into NULL they are not even copied. */
static bool
take(int fd, uint8_t *bytes, size_t len)
{
	int flags = bytes == NULL ? MSG_TRUNC : 0;
	size_t got = 0;
	ssize_t n;

	while (got < len) {
		n = recv(fd, bytes == NULL ? NULL : bytes + got, len - got,
		    flags);
		if (n == -1 && errno == EAGAIN)
			wait_for(fd, POLLIN);
		else if (n <= 0)
			return false;
		else
			got += (size_t)n;
	}
	return true;
}

#define ALERT		(2 + 1 + 16)	/* RFC 8446 sections 5.2 and 6 */
#define SILENCE_MS	20

/* Whether more may come.  What a record of TLS 1.3 holds can't be seen, but
 * nothing follows the close_notify; it may be an end of data too, of which
 * there are few. */
static bool
goes_on(int fd, size_t len)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return len != ALERT || poll(&pfd, 1, SILENCE_MS) > 0;
}

static unsigned long long
take_all(int fd)
{
	unsigned long long total = 0;
	uint8_t head[5];
	size_t len = 0;

	while (goes_on(fd, len) && take(fd, head, sizeof(head))) {
		len = (size_t)head[3] << 8 | head[4];
		if (!take(fd, NULL, len))
			break;
		total += len;
	}
	return total;
}

static void
serve(struct d4_tls_context *context, int fd, bool cipher)
{
	struct d4_tls *tls = d4_tls_new(context, fd, NULL);
	unsigned long long total = 0;
	int rc;

	if (tls == NULL)
		return;
	while ((rc = d4_tls_handshake(tls)) == D4_TLS_AGAIN)
		wait_for(fd, d4_tls_waits(tls));
	if (rc == 0)
		total = cipher ? take_all(fd) : read_all(tls, fd);
	(void)d4_tls_shutdown(tls);
	d4_tls_free(tls);
	printf("%llu\n", total);
	(void)fflush(stdout);
}

int
main(int argc, char *argv[])
{
	bool cipher = argc == 4 && strcmp(argv[1], "-c") == 0;
	struct d4_tls_server server = { .cert = argv[argc - 1] };
	struct d4_tls_context *context;
	struct sockaddr_storage peer;
	struct d4_net_addr addr;
	char text[64], why[256];
	const char *words;
	int fd, got;

	if (argc != 3 && !cipher)
		return 2;
	(void)snprintf(text, sizeof(text), "127.0.0.1:%s", argv[argc - 2]);
	if ((context = d4_tls_server_new(&server, why)) == NULL ||
	    d4_net_parse(&addr, text, true, &words) == -1 ||
	    d4_net_listen(&addr, false, &fd, 1, why) == -1) {
		fprintf(stderr, "sink: %s\n", why);
		return 1;
	}
	for (;;) {
		wait_for(fd, POLLIN);
		if ((got = d4_net_accept(fd, &peer)) == -1)
			continue;
		serve(context, got, cipher);
		(void)close(got);
	}
}
