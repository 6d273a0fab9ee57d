/* SPDX-License-Identifier: ISC */
#ifndef T_FUZZ_FAKE_SHARE_H
#define T_FUZZ_FAKE_SHARE_H

/*
 * Tails that other stores have a part in (d4-recv/share.h), faked: what a
 * server would know of each stream is what it was told, and the switches say
 * what other stores did.  It answers once in a fake_share_run().
 */

#include <stdbool.h>

#include "d4-recv/share.h"

struct fake_share {
	bool	elsewhere;	/* another store had the stream last */
	bool	first;		/* and what it had first we may have, too */
	bool	taken;		/* others take all streams */
	bool	wanted;		/* others ask for them */
	bool	lost;		/* the server lost what it had */
	bool	away;		/* it does not answer */
	bool	mute;		/* the same, and nobody knows yet */
	bool	forgets;	/* what another store has is too old */
};

extern struct fake_share fake_share;

/* Begins with a server that knows nothing; everything is to be let go of. */
struct share *fake_share_begin(void);
void fake_share_end(void);

void fake_share_run(void);

#endif
