/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <string.h>

#include "d4-recv/complete.h"
#include "d4-recv/settle.h"
#include "d4-recv/store-own.h"

/* The tail and its file agree, or a new one is it.  0, 1: later, -1. */
static int
settle_ours(struct store_stream *s, bool waits)
{
	struct store *store = s->store;
	int rc;

	if ((rc = settle_tail(store->set.finish, s->coming, waits)) != 2)
		return rc;
	tail_drop(s->coming, "it says something else than its file");
	s->coming = NULL;
	return tail_open(store->tails, s->uuid, s->type, s->hello, &s->coming);
}

/* There will be another try, or none. */
static enum store_result
give_back(struct store_stream *s, int rc)
{
	int err = errno;

	tail_close(s->coming);
	s->coming = NULL;
	errno = err;
	return rc == 1 || complete_waits(errno) ? STORE_FULL : store_fail(s);
}

/* Ours holds: the others are told, then what is left of it is finished. */
static enum store_result
tell_others(struct store_stream *s)
{
	int rc;

	if (!s->uploaded || share_lacks_all(s->share)) {
		if ((rc = settle_ours(s, true)) != 0)
			return give_back(s, rc);
		if (share_upload(s->share, s->coming) == -1)
			return give_back(s, -1);
		s->uploaded = true;
	}
	return STORE_FULL;
}

/* Another store had the stream: its tail is ours. */
static enum store_result
take_over(struct store_stream *s)
{
	struct place of = { .type = s->type };
	int rc;

	memcpy(of.uuid, s->uuid, sizeof(of.uuid));
	tail_name(s->coming, &of);
	rc = settle_elsewhere(s->store->set.finish, s->coming, &of,
	    share_note(s->share));
	if (rc == 0)
		rc = tail_import(s->coming, share_import(s->share));
	s->store->left_some = true;
	if (rc != 0)
		return rc == 1 || complete_waits(errno) ? STORE_FULL :
		    store_fail(s);
	s->imported = true;
	return STORE_OK;
}

static enum store_result
ask_others(struct store_stream *s)
{
	struct place of;

	if (s->share == NULL) {
		tail_name(s->coming, &of);
		s->share = share_take(s->store->share, s->uuid, s->type,
		    of.tail);
		if (s->share == NULL)
			return STORE_FULL;
	}
	switch (share_state(s->share)) {
	case SHARE_OWN:
		return tell_others(s);
	case SHARE_SETTLED:
		settle_hand(s->store->set.finish, s->coming);
		return STORE_OK;
	case SHARE_OTHERS:
		return take_over(s);
	case SHARE_GONE:
		share_drop(s->share);
		s->share = NULL;
		s->uploaded = false;
		return STORE_FULL;
	default:
		return STORE_FULL;
	}
}

enum store_result
store_take_tail(struct store_stream *s)
{
	const struct match_tail *tail;
	enum store_result result = STORE_OK;
	int rc = 0;

	if (s->coming == NULL)
		rc = tail_open(s->store->tails, s->uuid, s->type, s->hello,
		    &s->coming);
	if (rc == 0 && s->store->share != NULL)
		result = ask_others(s);
	else if (rc == 0)
		rc = settle_ours(s, false);
	if (rc != 0)
		return give_back(s, rc);
	if (result != STORE_OK)
		return result;
	s->tail = s->coming;
	s->coming = NULL;
	if (s->imported && s->store->set.sync != STORE_SYNC_NEVER &&
	    (result = sync_mark(s, false)) != STORE_OK)
		return result;
	match_none(&s->match);
	if (tail_count(s->tail) == 0)
		return STORE_OK;
	if ((tail = tail_match(s->tail)) == NULL)
		return store_fail(s);
	match_begin(&s->match, tail);
	s->store->figures.nresumed++;
	return STORE_OK;
}
