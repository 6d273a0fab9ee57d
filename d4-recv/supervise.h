/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_SUPERVISE_H
#define D4_RECV_SUPERVISE_H

/*
 * The parent of the workers: starts as many as asked for, starts one anew when
 * it dies, passes signals on, and ends when they have ended.  It opens nothing
 * but the listening sockets, which outlive a worker.
 */

#include "d4-recv/collect.h"

/*
 * listeners are all sockets; each worker gets its share of them, the first of
 * them the first worker, or with shared all.  Returns 0 after SIGTERM or
 * SIGINT when every worker ended well, else -1.
 */
int supervise_run(const struct collect_settings *, const int *listeners,
    size_t nlisteners, unsigned workers, bool shared);

#endif
