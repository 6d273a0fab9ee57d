/* SPDX-License-Identifier: ISC */
#include <poll.h>
#include <string.h>
#include <time.h>

#include "d4-stdout/supply.h"
#include "lib/log.h"
#include "lib/stop.h"

#define WAIT_FIRST_MS	100
#define WAIT_MOST_MS	30000
#define PUT_BACK_MS	10000

static int64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Puts back what is in hand.  Returns 0, or -1. */
static int
recover(struct supply *s)
{
	int64_t n = d4_queue_recover(s->queue);

	if (n > 0)
		d4_log_info(1, "%lld items of an earlier run put back",
		    (long long)n);
	return n == -1 ? -1 : 0;
}

int
supply_open(struct supply *s, const struct options *o)
{
	struct d4_queue_where where = {
		.store = o->store, .redis = o->store == NULL ? &o->redis : NULL,
		.user = o->login.user, .password = o->login.password,
		.type = o->type, .uuid = o->uuid, .plain = !o->acknowledge
	};
	char why[D4_QUEUE_FAULT];

	memset(s, 0, sizeof(*s));
	s->acknowledge = o->acknowledge;
	s->wait_ms = WAIT_FIRST_MS;
	if ((s->queue = d4_queue_open(&where, why)) == NULL) {
		d4_log_warnx("%s", why);
		return -1;
	}
	if (s->acknowledge && recover(s) == -1) {
		d4_log_warnx("%s", d4_queue_fault(s->queue));
		return -1;
	}
	return 0;
}

void
supply_close(struct supply *s)
{
	d4_queue_close(s->queue);
	s->queue = NULL;
}

/* What a fault means.  A loss is said the first time. */
static int
judge(struct supply *s)
{
	if (!d4_queue_lost(s->queue)) {
		d4_log_warnx("%s", d4_queue_fault(s->queue));
		return SUPPLY_FAILED;
	}
	if (!s->lost) {
		d4_log_warnx("%s; connecting again",
		    d4_queue_fault(s->queue));
		s->lost = true;
		s->wait_ms = WAIT_FIRST_MS;
	} else {
		s->wait_ms = s->wait_ms < WAIT_MOST_MS / 2 ? s->wait_ms * 2 :
		    WAIT_MOST_MS;
	}
	s->retry_at = now_ms() + s->wait_ms;
	return SUPPLY_LOST;
}

static void
found_again(struct supply *s)
{
	if (!s->lost)
		return;
	s->lost = false;
	s->reconnects++;
	d4_log_info(1, "connected again");
}

/* Waits for the next attempt, or for timeout_ms, or a signal.  Returns whether
 * it is time for it. */
static bool
wait_for_retry(const struct supply *s, int timeout_ms)
{
	struct pollfd pfd = { .fd = d4_stop_fd(), .events = POLLIN };
	int64_t left = s->retry_at - now_ms();

	if (left > 0) {
		(void)poll(&pfd, 1, left < timeout_ms ? (int)left :
		    timeout_ms);
		d4_stop_drain();
	}
	return now_ms() >= s->retry_at;
}

int
supply_take(struct supply *s, struct d4_queue_item *items, size_t most,
    int timeout_ms)
{
	int n = -1;

	if (s->lost) {
		if (!wait_for_retry(s, timeout_ms > 0 ? timeout_ms :
		    WAIT_MOST_MS))
			return SUPPLY_LOST;
		/* The reply that was lost may have put something in hand. */
		if (s->acknowledge && recover(s) == -1)
			return judge(s);
	}
	if ((n = d4_queue_take_some(s->queue, items, most, timeout_ms)) == -1)
		return judge(s);
	found_again(s);
	return n;
}

/* Waits for a lost server and says whether to try again: not when there was
 * another fault, the end is asked for or it is late (0: never). */
static bool
try_again(struct supply *s, int64_t until)
{
	if (judge(s) == SUPPLY_FAILED)
		return false;
	while (!wait_for_retry(s, WAIT_MOST_MS)) {
		if (until == 0 && d4_stop_wanted())
			break;
	}
	return until == 0 ? !d4_stop_wanted() : now_ms() < until;
}

int
supply_ack(struct supply *s, struct d4_queue_item *item)
{
	while (d4_queue_ack(s->queue, item) == -1) {
		bool again = s->lost;

		/* The reply was lost, not the command. */
		if (again && !d4_queue_lost(s->queue))
			break;
		if (!try_again(s, 0)) {
			again = item->data != NULL;
			d4_queue_item_free(item);
			return again ? -1 : 0;
		}
	}
	found_again(s);
	return 0;
}

int
supply_put_back(struct supply *s, struct d4_queue_item *item)
{
	int64_t until = now_ms() + PUT_BACK_MS;

	while (d4_queue_put_back(s->queue, item) == -1) {
		if (!try_again(s, until)) {
			d4_queue_item_free(item);
			return -1;
		}
	}
	found_again(s);
	s->put_back++;
	return 0;
}
