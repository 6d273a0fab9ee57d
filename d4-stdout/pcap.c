/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "d4-stdout/pcap.h"
#include "lib/bytes.h"

#define MICRO		0xa1b2c3d4u
#define NANO		0xa1b23c4du
#define KUZNETZOV	0xa1b2cd34u
#define VERSION		2
#define MINOR		4
#define RECORD		16		/* the usual bytes before a packet */
#define AHEAD		1024		/* bytes, to load into the cache */

#if defined(__GNUC__)
#define PREFETCH(p)	__builtin_prefetch(p)
#else
#define PREFETCH(p)	((void)(p))
#endif

static uint32_t
get32(bool big, const uint8_t *p)
{
	return big ? d4_get32be(p) : d4_get32le(p);
}

static void
put32(bool big, uint8_t *p, uint32_t v)
{
	if (big)
		d4_put32be(p, v);
	else
		d4_put32le(p, v);
}

static bool
is_magic(uint32_t magic)
{
	return magic == MICRO || magic == NANO || magic == KUZNETZOV;
}

bool
pcap_is(const uint8_t p[4])
{
	return is_magic(d4_get32be(p)) || is_magic(d4_get32le(p));
}

int
pcap_read(struct pcap_form *f, const uint8_t p[PCAP_HEADER])
{
	uint32_t magic;

	f->big = is_magic(d4_get32be(p));
	magic = get32(f->big, p);
	if (!is_magic(magic) ||
	    (f->big ? d4_get16be(p + 4) : d4_get16le(p + 4)) != VERSION)
		return -1;
	f->nano = magic == NANO;
	f->head = magic == KUZNETZOV ? RECORD + 8 : RECORD;
	f->snaplen = get32(f->big, p + 16);
	f->link = get32(f->big, p + 20);
	return 0;
}

void
pcap_write(uint8_t p[PCAP_HEADER], const struct pcap_form *f)
{
	memset(p, 0, PCAP_HEADER);
	put32(f->big, p, f->nano ? NANO : MICRO);
	if (f->big) {
		d4_put16be(p + 4, VERSION);
		d4_put16be(p + 6, MINOR);
	} else {
		d4_put16le(p + 4, VERSION);
		d4_put16le(p + 6, MINOR);
	}
	put32(f->big, p + 16, f->snaplen);
	put32(f->big, p + 20, f->link);
}

/* Whether a file header stands in the place of a record, the mark of captures
 * that were joined: as one it would be a packet of no bytes at all. */
static bool
begins_anew(const uint8_t p[RECORD])
{
	struct pcap_form f;
	uint8_t header[PCAP_HEADER] = { 0 };

	if (d4_get64le(p + 8) != 0)
		return false;
	memcpy(header, p, RECORD);
	return pcap_read(&f, header) == 0;
}

/* Writes the head of a record anew. */
static void
convert(const struct pcap_form *to, const struct pcap_form *from,
    uint8_t out[RECORD], const uint8_t *in)
{
	uint32_t word[4];
	size_t i;

	for (i = 0; i < 4; i++)
		word[i] = get32(from->big, in + 4 * i);
	if (to->nano != from->nano) {
		uint32_t unit = from->nano ? 1000000000 : 1000000;

		word[0] += word[1] / unit;
		word[1] %= unit;
		word[1] = to->nano ? word[1] * 1000 : word[1] / 1000;
	}
	for (i = 0; i < 4; i++)
		put32(to->big, out + 4 * i, word[i]);
}

static bool
is_alike(const struct pcap_form *a, const struct pcap_form *b)
{
	return a->big == b->big && a->nano == b->nano && a->head == b->head;
}

/* Whether a whole record of the file stands there, and how long its packet
 * is.  With PCAP_MORE and false there is less of it. */
static bool
measure(const struct pcap_form *stream, const struct pcap_form *file,
    const uint8_t *p, size_t len, uint32_t *caplen, enum pcap_stop *stop)
{
	if (len < file->head)
		return false;
	*caplen = get32(file->big, p + 8);
	if (*caplen == 0 && begins_anew(p)) {
		*stop = PCAP_AGAIN;
		return false;
	}
	if (*caplen > stream->snaplen) {
		*stop = PCAP_LONG;
		return false;
	}
	return len - file->head >= *caplen;
}

enum pcap_stop
pcap_convert(const struct pcap_form *stream, const struct pcap_form *file,
    uint8_t *data, size_t len, size_t *taken, size_t *made)
{
	bool alike = is_alike(stream, file);
	enum pcap_stop stop = PCAP_MORE;
	size_t at = 0, to = 0;
	uint32_t caplen;

	while (measure(stream, file, data + at, len - at, &caplen, &stop)) {
		/* Only heads are looked at, and each says where the next is:
		 * waiting for memory is what this takes. */
		if (len - at > AHEAD)
			PREFETCH(data + at + AHEAD);
		if (!alike) {
			convert(stream, file, data + to, data + at);
			memmove(data + to + RECORD, data + at + file->head,
			    caplen);
		}
		at += file->head + caplen;
		to += RECORD + caplen;
	}
	*taken = at;
	*made = to;
	return stop;
}
