/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "d4/figures.h"
#include "d4/relay.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/notify.h"
#include "lib/stop.h"

#define BACKOFF_MIN_MS	1000
#define LASTED_MS	5000	/* after that a connection was a good one */
#define ANSWER_MS	30000	/* for the peer's end */
#define STOP_MS		5000	/* to send what was read, after a signal */
#define TICK_MS		1000	/* while something may need a look */
#define METRICS_MS	1000	/* between two metrics files */
#define RATE_MS		20	/* between two looks at the allowance */
#define MARKS		4096	/* of the source, not yet sent */

/* When the window has reached end, the source may forget all before mark. */
struct mark {
	uint64_t	end;
	uint64_t	mark;
};

struct relay {
	const struct relay_settings *s;
	struct figures	 figures;
	size_t		 lent;		/* to the link, behind what was sent */
	enum link_state	 state;		/* as last seen */
	bool		 eof;		/* no more is read */
	bool		 stopping;	/* by a signal */
	bool		 failed;	/* the source did */
	bool		 unwritten;	/* the metrics were, which was said */
	uint64_t	 data_end;	/* of the window, without the last */
	int64_t		 now;		/* ms */
	int64_t		 give_up_at;	/* when stopping */
	int64_t		 dial_at;
	int64_t		 up_since;
	int64_t		 backoff_ms;
	int64_t		 stats_at;
	int64_t		 watchdog_at;
	int64_t		 refilled_at;	/* the allowance of the rate */
	uint64_t	 allowance;	/* bytes that may go now */
	struct mark	 marks[MARKS];	/* a ring */
	size_t		 first_mark;
	size_t		 nmarks;
};

/* Full jitter: many sensors that lost one collector do not come back as one. */
static void
back_off(struct relay *r)
{
	int64_t most = (int64_t)r->s->retry_s * 1000;

	r->backoff_ms = r->backoff_ms == 0 ? BACKOFF_MIN_MS :
	    2 * r->backoff_ms;
	if (r->backoff_ms > most)
		r->backoff_ms = most;
	r->dial_at = r->now + random() % (r->backoff_ms + 1);
}

static void
tell_source(struct relay *r)
{
	const struct mark *m;

	while (r->nmarks > 0) {
		m = &r->marks[r->first_mark];
		if (m->end > window_reached(r->s->window))
			return;
		source_sent(r->s->source, m->mark);
		r->first_mark = (r->first_mark + 1) % MARKS;
		r->nmarks--;
	}
}

/* What the link has sent of what it was lent. */
static void
take_sent(struct relay *r)
{
	size_t n = link_sent(r->s->link);

	if (n == 0)
		return;
	window_sent(r->s->window, n);
	r->lent -= n;
	tell_source(r);
}

static void
on_up(struct relay *r)
{
	r->up_since = r->now;
	r->figures.connects++;
	d4_log_info(1, "%s: connected", r->s->link_name);
	d4_notify_send("STATUS=connected");
}

/* Returns -1 when that is the end of it. */
static int
on_lost(struct relay *r, enum link_state before)
{
	const char *why = link_why(r->s->link);
	size_t partial = window_partial(r->s->window);

	r->lent = 0;
	if (before != LINK_DIALING) {
		r->figures.resent += window_rewind(r->s->window);
		if (r->now - r->up_since >= LASTED_MS)
			r->backoff_ms = 0;
	}
	if (r->s->retry_s == 0) {
		d4_log_warnx("%s: %s", r->s->link_name, why);
		if (link_take_back(r->s->link, partial) == -1)
			d4_log_warn("%s: cannot cut off half a record",
			    r->s->link_name);
		return -1;
	}
	back_off(r);
	d4_log_warnx("%s: %s; again in %.1f s", r->s->link_name, why,
	    (double)(r->dial_at - r->now) / 1000);
	d4_notify_send("STATUS=not connected");
	return 0;
}

/* Follows the link from state to state.  Returns -1 at a bad end. */
static int
follow_link(struct relay *r)
{
	enum link_state before = r->state;

	r->state = link_step(r->s->link);
	take_sent(r);
	if (r->state == LINK_UP && (before == LINK_DIALING ||
	    r->figures.connects == 0))
		on_up(r);
	if (r->state != LINK_DOWN)
		return 0;
	if (before != LINK_DOWN && on_lost(r, before) == -1)
		return -1;
	if (!r->stopping && r->now >= r->dial_at) {
		if (link_dial(r->s->link) == -1) {
			d4_log_warn("%s", r->s->link_name);
			back_off(r);
		}
		r->state = link_state(r->s->link);
	}
	return 0;
}

