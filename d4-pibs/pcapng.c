/* SPDX-License-Identifier: ISC */

/*
 * pcapng (draft-ietf-opsawg-pcapng): blocks in sections, each section with its
 * own byte order and interfaces, each interface with its own link type and
 * clock.  libpcap reads no file with two link types; this does.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "d4-pibs/reader.h"
#include "lib/bytes.h"

#define BLOCK_SECTION	0x0a0d0d0a
#define BLOCK_INTERFACE	1
#define BLOCK_PACKET	2		/* obsolete */
#define BLOCK_SIMPLE	3
#define BLOCK_ENHANCED	6
#define ORDER_MAGIC	0x1a2b3c4d

#define OPTION_TSRESOL	9
#define OPTION_TSOFFSET	14

#define BLOCK_MAX	(16u << 20)
#define INTERFACES_MAX	65536

struct interface {
	uint16_t	link;
	uint8_t		tsresol;
	uint32_t	snaplen;
	uint64_t	tsoffset;	/* seconds, modulo 2^64 */
};

struct pcapng {
	struct window		*window;
	bool			 big;
	bool			 nsec;		/* of any interface */
	struct interface	*interfaces;
	size_t			 ninterfaces;
};

/* One block in sight. */
struct block {
	const uint8_t	*p;
	uint32_t	 type, len;
};

static uint16_t
get16(const struct pcapng *c, const uint8_t *p)
{
	return c->big ? d4_get16be(p) : d4_get16le(p);
}

static uint32_t
get32(const struct pcapng *c, const uint8_t *p)
{
	return c->big ? d4_get32be(p) : d4_get32le(p);
}

static uint64_t
get64(const struct pcapng *c, const uint8_t *p)
{
	return c->big ? d4_get64be(p) : d4_get64le(p);
}

bool
reader_pcapng_is(const uint8_t *p, size_t len)
{
	return len >= 4 && d4_get32be(p) == BLOCK_SECTION;
}

static void *
open_pcapng(struct window *w, char fault[CAPTURE_FAULT])
{
	struct pcapng *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		(void)snprintf(fault, CAPTURE_FAULT, "out of memory");
		return NULL;
	}
	c->window = w;
	return c;
}

static void
close_pcapng(void *arg)
{
	struct pcapng *c = arg;

	free(c->interfaces);
	free(c);
}

/* -- blocks ---------------------------------------------------------------- */

/* A section begins: its interfaces are its own.  A few words, or NULL. */
static const char *
begin_section(struct pcapng *c, const struct block *b)
{
	c->ninterfaces = 0;
	if (b->len < 28)
		return "a section header is too short";
	if (get16(c, b->p + 12) != 1)
		return "the version of a section is not 1";
	return NULL;
}

static void
read_options(const struct pcapng *c, const struct block *b,
    struct interface *i)
{
	size_t at = 16, end = b->len - 4;

	while (end - at >= 4) {
		uint16_t code = get16(c, b->p + at);
		size_t len = get16(c, b->p + at + 2);
		const uint8_t *value = b->p + at + 4;

		if (code == 0 || len > end - at - 4)
			return;
		if (code == OPTION_TSRESOL && len == 1)
			i->tsresol = value[0];
		if (code == OPTION_TSOFFSET && len == 8)
			i->tsoffset = get64(c, value);
		/* Padded, as blocks are: it ends within. */
		at += 4 + ((len + 3) & ~(size_t)3);
	}
}

static const char *
add_interface(struct pcapng *c, const struct block *b)
{
	struct interface *i, *more;

	if (b->len < 20)
		return "an interface description is too short";
	if (c->ninterfaces == INTERFACES_MAX)
		return "too many interfaces";
	if ((c->ninterfaces & (c->ninterfaces - 1)) == 0) {
		more = realloc(c->interfaces, sizeof(*more) *
		    (c->ninterfaces == 0 ? 1 : c->ninterfaces * 2));
		if (more == NULL)
			return "out of memory";
		c->interfaces = more;
	}
	i = &c->interfaces[c->ninterfaces++];
	*i = (struct interface){ .tsresol = 6, .link = get16(c, b->p + 8),
	    .snaplen = get32(c, b->p + 12) };
	read_options(c, b, i);
	if (i->tsresol & 0x80 ? (i->tsresol & 0x7f) > 63 : i->tsresol > 19)
		return "a time resolution is out of range";
	if (i->tsresol != 6)
		c->nsec = true;
	return NULL;
}

static uint64_t
power10(unsigned n)
{
	uint64_t p = 1;

	while (n-- > 0)
		p *= 10;
	return p;
}

