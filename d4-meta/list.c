/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "d4-meta/list.h"
#include "lib/log.h"
#include "lib/meta-line.h"
#include "lib/type.h"

static void
print_table(void)
{
	const struct d4_type_extended *extended;
	const struct d4_type *types;
	size_t i, n;

	types = d4_type_list(&n);
	printf("%4s  %-16s %s\n", "TYPE", "NAME", "DESCRIPTION");
	for (i = 0; i < n; i++)
		printf("%4u  %-16s %s\n", types[i].number, types[i].name,
		    types[i].description);
	extended = d4_type_extended_list(&n);
	for (i = 0; i < n; i++)
		printf("%4d  %-16s %s\n", D4_TYPE_EXTENDED, extended[i].name,
		    extended[i].description);
}

static int
print_json(void)
{
	const struct d4_type_extended *extended;
	const struct d4_type *types;
	struct d4_meta_line *line;
	const char *bytes = NULL;
	size_t i, n, len;

	types = d4_type_list(&n);
	if ((line = d4_meta_line_new()) == NULL) {
		d4_log_warnx("memory: not enough");
		return -1;
	}
	for (i = 0; i < n; i++) {
		d4_meta_line_uint(line, "type", types[i].number);
		d4_meta_line_string(line, "name", types[i].name);
		d4_meta_line_string(line, "description", types[i].description);
		d4_meta_line_string(line, "suffix", types[i].suffix);
		d4_meta_line_end(line);
	}
	extended = d4_type_extended_list(&n);
	for (i = 0; i < n; i++) {
		d4_meta_line_uint(line, "type", D4_TYPE_EXTENDED);
		d4_meta_line_string(line, "name", "extended");
		d4_meta_line_string(line, "metatype", extended[i].name);
		d4_meta_line_string(line, "description",
		    extended[i].description);
		d4_meta_line_end(line);
	}
	if ((bytes = d4_meta_line_bytes(line, &len)) == NULL)
		d4_log_warnx("memory: not enough");
	else
		(void)fwrite(bytes, 1, len, stdout);
	d4_meta_line_free(line);
	return bytes == NULL ? -1 : 0;
}

int
list_print(bool json)
{
	if (json && print_json() == -1)
		return -1;
	if (!json)
		print_table();
	return d4_log_flush(stdout) == 0 ? 0 : -1;
}
