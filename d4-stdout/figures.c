/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "d4-stdout/figures.h"
#include "lib/log.h"
#include "lib/notify.h"

typedef unsigned long long ull;

void
figures_say(struct figures *f, int64_t now_ms)
{
	double rate = 0, s = (double)(now_ms - f->last_ms) / 1000;

	if (s > 0)
		rate = (double)(f->items - f->last_items) / s;
	d4_log_say("stdout: %llu items, %llu bytes, %.1f items/s, "
	    "%llu skipped, %llu put back, %llu reconnects, %s",
	    (ull)f->items, (ull)f->bytes, rate, (ull)f->skipped,
	    (ull)f->put_back, (ull)f->reconnects, f->up ? "up" : "down");
	f->last_ms = now_ms;
	f->last_items = f->items;
}

int
figures_write(const struct figures *f, const char *path, const char *labels)
{
	struct {
		const char	*name, *kind, *help;
		ull		 value;
	} rows[] = {
		{ "d4_stdout_items_total", "counter", "Items done with",
		    f->items },
		{ "d4_stdout_bytes_total", "counter", "Bytes written",
		    f->bytes },
		{ "d4_stdout_skipped_total", "counter",
		    "Files missing, unreadable or damaged", f->skipped },
		{ "d4_stdout_put_back_total", "counter",
		    "Items put back into the queue", f->put_back },
		{ "d4_stdout_reconnects_total", "counter",
		    "Connections to Redis begun again", f->reconnects },
		{ "d4_stdout_up", "gauge", "Whether the queue is reached",
		    f->up },
	};
	char text[4096];
	size_t i, len = 0;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "# HELP %s %s.\n# TYPE %s %s\n%s{%s} %llu\n",
		    rows[i].name, rows[i].help, rows[i].name, rows[i].kind,
		    rows[i].name, labels, rows[i].value);
		if (len >= sizeof(text))
			return -1;
	}
	return d4_notify_write_file(path, text, len);
}
