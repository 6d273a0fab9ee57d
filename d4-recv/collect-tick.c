/* SPDX-License-Identifier: ISC */
#include "d4-recv/admit.h"
#include "d4-recv/collect-own.h"
#include "d4-recv/recover.h"
#include "d4-recv/reload.h"
#include "lib/log.h"

#define TICK_MS		1000
#define PATIENCE	10	/* ticks until a tail's holder has settled it */
#define FLUSH_SENSORS	512	/* whose counts are written in one tick */

static void
take_settings(struct collect *c)
{
	const struct settings *s = c->s->settings;
	struct store_settings store = collect_store_settings(c);
	struct conn_key *key;

	if (c->ctx.store != NULL)
		store_reload(c->ctx.store, &store);
	key = conn_key_new(c->ctx.mac, s->key, s->keylen);
	if (key != NULL) {
		conn_key_drop(c->ctx.default_key);
		c->ctx.default_key = key;
	}
	if ((c->finish != NULL && finish_set_hook(c->finish,
	    *s->hook != '\0' ? s->hook : NULL) == -1) ||
	    admit_rules(&c->ctx) == -1 || key == NULL)
		d4_log_warnx("%s: taken in part", c->s->dir);
	c->judges = true;
	d4_log_info(1, "%s: taken", c->s->dir);
}

void
collect_reload(struct collect *c)
{
	struct d4_tls_context *tls = NULL;

	if (reload_settings(c->s->settings, c->s->dir,
	    c->s->tls != NULL ? &tls : NULL) == -1)
		return;
	if (tls != NULL) {
		d4_tls_context_free(c->ctx.tls);
		c->ctx.tls = tls;
	}
	collect_fit(c);
	take_settings(c);
}

void
collect_recover(struct collect *c)
{
	long n;

	if (store_left_some(c->ctx.store)) {
		c->recovering = true;
		c->recovered = 0;
	}
	if (!c->recovering)
		return;
	n = recover_run(c->finish, store_tails(c->ctx.store), c->share,
	    c->recovered >= PATIENCE);
	if (n == -1)
		d4_log_warn("%s: cannot look for unfinished files",
		    c->s->settings->destination);
	else if (n > 0)
		d4_log_info(1, "%s: %ld unfinished files taken up",
		    c->s->settings->destination, n);
	c->recovering = n != 0;
}

/* Says once that the registry is away, and that it is back. */
static void
mind_registry(struct collect *c, bool away)
{
	if (away && !c->registry_away)
		d4_log_warnx("%s: we go on without",
		    d4_registry_why(c->ctx.registry));
	if (!away && c->registry_away)
		d4_log_warnx("%s: goes on", c->s->settings->registry);
	c->registry_away = away;
}

static void
tick_files(struct collect *c)
{
	if (c->ctx.store == NULL)
		return;
	if (c->share != NULL)
		share_tick(c->share);
	(void)store_tick(c->ctx.store, c->ctx.now);
	finish_run(c->finish);
	collect_recover(c);
	c->recovered++;
}

/* A moment's wait is nothing to be said. */
static void
say_waiting(struct collect *c)
{
	const char *where = c->s->settings->destination;

	if (c->ctx.nwaiting > 0) {
		if (++c->waiting == 2)
			d4_log_warnx("%s: %zu sensors wait for room", where,
			    c->ctx.nwaiting);
	} else {
		if (c->waiting >= 2)
			d4_log_say("%s: there is room for sensors again",
			    where);
		c->waiting = 0;
	}
}

void
collect_tick(struct collect *c, bool *again)
{
	struct conn_context *ctx = &c->ctx;
	int changed;
	bool away;

	if (ctx->now_ms < c->tick_at)
		return;
	c->tick_at = ctx->now_ms + TICK_MS;
	away = (changed = d4_registry_refresh(ctx->registry)) == -1 ||
	    (changed == 1 && admit_rules(ctx) == -1);
	if (ctx->streams != NULL)
		stream_tick(ctx->streams);
	conn_tick(ctx, changed == 1 || c->judges);
	/* Others from an address that this blocked go without a second more. */
	c->judges = ctx->judges_again;
	if (ctx->judges_again)
		c->tick_at = ctx->now_ms;
	ctx->judges_again = false;
	say_waiting(c);
	*again = conn_turn(ctx) || *again;
	tick_files(c);
	analyze_tick(c->analyze);
	if (!away)
		away = d4_registry_flush(ctx->registry, FLUSH_SENSORS) == -1;
	mind_registry(c, away);
	if (!c->listening && ctx->now_ms >= c->listen_at)
		(void)collect_listen(c, true);
	figures_tick(&c->figures, c->s, ctx, collect_files(c),
	    c->analyze);
}
