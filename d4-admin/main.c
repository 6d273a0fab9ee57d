/* SPDX-License-Identifier: ISC */

/*
 * d4-admin: the management of a collector from the shell.
 *
 *	main.c		options, opening, the order of things
 *	verbs.[ch]	what can be done, a line each
 *	args.[ch]	the arguments of a verb
 *	order.c		what a registry lists, in order
 *	place.[ch]	where store, registry and queues are
 *	table.[ch]	rows for people and machines
 *	secret.[ch]	keys of sensors, new files
 *	sensor.c	who may send; sensor-set.c what is set of them;
 *			enroll.c registration, with a ready configuration
 *	block.c, type.c, queue.c, mode.c	what else is managed
 *	stats.c, watch.c	what was counted, what is under way
 *	check.[ch]	whether a store is in order: its files;
 *			check-registry.c what registry and queues hold
 *	export.c, import.c	all contents of a registry as JSON lines
 *	tls.c		certificates; authority.[ch] their files
 *	walk.[ch]	all files of a directory
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "d4-admin/verbs.h"
#include "lib/confine.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/redis.h"
#include "lib/secret.h"
#include "lib/stop.h"

#define FILES_MAX	256	/* descriptors; a directory's depth at most */

enum { INSECURE_KEY = 256, LOGIN };

static const struct option longs[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "insecure-key", no_argument, NULL, INSECURE_KEY },
	{ "login", required_argument, NULL, LOGIN },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 }
};

struct options {
	struct place_options place;
	bool		 json;
	int		 verbose;
};

static void
usage(FILE *out)
{
	fprintf(out, "usage: d4-admin [-hjVv] [--insecure-key] [-d store | "
	    "-c directory | [-i host]\n"
	    "                [-p port] [--login directory]] object verb "
	    "[argument ...]\n");
}

static void
help(void)
{
	usage(stdout);
	printf("Manage a collector of D4 sensors.\n\n"
	    "  -c directory  the collector's configuration\n"
	    "  -d store      the collector's store\n"
	    "  -h            this help\n"
	    "  -i host       a Redis server, or its socket (127.0.0.1)\n"
	    "  -j            a line of JSON for each row\n"
	    "  -p port       port of the Redis server (6380)\n"
	    "  -V            version\n"
	    "  -v            say more on stderr\n"
	    "  --insecure-key  take keys whose files others can read\n"
	    "  --login       directory with redis_password for that server\n"
	    "\n");
	verbs_print(stdout);
}

/* Takes one option.  Returns -1 to go on, or the exit status. */
static int
take_option(struct options *o, int ch)
{
	switch (ch) {
	case 'c':
		o->place.conf = optarg;
		return -1;
	case 'd':
		o->place.store = optarg;
		return -1;
	case INSECURE_KEY:
		o->place.insecure_key = true;
		return -1;
	case 'h':
		help();
		return d4_log_flush(stdout);
	case 'i':
		o->place.host = optarg;
		return -1;
	case 'j':
		o->json = true;
		return -1;
	case 'p':
		o->place.port = optarg;
		return -1;
	case LOGIN:
		o->place.login = optarg;
		return -1;
	case 'V':
		printf("d4-admin %s\n", D4_VERSION);
		return d4_log_flush(stdout);
	case 'v':
		o->verbose++;
		return -1;
	default:
		usage(stderr);
		return 2;
	}
}

int
admin_open(struct admin *a, const struct args *args)
{
	enum need need = args->verb->need;
	bool create = need == NEED_CHANGES ||
	    (need == NEED_CONTENTS && place_has_registry(&a->place));

	a->reg = place_open(&a->place, create, a->why);
	return a->reg == NULL ? -1 : 0;
}

const char *
admin_why(const struct admin *a)
{
	return a->reg != NULL ? d4_registry_why(a->reg) : a->why;
}

int
admin_fault(const struct admin *a)
{
	d4_log_warnx("%s", admin_why(a));
	return 1;
}

int
keep_uuid(void *cookie, const uint8_t uuid[D4_UUID_LEN])
{
	struct uuids *uuids = cookie;
	void *list;

	if ((uuids->n & (uuids->n - 1)) == 0) {
		list = realloc(uuids->list, (uuids->n == 0 ? 1 :
		    uuids->n * 2) * sizeof(*uuids->list));
		if (list == NULL) {
			uuids->failed = true;
			return 0;
		}
		uuids->list = list;
	}
	if (!uuids->failed)
		memcpy(uuids->list[uuids->n++], uuid, D4_UUID_LEN);
	return 0;
}

/* Where the verb reads an authority and writes files of its own: "" for
 * nowhere. */
