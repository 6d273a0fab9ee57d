/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4/spool-form.h"
#include "lib/bytes.h"
#include "lib/header.h"
#include "lib/sum.h"

#define MAGIC		"d4spool1"
#define SUFFIX		".seg"
#define SUM_AT		56
#define READ_BYTES	((size_t)256 << 10)

void
form_segment_name(char name[DISK_NAME], uint64_t number)
{
	(void)snprintf(name, DISK_NAME, "%016llx" SUFFIX,
	    (unsigned long long)number);
}

bool
form_segment_number(const char *name, uint64_t *number)
{
	char again[DISK_NAME];

	*number = strtoull(name, NULL, 16);
	form_segment_name(again, *number);
	return strcmp(name, again) == 0;
}

void
form_put_segment(uint8_t p[FORM_HEAD], const struct form_segment *s,
    const uint8_t *preamble)
{
	uint64_t sum;

	memcpy(p, MAGIC, 8);
	d4_put64le(p + 8, s->stream);
	d4_put64le(p + 16, s->number);
	d4_put64le(p + 24, s->pos);
	d4_put64le(p + 32, s->data);
	d4_put64le(p + 40, s->second);
	d4_put32le(p + 48, s->preamble);
	d4_put32le(p + 52, 0);
	sum = d4_sum_add(0, p, SUM_AT);
	d4_put64le(p + SUM_AT, d4_sum_add(sum, preamble, s->preamble));
}

/* 1, 0 when the file ends before, -1 with errno. */
static int
read_at(int fd, uint8_t *bytes, size_t len, uint64_t at)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = pread(fd, bytes + done, len - done, (off_t)(at + done));
		if (n == 0)
			return 0;
		if (n == -1 && errno != EINTR)
			return -1;
		if (n > 0)
			done += (size_t)n;
	}
	return 1;
}

int
form_get_segment(struct form_segment *s, const struct disk_file *f,
    uint8_t **preamble)
{
	uint8_t p[FORM_HEAD];
	uint64_t sum;
	int rc;

	*preamble = NULL;
	if ((rc = read_at(f->fd, p, sizeof(p), 0)) != 1)
		return rc;
	s->stream = d4_get64le(p + 8);
	s->number = d4_get64le(p + 16);
	s->pos = d4_get64le(p + 24);
	s->data = d4_get64le(p + 32);
	s->second = d4_get64le(p + 40);
	s->preamble = d4_get32le(p + 48);
	if (memcmp(p, MAGIC, 8) != 0 || s->preamble > FORM_PREAMBLE_MAX)
		return 0;
	if (s->preamble > 0) {
		if ((*preamble = malloc(s->preamble)) == NULL)
			return -1;
		rc = read_at(f->fd, *preamble, s->preamble, FORM_HEAD);
	}
	sum = d4_sum_add(0, p, SUM_AT);
	if (rc == 1 && d4_get64le(p + SUM_AT) != d4_sum_add(sum, *preamble,
	    s->preamble))
		rc = 0;
	if (rc != 1) {
		free(*preamble);
		*preamble = NULL;
	}
	return rc;
}

static uint64_t
sum_frame(const struct form_segment *s, uint64_t at,
    const uint8_t p[FORM_FRAME], const uint8_t *record, size_t len)
{
	uint64_t sum = d4_sum_add(s->stream ^ s->number << 40 ^ at, p, 8);

	return d4_sum_add(sum, record, len);
}

void
form_put_frame(uint8_t p[FORM_FRAME], const struct form_segment *s,
    uint64_t at, uint32_t flags, const uint8_t *record, size_t len)
{
	d4_put32le(p, (uint32_t)len);
	d4_put32le(p + 4, flags);
	d4_put64le(p + 8, sum_frame(s, at, p, record, len));
}

size_t
form_payloads(uint8_t *to, const uint8_t *records, size_t len)
{
	size_t at, n, done = 0;

	for (at = 0; at < len; at += D4_HEADER_LEN + n) {
		n = d4_get32le(records + at + D4_SIZE_AT);
		memcpy(to + done, records + at + D4_HEADER_LEN, n);
		done += n;
	}
	return done;
}

void
form_reader_begin(struct form_reader *r, const struct disk_file *file,
    const struct form_segment *s)
{
	memset(r, 0, sizeof(*r));
	r->file = file;
	r->segment = *s;
	r->at = r->from = FORM_HEAD + (uint64_t)s->preamble;
}

void
form_reader_free(struct form_reader *r)
{
	free(r->buf);
	r->buf = NULL;
	r->cap = r->len = 0;
}

/* Has len bytes of the place where it is, of those before end. */
static int
have(struct form_reader *r, size_t len, uint64_t end)
{
	size_t skip = (size_t)(r->at - r->from), want;
	ssize_t n;

	if (end < r->at || end - r->at < len)
		return 0;
	if (r->len - skip >= len)
		return 1;
	if (skip > 0)
		memmove(r->buf, r->buf + skip, r->len - skip);
	r->from = r->at;
	r->len -= skip;
	want = len > READ_BYTES ? len : READ_BYTES;
	if (r->cap < want) {
		uint8_t *buf = realloc(r->buf, want);

		if (buf == NULL)
			return -1;
		r->buf = buf;
		r->cap = want;
	}
	while (r->len < len) {
		want = r->cap - r->len;
		if (want > end - r->from - r->len)
			want = (size_t)(end - r->from - r->len);
		n = pread(r->file->fd, r->buf + r->len, want,
		    (off_t)(r->from + r->len));
		if (n == 0)
			return 0;
		if (n == -1 && errno != EINTR)
			return -1;
		if (n > 0)
			r->len += (size_t)n;
	}
	return 1;
}

int
form_read(struct form_reader *r, uint64_t end, struct form_frame *f)
{
	const uint8_t *p;
	size_t len;
	int rc;

	if ((rc = have(r, FORM_FRAME, end)) != 1)
		return rc;
	len = d4_get32le(r->buf + (r->at - r->from));
	if (len < D4_HEADER_LEN || len > D4_HEADER_LEN + D4_PAYLOAD_MAX)
		return 0;
	if ((rc = have(r, FORM_FRAME + len, end)) != 1)
		return rc;
	p = r->buf + (r->at - r->from);
	f->record = p + FORM_FRAME;
	f->len = len;
	f->flags = d4_get32le(p + 4);
	f->at = r->at;
	if (d4_get64le(p + 8) != sum_frame(&r->segment, r->at, p, f->record,
	    len) || d4_get32le(f->record + D4_SIZE_AT) + D4_HEADER_LEN != len)
		return 0;
	r->at += FORM_FRAME + len;
	return 1;
}
