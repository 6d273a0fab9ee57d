/* SPDX-License-Identifier: ISC */
#include <sys/queue.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "d4-recv/pipeline.h"
#include "d4-recv/share-keys.h"
#include "d4-recv/share.h"
#include "d4-recv/tail-blob.h"
#include "d4-recv/tail-log.h"
#include "lib/bytes.h"
#include "lib/clock.h"
#include "lib/digest.h"
#include "lib/log.h"
#include "lib/resp.h"
#include "lib/table.h"
#include "lib/uuid.h"

#define NAME		56	/* bytes of UUID:TYPE:STREAM, with NUL */
#define KEY		(NAME + 32)	/* of a key */
#define PLACE		96	/* of a place as text, likewise */
#define BLOB_TAGS	1024	/* of an element of the list, and bytes of */
#define BLOB_BYTES	((uint32_t)1 << 20)	/* records */
#define KEPT		65536	/* records that wait to be pushed */
#define PREAMBLE_MAX	4096	/* tags, then only those in force */
#define ASK_MS		50	/* between two questions */
#define BACK_MS		6000	/* after Redis was away, until others have found
				 * that, and those that did not are dead */

enum kind { BEAT, TAKE, PUSH, UPLOAD, CONFIRM, RELEASE };

struct cmd {
	struct pipeline_cmd	 p;		/* has to be first */
	struct share_stream	*stream;
	enum kind		 kind;
	uint64_t		 ticket;
	char			 bytes[];
};

/* Words of a command in the making. */
struct words {
	const void	**at;
	size_t		*len;
	size_t		 n, room;
	bool		 failed;
};

struct record {
	uint8_t		 tag[MATCH_TAG];
	uint32_t	 wire;
	bool		 preamble;
	uint64_t	 file, end;
};

struct share_stream {
	uint8_t			 id[D4_UUID_LEN];	/* first, for the table */
	struct share		*share;
	TAILQ_ENTRY(share_stream) due;
	bool			 is_due;
	char			 name[NAME];
	enum share_state	 state;
	unsigned		 refs;
	struct tail		*tail;		/* of a dead process, or NULL */
	bool			 wanted;
	bool			 inflight;
	struct cmd		*asked;		/* the question that is */
	struct cmd		*next;		/* to be sent before others */
	int64_t			 since_ms;	/* we ask, and next at */
	int64_t			 ask_ms;
	bool			 holds;		/* it was given to us */
	uint64_t		 epoch;
	uint64_t		 npushes;
	char			 other[TAIL_STORE];	/* who had it before, */
	char			 left[PLACE];	/* and what is left to it */
	struct share_note	 note;
	struct tail_import	 import;
	struct tail_place	 other_place;
	bool			 lacks_all;
	bool			 check;		/* whether it is still there */
	struct record		*records;	/* that were not pushed */
	size_t			 n, room;
	size_t			 nready;	/* of them count */
	struct tail_place	 place;		/* they end there */
	bool			 has_place;
	bool			 has_part;
	uint8_t			 part[MATCH_TAG];
	uint32_t		 part_taken;
	size_t			 npreamble;	/* tags of it that were sent */
	uint64_t		 ticket, sent, arrived;
};

struct share {
	struct pipeline		*pipeline;
	char			 store[TAIL_STORE];
	char			 token[D4_UUID_HEX];
	char			 alive[KEY];
	const char		*probe[6];
	struct d4_table		*streams;
	TAILQ_HEAD(, share_stream) due;
	bool			 beating;
	bool			 news;
	int64_t			 back_ms;	/* it was away until then, or 0 */
	size_t			 nasking;
	int64_t			 away_ms;	/* since then, 0: it is there */
};

/* -- commands --------------------------------------------------------------- */

static void
say(struct words *w, const void *at, size_t len)
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

static void
say_text(struct words *w, const char *text)
{
	say(w, text, strlen(text));
}

/* Ends the words.  NULL when memory is short. */
static struct cmd *
make_cmd(struct words *w, struct share_stream *s, enum kind kind)
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

