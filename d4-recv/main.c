/* SPDX-License-Identifier: ISC */

/*
 * d4-recv: authenticate and decapsulate D4 records; as a filter, or as the
 * collector of many sensors.
 *
 *	main.c		options, opening, the order of things
 *	settings.[ch]	what the configuration directory says
 *	session.[ch]	which records one stream may hold
 *	filter.[ch]	one stream from a descriptor to a descriptor
 *	supervise.[ch]	the parent of the workers
 *	reload.[ch]	a new configuration in the place of the old
 *	collect.[ch]	one worker: its loop, and collect-*.c around it
 *	conn.[ch]	a sensor's life, from accept to close: conn-*.c
 *	admit.[ch]	who may send, by the registry
 *	peers.[ch]	connections of each address
 *	refusals.[ch]	why not, counted and said; faults.[ch] of our own
 *	errors.[ch]	the same as the registry keeps it, in d4-core's words
 *	stream.[ch]	sessions in Redis Streams: stream-*.c; stream-keys.[ch]
 *			the keys around them, stream-cmd.[ch] their commands,
 *			stream-check.[ch] what became of those,
 *			passage.[ch] what is there already
 *	share.[ch]	tails in Redis, for other stores: share-*.c
 *	pipeline.[ch]	commands to Redis, kept until they are answered
 *	store.[ch]	streams become files: store-*.c; place.[ch] where,
 *			line.[ch] lines, tail.[ch] what a session goes on with
 *	handler.[ch]	what extended types want
 *	finish.[ch]	finished files: complete.[ch], hook.[ch]
 *	runner.[ch]	the process that runs hooks
 *	recover.[ch]	what a dead process left; whole.[ch]
 *	analyze.[ch]	items into the queues that want them
 *	figures.[ch]	what was done, for people and machines
 */

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/collect.h"
#include "d4-recv/filter.h"
#include "d4-recv/reload.h"
#include "d4-recv/runner.h"
#include "d4-recv/settings.h"
#include "d4-recv/supervise.h"
#include "lib/conf.h"
#include "lib/confine.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/mac.h"
#include "lib/net.h"
#include "lib/os.h"
#include "lib/redis.h"
#include "lib/secret.h"
#include "lib/stop.h"

#define LISTENERS	256	/* descriptors to listen on, at most */
#define ADDRESSES	4	/* that one name may stand for */
#define FIRST_PASSED	3	/* of a service manager, sd_listen_fds(3) */
#define FILTER_FILES	64	/* descriptors of a filter; it has a few */
#define WORKERS		64	/* at most */

enum { INSECURE_KEY = 256, METRICS, STATS };

static const struct option longs[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "insecure-key", no_argument, NULL, INSECURE_KEY },
	{ "metrics", required_argument, NULL, METRICS },
	{ "stats", required_argument, NULL, STATS },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 }
};

struct options {
	const char	*dir;
	const char	*meta_file;
	const char	*metrics;
	unsigned	 stats_s;
	bool		 check;
	bool		 insecure_key;
	int		 verbose;
};

static void
usage(FILE *out)
{
	fprintf(out, "usage: d4-recv [-hnVv] [-M file] [--insecure-key] "
	    "[--metrics file]\n               [--stats seconds] "
	    "-c directory\n");
}

static void
help(void)
{
	usage(stdout);
	printf("Authenticate and decapsulate D4 records.\n\n"
	    "  -c directory  configuration, one value per file\n"
	    "  -h            this help\n"
	    "  -M file       write the meta header (type 2) there\n"
	    "  -n            check the configuration, print it, do nothing\n"
	    "  -V            version\n"
	    "  -v            say more on stderr; -vv more\n"
	    "  --insecure-key  take keys whose files others can read\n"
	    "  --metrics     write figures there, in Prometheus text form\n"
	    "  --stats       a line of figures each so many seconds\n");
}

static int
take_stats(struct options *o, const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || n < 1 || n > 86400) {
		d4_log_warnx("--stats: %s: expected a number from 1 to 86400",
		    text);
		return 2;
	}
	o->stats_s = (unsigned)n;
	return -1;
}

