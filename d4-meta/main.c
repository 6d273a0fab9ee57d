/* SPDX-License-Identifier: ISC */

/*
 * d4-meta: make a meta header, or show what a D4 stream says of itself.
 *
 *	main.c		the order of things
 *	options.[ch]	what the command line asks for
 *	settings.[ch]	what the configuration directory says
 *	build.[ch]	where a meta header comes from
 *	send.[ch]	sealed records to standard output
 *	stream.[ch]	the records of a stream, verified
 *	session.[ch]	the sessions within it
 *	show.[ch]	a line for each record
 *	tally.[ch]	counting records
 *	summary.[ch]	what was counted, as a table or JSON
 *	list.[ch]	the types
 *	telemetry.[ch]	the state of this host, at intervals
 *	metrics.[ch]	figures of other programs
 */

#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "d4-meta/build.h"
#include "d4-meta/list.h"
#include "d4-meta/options.h"
#include "d4-meta/send.h"
#include "d4-meta/settings.h"
#include "d4-meta/show.h"
#include "d4-meta/summary.h"
#include "d4-meta/telemetry.h"
#include "lib/conf.h"
#include "lib/confine.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/meta.h"
#include "lib/os.h"
#include "lib/secret.h"
#include "lib/stop.h"
#include "lib/type.h"

#define FILES_MAX	64	/* descriptors; a few are in use */

/* All is open but the figures of others, who rename them into place. */
static int
confine(const struct options *o)
{
	struct d4_confine_rule rules[OPTIONS_METRICS_MAX];
	struct d4_confine c = {
		.rules = rules, .files = FILES_MAX, .alone = true
	};
	char words[D4_CONFINE_WORDS];

	for (c.n = 0; c.n < o->nmetrics; c.n++)
		rules[c.n] = (struct d4_confine_rule){ D4_CONFINE_LOOK,
		    o->metrics[c.n], 0 };
	return d4_log_confined(d4_confine_enter(&c, words), words);
}

/* A file system may tell only at the end that it could not keep the data. */
static int
close_output(void)
{
	if (close(STDOUT_FILENO) == -1 && errno != EINTR) {
		d4_log_warn("stdout");
		return 1;
	}
	return 0;
}

static int
print_canonical(const struct build *b)
{
	char *text;

	if ((text = d4_meta_text(b->meta)) == NULL) {
		d4_log_warnx("memory: not enough");
		return 1;
	}
	(void)puts(text);
	free(text);
	return d4_log_flush(stdout);
}

/* What was understood; settings is NULL without a configuration. */
static int
print_understood(const struct build *b, const struct settings *s)
{
	if (s != NULL)
		settings_print(s);
	printf("header: %s, %zu bytes\n", d4_meta_type(b->meta), b->len);
	return d4_log_flush(stdout);
}

static int
send_header(const struct build *b, const struct settings *s)
{
	struct send out;
	int rc;

	rc = send_open(&out, s);
	if (rc == 0)
		rc = send_bytes(&out, D4_TYPE_META, b->text, b->len);
	d4_log_info(1, "stdout: %s, %zu bytes in %llu records",
	    d4_meta_type(b->meta), b->len, (unsigned long long)out.nrecords);
	send_close(&out);
	return rc == 0 ? 0 : 1;
}

/* Loads the configuration, if one was named; *conf stays open. */
static int
load(struct settings *s, struct d4_conf **conf, const struct options *o)
{
	*conf = NULL;
	if (o->dir == NULL)
		return 0;
	if ((*conf = d4_conf_open(o->dir)) == NULL) {
		d4_log_warn("%s", o->dir);
		return -1;
	}
	/* Only what is sealed needs a uuid: else none is made. */
	return settings_load(s, *conf, o->check || o->print,
	    o->insecure_key) == 0 ? 0 : -1;
}

static int
use_header(const struct build *b, const struct options *o,
    const struct settings *s)
{
	if (confine(o) == -1)
		return 1;
	if (o->print)
		return print_canonical(b);
	return o->check ? print_understood(b, s) : send_header(b, s);
}

