/* SPDX-License-Identifier: ISC */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/admit.h"
#include "d4-recv/conn.h"
#include "d4-recv/errors.h"
#include "lib/bytes.h"
#include "lib/log.h"
#include "lib/type.h"
#include "lib/uuid.h"

#define READ_BYTES	((size_t)256 << 10)	/* of a sensor in one turn */
#define READ_STRANGER	((size_t)4 << 10)	/* of one that is not known */

#define HANDSHAKE_MS	8500	/* with a look each second: gone in 10 s */
#define RECORD_MS	30000	/* for a record once begun, and for each KiB */
#define RECORD_KIB_MS	1000	/* that it announces */
#define ENDING_MS	10000	/* to answer the end of a sensor */

struct conn_key *
conn_key_new(struct d4_mac *mac, const void *bytes, size_t len)
{
	struct conn_key *key;

	if ((key = calloc(1, sizeof(*key))) == NULL)
		return NULL;
	if (d4_digest_sha256(key->digest, bytes, len) == -1 ||
	    (key->mac = d4_mac_key_new(mac, bytes, len)) == NULL) {
		free(key);
		return NULL;
	}
	key->refs = 1;
	return key;
}

bool
conn_key_is(const struct conn_key *key, const void *bytes, size_t len)
{
	uint8_t digest[D4_DIGEST_SHA256];

	return d4_digest_sha256(digest, bytes, len) == 0 &&
	    memcmp(digest, key->digest, sizeof(digest)) == 0;
}

void
conn_key_drop(struct conn_key *key)
{
	if (key == NULL || --key->refs > 0)
		return;
	d4_mac_key_free(key->mac);
	free(key);
}

static bool
is_stranger(const struct conn *c)
{
	return c->state == CONN_HANDSHAKE || c->state == CONN_QUIET;
}

static void
enter(struct conn_context *ctx, struct conn *c, enum conn_state state)
{
	bool before = is_stranger(c);

	c->state = state;
	c->since_ms = ctx->now_ms;
	if (before && !is_stranger(c)) {
		TAILQ_REMOVE(&ctx->strangers, c, stranger);
		ctx->nstrangers--;
	}
}

/* -- beginning and end ------------------------------------------------------ */

static void
link_in(struct conn_context *ctx, struct conn *c)
{
	c->prev = ctx->last;
	if (ctx->last != NULL)
		ctx->last->next = c;
	else
		ctx->first = c;
	ctx->last = c;
	ctx->nconns++;
	TAILQ_INSERT_TAIL(&ctx->strangers, c, stranger);
	ctx->nstrangers++;
}

static void
link_out(struct conn_context *ctx, struct conn *c)
{
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		ctx->first = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	else
		ctx->last = c->prev;
	ctx->nconns--;
}

/* Without TLS the end of a connection is its answer.  One that is over without
 * an answer is reset, so that its sensor can tell. */
static void
reset(const struct conn *c)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	if (c->tls == NULL && !c->answered)
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger,
		    sizeof(linger));
}

static void
release(struct conn_context *ctx, struct conn *c)
{
	reset(c);
	d4_tls_free(c->tls);
	if (c->fd != -1)
		(void)close(c->fd);
	d4_feed_free(c->feed);
	peers_remove(ctx->peers, c->counted);
	conn_key_drop(c->key);
	session_free(&c->session);
	free(c->backlog);
	free(c);
}

/* Who it is, for messages: a uuid only once it has verified. */
static const char *
name_of(const struct conn *c, char name[D4_NET_HOST + D4_UUID_TEXT])
{
	size_t len = strlen(c->peer);

	memcpy(name, c->peer, len + 1);
	if (c->verified) {
		name[len] = ' ';
		d4_uuid_text(name + len + 1, c->session.uuid);
	}
	return name;
}

/* What the turn brought goes into the registry. */
static void
note_turn(struct conn_context *ctx, struct conn *c)
{
	if (c->turn_records > 0 && c->claim != NULL &&
	    d4_registry_note(ctx->registry, c->claim, c->turn_records,
	    c->turn_bytes, (uint64_t)ctx->now) == -1)
		faults_say(&ctx->faults, d4_registry_why(ctx->registry));
	c->turn_records = c->turn_bytes = 0;
}