/* Takes one option.  Returns -1 to go on, or the exit status. */
static int
take_option(struct options *o, int ch)
{
	switch (ch) {
	case 'c':
		o->dir = optarg;
		return -1;
	case 'h':
		help();
		return d4_log_flush(stdout);
	case 'M':
		o->meta_file = optarg;
		return -1;
	case 'n':
		o->check = true;
		return -1;
	case 'V':
		printf("d4-recv %s\n", D4_VERSION);
		return d4_log_flush(stdout);
	case 'v':
		o->verbose++;
		return -1;
	case INSECURE_KEY:
		o->insecure_key = true;
		return -1;
	case METRICS:
		o->metrics = optarg;
		return -1;
	case STATS:
		return take_stats(o, optarg);
	default:
		usage(stderr);
		return 2;
	}
}

static int
parse_options(struct options *o, int argc, char *argv[])
{
	int ch, rc;

	while ((ch = getopt_long(argc, argv, "c:hM:nVv", longs, NULL)) != -1) {
		if ((rc = take_option(o, ch)) != -1)
			return rc;
	}
	if (o->dir == NULL || optind != argc) {
		d4_log_warnx("%s", optind != argc ?
		    "nothing goes behind the options" : "-c is needed");
		usage(stderr);
		return 2;
	}
	return -1;
}

static int
load(struct settings *s, const struct options *o)
{
	struct d4_conf *conf;
	int faults;

	if ((conf = d4_conf_open(o->dir)) == NULL) {
		d4_log_warn("%s", o->dir);
		return -1;
	}
	faults = settings_load(s, conf, NULL, o->insecure_key);
	d4_conf_close(conf);
	return faults == 0 ? 0 : -1;
}

/* An option that the configuration has no use for was meant for another. */
static int
check_options(const struct settings *s, const struct options *o)
{
	const char *odd = NULL;

	if (s->stores && o->meta_file != NULL)
		odd = "-M";
	else if (!s->stores && o->metrics != NULL)
		odd = "--metrics";
	else if (!s->stores && o->stats_s != 0)
		odd = "--stats";
	if (odd == NULL)
		return 0;
	d4_log_warnx("%s: is for a %s (expected %s in %s/destination)", odd,
	    s->stores ? "filter" : "collector",
	    s->stores ? "\"stdout\"" : "a directory, or \"none\"", o->dir);
	return -1;
}

static int
check_user(const struct settings *s)
{
	char words[D4_CONFINE_WORDS];

	if (*s->user == '\0' || d4_confine_has_user(s->user, words) == 0)
		return 0;
	d4_log_warnx("user: %s", words);
	return -1;
}

/* For -n, whether the files of TLS are some: else who opens them says it.
 * Returns an exit status. */
static int
check(const struct settings *s)
{
	struct d4_tls_context *tls;

	if (*s->server_pem != '\0') {
		if ((tls = reload_open_tls(s)) == NULL)
			return 2;
		d4_tls_context_free(tls);
	}
	settings_print(s);
	return d4_log_flush(stdout);
}

/* All is open but what the meta header is written to. */
static int
confine_filter(const struct options *o)
{
	const struct d4_confine_rule rules[] = {
		{ D4_CONFINE_CREATE, o->meta_file, 0 }
	};
	const struct d4_confine c = {
		.rules = rules, .n = sizeof(rules) / sizeof(rules[0]),
		.files = FILTER_FILES, .alone = true
	};
	char words[D4_CONFINE_WORDS];

	return d4_log_confined(d4_confine_enter(&c, words), words);
}

/* Which of the two outputs would destroy what is read, or each other; NULL for
 * none. */
static const char *
find_clash(const struct filter *f)
{
	struct stat in, meta;
	bool reads = fstat(f->in, &in) == 0;

	if (reads && d4_io_is_file(f->out, &in))
		return f->out_name;
	if (f->meta_file == NULL || stat(f->meta_file, &meta) == -1)
		return NULL;
	return d4_io_is_file(f->in, &meta) || d4_io_is_file(f->out, &meta) ?
	    f->meta_file : NULL;
}

