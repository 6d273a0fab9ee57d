/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "d4-recv/runner.h"
#include "d4-recv/settings.h"
#include "lib/log.h"
#include "lib/mac.h"
#include "lib/redis.h"
#include "lib/type.h"

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

/* Whether what was read before privileges were given up has to do. */
static bool
keeps(const struct settings *old, struct d4_conf *conf, const char *name)
{
	char path[D4_CONF_TEXT];

	if (old == NULL || !d4_conf_denied(conf, name) ||
	    d4_conf_path(conf, name, path) == -1)
		return false;
	d4_log_warnx("%s: cannot be read by the user we are now: the old one "
	    "stays until a new start", path);
	return true;
}

static int
on_type(void *cookie, const char *entry)
{
	struct rules *rules = cookie;
	unsigned long n;
	char *end;

	n = strtoul(entry, &end, 10);
	if (*entry < '0' || *entry > '9' || *end != '\0' || n > UINT8_MAX)
		return -1;
	rules->types[n] = true;
	return 0;
}

static int
on_metatype(void *cookie, const char *entry)
{
	return rules_add_metatype(cookie, entry);
}

static int
load_lists(struct settings *s, struct d4_conf *conf)
{
	static const char types[] = "accepted types, 0 to 255, one a line";
	static const char names[] =
	    "accepted extended types like ja3-jl, one a line";
	int faults = 0;

	if (d4_conf_list(conf, "types", types, on_type, &s->rules) == -1 ||
	    (memchr(s->rules.types, 1, sizeof(s->rules.types)) == NULL &&
	    d4_conf_refuse(conf, "types", "is empty", types) == -1))
		faults += fault(conf);
	/* Without extended types in use nobody need name them. */
	if ((s->rules.types[D4_TYPE_EXTENDED] ||
	    d4_conf_has(conf, "metatypes")) &&
	    (d4_conf_list(conf, "metatypes", names, on_metatype,
	    &s->rules) == -1 || (s->rules.types[D4_TYPE_EXTENDED] &&
	    s->rules.nmetatypes == 0 &&
	    d4_conf_refuse(conf, "metatypes", "is empty", names) == -1)))
		faults += fault(conf);
	return faults;
}

/* One of a few words; *choice becomes its place among them. */
static int
load_word(struct d4_conf *conf, const char *name, const char *const words[],
    size_t nwords, size_t *choice)
{
	char value[D4_CONF_TEXT], expected[128] = "";
	size_t i, len = 0;

	for (i = 0; i < nwords; i++)
		len += (size_t)snprintf(expected + len, sizeof(expected) - len,
		    "%s\"%s\"", i > 0 ? " or " : "", words[i]);
	if (d4_conf_text(conf, name, value, expected) == -1)
		return fault(conf);
	for (i = 0; i < nwords; i++) {
		if (strcmp(value, words[i]) == 0) {
			*choice = i;
			return 0;
		}
	}
	(void)d4_conf_refuse(conf, name, "is something else", expected);
	return fault(conf);
}

static int
load_mode(struct settings *s, struct d4_conf *conf)
{
	static const char *const modes[] = { "shared-secret", "registration" };
	size_t choice = 0;

	if (load_word(conf, "mode", modes, 2, &choice) > 0)
		return 1;
	s->registered_only = choice == 1;
	if (s->registered_only && !s->stores) {
		(void)d4_conf_refuse(conf, "mode", "registration needs a "
		    "registry", "\"shared-secret\" with destination stdout");
		return fault(conf);
	}
	return 0;
}

static int
load_ends(struct settings *s, struct d4_conf *conf)
{
	static const char source[] =
	    "\"stdin\", ADDR:PORT, tcp:ADDR:PORT or unix:PATH";
	static const char destination[] =
	    "\"stdout\", a directory, or \"none\" with stream";
	const char *why;
	int faults = 0;

	s->listens = false;
	if (d4_conf_text(conf, "source", s->source, source) == -1) {
		faults += fault(conf);
	} else if (strcmp(s->source, "stdin") != 0) {
		s->listens = true;
		why = "is neither stdin nor an address";
		if ((!d4_net_is_addr(s->source) ||
		    d4_net_parse(&s->addr, s->source, true, &why) == -1) &&
		    d4_conf_refuse(conf, "source", why, source) == -1)
			faults += fault(conf);
	}
	if (d4_conf_text(conf, "destination", s->destination,
	    destination) == -1)
		return faults + fault(conf);
	s->stores = strcmp(s->destination, "stdout") != 0;
	s->keeps_files = s->stores && strcmp(s->destination, "none") != 0;
	if (s->keeps_files && strchr(s->destination, '/') == NULL) {
		(void)d4_conf_refuse(conf, "destination",
		    "is no path (a slash is needed)", destination);
		faults += fault(conf);
	}
	if (strncmp(s->destination, "redis:", 6) == 0) {
		(void)d4_conf_refuse(conf, "destination",
		    "is no directory (Redis is for stream)", destination);
		faults += fault(conf);
	}
	if (s->listens && !s->stores && faults == 0) {
		(void)d4_conf_refuse(conf, "destination",
		    "many sensors do not fit into one stream",
		    "a directory, when source is an address");
		faults += fault(conf);
	}
	return faults;
}