/* What each script of a stream begins with; the texts stay with the caller until
 * the command is made. */
struct begin {
	char	key[KEY], tags[KEY], epoch[24];
};

static void
begin(struct words *w, const struct share_stream *s, const char *script,
    struct begin *b)
{
	const struct share *sh = s->share;

	(void)snprintf(b->key, KEY, SHARE_PREFIX "tail:%s", s->name);
	(void)snprintf(b->tags, KEY, SHARE_PREFIX "tail:%s:tags", s->name);
	(void)snprintf(b->epoch, sizeof(b->epoch), "%" PRIu64, s->epoch);
	memset(w, 0, sizeof(*w));
	say_text(w, "EVAL");
	say_text(w, script);
	say_text(w, "2");
	say_text(w, b->key);
	say_text(w, b->tags);
	say_text(w, SHARE_PREFIX);
	say_text(w, sh->store);
	say_text(w, sh->token);
	say_text(w, b->epoch);
}

static void
touch(struct share_stream *s)
{
	if (s->is_due)
		return;
	s->is_due = true;
	TAILQ_INSERT_TAIL(&s->share->due, s, due);
}

static void
put(struct share_stream *s, struct cmd *cmd)
{
	s->inflight = true;
	pipeline_put(s->share->pipeline, &cmd->p);
}

/* -- places as texts -------------------------------------------------------- */

static void
place_text(char text[PLACE], const struct tail_place *p)
{
	(void)snprintf(text, PLACE, "%" PRIu64 " %" PRIu64 " %d", p->ordinal,
	    p->whole, p->data);
}

static void
note_parse(struct share_note *note, const char *text)
{
	char digits[3] = "", *end;
	uint64_t n[3];
	size_t i;

	memset(note, 0, sizeof(*note));
	for (i = 0; i < 3; i++) {
		n[i] = strtoull(text, &end, 10);
		if (end == text)
			return;
		text = end;
	}
	note->any = true;
	note->place.ordinal = n[0];
	note->place.whole = n[1];
	note->place.data = n[2] != 0;
	if (strlen(text) != 1 + 2 * MATCH_TAG)
		return;
	for (i = 0, text++; i < MATCH_TAG; i++, text += 2) {
		memcpy(digits, text, 2);
		note->tag[i] = (uint8_t)strtoul(digits, &end, 16);
		if (end != digits + 2)
			return;
	}
	note->first = true;
}

/* -- what another store has ------------------------------------------------- */

static int
take_import(struct share_stream *s, const struct d4_redis_reply *reply)
{
	struct tail_import *in = &s->import;
	struct share_note note;
	struct d4_redis_reply one;
	size_t i;
	int rc = 0;

	blob_free(in);
	d4_redis_element(reply, 3, &one);
	(void)snprintf(s->other, sizeof(s->other), "%s", one.text);
	d4_redis_element(reply, 4, &one);
	note_parse(&note, one.text);
	s->other_place = note.place;
	d4_redis_element(reply, 5, &one);
	if (blob_take_preamble(in, one.text, one.len) == -1)
		return -1;
	d4_redis_element(reply, 6, &one);
	if (one.len == LOG_PART) {
		memcpy(in->part, one.text, MATCH_TAG);
		in->part_taken = d4_get32le((const uint8_t *)one.text +
		    MATCH_TAG);
	}
	for (i = 7; rc == 0 && i < reply->n; i++) {
		d4_redis_element(reply, i, &one);
		rc = blob_take(in, one.text, one.len);
	}
	return rc;
}

/* -- streams ---------------------------------------------------------------- */

static void
name_stream(char name[NAME], const uint8_t uuid[D4_UUID_LEN], uint8_t type,
    const char stream[PLACE_TAIL])
{
	char hex[D4_UUID_HEX];

	d4_uuid_hex(hex, uuid);
	(void)snprintf(name, NAME, "%s:%u:%.16s", hex, type, stream);
}

