/* SPDX-License-Identifier: ISC */

/*
 * A tail of d4-recv.  With an odd first byte the rest is the file; with an even
 * one it is bodies of frames, each a byte for what it is and one of length,
 * made a tail that is whole but for what bits of the first byte say of its
 * head.  Faults may be behind it (faults.h), and the choice is what else
 * becomes of one that is made: up to 63 so many bytes are cut off, up to 127
 * the byte so many before the end is another, from 128 on bodies are a thousand
 * times as long.
 */

#define _GNU_SOURCE	/* memfd_create() */

#include <sys/mman.h>

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/tail-log.h"
#include "t/fuzz/faults.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Of the first byte of one that is made. */
#define HAS_BOOT	2
#define WRONG_BOOT	4	/* its sum is another */
#define SECOND_MARK	8
#define OLDER_MARK	16	/* the second one is */
#define NO_COUNT	32	/* the second one's is 0 */
#define WRONG_HEAD	64
#define NO_BOOT		128	/* nor a sum of it */

static void
check_frame(const struct log_frame *f, uint64_t at)
{
	size_t i;

	assert(f->at == at && f->len <= LOG_BODY_MAX && f->whole <= f->end);
	switch (f->kind) {
	case LOG_ENTRIES:
		assert(f->len % LOG_ENTRY == 0);
		for (i = 0; i < f->len; i += LOG_ENTRY) {
			assert(log_entry_wire(f->body + i) < 1u << 24);
			(void)log_entry_flags(f->body + i);
		}
		break;
	case LOG_TAGS:
		assert(f->len % MATCH_TAG == 0);
		break;
	case LOG_FILE:
		assert(f->len > 0 && memchr(f->body, '\0', f->len) == NULL);
		break;
	case LOG_SETTLED:
		assert(f->len == 8 || f->len == 8 + LOG_PART);
		break;
	default:
		abort();
	}
}

/* Reads all of it; returns where the last frame that is right ends. */
static uint64_t
read_all(int fd, uint64_t size, size_t *n)
{
	uint8_t bytes[LOG_HEAD];
	struct log_reader r = { .buf = NULL };
	struct log_frame f;
	struct log_head head;
	uint64_t at = LOG_HEAD;
	bool torn;
	int rc;

	*n = 0;
	if (pread(fd, bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes) ||
	    log_get_head(&head, bytes) == -1)
		return 0;
	assert(head.mark_count > 0 || head.mark == 0);
	log_reader_begin(&r, fd, head.generation);
	while (faults_on(), (rc = log_read(&r, &f)) == 1) {
		faults_off();
		check_frame(&f, at);
		at += LOG_FRAME + f.len;
		assert(at <= size);
		(*n)++;
	}
	torn = log_is_torn(fd, at, size);
	faults_off();
	assert(rc == 0 || (rc == -1 && faults_any()));
	/* At the very end nothing is missing, and nothing is wrong. */
	assert(at != size || torn);
	log_reader_free(&r);
	return at;
}

static void
put(int fd, const void *bytes, size_t len, uint64_t at)
{
	assert(pwrite(fd, bytes, len, (off_t)at) == (ssize_t)len);
}

/* The head of one; the mark is behind it. */
static void
make_head(uint8_t bytes[LOG_HEAD], unsigned how)
{
	struct log_head head = { .generation = 2, .nfiles = 1 }, same;
	uint64_t count = (how & NO_COUNT) != 0 ? 0 :
	    (how & OLDER_MARK) != 0 ? 6 : 8;
	uint8_t entry[LOG_ENTRY];
	bool wrong = (how & WRONG_HEAD) != 0 ||
	    (how & (WRONG_BOOT | NO_BOOT)) == WRONG_BOOT;

	if ((how & HAS_BOOT) != 0)
		memset(head.boot, 7, sizeof(head.boot));
	log_put_head(bytes, &head);
	log_put_mark(bytes + log_mark_at(7), LOG_HEAD, 7);
	if ((how & SECOND_MARK) != 0)
		log_put_mark(bytes + log_mark_at(count), 1000, count);
	if ((how & WRONG_BOOT) != 0)
		bytes[LOG_BOOT_AT + 17] ^= 1;
	if ((how & NO_BOOT) != 0)
		memset(bytes + LOG_BOOT_AT, 0, LOG_BOOT);
	if ((how & WRONG_HEAD) != 0)
		bytes[44] ^= 1;
	assert((log_get_head(&same, bytes) == -1) == wrong);
	if (!wrong && (how & SECOND_MARK) != 0 && count > 0)
		assert(same.mark == (count == 8 ? 1000 : LOG_HEAD) &&
		    same.mark_before == (count == 8 ? LOG_HEAD : 1000));
	/* What is put is got. */
	log_put_entry(entry, head.boot, how << 8, (uint8_t)how);
	assert(log_entry_wire(entry) == how << 8);
	assert(log_entry_flags(entry) == (uint8_t)how);
}

/* Makes a tail; returns its length. */
static uint64_t
make(int fd, unsigned how, const uint8_t *data, size_t left)
{
	static const uint8_t zeros[UINT8_MAX * 1000];
	uint8_t bytes[LOG_HEAD], frame[LOG_FRAME];
	bool large = faults_choice() >= 128;
	struct log_frame f;
	uint64_t at = LOG_HEAD;
	size_t len;

	make_head(bytes, how);
	put(fd, bytes, sizeof(bytes), 0);
	while (left >= 2) {
		memset(&f, 0, sizeof(f));
		f.kind = (enum log_kind)((data[0] & 15) % 6);
		f.flags = data[0] >> 4;
		f.end = data[1] * 100u;
		f.whole = data[0];
		f.at = at;
		len = data[1] < left - 2 ? data[1] : left - 2;
		f.len = large ? len * 1000 : len;
		f.body = large ? zeros : data + 2;
		log_put_frame(frame, 2, &f);
		put(fd, frame, sizeof(frame), at);
		put(fd, f.body, f.len, at + LOG_FRAME);
		at += LOG_FRAME + f.len;
		data += 2 + len;
		left -= 2 + len;
	}
	return at;
}

/* Returns its length then. */
static uint64_t
damage(int fd, uint64_t size)
{
	unsigned n = faults_choice() % 64;
	uint8_t byte;

	if (faults_choice() < 64) {
		assert(ftruncate(fd, (off_t)(size - n)) == 0);
		return size - n;
	}
	if (faults_choice() < 128) {
		assert(pread(fd, &byte, 1, (off_t)(size - 1 - n)) == 1);
		byte ^= 0x80;
		put(fd, &byte, 1, size - 1 - n);
	}
	return size;
}

static void
once(const uint8_t *data, size_t len)
{
	uint64_t size;
	size_t n;
	int fd;

	if (len < 1)
		return;
	fd = memfd_create("fuzz", MFD_CLOEXEC);
	assert(fd != -1);
	size = len - 1;
	if (data[0] % 2 == 1)
		put(fd, data + 1, len - 1, 0);
	else
		size = damage(fd, make(fd, data[0], data + 1, len - 1));
	assert(read_all(fd, size, &n) <= size || size < LOG_HEAD);
	(void)close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	faults_run(data, len, once);
	return 0;
}
