/* SPDX-License-Identifier: ISC */
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "d4-meta/session.h"
#include "d4-meta/tally.h"

struct tally {
	uint64_t		  gap;
	struct session		  session;
	void			 *tree;		/* of tsearch(3) */
	struct tally_row	**rows;
	size_t			  n;
	struct tally_row	 *latest;	/* most often the next too */
	struct tally_count	  total;
	uint64_t		  uncounted;
};

struct tally *
tally_new(uint64_t gap)
{
	struct tally *t;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		return NULL;
	t->gap = gap;
	return t;
}

static int
compare(const void *a, const void *b)
{
	const struct tally_row *x = a, *y = b;
	int order;

	if ((order = memcmp(x->uuid, y->uuid, sizeof(x->uuid))) != 0)
		return order;
	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	return strcmp(x->metatype, y->metatype);
}

static int
compare_rows(const void *a, const void *b)
{
	return compare(*(struct tally_row *const *)a,
	    *(struct tally_row *const *)b);
}

void
tally_free(struct tally *t)
{
	if (t == NULL)
		return;
	while (t->n > 0) {
		struct tally_row *row = t->rows[--t->n];

		(void)tdelete(row, &t->tree, compare);
		free(row);
	}
	free(t->rows);
	session_free(&t->session);
	free(t);
}

/* Adds a row like this one. */
static struct tally_row *
append(struct tally *t, const struct tally_row *like)
{
	struct tally_row *row;

	if (t->rows == NULL && (t->rows = calloc(TALLY_ROWS_MAX,
	    sizeof(*t->rows))) == NULL)
		return NULL;
	if ((row = malloc(sizeof(*row))) == NULL)
		return NULL;
	*row = *like;
	if (tsearch(row, &t->tree, compare) == NULL) {
		free(row);
		return NULL;
	}
	t->rows[t->n++] = row;
	return row;
}

/* The row of a record, NULL with *full when there is no place for one more. */
static struct tally_row *
find(struct tally *t, const struct d4_header *h, const char *metatype,
    bool *full)
{
	struct tally_row want = { .type = h->type };
	struct tally_row **node;

	*full = false;
	memcpy(want.uuid, h->uuid, sizeof(want.uuid));
	(void)strcpy(want.metatype, metatype);
	if (t->latest != NULL && compare(t->latest, &want) == 0)
		return t->latest;
	if ((node = tfind(&want, &t->tree, compare)) != NULL)
		t->latest = *node;
	else if ((*full = t->n == TALLY_ROWS_MAX))
		return NULL;
	else
		t->latest = append(t, &want);
	return t->latest;
}

static void
count(struct tally_count *c, const struct d4_header *h)
{
	if (c->nrecords == 0 || h->timestamp < c->first)
		c->first = h->timestamp;
	if (c->nrecords == 0 || h->timestamp > c->last)
		c->last = h->timestamp;
	c->nrecords++;
	c->nbytes += h->size;
}

static void
count_step(struct tally_count *c, uint64_t before, uint64_t now, uint64_t gap)
{
	if (now < before) {
		c->nbackward++;
		if (before - now > c->furthest)
			c->furthest = before - now;
	} else if (now - before > gap) {
		c->ngaps++;
		if (now - before > c->longest)
			c->longest = now - before;
	}
}

/* Counts a record that may be trusted in its row. */
static void
count_row(struct tally *t, struct tally_row *row, const struct d4_header *h)
{
	if (row->count.nrecords > 0) {
		count_step(&row->count, row->previous, h->timestamp, t->gap);
		count_step(&t->total, row->previous, h->timestamp, t->gap);
	}
	row->previous = h->timestamp;
	if (row->session != t->session.number)
		row->count.nsessions++;
	row->session = t->session.number;
	count(&row->count, h);
}

int
tally_add(struct tally *t, const struct stream_record *record)
{
	const struct d4_header *h = &record->header;
	bool bad = record->hmac == STREAM_BAD, full;
	const char *metatype = "";
	struct tally_row *row;

	if (!bad) {
		(void)session_take(&t->session, h, record->payload);
		t->total.nsessions = t->session.number;
		if (h->type == D4_TYPE_EXTENDED)
			metatype = t->session.metatype;
	}
	if ((row = find(t, h, metatype, &full)) == NULL && !full)
		return -1;
	t->uncounted += full;
	if (bad) {
		t->total.nbad++;
		if (row != NULL)
			row->count.nbad++;
		return 0;
	}
	if (row != NULL)
		count_row(t, row, h);
	count(&t->total, h);
	return 0;
}

const struct tally_row *const *
tally_rows(struct tally *t, size_t *n)
{
	if (t->n > 0)
		qsort(t->rows, t->n, sizeof(*t->rows), compare_rows);
	*n = t->n;
	return (const struct tally_row *const *)t->rows;
}

const struct tally_count *
tally_total(const struct tally *t)
{
	return &t->total;
}

uint64_t
tally_uncounted(const struct tally *t)
{
	return t->uncounted;
}

double
tally_rate(const struct tally_count *c, uint64_t n)
{
	if (c->last == c->first)
		return -1;
	return (double)n / (double)(c->last - c->first);
}
