/* SPDX-License-Identifier: ISC */
#ifndef D4_PIBS_STATE_H
#define D4_PIBS_STATE_H

/*
 * What is known from one run to the next: a file with the scanners and the
 * open flows.  It is mapped to be read, has a version and a checksum, and is
 * replaced as a whole, so that after a crash the one before stands.
 *
 *	offset	bytes
 *	0	8	"d4-pibs" and a NUL
 *	8	4	version, 1
 *	12	4	0
 *	16	8	bytes that follow
 *	24	8	checksum of those
 *	32		number of scanners; 20 bytes each: address, second
 *			flows as attack_save() writes them, when there are any
 *
 * Integers are little-endian.
 */

#include "d4-pibs/attack.h"
#include "d4-pibs/seen.h"

#define STATE_FAULT	160

/* Reads a file into both; attacks may be NULL, flows are then left unread.  A
 * file that is not there is an empty one.  Returns 0, or -1 and the reason. */
int state_load(const char *path, struct seen *, struct attacks *,
    char[STATE_FAULT]);

/* Writes both, as of now; attacks may be NULL.  Returns 0, or -1 with errno. */
int state_save(const char *path, const struct seen *, const struct attacks *,
    uint32_t now);

#endif
