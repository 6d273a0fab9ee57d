/* SPDX-License-Identifier: ISC */
#ifndef D4_PIBS_PLOT_H
#define D4_PIBS_PLOT_H

/*
 * A picture of the time line and the greatest targets, as SVG.  It is written
 * here rather than by gnuplot: it is a page of rectangles and text, it then
 * needs no other program where d4-pibs runs, and it can run confined.
 */

#include <stddef.h>
#include <stdint.h>

#include "d4-pibs/bins.h"
#include "d4-pibs/flow.h"
#include "d4-pibs/out.h"

#define PLOT_TOP	12

struct plot {
	size_t	n;
	uint64_t attacks;		/* in all */
	struct plot_target {
		struct addr	addr;
		uint8_t		proto;
		uint32_t	port;	/* most attacked, 0 none */
		uint64_t	packets, first, last;
	} top[PLOT_TOP];		/* most packets first */
};

/* Takes note of an attack. */
void plot_attack(struct plot *, const struct flow *);

/* Draws to an output; what is the title's second line. */
void plot_draw(const struct plot *, struct bins *, struct out *,
    const char *what);

#endif
