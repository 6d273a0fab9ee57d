/* SPDX-License-Identifier: ISC */
#include <errno.h>

#include "d4-recv/complete.h"
#include "d4-recv/store-own.h"

/* The tail says the same as the file. */
static enum store_result
settle(struct store_stream *s)
{
	if (s->tail == NULL || s->err != 0)
		return STORE_OK;
	if (tail_settle(s->tail, s->keeps ? s->written :
	    s->clean ? s->taken : s->whole) == 0)
		return STORE_OK;
	return complete_waits(errno) ? STORE_FULL : store_fail(s);
}

/* What has no file to go with. */
static enum store_result
tell_rest(struct store_stream *s)
{
	if (s->share == NULL || s->tail == NULL || s->err != 0 ||
	    (s->fd != -1 && s->data))
		return STORE_OK;
	if (s->store->set.sync != STORE_SYNC_NEVER)
		return sync_mark_new(s);
	sync_tell_all(s);
	return STORE_OK;
}

/* Another has it.  What was not told of does not count. */
static void
end_gone(struct store_stream *s)
{
	if (s->fd != -1)
		file_leave(s);
	s->store->left_some = true;
	store_free_stream(s);
}

bool
store_end_stream(struct store_stream *s, time_t now)
{
	if (store_is_gone(s)) {
		end_gone(s);
		return true;
	}
	if (s->err == 0 && (store_flush(s, now) == STORE_FULL ||
	    settle(s) == STORE_FULL || tell_rest(s) == STORE_FULL))
		return false;
	if (s->err == 0 && sync_hand_over(s, FINISH_WHOLE) == STORE_FULL)
		return false;
	if (s->fd != -1 && s->tail != NULL)
		file_leave(s);
	(void)sync_hand_over(s, FINISH_CUT);
	store_free_stream(s);
	return true;
}

/* Forgets the beginning of a unit that did not come whole; of a session that
 * was cut off what comes again, too. */
static void
forget_rest(struct store_stream *s)
{
	if (s->tail != NULL && !s->clean)
		s->whole = s->last.whole;
	else if (s->kind == D4_BORDER_LINES)
		/* An unfinished line was sent. */
		s->whole = file_size(s);
	if (s->whole > 0 && s->kind == D4_BORDER_LINES)
		s->data = true;
	(void)file_cut(s);
	if (!s->data || (s->tail != NULL && !s->clean && !s->last.data))
		s->data = false;
	if (!s->data)
		s->len = 0;
}

/* No more data comes. */
static void
complete(struct store_stream *s, bool clean, time_t now)
{
	s->clean = clean;
	if (s->border == NULL && s->magic_len > 0)
		(void)unit_learn_kind(s, now);
	if (s->err == 0 && s->border != NULL && s->keeps)
		forget_rest(s);
}

enum store_result
store_end(struct store_stream *s, time_t now)
{
	enum store_result result;

	if (s->tail == NULL)
		return store_flush(s, now);
	if (!s->clean)
		complete(s, true, now);
	if ((result = store_flush(s, now)) != STORE_OK ||
	    (result = settle(s)) != STORE_OK)
		return result;
	return s->store->set.sync == STORE_SYNC_ALWAYS ? sync_mark_new(s) :
	    STORE_OK;
}

void
store_close(struct store_stream *s, bool clean, time_t now)
{
	if (s == NULL)
		return;
	s->closed = true;
	if (s->tail != NULL && !s->matched)
		s->store->figures.nstored += s->match.nstored;
	if (!s->clean)
		complete(s, clean, now);
	(void)store_end_stream(s, now);
}
