/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "d4/settings.h"
#include "lib/log.h"
#include "lib/mac.h"
#include "lib/type.h"
#include "lib/uuid.h"

static int
fault(const struct d4_conf *conf)
{
	d4_log_warnx("%s", d4_conf_fault(conf));
	return 1;
}

static int
load_numbers(struct settings *s, struct d4_conf *conf)
{
	uint64_t n;
	int faults = 0;

	if (d4_conf_number(conf, "version", 1, UINT8_MAX, &n) == 0)
		s->version = (uint8_t)n;
	else
		faults += fault(conf);
	if (d4_conf_number(conf, "type", 1, UINT8_MAX, &n) == 0)
		s->type = (uint8_t)n;
	else
		faults += fault(conf);
	if (d4_conf_number(conf, "snaplen", 1, D4_PAYLOAD_MAX, &n) == 0)
		s->snaplen = (size_t)n;
	else
		faults += fault(conf);
	return faults;
}

/* A network address where a path belongs must not become a file's name. */
static bool
is_path(const char *value)
{
	return strchr(value, '/') != NULL || strchr(value, ':') == NULL;
}

static int
load_ends(struct settings *s, struct d4_conf *conf)
{
	static const char source[] = "\"stdin\" or a path";
	static const char destination[] = "\"stdout\" or a path";
	int faults = 0;

	if (d4_conf_text(conf, "source", s->source, source) == -1 ||
	    (!is_path(s->source) && d4_conf_refuse(conf, "source",
	    "is not a path", source) == -1))
		faults += fault(conf);
	if (d4_conf_text(conf, "destination", s->destination,
	    destination) == -1 ||
	    (!is_path(s->destination) && d4_conf_refuse(conf, "destination",
	    "is not a path", destination) == -1))
		faults += fault(conf);
	return faults;
}

int
settings_load(struct settings *s, struct d4_conf *conf, bool check)
{
	int faults = 0;

	memset(s, 0, sizeof(*s));
	faults += load_numbers(s, conf);
	s->new_uuid = check && d4_conf_blank(conf, "uuid");
	s->keylen = sizeof(s->key);
	if (d4_conf_key(conf, "key", s->key, &s->keylen) == -1)
		faults += fault(conf);
	faults += load_ends(s, conf);
	/* Last, so that a directory with faults is not given a uuid. */
	if (faults == 0 && !s->new_uuid &&
	    d4_conf_uuid(conf, "uuid", s->uuid) == -1)
		faults += fault(conf);
	return faults;
}

int
settings_print(const struct settings *s)
{
	char uuid[D4_UUID_TEXT] = "made on the first run";

	if (!s->new_uuid)
		d4_uuid_text(uuid, s->uuid);
	printf("version: %u\ntype: %u (%s)\nuuid: %s\nkey: %zu bytes\n"
	    "snaplen: %zu\nsource: %s\ndestination: %s\n", s->version,
	    s->type, d4_type_get(s->type)->name, uuid, s->keylen, s->snaplen,
	    s->source, s->destination);
	return fflush(stdout) == 0 ? 0 : -1;
}

void
settings_wipe(struct settings *s)
{
	d4_mac_wipe(s->key, sizeof(s->key));
}
