/* SPDX-License-Identifier: ISC */
#include <errno.h>

#include "d4-recv/handler.h"
#include "lib/base64.h"
#include "lib/meta-ja3.h"
#include "t/unit/shelf.h"
#include "t/unit/tap.h"

#define START	1709251198	/* 2024-02-29 23:59:58 UTC */
#define DAY	SHELF_UUID "/254/2024/02/29/"
#define SHA256_ABC \
	"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define DIGITS	"0123456789abcdef"
#define LONG_EXTENSION \
	"\"extension\":\"" DIGITS DIGITS DIGITS DIGITS "x\""
#define SHA1_ABC	"a9993e364706816aba3e25717850c26c9cd0d89d"

static size_t most_waiting;	/* files at once in the finisher */

/* A session of that meta header; slices of len 0 are all at once.  Returns the
 * result of its last write and why in *why. */
static enum store_result
send(struct shelf *s, const char *meta, const char *in, size_t len,
    size_t slice, const char **why)
{
	enum store_result result = STORE_OK;
	struct store_stream *stream;
	struct d4_meta *header;
	size_t done = 0, taken;

	header = d4_meta_parse(meta, strlen(meta), why);
	stream = store_open(s->store, shelf_uuid, 254, header, why);
	if (stream == NULL) {
		d4_meta_free(header);
		return STORE_FAILED;
	}
	while (done < len || result == STORE_FULL) {
		result = store_write(stream, in + done, slice == 0 ||
		    len - done < slice ? len - done : slice, START, &taken);
		done += taken;
		if (most_waiting < finish_figures(s->finish)->waiting)
			most_waiting = finish_figures(s->finish)->waiting;
		if (result == STORE_FULL)
			(void)finish_drain(s->finish, 10);
		else if (result != STORE_OK)
			break;
	}
	*why = store_why(stream);
	store_close(stream, true, START);
	d4_meta_free(header);
	(void)finish_drain(s->finish, 60000);
	return result;
}

static bool
is_item(const struct shelf *s, size_t i, const char *queue, const char *text)
{
	return i < s->nitems && strcmp(s->items[i].queue, queue) == 0 &&
	    strcmp(s->items[i].text, text) == 0;
}

/* Whether the item is the path of a file with that content. */
static bool
is_file(const struct shelf *s, size_t i, const char *queue, const char *path,
    const char *content)
{
	struct bytes b = { NULL, 0 };
	bool good;

	good = i < s->nitems && strcmp(s->items[i].queue, queue) == 0 &&
	    strncmp(s->items[i].text, s->root, strlen(s->root)) == 0 &&
	    strcmp(s->items[i].text + strlen(s->root) + 1, path) == 0 &&
	    shelf_read(s->items[i].text, &b) && b.len == strlen(content) &&
	    memcmp(b.p, content, b.len) == 0;
	bytes_free(&b);
	return good;
}

static bool
file_is(const struct shelf *s, const char *path, const char *content)
{
	struct bytes b = { NULL, 0 };
	char name[512];
	bool good;

	(void)snprintf(name, sizeof(name), "%s/%s", s->root, path);
	good = shelf_read(name, &b) && b.len == strlen(content) &&
	    memcmp(b.p, content, b.len) == 0;
	bytes_free(&b);
	return good;
}

static void
test_default(void)
{
	static const char in[] = "a\nb\n\nc";
	static const char meta[] = " {\"type\":\"fascia\", \"b\":[1], \"a\":0}";
	const char *why;
	struct shelf s;

	shelf_open(&s, 300, 0, D4_GZ_PLAIN);
	is(send(&s, meta, "", 0, 0, &why), STORE_OK, "nothing but a header");
	is(shelf_count(&s, "."), 0, "makes no file");
	is(send(&s, meta, in, strlen(in), 1, &why), STORE_OK, "lines");
	is(s.nitems, 2, "two items");
	ok(is_item(&s, 0, "fascia", "a") && is_item(&s, 1, "fascia", "b"),
	    "by the name of the extended type");
	is(shelf_count(&s, "."), 2, "two files");
	ok(file_is(&s, DAY "fascia/" SHELF_UUID "-2024-02-29-235958.txt", in),
	    "the stream");
	ok(file_is(&s, DAY "fascia/" SHELF_UUID "-2024-02-29-235958.json",
	    "{\"a\":0,\"b\":[1],\"type\":\"fascia\"}\n"), "and the header");
	ok(shelf_stop(&s), "stopped");
	shelf_remove(&s);
}

