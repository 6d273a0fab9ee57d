/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-pibs/settings.h"
#include "lib/log.h"
#include "lib/uuid.h"

#define MEMORY		(UINT64_C(256) << 20)
#define MEMORY_MIN	(UINT64_C(32) << 20)
#define REDIS_PORT	6380

enum {
	OPT_ALSO = 256, OPT_BINS, OPT_BINS_FILE, OPT_EXPIRE, OPT_FLUSH,
	OPT_FORMAT, OPT_INSECURE_KEY, OPT_INTERVAL, OPT_LOGIN, OPT_MEMORY,
	OPT_MIN_DURATION,
	OPT_MIN_PACKETS, OPT_MIN_PPM, OPT_MISP, OPT_OPEN, OPT_PIBS, OPT_PLOT,
	OPT_SLIDE, OPT_STATE, OPT_TELESCOPE, OPT_WINDOW
};

static const struct option longs[] = {
	{ "also", required_argument, NULL, OPT_ALSO },
	{ "bins", required_argument, NULL, OPT_BINS },
	{ "bins-file", required_argument, NULL, OPT_BINS_FILE },
	{ "expire", required_argument, NULL, OPT_EXPIRE },
	{ "flush", no_argument, NULL, OPT_FLUSH },
	{ "follow", no_argument, NULL, 'f' },
	{ "format", required_argument, NULL, OPT_FORMAT },
	{ "help", no_argument, NULL, 'h' },
	{ "interval", required_argument, NULL, OPT_INTERVAL },
	{ "insecure-key", no_argument, NULL, OPT_INSECURE_KEY },
	{ "login", required_argument, NULL, OPT_LOGIN },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "min-duration", required_argument, NULL, OPT_MIN_DURATION },
	{ "min-packets", required_argument, NULL, OPT_MIN_PACKETS },
	{ "min-ppm", required_argument, NULL, OPT_MIN_PPM },
	{ "misp", no_argument, NULL, OPT_MISP },
	{ "open", no_argument, NULL, OPT_OPEN },
	{ "pibs-compat", no_argument, NULL, OPT_PIBS },
	{ "plot", required_argument, NULL, OPT_PLOT },
	{ "slide", required_argument, NULL, OPT_SLIDE },
	{ "state", required_argument, NULL, OPT_STATE },
	{ "telescope", required_argument, NULL, OPT_TELESCOPE },
	{ "version", no_argument, NULL, 'V' },
	{ "window", required_argument, NULL, OPT_WINDOW },
	{ NULL, 0, NULL, 0 }
};

static void
usage(FILE *out)
{
	fprintf(out, "usage: d4-pibs [-abfhsVv] [-d directory] [-i interface] "
	    "[-p port] [-r file]\n"
	    "               [-u uuid] [-w file] [-y db] [-z host] [--option "
	    "...] [filter ...]\n");
}

static void
help(void)
{
	usage(stdout);
	printf("Who is under attack, seen from its backscatter.\n\n"
	    "  -r file         read a capture, - is stdin; may repeat\n"
	    "  -i interface    capture live\n"
	    "  -u uuid         take names of captures from the queue uuid:\n"
	    "  -z host -p port -y db   in Redis (port 6380, db 0)\n"
	    "  --insecure-key          take one that others can read\n"
	    "  --login directory       with its redis_password, redis_user\n"
	    "  -d directory    in that store; without -u the queue itself\n"
	    "  -f, --follow    wait for more names\n"
	    "  filter          as for tcpdump\n\n"
	    "  -b              a line for each backscatter packet of TCP\n"
	    "  -a              a line of JSON for each attack\n"
	    "  -w file         the backscatter packets of TCP as pcap\n"
	    "  -s              statistics\n"
	    "  --pibs-compat   -b and -w exactly as PIBS, faults included\n"
	    "  --format json|csv|table, --misp   of attacks and bins\n"
	    "  --bins seconds, --bins-file file  packets, targets over time\n"
	    "  --plot file     time line and top targets as SVG\n\n"
	    "  --state file    scanners and open attacks from run to run\n"
	    "  --flush         end open attacks with the input\n"
	    "  --open          print open attacks as well, and keep them open\n"
	    "  --expire seconds   forget scanners after so long (never)\n"
	    "  --memory size      use no more, with K, M or G (256M)\n"
	    "  --telescope n      addresses watched, or a prefix as /16\n"
	    "  --interval 300 --min-packets 25 --min-duration 60 --min-ppm 30\n"
	    "  --window 60 --slide 10   what an attack is\n"
	    "  --also ack,dns  count bare ACKs, UDP from port 53 too\n\n"
	    "  -h help, -V version, -v say more\n");
}

/* -- values ---------------------------------------------------------------- */

static int
refuse(const char *option, const char *value, const char *expected)
{
	d4_log_warnx("%s: %s: expected %s", option, value, expected);
	return 2;
}

