/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "d4-recv/stream-cmd.h"
#include "d4-recv/tail-blob.h"
#include "lib/bytes.h"
#include "lib/resp.h"

/* Room for what stands before an entry's fields: "XADD", the key and an id. */
#define HEAD	(2 * D4_RESP_HEAD + 4 + D4_RESP_WORD(STREAM_KEY) + \
    D4_RESP_WORD(STREAM_ID))

/* And before those of one with a tail. */
#define TAIL_HEAD	(HEAD + 16 * D4_RESP_HEAD + \
    D4_RESP_WORD(CMD_SHA) + 2 * D4_RESP_WORD(CMD_TAIL) + \
    D4_RESP_WORD(D4_UUID_TEXT) + D4_RESP_WORD(BLOB_HEAD + MATCH_SHORT) + \
    D4_RESP_WORD(MATCH_TAG))

#define WORD(at, text)	d4_resp_word(at, text, sizeof(text) - 1)

struct cmd *
cmd_of(struct pipeline_cmd *p)
{
	return (struct cmd *)p;
}

/* -- memory ---------------------------------------------------------------- */

static struct cmd *
make(struct cmd_spares *spares, enum cmd_kind kind, size_t size)
{
	size_t n = (sizeof(struct cmd) + size) / CMD_STEP + 1;
	struct cmd *cmd = NULL;

	if (n < CMD_SIZES && spares->first[n] != NULL) {
		cmd = cmd_of(spares->first[n]);
		spares->first[n] = TAILQ_NEXT(&cmd->p, entry);
		spares->size -= cmd->space;
	} else if ((cmd = malloc(n * CMD_STEP)) == NULL)
		return NULL;
	memset(cmd, 0, sizeof(*cmd));
	cmd->space = n * CMD_STEP;
	cmd->kind = kind;
	cmd->p.bytes = cmd->bytes;
	return cmd;
}

void
cmd_free(struct cmd_spares *spares, struct cmd *cmd)
{
	size_t n = cmd->space / CMD_STEP;

	if (n >= CMD_SIZES || spares->size + cmd->space > CMD_SPARE) {
		free(cmd);
		return;
	}
	TAILQ_NEXT(&cmd->p, entry) = spares->first[n];
	spares->first[n] = &cmd->p;
	spares->size += cmd->space;
}

void
cmd_spares_free(struct cmd_spares *spares)
{
	struct pipeline_cmd *p;
	size_t n;

	for (n = 0; spares->size > 0 && n < CMD_SIZES; n++) {
		while ((p = spares->first[n]) != NULL) {
			spares->first[n] = TAILQ_NEXT(p, entry);
			spares->size -= cmd_of(p)->space;
			free(p);
		}
	}
}

/* -- commands -------------------------------------------------------------- */

struct cmd *
cmd_words(struct cmd_spares *spares, enum cmd_kind kind,
    const char *const words[])
{
	size_t size = D4_RESP_HEAD;
	struct cmd *cmd;
	char *at;
	size_t i, n;

	for (n = 0; words[n] != NULL; n++)
		size += D4_RESP_WORD(strlen(words[n]));
	if ((cmd = make(spares, kind, size)) == NULL)
		return NULL;
	at = d4_resp_count(cmd->bytes, n);
	for (i = 0; i < n; i++)
		at = d4_resp_word(at, words[i], strlen(words[i]));
	cmd->p.len = (size_t)(at - cmd->bytes);
	return cmd;
}

struct cmd *
cmd_entry(struct cmd_spares *spares, const struct d4_header *h,
    const char uuid[D4_UUID_HEX], const uint8_t *payload,
    const struct cmd_tail *tail)
{
	size_t head = tail != NULL ? TAIL_HEAD : HEAD;
	struct cmd *cmd;
	char *at;

	cmd = make(spares, CMD_ADD, head + D4_RESP_WORD(h->size) +
	    7 * D4_RESP_WORD(D4_UUID_HEX));
	if (cmd == NULL)
		return NULL;
	cmd->type = h->type;
	cmd->size = h->size;
	cmd->head = head;
	if ((cmd->tailed = tail != NULL))
		cmd->tail = *tail;
	at = WORD(cmd->bytes + head, "message");
	at = d4_resp_word(at, payload, h->size);
	at = WORD(at, "uuid");
	at = d4_resp_word(at, uuid, D4_UUID_HEX - 1);
	at = WORD(at, "timestamp");
	at = d4_resp_number(at, h->timestamp);
	at = WORD(at, "version");
	at = d4_resp_number(at, h->version);
	cmd->fields = (size_t)(at - cmd->bytes) - head;
	return cmd;
}

/* The id's length. */
static size_t
make_id(struct cmd *cmd, uint64_t ms, unsigned n)
{
	char *at = d4_resp_digits(cmd->id, ms);

	*at++ = '-';
	at = d4_resp_digits(at, n);
	*at = '\0';
	return (size_t)(at - cmd->id);
}

/* What stands before the fields ends where these begin. */
static void
set_head(struct cmd *cmd, const char *head, size_t len)
{
	char *at = cmd->bytes + cmd->head - len;

	memcpy(at, head, len);
	cmd->p.bytes = at;
	cmd->p.len = len + cmd->fields;
}

void
cmd_set_id(struct cmd *cmd, const char session[D4_UUID_TEXT], uint64_t ms,
    unsigned n)
{
	char head[HEAD], key[STREAM_KEY], *at;
	size_t len = make_id(cmd, ms, n);

	at = d4_resp_count(head, 11);
	at = WORD(at, "XADD");
	at = d4_resp_word(at, key, stream_key(key, cmd->type, session));
	at = d4_resp_word(at, cmd->id, len);
	set_head(cmd, head, (size_t)(at - head));
}

void
cmd_set_tailed(struct cmd *cmd, const char session[D4_UUID_TEXT], uint64_t ms,
    unsigned n, const char sha[CMD_SHA], const char tail[CMD_TAIL])
{
	const struct cmd_tail *t = &cmd->tail;
	uint8_t blob[BLOB_HEAD + MATCH_SHORT];
	char head[TAIL_HEAD], key[STREAM_KEY], *at;
	size_t len = make_id(cmd, ms, n);

	d4_put32le(blob, t->wire);
	memcpy(blob + BLOB_HEAD, t->tag, MATCH_SHORT);
	at = d4_resp_count(head, 21);
	at = WORD(at, "EVALSHA");
	at = d4_resp_word(at, sha, CMD_SHA - 1);
	at = WORD(at, "3");
	at = d4_resp_word(at, key, stream_key(key, cmd->type, session));
	/* The list's key is the hash's with more behind it. */
	at = d4_resp_word(at, tail, strlen(tail) - strlen(CMD_TAGS));
	at = d4_resp_word(at, tail, strlen(tail));
	at = d4_resp_word(at, session, D4_UUID_TEXT - 1);
	at = d4_resp_number(at, t->n);
	at = d4_resp_number(at, t->wire);
	at = d4_resp_number(at, t->trims);
	at = d4_resp_word(at, blob, t->known ? 0 : sizeof(blob));
	at = d4_resp_word(at, t->tag, t->preamble && !t->known ?
	    MATCH_TAG : 0);
	at = d4_resp_word(at, cmd->id, len);
	set_head(cmd, head, (size_t)(at - head));
}