static void
test_maltrail(void)
{
	static const char in[] = "event 1\nevent 2\n";
	const char *why;
	struct shelf s;

	shelf_open(&s, 300, 0, D4_GZ_PLAIN);
	is(send(&s, "{\"type\":\"maltrail\"}", in, strlen(in), 3, &why),
	    STORE_OK, "lines of maltrail");
	ok(s.nitems == 2 && is_item(&s, 1, "maltrail", "event 2"),
	    "are items");
	is(shelf_count(&s, "."), 1, "nothing is kept");
	ok(strcmp(shelf_last + strlen(shelf_last) - 5, ".json") == 0,
	    "but the header");
	ok(shelf_stop(&s), "stopped");
	shelf_remove(&s);
}

static void
test_filewatcher(void)
{
	static const char in[] = "YWJj\nYWJj\r\n\nYWJj\nZGVm\n";
	const char *why;
	struct shelf s;

	shelf_open(&s, 300, 0, D4_GZ_GZIP);
	is(send(&s, "{\"type\":\"filewatcher\"}", in, strlen(in), 2, &why),
	    STORE_OK, "files");
	is(s.nitems, 4, "an item each");
	ok(is_file(&s, 0, "filewatcher", DAY "filewatcher/files/" SHA256_ABC
	    ".", "abc"), "its path, and what was sent");
	is(shelf_count(&s, DAY "filewatcher/files"), 2, "each kept once");
	is(send(&s, "{\"type\":\"filewatcher\",\"compress\":true,\"segregate\""
	    ":false,\"extension\":\"txt\"}", in, 5, 0, &why), STORE_OK,
	    "all options");
	ok(is_file(&s, 4, "filewatcher", "datas/filewatcher/files/" SHA256_ABC
	    ".txt.gz", "abc"), "do as they say");
	is(send(&s, "{\"type\":\"filewatcher\",\"compress\":false,"
	    "\"segregate\":true,\"extension\":\"\"}", in, 5, 0, &why),
	    STORE_OK, "and as by default");
	ok(s.nitems == 6 && strcmp(s.items[5].text, s.items[0].text) == 0,
	    "known files are items again");
	is(send(&s, "{\"type\":\"filewatcher\"}", "YWJj\nY%Jj\n", 10, 0,
	    &why), STORE_BAD_DATA, "no base64: %s", why);
	is(send(&s, "{\"type\":\"filewatcher\"}", "\r\n", 2, 0, &why),
	    STORE_BAD_DATA, "nor this");
	ok(shelf_stop(&s), "stopped");
	is(s.nitems, 7, "what was before is kept");
	is(shelf_count(&s, ".open"), 0, "nothing is left open");
	shelf_remove(&s);
}

static void
test_filewatcher_options(void)
{
	static const char *const bad[] = {
		"\"compress\":1", "\"compress\":\"true\"", "\"compress\":null",
		"\"segregate\":0", "\"segregate\":\"\"", "\"extension\":7",
		"\"extension\":null", "\"extension\":\"../x\"",
		"\"extension\":\"a/b\"", "\"extension\":\".\"",
		"\"extension\":\"a b\"", "\"extension\":\"a@b\"",
		"\"extension\":\"a\\nb\"", "\"extension\":\"a~b\"",
		LONG_EXTENSION
	};
	char meta[256];
	const char *why;
	struct shelf s;
	size_t i;

	shelf_open(&s, 300, 0, D4_GZ_GZIP);
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		(void)snprintf(meta, sizeof(meta),
		    "{\"type\":\"filewatcher\",%s}", bad[i]);
		is(send(&s, meta, "YWJj\n", 5, 0, &why), STORE_FAILED,
		    "refuses %s: %s", bad[i], why);
		is(errno, EINVAL, "as the sensor's fault");
	}
	is(shelf_count(&s, "."), 0, "nothing is kept");
	ok(shelf_stop(&s), "stopped");
	shelf_remove(&s);
}

