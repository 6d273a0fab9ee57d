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
#include "lib/io.h"
#include "lib/log.h"
#include "lib/stop.h"

enum { LOGIN = 256 };

static const struct option longs[] = {
	{ "login", required_argument, NULL, LOGIN },
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
	fprintf(out, "usage: d4-admin [-hjVv] [-d store | -c directory | "
	    "[-i host] [-p port]\n"
	    "                [--login directory]]\n"
	    "                object verb [argument ...]\n");
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
	case 'h':
		help();
		return fflush(stdout) == 0 ? 0 : 1;
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
		return fflush(stdout) == 0 ? 0 : 1;
	case 'v':
		o->verbose++;
		return -1;
	default:
		usage(stderr);
		return 2;
	}
}

int
admin_fault(const struct admin *a)
{
	d4_log_warnx("%s", d4_registry_why(a->reg));
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

/* Opens what the verb needs, and does it. */
static int
run(struct admin *a, const struct args *args)
{
	const struct verb *verb = args->verb;
	int status;

	if (verb->need != NEED_NOTHING && !a->place.given) {
		d4_log_warnx("no collector named (expected -d store, -c "
		    "directory, or -i host and -p port)");
		return 2;
	}
	if (verb->need >= NEED_REGISTRY && (a->reg = place_open(&a->place,
	    verb->need == NEED_CHANGES)) == NULL)
		return 1;
	status = verb->run(a, args);
	d4_registry_close(a->reg);
	return status;
}

int
main(int argc, char *argv[])
{
	struct options o = { .json = false };
	struct admin a = { .json = false };
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
	argv += optind;
	argc -= optind;
	if ((verb = verbs_find(argv, (size_t)argc, &used)) == NULL ||
	    args_parse(&args, verb, argv + used, (size_t)argc - used) != 0 ||
	    place_find(&a.place, &o.place) != 0)
		return 2;
	if (d4_stop_install(false) == -1) {
		d4_log_warn("signals");
		return 1;
	}
	a.json = o.json;
	a.now = (uint64_t)time(NULL);
	status = run(&a, &args);
	place_wipe(&a.place);
	/* A file system may tell only now that it could not keep the data. */
	if (close(STDOUT_FILENO) == -1 && errno != EINTR) {
		d4_log_warn("stdout");
		return 1;
	}
	return status;
}
