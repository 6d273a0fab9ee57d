/* SPDX-License-Identifier: ISC */
#ifndef D4_PIBS_FLOW_H
#define D4_PIBS_FLOW_H

/*
 * One flow: what a target answered about one protocol.  Most flows are a
 * packet or two, so the first are kept as they came; only a flow with more
 * gets the detail where things are counted.
 */

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "d4-pibs/hash.h"
#include "d4-pibs/packet.h"

/* Times are in nanoseconds since 1970. */
#define SECOND		UINT64_C(1000000000)

#define FLOW_EARLY	2	/* packets kept as they came */
#define FLOW_BUCKETS	32	/* the most slides in a window */
#define FLOW_VALUES	32	/* values counted exactly, of each kind */
#define FLOW_BLOCKS	(1u << 18)	/* the most of 256 destinations each */

struct flow_limits {
	uint32_t	interval;	/* seconds of silence that end a flow */
	uint32_t	packets;	/* an attack has at least so many */
	uint32_t	duration;	/* and lasts at least so many seconds */
	uint32_t	ppm;		/* and has so many packets a minute */
	uint32_t	window, slide;	/* seconds over which that is taken */
	bool		ack, dns;	/* also bare ACKs; UDP from port 53 */
};

/* The values of corsaro. */
#define FLOW_LIMITS { .interval = 300, .packets = 25, .duration = 60, \
    .ppm = 30, .window = 60, .slide = 10 }

/*
 * Values and how often each was seen, the first ones of a list that moves the
 * frequent to the front.  When it is full the rarest gives way and its count
 * is inherited (Space-Saving), so a count is too high by no more than lost.
 */
struct tally {
	uint32_t	n;
	uint32_t	lost;
	struct tally_entry {
		uint32_t	key, count;
	} entry[FLOW_VALUES];
};

/* 256 neighbouring destinations, a bit each. */
struct block {
	uint64_t	key;		/* and 1, so that 0 is none */
	uint64_t	bits[4];
};

struct reporter {
	struct addr	addr;
	uint64_t	packets;
};

/* The acknowledgement numbers less 1: the sequence numbers of the attack's
 * SYNs, if it is one of SYNs. */
struct isn {
	uint64_t	packets;
	uint64_t	same;		/* as the first */
	uint64_t	address;	/* equal to the address answered to */
	uint32_t	first, least, most;
};

struct detail {
	/* What each packet comes by lies together. */
	struct block	*blocks;	/* open table */
	uint32_t	nblocks, maxblocks;	/* maxblocks a power of two */
	uint64_t	destinations;
	uint32_t	begin;		/* second where the newest begins */
	uint32_t	fresh;		/* in the newest, but not yet there */
	/* Most packets of a flow look alike: those like the one before are
	 * counted here, and in the tallies when another one comes. */
	uint8_t		like_flags, like_ttl;
	uint16_t	like_window;
	uint32_t	like;
	struct isn	isn;
	struct tally	ports;

	uint32_t	base;		/* second of the first packet */
	uint32_t	newest;		/* index of a bucket */
	uint32_t	sum;		/* of the buckets */
	uint32_t	bucket[FLOW_BUCKETS];
	uint64_t	bucket_at;	/* slides since base, of the newest */
	uint64_t	peak;		/* packets in the best window */
	bool		capped;		/* there were more destinations */
	uint32_t	nreporters;
	uint64_t	morereporters;	/* packets of others */
	struct reporter	reporter[FLOW_VALUES];
	struct tally	flags, icmp, ttls, windows;
};

/* What a flow keeps of a packet. */
struct event {
	uint64_t	time;
	uint64_t	dst;		/* as in the answer */
	struct addr	reporter;
	uint32_t	bytes, ack;
	uint16_t	port, window;
	uint8_t		class, flags, ttl, type, code;
	uint8_t		marks;		/* ANSWER_ */
};

/* Four lines of the cache; each packet comes by the first two. */
struct flow {
	alignas(64) struct addr target;
	uint8_t		proto;
	bool		used;
	uint32_t	next;			/* of the same hash */
	uint64_t	first, last;
	uint64_t	packets, bytes;
	struct detail	*detail;		/* NULL: all are in early */

	uint64_t	repeated;		/* SYN/ACKs sent again */
	uint64_t	quoted, mismatched;	/* in ICMP errors */
	uint32_t	before, after;		/* in the wheel */
	uint32_t	spoke;			/* of the wheel */
	uint32_t	note[2];
	struct event	 early[FLOW_EARLY];
};

/* Memory that flows share, in bytes, and the key of their hashes. */
struct budget {
	size_t		limit, used;
	struct hash_key	key;
};

/* Makes the detail of the early packets.  NULL when memory is short. */
struct detail *flow_make_detail(struct flow *, const struct flow_limits *,
    struct budget *);

/* The detail, made now if it was not there.  NULL when memory is short. */
static inline struct detail *
flow_detail(struct flow *f, const struct flow_limits *l, struct budget *budget)
{
	return f->detail != NULL ? f->detail : flow_make_detail(f, l, budget);
}

/* Brings the tallies and rates up to date. */
void flow_settle(struct flow *);

/* Gives back what the flow holds; it can be used for another. */
void flow_clear(struct flow *, struct budget *);

/* Whether it is over the thresholds; then its tallies are up to date. */
bool flow_is_attack(struct flow *, const struct flow_limits *,
    struct budget *);

/* The best window so far, in packets a minute. */
uint64_t flow_ppm(const struct flow *, const struct flow_limits *);

/* Sorts a tally, most frequent first. */
void tally_sort(struct tally *);

#endif
