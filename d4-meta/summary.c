/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "d4-meta/summary.h"
#include "d4-meta/tally.h"
#include "lib/log.h"
#include "lib/meta-line.h"
#include "lib/uuid.h"

#define CELL	24

static int
on_record(void *cookie, const struct stream_record *record)
{
	if (tally_add(cookie, record) == 0)
		return 0;
	d4_log_warnx("memory: not enough");
	return -1;
}

static int
on_drained(void *cookie)
{
	(void)cookie;
	return 0;
}

/* How many different uuids and types the rows hold. */
static size_t
count_uuids(const struct tally_row *const *rows, size_t nrows)
{
	size_t i, n = 0;

	for (i = 0; i < nrows; i++) {
		if (i == 0 || memcmp(rows[i]->uuid, rows[i - 1]->uuid,
		    D4_UUID_LEN) != 0)
			n++;
	}
	return n;
}

static size_t
gather_types(const struct tally_row *const *rows, size_t nrows,
    bool seen[UINT8_MAX + 1])
{
	size_t i, n = 0;

	memset(seen, 0, UINT8_MAX + 1);
	for (i = 0; i < nrows; i++) {
		n += !seen[rows[i]->type];
		seen[rows[i]->type] = true;
	}
	return n;
}

static const char *
show_time(char cell[CELL], uint64_t seconds)
{
	/* Within the years of four digits; what else a header says is shown
	 * as the number it is. */
	time_t t = (time_t)seconds;
	struct tm tm;

	if (seconds > 253402300799u || gmtime_r(&t, &tm) == NULL ||
	    strftime(cell, CELL, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		(void)snprintf(cell, CELL, "%llu",
		    (unsigned long long)seconds);
	return cell;
}

static const char *
show_rate(char cell[CELL], double rate)
{
	if (rate < 0)
		return "-";
	(void)snprintf(cell, CELL, "%.1f", rate);
	return cell;
}

/* What rows and the total have in common. */
static void
print_count(const struct tally_count *c)
{
	char first[CELL] = "-", last[CELL] = "-", records[CELL], bytes[CELL];

	if (c->nrecords > 0) {
		(void)show_time(first, c->first);
		(void)show_time(last, c->last);
	}
	printf(" %8llu %10llu %14llu  %-20s  %-20s %10s %12s %6llu %6llu "
	    "%6llu\n", (unsigned long long)c->nsessions,
	    (unsigned long long)c->nrecords, (unsigned long long)c->nbytes,
	    first, last, show_rate(records, tally_rate(c, c->nrecords)),
	    show_rate(bytes, tally_rate(c, c->nbytes)),
	    (unsigned long long)c->ngaps, (unsigned long long)c->nbackward,
	    (unsigned long long)c->nbad);
}

static void
print_steps(const struct tally_count *c)
{
	if (c->ngaps > 0)
		printf("longest gap: %llu s\n",
		    (unsigned long long)c->longest);
	if (c->nbackward > 0)
		printf("longest step backward: %llu s\n",
		    (unsigned long long)c->furthest);
}

static void
print_table(struct tally *t, const struct stream *s)
{
	const struct tally_row *const *rows;
	bool seen[UINT8_MAX + 1];
	char uuid[D4_UUID_TEXT];
	size_t i, n;

	rows = tally_rows(t, &n);
	printf("%-36s %4s %-14s %8s %10s %14s  %-20s  %-20s %10s %12s %6s %6s "
	    "%6s\n", "UUID", "TYPE", "NAME", "SESSIONS", "RECORDS", "BYTES",
	    "FIRST", "LAST", "RECORDS/S", "BYTES/S", "GAPS", "BACK", "BAD");
	for (i = 0; i < n; i++) {
		d4_uuid_text(uuid, rows[i]->uuid);
		printf("%s %4u %-14s", uuid, rows[i]->type,
		    rows[i]->metatype[0] != '\0' ? rows[i]->metatype :
		    d4_type_get(rows[i]->type)->name);
		print_count(&rows[i]->count);
	}
	(void)snprintf(uuid, sizeof(uuid), "total: %zu uuids",
	    count_uuids(rows, n));
	printf("%-36s %4zu %-14s", uuid, gather_types(rows, n, seen),
	    "types");
	print_count(tally_total(t));
	print_steps(tally_total(t));
	printf("hmac: %s\n", s->mac == NULL ? "unchecked" : "checked");
	if (tally_uncounted(t) > 0)
		printf("records beyond %d rows: %llu\n", TALLY_ROWS_MAX,
		    (unsigned long long)tally_uncounted(t));
	if (s->end != D4_OK)
		printf("broken: offset %llu: %s\n",
		    (unsigned long long)s->end_offset,
		    d4_refusal_str(s->end));
}

static void
add_rate(struct d4_meta_line *line, const char *key, double rate)
{
	if (rate < 0)
		d4_meta_line_null(line, key);
	else
		d4_meta_line_real(line, key, rate, 9);
}

static void
add_count(struct d4_meta_line *line, const struct tally_count *c)
{
	d4_meta_line_uint(line, "sessions", c->nsessions);
	d4_meta_line_uint(line, "records", c->nrecords);
	d4_meta_line_uint(line, "bytes", c->nbytes);
	if (c->nrecords > 0) {
		d4_meta_line_uint(line, "first", c->first);
		d4_meta_line_uint(line, "last", c->last);
	} else {
		d4_meta_line_null(line, "first");
		d4_meta_line_null(line, "last");
	}
	add_rate(line, "records_per_second", tally_rate(c, c->nrecords));
	add_rate(line, "bytes_per_second", tally_rate(c, c->nbytes));
	d4_meta_line_uint(line, "gaps", c->ngaps);
	d4_meta_line_uint(line, "longest_gap", c->longest);
	d4_meta_line_uint(line, "backward", c->nbackward);
	d4_meta_line_uint(line, "longest_backward", c->furthest);
	d4_meta_line_uint(line, "bad", c->nbad);
}

static void
add_total(struct d4_meta_line *line, struct tally *t, const struct stream *s)
{
	const struct tally_row *const *rows;
	bool seen[UINT8_MAX + 1];
	size_t i, n;

	rows = tally_rows(t, &n);
	(void)gather_types(rows, n, seen);
	d4_meta_line_string(line, "row", "total");
	d4_meta_line_uint(line, "uuids", count_uuids(rows, n));
	d4_meta_line_list(line, "types");
	for (i = 0; i <= UINT8_MAX; i++) {
		if (seen[i])
			d4_meta_line_uint(line, NULL, i);
	}
	d4_meta_line_close(line);
	add_count(line, tally_total(t));
	d4_meta_line_string(line, "hmac",
	    s->mac == NULL ? "unchecked" : "checked");
	d4_meta_line_uint(line, "uncounted", tally_uncounted(t));
	if (s->end == D4_OK) {
		d4_meta_line_null(line, "broken");
	} else {
		d4_meta_line_object(line, "broken");
		d4_meta_line_uint(line, "offset", s->end_offset);
		d4_meta_line_string(line, "fault", d4_refusal_str(s->end));
		d4_meta_line_close(line);
	}
	d4_meta_line_end(line);
}

static int
print_json(struct tally *t, const struct stream *s)
{
	const struct tally_row *const *rows;
	struct d4_meta_line *line;
	char uuid[D4_UUID_TEXT];
	const char *bytes = NULL;
	size_t i, n, len = 0;

	if ((line = d4_meta_line_new()) == NULL) {
		d4_log_warnx("memory: not enough");
		return -1;
	}
	rows = tally_rows(t, &n);
	for (i = 0; i < n; i++) {
		d4_uuid_text(uuid, rows[i]->uuid);
		d4_meta_line_string(line, "row", "stream");
		d4_meta_line_string(line, "uuid", uuid);
		d4_meta_line_uint(line, "type", rows[i]->type);
		d4_meta_line_string(line, "name",
		    d4_type_get(rows[i]->type)->name);
		if (rows[i]->metatype[0] != '\0')
			d4_meta_line_string(line, "metatype",
			    rows[i]->metatype);
		add_count(line, &rows[i]->count);
		d4_meta_line_end(line);
	}
	add_total(line, t, s);
	if ((bytes = d4_meta_line_bytes(line, &len)) == NULL)
		d4_log_warnx("memory: not enough");
	else
		(void)fwrite(bytes, 1, len, stdout);
	d4_meta_line_free(line);
	return bytes == NULL ? -1 : 0;
}

int
summary_run(struct stream *s, uint64_t gap, bool json)
{
	struct tally *t;
	int rc;

	if ((t = tally_new(gap)) == NULL) {
		d4_log_warnx("memory: not enough");
		return -1;
	}
	s->on_record = on_record;
	s->on_drained = on_drained;
	s->cookie = t;
	rc = stream_run(s);
	if (!json)
		print_table(t, s);
	else if (print_json(t, s) == -1)
		rc = -1;
	tally_free(t);
	if (d4_log_flush(stdout) != 0)
		rc = -1;
	return rc;
}
