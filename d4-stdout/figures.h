/* SPDX-License-Identifier: ISC */
#ifndef D4_STDOUT_FIGURES_H
#define D4_STDOUT_FIGURES_H

/* What was done so far, as a line for people (SIGUSR1, --stats) and as metrics
 * for machines (--metrics); d4-stdout(1) names each. */

#include <stdbool.h>
#include <stdint.h>

struct figures {
	uint64_t	items;		/* done with */
	uint64_t	skipped;	/* of them */
	uint64_t	put_back;
	uint64_t	bytes;
	uint64_t	reconnects;
	bool		up;		/* Redis is, or there is none */

	int64_t		last_ms;	/* of the line before, for the rate */
	uint64_t	last_items;
};

/* Prints the line; now is a monotonic clock in ms. */
void figures_say(struct figures *, int64_t now_ms);

/* Replaces the metrics file; labels like 'uuid="...",type="1"'.  Returns 0, or
 * -1 with errno. */
int figures_write(const struct figures *, const char *path,
    const char *labels);

#endif
