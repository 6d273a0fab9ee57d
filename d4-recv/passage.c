/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "d4-recv/passage.h"
#include "d4-recv/tail-blob.h"
#include "d4-recv/tail-log.h"
#include "lib/border.h"
#include "lib/type.h"

struct passage {
	struct match		 match;
	struct match_tail	 tail;
	struct tail_import	 known;
	size_t			 at;		/* of the next one */
	bool			 learns;	/* what type 4 is given as */
	struct d4_border	*border;	/* NULL: there is no preamble */
};

static void
start(void *cookie)
{
	struct passage *p = cookie;

	p->at = 0;
}

static const uint8_t *
next(void *cookie, bool *preamble)
{
	struct passage *p = cookie;
	const uint8_t *entry;

	if (p->at == p->known.nentries)
		return NULL;
	entry = p->known.entries + p->at++ * LOG_ENTRY;
	*preamble = (log_entry_flags(entry) & LOG_PREAMBLE) != 0;
	return entry;
}

static bool
is_preamble(void *cookie, const uint8_t tag[MATCH_TAG])
{
	const struct passage *p = cookie;
	size_t i;

	for (i = 0; i < p->known.npreamble; i++) {
		if (memcmp(p->known.preamble[i], tag, MATCH_TAG) == 0)
			return true;
	}
	return false;
}

struct passage *
passage_new(uint8_t type, struct tail_import *known)
{
	enum d4_border_kind kind = d4_type_get(type)->border;
	struct passage *p;

	if ((p = calloc(1, sizeof(*p))) == NULL)
		return NULL;
	p->learns = type == 4;
	if ((kind == D4_BORDER_PCAP || kind == D4_BORDER_PCAPNG) &&
	    !p->learns && (p->border = d4_border_new(kind)) == NULL) {
		free(p);
		return NULL;
	}
	p->known = *known;
	memset(known, 0, sizeof(*known));
	p->tail.cookie = p;
	p->tail.rewind = start;
	p->tail.next = next;
	p->tail.is_preamble = is_preamble;
	if (p->known.nentries > 0)
		match_begin(&p->match, &p->tail);
	else
		match_none(&p->match);
	return p;
}

void
passage_free(struct passage *p)
{
	if (p == NULL)
		return;
	blob_free(&p->known);
	d4_border_free(p->border);
	free(p);
}

const struct match *
passage_match(const struct passage *p)
{
	return &p->match;
}

/* Of what a border can't follow nothing is of the preamble. */
static void
lose_border(struct passage *p)
{
	d4_border_free(p->border);
	p->border = NULL;
}

/* Type 4 is a capture, or lines. */
static void
learn(struct passage *p, const uint8_t *data, size_t len)
{
	struct d4_border *border = d4_border_new(D4_BORDER_PCAP);
	bool whole;

	p->learns = false;
	if (border != NULL && len >= 4 &&
	    d4_border_step(border, data, 4, &whole) > 0)
		p->border = d4_border_new(D4_BORDER_PCAP);
	d4_border_free(border);
}

static bool
follow(struct passage *p, const uint8_t *data, size_t len)
{
	bool whole, only = d4_border_at(p->border);
	size_t done;
	ptrdiff_t n;

	for (done = 0; done < len; done += (size_t)n) {
		n = d4_border_step(p->border, data + done, len - done, &whole);
		if (n < 0) {
			lose_border(p);
			return false;
		}
		only = only && (!whole || d4_border_was_preamble(p->border));
	}
	return only && d4_border_at(p->border);
}

enum match_verdict
passage_judge(struct passage *p, const uint8_t tag[MATCH_TAG],
    const void *payload, size_t size, bool *preamble)
{
	enum match_verdict verdict = match_judge(&p->match, tag);

	*preamble = false;
	if (size > 0 && p->learns)
		learn(p, payload, size);
	if (size > 0 && p->border != NULL)
		*preamble = follow(p, payload, size);
	if (p->match.state == MATCH_LIVE)
		blob_free(&p->known);
	return verdict;
}
