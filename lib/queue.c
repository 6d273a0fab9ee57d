/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "lib/queue-backend.h"

struct d4_queue *
d4_queue_open(const struct d4_queue_where *where, char fault[D4_QUEUE_FAULT])
{
	return where->redis != NULL ? d4_queue_redis_open(where, fault) :
	    d4_queue_dir_open(where, fault);
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
	return q->backend->push(q, data, len);
}

int
d4_queue_flush(struct d4_queue *q)
{
	return q->backend->flush(q);
}

int
d4_queue_take(struct d4_queue *q, struct d4_queue_item *item, int timeout_ms)
{
	memset(item, 0, sizeof(*item));
	return q->backend->take(q, item, timeout_ms);
}

int
d4_queue_ack(struct d4_queue *q, struct d4_queue_item *item)
{
	int rc = q->backend->ack(q, item);

	d4_queue_item_free(item);
	return rc;
}

int
d4_queue_put_back(struct d4_queue *q, struct d4_queue_item *item)
{
	int rc = q->backend->put_back(q, item);

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
