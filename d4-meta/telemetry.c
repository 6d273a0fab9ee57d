/* SPDX-License-Identifier: ISC */
#include <sys/statvfs.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "d4-meta/metrics.h"
#include "d4-meta/telemetry.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/meta-line.h"
#include "lib/os-host.h"
#include "lib/stop.h"
#include "lib/type.h"
#include "lib/uuid.h"

#define HOST_NAME	256
#define ENTRY_MAX	160	/* of one file, beside name and figures */

struct telemetry {
	const struct options	*options;
	const struct settings	*settings;
	struct d4_meta_line	*line;
	bool			 silent[OPTIONS_METRICS_MAX]; /* on -m */
	bool			 spool_silent;
};

struct telemetry *
telemetry_new(const struct options *o, const struct settings *s)
{
	struct telemetry *t;
	struct d4_os_host host;

	d4_os_host(&host);
	if ((t = calloc(1, sizeof(*t))) == NULL)
		return NULL;
	if ((t->line = d4_meta_line_new()) == NULL) {
		free(t);
		return NULL;
	}
	t->options = o;
	t->settings = s;
	return t;
}

void
telemetry_free(struct telemetry *t)
{
	if (t == NULL)
		return;
	d4_meta_line_free(t->line);
	free(t);
}

/* Says a fault once, until it is over. */
static void
complain(bool *silent, const char *object, const char *why)
{
	if (!*silent)
		d4_log_warnx("%s: %s", object, why);
	*silent = true;
}

static void
add_identity(struct telemetry *t)
{
	struct d4_meta_line *line = t->line;
	char uuid[D4_UUID_TEXT], host[HOST_NAME] = "";

	d4_uuid_text(uuid, t->settings->uuid);
	d4_meta_line_uint(line, "time", (uint64_t)time(NULL));
	d4_meta_line_string(line, "uuid", uuid);
	if (gethostname(host, sizeof(host) - 1) == 0)
		d4_meta_line_string(line, "host", host);
	else
		d4_meta_line_null(line, "host");
	d4_meta_line_string(line, "version", D4_VERSION);
}

static void
add_load(struct telemetry *t, const struct d4_os_host *host)
{
	int i;

	if (!host->has_load) {
		d4_meta_line_null(t->line, "load");
		return;
	}
	d4_meta_line_list(t->line, "load");
	for (i = 0; i < 3; i++)
		d4_meta_line_real(t->line, NULL, host->load[i], 4);
	d4_meta_line_close(t->line);
}

static void
add_memory(struct telemetry *t, const struct d4_os_host *host)
{
	if (!host->has_memory) {
		d4_meta_line_null(t->line, "memory");
		return;
	}
	d4_meta_line_object(t->line, "memory");
	d4_meta_line_uint(t->line, "total", host->memory_total);
	d4_meta_line_uint(t->line, "available", host->memory_available);
	d4_meta_line_close(t->line);
}

static void
add_spool(struct telemetry *t)
{
	const char *path = t->settings->spool;
	struct statvfs fs;

	if (*path == '\0' || statvfs(path, &fs) == -1) {
		if (*path != '\0')
			complain(&t->spool_silent, path, strerror(errno));
		d4_meta_line_null(t->line, "spool");
		return;
	}
	t->spool_silent = false;
	d4_meta_line_object(t->line, "spool");
	d4_meta_line_string(t->line, "path", path);
	d4_meta_line_uint(t->line, "total",
	    (uint64_t)fs.f_blocks * fs.f_frsize);
	d4_meta_line_uint(t->line, "available",
	    (uint64_t)fs.f_bavail * fs.f_frsize);
	d4_meta_line_close(t->line);
}

static void
add_clock(struct telemetry *t, const struct d4_os_host *host)
{
	struct d4_meta_line *line = t->line;

	if (!host->has_clock) {
		d4_meta_line_null(line, "clock");
		return;
	}
	d4_meta_line_object(line, "clock");
	d4_meta_line_bool(line, "synchronized", host->clock_synchronized);
	d4_meta_line_int(line, "offset_ns", host->clock_offset_ns);
	d4_meta_line_int(line, "error_us", host->clock_error_us);
	d4_meta_line_int(line, "error_max_us", host->clock_error_max_us);
	d4_meta_line_close(line);
}