static void
tell_session(const struct conn *c)
{
	char name[D4_NET_HOST + D4_UUID_TEXT];

	if (c->session.nrecords == 0)
		return;
	d4_log_info(1, "%s: type %u (%s), %llu records, %llu bytes",
	    name_of(c, name), c->session.type,
	    d4_type_get(c->session.type)->name,
	    (unsigned long long)c->session.nrecords,
	    (unsigned long long)c->session.nbytes);
	/* Who resumes sends them again. */
	if (c->backlog_at < c->backlog_len && !c->resumes)
		d4_log_warnx("%s: %zu bytes found no room", name,
		    c->backlog_len - c->backlog_at);
}

/* How a session goes on with its stream, once that is known. */
static void
tell_match(const struct conn_context *ctx, struct conn *c)
{
	const struct match *m = c->stream != NULL ? store_match(c->stream) :
	    stream_match(c->sink);
	char name[D4_NET_HOST + D4_UUID_TEXT];

	(void)ctx;
	if (c->told || m == NULL || m->end == MATCH_OPEN)
		return;
	c->told = true;
	(void)name_of(c, name);
	if (m->end == MATCH_GAP)
		d4_log_warnx("%s: type %u: goes on, but not where anything "
		    "stored ends: a gap, or all is twice", name,
		    c->session.type);
	else if (m->end == MATCH_DIVERGED)
		d4_log_warnx("%s: type %u: goes on, but after %llu records "
		    "with others than were stored", name, c->session.type,
		    (unsigned long long)m->nstored);
	else if (m->nstored > 0)
		d4_log_info(2, "%s: type %u: goes on, dropped as stored: %llu "
		    "records", name, c->session.type,
		    (unsigned long long)m->nstored);
}

/* The greatest timestamp, for the next session of a sensor whose must not go
 * back. */
static void
note_newest(struct conn_context *ctx, struct conn *c)
{
	if (!c->monotonic || c->noted_newest || ctx->store == NULL ||
	    c->newest == 0)
		return;
	if (store_note_newest(ctx->store, c->session.uuid, c->session.type,
	    c->newest) == -1)
		faults_say(&ctx->faults, strerror(errno));
	c->noted_newest = true;
}

/* Nothing more is read or written; what it holds is freed after the turn, for
 * records of it may still stand in the batch. */
static void
bury(struct conn_context *ctx, struct conn *c)
{
	if (c->state == CONN_DEAD)
		return;
	/* Closing is not enough where stdin is the same. */
	if (c->events != 0)
		(void)epoll_ctl(ctx->epoll, EPOLL_CTL_DEL, c->fd, NULL);
	c->events = 0;
	note_turn(ctx, c);
	tell_session(c);
	note_newest(ctx, c);
	store_close(c->stream, c->complete, ctx->now);
	c->stream = NULL;
	stream_close(c->sink, c->replaced);
	c->sink = NULL;
	d4_registry_release(ctx->registry, c->claim);
	c->claim = NULL;
	enter(ctx, c, CONN_DEAD);
	link_out(ctx, c);
	c->next = ctx->dead;
	ctx->dead = c;
}

/* The connection is over for this reason. */
static void
refuse(struct conn_context *ctx, struct conn *c, unsigned reason,
    const char *more)
{
	char name[D4_NET_HOST + D4_UUID_TEXT], error[ERRORS_TEXT];

	if (c->state == CONN_DEAD)
		return;
	refusals_say(&ctx->refusals, ctx->now_ms, reason, name_of(c, name),
	    more != NULL ? more : "");
	errors_text(error, reason, &c->session, &c->odd);
	/* Of strangers nothing is kept, for or against the uuid they name; a
	 * worker has said itself what is wrong. */
	if (c->verified && reason != REFUSED_WORKER &&
	    d4_registry_note_error(ctx->registry, c->session.uuid, error,
	    (uint64_t)ctx->now) == -1)
		faults_say(&ctx->faults, d4_registry_why(ctx->registry));
	bury(ctx, c);
}

/* The same once all that has verified is stored. */
static void
refuse_stored(struct conn_context *ctx, struct conn *c, unsigned reason,
    const char *more)
{
	if (c->backlog_len == 0) {
		refuse(ctx, c, reason, more);
	} else if (!c->condemned) {
		c->condemned = true;
		c->refusal = reason;
		c->more = more;
	}
}

/* When strangers are too many the one that was quiet longest has to go. */
static void
make_room(struct conn_context *ctx)
{
	if (ctx->nstrangers >= ctx->settings->max_unauthenticated)
		refuse(ctx, TAILQ_FIRST(&ctx->strangers), REFUSED_FULL,
		    "a stranger, quiet longest");
}

bool
conn_is_full(struct conn *c)
{
	return c->backlog_len > 0 ||
	    (c->sink != NULL && stream_is_full(c->sink));
}

