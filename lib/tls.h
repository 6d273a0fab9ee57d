/* SPDX-License-Identifier: ISC */
#ifndef LIB_TLS_H
#define LIB_TLS_H

/*
 * TLS 1.2 and 1.3, by OpenSSL, on descriptors that do not block: only suites
 * with ECDHE and AEAD, no compression, no renegotiation, no session tickets,
 * no early data.  Handshake, read, write and shutdown go as far as they can
 * and say what they wait for.
 */

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/header.h"

struct d4_tls_context;		/* certificates and rules; many may use it */
struct d4_tls;			/* one connection */

#define D4_TLS_AGAIN	(-2)	/* would block: see d4_tls_waits() */
#define D4_TLS_FAILED	(-1)	/* for good, as all later calls: d4_tls_why() */

/* Files are PEM, by path; NULL where there is none.  A key behind a password
 * is refused, nobody is asked for it. */
struct d4_tls_client {
	const char	*ca;		/* trusted roots; NULL: the system's */
	const char	*cert;		/* our own, for mutual TLS, or NULL */
	const char	*key;		/* NULL: in the same file */
	bool		 insecure;	/* do not verify the server */
};

struct d4_tls_server {
	const char	*cert;		/* chain and key in one file */
	const char	*client_ca;	/* clients must show a certificate of
					 * these roots, or NULL */
};

/* A context, or NULL with a reason in why that names the file.  Threads may
 * share it. */
struct d4_tls_context *d4_tls_client_new(const struct d4_tls_client *,
    char why[256]);
struct d4_tls_context *d4_tls_server_new(const struct d4_tls_server *,
    char why[256]);

/* Takes NULL.  Connections in use keep what they need of it. */
void d4_tls_context_free(struct d4_tls_context *);

/*
 * A connection on a connected descriptor, which stays the caller's.  A client
 * (host not NULL) sends the name when it is one and verifies that the
 * certificate is for this name or address (a zone is left out).  NULL when
 * memory is short, or the host is empty or of 256 bytes and more.
 *
 * Memory of a server's connection: 43 KiB while it shakes hands, then 14 KiB
 * while it is idle, 23 with a client's certificate.
 */
struct d4_tls *d4_tls_new(struct d4_tls_context *, int fd, const char *host);

/* Takes NULL.  Sends nothing; the descriptor stays open. */
void d4_tls_free(struct d4_tls *);

/* 0 done; D4_TLS_AGAIN; D4_TLS_FAILED, see d4_tls_why(). */
int d4_tls_handshake(struct d4_tls *);

/* Bytes read, all that are there and fit; 0 when the peer closed
 * (close_notify); D4_TLS_AGAIN; D4_TLS_FAILED.  An end without close_notify is
 * a failure ("cut off"). */
ssize_t d4_tls_read(struct d4_tls *, void *, size_t);

/* Bytes written, less than len perhaps (128 KiB go at once), > 0: of the rest
 * the peer can read none yet; D4_TLS_AGAIN; D4_TLS_FAILED.  len > 0.  Bytes
 * not written come next, the same, with more behind them or not, from the same
 * or another place: part of them may be on its way. */
ssize_t d4_tls_write(struct d4_tls *, const void *, size_t);

/* Sends close_notify, after which nothing can be written: 0 sent, 1 sent and
 * the peer's has come, D4_TLS_AGAIN, D4_TLS_FAILED.  All that was offered to
 * d4_tls_write() must be written.  To be called again to learn of the peer's:
 * what it sends before that is thrown away; or d4_tls_read() it to its end. */
int d4_tls_shutdown(struct d4_tls *);

/* After D4_TLS_AGAIN: POLLIN or POLLOUT, as poll(2) has them.  Of the last
 * call that returned so: reading may wait to write, and writing to read. */
short d4_tls_waits(const struct d4_tls *);

/* Whether bytes already read from the socket wait, which poll(2) does not
 * see. */
bool d4_tls_pending(const struct d4_tls *);

/* Whether it failed because the connection ended without close_notify. */
bool d4_tls_cut_off(const struct d4_tls *);

/* Why it failed, in words for people: "certificate has expired", "refused by
 * the peer: unknown ca", "Connection reset by peer", ...  Never NULL, owned by
 * the connection. */
const char *d4_tls_why(const struct d4_tls *);

/* Version and suite in use, after the handshake, static or owned by it. */
const char *d4_tls_version(const struct d4_tls *);
const char *d4_tls_cipher(const struct d4_tls *);

/* Whether the peer's certificate bears the uuid, in either spelling, as common
 * name or as a subject alternative name (DNS or URI urn:uuid:).  False without
 * a certificate. */
bool d4_tls_peer_has_uuid(const struct d4_tls *, const uint8_t[D4_UUID_LEN]);

#endif
