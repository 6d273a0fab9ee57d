/* SPDX-License-Identifier: ISC */
#ifndef LIB_CERT_H
#define LIB_CERT_H

/*
 * Certificates (X.509, RFC 5280) and their keys, ECDSA on P-256, for a small
 * authority of one's own: it signs servers' and clients' certificates.  This is
 * libcrypto's fourth door; tls uses what is made here.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct d4_cert;		/* a certificate, with its key where it is known */

enum d4_cert_kind {
	D4_CERT_CA,
	D4_CERT_SERVER,
	D4_CERT_CLIENT
};

struct d4_cert_spec {
	enum d4_cert_kind	 kind;
	const char		*cn;		/* common name, to 64 bytes */
	const char *const	*names;		/* host names and addresses */
	size_t			 nnames;
	unsigned		 days;
	const struct d4_cert	*ca;		/* who signs; NULL: itself */
	const struct d4_cert	*key;		/* whose key; NULL: a new one */
};

/* Makes one, valid from now on and not for longer than its authority.  NULL
 * and a reason. */
struct d4_cert *d4_cert_new(const struct d4_cert_spec *, char why[256]);

/* Reads PEM: the first certificate, and the key where one is.  NULL and a
 * reason, also when the key is another's. */
struct d4_cert *d4_cert_parse(const void *pem, size_t len, char why[256]);

/* Takes NULL; wipes the key. */
void d4_cert_free(struct d4_cert *);

bool d4_cert_has_key(const struct d4_cert *);

/* The certificate or its key as PEM with a NUL behind, *len bytes; the caller
 * frees, and wipes a key.  NULL when memory is short, or there is no key. */
char *d4_cert_pem(const struct d4_cert *, bool key, size_t *len);

/* The common name; "" when it has none, or a longer one. */
#define D4_CERT_NAME	65
void d4_cert_cn(const struct d4_cert *, char[D4_CERT_NAME]);

/* Calls back with each host name and address that it is for; a callback that
 * returns not 0 ends it, and that is returned. */
int d4_cert_names(const struct d4_cert *, int (*)(void *, const char *),
    void *);

/* Whether a name can stand in a certificate: a host name, with * as its first
 * part or not, or an address. */
bool d4_cert_name_ok(const char *);

#endif
