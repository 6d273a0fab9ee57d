/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "d4-meta/send.h"
#include "lib/io.h"
#include "lib/log.h"

int
send_open(struct send *s, const struct settings *settings)
{
	struct d4_header header = { .version = settings->version };

	memset(s, 0, sizeof(*s));
	memcpy(header.uuid, settings->uuid, sizeof(header.uuid));
	s->snaplen = settings->snaplen;
	if ((s->mac = d4_mac_new()) != NULL)
		s->key = d4_mac_key_new(s->mac, settings->key,
		    settings->keylen);
	if (s->key != NULL)
		s->record = d4_record_new(&header, s->snaplen, s->mac, s->key);
	if (s->record == NULL) {
		d4_log_warnx("memory: not enough");
		return -1;
	}
	return 0;
}

static int
flush(struct send *s)
{
	const uint8_t *bytes;
	size_t len;

	if (d4_record_seal(s->record, (uint64_t)time(NULL)) == -1) {
		d4_log_warnx("stdout: the HMAC cannot be computed");
		return -1;
	}
	bytes = d4_record_bytes(s->record, &len);
	if (d4_io_write_full(STDOUT_FILENO, bytes, len, NULL) == -1) {
		d4_log_warn("stdout");
		return -1;
	}
	s->nrecords += d4_record_count(s->record);
	d4_record_clear(s->record);
	return 0;
}

int
send_bytes(struct send *s, uint8_t type, const void *data, size_t len)
{
	const uint8_t *at = data;

	do {
		size_t part = len < s->snaplen ? len : s->snaplen;

		if (d4_record_put(s->record, type, at, part) == -1) {
			if (flush(s) == -1)
				return -1;
			continue;
		}
		at += part;
		len -= part;
	} while (len > 0);
	return flush(s);
}

void
send_close(struct send *s)
{
	d4_record_free(s->record);
	d4_mac_key_free(s->key);
	d4_mac_free(s->mac);
}
