/* SPDX-License-Identifier: ISC */

/*
 * d4: encapsulate a byte stream as D4 records, like tee.
 *
 *	main.c		opening, the order of things
 *	options.[ch]	the command line
 *	settings.[ch]	what the configuration directory says
 *	encap.[ch]	from a descriptor to a descriptor, at the cost of a copy
 *	source*.[ch]	every other source, behind one set of calls
 *	cut.[ch]	from bytes to records, at the borders of the type
 *	anchor.[ch]	at which records a lost stream may be resumed
 *	shelf.[ch]	sealed records in memory
 *	spool*.[ch]	sealed records in a directory
 *	window.[ch]	what of them waits, and what is kept to be sent again
 *	link.[ch]	the way to the destination, lost and found
 *	relay.[ch]	the loop over source, link and clock
 *	stream.[ch]	which stream that is, and what it begins with
 *	figures.[ch]	what was done, for people and machines
 */

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "d4/encap.h"
#include "d4/options.h"
#include "d4/stream.h"
#include "lib/conf.h"
#include "lib/confine.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/mac.h"
#include "lib/notify.h"
#include "lib/os.h"
#include "lib/record.h"
#include "lib/redis.h"
#include "lib/secret.h"
#include "lib/stop.h"
#include "lib/type.h"
#include "lib/uuid.h"

#define FILES_MAX	256	/* descriptors; a dozen are in use */
#define ROOTS_MAX	8	/* directories of certificates */

static int
genkey(void)
{
	uint8_t key[32];
	size_t i;

	if (getentropy(key, sizeof(key)) == -1) {
		d4_log_warn("key");
		return 1;
	}
	for (i = 0; i < sizeof(key); i++)
		printf("%02x", key[i]);
	printf("\n");
	d4_mac_wipe(key, sizeof(key));
	return d4_log_flush(stdout);
}

static int
load(struct stream *w)
{
	struct d4_conf *conf;
	int faults;

	if ((conf = d4_conf_open(w->o->dir)) == NULL) {
		d4_log_warn("%s", w->o->dir);
		return -1;
	}
	faults = settings_load(&w->s, conf, w->o->check,
	    w->o->insecure_key);
	d4_conf_close(conf);
	return faults == 0 ? 0 : -1;
}

static struct source_settings
source_of(const struct stream *w)
{
	struct source_settings source = {
		.source = w->s.source, .redis = w->s.redis,
		.user = w->s.login.user, .password = w->s.login.password,
		.queue = w->s.queue, .consumer = w->uuid, .json = w->o->json,
		.files = *w->s.spool_files != '\0' ? w->s.spool_files : NULL,
		.writers = w->s.network || w->o->drop
	};

	return source;
}

/* Whether the output is a file that is read: each record would be read again,
 * without an end. */
static bool
is_source(const struct stream *w)
{
	struct stat st;

	return (strcmp(w->s.source, "stdin") == 0 ? fstat(STDIN_FILENO, &st) :
	    stat(w->s.source, &st)) == 0 && d4_io_is_file(w->out, &st);
}

/* Opens the ends.  What can't be opened is a fault of the configuration.
 * Returns -1 to go on, or the exit status. */
static int
open_ends(struct stream *w)
{
	struct source_settings source = source_of(w);
	char why[SOURCE_WHY];

	if ((w->source = source_open(&source, why)) == NULL) {
		d4_log_warnx("%s: %s", w->s.source, why);
		return 2;
	}
	if (w->s.network)
		return -1;
	w->out = STDOUT_FILENO;
	/* A file is added to: what an earlier run sealed is not ours to drop.
	 * A FIFO opens when somebody reads it. */
	if (strcmp(w->s.destination, "stdout") != 0)
		do {
			w->out = open(w->s.destination, O_WRONLY | O_CREAT |
			    O_APPEND | O_CLOEXEC | O_NOCTTY, 0666);
		} while (w->out == -1 && errno == EINTR && !d4_stop_wanted());
	if (w->out == -1 && errno == EINTR)
		return 0;
	if (w->out == -1) {
		d4_log_warn("%s", w->s.destination);
		return 2;
	}
	if (is_source(w)) {
		d4_log_warnx("%s: is the file that is read",
		    w->s.destination);
		return 2;
	}
	d4_os_grow_pipe(w->out);
	return -1;
}

