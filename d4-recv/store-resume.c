/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <string.h>

#include "d4-recv/store-own.h"
#include "d4-recv/tail-log.h"

/* What is dropped for being stored may be what later units need. */
static enum store_result
feed(struct store_stream *s, const uint8_t *data, size_t len)
{
	size_t done = 0;
	ptrdiff_t n;
	bool whole;

	if (s->border == NULL) {
		s->kind = len >= MAGIC_LEN && unit_is_pcap(data) ?
		    D4_BORDER_PCAP : D4_BORDER_LINES;
		if ((s->border = d4_border_new(s->kind)) == NULL)
			return store_fail(s);
	}
	for (s->fed = true; done < len; done += (size_t)n) {
		n = d4_border_step(s->border, data + done, len - done, &whole);
		if (n < 0)
			return unit_refuse(s, d4_border_fault(s->border));
	}
	return STORE_OK;
}

/* The other store is told that the stream goes on here with this record, before
 * anything is stored. */
static enum store_result
confirm(struct store_stream *s, const uint8_t hmac[D4_HMAC_LEN])
{
	struct tail_place ours = tail_place(s->tail);

	if (!s->imported || share_state(s->share) == SHARE_SETTLED)
		return STORE_OK;
	if (!s->confirming) {
		/* What we have taken over is on the disk then. */
		if (s->sync != NULL && s->sync->refs > 1)
			return STORE_FULL;
		ours.data = true;
		share_confirm(s->share, &ours, s->stored > 0 ||
		    (s->match.aligned && s->match.end != MATCH_DIVERGED) ?
		    NULL : hmac);
		s->confirming = true;
	} else if (share_lacks_all(s->share)) {
		(void)share_upload(s->share, s->tail);
	}
	return STORE_FULL;
}

/* The match has ended: from here on all is new, but for what is stored of the
 * first record. */
static enum store_result
go_on(struct store_stream *s, const uint8_t hmac[D4_HMAC_LEN], size_t size,
    size_t *stored)
{
	enum store_result result;
	uint32_t part;

	if (s->matched)
		return STORE_OK;
	if (!s->goes_on && (part = tail_part(s->tail, hmac)) > 0 &&
	    part < size) {
		s->stored = part;
		s->match.end = MATCH_COMPLETE;
	}
	s->goes_on = true;
	tail_match_done(s->tail);
	if ((result = confirm(s, hmac)) != STORE_OK)
		return result;
	s->goes_on = false;
	s->matched = true;
	*stored = s->stored;
	s->store->figures.nstored += s->match.nstored;
	s->store->figures.ngaps += s->match.end == MATCH_GAP ||
	    s->match.end == MATCH_DIVERGED;
	return s->fed && s->keeps ? file_begin(s) : STORE_OK;
}

static void
begin_record(struct store_stream *s)
{
	s->in_record = s->at_start = true;
	s->of_data = false;
	s->began_whole = s->border == NULL ? s->magic_len == 0 :
	    d4_border_at(s->border);
}

static int
add_record(struct store_stream *s, const uint8_t hmac[D4_HMAC_LEN],
    uint32_t size, uint8_t flags)
{
	if (tail_add(s->tail, hmac, size + D4_HEADER_LEN, flags,
	    &s->last) == -1)
		return -1;
	return s->share == NULL ? 0 : share_add(s->share, hmac,
	    size + D4_HEADER_LEN, flags, s->nth, s->last.end);
}

static enum store_result
end_record(struct store_stream *s, const uint8_t hmac[D4_HMAC_LEN],
    uint32_t size)
{
	uint8_t flags = 0;
	size_t len;

	s->in_record = false;
	s->last.end = s->keeps ? file_size(s) : s->taken;
	s->last.whole = s->whole;
	s->last.data = s->data;
	if (size > 0 && !s->of_data && s->began_whole && s->border != NULL &&
	    d4_border_at(s->border) && d4_border_was_preamble(s->border)) {
		(void)d4_border_preamble(s->border, &len);
		flags = len <= size ? LOG_PREAMBLE | LOG_ANEW : LOG_PREAMBLE;
	}
	if (add_record(s, hmac, size, flags) == -1)
		return store_fail(s);
	return tail_npending(s->tail) < TAIL_PENDING ? STORE_OK :
	    file_commit_if_due(s);
}

