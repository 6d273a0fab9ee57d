/* SPDX-License-Identifier: ISC */

/*
 * Compressed bytes.  The first byte picks: the rest is a file, read from memory
 * and from a descriptor, in large and in small pieces, which gives the same; or
 * the rest is data, which comes back from what was made of it.  Faults may be
 * behind it (faults.h).
 */

#define _GNU_SOURCE	/* memfd_create() */

#include <sys/mman.h>

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/gz.h"
#include "t/fuzz/faults.h"
#include "t/fuzz/slow-file.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* What is read of a file at most: a bomb is no fault of the decoder's. */
#define MOST	(1u << 18)

struct pass {
	uint8_t		*out;
	size_t		 len;
	ssize_t		 end;		/* 0 or -1, 1: there is more */
	int		 err;
	enum d4_gz_kind	 kind;
};

static void
run(struct pass *p, struct d4_gz_in *in, size_t piece, size_t len)
{
	ssize_t n = 1;

	p->out = malloc(MOST + piece);
	assert(p->out != NULL);
	p->len = 0;
	p->kind = D4_GZ_PLAIN;
	p->end = p->err = 0;
	if (in == NULL) {
		assert(faults_any());
		return;
	}
	faults_on();
	while (p->len < MOST && ((n = d4_gz_in_read(in, p->out + p->len,
	    piece)) > 0 || (n == -1 && errno == EINTR))) {
		assert(n <= (ssize_t)piece);
		p->len += n == -1 ? 0 : (size_t)n;
	}
	faults_off();
	p->end = n > 0 ? 1 : n;
	p->err = n == -1 ? errno : 0;
	assert(n != -1 || *d4_gz_in_fault(in) != '\0');
	assert(n != -1 || p->err == EILSEQ || p->err == ENOTSUP ||
	    p->err == ENOMEM || faults_any());
	if (p->err == EILSEQ)
		assert(d4_gz_in_read(in, p->out, 1) == -1 && errno == EILSEQ);
	p->kind = d4_gz_in_kind(in);
	assert(d4_gz_in_taken(in) <= len);
	assert(p->end != 0 || d4_gz_in_taken(in) == len || faults_any());
	d4_gz_in_close(in);
}

static int
file_of(const void *data, size_t len)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	assert(fd != -1 && write(fd, data, len) == (ssize_t)len);
	assert(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

static void
check_same(const struct pass *p, const struct pass *q)
{
	/* Where a stream is damaged a small piece may end sooner. */
	size_t least = p->len < q->len ? p->len : q->len;

	if (faults_any())
		return;
	assert(memcmp(p->out, q->out, least) == 0);
	if (p->end == 1 || q->end == 1)
		return;
	assert(p->kind == q->kind);
	/* libzstd takes an empty last block for the end of a frame that says it
	 * is longer, unless it has room for all of that. */
	if (p->kind == D4_GZ_ZSTD)
		return;
	assert(p->end == q->end && (p->end != 0 || p->len == q->len));
}

static struct d4_gz_in *
open_memory(const uint8_t *data, size_t len)
{
	struct d4_gz_in *in;

	faults_on();
	in = d4_gz_in_memory(data, len);
	faults_off();
	return in;
}

static struct d4_gz_in *
open_file(int fd)
{
	struct d4_gz_in *in;

	faults_on();
	in = d4_gz_in_open(fd);
	faults_off();
	return in;
}

static void
take(const uint8_t *data, size_t len, size_t piece)
{
	struct pass memory, file, slow, small;
	size_t part = len / 100 + 1 + piece % 16;
	int fd = file_of(data, len), slow_fd;

	run(&memory, open_memory(data, len), 65536, len);
	run(&file, open_file(fd), 65536, len);
	slow_fd = slow_file(data, len, part);
	run(&slow, open_file(slow_fd), piece < part ? part : piece, len);
	run(&small, open_memory(data, len), piece, len);
	check_same(&memory, &file);
	check_same(&memory, &slow);
	check_same(&memory, &small);
	if (memory.kind == D4_GZ_PLAIN && memory.end == 0 && !faults_any())
		assert(memory.len == len && memcmp(memory.out, data,
		    len) == 0);
	free(memory.out);
	free(file.out);
	free(slow.out);
	free(small.out);
	(void)close(fd);
	(void)close(slow_fd);
}

/* 0; -1 when something failed, and no more than that. */
static int
compress(const uint8_t *data, size_t len, int in, int out,
    enum d4_gz_kind kind, int level)
{
	struct d4_gz_out *gz;
	int rc;

	if (level % 2 == 0)
		return d4_gz_copy(in, out, kind, level);
	if ((gz = d4_gz_out_open(out, kind, level)) == NULL)
		return -1;
	rc = d4_gz_out_write(gz, data, len / 2) == 0 &&
	    d4_gz_out_write(gz, data + len / 2, len - len / 2) == 0 &&
	    d4_gz_out_finish(gz) == 0 ? 0 : -1;
	d4_gz_out_close(gz);
	return rc;
}

static void
make(const uint8_t *data, size_t len, enum d4_gz_kind kind, int level)
{
	int in = file_of(data, len), out = memfd_create("out", MFD_CLOEXEC);
	struct pass p;
	bool cut;
	off_t n;
	int rc;

	assert(out != -1);
	faults_on();
	errno = 0;
	rc = compress(data, len, in, out, kind, level);
	faults_off();
	assert((rc == 0) == (d4_gz_has(kind) != 0) || faults_any());
	assert(rc == 0 || errno != 0);
	assert(*d4_gz_suffix(kind) == '\0' || *d4_gz_suffix(kind) == '.');
	n = lseek(out, 0, SEEK_END);
	assert(lseek(out, 0, SEEK_SET) == 0);
	/* Plain bytes may look like anything. */
	if (rc == 0 && kind != D4_GZ_PLAIN) {
		/* A file may have seemed to end before. */
		cut = faults_any();
		faults_forget();
		run(&p, d4_gz_in_open(out), 4096, (size_t)n);
		assert(p.end == 0 && p.kind == kind);
		assert(p.len == len || (cut && p.len < len));
		assert(memcmp(p.out, data, p.len) == 0);
		free(p.out);
	}
	(void)close(in);
	(void)close(out);
}

static void
once(const uint8_t *data, size_t len)
{
	if (len < 1)
		return;
	if (data[0] < 128)
		take(data + 1, len - 1, 1u + data[0]);
	else
		make(data + 1, len - 1, (enum d4_gz_kind)(data[0] % 3),
		    data[0] / 3 % 10);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	faults_run(data, len, once);
	return 0;
}