static int
run_make(const struct options *o, struct settings *s)
{
	struct d4_conf *conf;
	struct build b;
	int status = 2;

	if (load(s, &conf, o) == 0) {
		status = build_header(&b, o, conf);
		if (status == 0)
			status = use_header(&b, o, conf == NULL ? NULL : s);
		build_free(&b);
	}
	d4_conf_close(conf);
	return status;
}

static int
send_telemetry(const struct options *o, struct settings *s,
    const struct build *b)
{
	struct telemetry *t;
	struct send out;
	int rc;

	if ((t = telemetry_new(o, s)) == NULL) {
		d4_log_warnx("memory: not enough");
		return 1;
	}
	rc = send_open(&out, s);
	settings_wipe(s);
	if (rc == 0)
		rc = confine(o);
	if (rc == 0)
		rc = telemetry_run(t, &out, b->text, b->len);
	send_close(&out);
	telemetry_free(t);
	return rc == 0 ? 0 : 1;
}

static int
run_telemetry(const struct options *o, struct settings *s)
{
	struct d4_conf *conf;
	struct build b;
	int status = 2;

	if (load(s, &conf, o) == 0) {
		status = build_telemetry(&b, o, TELEMETRY_TYPE);
		if (status == 0)
			status = o->check ? print_understood(&b, s) :
			    send_telemetry(o, s, &b);
		build_free(&b);
	}
	d4_conf_close(conf);
	return status;
}

/* Shows or summarizes standard input. */
static int
run_stream(const struct options *o, struct settings *s)
{
	struct stream stream = { .in = STDIN_FILENO, .name = "stdin" };
	struct stat in;
	int rc;

	if (fstat(STDIN_FILENO, &in) == 0 &&
	    d4_io_is_file(STDOUT_FILENO, &in)) {
		d4_log_warnx("stdout: is the file that is read");
		return 1;
	}
	if (o->dir != NULL || o->keyfile != NULL) {
		if (settings_load_key(s, o->dir, o->keyfile,
		    o->insecure_key) == -1)
			return 2;
		if ((stream.mac = d4_mac_new()) != NULL)
			stream.key = d4_mac_key_new(stream.mac, s->key,
			    s->keylen);
		settings_wipe(s);
		if (stream.key == NULL) {
			d4_log_warnx("memory: not enough");
			d4_mac_free(stream.mac);
			return 1;
		}
		d4_log_info(2, "HMAC by %s", d4_mac_name(stream.mac));
	}
	d4_os_grow_pipe(stream.in);
	d4_os_grow_pipe(STDOUT_FILENO);
	if ((rc = confine(o)) == 0)
		rc = o->mode == MODE_SHOW ? show_run(&stream) :
		    summary_run(&stream, o->gap, o->json);
	d4_mac_key_free(stream.key);
	d4_mac_free(stream.mac);
	return rc == 0 ? 0 : 1;
}

static int
run(const struct options *o, struct settings *s)
{
	switch (o->mode) {
	case MODE_LIST:
		return confine(o) == 0 && list_print(o->json) == 0 ? 0 : 1;
	case MODE_TELEMETRY:
		return run_telemetry(o, s);
	case MODE_SHOW:
	case MODE_SUMMARY:
		return run_stream(o, s);
	default:
		return run_make(o, s);
	}
}

int
main(int argc, char *argv[])
{
	struct options o;
	struct settings *s;
	int status;

	d4_io_hold_standard();
	d4_log_open("d4-meta", 0);
	if ((status = options_parse(&o, argc, argv)) != -1)
		return status;
	d4_log_open("d4-meta", o.verbose);
	if (d4_stop_install(false) == -1) {
		d4_log_warn("signals");
		return 1;
	}
	d4_confine_begin();
	if ((s = d4_secret_new(sizeof(*s))) == NULL) {
		d4_log_warn("memory");
		return 1;
	}
	status = run(&o, s);
	d4_secret_free(s);
	if (close_output() != 0)
		status = 1;
	(void)fflush(NULL);
	if (d4_secret_erase())
		_exit(status);
	return status;
}