/* What to wait for; 0 while there is no room for more. */
static uint32_t
wanted_events(struct conn *c)
{
	uint32_t tls = c->tls == NULL ? 0 : (uint32_t)d4_tls_waits(c->tls);

	if (conn_is_full(c) || (c->state == CONN_ENDING && !c->answering))
		return 0;
	return tls != 0 ? tls : EPOLLIN;
}

/* Who waits for nothing leaves epoll, which would tell of a lost link again
 * and again. */
static void
watch(struct conn_context *ctx, struct conn *c)
{
	struct epoll_event event = { .events = wanted_events(c) };
	int op = EPOLL_CTL_MOD;

	if (event.events == c->events)
		return;
	if (c->events == 0)
		op = EPOLL_CTL_ADD;
	else if (event.events == 0)
		op = EPOLL_CTL_DEL;
	event.data.ptr = c;
	if (epoll_ctl(ctx->epoll, op, c->fd, &event) == 0)
		c->events = event.events;
	/* A regular file, as stdin, is always ready and not for epoll. */
	else if (errno != EPERM)
		refuse(ctx, c, REFUSED_OURS, strerror(errno));
}

static unsigned
open_conn(struct conn_context *ctx, struct conn *c)
{
	unsigned reason;

	if ((reason = admit_address(ctx, c->peer)) != 0)
		return reason;
	if (ctx->nconns >= ctx->max_connections)
		return REFUSED_FULL;
	c->counted = peers_add(ctx->peers, c->peer,
	    ctx->settings->max_per_address);
	if (c->counted == NULL)
		return REFUSED_FULL;
	if ((c->feed = d4_feed_new(D4_PAYLOAD_MAX)) == NULL)
		return REFUSED_OURS;
	c->blocking = (fcntl(c->fd, F_GETFL) & O_NONBLOCK) == 0;
	return 0;
}

void
conn_new(struct conn_context *ctx, int fd, const char *peer)
{
	struct conn *c;
	unsigned reason;

	ctx->naccepted++;
	if ((c = calloc(1, sizeof(*c))) == NULL) {
		refusals_say(&ctx->refusals, ctx->now_ms, REFUSED_OURS, peer,
		    "not enough memory");
		(void)close(fd);
		return;
	}
	c->fd = fd;
	c->serial = ctx->naccepted;
	c->since_ms = ctx->now_ms;
	(void)strncpy(c->peer, peer, sizeof(c->peer) - 1);
	if ((reason = open_conn(ctx, c)) != 0) {
		refusals_say(&ctx->refusals, ctx->now_ms, reason, peer, "");
		release(ctx, c);
		return;
	}
	make_room(ctx);
	c->state = ctx->tls != NULL ? CONN_HANDSHAKE : CONN_QUIET;
	link_in(ctx, c);
	watch(ctx, c);
}

static void
touch(struct conn_context *ctx, struct conn *c)
{
	if (c->is_touched)
		return;
	c->is_touched = true;
	c->touched = ctx->touched;
	ctx->touched = c;
}

/* -- what was verified ------------------------------------------------------ */

/* Keeps what the store has no room for; the sensor is not read meanwhile. */
static int
keep(struct conn *c, const struct d4_header *h, const uint8_t *payload)
{
	size_t len = sizeof(*h) + h->size;
	uint8_t *backlog;

	if ((backlog = realloc(c->backlog, c->backlog_len + len)) == NULL)
		return -1;
	memcpy(backlog + c->backlog_len, h, sizeof(*h));
	memcpy(backlog + c->backlog_len + sizeof(*h), payload, h->size);
	c->backlog = backlog;
	c->backlog_len += len;
	return 0;
}

/* Returns -1 when the connection is over. */
static int
took(struct conn_context *ctx, struct conn *c, enum store_result result)
{
	if (result == STORE_BAD_DATA) {
		c->backlog_len = c->backlog_at = 0;
		refuse(ctx, c, D4_BAD_DATA, store_why(c->stream));
	} else if (result == STORE_FAILED)
		refuse(ctx, c, REFUSED_OURS, strerror(errno));
	return c->state == CONN_DEAD ? -1 : 0;
}

/* Whether the timestamp is such as its sensor may send.  What a reader needs
 * first is as old as its stream. */
