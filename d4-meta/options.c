/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-meta/options.h"
#include "lib/log.h"

#define SECONDS_MAX	31536000	/* a year, for -T and -G */
#define INSECURE_KEY	256

static const struct option longs[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "insecure-key", no_argument, NULL, INSECURE_KEY },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 }
};

static void
usage(FILE *out)
{
	fprintf(out, "usage: d4-meta [-npv] [--insecure-key] [-c directory] "
	    "[file]\n"
	    "       d4-meta [-npv] [--insecure-key] [-c directory] "
	    "[-e encoding] [-g tag]\n"
	    "               [-o name=value] -t name\n"
	    "       d4-meta -x [-v] [--insecure-key] [-c directory | "
	    "-k keyfile]\n"
	    "       d4-meta -s [-jv] [--insecure-key] [-c directory | "
	    "-k keyfile]\n"
	    "               [-G seconds]\n"
	    "       d4-meta -L [-j]\n"
	    "       d4-meta -T seconds [-nv] [--insecure-key] [-e encoding] "
	    "[-g tag]\n"
	    "               [-m file] [-o name=value] -c directory\n"
	    "       d4-meta -h | -V\n");
}

static void
help(void)
{
	usage(stdout);
	printf("Describe a D4 stream, or show what one says of itself.\n\n"
	    "  -c directory   configuration, one value per file\n"
	    "  -e encoding    member \"encoding\" of the meta header\n"
	    "  -G seconds     a step in time over this is a gap (60)\n"
	    "  -g tag         entry of the member \"tags\", repeatable\n"
	    "  -h             this help\n"
	    "  -j             JSON for -L and -s\n"
	    "  -k keyfile     verify with the key in this file\n"
	    "  -L             list the types\n"
	    "  -m file        figures of a d4, its --metrics, repeatable\n"
	    "  -n             check, write nothing\n"
	    "  -o name=value  another member, repeatable; name:=value for a "
	    "value in JSON\n"
	    "  -p             print the meta header as canonical JSON\n"
	    "  -s             summarize the stream on stdin\n"
	    "  -T seconds     write telemetry of this host at this interval\n"
	    "  -t name        member \"type\" of a meta header without a file\n"
	    "  -V             version\n"
	    "  -v             say more on stderr\n"
	    "  -x             show the records on stdin as JSON lines\n"
	    "  --insecure-key take a key whose file others can read\n");
}

static int
misuse(void)
{
	usage(stderr);
	return 2;
}

/* One mode, asked for once. */
static int
choose(struct options *o, enum mode mode)
{
	if (o->mode != MODE_MAKE) {
		d4_log_warnx("-L, -s, -T and -x exclude each other");
		return misuse();
	}
	o->mode = mode;
	return -1;
}

static int
append(const char **list, size_t *n, const char *value, int letter)
{
	size_t max = letter == 'm' ? OPTIONS_METRICS_MAX : OPTIONS_LIST_MAX;

	if (*n == max) {
		d4_log_warnx("-%c: given more than %zu times", letter, max);
		return 2;
	}
	list[(*n)++] = value;
	return -1;
}

static int
seconds(uint64_t *value, const char *text, int letter)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 ||
	    n < 1 || n > SECONDS_MAX) {
		d4_log_warnx("-%c: not a number of seconds (expected 1 to %d)",
		    letter, SECONDS_MAX);
		return 2;
	}
	*value = n;
	return -1;
}

/* A file given twice would be two members of one name. */
static int
append_metrics(struct options *o, const char *file)
{
	size_t i;

	if (strlen(file) > OPTIONS_METRICS_NAME) {
		d4_log_warnx("-m: %s: longer than %d bytes", file,
		    OPTIONS_METRICS_NAME);
		return 2;
	}
	for (i = 0; i < o->nmetrics; i++) {
		if (strcmp(o->metrics[i], file) == 0) {
			d4_log_warnx("-m: %s: given twice", file);
			return 2;
		}
	}
	return append(o->metrics, &o->nmetrics, file, 'm');
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
	printf("d4-meta %s\n", D4_VERSION);
}