/* The source has ended, or we do: what is left, and the closing record. */
static int
end_input(struct relay *r)
{
	r->eof = true;
	if (cut_finish(r->s->cut) == -1 ||
	    window_seal(r->s->window, (uint64_t)time(NULL)) == -1) {
		d4_log_warnx("%s: not enough memory", r->s->source_name);
		return -1;
	}
	r->data_end = window_end(r->s->window) - D4_HEADER_LEN;
	return 0;
}

static int
on_stop(struct relay *r)
{
	r->stopping = true;
	r->give_up_at = r->now + STOP_MS;
	return r->eof ? 0 : end_input(r);
}

static void
remember_mark(struct relay *r)
{
	struct mark *m;

	/* Out of places the last one covers more, which only defers it. */
	if (r->nmarks < MARKS)
		r->nmarks++;
	m = &r->marks[(r->first_mark + r->nmarks - 1) % MARKS];
	m->end = window_end(r->s->window);
	m->mark = source_mark(r->s->source) - cut_pending(r->s->cut);
}

static bool
wants_input(const struct relay *r)
{
	return !r->eof && (cut_drops(r->s->cut) || !window_full(r->s->window));
}

static int
read_source(struct relay *r)
{
	uint8_t *at;
	size_t room;
	ssize_t n;

	room = cut_space(r->s->cut, &at);
	n = source_read(r->s->source, at, room);
	if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK ||
	    errno == EINTR))
		return 0;
	if (n == -1) {
		d4_log_warnx("%s: %s", r->s->source_name,
		    source_why(r->s->source));
		r->failed = true;
	}
	if (n <= 0)
		return end_input(r);
	if (cut_take(r->s->cut, (size_t)n) == -1 ||
	    window_seal(r->s->window, (uint64_t)time(NULL)) == -1) {
		d4_log_warnx("%s: not enough memory", r->s->source_name);
		return -1;
	}
	remember_mark(r);
	return 0;
}

/* A quarter of a second's bytes may go at once, so that a rate is smooth. */
static void
refill(struct relay *r)
{
	uint64_t more, most = r->s->rate / 4 > 0 ? r->s->rate / 4 : 1;

	more = r->s->rate * (uint64_t)(r->now - r->refilled_at) / 1000;
	if (more == 0)
		return;
	r->allowance = r->allowance + more < most ? r->allowance + more : most;
	r->refilled_at = r->now;
}

/* The next bytes that the link was not lent yet. */
static size_t
next_bytes(const struct relay *r, const uint8_t **at)
{
	return window_next(r->s->window, r->lent, at);
}

static void
write_link(struct relay *r)
{
	const uint8_t *at;
	size_t len;
	ssize_t n;

	if (r->s->rate > 0)
		refill(r);
	while ((len = next_bytes(r, &at)) > 0) {
		if (r->s->rate > 0 && len > r->allowance)
			len = (size_t)r->allowance;
		if (len == 0 || (n = link_write(r->s->link, at, len)) <= 0)
			break;
		r->lent += (size_t)n;
		if (r->s->rate > 0)
			r->allowance -= (uint64_t)n;
	}
	take_sent(r);
	if (r->eof && link_state(r->s->link) == LINK_UP && r->lent == 0 &&
	    next_bytes(r, &at) == 0) {
		link_close(r->s->link, ANSWER_MS);
		/* It may be lost already, which follow_link() is to see. */
		r->state = LINK_CLOSING;
	}
}

static void
gather_figures(struct relay *r)
{
	r->figures.records = window_records(r->s->window);
	r->figures.bytes = cut_bytes(r->s->cut);
	r->figures.dropped = cut_dropped(r->s->cut);
	r->figures.waiting = window_waiting(r->s->window);
	r->figures.up = r->state == LINK_UP;
}

static void
report(struct relay *r)
{
	bool asked = d4_stop_take_figures();
	bool due = r->s->stats_s > 0 && r->now >= r->stats_at;
	int watchdog_ms;

	if (asked || due) {
		gather_figures(r);
		figures_say(&r->figures, r->s->link_name, r->now);
	}
	if (due)
		r->stats_at = r->now + (int64_t)r->s->stats_s * 1000;
	if ((watchdog_ms = d4_notify_watchdog_ms()) > 0 &&
	    r->now >= r->watchdog_at) {
		d4_notify_send("WATCHDOG=1");
		r->watchdog_at = r->now + watchdog_ms;
	}
}

static void
write_metrics(struct relay *r, int64_t *next)
{
	if (r->s->metrics == NULL || r->now < *next)
		return;
	gather_figures(r);
	if (figures_write(&r->figures, r->s->metrics, r->s->labels) == 0) {
		r->unwritten = false;
	} else if (!r->unwritten) {
		d4_log_warn("%s", r->s->metrics);
		r->unwritten = true;
	}
	*next = r->now + METRICS_MS;
}

