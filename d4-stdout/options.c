/* SPDX-License-Identifier: ISC */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-stdout/options.h"
#include "lib/header.h"
#include "lib/log.h"

#define HOST		"127.0.0.1"	/* of Redis, as d4-core has it */
#define PORT		"6380"
#define DB		2
#define SHOW_MAX	1000000
#define COUNT_MAX	((uint64_t)1 << 53)
#define STATS_MAX	86400
#define PLACE_MAX	300		/* bytes of an address */

enum { INSECURE_KEY = 256, LOGIN, METRICS, ROOT, STATS };

static const struct option longs[] = {
	{ "files", no_argument, NULL, 'f' },
	{ "help", no_argument, NULL, 'h' },
	{ "insecure-key", no_argument, NULL, INSECURE_KEY },
	{ "ip", required_argument, NULL, 'i' },
	{ "login", required_argument, NULL, LOGIN },
	{ "metrics", required_argument, NULL, METRICS },
	{ "newline", no_argument, NULL, 'n' },
	{ "port", required_argument, NULL, 'p' },
	{ "root", required_argument, NULL, ROOT },
	{ "stats", required_argument, NULL, STATS },
	{ "type", required_argument, NULL, 't' },
	{ "uuid", required_argument, NULL, 'u' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 }
};

/* Options that are put together once all are known. */
struct parts {
	const char	*ip, *port, *socket, *login;
	bool		 files, inflate, merge;
};

static void
usage(FILE *out)
{
	fprintf(out, "usage: d4-stdout [-aefmnvz] [-c count] "
	    "[-d directory | -S socket | -i address\n"
	    "                 -p port] [--insecure-key] [--login directory]\n"
	    "                 [--metrics file] [--root directory] "
	    "[--stats seconds]\n"
	    "                 -t type -u uuid\n"
	    "       d4-stdout -l [-k count] [-d directory | -S socket | "
	    "-i address -p port]\n"
	    "                 [--insecure-key] [--login directory] -t type "
	    "-u uuid\n"
	    "       d4-stdout -h | -V\n");
}

static void
help(void)
{
	usage(stdout);
	printf("Write the items of an analyzer queue, or the files that they "
	    "name.\n\n"
	    "  -a            acknowledge: what was not written out whole is "
	    "kept\n"
	    "  -c count      end after so many items\n"
	    "  -d directory  a store with queues in it, instead of Redis\n"
	    "  -e            end when the queue is empty\n"
	    "  -f            items are files: write what is in them\n"
	    "  -h            this help\n"
	    "  -i address    of Redis (127.0.0.1)\n"
	    "  -k count      show the newest items, which stay\n"
	    "  -l            show length, limit and description of the queue\n"
	    "  -m            with -f: merge the files into one stream\n"
	    "  -n            a newline after each item\n"
	    "  -p port       of Redis (6380)\n"
	    "  -S socket     Redis at a unix socket\n"
	    "  -t type       number of a type or name of an extended one\n"
	    "  -u uuid       of the queue\n"
	    "  -V            version\n"
	    "  -v            say more on stderr\n"
	    "  -z            with -f: decompress\n"
	    "  --insecure-key  take a password that others can read\n"
	    "  --login       directory with redis_password, redis_user\n"
	    "  --metrics     write figures there, in Prometheus text form\n"
	    "  --root        open only files beneath this directory\n"
	    "  --stats       a line of figures each so many seconds\n");
}

static int
misuse(void)
{
	usage(stderr);
	return 2;
}

/* Digits alone, 1 to max. */
static int
number(const char *name, const char *text, uint64_t max, uint64_t *value)
{
	unsigned long long n = 0;
	char *end = NULL;

	if (*text >= '0' && *text <= '9')
		n = strtoull(text, &end, 10);
	if (end == NULL || *end != '\0' || strlen(text) > 18 || n < 1 ||
	    n > max) {
		d4_log_warnx("%s: %s: expected a number from 1 to %llu", name,
		    text, (unsigned long long)max);
		return 2;
	}
	*value = n;
	return -1;
}

/* Spelled as in the names of queues. */
static int
type(struct options *o, const char *text)
{
	size_t len = strlen(text);

	if (len > 0 && strspn(text, "0123456789") == len) {
		unsigned long n = strtoul(text, NULL, 10);

		if (len <= 3 && n == D4_TYPE_EXTENDED) {
			d4_log_warnx("-t: 254: expected the name of the "
			    "extended type");
			return 2;
		}
		if (len <= 3 && n <= UINT8_MAX) {
			(void)snprintf(o->type, sizeof(o->type), "%lu", n);
			return -1;
		}
	} else if (d4_type_name_ok(text, len)) {
		memcpy(o->type, text, len + 1);
		return -1;
	}
	d4_log_warnx("-t: %s: expected a number from 0 to 255 or the name of "
	    "an extended type", text);
	return 2;
}

static int
uuid(struct options *o, const char *text)
{
	uint8_t bytes[D4_UUID_LEN];

	if (d4_uuid_parse(bytes, text) == -1) {
		d4_log_warnx("-u: %s: expected a uuid", text);
		return 2;
	}
	d4_uuid_text(o->uuid, bytes);
	return -1;
}

