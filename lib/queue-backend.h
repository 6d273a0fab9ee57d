/* SPDX-License-Identifier: ISC */
#ifndef LIB_QUEUE_BACKEND_H
#define LIB_QUEUE_BACKEND_H

/* Inside the queue room: what a backend is.  The functions are those of
 * queue.h; words of a fault go to the common part. */

#include "lib/queue.h"

struct queue_backend {
	void	 (*close)(struct d4_queue *);
	int	 (*push)(struct d4_queue *, const void *, size_t);
	int	 (*flush)(struct d4_queue *);
	int	 (*take)(struct d4_queue *, struct d4_queue_item *, int);
	/* More that are there, if it is cheap; none is no fault. */
	size_t	 (*more)(struct d4_queue *, struct d4_queue_item *, size_t);
	int	 (*ack)(struct d4_queue *, const struct d4_queue_item *);
	int	 (*put_back)(struct d4_queue *, const struct d4_queue_item *);
	int64_t	 (*recover)(struct d4_queue *);
	int64_t	 (*length)(struct d4_queue *);
	int	 (*peek)(struct d4_queue *, size_t,
		    int (*)(void *, const uint8_t *, size_t), void *);
	int	 (*clear)(struct d4_queue *);
	bool	 (*lost)(const struct d4_queue *);
};

/* About so many bytes are taken together. */
#define QUEUE_SOME	(1u << 20)

/* The first member of a backend's own struct. */
struct d4_queue {
	const struct queue_backend	*backend;
	uint64_t			 max, dropped;
	char				 fault[D4_QUEUE_FAULT];
};

struct d4_queue *queue_dir_open(const struct d4_queue_where *,
    char[D4_QUEUE_FAULT]);
struct d4_queue *queue_redis_open(const struct d4_queue_where *,
    char[D4_QUEUE_FAULT]);

/* -- waiting (queue-wait.c) ------------------------------------------------ */

/* The milliseconds left until a time of lib/clock.h, -1 for one of -1, fit for
 * poll(2). */
int queue_left_ms(int64_t until);

/* Waits for the descriptor (-1: none), the end of the time or a signal, which
 * is the case when it returns false. */
bool queue_wait(int fd, short events, int timeout_ms);

#endif
