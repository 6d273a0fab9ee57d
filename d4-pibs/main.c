/* SPDX-License-Identifier: ISC */

/*
 * d4-pibs: who is under attack, seen from its backscatter.
 *
 *	main.c		the order of things: files, an interface or a queue
 *	settings.[ch]	the command line
 *	run.[ch]	from captures to all that was asked for
 *	intake.[ch]	packets out of a capture, ahead in a thread
 *	capture.[ch]	frames from anywhere; see there for its readers
 *	packet.[ch]	from a frame's bytes to what counts about it
 *	seen.[ch]	who sent a SYN: PIBS's rule
 *	attack.[ch]	flows and attacks: corsaro's rule
 *	lines.[ch]	the lines of -b
 *	report.[ch]	an attack as JSON, table or MISP object
 *	bins.[ch]	the time line
 *	plot.[ch]	its picture
 *	save.[ch]	frames as pcap
 *	state.[ch]	what lasts from run to run
 *	out.[ch]	buffered output
 *	hash.[ch]	hashing under a random key
 */

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-pibs/capture.h"
#include "d4-pibs/run.h"
#include "d4-pibs/settings.h"
#include "lib/confine.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/queue.h"
#include "lib/secret.h"
#include "lib/stop.h"

#define FILES_MAX	64	/* descriptors; a dozen are in use */
#define RULES		5	/* beside those for files */

static int
take_files(struct run *run, const struct settings *s)
{
	int rc = 0;
	size_t i;

	for (i = 0; i < s->nfiles && !d4_stop_wanted() && !run_broken(run);
	    i++) {
		if (run_file(run, s->files[i]) == -1)
			rc = -1;
	}
	return rc;
}

/* Where Redis is: -z is a host, an address or the path of a socket. */
static int
find_redis(struct d4_redis_addr *addr, const struct settings *s)
{
	char text[D4_REDIS_NAME];
	const char *why = "is too long";
	int n;

	if (strchr(s->host, '/') != NULL)
		n = snprintf(text, sizeof(text), "unix:%s/%u", s->host, s->db);
	else
		n = snprintf(text, sizeof(text), strchr(s->host, ':') == NULL ?
		    "%s:%u/%u" : "[%s]:%u/%u", s->host, s->port, s->db);
	if (n < (int)sizeof(text) && d4_redis_parse(addr, text, &why) == 0)
		return 0;
	d4_log_warnx("%s: %s", s->host, why);
	return -1;
}

/*
 * Outputs, and an interface, are open.  The files that a queue names may be
 * anywhere.  A filter is compiled anew for each kind of link, and there may be
 * names in it, as tcpdump has them.
 */
static int
confine(const struct settings *s, const struct d4_redis_addr *redis)
{
	static struct d4_confine_rule rules[RULES + SETTINGS_FILES];
	struct d4_confine c = { .rules = rules, .files = FILES_MAX };
	char words[D4_CONFINE_WORDS], queue[PATH_MAX] = "";
	bool named = s->uuid != NULL || s->dir != NULL;
	const struct d4_confine_rule first[RULES] = {
		{ D4_CONFINE_READ, named ? "/" : NULL, 0 },
		{ D4_CONFINE_WRITE, queue, 0 },
		{ D4_CONFINE_CONNECT, redis->net.host, redis->net.port },
		{ D4_CONFINE_REPLACE, s->state, 0 },
		{ D4_CONFINE_CONNECT, s->filter != NULL ? "names" : NULL, 53 }
	};
	size_t i;

	/* As d4_queue_open() has it. */
	if (s->uuid != NULL && s->dir != NULL)
		(void)snprintf(queue, sizeof(queue), "%s/queues/1/%s", s->dir,
		    s->uuid);
	else if (s->dir != NULL)
		(void)snprintf(queue, sizeof(queue), "%s", s->dir);
	memcpy(rules, first, sizeof(first));
	c.n = RULES;
	for (i = 0; i < s->nfiles; i++)
		rules[c.n++] = (struct d4_confine_rule){ D4_CONFINE_READ,
		    s->files[i], 0 };
	return d4_log_confined(d4_confine_enter(&c, words), words);
}