static unsigned
judge_time(struct conn_context *ctx, struct conn *c,
    const struct d4_header *h, const uint8_t *payload)
{
	unsigned reason = 0;

	if (c->max_age > 0 && h->timestamp < (uint64_t)ctx->now &&
	    (uint64_t)ctx->now - h->timestamp > c->max_age)
		reason = REFUSED_TOO_OLD;
	else if (c->monotonic && h->timestamp < c->newest)
		reason = REFUSED_BACKWARDS;
	if (reason != 0 && c->resumes && c->stream != NULL &&
	    store_is_preamble(c->stream, payload, h->size))
		return 0;
	if (reason == 0 && h->timestamp > c->newest) {
		c->newest = h->timestamp;
		c->noted_newest = false;
	}
	return reason;
}

/* What is news goes into streams of Redis, too. */
static void
hand_on(struct conn_context *ctx, struct conn *c, const struct d4_header *h,
    const uint8_t *payload)
{
	if (c->sink != NULL && stream_add(c->sink, h, payload) == -1)
		refuse(ctx, c, REFUSED_OURS, "not enough memory");
}

/* A record of a stream that may be gone on with and is in no file: what Redis has
 * of it is not news. */
static enum store_result
pass_on(struct conn_context *ctx, struct conn *c, const struct d4_header *h,
    const uint8_t *payload)
{
	enum match_verdict verdict;
	unsigned reason;
	int rc;

	if ((rc = stream_judge(c->sink, h, payload, &verdict)) == 0)
		return STORE_FULL;
	if (rc == -1) {
		refuse(ctx, c, REFUSED_OURS, "not enough memory");
		return STORE_OK;
	}
	tell_match(ctx, c);
	if (verdict == MATCH_STORED)
		return STORE_OK;
	if (verdict == MATCH_NEW && (c->max_age > 0 || c->monotonic) &&
	    (reason = judge_time(ctx, c, h, payload)) != 0) {
		c->backlog_len = c->backlog_at = 0;
		refuse(ctx, c, reason, NULL);
		return STORE_OK;
	}
	hand_on(ctx, c, h, payload);
	return STORE_OK;
}

/* A record of a stream that may be gone on with.  STORE_FULL: not all of it,
 * yet; c->taken is how much. */
static enum store_result
keep_record(struct conn_context *ctx, struct conn *c,
    const struct d4_header *h, const uint8_t *payload)
{
	enum match_verdict verdict = MATCH_NEW;
	enum store_result result;
	size_t taken;
	unsigned reason;

	if (!c->judged) {
		result = store_judge(c->stream, h->hmac, payload, h->size,
		    &verdict, &c->taken);
		c->partly = c->taken > 0;
		tell_match(ctx, c);
		if (result != STORE_OK)
			return result;
	}
	if (verdict == MATCH_PREAMBLE)
		hand_on(ctx, c, h, payload);
	if (verdict != MATCH_NEW)
		return STORE_OK;
	if (!c->judged && (c->max_age > 0 || c->monotonic) &&
	    (reason = judge_time(ctx, c, h, payload)) != 0) {
		c->backlog_len = c->backlog_at = 0;
		refuse(ctx, c, reason, NULL);
		return STORE_OK;
	}
	c->judged = true;
	result = store_record(c->stream, h->hmac, h->size, payload + c->taken,
	    h->size - c->taken, ctx->now, &taken);
	c->taken += taken;
	if (c->taken < h->size)
		return result;
	if (result != STORE_BAD_DATA && result != STORE_FAILED && !c->partly)
		hand_on(ctx, c, h, payload);
	c->judged = false;
	c->taken = 0;
	return result == STORE_FULL ? STORE_OK : result;
}

/* The same of any other. */
static enum store_result
keep_data(struct conn_context *ctx, struct conn *c, const struct d4_header *h,
    const uint8_t *payload)
{
	enum store_result result;
	size_t taken;

	if (c->stream == NULL)
		return pass_on(ctx, c, h, payload);
	if (c->resumes)
		return keep_record(ctx, c, h, payload);
	result = store_write(c->stream, payload + c->taken,
	    h->size - c->taken, ctx->now, &taken);
	c->taken += taken;
	if (result == STORE_FULL && c->taken == h->size)
		result = STORE_OK;
	if (result == STORE_OK)
		c->taken = 0;
	return result;
}

static void
take_data(struct conn_context *ctx, struct conn *c, const struct d4_header *h,
    const uint8_t *payload)
{
	enum store_result result = STORE_FULL;

	if (c->backlog_len == 0) {
		result = keep_data(ctx, c, h, payload);
		if (c->state == CONN_DEAD || took(ctx, c, result) == -1)
			return;
	}
	if (result == STORE_FULL && keep(c, h, payload) == -1)
		refuse(ctx, c, REFUSED_OURS, "not enough memory");
}

