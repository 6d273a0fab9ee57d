/* SPDX-License-Identifier: ISC */
#ifndef D4_PIBS_SETTINGS_H
#define D4_PIBS_SETTINGS_H

/* What the command line says. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "d4-pibs/flow.h"
#include "d4-pibs/report.h"
#include "lib/conf-login.h"

#define SETTINGS_FILES	1024	/* -r, at most */

struct settings {
	const char	*files[SETTINGS_FILES];
	size_t		 nfiles;
	const char	*interface;
	const char	*uuid, *host, *dir;	/* of a queue */
	uint16_t	 port;
	uint32_t	 db;
	const char	*login_dir;		/* --login, or NULL */
	struct d4_conf_login login;		/* --login */
	bool		 follow;
	char		*filter;		/* or NULL; freed by the end */

	bool		 lines, attacks, statistics, pibs;
	const char	*save;			/* -w */
	enum report_format format;
	bool		 json;			/* --format json was said */
	uint32_t	 bins;			/* seconds, 0: none */
	const char	*bins_file, *plot;
	const char	*state;
	bool		 flush, open;
	uint32_t	 expire;
	uint64_t	 memory;
	uint64_t	 telescope;
	struct flow_limits limits;
	int		 verbose;
};

/* Whether the name of an output is standard output; the name may be NULL. */
bool settings_is_stdout(const char *);

/* How many outputs go there beside statistics. */
int settings_on_stdout(const struct settings *);

/* Returns -1 to go on, or the exit status. */
int settings_parse(struct settings *, int argc, char *argv[]);

#endif
