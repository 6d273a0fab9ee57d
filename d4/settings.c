/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "d4/settings.h"
#include "lib/log.h"
#include "lib/mac.h"
#include "lib/meta.h"
#include "lib/redis.h"
#include "lib/type.h"
#include "lib/uuid.h"

#define WINDOW_MAX	((uint64_t)8 << 20)	/* also the default */
#define BUFFER_DEFAULT	((uint64_t)8 << 20)
#define MEMORY_MAX	((uint64_t)1 << 30)
#define SPOOL_MIN	((uint64_t)32 << 20)
#define SPOOL_DEFAULT	((uint64_t)1 << 30)
#define SPOOL_MAX	((uint64_t)1 << 50)
#define KEY_SHORT	16	/* bytes; fewer can be guessed */
#define KEY_LONG	100	/* that d4-core and d4-goclient take of a key */

static int
fault(const struct d4_conf *conf)
{
	d4_log_warnx("%s", d4_conf_fault(conf));
	return 1;
}

/* A secret that others can read is none. */
static int
guard(const struct settings *s, struct d4_conf *conf, const char *name)
{
	int rc = d4_conf_closed(conf, name, s->insecure_key);

	if (rc != 0)
		(void)fault(conf);
	return rc == -1;
}

static int
load_number(struct d4_conf *conf, const char *name, uint64_t min, uint64_t max,
    uint64_t *value)
{
	return d4_conf_number(conf, name, min, max, value) == 0 ? 0 :
	    fault(conf);
}

static int
load_numbers(struct settings *s, struct d4_conf *conf)
{
	uint64_t version = 0, type = 0, snaplen = 0;
	uint64_t buffer = BUFFER_DEFAULT, window = WINDOW_MAX;
	int faults = 0;

	faults += load_number(conf, "version", 1, UINT8_MAX, &version);
	faults += load_number(conf, "type", 1, UINT8_MAX, &type);
	faults += load_number(conf, "snaplen", 1, D4_PAYLOAD_MAX, &snaplen);
	if (d4_conf_has(conf, "buffer"))
		faults += load_number(conf, "buffer", 1, MEMORY_MAX, &buffer);
	if (d4_conf_has(conf, "window"))
		faults += load_number(conf, "window", 0, WINDOW_MAX, &window);
	s->version = (uint8_t)version;
	s->type = s->data_type = (uint8_t)type;
	s->snaplen = (size_t)snaplen;
	s->buffer = (size_t)buffer;
	s->window = (size_t)window;
	return faults;
}

static int
load_login(struct settings *s, struct d4_conf *conf)
{
	int rc;

	s->login.insecure_key = s->insecure_key;
	if ((rc = d4_conf_login(conf, &s->login)) != 0)
		(void)fault(conf);
	return rc == -1;
}

static int
load_redis(struct settings *s, struct d4_conf *conf)
{
	static const char expected[] = "HOST:PORT/DB or /path/to/socket/DB";
	struct d4_redis_addr addr;
	const char *why;

	if (d4_conf_text(conf, "redis_d4", s->redis, expected) == -1)
		return fault(conf);
	if (d4_redis_parse(&addr, s->redis, &why) == 0)
		return 0;
	(void)d4_conf_refuse(conf, "redis_d4", why, "where Redis is");
	return fault(conf);
}

/* Whether it begins with a word that is no path, and goes on: a blank at its
 * end, or what another client knows. */
static bool
is_nearly(const char *value, const char *word)
{
	return strncmp(value, word, strlen(word)) == 0 &&
	    strcmp(value, word) != 0 && strchr(value, '/') == NULL;
}

