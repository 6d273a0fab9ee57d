/* SPDX-License-Identifier: ISC */
#ifndef LIB_REGISTRY_REDIS_H
#define LIB_REGISTRY_REDIS_H

/*
 * A Redis server as a registry, within its own files: the connection, stamp
 * and lock (registry-redis.c), values and sets (registry-redis-values.c),
 * claims (registry-redis-live.c), facts (registry-redis-facts.c), what d4-core
 * counted (registry-redis-days.c), definitions of queues
 * (registry-redis-queue.c).  Keys are those of d4-core where it has
 * any; what it has not begins with OURS.  d4-redis(7) has all of them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/redis.h"
#include "lib/registry-backend.h"
#include "lib/table.h"
#include "lib/uuid.h"

#define OURS		"d4toolkit:"
#define RDS_KEY		256	/* bytes of a key, with NUL */
#define RDS_NUMBER	24	/* of a number */

struct rds {
	struct d4_redis	*redis;
	struct d4_redis	*queues;	/* where items are, or NULL */
	char		*user;		/* which the connections keep */
	char		*password;
	char		 name[D4_REDIS_NAME];
	char		*why;		/* the door's */
	size_t		 outstanding;	/* answers not yet read */
	int64_t		 retry_ms;	/* no connection is tried before */
	int64_t		 backoff_ms;
	char		 token[D4_UUID_HEX];	/* of this handle */

	/* The values of the sensor that was asked for last, until the next
	 * command; NULL where there is none. */
	struct {
		bool	 good;
		uint8_t	 uuid[D4_UUID_LEN];
		char	*text[D4_MARKS];
		size_t	 len[D4_MARKS];
	}		 sensor;

	/* As a worker of a collector, from the first claim on. */
	bool		 works;
	unsigned	 beats;		/* since the dead were looked for */
	struct d4_table	*lives;		/* struct rds_live, by session */
	uint8_t		(*lost)[D4_UUID_LEN];	/* while the lease was */
	size_t		 nlost;
};

/* A copy of an array of texts, which its owner frees. */
struct rds_texts {
	char		**list;
	size_t		 n;
};

/* Puts "server: reason" into why.  Returns -1. */
int rds_fault(struct rds *, const char *reason);

/* Puts "server: key: reason" into why.  Returns -1. */
int rds_bad(struct rds *, const char *key, const char *reason);

