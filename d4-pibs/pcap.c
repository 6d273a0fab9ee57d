/* SPDX-License-Identifier: ISC */

/*
 * Classic pcap: a header of 24 bytes, then 16 bytes before each frame.  The
 * records are walked where they lie.
 */

#include <stdio.h>
#include <stdlib.h>

#include "d4-pibs/reader.h"
#include "lib/bytes.h"

#define HEADER_LEN	24
#define RECORD_LEN	16

#define MAGIC_USEC	0xa1b2c3d4
#define MAGIC_NSEC	0xa1b23c4d

/* The file is touched so far ahead of where it is read: across the border of
 * a page the processor does not look ahead by itself. */
#define AHEAD		4096

struct pcap {
	struct window	*window;
	bool		 big;		/* byte order */
	bool		 nsec;
	uint16_t	 link;
};

static uint32_t
get32(const uint8_t *p, bool big)
{
	return big ? d4_get32be(p) : d4_get32le(p);
}

static bool
is_magic(const uint8_t *p, bool big)
{
	uint32_t magic = get32(p, big);

	return magic == MAGIC_USEC || magic == MAGIC_NSEC;
}

bool
reader_pcap_is(const uint8_t *p, size_t len)
{
	if (len < 8)
		return len >= 4 && (is_magic(p, false) || is_magic(p, true));
	/* Versions before 2.4 have other records; libpcap knows them. */
	return (is_magic(p, false) && d4_get32le(p + 4) == 0x00040002) ||
	    (is_magic(p, true) && d4_get32be(p + 4) == 0x00020004);
}

static void *
open_pcap(struct window *w, char fault[CAPTURE_FAULT])
{
	struct pcap *c;
	const uint8_t *p;

	if (window_begin(w, HEADER_LEN, &p) < HEADER_LEN) {
		(void)snprintf(fault, CAPTURE_FAULT,
		    "cut off in the file header");
		return NULL;
	}
	if ((c = calloc(1, sizeof(*c))) == NULL) {
		(void)snprintf(fault, CAPTURE_FAULT, "out of memory");
		return NULL;
	}
	c->window = w;
	c->big = is_magic(p, true);
	c->nsec = get32(p, c->big) == MAGIC_NSEC;
	c->link = (uint16_t)get32(p + 20, c->big);
	window_skip(w, HEADER_LEN);
	return c;
}

/* Walks over the records in len bytes, at least RECORD_LEN; returns the bytes
 * taken.  *n becomes the number of frames, at most max. */
static inline size_t
walk(const struct pcap *c, bool big, const uint8_t *p, size_t len,
    struct frame *f, size_t max, size_t *n)
{
	const uint32_t scale = c->nsec ? 1 : 1000;
	const uint16_t link = c->link;
	const bool usec = !c->nsec;
	const uint8_t *r = p, *last = p + len - RECORD_LEN;
	size_t i;

	for (i = 0; i < max && r <= last; i++) {
		uint32_t caplen = get32(r + 8, big);

		if (caplen > FRAME_MAX || caplen > (size_t)(last - r))
			break;
		__builtin_prefetch(r + AHEAD);
		f[i].data = r + RECORD_LEN;
		f[i].caplen = caplen;
		f[i].len = get32(r + 12, big);
		f[i].sec = get32(r, big);
		f[i].nsec = get32(r + 4, big) * scale;
		f[i].link = link;
		f[i].usec = usec;
		r += RECORD_LEN + (size_t)caplen;
	}
	*n = i;
	return (size_t)(r - p);
}

static int
next_pcap(void *arg, struct frame *f, size_t max, char fault[CAPTURE_FAULT])
{
	struct pcap *c = arg;
	size_t want = RECORD_LEN, n, taken;
	const uint8_t *p;
	ptrdiff_t len;
	uint32_t caplen;

	for (;;) {
		if ((len = window_need(c->window, want, &p)) == -1)
			return -1;
		/* Byte order as a constant makes two tight loops of it. */
		n = taken = 0;
		if (len >= RECORD_LEN)
			taken = c->big ?
			    walk(c, true, p, (size_t)len, f, max, &n) :
			    walk(c, false, p, (size_t)len, f, max, &n);
		window_skip(c->window, taken);
		if (n > 0)
			return (int)n;
		if ((size_t)len < want) {
			if (len > 0)
				(void)snprintf(fault, CAPTURE_FAULT,
				    "cut off in a record");
			return 0;
		}
		caplen = get32(p + 8, c->big);
		if (caplen > FRAME_MAX) {
			(void)snprintf(fault, CAPTURE_FAULT,
			    "a record claims %u bytes, over %d", caplen,
			    FRAME_MAX);
			return 0;
		}
		want = RECORD_LEN + caplen;
	}
}

static bool
nsec_pcap(const void *arg)
{
	return ((const struct pcap *)arg)->nsec;
}

const struct reader reader_pcap = { open_pcap, free, next_pcap, nsec_pcap };
