/* SPDX-License-Identifier: ISC */
#ifndef LIB_TLS_BIO_H
#define LIB_TLS_BIO_H

/*
 * The socket as OpenSSL sees it, part of the room tls.  By itself OpenSSL
 * reads a TLS record with two calls and writes it with one; here many records
 * come with one read and go with one write.  Order is kept: what is gathered
 * goes before anything else is written.
 */

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_socket {
	int	 fd;		/* the caller's, does not block */
	bool	 ended;		/* the peer said so */

	/* Read ahead: first what is kept from call to call, then what lies in
	 * the caller's memory for the length of a call, or nothing does. */
	uint8_t	*kept;
	size_t	 kept_at, kept_len;
	uint8_t	*ahead;
	size_t	 ahead_at, ahead_len, ahead_max;
	size_t	 want;		/* read so much, or what OpenSSL asks for */
	bool	 drained;	/* nothing more lay there, */
	bool	 content;	/* which will do */

	/* To be written. */
	bool	 gather;	/* write nothing yet */
	uint8_t	*out;
	size_t	 out_at, out_len, out_max;
};

/* A BIO of OpenSSL on the socket, which outlives it.  NULL when memory is
 * short. */
void *tls_bio_new(struct tls_socket *);

/* Frees the memory of the socket, not itself. */
void tls_socket_free(struct tls_socket *);

/* Reads ahead into the memory, max bytes, until tls_socket_keep(): that keeps
 * what is left there.  It returns -1 when memory is short. */
void tls_socket_ahead(struct tls_socket *, uint8_t *, size_t max);
int tls_socket_keep(struct tls_socket *);

/* Writes what was gathered.  0, or -1 with errno, EAGAIN when there is no room
 * for the rest of it. */
int tls_socket_flush(struct tls_socket *);

#endif