/* Tries again what there was no room for. */
static void
drain_backlog(struct conn_context *ctx, struct conn *c)
{
	enum store_result result;
	struct d4_header h;

	while (c->backlog_at < c->backlog_len) {
		memcpy(&h, c->backlog + c->backlog_at, sizeof(h));
		result = keep_data(ctx, c, &h, c->backlog + c->backlog_at +
		    sizeof(h));
		if (c->state == CONN_DEAD || took(ctx, c, result) == -1 ||
		    result == STORE_FULL)
			return;
		c->backlog_at += sizeof(h) + h.size;
	}
	free(c->backlog);
	c->backlog = NULL;
	c->backlog_len = c->backlog_at = 0;
	/* The wait was ours, not the sensor's; bytes may lie decrypted. */
	if (c->record_ms != 0)
		c->record_ms = ctx->now_ms;
	touch(ctx, c);
}

/* The stream of data begins: with the first record, or behind a meta header. */
static int
open_stream(struct conn_context *ctx, struct conn *c, uint8_t type)
{
	const char *name = "", *why = "";
	enum d4_refusal reason;

	if (type == D4_TYPE_EXTENDED) {
		reason = session_close_meta(&c->session, &ctx->rules, &why);
		if (reason != D4_OK) {
			refuse(ctx, c, reason, why);
			return -1;
		}
		name = d4_meta_type(c->session.header);
		/* What came before this record was of type 2. */
		c->turn_records--;
		note_turn(ctx, c);
		c->turn_records++;
		if (d4_registry_claim_become(ctx->registry, c->claim, type,
		    name) == -1)
			faults_say(&ctx->faults,
			    d4_registry_why(ctx->registry));
	}
	c->opened = true;
	if (ctx->store == NULL)
		return 0;
	c->stream = store_open(ctx->store, c->session.uuid, type,
	    c->session.header, &why);
	if (c->stream != NULL) {
		if (c->resumes)
			store_resume(c->stream, c->hello);
		return 0;
	}
	refuse(ctx, c, errno == ENOMEM ? REFUSED_OURS : D4_BAD_META, why);
	return -1;
}

/* The sensor is who it says: what it sends is kept from now on. */
static unsigned
go_live(struct conn_context *ctx, struct conn *c, uint8_t type)
{
	struct conn *older = admit_same_stream(ctx, c);
	struct d4_registry_sensor sensor;
	unsigned reason;

	if ((reason = admit_live(ctx, c, type, older)) != 0)
		return reason;
	/* Of types that may have many connections a stream has one. */
	if (older != NULL) {
		older->replaced = true;
		refuse_stored(ctx, older, REFUSED_TAKEN_OVER, NULL);
	}
	enter(ctx, c, CONN_LIVE);
	admit_limits(ctx, c);
	if (c->monotonic && ctx->store != NULL)
		c->newest = store_newest(ctx->store, c->session.uuid,
		    type == D4_TYPE_META ? D4_TYPE_EXTENDED : type);
	if (ctx->streams == NULL)
		return 0;
	if (d4_registry_sensor(ctx->registry, c->session.uuid,
	    &sensor) == -1)
		sensor.limit = 0;
	c->sink = stream_open(ctx->streams, c->session.uuid, c->id,
	    type, sensor.limit);
	if (c->sink != NULL && c->resumes && ctx->store == NULL)
		stream_resume(c->sink, c->hello);
	return c->sink == NULL ? REFUSED_OURS : 0;
}

/* Takes one verified record. */
static void
take(struct conn_context *ctx, struct conn *c, const struct d4_header *h,
    const uint8_t *payload)
{
	unsigned reason;
	bool hello;

	c->verified = true;
	if (c->state == CONN_QUIET) {
		c->resumes = h->size == 0;
		memcpy(c->hello, h->hmac, sizeof(c->hello));
		if ((reason = go_live(ctx, c, h->type)) != 0) {
			refuse(ctx, c, reason, NULL);
			return;
		}
	}
	hello = c->session.nrecords++ == 0 && c->resumes;
	c->turn_records++;
	ctx->nrecords++;
	c->closing = h->size == 0 && !hello;
	if (h->type == D4_TYPE_META) {
		if (session_take_meta(&c->session, payload, h->size) != D4_OK)
			refuse(ctx, c, D4_BAD_META, "it is too long");
		else
			hand_on(ctx, c, h, payload);
		return;
	}
	if (!c->opened && open_stream(ctx, c, h->type) == -1)
		return;
	c->session.nbytes += h->size;
	c->turn_bytes += h->size;
	ctx->nbytes += h->size;
	if ((c->stream != NULL || c->sink != NULL) && c->resumes && !hello) {
		take_data(ctx, c, h, payload);
		return;
	}
	if (!hello && (c->max_age > 0 || c->monotonic) &&
	    (reason = judge_time(ctx, c, h, payload)) != 0) {
		refuse_stored(ctx, c, reason, NULL);
		return;
	}
	if (h->size > 0 && c->stream != NULL)
		take_data(ctx, c, h, payload);
	if (c->state != CONN_DEAD)
		hand_on(ctx, c, h, payload);
}

