/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/complete.h"
#include "d4-recv/store-own.h"

#define BUFFER_MIN	((size_t)4 << 10)

#define SYNC_MAX	512	/* files that wait to be synced */

/* Bytes of records with lines that may be in the file and not in the tail: they
 * are items twice if this process is killed. */
#define ITEMS_MAX	((uint64_t)256 << 10)

int
file_append(struct store_stream *s, const uint8_t *bytes, size_t n)
{
	size_t cap = s->cap == 0 ? BUFFER_MIN : s->cap;
	uint8_t *grown;

	if (n == 0)
		return 0;
	while (cap < s->len + n)
		cap *= 2;
	if (cap > s->cap) {
		if ((grown = realloc(s->buffer, cap)) == NULL)
			return -1;
		s->buffer = grown;
		s->cap = cap;
	}
	memcpy(s->buffer + s->len, bytes, n);
	s->len += n;
	return 0;
}

void
file_shrink(struct store_stream *s)
{
	uint8_t *less;

	if (s->tail != NULL)
		tail_idle(s->tail);
	if (s->len == 0) {
		free(s->buffer);
		s->buffer = NULL;
		s->cap = 0;
	} else if (s->len < s->cap && s->fd == -1) {
		if ((less = realloc(s->buffer, s->len)) != NULL) {
			s->buffer = less;
			s->cap = s->len;
		}
	}
}

/* Whether what is buffered is more than a preamble. */
static bool
has_begun(const struct store_stream *s)
{
	bool headed = s->kind == D4_BORDER_PCAP ||
	    s->kind == D4_BORDER_PCAPNG;

	return s->data || s->len > BUFFER_MAX || (s->border != NULL &&
	    !d4_border_at(s->border) && (!headed || s->whole > 0));
}

/* The tail says what comes before it comes. */
static int
announce_file(struct store_stream *s)
{
	char entry[PLACE_ENTRY];
	int err;

	if (s->tail == NULL)
		return 0;
	place_entry(&s->place, s->n, false, entry);
	if (tail_begin_file(s->tail, entry, s->place.ordinal,
	    s->start) == 0)
		return 0;
	err = errno;
	finish_discard(s->store->set.finish, &s->place, s->n, s->fd);
	s->fd = -1;
	errno = err;
	return -1;
}

static bool
is_busy(const struct store *store)
{
	return finish_busy(store->set.finish) ||
	    store->nhanding >= SYNC_MAX ||
	    (store->set.max_files > 0 &&
	    store->figures.nfiles >= store->set.max_files);
}

/* By the time.  Files of a stream with a tail are named in its order, whoever
 * finishes which first. */
static void
name_file(struct store_stream *s, time_t now)
{
	struct place before;
	unsigned n;
	bool done;

	if (s->tail != NULL && now < s->named)
		now = s->named;
	s->named = now;
	place_stream(&s->place, s->uuid, s->type, s->kind,
	    *s->ext == '\0' ? NULL : s->ext, now, s->store->set.compress);
	if (s->tail == NULL)
		return;
	tail_name(s->tail, &s->place);
	if (place_parse(&before, tail_file(s->tail)->entry, &n, &done) == 0 &&
	    strcmp(before.path, s->place.path) == 0)
		s->place.number = before.number + 1;
}

static enum store_result
open_file(struct store_stream *s, time_t now)
{
	struct store *store = s->store;

	if (is_busy(store))
		return STORE_FULL;
	name_file(s, now);
	s->fd = finish_create(store->set.finish, &s->place, &s->n);
	if (s->fd == -1 || announce_file(s) == -1)
		return complete_waits(errno) ? STORE_FULL : store_fail(s);
	s->opened = now;
	s->unlisted = true;
	store->made_entries = true;
	store->figures.nfiles++;
	return STORE_OK;
}

/* Into the tail, what the kernel has.  A line is an item before it is stored,
 * so that none is lost if this process is killed. */
static enum store_result
commit(struct store_stream *s)
{
	const struct items *items = &s->store->set.items;

	if (s->tail == NULL || s->pending || tail_npending(s->tail) == 0)
		return STORE_OK;
	if (s->handler != NULL && items->flush != NULL)
		items->flush(items->cookie);
	if (tail_commit(s->tail, s->keeps ? s->written : s->last.whole) == 0) {
		s->committed = s->keeps ? s->written : s->last.whole;
		return STORE_OK;
	}
	return complete_waits(errno) ? STORE_FULL : store_fail(s);
}

enum store_result
file_commit_if_due(struct store_stream *s)
{
	if (s->tail == NULL || (s->handler != NULL &&
	    tail_pending_bytes(s->tail) < ITEMS_MAX &&
	    tail_npending(s->tail) < TAIL_PENDING))
		return STORE_OK;
	return commit(s);
}

enum store_result
file_write(struct store_stream *s, time_t now)
{
	enum store_result result;
	size_t done = 0;
	ssize_t n;

	if (s->len == 0)
		return STORE_OK;
	if (s->fd == -1 && (result = open_file(s, now)) != STORE_OK)
		return result;
	while (done < s->len) {
		n = write(s->fd, s->buffer + done, s->len - done);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			break;
		done += (size_t)n;
	}
	s->unsynced = s->unsynced || done > 0;
	s->written += done;
	s->len -= done;
	if (s->len == 0)
		return file_commit_if_due(s);
	memmove(s->buffer, s->buffer + done, s->len);
	return complete_waits(errno) ? STORE_FULL : store_fail(s);
}

enum store_result
file_flush(struct store_stream *s, time_t now)
{
	enum store_result result = STORE_OK;

	if (s->err != 0) {
		errno = s->err;
		return STORE_FAILED;
	}
	if (has_begun(s))
		result = file_write(s, now);
	return result == STORE_OK ? commit(s) : result;
}

enum store_result
file_cut(struct store_stream *s)
{
	if (s->whole >= s->written) {
		s->len = (size_t)(s->whole - s->written);
		return STORE_OK;
	}
	s->len = 0;
	if (ftruncate(s->fd, (off_t)s->whole) == -1 ||
	    lseek(s->fd, (off_t)s->whole, SEEK_SET) == -1)
		return store_fail(s);
	s->written = s->whole;
	return STORE_OK;
}

void
file_leave(struct store_stream *s)
{
	(void)close(s->fd);
	s->fd = -1;
	s->store->figures.nfiles--;
	s->store->left_some = true;
}
