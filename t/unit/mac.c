/* SPDX-License-Identifier: ISC */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mac.h"
#include "t/unit/tap.h"

#define RECORD_MAX	(D4_HEADER_LEN + 4096)
#define KEY_MAX		342

/*
 * Byte i of the key is 7i + its length, byte i of the record 13i + 5.  The
 * tags are those of Python's hmac over the record with bytes 26 to 57 zero;
 * the lengths lie around SHA-256's block and HMAC's rule for long keys.
 */
static const struct vector {
	size_t		 keylen;
	size_t		 size;
	const char	*tag;
} vectors[] = {
	{ 0, 0, "b4520f40b35e66a68a315813e8fd69a8"
	    "6dde64ac3a616322d1abaee39dc5d1aa" },
	{ 0, 1000, "c88d90b20a578c09eb4165e8a896ea3e"
	    "042586c1855b3009b14141a1798d6f69" },
	{ 1, 1, "5a09851b5b28a91cbc43498db3fb1304"
	    "2301c259cc11712fb6bd98b4beaf0376" },
	{ 6, 57, "682268d45fe8bae060ef84c1ea2f45f5"
	    "c305a622059755deffbe68fca3629e34" },
	{ 63, 64, "9de96d1d99fcfe81e06baa7fa8f60b62"
	    "71074ee93b8a35aa91bed2520732ddcf" },
	{ 64, 0, "e6a3b9452821a5e642f2b1c56d3d890e"
	    "3116e89e4eb6ff5af9c5ed0e2988617c" },
	{ 64, 4096, "7a2c8fcc7586c1163776de65dd47ca08"
	    "be549caa2c8341f409eb5814198d48ac" },
	{ 65, 1, "a4cb4bed0d909c0aa5ba6c055010b149"
	    "8b551564c1c46031a08820827fe9113e" },
	{ 342, 64, "78b306fe8a8c70ae73051643240ada1d"
	    "e44deebe90ff53bab144ca27b97618da" },
	{ 342, 4096, "df9e0d6e22cd300595a50863c4bb4569"
	    "6c213401eec96ea9fcf2120da38394d5" },
};

#define N	(sizeof(vectors) / sizeof(vectors[0]))

/* All vectors as one batch: a record and a key each. */
struct batch {
	struct d4_mac		*mac;
	struct d4_mac_job	 jobs[N];
	uint8_t			 records[N][RECORD_MAX];
};

static void
make_record(uint8_t *record, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		record[i] = (uint8_t)(13 * i + 5);
}

static struct d4_mac_key *
make_key(struct d4_mac *mac, size_t keylen)
{
	uint8_t bytes[KEY_MAX];
	size_t i;

	for (i = 0; i < keylen; i++)
		bytes[i] = (uint8_t)(7 * i + keylen);
	return d4_mac_key_new(mac, bytes, keylen);
}

static struct batch *
batch_new(void)
{
	struct batch *b = calloc(1, sizeof(*b));
	size_t i;

	if (b == NULL || (b->mac = d4_mac_new()) == NULL)
		abort();
	for (i = 0; i < N; i++) {
		b->jobs[i].key = make_key(b->mac, vectors[i].keylen);
		b->jobs[i].record = b->records[i];
		b->jobs[i].len = D4_HEADER_LEN + vectors[i].size;
		if (b->jobs[i].key == NULL)
			abort();
		make_record(b->records[i], b->jobs[i].len);
	}
	return b;
}

static void
batch_free(struct batch *b)
{
	size_t i;

	for (i = 0; i < N; i++)
		d4_mac_key_free(b->jobs[i].key);
	d4_mac_free(b->mac);
	free(b);
}

