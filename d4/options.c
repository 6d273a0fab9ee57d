/* SPDX-License-Identifier: ISC */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "d4/options.h"
#include "lib/log.h"

#define RETRY_S		60	/* unless another is given */
#define RETRY_MAX	86400
#define STATS_MAX	86400
#define RATE_MAX	((uint64_t)1 << 40)

enum {
	DROP = 256, GENKEY, INSECURE, INSECURE_KEY, JSON, METRICS, PROXY, RATE,
	RETRY, STATS
};

static const struct option longs[] = {
	{ "drop", no_argument, NULL, DROP },
	{ "genkey", no_argument, NULL, GENKEY },
	{ "help", no_argument, NULL, 'h' },
	{ "insecure", no_argument, NULL, INSECURE },
	{ "insecure-key", no_argument, NULL, INSECURE_KEY },
	{ "json", no_argument, NULL, JSON },
	{ "metrics", required_argument, NULL, METRICS },
	{ "proxy", required_argument, NULL, PROXY },
	{ "rate", required_argument, NULL, RATE },
	{ "retry", required_argument, NULL, RETRY },
	{ "stats", required_argument, NULL, STATS },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 }
};

static void
usage(FILE *out)
{
	fprintf(out, "usage: d4 [-hnVv] [--drop] [--insecure] "
	    "[--insecure-key] [--json]\n"
	    "          [--metrics file] [--proxy socks5://host:port] "
	    "[--rate bytes]\n"
	    "          [--retry seconds] [--stats seconds] -c directory\n"
	    "       d4 --genkey\n");
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
	    "  -v            say more on stderr; -vv more\n"
	    "  --drop        leave data out when the buffer is full, count it\n"
	    "  --genkey      print a fresh key\n"
	    "  --insecure    do not verify the server's certificate\n"
	    "  --insecure-key  take keys whose files others can read\n"
	    "  --json        source folder: send files as they are\n"
	    "  --metrics     write figures there, in Prometheus text form\n"
	    "  --proxy       reach the destination through a SOCKS5 proxy\n"
	    "  --rate        send at most so many bytes a second\n"
	    "  --retry       the longest wait before another attempt (60);\n"
	    "                0: end at the first failure of the link\n"
	    "  --stats       a line of figures each so many seconds\n");
}

/* Digits alone, min to max. */
static int
number(const char *name, const char *text, uint64_t min, uint64_t max,
    uint64_t *value)
{
	unsigned long long n = 0;
	char *end = NULL;

	if (*text >= '0' && *text <= '9')
		n = strtoull(text, &end, 10);
	if (end == NULL || *end != '\0' || strlen(text) > 18 || n < min ||
	    n > max) {
		d4_log_warnx("--%s: %s: expected a number from %llu to %llu",
		    name, text, (unsigned long long)min,
		    (unsigned long long)max);
		return 2;
	}
	*value = n;
	return -1;
}

static int
proxy(struct options *o, const char *text)
{
	static const char scheme[] = "socks5://";
	const char *why = "expected socks5://HOST:PORT";

	if (strncmp(text, scheme, sizeof(scheme) - 1) != 0 ||
	    d4_net_parse(&o->proxy, text + sizeof(scheme) - 1, false,
	    &why) == -1 || o->proxy.kind != D4_NET_TLS) {
		d4_log_warnx("--proxy: %s: %s", text, why);
		return 2;
	}
	o->proxy.kind = D4_NET_TCP;
	o->use_proxy = true;
	return -1;
}

static int
take_long(struct options *o, int ch)
{
	uint64_t n = 0;
	int rc = -1;

	switch (ch) {
	case DROP:
		o->drop = true;
		break;
	case GENKEY:
		o->genkey = true;
		break;
	case INSECURE:
		o->insecure = true;
		break;
	case INSECURE_KEY:
		o->insecure_key = true;
		break;
	case JSON:
		o->json = true;
		break;
	case METRICS:
		o->metrics = optarg;
		break;
	case PROXY:
		return proxy(o, optarg);
	case RATE:
		return number("rate", optarg, 1, RATE_MAX, &o->rate);
	case RETRY:
		n = o->retry_s;
		rc = number("retry", optarg, 0, RETRY_MAX, &n);
		o->retry_s = (unsigned int)n;
		break;
	case STATS:
		rc = number("stats", optarg, 1, STATS_MAX, &n);
		o->stats_s = (unsigned int)n;
		break;
	default:
		usage(stderr);
		return 2;
	}
	return rc;
}

int
options_parse(struct options *o, int argc, char *argv[])
{
	bool has_dir = false;
	int ch, rc;

	memset(o, 0, sizeof(*o));
	o->retry_s = RETRY_S;
	while ((ch = getopt_long(argc, argv, "c:hnVv", longs, NULL)) != -1) {
		switch (ch) {
		case 'c':
			/* As -ce and -cc of d4-goclient would be. */
			if (has_dir) {
				d4_log_warnx("-c: %s: given twice", optarg);
				return 2;
			}
			has_dir = true;
			o->dir = optarg;
			break;
		case 'h':
			help();
			return d4_log_flush(stdout);
		case 'n':
			o->check = true;
			break;
		case 'V':
			printf("d4 %s\n", D4_VERSION);
			return d4_log_flush(stdout);
		case 'v':
			o->verbose++;
			break;
		default:
			if ((rc = take_long(o, ch)) != -1)
				return rc;
		}
	}
	if (optind != argc || o->genkey == (o->dir != NULL)) {
		d4_log_warnx("%s", optind != argc ?
		    "nothing goes behind the options" : o->genkey ?
		    "-c and --genkey exclude each other" : "-c is needed");
		usage(stderr);
		return 2;
	}
	return -1;
}
