/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_CONN_OWN_H
#define D4_RECV_CONN_OWN_H

/* Within the room of a connection: what its files share.  Whatever may end one
 * leaves it in the state CONN_DEAD. */

#include "d4-recv/conn.h"
#include "lib/uuid.h"

#endif
