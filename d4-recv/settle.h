/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_SETTLE_H
#define D4_RECV_SETTLE_H

/*
 * Where a process died, the tail of a stream and its file in .open are made to
 * say the same (d4-resume(7)): the file is cut to where the tail's last entry
 * ends and at the last whole unit, and so are the entries; when the machine
 * went down, to what the last mark covers.  Then the file is for the finisher.
 */

#include <sys/types.h>

#include "d4-recv/finish.h"
#include "d4-recv/share.h"
#include "d4-recv/tail.h"

/* Settles a tail that was just opened.  0; 1: a file is in another's hand, try
 * again; 2: they can't be made to agree, the tail is to be dropped; -1 with
 * errno.  waits: the file stays in .open, for settle_hand(). */
int settle_tail(struct finish *, struct tail *, bool waits);

/* Hands it over. */
void settle_hand(struct finish *, const struct tail *);

/* The same where the stream of the place went on in another store: its files
 * end as that says. */
int settle_elsewhere(struct finish *, struct tail *, const struct place *,
    const struct share_note *);

/* What is to become of an entry that a stream with a tail left. */
enum settle {
	SETTLE_DONE,		/* nothing, it is seen to */
	SETTLE_LATER,		/* its tail is held, ask again */
	SETTLE_CUT,		/* whatever of it is whole */
	SETTLE_WHOLE,		/* it is, as it is */
	SETTLE_LOST,		/* it does not count */
	SETTLE_FAILED		/* errno is set, ask again */
};

/* Settles its tail, if need be.  impatient: who holds the tail has held it for
 * long, so it has settled.  With a share, which may be NULL, not before that
 * has said where the stream went on. */
enum settle settle_entry(struct finish *, struct tails *, struct share *,
    const struct place *, const char *entry, bool impatient);

/* Opens and locks an entry that nobody works on.  Returns the descriptor and
 * its links, or -1; errno is ENOENT when there is none, EWOULDBLOCK when it
 * is in hand. */
int settle_open(int entries, const char *entry, nlink_t *nlink);

/* Hands an entry with so many links to the finisher, which goes on where it was
 * left: its finished bytes may lie beside it.  As finish_submit(). */
int settle_submit(struct finish *, const struct place *, unsigned n, int fd,
    nlink_t, enum finish_how);

#endif
