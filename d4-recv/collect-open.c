/* SPDX-License-Identifier: ISC */
#include <sys/epoll.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/admit.h"
#include "d4-recv/collect-own.h"
#include "lib/log.h"
#include "lib/stop.h"

int
collect_watch(struct collect *c, int fd, void *tag)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = tag };

	if (epoll_ctl(c->ctx.epoll, EPOLL_CTL_ADD, fd, &event) == 0)
		return 0;
	d4_log_warn("epoll");
	return -1;
}

int
collect_listen(struct collect *c, bool on)
{
	size_t i;

	for (i = 0; i < c->s->nlisteners; i++) {
		if (on && collect_watch(c, c->s->listeners[i],
		    &collect_listener) == -1)
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
		.tag = &collect_stream
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

struct store_settings
collect_store_settings(const struct collect *c)
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
		.epoll = c->ctx.epoll, .tag = &collect_share
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
	store = collect_store_settings(c);
	if ((c->ctx.store = store_new(&store)) == NULL) {
		d4_log_warn("%s", s->destination);
		return -1;
	}
	if (open_share(c) == -1)
		return -1;
	c->recovering = true;
	if (store_fd(c->ctx.store) != -1 &&
	    collect_watch(c, store_fd(c->ctx.store), &collect_sync) == -1)
		return -1;
	return collect_watch(c, finish_fd(c->finish), &collect_finish);
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

int
collect_open(struct collect *c)
{
	c->ctx.settings = c->s->settings;
	TAILQ_INIT(&c->ctx.strangers);
	collect_fit(c);
	collect_look_at_clock(c);
	if ((c->ctx.epoll = epoll_create1(EPOLL_CLOEXEC)) == -1) {
		d4_log_warn("epoll");
		return -1;
	}
	if (c->s->tls != NULL)
		c->ctx.tls = *c->s->tls;
	if (open_mac(c) == -1 || open_registry(c) == -1 ||
	    open_streams(c) == -1 || open_store(c) == -1 ||
	    collect_watch(c, d4_stop_fd(), &collect_stop) == -1)
		return -1;
	figures_begin(&c->figures, c->ctx.now_ms);
	if (c->s->from_stdin)
		open_stdin(c);
	return collect_listen(c, true);
}
