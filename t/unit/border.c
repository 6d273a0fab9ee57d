/* SPDX-License-Identifier: ISC */
#include <glob.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/border.h"
#include "lib/bytes.h"
#include "t/unit/tap.h"

#define BORDERS_MAX	(1u << 15)
#define WHOLE		SIZE_MAX
#define NSLICES		(sizeof(slices) / sizeof(slices[0]))

static const size_t slices[] = { WHOLE, 1, 2, 3, 7, 16, 24, 4096 };

/* A stream, and where its units end. */
struct stream {
	uint8_t	 bytes[2u << 20];
	size_t	 len;
	size_t	 borders[BORDERS_MAX];
	size_t	 n;
	bool	 big;		/* what is added is big-endian */
};

static struct stream made, seen;

static void
begin(bool big)
{
	made.len = made.n = 0;
	made.big = big;
}

static void
add(const void *bytes, size_t len)
{
	memcpy(made.bytes + made.len, bytes, len);
	made.len += len;
}

static void
add16(uint16_t v)
{
	uint8_t p[2] = { 0 };

	(made.big ? d4_put16be : d4_put16le)(p, v);
	add(p, sizeof(p));
}

static void
add32(uint32_t v)
{
	uint8_t p[4] = { 0 };

	(made.big ? d4_put32be : d4_put32le)(p, v);
	add(p, sizeof(p));
}

static void
fill(size_t len)
{
	memset(made.bytes + made.len, '\n', len);
	made.len += len;
}

static void
end(void)
{
	made.borders[made.n++] = made.len;
}

static void
add_file(uint32_t magic, uint16_t minor, uint32_t snaplen)
{
	add32(magic);
	add16(2);
	add16(minor);
	add32(0);
	add32(0);
	add32(snaplen);
	add32(1);
	end();
}

/* The first 16 bytes of a packet record. */
static void
add_record(uint32_t captured, uint32_t original)
{
	add32(1700000000);
	add32(999999);
	add32(captured);
	add32(original);
}

static void
add_packet(uint32_t len, size_t more_head)
{
	add_record(len, len + 1);
	fill(more_head + len);
	end();
}

static void
add_block(uint32_t type, uint32_t len, uint32_t trailer)
{
	add32(type);
	add32(len);
	fill(len - 12);
	add32(trailer);
	end();
}

static void
add_section(uint32_t len, uint32_t section_len)
{
	add32(0x0a0d0d0a);
	add32(len);
	add32(0x1a2b3c4d);
	add16(1);
	add16(0);
	add32(section_len);
	add32(section_len);
	fill(len - 28);
	add32(len);
	end();
}

static void
add_message(uint16_t version, uint16_t len)
{
	made.big = true;
	add16(version);
	add16(len);
	fill(len < 4 ? 0 : len - 4u);
	end();
}

/* The greatest border of the stream made in (from, to], or from. */
static size_t
last_border(size_t from, size_t to)
{
	size_t low = 0, high = made.n, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (made.borders[middle] <= to)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && made.borders[low - 1] > from ?
	    made.borders[low - 1] : from;
}

/* Steps through the stream made and notes its borders in seen. */
static const char *
step_all(enum d4_border_kind kind, size_t slice)
{
	struct d4_border *b = d4_border_new(kind);
	const char *fault;
	size_t pos = 0, stop;
	ptrdiff_t n;
	bool whole;

	seen.n = 0;
	while (pos < made.len) {
		stop = slice < made.len - pos ? pos + slice : made.len;
		do {
			n = d4_border_step(b, made.bytes + pos, stop - pos,
			    &whole);
			if (n <= 0 || (size_t)n > stop - pos)
				break;
			pos += (size_t)n;
			if (whole && seen.n < BORDERS_MAX)
				seen.borders[seen.n++] = pos;
			if (whole != d4_border_at(b))
				diag("at() is wrong at %zu", pos);
		} while (pos < stop);
		if (pos < stop)
			break;
	}
	seen.len = pos;
	fault = d4_border_fault(b);
	if (*fault == '\0' && pos < made.len)
		fault = "took nothing or too much";
	d4_border_free(b);
	return fault;
}

