/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/registry-own.h"

/* -- the lists ------------------------------------------------------------- */

struct loading {
	struct d4_registry	*reg;
	struct lists		*lists;
};

static int
keep(struct kept_queue *kept, const struct d4_registry_queue *queue)
{
	size_t size = queue->nmembers * sizeof(*kept->members);

	memset(kept, 0, sizeof(*kept));
	kept->queue = *queue;
	kept->description = strdup(queue->description);
	kept->members = malloc(size + 1);
	if (kept->description == NULL || kept->members == NULL) {
		free(kept->description);
		free(kept->members);
		return -1;
	}
	if (size > 0)
		memcpy(kept->members, queue->members, size);
	kept->queue.description = kept->description;
	kept->queue.members = (const uint8_t (*)[D4_UUID_LEN])kept->members;
	return 0;
}

static int
on_queue(void *cookie, const struct d4_registry_queue *queue)
{
	struct loading *loading = cookie;
	struct lists *lists = loading->lists;
	struct kept_queue *queues;

	queues = realloc(lists->queues,
	    (lists->nqueues + 1) * sizeof(*queues));
	if (queues == NULL)
		return registry_fault(loading->reg, "%s", strerror(errno));
	lists->queues = queues;
	if (keep(&queues[lists->nqueues], queue) == -1)
		return registry_fault(loading->reg, "%s", strerror(errno));
	lists->nqueues++;
	return 0;
}

int
registry_load_queues(struct d4_registry *reg, struct lists *lists)
{
	struct loading loading = { .reg = reg, .lists = lists };

	return reg->backend->each_queue(reg->store, on_queue, &loading) == 0 ?
	    0 : -1;
}

void
registry_free_queues(struct lists *lists)
{
	size_t i;

	for (i = 0; i < lists->nqueues; i++) {
		free(lists->queues[i].members);
		free(lists->queues[i].description);
	}
	free(lists->queues);
}

void
d4_registry_note_queue(struct d4_registry *reg,
    const uint8_t queue[D4_UUID_LEN], uint64_t now)
{
	struct kept_queue *kept;
	size_t i;

	for (i = 0; i < reg->lists.nqueues; i++) {
		kept = &reg->lists.queues[i];
		if (memcmp(kept->queue.uuid, queue, D4_UUID_LEN) == 0 &&
		    kept->queue.updated < now) {
			kept->queue.updated = now;
			kept->fed = true;
		}
	}
}

int
registry_flush_queues(struct d4_registry *reg)
{
	struct kept_queue *kept;
	size_t i;
	int r = 0;

	for (i = 0; i < reg->lists.nqueues; i++) {
		kept = &reg->lists.queues[i];
		if (!kept->fed)
			continue;
		if (reg->backend->queue_updated(reg->store,
		    &kept->queue) == -1)
			r = -1;
		else
			kept->fed = false;
	}
	return r;
}

/* -- look-ups -------------------------------------------------------------- */

int
d4_registry_queues(struct d4_registry *reg,
    int (*callback)(void *, const struct d4_registry_queue *), void *cookie)
{
	size_t i;
	int r = 0;

	if (registry_lists(reg) == -1)
		return -1;
	for (i = 0; r == 0 && i < reg->lists.nqueues; i++)
		r = callback(cookie, &reg->lists.queues[i].queue);
	return r;
}

static int
compare_uuids(const void *a, const void *b)
{
	return memcmp(a, b, D4_UUID_LEN);
}

static bool
wants(const struct d4_registry_queue *queue, const uint8_t *sensor)
{
	return !queue->grouped || (queue->nmembers > 0 &&
	    bsearch(sensor, queue->members, queue->nmembers,
	    sizeof(*queue->members), compare_uuids) != NULL);
}

int
d4_registry_queues_for(struct d4_registry *reg, uint8_t type,
    const char *extended, const uint8_t sensor[D4_UUID_LEN],
    int (*callback)(void *, const struct d4_registry_queue *), void *cookie)
{
	const struct d4_registry_queue *queue;
	int grouped, r = 0;
	size_t i;

	if (registry_lists(reg) == -1)
		return -1;
	if (type != D4_TYPE_EXTENDED || extended == NULL)
		extended = "";
	for (grouped = 0; grouped < 2; grouped++) {
		for (i = 0; r == 0 && i < reg->lists.nqueues; i++) {
			queue = &reg->lists.queues[i].queue;
			if (queue->type == type &&
			    queue->grouped == (grouped == 1) &&
			    strcmp(queue->extended, extended) == 0 &&
			    wants(queue, sensor))
				r = callback(cookie, queue);
		}
	}
	return r;
}

/* -- changes --------------------------------------------------------------- */

static const char *
judge(const struct d4_registry_queue *queue)
{
	bool extended = queue->extended[0] != '\0';
	const char *name = queue->extended;

	if (extended != (queue->type == D4_TYPE_EXTENDED))
		return "an extended type goes with type 254 alone";
	if (queue->type == D4_TYPE_META)
		return "meta headers have no queue";
	if (extended && (!d4_type_name_ok(name, strlen(name)) ||
	    strspn(name, "0123456789") == strlen(name)))
		return "the extended type is not a name of one";
	if (queue->description != NULL &&
	    !d4_registry_text_ok(queue->description, D4_REGISTRY_TEXT))
		return "the description is not one line";
	if (queue->nmembers > 0 && !queue->grouped)
		return "only a group has members";
	return NULL;
}

int
d4_registry_queue_create(struct d4_registry *reg,
    const struct d4_registry_queue *queue)
{
	struct d4_registry_queue made = *queue;
	const char *why;

	if ((why = judge(queue)) != NULL)
		return registry_fault(reg, "%s", why);
	if (made.max_size == 0)
		made.max_size = D4_REGISTRY_QUEUE_SIZE;
	if (registry_lock(reg) == -1)
		return -1;
	return registry_unlock(reg, reg->backend->queue_create(reg->store,
	    &made));
}

int
d4_registry_queue_remove(struct d4_registry *reg,
    const uint8_t uuid[D4_UUID_LEN])
{
	if (registry_lock(reg) == -1)
		return -1;
	return registry_unlock(reg, reg->backend->queue_remove(reg->store,
	    uuid));
}

int
d4_registry_queue_describe(struct d4_registry *reg,
    const uint8_t uuid[D4_UUID_LEN], const char *description)
{
	if (!d4_registry_text_ok(description, D4_REGISTRY_TEXT))
		return registry_fault(reg, "the description is not one line");
	if (registry_lock(reg) == -1)
		return -1;
	return registry_unlock(reg, reg->backend->queue_describe(reg->store,
	    uuid, description));
}

int
d4_registry_queue_limit(struct d4_registry *reg,
    const uint8_t uuid[D4_UUID_LEN], uint64_t max_size)
{
	if (max_size == 0)
		return registry_fault(reg, "a queue of no items");
	if (registry_lock(reg) == -1)
		return -1;
	return registry_unlock(reg, reg->backend->queue_limit(reg->store,
	    uuid, max_size));
}

int
d4_registry_queue_member(struct d4_registry *reg,
    const uint8_t uuid[D4_UUID_LEN], const uint8_t sensor[D4_UUID_LEN],
    bool member)
{
	if (registry_lock(reg) == -1)
		return -1;
	return registry_unlock(reg, reg->backend->queue_member(reg->store,
	    uuid, sensor, member));
}
