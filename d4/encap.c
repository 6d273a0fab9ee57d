/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <errno.h>
#include <time.h>
#include <unistd.h>

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

/*
 * After a write that failed half way: in a file the half record would make
 * all that is appended later unreadable, so it is taken off again.
 */
static void
cut_to_whole(const struct encap *e, size_t done)
{
	size_t whole = d4_record_whole(e->record, done);
	struct stat st;
	off_t end;

	if (fstat(e->out, &st) == -1 || !S_ISREG(st.st_mode))
		return;
	end = lseek(e->out, 0, SEEK_CUR);
	if (end == -1 || end != st.st_size)
		return;		/* somebody else writes here too */
	end -= (off_t)(done - whole);
	if (ftruncate(e->out, end) == -1 ||
	    lseek(e->out, end, SEEK_SET) == -1)
		d4_log_warn("%s: cannot cut off half a record", e->out_name);
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
		cut_to_whole(e, done);
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
