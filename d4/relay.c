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
#define PAUSE_MS	20	/* between two looks at the second */
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
	bool		 unclosed;	/* the stream goes on another time */
	bool		 stalled;	/* the spool is, which was said */
	bool		 pausing;	/* nothing is read in this second */
	uint64_t	 paused_in;
	uint64_t	 second;	/* of records, and when it began */
	int64_t		 second_at;
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

/* Seconds since 1970 that go on while the clock is set back. */
static void
set_clock(struct relay *r)
{
	uint64_t second = (uint64_t)time(NULL);
	uint64_t least = r->second +
	    (uint64_t)(r->now - r->second_at) / 1000;

	if (second < least)
		second = least;
	if (second > r->second) {
		r->second = second;
		r->second_at = r->now;
	}
	window_clock(r->s->window, r->second);
}

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
on_up(struct relay *r)
{
	r->up_since = r->now;
	r->figures.connects++;
	d4_log_info(1, "%s: connected", r->s->link_name);
	d4_notify_send("STATUS=connected");
}

/* What the link has sent of what it was lent.  Returns -1 when memory is
 * short. */
static int
take_sent(struct relay *r)
{
	size_t n = link_sent(r->s->link);

	if (window_sent(r->s->window, n) == -1) {
		d4_log_warnx("%s: not enough memory", r->s->link_name);
		return -1;
	}
	r->lent -= n;
	return 0;
}

