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
 *					newline, other data where it ends, files
 *					of handlers if handler_is_whole().  What
 *					holds nothing then is removed
 *	entry~n~gz and entry~n~gz~	removing the second and the same, if
 *					that has one link; else removing the
 *					first and as the next
 *	entry~n~gz~ with two links	pushing, with again true
 *	entry~n~gz~ with one link	naming it, then pushing
 *	entry~n~none with two links	pushing, with again true
 *
 * A push with again true is for the queue to recognise by its path: only a
 * process that died between steps 5 and 6 of finish.h has pushed it before.
 */

#include "d4-recv/finish.h"

/*
 * Hands over all that was left; the finisher's thread does the work while the
 * caller serves.  Returns how many files that were, or -1 with errno when
 * .open can't be read.  Entries that are none of ours are left and said on
 * stderr.
 */
long recover_run(struct finish *);

#endif
