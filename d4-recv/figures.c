/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "d4-recv/figures.h"
#include "lib/log.h"
#include "lib/notify.h"
#include "lib/stop.h"
#include "lib/uuid.h"

typedef unsigned long long ull;

void
figures_begin(struct figures *f, int64_t now_ms)
{
	f->stats_at = f->last_ms = now_ms;
}

/* What there is besides with streams. */
static void
describe_streams(char text[256], struct stream *streams)
{
	const struct stream_figures *st;

	*text = '\0';
	if (streams == NULL)
		return;
	st = stream_figures(streams);
	(void)snprintf(text, 256, ", %llu entries, %llu bytes of them, "
	    "%zu bytes in flight, %zu held back, %llu reconnects, "
	    "%llu losses, %llu overflows", (ull)st->nentries,
	    (ull)st->nbytes, st->waiting, st->nheld, (ull)st->nreconnects,
	    (ull)st->nlosses, (ull)st->noverflows);
}

static void
say(struct figures *f, const struct conn_context *ctx,
    const struct finish_figures *files, const struct analyze *analyze)
{
	double s = (double)(ctx->now_ms - f->last_ms) / 1000;
	uint64_t refused = 0;
	char streams[256];
	size_t i;

	for (i = 0; i < REFUSED_REASONS; i++)
		refused += ctx->refusals.counts[i];
	if (s <= 0)
		s = 1;
	describe_streams(streams, ctx->streams);
	d4_log_say("%zu connected, %zu strangers, %llu accepted, "
	    "%llu refused, %llu records, %llu bytes, %.1f records/s, "
	    "%.1f bytes/s, %llu files, %zu waiting, %llu items, %llu dropped%s",
	    ctx->nconns - ctx->nstrangers, ctx->nstrangers,
	    (ull)ctx->naccepted, (ull)refused, (ull)ctx->nrecords,
	    (ull)ctx->nbytes, (double)(ctx->nrecords - f->last_records) / s,
	    (double)(ctx->nbytes - f->last_bytes) / s, (ull)files->nfiles,
	    files->waiting, (ull)analyze_pushed(analyze),
	    (ull)analyze_dropped(analyze), streams);
	f->last_ms = ctx->now_ms;
	f->last_records = ctx->nrecords;
	f->last_bytes = ctx->nbytes;
}

static void
row(FILE *out, const char *name, const char *kind, const char *help,
    uint64_t value)
{
	fprintf(out, "# HELP %s %s.\n# TYPE %s %s\n%s %llu\n", name, help,
	    name, kind, name, (ull)value);
}

static void
put_rows(FILE *out, const struct conn_context *ctx,
    const struct finish_figures *files, const struct analyze *analyze)
{
	static const struct store_figures none;
	const struct store_figures *store = ctx->store == NULL ? &none :
	    store_figures(ctx->store);

	row(out, "d4_recv_connections", "gauge", "Sensors connected",
	    ctx->nconns - ctx->nstrangers);
	row(out, "d4_recv_strangers", "gauge",
	    "Connections without a record yet", ctx->nstrangers);
	row(out, "d4_recv_accepted_total", "counter", "Connections accepted",
	    ctx->naccepted);
	row(out, "d4_recv_records_total", "counter", "Records verified",
	    ctx->nrecords);
	row(out, "d4_recv_bytes_total", "counter",
	    "Bytes of data in them", ctx->nbytes);
	row(out, "d4_recv_files_total", "counter", "Files finished",
	    files->nfiles);
	row(out, "d4_recv_files_waiting", "gauge", "Files to be finished",
	    files->waiting);
	row(out, "d4_recv_hook_failures_total", "counter",
	    "Hooks that failed", files->nhooks_failed);
	row(out, "d4_recv_sensors_waiting", "gauge",
	    "Sensors that wait for room", ctx->nwaiting);
	row(out, "d4_recv_disk_full", "gauge",
	    "Whether there is no room for files", files->full);
	row(out, "d4_recv_resumed_total", "counter",
	    "Sessions that went on with a stream", store->nresumed);
	row(out, "d4_recv_records_stored_before_total", "counter",
	    "Records of theirs that were stored already", store->nstored);
	row(out, "d4_recv_gaps_total", "counter",
	    "Such sessions that went on elsewhere", store->ngaps);
	row(out, "d4_recv_items_total", "counter",
	    "Items given to analyzer queues", analyze_pushed(analyze));
	row(out, "d4_recv_items_dropped_total", "counter",
	    "Items dropped by full queues", analyze_dropped(analyze));
}

