/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_WHOLE_H
#define D4_RECV_WHOLE_H

/*
 * What of a file that a dead process left is whole: of a capture or flows the
 * units up to the last border, of lines those that ended, of other data all;
 * of a file that a handler made all or nothing, which is told by the hash in
 * its name or by its being JSON.
 */

#include "d4-recv/place.h"

/*
 * Cuts the file to that.  Returns 1 when it holds something then, 0 when there
 * is nothing to keep (a preamble alone is nothing), or -1 with errno.
 */
int whole_cut(const struct place *, int fd);

#endif
