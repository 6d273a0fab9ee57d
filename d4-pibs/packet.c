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
#define ECN	0xc0u

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

static inline uint64_t
destination(struct addr a, const struct hash_key *key)
{
	return addr_is_v4(a) ? a.lo & UINT32_MAX :
	    (a.lo & 255) | hash_words(key, a.hi, a.lo >> 8) << 8;
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

	for (i = 0; i <= NESTING_MAX; i++) {
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

static inline uint16_t
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

	/* Once more for what the last of them holds. */
	for (i = 0; i <= NESTING_MAX; i++) {
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

/* As corsaro: RST counts with any other flag, and so does SYN with ACK.  data
 * is whether bytes follow the header on the wire. */
static enum packet_class
class_of(unsigned flags, bool data)
{
	if (flags & RST)
		return PACKET_RST;
	if (flags & SYN)
		return flags & ACK ? PACKET_SYNACK :
		    (flags & ~ECN) == SYN ? PACKET_SYN : PACKET_ODD;
	if ((flags & (FIN | PSH | URG | ACK)) == (FIN | PSH | URG))
		return PACKET_XMAS;
	if (flags & FIN)
		return PACKET_FIN;
	if (flags & ACK)
		return data ? PACKET_DATA : PACKET_ACK;
	return (flags & ~ECN) == 0 ? PACKET_NULL : PACKET_ODD;
}

/* The addresses, ports and numbers that make two SYN/ACKs the same.  Whoever
 * makes two different ones meet has them counted as repeated, no more: no key
 * comes in. */
static inline uint64_t
fold(struct addr src, uint64_t dst, const uint8_t *tcp)
{
	uint64_t hosts = (dst ^ src.lo << 32 ^ src.lo >> 32 ^ src.hi) *
	    UINT64_C(0x9e3779b97f4a7c15) ^ d4_get32be(tcp);

	return (hosts ^ hosts >> 32) * UINT64_C(0xff51afd7ed558ccd) ^
	    d4_get64be(tcp + 4);
}

/* From the 14 bytes up to the flags, or all 20.  What IP says is filled in. */
static inline void
fill_tcp(struct answer *a, const uint8_t *p, size_t len, unsigned class)
{
	a->port = d4_get16be(p);
	a->ack = d4_get32be(p + 8);
	a->window = len >= 16 ? d4_get16be(p + 14) : 0;
	a->flags = p[13];
	a->class = (uint8_t)class;
	a->type = a->code = 0;
	a->marks = 0;
}

static enum packet_class
decode_tcp(struct answer *a, uint64_t *same, const struct rest *r)
{
	size_t header;

	if (r->len < 14)
		return r->wire < 14 ? PACKET_BAD : PACKET_CUT;
	header = (size_t)(r->p[12] >> 4) * 4;
	if (header < 20 || header > r->wire)
		return PACKET_BAD;
	*same = fold(a->src, a->dst, r->p);
	fill_tcp(a, r->p, r->len, class_of(r->p[13], header < r->wire));
	return a->class;
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
decode_quoted(struct answer *a, const struct rest *outer, struct addr telescope)
{
	struct rest r = *outer;
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
	a->src = ip.dst;
	/* NOLINTNEXTLINE(clang-analyzer-core.*): what holds it is there */
	a->proto = ip.proto;
	a->marks = ANSWER_QUOTED |
	    (addr_equal(ip.src, telescope) ? 0 : ANSWER_MISMATCH);
	if (class == PACKET_CLASSES && r.len >= 4 &&
	    (ip.proto == PROTO_TCP || ip.proto == PROTO_UDP))
		a->port = d4_get16be(r.p + 2);
}

static enum packet_class
decode_icmp(struct answer *a, const struct rest *r, const struct ip *ip)
{
	int answer;

	if (r->len < 4)
		return r->wire < 4 ? PACKET_BAD : PACKET_CUT;
	a->type = r->p[0];
	a->code = r->p[1];
	answer = icmp_answer(ip->proto, a->type);
	if (answer == 0)
		return PACKET_ICMP_OTHER;
	if (answer == 2)
		decode_quoted(a, r, ip->dst);
	return PACKET_ICMP;
}

static enum packet_class
decode_udp(struct answer *a, const struct rest *r)
{
	if (r->len < 4)
		return r->wire < 4 ? PACKET_BAD : PACKET_CUT;
	a->port = d4_get16be(r->p);
	return a->port == 53 ? PACKET_UDP_DNS : PACKET_UDP;
}

/* -- a packet -------------------------------------------------------------- */

/* What IP carries. */
static enum packet_class
decode_ip(struct answer *a, uint64_t *same, const struct rest *r,
    const struct ip *ip, uint16_t type)
{
	switch (ip->proto) {
	case PROTO_TCP:
		return decode_tcp(a, same, r);
	case PROTO_UDP:
		return decode_udp(a, r);
	case PROTO_ICMP:
		return type == ETHERTYPE_IPV4 ? decode_icmp(a, r, ip) :
		    PACKET_PROTOCOL;
	case PROTO_ICMP6:
		return type == ETHERTYPE_IPV6 ? decode_icmp(a, r, ip) :
		    PACKET_PROTOCOL;
	default:
		return PACKET_PROTOCOL;
	}
}

/* What the frame and its IP header say. */
static inline void
fill_ip(struct answer *a, const struct frame *f, const struct ip *ip,
    const struct hash_key *key)
{
	a->sec = f->sec;
	a->time = f->sec * UINT64_C(1000000000) + f->nsec;
	a->src = ip->src;
	a->dst = destination(ip->dst, key);
	a->bytes = ip->bytes;
	a->ttl = ip->ttl;
	a->proto = ip->proto;
}

/* What there is not always.  Field by field: all of it at once costs more than
 * the whole rest. */
static inline void
clear(struct answer *a)
{
	a->ack = 0;
	a->port = a->window = 0;
	a->flags = a->type = a->code = a->marks = 0;
}

/* The frames that nearly all are: Ethernet and IPv4 without options, not a
 * later fragment, with the first 54 bytes captured. */
static inline bool
is_plain(const struct frame *f)
{
	return f->link == LINK_ETHERNET && f->caplen >= 54 &&
	    (d4_get32le(f->data + 12) & 0xffffff) == 0x450008 &&
	    (d4_get16le(f->data + 20) & 0xff1f) == 0;
}

/* Past both headers of such a frame; not where the length is none or wrong. */
static inline bool
open_plain(struct rest *r, struct ip *ip, const struct frame *f)
{
	const uint8_t *p = f->data;
	size_t total = d4_get16be(p + 16), len = f->caplen - 14;

	if (total < 20)
		return false;
	*ip = (struct ip){ addr4(p + 26), addr4(p + 30), (uint32_t)total,
	    p[22], p[23] };
	*r = (struct rest){ p + 34, (len < total ? len : total) - 20,
	    total - 20 };
	return true;
}

/* Any frame at all; also its sender, and of a TCP packet what makes it the
 * same as another. */
static void
decode_any(struct answer *a, uint64_t *same, struct addr *sender,
    const struct frame *f, const struct hash_key *key)
{
	struct rest r = { .p = f->data, .len = f->caplen };
	enum packet_class class = PACKET_CLASSES;
	uint16_t type = ETHERTYPE_IPV4;
	struct ip ip = { .bytes = 0 };

	if (!is_plain(f) || !open_plain(&r, &ip, f)) {
		type = below_link(&r, f->link);
		class = type == ETHERTYPE_IPV4 || type == ETHERTYPE_IPV6 ?
		    open_ip(&r, type, &ip) : PACKET_NOT_IP;
	}
	*sender = ip.src;
	fill_ip(a, f, &ip, key);
	clear(a);
	a->class = (uint8_t)(class == PACKET_CLASSES ?
	    decode_ip(a, same, &r, &ip, type) : class);
}

/* TCP in such a frame, with a header that is whole. */
static inline void
decode_plain(struct answer *a, uint64_t *same, const struct frame *f,
    const struct hash_key *key, unsigned class)
{
	const uint8_t *p = f->data;
	struct ip ip = { addr4(p + 26), addr4(p + 30), d4_get16be(p + 16),
	    p[22], PROTO_TCP };
	uint64_t dst = destination(ip.dst, key);

	*same = fold(ip.src, dst, p + 34);
	fill_ip(a, f, &ip, key);
	fill_tcp(a, p + 34, 20, class);
	a->hash = answer_hash(ip.src, PROTO_TCP, key);
	a->spot = answer_spot(dst, key);
}

/* An ICMP answer in such a frame; not where it quotes other than plain IPv4. */
static inline bool
decode_plain_icmp(struct answer *a, struct addr *sender, const struct frame *f,
    const struct hash_key *key)
{
	const uint8_t *p = f->data, *q = p + 42;
	bool quotes = icmp_answer(PROTO_ICMP, p[34]) == 2;
	struct ip ip = { addr4(p + 26), addr4(p + 30), d4_get16be(p + 16),
	    p[22], PROTO_ICMP };

	if (ip.bytes < 20 + 4 || (quotes && (ip.bytes < 20 + 8 + 24 ||
	    f->caplen < 42 + 24 || q[0] != 0x45 || d4_get16be(q + 2) < 24 ||
	    (d4_get16be(q + 6) & 0x1fff) != 0)))
		return false;
	*sender = ip.src;
	fill_ip(a, f, &ip, key);
	clear(a);
	a->class = PACKET_ICMP;
	a->type = p[34];
	a->code = p[35];
	if (quotes) {
		a->src = addr4(q + 16);
		a->proto = q[9];
		a->marks = ANSWER_QUOTED | (d4_get32be(q + 12) == a->dst ? 0 :
		    ANSWER_MISMATCH);
		if (q[9] == PROTO_TCP || q[9] == PROTO_UDP)
			a->port = d4_get16be(q + 22);
	}
	a->hash = answer_hash(a->src, a->proto, key);
	a->spot = answer_spot(a->dst, key);
	return true;
}

/* What is to be done with a plain frame, above its class. */
enum {
	CLASS_MASK = 31,
	WANT_REST = 64,		/* more than a TCP packet */
	WANT_PACKET = 128
};

/* Rows of packet_wanted's todo, each of them twice: without data behind the
 * header of TCP, and with. */
enum { BY_FLAGS = 0, BY_TYPE = 2, BY_PROTO = 4 };

/* Of any other frame all is to be found out. */
#define ANY_FRAME	(PACKET_CLASSES | WANT_PACKET | WANT_REST)

/* Frames of which more is to be known than a TCP packet: their indices, and by
 * that what is to be done with each and which packet is its. */
struct work {
	size_t		n;
	uint8_t		frame[FRAME_BATCH];
	uint8_t		todo[FRAME_BATCH], packet[FRAME_BATCH];
};

/* What is to be done with plain frames of the class. */
static uint8_t
todo_of(const struct packet_wanted *w, enum packet_class class)
{
	bool tcp = class <= PACKET_TCP_LAST;
	bool packet = tcp ? w->packets >> class & 1 : w->packets == PACKET_ALL;
	bool rest = tcp ? w->answers >> class & 1 : packet ||
	    (w->answers >> class & 1) != 0;

	return (uint8_t)(class | packet * WANT_PACKET | rest * WANT_REST);
}

void
packet_want(struct packet_wanted *w, uint32_t packets, uint32_t answers,
    const struct hash_key *key)
{
	unsigned i, row;

	w->more = packets == PACKET_ALL || answers != 0;
	w->packets = packets;
	w->answers = answers;
	w->key = key != NULL ? *key : (struct hash_key){ { 0 } };
	memset(w->row, BY_PROTO, sizeof(w->row));
	memset(w->decisive, 23, sizeof(w->decisive));
	w->row[PROTO_TCP] = BY_FLAGS;
	w->decisive[PROTO_TCP] = 47;
	w->row[PROTO_ICMP] = BY_TYPE;
	w->decisive[PROTO_ICMP] = 34;
	for (row = 0; row < 2; row++) {
		for (i = 0; i < 256; i++) {
			w->todo[BY_FLAGS + row][i] = todo_of(w,
			    class_of(i, row));
			w->todo[BY_TYPE + row][i] = todo_of(w,
			    icmp_answer(PROTO_ICMP, (uint8_t)i) != 0 ?
			    PACKET_ICMP : PACKET_ICMP_OTHER);
			w->todo[BY_PROTO + row][i] = todo_of(w,
			    PACKET_PROTOCOL);
		}
		w->todo[BY_PROTO + row][PROTO_UDP] = todo_of(w, PACKET_UDP) |
		    todo_of(w, PACKET_UDP_DNS);
	}
}

/*
 * What is to be done with a frame; false where it isn't plain, or a TCP header
 * in it too long or too short (row - 1 is negative for TCP alone).  What a
 * plain frame is makes no branch, since in mixed traffic nobody could guess it.
 */
static inline bool
look_at(const struct frame *f, const struct packet_wanted *w, bool more,
    unsigned *todo)
{
	const uint8_t *p = f->data;
	int row, behind;

	if (!is_plain(f))
		return false;
	row = w->row[p[23]];
	behind = d4_get16be(p + 16) - 20 - (p[46] >> 2 & 0x3c);
	if (((behind | (p[46] - 0x50)) & (row - 1)) < 0)
		return false;
	*todo = w->todo[(unsigned)row + (behind > 0)]
	    [p[more ? w->decisive[p[23]] : 47]];
	return true;
}

static inline void
fill_packet(struct packet *k, const struct frame *f, unsigned class)
{
	const uint8_t *p = f->data;

	k->src = addr4(p + 26);
	k->sec = f->sec;
	k->sport = d4_get16be(p + 34);
	k->flags = p[47];
	k->class = (uint8_t)class;
}

/* Puts aside a frame of which more is to be known than a TCP packet. */
static inline void
put_aside(struct work *w, size_t frame, unsigned todo, size_t packet)
{
	w->todo[frame] = (uint8_t)todo;
	w->packet[frame] = (uint8_t)packet;
	w->frame[w->n] = (uint8_t)frame;
	w->n += todo / WANT_REST & 1;
}

/* Where TCP packets are all: nearly every frame has one that is wanted, and it
 * is filled in at once. */
static void
take_packets(struct batch *b, struct work *w, const struct frame *f, size_t n,
    const struct packet_wanted *wanted)
{
	struct packet *k = b->packet;
	size_t i, m = 0;
	unsigned todo;

	for (i = 0; i < n; i++) {
		__builtin_prefetch(f[i].data + AHEAD);
		if (look_at(&f[i], wanted, false, &todo)) {
			fill_packet(&k[m], &f[i], todo & CLASS_MASK);
			m += todo / WANT_PACKET;
		} else
			put_aside(w, i, ANY_FRAME, m++);
	}
	b->n = m;
}

/* Else the packets are listed first. */
static void
take_more(struct batch *b, struct work *w, const struct frame *f, size_t n,
    const struct packet_wanted *wanted)
{
	struct packet *k = b->packet;
	uint8_t frame[FRAME_BATCH];
	size_t i, m = 0;
	unsigned todo;

	for (i = 0; i < n; i++) {
		__builtin_prefetch(f[i].data + AHEAD);
		if (!look_at(&f[i], wanted, true, &todo))
			todo = ANY_FRAME;
		put_aside(w, i, todo, m);
		frame[m] = (uint8_t)i;
		m += todo / WANT_PACKET & 1;
	}
	for (i = 0; i < m; i++) {
		todo = w->todo[frame[i]];
		if (todo != ANY_FRAME)
			fill_packet(&k[i], &f[frame[i]], todo & CLASS_MASK);
	}
	b->n = m;
}

static struct packet
packet_of(const struct answer *a)
{
	return (struct packet){ .src = a->src, .sec = a->sec,
	    .sport = a->port, .flags = a->flags, .class = a->class };
}

static void
take_rest(struct batch *b, const struct work *w, const struct frame *f,
    const struct packet_wanted *wanted)
{
	const struct hash_key *key = &wanted->key;
	struct answer *a = b->answer;
	struct addr *reporter = b->reporter;
	struct synack *s = b->synack;
	bool all = wanted->packets == PACKET_ALL;
	uint32_t m = 0;
	size_t i;

	b->unread = 0;
	for (i = 0; i < w->n; i++) {
		const struct frame *g = &f[w->frame[i]];
		unsigned todo = w->todo[w->frame[i]];
		unsigned class = todo & CLASS_MASK;

		if (class <= PACKET_TCP_LAST)
			decode_plain(a, &s->same, g, key, class);
		else if (class != PACKET_ICMP || all ||
		    !decode_plain_icmp(a, reporter, g, key)) {
			decode_any(a, &s->same, reporter, g, key);
			if (todo == ANY_FRAME || all)
				b->packet[w->packet[w->frame[i]]] =
				    packet_of(a);
			if (a->class == PACKET_NOT_IP &&
			    !frame_link_known(g->link)) {
				b->unread++;
				b->unread_link = g->link;
			}
			if ((wanted->answers >> a->class & 1) == 0)
				continue;
			a->hash = answer_hash(a->src, a->proto, key);
			a->spot = answer_spot(a->dst, key);
		}
		s->sec = g->sec;
		s->answer = m++;
		s += a->class == PACKET_SYNACK;
		a++;
		reporter++;
	}
	b->nanswers = m;
	b->nsynacks = (size_t)(s - b->synack);
}

void
packet_decode(struct batch *b, const struct frame *f, size_t n,
    const struct packet_wanted *wanted)
{
	struct work w;

	w.n = 0;
	if (wanted->more)
		take_more(b, &w, f, n, wanted);
	else
		take_packets(b, &w, f, n, wanted);
	take_rest(b, &w, f, wanted);
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
		k[i].src = addr4(p + 26);
		k[i].class = PACKET_NOT_IP;
		if (f[i].caplen < 14 && f[i].usec) {
			small++;
			continue;
		}
		/* Its length is unsigned: under 14 it wraps and is enough. */
		if (p[12] != 0x08 || p[13] != 0x00 || p[23] != PROTO_TCP ||
		    (f[i].caplen >= 14 && f[i].caplen < 34))
			continue;
		k[i].sport = d4_get16be(p + 34);
		k[i].flags = p[47];
		k[i].class = p[47] == SYN ? PACKET_SYN : PACKET_ACK;
	}
	return small;
}