/* The table's key, -1 when there is none. */
static int
identify(uint8_t id[D4_UUID_LEN], const char *name)
{
	uint8_t digest[D4_DIGEST_SHA256];

	if (d4_digest_sha256(digest, name, strlen(name)) == -1)
		return -1;
	memcpy(id, digest, D4_UUID_LEN);
	return 0;
}

static void
free_stream(struct share_stream *s)
{
	struct share *sh = s->share;

	if (s->is_due)
		TAILQ_REMOVE(&sh->due, s, due);
	if (s->state == SHARE_ASKS)
		sh->nasking--;
	(void)d4_table_take(sh->streams, s->id);
	tail_close(s->tail);
	blob_free(&s->import);
	free(s->records);
	free(s->next);
	free(s);
	sh->news = true;
}

static struct share_stream *
new_stream(struct share *sh, const uint8_t uuid[D4_UUID_LEN], uint8_t type,
    const char stream[PLACE_TAIL])
{
	struct share_stream *s;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	s->share = sh;
	name_stream(s->name, uuid, type, stream);
	if (identify(s->id, s->name) == -1 ||
	    d4_table_get(sh->streams, s->id) != NULL ||
	    d4_table_put(sh->streams, s) == -1) {
		free(s);
		return NULL;
	}
	s->refs = 1;
	s->state = SHARE_ASKS;
	s->since_ms = d4_clock_ms();
	sh->nasking++;
	touch(s);
	return s;
}

struct share_stream *
share_take(struct share *sh, const uint8_t uuid[D4_UUID_LEN], uint8_t type,
    const char stream[PLACE_TAIL])
{
	return new_stream(sh, uuid, type, stream);
}

struct share_stream *
share_keep(struct share_stream *s)
{
	if (s != NULL)
		s->refs++;
	return s;
}

void
share_drop(struct share_stream *s)
{
	if (s != NULL && --s->refs == 0)
		touch(s);
}

enum share_state
share_state(const struct share_stream *s)
{
	return s->state;
}

bool
share_is_wanted(const struct share_stream *s)
{
	return s->wanted;
}

const struct tail_import *
share_import(const struct share_stream *s)
{
	return &s->import;
}

const struct share_note *
share_note(const struct share_stream *s)
{
	return &s->note;
}

bool
share_lacks_all(const struct share_stream *s)
{
	return s->lacks_all && s->next == NULL && !s->inflight;
}

bool
share_has_arrived(const struct share_stream *s, uint64_t ticket)
{
	return s->arrived >= ticket;
}

static void
enter(struct share_stream *s, enum share_state state)
{
	if (s->state == SHARE_ASKS && state != SHARE_ASKS)
		s->share->nasking--;
	s->state = state;
	s->share->news = true;
}

/* -- asking ----------------------------------------------------------------- */

static void
ask(struct share_stream *s)
{
	const struct share *sh = s->share;
	int64_t now = d4_clock_ms();
	char of[NAME];
	struct begin b;
	struct words w;
	struct cmd *cmd;

	(void)snprintf(of, sizeof(of), "%.*s",
	    (int)(strrchr(s->name, ':') - s->name), s->name);
	begin(&w, s, share_take_script, &b);
	say_text(&w, s->tail != NULL ? "recover" :
	    now - s->since_ms > SHARE_PATIENCE ? "force" :
	    sh->back_ms != 0 && now - sh->back_ms < BACK_MS ? "wait" : "ask");
	say_text(&w, s->name);
	say_text(&w, of);
	if ((s->asked = cmd = make_cmd(&w, s, TAKE)) != NULL)
		put(s, cmd);
	s->ask_ms = now + ASK_MS;
}

