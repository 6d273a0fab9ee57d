/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "d4-admin/args.h"
#include "d4-admin/verbs.h"
#include "lib/log.h"
#include "lib/uuid.h"

int
args_misuse(const struct args *args)
{
	const struct verb *v = args->verb;

	d4_log_warnx("%s%s%s: wrong arguments (expected %s%s%s%s%s)",
	    v->object, *v->name != '\0' ? " " : "", v->name, v->object,
	    *v->name != '\0' ? " " : "", v->name,
	    *v->usage != '\0' ? " " : "", v->usage);
	return 2;
}

/* Looks for the option among the verb's words; *takes whether with a value. */
static bool
is_option(const struct verb *verb, const char *name, size_t len, bool *takes)
{
	const char *word = verb->options;
	size_t n;

	for (; *word != '\0'; word += n + strspn(word + n, " ")) {
		n = strcspn(word, " ");
		*takes = word[n - 1] == '=';
		if (n - (*takes ? 1 : 0) == len &&
		    memcmp(word, name, len) == 0)
			return true;
	}
	return false;
}

/* Takes the option argv[*i], and its value.  -o is the option "o". */
static int
take_option(struct args *args, char *argv[], size_t argc, size_t *i)
{
	char *name = argv[*i] + (argv[*i][1] == '-' ? 2 : 1);
	char *value = NULL;
	size_t len = strcspn(name, "=");
	bool takes;

	if ((argv[*i][1] != '-') != (len == 1) ||
	    args->noptions == ARGS_OPTIONS ||
	    !is_option(args->verb, name, len, &takes))
		return args_misuse(args);
	if (name[len] == '=') {
		value = name + len + 1;
		name[len] = '\0';
	} else if (takes && *i + 1 < argc) {
		value = argv[++*i];
	}
	if (takes != (value != NULL) || args_option(args, name) != NULL)
		return args_misuse(args);
	args->option[args->noptions].name = name;
	args->option[args->noptions++].value = takes ? value : "";
	return 0;
}

int
args_parse(struct args *args, const struct verb *verb, char *argv[],
    size_t argc)
{
	bool options = true;
	size_t i;

	memset(args, 0, sizeof(*args));
	args->verb = verb;
	args->operand = argv;
	for (i = 0; i < argc; i++) {
		if (options && strcmp(argv[i], "--") == 0) {
			options = false;
		} else if (options && argv[i][0] == '-' &&
		    argv[i][1] != '\0') {
			if (take_option(args, argv, argc, &i) != 0)
				return 2;
		} else {
			args->operand[args->n++] = argv[i];
		}
	}
	return args->n < verb->min || args->n > verb->max ?
	    args_misuse(args) : 0;
}

const char *
args_option(const struct args *args, const char *name)
{
	size_t i;

	for (i = 0; i < args->noptions; i++) {
		if (strcmp(args->option[i].name, name) == 0)
			return args->option[i].value;
	}
	return NULL;
}

int
args_uuid(const char *text, uint8_t uuid[D4_UUID_LEN])
{
	if (d4_uuid_parse(uuid, text) == 0)
		return 0;
	d4_log_warnx("%s: not a uuid (expected 32 hexadecimal digits, with or "
	    "without dashes)", text);
	return 2;
}

int
args_sensor(const char *text, uint8_t uuid[D4_UUID_LEN])
{
	if (args_uuid(text, uuid) != 0)
		return 2;
	if (d4_uuid_is_v4(uuid))
		return 0;
	d4_log_warnx("%s: not a sensor's uuid (expected one of version 4)",
	    text);
	return 2;
}

int
args_number(const char *what, const char *text, uint64_t min, uint64_t max,
    uint64_t *value)
{
	unsigned long long n = strtoull(text, NULL, 10);

	if (*text == '\0' || strlen(text) > 18 ||
	    text[strspn(text, "0123456789")] != '\0' || n < min || n > max) {
		d4_log_warnx("%s: %s: not a number of that kind (expected %llu "
		    "to %llu)", what, text, (unsigned long long)min,
		    (unsigned long long)max);
		return 2;
	}
	*value = n;
	return 0;
}

int
args_text(const char *what, const char *text)
{
	const unsigned char *c = (const unsigned char *)text;

	while (*c >= ' ' && *c != 127)
		c++;
	if (*c == '\0' && strlen(text) < 1024)
		return 0;
	d4_log_warnx("%s: not a line of text (expected up to 1023 bytes, no "
	    "control characters)", what);
	return 2;
}

int
args_day(const char *text, uint32_t *day)
{
	struct tm tm = { .tm_isdst = 0 }, was;
	char *end;

	end = strptime(text, strchr(text, '-') != NULL ? "%Y-%m-%d" :
	    "%Y%m%d", &tm);
	if (end != NULL && *end == '\0' && tm.tm_year >= 70 &&
	    tm.tm_year < 8100) {
		was = tm;
		if (timegm(&tm) != -1 && tm.tm_mday == was.tm_mday) {
			*day = (uint32_t)((tm.tm_year + 1900) * 10000 +
			    (tm.tm_mon + 1) * 100 + tm.tm_mday);
			return 0;
		}
	}
	d4_log_warnx("%s: not a day (expected one like 2024-12-31 or "
	    "20241231)", text);
	return 2;
}

int
args_type(const char *text, uint8_t *type, const char **name)
{
	size_t digits = strspn(text, "0123456789");

	if (digits > 0 && digits < 4 && text[digits] == '\0' &&
	    strtol(text, NULL, 10) <= UINT8_MAX) {
		*type = (uint8_t)strtol(text, NULL, 10);
		*name = "";
		return 0;
	}
	if (text[digits] != '\0' && d4_type_name_ok(text, strlen(text))) {
		*type = D4_TYPE_EXTENDED;
		*name = text;
		return 0;
	}
	d4_log_warnx("%s: not a type (expected 0 to 255, or the name of an "
	    "extended type like ja3-jl)", text);
	return 2;
}