static void
set_time(struct frame *f, const struct interface *i, uint64_t ticks)
{
	unsigned r = i->tsresol & 0x7f;
	uint64_t sec, rest;

	if (i->tsresol & 0x80) {
		sec = ticks >> r;
		rest = ticks & ((UINT64_C(1) << r) - 1);
		if (r > 32) {
			rest >>= r - 32;
			r = 32;
		}
		rest = rest * 1000000000 >> r;
	} else {
		sec = ticks / power10(r);
		rest = ticks % power10(r);
		rest = r <= 9 ? rest * power10(9 - r) :
		    rest / power10(r - 9);
	}
	f->sec = (uint32_t)(sec + i->tsoffset);
	f->nsec = (uint32_t)rest;
	f->usec = i->tsresol == 6;
}

/* Fills in a frame from a packet block.  A few words, or NULL. */
static const char *
read_packet(const struct pcapng *c, const struct block *b, struct frame *f)
{
	size_t at = b->type == BLOCK_SIMPLE ? 12 : 28;
	const struct interface *i;
	uint32_t n = 0;

	if (b->len < at + 4)
		return "a packet block is too short";
	if (b->type == BLOCK_ENHANCED)
		n = get32(c, b->p + 8);
	else if (b->type == BLOCK_PACKET)
		n = get16(c, b->p + 8);
	if (n >= c->ninterfaces)
		return "a packet of an unknown interface";
	i = &c->interfaces[n];
	f->data = b->p + at;
	f->link = i->link;
	f->len = get32(c, b->p + at - 4);
	if (b->type == BLOCK_SIMPLE) {
		f->caplen = f->len;
		if (i->snaplen != 0 && f->caplen > i->snaplen)
			f->caplen = i->snaplen;
		set_time(f, i, 0);
	} else {
		f->caplen = get32(c, b->p + 20);
		set_time(f, i, (uint64_t)get32(c, b->p + 12) << 32 |
		    get32(c, b->p + 16));
	}
	if (f->caplen > b->len - at - 4 || f->caplen > FRAME_MAX)
		return "a packet is longer than its block";
	return NULL;
}

/* -- the walk -------------------------------------------------------------- */

/* Looks at the head of a block: 0 and the block, or words in *fault. */
static int
read_head(struct pcapng *c, const uint8_t *p, struct block *b,
    const char **fault)
{
	b->p = p;
	if (d4_get32be(p) == BLOCK_SECTION) {
		if (d4_get32be(p + 8) != ORDER_MAGIC &&
		    d4_get32le(p + 8) != ORDER_MAGIC) {
			*fault = "a section has no byte order";
			return -1;
		}
		c->big = d4_get32be(p + 8) == ORDER_MAGIC;
	}
	b->type = get32(c, p);
	b->len = get32(c, p + 4);
	if (b->len >= 12 && b->len % 4 == 0 && b->len <= BLOCK_MAX)
		return 0;
	*fault = "a block's length is out of range";
	return -1;
}

/* Takes a whole block.  Whether it gave a frame. */
static bool
take(struct pcapng *c, const struct block *b, struct frame *f,
    const char **fault)
{
	if (get32(c, b->p + b->len - 4) != b->len)
		*fault = "a block's two lengths differ";
	else if (b->type == BLOCK_SECTION)
		*fault = begin_section(c, b);
	else if (b->type == BLOCK_INTERFACE)
		*fault = add_interface(c, b);
	else if (b->type == BLOCK_PACKET || b->type == BLOCK_SIMPLE ||
	    b->type == BLOCK_ENHANCED)
		return (*fault = read_packet(c, b, f)) == NULL;
	return false;
}

static int
next_pcapng(void *arg, struct frame *f, size_t max, char fault[CAPTURE_FAULT])
{
	struct pcapng *c = arg;
	const char *words = NULL;
	size_t n = 0, want = 12;
	const uint8_t *p;
	struct block b;
	ptrdiff_t len = 0;

	if (fault[0] != '\0')
		return 0;
	for (;;) {
		/* Frames already found lie in what is in sight: first they. */
		if (n == 0 && (len = window_need(c->window, want, &p)) == -1)
			return -1;
		if ((size_t)len < want) {
			if (n == 0 && len > 0)
				words = "cut off in a block";
			break;
		}
		if (read_head(c, p, &b, &words) == -1)
			break;
		if ((size_t)len < b.len) {
			want = b.len;
			continue;
		}
		if (take(c, &b, &f[n], &words))
			n++;
		if (words != NULL)
			break;
		window_skip(c->window, b.len);
		p += b.len;
		len -= (ptrdiff_t)b.len;
		want = 12;
		if (n == max)
			break;
	}
	if (words != NULL)
		(void)snprintf(fault, CAPTURE_FAULT, "%s", words);
	return (int)n;
}

static bool
nsec_pcapng(const void *arg)
{
	return ((const struct pcapng *)arg)->nsec;
}

const struct reader reader_pcapng = {
	open_pcapng, close_pcapng, next_pcapng, nsec_pcapng
};
