/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/complete.h"
#include "d4-recv/handler.h"
#include "d4-recv/line.h"
#include "d4-recv/store.h"
#include "lib/border.h"
#include "lib/log.h"
#include "lib/type.h"

#define BUFFER_MIN	((size_t)4 << 10)
#define BUFFER_MAX	((size_t)256 << 10)	/* few calls, yet in a core's
						 * cache */

#define HURRY_S		5	/* age of files, once half of those that may
				 * be open are */
#define MAGIC_LEN	4u		/* tells what type 4 is given as */

struct store {
	struct store_settings	 set;
	struct store_stream	*streams;
	struct store_figures	 figures;
	bool			 made_entries;	/* since the last sync */
};

struct store_stream {
	struct store_stream	*next, **prev;
	struct store		*store;
	uint8_t			 uuid[D4_UUID_LEN];
	uint8_t			 type;
	char			 ext[D4_TYPE_NAME_MAX + 1];
	enum d4_border_kind	 kind;
	bool			 keeps;		/* a file */
	struct d4_border	*border;	/* NULL until kind is known */
	uint8_t			 magic[MAGIC_LEN];
	size_t			 magic_len;	/* taken while it is not */

	struct handler		*handler;	/* of lines, or NULL */
	struct line		 line;
	bool			 pending;	/* line waits for the handler */

	/* The current file: what is written, then what is buffered. */
	int			 fd;		/* -1: not opened */
	struct place		 place;
	unsigned		 n;
	time_t			 opened;
	uint64_t		 written;
	uint8_t			*buffer;
	size_t			 len, cap;
	uint64_t		 whole;		/* where the last unit ends */
	bool			 data;		/* a unit of data is in it */
	bool			 renew;		/* to be ended at once */
	bool			 unsynced;

	bool			 closed;	/* the session is over */
	int			 err;		/* after STORE_FAILED */
	const char		*why;		/* after STORE_BAD_DATA */
};

/* -- the buffer and the file --------------------------------------------- */

static uint64_t
file_size(const struct store_stream *s)
{
	return s->written + s->len;
}

static enum store_result
fail(struct store_stream *s)
{
	s->err = errno;
	d4_log_warn("%s/%s", finish_root(s->store->set.finish),
	    s->fd == -1 ? PLACE_OPEN : s->place.path);
	errno = s->err;
	return STORE_FAILED;
}

static int
append(struct store_stream *s, const uint8_t *bytes, size_t n)
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

/* Gives back what an idle stream need not hold. */
static void
shrink(struct store_stream *s)
{
	uint8_t *less;

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

static enum store_result
open_file(struct store_stream *s, time_t now)
{
	struct store *store = s->store;

	if (finish_busy(store->set.finish) || (store->set.max_files > 0 &&
	    store->figures.nfiles >= store->set.max_files))
		return STORE_FULL;
	place_stream(&s->place, s->uuid, s->type, s->kind,
	    *s->ext == '\0' ? NULL : s->ext, now, store->set.compress);
	s->fd = finish_create(store->set.finish, &s->place, &s->n);
	if (s->fd == -1)
		return complete_waits(errno) ? STORE_FULL : fail(s);
	s->opened = now;
	store->made_entries = true;
	store->figures.nfiles++;
	return STORE_OK;
}

/* Writes the buffer, all of it or what there is room for. */
static enum store_result
write_buffer(struct store_stream *s, time_t now)
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
		return STORE_OK;
	memmove(s->buffer, s->buffer + done, s->len);
	return complete_waits(errno) ? STORE_FULL : fail(s);
}

static enum store_result
flush(struct store_stream *s, time_t now)
{
	if (s->err != 0) {
		errno = s->err;
		return STORE_FAILED;
	}
	return has_begun(s) ? write_buffer(s, now) : STORE_OK;
}

/* Forgets what stands behind the last whole unit. */
static enum store_result
cut(struct store_stream *s)
{
	if (s->whole >= s->written) {
		s->len = (size_t)(s->whole - s->written);
		return STORE_OK;
	}
	s->len = 0;
	if (ftruncate(s->fd, (off_t)s->whole) == -1 ||
	    lseek(s->fd, (off_t)s->whole, SEEK_SET) == -1)
		return fail(s);
	s->written = s->whole;
	return STORE_OK;
}

/* The file is complete, as far as it goes, or has nothing in it. */
static enum store_result
hand_over(struct store_stream *s, enum finish_how how)
{
	struct finish *finish = s->store->set.finish;
	int fd = s->fd;

	if (fd == -1)
		return STORE_OK;
	s->fd = -1;
	s->store->figures.nfiles--;
	if (!s->data && how == FINISH_WHOLE) {
		finish_discard(finish, &s->place, s->n, fd);
		return STORE_OK;
	}
	if (finish_submit(finish, &s->place, s->n, false, fd, how) == 0)
		return STORE_OK;
	errno = ENOMEM;
	return fail(s);
}

