/* SPDX-License-Identifier: ISC */
#ifndef D4_META_OPTIONS_H
#define D4_META_OPTIONS_H

/* What the command line asks for. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPTIONS_LIST_MAX	64	/* times that -g or -o may be given */

/* How many files -m may name, and how long their names may be: together with
 * the rest they fit into a line of telemetry even when all are refused. */
#define OPTIONS_METRICS_MAX	32
#define OPTIONS_METRICS_NAME	255

enum mode {
	MODE_MAKE,
	MODE_SHOW,
	MODE_SUMMARY,
	MODE_LIST,
	MODE_TELEMETRY
};

struct options {
	enum mode	 mode;
	bool		 check;		/* -n */
	bool		 print;		/* -p */
	bool		 json;		/* -j */
	bool		 insecure_key;
	int		 verbose;
	const char	*dir;		/* -c, or NULL */
	const char	*keyfile;	/* -k, or NULL */
	const char	*file;		/* operand, or NULL */
	const char	*type;		/* -t, or NULL */
	const char	*encoding;	/* -e, or NULL */
	const char	*tags[OPTIONS_LIST_MAX];	/* -g */
	size_t		 ntags;
	const char	*members[OPTIONS_LIST_MAX];	/* -o, name=value */
	size_t		 nmembers;
	const char	*metrics[OPTIONS_METRICS_MAX];	/* -m */
	size_t		 nmetrics;
	uint64_t	 interval;	/* -T, seconds */
	uint64_t	 gap;		/* -G, seconds */
};

/*
 * Reads and checks the command line; prints help, version or usage where asked
 * for or owed.  Returns -1 to go on, or the exit status.  The strings are
 * those of argv.
 */
int options_parse(struct options *, int argc, char *argv[]);

#endif
