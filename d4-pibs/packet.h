/* SPDX-License-Identifier: ISC */
#ifndef D4_PIBS_PACKET_H
#define D4_PIBS_PACKET_H

/*
 * From the bytes of a frame to what counts about it.  Pure: no state but the
 * shadow of compat mode, which is the caller's.
 */

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

#include "d4-pibs/frame.h"
#include "d4-pibs/hash.h"

/* An address of either family; IPv4 as ::ffff:a.b.c.d. */
struct addr {
	uint64_t	hi, lo;
};

#define ADDR_V4		(UINT64_C(0xffff) << 32)

static inline bool
addr_is_v4(struct addr a)
{
	return a.hi == 0 && a.lo >> 32 == 0xffff;
}

static inline bool
addr_equal(struct addr a, struct addr b)
{
	return a.hi == b.hi && a.lo == b.lo;
}

/* The order of the list is that of the statistics. */
enum packet_class {
	PACKET_SYN,		/* SYN alone, with any ECN bits */
	PACKET_SYNACK,		/* an answer, as the next two */
	PACKET_RST,		/* RST, with or without ACK */
	PACKET_ACK,		/* ACK alone, without data */
	PACKET_DATA,		/* ACK with data and no FIN */
	PACKET_FIN,		/* FIN: probe (FIN, Maimon) or end of session */
	PACKET_XMAS,		/* FIN, PSH and URG */
	PACKET_NULL,		/* no flag */
	PACKET_ODD,		/* any other flags */
	PACKET_TCP_LAST = PACKET_ODD,
	PACKET_ICMP,		/* ICMP answers that count, errors included */
	PACKET_ICMP_OTHER,
	PACKET_UDP_DNS,		/* UDP from port 53 */
	PACKET_UDP,
	PACKET_FRAGMENT,	/* not the first fragment */
	PACKET_CUT,		/* headers cut off by capture, fragments */
	PACKET_BAD,		/* lengths or versions that contradict */
	PACKET_PROTOCOL,	/* another IP protocol */
	PACKET_NOT_IP,
	PACKET_CLASSES
};

/* What PIBS's rule and lines take of a packet. */
struct packet {
	struct addr	src;
	uint32_t	sec;
	uint16_t	sport;		/* the attacked port */
	uint8_t		flags;		/* TCP flags, low eight */
	uint8_t		class;		/* enum packet_class */
};

/* What else is true of an answer, a bit each. */
enum {
	ANSWER_QUOTED = 1,	/* src and port are of a quoted packet */
	ANSWER_MISMATCH = 2,	/* whose source is not dst */
	ANSWER_REPEATED = 4	/* a SYN/ACK sent again */
};

/*
 * What attacks take of one: a line of the cache, since it goes from one
 * processor to another.
 */
struct answer {
	alignas(64) struct addr src;	/* of ICMP errors: the quoted target */
	uint64_t	dst;		/* the telescope's address: IPv4 as a
					 * number, else a hash but the low 8
					 * bits */
	uint64_t	time;		/* nanoseconds since 1970 */
	uint32_t	hash;		/* answer_hash() */
	uint32_t	spot;		/* answer_spot() */
	uint32_t	sec;
	uint32_t	ack;
	uint32_t	bytes;		/* of the IP packet */
	uint16_t	port;		/* attacked: source, or quoted
					 * destination */
	uint16_t	window;
	uint8_t		flags, class;
	uint8_t		ttl;
	uint8_t		proto;		/* of the attack: 6, 17, 1, 58... */
	uint8_t		type, code;	/* ICMP */
	uint8_t		marks;		/* ANSWER_ */
};

/* A SYN/ACK among the answers. */
struct synack {
	uint64_t	same;		/* addresses, ports and numbers of TCP
					 * folded: what is sent again has the
					 * same */
	uint32_t	sec;		/* since 1970 */
	uint32_t	answer;		/* index */
};

/* What some frames hold, in their order: packets and, apart, answers. */
struct batch {
	size_t		n, nanswers, nsynacks;
	size_t		unread;		/* frames of links that are not read */
	uint16_t	unread_link;	/* of one of those */
	struct packet	packet[FRAME_BATCH];
	struct answer	answer[FRAME_BATCH];
	struct addr	reporter[FRAME_BATCH];	/* of an answer that quotes: who
						 * sent it */
	struct synack	synack[FRAME_BATCH];
};

/* Under which hash the flow of an answer is found. */
static inline uint32_t
answer_hash(struct addr target, uint8_t proto, const struct hash_key *key)
{
	return (uint32_t)(addr_is_v4(target) ?
	    hash_word(key, target.lo ^ (uint64_t)proto << 48) :
	    hash_words(key, target.hi + proto, target.lo));
}

/* Where its destination is looked for among those of the flow. */
static inline uint32_t
answer_spot(uint64_t dst, const struct hash_key *key)
{
	return (uint32_t)hash_word(key, (dst >> 8) + 1);
}

/* One word for each class, static. */
const char *packet_class_name(enum packet_class);

/* Sets of classes, a bit each. */
#define PACKET_BIT(class)	(UINT32_C(1) << (class))
#define PACKET_TCP_ANSWERS	(PACKET_BIT(PACKET_SYNACK) | \
    PACKET_BIT(PACKET_RST) | PACKET_BIT(PACKET_ACK))
#define PACKET_ALL		UINT32_MAX

/* What is to be known of frames. */
struct packet_wanted {
	uint32_t	packets, answers;	/* sets of classes */
	struct hash_key	key;			/* of the answers' hashes */
	/* For packet_decode(): whether this is more than TCP packets; for plain
	 * frames by protocol, which of their bytes decides what is to be done,
	 * and in which row of todo that stands. */
	bool		more;
	uint8_t		decisive[256], row[256];
	uint8_t		todo[6][256];
};

/* Sets it: packets of classes of TCP, or PACKET_ALL; answers of any.  The key
 * may be NULL where no answers are wanted. */
void packet_want(struct packet_wanted *, uint32_t packets, uint32_t answers,
    const struct hash_key *);

/*
 * Decodes n <= FRAME_BATCH frames, the packets and the answers that are wanted.
 * Other packets may be there too; with PACKET_ALL each frame has its packet at
 * its own index.
 */
void packet_decode(struct batch *, const struct frame *, size_t n,
    const struct packet_wanted *);

/*
 * PIBS's reading of a frame: 20 bytes of IP header at 14, whatever is there,
 * and what earlier frames left where a frame is short.
 */
#define SHADOW_LEN	48

struct shadow {
	uint8_t		left[SHADOW_LEN];	/* begins as zeros */
};

/* Decodes n frames as PIBS does: class is PACKET_SYN for flags 2, PACKET_ACK
 * for other TCP, PACKET_NOT_IP for what it passes over.  Returns how many it
 * calls too small. */
size_t packet_decode_pibs(struct shadow *, struct packet *,
    const struct frame *, size_t n);

/* The IP packet of a frame: its bytes and how many of them were captured, or
 * NULL when there is none.  *ethertype becomes 0x0800 or 0x86dd. */
const uint8_t *packet_ip(const struct frame *, size_t *len,
    uint16_t *ethertype);

#endif
