/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_SETTINGS_H
#define D4_RECV_SETTINGS_H

/* What the configuration directory of d4-recv says, read and checked
 * (d4-conf(5)). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "d4-recv/session.h"
#include "lib/conf.h"

struct settings {
	char		source[D4_CONF_TEXT];
	char		destination[D4_CONF_TEXT];
	uint8_t		key[D4_CONF_TEXT];	/* of sensors without their own */
	size_t		keylen;
	struct rules	rules;
};

/* Reads all of it, with a line on stderr for each fault.  Returns how many
 * faults there were.  settings_free() is owed in any case. */
int settings_load(struct settings *, struct d4_conf *);

/* Prints what was understood to stdout, the key's length in place of the key.
 * Returns 0, or -1 with errno when stdout fails. */
int settings_print(const struct settings *);

/* Wipes the key and frees what the lists hold. */
void settings_free(struct settings *);

#endif
