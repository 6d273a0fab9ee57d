/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_RECOVER_H
#define D4_RECV_RECOVER_H

/*
 * At the start: what a process that died left in STORE/.open is handed to the
 * finisher, which cuts it to what is whole, compresses and names it and pushes
 * its path, each exactly once.  Entries that a living process holds (flock(2))
 * are its own business, so any process may call this at any time.
 *
 *	found				goes on with
 *	entry~n~gz			cutting: pcap, pcapng and IPFIX at the
 *					last whole unit, lines at the last
 *					newline, other data where it ends; what
 *					handlers made is kept if it is whole
 *					(whole.h).  What holds nothing then is
 *					removed
 *	entry~n~gz and entry~n~gz~	removing the second and the same, if
 *					that has one link; else removing the
 *					first and as the next
 *	entry~n~gz~ with two links	pushing, with again true
 *	entry~n~gz~ with one link	naming it, then pushing
 *	entry~n~none with two links	pushing, with again true
 *
 * The entry of a stream with a tail is cut where its tail says, or goes if it
 * does not count (settle.h).  While another process has the tail it waits.
 *
 * A push with again true is for the queue to recognise by its path: only a
 * process that died between steps 5 and 6 of finish.h has pushed it before.
 */

#include "d4-recv/finish.h"
#include "d4-recv/share.h"
#include "d4-recv/tail.h"

/*
 * Hands over what was left, as much as the finisher takes at a time; its
 * thread does the work while the caller serves.  To be called at the start,
 * and then once a second as long as it returns 1: there may be more.  0: that
 * was all.  -1 with errno: .open can't be read, or there is no memory or
 * descriptor now; it may be called again.  Entries that are none of ours are
 * left alone.  impatient: it was called for long, see settle_entry().
 * With a share, which may be NULL, it should be called as well when that has
 * news.
 */
int recover_run(struct finish *, struct tails *, struct share *,
    bool impatient);

#endif
