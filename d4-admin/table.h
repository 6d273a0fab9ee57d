/* SPDX-License-Identifier: ISC */
#ifndef D4_ADMIN_TABLE_H
#define D4_ADMIN_TABLE_H

/*
 * What programs and people read: rows of cells, on stdout.  For machines each
 * row is a JSON object on a line (bare numbers, seconds since 1970, null for
 * what is absent); for people it is aligned, with times in UTC and units.
 *
 * Cells are given in the order of the columns.  Memory that falls short is
 * told once, by table_end().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cell {
	CELL_TEXT,
	CELL_COUNT,		/* a number as it is */
	CELL_BYTES,		/* a number with a unit */
	CELL_RATE,		/* bytes a second */
	CELL_TIME,		/* 0: never */
	CELL_SECONDS,		/* a duration */
	CELL_FLAG,		/* yes or no */
	CELL_LIST		/* texts, each with a newline behind it */
};

struct column {
	const char	*name;		/* member of the object */
	const char	*title;		/* for people, or NULL: not for them */
	enum cell	 cell;
};

struct table;

/* One row is a form: a line for each column.  now is for "3 min ago". */
struct table *table_new(const struct column *, size_t ncolumns, bool json,
    uint64_t now);
struct table *table_form(const struct column *, size_t ncolumns, bool json,
    uint64_t now);

void table_text(struct table *, const char *);	/* NULL: absent */
void table_number(struct table *, uint64_t);	/* of any kind but text */
void table_none(struct table *);

/* Prints what is left and frees.  Returns 0, or 1 and says why. */
int table_end(struct table *);

/* Puts question marks for what a terminal would obey, and what is no UTF-8. */
void table_clean(char *);

/* "1.4 MB", "3 min": for people. */
#define TABLE_WORDS	32
void table_bytes(char[TABLE_WORDS], uint64_t);
void table_seconds(char[TABLE_WORDS], uint64_t);

#endif
