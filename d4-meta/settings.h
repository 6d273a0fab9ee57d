/* SPDX-License-Identifier: ISC */
#ifndef D4_META_SETTINGS_H
#define D4_META_SETTINGS_H

/* What the configuration directory says, the same as d4's, read and checked
 * (d4-conf(5)). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/conf.h"
#include "lib/header.h"

struct settings {
	uint8_t		version;
	uint8_t		uuid[D4_UUID_LEN];
	bool		new_uuid;	/* none yet, and none was made */
	uint8_t		key[D4_CONF_TEXT];
	size_t		keylen;
	size_t		snaplen;
	char		spool[D4_CONF_TEXT];	/* "" when it is not set */
};

/*
 * Reads what sealing needs: version, uuid, key, snaplen; and spool where it is
 * there.  A line on stderr for each fault.  With check the directory is left
 * as it is: a uuid that is missing is not made; insecure_key takes a key that
 * others can read.  Returns how many faults there were.
 */
int settings_load(struct settings *, struct d4_conf *, bool check,
    bool insecure_key);

/* Reads the key alone, from the configuration directory or, when that is NULL,
 * from the file, which follows the same rules.  Returns 0, or -1 and says why
 * on stderr. */
int settings_load_key(struct settings *, const char *dir, const char *file,
    bool insecure_key);

/* Prints what was understood to stdout, the key's length in place of the
 * key. */
void settings_print(const struct settings *);

/* Overwrites the key. */
void settings_wipe(struct settings *);

#endif