static bool
stepped(enum d4_border_kind kind, size_t slice, const char *fault)
{
	const char *got = step_all(kind, slice);

	if (strcmp(got, fault) != 0) {
		diag("fault \"%s\", wanted \"%s\"", got, fault);
		return false;
	}
	if (seen.n != made.n) {
		diag("%zu borders, wanted %zu", seen.n, made.n);
		return false;
	}
	return memcmp(seen.borders, made.borders,
	    made.n * sizeof(made.borders[0])) == 0 &&
	    (*fault != '\0' || seen.len == made.len);
}

static bool
scanned(enum d4_border_kind kind, size_t slice, const char *fault)
{
	struct d4_border *b = d4_border_new(kind);
	size_t pos, len, border;
	ptrdiff_t n = 0;
	bool good = true;

	for (pos = 0; pos < made.len && good; pos += len) {
		len = slice < made.len - pos ? slice : made.len - pos;
		n = d4_border_scan(b, made.bytes + pos, len, &border);
		good = (n < 0 || (size_t)n == len) &&
		    pos + border == last_border(pos, pos + len);
		if (n < 0)
			break;
	}
	good = good && (n < 0) == (*fault != '\0') &&
	    strcmp(d4_border_fault(b), fault) == 0 &&
	    (n < 0 || d4_border_at(b) ==
	    (last_border(0, made.len) == made.len));
	d4_border_free(b);
	return good;
}

/* The stream made has the borders noted, however sliced, and then a fault. */
static void
check(enum d4_border_kind kind, const char *fault, const char *name)
{
	size_t i;

	for (i = 0; i < NSLICES; i++) {
		ok(stepped(kind, slices[i], fault), "%s: steps of %zd", name,
		    (ssize_t)slices[i]);
		ok(scanned(kind, slices[i], fault), "%s: scans of %zd", name,
		    (ssize_t)slices[i]);
	}
}

static void
test_nothing(void)
{
	struct d4_border *b = d4_border_new(D4_BORDER_PCAP);
	size_t len = 1, border = 1;
	bool whole = true;

	ok(d4_border_at(b), "the beginning is a border");
	ok(!d4_border_was_preamble(b), "no unit has ended");
	d4_border_preamble(b, &len);
	is(len, 0, "no preamble yet");
	is(strcmp(d4_border_fault(b), ""), 0, "no fault");
	is(d4_border_step(b, made.bytes, 0, &whole), 0, "no bytes, none taken");
	ok(!whole, "no bytes are no unit");
	is(d4_border_scan(b, made.bytes, 0, &border), 0, "nor in a scan");
	is(border, 0, "nor a border");
	d4_border_free(b);
	d4_border_free(NULL);
}

static void
test_opaque(void)
{
	struct d4_border *b = d4_border_new(D4_BORDER_OPAQUE);
	size_t len = 1, border;
	bool whole;

	begin(false);
	fill(1000);
	is(d4_border_step(b, made.bytes, 1000, &whole), 1000, "opaque: all");
	ok(whole && d4_border_at(b), "opaque: a border");
	is(d4_border_scan(b, made.bytes, 7, &border), 7, "opaque: scan");
	is(border, 7, "opaque: a border at the end");
	d4_border_preamble(b, &len);
	ok(len == 0 && !d4_border_was_preamble(b), "opaque: no preamble");
	d4_border_free(b);
}

static void
test_lines(void)
{
	static const char *const lines[] = {
		"one\n", "\n", "\n", "a longer line than the others\r\n", "4\n"
	};
	size_t i;

	begin(false);
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		add(lines[i], strlen(lines[i]));
		end();
	}
	check(D4_BORDER_LINES, "", "lines");
	add("no end", 6);
	check(D4_BORDER_LINES, "", "lines, the last one not whole");
}

