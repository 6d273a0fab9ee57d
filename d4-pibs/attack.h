/* SPDX-License-Identifier: ISC */
#ifndef D4_PIBS_ATTACK_H
#define D4_PIBS_ATTACK_H

/*
 * Attacks inferred from backscatter: the method of Moore, Voelker and Savage
 * with the packet classes and thresholds of CAIDA's corsaro.  The answers of
 * one target about one protocol are a flow, which ends when it has been silent
 * for an interval; a flow over the thresholds is an attack.
 *
 *	attack.c	the table of flows, their end, the bound on memory
 *	repeat.[ch]	SYN/ACKs that are sent again
 *	flow.[ch]	one flow and what is counted of it
 *	attack-state.c	flows as bytes, for a state file
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "d4-pibs/flow.h"
#include "d4-pibs/packet.h"

struct attacks;

/* Calls back with each flow that ends, or is asked for; over says whether it
 * is an attack, open whether it goes on.  The flow is lent for the call. */
typedef void attack_report(void *, struct flow *, bool over, bool open);

/* The classes of packets that count, a bit each. */
uint32_t attack_classes(const struct flow_limits *);

/* NULL with errno when memory is short; memory is the bound in bytes. */
struct attacks *attack_new(const struct flow_limits *, size_t memory,
    attack_report *, void *);

/* Takes NULL; open flows are dropped. */
void attack_free(struct attacks *);

/* Also calls back with each packet that counts, before it does, and the flow's
 * note, which begins as zeros and is the callback's to use. */
void attack_watch(struct attacks *,
    void (*)(void *, const struct answer *, uint32_t note[2]), void *);

/* The key for packet_decode(): of the flows, or of a state that was loaded. */
struct hash_key attack_key(const struct attacks *);

/* Marks the answers of a batch that are SYN/ACKs sent again, which attack_add()
 * wants to know beside what was decoded.  It comes once to each batch, in their
 * order, from one thread at a time, which need not be that of attack_add() and
 * may be ahead of it. */
void attack_prepare(struct attacks *, struct batch *);

/* Takes the answers of a batch, of classes that count, in order.  Flows that
 * have been silent for the interval end. */
void attack_add(struct attacks *, const struct batch *);

/* Ends all open flows, or calls back with them as they go on. */
void attack_flush(struct attacks *);
void attack_each(struct attacks *);

/* How many flows are open, and how many gave way for want of memory. */
uint64_t attack_count(const struct attacks *);
uint64_t attack_lost(const struct attacks *);

/* -- as bytes -------------------------------------------------------------- */

/* Writes the clock and all open flows by calls of put. */
void attack_save(const struct attacks *, void (*put)(void *, const void *,
    size_t), void *);

/* Takes what attack_save() wrote.  Returns 0, or -1 when it is not that. */
int attack_load(struct attacks *, const uint8_t *, size_t len);

#endif
