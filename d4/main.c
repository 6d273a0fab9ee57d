/* SPDX-License-Identifier: ISC */

/*
 * d4: encapsulate a byte stream as D4 records, like tee.
 *
 *	main.c		options, opening, the order of things
 *	settings.[ch]	what the configuration directory says
 *	encap.[ch]	from a descriptor to a descriptor
 */

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4/encap.h"
#include "d4/settings.h"
#include "lib/conf.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/mac.h"
#include "lib/os.h"
#include "lib/record.h"
#include "lib/stop.h"

struct options {
	const char	*dir;
	bool		 check;
	int		 verbose;
};

static void
usage(FILE *out)
{
	fprintf(out, "usage: d4 [-hnVv] -c directory\n");
}

static void
help(void)
{
	usage(stdout);
	printf("Encapsulate a byte stream as D4 records.\n\n"
	    "  -c directory  configuration, one value per file\n"
	    "  -h            this help\n"
	    "  -n            check the configuration, print it, do nothing\n"
	    "  -V            version\n"
	    "  -v            say more on stderr\n");
}

/* Returns -1 to go on, or the exit status. */
static int
parse_options(struct options *o, int argc, char *argv[])
{
	int ch;

	while ((ch = getopt(argc, argv, "c:hnVv")) != -1) {
		switch (ch) {
		case 'c':
			o->dir = optarg;
			break;
		case 'h':
			help();
			return fflush(stdout) == 0 ? 0 : 1;
		case 'n':
			o->check = true;
			break;
		case 'V':
			printf("d4 %s\n", D4_VERSION);
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
	faults = settings_load(s, conf, o->check);
	d4_conf_close(conf);
	return faults == 0 ? 0 : -1;
}

/* Opens the ends; what can't be opened is a fault of the configuration. */
static int
open_ends(struct encap *e, const struct settings *s)
{
	e->in_name = s->source;
	e->out_name = s->destination;
	e->in = STDIN_FILENO;
	e->out = STDOUT_FILENO;
	if (strcmp(s->source, "stdin") != 0 &&
	    (e->in = open(s->source, O_RDONLY | O_CLOEXEC | O_NOCTTY)) == -1) {
		d4_log_warn("%s", s->source);
		return -1;
	}
	/* A file is added to: what an earlier run sealed is not ours to drop. */
	if (strcmp(s->destination, "stdout") != 0 &&
	    (e->out = open(s->destination, O_WRONLY | O_CREAT | O_APPEND |
	    O_CLOEXEC | O_NOCTTY, 0666)) == -1) {
		d4_log_warn("%s", s->destination);
		return -1;
	}
	d4_os_grow_pipe(e->in);
	d4_os_grow_pipe(e->out);
	return 0;
}

static int
run(struct encap *e, struct settings *s)
{
	struct d4_header header = { .version = s->version, .type = s->type };
	struct d4_mac *mac;
	struct d4_mac_key *key = NULL;
	int rc = -1;

	memcpy(header.uuid, s->uuid, sizeof(header.uuid));
	e->type = s->type;
	if ((mac = d4_mac_new()) != NULL)
		key = d4_mac_key_new(mac, s->key, s->keylen);
	settings_wipe(s);
	if (key != NULL)
		e->record = d4_record_new(&header, s->snaplen, mac, key);
	if (e->record == NULL) {
		d4_log_warnx("memory: not enough");
	} else {
		d4_log_info(2, "HMAC by %s", d4_mac_name(mac));
		rc = encap_run(e);
	}
	d4_record_free(e->record);
	d4_mac_key_free(key);
	d4_mac_free(mac);
	return rc;
}

/* A file system may tell only at the end that it could not keep the data. */
static int
close_output(const struct encap *e)
{
	if (close(e->out) == -1 && errno != EINTR) {
		d4_log_warn("%s", e->out_name);
		return -1;
	}
	return 0;
}

int
main(int argc, char *argv[])
{
	struct options o = { .dir = NULL };
	struct settings s;
	struct encap e = { .in = -1, .out = -1 };
	int status;

	d4_io_hold_standard();
	d4_log_open("d4", 0);
	if ((status = parse_options(&o, argc, argv)) != -1)
		return status;
	d4_log_open("d4", o.verbose);
	if (load(&s, &o) == -1) {
		settings_wipe(&s);
		return 2;
	}
	if (o.check) {
		settings_wipe(&s);
		return settings_print(&s) == 0 ? 0 : 1;
	}
	if (d4_stop_install(false) == -1) {
		d4_log_warn("signals");
		return 1;
	}
	if (open_ends(&e, &s) == -1) {
		settings_wipe(&s);
		return 2;
	}
	status = run(&e, &s) == 0 ? 0 : 1;
	if (close_output(&e) == -1)
		status = 1;
	return status;
}