static int
load_source(struct settings *s, struct d4_conf *conf)
{
	static const char expected[] = "\"stdin\", \"d4server\", unix:PATH, "
	    "folder:PATH or a path";
	int faults = 0;

	if (d4_conf_text(conf, "source", s->source, expected) == -1)
		return fault(conf);
	if (strcmp(s->source, "d4server") == 0) {
		faults += load_redis(s, conf);
		if (d4_conf_text(conf, "redis_queue", s->queue,
		    "the name of a list") == -1)
			faults += fault(conf);
		faults += load_login(s, conf);
	} else if (is_nearly(s->source, "stdin")) {
		(void)d4_conf_refuse(conf, "source", "is nearly stdin (a "
		    "path needs a slash)", expected);
		faults += fault(conf);
	} else if (strcmp(s->source, "folder") == 0) {
		(void)d4_conf_refuse(conf, "source", "does not say which "
		    "folder", "folder:PATH");
		faults += fault(conf);
	} else if (strncmp(s->source, "unix:", 5) != 0 &&
	    strncmp(s->source, "folder:", 7) != 0 &&
	    d4_net_is_addr(s->source)) {
		(void)d4_conf_refuse(conf, "source", "is not a source",
		    expected);
		faults += fault(conf);
	}
	return faults;
}

static int
load_destination(struct settings *s, struct d4_conf *conf)
{
	static const char expected[] = "\"stdout\", HOST:PORT, [V6]:PORT, "
	    "tcp:HOST:PORT, unix:PATH or a path";
	const char *why;

	if (d4_conf_text(conf, "destination", s->destination, expected) == -1)
		return fault(conf);
	s->network = d4_net_is_addr(s->destination);
	if (s->network && d4_net_parse(&s->addr, s->destination, false,
	    &why) == -1) {
		(void)d4_conf_refuse(conf, "destination", why, expected);
		return fault(conf);
	}
	if (is_nearly(s->destination, "stdout")) {
		(void)d4_conf_refuse(conf, "destination", "is nearly stdout "
		    "(a path needs a slash)", expected);
		return fault(conf);
	}
	return 0;
}

static int
load_spool(struct settings *s, struct d4_conf *conf)
{
	static const char expected[] = "a directory";
	int faults = 0;

	s->spool_size = SPOOL_DEFAULT;
	if (d4_conf_has(conf, "spool_size"))
		faults += load_number(conf, "spool_size", SPOOL_MIN,
		    SPOOL_MAX, &s->spool_size);
	if (!d4_conf_has(conf, "spool"))
		return faults;
	if (d4_conf_text(conf, "spool", s->spool, expected) == -1)
		return faults + fault(conf);
	(void)snprintf(s->spool_files, sizeof(s->spool_files), "%s/files",
	    s->spool);
	if (!s->network) {
		(void)d4_conf_refuse(conf, "spool", "is for destinations on a "
		    "network", "no such file");
		faults += fault(conf);
	}
	return faults;
}

/* The certificates are read by OpenSSL; here is only said where they are. */
static int
load_certificates(struct settings *s, struct d4_conf *conf)
{
	bool cert = d4_conf_has(conf, "client.crt");
	bool key = d4_conf_has(conf, "client.key");
	int faults = 0;

	if (d4_conf_has(conf, "rootCA.crt") &&
	    d4_conf_path(conf, "rootCA.crt", s->ca) == -1)
		faults += fault(conf);
	if (cert != key) {
		(void)d4_conf_refuse(conf, cert ? "client.key" : "client.crt",
		    "missing", "both client.crt and client.key, or neither");
		return faults + fault(conf);
	}
	if (cert && (d4_conf_path(conf, "client.crt", s->cert) == -1 ||
	    d4_conf_path(conf, "client.key", s->cert_key) == -1))
		faults += fault(conf);
	return faults + guard(s, conf, "client.key");
}

/*
 * With type 254, and for the sake of d4-goclient's folders with type 2 too,
 * the meta header opens the session and the data is of type 254.  Towards
 * stdout another program may send it.
 */
