/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "d4-recv/faults.h"
#include "lib/log.h"

#define MINUTE	60

void
faults_say(struct faults *f, const char *words)
{
	time_t now = time(NULL);

	if (strncmp(f->last, words, sizeof(f->last) - 1) == 0 &&
	    now >= f->at && now - f->at < MINUTE)
		return;
	f->at = now;
	(void)snprintf(f->last, sizeof(f->last), "%s", words);
	d4_log_warnx("%s", words);
}
