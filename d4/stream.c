/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "d4/relay.h"
#include "d4/stream.h"
#include "lib/log.h"
#include "lib/type.h"

#define AHEAD_S	3	/* of the clock, hellos of many sessions can be */

/* What is sent in one go. */
struct run_of {
	struct spool	*spool;		/* NULL: none */
	struct source	*source;	/* NULL: only what the spool has */
	uint8_t		 type;		/* of the data */
	bool		 again;		/* see relay.h */
	bool		 over;		/* it has ended and arrived */
};

/*
 * Every session over a network begins with a record of size 0, so that the
 * collector knows the sensor before it has something to say, and then with the
 * meta header.  For the existing server both must be of type 2 then.
 */
static int
add_opening(const struct stream *st, struct window *window, uint64_t second)
{
	size_t at, len;

	window_clock(window, second);
	if (st->s.network && window_add_opening(window, st->s.metalen > 0 ?
	    D4_TYPE_META : st->s.data_type, NULL, 0) == -1)
		return -1;
	for (at = 0; at < st->s.metalen; at += len) {
		len = st->s.metalen - at < st->s.snaplen ?
		    st->s.metalen - at : st->s.snaplen;
		if (window_add_opening(window, D4_TYPE_META, st->s.meta + at,
		    len) == -1)
			return -1;
	}
	return 0;
}

/*
 * The next stream of this sensor has another hello, which names it: the
 * timestamp is all that tells them apart.
 */
static void
outlast_hello(const struct window *window)
{
	struct timespec now, left = { .tv_sec = 0 };
	uint64_t hello = window_hello_time(window), ahead;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if ((uint64_t)now.tv_sec > hello)
		return;
	/* Farther ahead, the clock was set back: there is no end to that. */
	ahead = hello - (uint64_t)now.tv_sec;
	left.tv_sec = ahead < AHEAD_S ? (time_t)ahead : AHEAD_S;
	left.tv_nsec = 999999999 - now.tv_nsec;
	while (nanosleep(&left, &left) == -1 && errno == EINTR)
		continue;
}

static struct link *
open_link(const struct stream *st, struct d4_tls_context *tls)
{
	struct link_settings settings = {
		.fd = st->out, .addr = st->s.addr, .tls = tls,
		.use_proxy = st->o->use_proxy, .proxy = st->o->proxy
	};

	return link_new(&settings);
}

static struct window *
open_window(const struct stream *st, struct spool *spool)
{
	struct window *window;

	window = window_new(&st->header, st->s.snaplen, st->mac, st->key,
	    st->s.network ? st->s.window : 0, st->s.buffer, spool);
	if (window != NULL && spool == NULL &&
	    add_opening(st, window, (uint64_t)time(NULL)) == -1) {
		window_free(window);
		return NULL;
	}
	return window;
}

static struct cut *
open_cut(const struct stream *st, const struct run_of *run,
    struct window *window)
{
	const struct spool_stream *there;
	const struct spool_source *from;
	struct cut *cut;

	/* Where nothing can be begun anew nothing is gained by borders. */
	cut = cut_new(window, st->s.network || st->o->drop ?
	    d4_type_get(run->type)->border : D4_BORDER_OPAQUE, run->type,
	    st->s.snaplen, st->o->drop && run->spool == NULL, st->s.source);
	if (cut == NULL || run->spool == NULL)
		return cut;
	there = spool_stream(run->spool);
	cut_go_on(cut, there->end_preamble, there->end_preamblelen);
	from = &there->source;
	if (!there->closed && there->data < from->prefixlen) {
		window_clock(window, (uint64_t)time(NULL));
		if (cut_put(cut, from->prefix + there->data,
		    from->prefixlen - (size_t)there->data) == -1 ||
		    window_seal(window) == -1) {
			cut_free(cut);
			return NULL;
		}
	}
	return cut;
}

/* Returns 0, or -1 when something went wrong. */
static int
run_relay(const struct stream *st, struct d4_tls_context *tls,
    struct run_of *run)
{
	struct relay_settings r = {
		.source = run->source, .spool = run->spool,
		.again = run->again, .drop = st->o->drop,
		.source_name = st->s.source, .spool_name = st->s.spool,
		.link_name = st->s.destination,
		.retry_s = st->s.network ? st->o->retry_s : 0,
		.rate = st->o->rate, .stats_s = st->o->stats_s,
		.metrics = st->o->metrics
	};
	char labels[64];
	int rc = -1;

