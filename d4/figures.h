/* SPDX-License-Identifier: ISC */
#ifndef D4_FIGURES_H
#define D4_FIGURES_H

/* What d4 did so far, as a line for people (SIGUSR1, --stats) and as metrics
 * for machines (--metrics); d4(1) names each. */

#include <stdbool.h>
#include <stdint.h>

struct figures {
	uint64_t	 records;	/* made of data */
	uint64_t	 bytes;		/* of data in them */
	uint64_t	 connects;	/* sessions begun */
	uint64_t	 resent;	/* bytes sent again after a loss */
	uint64_t	 dropped;	/* units left out, see --drop */
	uint64_t	 waiting;	/* bytes not yet sent */
	bool		 has_spool;
	uint64_t	 spooled;	/* bytes in the spool's files */
	bool		 up;		/* connected now */

	int64_t		 last_ms;	/* of the line before, for the rate */
	uint64_t	 last_records;
};

/* Prints the line; name is the destination's, now a monotonic clock in ms. */
void figures_say(struct figures *, const char *name, int64_t now_ms);

/* Replaces the metrics file; labels like 'uuid="...",type="1"'.  Returns 0, or
 * -1 with errno. */
int figures_write(const struct figures *, const char *path,
    const char *labels);

#endif
