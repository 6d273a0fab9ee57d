/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>

#include "lib/tls-bio.h"

static bool
is_blocked(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

void
tls_socket_free(struct tls_socket *s)
{
	OPENSSL_free(s->kept);
	OPENSSL_free(s->out);
}

/* -- reading -------------------------------------------------------------- */

void
tls_socket_ahead(struct tls_socket *s, uint8_t *memory, size_t max)
{
	s->ahead = memory;
	s->ahead_at = s->ahead_len = 0;
	s->ahead_max = max;
	s->drained = s->content = false;
}

int
tls_socket_keep(struct tls_socket *s)
{
	size_t left = s->ahead_len - s->ahead_at;
	uint8_t *memory = s->ahead + s->ahead_at;

	s->ahead = NULL;
	/* Nothing is read ahead while something is kept. */
	if (left == 0)
		return 0;
	if ((s->kept = OPENSSL_malloc(left)) == NULL)
		return -1;
	memcpy(s->kept, memory, left);
	s->kept_at = 0;
	s->kept_len = left;
	return 0;
}

static size_t
take_kept(struct tls_socket *s, char *buf, size_t len)
{
	if (len > s->kept_len - s->kept_at)
		len = s->kept_len - s->kept_at;
	memcpy(buf, s->kept + s->kept_at, len);
	s->kept_at += len;
	if (s->kept_at == s->kept_len) {
		OPENSSL_free(s->kept);
		s->kept = NULL;
		s->kept_at = s->kept_len = 0;
	}
	return len;
}

static size_t
take_ahead(struct tls_socket *s, char *buf, size_t len)
{
	if (len > s->ahead_len - s->ahead_at)
		len = s->ahead_len - s->ahead_at;
	memcpy(buf, s->ahead + s->ahead_at, len);
	s->ahead_at += len;
	return len;
}

/* Returns as read(2).  A read that came back short has left nothing; whoever
 * has got something need not ask to know, since what comes later makes the
 * socket readable again. */
static ssize_t
read_ahead(struct tls_socket *s, size_t len)
{
	ssize_t n;

	if (s->content && s->drained) {
		errno = EAGAIN;
		return -1;
	}
	if (len < s->want)
		len = s->want;
	if (len > s->ahead_max)
		len = s->ahead_max;
	if ((n = read(s->fd, s->ahead, len)) <= 0)
		return n;
	s->ahead_at = 0;
	s->ahead_len = (size_t)n;
	s->drained = s->ahead_len < len;
	return n;
}

/* As OpenSSL has it, which knows no other integers. */
static int
on_read(BIO *bio, char *buf, int max)
{
	struct tls_socket *s = BIO_get_data(bio);
	size_t len = (size_t)max;
	ssize_t n = 1;

	BIO_clear_retry_flags(bio);
	if (s->kept != NULL)
		return (int)take_kept(s, buf, len);
	if (s->ahead == NULL)
		n = read(s->fd, buf, len);
	else if (s->ahead_at == s->ahead_len)
		n = read_ahead(s, len);
	if (n == 0)
		s->ended = true;
	else if (n == -1 && is_blocked())
		BIO_set_retry_read(bio);
	else if (n > 0 && s->ahead != NULL)
		n = (ssize_t)take_ahead(s, buf, len);
	return (int)n;
}

/* -- writing -------------------------------------------------------------- */

static int
gather(struct tls_socket *s, const char *bytes, size_t len)
{
	size_t max = s->out_max;
	uint8_t *out;

	while (max - s->out_len < len)
		max = max == 0 ? len : 2 * max;
	if (max > s->out_max) {
		if ((out = OPENSSL_realloc(s->out, max)) == NULL)
			return -1;
		s->out = out;
		s->out_max = max;
	}
	memcpy(s->out + s->out_len, bytes, len);
	s->out_len += len;
	return 0;
}

int
tls_socket_flush(struct tls_socket *s)
{
	ssize_t n;

	while (s->out_at < s->out_len) {
		n = write(s->fd, s->out + s->out_at, s->out_len - s->out_at);
		if (n == -1) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		s->out_at += (size_t)n;
	}
	s->out_at = s->out_len = 0;
	return 0;
}

static int
on_write(BIO *bio, const char *bytes, int len)
{
	struct tls_socket *s = BIO_get_data(bio);
	ssize_t n = -1;

	BIO_clear_retry_flags(bio);
	if (s->gather)
		return gather(s, bytes, (size_t)len) == 0 ? len : -1;
	if (tls_socket_flush(s) == 0)
		n = write(s->fd, bytes, (size_t)len);
	if (n == -1 && is_blocked())
		BIO_set_retry_write(bio);
	return (int)n;
}

/* -- the BIO -------------------------------------------------------------- */

static long
on_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	const struct tls_socket *s = BIO_get_data(bio);

	(void)num;
	(void)ptr;
	switch (cmd) {
	case BIO_CTRL_EOF:
		return s->ended;
	case BIO_CTRL_FLUSH:
		return 1;
	default:
		return 0;
	}
}

static int
on_new(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

/* BIOs outlive contexts, so the method stays to the end. */
static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static BIO_METHOD *method;

static void
make_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "socket, in bulk");

	if (m == NULL || BIO_meth_set_create(m, on_new) != 1 ||
	    BIO_meth_set_read(m, on_read) != 1 ||
	    BIO_meth_set_write(m, on_write) != 1 ||
	    BIO_meth_set_ctrl(m, on_ctrl) != 1) {
		BIO_meth_free(m);
		return;
	}
	method = m;
}

void *
tls_bio_new(struct tls_socket *s)
{
	BIO *bio;

	if (CRYPTO_THREAD_run_once(&once, make_method) != 1 ||
	    method == NULL || (bio = BIO_new(method)) == NULL)
		return NULL;
	BIO_set_data(bio, s);
	return bio;
}
