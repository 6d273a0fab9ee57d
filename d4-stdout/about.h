/* SPDX-License-Identifier: ISC */
#ifndef D4_STDOUT_ABOUT_H
#define D4_STDOUT_ABOUT_H

/* What a queue is and holds, for people. */

#include "d4-stdout/options.h"

/* Prints what -l and -k ask for.  Returns the exit status. */
int about_print(const struct options *);

#endif
