/* SPDX-License-Identifier: ISC */

/*
 * A segment of d4's spool.  With an odd first byte the rest is the file; with
 * an even one it is a preamble (a byte of length before it) and records (two
 * bytes, little-endian, of their payload's length, which none follows from
 * 32768 on), made a segment that is whole, of which the byte so far into it as
 * the second one says is then turned.  Faults may be behind it (faults.h).
 */

#define _GNU_SOURCE	/* memfd_create() */

#include <sys/mman.h>

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4/spool-form.h"
#include "lib/bytes.h"
#include "lib/header.h"
#include "t/fuzz/faults.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define BLANK	0x8000	/* a payload so long is zeros, not of the input */

/* Reads all of it; returns how many frames were right.  No frame overlaps
 * another, and each is a record of the length that its header says. */
static size_t
read_all(const struct disk_file *file, uint64_t end)
{
	static uint8_t payload[D4_PAYLOAD_MAX];
	struct form_segment segment;
	struct form_reader r;
	struct form_frame f;
	struct d4_header h;
	uint8_t *preamble;
	uint64_t at;
	size_t n = 0;
	int rc;

	faults_on();
	rc = form_get_segment(&segment, file, &preamble);
	faults_off();
	assert(rc == 0 || rc == 1 || (rc == -1 && faults_any()));
	assert(preamble == NULL || segment.preamble > 0);
	if (rc != 1) {
		assert(preamble == NULL);
		return 0;
	}
	form_reader_begin(&r, file, &segment);
	at = FORM_HEAD + (uint64_t)segment.preamble;
	while (faults_on(), (rc = form_read(&r, end, &f)) == 1) {
		faults_off();
		assert(f.at == at && f.len >= D4_HEADER_LEN);
		at += FORM_FRAME + f.len;
		assert(at <= end);
		d4_header_decode(&h, f.record);
		assert(h.size == f.len - D4_HEADER_LEN);
		assert(form_payloads(payload, f.record, f.len) == h.size);
		n++;
	}
	faults_off();
	assert(rc == 0 || (rc == -1 && faults_any()));
	/* It is cut off: nothing stands there any more. */
	assert(form_read(&r, at - 1, &f) == 0);
	form_reader_free(&r);
	free(preamble);
	return n;
}

static size_t
put(const struct disk_file *file, const void *bytes, size_t len, size_t at)
{
	assert(pwrite(file->fd, bytes, len, (off_t)at) == (ssize_t)len);
	return at + len;
}

/* Makes a segment; returns its length and how many records it has. */
static size_t
make(const struct disk_file *file, const uint8_t *data, size_t left, size_t *n)
{
	struct form_segment segment = { .stream = 7, .number = 3, .pos = 100,
	    .data = 38, .second = 1700000000 };
	static uint8_t record[D4_HEADER_LEN + UINT16_MAX];
	uint8_t head[FORM_HEAD], frame[FORM_FRAME];
	size_t at, len, given;

	segment.preamble = left > 0 && data[0] < left ? data[0] : 0;
	form_put_segment(head, &segment, data + 1);
	at = put(file, head, sizeof(head), 0);
	at = put(file, data + 1, segment.preamble, at);
	len = left > 0 ? 1 + (size_t)segment.preamble : 0;
	data += len;
	left -= len;
	for (*n = 0; left >= 2; (*n)++) {
		len = d4_get16le(data);
		given = len < left - 2 ? len : left - 2;
		if (len < BLANK)
			len = given;
		else
			given = 0;
		memset(record, (int)*n, D4_HEADER_LEN + len);
		d4_put32le(record + D4_SIZE_AT, (uint32_t)len);
		memcpy(record + D4_HEADER_LEN, data + 2, given);
		form_put_frame(frame, &segment, at, (uint32_t)*n, record,
		    D4_HEADER_LEN + len);
		at = put(file, frame, sizeof(frame), at);
		at = put(file, record, D4_HEADER_LEN + len, at);
		data += 2 + given;
		left -= 2 + given;
	}
	return at;
}

/* One byte that is another: nothing behind it is taken. */
static void
damage(const struct disk_file *file, size_t len, size_t at, size_t n)
{
	uint8_t byte;

	assert(pread(file->fd, &byte, 1, (off_t)at) == 1);
	byte ^= 0x40;
	(void)put(file, &byte, 1, at);
	/* Four bytes of the head are for later and count for nothing. */
	assert(n == 0 || read_all(file, len) < n);
}

static void
once(const uint8_t *data, size_t len)
{
	struct disk_file file = { .name = "fuzz" };
	uint64_t number;
	char name[DISK_NAME], text[DISK_NAME];
	size_t n, end;

	if (len < 2)
		return;
	file.fd = memfd_create("fuzz", MFD_CLOEXEC);
	assert(file.fd != -1);
	if (data[0] % 2 == 1) {
		(void)put(&file, data + 1, len - 1, 0);
		(void)read_all(&file, len - 1);
	} else {
		end = make(&file, data + 2, len - 2, &n);
		assert(read_all(&file, end) == n || faults_any());
		damage(&file, end, data[1] * end / 256, n);
	}
	(void)close(file.fd);
	n = len < sizeof(text) ? len - 1 : sizeof(text) - 1;
	memcpy(text, data + 1, n);
	text[n] = '\0';
	if (form_segment_number(text, &number)) {
		form_segment_name(name, number);
		assert(strcmp(name, text) == 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	faults_run(data, len, once);
	return 0;
}
