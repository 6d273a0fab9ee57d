/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_COLLECT_H
#define D4_RECV_COLLECT_H

/*
 * One worker of the collector: opens registry, store and queues, and serves
 * its listening descriptors from one epoll loop until a signal.  The process is
 * confined already.
 */

#include <stdbool.h>
#include <stddef.h>

#include "d4-recv/settings.h"
#include "lib/tls.h"

struct collect_settings {
	struct settings	*settings;	/* replaced by a reload */
	const char	*dir;		/* the configuration, for a reload */
	unsigned	 worker;	/* our number, from 0 */
	const int	*listeners;	/* that do not block; or */
	size_t		 nlisteners;
	bool		 from_stdin;	/* one sensor, on stdin */
	struct d4_tls_context **tls;	/* on the listeners, or NULL; replaced
					 * by a reload */
	const int	*runners;	/* of hooks, one for each worker; NULL:
					 * there are none */
	unsigned	 stats_s;	/* a line of figures so often, or 0 */
	const char	*metrics;	/* file, or NULL */
};

enum collect_result {
	COLLECT_OK,		/* after a signal or at the end of stdin; all
				 * is stored */
	COLLECT_FAILED,		/* something was lost, or left to the next
				 * start by a fault, which was said */
	COLLECT_NOT_BEGUN	/* what it needs can't be had, which was said */
};

/* Has as many descriptors allowed as the settings need, where that is ours to
 * do: before privileges are given up it is. */
void collect_raise_limit(const struct collect_settings *);

enum collect_result collect_run(const struct collect_settings *);

#endif
