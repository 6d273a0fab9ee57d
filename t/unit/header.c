/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "lib/header.h"
#include "t/unit/tap.h"

/* Each byte of the 62 is another, so that no two can be mixed up. */
static void
make_bytes(uint8_t bytes[D4_HEADER_LEN])
{
	size_t i;

	for (i = 0; i < D4_HEADER_LEN; i++)
		bytes[i] = (uint8_t)(0x40 + i);
}

static void
test_decode(void)
{
	uint8_t bytes[D4_HEADER_LEN];
	struct d4_header h;

	make_bytes(bytes);
	d4_header_decode(&h, bytes);
	is(h.version, 0x40, "version is byte 0");
	is(h.type, 0x41, "type is byte 1");
	ok(memcmp(h.uuid, bytes + 2, 16) == 0, "uuid is bytes 2 to 17");
	ok(h.timestamp == 0x5958575655545352, "timestamp is bytes 18 to 25, "
	    "little-endian");
	ok(memcmp(h.hmac, bytes + 26, 32) == 0, "hmac is bytes 26 to 57");
	ok(h.size == 0x7d7c7b7a, "size is bytes 58 to 61, little-endian");
}

static void
test_encode(void)
{
	uint8_t bytes[D4_HEADER_LEN], want[D4_HEADER_LEN];
	struct d4_header h = {
		.version = 0x40, .type = 0x41,
		.timestamp = 0x5958575655545352, .size = 0x7d7c7b7a
	};

	make_bytes(want);
	memcpy(h.uuid, want + 2, sizeof(h.uuid));
	memcpy(h.hmac, want + 26, sizeof(h.hmac));
	memset(bytes, 0, sizeof(bytes));
	d4_header_encode(bytes, &h);
	ok(memcmp(bytes, want, sizeof(want)) == 0, "encode gives the bytes");
}

/* Which field of a decoded header differs, as a letter; '*' for several. */
static char
changed(const struct d4_header *a, const struct d4_header *b)
{
	char field = '-';
	int n = 0;

	if (a->version != b->version)
		n++, field = 'v';
	if (a->type != b->type)
		n++, field = 't';
	if (memcmp(a->uuid, b->uuid, sizeof(a->uuid)) != 0)
		n++, field = 'u';
	if (a->timestamp != b->timestamp)
		n++, field = 's';
	if (memcmp(a->hmac, b->hmac, sizeof(a->hmac)) != 0)
		n++, field = 'h';
	if (a->size != b->size)
		n++, field = 'z';
	return n > 1 ? '*' : field;
}

/* One byte belongs to one field and comes back from it where it was. */
static void
test_offsets(void)
{
	static const char fields[] = "vt" "uuuuuuuuuuuuuuuu" "ssssssss"
	    "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh" "zzzz";
	uint8_t bytes[D4_HEADER_LEN], back[D4_HEADER_LEN];
	struct d4_header before, after;
	int wrong_field = 0, wrong_bytes = 0;
	size_t i;

	is(sizeof(fields) - 1, D4_HEADER_LEN, "the table has every byte");
	make_bytes(bytes);
	d4_header_decode(&before, bytes);
	for (i = 0; i < D4_HEADER_LEN; i++) {
		bytes[i] ^= 0xa5;
		d4_header_decode(&after, bytes);
		wrong_field += changed(&before, &after) != fields[i];
		d4_header_encode(back, &after);
		wrong_bytes += memcmp(back, bytes, sizeof(back)) != 0;
		bytes[i] ^= 0xa5;
	}
	is(wrong_field, 0, "every byte changes its own field alone");
	is(wrong_bytes, 0, "every byte comes back where it was");
}

static void
test_extremes(void)
{
	uint8_t bytes[D4_HEADER_LEN], back[D4_HEADER_LEN];
	struct d4_header h;

	memset(bytes, 0xff, sizeof(bytes));
	d4_header_decode(&h, bytes);
	ok(h.size == UINT32_MAX && h.timestamp == UINT64_MAX,
	    "the greatest numbers");
	d4_header_encode(back, &h);
	ok(memcmp(back, bytes, sizeof(back)) == 0, "and back");
}

static void
test_words(void)
{
	int i, j, empty = 0, same = 0;

	for (i = 0; i < D4_REFUSALS; i++) {
		const char *words = d4_refusal_str((enum d4_refusal)i);

		empty += words == NULL || words[0] == '\0';
		for (j = 0; j < i && words != NULL; j++)
			same += strcmp(words,
			    d4_refusal_str((enum d4_refusal)j)) == 0;
	}
	is(empty, 0, "every refusal has words");
	is(same, 0, "no two refusals have the same");
	ok(d4_refusal_str(D4_REFUSALS) != NULL &&
	    d4_refusal_str((enum d4_refusal)9999) != NULL,
	    "a number that is none has words too");
}

int
main(void)
{
	test_decode();
	test_encode();
	test_offsets();
	test_extremes();
	test_words();
	return tap_done();
}
