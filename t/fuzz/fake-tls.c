/* SPDX-License-Identifier: ISC */

/*
 * TLS without TLS: what a sensor sends is what is read, after bytes of its
 * handshake.
 *
 *	h	it is done
 *	w	it goes on once something can be written
 *	else	it fails
 */

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/fuzz/fake-recv.h"
#include "t/fuzz/faults.h"

struct d4_tls {
	int	 fd;
	short	 waits;
	bool	 cut_off;
	size_t	 at, len;
	uint8_t	 buf[8192];	/* read and not yet asked for */
};

struct d4_tls *
d4_tls_new(struct d4_tls_context *context, int fd, const char *host)
{
	struct d4_tls *t = calloc(1, sizeof(*t));

	(void)context;
	(void)host;
	if (t != NULL)
		t->fd = fd;
	return t;
}

void
d4_tls_free(struct d4_tls *t)
{
	free(t);
}

int
d4_tls_handshake(struct d4_tls *t)
{
	uint8_t byte;
	ssize_t n = read(t->fd, &byte, 1);

	t->waits = POLLIN;
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return D4_TLS_AGAIN;
	if (n == 1 && byte == 'h')
		return 0;
	if (n != 1 || byte != 'w')
		return D4_TLS_FAILED;
	t->waits = POLLOUT;
	return D4_TLS_AGAIN;
}

ssize_t
d4_tls_read(struct d4_tls *t, void *to, size_t len)
{
	ssize_t n;

	if (fake.tls_broken)
		return D4_TLS_FAILED;
	if (t->at == t->len) {
		n = read(t->fd, t->buf, sizeof(t->buf));
		t->waits = POLLIN;
		if (n == -1)
			return errno == EAGAIN || errno == EINTR ?
			    D4_TLS_AGAIN : D4_TLS_FAILED;
		t->cut_off = n == 0 && fake.cuts_off;
		if (n == 0)
			return t->cut_off ? D4_TLS_FAILED : 0;
		t->at = 0;
		t->len = (size_t)n;
	}
	if (len > t->len - t->at)
		len = t->len - t->at;
	memcpy(to, t->buf + t->at, len);
	t->at += len;
	return (ssize_t)len;
}

int
d4_tls_shutdown(struct d4_tls *t)
{
	struct pollfd pfd = { .fd = t->fd, .events = POLLPRI };

	/* Of which nothing ever comes. */
	t->waits = POLLPRI;
	if (!fake.tls_slow)
		return 1;
	return poll(&pfd, 1, 0) == 0 ? D4_TLS_AGAIN : D4_TLS_FAILED;
}

short
d4_tls_waits(const struct d4_tls *t)
{
	return t->waits;
}

bool
d4_tls_pending(const struct d4_tls *t)
{
	return t->at < t->len;
}

bool
d4_tls_cut_off(const struct d4_tls *t)
{
	return t->cut_off;
}

const char *
d4_tls_why(const struct d4_tls *t)
{
	(void)t;
	return "it is a fake";
}

bool
d4_tls_peer_has_uuid(const struct d4_tls *t, const uint8_t uuid[D4_UUID_LEN])
{
	(void)t;
	return uuid[1] != FAKE_STRANGER;
}
