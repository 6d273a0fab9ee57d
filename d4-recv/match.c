/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "d4-recv/match.h"

void
match_begin(struct match *m, const struct match_tail *tail)
{
	memset(m, 0, sizeof(*m));
	m->tail = tail;
	m->state = MATCH_SEEK;
}

void
match_none(struct match *m)
{
	memset(m, 0, sizeof(*m));
	m->state = MATCH_LIVE;
	m->end = MATCH_COMPLETE;
}

/* Of what another store has only the first bytes are known. */
static bool
is_same(const uint8_t entry[MATCH_TAG], const uint8_t tag[MATCH_TAG])
{
	static const uint8_t unknown[MATCH_TAG - MATCH_SHORT];

	return memcmp(entry, tag, MATCH_SHORT) == 0 &&
	    (memcmp(entry + MATCH_SHORT, unknown, sizeof(unknown)) == 0 ||
	    memcmp(entry, tag, MATCH_TAG) == 0);
}

static enum match_verdict
go_live(struct match *m, enum match_end end)
{
	m->state = MATCH_LIVE;
	m->end = end;
	return MATCH_NEW;
}

static enum match_verdict
drop(struct match *m, bool preamble)
{
	m->nstored++;
	return preamble ? MATCH_PREAMBLE : MATCH_STORED;
}

/* Where a resent overlap begins its client saw to it that this record has no
 * equal before it, so the first one is it. */
static enum match_verdict
seek(struct match *m, const uint8_t tag[MATCH_TAG])
{
	const uint8_t *entry;
	bool preamble, data = false;

	if (m->tail->is_preamble(m->tail->cookie, tag))
		return drop(m, true);
	m->tail->rewind(m->tail->cookie);
	while ((entry = m->tail->next(m->tail->cookie, &preamble)) != NULL) {
		if (!preamble && is_same(entry, tag)) {
			m->state = MATCH_FOLLOW;
			m->aligned = true;
			return drop(m, false);
		}
		data = data || !preamble;
	}
	return go_live(m, data ? MATCH_GAP : MATCH_COMPLETE);
}

enum match_verdict
match_judge(struct match *m, const uint8_t tag[MATCH_TAG])
{
	const uint8_t *entry;
	bool preamble;

	if (m->state == MATCH_LIVE)
		return MATCH_NEW;
	if (m->state == MATCH_SEEK)
		return seek(m, tag);
	entry = m->tail->next(m->tail->cookie, &preamble);
	if (entry == NULL)
		return go_live(m, MATCH_COMPLETE);
	if (!is_same(entry, tag))
		return go_live(m, MATCH_DIVERGED);
	return drop(m, preamble);
}
