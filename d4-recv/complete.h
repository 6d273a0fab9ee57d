/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_COMPLETE_H
#define D4_RECV_COMPLETE_H

/* The steps 1 to 4 of finish.h for one file, in the finisher's thread: from an
 * entry to a file with a name. */

#include <stdatomic.h>
#include <stdbool.h>

#include "d4-recv/finish.h"
#include "d4-recv/place.h"

/* Where files are completed. */
struct complete {
	int		 root;		/* the store */
	int		 entries;	/* its directory .open */
	int		 level;		/* of compression */
	atomic_bool	 stop;		/* leave a compression unfinished */
};

struct complete_file {
	struct place	 place;
	unsigned	 n;
	bool		 done;		/* fd is the entry of finished bytes */
	bool		 synced;
	enum finish_how	 how;
	int		 fd;		/* of the entry, locked */
	int		 out;		/* of the finished bytes, or -1 */
	char		 final[PLACE_PATH]; /* set at the end */
};

/*
 * Completes the file.  Returns 1: it has its name, in final, and fd is the
 * entry that remains; 0: there was nothing to keep and no entry remains; -1
 * with errno: complete_waits(), ask again, it goes on where it was; EINTR, it
 * was stopped; else it can't be done.  The descriptors stay the caller's.
 */
int complete_run(struct complete *, struct complete_file *);

/* Whether that errno means that room must be waited for, on the disk or among
 * descriptors. */
bool complete_waits(int err);

#endif
