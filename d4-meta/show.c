/* SPDX-License-Identifier: ISC */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "d4-meta/session.h"
#include "d4-meta/show.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/meta-line.h"
#include "lib/meta.h"
#include "lib/type.h"
#include "lib/uuid.h"

#define WRITE_BYTES	((size_t)64 << 10)

struct show {
	struct session		 session;
	struct d4_meta_line	*line;
	bool			 broken;	/* stdout, which was said */
};

/* Writes what has been gathered. */
static int
flush(struct show *show)
{
	const char *bytes;
	size_t len;

	if ((bytes = d4_meta_line_bytes(show->line, &len)) == NULL) {
		d4_log_warnx("stdout: not enough memory");
		return -1;
	}
	if (show->broken)
		return -1;
	if (d4_io_write_full(STDOUT_FILENO, bytes, len, NULL) == -1) {
		d4_log_warn("stdout");
		show->broken = true;
		return -1;
	}
	d4_meta_line_clear(show->line);
	return 0;
}

static int
add_meta(struct show *show)
{
	char *text;

	if (show->session.meta == NULL)
		return 0;
	if ((text = d4_meta_text(show->session.meta)) == NULL) {
		d4_log_warnx("stdout: not enough memory");
		return -1;
	}
	d4_meta_line_json(show->line, "meta", text);
	free(text);
	return 0;
}

static void
add_fault(struct show *show, enum d4_refusal fault, const char *why)
{
	char words[256];

	if (fault == D4_OK)
		return;
	(void)snprintf(words, sizeof(words), "%s%s%s", d4_refusal_str(fault),
	    *why == '\0' ? "" : ": ", why);
	d4_meta_line_string(show->line, "fault", words);
}

static int
on_record(void *cookie, const struct stream_record *record)
{
	const struct d4_header *h = &record->header;
	struct show *show = cookie;
	struct session *session = &show->session;
	struct d4_meta_line *line = show->line;
	char uuid[D4_UUID_TEXT];
	size_t len;

	(void)session_take(session, h, record->payload);
	d4_uuid_text(uuid, h->uuid);
	d4_meta_line_uint(line, "offset", record->offset);
	d4_meta_line_uint(line, "session", session->number);
	d4_meta_line_uint(line, "version", h->version);
	d4_meta_line_uint(line, "type", h->type);
	d4_meta_line_string(line, "name", d4_type_get(h->type)->name);
	if (h->type == D4_TYPE_EXTENDED && session->metatype[0] != '\0')
		d4_meta_line_string(line, "metatype", session->metatype);
	d4_meta_line_string(line, "uuid", uuid);
	d4_meta_line_uint(line, "time", h->timestamp);
	d4_meta_line_uint(line, "size", h->size);
	d4_meta_line_string(line, "hmac", stream_hmac_str(record->hmac));
	if (add_meta(show) == -1)
		return -1;
	add_fault(show, session->fault, session->why);
	d4_meta_line_end(line);
	if (d4_meta_line_bytes(line, &len) == NULL || len >= WRITE_BYTES)
		return flush(show);
	return 0;
}

static int
on_drained(void *cookie)
{
	return flush(cookie);
}

/* What only the end shows. */
static int
finish(struct show *show, const struct stream *s)
{
	if (session_finish(&show->session)) {
		d4_meta_line_uint(show->line, "offset", s->nbytes);
		add_fault(show, show->session.fault, show->session.why);
		d4_meta_line_end(show->line);
	}
	if (s->end != D4_OK) {
		d4_meta_line_uint(show->line, "offset", s->end_offset);
		add_fault(show, s->end, "");
		d4_meta_line_end(show->line);
	}
	return flush(show);
}

int
show_run(struct stream *s)
{
	struct show *show;
	int rc = -1;

	if ((show = calloc(1, sizeof(*show))) == NULL ||
	    (show->line = d4_meta_line_new()) == NULL) {
		d4_log_warnx("memory: not enough");
		free(show);
		return -1;
	}
	s->on_record = on_record;
	s->on_drained = on_drained;
	s->cookie = show;
	rc = stream_run(s);
	if (finish(show, s) == -1)
		rc = -1;
	d4_meta_line_free(show->line);
	session_free(&show->session);
	free(show);
	return rc;
}
