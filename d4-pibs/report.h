/* SPDX-License-Identifier: ISC */
#ifndef D4_PIBS_REPORT_H
#define D4_PIBS_REPORT_H

/*
 * An attack as a line of JSON, a line of a table, or a MISP object.
 */

#include <stdbool.h>
#include <stdint.h>

#include "d4-pibs/flow.h"
#include "d4-pibs/out.h"

enum report_format {
	REPORT_JSON,
	REPORT_TABLE,
	REPORT_MISP
};

struct report {
	struct out		*out;
	enum report_format	 format;
	uint64_t		 telescope;	/* addresses watched, or 0 */
	const struct flow_limits *limits;
};

/* The heading of a table; nothing for other formats. */
void report_header(const struct report *);

/* One attack, whose detail is there.  sent_syn is when the target last sent a
 * SYN itself, 0 for never; open whether the attack goes on.  Its tallies get
 * sorted. */
void report_attack(const struct report *, struct flow *, uint32_t sent_syn,
    bool open);

/* "tcp", "udp", "icmp", "icmpv6", or the number. */
#define REPORT_PROTOCOL	12
const char *report_protocol(uint8_t, char[REPORT_PROTOCOL]);

#endif
