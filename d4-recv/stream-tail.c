/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "d4-recv/stream-keys.h"
#include "d4-recv/stream-own.h"
#include "d4-recv/tail-blob.h"
#include "lib/digest.h"

void
stream_resume(struct stream_session *s, const uint8_t hello[D4_HMAC_LEN])
{
	/* Without memory it is one that can't be gone on with. */
	if ((s->hello = malloc(2 * D4_HMAC_LEN + 1)) != NULL)
		d4_digest_hex(s->hello, hello, D4_HMAC_LEN);
}

void
stream_load(struct stream *st)
{
	if (!st->loading)
		st->loading = ASK(st, CMD_LOAD, NULL, "SCRIPT", "LOAD",
		    stream_add_script);
}

/* Behind that script. */
static void
take_tail(struct stream_session *s, uint8_t type)
{
	char key[CMD_TAIL], name[CMD_TAIL], of[CMD_TAIL];

	s->taking = true;
	(void)snprintf(of, sizeof(of), "%s:%u", s->uuid, type);
	(void)snprintf(name, sizeof(name), "%s:%u:%.16s", s->uuid, type,
	    s->hello);
	(void)snprintf(key, sizeof(key), PREFIX "entries:%s:%u:%.16s", s->uuid,
	    type, s->hello);
	(void)snprintf(s->tail, sizeof(s->tail), PREFIX "entries:%s:%u:%.16s"
	    CMD_TAGS, s->uuid, type, s->hello);
	if (*s->stream->sha == '\0')
		stream_load(s->stream);
	ASK(s->stream, CMD_TAKE, s, "EVAL", stream_take_script, "2", key,
	    s->tail, PREFIX, s->text, name, of);
}

bool
stream_awaits_tail(const struct stream_session *s)
{
	return s->taking && s->end != STREAM_TAKEN &&
	    (s->passage == NULL || *s->stream->sha == '\0');
}

int
stream_judge(struct stream_session *s, const struct d4_header *h,
    const uint8_t *payload, enum match_verdict *verdict)
{
	bool over = s->end == STREAM_TAKEN || s->end == STREAM_LOST;
	bool preamble;

	/* To a stream that another session has, or that begins anew, nothing
	 * may be added. */
	*verdict = over ? MATCH_STORED : MATCH_NEW;
	if (s->hello == NULL || over)
		return 1;
	if (!s->taking)
		take_tail(s, h->type);
	if (stream_awaits_tail(s))
		return 0;
	*verdict = passage_judge(s->passage, h->hmac, payload, h->size,
	    &preamble);
	if (*verdict == MATCH_STORED)
		return 1;
	s->judged = true;
	s->next.n++;
	memcpy(s->next.tag, h->hmac, MATCH_TAG);
	s->next.wire = h->size + D4_HEADER_LEN;
	s->next.known = *verdict == MATCH_PREAMBLE;
	s->next.preamble = preamble;
	return 1;
}

const struct match *
stream_match(const struct stream_session *s)
{
	return s->passage == NULL ? NULL : passage_match(s->passage);
}

void
stream_take_tail(struct stream_session *s, uint8_t type,
    const struct d4_redis_reply *reply)
{
	struct tail_import known = { .preamble = NULL };
	struct d4_redis_reply one;
	size_t i;
	int rc;

	d4_redis_element(reply, 0, &one);
	rc = blob_take_preamble(&known, one.text, one.len);
	for (i = 1; rc == 0 && i < reply->n; i++) {
		d4_redis_element(reply, i, &one);
		rc = blob_take(&known, one.text, one.len);
	}
	if (rc == 0)
		s->passage = passage_new(type, &known);
	blob_free(&known);
	s->stream->eased = true;
}
