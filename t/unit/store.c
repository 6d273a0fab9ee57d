/* SPDX-License-Identifier: ISC */
#include <sys/mount.h>

#include <errno.h>
#include <glob.h>

#include "lib/border.h"
#include "lib/bytes.h"
#include "lib/type.h"
#include "t/unit/shelf.h"
#include "t/unit/tap.h"

#define START	1709251198	/* 2024-02-29 23:59:58 UTC */

/* Writes all of it in slices, waiting where there is no room. */
static enum store_result
write_all(struct shelf *s, struct store_stream *stream, const void *bytes,
    size_t len, size_t slice, time_t now, size_t *done)
{
	const uint8_t *p = bytes;
	enum store_result result;
	size_t taken, n;

	*done = 0;
	while (*done < len) {
		n = len - *done < slice ? len - *done : slice;
		result = store_write(stream, p + *done, n, now, &taken);
		*done += taken;
		if (result == STORE_FULL) {
			(void)finish_drain(s->finish, 10);
			(void)store_tick(s->store, now);
		} else if (result != STORE_OK) {
			return result;
		}
	}
	return STORE_OK;
}

/* A whole session. */
static enum store_result
send(struct shelf *s, uint8_t type, const void *bytes, size_t len,
    size_t slice, time_t now)
{
	struct store_stream *stream;
	enum store_result result;
	const char *why;
	size_t done;

	stream = store_open(s->store, shelf_uuid, type, NULL, &why);
	result = write_all(s, stream, bytes, len, slice, now, &done);
	store_close(stream, true, now);
	(void)finish_drain(s->finish, 60000);
	return result;
}

/* What of the bytes is whole units, and how many of them are data. */
static size_t
whole_part(enum d4_border_kind kind, const uint8_t *p, size_t len,
    size_t *ndata)
{
	struct d4_border *b = d4_border_new(kind);
	size_t done = 0, at = 0;
	ptrdiff_t n;
	bool whole;

	*ndata = 0;
	while (done < len &&
	    (n = d4_border_step(b, p + done, len - done, &whole)) > 0) {
		done += (size_t)n;
		if (whole) {
			at = done;
			*ndata += !d4_border_was_preamble(b);
		}
	}
	d4_border_free(b);
	return at;
}

/* Joins the files by the rules of their format: each after the first begins
 * with what a reader has seen.  Returns false when one is not whole. */
static bool
join(enum d4_border_kind kind, const struct shelf *s, struct bytes *all)
{
	struct d4_border *b = d4_border_new(kind);
	struct bytes file = { NULL, 0 };
	const uint8_t *preamble;
	size_t i, len, border, ndata;
	bool good = true;

	for (i = 0; i < s->nitems && good; i++) {
		good = shelf_read(s->items[i].text, &file) &&
		    whole_part(kind, file.p, file.len, &ndata) == file.len &&
		    ndata > 0;
		preamble = d4_border_preamble(b, &len);
		if (i == 0)
			len = 0;
		good = good && len <= file.len && (len == 0 ||
		    memcmp(preamble, file.p, len) == 0);
		if (good) {
			bytes_add(all, file.p + len, file.len - len);
			good = d4_border_scan(b, file.p + len,
			    file.len - len, &border) >= 0;
		}
		bytes_free(&file);
	}
	d4_border_free(b);
	return good;
}

static void
check_joined(uint8_t type, const struct bytes *in, const char *name,
    size_t slice, uint64_t rotate_size, enum d4_gz_kind compress)
{
	enum d4_border_kind kind = d4_type_get(type)->border;
	struct bytes all = { NULL, 0 };
	struct shelf s;
	size_t want, ndata;

	want = whole_part(kind, in->p, in->len, &ndata);
	shelf_open(&s, 0, rotate_size, compress);
	(void)send(&s, type, in->p, in->len, slice, START);
	ok(join(kind, &s, &all) && all.len == (ndata > 0 ? want : 0) &&
	    (all.len == 0 || memcmp(all.p, in->p, all.len) == 0),
	    "%s, slices of %zu, files of %llu%s: joined as sent", name, slice,
	    (unsigned long long)rotate_size, d4_gz_suffix(compress));
	if (rotate_size == 1 && kind != D4_BORDER_OPAQUE)
		is(s.nitems, ndata, "%s: a file for each unit", name);
	ok(shelf_stop(&s), "all is finished");
	is(shelf_count(&s, ".open"), 0, "nothing is left open");
	is(shelf_count(&s, "."), s.nitems, "every file was queued once");
	bytes_free(&all);
	shelf_remove(&s);
}

