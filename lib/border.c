/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "lib/border.h"
#include "lib/bytes.h"

#define PCAP_FILE_LEN	24u		/* a file header */
#define PCAP_RECORD_LEN	16u		/* the head of a packet record */
#define PCAP_LENGTH_MAX	262144u		/* allowed whatever the snaplen */

#define BLOCK_MIN	12u
#define SECTION		0x0a0d0d0au	/* the same in both byte orders */
#define SECTION_MIN	28u
#define SECTION_MAGIC	0x1a2b3c4du
#define INTERFACE	1u
#define INTERFACE_MIN	20u
#define TRAILER		4u

#define MESSAGE_MIN	16u		/* an IPFIX message header */

#define HEAD_MAX	PCAP_FILE_LEN	/* what tells the length of any unit */

/* What a unit is to the preamble. */
enum role {
	DATA,				/* nothing */
	FIRST,				/* replaces it */
	MORE				/* is added to it */
};

struct d4_border {
	enum d4_border_kind kind;
	const char	*fault;		/* or NULL */

	/* The current unit. */
	size_t		 length;	/* 0 while unknown */
	size_t		 taken;		/* bytes of it so far */
	enum role	 role;		/* good once length is known */
	uint8_t		 head[HEAD_MAX]; /* what is taken of a head in parts */
	uint8_t		 trailer[TRAILER]; /* pcapng: likewise of its end */

	/* The current file or section. */
	bool		 begun;		/* whether there is one */
	bool		 big;		/* big-endian */
	bool		 swapped;	/* pcap: lengths in any order */
	size_t		 record_head;	/* pcap: bytes before a packet */
	uint32_t	 packet_max;	/* pcap: greatest packet */

	uint8_t		*preamble;	/* then the pending bytes */
	size_t		 preamble_len;
	size_t		 pending;	/* of a unit that will belong to it */
	size_t		 cap;		/* bytes at preamble */
	bool		 was_preamble;
};

static bool begins_anew(const uint8_t[PCAP_RECORD_LEN]);
static ptrdiff_t step_line(struct d4_border *, const uint8_t *, size_t,
    bool *);
static ptrdiff_t step_unit(struct d4_border *, const uint8_t *, size_t,
    bool *);

struct d4_border *
d4_border_new(enum d4_border_kind kind)
{
	struct d4_border *b;

	if ((b = calloc(1, sizeof(*b))) == NULL)
		return NULL;
	b->kind = kind;
	return b;
}

void
d4_border_free(struct d4_border *b)
{
	if (b == NULL)
		return;
	free(b->preamble);
	free(b);
}

ptrdiff_t
d4_border_step(struct d4_border *b, const uint8_t *data, size_t len,
    bool *whole)
{
	*whole = false;
	if (b->fault != NULL)
		return -1;
	if (len == 0)
		return 0;
	switch (b->kind) {
	case D4_BORDER_OPAQUE:
		*whole = true;
		return (ptrdiff_t)len;
	case D4_BORDER_LINES:
		return step_line(b, data, len, whole);
	default:
		return step_unit(b, data, len, whole);
	}
}

ptrdiff_t
d4_border_scan(struct d4_border *b, const uint8_t *data, size_t len,
    size_t *border)
{
	size_t done = 0;
	ptrdiff_t n;
	bool whole;

	*border = 0;
	do {
		if ((n = d4_border_step(b, data + done, len - done,
		    &whole)) < 0)
			return -1;
		done += (size_t)n;
		if (whole)
			*border = done;
	} while (done < len);
	return (ptrdiff_t)done;
}

bool
d4_border_at(const struct d4_border *b)
{
	return b->taken == 0;
}

bool
d4_border_begins(enum d4_border_kind kind, const uint8_t head[D4_BORDER_BEGIN])
{
	if (kind == D4_BORDER_PCAP)
		return begins_anew(head);
	return kind == D4_BORDER_PCAPNG && d4_get32le(head) == SECTION &&
	    (d4_get32le(head + 8) == SECTION_MAGIC ||
	    d4_get32be(head + 8) == SECTION_MAGIC);
}

const uint8_t *
d4_border_preamble(const struct d4_border *b, size_t *len)
{
	*len = b->preamble_len;
	return b->preamble;
}

bool
d4_border_was_preamble(const struct d4_border *b)
{
	return b->was_preamble;
}

const char *
d4_border_fault(const struct d4_border *b)
{
	return b->fault == NULL ? "" : b->fault;
}

