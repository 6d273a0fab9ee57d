/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "d4/window.h"
#include "lib/bytes.h"
#include "lib/record.h"

#define CHUNK_RECORDS	1024	/* what a batch of record.h takes at most */
#define SEAL_CHUNKS	64	/* sealed together */

/* Records in one buffer, in the order of the stream. */
struct chunk {
	struct chunk		*next;
	struct d4_record	*batch;
	size_t			 n;		/* records in it */
	size_t			 first;		/* the first not yet dropped */
	size_t			 first_at;	/* where that begins */
	uint8_t			 flags[CHUNK_RECORDS];
	uint32_t		 lens[CHUNK_RECORDS];	/* of the records */
};

struct bytes {
	uint8_t	*buf;
	size_t	 len;
	size_t	 cap;
};

struct window {
	struct d4_header	 header;
	size_t			 snaplen;
	struct d4_mac		*mac;
	struct d4_mac_key	*key;
	size_t			 keep;
	size_t			 buffer;

	struct chunk		*head, *tail;	/* all chunks, oldest first */
	struct chunk		*spare;		/* one kept for the next need */
	struct chunk		*at;		/* being sent, or NULL */
	size_t			 at_sent;	/* bytes of it that were sent */
	size_t			 kept;		/* bytes from head to sent */
	size_t			 waiting;	/* bytes from sent to tail */

	struct bytes		 hello;		/* opens every session */
	struct bytes		 preamble;	/* of what was dropped */
	size_t			 opening_len;	/* of both, in this session */
	size_t			 opening_sent;

	uint64_t		 records;	/* added */
	uint64_t		 end;		/* bytes added */
	uint64_t		 reached;	/* the most ever sent of them */
};

struct window *
window_new(const struct d4_header *header, size_t snaplen, struct d4_mac *mac,
    struct d4_mac_key *key, size_t keep, size_t buffer)
{
	struct window *w;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		return NULL;
	w->header = *header;
	w->snaplen = snaplen;
	w->mac = mac;
	w->key = key;
	w->keep = keep;
	w->buffer = buffer;
	return w;
}

static void
chunk_free(struct chunk *c)
{
	if (c == NULL)
		return;
	d4_record_free(c->batch);
	free(c);
}

void
window_free(struct window *w)
{
	struct chunk *c;

	if (w == NULL)
		return;
	while ((c = w->head) != NULL) {
		w->head = c->next;
		chunk_free(c);
	}
	chunk_free(w->spare);
	free(w->hello.buf);
	free(w->preamble.buf);
	free(w);
}

static struct chunk *
chunk_new(struct window *w)
{
	struct chunk *c = w->spare;

	if (c != NULL) {
		w->spare = NULL;
		return c;
	}
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	c->batch = d4_record_new(&w->header, w->snaplen, w->mac, w->key);
	if (c->batch == NULL) {
		free(c);
		return NULL;
	}
	return c;
}

/* Gives a chunk back that nothing refers to any more. */
static void
chunk_drop(struct window *w, struct chunk *c)
{
	if (w->spare != NULL) {
		chunk_free(c);
		return;
	}
	d4_record_clear(c->batch);
	c->next = NULL;
	c->n = c->first = c->first_at = 0;
	w->spare = c;
}

/* Goes on to the next chunk where one has been sent to its end. */
static void
settle(struct window *w)
{
	size_t len;

	while (w->at != NULL && w->at->next != NULL) {
		(void)d4_record_bytes(w->at->batch, &len);
		if (w->at_sent < len)
			break;
		w->at = w->at->next;
		w->at_sent = 0;
	}
}

static int
chunk_append(struct window *w)
{
	struct chunk *c;

	if ((c = chunk_new(w)) == NULL)
		return -1;
	if (w->tail != NULL)
		w->tail->next = c;
	else
		w->head = w->at = c;
	w->tail = c;
	settle(w);
	return 0;
}

int
window_add(struct window *w, uint8_t type, const void *data, size_t len,
    int flags)
{
	if ((w->tail == NULL || w->tail->n == CHUNK_RECORDS ||
	    d4_record_put(w->tail->batch, type, data, len) == -1) &&
	    (chunk_append(w) == -1 ||
	    d4_record_put(w->tail->batch, type, data, len) == -1))
		return -1;
	w->tail->flags[w->tail->n] = (uint8_t)flags;
	w->tail->lens[w->tail->n++] = (uint32_t)(D4_HEADER_LEN + len);
	w->waiting += D4_HEADER_LEN + len;
	w->end += D4_HEADER_LEN + len;
	w->records++;
	return 0;
}

static int
append(struct bytes *b, const uint8_t *data, size_t len)
{
	if (b->cap - b->len < len) {
		size_t cap = 2 * (b->len + len);
		uint8_t *buf;

		if ((buf = realloc(b->buf, cap)) == NULL)
			return -1;
		b->buf = buf;
		b->cap = cap;
	}
	memcpy(b->buf + b->len, data, len);
	b->len += len;
	return 0;
}

int
window_add_opening(struct window *w, uint8_t type, const void *data,
    size_t len, uint64_t timestamp)
{
	struct d4_record *one;
	const uint8_t *bytes;
	size_t n;
	int rc = -1;

	one = d4_record_new(&w->header, w->snaplen, w->mac, w->key);
	if (one != NULL && d4_record_put(one, type, data, len) == 0 &&
	    d4_record_seal(one, timestamp) == 0) {
		bytes = d4_record_bytes(one, &n);
		rc = append(&w->hello, bytes, n);
		w->opening_len = w->hello.len;
	}
	d4_record_free(one);
	return rc;
}

