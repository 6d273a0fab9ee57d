/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "d4-recv/line.h"

#define KEPT	4096		/* bytes that are held for the next line */

static int
append(struct line *l, const char *bytes, size_t n)
{
	size_t cap = l->len + n;
	char *grown;

	if (cap > l->cap) {
		/* Doubling keeps the copying linear. */
		if (cap < 2 * l->cap)
			cap = 2 * l->cap;
		if ((grown = realloc(l->bytes, cap)) == NULL)
			return -1;
		l->bytes = grown;
		l->cap = cap;
	}
	if (n > 0)
		memcpy(l->bytes + l->len, bytes, n);
	l->len += n;
	return 0;
}

int
line_take(struct line *l, const char *slice, size_t n, bool whole,
    const char **text, size_t *len)
{
	*text = NULL;
	if (!whole)
		return append(l, slice, n);
	if (l->len == 0) {
		*text = slice;
		*len = n - 1;
		return 0;
	}
	if (append(l, slice, n - 1) == -1)
		return -1;
	*text = l->bytes;
	*len = l->len;
	return 0;
}

int
line_keep(struct line *l, const char *text, size_t len)
{
	if (text == l->bytes)
		return 0;
	l->len = 0;
	return append(l, text, len);
}

void
line_clear(struct line *l)
{
	l->len = 0;
	if (l->cap > KEPT)
		line_free(l);
}

void
line_free(struct line *l)
{
	free(l->bytes);
	l->bytes = NULL;
	l->len = l->cap = 0;
}