/* Verifies what was gathered, and takes it in order. */
static void
settle(struct conn_context *ctx)
{
	size_t i, n = ctx->njobs;
	struct conn *c;

	ctx->njobs = 0;
	if (n > 0 && d4_mac_verify(ctx->mac, ctx->jobs, n) == -1)
		d4_log_warnx("HMAC: cannot be computed");
	for (i = 0; i < n; i++) {
		c = ctx->owners[i];
		if (c->state == CONN_DEAD || c->condemned)
			continue;
		if (!ctx->jobs[i].good)
			refuse_stored(ctx, c, D4_BAD_HMAC, NULL);
		else
			take(ctx, c, &ctx->headers[i],
			    ctx->jobs[i].record + D4_HEADER_LEN);
	}
}

/* -- what comes in ---------------------------------------------------------- */

static unsigned
admit(struct conn_context *ctx, struct conn *c, const struct d4_header *h)
{
	unsigned reason;

	if (c->key == NULL && (reason = admit_sensor(ctx, c, h)) != 0)
		return reason;
	if (h->size > D4_PAYLOAD_MAX)
		return D4_TOO_LARGE;
	return session_admit(&c->session, &ctx->rules, h);
}

/* Puts the whole records that the feed holds into the batch. */
static void
gather(struct conn_context *ctx, struct conn *c)
{
	struct d4_feed_record record;

	while (c->state != CONN_DEAD && c->refusal == 0) {
		if (d4_feed_next(c->feed, &record) == D4_SHORT)
			break;
		if ((c->refusal = admit(ctx, c, &record.header)) != 0) {
			c->odd = record.header;
			break;
		}
		ctx->headers[ctx->njobs] = record.header;
		ctx->owners[ctx->njobs] = c;
		ctx->jobs[ctx->njobs].key = c->key->mac;
		ctx->jobs[ctx->njobs].record = record.bytes;
		ctx->jobs[ctx->njobs].len = record.len;
		if (++ctx->njobs == CONN_BATCH)
			settle(ctx);
	}
}

static ssize_t
receive(struct conn *c, void *buf, size_t len)
{
	ssize_t n;

	if (c->tls != NULL)
		return d4_tls_read(c->tls, buf, len);
	while ((n = read(c->fd, buf, len)) == -1 && errno == EINTR)
		continue;
	if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return D4_TLS_AGAIN;
	return n;
}

static void
lose_link(struct conn *c, int err)
{
	c->refusal = REFUSED_CUT_OFF;
	if (c->tls == NULL)
		c->more = strerror(err);
	else if (!d4_tls_cut_off(c->tls))
		c->more = d4_tls_why(c->tls);
}

/* Reads up to a bound into the feed.  c->again says that more may wait. */
static void
read_some(struct conn_context *ctx, struct conn *c)
{
	size_t want = c->state == CONN_QUIET ? READ_STRANGER : READ_BYTES;
	size_t got = 0, room;
	int err;
	ssize_t n = 0;
	uint8_t *at;

	if ((room = d4_feed_space(c->feed, want, &at)) == 0) {
		refuse(ctx, c, REFUSED_OURS, "not enough memory");
		return;
	}
	if (room > want)
		room = want;
	while (got < room && (n = receive(c, at + got, room - got)) > 0) {
		got += (size_t)n;
		if (c->blocking)
			break;
	}
	err = errno;
	d4_feed_filled(c->feed, got);
	gather(ctx, c);
	c->again = n > 0;
	if (got > 0)
		c->heard_ms = ctx->now_ms;
	if (n == 0)
		c->ended = true;
	else if (n == D4_TLS_FAILED && c->refusal == 0)
		lose_link(c, err);
}

