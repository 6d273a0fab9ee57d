/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <time.h>

#include "d4/encap.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/stop.h"
#include "lib/type.h"

static void
say_figures(const struct encap *e)
{
	d4_log_say("%s: %llu records, %llu bytes", e->out_name,
	    (unsigned long long)e->nrecords, (unsigned long long)e->nbytes);
}

static int
send_batch(struct encap *e)
{
	const uint8_t *bytes;
	size_t len, done;

	if (d4_record_seal(e->record, (uint64_t)time(NULL)) == -1) {
		d4_log_warnx("%s: the HMAC cannot be computed", e->out_name);
		return -1;
	}
	bytes = d4_record_bytes(e->record, &len);
	if (d4_io_write_full(e->out, bytes, len, &done) == -1) {
		d4_log_warn("%s", e->out_name);
		/* Half a record in a file would make all that is appended
		 * later unreadable. */
		done -= d4_record_whole(e->record, done);
		if (d4_io_take_back(e->out, done) == -1)
			d4_log_warn("%s: cannot cut off half a record",
			    e->out_name);
		return -1;
	}
	e->nrecords += d4_record_count(e->record);
	return 0;
}

int
encap_open(struct encap *e, const uint8_t *meta, size_t len, size_t snaplen)
{
	size_t part;

	for (; len > 0; meta += part, len -= part) {
		part = len < snaplen ? len : snaplen;
		d4_record_clear(e->record);
		(void)d4_record_put(e->record, D4_TYPE_META, meta, part);
		if (send_batch(e) == -1)
			return -1;
	}
	return 0;
}

int
encap_run(struct encap *e)
{
	ssize_t got;

	while (!d4_stop_wanted()) {
		if (d4_stop_take_figures())
			say_figures(e);
		got = d4_record_fill(e->record, e->in, e->type);
		if (got == 0)
			break;
		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1) {
			d4_log_warn("%s", e->in_name);
			return -1;
		}
		e->nbytes += (uint64_t)got;
		if (send_batch(e) == -1)
			return -1;
	}
	d4_record_clear(e->record);
	(void)d4_record_put(e->record, e->type, NULL, 0);
	if (send_batch(e) == -1)
		return -1;
	d4_log_info(1, "%s: %llu records, %llu bytes", e->out_name,
	    (unsigned long long)e->nrecords, (unsigned long long)e->nbytes);
	return 0;
}
