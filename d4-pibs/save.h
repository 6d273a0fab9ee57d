/* SPDX-License-Identifier: ISC */
#ifndef D4_PIBS_SAVE_H
#define D4_PIBS_SAVE_H

/*
 * Frames into a classic pcap.  The link type is that of the first frame, or
 * Ethernet where the caller says so; a frame of another link type gets its
 * link header made anew around its IP packet.
 */

#include <stdbool.h>

#include "d4-pibs/frame.h"
#include "d4-pibs/out.h"

struct save {
	struct out	out;
	bool		started;	/* the file header is written */
	bool		nsec;		/* times in nanoseconds */
	bool		pibs;		/* Ethernet whatever it is, as PIBS */
	uint16_t	link;
	uint64_t	left_out;	/* frames without a place in it */
};

/* Begins on a descriptor, the caller's.  Returns 0, or -1 with errno. */
int save_open(struct save *, int fd, bool pibs);

/* Writes a frame. */
void save_frame(struct save *, const struct frame *);

/* Ends; a file without frames has a header all the same.  Returns 0, or -1
 * with errno. */
int save_close(struct save *);

#endif
