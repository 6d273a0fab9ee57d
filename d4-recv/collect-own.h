/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_COLLECT_OWN_H
#define D4_RECV_COLLECT_OWN_H

/* Within the room of a worker: what its files share. */

#include "d4-recv/analyze.h"
#include "d4-recv/collect.h"
#include "d4-recv/conn.h"
#include "d4-recv/figures.h"
#include "d4-recv/finish.h"
#include "d4-recv/share.h"
#include "d4-recv/store.h"

struct collect {
	const struct collect_settings *s;
	struct conn_context	 ctx;
	struct analyze		*analyze;
	struct finish		*finish;
	struct share		*share;		/* or NULL */
	struct figures		 figures;
	bool			 registry_away;	/* and that was said */
	size_t			 max_files;	/* open, 0: any number */
	bool			 recovering;	/* more may have been left */
	unsigned		 recovered;	/* ticks of that */
	bool			 listening;
	int64_t			 listen_at;	/* again, when out of places */
	int64_t			 tick_at;
	bool			 judges;	/* all anew, at the next tick */
	unsigned		 waiting;	/* ticks of sensors for room */
	bool			 stdin_polls;	/* epoll can wait for stdin */
};

/* What an epoll event is for when it is none of a connection's. */
extern char collect_listener, collect_stop, collect_finish, collect_sync,
    collect_stream, collect_share;

/* -- collect.c: the loop --------------------------------------------------- */

/* One turn: what is ready, verified together, then taken.  wait: until
 * something is, or the next tick is due.  *again: connections wait to be read
 * again at once.  Returns how much was ready. */
int collect_turn(struct collect *, bool wait, bool *again);

void collect_look_at_clock(struct collect *);

/* Of a collector without files all are nothing. */
const struct finish_figures *collect_files(const struct collect *);

/* -- collect-open.c: what a worker needs, opened --------------------------- */

/* Returns -1 and says why. */
int collect_open(struct collect *);

/* Has epoll wait for a descriptor, for the listeners or not any more.  Both
 * return -1 and say why. */
int collect_watch(struct collect *, int fd, void *tag);
int collect_listen(struct collect *, bool on);

struct store_settings collect_store_settings(const struct collect *);

/* -- collect-limit.c: descriptors ------------------------------------------ */

/* So many connections, and files, as there may be descriptors for. */
void collect_fit(struct collect *);

/* -- collect-tick.c: what is due once a second, and after SIGHUP ----------- */

void collect_tick(struct collect *, bool *again);

/* A new configuration takes the place of the old where it is without fault;
 * connections go on with the key and certificate that they have. */
void collect_reload(struct collect *);

/* Goes on with what a dead process left, until nothing is left. */
void collect_recover(struct collect *);

/* -- collect-end.c: after a signal, or at the end of stdin ----------------- */

/* Returns -1 when something was lost, which was said. */
int collect_end(struct collect *);

#endif
