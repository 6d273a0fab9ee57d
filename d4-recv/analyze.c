/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "d4-recv/analyze.h"
#include "d4-recv/faults.h"
#include "lib/queue.h"
#include "lib/table.h"
#include "lib/type.h"
#include "lib/uuid.h"

/* A queue that is open. */
struct open_queue {
	uint8_t		 uuid[D4_UUID_LEN];	/* first, for the table */
	struct d4_queue	*queue;
	bool		 unflushed;
	uint64_t	 dropped;		/* as last seen */
};

struct analyze {
	struct d4_registry	*registry;
	const char		*queues;
	bool			 in_redis;
	struct d4_redis_addr	 redis;
	struct d4_registry_login login;
	struct d4_table		*open;
	uint64_t		 generation;	/* of the registry, last seen */
	uint64_t		 pushed;
	uint64_t		 dropped;	/* and by queues closed since */
	struct faults		 faults;
};

/* One item on its way into the queues that want it. */
struct push {
	struct analyze	*a;
	const void	*item;
	size_t		 len;
	bool		 again;
	unsigned	 had;		/* by so many queues */
	unsigned	 missed;	/* by those that failed */
};

static void
close_queue(void *item)
{
	struct open_queue *q = item;

	d4_queue_close(q->queue);
	free(q);
}

struct analyze *
analyze_new(struct d4_registry *registry, const char *queues,
    const struct d4_registry_login *login, char why[256])
{
	const char *words;
	struct analyze *a;

	if ((a = calloc(1, sizeof(*a))) == NULL ||
	    (a->open = d4_table_new(0)) == NULL) {
		(void)snprintf(why, 256, "not enough memory");
		free(a);
		return NULL;
	}
	a->registry = registry;
	a->queues = queues;
	if (login != NULL)
		a->login = *login;
	a->in_redis = strncmp(queues, "redis:", 6) == 0;
	if (a->in_redis && d4_redis_parse(&a->redis, queues, &words) == -1) {
		(void)snprintf(why, 256, "%.150s: %s", queues, words);
		analyze_free(a);
		return NULL;
	}
	a->generation = d4_registry_generation(registry);
	return a;
}

void
analyze_free(struct analyze *a)
{
	if (a == NULL)
		return;
	analyze_tick(a);
	d4_table_free(a->open, close_queue);
	free(a);
}

/* The queue of a definition, opened when it is first used. */
static struct open_queue *
get_queue(struct analyze *a, const struct d4_registry_queue *def)
{
	struct d4_queue_where where = { .create = true };
	char uuid[D4_UUID_TEXT], type[4];
	char why[D4_QUEUE_FAULT];
	struct open_queue *q;

	if ((q = d4_table_get(a->open, def->uuid)) != NULL)
		return q;
	d4_uuid_text(uuid, def->uuid);
	(void)snprintf(type, sizeof(type), "%u", def->type);
	where.type = def->type == D4_TYPE_EXTENDED ? def->extended : type;
	where.uuid = uuid;
	where.queues = a->in_redis ? NULL : a->queues;
	where.redis = a->in_redis ? &a->redis : NULL;
	where.user = a->login.user;
	where.password = a->login.password;
	if ((q = calloc(1, sizeof(*q))) == NULL)
		return NULL;
	memcpy(q->uuid, def->uuid, sizeof(q->uuid));
	if ((q->queue = d4_queue_open(&where, why)) == NULL) {
		faults_say(&a->faults, why);
		free(q);
		return NULL;
	}
	d4_queue_limit(q->queue, def->max_size);
	if (d4_table_put(a->open, q) == -1) {
		close_queue(q);
		return NULL;
	}
	return q;
}

/* What can't be flushed stays with the queue until it can. */
static void
flush(struct analyze *a, struct open_queue *q)
{
	uint64_t dropped;

	if (!q->unflushed)
		return;
	if (d4_queue_flush(q->queue) == -1) {
		faults_say(&a->faults, d4_queue_fault(q->queue));
		return;
	}
	q->unflushed = false;
	dropped = d4_queue_dropped(q->queue);
	a->dropped += dropped - q->dropped;
	q->dropped = dropped;
	d4_registry_note_queue(a->registry, q->uuid, (uint64_t)time(NULL));
}

/* A queue that fails does not hold up the others, and is opened anew, if it
 * keeps nothing that it has taken. */
static int
on_queue(void *cookie, const struct d4_registry_queue *def)
{
	struct push *p = cookie;
	struct open_queue *q;

	if ((q = get_queue(p->a, def)) == NULL) {
		p->missed++;
		return 0;
	}
	if (p->again && d4_queue_has(q->queue, p->item, p->len) == 1) {
		p->had++;
	} else if (d4_queue_push(q->queue, p->item, p->len) == 0) {
		q->unflushed = true;
		p->a->pushed++;
		p->had++;
	} else {
		faults_say(&p->a->faults, d4_queue_fault(q->queue));
		flush(p->a, q);
		if (!q->unflushed)
			close_queue(d4_table_take(p->a->open, q->uuid));
		p->missed++;
	}
	return 0;
}

static int
push(void *cookie, const uint8_t uuid[D4_UUID_LEN], const char *queue,
    const void *item, size_t len, bool again)
{
	struct push p = {
		.a = cookie, .item = item, .len = len, .again = again
	};
	bool plain = *queue >= '0' && *queue <= '9' && strlen(queue) <= 3 &&
	    strspn(queue, "0123456789") == strlen(queue);

	if (d4_registry_queues_for(p.a->registry,
	    plain ? (uint8_t)strtol(queue, NULL, 10) : D4_TYPE_EXTENDED,
	    plain ? NULL : queue, uuid, on_queue, &p) == -1) {
		faults_say(&p.a->faults, d4_registry_why(p.a->registry));
		return -1;
	}
	/* When none has it, it can come again without being there twice. */
	if (p.missed > 0 && p.had == 0)
		return -1;
	p.a->dropped += p.missed;
	return 0;
}

static void
flush_all(void *cookie)
{
	struct analyze *a = cookie;
	struct open_queue *q;
	size_t at = 0;

	while ((q = d4_table_next(a->open, &at)) != NULL)
		flush(a, q);
}

struct items
analyze_items(struct analyze *a)
{
	struct items items = { .push = push, .flush = flush_all,
	    .cookie = a };

	return items;
}

/* Limits may be others, queues gone: opened again as they are used.  Returns
 * whether there was none that keeps what it has taken. */
static bool
open_anew(struct analyze *a)
{
	struct d4_table *fresh = d4_table_new(0);
	struct open_queue *q;
	size_t at = 0;

	if (fresh == NULL)
		return false;
	while ((q = d4_table_next(a->open, &at)) != NULL) {
		if (!q->unflushed || d4_table_put(fresh, q) == -1)
			close_queue(q);
	}
	d4_table_free(a->open, NULL);
	a->open = fresh;
	return d4_table_count(fresh) == 0;
}

void
analyze_tick(struct analyze *a)
{
	uint64_t now = d4_registry_generation(a->registry);

	flush_all(a);
	if (a->generation != now && open_anew(a))
		a->generation = now;
}

uint64_t
analyze_pushed(const struct analyze *a)
{
	return a->pushed;
}

uint64_t
analyze_dropped(const struct analyze *a)
{
	return a->dropped;
}
