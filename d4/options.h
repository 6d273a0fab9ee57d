/* SPDX-License-Identifier: ISC */
#ifndef D4_OPTIONS_H
#define D4_OPTIONS_H

/* The command line of d4 (d4(1)). */

#include <stdbool.h>
#include <stdint.h>

#include "lib/net.h"

struct options {
	const char	*dir;		/* -c */
	bool		 check;		/* -n */
	bool		 genkey;
	int		 verbose;	/* -v, how often */
	bool		 insecure;
	bool		 insecure_key;
	bool		 use_proxy;
	struct d4_net_addr proxy;
	unsigned int	 retry_s;	/* longest wait; 0: one attempt */
	bool		 drop;
	bool		 json;
	uint64_t	 rate;		/* bytes a second, 0: no limit */
	unsigned int	 stats_s;	/* 0: none */
	const char	*metrics;
};

/*
 * Reads it, answers -h and -V, says what is wrong on stderr.  Returns -1 to go
 * on, or the exit status.
 */
int options_parse(struct options *, int argc, char *argv[]);

#endif
