/* SPDX-License-Identifier: ISC */
#include <sys/uio.h>

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "d4-stdout/drain.h"
#include "d4-stdout/figures.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/stop.h"

#define BATCH		512		/* items that go out together */
#define TICK_MS		1000		/* with metrics or lines of figures */
#define LOOK_MS		5000		/* else: is there still a reader? */

struct drain {
	const struct options	*o;
	struct supply		*supply;
	struct files		*files;
	struct output		*out;
	struct figures		 figures;
	int64_t			 stats_at;
	char			 labels[128];
	struct d4_queue_item	 items[BATCH];
	size_t			 n;		/* of them in hand */
};

static int64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* -- figures --------------------------------------------------------------- */

static void
gather(struct drain *d)
{
	d->figures.bytes = d->out->bytes;
	d->figures.put_back = d->supply->put_back;
	d->figures.reconnects = d->supply->reconnects;
	d->figures.up = !d->supply->lost;
}

static void
write_metrics(struct drain *d)
{
	gather(d);
	if (d->o->metrics != NULL && figures_write(&d->figures, d->o->metrics,
	    d->labels) == -1)
		d4_log_warn("%s", d->o->metrics);
}

/* Tells what is due.  Metrics are written once a second at most. */
static void
tick(struct drain *d, int64_t *metrics_at)
{
	int64_t now = now_ms();
	bool due = d->o->stats_s > 0 && now >= d->stats_at;

	if (due)
		d->stats_at += (int64_t)d->o->stats_s * 1000;
	if (d4_stop_take_figures() || due) {
		gather(d);
		figures_say(&d->figures, now);
	}
	if (d->o->metrics != NULL && now >= *metrics_at) {
		write_metrics(d);
		*metrics_at = now + TICK_MS;
	}
}

/* -- items ----------------------------------------------------------------- */

/* Puts back what is in hand from the at-th on, the oldest last. */
static void
put_back(struct drain *d, size_t at)
{
	size_t lost = 0;

	while (d->n > at) {
		if (supply_put_back(d->supply, &d->items[--d->n]) == -1)
			lost++;
	}
	if (lost > 0)
		d4_log_warnx("queue: %zu items not put back%s", lost,
		    d->o->acknowledge ? "; the next start does" : "");
	d->n = 0;
}

/* Done with the first so many in hand.  Returns 0, or -1. */
static int
finish(struct drain *d, size_t n)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < n; i++) {
		if (supply_ack(d->supply, &d->items[i]) == -1)
			rc = -1;
	}
	d->figures.items += n;
	return rc;
}

/* How many items are within the bytes written; the rest of them belongs to
 * the next. */
static size_t
count_whole(struct drain *d, size_t done)
{
	size_t i;

	for (i = 0; i < d->n; i++) {
		size_t len = d->items[i].len + d->o->newline;

		if (len > done)
			break;
		done -= len;
	}
	d->out->of_item = done;
	return i;
}

/* Writes the items themselves.  Returns 0, or -1. */
static int
send_items(struct drain *d)
{
	struct iovec iov[2 * BATCH];
	char newline[] = "\n";
	size_t i, n = 0, done, whole;
	int rc;

	for (i = 0; i < d->n; i++) {
		iov[n].iov_base = d->items[i].data;
		iov[n++].iov_len = d->items[i].len;
		if (d->o->newline) {
			iov[n].iov_base = newline;
			iov[n++].iov_len = 1;
		}
	}
	rc = d4_io_writev_full(d->out->fd, iov, n, &done);
	if (rc == -1)
		d4_log_warn("stdout");
	d->out->bytes += done;
	whole = rc == 0 ? d->n : count_whole(d, done);
	if (rc == -1) {
		output_take_back(d->out);
		put_back(d, whole);
	}
	return finish(d, whole) == -1 ? -1 : rc;
}

/* Writes the file that the item names.  Returns 0, or -1. */
static int
send_file(struct drain *d)
{
	enum files_end end;

	output_begin(d->out);
	d4_log_info(1, "%s", (const char *)d->items[0].data);
	end = files_send(d->files, &d->items[0]);
	if (end == FILES_SENT && d->o->newline &&
	    output_write(d->out, "\n", 1) == -1)
		end = FILES_FAILED;
	if (end == FILES_MISFIT || end == FILES_FAILED) {
		output_take_back(d->out);
		put_back(d, 0);
		return -1;
	}
	d->figures.skipped += end == FILES_SKIPPED;
	return finish(d, 1);
}

/* -- the loop -------------------------------------------------------------- */

static bool
is_reader_gone(const struct drain *d)
{
	struct pollfd pfd = { .fd = d->out->fd };

	if (poll(&pfd, 1, 0) != 1 || (pfd.revents & (POLLERR | POLLNVAL)) == 0)
		return false;
	d4_log_warnx("stdout: nobody reads it any more");
	return true;
}

/* How many items to take: what must not be lost goes singly, and messages are
 * not to be joined. */
static size_t
most(const struct drain *d)
{
	uint64_t left = d->o->count - d->figures.items;

	if (d->files != NULL || d->o->acknowledge || d->out->messages)
		return 1;
	return d->o->count > 0 && left < BATCH ? (size_t)left : BATCH;
}

/* Takes items and writes them.  Returns -1 to go on, or the exit status. */
static int
turn(struct drain *d, int wait_ms)
{
	int n = supply_take(d->supply, d->items, most(d),
	    d->o->drain ? 0 : wait_ms);

	if (n == SUPPLY_FAILED)
		return 1;
	if (n == 0 && d->o->drain)
		return d->figures.skipped > 0;
	if (n <= 0)
		return is_reader_gone(d) ? 1 : -1;
	d->n = (size_t)n;
	if ((d->files != NULL ? send_file(d) : send_items(d)) == -1)
		return 1;
	return d->o->count > 0 && d->figures.items >= d->o->count ?
	    d->figures.skipped > 0 : -1;
}

int
drain_run(const struct options *o, struct supply *supply, struct files *files,
    struct output *out)
{
	static struct drain d;
	int64_t metrics_at = 0;
	int status = -1;

	d.o = o;
	d.supply = supply;
	d.files = files;
	d.out = out;
	d.figures.last_ms = now_ms();
	d.stats_at = d.figures.last_ms + (int64_t)o->stats_s * 1000;
	(void)snprintf(d.labels, sizeof(d.labels), "uuid=\"%s\",type=\"%s\"",
	    o->uuid, o->type);
	while (status == -1) {
		tick(&d, &metrics_at);
		if (d4_stop_wanted())
			status = 0;
		else
			status = turn(&d, o->stats_s > 0 || o->metrics != NULL ?
			    TICK_MS : LOOK_MS);
	}
	write_metrics(&d);
	if (o->stats_s > 0 || o->verbose > 0)
		figures_say(&d.figures, now_ms());
	return status;
}
