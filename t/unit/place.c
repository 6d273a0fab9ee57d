/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "d4-recv/place.h"
#include "lib/uuid.h"
#include "t/unit/tap.h"

#define HEX	"00112233445546778899aabbccddeeff"
#define DAY	"2024/02/29"
#define NAME	HEX "-2024-02-29-235958"
#define SHA1	"000102030405060708090a0b0c0d0e0f10111213"
#define SHA256	SHA1 "1415161718191a1b1c1d1e1f"

static const time_t now = 1709251198;	/* 2024-02-29 23:59:58 UTC */

static uint8_t uuid[D4_UUID_LEN], digest[32];

/* Checks the path, both names of entries, and that they are read back. */
static void
check(const struct place *p, const char *path, const char *entry,
    const char *first, const char *second)
{
	char text[PLACE_ENTRY], final[PLACE_PATH];
	struct place back;
	unsigned n = 9;
	bool done = true;

	ok(strcmp(p->path, path) == 0, "path %s", p->path);
	place_entry(p, 3, false, text);
	ok(strcmp(text, entry) == 0, "entry %s", text);
	is(place_parse(&back, text, &n, &done), 0, "it is read back");
	is(n, 3, "its number too");
	ok(!done, "it is not done");
	ok(back.kind == p->kind && back.type == p->type &&
	    back.compress == p->compress && strcmp(back.ext, p->ext) == 0 &&
	    strcmp(back.path, p->path) == 0 &&
	    memcmp(back.uuid, p->uuid, sizeof(back.uuid)) == 0,
	    "as it was");
	ok(back.kind != PLACE_STREAM || back.border == p->border,
	    "with its border");
	place_final(p, 0, final);
	ok(strcmp(final, first) == 0, "final %s", final);
	place_final(p, 12, final);
	ok(strcmp(final, second) == 0, "and %s", final);
	if (p->compress == D4_GZ_PLAIN)
		return;
	place_entry(p, 0, true, text);
	is(place_parse(&back, text, &n, &done), 0, "read back done");
	ok(done && n == 0, "it is done");
}

static void
test_streams(void)
{
	struct place p;
	char queue[D4_TYPE_NAME_MAX + 1];

	place_stream(&p, uuid, 1, D4_BORDER_PCAP, NULL, now, D4_GZ_GZIP);
	check(&p, HEX "/1/" DAY "/" NAME ".cap",
	    HEX "@1@2024@02@29@" NAME ".cap~3~gz",
	    HEX "/1/" DAY "/" NAME ".cap.gz",
	    HEX "/1/" DAY "/" NAME ".12.cap.gz");
	ok(place_is_queued(&p), "a capture is queued");
	place_queue(&p, queue);
	ok(strcmp(queue, "1") == 0, "in queues of type 1");
	place_stream(&p, uuid, 8, D4_BORDER_LINES, NULL, now, D4_GZ_ZSTD);
	check(&p, HEX "/8/" DAY "/" NAME ".passivedns.txt",
	    HEX "@8@2024@02@29@" NAME ".passivedns.txt~3~zst",
	    HEX "/8/" DAY "/" NAME ".passivedns.txt.zst",
	    HEX "/8/" DAY "/" NAME ".12.passivedns.txt.zst");
	ok(!place_is_queued(&p), "lines are not, as a file");
	place_stream(&p, uuid, 4, D4_BORDER_PCAP, NULL, now, D4_GZ_PLAIN);
	check(&p, HEX "/4/" DAY "/" NAME ".cap",
	    HEX "@4@2024@02@29@" NAME ".cap~3~none",
	    HEX "/4/" DAY "/" NAME ".cap", HEX "/4/" DAY "/" NAME ".12.cap");
	place_stream(&p, uuid, 4, D4_BORDER_LINES, NULL, now, D4_GZ_PLAIN);
	check(&p, HEX "/4/" DAY "/" NAME ".dnscap.txt",
	    HEX "@4@2024@02@29@" NAME ".dnscap.txt~3~none",
	    HEX "/4/" DAY "/" NAME ".dnscap.txt",
	    HEX "/4/" DAY "/" NAME ".12.dnscap.txt");
	ok(place_is_queued(&p), "dnscap is queued by its file");
	place_stream(&p, uuid, 77, D4_BORDER_OPAQUE, NULL, now, D4_GZ_PLAIN);
	check(&p, HEX "/77/" DAY "/" NAME ".bin",
	    HEX "@77@2024@02@29@" NAME ".bin~3~none",
	    HEX "/77/" DAY "/" NAME ".bin",
	    HEX "/77/" DAY "/" NAME ".12.bin");
}

