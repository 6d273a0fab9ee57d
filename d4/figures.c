/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "d4/figures.h"
#include "lib/log.h"
#include "lib/notify.h"

static unsigned long long
reconnects(const struct figures *f)
{
	return f->connects > 0 ? (unsigned long long)f->connects - 1 : 0;
}

void
figures_say(struct figures *f, const char *name, int64_t now_ms)
{
	char spool[64] = "";
	double rate = 0, s = (double)(now_ms - f->last_ms) / 1000;

	if (s > 0)
		rate = (double)(f->records - f->last_records) / s;
	if (f->has_spool)
		(void)snprintf(spool, sizeof(spool), "%llu in the spool, ",
		    (unsigned long long)f->spooled);
	d4_log_say("%s: %llu records, %llu bytes, %.1f records/s, "
	    "%llu reconnects, %llu dropped, %llu bytes buffered, %s%s", name,
	    (unsigned long long)f->records, (unsigned long long)f->bytes, rate,
	    reconnects(f), (unsigned long long)f->dropped,
	    (unsigned long long)f->waiting, spool, f->up ? "up" : "down");
	f->last_ms = now_ms;
	f->last_records = f->records;
}

int
figures_write(const struct figures *f, const char *path, const char *labels)
{
	struct {
		const char		*name, *kind, *help;
		unsigned long long	 value;
	} rows[] = {
		{ "d4_records_total", "counter", "Records made of data",
		    f->records },
		{ "d4_bytes_total", "counter", "Bytes of data in them",
		    f->bytes },
		{ "d4_reconnects_total", "counter",
		    "Sessions begun again", reconnects(f) },
		{ "d4_resent_bytes_total", "counter",
		    "Bytes sent again after a loss", f->resent },
		{ "d4_dropped_total", "counter",
		    "Packets, lines or other units left out", f->dropped },
		{ "d4_buffered_bytes", "gauge", "Bytes not yet sent",
		    f->waiting },
		{ "d4_link_up", "gauge", "Whether the link is up", f->up },
		{ "d4_spool_bytes", "gauge", "Bytes in the spool",
		    f->spooled },
	};
	char text[4096];
	size_t i, len = 0, n = sizeof(rows) / sizeof(rows[0]);

	if (!f->has_spool)
		n--;
	for (i = 0; i < n; i++) {
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "# HELP %s %s.\n# TYPE %s %s\n%s{%s} %llu\n",
		    rows[i].name, rows[i].help, rows[i].name, rows[i].kind,
		    rows[i].name, labels, rows[i].value);
		if (len >= sizeof(text))
			return -1;
	}
	return d4_notify_write_file(path, text, len);
}
