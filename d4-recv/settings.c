/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "d4-recv/settings.h"
#include "lib/log.h"
#include "lib/mac.h"
#include "lib/type.h"

static int
fault(const struct d4_conf *conf)
{
	d4_log_warnx("%s", d4_conf_fault(conf));
	return 1;
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
	    (memchr(s->rules.types, true, sizeof(s->rules.types)) == NULL &&
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

static int
load_word(struct d4_conf *conf, const char *name, const char *word,
    char value[D4_CONF_TEXT])
{
	char expected[64];

	(void)snprintf(expected, sizeof(expected), "\"%s\"", word);
	if (d4_conf_text(conf, name, value, expected) == -1 ||
	    (strcmp(value, word) != 0 && d4_conf_refuse(conf, name,
	    "is something else", expected) == -1))
		return fault(conf);
	return 0;
}

int
settings_load(struct settings *s, struct d4_conf *conf)
{
	char mode[D4_CONF_TEXT];
	int faults = 0;

	memset(s, 0, sizeof(*s));
	faults += load_word(conf, "source", "stdin", s->source);
	faults += load_word(conf, "destination", "stdout", s->destination);
	faults += load_word(conf, "mode", "shared-secret", mode);
	s->keylen = sizeof(s->key);
	if (d4_conf_key(conf, "key", s->key, &s->keylen) == -1)
		faults += fault(conf);
	faults += load_lists(s, conf);
	return faults;
}

int
settings_print(const struct settings *s)
{
	size_t i;

	printf("source: %s\ndestination: %s\nmode: shared-secret\n"
	    "key: %zu bytes\ntypes:", s->source, s->destination, s->keylen);
	for (i = 0; i <= UINT8_MAX; i++) {
		if (s->rules.types[i])
			printf(" %zu", i);
	}
	printf("\nmetatypes:");
	for (i = 0; i < s->rules.nmetatypes; i++)
		printf(" %s", s->rules.metatypes[i]);
	printf("\n");
	return fflush(stdout) == 0 ? 0 : -1;
}

void
settings_free(struct settings *s)
{
	d4_mac_wipe(s->key, sizeof(s->key));
	rules_free(&s->rules);
}
