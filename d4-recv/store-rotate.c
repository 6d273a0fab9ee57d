/* SPDX-License-Identifier: ISC */
#include "d4-recv/store-own.h"

#define HURRY_S		5	/* age of files, once half of those that may
				 * be open are */

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

bool
file_is_due(const struct store_stream *s, time_t now)
{
	const struct store_settings *set = &s->store->set;
	unsigned seconds;

	if (s->renew)
		return true;
	/* A file with a tail ends with a record. */
	if (s->in_record && !s->at_start)
		return false;
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

enum store_result
file_begin(struct store_stream *s)
{
	const uint8_t *preamble;
	size_t len;

	preamble = d4_border_preamble(s->border, &len);
	if (file_append(s, preamble, len) == -1)
		return store_fail(s);
	s->whole = s->start = len;
	s->last.end = s->last.whole = len;
	s->last.data = false;
	return STORE_OK;
}

enum store_result
file_rotate(struct store_stream *s, time_t now)
{
	enum store_result result;

	if ((result = file_flush(s, now)) != STORE_OK ||
	    (result = sync_hand_over(s, FINISH_WHOLE)) != STORE_OK)
		return result;
	s->written = s->committed = 0;
	s->len = 0;
	s->nth++;
	s->data = s->renew = false;
	return file_begin(s);
}

enum store_result
file_begin_anew(struct store_stream *s, uint64_t before)
{
	s->whole = before;
	s->renew = true;
	return file_cut(s);
}