static int
take_value(struct options *o, struct parts *p, int ch)
{
	uint64_t n = 0;
	int rc = -1;

	switch (ch) {
	case 'c':
		return number("-c", optarg, COUNT_MAX, &o->count);
	case 'd':
		o->store = optarg;
		break;
	case 'i':
		p->ip = optarg;
		break;
	case 'k':
		return number("-k", optarg, SHOW_MAX, &o->show);
	case 'p':
		p->port = optarg;
		break;
	case 'S':
		p->socket = optarg;
		break;
	case 't':
		return type(o, optarg);
	case 'u':
		return uuid(o, optarg);
	case INSECURE_KEY:
		o->login.insecure_key = true;
		break;
	case LOGIN:
		p->login = optarg;
		break;
	case METRICS:
		o->metrics = optarg;
		break;
	case ROOT:
		o->root = optarg;
		break;
	case STATS:
		rc = number("--stats", optarg, STATS_MAX, &n);
		o->stats_s = (unsigned int)n;
		break;
	default:
		return misuse();
	}
	return rc;
}

static int
say(void (*print)(void))
{
	print();
	return d4_log_flush(stdout);
}

static void
version(void)
{
	printf("d4-stdout %s\n", D4_VERSION);
}

static int
take(struct options *o, struct parts *p, int ch)
{
	switch (ch) {
	case 'a':
		o->acknowledge = true;
		break;
	case 'e':
		o->drain = true;
		break;
	case 'f':
		p->files = true;
		break;
	case 'h':
		return say(help);
	case 'l':
		o->list = true;
		break;
	case 'm':
		p->merge = true;
		break;
	case 'n':
		o->newline = true;
		break;
	case 'V':
		return say(version);
	case 'v':
		o->verbose++;
		break;
	case 'z':
		p->inflate = true;
		break;
	default:
		return take_value(o, p, ch);
	}
	return -1;
}

/* An address has the whole path. */
static int
socket_place(char text[PLACE_MAX], const char *path)
{
	char dir[PLACE_MAX] = "";

	if (*path != '/' && getcwd(dir, sizeof(dir)) == NULL)
		return PLACE_MAX;
	return snprintf(text, PLACE_MAX, "unix:%s%s%s/%d", dir,
	    *dir != '\0' ? "/" : "", path, DB);
}

static int
place(struct options *o, const struct parts *p)
{
	const char *ip = p->ip != NULL ? p->ip : HOST, *why;
	const char *port = p->port != NULL ? p->port : PORT;
	char text[PLACE_MAX];
	int n;

	if (p->socket != NULL)
		n = socket_place(text, p->socket);
	else if (strchr(ip, ':') != NULL && *ip != '[')
		n = snprintf(text, sizeof(text), "[%s]:%s/%d", ip, port, DB);
	else
		n = snprintf(text, sizeof(text), "%s:%s/%d", ip, port, DB);
	why = "too long";
	if (n >= (int)sizeof(text) ||
	    d4_redis_parse(&o->redis, text, &why) == -1) {
		if (p->socket != NULL)
			d4_log_warnx("-S: %s: %s", p->socket, why);
		else
			d4_log_warnx("Redis: %s, port %s: %s", ip, port, why);
		return 2;
	}
	return -1;
}

static int
login(struct options *o, const char *dir)
{
	char why[D4_CONF_LOGIN_WHY];

	int rc;

	if (dir == NULL ||
	    (rc = d4_conf_login_from(dir, &o->login, why)) == 0)
		return -1;
	d4_log_warnx("%s", why);
	return rc == 1 ? -1 : 2;
}

/* Why the options do not go together, by the lines of the synopsis, or NULL. */
static const char *
misfit(const struct options *o, const struct parts *p)
{
	bool tcp = p->ip != NULL || p->port != NULL;
	bool looks = o->list || o->show > 0;

	if (*o->type == '\0' || *o->uuid == '\0')
		return "-t and -u are needed";
	if ((o->store != NULL) + (p->socket != NULL) + tcp > 1)
		return "-d, -S and -i with -p exclude each other";
	if (o->store != NULL && p->login != NULL)
		return "--login is for Redis, not for -d";
	if ((p->inflate || p->merge || o->root != NULL) && !p->files)
		return "-m, -z and --root need -f";
	if (p->merge && (p->inflate || o->newline))
		return "-m excludes -n and -z";
	if (looks && (p->files || o->newline || o->acknowledge || o->drain ||
	    o->count > 0 || o->stats_s > 0 || o->metrics != NULL))
		return "-l and -k take nothing, so that only -t, -u and where "
		    "the queue is go with them";
	return NULL;
}

int
options_parse(struct options *o, int argc, char *argv[])
{
	struct parts p = { .ip = NULL };
	const char *why;
	int ch, rc;

	memset(o, 0, sizeof(*o));
	while ((ch = getopt_long(argc, argv, "ac:d:efhi:k:lmnp:S:t:u:Vvz",
	    longs, NULL)) != -1) {
		if ((rc = take(o, &p, ch)) != -1)
			return rc;
	}
	why = optind != argc ? "nothing goes behind the options" :
	    misfit(o, &p);
	if (why != NULL) {
		d4_log_warnx("%s", why);
		return misuse();
	}
	o->content = p.merge ? CONTENT_MERGED : p.inflate ? CONTENT_INFLATED :
	    p.files ? CONTENT_FILE : CONTENT_ITEM;
	if (o->store != NULL)
		return -1;
	return (rc = login(o, p.login)) != -1 ? rc : place(o, &p);
}