static int
load_number(struct d4_conf *conf, const char *name, uint64_t min, uint64_t max,
    uint64_t fallback, uint64_t *value)
{
	*value = fallback;
	if (!d4_conf_has(conf, name))
		return 0;
	return d4_conf_number(conf, name, min, max, value) == 0 ? 0 :
	    fault(conf);
}

static int
load_unsigned(struct d4_conf *conf, const char *name, unsigned min,
    unsigned max, unsigned fallback, unsigned *value)
{
	uint64_t n;
	int faults = load_number(conf, name, min, max, fallback, &n);

	*value = (unsigned)n;
	return faults;
}

/* A path that is only needed where something is; "" where nothing is. */
static int
load_path(struct d4_conf *conf, const char *name, char path[D4_CONF_TEXT])
{
	*path = '\0';
	if (!d4_conf_has(conf, name))
		return 0;
	return d4_conf_path(conf, name, path) == 0 ? 0 : fault(conf);
}

static int
load_tls(struct settings *s, struct d4_conf *conf,
    const struct settings *old)
{
	static const char *const words[] = { "no", "yes" };
	size_t choice = 0;
	int faults = 0;

	if (!s->listens || s->addr.kind != D4_NET_TLS)
		return 0;
	faults += load_path(conf, "server.pem", s->server_pem);
	faults += load_path(conf, "clientCA.crt", s->client_ca);
	if (faults == 0 && *s->server_pem == '\0') {
		(void)d4_conf_refuse(conf, "server.pem", "missing",
		    "certificate chain and key, PEM");
		faults += fault(conf);
	}
	s->keeps_tls = keeps(old, conf, "server.pem");
	if (faults == 0)
		faults += guard(s, conf, "server.pem");
	if (d4_conf_has(conf, "bind_uuid"))
		faults += load_word(conf, "bind_uuid", words, 2, &choice);
	s->bind_uuid = choice == 1;
	if (s->bind_uuid && *s->client_ca == '\0') {
		(void)d4_conf_refuse(conf, "bind_uuid",
		    "needs certificates of clients", "a clientCA.crt too");
		faults += fault(conf);
	}
	return faults;
}

/* A place that is Redis, if it is: then it has to be one. */
static int
check_redis(struct d4_conf *conf, const char *name, const char *value)
{
	struct d4_redis_addr addr;
	const char *why;

	if (strncmp(value, "redis:", 6) != 0 ||
	    d4_redis_parse(&addr, value, &why) == 0)
		return 0;
	(void)d4_conf_refuse(conf, name, why, "redis:HOST:PORT/DB or "
	    "redis:/path/to/socket/DB");
	return fault(conf);
}

/* Whether a place that was made of the value, n bytes long, has its room. */
static int
fits(struct d4_conf *conf, const char *name, int n)
{
	if (n >= 0 && n < D4_CONF_TEXT)
		return 0;
	(void)d4_conf_refuse(conf, name, "is too long", "a shorter path");
	return fault(conf);
}

/* Where no place is named it is below the store. */
static int
load_place(struct d4_conf *conf, const char *name, const struct settings *s,
    char value[D4_CONF_TEXT])
{
	static const char expected[] = "a directory or redis:HOST:PORT/DB";
	int n;

	if (d4_conf_has(conf, name))
		return d4_conf_text(conf, name, value, expected) == 0 ?
		    check_redis(conf, name, value) : fault(conf);
	if (!s->keeps_files) {
		(void)d4_conf_refuse(conf, name,
		    "is needed without files", expected);
		return fault(conf);
	}
	n = snprintf(value, D4_CONF_TEXT, "%s/%s", s->destination, name);
	return fits(conf, "destination", n);
}

