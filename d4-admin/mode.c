/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "d4-admin/admin.h"
#include "d4-admin/secret.h"
#include "d4-admin/table.h"
#include "d4-admin/verbs.h"
#include "lib/log.h"

static const struct column columns[] = {
	{ "mode", "mode", CELL_TEXT }
};

/* The mode is a value of the configuration. */
static int
open_conf(struct admin *a, const struct args *args, struct d4_conf **conf)
{
	if (*a->place.conf == '\0') {
		d4_log_warnx("mode %s: no configuration named (expected -c "
		    "directory)", args->verb->name);
		return 2;
	}
	if ((*conf = d4_conf_open(a->place.conf)) == NULL) {
		d4_log_warn("%s", a->place.conf);
		return 2;
	}
	return 0;
}

int
mode_show(struct admin *a, const struct args *args)
{
	char mode[D4_CONF_TEXT];
	struct d4_conf *conf;
	struct table *t;
	int status;

	if ((status = open_conf(a, args, &conf)) != 0)
		return status;
	if (d4_conf_text(conf, "mode", mode,
	    "\"registration\" or \"shared-secret\"") == -1) {
		d4_log_warnx("%s", d4_conf_fault(conf));
		d4_conf_close(conf);
		return 1;
	}
	d4_conf_close(conf);
	if ((t = table_form(columns, 1, a->json, a->now)) != NULL)
		table_text(t, mode);
	return table_end(t);
}

int
mode_set(struct admin *a, const struct args *args)
{
	const char *mode = args->operand[0];
	char path[D4_CONF_TEXT], value[32];
	struct d4_conf *conf;
	int n, status;

	if (strcmp(mode, "registration") != 0 &&
	    strcmp(mode, "shared-secret") != 0)
		return args_misuse(args);
	if ((status = open_conf(a, args, &conf)) != 0)
		return status;
	n = d4_conf_path(conf, "mode", path);
	if (n == -1)
		d4_log_warnx("%s", d4_conf_fault(conf));
	d4_conf_close(conf);
	if (n == -1)
		return 2;
	n = snprintf(value, sizeof(value), "%s\n", mode);
	status = secret_replace(path, 0644, value, (size_t)n);
	if (status == 0)
		d4_log_info(1, "a running d4-recv takes it with SIGHUP");
	return status;
}
