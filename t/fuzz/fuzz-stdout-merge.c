/* SPDX-License-Identifier: ISC */

/*
 * Files that become one stream: each two bytes of length, little-endian, and
 * its content; read at once and a few bytes at a time.  What comes out of pcap
 * and pcapng is well-formed, whatever went in.  Faults may be behind them
 * (faults.h), of the files and of the output.
 */

#define _GNU_SOURCE	/* memfd_create() */

#include <sys/mman.h>

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-stdout/merge.h"
#include "d4-stdout/pcap.h"
#include "lib/border.h"
#include "t/fuzz/faults.h"
#include "t/fuzz/slow-file.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct pass {
	uint8_t		*out;
	size_t		 len;
	bool		 refused;	/* some file was, in part or wholly */
	bool		 broken;	/* the output is */
};

static void
add(struct pass *p, struct merge *m, const uint8_t *data, size_t len,
    bool slow)
{
	int fd = slow ? slow_file(data, len, len / 100 + 1 + len % 8) : -1;
	struct d4_gz_in *in = slow ? d4_gz_in_open(fd) :
	    d4_gz_in_memory(data, len);
	enum merge_end end;

	assert(in != NULL);
	faults_on();
	end = merge_file(m, in);
	faults_off();
	assert(end != MERGE_OUTPUT || faults_any());
	assert(end == MERGE_DONE || end == MERGE_OUTPUT ||
	    *merge_why(m) != '\0');
	p->refused = p->refused || end != MERGE_DONE;
	p->broken = end == MERGE_OUTPUT;
	d4_gz_in_close(in);
	if (fd != -1)
		(void)close(fd);
}

static void
run(struct pass *p, const uint8_t *data, size_t left, bool slow)
{
	int fd = memfd_create("out", MFD_CLOEXEC);
	struct output out;
	struct merge *m;
	size_t len;

	assert(fd != -1);
	output_open(&out, fd);
	faults_on();
	m = merge_new(&out);
	faults_off();
	assert(m != NULL || faults_any());
	p->refused = p->broken = m == NULL;
	while (left >= 2 && !p->broken) {
		len = (size_t)(data[0] | data[1] << 8);
		data += 2;
		left -= 2;
		if (len > left)
			len = left;
		output_begin(&out);
		add(p, m, data, len, slow);
		data += len;
		left -= len;
	}
	p->len = (size_t)out.bytes;
	p->out = malloc(p->len + 1);
	assert(p->out != NULL);
	assert(pread(fd, p->out, p->len, 0) == (ssize_t)p->len);
	merge_free(m);
	(void)close(fd);
}

/* A stream that begins as a capture is one to its end, and has one header. */
static void
check(const struct pass *p)
{
	enum d4_border_kind kind;
	struct d4_border *b;
	size_t border;

	/* What was written of it is an end of its own. */
	if (p->len < 4 || p->broken)
		return;
	if (pcap_is(p->out))
		kind = D4_BORDER_PCAP;
	else if (memcmp(p->out, "\x0a\x0d\x0d\x0a", 4) == 0)
		kind = D4_BORDER_PCAPNG;
	else
		return;
	b = d4_border_new(kind);
	assert(b != NULL);
	if (d4_border_scan(b, p->out, p->len, &border) != (ptrdiff_t)p->len)
		assert(border == 0);	/* other data with such a beginning */
	else
		assert(border == p->len || border == 0);
	d4_border_free(b);
}

static void
once(const uint8_t *data, size_t len)
{
	struct pass fast, slow;

	run(&fast, data, len, false);
	run(&slow, data, len, true);
	check(&fast);
	check(&slow);
	/* Of compressed data that is damaged more or less comes before. */
	if (!fast.refused && !slow.refused && !faults_any())
		assert(fast.len == slow.len &&
		    memcmp(fast.out, slow.out, fast.len) == 0);
	assert(fast.refused == slow.refused || faults_any());
	free(fast.out);
	free(slow.out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	faults_run(data, len, once);
	return 0;
}