static size_t
refuse(struct d4_border *b, const char *words)
{
	b->fault = words;
	return 0;
}

static uint16_t
get16(const struct d4_border *b, const uint8_t *p)
{
	return b->big ? d4_get16be(p) : d4_get16le(p);
}

static uint32_t
get32(const struct d4_border *b, const uint8_t *p)
{
	return b->big ? d4_get32be(p) : d4_get32le(p);
}

/* The length of the head of a packet record, 0 when it is no magic number. */
static size_t
pcap_record_head(uint32_t magic)
{
	switch (magic) {
	case 0xa1b2c3d4u:		/* microseconds */
	case 0xa1b23c4du:		/* nanoseconds */
		return PCAP_RECORD_LEN;
	case 0xa1b2cd34u:		/* Kuznetzov's patch to libpcap */
		return PCAP_RECORD_LEN + 8;
	default:
		return 0;
	}
}

/*
 * Whether what stands where a packet record should is a file header.  Read as
 * a record it would be a packet of no bytes at all, neither captured nor on
 * the wire, and at one certain instant: no capture holds that.
 */
static bool
begins_anew(const uint8_t head[PCAP_RECORD_LEN])
{
	if (d4_get64le(head + 8) != 0)	/* time zone and accuracy */
		return false;
	if (pcap_record_head(d4_get32be(head)) != 0)
		return d4_get16be(head + 4) == 2;
	return pcap_record_head(d4_get32le(head)) != 0 &&
	    d4_get16le(head + 4) == 2;
}

static size_t
measure_pcap_file(struct d4_border *b, const uint8_t *head, size_t have)
{
	uint32_t snaplen;

	if (have < 4)
		return 0;
	b->big = pcap_record_head(d4_get32be(head)) != 0;
	if ((b->record_head = pcap_record_head(get32(b, head))) == 0)
		return refuse(b, "not the magic number of pcap");
	if (have < PCAP_FILE_LEN)
		return 0;
	if (get16(b, head + 4) != 2)
		return refuse(b, "pcap of an unknown version");
	b->swapped = get16(b, head + 6) < 4;
	snaplen = get32(b, head + 16);
	b->packet_max = snaplen > PCAP_LENGTH_MAX ? snaplen : PCAP_LENGTH_MAX;
	if (b->packet_max > D4_BORDER_UNIT_MAX - b->record_head)
		b->packet_max = D4_BORDER_UNIT_MAX -
		    (uint32_t)b->record_head;
	b->begun = true;
	b->role = FIRST;
	return PCAP_FILE_LEN;
}

static size_t
measure_pcap(struct d4_border *b, const uint8_t *head, size_t have)
{
	uint32_t length;

	if (!b->begun)
		return measure_pcap_file(b, head, have);
	if (have < PCAP_RECORD_LEN)
		return 0;
	if (begins_anew(head))
		return measure_pcap_file(b, head, have);
	length = get32(b, head + 8);
	if (b->swapped && length > get32(b, head + 12))
		length = get32(b, head + 12);
	if (length > b->packet_max)
		return refuse(b, "packet record longer than the file allows");
	b->role = DATA;
	return b->record_head + length;
}

/* A head of pcapng is never more than lies before the trailing length. */
static size_t
measure_pcapng(struct d4_border *b, const uint8_t *head, size_t have)
{
	uint32_t type, length, min = BLOCK_MIN;

	if (have < 4)
		return 0;
	type = get32(b, head);
	if (type != SECTION && !b->begun)
		return refuse(b, "no section header of pcapng at the start");
	if (have < (type == SECTION ? 12 : 8))
		return 0;
	b->role = DATA;
	if (type == SECTION) {
		b->big = d4_get32be(head + 8) == SECTION_MAGIC;
		if (get32(b, head + 8) != SECTION_MAGIC)
			return refuse(b, "not the byte-order magic of pcapng");
		b->begun = true;
		b->role = FIRST;
		min = SECTION_MIN;
	} else if (type == INTERFACE) {
		b->role = MORE;
		min = INTERFACE_MIN;
	}
	length = get32(b, head + 4);
	if (length < min)
		return refuse(b, "pcapng block too short");
	if (length % 4 != 0)
		return refuse(b, "pcapng block length not a multiple of 4");
	if (length > D4_BORDER_UNIT_MAX)
		return refuse(b, "pcapng block too long");
	if (b->role != DATA && length > D4_BORDER_PREAMBLE_MAX -
	    (b->role == MORE ? b->preamble_len : 0))
		return refuse(b, "pcapng section and interfaces too long");
	return length;
}