static int
run_filter(const struct settings *s, const struct options *o)
{
	struct filter f = {
		.in = STDIN_FILENO, .out = STDOUT_FILENO,
		.in_name = "stdin", .out_name = "stdout",
		.meta_file = o->meta_file, .rules = &s->rules
	};
	const char *clash = find_clash(&f);
	int rc = -1;

	if ((f.mac = d4_mac_new()) != NULL)
		f.key = d4_mac_key_new(f.mac, s->key, s->keylen);
	if (clash != NULL) {
		d4_log_warnx("%s: is the file that is read%s", clash,
		    clash == f.out_name ? "" : ", or stdout");
	} else if (f.key == NULL) {
		d4_log_warnx("memory: not enough");
	} else {
		d4_log_info(2, "HMAC by %s", d4_mac_name(f.mac));
		d4_os_grow_pipe(f.in);
		d4_os_grow_pipe(f.out);
		rc = confine_filter(o);
		if (rc == 0)
			rc = filter_run(&f);
	}
	session_free(&f.session);
	d4_mac_key_free(f.key);
	d4_mac_free(f.mac);
	/* A file system may tell only now that it could not keep the data. */
	if (close(f.out) == -1 && errno != EINTR) {
		d4_log_warn("%s", f.out_name);
		rc = -1;
	}
	return rc;
}

/* Sockets that a service manager opened for us; 0 when there are none. */
static int
take_passed(int fds[LISTENERS])
{
	const char *n = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	long count;
	int i;

	if (n == NULL || pid == NULL ||
	    strtol(pid, NULL, 10) != (long)getpid())
		return 0;
	count = strtol(n, NULL, 10);
	if (count > LISTENERS)
		count = LISTENERS;
	for (i = 0; i < count; i++) {
		fds[i] = FIRST_PASSED + i;
		(void)fcntl(fds[i], F_SETFD, FD_CLOEXEC);
		(void)fcntl(fds[i], F_SETFL,
		    fcntl(fds[i], F_GETFL) | O_NONBLOCK);
	}
	return count < 0 ? 0 : (int)count;
}

/* The sockets of each worker, that of the first worker first. */
static int
open_listeners(const struct settings *s, int fds[LISTENERS], bool *shared)
{
	struct d4_net_addr addr = s->addr;
	unsigned i, sets;
	char why[256];
	int n = 0, total;

	*shared = true;
	if ((total = take_passed(fds)) > 0)
		return total;
	/* A port can be shared by sockets of their own, a path can't. */
	*shared = s->addr.kind == D4_NET_UNIX || s->workers == 1;
	sets = *shared ? 1 : s->workers;
	for (i = 0; i < sets; i++) {
		/* Each worker has as many as the first. */
		n = d4_net_listen(&addr, !*shared, fds + total,
		    i == 0 ? ADDRESSES : (size_t)n, why);
		if (n == -1) {
			d4_log_warnx("%s: %s", s->source, why);
			return -1;
		}
		total += n;
		if (addr.port == 0 && addr.kind != D4_NET_UNIX)
			addr.port = d4_net_port(fds[0]);
	}
	if (addr.kind == D4_NET_UNIX)
		d4_log_info(1, "listening on %s", s->source);
	else
		d4_log_info(1, "listening on port %u", addr.port);
	return total;
}

/* The path of a place that is a directory; NULL when it is Redis. */
static const char *
directory(const char *place)
{
	return strncmp(place, "redis:", 6) == 0 ? NULL : place;
}

static struct d4_redis_addr
redis_of(const char *place)
{
	struct d4_redis_addr addr = { .db = 0 };
	const char *why;

	if (*place == '\0' || directory(place) != NULL ||
	    d4_redis_parse(&addr, place, &why) == -1)
		memset(&addr, 0, sizeof(addr));
	return addr;
}

/* A directory that is missing can't be allowed.  Who opens it says what is
 * wrong. */
static void
make_directories(const struct settings *s)
{
	if (s->keeps_files)
		(void)mkdir(s->destination, 0750);
	if (directory(s->registry) != NULL)
		(void)mkdir(s->registry, 0750);
	if (directory(s->queues) != NULL)
		(void)mkdir(s->queues, 0750);
}

/*
 * The workers open store, registry and queues by themselves, now and whenever
 * one is started again, and all of us read the configuration for a reload.
 */
