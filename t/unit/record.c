/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/record.h"
#include "t/unit/tap.h"

static struct d4_mac *mac;
static struct d4_mac_key *key;

static struct d4_record *
make(size_t snaplen)
{
	struct d4_header h = { .version = 3, .type = 9 };
	struct d4_record *r;

	memset(h.uuid, 0xab, sizeof(h.uuid));
	if ((r = d4_record_new(&h, snaplen, mac, key)) == NULL)
		abort();
	return r;
}

/*
 * Walks over the batch: every record sealed, of the type and time, and the
 * payloads joined equal to data.  Returns how many there are, or -1.
 */
static int
walk(struct d4_record *r, uint8_t type, uint64_t timestamp, const void *data,
    size_t datalen)
{
	const uint8_t *bytes, *p = data;
	uint8_t copy[D4_HEADER_LEN + 4096];
	size_t len, at, left = datalen;
	int n = 0;

	bytes = d4_record_bytes(r, &len);
	for (at = 0; at < len; n++) {
		struct d4_mac_job job = { .key = key, .record = copy };
		struct d4_header h;

		d4_header_decode(&h, bytes + at);
		job.len = D4_HEADER_LEN + (size_t)h.size;
		if (job.len > len - at || job.len > sizeof(copy) ||
		    h.size > left || h.version != 3 || h.type != type ||
		    h.timestamp != timestamp || h.uuid[15] != 0xab)
			return -1;
		memcpy(copy, bytes + at, job.len);
		if (d4_mac_verify(mac, &job, 1) == -1 || !job.good ||
		    memcmp(copy + D4_HEADER_LEN, p, h.size) != 0)
			return -1;
		p += h.size;
		left -= h.size;
		at += job.len;
	}
	return left == 0 && (size_t)n == d4_record_count(r) ? n : -1;
}

static void
test_fill(void)
{
	static const struct {
		size_t	snaplen;
		size_t	len;
		int	n;
	} cases[] = {
		{ 1, 3, 3 }, { 7, 6, 1 }, { 7, 7, 1 }, { 7, 8, 2 },
		{ 7, 14, 2 }, { 7, 15, 3 }, { 300, 1000, 4 },
		{ 4096, 1000, 1 }, { 4096, 4096, 1 }, { 4096, 4097, 2 },
		{ 1000000, 3000, 1 }
	};
	uint8_t data[5000];
	size_t i;
	int fds[2];

	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31 + i / 256);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct d4_record *r = make(cases[i].snaplen);

		if (pipe(fds) == -1 || write(fds[1], data, cases[i].len) !=
		    (ssize_t)cases[i].len)
			abort();
		is(d4_record_fill(r, fds[0], 5), cases[i].len,
		    "fill takes what waits: %zu", cases[i].len);
		is(d4_record_seal(r, 1795220274), 0, "seal");
		is(walk(r, 5, 1795220274, data, cases[i].len), cases[i].n,
		    "%d records of %zu", cases[i].n, cases[i].snaplen);
		close(fds[1]);
		is(d4_record_fill(r, fds[0], 5), 0, "end of file");
		is(d4_record_count(r), 0, "leaves an empty batch");
		close(fds[0]);
		d4_record_free(r);
	}
}

static void
test_fill_fault(void)
{
	struct d4_record *r = make(10);

	is(d4_record_fill(r, -1, 1), -1, "a closed descriptor fails");
	is(errno, EBADF, "with errno");
	is(d4_record_count(r), 0, "and no record");
	d4_record_free(r);
}

static uint8_t filled[2000];

static uint64_t
time_at(const struct d4_record *r, size_t at)
{
	struct d4_header h;
	size_t len;

	d4_header_decode(&h, d4_record_bytes(r, &len) + at);
	return h.timestamp;
}

