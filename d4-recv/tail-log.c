/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/tail-log.h"
#include "lib/bytes.h"

#define MAGIC		"d4tail1\n"
#define CHUNK		((size_t)64 << 10)

/* A sum that tells bytes that are torn or stale, by accident and not by design,
 * from those that were written. */
static uint64_t
mix(uint64_t sum, const uint8_t *bytes, size_t len)
{
	uint64_t word;
	size_t i;

	for (; len > 0; bytes += 8, len -= 8) {
		if (len < 8) {
			for (word = len, i = 0; i < len; i++)
				word = word << 8 | bytes[i];
			len = 8;
		} else {
			word = d4_get64le(bytes);
		}
		sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		sum ^= sum >> 29;
	}
	return sum;
}

static uint64_t
sum_frame(uint64_t generation, uint64_t at, const uint8_t head[24],
    const uint8_t *body, size_t len)
{
	uint64_t sum;

	sum = mix(generation ^ at << 20 ^ UINT64_C(0x6434), head, 24);
	return mix(sum, body, len);
}

void
log_put_head(uint8_t p[LOG_HEAD], const struct log_head *h)
{
	memset(p, 0, LOG_HEAD);
	memcpy(p, MAGIC, 8);
	memcpy(p + 8, h->hello, sizeof(h->hello));
	d4_put64le(p + 40, h->generation);
	d4_put64le(p + 48, h->nfiles);
	d4_put64le(p + 56, h->lost);
	d4_put64le(p + 64, h->unmarked);
	d4_put64le(p + 72, mix(0, p, 72));
	memcpy(p + LOG_BOOT_AT, h->boot, sizeof(h->boot));
	d4_put64le(p + LOG_BOOT_AT + 16, mix(2, h->boot, 16));
}

int
log_get_head(struct log_head *h, const uint8_t p[LOG_HEAD])
{
	static const uint8_t none[LOG_BOOT];
	const uint8_t *mark = p + LOG_MARKS_AT, *boot = p + LOG_BOOT_AT;
	int i;

	if (memcmp(p, MAGIC, 8) != 0 || d4_get64le(p + 72) != mix(0, p, 72))
		return -1;
	if (memcmp(boot, none, LOG_BOOT) != 0 &&
	    d4_get64le(boot + 16) != mix(2, boot, 16))
		return -1;
	memcpy(h->hello, p + 8, sizeof(h->hello));
	h->generation = d4_get64le(p + 40);
	h->nfiles = d4_get64le(p + 48);
	h->lost = d4_get64le(p + 56);
	h->unmarked = d4_get64le(p + 64) == 1;
	memcpy(h->boot, boot, sizeof(h->boot));
	h->mark = h->mark_count = h->mark_before = 0;
	for (i = 0; i < 2; i++, mark += LOG_MARK) {
		if (d4_get64le(mark + 16) != mix(1, mark, 16) ||
		    d4_get64le(mark + 8) == 0)
			continue;
		if (d4_get64le(mark + 8) <= h->mark_count) {
			h->mark_before = d4_get64le(mark);
			continue;
		}
		h->mark_before = h->mark;
		h->mark = d4_get64le(mark);
		h->mark_count = d4_get64le(mark + 8);
	}
	return 0;
}

void
log_put_mark(uint8_t p[LOG_MARK], uint64_t mark, uint64_t count)
{
	d4_put64le(p, mark);
	d4_put64le(p + 8, count);
	d4_put64le(p + 16, mix(1, p, 16));
}

size_t
log_mark_at(uint64_t count)
{
	return LOG_MARKS_AT + (size_t)(count % 2) * LOG_MARK;
}

void
log_put_frame(uint8_t p[LOG_FRAME], uint64_t generation,
    const struct log_frame *f)
{
	memset(p, 0, LOG_FRAME);
	p[0] = (uint8_t)f->kind;
	p[1] = f->flags;
	d4_put32le(p + 4, (uint32_t)f->len);
	d4_put64le(p + 8, f->end);
	d4_put64le(p + 16, f->whole);
	d4_put64le(p + 24, sum_frame(generation, f->at, p, f->body, f->len));
}

