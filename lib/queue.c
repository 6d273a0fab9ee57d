/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/queue-backend.h"

/* Whether it can be a part of a path or of a key. */
static bool
is_plain(const char *name)
{
	return name != NULL && name[0] != '\0' && name[0] != '.' &&
	    strpbrk(name, "/:") == NULL;
}

struct d4_queue *
d4_queue_open(const struct d4_queue_where *w, char fault[D4_QUEUE_FAULT])
{
	if (w->path == NULL && (!is_plain(w->type) || !is_plain(w->uuid))) {
		(void)snprintf(fault, D4_QUEUE_FAULT, "%.40s:%.40s: no name "
		    "of a queue", w->type != NULL ? w->type : "",
		    w->uuid != NULL ? w->uuid : "");
		return NULL;
	}
	return w->redis != NULL ? queue_redis_open(w, fault) :
	    queue_dir_open(w, fault);
}

void
d4_queue_close(struct d4_queue *q)
{
	if (q != NULL)
		q->backend->close(q);
}

const char *
d4_queue_fault(const struct d4_queue *q)
{
	return q->fault;
}

void
d4_queue_limit(struct d4_queue *q, uint64_t max)
{
	q->max = max;
}

uint64_t
d4_queue_dropped(const struct d4_queue *q)
{
	return q->dropped;
}

int
d4_queue_push(struct d4_queue *q, const void *data, size_t len)
{
	if (len > D4_QUEUE_ITEM) {
		(void)snprintf(q->fault, sizeof(q->fault), "item: too long");
		return -1;
	}
	return q->backend->push(q, data, len);
}

int
d4_queue_flush(struct d4_queue *q)
{
	return q->backend->flush(q);
}

struct wanted {
	const void	*data;
	size_t		 len;
	int		 found;
};

static int
on_item(void *arg, const uint8_t *data, size_t len)
{
	struct wanted *w = arg;

	w->found = len == w->len &&
	    (len == 0 || memcmp(data, w->data, len) == 0);
	return w->found;
}

int
d4_queue_has(struct d4_queue *q, const void *data, size_t len)
{
	struct wanted w = { data, len, 0 };

	return d4_queue_peek(q, D4_QUEUE_LOOK, on_item, &w) == -1 ? -1 :
	    w.found;
}

int
d4_queue_take(struct d4_queue *q, struct d4_queue_item *item, int timeout_ms)
{
	memset(item, 0, sizeof(*item));
	return q->backend->take(q, item, timeout_ms);
}

int
d4_queue_take_some(struct d4_queue *q, struct d4_queue_item *items,
    size_t most, int timeout_ms)
{
	int n = d4_queue_take(q, items, timeout_ms);

	if (n == 1 && most > 1)
		n += (int)q->backend->more(q, items + 1, most - 1);
	return n;
}

bool
d4_queue_lost(const struct d4_queue *q)
{
	return q->backend->lost(q);
}

int
d4_queue_ack(struct d4_queue *q, struct d4_queue_item *item)
{
	int rc = q->backend->ack(q, item);

	if (rc == 0 || !d4_queue_lost(q))
		d4_queue_item_free(item);
	return rc;
}

int
d4_queue_put_back(struct d4_queue *q, struct d4_queue_item *item)
{
	int rc = q->backend->put_back(q, item);

	if (rc == 0 || !d4_queue_lost(q))
		d4_queue_item_free(item);
	return rc;
}

int
d4_queue_pop(struct d4_queue *q, struct d4_queue_item *item, int timeout_ms)
{
	int rc = d4_queue_take(q, item, timeout_ms);

	if (rc == 1 && q->backend->ack(q, item) == -1) {
		d4_queue_item_free(item);
		return -1;
	}
	return rc;
}

void
d4_queue_item_free(struct d4_queue_item *item)
{
	free(item->data);
	memset(item, 0, sizeof(*item));
}

int64_t
d4_queue_recover(struct d4_queue *q)
{
	return q->backend->recover(q);
}

int64_t
d4_queue_length(struct d4_queue *q)
{
	return q->backend->length(q);
}

int
d4_queue_peek(struct d4_queue *q, size_t n,
    int (*each)(void *, const uint8_t *, size_t), void *arg)
{
	return q->backend->peek(q, n, each, arg);
}

int
d4_queue_clear(struct d4_queue *q)
{
	return q->backend->clear(q);
}
