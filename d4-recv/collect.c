/* SPDX-License-Identifier: ISC */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "d4-recv/collect-own.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/net.h"
#include "lib/stop.h"

#define EVENTS		256	/* of epoll in one turn */
#define RECEIVE		((size_t)2 << 20)	/* bytes that a kernel may hold
						 * of a sensor */
#define ACCEPTS		64	/* of one listener in one turn */
#define ACCEPT_MS	1000	/* until we listen again, out of descriptors */

char collect_listener, collect_stop, collect_finish, collect_sync,
    collect_stream, collect_share;

const struct finish_figures *
collect_files(const struct collect *c)
{
	static const struct finish_figures none;

	return c->finish == NULL ? &none : finish_figures(c->finish);
}

void
collect_look_at_clock(struct collect *c)
{
	c->ctx.now_ms = d4_clock_ms();
	c->ctx.now = time(NULL);
}

static void
accept_some(struct collect *c, int listener)
{
	struct sockaddr_storage sa;
	char peer[D4_NET_HOST];
	int fd, i;

	for (i = 0; i < ACCEPTS; i++) {
		if ((fd = d4_net_accept(listener, &sa)) == -1)
			break;
		d4_net_peer(&sa, peer);
		d4_net_limit_receive(fd, RECEIVE);
		conn_new(&c->ctx, fd, peer);
	}
	/* Out of descriptors the listener would wake us for ever. */
	if (i < ACCEPTS && (errno == EMFILE || errno == ENFILE ||
	    errno == ENOBUFS || errno == ENOMEM)) {
		d4_log_warn("accept");
		(void)collect_listen(c, false);
		c->listen_at = c->ctx.now_ms + ACCEPT_MS;
	}
}

static void
dispatch(struct collect *c, const struct epoll_event *event)
{
	size_t i;

	if (event->data.ptr == &collect_listener) {
		for (i = 0; c->listening && i < c->s->nlisteners; i++)
			accept_some(c, c->s->listeners[i]);
	} else if (event->data.ptr == &collect_stop) {
		d4_stop_drain();
	} else if (event->data.ptr == &collect_stream ||
	    event->data.ptr == &collect_share) {
		;	/* the turn ends with it */
	} else if (event->data.ptr == &collect_finish) {
		finish_run(c->finish);
	} else if (event->data.ptr == &collect_sync) {
		if (store_run(c->ctx.store))
			conn_retry(&c->ctx);
	} else {
		conn_ready(&c->ctx, event->data.ptr);
	}
}

/* Streams that went from one store to another. */
static bool
run_share(struct collect *c)
{
	if (c->share == NULL)
		return false;
	share_run(c->share);
	if (!share_has_news(c->share))
		return false;
	(void)store_run(c->ctx.store);
	conn_retry(&c->ctx);
	collect_recover(c);
	/* What that brought is sent now, and not with the next event. */
	share_run(c->share);
	return conn_turn(&c->ctx);
}

/* Sensors that waited for streams may be read again. */
static bool
run_streams(struct collect *c)
{
	if (c->ctx.streams == NULL)
		return false;
	stream_run(c->ctx.streams);
	if (!stream_eased(c->ctx.streams))
		return false;
	conn_wake(&c->ctx);
	return conn_turn(&c->ctx);
}

int
collect_turn(struct collect *c, bool wait, bool *again)
{
	struct epoll_event events[EVENTS];
	int i, n, timeout = 0;

	if (wait && !*again) {
		timeout = (int)(c->tick_at - d4_clock_ms());
		if (timeout < 0)
			timeout = 0;
		if (c->ctx.streams != NULL)
			timeout = stream_timeout(c->ctx.streams, timeout);
		if (c->share != NULL)
			timeout = share_timeout(c->share, timeout);
	}
	n = epoll_wait(c->ctx.epoll, events, EVENTS, timeout);
	collect_look_at_clock(c);
	if (*again)
		conn_reread(&c->ctx);
	for (i = 0; i < n; i++)
		dispatch(c, &events[i]);
	*again = conn_turn(&c->ctx);
	*again = run_streams(c) || *again;
	*again = run_share(c) || *again;
	collect_tick(c, again);
	return n;
}

/* A regular file on stdin is always ready, which epoll doesn't tell. */
static bool
read_stdin(struct collect *c)
{
	struct conn *conn = c->ctx.first;

	if (c->stdin_polls || conn == NULL || conn_is_full(conn) ||
	    conn->ended)
		return false;
	conn_ready(&c->ctx, conn);
	return true;
}

static void
run(struct collect *c)
{
	bool again = false;

	while (!d4_stop_wanted()) {
		(void)collect_turn(c, true, &again);
		if (d4_stop_take_reload())
			collect_reload(c);
		if (c->s->from_stdin && c->ctx.nconns == 0)
			break;
		if (c->s->from_stdin)
			again = read_stdin(c) || again;
	}
}

static void
release(struct collect *c)
{
	stream_free(c->ctx.streams);
	store_free(c->ctx.store);
	share_free(c->share);
	finish_free(c->finish);
	analyze_free(c->analyze);
	d4_registry_close(c->ctx.registry);
	peers_free(c->ctx.peers);
	conn_key_drop(c->ctx.default_key);
	d4_mac_free(c->ctx.mac);
	d4_tls_context_free(c->ctx.tls);
	rules_free(&c->ctx.rules);
	if (c->ctx.epoll != -1)
		(void)close(c->ctx.epoll);
	free(c);
}

enum collect_result
collect_run(const struct collect_settings *s)
{
	enum collect_result result = COLLECT_NOT_BEGUN;
	struct collect *c;

	if ((c = calloc(1, sizeof(*c))) == NULL) {
		d4_log_warn("memory");
		return COLLECT_NOT_BEGUN;
	}
	c->s = s;
	c->ctx.epoll = -1;
	if (collect_open(c) == 0) {
		run(c);
		result = collect_end(c) == 0 ? COLLECT_OK : COLLECT_FAILED;
	}
	release(c);
	return result;
}
