/* SPDX-License-Identifier: ISC */
#ifndef T_UNIT_COLLECT_H
#define T_UNIT_COLLECT_H

/* What the tests of the sources have in common: a directory, a clock, and what
 * comes out of a source. */

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "d4/source.h"
#include "t/unit/tap.h"

#define SOON	5000		/* ms, when something is awaited */
#define ROOM	(8u << 20)

static char dir[64];
static char got[ROOM + 1];

__attribute__((unused))
static char *
in_dir(const char *name)
{
	static char path[4][PATH_MAX];
	static int i;

	i = (i + 1) % 4;
	(void)snprintf(path[i], sizeof(path[i]), "%s/%s", dir, name);
	return path[i];
}

__attribute__((unused))
static void
nap(long ms)
{
	struct timespec ts = { .tv_sec = ms / 1000,
	    .tv_nsec = ms % 1000 * 1000000 };

	(void)nanosleep(&ts, NULL);
}

static long long
now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/*
 * What comes within so long, in slices of at most slice bytes, as a string;
 * want bytes (ROOM at most) and no longer than it takes to get them.  *end,
 * unless NULL, becomes whether the end was seen.
 */
static const char *
collect(struct source *src, size_t want, size_t slice, int ms, bool *end)
{
	long long until = now_ms() + ms, left;
	size_t n = 0;

	if (end != NULL)
		*end = false;
	while (n < want && (left = until - now_ms()) > 0) {
		size_t room = want - n < slice ? want - n : slice;
		ssize_t part = source_read(src, got + n, room);
		struct pollfd pfd;
		int wait;

		if (part > 0) {
			n += (size_t)part;
			continue;
		}
		if (part == 0 && end != NULL)
			*end = true;
		if (part == 0 || errno != EAGAIN)
			break;
		wait = source_poll(src, &pfd);
		(void)poll(&pfd, 1, wait == -1 || wait > left ? (int)left :
		    wait);
	}
	got[n] = '\0';
	return got;
}

static bool
same(const char *have, const char *want)
{
	if (strcmp(have, want) == 0)
		return true;
	diag("got \"%.200s\"\n# wanted \"%.200s\"", have, want);
	return false;
}

#endif
