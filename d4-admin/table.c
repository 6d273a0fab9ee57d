/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "d4-admin/table.h"
#include "lib/log.h"
#include "lib/meta-line.h"
#include "lib/utf8.h"

struct table {
	const struct column	*columns;
	size_t			 ncolumns;
	uint64_t		 now;
	bool			 form;
	bool			 failed;
	struct d4_meta_line	*line;	/* JSON, else NULL */
	char			**cells;
	size_t			 n;	/* cells so far */
};

static struct table *
make(const struct column *columns, size_t ncolumns, bool json, uint64_t now,
    bool form)
{
	struct table *t;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		return NULL;
	t->columns = columns;
	t->ncolumns = ncolumns;
	t->now = now;
	t->form = form;
	if (json && (t->line = d4_meta_line_new()) == NULL) {
		free(t);
		return NULL;
	}
	return t;
}

struct table *
table_new(const struct column *columns, size_t ncolumns, bool json,
    uint64_t now)
{
	return make(columns, ncolumns, json, now, false);
}

struct table *
table_form(const struct column *columns, size_t ncolumns, bool json,
    uint64_t now)
{
	return make(columns, ncolumns, json, now, true);
}

/* -- words for people ------------------------------------------------------ */

void
table_bytes(char words[TABLE_WORDS], uint64_t n)
{
	static const char units[] = "kMGTPE";
	double value = (double)n;
	size_t unit = 0;

	if (n < 1000) {
		(void)snprintf(words, TABLE_WORDS, "%u B", (unsigned)n);
		return;
	}
	for (value /= 1000; value >= 999.5 && units[unit + 1] != '\0'; unit++)
		value /= 1000;
	(void)snprintf(words, TABLE_WORDS, value < 9.95 ? "%.1f %cB" :
	    "%.0f %cB", value, units[unit]);
}

void
table_seconds(char words[TABLE_WORDS], uint64_t n)
{
	static const struct {
		uint64_t	 below, divisor;
		const char	*unit;
	} units[] = {
		{ 100, 1, "s" }, { 6000, 60, "min" }, { 172800, 3600, "h" },
		{ UINT64_MAX, 86400, "days" }
	};
	size_t i = 0;

	while (n >= units[i].below && units[i].below != UINT64_MAX)
		i++;
	(void)snprintf(words, TABLE_WORDS, "%llu %s",
	    (unsigned long long)(n / units[i].divisor), units[i].unit);
}

