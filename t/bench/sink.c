/* SPDX-License-Identifier: ISC */

/*
 * sink PORT CERT: takes connections over TLS on loopback, one after another,
 * reads each to its end, throws the bytes away and says on stdout how many.
 * The peer of t/bench/tls.sh: it costs as little as a peer can.
 */

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/net.h"
#include "lib/tls.h"

static void
wait_for(int fd, short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	(void)poll(&pfd, 1, -1);
}

static void
serve(struct d4_tls_context *context, int fd)
{
	struct d4_tls *tls = d4_tls_new(context, fd, NULL);
	static char bytes[65536];
	unsigned long long total = 0;
	ssize_t n;
	int rc;

	if (tls == NULL)
		return;
	while ((rc = d4_tls_handshake(tls)) == D4_TLS_AGAIN)
		wait_for(fd, d4_tls_waits(tls));
	while (rc == 0 && (n = d4_tls_read(tls, bytes, sizeof(bytes))) != 0) {
		if (n == D4_TLS_AGAIN)
			wait_for(fd, d4_tls_waits(tls));
		else if (n < 0)
			break;
		else
			total += (unsigned long long)n;
	}
	(void)d4_tls_shutdown(tls);
	d4_tls_free(tls);
	printf("%llu\n", total);
	(void)fflush(stdout);
}

int
main(int argc, char *argv[])
{
	struct d4_tls_server server = { .cert = argc == 3 ? argv[2] : "" };
	struct d4_tls_context *context;
	struct sockaddr_storage peer;
	struct d4_net_addr addr;
	char text[64], why[256];
	const char *words;
	int fd, got;

	if (argc != 3)
		return 2;
	(void)snprintf(text, sizeof(text), "127.0.0.1:%s", argv[1]);
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
		serve(context, got);
		(void)close(got);
	}
}