static int
open_mac(struct stream *w)
{
	w->header.version = w->s.version;
	w->header.type = w->s.data_type;
	memcpy(w->header.uuid, w->s.uuid, sizeof(w->header.uuid));
	if ((w->mac = d4_mac_new()) == NULL || (w->key = d4_mac_key_new(w->mac,
	    w->s.key, w->s.keylen)) == NULL) {
		d4_log_warnx("memory: not enough");
		return -1;
	}
	d4_mac_wipe(w->s.key, sizeof(w->s.key));
	d4_log_info(2, "HMAC by %s", d4_mac_name(w->mac));
	return 0;
}

static bool
is_fifo(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISFIFO(st.st_mode);
}

/* What is read by its name: a folder, whose pattern is left out here, or a
 * FIFO, which is opened again. */
static const char *
source_path(const struct settings *s, char path[D4_CONF_TEXT])
{
	static const char folder[] = "folder:";

	if (strcmp(s->source, "stdin") == 0 ||
	    strcmp(s->source, "d4server") == 0 ||
	    strncmp(s->source, "unix:", 5) == 0)
		return NULL;
	if (strncmp(s->source, folder, sizeof(folder) - 1) != 0)
		return s->source;
	(void)snprintf(path, D4_CONF_TEXT, "%s",
	    s->source + sizeof(folder) - 1);
	path[strcspn(path, "%")] = '\0';
	return path;
}

static struct d4_redis_addr
redis_of(const struct settings *s)
{
	struct d4_redis_addr addr = { .db = 0 };
	const char *why;

	if (*s->redis != '\0')
		(void)d4_redis_parse(&addr, s->redis, &why);
	return addr;
}

/* Where OpenSSL looks a certificate up when it meets its name: directories,
 * parted by colons, of links that may lead anywhere. */
static void
add_roots(struct d4_confine_rule rules[ROOTS_MAX], char dirs[D4_CONF_TEXT])
{
	const char *set = getenv("SSL_CERT_DIR");
	char *dir, *rest;
	size_t i = 0;

	(void)snprintf(dirs, D4_CONF_TEXT, "%s",
	    set != NULL ? set : "/etc/ssl/certs");
	for (dir = strtok_r(dirs, ":", &rest); dir != NULL && i < ROOTS_MAX;
	    dir = strtok_r(NULL, ":", &rest))
		rules[i++] = (struct d4_confine_rule){ D4_CONFINE_CONF, dir,
		    0 };
}

/* All is open.  What is done by name from now on: */
static int
confine(const struct stream *w)
{
	const struct settings *s = &w->s;
	const struct d4_net_addr *to = w->o->use_proxy ? &w->o->proxy :
	    &s->addr;
	bool later = strncmp(s->source, "folder:", 7) == 0 ||
	    is_fifo(s->source);
	bool roots = s->network && s->addr.kind == D4_NET_TLS &&
	    *s->ca == '\0' && !w->o->insecure;
	struct d4_redis_addr redis = redis_of(s);
	char words[D4_CONFINE_WORDS], path[D4_CONF_TEXT], dirs[D4_CONF_TEXT];
	struct d4_confine_rule rules[] = {
		/* The destination, and a source that is Redis. */
		[ROOTS_MAX] =
		{ D4_CONFINE_CONNECT, s->network ? to->host : NULL, to->port },
		{ D4_CONFINE_CONNECT, redis.net.host, redis.net.port },
		/* Where links to the system's certificates may come to lead. */
		{ D4_CONFINE_READ, roots ? "/usr/share/ca-certificates" :
		    NULL, 0 },
		{ D4_CONFINE_READ, roots ? "/usr/local/share/ca-certificates" :
		    NULL, 0 },
		/* Files yet to come, or another FIFO; a socket is removed. */
		{ later ? D4_CONFINE_LOOK : D4_CONFINE_READ,
		    source_path(s, path), 0 },
		{ D4_CONFINE_REMOVE, strncmp(s->source, "unix:", 5) == 0 ?
		    s->source + strlen("unix:") : NULL, 0 },
		{ D4_CONFINE_MAKE, s->spool, 0 },
		{ D4_CONFINE_REPLACE, w->o->metrics, 0 }
	};
	const struct d4_confine c = {
		.rules = rules, .n = sizeof(rules) / sizeof(rules[0]),
		.files = FILES_MAX, .alone = !s->network
	};

	if (roots)
		add_roots(rules, dirs);
	return d4_log_confined(d4_confine_enter(&c, words), words);
}