void
log_put_entry(uint8_t p[LOG_ENTRY], const uint8_t tag[MATCH_TAG],
    uint32_t wire, uint8_t flags)
{
	memcpy(p, tag, MATCH_TAG);
	d4_put32le(p + MATCH_TAG, wire | (uint32_t)flags << 24);
}

uint32_t
log_entry_wire(const uint8_t p[LOG_ENTRY])
{
	return d4_get32le(p + MATCH_TAG) & 0xffffff;
}

uint8_t
log_entry_flags(const uint8_t p[LOG_ENTRY])
{
	return (uint8_t)(d4_get32le(p + MATCH_TAG) >> 24);
}

/* -- reading --------------------------------------------------------------- */

void
log_reader_begin(struct log_reader *r, int fd, uint64_t generation)
{
	r->fd = fd;
	r->generation = generation;
	r->at = r->from = LOG_HEAD;
	r->len = 0;
}

void
log_reader_free(struct log_reader *r)
{
	free(r->buf);
	memset(r, 0, sizeof(*r));
}

/* Has n bytes from r->at on in the buffer.  1, 0 when there are fewer, -1. */
static int
have(struct log_reader *r, size_t n)
{
	size_t skip = (size_t)(r->at - r->from);
	size_t want = n < CHUNK ? CHUNK : n;
	uint8_t *buf;
	ssize_t got;

	if (r->len - skip >= n)
		return 1;
	r->len -= skip;
	if (r->buf != NULL)
		memmove(r->buf, r->buf + skip, r->len);
	r->from = r->at;
	if ((buf = realloc(r->buf, want)) == NULL)
		return -1;
	r->buf = buf;
	while (r->len < want) {
		got = pread(r->fd, r->buf + r->len, want - r->len,
		    (off_t)(r->from + r->len));
		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			return -1;
		if (got == 0)
			break;
		r->len += (size_t)got;
	}
	return r->len >= n;
}

static bool
is_sound(const struct log_frame *f)
{
	if (f->whole > f->end)
		return false;
	switch (f->kind) {
	case LOG_ENTRIES:
		return f->len > 0 && f->len % LOG_ENTRY == 0;
	case LOG_TAGS:
		return f->len % MATCH_TAG == 0;
	case LOG_FILE:
		return f->len > 0 && memchr(f->body, '\0', f->len) == NULL;
	case LOG_SETTLED:
		return f->len == 8 || f->len == 8 + LOG_PART;
	}
	return false;
}

int
log_read(struct log_reader *r, struct log_frame *f)
{
	const uint8_t *p;
	int rc;

	if ((rc = have(r, LOG_FRAME)) != 1)
		return rc;
	p = r->buf + (r->at - r->from);
	f->len = d4_get32le(p + 4);
	if (f->len > LOG_BODY_MAX)
		return 0;
	if ((rc = have(r, LOG_FRAME + f->len)) != 1)
		return rc;
	p = r->buf + (r->at - r->from);
	f->kind = p[0];
	f->flags = p[1];
	f->at = r->at;
	f->end = d4_get64le(p + 8);
	f->whole = d4_get64le(p + 16);
	f->body = p + LOG_FRAME;
	if (d4_get64le(p + 24) != sum_frame(r->generation, f->at, p, f->body,
	    f->len) || !is_sound(f))
		return 0;
	r->at += LOG_FRAME + f->len;
	return 1;
}

bool
log_is_torn(int fd, uint64_t at, uint64_t size)
{
	uint8_t p[LOG_FRAME];
	uint64_t left = size - at;

	if (left < LOG_FRAME)
		return true;
	if (pread(fd, p, sizeof(p), (off_t)at) != LOG_FRAME)
		return false;
	return d4_get32le(p + 4) <= LOG_BODY_MAX &&
	    left < LOG_FRAME + d4_get32le(p + 4);
}