static void
test_pcap(void)
{
	static const struct {
		const char *name;
		uint32_t magic;
		size_t more_head;
	} kinds[] = {
		{ "microseconds", 0xa1b2c3d4, 0 },
		{ "nanoseconds", 0xa1b23c4d, 0 },
		{ "modified", 0xa1b2cd34, 8 },
	};
	char name[80];
	size_t i;
	uint32_t len;

	for (i = 0; i < 6; i++) {
		begin(i % 2 == 1);
		add_file(kinds[i / 2].magic, 4, 65535);
		for (len = 0; len < 40; len++)
			add_packet(len, kinds[i / 2].more_head);
		add_packet(5000, kinds[i / 2].more_head);
		snprintf(name, sizeof(name), "pcap, %s, %s-endian",
		    kinds[i / 2].name, made.big ? "big" : "little");
		check(D4_BORDER_PCAP, "", name);
	}
	add_record(3, 3);
	fill(2);
	check(D4_BORDER_PCAP, "", "pcap, the last record not whole");
	begin(false);
	add_file(0xa1b2c3d4, 4, 65535);
	made.len -= 1;
	made.n = 0;
	check(D4_BORDER_PCAP, "", "pcap, the file header not whole");
}

/* Captures joined, each header in an order and unit of its own. */
static void
test_pcap_joined(void)
{
	begin(false);
	add_file(0xa1b2c3d4, 4, 65535);
	add_packet(60, 0);
	made.big = true;
	add_file(0xa1b23c4d, 4, 300000);
	add_packet(300000, 0);
	add_file(0xa1b23c4d, 4, 65535);
	made.big = false;
	add_file(0xa1b2cd34, 4, 65535);
	add_packet(7, 8);
	add_file(0xa1b2c3d4, 4, 65535);
	add_packet(9, 0);
	check(D4_BORDER_PCAP, "", "captures joined");
}

/* Records whose seconds are a magic number are records all the same. */
static void
test_pcap_lookalikes(void)
{
	size_t i;

	for (i = 0; i < 2; i++) {
		begin(i == 1);
		add_file(0xa1b2c3d4, 4, 65535);
		add32(0xa1b2c3d4);
		add16(2);
		add16(4);
		add32(6);
		add32(6);
		fill(6);
		end();
		add32(0xa1b2c3d4);	/* nothing captured of 60 bytes */
		add16(2);
		add16(4);
		add32(0);
		add32(60);
		end();
		add32(0xa1b2c3d4);	/* not version 2 */
		add16(3);
		add16(4);
		add32(0);
		add32(0);
		end();
		add_packet(1, 0);
		check(D4_BORDER_PCAP, "", i == 0 ?
		    "seconds like a magic number, little-endian" :
		    "seconds like a magic number, big-endian");
	}
}

/* Before version 2.4 the two lengths stood in either order. */
static void
test_pcap_old(void)
{
	begin(true);
	add_file(0xa1b2c3d4, 3, 68);
	add_record(1500, 68);
	fill(68);
	end();
	add_record(68, 1500);
	fill(68);
	end();
	check(D4_BORDER_PCAP, "", "pcap of version 2.3");
}