int
window_seal(struct window *w, uint64_t timestamp)
{
	struct d4_record *batches[SEAL_CHUNKS];
	struct chunk *c;
	size_t n = 0;

	/* Only the chunk being sent and those behind it can hold new ones. */
	for (c = w->at; c != NULL; c = c->next) {
		batches[n++] = c->batch;
		if (n < SEAL_CHUNKS && c->next != NULL)
			continue;
		if (d4_record_seal_all(batches, n, timestamp) == -1)
			return -1;
		n = 0;
	}
	return 0;
}

/* Whether the stream behind the opening brings a preamble of its own. */
static bool
head_resets(const struct window *w)
{
	const struct chunk *c = w->head;

	if (c != NULL && c->first == c->n && c->next != NULL)
		c = c->next;
	return c != NULL && c->first < c->n &&
	    (c->flags[c->first] & WINDOW_RESET) != 0;
}

/* What lies ahead bytes behind at in a buffer: moves on by its length where
 * that is not within. */
static size_t
look_ahead(const uint8_t *bytes, size_t len, size_t *ahead, const uint8_t **at)
{
	if (*ahead >= len) {
		*ahead -= len;
		return 0;
	}
	*at = bytes + *ahead;
	return len - *ahead;
}

size_t
window_next(const struct window *w, size_t ahead, const uint8_t **at)
{
	const struct chunk *c;
	const uint8_t *bytes;
	size_t len, sent = w->at_sent;

	ahead += w->opening_sent;
	if ((len = look_ahead(w->hello.buf, w->hello.len, &ahead, at)) > 0)
		return len;
	len = w->opening_len - w->hello.len;
	if ((len = look_ahead(w->preamble.buf, len, &ahead, at)) > 0)
		return len;
	for (c = w->at; c != NULL; c = c->next) {
		bytes = d4_record_bytes(c->batch, &len);
		len = look_ahead(bytes + sent, len - sent, &ahead, at);
		if (len > 0)
			return len;
		sent = 0;
	}
	return 0;
}

/* The length of the unit at the head, all its records; 0 when not all of it
 * was sent. */
static size_t
head_unit(const struct window *w)
{
	const struct chunk *c = w->head;
	size_t i = c->first, unit = 0;

	for (;;) {
		if (i == c->n) {
			if ((c = c->next) == NULL)
				return 0;
			i = 0;
			continue;
		}
		unit += c->lens[i];
		if (unit > w->kept)
			return 0;
		if ((c->flags[i++] & WINDOW_END) != 0)
			return unit;
	}
}

/* Drops the first record; one of the preamble is kept for the opening. */
static int
drop_record(struct window *w)
{
	struct chunk *c = w->head;
	const uint8_t *bytes;
	size_t len, all;

	if (c->first == c->n) {
		w->head = c->next;
		chunk_drop(w, c);
		c = w->head;
	}
	bytes = d4_record_bytes(c->batch, &all) + c->first_at;
	len = c->lens[c->first];
	if ((c->flags[c->first] & WINDOW_RESET) != 0)
		w->preamble.len = 0;
	if ((c->flags[c->first] & WINDOW_PREAMBLE) != 0 &&
	    append(&w->preamble, bytes, len) == -1)
		return -1;
	c->first++;
	c->first_at += len;
	w->kept -= len;
	return (int)len;
}

/* Drops what is not to be kept; short of memory it stays. */
static void
trim(struct window *w)
{
	size_t unit;
	int len = 0;

	while (len != -1 && w->kept > w->keep && (unit = head_unit(w)) > 0 &&
	    w->kept - unit >= w->keep) {
		while (unit > 0 && (len = drop_record(w)) != -1)
			unit -= (size_t)len;
	}
}

/* Of the opening; returns how many of n were not of it. */
static size_t
send_opening(struct window *w, size_t n)
{
	size_t left = w->opening_len - w->opening_sent;

	if (left > n)
		left = n;
	w->opening_sent += left;
	return n - left;
}

void
window_sent(struct window *w, size_t n)
{
	size_t len;

	if ((n = send_opening(w, n)) == 0)
		return;
	w->kept += n;
	w->waiting -= n;
	if (w->end - w->waiting > w->reached)
		w->reached = w->end - w->waiting;
	for (; n > 0; n -= len) {
		(void)d4_record_bytes(w->at->batch, &len);
		len -= w->at_sent;
		if (len > n)
			len = n;
		w->at_sent += len;
		settle(w);
	}
	trim(w);
}

size_t
window_rewind(struct window *w)
{
	size_t again = w->kept;

	w->at = w->head;
	w->at_sent = w->head != NULL ? w->head->first_at : 0;
	w->waiting += w->kept;
	w->kept = 0;
	/* The preamble of this session stays as it is, whatever comes. */
	w->opening_len = w->hello.len +
	    (head_resets(w) ? 0 : w->preamble.len);
	w->opening_sent = 0;
	settle(w);
	return again;
}

size_t
window_waiting(const struct window *w)
{
	return w->waiting;
}

bool
window_full(const struct window *w)
{
	return w->end - w->reached >= w->buffer;
}

size_t
window_partial(const struct window *w)
{
	size_t at = 0, len;

	while (at < w->opening_sent && at < w->hello.len) {
		len = D4_HEADER_LEN +
		    (size_t)d4_get32le(w->hello.buf + at + D4_SIZE_AT);
		if (at + len > w->opening_sent)
			return w->opening_sent - at;
		at += len;
	}
	return w->at == NULL ? 0 :
	    w->at_sent - d4_record_whole(w->at->batch, w->at_sent);
}

uint64_t
window_records(const struct window *w)
{
	return w->records;
}

uint64_t
window_end(const struct window *w)
{
	return w->end;
}

uint64_t
window_reached(const struct window *w)
{
	return w->reached;
}