static void
take_answer(struct share_stream *s, const struct d4_redis_reply *reply)
{
	struct d4_redis_reply one;

	d4_redis_element(reply, 0, &one);
	if (one.kind != D4_REDIS_STRING || strcmp(one.text, "held") == 0) {
		if (s->tail != NULL)
			enter(s, SHARE_HELD);
		return;
	}
	s->holds = strcmp(one.text, "own") == 0 || s->tail == NULL;
	d4_redis_element(reply, 2, &one);
	note_parse(&s->note, one.kind == D4_REDIS_STRING ? one.text : "");
	d4_redis_element(reply, 1, &one);
	s->epoch = strtoull(one.kind == D4_REDIS_STRING ? one.text : "", NULL,
	    10);
	d4_redis_element(reply, 0, &one);
	if (strcmp(one.text, "own") == 0)
		enter(s, SHARE_OWN);
	else if (s->tail != NULL || take_import(s, reply) == 0)
		enter(s, SHARE_OTHERS);
}

/* -- what is ours ----------------------------------------------------------- */

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
	touch(s);
	return ++s->ticket;
}

/* The part as the server has it; "-" where there is nothing new. */
static void
say_part(struct words *w, const struct share_stream *s,
    uint8_t part[LOG_PART])
{
	memcpy(part, s->part, MATCH_TAG);
	d4_put32le(part + MATCH_TAG, s->part_taken);
	if (!s->has_part)
		say_text(w, "-");
	else
		say(w, part, s->part_taken > 0 ? LOG_PART : 0);
}

/* Elements of the list in the making. */
struct blobs {
	uint8_t	*bytes;
	size_t	*starts;
	size_t	 len, n, room, nroom;
	size_t	 in_last;
	uint32_t wire;
	bool	 failed;
};

static void
add_tag(struct blobs *b, const uint8_t *tag, uint32_t wire)
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

static void
say_blobs(struct words *w, const struct blobs *b)
{
	size_t i, end;

	for (i = 0; i < b->n; i++) {
		end = i + 1 < b->n ? b->starts[i + 1] : b->len;
		say(w, b->bytes + b->starts[i], end - b->starts[i]);
	}
	w->failed = w->failed || b->failed;
}

static void
free_blobs(struct blobs *b)
{
	free(b->bytes);
	free(b->starts);
}

static void
push(struct share_stream *s)
{
	struct blobs blobs = { .bytes = NULL };
	char n[48], at[PLACE];
	struct begin b;
	uint8_t part[LOG_PART], *preamble = NULL;
	size_t i, len = 0;
	struct words w;
	struct cmd *cmd;

	for (i = 0; i < s->nready; i++) {
		add_tag(&blobs, s->records[i].tag, s->records[i].wire);
		len += s->records[i].preamble ? MATCH_TAG : 0;
	}
	preamble = malloc(len + 1);
	for (i = 0, len = 0; preamble != NULL && i < s->nready; i++) {
		if (!s->records[i].preamble)
			continue;
		memcpy(preamble + len, s->records[i].tag, MATCH_TAG);
		len += MATCH_TAG;
	}
	place_text(at, &s->place);
	(void)snprintf(n, sizeof(n), "%" PRIu64 ".%" PRIu64, s->epoch,
	    ++s->npushes);
	begin(&w, s, share_push_script, &b);
	say_text(&w, n);
	say_text(&w, at);
	say_part(&w, s, part);
	say(&w, preamble != NULL ? preamble : part, len);
	say_blobs(&w, &blobs);
	w.failed = w.failed || preamble == NULL;
	cmd = make_cmd(&w, s, PUSH);
	free_blobs(&blobs);
	free(preamble);
	if (cmd == NULL)
		return;
	cmd->ticket = s->sent = s->ticket;
	s->npreamble += len / MATCH_TAG;
	s->check = false;
	s->lacks_all = s->lacks_all || s->npreamble > PREAMBLE_MAX;
	forget_ready(s);
	put(s, cmd);
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
		add_tag(&up->blobs, tag, wire);
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
		place_text(at, &s->place);
		(void)snprintf(n, sizeof(n), "%" PRIu64 ".%" PRIu64, s->epoch,
		    ++s->npushes);
		begin(&w, s, share_upload_script, &b);
		say_text(&w, n);
		say_text(&w, at);
		s->has_part = true;
		say_part(&w, s, part);
		say(&w, up.len > 0 ? up.preamble : part, up.len);
		say_text(&w, s->other);
		say_text(&w, s->left);
		say_blobs(&w, &up.blobs);
		cmd = make_cmd(&w, s, UPLOAD);
	}
	s->npreamble = up.len / MATCH_TAG;
	free_blobs(&up.blobs);
	free(up.preamble);
	if (cmd == NULL)
		return -1;
	free(s->next);
	s->next = cmd;
	cmd->ticket = s->sent = s->ticket;
	forget_ready(s);
	s->lacks_all = false;
	touch(s);
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

	place_text(at, ours);
	place_text(s->left, &s->other_place);
	if (first != NULL) {
		len = strlen(s->left);
		s->left[len++] = ' ';
		d4_digest_hex(s->left + len, first, MATCH_TAG);
	}
	s->place = *ours;
	s->has_place = true;
	s->npreamble = s->import.npreamble;
	blob_free(&s->import);
	begin(&w, s, share_confirm_script, &b);
	say_text(&w, at);
	say_text(&w, s->other);
	say_text(&w, s->left);
	free(s->next);
	/* Without memory for it all will be told later. */
	if ((s->next = make_cmd(&w, s, CONFIRM)) == NULL)
		s->lacks_all = true;
	touch(s);
}

