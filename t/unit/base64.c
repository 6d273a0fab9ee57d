/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "lib/base64.h"
#include "lib/digest.h"
#include "t/unit/tap.h"

/* RFC 4648, section 10, and the two last characters of the alphabet. */
static const struct {
	const char	*plain;
	const char	*text;
} vectors[] = {
	{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" }, { "\xfb\xef\xbe\xff\xff\xff", "++++////" }
};

static const char *const wrong[] = {
	"Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Z===", "====", "=g==",
	"Zg==Zg==", "Zm9v\n", "Zm9v ", "Zm-v", "Zm_v", "Z=9v", "Zg=v",
	"Zm9vYg", "Z\xc3\xa9=", "Zm9v===="
};

static void
test_vectors(void)
{
	char text[16];
	uint8_t bytes[16];
	size_t i, n, len;

	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		len = strlen(vectors[i].plain);
		memset(text, 0, sizeof(text));
		d4_base64_encode(text, vectors[i].plain, len);
		ok(strcmp(text, vectors[i].text) == 0, "encodes as %s",
		    vectors[i].text);
		is(D4_BASE64_ENCODED(len), strlen(text), "is as long as said");
		is(d4_base64_decode(bytes, &n, text, strlen(text)), 0,
		    "decodes %s", text);
		ok(n == len && memcmp(bytes, vectors[i].plain, n) == 0,
		    "to what it was");
		ok(n <= D4_BASE64_DECODED(strlen(text)), "within the bound");
	}
}

static void
test_refusals(void)
{
	uint8_t bytes[16];
	size_t i, n;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		is(d4_base64_decode(bytes, &n, wrong[i], strlen(wrong[i])), -1,
		    "refuses number %zu", i);
	is(d4_base64_decode(bytes, &n, "Zm9\0", 4), -1, "refuses a NUL");
}

static void
test_every_byte(void)
{
	uint8_t bytes[256 * 3], back[256 * 3 + 2];
	char text[D4_BASE64_ENCODED(sizeof(bytes))];
	size_t i, n, len, bad = 0;

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + i / 256);
	for (len = 0; len <= sizeof(bytes); len++) {
		d4_base64_encode(text, bytes, len);
		if (d4_base64_decode(back, &n, text,
		    D4_BASE64_ENCODED(len)) != 0 || n != len ||
		    memcmp(back, bytes, len) != 0)
			bad++;
	}
	is(bad, 0, "every length there and back");
	d4_base64_encode(text, bytes, sizeof(bytes));
	is(d4_base64_decode(text, &n, text, sizeof(text)), 0, "in place");
	ok(n == sizeof(bytes) && memcmp(text, bytes, n) == 0, "it is right");
}

/* FIPS 180-4, "abc". */
static void
test_digests(void)
{
	uint8_t digest[D4_DIGEST_SHA256];
	char hex[2 * D4_DIGEST_SHA256 + 1];

	is(d4_digest_sha1(digest, "abc", 3), 0, "SHA-1");
	d4_digest_hex(hex, digest, D4_DIGEST_SHA1);
	ok(strcmp(hex, "a9993e364706816aba3e25717850c26c9cd0d89d") == 0,
	    "of abc");
	is(d4_digest_sha256(digest, "abc", 3), 0, "SHA-256");
	d4_digest_hex(hex, digest, D4_DIGEST_SHA256);
	ok(strcmp(hex, "ba7816bf8f01cfea414140de5dae2223"
	    "b00361a396177a9cb410ff61f20015ad") == 0, "of abc");
	is(d4_digest_sha256(digest, "", 0), 0, "SHA-256");
	d4_digest_hex(hex, digest, D4_DIGEST_SHA256);
	ok(strncmp(hex, "e3b0c44298fc1c14", 16) == 0, "of nothing");
}

int
main(void)
{
	test_vectors();
	test_refusals();
	test_every_byte();
	test_digests();
	return tap_done();
}