/* What the entries of the files from the given one on take of the line at
 * most, none of them having figures: names may be all escapes. */
static size_t
reserved(const struct telemetry *t, size_t from)
{
	size_t i, n = 0;

	for (i = from; i < t->options->nmetrics; i++)
		n += 6 * strlen(t->options->metrics[i]) + ENTRY_MAX;
	return n;
}

/* The figures of one file, or why there are none. */
static void
add_metrics(struct telemetry *t, size_t i)
{
	const char *file = t->options->metrics[i], *why;
	char *metrics;
	int64_t mtime;
	size_t len;

	d4_meta_line_object(t->line, file);
	metrics = metrics_read(file, &mtime, &why);
	(void)d4_meta_line_bytes(t->line, &len);	/* with this name */
	if (metrics != NULL && len + strlen(metrics) + reserved(t, i) >
	    TELEMETRY_LINE_MAX) {
		free(metrics);
		metrics = NULL;
		why = "no room left in the line";
	}
	if (metrics == NULL) {
		complain(&t->silent[i], file, why);
		d4_meta_line_string(t->line, "error", why);
	} else {
		t->silent[i] = false;
		d4_meta_line_int(t->line, "time", mtime);
		d4_meta_line_json(t->line, "metrics", metrics);
	}
	d4_meta_line_close(t->line);
	free(metrics);
}

/* Writes one line. */
static int
report(struct telemetry *t, struct send *out)
{
	struct d4_os_host host;
	const char *bytes;
	size_t i, len;

	d4_os_host(&host);
	d4_meta_line_clear(t->line);
	add_identity(t);
	if (host.has_uptime)
		d4_meta_line_uint(t->line, "uptime", host.uptime);
	else
		d4_meta_line_null(t->line, "uptime");
	add_load(t, &host);
	add_memory(t, &host);
	add_spool(t);
	add_clock(t, &host);
	d4_meta_line_object(t->line, "d4");
	for (i = 0; i < t->options->nmetrics; i++)
		add_metrics(t, i);
	d4_meta_line_end(t->line);
	if ((bytes = d4_meta_line_bytes(t->line, &len)) == NULL) {
		d4_log_warnx("memory: not enough");
		return -1;
	}
	return send_bytes(out, D4_TYPE_EXTENDED, bytes, len);
}

/* Waits until the moment, a signal, or the reader's end.  Returns -1 at the
 * latter. */
static int
wait_until(int64_t moment_ms, const struct send *out)
{
	struct pollfd fds[2] = {
		{ .fd = d4_stop_fd(), .events = POLLIN },
		{ .fd = STDOUT_FILENO }
	};
	int64_t left;

	while (!d4_stop_wanted() && (left = moment_ms - d4_clock_ms()) > 0) {
		/* poll(2) counts in int; a long wait is taken in parts. */
		(void)poll(fds, 2, left < 3600000 ? (int)left : 3600000);
		d4_stop_drain();
		if (d4_stop_take_figures())
			d4_log_say("stdout: %llu records",
			    (unsigned long long)out->nrecords);
		if ((fds[1].revents & (POLLERR | POLLNVAL)) != 0) {
			d4_log_warnx("stdout: nobody reads it any more");
			return -1;
		}
		fds[1].revents = 0;
	}
	return 0;
}

int
telemetry_run(struct telemetry *t, struct send *out, const void *header,
    size_t len)
{
	int64_t next = d4_clock_ms();

	if (send_bytes(out, D4_TYPE_META, header, len) == -1)
		return -1;
	while (!d4_stop_wanted()) {
		if (report(t, out) == -1)
			return -1;
		/* What was missed, asleep or stopped, is not made up for. */
		do
			next += (int64_t)t->options->interval * 1000;
		while (next <= d4_clock_ms());
		if (wait_until(next, out) == -1)
			return -1;
	}
	return send_bytes(out, D4_TYPE_EXTENDED, "", 0);
}
