/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "d4-pibs/packet.h"
#include "lib/bytes.h"

#define ETHERTYPE_IPV4	0x0800
#define ETHERTYPE_IPV6	0x86dd

#define PROTO_ICMP	1
#define PROTO_TCP	6
#define PROTO_UDP	17
#define PROTO_ICMP6	58

#define FIN	0x01
#define SYN	0x02
#define RST	0x04
#define PSH	0x08
#define ACK	0x10
#define URG	0x20
#define ECN	0xc0

/* Tags, labels and extension headers one after another that are followed. */
#define NESTING_MAX	8

/* The file is touched so far ahead, about where the next batch begins, so that
 * its memory comes while this one is worked on. */
#define AHEAD		12288

/* What is left of a packet while it is taken apart. */
struct rest {
	const uint8_t	*p;
	size_t		 len;		/* captured */
	size_t		 wire;		/* as the IP header says, or captured */
};

static const char *const names[PACKET_CLASSES] = {
	"syn", "synack", "rst", "ack", "data", "fin", "xmas", "null", "odd",
	"icmp", "icmp-other", "dns", "udp", "fragment", "cut", "bad",
	"protocol", "not-ip"
};

const char *
packet_class_name(enum packet_class class)
{
	return names[class];
}

bool
frame_link_known(uint16_t link)
{
	switch (link) {
	case LINK_NULL: case LINK_ETHERNET: case LINK_PPP: case LINK_RAW_12:
	case LINK_RAW_14: case LINK_RAW: case LINK_LOOP: case LINK_SLL:
	case LINK_IPV4: case LINK_IPV6: case LINK_SLL2:
		return true;
	default:
		return false;
	}
}

static void
skip(struct rest *r, size_t n)
{
	r->p += n;
	r->len -= n;
}

static struct addr
addr4(const uint8_t *p)
{
	return (struct addr){ 0, ADDR_V4 | d4_get32be(p) };
}

static struct addr
addr6(const uint8_t *p)
{
	return (struct addr){ d4_get64be(p), d4_get64be(p + 8) };
}

/* -- from the link to IP --------------------------------------------------- */

static uint16_t
by_version(const struct rest *r)
{
	if (r->len == 0)
		return 0;
	return r->p[0] >> 4 == 4 ? ETHERTYPE_IPV4 :
	    r->p[0] >> 4 == 6 ? ETHERTYPE_IPV6 : 0;
}

/* Past a stack of MPLS labels; what follows says itself what it is. */
static uint16_t
below_mpls(struct rest *r)
{
	int i;

	for (i = 0; i < NESTING_MAX && r->len >= 4; i++) {
		bool bottom = r->p[2] & 1;

		skip(r, 4);
		if (bottom)
			return by_version(r);
	}
	return 0;
}

static uint16_t
below_ppp(struct rest *r)
{
	uint16_t protocol;

	if (r->len < 2)
		return 0;
	protocol = d4_get16be(r->p);
	skip(r, 2);
	return protocol == 0x0021 ? ETHERTYPE_IPV4 :
	    protocol == 0x0057 ? ETHERTYPE_IPV6 : 0;
}

/* Past VLAN tags, MPLS and PPPoE; r is behind the ethertype. */
static uint16_t
below_ethertype(struct rest *r, uint16_t type)
{
	int i;

	for (i = 0; i < NESTING_MAX; i++) {
		switch (type) {
		case 0x8100: case 0x88a8: case 0x9100: case 0x9200:
			if (r->len < 4)
				return 0;
			type = d4_get16be(r->p + 2);
			skip(r, 4);
			break;
		case 0x8847: case 0x8848:
			return below_mpls(r);
		case 0x8864:
			if (r->len < 6)
				return 0;
			skip(r, 6);
			return below_ppp(r);
		default:
			return type;
		}
	}
	return 0;
}

/* A link header of n bytes with an ethertype at offset at. */
static uint16_t
below_header(struct rest *r, size_t n, size_t at)
{
	uint16_t type;

	if (r->len < n)
		return 0;
	type = d4_get16be(r->p + at);
	skip(r, n);
	return below_ethertype(r, type);
}

static uint16_t
below_link(struct rest *r, uint16_t link)
{
	switch (link) {
	case LINK_ETHERNET:
		return below_header(r, 14, 12);
	case LINK_SLL:
		return below_header(r, 16, 14);
	case LINK_SLL2:
		return below_header(r, 20, 0);
	case LINK_NULL: case LINK_LOOP:
		/* The number of a family differs from system to system. */
		if (r->len < 4)
			return 0;
		skip(r, 4);
		return by_version(r);
	case LINK_PPP:
		if (r->len >= 2 && r->p[0] == 0xff && r->p[1] == 0x03)
			skip(r, 2);
		return below_ppp(r);
	case LINK_RAW_12: case LINK_RAW_14: case LINK_RAW: case LINK_IPV4:
	case LINK_IPV6:
		return by_version(r);
	default:
		return 0;
	}
}