	(void)snprintf(labels, sizeof(labels), "uuid=\"%s\",type=\"%u\"",
	    st->uuid, run->type);
	r.labels = labels;
	r.closed = run->spool != NULL && spool_stream(run->spool)->closed;
	r.link = open_link(st, tls);
	r.window = open_window(st, run->spool);
	if (r.window != NULL)
		r.cut = open_cut(st, run, r.window);
	if (r.link == NULL || r.cut == NULL)
		d4_log_warnx("memory: not enough");
	else
		rc = relay_run(&r, &run->over);
	if (st->s.network && r.window != NULL && run->spool == NULL)
		outlast_hello(r.window);
	link_free(r.link);	/* the window's bytes are lent to it */
	cut_free(r.cut);
	window_free(r.window);
	return rc;
}

/* -- with a spool ---------------------------------------------------------- */

enum sameness {
	SAME,
	CHANGED,		/* this sensor's, and yet another stream */
	FOREIGN			/* not ours to send */
};

/* Whether what opens the stream is what would open one now. */
static enum sameness
compare_opening(const struct stream *st, const struct spool_stream *there)
{
	struct d4_mac_job job = { .key = st->key, .len = D4_HEADER_LEN };
	uint8_t record[D4_HEADER_LEN];
	const uint8_t *opening;
	struct d4_header hello;
	struct window *window;
	enum sameness same = CHANGED;
	size_t len;

	memcpy(record, there->opening, sizeof(record));
	d4_header_decode(&hello, record);
	job.record = record;
	if (hello.version != st->header.version || hello.size != 0 ||
	    memcmp(hello.uuid, st->header.uuid, D4_UUID_LEN) != 0 ||
	    d4_mac_verify(st->mac, &job, 1) == -1 || !job.good)
		return FOREIGN;
	window = window_new(&st->header, st->s.snaplen, st->mac, st->key, 0,
	    st->s.buffer, NULL);
	if (window != NULL &&
	    add_opening(st, window, hello.timestamp) == 0) {
		opening = window_hello(window, &len);
		if (len == there->openinglen &&
		    memcmp(opening, there->opening, len) == 0)
			same = SAME;
	}
	window_free(window);
	return same;
}

/* Where in its file a stream goes on that has so many bytes. */
static uint64_t
place(const struct spool_source *s, uint64_t data)
{
	return data > s->prefixlen ? s->offset + (data - s->prefixlen) :
	    s->offset;
}

/* Whether this is what the stream was read from. */
static bool
same_source(const struct spool_source *now, uint64_t size,
    const struct spool_stream *there)
{
	const struct spool_source *then = &there->source;

	if (strcmp(now->name, then->name) != 0 ||
	    now->regular != then->regular)
		return false;
	return !now->regular || (now->dev == then->dev &&
	    now->ino == then->ino && size >= place(then, there->data));
}

static int
seek_to(const struct stream *st, uint64_t offset)
{
	if (source_seek(st->source, offset) == 0)
		return 0;
	d4_log_warn("%s", st->s.source);
	return -1;
}

/* What the source is, and how large. */
static uint64_t
describe(const struct stream *st, struct spool_source *source)
{
	struct source_file file = { .size = 0 };

	memset(source, 0, sizeof(*source));
	source->name = st->s.source;
	source->regular = source_file(st->source, &file);
	source->dev = file.dev;
	source->ino = file.ino;
	source->offset = file.offset;
	return file.size;
}

/* The stream was answered.  Of a file that could be read again it is remembered
 * how far that was. */
static int
finish(const struct stream *st, const struct run_of *run)
{
	struct spool_source end = spool_stream(run->spool)->source;
	bool known = run->again;

	if (known) {
		end.offset = place(&end, spool_data(run->spool));
		known = source_sum(st->source, end.offset, &end.sum) == 0;
	}
	if (spool_finish(run->spool, known ? &end : NULL) == 0)
		return 0;
	d4_log_warn("%s", st->s.spool);
	return -1;
}

/* Sends a stream, and empties the spool of one that is over. */
static int
send_stream(const struct stream *st, struct d4_tls_context *tls,
    struct run_of *run)
{
	if (run_relay(st, tls, run) == -1)
		return -1;
	return run->over ? finish(st, run) : 0;
}

/* Whether all of this source up to there was answered. */
static bool
was_answered(const struct stream *st, const struct spool_source *source,
    uint64_t size, const struct spool_stream *ended)
{
	uint64_t sum;

	return source->regular &&
	    compare_opening(st, ended) == SAME &&
	    same_source(source, size, ended) &&
	    source_sum(st->source, ended->source.offset, &sum) == 0 &&
	    sum == ended->source.sum;
}

