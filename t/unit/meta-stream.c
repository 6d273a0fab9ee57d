/* SPDX-License-Identifier: ISC */

/* The sessions within a stream and the counting of records, record by
 * record. */

#include <stdlib.h>
#include <string.h>

#include "d4-meta/session.h"
#include "d4-meta/tally.h"
#include "t/unit/tap.h"

static struct session session;

/* A header of one of 256 sensors. */
static struct d4_header
header(uint8_t sensor, uint8_t type, uint64_t timestamp, size_t size)
{
	struct d4_header h = {
		.version = 1, .type = type, .timestamp = timestamp,
		.size = (uint32_t)size
	};

	memset(h.uuid, sensor, sizeof(h.uuid));
	h.uuid[6] = 0x40;
	h.uuid[8] = 0x80;
	return h;
}

static bool
take(uint8_t sensor, uint8_t type, const char *payload)
{
	struct d4_header h = header(sensor, type, 0, strlen(payload));

	return session_take(&session, &h, (const uint8_t *)payload);
}

static void
forget(void)
{
	session_free(&session);
	memset(&session, 0, sizeof(session));
}

static void
test_header(void)
{
	ok(take(1, 2, "{\"type\":"), "the first record begins a session");
	ok(session.meta == NULL && session.fault == D4_OK, "half a header");
	ok(!take(1, 2, ""), "an empty part");
	ok(!take(1, 2, "\"ja3-jl\"}"), "the rest goes on with it");
	ok(session.meta != NULL && strcmp(session.metatype, "ja3-jl") == 0,
	    "and completes the header");
	ok(!take(1, 2, "\n") && session.meta == NULL &&
	    session.fault == D4_OK, "a newline behind it");
	ok(!take(1, 254, "data") && session.fault == D4_OK &&
	    strcmp(session.metatype, "ja3-jl") == 0, "then data");
	ok(!take(1, 254, "") && session.fault == D4_OK, "and more");
	ok(take(1, 2, "{\"type\":\"x\"}"), "a further header, a new session");
	is(session.number, 2, "the second");
	ok(strcmp(session.metatype, "x") == 0, "with its own type");
	ok(!take(1, 2, "{}") && session.fault == D4_BAD_META &&
	    session.metatype[0] == '\0', "bytes behind a header spoil it");
	ok(!take(1, 254, "data") && session.fault == D4_OK,
	    "said once");
	ok(take(2, 254, "data") && session.fault == D4_NO_META,
	    "data without a header");
	ok(take(2, 1, "data") && session.fault == D4_OK, "another type");
	ok(take(2, 2, "[]") && session.fault == D4_BAD_META, "a list");
	ok(!session_finish(&session), "nothing is left to be said");
	forget();
	(void)take(1, 2, "{\"type\":\"a\"");
	ok(!take(1, 254, "data") && session.fault == D4_BAD_META,
	    "data within a header");
	forget();
	ok(!session_finish(&session), "no record, no fault");
	(void)take(1, 2, "");
	ok(!session_finish(&session), "an empty record, no fault");
	(void)take(1, 2, "{");
	ok(session_finish(&session) && session.fault == D4_BAD_META,
	    "the end within a header");
	forget();
}

static void
test_limits(void)
{
	static const char start[] = "{\"type\":\"a\"";
	static char payload[2048];
	struct d4_header h = header(1, 2, 0, sizeof(payload));
	size_t i, n;

	(void)take(1, 2, start);
	memset(payload, ' ', sizeof(payload));
	n = (D4_META_MAX - strlen(start)) / sizeof(payload);
	for (i = 0; i < n; i++)
		(void)session_take(&session, &h, (uint8_t *)payload);
	ok(!session.judged, "a header may be long");
	(void)session_take(&session, &h, (uint8_t *)payload);
	ok(session.judged && session.fault == D4_BAD_META, "but not longer");
	(void)session_take(&session, &h, (uint8_t *)payload);
	is(session.fault, D4_OK, "said once");
	forget();
	h.uuid[6] = 0x10;
	(void)session_take(&session, &h, (uint8_t *)payload);
	is(session.fault, D4_BAD_UUID, "a uuid that is not of version 4");
	forget();
}

static struct tally *tally;

static void
add(uint8_t sensor, uint8_t type, uint64_t timestamp, const char *payload,
    enum stream_hmac hmac)
{
	struct stream_record record = {
		.header = header(sensor, type, timestamp, strlen(payload)),
		.payload = (const uint8_t *)payload, .hmac = hmac
	};

	if (tally_add(tally, &record) == -1)
		exit(1);
}

static void
test_tally(void)
{
	const struct tally_row *const *rows;
	const struct tally_count *c;
	size_t n;

	tally = tally_new(10);
	add(2, 1, 100, "abc", STREAM_GOOD);
	add(2, 1, 110, "abc", STREAM_GOOD);
	add(2, 1, 121, "", STREAM_GOOD);
	add(2, 1, 90, "", STREAM_GOOD);
	add(2, 1, UINT64_MAX, "evil", STREAM_BAD);
	add(1, 2, 0, "{\"type\":\"a\"}", STREAM_GOOD);
	add(1, 254, 5, "x", STREAM_GOOD);
	add(2, 1, 130, "y", STREAM_GOOD);
	rows = tally_rows(tally, &n);
	is(n, 3, "three rows");
	ok(rows[0]->type == 2 && rows[1]->type == 254 && rows[2]->type == 1,
	    "in order");
	ok(strcmp(rows[1]->metatype, "a") == 0, "data has its metatype");
	is(rows[1]->count.nsessions, 1, "and its session");
	c = &rows[2]->count;
	is(c->nrecords, 5, "records");
	is(c->nbytes, 7, "bytes");
	is(c->nbad, 1, "a bad one, which counts for nothing else");
	is(c->nsessions, 2, "sessions");
	is(c->first, 90, "earliest");
	is(c->last, 130, "latest");
	is(c->ngaps, 2, "gaps: more than 10 seconds");
	is(c->longest, 40, "the longest");
	is(c->nbackward, 1, "a step backward");
	is(c->furthest, 31, "how far");
	ok(tally_rate(c, 80) > 1.999 && tally_rate(c, 80) < 2.001, "a rate");
	ok(tally_rate(&rows[1]->count, 1) < 0, "no rate without time");
	c = tally_total(tally);
	is(c->nsessions, 3, "total: sessions");
	is(c->nrecords, 7, "total: records");
	is(c->nbad, 1, "total: bad");
	is(c->ngaps, 2, "total: gaps are those of the rows");
	is(c->last, 130, "total: latest");
	tally_free(tally);
	tally_free(NULL);
}

static void
test_bound(void)
{
	size_t i, n;

	tally = tally_new(10);
	for (i = 0; i < 2 * TALLY_ROWS_MAX; i++) {
		struct stream_record record = {
			.header = header(7, 1, 1, 0)
		};

		record.header.uuid[0] = (uint8_t)i;
		record.header.uuid[1] = (uint8_t)(i >> 8);
		if (tally_add(tally, &record) == -1)
			exit(1);
	}
	(void)tally_rows(tally, &n);
	is(n, TALLY_ROWS_MAX, "the rows are bounded");
	is(tally_uncounted(tally), TALLY_ROWS_MAX, "what is beyond is told");
	is(tally_total(tally)->nrecords, 2 * TALLY_ROWS_MAX,
	    "and counted over all");
	tally_free(tally);
}

int
main(void)
{
	test_header();
	test_limits();
	test_tally();
	test_bound();
	return tap_done();
}
