/* SPDX-License-Identifier: ISC */
#ifndef D4_ADMIN_AUTHORITY_H
#define D4_ADMIN_AUTHORITY_H

/*
 * The files of a small certificate authority, in one directory:
 *
 *	rootCA.crt	its certificate, for sensors
 *	rootCA.key	its key, 0600
 *	server.pem	the collector's certificate and key, 0600
 *	clientCA.crt	rootCA.crt again, which has clients show a certificate
 *
 * Functions return 0, or 1 and say why on stderr.
 */

#include <stdbool.h>
#include <stdint.h>

#include "lib/cert.h"
#include "lib/conf.h"
#include "lib/header.h"

#define AUTHORITY_DAYS	825	/* of what it signs */

/* "DIR/NAME". */
int authority_path(char[D4_CONF_TEXT], const char *dir, const char *name);

bool authority_has(const char *dir, const char *name);

/* Reads a certificate, and its key from a file of its own or, with key NULL,
 * from the same.  A key that others can read is refused, or warned of. */
int authority_load(const char *dir, const char *name, const char *key,
    bool insecure_key, struct d4_cert **);

/* Writes certificate, key or both as a new file. */
int authority_write(const char *path, const struct d4_cert *, bool cert,
    bool key);

/* The same in place of a file that is there; that one is kept, its name with
 * the date behind it. */
int authority_renew(const char *path, const struct d4_cert *, bool key);

/* Makes a certificate of a sensor; with old on the same key. */
int authority_client(const struct d4_cert *ca, const uint8_t[D4_UUID_LEN],
    const struct d4_cert *old, struct d4_cert **);

#endif