static void
test_extended(void)
{
	struct place p;
	char queue[D4_TYPE_NAME_MAX + 1];

	place_stream(&p, uuid, 254, D4_BORDER_LINES, "d4-telemetry", now,
	    D4_GZ_GZIP);
	check(&p, HEX "/254/" DAY "/d4-telemetry/" NAME ".txt",
	    HEX "@254@2024@02@29@d4-telemetry@" NAME ".txt~3~gz",
	    HEX "/254/" DAY "/d4-telemetry/" NAME ".txt.gz",
	    HEX "/254/" DAY "/d4-telemetry/" NAME ".12.txt.gz");
	place_queue(&p, queue);
	ok(strcmp(queue, "d4-telemetry") == 0, "queues by the name");
	place_header(&p, uuid, "maltrail", now);
	check(&p, HEX "/254/" DAY "/maltrail/" NAME ".json",
	    HEX "@254@2024@02@29@maltrail@" NAME ".json~3~none",
	    HEX "/254/" DAY "/maltrail/" NAME ".json",
	    HEX "/254/" DAY "/maltrail/" NAME ".12.json");
	ok(!place_is_queued(&p), "a header is not queued");
	place_object(&p, uuid, "filewatcherjson", digest, "json", true, now,
	    D4_GZ_PLAIN);
	check(&p, HEX "/254/" DAY "/filewatcherjson/files/" SHA256 ".json",
	    HEX "@254@2024@02@29@filewatcherjson@files@" SHA256
	    ".json~3~none",
	    HEX "/254/" DAY "/filewatcherjson/files/" SHA256 ".json",
	    HEX "/254/" DAY "/filewatcherjson/files/" SHA256 ".12.json");
	place_object(&p, uuid, "filewatcher", digest, "tar.gz", false, now,
	    D4_GZ_GZIP);
	check(&p, "datas/filewatcher/files/" SHA256 ".tar.gz",
	    HEX "@datas@filewatcher@files@" SHA256 ".tar.gz~3~gz",
	    "datas/filewatcher/files/" SHA256 ".tar.gz.gz",
	    "datas/filewatcher/files/" SHA256 ".12.tar.gz.gz");
	place_object(&p, uuid, "filewatcher", digest, "", false, now,
	    D4_GZ_PLAIN);
	check(&p, "datas/filewatcher/files/" SHA256 ".",
	    HEX "@datas@filewatcher@files@" SHA256 ".~3~none",
	    "datas/filewatcher/files/" SHA256 ".",
	    "datas/filewatcher/files/" SHA256 ".12.");
	place_cert(&p, uuid, digest);
	check(&p, "datas/ja3-jl/certs/" SHA1 ".crt",
	    HEX "@datas@ja3-jl@certs@" SHA1 ".crt~3~none",
	    "datas/ja3-jl/certs/" SHA1 ".crt",
	    "datas/ja3-jl/certs/" SHA1 ".12.crt");
	place_json(&p, uuid, "2019-03-04T05:06:07.123Z");
	check(&p, "datas/ja3-jl/jsons/2019-03-04T05:06:07.123Z.json",
	    HEX "@datas@ja3-jl@jsons@2019-03-04T05:06:07.123Z.json~3~none",
	    "datas/ja3-jl/jsons/2019-03-04T05:06:07.123Z.json",
	    "datas/ja3-jl/jsons/2019-03-04T05:06:07.123Z.12.json");
	ok(place_is_queued(&p), "a session is queued");
}

static void
test_longest(void)
{
	char ext[D4_TYPE_NAME_MAX + 1], word[PLACE_WORD_MAX + 1];
	char entry[PLACE_ENTRY];
	struct place p;

	memset(ext, 'e', sizeof(ext) - 1);
	ext[sizeof(ext) - 1] = '\0';
	memset(word, 'w', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	place_stream(&p, uuid, 254, D4_BORDER_LINES, ext, now, D4_GZ_ZSTD);
	place_entry(&p, 1000000000, true, entry);
	ok(strlen(entry) <= 255, "the longest stream fits a name");
	place_object(&p, uuid, "filewatcherjson", digest, word, true, now,
	    D4_GZ_ZSTD);
	place_entry(&p, 1000000000, true, entry);
	ok(strlen(entry) <= 255, "so does the longest object");
}

static void
test_words(void)
{
	static const char *const good[] = {
		"a", "Z9", "2019-03-04T05:06:07.123+02:00", "tar.gz", "c++"
	};
	static const char *const bad[] = {
		"", ".", "..", ".hidden", "-x", "a/b", "../x", "a b", "a\nb",
		"a@b", "a~b", "a\x80", "/", "a\\b", "%41%2f/"
	};
	char longer[PLACE_WORD_MAX + 2];
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(*good); i++)
		ok(place_word_ok(good[i], strlen(good[i])), "a word: %s",
		    good[i]);
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ok(!place_word_ok(bad[i], strlen(bad[i])), "no word: %zu", i);
	ok(!place_word_ok("a\0b", 3), "nor with a NUL");
	memset(longer, 'a', sizeof(longer));
	ok(place_word_ok(longer, PLACE_WORD_MAX), "the longest");
	ok(!place_word_ok(longer, PLACE_WORD_MAX + 1), "longer");
}