static struct d4_queue *
open_queue(const struct settings *s, const struct d4_redis_addr *redis)
{
	struct d4_queue_where where = { .type = "1", .uuid = s->uuid };
	char fault[D4_QUEUE_FAULT];
	struct d4_queue *q;

	if (s->host != NULL) {
		where.redis = redis;
		where.user = s->login.user;
		where.password = s->login.password;
	} else if (s->uuid != NULL)
		where.store = s->dir;
	else
		where.path = s->dir;
	if ((q = d4_queue_open(&where, fault)) == NULL) {
		d4_log_warnx("%s", fault);
		return NULL;
	}
	/* What a run that was killed had in hand is not in its state. */
	if (s->state != NULL && d4_queue_recover(q) == -1) {
		d4_log_warnx("%s", d4_queue_fault(q));
		d4_queue_close(q);
		return NULL;
	}
	return q;
}

/* The next item; as d4_queue_take(), but a signal for figures ends nothing. */
static int
next_item(struct run *run, struct d4_queue *q, struct d4_queue_item *item,
    bool follow)
{
	int got;

	while ((got = d4_queue_take(q, item, follow ? -1 : 0)) == 0 && follow &&
	    !d4_stop_wanted())
		run_figures(run);
	return got;
}

/* An item names a file, also the one that is standard input elsewhere. */
static int
take_item(struct run *run, const struct d4_queue_item *item)
{
	const char *name = (const char *)item->data;

	return run_file(run, strcmp(name, "-") == 0 ? "./-" : name);
}

/*
 * Each file that the queue names.  One is acknowledged when its end is reached
 * and the state has been saved; a file that can't be read as well, since it
 * would stop the queue for ever.
 */
static int
take_queue(struct run *run, const struct settings *s,
    const struct d4_redis_addr *redis)
{
	struct d4_queue *q = open_queue(s, redis);
	struct d4_queue_item item;
	int rc = q == NULL ? -1 : 0, got = 0;

	while (q != NULL && !run_broken(run) &&
	    (got = next_item(run, q, &item, s->follow)) == 1) {
		if (take_item(run, &item) == -1)
			rc = -1;
		if (d4_stop_wanted() || run_broken(run)) {
			/* It was not read to its end: somebody else will, or
			 * we do, and then all of it is new to the state. */
			run_keep_state(run);
			got = d4_queue_put_back(q, &item);
			break;
		}
		if (run_save_state(run) == -1)
			rc = -1;
		if ((got = d4_queue_ack(q, &item)) == -1)
			break;
	}
	if (got == -1) {
		d4_log_warnx("%s", d4_queue_fault(q));
		rc = -1;
	}
	d4_queue_close(q);
	return rc;
}

/* All that was named on the command line. */
static int
take(struct run *run, const struct settings *s)
{
	struct d4_redis_addr redis = { .db = 0 };
	char fault[CAPTURE_FAULT];
	struct capture *live = NULL;
	int rc = -1;

	if (s->host != NULL && find_redis(&redis, s) == -1)
		return -1;
	if (s->interface != NULL && (live = capture_open_live(s->interface,
	    s->filter, fault)) == NULL) {
		d4_log_warnx("%s: %s", s->interface, fault);
		return -1;
	}
	if (confine(s, &redis) == 0)
		rc = live != NULL ? run_capture(run, live, s->interface) :
		    s->nfiles > 0 ? take_files(run, s) :
		    take_queue(run, s, &redis);
	capture_close(live);
	return rc;
}

static int
work(const struct settings *s)
{
	struct run *run;
	int status, rc;

	d4_log_open("d4-pibs", s->verbose);
	if (d4_stop_install(false) == -1) {
		d4_log_warn("signals");
		return 1;
	}
	if ((run = run_open(s, &status)) == NULL)
		return status;
	rc = take(run, s);
	if (run_close(run) == -1)
		rc = -1;
	return rc == 0 ? 0 : 1;
}

int
main(int argc, char *argv[])
{
	struct settings *s;
	int status;

	d4_io_hold_standard();
	d4_log_open("d4-pibs", 0);
	/* A password is among them. */
	d4_confine_begin();
	if ((s = d4_secret_new(sizeof(*s))) == NULL) {
		d4_log_warn("memory");
		return 1;
	}
	if ((status = settings_parse(s, argc, argv)) == -1)
		status = work(s);
	free(s->filter);
	d4_secret_free(s);
	(void)fflush(NULL);
	if (d4_secret_erase())
		_exit(status);
	return status;
}
