/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "d4-admin/admin.h"
#include "d4-admin/table.h"
#include "lib/log.h"

static const struct column columns[] = {
	{ "mode", "mode", CELL_TEXT },
	{ "from", "from", CELL_TEXT }
};

/* What the collector's configuration says, where that is known; "" if not. */
static int
load_configured(const struct place *p, char word[D4_CONF_TEXT])
{
	enum d4_registry_mode mode;
	struct d4_conf *conf;
	int rc;

	*word = '\0';
	if (*p->conf == '\0')
		return 0;
	if ((conf = d4_conf_open(p->conf)) == NULL) {
		d4_log_warn("%s", p->conf);
		return 1;
	}
	rc = d4_conf_text(conf, "mode", word,
	    "\"registration\" or \"shared-secret\"");
	if (rc == 0 && d4_registry_mode_parse(word, &mode) == -1)
		rc = d4_conf_refuse(conf, "mode", "is something else",
		    "\"registration\" or \"shared-secret\"");
	if (rc == -1)
		d4_log_warnx("%s", d4_conf_fault(conf));
	d4_conf_close(conf);
	return rc == 0 ? 0 : 1;
}

int
mode_show(struct admin *a, const struct args *args)
{
	char configured[D4_CONF_TEXT];
	enum d4_registry_mode mode;
	const char *word;
	struct table *t;

	if (admin_open(a, args) == -1 ||
	    d4_registry_mode(a->reg, &mode) == -1)
		return admin_fault(a);
	if ((word = d4_registry_mode_word(mode)) == NULL) {
		if (load_configured(&a->place, configured) != 0)
			return 1;
		word = *configured != '\0' ? configured : NULL;
	}
	if ((t = table_form(columns, sizeof(columns) / sizeof(columns[0]),
	    a->json, a->now)) != NULL) {
		table_text(t, word);
		table_text(t, mode == D4_MODE_CONFIGURED ? "configuration" :
		    "registry");
	}
	return table_end(t);
}

int
mode_set(struct admin *a, const struct args *args)
{
	const char *word = args->operand[0];
	enum d4_registry_mode mode = D4_MODE_CONFIGURED;

	if (strcmp(word, "none") != 0 &&
	    d4_registry_mode_parse(word, &mode) == -1)
		return args_misuse(args);
	if (admin_open(a, args) == -1)
		return admin_fault(a);
	switch (d4_registry_set_mode(a->reg, mode)) {
	case -1:
		return admin_fault(a);
	case 1:
		d4_log_info(1, "%s: nothing to do", word);
	}
	return 0;
}