const uint8_t *
packet_ip(const struct frame *f, size_t *len, uint16_t *ethertype)
{
	struct rest r = { .p = f->data, .len = f->caplen };

	*ethertype = below_link(&r, f->link);
	*len = r.len;
	return *ethertype == ETHERTYPE_IPV4 || *ethertype == ETHERTYPE_IPV6 ?
	    r.p : NULL;
}

/* -- IP -------------------------------------------------------------------- */

/* What the two IP versions say alike. */
struct ip {
	struct addr	src, dst;
	uint32_t	bytes;
	uint8_t		ttl, proto;
};

/*
 * Past the IPv4 header to the transport header.  PACKET_CLASSES when there is
 * one, else the class of the packet.  A quoted packet may be shorter than its
 * length says.
 */
static enum packet_class
open_ip4(struct rest *r, struct ip *ip)
{
	size_t header, total;

	if (r->len < 20)
		return PACKET_CUT;
	header = (size_t)(r->p[0] & 15) * 4;
	total = d4_get16be(r->p + 2);
	if (total == 0)		/* segmentation offload leaves it empty */
		total = r->len;
	if (r->p[0] >> 4 != 4 || header < 20 || total < header)
		return PACKET_BAD;
	ip->src = addr4(r->p + 12);
	ip->dst = addr4(r->p + 16);
	ip->bytes = (uint32_t)total;
	ip->ttl = r->p[8];
	ip->proto = r->p[9];
	if ((d4_get16be(r->p + 6) & 0x1fff) != 0)
		return PACKET_FRAGMENT;
	if (r->len < header)
		return PACKET_CUT;
	/* Behind the packet there may be padding. */
	if (r->len > total)
		r->len = total;
	skip(r, header);
	r->wire = total - header;
	return PACKET_CLASSES;
}

/* Past the extension headers of IPv6; as open_ip4(). */
static enum packet_class
open_extensions(struct rest *r, uint8_t *proto)
{
	int i;

	for (i = 0; i < NESTING_MAX; i++) {
		size_t n;

		switch (*proto) {
		case 0: case 43: case 60:
			if (r->len < 8)
				return PACKET_CUT;
			n = ((size_t)r->p[1] + 1) * 8;
			break;
		case 44:
			if (r->len < 8)
				return PACKET_CUT;
			if ((d4_get16be(r->p + 2) & 0xfff8) != 0)
				return PACKET_FRAGMENT;
			n = 8;
			break;
		case 51:
			if (r->len < 8)
				return PACKET_CUT;
			n = ((size_t)r->p[1] + 2) * 4;
			break;
		default:
			return PACKET_CLASSES;
		}
		if (n > r->wire)
			return PACKET_BAD;
		if (n > r->len)
			return PACKET_CUT;
		*proto = r->p[0];
		skip(r, n);
		r->wire -= n;
	}
	return PACKET_BAD;
}

static enum packet_class
open_ip6(struct rest *r, struct ip *ip)
{
	size_t payload;

	if (r->len < 40)
		return PACKET_CUT;
	if (r->p[0] >> 4 != 6)
		return PACKET_BAD;
	payload = d4_get16be(r->p + 4);
	if (payload == 0)
		payload = r->len - 40;
	ip->src = addr6(r->p + 8);
	ip->dst = addr6(r->p + 24);
	ip->bytes = (uint32_t)payload + 40;
	ip->proto = r->p[6];
	ip->ttl = r->p[7];
	skip(r, 40);
	if (r->len > payload)
		r->len = payload;
	r->wire = payload;
	return open_extensions(r, &ip->proto);
}

static enum packet_class
open_ip(struct rest *r, uint16_t type, struct ip *ip)
{
	return type == ETHERTYPE_IPV4 ? open_ip4(r, ip) : open_ip6(r, ip);
}

/* -- TCP ------------------------------------------------------------------- */

/* As corsaro: RST counts with any other flag, and so does SYN with ACK. */
#define CLASS(f) ((f) & RST ? PACKET_RST : \
    ((f) & (SYN | ACK)) == (SYN | ACK) ? PACKET_SYNACK : \
    ((f) & ~ECN) == SYN ? PACKET_SYN : \
    (f) & SYN ? PACKET_ODD : \
    ((f) & (FIN | PSH | URG | ACK)) == (FIN | PSH | URG) ? PACKET_XMAS : \
    (f) & FIN ? PACKET_FIN : \
    (f) & ACK ? PACKET_ACK : \
    ((f) & ~ECN) == 0 ? PACKET_NULL : PACKET_ODD)
