/* SPDX-License-Identifier: ISC */
#ifndef D4_SETTINGS_H
#define D4_SETTINGS_H

/* What the configuration directory of d4 says, read and checked (d4-conf(5)). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/conf.h"
#include "lib/header.h"

struct settings {
	uint8_t		version;
	uint8_t		type;
	uint8_t		uuid[D4_UUID_LEN];
	bool		new_uuid;	/* none yet, and none was made */
	uint8_t		key[D4_CONF_TEXT];
	size_t		keylen;
	size_t		snaplen;
	char		source[D4_CONF_TEXT];
	char		destination[D4_CONF_TEXT];
};

/*
 * Reads all of it, with a line on stderr for each fault.  With check the
 * directory is left as it is: a uuid that is missing is not made.  Returns
 * how many faults there were.
 */
int settings_load(struct settings *, struct d4_conf *, bool check);

/* Prints what was understood to stdout, the key's length in place of the key.
 * Returns 0, or -1 with errno when stdout fails. */
int settings_print(const struct settings *);

/* Overwrites the key. */
void settings_wipe(struct settings *);

#endif