/* A file of many lengths in one line, and one that is too long. */
static void
test_large_file(void)
{
	size_t len = (size_t)5 << 20, i;
	uint8_t *file = malloc(len);
	char *line = malloc(HANDLER_FILE_MAX + 2);
	struct bytes b = { NULL, 0 };
	const char *why;
	struct shelf s;

	for (i = 0; i < len; i++)
		file[i] = (uint8_t)(i * i >> 7);
	d4_base64_encode(line, file, len);
	line[D4_BASE64_ENCODED(len)] = '\n';
	shelf_open(&s, 300, 0, D4_GZ_GZIP);
	is(send(&s, "{\"type\":\"filewatcher\"}", line,
	    D4_BASE64_ENCODED(len) + 1, 9999, &why), STORE_OK,
	    "a large file");
	ok(s.nitems == 1 && shelf_read(s.items[0].text, &b) && b.len == len &&
	    memcmp(b.p, file, len) == 0, "is kept as sent");
	memset(line, 'A', HANDLER_FILE_MAX + 1);
	is(send(&s, "{\"type\":\"filewatcher\"}", line, HANDLER_FILE_MAX + 1,
	    999999, &why), STORE_BAD_DATA, "a larger one is not: %s", why);
	is(s.nitems, 1, "nor queued");
	ok(shelf_stop(&s), "stopped");
	bytes_free(&b);
	free(file);
	free(line);
	shelf_remove(&s);
}

static void
test_filewatcherjson(void)
{
	const char *why;
	struct shelf s;

	shelf_open(&s, 300, 0, D4_GZ_GZIP);
	is(send(&s, "{\"type\":\"filewatcherjson\",\"extension\":\"../x\"}",
	    "abc\n", 4, 0, &why), STORE_OK, "a line");
	ok(is_file(&s, 0, "filewatcherjson", DAY "filewatcherjson/files/"
	    SHA256_ABC ".json", "abc"), "is a file");
	ok(shelf_stop(&s), "stopped");
	shelf_remove(&s);
}

static void
test_ja3(void)
{
	static const char one[] = "{\"Timestamp\":\"2019-03-04T05:06:07.8Z\","
	    "\"Certificates\":[{\"Raw\":\"YWJj\",\"CertHash\":\"../../x\"},"
	    "{\"Raw\":\"ZGVm\"}]}";
	static const char two[] = "{\"Certificates\":null,"
	    "\"Timestamp\":\"2019-03-04T05:06:07.8Z\",\"n\":2}";
	static const char evil[] = "{\"Certificates\":[{\"Raw\":\"YWJj\"}],"
	    "\"Timestamp\":\"../../../../etc/cron.d/x\"}";
	static const char json[] = "datas/ja3-jl/jsons/";
	char in[1024], path[256];
	const char *why;
	struct shelf s;
	size_t len;

	len = (size_t)snprintf(in, sizeof(in), "%s\n%s\n\n%s\n", one, two,
	    evil);
	shelf_open(&s, 300, 0, D4_GZ_GZIP);
	is(send(&s, "{\"type\":\"ja3-jl\"}", in, len, 7, &why), STORE_OK,
	    "three sessions");
	is(s.nitems, 3, "three items");
	(void)snprintf(path, sizeof(path), "%s2019-03-04T05:06:07.8Z.json",
	    json);
	ok(is_file(&s, 0, "ja3-jl", path, one), "the first by its time");
	(void)snprintf(path, sizeof(path), "%s2019-03-04T05:06:07.8Z.1.json",
	    json);
	ok(is_file(&s, 1, "ja3-jl", path, two), "the next of that time");
	ok(s.nitems == 3 && strlen(s.items[2].text) == strlen(s.root) + 1 +
	    strlen(json) + 64 + 5, "the third by its hash");
	ok(s.nitems == 3 && is_file(&s, 2, "ja3-jl", s.items[2].text +
	    strlen(s.root) + 1, evil), "as sent");
	is(shelf_count(&s, "datas/ja3-jl/jsons"), 3, "three files");
	is(shelf_count(&s, "datas/ja3-jl/certs"), 2, "two certificates");
	ok(file_is(&s, "datas/ja3-jl/certs/" SHA1_ABC ".crt", "abc"),
	    "by their SHA-1");
	ok(shelf_stop(&s), "stopped");
	is(shelf_count(&s, "."), 6, "a header, and nothing else");
	shelf_remove(&s);
}