/* What of it was good is kept; it must not come again, for ever. */
static void
end_bad_record(struct store_stream *s, const uint8_t hmac[D4_HMAC_LEN],
    uint32_t size)
{
	s->last.end = s->last.whole = s->whole;
	s->last.data = s->data;
	(void)add_record(s, hmac, size, 0);
}

/* What another store has may lack what a reader needs first since: with its
 * tail a record is sought that is not of the preamble, for only such a one
 * can't have been before. */
static bool
is_lacking(const struct store_stream *s, const uint8_t hmac[D4_HMAC_LEN],
    const void *payload, size_t size)
{
	const struct match_tail *tail = s->match.tail;

	return s->imported && !s->matched && !s->goes_on &&
	    s->match.state != MATCH_FOLLOW &&
	    store_is_preamble(s, payload, size) && (tail == NULL ||
	    !tail->is_preamble(tail->cookie, hmac));
}

static enum store_result
take_lacking(struct store_stream *s, const uint8_t hmac[D4_HMAC_LEN],
    const void *payload, size_t size)
{
	if (add_record(s, hmac, (uint32_t)size, LOG_PREAMBLE) == -1)
		return store_fail(s);
	return feed(s, payload, size);
}

enum store_result
store_judge(struct store_stream *s, const uint8_t hmac[D4_HMAC_LEN],
    const void *payload, size_t size, enum match_verdict *verdict,
    size_t *stored)
{
	enum store_result result;

	*verdict = MATCH_NEW;
	*stored = 0;
	if ((result = store_standing(s)) != STORE_OK)
		return result;
	if (s->tail == NULL && (result = store_take_tail(s)) != STORE_OK)
		return result;
	if (is_lacking(s, hmac, payload, size)) {
		*verdict = MATCH_PREAMBLE;
		return take_lacking(s, hmac, payload, size);
	}
	if (!s->goes_on)
		*verdict = match_judge(&s->match, hmac);
	if (tail_match_failed(s->tail)) {
		errno = ENOMEM;
		return store_fail(s);
	}
	if (*verdict == MATCH_PREAMBLE)
		return feed(s, payload, size);
	if (*verdict == MATCH_STORED)
		return STORE_OK;
	if ((result = go_on(s, hmac, size, stored)) == STORE_OK)
		begin_record(s);
	return result;
}

enum store_result
store_record(struct store_stream *s, const uint8_t hmac[D4_HMAC_LEN],
    uint32_t size, const void *payload, size_t len, time_t now, size_t *taken)
{
	enum store_result result = STORE_OK, end;

	*taken = 0;
	if (len > 0)
		result = store_write(s, payload, len, now, taken);
	if (result == STORE_BAD_DATA)
		end_bad_record(s, hmac, size);
	if (*taken < len || result == STORE_BAD_DATA ||
	    result == STORE_FAILED)
		return result;
	end = end_record(s, hmac, size);
	return result == STORE_OK ? end : result;
}

bool
store_is_preamble(const struct store_stream *s, const void *bytes, size_t len)
{
	const uint8_t *data = bytes, *preamble = NULL;
	struct d4_border *border;
	enum d4_border_kind kind = s->kind;
	size_t done = 0, had = 0, units = 0;
	ptrdiff_t n = 0;
	bool whole = false, is = true;

	if (s->border != NULL)
		preamble = d4_border_preamble(s->border, &had);
	else
		kind = len >= MAGIC_LEN && unit_is_pcap(data) ? D4_BORDER_PCAP :
		    D4_BORDER_LINES;
	if (len == 0 || (s->border != NULL && !d4_border_at(s->border)) ||
	    (border = d4_border_new(kind)) == NULL)
		return false;
	while (done < had && n >= 0) {
		n = d4_border_step(border, preamble + done, had - done,
		    &whole);
		done += n > 0 ? (size_t)n : 0;
	}
	for (done = 0; is && done < len && n >= 0; done += (size_t)n) {
		n = d4_border_step(border, data + done, len - done, &whole);
		units += n > 0 && whole;
		is = n > 0 && (!whole || d4_border_was_preamble(border));
	}
	d4_border_free(border);
	return is && whole && units > 0;
}
