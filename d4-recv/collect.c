/* SPDX-License-Identifier: ISC */
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "d4-recv/admit.h"
#include "d4-recv/analyze.h"
#include "d4-recv/collect.h"
#include "d4-recv/conn.h"
#include "d4-recv/figures.h"
#include "d4-recv/recover.h"
#include "d4-recv/reload.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/net.h"
#include "lib/stop.h"

#define EVENTS		256	/* of epoll in one turn */
#define PATIENCE	10	/* ticks until a tail's holder has settled it */
#define RECEIVE		((size_t)2 << 20)	/* bytes that a kernel may hold
						 * of a sensor */
#define ACCEPTS		64	/* of one listener in one turn */
#define TICK_MS		1000
#define FLUSH_SENSORS	512	/* whose counts are written in one tick */
#define SPARE_FILES	1024	/* that no connection may count on */
#define REST_MS		1000	/* for what has arrived, at the end */
#define MOMENT_MS	10	/* until room may have been made, then */
#define DRAIN_MS	2500	/* for what waits to be finished, then */

/* What an epoll event is for when it is none of a connection's. */
static char listener_tag, stop_tag, finish_tag, sync_tag, stream_tag, share_tag;

struct collect {
	const struct collect_settings *s;
	struct conn_context	 ctx;
	struct analyze		*analyze;
	struct finish		*finish;
	struct share		*share;		/* or NULL */
	struct figures		 figures;
	bool			 registry_away;	/* and that was said */
	size_t			 max_files;	/* open, 0: any number */
	bool			 recovering;	/* more may have been left */
	unsigned		 recovered;	/* ticks of that */
	bool			 listening;
	int64_t			 listen_at;	/* again, when out of places */
	int64_t			 tick_at;
	bool			 judges;	/* all anew, at the next tick */
	unsigned		 waiting;	/* ticks of sensors for room */
	bool			 stdin_polls;	/* epoll can wait for stdin */
};

/* Of a collector without files all are nothing. */
static const struct finish_figures *
files(const struct collect *c)
{
	static const struct finish_figures none;

	return c->finish == NULL ? &none : finish_figures(c->finish);
}

static void
look_at_clock(struct collect *c)
{
	c->ctx.now_ms = d4_clock_ms();
	c->ctx.now = time(NULL);
}

/* -- beginning ------------------------------------------------------------- */

static int
watch(struct collect *c, int fd, void *tag)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = tag };

	if (epoll_ctl(c->ctx.epoll, EPOLL_CTL_ADD, fd, &event) == 0)
		return 0;
	d4_log_warn("epoll");
	return -1;
}

static int
listen_to_all(struct collect *c, bool on)
{
	size_t i;

	for (i = 0; i < c->s->nlisteners; i++) {
		if (on && watch(c, c->s->listeners[i], &listener_tag) == -1)
			return -1;
		if (!on)
			(void)epoll_ctl(c->ctx.epoll, EPOLL_CTL_DEL,
			    c->s->listeners[i], NULL);
	}
	c->listening = on;
	return 0;
}

static struct d4_registry_login
redis_login(const struct settings *s)
{
	struct d4_registry_login login = {
		.user = s->login.user, .password = s->login.password,
		.insecure_key = s->insecure_key
	};

	return login;
}

/* d4-core's workers look there for what is accepted. */
static int
announce_rules(struct collect *c)
{
	const struct rules *rules = &c->s->settings->rules;
	struct d4_registry *registry = c->ctx.registry;
	bool types[UINT8_MAX + 1];
	char text[4];
	unsigned i;
	int n;

	if ((n = d4_registry_types(registry, types)) != 0)
		return n == -1 ? -1 : 0;
	for (i = 0; i <= UINT8_MAX; i++) {
		(void)snprintf(text, sizeof(text), "%u", i);
		if (rules->types[i] && d4_registry_add(registry,
		    D4_SET_TYPES, text) == -1)
			return -1;
	}
	for (i = 0; i < rules->nmetatypes; i++) {
		if (d4_registry_add(registry, D4_SET_EXTENDED,
		    rules->metatypes[i]) == -1)
			return -1;
	}
	return 0;
}

static int
open_streams(struct collect *c)
{
	const struct settings *s = c->s->settings;
	struct d4_registry_login login = redis_login(s);
	struct stream_settings settings = {
		.where = s->stream, .user = login.user,
		.password = login.password,
		.disconnects = s->stream_disconnects,
		.registry = c->ctx.registry, .epoll = c->ctx.epoll,
		.tag = &stream_tag
	};
	char why[256];

	if (*s->stream == '\0')
		return 0;
	if ((c->ctx.streams = stream_new(&settings, why)) == NULL) {
		d4_log_warnx("%s", why);
		return -1;
	}
	if (announce_rules(c) == -1 || d4_registry_announce(c->ctx.registry,
	    s->key, s->keylen) == -1) {
		d4_log_warnx("%s", d4_registry_why(c->ctx.registry));
		return -1;
	}
	stream_run(c->ctx.streams);
	return 0;
}