static void
test_pcap_longest(void)
{
	static const char too_long[] =
	    "packet record longer than the file allows";

	begin(false);
	add_file(0xa1b2c3d4, 4, 68);
	add_packet(262144, 0);
	check(D4_BORDER_PCAP, "", "the longest packet of any capture");
	add_record(262145, 262145);
	check(D4_BORDER_PCAP, too_long, "a byte more");

	begin(true);
	add_file(0xa1b23c4d, 4, 300000);
	add_packet(300000, 0);
	add_record(300001, 300001);
	check(D4_BORDER_PCAP, too_long, "more than a great snaplen");

	begin(false);
	add_file(0xa1b2c3d4, 4, UINT32_MAX);
	add_record(D4_BORDER_UNIT_MAX - 16, D4_BORDER_UNIT_MAX - 16);
	check(D4_BORDER_PCAP, "", "the longest unit, not whole");
	begin(false);
	add_file(0xa1b2c3d4, 4, D4_BORDER_UNIT_MAX);
	add_record(D4_BORDER_UNIT_MAX - 15, D4_BORDER_UNIT_MAX - 15);
	check(D4_BORDER_PCAP, too_long, "longer than any unit");
	begin(false);
	add_file(0xa1b2cd34, 4, UINT32_MAX);
	add_record(D4_BORDER_UNIT_MAX - 23, D4_BORDER_UNIT_MAX - 23);
	check(D4_BORDER_PCAP, too_long, "longer than any modified unit");
}

static void
test_pcap_faults(void)
{
	begin(false);
	add("GET / HTTP/1.1\r\n\r\n", 18);
	check(D4_BORDER_PCAP, "not the magic number of pcap", "not pcap");
	begin(false);
	add_section(28, UINT32_MAX);
	made.n = 0;
	check(D4_BORDER_PCAP, "not the magic number of pcap", "pcapng");
	begin(false);
	add_file(0xa1b2c3d4, 4, 65535);
	made.bytes[4] = 3;
	made.n = 0;
	check(D4_BORDER_PCAP, "pcap of an unknown version", "pcap 3.4");
}

static void
test_pcapng(void)
{
	uint32_t len;
	size_t i;

	for (i = 0; i < 2; i++) {
		begin(i == 1);
		add_section(28, UINT32_MAX);
		add_block(1, 20, 20);
		for (len = 12; len < 80; len += 4)
			add_block(6, len, len);
		add_block(1, 32, 32);
		add_block(6, 5000, 5000);
		made.big = !made.big;
		add_section(64, 1000);
		add_block(5, 12, 12);
		add_block(0x80000001, 16, 16);
		check(D4_BORDER_PCAPNG, "", i == 0 ? "pcapng, little first" :
		    "pcapng, big first");
	}
	add_block(6, 32, 32);
	made.n--;
	made.len--;
	check(D4_BORDER_PCAPNG, "", "pcapng, the last block not whole");
}

/* A section and an interface, then a block that may be wrong. */
static void
refused(uint32_t type, uint32_t len, uint32_t trailer, const char *fault,
    const char *name)
{
	begin(true);
	add_section(28, UINT32_MAX);
	add_block(1, 20, 20);
	add_block(6, 32, 32);
	add32(type);
	add32(len);
	if (type == 0x0a0d0d0a)
		add32(0x1a2b3c4d);
	else if (len >= 12 && len % 4 == 0 && len <= 4096)
		fill(len - 12);
	add32(trailer);
	fill(64);
	check(D4_BORDER_PCAPNG, fault, name);
}

static void
test_pcapng_faults(void)
{
	static const char too_short[] = "pcapng block too short";
	static const char multiple[] =
	    "pcapng block length not a multiple of 4";
	static const char too_long[] = "pcapng block too long";
	static const char differ[] = "lengths of a pcapng block differ";

	refused(6, 0, 0, too_short, "a block of no length");
	refused(6, 8, 8, too_short, "a block of 8 bytes");
	refused(1, 16, 16, too_short, "an interface of 16 bytes");
	refused(0x0a0d0d0a, 24, 24, too_short, "a section of 24 bytes");
	refused(6, 34, 34, multiple, "a block of 34 bytes");
	refused(6, D4_BORDER_UNIT_MAX + 4, 0, too_long, "a block too long");
	refused(6, 32, 36, differ, "a trailing length");
	refused(6, 12, 16, differ, "a trailing length after no body");
	refused(1, 20, 24, differ, "a trailing length of an interface");

	begin(false);
	add_file(0xa1b2c3d4, 4, 65535);
	made.n = 0;
	check(D4_BORDER_PCAPNG, "no section header of pcapng at the start",
	    "pcap");
	begin(false);
	add_section(28, UINT32_MAX);
	made.bytes[8] ^= 1;
	made.n = 0;
	check(D4_BORDER_PCAPNG, "not the byte-order magic of pcapng",
	    "byte-order magic");
}