static void
release(struct share_stream *s)
{
	struct begin b;
	struct words w;
	struct cmd *cmd;

	begin(&w, s, share_release_script, &b);
	if ((cmd = make_cmd(&w, s, RELEASE)) != NULL)
		put(s, cmd);
}

/* -- turns ------------------------------------------------------------------ */

/* Sends what is to be sent next.  Returns whether it has something to send
 * later; it may be gone. */
static bool
advance(struct share_stream *s)
{
	struct cmd *cmd = s->next;

	if (s->inflight)
		return false;
	if (s->refs == 0 && (!s->holds || s->state == SHARE_GONE)) {
		free_stream(s);
		return false;
	}
	if (s->state == SHARE_GONE || s->state == SHARE_HELD)
		return false;
	if (s->state == SHARE_ASKS) {
		if (d4_clock_ms() < s->ask_ms)
			return true;
		ask(s);
	} else if (cmd != NULL) {
		s->next = NULL;
		put(s, cmd);
	} else if (s->state == SHARE_SETTLED && !s->lacks_all &&
	    (s->check || s->sent != s->ticket)) {
		push(s);
	} else if (s->refs == 0) {
		release(s);
	} else {
		return false;
	}
	/* Without memory for a command it is tried again. */
	return !s->inflight;
}

static void
advance_all(struct share *sh)
{
	TAILQ_HEAD(, share_stream) later = TAILQ_HEAD_INITIALIZER(later);
	struct share_stream *s;

	while ((s = TAILQ_FIRST(&sh->due)) != NULL) {
		TAILQ_REMOVE(&sh->due, s, due);
		s->is_due = false;
		if (advance(s)) {
			s->is_due = true;
			TAILQ_INSERT_TAIL(&later, s, due);
		}
	}
	TAILQ_CONCAT(&sh->due, &later, due);
}

static void
take_number(struct share_stream *s, struct cmd *cmd, long long number)
{
	if (number == 0) {
		d4_log_info(2, "tail %s: another has taken it", s->name);
		enter(s, SHARE_GONE);
	} else if (number == 2) {
		s->lacks_all = true;
		s->share->news = true;
	} else {
		if (s->arrived < cmd->ticket)
			s->arrived = cmd->ticket;
		if (cmd->kind != PUSH)
			enter(s, SHARE_SETTLED);
		s->share->news = true;
	}
}