/* Who says nothing costs us no TLS, which would be most of what it costs. */
static void
shake_hands(struct conn_context *ctx, struct conn *c)
{
	int rc;

	if (c->tls == NULL &&
	    (c->tls = d4_tls_new(ctx->tls, c->fd, NULL)) == NULL) {
		refuse(ctx, c, REFUSED_OURS, "not enough memory");
		return;
	}
	rc = d4_tls_handshake(c->tls);
	if (rc == D4_TLS_FAILED)
		refuse(ctx, c, REFUSED_TLS, d4_tls_why(c->tls));
	else if (rc == 0)
		enter(ctx, c, CONN_QUIET);
}

/* Answers the end of a sensor once all it sent is stored. */
static void
answer(struct conn_context *ctx, struct conn *c)
{
	enum store_result result;

	if (c->backlog_len > 0)
		return;
	if (!c->answering && c->stream != NULL) {
		result = c->closing ? store_end(c->stream, ctx->now) :
		    store_flush(c->stream, ctx->now);
		if (result == STORE_FULL || took(ctx, c, result) == -1)
			return;
	}
	c->complete = c->closing;
	if (!c->answering && c->sink != NULL && !stream_settled(c->sink))
		return;
	if (c->tls != NULL) {
		if (!c->answering)
			c->since_ms = ctx->now_ms;
		c->answering = true;
		if (d4_tls_shutdown(c->tls) == D4_TLS_AGAIN &&
		    ctx->now_ms - c->since_ms < ENDING_MS)
			return;
	}
	c->answered = true;
	bury(ctx, c);
}

void
conn_ready(struct conn_context *ctx, struct conn *c)
{
	if (c->state == CONN_DEAD)
		return;
	touch(ctx, c);
	if (c->state == CONN_HANDSHAKE)
		shake_hands(ctx, c);
	/* A second read would move the records that stand in the batch. */
	if ((c->state == CONN_QUIET || c->state == CONN_LIVE) &&
	    !c->was_read && !c->ended && c->refusal == 0 &&
	    !conn_is_full(c)) {
		c->was_read = true;
		read_some(ctx, c);
	}
}

/* -- turns and ticks -------------------------------------------------------- */

/* Notes when a record was begun, for its deadline. */
static void
mind_record(struct conn_context *ctx, struct conn *c)
{
	if (d4_feed_pending(c->feed) == 0)
		c->record_ms = 0;
	else if (c->record_ms == 0 || c->turn_records > 0)
		c->record_ms = ctx->now_ms;
}

/* Why the stream has to end, or 0. */
static unsigned
judge_stream(const struct conn *c)
{
	enum stream_end end = c->sink == NULL ? STREAM_GOES_ON :
	    stream_end(c->sink);

	return end == STREAM_TAKEN ? REFUSED_TAKEN_OVER :
	    end == STREAM_OVERFLOW ? REFUSED_OVERFLOW :
	    end == STREAM_BAD_DATA ? REFUSED_WORKER : 0;
}

/* After the batch was taken: what is left to do for a connection. */
static void
finish_turn(struct conn_context *ctx, struct conn *c)
{
	if (c->state == CONN_DEAD)
		return;
	mind_record(ctx, c);
	note_turn(ctx, c);
	d4_feed_idle(c->feed);
	if (judge_stream(c) != 0) {
		refuse(ctx, c, judge_stream(c), NULL);
		return;
	}
	if (c->refusal != 0 && c->backlog_len == 0) {
		refuse(ctx, c, c->refusal, c->more);
		return;
	}
	if (ctx->settings->sync == STORE_SYNC_ALWAYS && c->resumes &&
	    c->stream != NULL && took(ctx, c, store_flush(c->stream,
	    ctx->now)) == -1)
		return;
	if (c->ended && c->refusal == 0 && c->state != CONN_ENDING) {
		if (d4_feed_pending(c->feed) > 0)
			refuse_stored(ctx, c, D4_SHORT, NULL);
		else
			enter(ctx, c, CONN_ENDING);
	}
	if (c->state == CONN_ENDING)
		answer(ctx, c);
	if (c->state != CONN_DEAD)
		watch(ctx, c);
}

/* Whether bytes lie decrypted, of which epoll doesn't tell. */
static bool
waits_unseen(struct conn *c)
{
	return c->state != CONN_DEAD && c->again && c->tls != NULL &&
	    !c->ended && c->refusal == 0 && !conn_is_full(c) &&
	    d4_tls_pending(c->tls);
}

bool
conn_turn(struct conn_context *ctx)
{
	struct conn *c, *next;
	bool again = false;

	settle(ctx);
	c = ctx->touched;
	ctx->touched = NULL;
	for (; c != NULL; c = next) {
		next = c->touched;
		c->is_touched = c->was_read = false;
		finish_turn(ctx, c);
		if (waits_unseen(c)) {
			touch(ctx, c);
			again = true;
		}
	}
	while ((c = ctx->dead) != NULL) {
		ctx->dead = c->next;
		release(ctx, c);
	}
	return again;
}