#define CLASS4(f)	CLASS(f), CLASS((f) + 1), CLASS((f) + 2), \
    CLASS((f) + 3)
#define CLASS16(f)	CLASS4(f), CLASS4((f) + 4), CLASS4((f) + 8), \
    CLASS4((f) + 12)
#define CLASS64(f)	CLASS16(f), CLASS16((f) + 16), CLASS16((f) + 32), \
    CLASS16((f) + 48)

static const uint8_t class_of_flags[256] = {
	CLASS64(0), CLASS64(64), CLASS64(128), CLASS64(192)
};

/* Fills in what TCP says, from the 14 bytes up to the flags, or all 20.  data
 * is whether bytes follow the header on the wire. */
static inline void
fill_tcp(struct packet *k, const uint8_t *p, size_t len, bool data, bool brief)
{
	k->flags = p[13];
	k->sport = d4_get16be(p);
	/* PACKET_ACK with data is PACKET_DATA, the next one. */
	k->class = class_of_flags[p[13]];
	k->class = (uint8_t)(k->class + ((k->class == PACKET_ACK) & data));
	if (brief)
		return;
	k->dport = d4_get16be(p + 2);
	k->seq = d4_get32be(p + 4);
	k->ack = d4_get32be(p + 8);
	k->window = len >= 16 ? d4_get16be(p + 14) : 0;
	k->quoted = false;
	k->proto = PROTO_TCP;
}

static enum packet_class
decode_tcp(struct packet *k, const struct rest *r, bool brief)
{
	size_t header;

	if (r->len < 14)
		return r->wire < 14 ? PACKET_BAD : PACKET_CUT;
	header = (size_t)(r->p[12] >> 4) * 4;
	if (header < 20 || header > r->wire)
		return PACKET_BAD;
	fill_tcp(k, r->p, r->len, header < r->wire, brief);
	return k->class;
}

/* -- ICMP and UDP ---------------------------------------------------------- */

/* Which types are answers: 0 no, 1 yes, 2 errors that quote a packet. */
static int
icmp_answer(uint8_t proto, uint8_t type)
{
	if (proto == PROTO_ICMP6)
		return type >= 1 && type <= 4 ? 2 : type == 129;
	switch (type) {
	case 3: case 4: case 5: case 11: case 12:
		return 2;
	case 0: case 14: case 16: case 18:
		return 1;
	default:
		return 0;
	}
}

/* The packet within an ICMP error: its destination is the target. */
static void
decode_quoted(struct packet *k, const struct rest *outer)
{
	struct rest r = *outer;
	struct addr telescope = k->dst;
	enum packet_class class;
	uint16_t type;
	struct ip ip;

	if (r.len < 8 + 20)
		return;
	skip(&r, 8);
	type = by_version(&r);
	if (type == 0)
		return;
	class = open_ip(&r, type, &ip);
	/* A quoted fragment has a target all the same, but no ports; one with
	 * options cut off as well. */
	if (class == PACKET_BAD || (class == PACKET_CUT && type ==
	    ETHERTYPE_IPV6 && outer->len < 8 + 40))
		return;
	k->reporter = k->src;
	k->src = ip.dst;
	k->proto = ip.proto;
	k->quoted = true;
	k->mismatch = !addr_equal(ip.src, telescope);
	if (class == PACKET_CLASSES && r.len >= 4 &&
	    (ip.proto == PROTO_TCP || ip.proto == PROTO_UDP)) {
		k->dport = d4_get16be(r.p);
		k->sport = d4_get16be(r.p + 2);
	}
}

static enum packet_class
decode_icmp(struct packet *k, const struct rest *r, uint8_t proto)
{
	int answer;

	if (r->len < 4)
		return r->wire < 4 ? PACKET_BAD : PACKET_CUT;
	k->type = r->p[0];
	k->code = r->p[1];
	answer = icmp_answer(proto, k->type);
	if (answer == 0)
		return PACKET_ICMP_OTHER;
	if (answer == 2)
		decode_quoted(k, r);
	return PACKET_ICMP;
}

static enum packet_class
decode_udp(struct packet *k, const struct rest *r)
{
	if (r->len < 4)
		return r->wire < 4 ? PACKET_BAD : PACKET_CUT;
	k->sport = d4_get16be(r->p);
	k->dport = d4_get16be(r->p + 2);
	return k->sport == 53 ? PACKET_UDP_DNS : PACKET_UDP;
}

/* -- a packet -------------------------------------------------------------- */