/* Begins one. */
static int
begin(const struct stream *st, struct spool *spool,
    const struct spool_source *source)
{
	uint64_t second = (uint64_t)time(NULL);
	struct window *window;
	const uint8_t *opening;
	size_t len;
	int rc = -1;

	if (second <= spool_hello_time(spool))
		second = spool_hello_time(spool) + 1;
	window = window_new(&st->header, st->s.snaplen, st->mac, st->key, 0,
	    st->s.buffer, NULL);
	if (window == NULL || add_opening(st, window, second) == -1) {
		d4_log_warnx("memory: not enough");
	} else {
		opening = window_hello(window, &len);
		rc = spool_begin(spool, source, opening, len);
		if (rc == -1)
			d4_log_warn("%s", st->s.spool);
	}
	window_free(window);
	return rc;
}

/* Goes on with the stream that is there, to its end.  Returns the exit status,
 * or -1 when it is over and another one may begin. */
static int
go_on(const struct stream *st, struct d4_tls_context *tls,
    struct spool *spool)
{
	const struct spool_stream *there = spool_stream(spool);
	struct run_of run = { .spool = spool };
	struct spool_source source;
	uint64_t size = describe(st, &source);
	bool same = false;

	switch (compare_opening(st, there)) {
	case FOREIGN:
		d4_log_warnx("%s: holds a stream of another uuid, key "
		    "or version (expected: send it with those, or "
		    "remove it)", st->s.spool);
		return 2;
	case SAME:
		same = same_source(&source, size, there);
		break;
	case CHANGED:
		break;
	}
	run.again = same && source.regular;
	run.type = there->opening[D4_TYPE_AT] == D4_TYPE_META ?
	    D4_TYPE_EXTENDED : there->opening[D4_TYPE_AT];
	if (!same || there->closed) {
		d4_log_info(1, "%s: what it holds is sent first", st->s.spool);
		if (send_stream(st, tls, &run) == -1)
			return 1;
		return run.over ? -1 : 0;
	}
	run.source = st->source;
	d4_log_info(1, "%s: the stream goes on", st->s.spool);
	if (run.again && seek_to(st, place(&there->source, there->data)) == -1)
		return 1;
	return send_stream(st, tls, &run) == 0 ? 0 : 1;
}

/* What is there, then what there will be.  Returns the exit status. */
static int
run_spool(const struct stream *st, struct d4_tls_context *tls,
    struct spool *spool)
{
	struct run_of run = { .spool = spool, .source = st->source,
	    .type = st->s.data_type };
	const struct spool_stream *ended;
	struct spool_source source;
	bool sent = spool_stream(spool) != NULL;
	uint64_t size;
	int status;

	if (sent && (status = go_on(st, tls, spool)) != -1)
		return status;
	size = describe(st, &source);
	ended = spool_ended(spool);
	if (ended != NULL && was_answered(st, &source, size, ended)) {
		source.offset = ended->source.offset;
		source.prefix = ended->source.prefix;
		source.prefixlen = ended->source.prefixlen;
		if (size == source.offset) {
			if (!sent)
				d4_log_warnx("%s: was sent to its end before, "
				    "and is the same", st->s.source);
			return 0;
		}
	}
	run.again = source.regular;
	if (begin(st, spool, &source) == -1 ||
	    (run.again && seek_to(st, source.offset) == -1) ||
	    send_stream(st, tls, &run) == -1)
		return 1;
	return 0;
}

int
stream_run(struct stream *st, struct d4_tls_context *tls)
{
	struct run_of run = { .source = st->source, .type = st->s.data_type };
	struct spool *spool;
	char why[SPOOL_WHY];
	bool wrong;
	int status;

	if (*st->s.spool == '\0')
		return run_relay(st, tls, &run) == 0 ? 0 : 1;
	spool = spool_open(st->s.spool, st->s.spool_size, st->s.buffer, why,
	    &wrong);
	if (spool == NULL) {
		d4_log_warnx("%s: %s", st->s.spool, why);
		return wrong ? 2 : 1;
	}
	if (*spool_damage(spool) != '\0')
		d4_log_warnx("%s: %s", st->s.spool, spool_damage(spool));
	status = run_spool(st, tls, spool);
	spool_close(spool);
	return status;
}