static void
test_captures(void)
{
	const char *dir = getenv("D4_SHARED"), *name;
	char pattern[4096];
	struct bytes in = { NULL, 0 };
	glob_t found;
	uint8_t type;
	size_t i;

	(void)snprintf(pattern, sizeof(pattern), "%s/captures/*.pcap*",
	    dir == NULL ? "../shared" : dir);
	if (glob(pattern, 0, NULL, &found) != 0) {
		skip("no captures as %s", pattern);
		return;
	}
	for (i = 0; i < found.gl_pathc; i++) {
		name = strrchr(found.gl_pathv[i], '/') + 1;
		type = strstr(name, ".pcapng") != NULL ? 5 : 1;
		if (!shelf_read(found.gl_pathv[i], &in))
			ok(false, "%s can be read", name);
		check_joined(type, &in, name, 4096, 0, D4_GZ_GZIP);
		check_joined(type, &in, name, 70001, 30000, D4_GZ_PLAIN);
		if (in.len < 20000) {
			check_joined(type, &in, name, 1, 500, D4_GZ_PLAIN);
			check_joined(type, &in, name, 4096, 1, D4_GZ_PLAIN);
		}
		bytes_free(&in);
	}
	globfree(&found);
}

static void
make_pcap(struct bytes *b, size_t npackets)
{
	static const uint8_t head[24] = {
		0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 4, 0, 1, 0, 0, 0
	};
	uint8_t record[16 + 40];
	size_t i;

	bytes_add(b, head, sizeof(head));
	for (i = 0; i < npackets; i++) {
		memset(record, (int)i, sizeof(record));
		d4_put32le(record, (uint32_t)(START + i));
		d4_put32le(record + 4, 0);
		d4_put32le(record + 8, 40);
		d4_put32le(record + 12, 40);
		bytes_add(b, record, sizeof(record));
	}
}

static void
test_made(void)
{
	struct bytes in = { NULL, 0 };
	uint8_t message[200];
	size_t i;

	for (i = 0; i < 50; i++) {
		memset(message, (int)i, sizeof(message));
		d4_put16be(message, 10);
		d4_put16be(message + 2, (uint16_t)(16 + i));
		bytes_add(&in, message, 16 + i);
	}
	check_joined(7, &in, "ipfix", 7, 0, D4_GZ_GZIP);
	check_joined(7, &in, "ipfix", 4096, 100, D4_GZ_PLAIN);
	bytes_add(&in, message, 20);
	check_joined(7, &in, "ipfix with a cut end", 7, 100, D4_GZ_PLAIN);
	bytes_free(&in);
	make_pcap(&in, 3000);
	check_joined(1, &in, "pcap", 100000, 60000, D4_GZ_PLAIN);
	in.len -= 5;
	check_joined(1, &in, "pcap with a cut end", 333, 60000, D4_GZ_GZIP);
	if (d4_gz_has(D4_GZ_ZSTD))
		check_joined(1, &in, "pcap", 333, 60000, D4_GZ_ZSTD);
	bytes_free(&in);
	for (i = 0; i < 100000; i++)
		bytes_add(&in, &i, 1);
	check_joined(0, &in, "opaque", 777, 10000, D4_GZ_GZIP);
	check_joined(99, &in, "unknown", 777, 0, D4_GZ_PLAIN);
	bytes_free(&in);
}