static void
put_streams(FILE *out, struct stream *streams)
{
	const struct stream_figures *st = stream_figures(streams);

	row(out, "d4_recv_stream_entries_total", "counter",
	    "Entries that are in streams", st->nentries);
	row(out, "d4_recv_stream_bytes_total", "counter",
	    "Bytes of data in them", st->nbytes);
	row(out, "d4_recv_stream_waiting", "gauge",
	    "Commands not answered yet", st->nwaiting);
	row(out, "d4_recv_stream_waiting_bytes", "gauge", "Bytes of these",
	    st->waiting);
	row(out, "d4_recv_stream_held_back", "gauge",
	    "Sensors not read for want of room", st->nheld);
	row(out, "d4_recv_stream_away", "gauge",
	    "Whether Redis is away or refuses entries", st->away);
	row(out, "d4_recv_stream_losses_total", "counter",
	    "Attempts and commands that Redis failed", st->nlosses);
	row(out, "d4_recv_stream_reconnects_total", "counter",
	    "Times that Redis came back", st->nreconnects);
	row(out, "d4_recv_stream_overflows_total", "counter",
	    "Sensors cut off for their stream's length", st->noverflows);
}

static void
put_refusals(FILE *out, const struct refusals *r)
{
	unsigned i;

	fprintf(out, "# HELP d4_recv_refused_total Connections refused or "
	    "ended.\n# TYPE d4_recv_refused_total counter\n");
	for (i = 1; i < REFUSED_REASONS; i++)
		fprintf(out, "d4_recv_refused_total{reason=\"%s\"} %llu\n",
		    refused_name(i), (ull)r->counts[i]);
}

static void
put_sensors(FILE *out, const struct conn_context *ctx)
{
	char uuid[D4_UUID_TEXT];
	const struct conn *c;

	fprintf(out, "# HELP d4_recv_sensor_records Records of each live "
	    "connection.\n# TYPE d4_recv_sensor_records gauge\n"
	    "# HELP d4_recv_sensor_bytes Bytes of data of each live "
	    "connection.\n# TYPE d4_recv_sensor_bytes gauge\n");
	for (c = ctx->first; c != NULL; c = c->next) {
		if (c->state != CONN_LIVE)
			continue;
		d4_uuid_text(uuid, c->session.uuid);
		fprintf(out, "d4_recv_sensor_records{uuid=\"%s\",type=\"%u\"} "
		    "%llu\nd4_recv_sensor_bytes{uuid=\"%s\",type=\"%u\"} "
		    "%llu\n", uuid, c->session.type, (ull)c->session.nrecords,
		    uuid, c->session.type, (ull)c->session.nbytes);
	}
}

static void
write_metrics(const char *path, const struct conn_context *ctx,
    const struct finish_figures *files, const struct analyze *analyze)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out;

	if ((out = open_memstream(&text, &len)) == NULL) {
		d4_log_warn("%s", path);
		return;
	}
	put_rows(out, ctx, files, analyze);
	if (ctx->streams != NULL)
		put_streams(out, ctx->streams);
	put_refusals(out, &ctx->refusals);
	put_sensors(out, ctx);
	if (fclose(out) == EOF || d4_notify_write_file(path, text, len) == -1)
		d4_log_warn("%s", path);
	free(text);
}

void
figures_tick(struct figures *f, const struct collect_settings *s,
    const struct conn_context *ctx, const struct finish_figures *files,
    const struct analyze *analyze)
{
	bool due = s->stats_s > 0 &&
	    ctx->now_ms - f->stats_at >= (int64_t)s->stats_s * 1000;

	if (due)
		f->stats_at += (int64_t)s->stats_s * 1000;
	if (d4_stop_take_figures() || due)
		say(f, ctx, files, analyze);
	if (s->metrics != NULL)
		write_metrics(s->metrics, ctx, files, analyze);
}

void
figures_end(struct figures *f, const struct collect_settings *s,
    const struct conn_context *ctx, const struct finish_figures *files,
    const struct analyze *analyze)
{
	if (s->metrics != NULL)
		write_metrics(s->metrics, ctx, files, analyze);
	if (s->stats_s > 0)
		say(f, ctx, files, analyze);
}