static int
load_meta(struct settings *s, struct d4_conf *conf)
{
	static const char expected[] =
	    "one JSON object with a \"type\", at most 100000 bytes";
	bool there = d4_conf_has(conf, "metaheader.json");
	struct d4_meta *meta;
	const char *why;

	if (s->type != D4_TYPE_EXTENDED && (s->type != D4_TYPE_META || !there))
		return 0;
	if (!there && !s->network)
		return 0;
	if (d4_conf_file(conf, "metaheader.json", D4_META_MAX, expected,
	    &s->meta, &s->metalen) == -1)
		return fault(conf);
	if ((meta = d4_meta_parse(s->meta, s->metalen, &why)) == NULL) {
		(void)d4_conf_refuse(conf, "metaheader.json", why, expected);
		return fault(conf);
	}
	d4_meta_free(meta);
	s->data_type = D4_TYPE_EXTENDED;
	return 0;
}

static int
load_key(struct settings *s, struct d4_conf *conf)
{
	s->keylen = sizeof(s->key);
	if (d4_conf_key(conf, "key", s->key, &s->keylen) == -1)
		return fault(conf);
	if (d4_conf_is_sample(s->key, s->keylen)) {
		d4_log_warnx("key: is the sample; everybody knows it");
		return 0;
	}
	if (s->keylen < KEY_SHORT)
		d4_log_warnx("key: is shorter than %d bytes", KEY_SHORT);
	if (s->keylen > KEY_LONG)
		d4_log_warnx("key: is longer than %d bytes; a D4 core server "
		    "may know no more of it", KEY_LONG);
	return guard(s, conf, "key");
}

int
settings_load(struct settings *s, struct d4_conf *conf, bool check,
    bool insecure_key)
{
	int faults = 0;

	s->insecure_key = insecure_key;
	faults += load_numbers(s, conf);
	s->new_uuid = check && d4_conf_blank(conf, "uuid");
	faults += load_key(s, conf);
	faults += load_source(s, conf);
	faults += load_destination(s, conf);
	faults += load_spool(s, conf);
	faults += load_certificates(s, conf);
	faults += load_meta(s, conf);
	/* Last, so that a directory with faults is not given a uuid. */
	if (faults == 0 && !s->new_uuid &&
	    d4_conf_uuid(conf, "uuid", s->uuid) == -1)
		faults += fault(conf);
	return faults;
}

static void
print_network(const struct settings *s)
{
	char name[D4_NET_NAME];

	d4_net_text(&s->addr, name);
	printf("  to: %s%s\n", name,
	    s->addr.kind == D4_NET_TLS ? ", TLS" : "");
	printf("  buffer: %zu bytes\n  window: %zu bytes\n", s->buffer,
	    s->window);
	if (*s->spool != '\0')
		printf("  spool: %s, %llu bytes\n", s->spool,
		    (unsigned long long)s->spool_size);
	if (s->addr.kind != D4_NET_TLS)
		return;
	printf("  trusted: %s\n", *s->ca != '\0' ? s->ca :
	    "the system's certificates");
	if (*s->cert != '\0')
		printf("  client certificate: %s\n", s->cert);
}

void
settings_print(const struct settings *s)
{
	char uuid[D4_UUID_TEXT] = "made on the first run";

	if (!s->new_uuid)
		d4_uuid_text(uuid, s->uuid);
	printf("version: %u\ntype: %u (%s)\nuuid: %s\nkey: %zu bytes\n"
	    "snaplen: %zu\nsource: %s\n", s->version, s->type,
	    d4_type_get(s->type)->name, uuid, s->keylen, s->snaplen,
	    s->source);
	if (*s->redis != '\0')
		printf("  redis_d4: %s\n  redis_queue: %s\n", s->redis,
		    s->queue);
	if (*s->login.password != '\0')
		printf("  redis_user: %s\n  redis_password: %zu bytes\n",
		    *s->login.user != '\0' ? s->login.user : "default",
		    strlen(s->login.password));
	printf("destination: %s\n", s->destination);
	if (s->network)
		print_network(s);
	else if (strcmp(s->destination, "stdout") != 0)
		printf("  to: a file or FIFO\n");
	if (s->metalen > 0)
		printf("metaheader.json: %zu bytes\n", s->metalen);
}

void
settings_free(struct settings *s)
{
	d4_mac_wipe(s->key, sizeof(s->key));
	d4_conf_login_wipe(&s->login);
	free(s->meta);
	s->meta = NULL;
}