/* Joins a key, which must fit. */
void rds_key(char[RDS_KEY], const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void rds_number(char[RDS_NUMBER], uint64_t);

/*
 * Commands of words, the last one NULL.  Several may be sent before their
 * answers are read, in order: when the first could be sent, what goes wrong
 * with others comes with the answers.  An answer that is an error of the
 * server is a fault, and so is a lost connection: then -1.
 */
int rds_send(struct rds *, const char *const words[]);
int rds_answer(struct rds *, struct d4_redis_reply *);
int rds_do(struct rds *, struct d4_redis_reply *, const char *const words[]);

/* Reads all answers that are still outstanding: 0, or -1 if one is a fault. */
int rds_finish(struct rds *);

#define RDS_SEND(r, ...) \
    rds_send(r, (const char *const[]){ __VA_ARGS__, NULL })
#define RDS_DO(r, reply, ...) \
    rds_do(r, reply, (const char *const[]){ __VA_ARGS__, NULL })

/* The same, for commands that answer with a number, which is returned. */
long long rds_count(struct rds *, const char *const words[]);
#define RDS_COUNT(r, ...) \
    rds_count(r, (const char *const[]){ __VA_ARGS__, NULL })

/* Copies the texts of an array; -1 when memory is short.  Free in any case. */
int rds_copy(struct rds *, const struct d4_redis_reply *, struct rds_texts *);
void rds_texts_free(struct rds_texts *);

/* Sends the command and copies what it answers. */
int rds_list(struct rds *, struct rds_texts *, const char *const words[]);
#define RDS_LIST(r, texts, ...) \
    rds_list(r, texts, (const char *const[]){ __VA_ARGS__, NULL })

/* All keys that begin so, without that beginning. */
int rds_scan(struct rds *, const char *begin, d4_registry_on_text *, void *);

/* The same of hashes that have one at least of these fields, which are NULL
 * behind the last.  The callback asks nothing. */
int rds_scan_hashes(struct rds *, const char *begin,
    const char *const fields[], d4_registry_on_text *, void *);


/* A uuid as a text of the server; its spelling is d4-core's or a person's. */
int rds_uuid(struct rds *, const char *key, const char *text,
    uint8_t[D4_UUID_LEN]);

/* Forgets what is kept of the last sensor. */
void rds_drop_sensor(struct rds *);

/* Says that this worker lives; part of each stamp. */
int rds_beat(struct rds *);

/* -- the parts of the backend in the other files --------------------------- */

int rds_get(void *, const uint8_t *, unsigned int, void *, size_t, size_t *);
int rds_set(void *, const uint8_t *, unsigned int, const void *, size_t);
int rds_forget(void *, const uint8_t *);
int rds_each_known(void *, d4_registry_on_uuid *, void *);
int rds_each_seen(void *, d4_registry_on_uuid *, void *);
int rds_is_known(void *, const uint8_t *);
int rds_kick(void *, const uint8_t *, uint64_t);
int rds_unkick(void *, const uint8_t *);
int rds_each_kick(void *, d4_registry_on_time *, void *);
int rds_stranger(void *, const uint8_t *, const char *, uint64_t);
int rds_is_stranger(void *, const uint8_t *);
int rds_forget_stranger(void *, const uint8_t *);
int rds_each_stranger(void *, d4_registry_on_waiting *, void *);
int rds_add(void *, enum d4_registry_set, const char *);
int rds_remove(void *, enum d4_registry_set, const char *);
int rds_each(void *, enum d4_registry_set, d4_registry_on_text *, void *);
int rds_get_mode(void *, char[D4_REGISTRY_WORD]);
int rds_set_mode(void *, const char *);

int rds_claim(void *, const struct d4_registry_live *, bool, bool *,
    uint8_t[D4_UUID_LEN]);
int rds_become(void *, const struct d4_registry_live *,
    const struct d4_registry_live *);
int rds_release(void *, const struct d4_registry_live *);
int rds_has_stream(void *, const uint8_t *, uint8_t, const uint8_t *);
int rds_lost(void *, uint8_t[D4_UUID_LEN]);
int rds_save_live(void *, const struct d4_registry_live *const *, size_t,
    uint64_t);
int rds_each_live(void *, d4_registry_on_live *, void *);
void rds_leave(struct rds *);

int rds_load_facts(void *, const uint8_t *, bool, struct d4_registry_facts *);
int rds_save_facts(void *, const uint8_t *, const struct d4_registry_facts *);
int rds_load_counts(void *, uint32_t, const uint8_t *, bool,
    d4_registry_on_count *, void *);
int rds_save_counts(void *, uint32_t, const uint8_t *,
    const struct d4_registry_cell *, size_t);
void rds_set_aside(void *, const uint8_t *, uint32_t);
int rds_each_day(void *, d4_registry_on_day *, void *);
int rds_forget_day(void *, uint32_t);

/* The first day that we counted, or UINT32_MAX; d4-core's days before it, in
 * order, and their counts as rds_load_counts() has ours. */
int rds_first_day(struct rds *, uint32_t *);
int rds_each_core_day(struct rds *, uint32_t before, d4_registry_on_day *,
    void *);
int rds_core_counts(struct rds *, uint32_t, const uint8_t *,
    d4_registry_on_count *, void *);

int rds_queue_create(void *, const struct d4_registry_queue *);
int rds_queue_remove(void *, const uint8_t *);
int rds_queue_describe(void *, const uint8_t *, const char *);
int rds_queue_limit(void *, const uint8_t *, uint64_t);
int rds_queue_member(void *, const uint8_t *, const uint8_t *, bool);
int rds_queue_updated(void *, const struct d4_registry_queue *);
int rds_each_queue(void *, d4_registry_on_queue *, void *);

#endif
