/* SPDX-License-Identifier: ISC */
#ifndef D4_PIBS_ATTACK_INSIDE_H
#define D4_PIBS_ATTACK_INSIDE_H

/* Inside the attack room: the table, for attack.c and attack-state.c. */

#include "d4-pibs/attack.h"
#include "d4-pibs/repeat.h"

/* The wheel has so many spokes; an interval is a quarter of them. */
#define SPOKES		1024

struct attacks {
	struct flow_limits	 limits;
	attack_report		*report;
	void			*arg;
	void			(*watch)(void *, const struct answer *,
				    uint32_t[2]);
	void			*watch_arg;
	struct budget		 budget;

	struct flow		*flows;		/* room for maxflows */
	uint32_t		 nflows, maxflows;
	uint32_t		 free;		/* list of unused ones */
	uint32_t		 hand;		/* where one gave way last */
	uint64_t		 count, lost;
	uint32_t		*heads;		/* hash chains */
	size_t			 nheads;
	/* Apart, for attack_prepare() in another thread. */
	struct repeats		*repeats;

	uint64_t		 clock, before;	/* time; of the packet before */
	int64_t			 silence;	/* longer ends a flow */
	uint32_t		 grain;		/* seconds a spoke */
	uint64_t		 turned;	/* grains done */
	uint64_t		 next_turn;	/* time of the next */
	uint32_t		 behind;	/* packets that are far behind */
	uint32_t		 wheel[SPOKES];
};

/* Makes a flow; another may give way.  UINT32_MAX when there is no memory. */
uint32_t attack_open(struct attacks *, struct addr target, uint8_t proto,
    uint64_t time);

/* Has the flow of the fewest packets among some end, for its memory. */
void attack_give_way(struct attacks *);

#endif