/* Any frame at all. */
static enum packet_class
decode_any(struct packet *k, const struct frame *f, bool brief)
{
	struct ip ip;
	struct rest r = { .p = f->data, .len = f->caplen };
	uint16_t type = below_link(&r, f->link);
	enum packet_class class;

	if (type != ETHERTYPE_IPV4 && type != ETHERTYPE_IPV6)
		return PACKET_NOT_IP;
	class = open_ip(&r, type, &ip);
	if (class != PACKET_CLASSES)
		return class;
	k->src = ip.src;
	k->dst = ip.dst;
	k->flags = 0;
	k->sport = k->dport = k->window = 0;
	k->seq = k->ack = 0;
	k->bytes = ip.bytes;
	k->ttl = ip.ttl;
	k->proto = ip.proto;
	k->type = k->code = 0;
	k->quoted = k->mismatch = false;
	switch (ip.proto) {
	case PROTO_TCP:
		return decode_tcp(k, &r, brief);
	case PROTO_UDP:
		return decode_udp(k, &r);
	case PROTO_ICMP:
		return type == ETHERTYPE_IPV4 ? decode_icmp(k, &r, ip.proto) :
		    PACKET_PROTOCOL;
	case PROTO_ICMP6:
		return type == ETHERTYPE_IPV6 ? decode_icmp(k, &r, ip.proto) :
		    PACKET_PROTOCOL;
	default:
		return PACKET_PROTOCOL;
	}
}

/*
 * The frames that nearly all are: Ethernet and IPv4 without options, not a
 * later fragment, with the first 54 bytes captured.  Whether it was one and is
 * done.  In brief nothing counts but TCP; whether it is that is no branch,
 * since in mixed traffic nobody could guess it.
 */
static inline bool
decode_plain(struct packet *k, const struct frame *f, bool brief)
{
	const uint8_t *p = f->data;
	size_t total, header;
	bool tcp;

	if (f->link != LINK_ETHERNET || f->caplen < 54 ||
	    d4_get32be(p + 12) >> 8 != 0x080045 ||
	    (d4_get16be(p + 20) & 0x1fff) != 0)
		return false;
	tcp = p[23] == PROTO_TCP;
	total = d4_get16be(p + 16);
	header = 20 + (size_t)(p[46] >> 4) * 4;
	if (!brief && !tcp)
		return false;
	if (tcp & ((header < 40) | (total < header)))
		return false;
	k->src = addr4(p + 26);
	fill_tcp(k, p + 34, 20, total > header, brief);
	if (brief) {
		k->class = tcp ? k->class : PACKET_PROTOCOL;
		return true;
	}
	k->dst = addr4(p + 30);
	k->bytes = (uint32_t)total;
	k->ttl = p[22];
	return true;
}

static inline void
decode(struct packet *k, const struct frame *f, bool brief)
{
	k->sec = f->sec;
	k->nsec = f->nsec;
	if (!decode_plain(k, f, brief))
		k->class = (uint8_t)decode_any(k, f, brief);
}

void
packet_decode(struct packet *k, const struct frame *f, size_t n, bool brief)
{
	size_t i;

	/* Two loops, so that what brief does not need is left out. */
	if (brief) {
		for (i = 0; i < n; i++) {
			__builtin_prefetch(f[i].data + AHEAD);
			decode(&k[i], &f[i], true);
		}
	} else {
		for (i = 0; i < n; i++) {
			__builtin_prefetch(f[i].data + AHEAD);
			decode(&k[i], &f[i], false);
		}
	}
}

/* -- PIBS's reading -------------------------------------------------------- */

size_t
packet_decode_pibs(struct shadow *s, struct packet *k, const struct frame *f,
    size_t n)
{
	size_t i, small = 0;

	for (i = 0; i < n; i++) {
		const uint8_t *p = s->left;

		memcpy(s->left, f[i].data, f[i].caplen < SHADOW_LEN ?
		    f[i].caplen : SHADOW_LEN);
		k[i].sec = f[i].sec;
		k[i].nsec = f[i].nsec;
		k[i].class = PACKET_NOT_IP;
		if (f[i].caplen < 14 && f[i].usec) {
			small++;
			continue;
		}
		/* Its length is unsigned: under 14 it wraps and is enough. */
		if (p[12] != 0x08 || p[13] != 0x00 || p[23] != PROTO_TCP ||
		    (f[i].caplen >= 14 && f[i].caplen < 34))
			continue;
		k[i].src = addr4(p + 26);
		k[i].sport = d4_get16be(p + 34);
		k[i].flags = p[47];
		k[i].class = p[47] == SYN ? PACKET_SYN : PACKET_ACK;
	}
	return small;
}