/* How long a record may take once it was begun, in ms. */
static int64_t
record_time(const struct conn *c)
{
	return RECORD_MS + (int64_t)d4_feed_announced(c->feed) *
	    RECORD_KIB_MS / 1024;
}

static void
mind_deadline(struct conn_context *ctx, struct conn *c)
{
	int64_t age = ctx->now_ms - c->since_ms;

	if (c->state == CONN_HANDSHAKE && age > HANDSHAKE_MS)
		refuse(ctx, c, REFUSED_TIMEOUT, "TLS handshake");
	else if (c->record_ms != 0 && !conn_is_full(c) &&
	    ctx->now_ms - c->record_ms > record_time(c))
		refuse(ctx, c, REFUSED_TIMEOUT, "a record");
	else if (c->state == CONN_QUIET &&
	    age > (int64_t)ctx->settings->quiet * 1000)
		refuse(ctx, c, REFUSED_TIMEOUT, "no record");
}

static bool
waits_for_room(const struct conn *c)
{
	/* Not so who waits for another session of its stream. */
	if (c->stream != NULL && store_is_held(c->stream))
		return false;
	return c->state != CONN_DEAD && (c->backlog_len > 0 ||
	    (c->state == CONN_ENDING && !c->answering));
}

void
conn_retry(struct conn_context *ctx)
{
	struct conn *c, *next;

	for (c = ctx->first; c != NULL; c = next) {
		next = c->next;
		if (c->backlog_len > 0 && c->stream != NULL &&
		    store_is_held(c->stream))
			drain_backlog(ctx, c);
		if (c->state == CONN_ENDING)
			touch(ctx, c);
	}
}

void
conn_wake(struct conn_context *ctx)
{
	struct conn *c, *next;

	for (c = ctx->first; c != NULL; c = next) {
		next = c->next;
		if (c->sink == NULL)
			continue;
		if (c->stream == NULL && c->backlog_len > 0)
			drain_backlog(ctx, c);
		/* The wait was ours, not the sensor's. */
		if (c->record_ms != 0 && c->events == 0)
			c->record_ms = ctx->now_ms;
		touch(ctx, c);
	}
}

/* Of types that may have many connections nobody else tells whether a newer one
 * of the same stream waits at another worker; another collector may have it. */
static void
mind_stream(struct conn_context *ctx, struct conn *c)
{
	note_newest(ctx, c);
	if (!c->resumes || c->stream == NULL)
		return;
	if (store_is_held(c->stream)) {
		if (c->backlog_len > 0)
			store_want(c->stream);
	} else if (store_is_taken(c->stream) ||
	    (c->session.type == D4_TYPE_EXTENDED &&
	    store_is_wanted(c->stream))) {
		c->replaced = true;
		refuse_stored(ctx, c, REFUSED_TAKEN_OVER, NULL);
	}
}

void
conn_tick(struct conn_context *ctx, bool judge)
{
	struct conn *c, *next;
	unsigned reason;

	while ((c = d4_registry_lost(ctx->registry)) != NULL) {
		c->replaced = true;
		refuse_stored(ctx, c, REFUSED_TAKEN_OVER, NULL);
	}
	ctx->nwaiting = 0;
	for (c = ctx->first; c != NULL; c = next) {
		next = c->next;
		if (judge && (reason = admit_again(ctx, c)) != 0)
			refuse_stored(ctx, c, reason, NULL);
		else if (judge && c->state == CONN_LIVE)
			admit_limits(ctx, c);
		if (c->state != CONN_DEAD)
			mind_deadline(ctx, c);
		if (c->state != CONN_DEAD)
			mind_stream(ctx, c);
		if (c->state != CONN_DEAD && c->backlog_len > 0)
			drain_backlog(ctx, c);
		if (c->state == CONN_ENDING)
			touch(ctx, c);
		ctx->nwaiting += waits_for_room(c);
	}
	refusals_tick(&ctx->refusals);
}

void
conn_reread(struct conn_context *ctx)
{
	struct conn *c;

	for (c = ctx->touched; c != NULL; c = c->touched) {
		if (c->again)
			conn_ready(ctx, c);
	}
}

void
conn_end_all(struct conn_context *ctx)
{
	while (ctx->first != NULL)
		bury(ctx, ctx->first);
	(void)conn_turn(ctx);
}