static void
time_words(char words[64], uint64_t at, uint64_t now)
{
	char ago[TABLE_WORDS], text[24] = "?";
	time_t t = (time_t)at;
	struct tm tm;

	if (at == 0) {
		(void)snprintf(words, 64, "never");
		return;
	}
	if (gmtime_r(&t, &tm) != NULL)
		(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	table_seconds(ago, at > now ? at - now : now - at);
	(void)snprintf(words, 64, at > now ? "%s (in %s)" : "%s (%s ago)",
	    text, ago);
}

static void
number_words(char words[64], const struct table *t, enum cell cell, uint64_t n)
{
	char part[TABLE_WORDS];

	switch (cell) {
	case CELL_BYTES:
	case CELL_RATE:
		table_bytes(part, n);
		(void)snprintf(words, 64, "%s%s", part,
		    cell == CELL_RATE ? "/s" : "");
		break;
	case CELL_TIME:
		time_words(words, n, t->now);
		break;
	case CELL_SECONDS:
		table_seconds(part, n);
		(void)snprintf(words, 64, "%s", part);
		break;
	case CELL_FLAG:
		(void)snprintf(words, 64, "%s", n != 0 ? "yes" : "no");
		break;
	default:
		(void)snprintf(words, 64, "%llu", (unsigned long long)n);
	}
}

/* -- cells ----------------------------------------------------------------- */

static const struct column *
next_column(const struct table *t)
{
	return &t->columns[t->n % t->ncolumns];
}

/* Each row goes out as soon as it is whole. */
static void
end_cell(struct table *t)
{
	const char *bytes;
	size_t len;

	t->n++;
	if (t->line == NULL || t->n % t->ncolumns != 0)
		return;
	d4_meta_line_end(t->line);
	if ((bytes = d4_meta_line_bytes(t->line, &len)) == NULL)
		t->failed = true;
	else
		(void)fputs(bytes, stdout);
	d4_meta_line_clear(t->line);
}

/* Control characters of others do nothing to the terminal, nor does what is no
 * character.  A newline ends an item of a list. */
static void
clean(char *text, bool list)
{
	size_t left = strlen(text), n;

	for (; left > 0; text += n, left -= n) {
		n = d4_utf8_len(text, left);
		if (n > 0 && !d4_utf8_is_control(text, n))
			continue;
		n = n == 0 ? 1 : n;
		if (list && *text == '\n')
			*text = left == 1 ? '\0' : ' ';
		else
			memset(text, '?', n);
	}
}

void
table_clean(char *text)
{
	clean(text, false);
}

static void
keep(struct table *t, const char *text)
{
	char **cells;

	if ((t->n & (t->n - 1)) == 0) {
		cells = realloc(t->cells, (t->n == 0 ? 1 : t->n * 2) *
		    sizeof(*cells));
		if (cells == NULL) {
			t->failed = true;
			return;
		}
		t->cells = cells;
	}
	if (t->failed || (t->cells[t->n] = strdup(text)) == NULL) {
		t->failed = true;
		return;
	}
	clean(t->cells[t->n], next_column(t)->cell == CELL_LIST);
	t->n++;
}

static void
list_json(struct table *t, const char *text)
{
	const char *name = next_column(t)->name;
	char item[1024];
	size_t len;

	d4_meta_line_list(t->line, name);
	for (; *text != '\0'; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		(void)snprintf(item, sizeof(item), "%.*s", (int)len, text);
		d4_meta_line_string(t->line, NULL, item);
	}
	d4_meta_line_close(t->line);
}

void
table_text(struct table *t, const char *text)
{
	if (text == NULL) {
		table_none(t);
	} else if (t->line == NULL) {
		keep(t, text);
	} else {
		if (next_column(t)->cell == CELL_LIST)
			list_json(t, text);
		else
			d4_meta_line_string(t->line, next_column(t)->name,
			    text);
		end_cell(t);
	}
}

void
table_number(struct table *t, uint64_t n)
{
	const struct column *column = next_column(t);
	char words[64];

	if (t->line == NULL) {
		number_words(words, t, column->cell, n);
		keep(t, words);
		return;
	}
	if (column->cell == CELL_FLAG)
		d4_meta_line_bool(t->line, column->name, n != 0);
	else if (column->cell == CELL_TIME && n == 0)
		d4_meta_line_null(t->line, column->name);
	else
		d4_meta_line_uint(t->line, column->name, n);
	end_cell(t);
}

void
table_none(struct table *t)
{
	if (t->line == NULL) {
		keep(t, "");
		return;
	}
	d4_meta_line_null(t->line, next_column(t)->name);
	end_cell(t);
}

/* -- printing -------------------------------------------------------------- */

/* Characters, not bytes: UTF-8's continuations do not count. */
static int
width(const char *text)
{
	int n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static bool
is_right(enum cell cell)
{
	return cell == CELL_COUNT || cell == CELL_BYTES || cell == CELL_RATE;
}

static void
print_padded(const char *text, int to, bool right, bool last)
{
	int pad = to - width(text);

	if (right)
		printf("%*s%s", pad, "", text);
	else
		printf("%s%*s", text, last ? 0 : pad, "");
	(void)fputs(last ? "\n" : "  ", stdout);
}

static size_t
last_shown(const struct table *t)
{
	size_t i = t->ncolumns;

	while (i > 0 && t->columns[i - 1].title == NULL)
		i--;
	return i - 1;
}

static int
column_width(const struct table *t, size_t column)
{
	int widest = width(t->columns[column].title), w;
	size_t i;

	for (i = column; i < t->n; i += t->ncolumns) {
		if ((w = width(t->cells[i])) > widest)
			widest = w;
	}
	return widest;
}

static void
print_rows(const struct table *t)
{
	size_t i, last = last_shown(t), row;
	int *widths;

	if ((widths = calloc(t->ncolumns, sizeof(*widths))) == NULL)
		return;
	for (i = 0; i <= last; i++) {
		if (t->columns[i].title == NULL)
			continue;
		widths[i] = column_width(t, i);
		print_padded(t->columns[i].title, widths[i],
		    is_right(t->columns[i].cell), i == last);
	}
	for (row = 0; row < t->n; row += t->ncolumns) {
		for (i = 0; i <= last; i++) {
			if (t->columns[i].title != NULL)
				print_padded(t->cells[row + i], widths[i],
				    is_right(t->columns[i].cell), i == last);
		}
	}
	free(widths);
}

/* What is absent has no line. */
static void
print_form(const struct table *t)
{
	const char *title;
	int widest = 0;
	size_t i;

	for (i = 0; i < t->n; i++) {
		title = t->columns[i].title;
		if (title != NULL && width(title) > widest)
			widest = width(title);
	}
	for (i = 0; i < t->n; i++) {
		title = t->columns[i].title;
		if (title != NULL && *t->cells[i] != '\0')
			printf("%s%*s  %s\n", title, widest - width(title), "",
			    t->cells[i]);
	}
}

int
table_end(struct table *t)
{
	bool failed = t == NULL || t->failed;
	size_t i;

	if (!failed && t->line == NULL) {
		if (t->form)
			print_form(t);
		else
			print_rows(t);
	}
	if (t != NULL) {
		for (i = 0; t->line == NULL && i < t->n; i++)
			free(t->cells[i]);
		free(t->cells);
		d4_meta_line_free(t->line);
		free(t);
	}
	if (failed) {
		d4_log_warnx("memory: not enough");
		return 1;
	}
	return d4_log_flush(stdout);
}
