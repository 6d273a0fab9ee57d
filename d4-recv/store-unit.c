/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "d4-recv/store-own.h"

enum store_result
unit_refuse(struct store_stream *s, const char *why)
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
			return store_fail(s);
		s->pending = true;
		return STORE_FULL;
	case HANDLER_BAD_DATA:
		return unit_refuse(s, handler_why(s->handler));
	default:
		return store_fail(s);
	}
}

enum store_result
unit_hand_pending(struct store_stream *s, time_t now)
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
			return unit_refuse(s, "a line is too long");
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
		s->data = s->of_data = true;
	else if (s->kind == D4_BORDER_PCAP && before > 0)
		return file_begin_anew(s, before);
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
		return unit_refuse(s, d4_border_fault(s->border));
	*taken += (size_t)n;
	s->taken += (size_t)n;
	s->at_start = false;
	if (s->keeps && file_append(s, data, (size_t)n) == -1)
		return store_fail(s);
	if (s->keeps && whole &&
	    (result = end_unit(s, before)) != STORE_OK)
		return result;
	if (!s->keeps && whole)
		s->whole = s->taken;
	if (s->handler == NULL)
		return STORE_OK;
	if (line_take(&s->line, (const char *)data, (size_t)n, whole, &text,
	    &len) == -1)
		return store_fail(s);
	return text == NULL ? STORE_OK : hand_line(s, text, len, now);
}

enum store_result
unit_take(struct store_stream *s, const uint8_t *data, size_t len, time_t now,
    size_t *taken)
{
	enum store_result result = STORE_OK;
	size_t done = 0, n;

	while (done < len && result == STORE_OK) {
		if (file_is_due(s, now) &&
		    (result = file_rotate(s, now)) != STORE_OK)
			break;
		if (s->len >= BUFFER_MAX &&
		    (result = file_write(s, now)) != STORE_OK)
			break;
		n = len - done;
		if (s->keeps && n > BUFFER_MAX - s->len)
			n = BUFFER_MAX - s->len;
		result = take_step(s, data + done, n, now, &done);
	}
	*taken += done;
	return result;
}

bool
unit_is_pcap(const uint8_t magic[MAGIC_LEN])
{
	struct d4_border *border;
	ptrdiff_t n = -1;
	bool whole;

	if ((border = d4_border_new(D4_BORDER_PCAP)) != NULL)
		n = d4_border_step(border, magic, MAGIC_LEN, &whole);
	d4_border_free(border);
	return n > 0;
}

enum store_result
unit_learn_kind(struct store_stream *s, time_t now)
{
	size_t taken = 0;

	s->kind = s->magic_len == MAGIC_LEN && unit_is_pcap(s->magic) ?
	    D4_BORDER_PCAP : D4_BORDER_LINES;
	if ((s->border = d4_border_new(s->kind)) == NULL)
		return store_fail(s);
	return unit_take(s, s->magic, s->magic_len, now, &taken);
}

enum store_result
unit_take_magic(struct store_stream *s, const uint8_t *data, size_t len,
    time_t now, size_t *taken)
{
	size_t n = MAGIC_LEN - s->magic_len;

	if (n > len)
		n = len;
	if (n > 0)
		memcpy(s->magic + s->magic_len, data, n);
	s->magic_len += n;
	*taken = n;
	return s->magic_len < MAGIC_LEN ? STORE_OK : unit_learn_kind(s, now);
}
