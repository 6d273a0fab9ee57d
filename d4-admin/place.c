/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-admin/place.h"
#include "lib/log.h"
#include "lib/uuid.h"

#define PORT		"6380"	/* d4-core's, with its databases */
#define DB_REGISTRY	0
#define DB_ITEMS	2

static bool
is_redis(const char *spec)
{
	return strncmp(spec, "redis:", 6) == 0;
}

/* Joins a path; false when it does not fit. */
static bool
join(char path[D4_CONF_TEXT], const char *dir, const char *name)
{
	int n = snprintf(path, D4_CONF_TEXT, "%s/%s", dir, name);

	return n > 0 && n < D4_CONF_TEXT;
}

static int
find_store(struct place *p, const char *store)
{
	struct stat st;

	if (stat(store, &st) == -1) {
		d4_log_warn("%s", store);
		return 2;
	}
	if (!S_ISDIR(st.st_mode)) {
		d4_log_warnx("%s: not a directory (expected a store)", store);
		return 2;
	}
	if (strlen(store) >= D4_CONF_TEXT ||
	    !join(p->registry, store, "registry") ||
	    !join(p->queues, store, "queues")) {
		d4_log_warnx("%s: name too long", store);
		return 2;
	}
	memcpy(p->store, store, strlen(store) + 1);
	return 0;
}

/* HOST may be a path: that of a socket. */
static int
find_redis(struct place *p, const char *host, const char *port)
{
	static const unsigned db[2] = { DB_REGISTRY, DB_ITEMS };
	char *spec[2] = { p->registry, p->queues };
	struct d4_redis_addr addr;
	bool socket = *host == '/', v6 = strchr(host, ':') != NULL;
	const char *why;
	int i, n;

	for (i = 0; i < 2; i++) {
		n = snprintf(spec[i], D4_CONF_TEXT, "redis:%s%s%s%s%s/%u",
		    v6 && !socket ? "[" : "", host, v6 && !socket ? "]" : "",
		    socket ? "" : ":", socket ? "" : port, db[i]);
		if (n < 0 || n >= D4_CONF_TEXT ||
		    d4_redis_parse(&addr, spec[i], &why) == -1) {
			d4_log_warnx("-i %s -p %s: not a Redis server "
			    "(expected a host or the path of a socket, and a "
			    "port)", host, port);
			return 2;
		}
	}
	return 0;
}

/* Without a value of its own it lies below the store. */
static int
load_place(struct d4_conf *conf, const char *name, const char *store,
    char value[D4_CONF_TEXT])
{
	if (d4_conf_has(conf, name))
		return d4_conf_text(conf, name, value,
		    "a directory or redis:HOST:PORT/DB");
	if (*store == '\0' || !join(value, store, name))
		return d4_conf_refuse(conf, "destination", "is no store",
		    "a directory");
	return 0;
}

/* Without items of its own a Redis has them in database 2 of the same
 * server, as d4-core has it. */
static int
load_places(struct place *p, struct d4_conf *conf)
{
	const char *slash;

	if (load_place(conf, "registry", p->store, p->registry) == -1)
		return -1;
	if (!is_redis(p->registry) || d4_conf_has(conf, "queues"))
		return load_place(conf, "queues", p->store, p->queues);
	if ((slash = strrchr(p->registry, '/')) == NULL)
		return d4_conf_refuse(conf, "registry", "names no database",
		    "redis:HOST:PORT/DB");
	(void)snprintf(p->queues, sizeof(p->queues), "%.*s/%d",
	    (int)(slash - p->registry), p->registry, DB_ITEMS);
	return 0;
}

static int
load_login(struct place *p, struct d4_conf *conf)
{
	int rc;

	p->login.insecure_key = p->insecure_key;
	if ((rc = d4_conf_login(conf, &p->login)) == 1)
		d4_log_warnx("%s", d4_conf_fault(conf));
	return rc == -1 ? -1 : 0;
}

