/* SPDX-License-Identifier: ISC */
#ifndef D4_WIRE_H
#define D4_WIRE_H

/*
 * One connection and the thread that serves it: it resolves, connects, shakes
 * hands, encrypts and writes what it is given, throws away what the peer says,
 * says our end and hears the peer's.  So the thread that reads and seals never
 * waits for the network, nor shares its core with TLS.
 *
 *	DIALING --> UP --> ENDED	when it is over, was lost or not reached
 *
 * Bytes are not copied: they are lent until they are taken.
 */

#include <stdbool.h>
#include <stddef.h>

#include "lib/net.h"
#include "lib/tls.h"

enum wire_state {
	WIRE_DIALING,
	WIRE_UP,
	WIRE_ENDED
};

struct wire;

struct wire_settings {
	struct d4_net_addr	 addr;
	bool			 use_proxy;
	struct d4_net_addr	 proxy;
	struct d4_tls_context	*tls;	/* of the caller, NULL for none */
};

/* Starts the thread.  NULL with errno. */
struct wire *wire_new(const struct wire_settings *);

/* Takes NULL.  Cuts the connection: nothing lent is touched any more.  A
 * thread that still dials is left to its end. */
void wire_free(struct wire *);

/* A descriptor that becomes readable when there is something to see: another
 * state, or bytes taken, enough to make a look worth while or the last. */
int wire_fd(const struct wire *);

/* Where it stands, and how many of the bytes lent the system has taken to send
 * since the last look.  Makes the descriptor quiet. */
enum wire_state wire_look(struct wire *, size_t *taken);

/* Lends len > 0 bytes, to be sent behind those lent before; they stay as they
 * are until taken or ENDED.  Only while UP.  False: there is no place now. */
bool wire_lend(struct wire *, const void *, size_t len);

/* How many bytes the peer's system has not acknowledged, of those taken or
 * about to be; 0 where that can't be known.  Not while DIALING. */
size_t wire_unacked(const struct wire *);

/* Once all lent is taken says that this was all, and waits answer_ms at most
 * for the peer to say so too.  Only while UP. */
void wire_close(struct wire *, int answer_ms);

/* When ENDED: whether everything has arrived, and if not why, for people. */
bool wire_arrived(const struct wire *);
const char *wire_why(const struct wire *);

#endif
