/* SPDX-License-Identifier: ISC */

/* A registry lists in no order, people read in one, and what two registries
 * hold is to be compared. */

#include <stdlib.h>
#include <string.h>

#include "d4-admin/admin.h"

struct texts {
	char	**list;
	size_t	 n;
};

static int
keep_text(void *cookie, const char *text)
{
	struct texts *texts = cookie;
	char **list;

	list = realloc(texts->list, (texts->n + 1) * sizeof(*list));
	if (list == NULL)
		return -1;
	texts->list = list;
	if ((list[texts->n] = strdup(text)) == NULL)
		return -1;
	texts->n++;
	return 0;
}

static int
compare_texts(const void *left, const void *right)
{
	const char *const *a = left, *const *b = right;
	unsigned long m = strtoul(*a, NULL, 10), n = strtoul(*b, NULL, 10);

	return m != n ? (m < n ? -1 : 1) : strcmp(*a, *b);
}

int
each_member(const struct admin *a, enum d4_registry_set set,
    int (*callback)(void *, const char *), void *cookie)
{
	struct texts texts = { .n = 0 };
	size_t i;
	int r;

	r = d4_registry_each(a->reg, set, keep_text, &texts);
	if (texts.n > 0)
		qsort(texts.list, texts.n, sizeof(*texts.list),
		    compare_texts);
	for (i = 0; r == 0 && i < texts.n; i++)
		r = callback(cookie, texts.list[i]);
	while (texts.n > 0)
		free(texts.list[--texts.n]);
	free(texts.list);
	return r;
}

struct one {
	const uint8_t	*uuid;
	int		 (*callback)(void *, const struct d4_registry_queue *);
	void		*cookie;
};

static int
keep_queue(void *cookie, const struct d4_registry_queue *queue)
{
	return keep_uuid(cookie, queue->uuid);
}

static int
on_queue(void *cookie, const struct d4_registry_queue *queue)
{
	const struct one *one = cookie;

	return memcmp(queue->uuid, one->uuid, D4_UUID_LEN) == 0 ?
	    one->callback(one->cookie, queue) : 0;
}

static int
compare_uuids(const void *a, const void *b)
{
	return memcmp(a, b, D4_UUID_LEN);
}

int
each_queue(const struct admin *a, int (*callback)(void *,
    const struct d4_registry_queue *), void *cookie)
{
	struct one one = { .callback = callback, .cookie = cookie };
	struct uuids uuids = { .n = 0 };
	size_t i;
	int r;

	r = d4_registry_queues(a->reg, keep_queue, &uuids);
	if (uuids.n > 0)
		qsort(uuids.list, uuids.n, D4_UUID_LEN, compare_uuids);
	for (i = 0; r == 0 && i < uuids.n; i++) {
		one.uuid = uuids.list[i];
		r = d4_registry_queues(a->reg, on_queue, &one);
	}
	free(uuids.list);
	return uuids.failed ? -1 : r;
}