static void
test_nothing(void)
{
	struct bytes in = { NULL, 0 };
	struct store_stream *stream;
	struct shelf s;
	const char *why;
	size_t taken;

	make_pcap(&in, 1);
	shelf_open(&s, 300, 0, D4_GZ_GZIP);
	stream = store_open(s.store, shelf_uuid, 1, NULL, &why);
	is(store_write(stream, "", 0, START, &taken), STORE_OK,
	    "an empty record is taken");
	(void)store_tick(s.store, START + 1);
	is(shelf_count(&s, "."), 0, "and makes no file");
	is(store_write(stream, in.p, 24, START, &taken), STORE_OK,
	    "so is a preamble");
	is(taken, 24, "all of it");
	(void)store_tick(s.store, START + 1000);
	(void)store_sync(s.store, START + 1000);
	is(store_flush(stream, START + 1000), STORE_OK, "flushed");
	is(shelf_count(&s, "."), 0, "and makes no file");
	is(store_figures(s.store)->nfiles, 0, "no file is open");
	is(store_write(stream, in.p + 24, 10, START + 1001, &taken),
	    STORE_OK, "half a packet");
	(void)store_tick(s.store, START + 1001);
	is(shelf_count(&s, ".open"), 1, "makes one");
	is(store_figures(s.store)->nfiles, 1, "it is open");
	store_close(stream, true, START + 1001);
	(void)finish_drain(s.finish, 60000);
	is(shelf_count(&s, "."), 0, "which goes when there is no more");
	is(send(&s, 3, "", 0, 1, START), STORE_OK, "no lines");
	is(send(&s, 4, in.p, 24, 5, START), STORE_OK, "a preamble in type 4");
	is(send(&s, 4, "", 0, 5, START), STORE_OK, "nothing in type 4");
	is(shelf_count(&s, "."), 0, "make no file");
	is(store_figures(s.store)->nstreams, 0, "no stream is left");
	ok(shelf_stop(&s), "stopped");
	bytes_free(&in);
	shelf_remove(&s);
}

static void
test_rotate_by_time(void)
{
	static const char want[] = "/" SHELF_UUID "/1/2024/02/29/" SHELF_UUID
	    "-2024-02-29-235958.cap.gz";
	static const char next[] = "/" SHELF_UUID "/1/2024/03/01/" SHELF_UUID
	    "-2024-03-01-000458.cap.gz";
	struct bytes in = { NULL, 0 }, back = { NULL, 0 };
	struct store_stream *stream;
	struct shelf s;
	const char *why;
	size_t taken;

	make_pcap(&in, 3);
	shelf_open(&s, 300, 0, D4_GZ_GZIP);
	stream = store_open(s.store, shelf_uuid, 1, NULL, &why);
	(void)store_write(stream, in.p, 24 + 56 + 20, START, &taken);
	(void)store_tick(s.store, START);
	(void)store_tick(s.store, START + 299);
	is(store_figures(s.store)->nfiles, 1, "open before its time");
	(void)store_tick(s.store, START + 300);
	is(store_figures(s.store)->nfiles, 1, "and within a packet");
	(void)store_write(stream, in.p + 100, 36, START + 300, &taken);
	(void)store_tick(s.store, START + 300);
	(void)finish_drain(s.finish, 60000);
	is(s.nitems, 1, "rotated at the border, without more data");
	ok(s.nitems == 1 && strlen(s.items[0].text) > strlen(want) &&
	    strcmp(s.items[0].text + strlen(s.root), want) == 0,
	    "named by the time of its opening");
	ok(s.nitems == 1 && strcmp(s.items[0].queue, "1") == 0 &&
	    !s.items[0].again, "in the queues of its type");
	(void)store_write(stream, in.p + 136, 56, START + 300, &taken);
	(void)store_tick(s.store, START + 300);
	(void)store_tick(s.store, START + 200);
	(void)finish_drain(s.finish, 60000);
	is(s.nitems, 2, "a clock set back rotates too");
	ok(s.nitems == 2 && strcmp(s.items[1].text + strlen(s.root),
	    next) == 0, "into the next day");
	ok(s.nitems == 2 && shelf_read(s.items[1].text, &back) &&
	    back.len == 24 + 56 && memcmp(back.p, in.p, 24) == 0 &&
	    memcmp(back.p + 24, in.p + 136, 56) == 0,
	    "with the preamble");
	store_close(stream, true, START + 301);
	ok(shelf_stop(&s), "stopped");
	is(shelf_count(&s, "."), 2, "two files in all");
	bytes_free(&in);
	bytes_free(&back);
	shelf_remove(&s);
}