static int
login(struct settings *s)
{
	char why[D4_CONF_LOGIN_WHY];
	int rc;

	if ((rc = d4_conf_login_from(s->login_dir, &s->login, why)) == 0)
		return -1;
	d4_log_warnx("%s", why);
	return rc == 1 ? -1 : 2;
}

/* Decimal digits alone.  Returns -1 to go on, or 2. */
static int
number(const char *option, const char *text, uint64_t min, uint64_t max,
    uint64_t *value)
{
	char expected[64], *end;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 ||
	    n < min || n > max) {
		(void)snprintf(expected, sizeof(expected), "%llu to %llu",
		    (unsigned long long)min, (unsigned long long)max);
		return refuse(option, text, expected);
	}
	*value = n;
	return -1;
}

static int
seconds(const char *option, const char *text, uint32_t min, uint32_t *value)
{
	uint64_t n;
	int rc = number(option, text, min, UINT32_MAX / 2, &n);

	if (rc == -1)
		*value = (uint32_t)n;
	return rc;
}

static int
size(const char *text, uint64_t *value)
{
	static const char expected[] = "a size from 32M, with K, M or G";
	uint64_t n, unit = 1;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (*end == 'K' || *end == 'k')
		unit = 1024;
	else if (*end == 'M' || *end == 'm')
		unit = UINT64_C(1) << 20;
	else if (*end == 'G' || *end == 'g')
		unit = UINT64_C(1) << 30;
	end += unit != 1;
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 ||
	    n > (UINT64_C(1) << 40) / unit || n * unit < MEMORY_MIN)
		return refuse("--memory", text, expected);
	*value = n * unit;
	return -1;
}

/* A number of addresses, or the length of a prefix of IPv4. */
static int
telescope(const char *text, uint64_t *value)
{
	uint64_t bits;

	if (*text != '/')
		return number("--telescope", text, 1, UINT64_C(1) << 32,
		    value);
	if (number("--telescope", text + 1, 0, 32, &bits) != -1)
		return 2;
	*value = UINT64_C(1) << (32 - bits);
	return -1;
}

static int
also(const char *text, struct flow_limits *l)
{
	char copy[32], *word, *rest;

	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return refuse("--also", text, "ack, dns");
	for (word = strtok_r(copy, ",", &rest); word != NULL;
	    word = strtok_r(NULL, ",", &rest)) {
		if (strcmp(word, "ack") == 0)
			l->ack = true;
		else if (strcmp(word, "dns") == 0)
			l->dns = true;
		else
			return refuse("--also", text, "ack, dns");
	}
	return -1;
}

static int
format(const char *text, struct settings *s)
{
	if (strcmp(text, "json") == 0) {
		s->format = REPORT_JSON;
		s->json = true;
	} else if (strcmp(text, "table") == 0 || strcmp(text, "csv") == 0)
		s->format = REPORT_TABLE;
	else
		return refuse("--format", text, "json, csv or table");
	return -1;
}

/* -- options --------------------------------------------------------------- */

static int
set_long(struct settings *s, int ch)
{
	switch (ch) {
	case OPT_ALSO:
		return also(optarg, &s->limits);
	case OPT_BINS:
		return seconds("--bins", optarg, 1, &s->bins);
	case OPT_BINS_FILE:
		s->bins_file = optarg;
		return -1;
	case OPT_EXPIRE:
		return seconds("--expire", optarg, 0, &s->expire);
	case OPT_FLUSH:
		s->flush = true;
		return -1;
	case OPT_FORMAT:
		return format(optarg, s);
	case OPT_INTERVAL:
		return seconds("--interval", optarg, 1, &s->limits.interval);
	case OPT_MEMORY:
		return size(optarg, &s->memory);
	case OPT_MIN_DURATION:
		return seconds("--min-duration", optarg, 0,
		    &s->limits.duration);
	case OPT_MIN_PACKETS:
		return seconds("--min-packets", optarg, 1,
		    &s->limits.packets);
	case OPT_MIN_PPM:
		return seconds("--min-ppm", optarg, 0, &s->limits.ppm);
	case OPT_MISP:
		s->format = REPORT_MISP;
		s->attacks = true;
		return -1;
	case OPT_LOGIN:
		s->login_dir = optarg;
		return -1;
	case OPT_INSECURE_KEY:
		s->login.insecure_key = true;
		return -1;
	case OPT_OPEN:
		s->open = true;
		return -1;
	case OPT_PIBS:
		s->pibs = true;
		return -1;
	case OPT_PLOT:
		s->plot = optarg;
		return -1;
	case OPT_SLIDE:
		return seconds("--slide", optarg, 1, &s->limits.slide);
	case OPT_STATE:
		s->state = optarg;
		return -1;
	case OPT_TELESCOPE:
		return telescope(optarg, &s->telescope);
	case OPT_WINDOW:
		return seconds("--window", optarg, 1, &s->limits.window);
	default:
		usage(stderr);
		return 2;
	}
}

