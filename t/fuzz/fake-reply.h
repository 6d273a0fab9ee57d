/* SPDX-License-Identifier: ISC */
#ifndef T_FUZZ_FAKE_REPLY_H
#define T_FUZZ_FAKE_REPLY_H

/*
 * Replies of a fake Redis server, in memory of their own.  Each is made in a
 * struct that the caller has; all memory is there.
 */

#include <stddef.h>

#include "lib/redis.h"

struct fake_reply {
	struct d4_redis_reply	 reply;
	char			*text;
	struct fake_reply	*elements;
};

void fake_reply_nil(struct fake_reply *);
void fake_reply_number(struct fake_reply *, long long);

/* A status, an error or a string; a NUL is put behind it. */
void fake_reply_text(struct fake_reply *, enum d4_redis_kind, const void *,
    size_t len);

/* Of so many elements, which are nil so far. */
void fake_reply_array(struct fake_reply *, size_t n);

/* One more element, nil, of an array. */
struct fake_reply *fake_reply_more(struct fake_reply *);

/* What it holds, not the struct. */
void fake_reply_free(struct fake_reply *);

#endif
