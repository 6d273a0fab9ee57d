/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_PEERS_H
#define D4_RECV_PEERS_H

/* How many connections each address has. */

#include <stddef.h>

struct peers;
struct peer;

struct peers *peers_new(void);	/* NULL when memory is short */
void peers_free(struct peers *);

/* Counts one more of the address, which must be given back; NULL when it has
 * max already or memory is short. */
struct peer *peers_add(struct peers *, const char *address, size_t max);
void peers_remove(struct peers *, struct peer *);

#endif
