/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_SETTINGS_H
#define D4_RECV_SETTINGS_H

/* What the configuration directory of d4-recv says, read and checked
 * (d4-conf(5)). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "d4-recv/session.h"
#include "d4-recv/store.h"
#include "lib/conf-login.h"
#include "lib/gz.h"
#include "lib/net.h"

struct settings {
	char		source[D4_CONF_TEXT];
	char		destination[D4_CONF_TEXT];
	uint8_t		key[D4_CONF_TEXT];	/* of sensors without their
						 * own */
	size_t		keylen;
	bool		insecure_key;	/* others may read keys */
	struct rules	rules;

	/* A collector's; a filter has none of them. */
	bool		listens;	/* on addr; else it reads stdin */
	bool		stores;		/* a collector; else to stdout */
	bool		keeps_files;	/* in destination */
	struct d4_net_addr addr;
	bool		registered_only;	/* mode registration */
	char		server_pem[D4_CONF_TEXT];	/* paths, "" without */
	char		client_ca[D4_CONF_TEXT];
	bool		keeps_tls;	/* they can't be read any more */
	bool		bind_uuid;	/* to the client's certificate */
	char		registry[D4_CONF_TEXT];
	char		queues[D4_CONF_TEXT];
	char		stream[D4_CONF_TEXT];	/* redis:..., "" without */
	bool		stream_disconnects;	/* when it is full */
	struct d4_conf_login login;	/* at Redis */
	char		hook[D4_CONF_TEXT];	/* "" without */
	char		user[D4_CONF_TEXT];	/* to become, "" without */
	unsigned	workers;
	unsigned	rotate;		/* seconds */
	uint64_t	rotate_size;	/* bytes, 0: no limit */
	enum d4_gz_kind	compress;
	enum store_sync	sync;		/* of streams that are gone on with */
	uint64_t	max_age;	/* seconds of a timestamp, 0: any */
	bool		monotonic;	/* timestamps must not go back */
	unsigned	quiet;		/* seconds until the first record */
	unsigned	max_connections;
	unsigned	max_per_address;
	unsigned	max_unauthenticated;
};

/*
 * Reads all of it, with a line on stderr for each fault; insecure_key takes
 * keys that others can read, with a warning.  Of a reload old is what there
 * was, else NULL: a secret that we may not read any more, since privileges were
 * given up, stays as it was, which is said.  Returns how many faults there
 * were.  settings_free() is owed in any case.
 */
int settings_load(struct settings *, struct d4_conf *,
    const struct settings *old, bool insecure_key);

/* Prints what was understood to stdout, the key's length in place of the
 * key. */
void settings_print(const struct settings *);

/* Wipes the key and frees what the lists hold. */
void settings_free(struct settings *);

#endif