static void
test_pcapng_preamble_max(void)
{
	static const char too_long[] =
	    "pcapng section and interfaces too long";
	uint32_t i;

	begin(false);
	add_section(28, UINT32_MAX);
	add_block(1, D4_BORDER_PREAMBLE_MAX - 28, D4_BORDER_PREAMBLE_MAX - 28);
	add_section(D4_BORDER_PREAMBLE_MAX, UINT32_MAX);
	check(D4_BORDER_PCAPNG, "", "the longest preambles");
	add32(1);
	add32(20);
	check(D4_BORDER_PCAPNG, too_long, "an interface more");

	begin(true);
	add_section(28, UINT32_MAX);
	for (i = 0; i < 4; i++)
		add_block(1, 65536, 65536);
	made.n--;
	check(D4_BORDER_PCAPNG, too_long, "four long interfaces");
	begin(false);
	add_section(D4_BORDER_PREAMBLE_MAX + 4, UINT32_MAX);
	made.n--;
	check(D4_BORDER_PCAPNG, too_long, "a section too long");
}

static void
test_ipfix(void)
{
	uint16_t len;

	begin(true);
	for (len = 16; len < 60; len++)
		add_message(10, len);
	add_message(10, 65535);
	add_message(10, 16);
	check(D4_BORDER_IPFIX, "", "ipfix");
	add_message(10, 20);
	made.n--;
	made.len--;
	check(D4_BORDER_IPFIX, "", "ipfix, the last message not whole");

	begin(true);
	add_message(10, 16);
	add_message(9, 16);
	made.n--;
	check(D4_BORDER_IPFIX, "not the version of ipfix", "netflow 9");
	begin(true);
	add_message(10, 16);
	add_message(10, 15);
	made.n--;
	check(D4_BORDER_IPFIX, "ipfix message too short", "15 bytes");
}

static void
test_sticky(void)
{
	struct d4_border *b = d4_border_new(D4_BORDER_PCAP);
	const uint8_t *preamble;
	size_t len, border = 1;
	bool whole = true;

	begin(false);
	add_file(0xa1b2c3d4, 4, 65535);
	add_packet(60, 0);
	add_record(UINT32_MAX, UINT32_MAX);
	is(d4_border_scan(b, made.bytes, made.len, &border), -1, "a fault");
	is(border, 24 + 76, "what was whole before the fault");
	is(d4_border_step(b, made.bytes, 24, &whole), -1, "again, good data");
	ok(!whole, "nothing is whole");
	is(d4_border_step(b, made.bytes, 0, &whole), -1, "again, no data");
	is(d4_border_scan(b, made.bytes, 24, &border), -1, "again, in a scan");
	is(border, 0, "and no border");
	ok(d4_border_fault(b)[0] != '\0', "the fault keeps its words");
	preamble = d4_border_preamble(b, &len);
	ok(len == 24 && memcmp(preamble, made.bytes, 24) == 0,
	    "the preamble is still there");
	d4_border_free(b);
}

/* The preamble that a reader needs after the first n units made. */
static size_t
wanted_preamble(uint8_t *want, enum d4_border_kind kind, const bool *part,
    size_t n)
{
	size_t i, at, unit, len = 0;

	for (i = 0; i < n; i++) {
		at = i == 0 ? 0 : made.borders[i - 1];
		unit = made.borders[i] - at;
		if (!part[i])
			continue;
		if (kind == D4_BORDER_PCAP || made.bytes[at] == 0x0a)
			len = 0;
		memcpy(want + len, made.bytes + at, unit);
		if (kind == D4_BORDER_PCAPNG && len == 0)
			memset(want + 16, 0xff, 8);
		len += unit;
	}
	return len;
}

