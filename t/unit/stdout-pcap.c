/* SPDX-License-Identifier: ISC */

/* The pcap room of d4-stdout: all forms in, the stream's form out, whatever the
 * slices. */

#include <string.h>

#include "d4-stdout/pcap.h"
#include "lib/bytes.h"
#include "t/unit/tap.h"

static const uint8_t big[PCAP_HEADER] = {
	0xa1, 0xb2, 0xc3, 0xd4, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 1, 0, 0, 0, 0, 0, 113
};
static const uint8_t little_nano[PCAP_HEADER] = {
	0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 1, 0, 113, 0, 0, 0
};

static void
test_headers(void)
{
	uint8_t out[PCAP_HEADER], bad[PCAP_HEADER];
	struct pcap_form f;

	ok(pcap_is(big) && pcap_is(little_nano), "magic numbers are known");
	ok(!pcap_is((const uint8_t *)"\x0a\x0d\x0d\x0a"), "and others not");
	is(pcap_read(&f, big), 0, "big-endian, microseconds");
	ok(f.big && !f.nano && f.link == 113 && f.snaplen == 65536 &&
	    f.head == 16, "its form");
	pcap_write(out, &f);
	ok(memcmp(out, big, sizeof(out)) == 0, "written as it was read");
	is(pcap_read(&f, little_nano), 0, "little-endian, nanoseconds");
	ok(!f.big && f.nano && f.link == 113 && f.snaplen == 65536,
	    "its form");
	pcap_write(out, &f);
	ok(memcmp(out, little_nano, sizeof(out)) == 0,
	    "written as it was read");
	memcpy(bad, big, sizeof(bad));
	bad[5] = 3;
	is(pcap_read(&f, bad), -1, "version 3 is refused");
	memcpy(bad, big, sizeof(bad));
	bad[0] = 0;
	is(pcap_read(&f, bad), -1, "no magic number is refused");
}

static size_t
record(uint8_t *p, const struct pcap_form *f, uint32_t sec, uint32_t part,
    uint32_t len)
{
	const uint32_t words[] = { sec, part, len, len + 1 };
	size_t i;

	for (i = 0; i < 4; i++) {
		if (f->big)
			d4_put32be(p + 4 * i, words[i]);
		else
			d4_put32le(p + 4 * i, words[i]);
	}
	memset(p + 16, 0xee, f->head - 16);
	for (i = 0; i < len; i++)
		p[f->head + i] = (uint8_t)(sec + i);
	return f->head + len;
}

static const struct pcap_form forms[] = {
	{ false, false, 1, 1000, 16 }, { true, false, 1, 1000, 16 },
	{ false, true, 1, 1000, 16 }, { true, true, 1, 1000, 16 },
	{ false, false, 1, 1000, 24 }, { true, false, 1, 1000, 24 }
};
#define FORMS	(sizeof(forms) / sizeof(*forms))

/* From each form to each, all of it at once and byte by byte. */
static void
test_convert(const struct pcap_form *to, const struct pcap_form *from)
{
	uint8_t in[400], want[400], got[400], buf[400];
	size_t inlen = 0, wantlen = 0, gotlen = 0, have = 0, taken, made, i;
	uint32_t n;
	struct pcap_form out = *to;
	bool good = true;

	out.head = 16;
	for (n = 0; n < 5; n++) {
		inlen += record(in + inlen, from, 100 + n,
		    from->nano ? n * 1000 : n, n * 7);
		wantlen += record(want + wantlen, &out, 100 + n,
		    to->nano ? n * 1000 : n, n * 7);
	}
	memcpy(buf, in, inlen);
	good = pcap_convert(&out, from, buf, inlen, &taken, &made) ==
	    PCAP_MORE && taken == inlen && made == wantlen &&
	    memcmp(buf, want, wantlen) == 0;
	for (i = 0; i < inlen; i++) {
		buf[have++] = in[i];
		(void)pcap_convert(&out, from, buf, have, &taken, &made);
		memcpy(got + gotlen, buf, made);
		gotlen += made;
		have -= taken;
		memmove(buf, buf + taken, have);
	}
	ok(good, "from %s %s %zu to %s %s", from->big ? "big" : "little",
	    from->nano ? "ns" : "us", from->head, to->big ? "big" : "little",
	    to->nano ? "ns" : "us");
	ok(have == 0 && gotlen == wantlen &&
	    memcmp(got, want, wantlen) == 0, "and the same byte by byte");
}

static void
test_stops(void)
{
	uint8_t buf[200];
	size_t len, taken, made;

	len = record(buf, &forms[0], 1, 2, 10);
	memcpy(buf + len, big, sizeof(big));
	is(pcap_convert(&forms[0], &forms[0], buf, len + 16, &taken, &made),
	    PCAP_AGAIN, "a file header stops");
	is(taken, len, "in front of it");
	len += record(buf + len, &forms[0], 1, 2, 0);
	is(pcap_convert(&forms[0], &forms[0], buf, len, &taken, &made),
	    PCAP_MORE, "a packet of no bytes does not");
	is(taken, len, "and is taken");
	d4_put32le(buf + 8, 1001);
	is(pcap_convert(&forms[0], &forms[0], buf, len, &taken, &made),
	    PCAP_LONG, "a packet over the stream's limit stops");
	is(taken, 0, "in front of it");
	d4_put32le(buf + 8, 0xffffffff);
	is(pcap_convert(&forms[0], &forms[0], buf, len, &taken, &made),
	    PCAP_LONG, "also the longest there is");
}

static void
test_time(void)
{
	uint8_t buf[16];
	size_t taken, made;

	(void)record(buf, &forms[0], 10, 2500000, 0);
	d4_put32le(buf + 12, 60);
	(void)pcap_convert(&forms[2], &forms[0], buf, 16, &taken, &made);
	is(d4_get32le(buf), 12, "too many microseconds are seconds");
	is(d4_get32le(buf + 4), 500000000, "and the rest nanoseconds");
	(void)record(buf, &forms[2], 10, 999999999, 0);
	(void)pcap_convert(&forms[0], &forms[2], buf, 16, &taken, &made);
	is(d4_get32le(buf), 10, "nanoseconds are cut off");
	is(d4_get32le(buf + 4), 999999, "to microseconds");
	is(d4_get32le(buf + 12), 1, "lengths stay");
}

int
main(void)
{
	size_t i, j;

	test_headers();
	for (i = 0; i < FORMS; i++) {
		for (j = 0; j < 4; j++)
			test_convert(&forms[j], &forms[i]);
	}
	test_stops();
	test_time();
	return tap_done();
}
