/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "d4-recv/filter.h"
#include "lib/feed.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/stop.h"
#include "lib/type.h"
#include "lib/uuid.h"

#define READ_BYTES	((size_t)256 << 10)	/* stays in a core's cache */
#define BATCH		1024			/* what one writev(2) takes */
#define DESCRIPTION	160

/* The records of one batch, where the feed has them. */
struct batch {
	struct d4_header	 headers[BATCH];
	struct d4_mac_job	 jobs[BATCH];
	struct iovec		 payloads[BATCH];
	size_t			 n;
	enum d4_refusal		 end;	/* why it holds no more, D4_OK: full */
};

/* One line on the session, for -v and SIGUSR1. */
static const char *
describe(const struct session *s, char line[DESCRIPTION])
{
	char uuid[D4_UUID_TEXT];

	if (s->nrecords == 0)
		return "no records";
	d4_uuid_text(uuid, s->uuid);
	(void)snprintf(line, DESCRIPTION,
	    "uuid %s, type %u (%s), %llu records, %llu bytes", uuid, s->type,
	    d4_type_get(s->type)->name, (unsigned long long)s->nrecords,
	    (unsigned long long)s->nbytes);
	return line;
}

static int
refuse(const struct filter *f, enum d4_refusal reason, const char *why)
{
	d4_log_warnx("%s: record %llu: %s%s%s", f->in_name,
	    (unsigned long long)f->session.nrecords + 1,
	    d4_refusal_str(reason), *why == '\0' ? "" : ": ", why);
	return -1;
}

static int
write_meta(const struct filter *f)
{
	const struct session *s = &f->session;
	int fd, rc;

	if (f->meta_file == NULL)
		return 0;
	fd = open(f->meta_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
	    0666);
	if (fd == -1) {
		d4_log_warn("%s", f->meta_file);
		return -1;
	}
	rc = d4_io_write_full(fd, s->meta, s->metalen, NULL);
	if (close(fd) == -1 || rc == -1) {
		d4_log_warn("%s", f->meta_file);
		return -1;
	}
	return 0;
}

/* The meta header is complete: no further part of it can come. */
static int
close_meta(struct filter *f)
{
	const char *why = "";
	enum d4_refusal reason;

	reason = session_close_meta(&f->session, f->rules, &why);
	if (reason != D4_OK)
		return refuse(f, reason, why);
	return write_meta(f);
}

/* Takes a verified record: a part of the meta header, or a payload to write. */
static int
take(struct filter *f, struct batch *b, size_t i, size_t *npayloads)
{
	const struct d4_header *h = &b->headers[i];
	struct session *s = &f->session;
	uint8_t *payload = b->jobs[i].record + D4_HEADER_LEN;

	if (h->type == D4_TYPE_META) {
		if (session_take_meta(s, payload, h->size) != D4_OK)
			return refuse(f, D4_BAD_META, "it is too long");
	} else {
		if (h->type == D4_TYPE_EXTENDED && s->header == NULL &&
		    close_meta(f) == -1)
			return -1;
		b->payloads[*npayloads].iov_base = payload;
		b->payloads[*npayloads].iov_len = h->size;
		(*npayloads)++;
		s->nbytes += h->size;
	}
	s->nrecords++;
	return 0;
}

/* Gathers what the feed holds and the rules admit. */
static void
gather(struct filter *f, struct d4_feed *feed, struct batch *b)
{
	struct d4_feed_record record;

	b->end = D4_OK;
	for (b->n = 0; b->n < BATCH && b->end == D4_OK; ) {
		if ((b->end = d4_feed_next(feed, &record)) != D4_OK)
			break;
		b->end = session_admit(&f->session, f->rules, &record.header);
		if (b->end != D4_OK)
			break;
		b->headers[b->n] = record.header;
		b->jobs[b->n].key = f->key;
		b->jobs[b->n].record = record.bytes;
		b->jobs[b->n].len = record.len;
		b->n++;
	}
}

/* Verifies a batch and writes the payloads of all records before the first
 * that is bad. */
static int
deliver(struct filter *f, struct batch *b)
{
	size_t i, npayloads = 0;
	int rc = 0;

	if (d4_mac_verify(f->mac, b->jobs, b->n) == -1) {
		d4_log_warnx("%s: the HMAC cannot be computed", f->in_name);
		return -1;
	}
	for (i = 0; i < b->n && rc == 0; i++) {
		if (!b->jobs[i].good)
			rc = refuse(f, D4_BAD_HMAC, "");
		else
			rc = take(f, b, i, &npayloads);
	}
	if (d4_io_writev_full(f->out, b->payloads, npayloads, NULL) == -1) {
		d4_log_warn("%s", f->out_name);
		return -1;
	}
	return rc;
}

/* Takes all whole records that the feed holds. */
static int
drain(struct filter *f, struct d4_feed *feed, struct batch *b)
{
	do {
		gather(f, feed, b);
		if (deliver(f, b) == -1)
			return -1;
	} while (b->end == D4_OK);
	return b->end == D4_SHORT ? 0 : refuse(f, b->end, "");
}

/* Reads once.  Returns the bytes, 0 at the end of file or of our time, -1. */
static ssize_t
fill(const struct filter *f, struct d4_feed *feed)
{
	char line[DESCRIPTION];
	uint8_t *at;
	size_t room;
	ssize_t got;

	if ((room = d4_feed_space(feed, READ_BYTES, &at)) == 0) {
		d4_log_warnx("%s: not enough memory", f->in_name);
		return -1;
	}
	do {
		if (d4_stop_take_figures())
			d4_log_say("%s: %s", f->in_name,
			    describe(&f->session, line));
		if (d4_stop_wanted())
			return 0;
		got = d4_io_read(f->in, at, room);
	} while (got == -1 && errno == EINTR);
	if (got == -1)
		d4_log_warn("%s", f->in_name);
	else
		d4_feed_filled(feed, (size_t)got);
	return got;
}

/* What is still to be judged at the end of the stream. */
static int
finish(struct filter *f, const struct d4_feed *feed)
{
	const struct session *s = &f->session;

	/* A signal may well end us within a record. */
	if (d4_feed_pending(feed) > 0 && !d4_stop_wanted())
		return refuse(f, D4_SHORT, "");
	if (s->metalen > 0 && s->header == NULL && !d4_stop_wanted())
		return close_meta(f);
	return 0;
}

int
filter_run(struct filter *f)
{
	char line[DESCRIPTION];
	struct d4_feed *feed;
	struct batch *batch;
	ssize_t got;
	int rc = -1;

	feed = d4_feed_new(D4_PAYLOAD_MAX);
	if ((batch = malloc(sizeof(*batch))) == NULL || feed == NULL) {
		d4_log_warnx("%s: not enough memory", f->in_name);
		goto out;
	}
	while ((got = fill(f, feed)) > 0) {
		if (drain(f, feed, batch) == -1)
			goto out;
	}
	if (got == 0)
		rc = finish(f, feed);
out:
	d4_log_info(1, "%s: %s", f->in_name, describe(&f->session, line));
	free(batch);
	d4_feed_free(feed);
	return rc;
}