/* After each step, also within units, the preamble is that of the last
 * border; part says which of the units made belong to one. */
static void
check_preamble(enum d4_border_kind kind, const bool *part, size_t slice)
{
	static uint8_t want[4096];
	struct d4_border *b = d4_border_new(kind);
	const uint8_t *preamble;
	size_t pos = 0, units = 0, len, give;
	ptrdiff_t n;
	bool whole, good = true, was = true;

	while (pos < made.len) {
		give = slice < made.len - pos ? slice : made.len - pos;
		n = d4_border_step(b, made.bytes + pos, give, &whole);
		if (n <= 0)
			break;
		pos += (size_t)n;
		units += whole;
		preamble = d4_border_preamble(b, &len);
		good = good &&
		    len == wanted_preamble(want, kind, part, units) &&
		    (len == 0 || memcmp(preamble, want, len) == 0);
		was = was && d4_border_was_preamble(b) ==
		    (units > 0 && part[units - 1]);
	}
	is(units, made.n, "preamble, slices of %zd: units", (ssize_t)slice);
	ok(good, "preamble, slices of %zd: its bytes", (ssize_t)slice);
	ok(was, "preamble, slices of %zd: its units", (ssize_t)slice);
	d4_border_free(b);
}

static void
test_preamble(void)
{
	static const bool pcap[] = { true, false, false, true, true, false };
	static const bool pcapng[] = { true, false, true, false, true, false,
	    true, false, true };
	size_t i;

	for (i = 0; i < NSLICES; i++) {
		begin(false);
		add_file(0xa1b2c3d4, 4, 65535);
		add_packet(60, 0);
		add_packet(0, 0);
		add_file(0xa1b23c4d, 4, 96);
		made.big = true;
		add_file(0xa1b2c3d4, 4, 1500);
		add_packet(60, 0);
		check_preamble(D4_BORDER_PCAP, pcap, slices[i]);

		begin(true);
		add_section(32, 400);
		add_block(10, 40, 40);
		add_block(1, 20, 20);
		add_block(6, 64, 64);
		add_block(1, 100, 100);
		add_block(6, 32, 32);
		made.big = false;
		add_section(28, 200);
		add_block(6, 12, 12);
		add_block(1, 24, 24);
		check_preamble(D4_BORDER_PCAPNG, pcapng, slices[i]);
	}
	begin(true);
	add_message(10, 16);
	check_preamble(D4_BORDER_IPFIX, (const bool[]){ false }, 1);
	begin(true);
	fill(1);
	end();
	check_preamble(D4_BORDER_LINES, (const bool[]){ false }, 1);
}

/* Makes the stream of a file; false when that cannot be. */
static bool
load(const char *path)
{
	FILE *file = fopen(path, "rb");
	bool good;

	begin(false);
	if (file == NULL)
		return false;
	made.len = fread(made.bytes, 1, sizeof(made.bytes), file);
	good = made.len < sizeof(made.bytes) && ferror(file) == 0;
	fclose(file);
	return good;
}

/* The packets among the units of the capture made. */
static size_t
packets(enum d4_border_kind kind)
{
	size_t i, count = 0;
	uint32_t type;
	const uint8_t *at;

	made.big = made.bytes[8] == 0x1a;
	for (i = 1; i < made.n; i++) {
		at = made.bytes + made.borders[i - 1];
		type = made.big ? d4_get32be(at) : d4_get32le(at);
		if (kind == D4_BORDER_PCAP || type == 6 || type == 3)
			count++;
	}
	return count;
}