static void
sooner(int64_t *at, int64_t other)
{
	if (other < *at)
		*at = other;
}

/* How long poll(2) may sleep, in ms, -1 for ever. */
static int
patience(const struct relay *r, int64_t metrics_at, int source_ms)
{
	int64_t at = INT64_MAX;

	if (source_ms >= 0)
		sooner(&at, r->now + source_ms);
	if (r->state == LINK_DOWN && !r->stopping)
		sooner(&at, r->dial_at);
	if (r->state == LINK_CLOSING || r->state == LINK_DIALING)
		sooner(&at, r->now + TICK_MS);
	if (r->stopping)
		sooner(&at, r->give_up_at);
	if (r->s->rate > 0 && window_waiting(r->s->window) > 0)
		sooner(&at, r->now + RATE_MS);
	if (r->s->stats_s > 0)
		sooner(&at, r->stats_at);
	if (r->s->metrics != NULL)
		sooner(&at, metrics_at);
	if (d4_notify_watchdog_ms() > 0)
		sooner(&at, r->watchdog_at);
	if (at == INT64_MAX)
		return -1;
	return at <= r->now ? 0 : (int)(at - r->now);
}

/* Sleeps until there is something to do.  Returns whether the source has
 * something. */
static bool
wait_for_work(struct relay *r, int64_t metrics_at)
{
	struct pollfd pfds[3];
	const uint8_t *at;
	bool want_write, input = wants_input(r);
	int n = 0, source_ms = -1;

	pfds[n].fd = d4_stop_fd();
	pfds[n++].events = POLLIN;
	want_write = next_bytes(r, &at) > 0 &&
	    (r->s->rate == 0 || r->allowance > 0);
	n += link_poll(r->s->link, want_write, &pfds[n]);
	if (input) {
		source_ms = source_poll(r->s->source, &pfds[n]);
		pfds[n].revents = 0;
	}
	if (poll(pfds, (nfds_t)(input ? n + 1 : n),
	    patience(r, metrics_at, source_ms)) == -1)
		return false;
	if (pfds[0].revents != 0)
		d4_stop_drain();
	return input && (source_fd(r->s->source) == -1 ||
	    pfds[n].revents != 0);
}

/*
 * The end: whether all that was read has been handed over.  What a lost link
 * had taken may not have arrived; it waits to be sent again.
 */
static int
judge(const struct relay *r)
{
	uint64_t unsent = 0, reached = window_reached(r->s->window);

	if (r->state == LINK_UP && reached < r->data_end)
		unsent = r->data_end - reached;
	else if ((r->state == LINK_DOWN || r->state == LINK_DIALING) &&
	    window_waiting(r->s->window) > D4_HEADER_LEN)
		unsent = window_waiting(r->s->window) - D4_HEADER_LEN;
	if (unsent > 0)
		d4_log_warnx("%s: %llu bytes of records were read and not "
		    "sent", r->s->link_name, (unsigned long long)unsent);
	return unsent > 0 || r->failed ? -1 : 0;
}

static bool
is_over(const struct relay *r)
{
	return r->state == LINK_CLOSED || (r->stopping &&
	    (r->now >= r->give_up_at || r->state == LINK_DOWN ||
	    r->state == LINK_DIALING));
}

int
relay_run(const struct relay_settings *s)
{
	struct relay *r;
	int64_t metrics_at = 0;
	bool input = false;
	int rc = -1;

	if ((r = calloc(1, sizeof(*r))) == NULL) {
		d4_log_warn("memory");
		return -1;
	}
	r->s = s;
	r->now = r->refilled_at = d4_clock_ms();
	r->stats_at = r->now + (int64_t)s->stats_s * 1000;
	r->figures.last_ms = r->now;
	d4_notify_send("READY=1");
	for (;;) {
		r->now = d4_clock_ms();
		if (d4_stop_wanted() && !r->stopping && on_stop(r) == -1)
			break;
		if (input && !r->eof && read_source(r) == -1)
			break;
		if (follow_link(r) == -1)
			break;
		if (r->state == LINK_UP)
			write_link(r);
		/* A descriptor of our own may have failed just now. */
		if (r->state != link_state(r->s->link) && follow_link(r) == -1)
			break;
		report(r);
		write_metrics(r, &metrics_at);
		if (is_over(r)) {
			rc = judge(r);
			break;
		}
		input = wait_for_work(r, metrics_at);
	}
	r->now = d4_clock_ms();
	metrics_at = 0;
	write_metrics(r, &metrics_at);
	gather_figures(r);
	d4_log_info(1, "%s: %llu records, %llu bytes", s->link_name,
	    (unsigned long long)r->figures.records,
	    (unsigned long long)r->figures.bytes);
	free(r);
	return rc;
}