/* -- rotation ------------------------------------------------------------ */

/* Seconds until a file is ended, 0: never. */
static unsigned
rotation(const struct store *store)
{
	const struct store_settings *set = &store->set;

	if (set->max_files == 0 ||
	    store->figures.nfiles < set->max_files / 2 ||
	    (set->rotate > 0 && set->rotate < HURRY_S))
		return set->rotate;
	return HURRY_S;
}

static bool
is_due(const struct store_stream *s, time_t now)
{
	const struct store_settings *set = &s->store->set;
	unsigned seconds;

	if (s->renew)
		return true;
	if (!s->data || !d4_border_at(s->border) ||
	    d4_border_was_preamble(s->border))
		return false;
	if (set->rotate_size > 0 && file_size(s) >= set->rotate_size)
		return true;
	/* A clock that was set back must not hold a file open. */
	seconds = rotation(s->store);
	return seconds > 0 && s->fd != -1 && (now < s->opened ||
	    now - s->opened >= (time_t)seconds);
}

/* Ends the file at a border; the next begins with the preamble. */
static enum store_result
rotate(struct store_stream *s, time_t now)
{
	enum store_result result;
	const uint8_t *preamble;
	size_t len;

	if ((result = flush(s, now)) != STORE_OK ||
	    (result = hand_over(s, FINISH_WHOLE)) != STORE_OK)
		return result;
	s->written = 0;
	s->len = 0;
	s->data = s->renew = false;
	preamble = d4_border_preamble(s->border, &len);
	if (append(s, preamble, len) == -1)
		return fail(s);
	s->whole = len;
	return STORE_OK;
}

/* A pcap file header in mid-stream: what was before it is one file, and the
 * scanner has it as the preamble of the next. */
static enum store_result
begin_anew(struct store_stream *s, uint64_t before)
{
	s->whole = before;
	s->renew = true;
	return cut(s);
}

/* -- units and lines ----------------------------------------------------- */

static enum store_result
refuse(struct store_stream *s, const char *why)
{
	s->why = why;
	return STORE_BAD_DATA;
}

static enum store_result
hand_line(struct store_stream *s, const char *text, size_t len, time_t now)
{
	uint64_t before = handler_nitems(s->handler);
	enum handler_result result;

	s->pending = false;
	result = handler_line(s->handler, text, len, now);
	s->store->figures.nitems += handler_nitems(s->handler) - before;
	switch (result) {
	case HANDLER_OK:
		line_clear(&s->line);
		return STORE_OK;
	case HANDLER_FULL:
		if (line_keep(&s->line, text, len) == -1)
			return fail(s);
		s->pending = true;
		return STORE_FULL;
	case HANDLER_BAD_DATA:
		return refuse(s, handler_why(s->handler));
	default:
		return fail(s);
	}
}

static enum store_result
hand_pending(struct store_stream *s, time_t now)
{
	if (!s->pending)
		return STORE_OK;
	return hand_line(s, s->line.bytes, s->line.len, now);
}

/* How much of the slice may be taken at once, so that no line grows over what
 * its handler takes; one that has is handed on or refused before. */
static enum store_result
limit_line(struct store_stream *s, const uint8_t *data, size_t *n,
    time_t now)
{
	enum store_result result;
	size_t max;
	bool cuts;

	max = handler_line_max(s->handler, &cuts);
	if (s->line.len == max && *data != '\n') {
		if (!cuts)
			return refuse(s, "a line is too long");
		result = hand_line(s, s->line.bytes, s->line.len, now);
		if (result != STORE_OK)
			return result;
	}
	max = s->line.len == max ? 1 : max - s->line.len;
	if (*n > max)
		*n = max;
	return STORE_OK;
}

static enum store_result
end_unit(struct store_stream *s, uint64_t before)
{
	s->whole = file_size(s);
	if (!d4_border_was_preamble(s->border))
		s->data = true;
	else if (s->kind == D4_BORDER_PCAP && before > 0)
		return begin_anew(s, before);
	return STORE_OK;
}

