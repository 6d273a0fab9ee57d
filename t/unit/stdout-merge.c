/* SPDX-License-Identifier: ISC */

/* Whatever is wrong with the files, what d4-stdout merges of them is
 * well-formed to its last byte: captures with bytes changed, cut out, doubled
 * and cut off at random. */

#include <string.h>
#include <unistd.h>

#include "d4-stdout/merge.h"
#include "lib/border.h"
#include "lib/bytes.h"
#include "lib/io.h"
#include "t/unit/scratch.h"
#include "t/unit/tap.h"

#define ROUNDS	400
#define FILES	6
#define MOST	20000

static uint32_t seed = 1;

static uint32_t
any(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

static size_t
make_pcap(uint8_t *p)
{
	static const uint32_t magics[] = {
		0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34
	};
	uint32_t magic = magics[any(3)], n, len;
	void (*put)(uint8_t *, uint32_t) = any(2) ? d4_put32be : d4_put32le;
	size_t at = 24;

	memset(p, 0, 24);
	put(p, magic);
	if (put == d4_put32be)
		p[5] = 2;
	else
		p[4] = 2;
	put(p + 16, 65535);
	put(p + 20, 1);
	for (n = any(40); n > 0; n--) {
		len = any(200);
		put(p + at, 1700000000 + n);
		put(p + at + 4, any(1000000));
		put(p + at + 8, len);
		put(p + at + 12, len);
		at += magic == 0xa1b2cd34 ? 24 : 16;
		memset(p + at, (int)n, len);
		at += len;
	}
	return at;
}

static size_t
put_block(uint8_t *p, uint32_t type, uint32_t body)
{
	memset(p, 0, 12 + body);
	d4_put32le(p, type);
	d4_put32le(p + 4, 12 + body);
	d4_put32le(p + 8 + body, 12 + body);
	return 12 + body;
}

static size_t
make_pcapng(uint8_t *p)
{
	size_t at = put_block(p, 0x0a0d0d0a, 16);
	uint32_t n;

	d4_put32le(p + 8, 0x1a2b3c4d);
	d4_put16le(p + 12, 1);
	at += put_block(p + at, 1, 8);
	for (n = any(40); n > 0; n--)
		at += put_block(p + at, 6, 20 + 4 * any(60));
	return at;
}

static size_t
damage(uint8_t *p, size_t len)
{
	size_t from = any((uint32_t)len), n = any((uint32_t)(len - from));

	switch (any(5)) {
	case 0:
		return from;
	case 1:
		p[from] = (uint8_t)any(256);
		return len;
	case 2:
		memmove(p + from, p + from + n, len - from - n);
		return len - n;
	case 3:
		memmove(p + from + n, p + from, len - from);
		return len + n;
	default:
		return len;
	}
}

/* Whether all of the file is whole units of the kind, or nothing. */
static bool
is_whole(int fd, enum d4_border_kind kind)
{
	static uint8_t buf[FILES * 2 * MOST];
	struct d4_border *b = d4_border_new(kind);
	ssize_t n = pread(fd, buf, sizeof(buf), 0);
	size_t border = 0;
	bool good;

	good = n == 0 || (n > 0 && d4_border_scan(b, buf, (size_t)n,
	    &border) == n && border == (size_t)n);
	d4_border_free(b);
	return good;
}

static bool
try_round(bool pcapng)
{
	static uint8_t file[2 * MOST];
	const char *path = scratch_path("out");
	FILE *f = fopen(path, "w+");
	struct output out;
	struct merge *m;
	bool good;
	int i;

	output_open(&out, fileno(f));
	m = merge_new(&out);
	for (i = 0; i < FILES; i++) {
		size_t len = pcapng ? make_pcapng(file) : make_pcap(file);
		struct d4_gz_in *in;
		enum merge_end end;

		/* The first says what the stream is. */
		if (i > 0)
			len = damage(file, len);
		in = d4_gz_in_memory(file, len);
		end = merge_file(m, in);
		d4_gz_in_close(in);
		if (end == MERGE_MISFIT)
			break;
	}
	good = is_whole(fileno(f), pcapng ? D4_BORDER_PCAPNG :
	    D4_BORDER_PCAP);
	merge_free(m);
	(void)fclose(f);
	return good;
}

int
main(void)
{
	int i, good[2] = { 0, 0 };

	if (scratch_make() == -1)
		return 1;
	for (i = 0; i < 2 * ROUNDS; i++)
		good[i % 2] += try_round(i % 2 == 1);
	is(good[0], ROUNDS, "damaged captures: every stream is well-formed");
	is(good[1], ROUNDS, "damaged pcapng: every stream is well-formed");
	scratch_remove();
	return tap_done();
}
