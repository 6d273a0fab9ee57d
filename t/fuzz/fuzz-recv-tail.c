/* SPDX-License-Identifier: ISC */

/*
 * A tail of d4-recv.  With an odd first byte the rest is the file; with an even
 * one it is bodies of frames, each a byte for what it is and one of length,
 * made a tail that is whole.
 */

#define _GNU_SOURCE	/* memfd_create() */

#include <sys/mman.h>

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/tail-log.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Reads all of it; returns where the last frame that is right ends. */
static uint64_t
read_all(int fd, uint64_t size, size_t *n)
{
	uint8_t bytes[LOG_HEAD];
	struct log_reader r = { .buf = NULL };
	struct log_frame f;
	struct log_head head;
	uint64_t at = LOG_HEAD;
	size_t i;
	int rc;

	*n = 0;
	if (pread(fd, bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes) ||
	    log_get_head(&head, bytes) == -1)
		return 0;
	log_reader_begin(&r, fd, head.generation);
	while ((rc = log_read(&r, &f)) == 1) {
		assert(f.at == at && f.len <= LOG_BODY_MAX);
		assert(f.whole <= f.end);
		assert(f.kind >= LOG_ENTRIES && f.kind <= LOG_SETTLED);
		at += LOG_FRAME + f.len;
		assert(at <= size);
		for (i = 0; f.kind <= LOG_TAGS && i + LOG_ENTRY <= f.len;
		    i += LOG_ENTRY)
			assert(log_entry_wire(f.body + i) < 1u << 24);
		(*n)++;
	}
	assert(rc == 0);
	log_reader_free(&r);
	(void)log_is_torn(fd, at, size);
	return at;
}

static void
put(int fd, const void *bytes, size_t len, uint64_t at)
{
	assert(pwrite(fd, bytes, len, (off_t)at) == (ssize_t)len);
}

/* Makes a tail; returns its length. */
static uint64_t
make(int fd, const uint8_t *data, size_t left)
{
	struct log_head head = { .generation = 2, .nfiles = 1 };
	uint8_t bytes[LOG_HEAD], frame[LOG_FRAME];
	struct log_frame f;
	uint64_t at = LOG_HEAD;

	log_put_head(bytes, &head);
	log_put_mark(bytes + log_mark_at(left), at, left);
	put(fd, bytes, sizeof(bytes), 0);
	while (left >= 2) {
		memset(&f, 0, sizeof(f));
		f.kind = (enum log_kind)(data[0] % 6);
		f.flags = data[0] >> 4;
		f.end = data[1] * 100u;
		f.whole = data[0];
		f.at = at;
		f.len = data[1] < left - 2 ? data[1] : left - 2;
		f.body = data + 2;
		log_put_frame(frame, head.generation, &f);
		put(fd, frame, sizeof(frame), at);
		put(fd, f.body, f.len, at + LOG_FRAME);
		at += LOG_FRAME + f.len;
		data += 2 + f.len;
		left -= 2 + f.len;
	}
	return at;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	uint64_t size = len - 1;
	size_t n;

	assert(fd != -1);
	if (len >= 1) {
		if (data[0] % 2 == 1)
			put(fd, data + 1, len - 1, 0);
		else
			size = make(fd, data + 1, len - 1);
		assert(read_all(fd, size, &n) <= size ||
		    size < LOG_HEAD);
	}
	(void)close(fd);
	return 0;
}
