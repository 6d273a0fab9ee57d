/* SPDX-License-Identifier: ISC */

/*
 * d4-stdout: an analyzer queue becomes a stream.
 *
 *	main.c		opening, the order of things
 *	options.[ch]	the command line
 *	drain.[ch]	the loop, from item to item
 *	supply.[ch]	the queue, over losses of its server
 *	output.[ch]	standard output
 *	files.[ch]	the files that items name
 *	merge.[ch]	files joined to one stream
 *	pcap.[ch]	the form of captures, and from one to another
 *	figures.[ch]	what was done, for people and machines
 *	about.[ch]	what a queue is and holds
 */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "d4-stdout/about.h"
#include "d4-stdout/drain.h"
#include "d4-stdout/files.h"
#include "d4-stdout/options.h"
#include "d4-stdout/output.h"
#include "d4-stdout/supply.h"
#include "lib/confine.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/notify.h"
#include "lib/os.h"
#include "lib/secret.h"
#include "lib/stop.h"

#define FILES_MAX	64	/* descriptors; a dozen are in use */

/*
 * All that is opened, at first or later: the queue, the files that it names,
 * wherever they are unless a root says, and figures.
 */
static int
confine(const struct options *o)
{
	bool names = o->content != CONTENT_ITEM;
	char queue[PATH_MAX] = "", words[D4_CONFINE_WORDS];
	const struct d4_confine_rule rules[] = {
		{ D4_CONFINE_WRITE, queue, 0 },
		{ D4_CONFINE_CONNECT, o->redis.net.host, o->redis.net.port },
		{ D4_CONFINE_READ, !names ? NULL : o->root != NULL ? o->root :
		    "/", 0 },
		{ D4_CONFINE_REPLACE, o->metrics, 0 }
	};
	const struct d4_confine c = {
		.rules = rules, .n = sizeof(rules) / sizeof(rules[0]),
		.files = FILES_MAX, .alone = true
	};

	/* As d4_queue_open() has it. */
	if (o->store != NULL)
		(void)snprintf(queue, sizeof(queue), "%s/queues/%s/%s",
		    o->store, o->type, o->uuid);
	return d4_log_confined(d4_confine_enter(&c, words), words);
}

static int
run(const struct options *o)
{
	struct output out;
	struct files *files = NULL;
	struct supply supply;
	int status = 1;

	output_open(&out, STDOUT_FILENO);
	if (o->content != CONTENT_ITEM &&
	    (files = files_new(o, &out)) == NULL)
		return 2;
	/* What lies in the pipe when its reader dies is gone. */
	if (!o->acknowledge)
		d4_os_grow_pipe(out.fd);
	if (supply_open(&supply, o) == 0) {
		d4_notify_send("READY=1");
		status = drain_run(o, &supply, files, &out);
	}
	supply_close(&supply);
	files_free(files);
	/* A file system may tell only now that it could not keep the data. */
	if (close(out.fd) == -1 && errno != EINTR) {
		d4_log_warn("stdout");
		status = 1;
	}
	return status;
}

static int
work(const struct options *o)
{
	d4_log_open("d4-stdout", o->verbose);
	if (d4_stop_install(false) == -1) {
		d4_log_warn("signals");
		return 1;
	}
	if (confine(o) == -1)
		return 1;
	return o->list || o->show > 0 ? about_print(o) : run(o);
}

int
main(int argc, char *argv[])
{
	struct options *o;
	int status;

	d4_io_hold_standard();
	d4_log_open("d4-stdout", 0);
	/* A password is among them. */
	d4_confine_begin();
	if ((o = d4_secret_new(sizeof(*o))) == NULL) {
		d4_log_warn("memory");
		return 1;
	}
	if ((status = options_parse(o, argc, argv)) == -1)
		status = work(o);
	d4_secret_free(o);
	(void)fflush(NULL);
	if (d4_secret_erase())
		_exit(status);
	return status;
}
