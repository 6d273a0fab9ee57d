/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_CONN_OWN_H
#define D4_RECV_CONN_OWN_H

/* Within the room of a connection: what its files share.  Whatever may end one
 * leaves it in the state CONN_DEAD. */

#include "d4-recv/conn.h"
#include "lib/uuid.h"

/* -- conn.c: from accept(2) to close(2) ------------------------------------ */

/* The connection is over for this reason; more, words to it, may be NULL. */
void conn_refuse(struct conn_context *, struct conn *, unsigned reason,
    const char *more);

/* It is looked after at the end of the turn. */
void conn_touch(struct conn_context *, struct conn *);

/* The same once all that has verified is stored. */
void conn_refuse_stored(struct conn_context *, struct conn *, unsigned reason,
    const char *more);

void conn_enter(struct conn_context *, struct conn *, enum conn_state);

/* Nothing more is read or written; what it holds is freed after the turn, for
 * records of it may still stand in the batch. */
void conn_bury(struct conn_context *, struct conn *);

/* Has epoll wait for what is wanted now.  Who waits for nothing leaves it, for
 * it would tell of a lost link again and again. */
void conn_watch(struct conn_context *, struct conn *);

/* Frees a dead one. */
void conn_release(struct conn_context *, struct conn *);

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

/* -- conn-keep.c: data goes to the store and on into streams --------------- */

/* What the store made of it.  Returns -1 when the connection is over. */
int conn_took(struct conn_context *, struct conn *, enum store_result);

/* Whether the timestamp is such as its sensor may send: 0 or a reason.  What a
 * reader needs first is as old as its stream. */
unsigned conn_judge_time(struct conn_context *, struct conn *,
    const struct d4_header *, const uint8_t *payload);

/* What is news goes into streams of Redis, too. */
void conn_hand_on(struct conn_context *, struct conn *,
    const struct d4_header *, const uint8_t *payload);

/* Has a record wait with the connection, which is not read meanwhile.  -1 when
 * memory is short. */
int conn_keep(struct conn *, const struct d4_header *, const uint8_t *payload);

/* Keeps a record of data, or has it wait with the connection; the other tries
 * again what there was no room for. */
void conn_take_data(struct conn_context *, struct conn *,
    const struct d4_header *, const uint8_t *payload);
void conn_drain_backlog(struct conn_context *, struct conn *);

/* -- conn-take.c: what was verified ---------------------------------------- */

/* Verifies what was gathered, and takes it in order. */
void conn_settle(struct conn_context *);

/* The same once more with what waits since there was no room for a claim. */
void conn_take_again(struct conn_context *, struct conn *);

/* -- conn-read.c: what comes in -------------------------------------------- */

/* Answers the end of a sensor once all it sent is stored. */
void conn_answer(struct conn_context *, struct conn *);

#endif
