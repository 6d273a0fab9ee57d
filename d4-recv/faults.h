/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_FAULTS_H
#define D4_RECV_FAULTS_H

/* Faults that would be said again and again while they last, such as those of
 * a full disk: the same words once a minute. */

#include <time.h>

struct faults {
	char	last[512];
	time_t	at;		/* said */
};

/* Says the words on stderr, if it is time to. */
void faults_say(struct faults *, const char *words);

#endif