static void
test_same_name(void)
{
	struct bytes in = { NULL, 0 }, back = { NULL, 0 };
	char path[512], want[64];
	struct shelf s;
	size_t i;

	shelf_open(&s, 0, 0, D4_GZ_PLAIN);
	make_pcap(&in, 1);
	for (i = 0; i < 40; i++) {
		in.p[30] = (uint8_t)i;
		(void)send(&s, 1, in.p, in.len, 4096, START);
	}
	is(s.nitems, 40, "forty sessions in one second");
	is(shelf_count(&s, SHELF_UUID), 40, "forty files");
	for (i = 0; i < 40 && i < s.nitems; i++) {
		(void)snprintf(want, sizeof(want), "235958%s%.0zu.cap",
		    i == 0 ? "" : ".", i);
		(void)snprintf(path, sizeof(path), "%s", s.items[i].text);
		if (strstr(path, want) == NULL || !shelf_read(path, &back) ||
		    back.len != in.len || back.p[30] != i)
			break;
		bytes_free(&back);
	}
	is(i, 40, "numbered, each with its own bytes");
	bytes_free(&back);
	ok(shelf_stop(&s), "stopped");
	bytes_free(&in);
	shelf_remove(&s);
}

static void
test_bad_data(void)
{
	static const uint8_t junk[64] = "this is no packet at all, it is text";
	struct bytes in = { NULL, 0 }, back = { NULL, 0 };
	struct store_stream *stream;
	struct shelf s;
	const char *why;
	size_t taken, whole;

	shelf_open(&s, 0, 0, D4_GZ_GZIP);
	is(send(&s, 1, junk, sizeof(junk), 10, START), STORE_BAD_DATA,
	    "text is no pcap");
	is(send(&s, 5, junk, sizeof(junk), 10, START), STORE_BAD_DATA,
	    "nor pcapng");
	is(send(&s, 7, junk, sizeof(junk), 10, START), STORE_BAD_DATA,
	    "nor ipfix");
	is(shelf_count(&s, "."), 0, "no file is made of it");
	make_pcap(&in, 3);
	whole = in.len;
	bytes_add(&in, junk, sizeof(junk));
	stream = store_open(s.store, shelf_uuid, 1, NULL, &why);
	is(store_write(stream, in.p, whole + 3, START, &taken), STORE_OK,
	    "three packets and some bytes");
	is(store_flush(stream, START), STORE_OK, "written");
	is(store_write(stream, in.p + whole + 3, 61, START, &taken),
	    STORE_BAD_DATA, "then text");
	ok(*store_why(stream) != '\0', "it says: %s", store_why(stream));
	is(store_write(stream, in.p, in.len, START, &taken), STORE_BAD_DATA,
	    "it stays refused");
	is(taken, 0, "and takes no more");
	store_close(stream, true, START);
	(void)finish_drain(s.finish, 60000);
	is(s.nitems, 1, "one file");
	ok(s.nitems == 1 && shelf_read(s.items[0].text, &back) &&
	    back.len == whole && memcmp(back.p, in.p, whole) == 0,
	    "what was good is kept");
	ok(shelf_stop(&s), "stopped");
	bytes_free(&in);
	bytes_free(&back);
	shelf_remove(&s);
}

