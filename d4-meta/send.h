/* SPDX-License-Identifier: ISC */
#ifndef D4_META_SEND_H
#define D4_META_SEND_H

/* Sealed records of this sensor to standard output. */

#include <stddef.h>
#include <stdint.h>

#include "d4-meta/settings.h"
#include "lib/record.h"

struct send {
	struct d4_mac		*mac;
	struct d4_mac_key	*key;
	struct d4_record	*record;
	size_t			 snaplen;
	uint64_t		 nrecords;	/* written */
};

/* Makes ready to seal as the settings say, whose key may be wiped then.
 * Returns 0, or -1 and says why; send_close() is owed in either case. */
int send_open(struct send *, const struct settings *);

/*
 * Writes the bytes as records of the type, each full but the last, with the
 * time of now; one record of size 0 for no bytes.  They are on their way when
 * it returns.  Returns 0, or -1 and says why.
 */
int send_bytes(struct send *, uint8_t type, const void *, size_t len);

void send_close(struct send *);

#endif