/* Takes one step of the border's. */
static enum store_result
take_step(struct store_stream *s, const uint8_t *data, size_t len, time_t now,
    size_t *taken)
{
	enum store_result result;
	uint64_t before = s->whole;
	const char *text;
	ptrdiff_t n;
	bool whole;

	if (s->handler != NULL &&
	    (result = limit_line(s, data, &len, now)) != STORE_OK)
		return result;
	if ((n = d4_border_step(s->border, data, len, &whole)) < 0)
		return refuse(s, d4_border_fault(s->border));
	*taken += (size_t)n;
	if (s->keeps && append(s, data, (size_t)n) == -1)
		return fail(s);
	if (s->keeps && whole &&
	    (result = end_unit(s, before)) != STORE_OK)
		return result;
	if (s->handler == NULL)
		return STORE_OK;
	if (line_take(&s->line, (const char *)data, (size_t)n, whole, &text,
	    &len) == -1)
		return fail(s);
	return text == NULL ? STORE_OK : hand_line(s, text, len, now);
}

static enum store_result
take(struct store_stream *s, const uint8_t *data, size_t len, time_t now,
    size_t *taken)
{
	enum store_result result = STORE_OK;
	size_t done = 0, n;

	while (done < len && result == STORE_OK) {
		if (is_due(s, now) && (result = rotate(s, now)) != STORE_OK)
			break;
		if (s->len >= BUFFER_MAX &&
		    (result = write_buffer(s, now)) != STORE_OK)
			break;
		n = len - done;
		if (s->keeps && n > BUFFER_MAX - s->len)
			n = BUFFER_MAX - s->len;
		result = take_step(s, data + done, n, now, &done);
	}
	*taken += done;
	return result;
}

static bool
is_pcap(const uint8_t magic[MAGIC_LEN])
{
	struct d4_border *border;
	ptrdiff_t n = -1;
	bool whole;

	if ((border = d4_border_new(D4_BORDER_PCAP)) != NULL)
		n = d4_border_step(border, magic, MAGIC_LEN, &whole);
	d4_border_free(border);
	return n > 0;
}

/* Type 4 is known by its first bytes, which wait until there are enough. */
static enum store_result
learn_kind(struct store_stream *s, time_t now)
{
	size_t taken = 0;

	s->kind = s->magic_len == MAGIC_LEN && is_pcap(s->magic) ?
	    D4_BORDER_PCAP : D4_BORDER_LINES;
	if ((s->border = d4_border_new(s->kind)) == NULL)
		return fail(s);
	return take(s, s->magic, s->magic_len, now, &taken);
}

static enum store_result
take_magic(struct store_stream *s, const uint8_t *data, size_t len,
    time_t now, size_t *taken)
{
	size_t n = MAGIC_LEN - s->magic_len;

	if (n > len)
		n = len;
	if (n > 0)
		memcpy(s->magic + s->magic_len, data, n);
	s->magic_len += n;
	*taken = n;
	return s->magic_len < MAGIC_LEN ? STORE_OK : learn_kind(s, now);
}

/* -- the store ----------------------------------------------------------- */

struct store *
store_new(const struct store_settings *settings)
{
	struct store *store;

	if ((store = calloc(1, sizeof(*store))) != NULL)
		store->set = *settings;
	return store;
}

void
store_reload(struct store *store, const struct store_settings *settings)
{
	struct finish *finish = store->set.finish;

	store->set = *settings;
	store->set.finish = finish;
}

const struct store_figures *
store_figures(const struct store *store)
{
	return &store->figures;
}

static void
free_stream(struct store_stream *s)
{
	if (s->prev != NULL) {
		*s->prev = s->next;
		if (s->next != NULL)
			s->next->prev = s->prev;
		s->store->figures.nstreams--;
	}
	d4_border_free(s->border);
	handler_close(s->handler);
	line_free(&s->line);
	free(s->buffer);
	free(s);
}

static bool
has_lines(uint8_t type)
{
	return type != 4 && d4_type_get(type)->border == D4_BORDER_LINES;
}

struct store_stream *
store_open(struct store *store, const uint8_t uuid[D4_UUID_LEN], uint8_t type,
    const struct d4_meta *meta, const char **why)
{
	struct store_stream *s;
	int err;

	*why = "not enough memory";
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	s->store = store;
	memcpy(s->uuid, uuid, sizeof(s->uuid));
	s->type = type;
	if (meta != NULL)
		(void)strcpy(s->ext, d4_meta_type(meta));
	s->kind = d4_type_get(type)->border;
	s->fd = -1;
	s->keeps = true;
	if (has_lines(type)) {
		s->handler = handler_open(store->set.finish,
		    &store->set.items, uuid, type, meta, why);
		if (s->handler == NULL)
			goto bad;
		s->keeps = handler_keeps_stream(s->handler);
	}
	if (type != 4 && (s->border = d4_border_new(s->kind)) == NULL)
		goto bad;
	if ((s->next = store->streams) != NULL)
		s->next->prev = &s->next;
	s->prev = &store->streams;
	store->streams = s;
	store->figures.nstreams++;
	return s;
bad:
	err = errno;
	free_stream(s);
	errno = err;
	return NULL;
}