/* Captures one behind the other in one stream, as by cat. */
static void
test_joined_pcap(void)
{
	struct bytes one = { NULL, 0 }, in = { NULL, 0 }, back = { NULL, 0 };
	size_t slice, i, bad;
	struct shelf s;

	make_pcap(&one, 3);
	for (i = 0; i < 3; i++) {
		bytes_add(&in, one.p, one.len);
		bytes_add(&in, one.p, 24);	/* and one with no packet */
	}
	for (slice = 1; slice < 100000; slice = slice * 3 + 1) {
		shelf_open(&s, 0, 0, D4_GZ_PLAIN);
		is(send(&s, 1, in.p, in.len, slice, START), STORE_OK,
		    "slices of %zu", slice);
		is(s.nitems, 3, "three files");
		for (i = bad = 0; i < s.nitems; i++) {
			bad += !shelf_read(s.items[i].text, &back) ||
			    back.len != one.len ||
			    memcmp(back.p, one.p, one.len) != 0;
			bytes_free(&back);
		}
		is(bad, 0, "each a capture by itself");
		ok(shelf_stop(&s), "stopped");
		is(shelf_count(&s, "."), 3, "and no more");
		shelf_remove(&s);
	}
	bytes_free(&in);
	bytes_free(&one);
}

static bool
is_item(const struct shelf *s, size_t i, const char *queue, const char *text)
{
	return i < s->nitems && strcmp(s->items[i].queue, queue) == 0 &&
	    strcmp(s->items[i].text, text) == 0;
}

static void
test_lines(void)
{
	static const char in[] = "one\n\ntwo\nthree\r\nunfinished";
	struct bytes back = { NULL, 0 };
	struct shelf s;
	size_t slice;

	for (slice = 1; slice < 40; slice *= 3) {
		shelf_open(&s, 300, 0, D4_GZ_GZIP);
		is(send(&s, 3, in, strlen(in), slice, START), STORE_OK,
		    "lines in slices of %zu", slice);
		ok(is_item(&s, 0, "3", "one") && is_item(&s, 1, "3", "two") &&
		    is_item(&s, 2, "3", "three\r"), "are items");
		is(s.nitems, 3, "neither the empty one nor the unfinished");
		is(shelf_count(&s, SHELF_UUID "/3"), 1, "in one file");
		ok(shelf_read(shelf_last, &back) && back.len == strlen(in) &&
		    memcmp(back.p, in, back.len) == 0, "as sent");
		ok(strcmp(shelf_last + strlen(shelf_last) - 14,
		    ".syslog.txt.gz") == 0, "with its suffix");
		is(store_figures(s.store)->nitems, 3, "counted");
		is(store_figures(s.store)->nbytes, strlen(in), "in bytes too");
		ok(shelf_stop(&s), "stopped");
		bytes_free(&back);
		shelf_remove(&s);
	}
}

static void
test_long_lines(void)
{
	static const size_t lens[] = {
		LINE_ITEM_MAX - 1, LINE_ITEM_MAX, LINE_ITEM_MAX + 1,
		2 * LINE_ITEM_MAX, 250000
	};
	struct bytes in = { NULL, 0 }, back = { NULL, 0 };
	size_t i, j, got, total = 0, nitems = 0, slice;
	struct shelf s;
	char *line;

	for (i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
		if ((line = malloc(lens[i])) == NULL)
			abort();
		memset(line, 'a' + (int)i, lens[i]);
		bytes_add(&in, line, lens[i]);
		bytes_add(&in, "\n", 1);
		free(line);
		total += lens[i];
		nitems += (lens[i] + LINE_ITEM_MAX - 1) / LINE_ITEM_MAX;
	}
	for (slice = 1000; slice < 2000000; slice *= 10) {
		shelf_open(&s, 0, 0, D4_GZ_GZIP);
		is(send(&s, 8, in.p, in.len, slice, START), STORE_OK,
		    "long lines in slices of %zu", slice);
		for (got = i = j = 0; i < s.nitems; i++) {
			got += s.items[i].len;
			j += s.items[i].len > LINE_ITEM_MAX;
		}
		is(s.nitems, nitems, "are cut into items");
		is(j, 0, "none too long");
		is(got, total, "nothing is missing");
		is(shelf_count(&s, SHELF_UUID), 1, "one file");
		ok(shelf_read(shelf_last, &back) && back.len == in.len &&
		    memcmp(back.p, in.p, in.len) == 0, "as sent");
		ok(shelf_stop(&s), "stopped");
		bytes_free(&back);
		shelf_remove(&s);
	}
	bytes_free(&in);
}

