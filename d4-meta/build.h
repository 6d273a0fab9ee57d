/* SPDX-License-Identifier: ISC */
#ifndef D4_META_BUILD_H
#define D4_META_BUILD_H

/* Where a meta header comes from: a file, standard input, the configuration,
 * or options. */

#include <stddef.h>
#include <stdint.h>

#include "d4-meta/options.h"
#include "lib/conf.h"
#include "lib/meta.h"

/* The header as it travels, and as it was understood. */
struct build {
	const char	*name;		/* of its source, for messages */
	char		 path[D4_CONF_TEXT];	/* that name, when made here */
	uint8_t		*text;
	size_t		 len;
	struct d4_meta	*meta;
};

/*
 * Gets the header of these options: the operand ("-" is standard input); or,
 * with -t, what -t, -e, -g and -o say; or metaheader.json of the configuration,
 * when there is one with that file; or else standard input.  Checks it.
 * Returns 0, or the exit status and says why on stderr: 2 when options are at
 * fault, else 1.  The caller frees with build_free() in either case; conf may
 * be NULL.
 */
int build_header(struct build *, const struct options *, struct d4_conf *);

/* As with -t, for the telemetry of this type and interval in seconds. */
int build_telemetry(struct build *, const struct options *, const char *type);

void build_free(struct build *);

#endif
