/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_CONN_OWN_H
#define D4_RECV_CONN_OWN_H

/* Within the room of a connection: what its files share.  Whatever may end one
 * leaves it in the state CONN_DEAD. */

#include "d4-recv/conn.h"
#include "lib/uuid.h"

/* -- conn-note.c: what is said of a session, and noted --------------------- */

/* Who it is, for messages: a uuid only once it has verified. */
const char *conn_name(const struct conn *,
    char name[D4_NET_HOST + D4_UUID_TEXT]);

/* What the turn brought goes into the registry; the greatest timestamp, for the
 * next session of a sensor whose must not go back, into the store. */
void conn_note_turn(struct conn_context *, struct conn *);
void conn_note_newest(struct conn_context *, struct conn *);

/* What it was, at its end; how it goes on with its stream, once that is
 * known. */
void conn_tell_session(const struct conn *);
void conn_tell_match(const struct conn_context *, struct conn *);

#endif
