/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/feed.h"

#define FEW	4096	/* bytes of a record not worth a large buffer */

struct d4_feed {
	uint8_t		*buf;
	size_t		 cap;	/* bytes at buf */
	size_t		 head;	/* where the next record begins */
	size_t		 tail;	/* where the next byte goes */
	uint32_t	 max;	/* greatest payload */
};

struct d4_feed *
d4_feed_new(uint32_t max)
{
	struct d4_feed *feed;

	if ((feed = calloc(1, sizeof(*feed))) == NULL)
		return NULL;
	feed->max = max;
	return feed;
}

void
d4_feed_free(struct d4_feed *feed)
{
	if (feed == NULL)
		return;
	free(feed->buf);
	free(feed);
}

size_t
d4_feed_space(struct d4_feed *feed, size_t want, uint8_t **at)
{
	size_t held = feed->tail - feed->head;

	if (feed->head == feed->tail) {
		feed->head = feed->tail = 0;
	} else if (feed->head > 0 && feed->cap - feed->tail < want) {
		memmove(feed->buf, feed->buf + feed->head, held);
		feed->head = 0;
		feed->tail = held;
	}
	if (feed->cap - feed->tail < want) {
		size_t cap = feed->tail + want;
		size_t most = D4_HEADER_LEN + (size_t)feed->max + want;
		uint8_t *buf;

		/* Doubling what was received keeps the copying linear. */
		if (cap < 2 * feed->tail && cap < most)
			cap = 2 * feed->tail < most ? 2 * feed->tail : most;
		if ((buf = realloc(feed->buf, cap)) == NULL)
			return 0;
		feed->buf = buf;
		feed->cap = cap;
	}
	*at = feed->buf + feed->tail;
	return feed->cap - feed->tail;
}

void
d4_feed_filled(struct d4_feed *feed, size_t n)
{
	feed->tail += n;
}

enum d4_refusal
d4_feed_next(struct d4_feed *feed, struct d4_feed_record *record)
{
	size_t held = feed->tail - feed->head;
	uint8_t *bytes;
	uint32_t size;

	if (held < D4_HEADER_LEN)
		return D4_SHORT;
	bytes = feed->buf + feed->head;
	size = d4_get32le(bytes + D4_SIZE_AT);
	if (size <= feed->max && held - D4_HEADER_LEN < size)
		return D4_SHORT;
	d4_header_decode(&record->header, bytes);
	if (size > feed->max)
		return D4_TOO_LARGE;
	record->bytes = bytes;
	record->len = D4_HEADER_LEN + (size_t)size;
	feed->head += record->len;
	return D4_OK;
}

size_t
d4_feed_pending(const struct d4_feed *feed)
{
	return feed->tail - feed->head;
}

uint32_t
d4_feed_announced(const struct d4_feed *feed)
{
	if (d4_feed_pending(feed) < D4_HEADER_LEN)
		return 0;
	return d4_get32le(feed->buf + feed->head + D4_SIZE_AT);
}

void
d4_feed_idle(struct d4_feed *feed)
{
	size_t held = feed->tail - feed->head;
	uint8_t *buf = NULL;

	/* A small buffer is not worth a copy, nor one that is well filled. */
	if (held > 0 && (held >= feed->cap / 4 || feed->cap <= FEW))
		return;
	if (held > 0) {
		if ((buf = malloc(held)) == NULL)
			return;
		memcpy(buf, feed->buf + feed->head, held);
	}
	free(feed->buf);
	feed->buf = buf;
	feed->cap = feed->tail = held;
	feed->head = 0;
}