static void
take_asked(struct share *sh, const struct d4_redis_reply *reply)
{
	uint8_t id[D4_UUID_LEN];
	struct d4_redis_reply one;
	struct share_stream *s;
	size_t i;

	for (i = 0; i < reply->n; i++) {
		d4_redis_element(reply, i, &one);
		if (identify(id, one.text) == 0 &&
		    (s = d4_table_get(sh->streams, id)) != NULL) {
			s->wanted = true;
			sh->news = true;
		}
	}
}

/* Who is silent since then may live: nobody could say so. */
static void
was_away(struct share *sh)
{
	struct share_stream *s;
	size_t at = 0;

	sh->back_ms = d4_clock_ms();
	while ((s = d4_table_next(sh->streams, &at)) != NULL)
		s->since_ms = sh->back_ms;
}

static void
on_answer(void *cookie, struct pipeline_cmd *p,
    const struct d4_redis_reply *reply)
{
	struct share *sh = cookie;
	struct cmd *cmd = (struct cmd *)p;
	struct share_stream *s = cmd->stream;
	bool bad = reply->kind == D4_REDIS_ERROR;

	if (bad) {
		pipeline_refuse(sh->pipeline, reply->text);
		was_away(sh);
	} else
		pipeline_is_well(sh->pipeline);
	if (cmd->kind == BEAT) {
		sh->beating = false;
		if (!bad)
			take_asked(sh, reply);
		free(cmd);
		return;
	}
	s->inflight = false;
	s->asked = NULL;
	touch(s);
	if (bad && cmd->kind != TAKE && cmd->kind != RELEASE &&
	    s->next == NULL) {
		s->next = cmd;
		return;
	}
	if (cmd->kind == TAKE && !bad)
		take_answer(s, reply);
	else if (cmd->kind == RELEASE)
		s->holds = bad;
	else if (!bad && cmd->kind != TAKE)
		take_number(s, cmd, reply->number);
	free(cmd);
}

static void
beat(struct share *sh)
{
	struct words w = { .at = NULL };
	struct cmd *cmd;

	if (sh->beating)
		return;
	say_text(&w, "EVAL");
	say_text(&w, share_beat_script);
	say_text(&w, "0");
	say_text(&w, SHARE_PREFIX);
	say_text(&w, sh->store);
	say_text(&w, sh->token);
	say_text(&w, "0");
	if ((cmd = make_cmd(&w, NULL, BEAT)) == NULL)
		return;
	sh->beating = true;
	pipeline_put(sh->pipeline, &cmd->p);
}

static void
on_well(void *cookie)
{
	was_away(cookie);
}

/* The server may have lost what it had. */
static void
on_ready(void *cookie)
{
	struct share *sh = cookie;
	struct share_stream *s;
	size_t at = 0;

	beat(sh);
	if (pipeline_figures(sh->pipeline)->nconnects > 1)
		was_away(sh);
	while ((s = d4_table_next(sh->streams, &at)) != NULL) {
		s->check = s->state == SHARE_SETTLED;
		/* It is to be asked in another way than before. */
		if (s->asked != NULL) {
			pipeline_withdraw(sh->pipeline, &s->asked->p);
			free(s->asked);
			s->asked = NULL;
			s->inflight = false;
		}
		touch(s);
	}
}

void
share_run(struct share *sh)
{
	if (pipeline_is_ready(sh->pipeline) && !pipeline_pauses(sh->pipeline))
		advance_all(sh);
	pipeline_run(sh->pipeline);
	if (pipeline_is_ready(sh->pipeline) && !pipeline_pauses(sh->pipeline))
		sh->away_ms = 0;
	else if (sh->away_ms == 0)
		sh->away_ms = d4_clock_ms();
}

bool
share_has_news(struct share *sh)
{
	bool news = sh->news;

	sh->news = false;
	return news;
}

int
share_timeout(const struct share *sh, int timeout_ms)
{
	if (sh->news)
		return 0;
	if (timeout_ms > ASK_MS && (sh->nasking > 0 ||
	    !TAILQ_EMPTY(&sh->due) || !pipeline_is_ready(sh->pipeline)))
		timeout_ms = ASK_MS;
	return timeout_ms;
}