static int
open_registry(struct collect *c)
{
	const struct settings *s = c->s->settings;
	struct d4_registry_login login = redis_login(s);
	char why[256];

	if (s->keeps_files && mkdir(s->destination, 0750) == -1 &&
	    errno != EEXIST) {
		d4_log_warn("%s", s->destination);
		return -1;
	}
	c->ctx.registry = d4_registry_open_as(s->registry, s->queues, true,
	    &login, why);
	if (c->ctx.registry == NULL ||
	    (c->analyze = analyze_new(c->ctx.registry, s->queues, &login,
	    why)) == NULL) {
		d4_log_warnx("%s", why);
		return -1;
	}
	if (d4_registry_refresh(c->ctx.registry) == -1 ||
	    admit_rules(&c->ctx) == -1) {
		d4_log_warnx("%s", d4_registry_why(c->ctx.registry));
		return -1;
	}
	return 0;
}

static struct store_settings
store_settings(const struct collect *c)
{
	const struct settings *s = c->s->settings;
	struct store_settings settings = {
		.finish = c->finish, .sync = s->sync, .rotate = s->rotate,
		.rotate_size = s->rotate_size, .compress = s->compress,
		.max_files = c->max_files,
		.items = analyze_items(c->analyze)
	};

	return settings;
}

/* With the registry in Redis other collectors may go on with our streams. */
static int
open_share(struct collect *c)
{
	const struct settings *s = c->s->settings;
	char id[TAIL_STORE], why[256];
	struct share_settings settings = {
		.where = s->registry, .user = s->login.user,
		.password = s->login.password, .store = id,
		.epoll = c->ctx.epoll, .tag = &share_tag
	};

	if (strncmp(s->registry, "redis:", 6) != 0)
		return 0;
	if (store_id(c->ctx.store, id) == -1) {
		d4_log_warn("%s/" TAIL_DIR "/id", s->destination);
		return -1;
	}
	if ((c->share = share_new(&settings, why)) == NULL) {
		d4_log_warnx("%s", why);
		return -1;
	}
	store_share(c->ctx.store, c->share);
	return 0;
}

static int
open_store(struct collect *c)
{
	const struct settings *s = c->s->settings;
	struct finish_settings finish = {
		.root = s->destination,
		.hook = *s->hook != '\0' ? s->hook : NULL,
		.runner = c->s->runners != NULL ?
		    c->s->runners[c->s->worker] : -1,
		.items = analyze_items(c->analyze)
	};
	struct store_settings store;

	if (!s->keeps_files)
		return 0;
	if ((c->finish = finish_new(&finish)) == NULL) {
		d4_log_warn("%s", s->destination);
		return -1;
	}
	store = store_settings(c);
	if ((c->ctx.store = store_new(&store)) == NULL) {
		d4_log_warn("%s", s->destination);
		return -1;
	}
	if (open_share(c) == -1)
		return -1;
	c->recovering = true;
	if (store_fd(c->ctx.store) != -1 &&
	    watch(c, store_fd(c->ctx.store), &sync_tag) == -1)
		return -1;
	return watch(c, finish_fd(c->finish), &finish_tag);
}

static int
open_mac(struct collect *c)
{
	const struct settings *s = c->s->settings;

	if ((c->ctx.mac = d4_mac_new()) == NULL ||
	    (c->ctx.default_key = conn_key_new(c->ctx.mac, s->key,
	    s->keylen)) == NULL || (c->ctx.peers = peers_new()) == NULL) {
		d4_log_warnx("memory: not enough");
		return -1;
	}
	d4_log_info(2, "HMAC by %s", d4_mac_name(c->ctx.mac));
	return 0;
}

/* One sensor on stdin.  A regular file is always ready, and epoll refuses it:
 * then every turn reads it. */
static void
open_stdin(struct collect *c)
{
	struct epoll_event probe = { .events = EPOLLIN };
	int fd;

	c->stdin_polls = epoll_ctl(c->ctx.epoll, EPOLL_CTL_ADD, STDIN_FILENO,
	    &probe) == 0;
	(void)epoll_ctl(c->ctx.epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
	if ((fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)) == -1)
		d4_log_warn("stdin");
	else
		conn_new(&c->ctx, fd, "stdin");
}

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
static void
fit_descriptors(struct collect *c)
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

