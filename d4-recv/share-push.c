/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "d4-recv/share-own.h"
#include "d4-recv/tail-blob.h"
#include "lib/digest.h"

#define KEPT		65536	/* records that wait to be pushed */
#define PREAMBLE_MAX	4096	/* tags, then only those in force */

int
share_add(struct share_stream *s, const uint8_t tag[MATCH_TAG], uint32_t wire,
    uint8_t flags, uint64_t file, uint64_t end)
{
	size_t room = s->room == 0 ? 64 : 2 * s->room;
	struct record *r;

	if (s->n == s->room) {
		if ((r = realloc(s->records, room * sizeof(*r))) == NULL)
			return -1;
		s->records = r;
		s->room = room;
	}
	r = &s->records[s->n++];
	memcpy(r->tag, tag, MATCH_TAG);
	r->wire = wire;
	r->preamble = (flags & LOG_PREAMBLE) != 0;
	r->file = file;
	r->end = end;
	return 0;
}

/* How much of the first record that does not count stands before the place. */
static void
set_part(struct share_stream *s, uint64_t file, uint64_t whole)
{
	const struct record *r = &s->records[s->nready];
	int64_t start;

	if (s->n == 0)
		return;
	s->has_part = true;
	s->part_taken = 0;
	if (s->nready == s->n || r->file != file)
		return;
	start = (int64_t)r->end - (int64_t)r->wire + D4_HEADER_LEN;
	if (start >= (int64_t)whole)
		return;
	memcpy(s->part, r->tag, MATCH_TAG);
	s->part_taken = (uint32_t)((int64_t)whole - start);
}

static void
forget_ready(struct share_stream *s)
{
	s->n -= s->nready;
	if (s->n > 0)
		memmove(s->records, s->records + s->nready,
		    s->n * sizeof(*s->records));
	s->nready = 0;
	if (s->n > 0)
		return;
	free(s->records);
	s->records = NULL;
	s->room = 0;
}

uint64_t
share_push(struct share_stream *s, uint64_t file, uint64_t limit,
    const struct tail_place *ours)
{
	const struct record *r;

	for (; s->nready < s->n; s->nready++) {
		r = &s->records[s->nready];
		if (r->file > file ||
		    (r->file == file && r->end > limit))
			break;
	}
	set_part(s, file, limit);
	s->place = *ours;
	s->has_place = true;
	if (s->nready > KEPT) {
		forget_ready(s);
		s->lacks_all = true;
	}
	share_touch(s);
	return ++s->ticket;
}

void
share_send_push(struct share_stream *s)
{
	struct blobs blobs = { .bytes = NULL };
	char n[48], at[PLACE];
	struct begin b;
	uint8_t part[LOG_PART], *preamble = NULL;
	size_t i, len = 0;
	struct words w;
	struct cmd *cmd;

	for (i = 0; i < s->nready; i++) {
		blobs_add(&blobs, s->records[i].tag, s->records[i].wire);
		len += s->records[i].preamble ? MATCH_TAG : 0;
	}
	preamble = malloc(len + 1);
	for (i = 0, len = 0; preamble != NULL && i < s->nready; i++) {
		if (!s->records[i].preamble)
			continue;
		memcpy(preamble + len, s->records[i].tag, MATCH_TAG);
		len += MATCH_TAG;
	}
	words_place(at, &s->place);
	(void)snprintf(n, sizeof(n), "%" PRIu64 ".%" PRIu64, s->epoch,
	    ++s->npushes);
	words_begin(&w, s, share_push_script, &b);
	words_text(&w, n);
	words_text(&w, at);
	words_part(&w, s, part);
	words_add(&w, preamble != NULL ? preamble : part, len);
	words_blobs(&w, &blobs);
	w.failed = w.failed || preamble == NULL;
	cmd = cmd_make(&w, s, PUSH);
	blobs_free(&blobs);
	free(preamble);
	if (cmd == NULL)
		return;
	cmd->ticket = s->sent = s->ticket;
	s->npreamble += len / MATCH_TAG;
	s->check = false;
	s->lacks_all = s->lacks_all || s->npreamble > PREAMBLE_MAX;
	forget_ready(s);
	share_put(s, cmd);
}