void
share_tick(struct share *sh)
{
	if (pipeline_is_ready(sh->pipeline))
		beat(sh);
	/* Who waited for it waits no more. */
	sh->news = sh->news || share_is_away(sh);
}

bool
share_is_away(const struct share *sh)
{
	return sh->away_ms != 0 && d4_clock_ms() - sh->away_ms > SHARE_AWAY;
}

int
share_drain(struct share *sh, int timeout_ms)
{
	int64_t until = d4_clock_ms() + timeout_ms;
	struct pollfd pfd;

	while (d4_table_count(sh->streams) > 0) {
		share_run(sh);
		if (d4_table_count(sh->streams) == 0)
			break;
		if (d4_clock_ms() >= until)
			return -1;
		pipeline_poll(sh->pipeline, &pfd);
		(void)poll(&pfd, pfd.fd == -1 ? 0 : 1, 5);
	}
	return 0;
}

/* -- what dead processes left ----------------------------------------------- */

int
share_recover(struct share *sh, const struct place *place, struct tail *tail)
{
	struct share_stream *s;

	s = new_stream(sh, place->uuid, place->type, place->tail);
	if (s == NULL) {
		tail_close(tail);
		return -1;
	}
	s->tail = tail;
	return 0;
}

struct share_stream *
share_recovering(struct share *sh, const struct place *place)
{
	uint8_t id[D4_UUID_LEN];
	struct share_stream *s;
	char name[NAME];

	name_stream(name, place->uuid, place->type, place->tail);
	if (identify(id, name) == -1)
		return NULL;
	s = d4_table_get(sh->streams, id);
	return s != NULL && s->tail != NULL && s->refs > 0 ? s : NULL;
}

struct tail *
share_tail(struct share_stream *s)
{
	return s->tail;
}

void
share_recovered(struct share *sh)
{
	struct share_stream *s;
	size_t at = 0;

	while ((s = d4_table_next(sh->streams, &at)) != NULL) {
		if (s->tail == NULL || s->refs == 0 || s->inflight ||
		    s->next != NULL || s->state == SHARE_ASKS)
			continue;
		tail_close(s->tail);
		s->tail = NULL;
		share_drop(s);
	}
}

/* -- beginning and end ------------------------------------------------------ */

struct share *
share_new(const struct share_settings *settings, char why[256])
{
	struct pipeline_settings p = {
		.where = settings->where, .user = settings->user,
		.password = settings->password, .what = "shared tails",
		.epoll = settings->epoll, .tag = settings->tag,
		.answer = on_answer, .ready = on_ready, .well = on_well
	};
	uint8_t token[D4_UUID_LEN];
	struct share *sh;

	(void)snprintf(why, 256, "not enough memory");
	if ((sh = calloc(1, sizeof(*sh))) == NULL)
		return NULL;
	TAILQ_INIT(&sh->due);
	d4_uuid_new(token);
	d4_uuid_hex(sh->token, token);
	(void)snprintf(sh->store, sizeof(sh->store), "%s", settings->store);
	(void)snprintf(sh->alive, KEY, SHARE_PREFIX "tails:%s", sh->token);
	memcpy(sh->probe, (const char *[]){ "SET", sh->alive, "1", "PX",
	    "3000", NULL }, sizeof(sh->probe));
	p.probe = sh->probe;
	p.cookie = sh;
	sh->streams = d4_table_new(d4_get64le(token));
	if (sh->streams != NULL &&
	    (sh->pipeline = pipeline_new(&p, why)) != NULL)
		return sh;
	share_free(sh);
	return NULL;
}

static void
free_item(void *item)
{
	struct share_stream *s = item;

	tail_close(s->tail);
	blob_free(&s->import);
	free(s->records);
	free(s->next);
	free(s);
}

void
share_free(struct share *sh)
{
	if (sh == NULL)
		return;
	pipeline_free(sh->pipeline);
	d4_table_free(sh->streams, free_item);
	free(sh);
}