static void
test_ja3_refusals(void)
{
	static const char *const bad[] = {
		"x", "[]", "{}", "null", "{\"Timestamp\":\"a\"}",
		"{\"Certificates\":null}",
		"{\"Timestamp\":1,\"Certificates\":null}",
		"{\"Timestamp\":\"a\",\"Certificates\":{}}",
		"{\"Timestamp\":\"a\",\"Certificates\":[1]}",
		"{\"Timestamp\":\"a\",\"Certificates\":[{}]}",
		"{\"Timestamp\":\"a\",\"Certificates\":[{\"Raw\":1}]}",
		"{\"Timestamp\":\"a\",\"Certificates\":[{\"Raw\":\"\"}]}",
		"{\"Timestamp\":\"a\",\"Certificates\":[{\"Raw\":\"%%%%\"}]}",
		"{\"Timestamp\":\"a\",\"Timestamp\":\"b\",\"Certificates\":[]}",
		"{\"Timestamp\":\"a\\u0000b\",\"Certificates\":[]}",
		"{\"Timestamp\":\"a\",\"Certificates\":[]} x",
		"{\"Timestamp\":\"a\",\"Certificates\":[]", "\xff\xfe"
	};
	char line[256], *longer = malloc(D4_META_JA3_MAX + 10);
	const char *why;
	struct shelf s;
	size_t i;

	shelf_open(&s, 300, 0, D4_GZ_GZIP);
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		(void)snprintf(line, sizeof(line), "%s\n", bad[i]);
		is(send(&s, "{\"type\":\"ja3-jl\"}", line, strlen(line), 0,
		    &why), STORE_BAD_DATA, "refuses %s: %s", bad[i], why);
	}
	memset(longer, '[', D4_META_JA3_MAX + 10);
	longer[D4_META_JA3_MAX - 10] = '\n';
	is(send(&s, "{\"type\":\"ja3-jl\"}", longer, D4_META_JA3_MAX - 9, 0,
	    &why), STORE_BAD_DATA, "deep nesting is refused");
	longer[D4_META_JA3_MAX - 10] = '[';
	is(send(&s, "{\"type\":\"ja3-jl\"}", longer, D4_META_JA3_MAX + 1, 0,
	    &why), STORE_BAD_DATA, "so is too long a line");
	is(s.nitems, 0, "nothing is queued");
	is(shelf_count(&s, "datas"), 0, "nothing is kept");
	free(longer);
	ok(shelf_stop(&s), "stopped");
	shelf_remove(&s);
}

/* More small files at once than the finisher takes. */
static void
test_many(void)
{
	struct bytes in = { NULL, 0 };
	const char *why;
	char line[128];
	struct shelf s;
	size_t i;

	for (i = 0; i < 1500; i++) {
		(void)snprintf(line, sizeof(line), "{\"n\":%zu}\n", i);
		bytes_add(&in, line, strlen(line));
	}
	most_waiting = 0;
	shelf_open(&s, 300, 0, D4_GZ_GZIP);
	is(send(&s, "{\"type\":\"filewatcherjson\"}", (const char *)in.p,
	    in.len, 0, &why), STORE_OK, "1500 files at once");
	ok(shelf_stop(&s), "all are finished");
	ok(most_waiting > 100 && most_waiting < 1000,
	    "with no more than %zu in hand at once", most_waiting);
	is(s.nitems, 1500, "an item each");
	is(shelf_count(&s, DAY "filewatcherjson/files"), 1500, "and a file");
	bytes_free(&in);
	shelf_remove(&s);
}

int
main(void)
{
	test_default();
	test_maltrail();
	test_filewatcher();
	test_filewatcher_options();
	test_large_file();
	test_filewatcherjson();
	test_ja3();
	test_ja3_refusals();
	test_many();
	return tap_done();
}