/* A queue that takes nothing for a while. */
static void
test_full_queue(void)
{
	struct bytes in = { NULL, 0 }, back = { NULL, 0 };
	struct store_stream *stream;
	enum store_result result;
	size_t taken, done = 0, i, wrong = 0;
	struct shelf s;
	const char *why;
	char text[32];

	for (i = 0; i < 200; i++) {
		(void)snprintf(text, sizeof(text), "line %zu\n", i);
		bytes_add(&in, text, strlen(text));
	}
	shelf_open(&s, 0, 0, D4_GZ_PLAIN);
	stream = store_open(s.store, shelf_uuid, 6, NULL, &why);
	for (i = 0; done < in.len; i++) {
		s.refuse = i % 3 != 2;
		result = store_write(stream, in.p + done, in.len - done <
		    100 ? in.len - done : 100, START, &taken);
		wrong += s.refuse && result != STORE_FULL;
		done += taken;
		s.refuse = i % 2 != 0;
		(void)store_tick(s.store, START);
	}
	is(wrong, 0, "it is full");
	s.refuse = true;
	is(store_write(stream, "last\n", 5, START, &taken), STORE_FULL,
	    "full again");
	is(taken, 5, "but it was taken");
	is(store_flush(stream, START), STORE_FULL, "not yet done with");
	store_close(stream, true, START);
	ok(store_tick(s.store, START), "the end waits");
	is(store_figures(s.store)->nstreams, 1, "a stream is left");
	s.refuse = false;
	ok(!store_tick(s.store, START), "no more");
	is(store_figures(s.store)->nstreams, 0, "no stream is left");
	is(s.nitems, 201, "every line once");
	for (i = wrong = 0; i < 200 && i < s.nitems; i++) {
		(void)snprintf(text, sizeof(text), "line %zu", i);
		wrong += !is_item(&s, i, "6", text);
	}
	is(wrong, 0, "in order");
	ok(shelf_stop(&s), "stopped");
	bytes_add(&in, "last\n", 5);
	is(shelf_count(&s, SHELF_UUID), 1, "one file");
	ok(shelf_read(shelf_last, &back) && back.len == in.len &&
	    memcmp(back.p, in.p, in.len) == 0, "as sent");
	bytes_free(&in);
	bytes_free(&back);
	shelf_remove(&s);
}

static void
test_type_4(void)
{
	struct bytes in = { NULL, 0 }, back = { NULL, 0 };
	static const char text[] = "[60] 2024\n\t[1.2.3.4]\n[61] 2025\n";
	struct shelf s;

	make_pcap(&in, 2);
	shelf_open(&s, 0, 0, D4_GZ_PLAIN);
	(void)send(&s, 4, in.p, in.len, 3, START);
	ok(s.nitems == 1 && strstr(s.items[0].text, ".cap") != NULL &&
	    shelf_read(s.items[0].text, &back) && back.len == in.len,
	    "dnscap as a capture");
	bytes_free(&back);
	(void)send(&s, 4, text, strlen(text), 3, START);
	ok(s.nitems == 2 && strstr(s.items[1].text, ".dnscap.txt") != NULL &&
	    shelf_read(s.items[1].text, &back) && back.len == strlen(text),
	    "dnscap as text");
	bytes_free(&back);
	(void)send(&s, 4, "[6\n", 3, 3, START);
	ok(s.nitems == 3 && shelf_read(s.items[2].text, &back) &&
	    back.len == 3, "shorter than what tells");
	ok(shelf_stop(&s), "stopped");
	bytes_free(&in);
	bytes_free(&back);
	shelf_remove(&s);
}

