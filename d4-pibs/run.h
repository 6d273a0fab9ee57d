/* SPDX-License-Identifier: ISC */
#ifndef D4_PIBS_RUN_H
#define D4_PIBS_RUN_H

/* From captures to all that was asked for. */

#include "d4-pibs/capture.h"
#include "d4-pibs/settings.h"

struct run;

/* Makes everything ready and opens what will be written.  NULL when something
 * is wrong, which was said; *status is the exit status then. */
struct run *run_open(const struct settings *, int *status);

/* Takes all frames of a capture; name is for messages.  Returns 0, or -1 when
 * it was cut off or could not be read, which was said. */
int run_capture(struct run *, struct capture *, const char *name);

/* Opens and takes a file.  As run_capture(). */
int run_file(struct run *, const char *name);

/* Whether the output failed: there is no use in going on. */
bool run_broken(const struct run *);

/* Prints a line of figures, if it was asked for by a signal. */
void run_figures(const struct run *);

/* Writes the state file, when there is one.  Returns 0, or -1, which was
 * said. */
int run_save_state(struct run *);

/* Has the state file stay as it was saved last: what was read since will be
 * read again. */
void run_keep_state(struct run *);

/* Writes what comes at the end, and when all of that was written the state;
 * closes and frees.  Returns 0, or -1, which was said. */
int run_close(struct run *);

#endif