/* From a descriptor to a descriptor. */
static int
run_encap(struct stream *w)
{
	struct encap e = {
		.in = source_fd(w->source), .out = w->out,
		.in_name = w->s.source, .out_name = w->s.destination,
		.type = w->s.data_type
	};
	int rc = -1;

	d4_os_grow_pipe(e.in);
	e.record = d4_record_new(&w->header, w->s.snaplen, w->mac, w->key);
	if (e.record == NULL) {
		d4_log_warnx("memory: not enough");
		return 1;
	}
	d4_notify_send("READY=1");
	if (encap_open(&e, w->s.meta, w->s.metalen, w->s.snaplen) == 0)
		rc = encap_run(&e);
	d4_record_free(e.record);
	return rc == 0 ? 0 : 1;
}

static struct d4_tls_context *
open_tls(const struct stream *w)
{
	struct d4_tls_client client = {
		.ca = *w->s.ca != '\0' ? w->s.ca : NULL,
		.cert = *w->s.cert != '\0' ? w->s.cert : NULL,
		.key = *w->s.cert_key != '\0' ? w->s.cert_key : NULL,
		.insecure = w->o->insecure
	};
	struct d4_tls_context *tls;
	char why[256];

	if ((tls = d4_tls_client_new(&client, why)) == NULL)
		d4_log_warnx("%s", why);
	else if (client.insecure)
		d4_log_warnx("%s: the server's certificate is not verified",
		    w->s.destination);
	return tls;
}

/* Whether there is more to do than to copy. */
static bool
needs_relay(const struct stream *w)
{
	return w->s.network || source_fd(w->source) == -1 || w->o->drop ||
	    w->o->rate > 0 || w->o->stats_s > 0 || w->o->metrics != NULL;
}

static int
run(struct stream *w)
{
	struct d4_tls_context *tls = NULL;
	int status;

	if (w->s.network && w->s.addr.kind == D4_NET_TLS &&
	    (tls = open_tls(w)) == NULL)
		return 2;
	if (open_mac(w) == -1 || confine(w) == -1) {
		d4_tls_context_free(tls);
		return 1;
	}
	status = needs_relay(w) ? stream_run(w, tls) : run_encap(w);
	d4_tls_context_free(tls);
	/* A file system may tell only now that it could not keep the data. */
	if (w->out != -1 && close(w->out) == -1 && errno != EINTR) {
		d4_log_warn("%s", w->s.destination);
		status = 1;
	}
	return status;
}

/* -n: all that can be known without opening the ends. */
static int
check(struct stream *w)
{
	struct source_settings source = source_of(w);
	struct d4_tls_context *tls;
	char why[SOURCE_WHY];
	int status = 0;

	if (source_check(&source, why) == -1) {
		d4_log_warnx("%s: %s", w->s.source, why);
		status = 2;
	}
	if (w->s.network && w->s.addr.kind == D4_NET_TLS) {
		if ((tls = open_tls(w)) == NULL)
			status = 2;
		d4_tls_context_free(tls);
	}
	if (status != 0)
		return status;
	settings_print(&w->s);
	return d4_log_flush(stdout);
}

static int
work(struct stream *w)
{
	int status;

	if (load(w) == -1)
		return 2;
	if (w->o->use_proxy && (!w->s.network ||
	    w->s.addr.kind == D4_NET_UNIX)) {
		d4_log_warnx("--proxy: %s: is not reached over a network",
		    w->s.destination);
		return 2;
	}
	if (w->o->check)
		return check(w);
	d4_uuid_text(w->uuid, w->s.uuid);
	if (d4_stop_install(false) == -1) {
		d4_log_warn("signals");
		return 1;
	}
	srandom((unsigned int)(time(NULL) ^ getpid()));
	if ((status = open_ends(w)) == -1)
		status = run(w);
	source_close(w->source);
	return status;
}

int
main(int argc, char *argv[])
{
	struct options o;
	struct stream *w;
	int status;

	d4_io_hold_standard();
	d4_log_open("d4", 0);
	if ((status = options_parse(&o, argc, argv)) != -1)
		return status;
	d4_log_open("d4", o.verbose);
	if (o.genkey)
		return genkey();
	d4_confine_begin();
	if ((w = d4_secret_new(sizeof(*w))) == NULL) {
		d4_log_warn("memory");
		return 1;
	}
	w->o = &o;
	w->out = -1;
	status = work(w);
	d4_mac_key_free(w->key);
	d4_mac_free(w->mac);
	settings_free(&w->s);
	d4_secret_free(w);
	(void)fflush(NULL);
	if (d4_secret_erase())
		_exit(status);
	return status;
}