/* Real disks of little room: a file system in memory, which takes root. */
static void
test_full_disk(void)
{
	struct bytes in = { NULL, 0 }, all = { NULL, 0 };
	struct store_stream *stream;
	size_t taken, done = 0, nfull = 0;
	char ballast[128];
	struct shelf s;
	const char *why;
	uint8_t block[4096] = { 1 };
	int fd;

	shelf_new(&s);
	if (mount("none", s.root, "tmpfs", 0, "size=400k") == -1) {
		skip("no file system can be mounted: %s", strerror(errno));
		shelf_remove(&s);
		return;
	}
	shelf_start(&s, 0, 50000, D4_GZ_PLAIN, NULL);
	(void)snprintf(ballast, sizeof(ballast), "%s/ballast", s.root);
	fd = open(ballast, O_WRONLY | O_CREAT, 0600);
	while (lseek(fd, 0, SEEK_CUR) < 300 * 1024)
		(void)!write(fd, block, sizeof(block));
	make_pcap(&in, 4000);
	stream = store_open(s.store, shelf_uuid, 1, NULL, &why);
	while (done < in.len) {
		switch (store_write(stream, in.p + done, in.len - done < 5000
		    ? in.len - done : 5000, START, &taken)) {
		case STORE_FULL:
			(void)finish_drain(s.finish, 10);
			(void)store_tick(s.store, START);
			if (++nfull == 20) {
				ok(s.nitems > 0, "full with %zu of %zu bytes "
				    "taken", done + taken, in.len);
				ok(ftruncate(fd, 0) == 0, "there is room");
			}
			break;
		case STORE_OK:
			break;
		default:
			ok(false, "a full disk is no failure");
			done = in.len;
		}
		done += taken;
		if (nfull > 1000)
			break;
	}
	ok(nfull >= 20 && nfull < 1000, "it went on by itself");
	store_close(stream, true, START);
	(void)store_tick(s.store, START);
	ok(shelf_stop(&s), "finished");
	ok(join(D4_BORDER_PCAP, &s, &all) && all.len == in.len &&
	    memcmp(all.p, in.p, in.len) == 0, "nothing lost, nothing twice");
	(void)close(fd);
	(void)umount(s.root);
	bytes_free(&in);
	bytes_free(&all);
	shelf_remove(&s);
}

/* The end of the process while the disk is full. */
static void
test_full_end(void)
{
	struct bytes in = { NULL, 0 }, all = { NULL, 0 };
	struct store_stream *stream;
	size_t taken, done = 0;
	struct shelf s;
	const char *why;

	shelf_new(&s);
	if (mount("none", s.root, "tmpfs", 0, "size=100k") == -1) {
		skip("no file system can be mounted: %s", strerror(errno));
		shelf_remove(&s);
		return;
	}
	shelf_start(&s, 0, 0, D4_GZ_PLAIN, NULL);
	make_pcap(&in, 12000);
	stream = store_open(s.store, shelf_uuid, 1, NULL, &why);
	while (done + 1000 < in.len && store_write(stream, in.p + done, 1000,
	    START, &taken) == STORE_OK)
		done += taken;
	ok(done + 1000 < in.len, "the disk is full");
	done += taken;
	store_close(stream, true, START);
	ok(store_tick(s.store, START), "the end waits for room");
	store_free(s.store);
	s.store = store_new(&(struct store_settings){ .finish = s.finish });
	ok(shelf_stop(&s), "it ends all the same");
	ok(join(D4_BORDER_PCAP, &s, &all) && all.len > 50000 &&
	    all.len <= done && memcmp(all.p, in.p, all.len) == 0,
	    "with the whole packets that found room");
	(void)umount(s.root);
	bytes_free(&in);
	bytes_free(&all);
	shelf_remove(&s);
}

