/* SPDX-License-Identifier: ISC */

/*
 * d4-recv: authenticate and decapsulate D4 records.
 *
 *	main.c		options, opening, the order of things
 *	settings.[ch]	what the configuration directory says
 *	session.[ch]	which records one stream may hold
 *	filter.[ch]	one stream from a descriptor to a descriptor
 */

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "d4-recv/filter.h"
#include "d4-recv/settings.h"
#include "lib/conf.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/mac.h"
#include "lib/os.h"
#include "lib/stop.h"

struct options {
	const char	*dir;
	const char	*meta_file;
	bool		 check;
	int		 verbose;
};

static void
usage(FILE *out)
{
	fprintf(out, "usage: d4-recv [-hnVv] [-M file] -c directory\n");
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
	    "  -v            say more on stderr\n");
}

/* Returns -1 to go on, or the exit status. */
static int
parse_options(struct options *o, int argc, char *argv[])
{
	int ch;

	while ((ch = getopt(argc, argv, "c:hM:nVv")) != -1) {
		switch (ch) {
		case 'c':
			o->dir = optarg;
			break;
		case 'h':
			help();
			return fflush(stdout) == 0 ? 0 : 1;
		case 'M':
			o->meta_file = optarg;
			break;
		case 'n':
			o->check = true;
			break;
		case 'V':
			printf("d4-recv %s\n", D4_VERSION);
			return fflush(stdout) == 0 ? 0 : 1;
		case 'v':
			o->verbose++;
			break;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (o->dir == NULL || optind != argc) {
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
	faults = settings_load(s, conf);
	d4_conf_close(conf);
	return faults == 0 ? 0 : -1;
}

static int
run(const struct settings *s, const struct options *o)
{
	struct filter f = {
		.in = STDIN_FILENO, .out = STDOUT_FILENO,
		.in_name = "stdin", .out_name = "stdout",
		.meta_file = o->meta_file, .rules = &s->rules
	};
	int rc = -1;

	if ((f.mac = d4_mac_new()) != NULL)
		f.key = d4_mac_key_new(f.mac, s->key, s->keylen);
	if (f.key == NULL) {
		d4_log_warnx("memory: not enough");
	} else {
		d4_log_info(2, "HMAC by %s", d4_mac_name(f.mac));
		d4_os_grow_pipe(f.in);
		d4_os_grow_pipe(f.out);
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

int
main(int argc, char *argv[])
{
	struct options o = { .dir = NULL };
	struct settings s = { .keylen = 0 };
	int status;

	d4_io_hold_standard();
	d4_log_open("d4-recv", 0);
	if ((status = parse_options(&o, argc, argv)) != -1)
		return status;
	d4_log_open("d4-recv", o.verbose);
	if (load(&s, &o) == -1) {
		status = 2;
	} else if (o.check) {
		status = settings_print(&s) == 0 ? 0 : 1;
	} else if (d4_stop_install(false) == -1) {
		d4_log_warn("signals");
		status = 1;
	} else {
		status = run(&s, &o) == 0 ? 0 : 1;
	}
	settings_free(&s);
	return status;
}
