/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "d4-recv/figures.h"
#include "lib/log.h"
#include "lib/notify.h"
#include "lib/stop.h"
#include "lib/uuid.h"

typedef unsigned long long ull;

/* What the live connections of one sensor and type brought. */
struct sensor {
	uint8_t		uuid[D4_UUID_LEN];
	uint8_t		type;
	uint64_t	nrecords, nbytes;
};

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

/* Of types 2 and 254 a sensor may have many connections, and a name with the
 * same labels may be in the file once. */
static int
compare(const void *one, const void *other)
{
	const struct sensor *a = one, *b = other;
	int diff = memcmp(a->uuid, b->uuid, sizeof(a->uuid));

	return diff != 0 ? diff : (int)a->type - (int)b->type;
}

/* What live connections brought, by sensor and type; *n becomes how many they
 * are.  NULL when there are none, or no memory. */
static struct sensor *
sum_sensors(const struct conn_context *ctx, size_t *n)
{
	struct sensor *sensors;
	const struct conn *c;
	size_t i, all = 0;

	*n = 0;
	if (ctx->nconns == 0 ||
	    (sensors = calloc(ctx->nconns, sizeof(*sensors))) == NULL)
		return NULL;
	for (c = ctx->first; c != NULL; c = c->next) {
		if (c->state != CONN_LIVE)
			continue;
		memcpy(sensors[all].uuid, c->session.uuid, D4_UUID_LEN);
		sensors[all].type = c->session.type;
		sensors[all].nrecords = c->session.nrecords;
		sensors[all++].nbytes = c->session.nbytes;
	}
	qsort(sensors, all, sizeof(*sensors), compare);
	for (i = 0; i < all; i++) {
		if (*n > 0 && compare(&sensors[*n - 1], &sensors[i]) == 0) {
			sensors[*n - 1].nrecords += sensors[i].nrecords;
			sensors[*n - 1].nbytes += sensors[i].nbytes;
		} else {
			sensors[(*n)++] = sensors[i];
		}
	}
	return sensors;
}

static void
put_sensors(FILE *out, const struct conn_context *ctx)
{
	static const char *const names[] = { "records", "bytes" };
	static const char *const helps[] = { "Records", "Bytes of data" };
	char uuid[D4_UUID_TEXT];
	struct sensor *sensors;
	size_t i, k, n;

	sensors = sum_sensors(ctx, &n);
	for (k = 0; k < 2; k++) {
		fprintf(out, "# HELP d4_recv_sensor_%s %s of live "
		    "connections.\n# TYPE d4_recv_sensor_%s gauge\n",
		    names[k], helps[k], names[k]);
		for (i = 0; i < n; i++) {
			d4_uuid_text(uuid, sensors[i].uuid);
			fprintf(out, "d4_recv_sensor_%s{uuid=\"%s\","
			    "type=\"%u\"} %llu\n", names[k], uuid, sensors[i].type,
			    (ull)(k == 0 ? sensors[i].nrecords :
			    sensors[i].nbytes));
		}
	}
	free(sensors);
}

static int
write_metrics(const char *path, const struct conn_context *ctx,
    const struct finish_figures *files, const struct analyze *analyze)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out;
	int rc;

	if ((out = open_memstream(&text, &len)) == NULL)
		return -1;
	put_rows(out, ctx, files, analyze);
	if (ctx->streams != NULL)
		put_streams(out, ctx->streams);
	put_refusals(out, &ctx->refusals);
	put_sensors(out, ctx);
	rc = fclose(out) == EOF ? -1 : d4_notify_write_file(path, text, len);
	free(text);
	return rc;
}

/* A second's failure is said once, until the file can be written again. */
static void
tell_metrics(struct figures *f, const char *path,
    const struct conn_context *ctx, const struct finish_figures *files,
    const struct analyze *analyze)
{
	bool fails = write_metrics(path, ctx, files, analyze) == -1;

	if (fails && !f->fails)
		d4_log_warn("%s", path);
	if (!fails && f->fails)
		d4_log_say("%s: is written again", path);
	f->fails = fails;
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
		tell_metrics(f, s->metrics, ctx, files, analyze);
}

void
figures_end(struct figures *f, const struct collect_settings *s,
    const struct conn_context *ctx, const struct finish_figures *files,
    const struct analyze *analyze)
{
	if (s->metrics != NULL)
		tell_metrics(f, s->metrics, ctx, files, analyze);
	if (s->stats_s > 0)
		say(f, ctx, files, analyze);
}