/* Returns -1 when that is the end of it. */
static int
on_lost(struct relay *r, enum link_state before)
{
	const char *why = link_why(r->s->link);
	size_t partial = window_partial(r->s->window);

	r->lent = 0;
	if (before != LINK_DIALING) {
		window_unacked(r->s->window, link_unacked(r->s->link));
		r->figures.resent += window_kept(r->s->window);
		if (window_rewind(r->s->window) == -1) {
			d4_log_warnx("%s: not enough memory", r->s->link_name);
			return -1;
		}
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
	if (take_sent(r) == -1)
		return -1;
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
	set_clock(r);
	if (cut_finish(r->s->cut) == -1 || window_seal(r->s->window) == -1) {
		d4_log_warnx("%s: not enough memory", r->s->source_name);
		return -1;
	}
	r->data_end = window_end(r->s->window) - D4_HEADER_LEN;
	return 0;
}

/* With a spool the stream does not end with us. */
static int
leave_input(struct relay *r)
{
	size_t rest;

	r->eof = r->unclosed = true;
	if (r->s->again)
		return 0;
	set_clock(r);
	if (cut_rest(r->s->cut) == -1 || window_seal(r->s->window) == -1) {
		d4_log_warnx("%s: not enough memory", r->s->source_name);
		return -1;
	}
	if ((rest = cut_pending(r->s->cut)) > 0)
		d4_log_warnx("%s: %zu bytes of an unfinished unit are left "
		    "out", r->s->source_name, rest);
	return 0;
}

static int
on_stop(struct relay *r)
{
	r->stopping = true;
	r->give_up_at = r->now + STOP_MS;
	if (r->eof)
		return 0;
	return r->s->spool != NULL ? leave_input(r) : end_input(r);
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

static void
tell_source(struct relay *r)
{
	uint64_t safe = window_safe(r->s->window);
	const struct mark *m;

	while (r->nmarks > 0) {
		m = &r->marks[r->first_mark];
		if (m->end > safe)
			return;
		source_sent(r->s->source, m->mark);
		r->first_mark = (r->first_mark + 1) % MARKS;
		r->nmarks--;
	}
}

static bool
wants_input(const struct relay *r)
{
	return !r->eof && !r->pausing &&
	    (cut_drops(r->s->cut) || !window_full(r->s->window));
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
	set_clock(r);
	if (source_other_writer(r->s->source))
		cut_other_writer(r->s->cut);
	if (cut_take(r->s->cut, (size_t)n) == -1 ||
	    window_seal(r->s->window) == -1) {
		d4_log_warnx("%s: not enough memory", r->s->source_name);
		return -1;
	}
	remember_mark(r);
	if (window_pauses(r->s->window)) {
		r->pausing = true;
		r->paused_in = r->second;
	}
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

/* Returns -1 when memory is short. */
static int
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
	if (take_sent(r) == -1)
		return -1;
	if (link_state(r->s->link) == LINK_UP)
		window_unacked(r->s->window, link_unacked(r->s->link));
	if (r->eof && link_state(r->s->link) == LINK_UP && r->lent == 0 &&
	    window_waiting(r->s->window) == 0 && next_bytes(r, &at) == 0) {
		link_close(r->s->link, ANSWER_MS);
		/* It may be lost already, which follow_link() is to see. */
		r->state = LINK_CLOSING;
	}
	return 0;
}

/* Returns -1 when the spool has failed. */
static int
look_after_spool(struct relay *r)
{
	const char *why = spool_failure(r->s->spool);
	int stalled = spool_stalled(r->s->spool), rc;
	uint64_t units;

	if (why != NULL) {
		d4_log_warnx("%s: %s", r->s->spool_name, why);
		return -1;
	}
	if (stalled != 0 && !r->stalled)
		d4_log_warnx("%s: %s; waiting for room", r->s->spool_name,
		    strerror(stalled));
	r->stalled = stalled != 0;
	if (!r->s->drop || r->eof || r->state == LINK_CLOSING ||
	    !spool_out_of_room(r->s->spool))
		return 0;
	if ((rc = window_drop(r->s->window, &units)) == -1)
		d4_log_warn("%s", r->s->spool_name);
	if (rc != 1)
		return rc;
	r->figures.dropped += units;
	/* What was being sent is gone; another session begins behind it. */
	if (r->state == LINK_UP)
		link_lose(r->s->link, "the spool is full, its oldest part "
		    "was dropped");
	(void)link_sent(r->s->link);
	r->lent = 0;
	if (window_rewind(r->s->window) == -1) {
		d4_log_warnx("%s: not enough memory", r->s->spool_name);
		return -1;
	}
	return 0;
}

static void
gather_figures(struct relay *r)
{
	r->figures.records = window_records(r->s->window);
	r->figures.bytes = cut_bytes(r->s->cut);
	if (r->s->spool != NULL)
		r->figures.spooled = spool_bytes(r->s->spool);
	else
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
	if (r->pausing || window_held(r->s->window))
		sooner(&at, r->now + PAUSE_MS);
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

/*
 * As poll(2).  The last of them is the source's, if input is wanted: a spool is
 * not to wait for more when nothing comes from there at once.
 */
static int
poll_all(struct relay *r, struct pollfd *pfds, int n, bool input, int ms)
{
	if (r->s->spool == NULL || ms == 0)
		return poll(pfds, (nfds_t)n, ms);
	if (input && poll(pfds, (nfds_t)n, 0) == -1)
		return -1;
	if (input && pfds[n - 1].revents != 0)
		return 1;
	window_flush(r->s->window);
	return poll(pfds, (nfds_t)n, ms);
}

/* Sleeps until there is something to do.  Returns whether the source has
 * something. */
static bool
wait_for_work(struct relay *r, int64_t metrics_at)
{
	struct pollfd pfds[4];
	const uint8_t *at;
	bool want_write, input = wants_input(r);
	int n = 0, source_ms = -1;

	pfds[n].fd = d4_stop_fd();
	pfds[n++].events = POLLIN;
	want_write = next_bytes(r, &at) > 0 &&
	    (r->s->rate == 0 || r->allowance > 0);
	n += link_poll(r->s->link, want_write, &pfds[n]);
	if (r->s->spool != NULL) {
		pfds[n].fd = spool_fd(r->s->spool);
		pfds[n++].events = POLLIN;
	}
	if (input) {
		source_ms = source_poll(r->s->source, &pfds[n]);
		pfds[n++].revents = 0;
	}
	if (poll_all(r, pfds, n, input, patience(r, metrics_at,
	    source_ms)) == -1)
		return false;
	if (pfds[0].revents != 0)
		d4_stop_drain();
	if (r->s->spool != NULL)
		spool_drain(r->s->spool);
	return input && (source_ms >= 0 || source_fd(r->s->source) == -1 ||
	    pfds[n - 1].revents != 0);
}

/*
 * The end: how many bytes of what was read have not been handed over.  What a
 * lost link had taken may not have arrived; it waits to be sent again.
 */
static uint64_t
unsent(const struct relay *r)
{
	uint64_t reached = window_reached(r->s->window);

	if (r->state == LINK_UP && reached < r->data_end)
		return r->data_end - reached;
	if ((r->state == LINK_DOWN || r->state == LINK_DIALING) &&
	    window_waiting(r->s->window) > D4_HEADER_LEN)
		return window_waiting(r->s->window) - D4_HEADER_LEN;
	return 0;
}

static int
judge(const struct relay *r)
{
	const char *words = "sent";
	uint64_t lost;

	if (r->s->spool != NULL) {
		words = "kept";
		lost = r->s->again || r->state == LINK_CLOSED ? 0 :
		    window_end(r->s->window) - window_safe(r->s->window);
	} else {
		lost = unsent(r);
	}
	if (lost > 0)
		d4_log_warnx("%s: %llu bytes of records were read and not "
		    "%s", r->s->spool != NULL ? r->s->spool_name :
		    r->s->link_name, (unsigned long long)lost, words);
	return lost > 0 || r->failed ? -1 : 0;
}

static bool
is_over(const struct relay *r)
{
	if (r->state == LINK_CLOSED)
		return true;
	if (!r->stopping)
		return false;
	return r->now >= r->give_up_at || ((r->state == LINK_DOWN ||
	    r->state == LINK_DIALING) && (r->s->spool == NULL ||
	    spool_settled(r->s->spool)));
}

int
relay_run(const struct relay_settings *s, bool *over)
{
	struct relay *r;
	int64_t metrics_at = 0;
	bool input = false;
	int rc = -1;

	*over = false;
	if ((r = calloc(1, sizeof(*r))) == NULL) {
		d4_log_warn("memory");
		return -1;
	}
	r->s = s;
	r->eof = s->closed;
	r->now = r->refilled_at = d4_clock_ms();
	r->stats_at = r->now + (int64_t)s->stats_s * 1000;
	r->figures.last_ms = r->now;
	r->figures.has_spool = s->spool != NULL;
	d4_notify_send("READY=1");
	for (;;) {
		r->now = d4_clock_ms();
		if (d4_stop_wanted() && !r->stopping && on_stop(r) == -1)
			break;
		if (s->source == NULL && !r->eof && end_input(r) == -1)
			break;
		if (input && !r->eof && read_source(r) == -1)
			break;
		if (follow_link(r) == -1)
			break;
		if (r->state == LINK_UP && write_link(r) == -1)
			break;
		if (s->spool != NULL && look_after_spool(r) == -1)
			break;
		if (s->source != NULL)
			tell_source(r);
		/* It may have been lost in the meantime. */
		if (r->state != link_state(s->link) && follow_link(r) == -1)
			break;
		report(r);
		write_metrics(r, &metrics_at);
		if (is_over(r)) {
			rc = judge(r);
			*over = r->state == LINK_CLOSED && !r->unclosed;
			break;
		}
		if (r->pausing) {
			set_clock(r);
			r->pausing = r->second == r->paused_in;
		}
		input = wait_for_work(r, metrics_at);
	}
	window_rest(s->window);
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