static int
confine_collector(const struct settings *s, const struct options *o)
{
	struct d4_redis_addr registry = redis_of(s->registry);
	struct d4_redis_addr queues = redis_of(s->queues);
	struct d4_redis_addr stream = redis_of(s->stream);
	const struct d4_confine_rule rules[] = {
		{ D4_CONFINE_CONF, o->dir, 0 },
		/* Whether the machine was started anew, for the tails. */
		{ D4_CONFINE_READ, "/proc/sys/kernel/random/boot_id", 0 },
		{ D4_CONFINE_WRITE, s->keeps_files ? s->destination : NULL, 0 },
		{ D4_CONFINE_WRITE, directory(s->registry), 0 },
		{ D4_CONFINE_WRITE, directory(s->queues), 0 },
		{ D4_CONFINE_CONNECT, registry.net.host, registry.net.port },
		{ D4_CONFINE_CONNECT, queues.net.host, queues.net.port },
		{ D4_CONFINE_CONNECT, stream.net.host, stream.net.port },
		{ D4_CONFINE_REPLACE, o->metrics, 0 },
		{ D4_CONFINE_REMOVE, s->listens &&
		    s->addr.kind == D4_NET_UNIX ? s->addr.path : NULL, 0 }
	};
	const struct d4_confine c = {
		.rules = rules, .n = sizeof(rules) / sizeof(rules[0])
	};
	char words[D4_CONFINE_WORDS];

	return d4_log_confined(d4_confine_enter(&c, words), words);
}

/* What needs privileges and the whole of the file system is done. */
static int
give_up(const struct collect_settings *c, const struct options *o)
{
	const struct settings *s = c->settings;
	char words[D4_CONFINE_WORDS];

	collect_raise_limit(c);
	if (*s->user != '\0' && d4_confine_user(s->user, words) == -1) {
		d4_log_warnx("user: %s", words);
		return -1;
	}
	make_directories(s);
	return confine_collector(s, o);
}

/* Where files are kept a hook may come with any reload. */
static int
start_runner(const struct settings *s, const struct options *o, int *runners)
{
	struct runner_settings r = {
		.dir = o->dir, .program = s->hook, .root = s->destination,
		.user = s->user
	};

	if (!s->keeps_files ||
	    runner_start(&r, runners, s->listens ? s->workers : 1) == 0)
		return 0;
	d4_log_warn("hook");
	return -1;
}

static int
run_workers(struct collect_settings *c, const struct options *o)
{
	const struct settings *s = c->settings;
	struct d4_tls_context *tls = NULL;
	int fds[LISTENERS], n, rc = -1;
	bool shared;

	/* What is wrong with them is wrong with the configuration. */
	if (s->addr.kind == D4_NET_TLS) {
		if ((tls = reload_open_tls(s)) == NULL)
			return 2;
		/* cppcheck-suppress autoVariables ; until the end of this */
		c->tls = &tls;
	}
	if ((n = open_listeners(s, fds, &shared)) != -1 && give_up(c, o) == 0)
		rc = supervise_run(c, fds, (size_t)n, s->workers, shared);
	c->tls = NULL;
	d4_tls_context_free(tls);
	if (n != -1 && s->addr.kind == D4_NET_UNIX &&
	    getenv("LISTEN_FDS") == NULL)
		(void)unlink(s->addr.path);
	return rc == 0 ? 0 : 1;
}

static int
run_collector(struct settings *s, const struct options *o)
{
	struct collect_settings c = {
		.settings = s, .dir = o->dir, .from_stdin = !s->listens,
		.stats_s = o->stats_s, .metrics = o->metrics
	};
	int runners[WORKERS];

	if (start_runner(s, o, runners) == -1)
		return 1;
	if (s->keeps_files)
		c.runners = runners;
	if (s->listens)
		return run_workers(&c, o);
	return give_up(&c, o) == 0 && collect_run(&c) == COLLECT_OK ? 0 : 1;
}

int
main(int argc, char *argv[])
{
	struct options o = { .dir = NULL };
	struct settings *s;
	int status;

	d4_io_hold_standard();
	d4_log_open("d4-recv", 0);
	if ((status = parse_options(&o, argc, argv)) != -1)
		return status;
	d4_log_open("d4-recv", o.verbose);
	d4_confine_begin();
	if ((s = d4_secret_new(sizeof(*s))) == NULL) {
		d4_log_warn("memory");
		return 1;
	}
	if (load(s, &o) == -1 || check_options(s, &o) == -1 ||
	    check_user(s) == -1)
		status = 2;
	else if (o.check)
		status = check(s);
	else if (d4_stop_install(s->stores) == -1) {
		d4_log_warn("signals");
		status = 1;
	} else if (s->stores)
		status = run_collector(s, &o);
	else
		status = run_filter(s, &o) == 0 ? 0 : 1;
	settings_free(s);
	d4_secret_free(s);
	(void)fflush(NULL);
	if (d4_secret_erase())
		_exit(status);
	return status;
}
