/* SPDX-License-Identifier: ISC */

/*
 * The first byte picks what the rest is taken for: a meta header, text for a
 * line of JSON, figures in Prometheus text form, the payloads of a session, or
 * a line of ja3-jl.  Faults may be behind it (faults.h);
 * with a choice it comes again and again, until it is longer than may be.
 */

#define _GNU_SOURCE	/* memfd_create() */

#include <sys/mman.h>

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-meta/metrics.h"
#include "d4-meta/session.h"
#include "lib/meta-ja3.h"
#include "lib/meta-line.h"
#include "lib/meta.h"
#include "t/fuzz/faults.h"

/* Of jansson, whose header is meta's alone. */
void json_set_alloc_funcs(void *(*)(size_t), void (*)(void *));

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Memory that jansson writes in may fail; when it reads, an assertion of its
 * own does instead. */
static bool writes;

static void *
malloc_of_jansson(size_t n)
{
	bool were = faults_pause();
	void *p;

	faults_resume(were && writes);
	p = malloc(n);
	faults_resume(were);
	return p;
}

static char *
text_of(const struct d4_meta *meta)
{
	char *text;

	writes = true;
	text = d4_meta_text(meta);
	writes = false;
	return text;
}

/* A header that is taken has a canonical form that is its own, and the scanner
 * never says that it will be refused, however it is sliced. */
static void
take_header(const uint8_t *data, size_t len)
{
	struct d4_meta_scan scan = { .depth = 0 };
	struct d4_meta *meta, *again;
	enum d4_meta_state state;
	const char *why;
	char *text, *same;
	size_t half = len / 2;

	(void)d4_meta_is_value(data, len);
	(void)d4_meta_scan(&scan, data, half);
	state = d4_meta_scan(&scan, data + half, len - half);
	if ((meta = d4_meta_parse(data, len, &why)) == NULL) {
		assert(why != NULL && *why != '\0');
		return;
	}
	assert(why == NULL && state == D4_META_WHOLE);
	assert(d4_meta_line_is_utf8(data, len));
	assert(d4_meta_is_value(data, len) || faults_any());
	assert(d4_type_name_ok(d4_meta_type(meta),
	    strlen(d4_meta_type(meta))));
	assert(d4_meta_has(meta, "type"));
	assert(strcmp(d4_meta_string(meta, "type", ""),
	    d4_meta_type(meta)) == 0);
	assert(d4_meta_bool(meta, "type", 7) == 7);
	(void)d4_meta_bool(meta, "t", 0);
	if ((text = text_of(meta)) == NULL) {
		assert(faults_any());
		d4_meta_free(meta);
		return;
	}
	assert(strchr(text, '\n') == NULL);
	/* Numbers may grow in it: 1e9 is 1000000000.0. */
	again = d4_meta_parse(text, strlen(text), &why);
	assert(again != NULL || strlen(text) > len || faults_any());
	if (again != NULL) {
		same = text_of(again);
		assert(same != NULL ? strcmp(text, same) == 0 : faults_any());
		free(same);
	}
	free(text);
	d4_meta_free(again);
	d4_meta_free(meta);
}

/* Whatever text goes in, a line of JSON comes out. */
static void
take_text(const uint8_t *data, size_t len)
{
	struct d4_meta_line *line = d4_meta_line_new();
	char *text = malloc(len + 1);
	const char *bytes;
	size_t n;

	if (line == NULL || text == NULL) {
		assert(faults_any());
		free(text);
		d4_meta_line_free(line);
		return;
	}
	memcpy(text, data, len);
	text[len] = '\0';
	d4_meta_line_close(line);
	/* Each that finds no more room leaves no line at all. */
	for (n = 0; len > 100 && n < len - 100 && n < 40; n++)
		d4_meta_line_list(line, NULL);
	bytes = d4_meta_line_bytes(line, &n);
	assert((bytes == NULL) == (len >= 100 + D4_META_DEPTH) ||
	    faults_any());
	d4_meta_line_clear(line);
	d4_meta_line_end(line);
	bytes = d4_meta_line_bytes(line, &n);
	assert(bytes == NULL ? faults_any() : strcmp(bytes, "{}\n") == 0);
	d4_meta_line_clear(line);
	d4_meta_line_string(line, text, "key");
	d4_meta_line_list(line, "");
	d4_meta_line_string(line, NULL, text);
	d4_meta_line_int(line, NULL, (int64_t)len - 100);
	d4_meta_line_real(line, NULL, (double)len / 7, len % 40);
	d4_meta_line_real(line, NULL, (double)len / 0.0, 1);
	d4_meta_line_bool(line, NULL, len % 2 == 0);
	d4_meta_line_object(line, NULL);
	d4_meta_line_null(line, "null");
	d4_meta_line_json(line, "json", "[1]");
	d4_meta_line_close(line);
	d4_meta_line_end(line);
	bytes = d4_meta_line_bytes(line, &n);
	assert(bytes != NULL ? memchr(bytes, '\n', n) == bytes + n - 1 :
	    faults_any() && n == 0);
	assert(*text == '\0' || n > D4_META_MAX ||
	    d4_meta_is_value(bytes, n) || faults_any());
	free(text);
	d4_meta_line_free(line);
}

