/* SPDX-License-Identifier: ISC */
#include <sys/resource.h>

#include "d4-recv/collect-own.h"
#include "lib/log.h"

#define SPARE_FILES	1024	/* that no connection may count on */

/* A connection may hold a socket and a file. */
static unsigned
most_connections(const struct collect_settings *s)
{
	return s->from_stdin ? 1 : s->settings->max_connections;
}

static rlim_t
descriptors(const struct collect_settings *s)
{
	return 2 * (rlim_t)most_connections(s) + SPARE_FILES;
}

void
collect_raise_limit(const struct collect_settings *s)
{
	rlim_t need = descriptors(s), best = need + most_connections(s);
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1 || limit.rlim_cur >= best)
		return;
	/* A third one for its tail, where it can be had. */
	if (limit.rlim_max >= need) {
		limit.rlim_cur = limit.rlim_max < best ? limit.rlim_max : best;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
		return;
	}
	limit.rlim_cur = need;
	if (limit.rlim_max < need)
		limit.rlim_max = need;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0 ||
	    getrlimit(RLIMIT_NOFILE, &limit) == -1)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Where there are not descriptors enough for both of all, a third of them is
 * for files, which are ended sooner then. */
void
collect_fit(struct collect *c)
{
	unsigned wanted = most_connections(c->s);
	struct rlimit limit;
	rlim_t places;

	c->ctx.max_connections = wanted;
	c->max_files = 0;
	collect_raise_limit(c->s);
	if (getrlimit(RLIMIT_NOFILE, &limit) == -1 ||
	    limit.rlim_cur >= descriptors(c->s))
		return;
	places = limit.rlim_cur > 2 * SPARE_FILES ?
	    limit.rlim_cur - SPARE_FILES : limit.rlim_cur / 2;
	if (wanted > places / 3 * 2) {
		c->ctx.max_connections = (unsigned)(places / 3 * 2);
		d4_log_warnx("max_connections: only %u, for %llu descriptors",
		    c->ctx.max_connections,
		    (unsigned long long)limit.rlim_cur);
	}
	c->max_files = (size_t)places - c->ctx.max_connections;
}
