/* SPDX-License-Identifier: ISC */
#ifndef D4_SETTINGS_H
#define D4_SETTINGS_H

/* What the configuration directory of d4 says, read, checked (d4-conf(5)). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/conf-login.h"
#include "lib/header.h"
#include "lib/net.h"

struct settings {
	uint8_t		version;
	uint8_t		type;		/* as configured */
	uint8_t		data_type;	/* of the records with data: 254 when
					 * a meta header goes before them */
	uint8_t		uuid[D4_UUID_LEN];
	bool		new_uuid;	/* none yet, and none was made */
	uint8_t		key[D4_CONF_TEXT];
	size_t		keylen;
	bool		insecure_key;	/* others may read it */
	size_t		snaplen;
	size_t		buffer;		/* bytes that wait for the link */
	size_t		window;		/* bytes kept to be sent again */
	char		spool[D4_CONF_TEXT];	/* a directory; "": none */
	uint64_t	spool_size;	/* bytes */
	char		spool_files[D4_CONF_TEXT + 8];	/* a file in it, "" */
	char		source[D4_CONF_TEXT];
	struct d4_conf_login login;	/* at Redis */
	char		redis[D4_CONF_TEXT];	/* "" when not configured */
	char		queue[D4_CONF_TEXT];
	char		destination[D4_CONF_TEXT];
	bool		network;	/* the destination is addr */
	struct d4_net_addr addr;
	uint8_t		*meta;		/* the meta header as it stands */
	size_t		metalen;	/* 0: none */
	char		ca[D4_CONF_TEXT];	/* paths, "" when not there */
	char		cert[D4_CONF_TEXT];
	char		cert_key[D4_CONF_TEXT];
};

/*
 * Reads all of it, with a line on stderr for each fault, and a warning for
 * what is allowed but weak.  With check the directory is left as it is: a uuid
 * that is missing is not made; insecure_key takes keys that others can read.
 * Returns how many faults there were.  settings_free() is owed in any case.
 */
int settings_load(struct settings *, struct d4_conf *, bool check,
    bool insecure_key);

/* Prints what was understood to stdout, the key's length in place of the
 * key. */
void settings_print(const struct settings *);

/* Overwrites the key, frees what it holds. */
void settings_free(struct settings *);

#endif