/* What share_upload() gathers. */
struct upload {
	struct blobs	 blobs;
	uint8_t		*preamble;
	size_t		 len;
};

static int
on_tail(void *cookie, const uint8_t tag[MATCH_TAG], uint32_t wire)
{
	struct upload *up = cookie;
	uint8_t *grown;

	if (wire > 0) {
		blobs_add(&up->blobs, tag, wire);
		return up->blobs.failed ? -1 : 0;
	}
	if (up->len == (size_t)PREAMBLE_MAX * MATCH_TAG)
		return 0;
	if ((grown = realloc(up->preamble, up->len + MATCH_TAG)) == NULL)
		return -1;
	up->preamble = grown;
	memcpy(grown + up->len, tag, MATCH_TAG);
	up->len += MATCH_TAG;
	return 0;
}

int
share_upload(struct share_stream *s, struct tail *tail)
{
	struct upload up = { .preamble = NULL };
	size_t unready = s->n - s->nready - tail_npending(tail);
	char n[48], at[PLACE];
	struct begin b;
	uint8_t part[LOG_PART];
	struct words w;
	struct cmd *cmd = NULL;
	uint64_t all = tail_count(tail);

	if (!s->has_place)
		s->place = tail_place(tail);
	if (!s->has_part && tail_next_part(tail, s->part, &s->part_taken))
		s->has_part = true;
	if (tail_each(tail, all - unready, on_tail, &up) == 0) {
		words_place(at, &s->place);
		(void)snprintf(n, sizeof(n), "%" PRIu64 ".%" PRIu64, s->epoch,
		    ++s->npushes);
		words_begin(&w, s, share_upload_script, &b);
		words_text(&w, n);
		words_text(&w, at);
		s->has_part = true;
		words_part(&w, s, part);
		words_add(&w, up.len > 0 ? up.preamble : part, up.len);
		words_text(&w, s->other);
		words_text(&w, s->left);
		words_blobs(&w, &up.blobs);
		cmd = cmd_make(&w, s, UPLOAD);
	}
	s->npreamble = up.len / MATCH_TAG;
	blobs_free(&up.blobs);
	free(up.preamble);
	if (cmd == NULL)
		return -1;
	free(s->next);
	s->next = cmd;
	cmd->ticket = s->sent = s->ticket;
	forget_ready(s);
	s->lacks_all = false;
	share_touch(s);
	return 0;
}

void
share_confirm(struct share_stream *s, const struct tail_place *ours,
    const uint8_t first[MATCH_TAG])
{
	char at[PLACE];
	struct begin b;
	struct words w;
	size_t len;

	words_place(at, ours);
	words_place(s->left, &s->other_place);
	if (first != NULL) {
		len = strlen(s->left);
		s->left[len++] = ' ';
		d4_digest_hex(s->left + len, first, MATCH_TAG);
	}
	s->place = *ours;
	s->has_place = true;
	s->npreamble = s->import.npreamble;
	blob_free(&s->import);
	words_begin(&w, s, share_confirm_script, &b);
	words_text(&w, at);
	words_text(&w, s->other);
	words_text(&w, s->left);
	free(s->next);
	/* Without memory for it all will be told later. */
	if ((s->next = cmd_make(&w, s, CONFIRM)) == NULL)
		s->lacks_all = true;
	share_touch(s);
}

void
share_send_release(struct share_stream *s)
{
	struct begin b;
	struct words w;
	struct cmd *cmd;

	words_begin(&w, s, share_release_script, &b);
	if ((cmd = cmd_make(&w, s, RELEASE)) != NULL)
		share_put(s, cmd);
}
