/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "d4-meta/settings.h"
#include "lib/log.h"
#include "lib/mac.h"
#include "lib/uuid.h"

static int
fault(const struct d4_conf *conf)
{
	d4_log_warnx("%s", d4_conf_fault(conf));
	return 1;
}

/* The key; one that others can read is none.  Returns 0, or 1 and says why. */
static int
load_key(struct settings *s, struct d4_conf *conf, const char *name,
    bool insecure_key)
{
	int rc;

	s->keylen = sizeof(s->key);
	if (d4_conf_key(conf, name, s->key, &s->keylen) == -1)
		return fault(conf);
	if (d4_conf_is_sample(s->key, s->keylen))
		return 0;
	if ((rc = d4_conf_closed(conf, name, insecure_key)) != 0)
		(void)fault(conf);
	return rc == -1;
}

int
settings_load(struct settings *s, struct d4_conf *conf, bool check,
    bool insecure_key)
{
	uint64_t n;
	int faults = 0;

	memset(s, 0, sizeof(*s));
	if (d4_conf_number(conf, "version", 1, UINT8_MAX, &n) == 0)
		s->version = (uint8_t)n;
	else
		faults += fault(conf);
	if (d4_conf_number(conf, "snaplen", 1, D4_PAYLOAD_MAX, &n) == 0)
		s->snaplen = (size_t)n;
	else
		faults += fault(conf);
	faults += load_key(s, conf, "key", insecure_key);
	if (d4_conf_has(conf, "spool") && d4_conf_text(conf, "spool",
	    s->spool, "a directory") == -1)
		faults += fault(conf);
	s->new_uuid = check && d4_conf_blank(conf, "uuid");
	/* Last, so that a directory with faults is not given a uuid. */
	if (faults == 0 && !s->new_uuid &&
	    d4_conf_uuid(conf, "uuid", s->uuid) == -1)
		faults += fault(conf);
	return faults;
}

int
settings_load_key(struct settings *s, const char *dir, const char *file,
    bool insecure_key)
{
	char parent[D4_CONF_TEXT] = ".";
	const char *name = "key", *slash;
	struct d4_conf *conf;
	int rc;

	memset(s, 0, sizeof(*s));
	if (dir == NULL) {
		slash = strrchr(file, '/');
		name = slash == NULL ? file : slash + 1;
		if (slash != NULL && snprintf(parent, sizeof(parent), "%.*s",
		    slash == file ? 1 : (int)(slash - file), file) >=
		    (int)sizeof(parent)) {
			d4_log_warnx("%s: name too long", file);
			return -1;
		}
		dir = parent;
	}
	if ((conf = d4_conf_open(dir)) == NULL) {
		d4_log_warn("%s", dir);
		return -1;
	}
	rc = load_key(s, conf, name, insecure_key);
	d4_conf_close(conf);
	return rc == 0 ? 0 : -1;
}

void
settings_print(const struct settings *s)
{
	char uuid[D4_UUID_TEXT] = "made on the first run";

	if (!s->new_uuid)
		d4_uuid_text(uuid, s->uuid);
	printf("version: %u\nuuid: %s\nkey: %zu bytes\nsnaplen: %zu\n",
	    s->version, uuid, s->keylen, s->snaplen);
	if (s->spool[0] != '\0')
		printf("spool: %s\n", s->spool);
}

void
settings_wipe(struct settings *s)
{
	d4_mac_wipe(s->key, sizeof(s->key));
}
