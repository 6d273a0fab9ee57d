/* SPDX-License-Identifier: ISC */
#ifndef D4_STREAM_H
#define D4_STREAM_H

/*
 * A stream by way of the relay: the one that the spool has to go on with, or
 * another, with what it begins with.
 *
 * A stream goes on after a restart when its hello, meta header and source are
 * the same: a FIFO, a socket or a list of that name, or that very file, which
 * is then read from where the spool ends.  Otherwise what the spool has is sent
 * to its end before a stream begins.  Of a file that was sent to its end there
 * is another stream once it has grown, of what is new in it.
 */

#include "d4/options.h"
#include "d4/settings.h"
#include "d4/source.h"
#include "lib/header.h"
#include "lib/mac.h"
#include "lib/tls.h"
#include "lib/uuid.h"

struct stream {
	const struct options	*o;
	struct settings		 s;
	struct source		*source;
	int			 out;		/* -1: over the network */
	struct d4_mac		*mac;
	struct d4_mac_key	*key;
	struct d4_header	 header;
	char			 uuid[D4_UUID_TEXT];
};

/* Runs it to its end, or ours; says what goes wrong.  The rules for TLS may be
 * NULL.  Returns the exit status. */
int stream_run(struct stream *, struct d4_tls_context *);

#endif
