/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "d4-recv/stream-cmd.h"
#include "lib/resp.h"

/* Room for what stands before an entry's fields: "XADD", the key and an id. */
#define HEAD	(2 * D4_RESP_HEAD + 4 + D4_RESP_WORD(STREAM_KEY) + \
    D4_RESP_WORD(STREAM_ID))

/* And for what stands before the payloads of a batch. */
#define BATCH_HEAD(n)	(13 * D4_RESP_HEAD + 16 + D4_RESP_WORD(CMD_SHA) + \
    D4_RESP_WORD(STREAM_KEY) + 2 * D4_RESP_WORD(CMD_TAIL) + \
    D4_RESP_WORD(D4_UUID_TEXT) + D4_RESP_WORD((n) * MATCH_SHORT) + \
    D4_RESP_WORD(MATCH_TAG) + D4_RESP_WORD(D4_UUID_HEX) + \
    6 * D4_RESP_WORD(D4_RESP_DIGITS))

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

/* All that is not the same in a whole batch. */
static struct cmd *
make_piece(struct cmd_spares *spares, const struct d4_header *h,
    const uint8_t *payload, const struct cmd_tail *tail)
{
	struct cmd *cmd = make(spares, CMD_ADD, D4_RESP_WORD(h->size));

	if (cmd == NULL)
		return NULL;
	cmd->tailed = true;
	cmd->tail = *tail;
	cmd->timestamp = h->timestamp;
	cmd->version = h->version;
	cmd->p.len = (size_t)(d4_resp_word(cmd->bytes, payload, h->size) -
	    cmd->bytes);
	return cmd;
}

static struct cmd *
make_entry(struct cmd_spares *spares, const struct d4_header *h,
    const char uuid[D4_UUID_HEX], const uint8_t *payload)
{
	struct cmd *cmd = make(spares, CMD_ADD, HEAD + D4_RESP_WORD(h->size) +
	    7 * D4_RESP_WORD(D4_UUID_HEX));
	char *at;

	if (cmd == NULL)
		return NULL;
	cmd->head = HEAD;
	at = WORD(cmd->bytes + HEAD, "message");
	at = d4_resp_word(at, payload, h->size);
	at = WORD(at, "uuid");
	at = d4_resp_word(at, uuid, D4_UUID_HEX - 1);
	at = WORD(at, "timestamp");
	at = d4_resp_number(at, h->timestamp);
	at = WORD(at, "version");
	at = d4_resp_number(at, h->version);
	cmd->fields = (size_t)(at - cmd->bytes) - HEAD;
	return cmd;
}

struct cmd *
cmd_entry(struct cmd_spares *spares, const struct d4_header *h,
    const char uuid[D4_UUID_HEX], const uint8_t *payload,
    const struct cmd_tail *tail)
{
	struct cmd *cmd = tail != NULL ?
	    make_piece(spares, h, payload, tail) :
	    make_entry(spares, h, uuid, payload);

	if (cmd == NULL)
		return NULL;
	cmd->type = h->type;
	cmd->size = h->size;
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
	/* It ends where the fields begin. */
	len = (size_t)(at - head);
	cmd->p.bytes = memcpy(cmd->bytes + cmd->head - len, head, len);
	cmd->p.len = len + cmd->fields;
}

size_t
cmd_tail_len(const char *list)
{
	return strlen(list) - strlen(CMD_TAGS);
}

/* -- batches --------------------------------------------------------------- */

/* What is of the preamble, or known and sent again, comes alone. */
bool
cmd_joins(const struct cmd *first, const struct cmd *cmd)
{
	return cmd->tailed && cmd->type == first->type &&
	    cmd->timestamp == first->timestamp &&
	    cmd->version == first->version && !first->tail.preamble &&
	    !first->tail.known && !cmd->tail.preamble && !cmd->tail.known;
}

struct cmd *
cmd_batch(struct cmd_spares *spares, const struct cmd_batch *b)
{
	const struct cmd_tail *t = &b->first->tail;
	const struct cmd *each = b->first;
	uint8_t tags[CMD_BATCH_MAX * MATCH_SHORT];
	size_t len = t->known ? 0 : b->n * MATCH_SHORT;
	char key[STREAM_KEY], *at;
	struct cmd *cmd;
	unsigned i;

	if ((cmd = make(spares, CMD_BATCH, BATCH_HEAD(b->n))) == NULL)
		return NULL;
	for (i = 0; i < b->n; i++) {
		memcpy(tags + i * MATCH_SHORT, each->tail.tag, MATCH_SHORT);
		each = cmd_of(TAILQ_NEXT(&each->p, entry));
	}
	at = d4_resp_count(cmd->bytes, 16 + (size_t)b->n);
	at = WORD(at, "EVALSHA");
	at = d4_resp_word(at, b->sha, CMD_SHA - 1);
	at = WORD(at, "3");
	at = d4_resp_word(at, key, stream_key(key, b->first->type,
	    b->session));
	at = d4_resp_word(at, b->tail, cmd_tail_len(b->tail));
	at = d4_resp_word(at, b->tail, strlen(b->tail));
	at = d4_resp_word(at, b->session, D4_UUID_TEXT - 1);
	at = d4_resp_number(at, t->n);
	at = d4_resp_number(at, b->trims);
	at = d4_resp_word(at, tags, len);
	at = d4_resp_word(at, t->tag, t->preamble && !t->known ?
	    MATCH_TAG : 0);
	at = d4_resp_number(at, b->ms);
	at = d4_resp_number(at, b->seq);
	at = d4_resp_word(at, b->uuid, D4_UUID_HEX - 1);
	at = d4_resp_number(at, b->first->timestamp);
	at = d4_resp_number(at, b->first->version);
	cmd->p.len = (size_t)(at - cmd->bytes);
	cmd->p.goes_on = true;
	return cmd;
}
