/* SPDX-License-Identifier: ISC */
#ifndef D4_STDOUT_OPTIONS_H
#define D4_STDOUT_OPTIONS_H

/* What the command line asks for. */

#include <stdbool.h>
#include <stdint.h>

#include "lib/conf-login.h"
#include "lib/redis.h"
#include "lib/type.h"
#include "lib/uuid.h"

enum content {
	CONTENT_ITEM,			/* the item itself */
	CONTENT_FILE,			/* -f: the file that it names */
	CONTENT_INFLATED,		/* -z: what is inside that file */
	CONTENT_MERGED			/* -m: joined to what came before */
};

struct options {
	char			 type[D4_TYPE_NAME_MAX + 1];
	char			 uuid[D4_UUID_TEXT];
	const char		*store;		/* -d, or NULL: redis */
	struct d4_redis_addr	 redis;
	struct d4_conf_login	 login;		/* --login */
	enum content		 content;
	bool			 newline;	/* -n */
	bool			 acknowledge;	/* -a */
	bool			 drain;		/* -e */
	bool			 list;		/* -l */
	uint64_t		 show;		/* -k, 0: not asked for */
	uint64_t		 count;		/* -c, 0: no end */
	const char		*root;		/* --root, or NULL */
	unsigned int		 stats_s;	/* --stats, 0: none */
	const char		*metrics;	/* --metrics, or NULL */
	int			 verbose;
};

/*
 * Reads and checks the command line; prints help, version or usage where asked
 * for or owed.  Returns -1 to go on, or the exit status.  The strings are
 * those of argv.
 */
int options_parse(struct options *, int argc, char *argv[]);

#endif