/* Definitions of queues are the registry's, so it is where they are, too. */
static int
load_places(struct settings *s, struct d4_conf *conf)
{
	bool redis;
	int n;

	if ((n = load_place(conf, "registry", s, s->registry)) > 0)
		return n;
	redis = strncmp(s->registry, "redis:", 6) == 0;
	if (redis && !d4_conf_has(conf, "queues")) {
		n = snprintf(s->queues, D4_CONF_TEXT, "%.*s/2",
		    (int)(strrchr(s->registry, '/') - s->registry),
		    s->registry);
		return fits(conf, "registry", n);
	}
	if ((n = load_place(conf, "queues", s, s->queues)) > 0)
		return n;
	if (redis == (strncmp(s->queues, "redis:", 6) == 0))
		return 0;
	(void)d4_conf_refuse(conf, "queues", "goes with the registry",
	    "both directories, or both redis:");
	return fault(conf);
}

/* Where the password can't be read any more user and password stay. */
static int
load_login(struct settings *s, struct d4_conf *conf,
    const struct settings *old)
{
	int rc;

	if (keeps(old, conf, "redis_password")) {
		s->login = old->login;
		return 0;
	}
	s->login.insecure_key = s->insecure_key;
	if ((rc = d4_conf_login(conf, &s->login)) != 0)
		(void)fault(conf);
	return rc == -1;
}

static int
load_stream(struct settings *s, struct d4_conf *conf)
{
	static const char *const words[] = { "wait", "disconnect" };
	static const char expected[] = "redis:HOST:PORT/DB";
	size_t choice = 0;
	int faults = 0;

	if (!d4_conf_has(conf, "stream")) {
		if (s->keeps_files)
			return 0;
		(void)d4_conf_refuse(conf, "stream",
		    "is needed without files", expected);
		return fault(conf);
	}
	if (d4_conf_text(conf, "stream", s->stream, expected) == -1)
		return fault(conf);
	if (strncmp(s->stream, "redis:", 6) != 0) {
		(void)d4_conf_refuse(conf, "stream", "is not Redis", expected);
		faults += fault(conf);
	} else
		faults += check_redis(conf, "stream", s->stream);
	if (d4_conf_has(conf, "stream_overflow"))
		faults += load_word(conf, "stream_overflow", words, 2,
		    &choice);
	s->stream_disconnects = choice == 1;
	return faults;
}

/* What concerns streams that are gone on with, and replays. */
static int
load_resume(struct settings *s, struct d4_conf *conf)
{
	static const char *const syncs[] = { "second", "always", "never" };
	static const enum store_sync sync[] = {
		STORE_SYNC_SECOND, STORE_SYNC_ALWAYS, STORE_SYNC_NEVER
	};
	static const char *const flags[] = { "no", "yes" };
	size_t choice = 0, monotonic = 0;
	int faults = 0;

	if (d4_conf_has(conf, "sync"))
		faults += load_word(conf, "sync", syncs, 3, &choice);
	s->sync = sync[choice];
	faults += load_number(conf, "max_age", 0, UINT32_MAX, 0, &s->max_age);
	if (d4_conf_has(conf, "monotonic"))
		faults += load_word(conf, "monotonic", flags, 2, &monotonic);
	s->monotonic = monotonic == 1;
	return faults;
}

/* The first finished file, minutes later, would be late to learn of it. */
static int
load_hook(struct settings *s, struct d4_conf *conf)
{
	static const char expected[] = "the path of a program";

	if (!d4_conf_has(conf, "hook") || (d4_conf_text(conf, "hook", s->hook,
	    expected) == 0 && (runner_finds(s->hook) == 0 ||
	    d4_conf_refuse(conf, "hook", strerror(errno), expected) == 0)))
		return 0;
	return fault(conf);
}

static int
load_store(struct settings *s, struct d4_conf *conf,
    const struct settings *old)
{
	static const char *const kinds[] = { "none", "gz", "zst" };
	static const enum d4_gz_kind gz[] = {
		D4_GZ_PLAIN, D4_GZ_GZIP, D4_GZ_ZSTD
	};
	size_t choice = 1;
	int faults = 0;

	faults += load_resume(s, conf);
	faults += load_places(s, conf);
	faults += load_login(s, conf, old);
	faults += load_stream(s, conf);
	faults += load_hook(s, conf);
	if (d4_conf_has(conf, "user") && d4_conf_text(conf, "user", s->user,
	    "the name of a user") == -1)
		faults += fault(conf);
	if (d4_conf_has(conf, "compress"))
		faults += load_word(conf, "compress", kinds, 3, &choice);
	s->compress = gz[choice];
	if (!d4_gz_has(s->compress)) {
		(void)d4_conf_refuse(conf, "compress",
		    "this build cannot", "gz or none");
		faults += fault(conf);
	}
	faults += load_unsigned(conf, "rotate", 1, 86400, 300, &s->rotate);
	faults += load_number(conf, "rotate_size", 0, UINT64_MAX / 2, 0,
	    &s->rotate_size);
	faults += load_unsigned(conf, "workers", 1, 64, 1, &s->workers);
	faults += load_unsigned(conf, "quiet", 1, 86400, 300, &s->quiet);
	faults += load_unsigned(conf, "max_connections", 1, 1000000, 20000,
	    &s->max_connections);
	faults += load_unsigned(conf, "max_per_address", 1, 1000000, 1000,
	    &s->max_per_address);
	faults += load_unsigned(conf, "max_unauthenticated", 1, 1000000, 1000,
	    &s->max_unauthenticated);
	return faults;
}