static size_t
measure_ipfix(struct d4_border *b, const uint8_t *head, size_t have)
{
	size_t length;

	if (have < 2)
		return 0;
	if (d4_get16be(head) != 10)
		return refuse(b, "not the version of ipfix");
	if (have < 4)
		return 0;
	if ((length = d4_get16be(head + 2)) < MESSAGE_MIN)
		return refuse(b, "ipfix message too short");
	return length;
}

/*
 * The length of the current unit, from what was taken of it and the slice; 0
 * when that does not tell yet, and then the slice is shorter than what a head
 * can hold, or when there is a fault.  Most heads lie whole in one slice and
 * are read there.
 */
static size_t
measure(struct d4_border *b, const uint8_t *data, size_t len)
{
	const uint8_t *head = data;
	size_t have = len;

	if (b->taken > 0) {
		if (have > HEAD_MAX - b->taken)
			have = HEAD_MAX - b->taken;
		memcpy(b->head + b->taken, data, have);
		have += b->taken;
		head = b->head;
	}
	switch (b->kind) {
	case D4_BORDER_PCAP:
		return measure_pcap(b, head, have);
	case D4_BORDER_PCAPNG:
		return measure_pcapng(b, head, have);
	default:
		return measure_ipfix(b, head, have);
	}
}

static bool
append(struct d4_border *b, const uint8_t *data, size_t len)
{
	size_t end = b->preamble_len + b->pending;
	uint8_t *bytes;

	if (b->cap - end < len) {
		/* Doubling what was received keeps the copying linear. */
		if ((bytes = realloc(b->preamble, 2 * (end + len))) == NULL) {
			refuse(b, "memory is short");
			return false;
		}
		b->preamble = bytes;
		b->cap = 2 * (end + len);
	}
	memcpy(b->preamble + end, data, len);
	b->pending += len;
	return true;
}

/* Keeps a part of a unit of the preamble; its head may have come before. */
static bool
keep(struct d4_border *b, const uint8_t *data, size_t len)
{
	if (b->pending < b->taken && !append(b, b->head, b->taken))
		return false;
	return append(b, data, len);
}

/* Looks at the next n bytes of a block for those of the trailing length. */
static bool
trailer_fits(struct d4_border *b, const uint8_t *data, size_t n)
{
	size_t at = b->length - TRAILER, end = b->taken + n, from;

	if (end <= at)
		return true;
	from = b->taken > at ? b->taken : at;
	memcpy(b->trailer + (from - at), data + (from - b->taken), end - from);
	if (end < b->length || get32(b, b->trailer) == b->length)
		return true;
	refuse(b, "lengths of a pcapng block differ");
	return false;
}

static void
finish(struct d4_border *b)
{
	if (b->role == FIRST) {
		memmove(b->preamble, b->preamble + b->preamble_len,
		    b->pending);
		b->preamble_len = 0;
		/* What is cut is no longer as long as its header says. */
		if (b->kind == D4_BORDER_PCAPNG)
			memset(b->preamble + 16, 0xff, 8);
	}
	b->preamble_len += b->pending;
	b->pending = 0;
	b->was_preamble = b->role != DATA;
	b->length = b->taken = 0;
}

static ptrdiff_t
step_line(struct d4_border *b, const uint8_t *data, size_t len, bool *whole)
{
	const uint8_t *newline = memchr(data, '\n', len);

	*whole = newline != NULL;
	b->taken = newline == NULL;	/* not how many: there is no limit */
	return newline == NULL ? (ptrdiff_t)len : newline + 1 - data;
}

static ptrdiff_t
step_unit(struct d4_border *b, const uint8_t *data, size_t len, bool *whole)
{
	size_t n;

	if (b->length == 0 && (b->length = measure(b, data, len)) == 0) {
		if (b->fault != NULL)
			return -1;
		if (b->taken == 0)
			memcpy(b->head, data, len);
		b->taken += len;
		return (ptrdiff_t)len;
	}
	n = b->length - b->taken;
	if (n > len)
		n = len;
	if (b->role != DATA && !keep(b, data, n))
		return -1;
	if (b->kind == D4_BORDER_PCAPNG && !trailer_fits(b, data, n))
		return -1;
	b->taken += n;
	if (b->taken == b->length) {
		finish(b);
		*whole = true;
	}
	return (ptrdiff_t)n;
}