static int
set_short(struct settings *s, int ch)
{
	uint64_t n;
	int rc = -1;

	switch (ch) {
	case 'a':
		s->attacks = true;
		break;
	case 'b':
		s->lines = true;
		break;
	case 'd':
		s->dir = optarg;
		break;
	case 'f':
		s->follow = true;
		break;
	case 'i':
		s->interface = optarg;
		break;
	case 'p':
		if ((rc = number("-p", optarg, 1, 65535, &n)) == -1)
			s->port = (uint16_t)n;
		break;
	case 'r':
		if (s->nfiles == SETTINGS_FILES)
			return refuse("-r", optarg, "fewer files");
		s->files[s->nfiles++] = optarg;
		break;
	case 's':
		s->statistics = true;
		break;
	case 'u':
		s->uuid = optarg;
		break;
	case 'v':
		s->verbose++;
		break;
	case 'w':
		s->save = optarg;
		break;
	case 'y':
		if ((rc = number("-y", optarg, 0, 1000000, &n)) == -1)
			s->db = (uint32_t)n;
		break;
	case 'z':
		s->host = optarg;
		break;
	case 'h':
		help();
		return d4_log_flush(stdout);
	case 'V':
		printf("d4-pibs %s\n", D4_VERSION);
		return d4_log_flush(stdout);
	default:
		return set_long(s, ch);
	}
	return rc;
}

/* -- checks ---------------------------------------------------------------- */

static int
complain(const char *words)
{
	d4_log_warnx("%s", words);
	usage(stderr);
	return 2;
}

static int
check_input(struct settings *s)
{
	uint8_t uuid[D4_UUID_LEN];
	int inputs = (s->nfiles > 0) + (s->interface != NULL) +
	    (s->uuid != NULL || s->dir != NULL);

	if (inputs != 1)
		return complain("just one of -r, -i, -u and -d is needed");
	if (s->uuid != NULL && (s->host == NULL) == (s->dir == NULL))
		return complain("-u wants a server (-z) or a directory (-d)");
	if (s->uuid == NULL && s->host != NULL)
		return complain("-z wants a queue (-u)");
	if (s->host == NULL && s->login_dir != NULL)
		return complain("--login wants a server (-z)");
	/* What names a key or a path must be what it says. */
	if (s->uuid != NULL && d4_uuid_parse(uuid, s->uuid) == -1)
		return refuse("-u", s->uuid, "a uuid");
	if (s->follow && s->uuid == NULL && s->dir == NULL)
		return complain("-f is for queues");
	return s->login_dir != NULL ? login(s) : -1;
}

bool
settings_is_stdout(const char *name)
{
	return name != NULL && strcmp(name, "-") == 0;
}

int
settings_on_stdout(const struct settings *s)
{
	bool bins = s->bins > 0 && (s->bins_file == NULL ||
	    settings_is_stdout(s->bins_file));

	return s->lines + s->attacks + bins + settings_is_stdout(s->save) +
	    settings_is_stdout(s->plot);
}

static int
check_output(const struct settings *s)
{
	if (!s->lines && !s->attacks && !s->statistics && s->save == NULL &&
	    s->bins == 0 && s->plot == NULL && s->state == NULL)
		return complain("nothing to do: -a, -b, -s, -w, --bins, "
		    "--plot or --state");
	if (settings_on_stdout(s) > 1)
		return complain("only one of -a, -b, --bins (without "
		    "--bins-file) and files named \"-\" can have stdout");
	if (s->bins_file != NULL && s->bins == 0)
		return complain("--bins-file wants --bins");
	if (s->pibs && (s->attacks || s->bins > 0 || s->plot != NULL ||
	    s->state != NULL))
		return complain("--pibs-compat goes with -b, -w and -s alone");
	if (s->limits.window / s->limits.slide > FLOW_BUCKETS ||
	    s->limits.window % s->limits.slide != 0)
		return complain("--window must be --slide times 1 to 32");
	return -1;
}

/* The filter is all that is left, as for tcpdump. */
static int
join(struct settings *s, int argc, char *argv[])
{
	size_t len = 1;
	int i;

	if (argc == 0)
		return -1;
	for (i = 0; i < argc; i++)
		len += strlen(argv[i]) + 1;
	if ((s->filter = calloc(1, len)) == NULL) {
		d4_log_warn("filter");
		return 1;
	}
	for (i = 0; i < argc; i++) {
		strcat(s->filter, argv[i]);
		strcat(s->filter, i + 1 < argc ? " " : "");
	}
	return -1;
}

int
settings_parse(struct settings *s, int argc, char *argv[])
{
	int ch, rc;

	*s = (struct settings){ .port = REDIS_PORT, .memory = MEMORY,
	    .limits = FLOW_LIMITS };
	while ((ch = getopt_long(argc, argv, "abd:fhi:p:r:su:Vvw:y:z:", longs,
	    NULL)) != -1) {
		if ((rc = set_short(s, ch)) != -1)
			return rc;
	}
	if ((rc = check_input(s)) != -1 || (rc = check_output(s)) != -1)
		return rc;
	return join(s, argc - optind, argv + optind);
}