static void
test_hook(void)
{
	struct bytes in = { NULL, 0 }, back = { NULL, 0 };
	char hook[128], out[128], script[256];
	struct shelf s;
	size_t i, n;
	int fd;

	shelf_new(&s);
	(void)snprintf(hook, sizeof(hook), "%s/hook", s.root);
	(void)snprintf(out, sizeof(out), "%s/out", s.root);
	n = (size_t)snprintf(script, sizeof(script),
	    "#!/bin/sh\n[ -s \"$1\" ] && echo \"$1\" >> %s\nexit 3\n", out);
	fd = open(hook, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	(void)!write(fd, script, n);
	(void)close(fd);
	shelf_start(&s, 0, 0, D4_GZ_GZIP, hook);
	make_pcap(&in, 1);
	for (i = 0; i < 3; i++)
		(void)send(&s, 1, in.p, in.len, 4096, START + (time_t)i);
	for (i = 0; i < 500 && finish_figures(s.finish)->nhooks_failed < 3;
	    i++)
		(void)finish_drain(s.finish, 0), usleep(10000);
	is(finish_figures(s.finish)->nhooks, 3, "three hooks were run");
	is(finish_figures(s.finish)->nhooks_failed, 3, "and said no");
	is(finish_figures(s.finish)->nfiles, 3, "of three files");
	ok(shelf_read(out, &back), "they wrote");
	for (i = n = 0; i < back.len; i++)
		n += back.p[i] == '\n';
	is(n, 3, "a path each");
	is(finish_set_hook(s.finish, NULL), 0, "no hook any more");
	(void)send(&s, 1, in.p, in.len, 4096, START + 60);
	is(finish_figures(s.finish)->nhooks, 3, "none is run");
	ok(shelf_stop(&s), "stopped");
	bytes_free(&in);
	bytes_free(&back);
	shelf_remove(&s);
}

static void
test_many(void)
{
	struct store_stream *streams[600];
	struct bytes in = { NULL, 0 };
	struct shelf s;
	const char *why;
	size_t i, taken, wrong = 0;

	make_pcap(&in, 100);
	shelf_open(&s, 0, 0, D4_GZ_GZIP);
	for (i = 0; i < 600; i++)
		streams[i] = store_open(s.store, shelf_uuid, 1, NULL, &why);
	for (i = 0; i < 600; i++)
		wrong += store_write(streams[i], in.p, in.len, START,
		    &taken) != STORE_OK;
	is(wrong, 0, "600 streams of one sensor");
	(void)store_tick(s.store, START);
	is(store_sync(s.store, START), 0, "synced");
	for (i = 0; i < 600; i++)
		store_close(streams[i], true, START);
	for (i = 0; i < 1000 && store_tick(s.store, START); i++)
		(void)finish_drain(s.finish, 10);
	ok(shelf_stop(&s), "all end");
	is(s.nitems, 600, "600 files");
	is(shelf_count(&s, "."), 600, "of 600 names");
	bytes_free(&in);
	shelf_remove(&s);
}

/* A file that still waits to be pushed, and the next of the same name. */
static void
test_waiting_name(void)
{
	struct bytes in = { NULL, 0 };
	struct store_stream *stream;
	struct shelf s;
	const char *why;
	size_t taken;
	int i;

	make_pcap(&in, 10);
	shelf_open(&s, 0, 0, D4_GZ_GZIP);
	s.refuse = true;
	for (i = 0; i < 3; i++) {
		stream = store_open(s.store, shelf_uuid, 1, NULL, &why);
		(void)store_write(stream, in.p, in.len, START, &taken);
		store_close(stream, true, START);
		(void)finish_drain(s.finish, 300);
	}
	is(shelf_count(&s, PLACE_OPEN), 3,
	    "files of one name that wait for a queue have an entry each");
	s.refuse = false;
	ok(shelf_stop(&s), "all end");
	is(s.nitems, 3, "each is pushed");
	is(shelf_count(&s, PLACE_OPEN), 0, "and nothing is left");
	bytes_free(&in);
	shelf_remove(&s);
}

int
main(void)
{
	test_waiting_name();
	test_nothing();
	test_made();
	test_rotate_by_time();
	test_same_name();
	test_bad_data();
	test_joined_pcap();
	test_lines();
	test_long_lines();
	test_full_queue();
	test_type_4();
	test_full_disk();
	test_full_end();
	test_hook();
	test_many();
	test_captures();
	return tap_done();
}
