/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "d4-admin/admin.h"
#include "d4-admin/table.h"
#include "lib/log.h"
#include "lib/type.h"

static const struct column columns[] = {
	{ "type", "TYPE", CELL_COUNT },
	{ "extended", "EXTENDED", CELL_TEXT },
	{ "name", "NAME", CELL_TEXT },
	{ "description", "DESCRIPTION", CELL_TEXT },
	{ "from", "FROM", CELL_TEXT }
};

/* -- list ------------------------------------------------------------------ */

struct listing {
	struct table	*table;
	const char	*from;
};

static int
on_number(void *cookie, const char *text)
{
	const struct listing *l = cookie;
	const struct d4_type *type;
	unsigned long n = strtoul(text, NULL, 10);

	if (n > UINT8_MAX)
		return -1;
	type = d4_type_get((uint8_t)n);
	table_number(l->table, n);
	table_none(l->table);
	table_text(l->table, type->name);
	table_text(l->table, type->description);
	table_text(l->table, l->from);
	return 0;
}

static int
on_name(void *cookie, const char *name)
{
	const struct d4_type_extended *list;
	const char *description = NULL;
	const struct listing *l = cookie;
	size_t i, n;

	list = d4_type_extended_list(&n);
	for (i = 0; i < n; i++) {
		if (strcmp(list[i].name, name) == 0)
			description = list[i].description;
	}
	table_number(l->table, D4_TYPE_EXTENDED);
	table_text(l->table, name);
	table_text(l->table, "extended");
	table_text(l->table, description);
	table_text(l->table, l->from);
	return 0;
}

/* Calls back with what the collector's configuration accepts. */
static int
each_configured(const struct place *p, int (*number)(void *, const char *),
    int (*name)(void *, const char *), void *cookie)
{
	struct d4_conf *conf;
	int rc;

	if ((conf = d4_conf_open(p->conf)) == NULL) {
		d4_log_warn("%s", p->conf);
		return 1;
	}
	rc = d4_conf_list(conf, "types", "types", number, cookie);
	if (rc == 0 && d4_conf_has(conf, "metatypes"))
		rc = d4_conf_list(conf, "metatypes", "extended types", name,
		    cookie);
	if (rc == -1)
		d4_log_warnx("%s", d4_conf_fault(conf));
	d4_conf_close(conf);
	return rc == 0 ? 0 : 1;
}

/* How many types the registry has; -1 and says why. */
static int
count(struct admin *a)
{
	bool types[UINT8_MAX + 1];
	int n;

	if ((n = d4_registry_types(a->reg, types)) == -1)
		(void)admin_fault(a);
	return n;
}

int
type_list(struct admin *a, const struct args *args)
{
	struct listing l = { .from = "registry" };
	int n, status = 0;

	if (admin_open(a, args) == -1)
		return admin_fault(a);
	if ((n = count(a)) == -1)
		return 1;
	if ((l.table = table_new(columns, sizeof(columns) /
	    sizeof(columns[0]), a->json, a->now)) == NULL)
		return table_end(NULL);
	if (n == 0 && *a->place.conf != '\0') {
		l.from = "configuration";
		status = each_configured(&a->place, on_number, on_name, &l);
	} else if (n == 0) {
		d4_log_info(1, "no types in the registry: those of the "
		    "collector's configuration are accepted");
	} else if (each_member(a, D4_SET_TYPES, on_number, &l) != 0 ||
	    each_member(a, D4_SET_EXTENDED, on_name, &l) != 0) {
		status = admin_fault(a);
	}
	return table_end(l.table) == 0 ? status : 1;
}

/* -- change ---------------------------------------------------------------- */

static int
take_number(void *cookie, const char *text)
{
	return d4_registry_add(cookie, D4_SET_TYPES, text) == -1 ? -1 : 0;
}

static int
take_name(void *cookie, const char *name)
{
	return d4_registry_add(cookie, D4_SET_EXTENDED, name) == -1 ? -1 : 0;
}

/* The first type in a registry takes the place of all in the configuration:
 * so these go before it, where they are known. */
static int
prepare(struct admin *a)
{
	int n;

	if ((n = count(a)) != 0)
		return n == -1 ? 1 : 0;
	if (*a->place.conf != '\0')
		return each_configured(&a->place, take_number, take_name,
		    a->reg);
	d4_log_warnx("the registry's types hold from now on, those of the "
	    "collector's configuration no more");
	return 0;
}

/* Who takes the word for its number would be surprised by what is refused. */
static void
warn_of_name(const char *name)
{
	const struct d4_type *types;
	size_t i, n;

	types = d4_type_list(&n);
	for (i = 0; i < n; i++) {
		if (strcmp(types[i].name, name) == 0)
			d4_log_warnx("%s: taken for the name of an extended "
			    "type; the type of that name is %u", name,
			    types[i].number);
	}
}

static int
change(struct admin *a, const struct args *args, bool adds)
{
	enum d4_registry_set set;
	const char *name;
	int r, status = 0;
	uint8_t type;
	size_t i;

	for (i = 0; i < args->n; i++) {
		if (args_type(args->operand[i], &type, &name) != 0)
			return 2;
	}
	if (admin_open(a, args) == -1)
		return admin_fault(a);
	if (prepare(a) != 0)
		return 1;
	for (i = 0; i < args->n; i++) {
		(void)args_type(args->operand[i], &type, &name);
		set = *name == '\0' ? D4_SET_TYPES : D4_SET_EXTENDED;
		if (adds && set == D4_SET_EXTENDED)
			warn_of_name(name);
		r = (adds ? d4_registry_add : d4_registry_remove)(a->reg, set,
		    args->operand[i]);
		if (r == -1)
			return admin_fault(a);
		if (r == 1 && adds)
			d4_log_info(1, "%s: was accepted", args->operand[i]);
		if (r == 1 && !adds) {
			d4_log_warnx("%s: is not accepted", args->operand[i]);
			status = 1;
		}
	}
	if (!adds && count(a) == 0)
		d4_log_warnx("no types are left in the registry: those of the "
		    "collector's configuration hold again");
	return status;
}

int
type_add(struct admin *a, const struct args *args)
{
	return change(a, args, true);
}

int
type_remove(struct admin *a, const struct args *args)
{
	return change(a, args, false);
}
