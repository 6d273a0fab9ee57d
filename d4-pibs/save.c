/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "d4-pibs/packet.h"
#include "d4-pibs/save.h"
#include "lib/bytes.h"

#define SNAPLEN		65535
#define LINK_HEADER_MAX	16

int
save_open(struct save *s, int fd, bool pibs)
{
	*s = (struct save){ .pibs = pibs, .link = LINK_ETHERNET };
	return out_open(&s->out, fd);
}

static void
start(struct save *s)
{
	uint8_t h[24] = { 0 };

	d4_put32le(h, s->nsec ? 0xa1b23c4d : 0xa1b2c3d4);
	d4_put16le(h + 4, 2);
	d4_put16le(h + 6, 4);
	d4_put32le(h + 16, SNAPLEN);
	d4_put32le(h + 20, s->link);
	out_bytes(&s->out, h, sizeof(h));
	s->started = true;
}

/* The link header that the file's link type wants before an IP packet; its
 * length, or -1 when it is none that we make. */
static int
make_link(uint16_t link, uint16_t ethertype, uint8_t h[LINK_HEADER_MAX])
{
	memset(h, 0, LINK_HEADER_MAX);
	switch (link) {
	case LINK_ETHERNET:
		d4_put16be(h + 12, ethertype);
		return 14;
	case LINK_SLL:
		d4_put16be(h + 14, ethertype);
		return 16;
	case LINK_RAW: case LINK_RAW_12: case LINK_RAW_14:
		return 0;
	case LINK_NULL:
		d4_put32le(h, ethertype == 0x0800 ? 2 : 24);
		return 4;
	default:
		return -1;
	}
}

static void
put_record(struct save *s, const struct frame *f, const uint8_t *head,
    size_t headlen, const uint8_t *data, size_t caplen, size_t len)
{
	uint8_t r[16];

	if (headlen + caplen > SNAPLEN)
		caplen = SNAPLEN - headlen;
	d4_put32le(r, f->sec);
	d4_put32le(r + 4, s->nsec ? f->nsec : f->nsec / 1000);
	d4_put32le(r + 8, (uint32_t)(headlen + caplen));
	d4_put32le(r + 12, (uint32_t)(headlen + len));
	out_bytes(&s->out, r, sizeof(r));
	out_bytes(&s->out, head, headlen);
	out_bytes(&s->out, data, caplen);
}

void
save_frame(struct save *s, const struct frame *f)
{
	uint8_t head[LINK_HEADER_MAX];
	const uint8_t *ip;
	uint16_t type;
	size_t n, gone;
	int len;

	if (!s->started) {
		if (!s->pibs) {
			s->link = f->link;
			s->nsec = !f->usec;
		}
		start(s);
	}
	if (f->link == s->link || s->pibs) {
		put_record(s, f, NULL, 0, f->data, f->caplen, f->len);
		return;
	}
	ip = packet_ip(f, &n, &type);
	len = make_link(s->link, type, head);
	if (ip == NULL || len == -1) {
		s->left_out++;
		return;
	}
	gone = (size_t)(ip - f->data);
	put_record(s, f, head, (size_t)len, ip, n,
	    f->len > gone ? f->len - gone : n);
}

int
save_close(struct save *s)
{
	int rc;

	if (!s->started)
		start(s);
	rc = out_flush(&s->out);
	out_close(&s->out);
	return rc;
}
