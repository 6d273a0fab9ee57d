/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_ERRORS_H
#define D4_RECV_ERRORS_H

/* Why a sensor was refused, as its registry keeps it: in the words of d4-core
 * (d4-core.md 3.3, 3.4 and 6) where it has some, which its web pages show and
 * which begin with "Error: "; else in ours. */

#include "d4-recv/session.h"
#include "lib/header.h"

#define ERRORS_TEXT	160	/* bytes with the NUL */

/* The reason is one of refusals.h; odd is the header that was refused, where
 * it was one. */
void errors_text(char text[ERRORS_TEXT], unsigned reason,
    const struct session *, const struct d4_header *odd);

#endif