/* The same from a file. */
static void
take_metrics_file(const uint8_t *data, size_t len)
{
	int fd = memfd_create("metrics", MFD_CLOEXEC);
	const char *why = NULL;
	char name[64], *object;
	int64_t mtime;

	faults_off();
	assert(fd != -1 && write(fd, data, len) == (ssize_t)len);
	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	faults_on();
	object = metrics_read(name, &mtime, &why);
	assert(object != NULL || *why != '\0');
	assert(object == NULL || len <= METRICS_MAX || faults_any());
	free(object);
	(void)close(fd);
	assert(metrics_read("/nowhere", &mtime, &why) == NULL);
	assert(metrics_read("/", &mtime, &why) == NULL);
}

static void
take_metrics(const uint8_t *data, size_t len)
{
	const char *why;
	char *object = metrics_parse((const char *)data, len, &why);

	assert(object != NULL || *why != '\0');
	assert(object == NULL || strchr(object, '\n') == NULL);
	assert(object == NULL || d4_meta_is_value(object, strlen(object)) ||
	    faults_any());
	free(object);
	take_metrics_file(data, len);
}

/* Records of up to 15 bytes, or a thousand times those: type, length, payload.
 * A header that a session takes is one that the parser takes. */
static void
take_session(const uint8_t *data, size_t len)
{
	static const uint8_t types[] = { 2, 2, 2, 254 };
	static struct session session;
	static uint8_t payload[15 * 1000];
	struct d4_header h = { .version = 1 };
	const char *why;

	while (len > 0) {
		size_t part = data[0] & 15, n = 0;

		h.type = types[data[0] >> 4 & 3];
		h.uuid[0] = data[0] >> 6;
		h.uuid[6] = h.uuid[0] == 3 ? 0x10 : 0x40;
		h.uuid[8] = 0x80;
		data++;
		len--;
		if (part > len)
			part = len;
		do {
			memcpy(payload + n, data, part);
			n += part;
		} while (faults_choice() != 0 && part > 0 &&
		    n + part <= sizeof(payload));
		h.size = (uint32_t)n;
		(void)session_take(&session, &h, payload);
		if (session.meta != NULL) {
			struct d4_meta *meta = d4_meta_parse(session.text,
			    session.len, &why);

			assert(meta != NULL || faults_any());
			d4_meta_free(meta);
		}
		data += part;
		len -= part;
	}
	(void)session_finish(&session);
	session_free(&session);
	memset(&session, 0, offsetof(struct session, text));
}

static void
take_ja3(const char *text, size_t len)
{
	struct d4_meta_ja3 *line;
	const char *why = NULL, *bytes;
	size_t i, n;

	if ((line = d4_meta_ja3_parse(text, len, &why)) == NULL) {
		assert(why != NULL && *why != '\0');
		d4_meta_ja3_free(line);
		return;
	}
	assert(d4_meta_is_value(text, len) || faults_any());
	assert(d4_meta_ja3_timestamp(line, &n) != NULL && n <= len);
	for (i = 0; i < d4_meta_ja3_ncerts(line); i++) {
		bytes = d4_meta_ja3_cert(line, i, &n);
		assert(bytes != NULL && n <= len);
	}
	d4_meta_ja3_free(line);
}

static void
take(const uint8_t *data, size_t len, unsigned what)
{
	switch (what) {
	case 0:
		take_header(data, len);
		break;
	case 1:
		take_text(data, len);
		break;
	case 2:
		take_metrics(data, len);
		break;
	case 3:
		take_session(data, len);
		break;
	default:
		take_ja3((const char *)data, len);
		break;
	}
}

/* So much of it that it is too long for all. */
static void
take_long(const uint8_t *data, size_t len, unsigned what)
{
	static uint8_t text[D4_META_JA3_MAX + 1];
	size_t i;

	for (i = 0; i < sizeof(text); i++)
		text[i] = data[i % len];
	take(text, sizeof(text), what);
}

static void
once(const uint8_t *data, size_t len)
{
	json_set_alloc_funcs(malloc_of_jansson, free);
	if (len == 0)
		return;
	faults_on();
	if (faults_choice() != 0 && len > 1 && data[0] % 5 != 3)
		take_long(data + 1, len - 1, data[0] % 5);
	else
		take(data + 1, len - 1, data[0] % 5);
	faults_off();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	faults_run(data, len, once);
	return 0;
}