static void
check_capture(const char *path, const char *name)
{
	enum d4_border_kind kind = strstr(name, ".pcapng") != NULL ?
	    D4_BORDER_PCAPNG : D4_BORDER_PCAP;
	static const struct {
		const char *name;
		size_t packets;
		const char *fault;
	} known[] = {
		{ "bent-headers.pcap", 9, "" },
		{ "bigendian-pptp.pcap", 23, "" },
		{ "bigendian-two-links.pcapng", 5, "" },
		{ "cut-off.pcap", 1,
		    "packet record longer than the file allows" },
		{ "icmp-traceroute.pcapng", 54, "" },
		{ "nsec-cut.pcap", 100, "" },
		{ "raw-rst-options.pcap", 2, "" },
		{ "snmp-reflection-icmp.pcap", 4373, "" },
		{ "syn-ecn-cwr-flood.pcap", 9878, "" },
		{ "synack-reflection.pcap", 8000, "" },
		{ "synscan.pcapng", 2011, "" },
		{ "tcp-refused.pcapng", 2, "" },
	};
	const char *fault = "";
	size_t i, want = SIZE_MAX;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(name, known[i].name) == 0) {
			want = known[i].packets;
			fault = known[i].fault;
		}
	}
	if (!ok(load(path), "%s: read", name))
		return;
	step_all(kind, WHOLE);
	memcpy(made.borders, seen.borders, seen.n * sizeof(seen.borders[0]));
	made.n = seen.n;
	if (want != SIZE_MAX)
		is(packets(kind), want, "%s: packets", name);
	if (*fault == '\0')
		is(last_border(0, made.len), made.len, "%s: its end", name);
	check(kind, fault, name);
}

static void
test_captures(void)
{
	const char *dir = getenv("D4_SHARED");
	char pattern[4096];
	glob_t found;
	size_t i;

	snprintf(pattern, sizeof(pattern), "%s/captures/*.pcap*",
	    dir == NULL ? "../shared" : dir);
	if (glob(pattern, 0, NULL, &found) != 0) {
		skip("no captures as %s", pattern);
		return;
	}
	for (i = 0; i < found.gl_pathc; i++)
		check_capture(found.gl_pathv[i],
		    strrchr(found.gl_pathv[i], '/') + 1);
	globfree(&found);
}

static void
test_begins(void)
{
	static const uint8_t pcap[D4_BORDER_BEGIN] = {
		0xa1, 0xb2, 0x3c, 0x4d, 0, 2, 0, 4
	}, packet[D4_BORDER_BEGIN] = {
		0xa1, 0xb2, 0x3c, 0x4d, 0, 2, 0, 4, 0, 0, 0, 60, 0, 0, 0, 60
	}, pcapng[D4_BORDER_BEGIN] = {
		0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1
	}, block[D4_BORDER_BEGIN] = {
		0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1b, 1
	};

	ok(d4_border_begins(D4_BORDER_PCAP, pcap) &&
	    !d4_border_begins(D4_BORDER_PCAP, packet) &&
	    !d4_border_begins(D4_BORDER_PCAP, pcapng), "how pcap begins");
	ok(d4_border_begins(D4_BORDER_PCAPNG, pcapng) &&
	    !d4_border_begins(D4_BORDER_PCAPNG, block) &&
	    !d4_border_begins(D4_BORDER_PCAPNG, pcap), "how pcapng begins");
	ok(!d4_border_begins(D4_BORDER_LINES, pcap) &&
	    !d4_border_begins(D4_BORDER_OPAQUE, pcap), "others as they go on");
}

int
main(void)
{
	test_nothing();
	test_begins();
	test_opaque();
	test_lines();
	test_pcap();
	test_pcap_joined();
	test_pcap_lookalikes();
	test_pcap_old();
	test_pcap_longest();
	test_pcap_faults();
	test_pcapng();
	test_pcapng_faults();
	test_pcapng_preamble_max();
	test_ipfix();
	test_sticky();
	test_preamble();
	test_captures();
	return tap_done();
}
