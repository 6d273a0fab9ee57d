/* SPDX-License-Identifier: ISC */
#ifndef D4_PIBS_INTAKE_H
#define D4_PIBS_INTAKE_H

/*
 * Packets out of a capture: frames read, filtered and decoded, and answers made
 * ready for attack_add().  For a file this is done ahead in a thread of its
 * own, so that it costs no time while another processor is free; what may have
 * to wait for its data, and what needs the frames as well, is done where it is
 * asked for.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "d4-pibs/attack.h"
#include "d4-pibs/capture.h"
#include "d4-pibs/packet.h"

/* How frames become packets; it lasts from capture to capture. */
struct decoder {
	struct filter	*filter;	/* or NULL */
	bool		 pibs;
	struct packet_wanted wanted;
	struct attacks	*attacks;	/* whose answers are wanted, or NULL */
	struct shadow	 shadow;
	uint64_t	 small;		/* too small for PIBS */
	uint64_t	 unread;	/* frames of links that are not read */
	uint16_t	 unread_link;	/* of the first of those */
};

struct intake;

/* Both stay the caller's and are left alone until intake_close().  With frames
 * they are lent with the packets.  NULL with errno when memory or threads are
 * short. */
struct intake *intake_open(struct capture *, struct decoder *, bool frames);

/* Takes NULL. */
void intake_close(struct intake *);

/* What a step of the way through a capture gave. */
struct harvest {
	size_t		 frames;	/* that passed the filter */
	uint32_t	 sec;		/* of the last of them */
	struct batch	 batch;
};

/*
 * The next packets, lent until the next call, with their frames when these were
 * asked for.  Returns 0, where there may be none of either; -1 when a signal
 * interrupted; -2 at the end.
 */
int intake_next(struct intake *, struct harvest **,
    const struct frame **);

/* How much of the capture is done, in percent, -1 when nobody knows. */
int intake_percent(const struct intake *);

/* Whether more has to be waited for, as far as one can know. */
bool intake_idle(const struct intake *);

#endif