static int
begin(struct collect *c)
{
	c->ctx.settings = c->s->settings;
	TAILQ_INIT(&c->ctx.strangers);
	fit_descriptors(c);
	look_at_clock(c);
	if ((c->ctx.epoll = epoll_create1(EPOLL_CLOEXEC)) == -1) {
		d4_log_warn("epoll");
		return -1;
	}
	if (c->s->tls != NULL)
		c->ctx.tls = *c->s->tls;
	if (open_mac(c) == -1 || open_registry(c) == -1 ||
	    open_streams(c) == -1 || open_store(c) == -1 ||
	    watch(c, d4_stop_fd(), &stop_tag) == -1)
		return -1;
	figures_begin(&c->figures, c->ctx.now_ms);
	if (c->s->from_stdin)
		open_stdin(c);
	return listen_to_all(c, true);
}

/* -- running --------------------------------------------------------------- */

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
		(void)listen_to_all(c, false);
		c->listen_at = c->ctx.now_ms + TICK_MS;
	}
}

static void
dispatch(struct collect *c, const struct epoll_event *event)
{
	size_t i;

	if (event->data.ptr == &listener_tag) {
		for (i = 0; c->listening && i < c->s->nlisteners; i++)
			accept_some(c, c->s->listeners[i]);
	} else if (event->data.ptr == &stop_tag) {
		d4_stop_drain();
	} else if (event->data.ptr == &stream_tag ||
	    event->data.ptr == &share_tag) {
		;	/* the turn ends with it */
	} else if (event->data.ptr == &finish_tag) {
		finish_run(c->finish);
	} else if (event->data.ptr == &sync_tag) {
		if (store_run(c->ctx.store))
			conn_retry(&c->ctx);
	} else {
		conn_ready(&c->ctx, event->data.ptr);
	}
}

static void
take_settings(struct collect *c)
{
	const struct settings *s = c->s->settings;
	struct store_settings store = store_settings(c);
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

/* A new configuration takes the place of the old where it is without fault;
 * connections go on with the key and certificate that they have. */
static void
reload(struct collect *c)
{
	struct d4_tls_context *tls = NULL;

	if (reload_settings(c->s->settings, c->s->dir,
	    c->s->tls != NULL ? &tls : NULL) == -1)
		return;
	if (tls != NULL) {
		d4_tls_context_free(c->ctx.tls);
		c->ctx.tls = tls;
	}
	fit_descriptors(c);
	take_settings(c);
}

/* Goes on with what a dead process left, until nothing is left. */
static void
recover(struct collect *c)
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
	recover(c);
	c->recovered++;
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
	recover(c);
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

static void
tick(struct collect *c, bool *again)
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
		(void)listen_to_all(c, true);
	figures_tick(&c->figures, c->s, ctx, files(c),
	    c->analyze);
}

/* One turn of the loop: what is ready, verified together, then taken.  Returns
 * how much was ready. */
static int
turn(struct collect *c, bool wait, bool *again)
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
	look_at_clock(c);
	if (*again)
		conn_reread(&c->ctx);
	for (i = 0; i < n; i++)
		dispatch(c, &events[i]);
	*again = conn_turn(&c->ctx);
	*again = run_streams(c) || *again;
	*again = run_share(c) || *again;
	tick(c, again);
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
		(void)turn(c, true, &again);
		if (d4_stop_take_reload())
			reload(c);
		if (c->s->from_stdin && c->ctx.nconns == 0)
			break;
		if (c->s->from_stdin)
			again = read_stdin(c) || again;
	}
}

/* -- end ------------------------------------------------------------------- */

/* What has arrived is taken, and what waits for room tried again, as long as
 * files are finished and make some.  Returns whether there is more to do. */
static bool
take_more(struct collect *c, bool *again)
{
	bool waits;

	if (turn(c, false, again) > 0 || *again)
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
	(void)listen_to_all(c, false);
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
	left = until - d4_clock_ms();
	if (finish_drain(c->finish, left > 0 ? (int)left : 0) == -1 &&
	    files(c)->waiting > 0)
		d4_log_info(1, "%s: the next start goes on with the rest",
		    c->s->settings->destination);
	finish_drop_hooks(c->finish);
	return rc;
}

static int
end(struct collect *c)
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
	figures_end(&c->figures, c->s, &c->ctx, files(c),
	    c->analyze);
	return rc;
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
	if (begin(c) == 0) {
		run(c);
		result = end(c) == 0 ? COLLECT_OK : COLLECT_FAILED;
	}
	release(c);
	return result;
}
