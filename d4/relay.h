/* SPDX-License-Identifier: ISC */
#ifndef D4_RELAY_H
#define D4_RELAY_H

/*
 * From any source to a destination that may be lost and found again: one loop
 * over the source, the link and the clock.  While the link is down the source
 * is read into the window until that is full; then its writer has to wait, or
 * with drop whole units are left out: the new ones, or with a spool the oldest
 * of it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "d4/cut.h"
#include "d4/link.h"
#include "d4/source.h"
#include "d4/window.h"

/* All of it is the caller's. */
struct relay_settings {
	struct source	*source;	/* NULL: nothing more is read */
	struct link	*link;
	struct window	*window;
	struct cut	*cut;
	struct spool	*spool;		/* the window's, or NULL */
	const char	*spool_name;
	bool		 again;		/* the source can be read again from
					 * where the spool ends */
	bool		 closed;	/* the stream's last record was added */
	bool		 drop;
	const char	*source_name;	/* for messages */
	const char	*link_name;
	const char	*labels;	/* of the metrics: name="value",... */
	unsigned int	 retry_s;	/* the longest wait for another
					 * attempt, 0: the first loss ends it */
	uint64_t	 rate;		/* bytes a second, 0: no limit */
	unsigned int	 stats_s;	/* between lines of figures, or 0 */
	const char	*metrics;	/* file, or NULL */
};

/*
 * Goes on until the source ends and all has been handed over, or a signal.
 * Says what goes wrong on stderr.  Returns 0, or -1 when something that was
 * read could not be sent, with a spool: is not in it.  *over is whether the
 * stream has come to its end and arrived.
 */
int relay_run(const struct relay_settings *, bool *over);

#endif
