/* SPDX-License-Identifier: ISC */
#ifndef D4_PIBS_FRAME_H
#define D4_PIBS_FRAME_H

/*
 * A captured frame, lent by whoever read it until the next read.
 */

#include <stdbool.h>
#include <stdint.h>

/* How many frames are handled together. */
#define FRAME_BATCH	128

/* The greatest captured length taken, as in libpcap and Wireshark. */
#define FRAME_MAX	262144

/* Link types, in the numbers of the tcpdump.org registry. */
enum {
	LINK_NULL = 0,
	LINK_ETHERNET = 1,
	LINK_PPP = 9,
	LINK_RAW_12 = 12,		/* raw IP, as BSDs number it */
	LINK_RAW_14 = 14,		/* and OpenBSD */
	LINK_RAW = 101,
	LINK_LOOP = 108,
	LINK_SLL = 113,
	LINK_IPV4 = 228,
	LINK_IPV6 = 229,
	LINK_SLL2 = 276
};

struct frame {
	const uint8_t	*data;
	uint32_t	 caplen;	/* bytes at data */
	uint32_t	 len;		/* bytes on the wire */
	uint32_t	 sec;		/* since 1970 */
	uint32_t	 nsec;
	uint16_t	 link;		/* LINK_, or one that is not read */
	bool		 usec;		/* time was given in microseconds */
};

/* Whether packet_decode() reads frames of the link type. */
bool frame_link_known(uint16_t);

#endif
