/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "d4/shelf.h"
#include "lib/record.h"

#define CHUNK_RECORDS	1024	/* what a batch of record.h takes at most */
#define SEAL_CHUNKS	64	/* sealed together */
#define SPARES		8	/* 2 MiB: what one read takes, and more */

struct chunk {
	struct chunk		*next;
	struct d4_record	*batch;
	uint64_t		 pos;
	size_t			 n;		/* records in it */
	struct run_record	 records[CHUNK_RECORDS];
};

struct shelf {
	struct d4_header	 header;
	size_t			 snaplen;
	struct d4_mac		*mac;
	struct d4_mac_key	*key;

	struct chunk		*head, *tail;	/* oldest first */
	struct chunk		*unsealed;	/* the first that may be */
	struct chunk		*at;		/* asked for last, or NULL */
	struct chunk		*spare;		/* kept for the next need */
	size_t			 nspare;
	uint64_t		 end;
};

struct shelf *
shelf_new(const struct d4_header *header, size_t snaplen, struct d4_mac *mac,
    struct d4_mac_key *key, uint64_t pos)
{
	struct shelf *s;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	s->header = *header;
	s->snaplen = snaplen;
	s->mac = mac;
	s->key = key;
	s->end = pos;
	return s;
}

static void
chunk_free(struct chunk *c)
{
	d4_record_free(c->batch);
	free(c);
}

static void
free_chunks(struct chunk *c)
{
	struct chunk *next;

	for (; c != NULL; c = next) {
		next = c->next;
		chunk_free(c);
	}
}

void
shelf_free(struct shelf *s)
{
	if (s == NULL)
		return;
	free_chunks(s->head);
	free_chunks(s->spare);
	free(s);
}

static struct chunk *
chunk_new(struct shelf *s)
{
	struct chunk *c = s->spare;

	if (c != NULL) {
		s->spare = c->next;
		s->nspare--;
		c->next = NULL;
		return c;
	}
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	c->batch = d4_record_new(&s->header, s->snaplen, s->mac, s->key);
	if (c->batch == NULL) {
		free(c);
		return NULL;
	}
	return c;
}

/* Gives a chunk back that nothing refers to any more.  Those that come and go
 * all the time stay, for their pages cost more than what is put there. */
static void
chunk_drop(struct shelf *s, struct chunk *c)
{
	if (s->nspare == SPARES) {
		chunk_free(c);
		return;
	}
	d4_record_clear(c->batch);
	c->n = 0;
	c->next = s->spare;
	s->spare = c;
	s->nspare++;
}

static int
chunk_append(struct shelf *s)
{
	struct chunk *c;

	if ((c = chunk_new(s)) == NULL)
		return -1;
	c->pos = s->end;
	if (s->tail != NULL)
		s->tail->next = c;
	else
		s->head = c;
	s->tail = c;
	if (s->unsealed == NULL)
		s->unsealed = c;
	return 0;
}

int
shelf_add(struct shelf *s, uint8_t type, const void *data, size_t len,
    uint8_t flags)
{
	struct run_record *record;

	if ((s->tail == NULL || s->tail->n == CHUNK_RECORDS ||
	    d4_record_put(s->tail->batch, type, data, len) == -1) &&
	    (chunk_append(s) == -1 ||
	    d4_record_put(s->tail->batch, type, data, len) == -1))
		return -1;
	record = &s->tail->records[s->tail->n++];
	record->len = (uint32_t)(D4_HEADER_LEN + len);
	record->flags = flags;
	s->end += record->len;
	return 0;
}

int
shelf_seal(struct shelf *s, uint64_t timestamp)
{
	struct d4_record *batches[SEAL_CHUNKS];
	size_t n = 0;

	for (; s->unsealed != NULL; s->unsealed = s->unsealed->next) {
		batches[n++] = s->unsealed->batch;
		if (n < SEAL_CHUNKS && s->unsealed != s->tail)
			continue;
		if (d4_record_seal_all(batches, n, timestamp) == -1)
			return -1;
		n = 0;
		if (s->unsealed == s->tail)
			break;
	}
	return 0;
}

static size_t
chunk_len(const struct chunk *c)
{
	size_t len;

	(void)d4_record_bytes(c->batch, &len);
	return len;
}

int
shelf_run(struct shelf *s, uint64_t pos, struct run *run)
{
	struct chunk *c = s->at;

	if (c == NULL || pos < c->pos)
		c = s->head;
	while (c != NULL && pos >= c->pos + chunk_len(c))
		c = c->next;
	if (c == NULL || pos < c->pos)
		return 0;
	s->at = c;
	run->pos = c->pos;
	run->bytes = d4_record_bytes(c->batch, &run->len);
	run->records = c->records;
	run->n = c->n;
	return 1;
}

void
shelf_drop(struct shelf *s, uint64_t from, uint64_t to)
{
	struct chunk *c, **link = &s->head;

	/* The last one stays, to be filled. */
	while ((c = *link) != NULL && c != s->tail &&
	    c->pos + chunk_len(c) <= to) {
		if (c->pos < from) {
			link = &c->next;
			continue;
		}
		*link = c->next;
		if (s->at == c)
			s->at = NULL;
		if (s->unsealed == c)
			s->unsealed = c->next;
		chunk_drop(s, c);
	}
}
