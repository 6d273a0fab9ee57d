/* SPDX-License-Identifier: ISC */
#include <unistd.h>

#include "d4-recv/collect-own.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/stop.h"

#define REST_MS		1000	/* for what has arrived, at the end */
#define MOMENT_MS	10	/* until room may have been made, then */
#define LOOK_MS		500	/* the same at the end of stdin, each time */
#define DRAIN_MS	2500	/* for what waits to be finished, then */

/* What has arrived is taken, and what waits for room tried again, as long as
 * files are finished and make some.  Returns whether there is more to do. */
static bool
take_more(struct collect *c, bool *again)
{
	bool waits;

	if (collect_turn(c, false, again) > 0 || *again)
		return true;
	waits = conn_drain(&c->ctx);
	*again = conn_turn(&c->ctx);
	if (waits && c->finish != NULL)
		(void)finish_drain(c->finish, MOMENT_MS);
	return waits || *again;
}

/* Nobody comes any more, also when our parent is gone; what has arrived is
 * taken as long as there is time.  Returns -1 when there was no room for some
 * of it. */
static int
take_the_rest(struct collect *c)
{
	int64_t until = d4_clock_ms() + REST_MS;
	bool again = false;
	size_t i;

	if (c->finish != NULL)
		finish_hurry(c->finish);
	(void)collect_listen(c, false);
	c->listen_at = INT64_MAX;
	for (i = 0; i < c->s->nlisteners; i++)
		(void)close(c->s->listeners[i]);
	while (take_more(c, &again) && d4_clock_ms() < until)
		continue;
	return conn_end_all(&c->ctx);
}

/* Files are closed, what waits for room gets it if there is some. */
static int
finish_files(struct collect *c)
{
	int64_t until = d4_clock_ms() + DRAIN_MS;
	int64_t left;
	int rc = 0;

	if (c->ctx.store == NULL)
		return 0;
	while (store_tick(c->ctx.store, c->ctx.now) && d4_clock_ms() < until) {
		(void)finish_drain(c->finish, 50);
		if (c->share != NULL)
			share_run(c->share);
		(void)store_run(c->ctx.store);
	}
	if (store_sync(c->ctx.store, c->ctx.now) == -1)
		rc = -1;
	if (c->share != NULL && share_drain(c->share, DRAIN_MS) == -1)
		d4_log_info(1, "%s: other stores do not know of all streams",
		    c->s->settings->registry);
	/* A signal leaves the rest to the next start, the end of stdin does
	 * not: there may be none. */
	while (c->s->from_stdin && !d4_stop_wanted() &&
	    finish_drain(c->finish, LOOK_MS) == -1 &&
	    collect_files(c)->waiting > 0)
		analyze_tick(c->analyze);
	left = until - d4_clock_ms();
	if (finish_drain(c->finish, left > 0 ? (int)left : 0) == -1 &&
	    collect_files(c)->waiting > 0)
		d4_log_info(1, "%s: the next start goes on with the rest",
		    c->s->settings->destination);
	finish_drop_hooks(c->finish);
	if (collect_files(c)->nleft > 0)
		rc = -1;
	return rc;
}

int
collect_end(struct collect *c)
{
	int rc;

	rc = take_the_rest(c);
	if (finish_files(c) == -1)
		rc = -1;
	if (c->ctx.streams != NULL && stream_drain(c->ctx.streams,
	    DRAIN_MS) == -1) {
		d4_log_warnx("%s: %zu bytes could not be handed over",
		    c->s->settings->stream,
		    stream_figures(c->ctx.streams)->waiting);
		rc = -1;
	}
	analyze_tick(c->analyze);
	if (d4_registry_flush(c->ctx.registry, 0) == -1) {
		d4_log_warnx("%s", d4_registry_why(c->ctx.registry));
		rc = -1;
	}
	/* On stdin there is one stream, and it was refused. */
	if (c->s->from_stdin && refusals_any(&c->ctx.refusals))
		rc = -1;
	figures_end(&c->figures, c->s, &c->ctx, collect_files(c),
	    c->analyze);
	return rc;
}
