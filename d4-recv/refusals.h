/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_REFUSALS_H
#define D4_RECV_REFUSALS_H

/*
 * Why connections were refused or ended: counted by reason, and said on stderr
 * at most REFUSALS_LINES times a second, so that nobody can fill a log.
 */

#include <stdbool.h>
#include <stdint.h>

#include "lib/header.h"

#define REFUSALS_LINES	10

/* Reasons that lie in a record are those of header.h, the rest ours. */
enum refused {
	REFUSED_BLOCKED_ADDRESS = D4_REFUSALS,
	REFUSED_BLOCKED_UUID,
	REFUSED_NOT_REGISTERED,
	REFUSED_KICKED,
	REFUSED_KEY_CHANGED,	/* it has another now */
	REFUSED_DUPLICATE,	/* another connection of it lives */
	REFUSED_TAKEN_OVER,	/* by a newer one */
	REFUSED_CERTIFICATE,	/* is not this sensor's */
	REFUSED_TLS,
	REFUSED_TIMEOUT,
	REFUSED_FULL,		/* a cap was reached */
	REFUSED_CUT_OFF,	/* the connection ended without a word */
	REFUSED_OVERFLOW,	/* its stream has as many entries as it may */
	REFUSED_WORKER,		/* of d4-core refused its data */
	REFUSED_LOST,		/* by Redis, all of its stream */
	REFUSED_TOO_OLD,	/* a timestamp, by its sensor's max_age */
	REFUSED_BACKWARDS,	/* likewise, for it must not go back */
	REFUSED_OURS,		/* our own fault: disk, memory */
	REFUSED_REASONS
};

struct refusals {
	uint64_t	counts[REFUSED_REASONS];
	int64_t		second;		/* of the lines below */
	unsigned	lines;
	uint64_t	suppressed;
};

/* A few words, and a name for metrics; static. */
const char *refused_str(unsigned reason);
const char *refused_name(unsigned reason);

/* Whether there was any. */
bool refusals_any(const struct refusals *);

/* Counts, and says "peer: words: more" if that many lines were not said yet
 * this second; more may be "". */
void refusals_say(struct refusals *, int64_t now_ms, unsigned reason,
    const char *peer, const char *more);

/* Once a second: says how many were not said. */
void refusals_tick(struct refusals *);

#endif