/* What lies in .open but was put there by nobody of ours. */
static void
test_foreign(void)
{
	static const char *const bad[] = {
		"", ".", "..", "~", "~0~gz", "x~0~gz", HEX "~0~gz",
		HEX "@~0~gz", HEX "@1~0~gz", HEX "@1@2024@02@29@~0~gz",
		HEX "@1@2024@02@29@" NAME ".cap",
		HEX "@1@2024@02@29@" NAME ".cap~gz",
		HEX "@1@2024@02@29@" NAME ".cap~0",
		HEX "@1@2024@02@29@" NAME ".cap~0~",
		HEX "@1@2024@02@29@" NAME ".cap~00~gz",
		HEX "@1@2024@02@29@" NAME ".cap~-1~gz",
		HEX "@1@2024@02@29@" NAME ".cap~4294967296~gz",
		HEX "@1@2024@02@29@" NAME ".cap~0~bz2",
		HEX "@1@2024@02@29@" NAME ".cap~0~gzz",
		HEX "@1@2024@02@29@" NAME ".cap~0~gz~~",
		HEX "@1@2024@02@29@" NAME ".cap~0~none~",
		HEX "@1@2024@02@29@" NAME ".txt~0~gz",
		HEX "@1@2024@02@29@" NAME ".json~0~gz",
		HEX "@1@2024@02@28@" NAME ".cap~0~gz",
		HEX "@1@2024@02@29@@" NAME ".cap~0~gz",
		HEX "@01@2024@02@29@" NAME ".cap~0~gz",
		HEX "@256@2024@02@29@" NAME ".bin~0~gz",
		HEX "@1@2024@2@29@" NAME ".cap~0~gz",
		HEX "@1@2024@02@29@..@" NAME ".cap~0~gz",
		HEX "@1@..@..@..@" NAME ".cap~0~gz",
		HEX "@1@2024@02@29@" NAME "0.cap~0~gz",
		HEX "@1@2024@02@29@" HEX "-2024-02-29-23595.cap~0~gz",
		HEX "@254@2024@02@29@" NAME ".txt~0~gz",
		HEX "@254@2024@02@29@..@" NAME ".txt~0~gz",
		HEX "@254@2024@02@29@UP@" NAME ".txt~0~gz",
		HEX "@254@2024@02@29@x@files@" SHA1 ".txt~0~gz",
		HEX "@254@2024@02@29@x@files@" SHA256 "~0~gz",
		HEX "@254@2024@02@29@x@files@" SHA256 ".@~0~gz",
		HEX "@254@2024@02@29@x@files@..@" SHA256 ".a~0~gz",
		HEX "@254@2024@02@29@x@y@" NAME ".txt~0~gz",
		HEX "@datas@" SHA256 ".x~0~gz",
		HEX "@datas@x@files@" SHA256 ".x~0~gz",
		HEX "@datas@ja3-jl@certs@" SHA256 ".crt~0~none",
		HEX "@datas@ja3-jl@certs@..@" SHA1 ".crt~0~none",
		HEX "@datas@ja3-jl@jsons@.json~0~none",
		HEX "@datas@ja3-jl@jsons@..json~0~none",
		HEX "@datas@ja3-jl@jsons@a.txt~0~none",
		"00112233445546778899AABBCCDDEEFF@1@2024@02@29@" NAME
		    ".cap~0~gz",
		"g0112233445546778899aabbccddeeff@1@2024@02@29@" NAME
		    ".cap~0~gz",
		"00112233-4455-4677-8899-aabbccddeef@1@2024@02@29@" NAME
		    ".cap~0~gz",
	};
	char longest[1024];
	struct place p;
	unsigned n;
	bool done;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		is(place_parse(&p, bad[i], &n, &done), -1, "refuses %s",
		    bad[i]);
	memset(longest, '@', sizeof(longest));
	memcpy(longest, HEX, 32);
	strcpy(longest + 1000, "~0~gz");
	is(place_parse(&p, longest, &n, &done), -1, "refuses a long one");
}

int
main(void)
{
	size_t i;

	(void)d4_uuid_parse(uuid, HEX);
	for (i = 0; i < sizeof(digest); i++)
		digest[i] = (uint8_t)i;
	test_streams();
	test_extended();
	test_longest();
	test_words();
	test_foreign();
	return tap_done();
}
