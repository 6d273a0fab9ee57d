/* SPDX-License-Identifier: ISC */
#ifndef D4_LINK_H
#define D4_LINK_H

/*
 * The way to the destination: connected, lost, awaited, connected again.  Each
 * connection has a thread of its own (wire.h), so that nothing waits for the
 * network here.
 *
 *	DOWN --link_dial--> DIALING --> UP --link_close--> CLOSING --> CLOSED
 *	  ^                      |         |                      |
 *	  +----------------------+---------+----------------------+  lost
 *
 * What the peer sends is read and thrown away: D4 runs one way.
 */

#include <sys/types.h>

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/net.h"
#include "lib/tls.h"

enum link_state {
	LINK_DOWN,
	LINK_DIALING,
	LINK_UP,
	LINK_CLOSING,		/* our end is said, the peer's awaited */
	LINK_CLOSED		/* both ends are said: all has arrived */
};

struct link;

/* The address, how to get there, and rules for TLS (NULL for none); or, with
 * fd not -1, a descriptor that is open already and cannot be had again. */
struct link_settings {
	int			 fd;
	struct d4_net_addr	 addr;
	bool			 use_proxy;
	struct d4_net_addr	 proxy;
	struct d4_tls_context	*tls;	/* of the caller, who keeps it */
};

/* NULL with errno. */
struct link *link_new(const struct link_settings *);

/* Takes NULL.  Cuts what there is; a thread that still resolves is left to its
 * end. */
void link_free(struct link *);

/* From DOWN to DIALING.  -1 with errno when no thread can be made. */
int link_dial(struct link *);

enum link_state link_state(const struct link *);

/* Fills in what to poll for: with want_write, for room too.  Returns how many
 * entries, 0 or 1. */
int link_poll(const struct link *, bool want_write, struct pollfd *);

/* To be called when poll(2) says something: learns what has become of it and
 * of what was handed over.  Returns the new state. */
enum link_state link_step(struct link *);

/* Hands over up to len bytes: returns how many, 0 when there is no room now,
 * or -1 when the link is lost (the state is then DOWN).  They stay the
 * caller's, as they are, until link_sent() has counted them or the state is
 * DOWN. */
ssize_t link_write(struct link *, const void *, size_t len);

/* How many bytes of those handed over the system has taken, since the last
 * call.  The rest of them is lost with the link. */
size_t link_sent(struct link *);

/* How many of the bytes sent the peer's system has not acknowledged, at most,
 * as far as that can be known; of a link that was lost, when it was. */
size_t link_unacked(const struct link *);

/* Ends it without a word, to DOWN. */
void link_lose(struct link *, const char *why);

/* Says that this was all, behind what was handed over, waiting at most
 * timeout_ms for the peer to say so too.  From UP to CLOSING. */
void link_close(struct link *, int timeout_ms);

/* Takes the last n bytes back where that is possible: from a file, so that it
 * ends with a whole record.  Returns 0, or -1 with errno. */
int link_take_back(const struct link *, size_t n);

/* Why the link was lost or not reached, for people.  Never NULL. */
const char *link_why(const struct link *);

#endif
