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
 *	window.[ch]	sealed records, waiting or kept to be sent again
 *	link.[ch]	the way to the destination, lost and found
 *	relay.[ch]	the loop over source, link and clock
 *	figures.[ch]	what was done, for people and machines
 */

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
#include "d4/relay.h"
#include "d4/settings.h"
#include "lib/conf.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/mac.h"
#include "lib/notify.h"
#include "lib/os.h"
#include "lib/record.h"
#include "lib/stop.h"
#include "lib/type.h"
#include "lib/uuid.h"

/* What both ways of working need. */
struct work {
	const struct options	*o;
	struct settings		 s;
	struct source		*source;
	int			 out;		/* -1: over the network */
	struct d4_mac		*mac;
	struct d4_mac_key	*key;
	struct d4_header	 header;
	char			 uuid[D4_UUID_TEXT];
};

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
	if (fflush(stdout) != 0) {
		d4_log_warn("stdout");
		return 1;
	}
	return 0;
}

static int
load(struct work *w)
{
	struct d4_conf *conf;
	int faults;

	if ((conf = d4_conf_open(w->o->dir)) == NULL) {
		d4_log_warn("%s", w->o->dir);
		return -1;
	}
	faults = settings_load(&w->s, conf, w->o->check);
	d4_conf_close(conf);
	return faults == 0 ? 0 : -1;
}

static struct source_settings
source_of(const struct work *w)
{
	struct source_settings source = {
		.source = w->s.source, .redis = w->s.redis,
		.user = w->s.login.user, .password = w->s.login.password,
		.queue = w->s.queue, .consumer = w->uuid, .json = w->o->json
	};

	return source;
}

/* Opens the ends.  What can't be opened is a fault of the configuration.
 * Returns -1 to go on, or the exit status. */
static int
open_ends(struct work *w)
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
	d4_os_grow_pipe(w->out);
	return -1;
}

static int
open_mac(struct work *w)
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

/* From a descriptor to a descriptor. */
static int
run_encap(struct work *w)
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
		return -1;
	}
	d4_notify_send("READY=1");
	if (encap_open(&e, w->s.meta, w->s.metalen, w->s.snaplen) == 0)
		rc = encap_run(&e);
	d4_record_free(e.record);
	return rc;
}

/*
 * Every session over a network begins with a record of size 0, so that the
 * collector knows the sensor before it has something to say, and then with the
 * meta header.  For the existing server both must be of type 2 then.
 */
static int
add_opening(const struct work *w, struct window *window)
{
	uint64_t now = (uint64_t)time(NULL);
	size_t at, len;

	if (w->s.network && window_add_opening(window, w->s.metalen > 0 ?
	    D4_TYPE_META : w->s.data_type, NULL, 0, now) == -1)
		return -1;
	for (at = 0; at < w->s.metalen; at += len) {
		len = w->s.metalen - at < w->s.snaplen ? w->s.metalen - at :
		    w->s.snaplen;
		if (window_add_opening(window, D4_TYPE_META, w->s.meta + at,
		    len, now) == -1)
			return -1;
	}
	return 0;
}

static struct d4_tls_context *
open_tls(const struct work *w)
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

static struct link *
open_link(const struct work *w, struct d4_tls_context *tls)
{
	struct link_settings settings = {
		.fd = w->out, .addr = w->s.addr, .tls = tls,
		.use_proxy = w->o->use_proxy, .proxy = w->o->proxy
	};

	return link_new(&settings);
}

/* From any source to a destination that may come and go. */
static int
run_relay(struct work *w, struct d4_tls_context *tls)
{
	struct relay_settings r = {
		.source = w->source, .source_name = w->s.source,
		.link_name = w->s.destination,
		.retry_s = w->s.network ? w->o->retry_s : 0,
		.rate = w->o->rate, .stats_s = w->o->stats_s,
		.metrics = w->o->metrics
	};
	char labels[64];
	int rc = -1;

	(void)snprintf(labels, sizeof(labels), "uuid=\"%s\",type=\"%u\"",
	    w->uuid, w->s.data_type);
	r.labels = labels;
	r.link = open_link(w, tls);
	r.window = window_new(&w->header, w->s.snaplen, w->mac, w->key,
	    w->s.network ? w->s.window : 0, w->s.buffer);
	/* Where nothing can be begun anew nothing is gained by borders. */
	if (r.window != NULL)
		r.cut = cut_new(r.window, w->s.network || w->o->drop ?
		    d4_type_get(w->s.data_type)->border : D4_BORDER_OPAQUE,
		    w->s.data_type, w->s.snaplen, w->o->drop, w->s.source);
	if (r.link == NULL || r.cut == NULL ||
	    add_opening(w, r.window) == -1)
		d4_log_warnx("memory: not enough");
	else
		rc = relay_run(&r);
	link_free(r.link);	/* the window's bytes are lent to it */
	cut_free(r.cut);
	window_free(r.window);
	return rc;
}

/* Whether there is more to do than to copy. */
static bool
needs_relay(const struct work *w)
{
	return w->s.network || source_fd(w->source) == -1 || w->o->drop ||
	    w->o->rate > 0 || w->o->stats_s > 0 || w->o->metrics != NULL;
}

static int
run(struct work *w)
{
	struct d4_tls_context *tls = NULL;
	int rc;

	if (w->s.network && w->s.addr.kind == D4_NET_TLS &&
	    (tls = open_tls(w)) == NULL)
		return 2;
	if (open_mac(w) == -1)
		return 1;
	rc = needs_relay(w) ? run_relay(w, tls) : run_encap(w);
	d4_tls_context_free(tls);
	/* A file system may tell only now that it could not keep the data. */
	if (w->out != -1 && close(w->out) == -1 && errno != EINTR) {
		d4_log_warn("%s", w->s.destination);
		rc = -1;
	}
	return rc == 0 ? 0 : 1;
}

/* -n: all that can be known without opening the ends. */
static int
check(struct work *w)
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
	if (status == 0 && settings_print(&w->s) == -1) {
		d4_log_warn("stdout");
		status = 1;
	}
	return status;
}

static int
work(struct work *w)
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
	struct work w = { .o = &o, .out = -1 };
	int status;

	d4_io_hold_standard();
	d4_log_open("d4", 0);
	if ((status = options_parse(&o, argc, argv)) != -1)
		return status;
	d4_log_open("d4", o.verbose);
	if (o.genkey)
		return genkey();
	status = work(&w);
	d4_mac_key_free(w.key);
	d4_mac_free(w.mac);
	settings_free(&w.s);
	return status;
}