static void
test_put(void)
{
	static uint8_t most[D4_PAYLOAD_MAX];
	struct d4_record *r = make(4);
	size_t len, n = 0;

	is(d4_record_put(r, 2, NULL, 0), 0, "an empty record");
	is(d4_record_seal(r, 7), 0, "seal");
	is(walk(r, 2, 7, "", 0), 1, "is a header alone");
	d4_record_bytes(r, &len);
	is(len, D4_HEADER_LEN, "of 62 bytes");
	is(d4_record_put(r, 2, "abcd", 4), 0, "a full one behind it");
	is(d4_record_put(r, 2, "ef", 2), 0, "and a short one");
	is(d4_record_seal(r, 8), 0, "seal again");
	is(time_at(r, 0), 7, "what was sealed keeps its time");
	is(time_at(r, D4_HEADER_LEN), 8, "what was not has the new one");
	d4_record_clear(r);
	(void)d4_record_put(r, 2, "abcd", 4);
	(void)d4_record_put(r, 2, "ef", 2);
	is(d4_record_seal(r, 9), 0, "a batch anew");
	is(walk(r, 2, 9, "abcdef", 6), 2, "is sealed from its beginning");
	d4_record_clear(r);
	is(d4_record_count(r), 0, "clear empties");
	d4_record_bytes(r, &len);
	is(len, 0, "to no byte");
	while (n < 100000 && d4_record_put(r, 2, "abcd", 4) == 0)
		n++;
	ok(n > 1 && n < 100000, "a batch has an end");
	is(d4_record_count(r), n, "a refused record leaves no trace");
	d4_record_bytes(r, &len);
	is(len, n * (D4_HEADER_LEN + 4), "nor a byte");
	d4_record_free(r);

	r = make(D4_PAYLOAD_MAX);
	is(d4_record_put(r, 2, most, sizeof(most)), 0, "the greatest fits");
	is(d4_record_put(r, 2, "a", 1), -1, "and no other behind it");
	d4_record_free(r);
}

/* Several batches, with more records than the mac takes at a time. */
static void
test_seal_all(void)
{
	struct d4_record *batches[3] = { make(4), make(4), make(4) };
	size_t i, n = 0;

	(void)d4_record_put(batches[0], 2, "ab", 2);
	is(d4_record_seal(batches[0], 6), 0, "seal");
	(void)d4_record_put(batches[0], 2, "cd", 2);
	while (d4_record_put(batches[2], 2, "x", 1) == 0)
		n++;
	ok(n > 256, "%zu records in the third", n);
	is(d4_record_seal_all(batches, 3, 7), 0, "seal three batches");
	is(time_at(batches[0], 0), 6, "what was sealed keeps its time");
	is(time_at(batches[0], D4_HEADER_LEN + 2), 7, "what was not has one");
	is(time_at(batches[2], (n - 1) * (D4_HEADER_LEN + 1)), 7,
	    "so has the last");
	memset(filled, 'x', sizeof(filled));
	is(walk(batches[2], 2, 7, filled, n), n, "and all are sealed");
	for (i = 0; i < 3; i++)
		d4_record_free(batches[i]);
}

static void
test_whole(void)
{
	struct d4_record *r = make(100);
	size_t len, want, wrong = 0;

	(void)d4_record_put(r, 1, "0123456789", 10);
	(void)d4_record_put(r, 1, NULL, 0);
	(void)d4_record_put(r, 1, "01234", 5);
	for (len = 0; len <= 201; len++) {
		want = len < 72 ? 0 : len < 134 ? 72 : len < 201 ? 134 : 201;
		wrong += d4_record_whole(r, len) != want;
	}
	is(wrong, 0, "whole is the last border at or before each length");
	d4_record_free(r);
	d4_record_free(NULL);
}

int
main(void)
{
	mac = d4_mac_new();
	key = d4_mac_key_new(mac, "secret", 6);
	test_fill();
	test_fill_fault();
	test_put();
	test_seal_all();
	test_whole();
	d4_mac_key_free(key);
	d4_mac_free(mac);
	return tap_done();
}
