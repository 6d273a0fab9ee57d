/* SPDX-License-Identifier: ISC */
#ifndef D4_PIBS_SEEN_H
#define D4_PIBS_SEEN_H

/*
 * Who sent a SYN, and when last.  Two open tables, 8 bytes an IPv4 address and
 * 24 an IPv6 one, hashed under a random key so that nobody can choose
 * addresses that meet.  They grow in place within memory set aside at the
 * start; when it is used up, a new address takes the place of the one longest
 * silent among its neighbours, which is counted.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "d4-pibs/packet.h"

struct seen;

/*
 * Takes up to limit bytes of memory, as they are needed, at least 1 MiB.  An
 * address counts until expire seconds after its last SYN, for ever with 0.
 * With pibs a SYN of second 0 records nothing, as PIBS has it; without, it
 * counts as one of second 1.  NULL with errno when memory is short.
 */
struct seen *seen_new(size_t limit, uint32_t expire, bool pibs);

/* Takes NULL. */
void seen_free(struct seen *);

/*
 * PIBS's rule over n packets, n <= FRAME_BATCH, in their order: a SYN records
 * its source; an answer (SYN/ACK, RST, ACK) of a source not recorded is
 * backscatter.  The indices of those go to report, which has room for n; the
 * number of them is returned.
 */
size_t seen_rule(struct seen *, const struct packet *, size_t n,
    uint8_t *report);

/* Records the sources of SYNs alone. */
void seen_record(struct seen *, const struct packet *, size_t n);

/* The second of the last SYN of an address as of now, 0 for none. */
uint32_t seen_last(const struct seen *, struct addr, uint32_t now);

/* Records one address. */
void seen_put(struct seen *, struct addr, uint32_t sec);

/* Calls back with each address and second that has not expired by now. */
void seen_each(const struct seen *, uint32_t now,
    void (*)(void *, struct addr, uint32_t), void *);

/* How many are recorded, and how many have fallen out for want of memory. */
uint64_t seen_count(const struct seen *);
uint64_t seen_lost(const struct seen *);

#endif
