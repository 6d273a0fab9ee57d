/* SPDX-License-Identifier: ISC */
#ifndef D4_STDOUT_FILES_H
#define D4_STDOUT_FILES_H

/* Items that name files: what is in the file is written out. */

#include "d4-stdout/options.h"
#include "d4-stdout/output.h"
#include "lib/queue.h"

struct files;

enum files_end {
	FILES_SENT,
	FILES_SKIPPED,			/* it, or a part; was said */
	FILES_MISFIT,			/* the stream can't go on; was said */
	FILES_FAILED			/* output did, or memory or descriptors
					 * are short; was said */
};

/* Opens the root, if there is one.  NULL and has said why. */
struct files *files_new(const struct options *, struct output *);

/* Takes NULL. */
void files_free(struct files *);

enum files_end files_send(struct files *, const struct d4_queue_item *);

#endif