/* Takes an option with a value. */
static int
take_value(struct options *o, int letter, const char *value)
{
	switch (letter) {
	case 'c':
		o->dir = value;
		return -1;
	case 'e':
		o->encoding = value;
		return -1;
	case 'G':
		return seconds(&o->gap, value, letter);
	case 'g':
		return append(o->tags, &o->ntags, value, letter);
	case 'k':
		o->keyfile = value;
		return -1;
	case 'm':
		return append_metrics(o, value);
	case 'o':
		return append(o->members, &o->nmembers, value, letter);
	case 'T':
		if (seconds(&o->interval, value, letter) != -1)
			return 2;
		return choose(o, MODE_TELEMETRY);
	default:
		o->type = value;
		return -1;
	}
}

/* Takes an option without one. */
static int
take_flag(struct options *o, int letter)
{
	switch (letter) {
	case INSECURE_KEY:
		o->insecure_key = true;
		return -1;
	case 'h':
		return say(help);
	case 'j':
		o->json = true;
		return -1;
	case 'L':
		return choose(o, MODE_LIST);
	case 'n':
		o->check = true;
		return -1;
	case 'p':
		o->print = true;
		return -1;
	case 's':
		return choose(o, MODE_SUMMARY);
	case 'V':
		return say(version);
	case 'v':
		o->verbose++;
		return -1;
	case 'x':
		return choose(o, MODE_SHOW);
	default:
		return misuse();
	}
}

/* Why the options do not go together, by the lines of the synopsis, or NULL. */
static const char *
misfit(const struct options *o)
{
	bool builds = o->encoding != NULL || o->ntags > 0 || o->nmembers > 0;
	bool shows = o->mode == MODE_SHOW || o->mode == MODE_SUMMARY;
	bool makes = o->mode == MODE_MAKE;

	if (builds && o->type == NULL && o->mode != MODE_TELEMETRY)
		return "-e, -g and -o need -t or -T";
	if ((o->type != NULL || o->print) && !makes)
		return "-t and -p do not go with -L, -s, -T and -x";
	if (o->file != NULL && (!makes || o->type != NULL))
		return "a file does not go with -L, -s, -T, -t and -x";
	if (o->check && !makes && o->mode != MODE_TELEMETRY)
		return "-n does not go with -L, -s and -x";
	if (o->check && o->print)
		return "-n and -p exclude each other";
	if (o->keyfile != NULL && (!shows || o->dir != NULL))
		return "-k needs -s or -x, and no -c";
	if (o->gap != 0 && o->mode != MODE_SUMMARY)
		return "-G needs -s";
	if (o->json && o->mode != MODE_SUMMARY && o->mode != MODE_LIST)
		return "-j needs -L or -s";
	if (o->nmetrics > 0 && o->mode != MODE_TELEMETRY)
		return "-m needs -T";
	if (o->dir != NULL && o->mode == MODE_LIST)
		return "-L needs no -c";
	/* Only what writes records needs a configuration. */
	if (o->dir == NULL && (o->mode == MODE_TELEMETRY ||
	    (makes && !o->check && !o->print)))
		return "-c is needed, or -n or -p";
	return NULL;
}

int
options_parse(struct options *o, int argc, char *argv[])
{
	const char *why;
	int ch, status;

	memset(o, 0, sizeof(*o));
	while ((ch = getopt_long(argc, argv,
	    "c:e:G:g:hjk:Lm:no:psT:t:Vvx", longs, NULL)) != -1) {
		if (ch != '?' && ch < INSECURE_KEY &&
		    strchr("ceGgkmoTt", ch) != NULL)
			status = take_value(o, ch, optarg);
		else
			status = take_flag(o, ch);
		if (status != -1)
			return status;
	}
	if (optind < argc)
		o->file = argv[optind++];
	why = optind < argc ? "more than one file" : misfit(o);
	if (why != NULL) {
		d4_log_warnx("%s", why);
		return misuse();
	}
	if (o->gap == 0)
		o->gap = 60;
	return -1;
}
