/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "d4-recv/share-own.h"
#include "d4-recv/tail-blob.h"
#include "lib/bytes.h"
#include "lib/resp.h"

#define BLOB_TAGS	1024	/* of an element of the list, and bytes of */
#define BLOB_BYTES	((uint32_t)1 << 20)	/* records */

void
words_add(struct words *w, const void *at, size_t len)
{
	const void **grown_at;
	size_t *grown_len, room;

	if (w->n == w->room && !w->failed) {
		room = w->room == 0 ? 32 : 2 * w->room;
		grown_at = realloc(w->at, room * sizeof(*w->at));
		if (grown_at != NULL)
			w->at = grown_at;
		grown_len = realloc(w->len, room * sizeof(*w->len));
		if (grown_len != NULL)
			w->len = grown_len;
		w->failed = grown_at == NULL || grown_len == NULL;
		w->room = w->failed ? w->room : room;
	}
	if (w->failed)
		return;
	w->at[w->n] = at;
	w->len[w->n++] = len;
}

void
words_text(struct words *w, const char *text)
{
	words_add(w, text, strlen(text));
}

struct cmd *
cmd_make(struct words *w, struct share_stream *s, enum kind kind)
{
	struct cmd *cmd = NULL;
	size_t i, size = D4_RESP_HEAD;
	char *at;

	for (i = 0; i < w->n; i++)
		size += D4_RESP_WORD(w->len[i]);
	if (!w->failed && (cmd = malloc(sizeof(*cmd) + size)) != NULL) {
		memset(cmd, 0, sizeof(*cmd));
		cmd->stream = s;
		cmd->kind = kind;
		at = d4_resp_count(cmd->bytes, w->n);
		for (i = 0; i < w->n; i++)
			at = d4_resp_word(at, w->at[i], w->len[i]);
		cmd->p.bytes = cmd->bytes;
		cmd->p.len = (size_t)(at - cmd->bytes);
	}
	free(w->at);
	free(w->len);
	return cmd;
}

void
words_begin(struct words *w, const struct share_stream *s, const char *script,
    struct begin *b)
{
	const struct share *sh = s->share;

	(void)snprintf(b->key, KEY, SHARE_PREFIX "tail:%s", s->name);
	(void)snprintf(b->tags, KEY, SHARE_PREFIX "tail:%s:tags", s->name);
	(void)snprintf(b->epoch, sizeof(b->epoch), "%" PRIu64, s->epoch);
	memset(w, 0, sizeof(*w));
	words_text(w, "EVAL");
	words_text(w, script);
	words_text(w, "2");
	words_text(w, b->key);
	words_text(w, b->tags);
	words_text(w, SHARE_PREFIX);
	words_text(w, sh->store);
	words_text(w, sh->token);
	words_text(w, b->epoch);
}

void
words_place(char text[PLACE], const struct tail_place *p)
{
	(void)snprintf(text, PLACE, "%" PRIu64 " %" PRIu64 " %d", p->ordinal,
	    p->whole, p->data);
}

void
words_part(struct words *w, const struct share_stream *s,
    uint8_t part[LOG_PART])
{
	memcpy(part, s->part, MATCH_TAG);
	d4_put32le(part + MATCH_TAG, s->part_taken);
	if (!s->has_part)
		words_text(w, "-");
	else
		words_add(w, part, s->part_taken > 0 ? LOG_PART : 0);
}

void
blobs_add(struct blobs *b, const uint8_t *tag, uint32_t wire)
{
	void *grown;

	if (b->failed)
		return;
	if (b->len + BLOB_HEAD + MATCH_SHORT > b->room) {
		b->room = b->room == 0 ? 256 : 2 * b->room;
		if ((grown = realloc(b->bytes, b->room)) == NULL) {
			b->failed = true;
			return;
		}
		b->bytes = grown;
	}
	if (b->n == 0 || b->in_last == BLOB_TAGS || b->wire > BLOB_BYTES) {
		if (b->n == b->nroom) {
			b->nroom = b->nroom == 0 ? 16 : 2 * b->nroom;
			grown = realloc(b->starts,
			    b->nroom * sizeof(*b->starts));
			if (grown == NULL) {
				b->failed = true;
				return;
			}
			b->starts = grown;
		}
		b->starts[b->n++] = b->len;
		b->len += BLOB_HEAD;
		b->in_last = 0;
		b->wire = 0;
	}
	b->wire += wire;
	b->in_last++;
	d4_put32le(b->bytes + b->starts[b->n - 1], b->wire);
	memcpy(b->bytes + b->len, tag, MATCH_SHORT);
	b->len += MATCH_SHORT;
}

void
words_blobs(struct words *w, const struct blobs *b)
{
	size_t i, end;

	for (i = 0; i < b->n; i++) {
		end = i + 1 < b->n ? b->starts[i + 1] : b->len;
		words_add(w, b->bytes + b->starts[i], end - b->starts[i]);
	}
	w->failed = w->failed || b->failed;
}

void
blobs_free(struct blobs *b)
{
	free(b->bytes);
	free(b->starts);
}
