/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_STREAM_CHECK_H
#define D4_RECV_STREAM_CHECK_H

/*
 * Which entries of a session's stream are there, when the connection was lost
 * before they were answered.  That a later one is there says nothing of those
 * before: the server may have had no room for these.  That one is not there
 * does not, either: workers take entries away, but in their order.  So it was
 * refused if one before it is there, or none behind it was taken away; and
 * else, where the server counts what was added (Redis 7), if that many are
 * lacking.  When that leaves it open which, all are taken for refused, so that
 * none is lost.  Pure: no descriptor, clock or memory.
 */

#include <stdbool.h>
#include <stdint.h>

#include "d4-recv/stream-cmd.h"
#include "lib/redis.h"

/*
 * Says of each entry of that type that has an id, in the order of these, what
 * became of it, by an answer to stream_check_script; added were added before
 * them.  Returns how many entries the stream has ever had.
 */
uint64_t check_entries(struct pipeline_cmds *, uint8_t type, uint64_t added,
    const struct d4_redis_reply *);

#endif