static int
find_conf(struct place *p, const char *dir)
{
	struct d4_conf *conf;
	int rc;

	if ((conf = d4_conf_open(dir)) == NULL) {
		d4_log_warn("%s", dir);
		return 2;
	}
	(void)snprintf(p->conf, sizeof(p->conf), "%s", dir);
	rc = d4_conf_text(conf, "destination", p->store, "a directory");
	if (rc == 0 && strchr(p->store, '/') == NULL)
		*p->store = '\0';
	if (rc == 0)
		rc = load_places(p, conf);
	if (rc == 0)
		rc = load_login(p, conf);
	if (rc == -1)
		d4_log_warnx("%s", d4_conf_fault(conf));
	d4_conf_close(conf);
	return rc == 0 ? 0 : 2;
}

/* The options that name a server. */
static int
find_server(struct place *p, const struct place_options *o)
{
	char why[D4_CONF_LOGIN_WHY];
	int rc = 0;

	p->login.insecure_key = p->insecure_key;
	if (o->login != NULL)
		rc = d4_conf_login_from(o->login, &p->login, why);
	if (rc != 0)
		d4_log_warnx("%s", why);
	if (rc == -1)
		return 2;
	return find_redis(p, o->host != NULL ? o->host : "127.0.0.1",
	    o->port != NULL ? o->port : PORT);
}

int
place_find(struct place *p, const struct place_options *o)
{
	bool redis = o->host != NULL || o->port != NULL || o->login != NULL;

	memset(p, 0, sizeof(*p));
	if ((o->store != NULL) + (o->conf != NULL) + redis > 1) {
		d4_log_warnx("-d, -c and -i exclude each other (expected one "
		    "place)");
		return 2;
	}
	p->insecure_key = o->insecure_key;
	p->given = o->store != NULL || o->conf != NULL || redis;
	if (o->store != NULL)
		return find_store(p, o->store);
	if (o->conf != NULL)
		return find_conf(p, o->conf);
	return redis ? find_server(p, o) : 0;
}

/* As d4-recv makes it at its first start.  By the superuser it is made for whom
 * the directory above belongs to. */
static int
make_store(const char *store, char why[256])
{
	char above[D4_CONF_TEXT + 4];
	struct stat st;

	(void)snprintf(above, sizeof(above), "%s/..", store);
	if ((mkdir(store, 0750) == 0 && (geteuid() != 0 ||
	    (stat(above, &st) == 0 &&
	    chown(store, st.st_uid, st.st_gid) == 0))) || errno == EEXIST)
		return 0;
	(void)snprintf(why, 256, "%.200s: %s", store, strerror(errno));
	return -1;
}

bool
place_has_registry(const struct place *p)
{
	return is_redis(p->registry) || access(p->registry, F_OK) == 0;
}

struct d4_registry *
place_open(const struct place *p, bool create, char why[256])
{
	struct d4_registry_login login = {
		.user = p->login.user, .password = p->login.password,
		.insecure_key = p->insecure_key
	};

	if (create && *p->conf != '\0' && *p->store != '\0' &&
	    make_store(p->store, why) == -1)
		return NULL;
	/* In Redis the definitions of queues are the registry's. */
	return d4_registry_open_as(p->registry, is_redis(p->registry) &&
	    !is_redis(p->queues) ? NULL : p->queues, create, &login, why);
}

struct d4_queue *
place_queue(const struct place *p, const struct d4_registry_queue *queue)
{
	struct d4_queue_where where = { .create = false };
	char type[8], uuid[D4_UUID_TEXT], why[D4_QUEUE_FAULT];
	struct d4_redis_addr addr;
	struct d4_queue *q;
	const char *reason;

	(void)snprintf(type, sizeof(type), "%u", queue->type);
	d4_uuid_text(uuid, queue->uuid);
	where.type = *queue->extended != '\0' ? queue->extended : type;
	where.uuid = uuid;
	if (!is_redis(p->queues)) {
		where.queues = p->queues;
	} else if (d4_redis_parse(&addr, p->queues, &reason) == -1) {
		d4_log_warnx("%s: %s", p->queues, reason);
		return NULL;
	} else {
		where.redis = &addr;
		where.user = p->login.user;
		where.password = p->login.password;
	}
	if ((q = d4_queue_open(&where, why)) == NULL)
		d4_log_warnx("%s", why);
	return q;
}
