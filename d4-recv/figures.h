/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_FIGURES_H
#define D4_RECV_FIGURES_H

/* What a worker did so far: a line for people (SIGUSR1, --stats), metrics for
 * machines (--metrics); d4-recv(8) names each. */

#include <stdbool.h>
#include <stdint.h>

#include "d4-recv/analyze.h"
#include "d4-recv/collect.h"
#include "d4-recv/conn.h"
#include "d4-recv/finish.h"

struct figures {
	int64_t		stats_at;
	int64_t		last_ms;	/* of the line before, for the rates */
	uint64_t	last_records;
	uint64_t	last_bytes;
	bool		fails;		/* to write metrics, as was said */
};

void figures_begin(struct figures *, int64_t now_ms);

/* Once a second: prints and writes what is due or was asked for. */
void figures_tick(struct figures *, const struct collect_settings *,
    const struct conn_context *, const struct finish_figures *,
    const struct analyze *);

/* The last metrics, and with --stats the last line. */
void figures_end(struct figures *, const struct collect_settings *,
    const struct conn_context *, const struct finish_figures *,
    const struct analyze *);

#endif