enum store_result
store_write(struct store_stream *s, const void *bytes, size_t len, time_t now,
    size_t *taken)
{
	const uint8_t *data = bytes;
	enum store_result result;

	*taken = 0;
	if (s->why != NULL)
		return STORE_BAD_DATA;
	if (s->err != 0) {
		errno = s->err;
		return STORE_FAILED;
	}
	result = hand_pending(s, now);
	if (result == STORE_OK && s->border == NULL)
		result = take_magic(s, data, len, now, taken);
	if (result == STORE_OK && s->border != NULL && *taken < len)
		result = take(s, data + *taken, len - *taken, now, taken);
	/* What waited for room must not wait for the next record. */
	if (result == STORE_OK && len == 0)
		result = flush(s, now);
	s->store->figures.nbytes += *taken;
	return result;
}

enum store_result
store_flush(struct store_stream *s, time_t now)
{
	enum store_result result = STORE_OK;

	if (s->why == NULL)
		result = hand_pending(s, now);
	return result == STORE_OK || result == STORE_BAD_DATA ?
	    flush(s, now) : result;
}

const char *
store_why(const struct store_stream *s)
{
	return s->why == NULL ? "" : s->why;
}

/* -- ends ---------------------------------------------------------------- */

/* Goes on with the end of a session.  Returns false while there is no room. */
static bool
end_stream(struct store_stream *s, time_t now)
{
	if (s->err == 0 && store_flush(s, now) == STORE_FULL)
		return false;
	(void)hand_over(s, s->err == 0 ? FINISH_WHOLE : FINISH_CUT);
	free_stream(s);
	return true;
}

void
store_close(struct store_stream *s, time_t now)
{
	if (s == NULL)
		return;
	s->closed = true;
	if (s->border == NULL && s->magic_len > 0)
		(void)learn_kind(s, now);
	if (s->err == 0 && s->border != NULL && s->keeps) {
		/* An unfinished line was sent, an unfinished packet is none. */
		if (s->kind == D4_BORDER_LINES)
			s->data = s->data || file_size(s) > 0;
		else
			(void)cut(s);
		if (!s->data)
			s->len = 0;
	}
	(void)end_stream(s, now);
}

bool
store_tick(struct store *store, time_t now)
{
	struct store_stream *s, *next;
	bool waits = false;

	for (s = store->streams; s != NULL; s = next) {
		next = s->next;
		if (s->closed) {
			waits = !end_stream(s, now) || waits;
			continue;
		}
		if (s->border == NULL || s->err != 0)
			continue;
		/* Files of silent sensors are in no hurry: new ones must not
		 * have to wait for the finisher because of them. */
		if (!finish_loaded(store->set.finish) && is_due(s, now))
			waits = rotate(s, now) == STORE_FULL || waits;
		waits = flush(s, now) == STORE_FULL || waits || s->pending;
		shrink(s);
	}
	return waits;
}

static int
sync_stream(struct store_stream *s, time_t now)
{
	enum store_result result;

	if (s->border == NULL || s->err != 0)
		return 0;
	if ((result = flush(s, now)) == STORE_FULL)
		errno = ENOSPC;
	if (result != STORE_OK)
		return -1;
	if (!s->unsynced || s->fd == -1)
		return 0;
	if (fdatasync(s->fd) == -1) {
		(void)fail(s);
		return -1;
	}
	s->unsynced = false;
	return 0;
}

int
store_sync(struct store *store, time_t now)
{
	struct store_stream *s;
	int rc = 0, err = 0;

	for (s = store->streams; s != NULL; s = s->next) {
		if (sync_stream(s, now) == -1) {
			err = errno;
			rc = -1;
		}
	}
	if (store->made_entries) {
		store->made_entries = false;
		if (fsync(finish_open_dir(store->set.finish)) == -1) {
			err = errno;
			d4_log_warn("%s/" PLACE_OPEN,
			    finish_root(store->set.finish));
			rc = -1;
		}
	}
	errno = err;
	return rc;
}

void
store_free(struct store *store)
{
	struct store_stream *s;

	if (store == NULL)
		return;
	while ((s = store->streams) != NULL) {
		if (s->len > 0 || s->pending)
			d4_log_warnx("%s: %zu bytes of a sensor found no room",
			    finish_root(store->set.finish),
			    s->len + (s->pending ? s->line.len : 0));
		(void)hand_over(s, FINISH_CUT);
		free_stream(s);
	}
	free(store);
}
