/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>

#include "d4-meta/stream.h"
#include "lib/feed.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/stop.h"

#define READ_BYTES	((size_t)256 << 10)	/* stays in a core's cache */
#define BATCH		1024

/* The records of one batch, where the feed has them. */
struct batch {
	struct d4_header	 headers[BATCH];
	struct d4_mac_job	 jobs[BATCH];
	size_t			 n;
};

const char *
stream_hmac_str(enum stream_hmac hmac)
{
	static const char *const words[] = {
		[STREAM_UNCHECKED] = "unchecked",
		[STREAM_GOOD] = "good",
		[STREAM_BAD] = "bad",
	};

	return words[hmac];
}

static void
say_figures(const struct stream *s)
{
	d4_log_say("%s: %llu records, %llu bytes, %llu with a bad HMAC",
	    s->name, (unsigned long long)s->nrecords,
	    (unsigned long long)s->nbytes, (unsigned long long)s->nbad);
}

static void
break_off(struct stream *s, enum d4_refusal reason)
{
	s->end = reason;
	s->end_offset = s->nbytes;
	d4_log_warnx("%s: offset %llu: %s", s->name,
	    (unsigned long long)s->end_offset, d4_refusal_str(reason));
}

static int
hand_out(struct stream *s, const struct batch *b, size_t i)
{
	struct stream_record record = {
		.offset = s->nbytes,
		.header = b->headers[i],
		.payload = b->jobs[i].record + D4_HEADER_LEN,
		.hmac = STREAM_UNCHECKED
	};

	if (s->mac != NULL)
		record.hmac = b->jobs[i].good ? STREAM_GOOD : STREAM_BAD;
	if (record.hmac == STREAM_BAD && s->nbad++ == 0)
		s->first_bad = record.offset;
	s->nrecords++;
	s->nbytes += b->jobs[i].len;
	return s->on_record(s->cookie, &record);
}

static int
hand_out_all(struct stream *s, struct batch *b)
{
	size_t i;

	if (s->mac != NULL && d4_mac_verify(s->mac, b->jobs, b->n) == -1) {
		d4_log_warnx("%s: the HMAC cannot be computed", s->name);
		return -1;
	}
	for (i = 0; i < b->n; i++) {
		if (hand_out(s, b, i) == -1)
			return -1;
	}
	return 0;
}

/* Takes all whole records that the feed holds. */
static int
drain(struct stream *s, struct d4_feed *feed, struct batch *b)
{
	struct d4_feed_record record;
	enum d4_refusal reason = D4_SHORT;

	do {
		for (b->n = 0; b->n < BATCH; b->n++) {
			reason = d4_feed_next(feed, &record);
			if (reason != D4_OK)
				break;
			b->headers[b->n] = record.header;
			b->jobs[b->n].key = s->key;
			b->jobs[b->n].record = record.bytes;
			b->jobs[b->n].len = record.len;
		}
		if (hand_out_all(s, b) == -1)
			return -1;
	} while (b->n == BATCH);
	if (reason == D4_SHORT)
		return s->on_drained(s->cookie);
	break_off(s, reason);
	return -1;
}

/* Reads once.  Returns the bytes, 0 at the end of file or of our time, -1. */
static ssize_t
fill(const struct stream *s, struct d4_feed *feed)
{
	uint8_t *at;
	size_t room;
	ssize_t got;

	if ((room = d4_feed_space(feed, READ_BYTES, &at)) == 0) {
		d4_log_warnx("%s: not enough memory", s->name);
		return -1;
	}
	do {
		if (d4_stop_take_figures())
			say_figures(s);
		if (d4_stop_wanted())
			return 0;
		got = d4_io_read(s->in, at, room);
	} while (got == -1 && errno == EINTR);
	if (got == -1)
		d4_log_warn("%s", s->name);
	else
		d4_feed_filled(feed, (size_t)got);
	return got;
}

int
stream_run(struct stream *s)
{
	struct d4_feed *feed;
	struct batch *batch;
	ssize_t got = -1;
	int rc = -1;

	feed = d4_feed_new(D4_PAYLOAD_MAX);
	if ((batch = malloc(sizeof(*batch))) == NULL || feed == NULL) {
		d4_log_warnx("%s: not enough memory", s->name);
		goto out;
	}
	while ((got = fill(s, feed)) > 0) {
		if (drain(s, feed, batch) == -1)
			goto out;
	}
	/* A signal may well end us within a record. */
	if (got == 0 && d4_feed_pending(feed) > 0 && !d4_stop_wanted())
		break_off(s, D4_SHORT);
	else if (got == 0)
		rc = 0;
out:
	d4_log_info(1, "%s: %llu records, %llu bytes", s->name,
	    (unsigned long long)s->nrecords, (unsigned long long)s->nbytes);
	if (s->nbad > 0) {
		d4_log_warnx("%s: %llu records with a bad HMAC, the first at "
		    "offset %llu", s->name, (unsigned long long)s->nbad,
		    (unsigned long long)s->first_bad);
		rc = -1;
	}
	free(batch);
	d4_feed_free(feed);
	return rc;
}
