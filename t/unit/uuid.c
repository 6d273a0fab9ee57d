/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "lib/uuid.h"
#include "t/unit/tap.h"

static const uint8_t bytes[D4_UUID_LEN] = {
	0x0f, 0x3c, 0x2a, 0x9e, 0x5b, 0x71, 0x4c, 0x8d,
	0x9a, 0x64, 0x7e, 0x2d, 0x1b, 0x0c, 0x9f, 0x35
};

static const char *const good[] = {
	"0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35",
	"0F3C2A9E-5B71-4C8D-9A64-7E2D1B0C9F35",
	"0f3C2a9E-5b71-4C8d-9A64-7e2D1b0C9f35",
	"0f3c2a9e5b714c8d9a647e2d1b0c9f35",
	"0F3C2A9E5B714C8D9A647E2D1B0C9F35",
	"{0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35}",
	"{0f3c2a9e5b714c8d9a647e2d1b0c9f35}",
	"urn:uuid:0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35",
	"URN:UUID:0F3C2A9E-5B71-4C8D-9A64-7E2D1B0C9F35",
	"urn:uuid:0f3c2a9e5b714c8d9a647e2d1b0c9f35",
};

static const char *const bad[] = {
	"", "{", "}", "{}", "urn:uuid:", "-", "not-a-uuid",
	"0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f3",		/* a digit short */
	"0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f355",	/* a digit long */
	"0f3c2a9e5b714c8d9a647e2d1b0c9f3",
	"0f3c2a9e5b714c8d9a647e2d1b0c9f355",
	" 0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35",
	"0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35 ",
	"0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35\n",
	"0f3c2a9e 5b71 4c8d 9a64 7e2d1b0c9f35",
	"0f3c2a9-e5b71-4c8d-9a64-7e2d1b0c9f35",		/* dashes moved */
	"0f3c2a9e-5b714-c8d-9a64-7e2d1b0c9f35",
	"0f3c2a9e5b71-4c8d-9a64-7e2d1b0c9f35a",
	"0f3c2a9e-5b71-4c8d-9a647e2d1b0c9f35",		/* one missing */
	"0f3c2a9e-5b71-4c8d-9a64--7e2d1b0c9f3",
	"0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f3g",		/* no digits */
	"gf3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35",
	"0x3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35",
	"+f3c2a9e5b714c8d9a647e2d1b0c9f35",
	"{0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35",	/* half a brace */
	"0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35}",
	"{{0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35}}",
	"(0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35)",
	"urn:uuid:{0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35}",
	"{urn:uuid:0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35}",
	"uuid:0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35",
	"urn:0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35",
};

static void
test_parse(void)
{
	uint8_t uuid[D4_UUID_LEN];
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		memset(uuid, 0xee, sizeof(uuid));
		ok(d4_uuid_parse(uuid, good[i]) == 0 &&
		    memcmp(uuid, bytes, sizeof(bytes)) == 0, "%s", good[i]);
	}
}

static void
test_refuse(void)
{
	uint8_t uuid[D4_UUID_LEN], before[D4_UUID_LEN];
	int taken = 0, touched = 0;
	size_t i;

	memset(before, 0xee, sizeof(before));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memcpy(uuid, before, sizeof(uuid));
		if (d4_uuid_parse(uuid, bad[i]) == 0) {
			diag("taken: \"%s\"", bad[i]);
			taken++;
		}
		touched += memcmp(uuid, before, sizeof(uuid)) != 0;
	}
	is(taken, 0, "what is no uuid is refused");
	is(touched, 0, "and leaves the bytes alone");
}

/* No character but a digit counts as one, in any of the 32 places. */
static void
test_digits(void)
{
	char text[D4_UUID_HEX];
	uint8_t uuid[D4_UUID_LEN];
	int c, wrong = 0;
	size_t i;

	for (i = 0; i < D4_UUID_HEX - 1; i++) {
		for (c = 1; c < 256; c++) {
			int want = c < 128 &&
			    strchr("0123456789abcdefABCDEF", c) != NULL;

			d4_uuid_hex(text, bytes);
			text[i] = (char)c;
			wrong += (d4_uuid_parse(uuid, text) == 0) != want;
		}
	}
	is(wrong, 0, "each place takes digits and nothing else");
}

static void
test_text(void)
{
	char text[D4_UUID_TEXT], hex[D4_UUID_HEX];

	d4_uuid_text(text, bytes);
	ok(strcmp(text, good[0]) == 0, "text has dashes, lower case");
	d4_uuid_hex(hex, bytes);
	ok(strcmp(hex, good[3]) == 0, "hex has none");
}

static void
test_v4(void)
{
	uint8_t uuid[D4_UUID_LEN];
	int i, wrong = 0;

	memcpy(uuid, bytes, sizeof(uuid));
	for (i = 0; i < 256; i++) {
		uuid[6] = (uint8_t)i;
		wrong += d4_uuid_is_v4(uuid) != (i >> 4 == 4);
	}
	is(wrong, 0, "version 4 is the high half of byte 6");
	memcpy(uuid, bytes, sizeof(uuid));
	for (i = 0; i < 256; i++) {
		uuid[8] = (uint8_t)i;
		wrong += d4_uuid_is_v4(uuid) != (i >= 0x80 && i < 0xc0);
	}
	is(wrong, 0, "the variant is the top of byte 8");
	memset(uuid, 0, sizeof(uuid));
	ok(!d4_uuid_is_v4(uuid), "all zero is no version 4");
}

static void
test_new(void)
{
	uint8_t a[D4_UUID_LEN], b[D4_UUID_LEN];

	d4_uuid_new(a);
	d4_uuid_new(b);
	ok(d4_uuid_is_v4(a) && d4_uuid_is_v4(b), "new ones are of version 4");
	ok(memcmp(a, b, sizeof(a)) != 0, "and differ");
}

int
main(void)
{
	test_parse();
	test_refuse();
	test_digits();
	test_text();
	test_v4();
	test_new();
	return tap_done();
}