static bool
has_tag(const uint8_t *record, const char *tag)
{
	char hex[2 * D4_HMAC_LEN + 1];
	size_t i;

	for (i = 0; i < D4_HMAC_LEN; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", record[D4_HMAC_AT + i]);
	return strcmp(hex, tag) == 0;
}

/* Whether everything but the tag is still as make_record() made it. */
static bool
is_untouched(const uint8_t *record, size_t len)
{
	uint8_t want[RECORD_MAX];

	make_record(want, len);
	memcpy(want + D4_HMAC_AT, record + D4_HMAC_AT, D4_HMAC_LEN);
	return memcmp(record, want, len) == 0;
}

static void
test_seal(struct batch *b)
{
	int wrong = 0, touched = 0;
	size_t i;

	is(d4_mac_seal(b->mac, b->jobs, N), 0, "%s seals a batch",
	    d4_mac_name(b->mac));
	for (i = 0; i < N; i++) {
		if (!has_tag(b->records[i], vectors[i].tag)) {
			diag("key of %zu, payload of %zu",
			    vectors[i].keylen, vectors[i].size);
			wrong++;
		}
		touched += !is_untouched(b->records[i], b->jobs[i].len);
	}
	is(wrong, 0, "with the known tags");
	is(touched, 0, "and changes nothing else");
	is(d4_mac_seal(b->mac, b->jobs, 0), 0, "an empty batch is sealed");
}

static size_t
count_good(struct batch *b)
{
	size_t i, n = 0;

	for (i = 0; i < N; i++)
		b->jobs[i].good = (i & 1) != 0;
	if (d4_mac_verify(b->mac, b->jobs, N) == -1)
		return SIZE_MAX;
	for (i = 0; i < N; i++)
		n += b->jobs[i].good ? 1 : 0;
	return n;
}

static void
test_verify(struct batch *b)
{
	size_t i;
	int wrong = 0;

	is(count_good(b), N, "a batch verifies");
	is(count_good(b), N, "and once more: the tags are still there");
	for (i = 0; i < N; i++)
		wrong += !has_tag(b->records[i], vectors[i].tag) ||
		    !is_untouched(b->records[i], b->jobs[i].len);
	is(wrong, 0, "and is as it was");
	for (i = 0; i < N; i++) {
		b->records[i][D4_HMAC_AT] ^= 1;
		wrong += count_good(b) != N - 1 || b->jobs[i].good;
		b->records[i][D4_HMAC_AT] ^= 1;
	}
	is(wrong, 0, "a bad record is the only bad one in its batch");
}

/* Each bit of the header, the tag among it, and of the payload counts. */
static void
test_bits(struct batch *b)
{
	struct d4_mac_job *job = &b->jobs[8];
	size_t bit;
	int taken = 0;

	for (bit = 0; bit < 8 * job->len; bit++) {
		job->record[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (d4_mac_verify(b->mac, job, 1) != 0 || job->good)
			taken++;
		job->record[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	is(taken, 0, "no changed bit of %zu bytes passes", job->len);
	is(d4_mac_verify(b->mac, job, 1), 0, "verify");
	ok(job->good, "the record as it was does");
}

static void
test_other_key(struct batch *b)
{
	struct d4_mac_job job = b->jobs[3];

	job.key = b->jobs[2].key;
	is(d4_mac_verify(b->mac, &job, 1), 0, "verify");
	ok(!job.good, "another key does not fit");
	job = b->jobs[3];
	job.len--;
	is(d4_mac_verify(b->mac, &job, 1), 0, "verify");
	ok(!job.good, "a payload without its last byte does not");
}

static void
test_wipe(void)
{
	uint8_t secret[64], zero[64] = { 0 };

	memset(secret, 'x', sizeof(secret));
	d4_mac_wipe(secret, sizeof(secret) - 1);
	ok(memcmp(secret, zero, 63) == 0 && secret[63] == 'x',
	    "wipe overwrites what it is given and no more");
	d4_mac_free(NULL);
	d4_mac_key_free(NULL);
	ok(true, "free takes NULL");
}

static void
test_engine(void)
{
	struct batch *b = batch_new();

	test_seal(b);
	test_verify(b);
	test_bits(b);
	test_other_key(b);
	batch_free(b);
}

int
main(void)
{
	/* The machine's own choice, then the engine that is always there. */
	(void)unsetenv("D4_MAC");
	test_engine();
	(void)setenv("D4_MAC", "openssl", 1);
	test_engine();
	test_wipe();
	return tap_done();
}