static void
find_files(const struct admin *a, const struct args *args, const char **ca,
    const char **out)
{
	const char *conf = *a->place.conf != '\0' ? a->place.conf : ".";
	bool tls = strcmp(args->verb->object, "tls") == 0;

	*ca = args_option(args, "ca");
	*out = args_option(args, "o");
	if (tls && *ca == NULL)
		*ca = conf;
	if (tls && *out == NULL)
		*out = args->n > 0 && strcmp(args->verb->name, "init") != 0 ?
		    "." : conf;
	if (strcmp(args->verb->object, "mode") == 0)
		*out = conf;
}

static struct d4_redis_addr
redis_of(const char *place)
{
	struct d4_redis_addr addr = { .db = 0 };
	const char *why;

	if (strncmp(place, "redis:", 6) != 0 ||
	    d4_redis_parse(&addr, place, &why) == -1)
		memset(&addr, 0, sizeof(addr));
	return addr;
}

/* The path of a place that is a directory. */
static const char *
directory(const char *place)
{
	return strncmp(place, "redis:", 6) == 0 ? NULL : place;
}

/* What the verb may do by name; a registry may have to be made. */
static int
confine(const struct admin *a, const struct args *args)
{
	const struct place *p = &a->place;
	struct d4_redis_addr registry = redis_of(p->registry);
	struct d4_redis_addr queues = redis_of(p->queues);
	bool imports = strcmp(args->verb->object, "import") == 0;
	char words[D4_CONFINE_WORDS];
	const char *ca, *out;
	struct d4_confine_rule rules[] = {
		{ D4_CONFINE_CONF, p->conf, 0 },
		{ D4_CONFINE_MAKE, p->store, 0 },
		{ D4_CONFINE_MAKE, directory(p->registry), 0 },
		{ D4_CONFINE_MAKE, directory(p->queues), 0 },
		{ D4_CONFINE_CONNECT, registry.net.host, registry.net.port },
		{ D4_CONFINE_CONNECT, queues.net.host, queues.net.port },
		{ D4_CONFINE_READ, imports && args->n > 0 ? args->operand[0] :
		    NULL, 0 },
		{ D4_CONFINE_CONF, NULL, 0 },
		{ D4_CONFINE_MAKE, NULL, 0 }
	};
	const size_t n = sizeof(rules) / sizeof(rules[0]);
	const struct d4_confine c = {
		.rules = rules, .n = n, .files = FILES_MAX, .alone = true
	};

	find_files(a, args, &ca, &out);
	rules[n - 2].path = ca;
	rules[n - 1].path = out;
	return d4_log_confined(d4_confine_enter(&c, words), words);
}

static int
run(struct admin *a, const struct args *args)
{
	int status;

	if (args->verb->need != NEED_NOTHING && !a->place.given) {
		d4_log_warnx("no collector named (expected -d store, -c "
		    "directory, or -i host and -p port)");
		return 2;
	}
	status = confine(a, args) == -1 ? 1 : args->verb->run(a, args);
	d4_registry_close(a->reg);
	return status;
}

int
main(int argc, char *argv[])
{
	struct options o = { .json = false };
	struct admin *a;
	const struct verb *verb;
	struct args args;
	size_t used;
	int ch, status;

	d4_io_hold_standard();
	d4_log_open("d4-admin", 0);
	/* With + the options end at the object, for its own follow. */
	while ((ch = getopt_long(argc, argv, "+c:d:hi:jp:Vv",
	    longs, NULL)) != -1) {
		if ((status = take_option(&o, ch)) != -1)
			return status;
	}
	d4_log_open("d4-admin", o.verbose);
	d4_confine_begin();
	if ((a = d4_secret_new(sizeof(*a))) == NULL) {
		d4_log_warn("memory");
		return 1;
	}
	argv += optind;
	argc -= optind;
	a->json = o.json;
	a->insecure_key = o.place.insecure_key;
	a->now = (uint64_t)time(NULL);
	if ((verb = verbs_find(argv, (size_t)argc, &used)) == NULL ||
	    args_parse(&args, verb, argv + used, (size_t)argc - used) != 0 ||
	    place_find(&a->place, &o.place) != 0) {
		status = 2;
	} else if (d4_stop_install(false) == -1) {
		d4_log_warn("signals");
		status = 1;
	} else {
		status = run(a, &args);
	}
	d4_secret_free(a);
	/* A file system may tell only now that it could not keep the data. */
	if (close(STDOUT_FILENO) == -1 && errno != EINTR) {
		d4_log_warn("stdout");
		status = 1;
	}
	(void)fflush(NULL);
	if (d4_secret_erase())
		_exit(status);
	return status;
}
