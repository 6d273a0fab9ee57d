/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_ADMIT_H
#define D4_RECV_ADMIT_H

/*
 * Who may send: what the registry says of an address and a sensor, in the
 * order of d4-core (d4-core.md 3.3), and the key of a sensor.
 */

#include "d4-recv/conn.h"

/* The address: 0, or a reason. */
unsigned admit_address(struct conn_context *, const char *address);

/*
 * The first header of a connection, before its HMAC was looked at: 0 and
 * conn->key is set, or a reason.  A uuid in registration mode that is not known
 * becomes one that waits; nothing else is remembered.
 */
unsigned admit_sensor(struct conn_context *, struct conn *,
    const struct d4_header *);

#define ADMIT_LATER	REFUSED_REASONS	/* the disk is full: not now */

/* The first record that verified, of that type (later ones may have been
 * looked at): claims the connection.  older is what admit_same_stream() says.
 * 0, ADMIT_LATER, or a reason. */
unsigned admit_live(struct conn_context *, struct conn *, uint8_t type,
    const struct conn *older);

/* A live connection after registry or settings changed: 0, or a reason.  The
 * limit of its stream is set anew. */
unsigned admit_again(struct conn_context *, struct conn *);

/* Another connection here of the stream that this one resumes (d4-resume(7)),
 * or NULL. */
struct conn *admit_same_stream(const struct conn_context *,
    const struct conn *);

/* What its timestamps may be: the registry's word, else the settings'. */
void admit_limits(struct conn_context *, struct conn *);

/* The rules and the mode that hold now: the registry's, where it has any, else
 * those of the settings.  Returns 0, or -1 when they can't be read: the old
 * ones stay. */
int admit_rules(struct conn_context *);

#endif