static int
load_key(struct settings *s, struct d4_conf *conf, const struct settings *old)
{
	if (keeps(old, conf, "key")) {
		memcpy(s->key, old->key, old->keylen);
		s->keylen = old->keylen;
		return 0;
	}
	s->keylen = sizeof(s->key);
	if (d4_conf_key(conf, "key", s->key, &s->keylen) == -1)
		return fault(conf);
	return d4_conf_is_sample(s->key, s->keylen) ? 0 :
	    guard(s, conf, "key");
}

int
settings_load(struct settings *s, struct d4_conf *conf,
    const struct settings *old, bool insecure_key)
{
	int faults = 0;

	memset(s, 0, sizeof(*s));
	s->insecure_key = insecure_key;
	faults += load_ends(s, conf);
	faults += load_mode(s, conf);
	faults += load_key(s, conf, old);
	faults += load_lists(s, conf);
	faults += load_tls(s, conf, old);
	if (s->stores)
		faults += load_store(s, conf, old);
	return faults;
}

static void
print_store(const struct settings *s)
{
	static const char *const syncs[] = {
		[STORE_SYNC_SECOND] = "second", [STORE_SYNC_ALWAYS] = "always",
		[STORE_SYNC_NEVER] = "never"
	};
	const char *suffix = d4_gz_suffix(s->compress);

	if (*s->stream != '\0')
		printf("stream: %s\nstream_overflow: %s\n", s->stream,
		    s->stream_disconnects ? "disconnect" : "wait");
	if (*s->login.password != '\0')
		printf("redis_user: %s\nredis_password: %zu bytes\n",
		    *s->login.user != '\0' ? s->login.user : "default",
		    strlen(s->login.password));
	printf("sync: %s\nmax_age: %llu s\nmonotonic: %s\n", syncs[s->sync],
	    (unsigned long long)s->max_age, s->monotonic ? "yes" : "no");
	printf("registry: %s\nqueues: %s\nrotate: %u s\nrotate_size: %llu\n"
	    "compress: %s\nhook: %s\nuser: %s\nworkers: %u\nquiet: %u s\n"
	    "max_connections: %u\nmax_per_address: %u\n"
	    "max_unauthenticated: %u\n", s->registry, s->queues, s->rotate,
	    (unsigned long long)s->rotate_size,
	    *suffix == '.' ? suffix + 1 : "none",
	    *s->hook != '\0' ? s->hook : "none",
	    *s->user != '\0' ? s->user : "the same", s->workers, s->quiet,
	    s->max_connections, s->max_per_address, s->max_unauthenticated);
}

void
settings_print(const struct settings *s)
{
	size_t i;

	printf("source: %s\ndestination: %s\nmode: %s\nkey: %zu bytes\n"
	    "types:", s->source, s->destination,
	    s->registered_only ? "registration" : "shared-secret", s->keylen);
	for (i = 0; i <= UINT8_MAX; i++) {
		if (s->rules.types[i])
			printf(" %zu", i);
	}
	printf("\nmetatypes:");
	for (i = 0; i < s->rules.nmetatypes; i++)
		printf(" %s", s->rules.metatypes[i]);
	printf("\n");
	if (*s->server_pem != '\0')
		printf("server.pem: %s\nclientCA.crt: %s\nbind_uuid: %s\n",
		    s->server_pem, *s->client_ca != '\0' ? s->client_ca :
		    "none", s->bind_uuid ? "yes" : "no");
	if (s->stores)
		print_store(s);
}

void
settings_free(struct settings *s)
{
	d4_mac_wipe(s->key, sizeof(s->key));
	d4_conf_login_wipe(&s->login);
	rules_free(&s->rules);
}
