/* SPDX-License-Identifier: ISC */
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/gz-engine.h"
#include "lib/gz.h"
#include "t/unit/scratch.h"
#include "t/unit/tap.h"

#define BIG	(3u << 20)

static const char *const names[] = { "plain", "gzip", "Zstandard" };
static uint8_t *data;		/* BIG bytes, half of them random */

static void
make_data(void)
{
	uint32_t x = 1;
	size_t i;

	if ((data = malloc(BIG)) == NULL)
		abort();
	for (i = 0; i < BIG; i++) {
		x = x * 1103515245 + 12345;
		data[i] = (i & 4096) != 0 ? (uint8_t)(x >> 24) :
		    (uint8_t)("abcdefgh"[i % 8]);
	}
}

/* A file in memory. */
struct file {
	uint8_t	*p;
	size_t	 len;
};

static struct file
slurp(int fd)
{
	struct file f = { .len = (size_t)lseek(fd, 0, SEEK_END) };

	if ((f.p = malloc(f.len + 1)) == NULL ||
	    pread(fd, f.p, f.len, 0) != (ssize_t)f.len)
		abort();
	return f;
}

static int
scratch_open(void)
{
	int fd = open(scratch_path("file"), O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd == -1)
		abort();
	return fd;
}

static struct file
packed(enum d4_gz_kind kind, int level, size_t len, size_t step)
{
	int fd = scratch_open();
	struct d4_gz_out *g = d4_gz_out_open(fd, kind, level);
	struct file f;
	size_t at;

	if (g == NULL)
		abort();
	for (at = 0; at < len; at += step) {
		if (d4_gz_out_write(g, data + at, step < len - at ? step :
		    len - at) == -1)
			abort();
	}
	if (d4_gz_out_finish(g) == -1)
		abort();
	d4_gz_out_close(g);
	f = slurp(fd);
	(void)close(fd);
	return f;
}

/* Reads all of it, step bytes at a time.  Returns the length, -1 and errno for
 * a fault, -2 when it is not as data begins. */
static long
unpack(struct d4_gz_in *g, size_t step)
{
	static uint8_t buf[1u << 16];
	bool same = true;
	size_t len = 0;
	ssize_t n;

	while ((n = d4_gz_in_read(g, buf, step)) > 0) {
		same &= len + (size_t)n <= BIG &&
		    memcmp(buf, data + len, (size_t)n) == 0;
		len += (size_t)n;
	}
	return n == -1 ? -1 : same ? (long)len : -2;
}

static long
unpack_memory(const uint8_t *p, size_t len, size_t step)
{
	struct d4_gz_in *g = d4_gz_in_memory(p, len);
	long n = unpack(g, step);
	int saved = errno;

	d4_gz_in_close(g);
	errno = saved;
	return n;
}

static void
test_round(enum d4_gz_kind kind)
{
	static const size_t sizes[] = { 0, 1, 3, 4, 4097, 300000, BIG };
	static const size_t steps[] = { 1, 7, 65536 };
	size_t i, j;

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct file f = packed(kind, 0, sizes[i],
		    sizes[i] > 5000 ? 50001 : 1);
		bool good = true;

		for (j = sizes[i] == BIG; j < 3; j++)
			good &= unpack_memory(f.p, f.len, steps[j]) ==
			    (long)sizes[i];
		ok(good, "%s of %zu bytes comes back", names[kind], sizes[i]);
		free(f.p);
	}
}

static void
test_levels(enum d4_gz_kind kind)
{
	size_t first = 0, last = 0;
	int level;

	for (level = 1; level <= 9; level++) {
		struct file f = packed(kind, level, 300000, 300000);

		is(unpack_memory(f.p, f.len, 65536), 300000, "%s, level %d",
		    names[kind], level);
		if (level == 1)
			first = f.len;
		last = f.len;
		free(f.p);
	}
	ok(last <= first && last < 300000, "the last is the smallest");
}

/* The file is read by its descriptor from where that stands. */
static void
test_descriptor(enum d4_gz_kind kind)
{
	int in = open(scratch_path("in"), O_RDWR | O_CREAT | O_TRUNC, 0600);
	int out = scratch_open();
	struct d4_gz_in *g;
	uint8_t first;
	off_t size;

	if (in == -1 || write(in, "x", 1) != 1 ||
	    write(in, data, BIG) != (ssize_t)BIG || lseek(in, 1, SEEK_SET) != 1)
		abort();
	is(d4_gz_copy(in, out, kind, 1), 0, "%s: one file into another",
	    names[kind]);
	size = lseek(out, 0, SEEK_END);
	(void)lseek(out, 0, SEEK_SET);
	g = d4_gz_in_open(out);
	is(d4_gz_in_read(g, &first, 1), 1, "a byte of it");
	is(d4_gz_in_kind(g), kind, "tells what it is");
	ok(first == data[0] && d4_gz_in_taken(g) < (uint64_t)size,
	    "not all is taken");
	d4_gz_in_close(g);
	(void)lseek(out, 0, SEEK_SET);
	g = d4_gz_in_open(out);
	is(unpack(g, 65536), BIG, "all of it");
	is(d4_gz_in_taken(g), size, "all is taken");
	d4_gz_in_close(g);
	(void)close(in);
	(void)close(out);
}

static void
test_members(enum d4_gz_kind kind)
{
	struct file a = packed(kind, 0, 4096, 4096);
	uint8_t *p = calloc(1, a.len + 600000);
	int fd = scratch_open();
	struct d4_gz_out *g = d4_gz_out_open(fd, kind, 0);
	struct file b;

	if (d4_gz_out_write(g, data + 4096, 4096) == -1 ||
	    d4_gz_out_finish(g) == -1)
		abort();
	d4_gz_out_close(g);
	b = slurp(fd);
	(void)close(fd);
	memcpy(p, a.p, a.len);
	memcpy(p + a.len, b.p, b.len);
	is(unpack_memory(p, a.len + b.len, 100), 8192, "%s: two in a row",
	    names[kind]);
	memset(p + a.len, 0, b.len);
	is(unpack_memory(p, a.len + 500000, 65536), 4096, "zeros behind it");
	p[a.len + 400000] = 1;
	ok(unpack_memory(p, a.len + 500000, 65536) == -1 && errno == EILSEQ,
	    "zeros and rubbish behind it");
	memcpy(p + a.len, "rubbish", 7);
	ok(unpack_memory(p, a.len + 7, 65536) == -1 && errno == EILSEQ,
	    "rubbish behind it");
	free(a.p);
	free(b.p);
	free(p);
}

/* A descriptor of which each read(2) gives part bytes. */
static int
slow_file(const uint8_t *p, size_t len, size_t part)
{
	size_t at, n;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds) == -1)
		abort();
	for (at = 0; at < len; at += n) {
		n = part < len - at ? part : len - at;
		if (write(fds[1], p + at, n) != (ssize_t)n)
			abort();
	}
	(void)close(fds[1]);
	return fds[0];
}

/* Two members that come a few bytes at a time, and are read so. */
static void
test_slow(enum d4_gz_kind kind)
{
	struct file a = packed(kind, 0, 200, 200);
	uint8_t *p = malloc(2 * a.len);
	uint8_t *twice = malloc(400);
	unsigned wrong = 0;
	size_t part, step;
	uint8_t *all = data;

	if (p == NULL || twice == NULL)
		abort();
	memcpy(p, a.p, a.len);
	memcpy(p + a.len, a.p, a.len);
	memcpy(twice, data, 200);
	memcpy(twice + 200, data, 200);
	data = twice;
	for (part = 1; part <= 2 * a.len; part++) {
		for (step = 1; step <= 400; step = step * 3 / 2 + 1) {
			int fd = slow_file(p, 2 * a.len, part);
			struct d4_gz_in *g = d4_gz_in_open(fd);

			wrong += unpack(g, step) != 400 ||
			    d4_gz_in_taken(g) != 2 * a.len;
			d4_gz_in_close(g);
			(void)close(fd);
			wrong += unpack_memory(p, 2 * a.len, step) != 400;
		}
	}
	data = all;
	is(wrong, 0, "%s: however slowly two members come", names[kind]);
	free(twice);
	free(p);
	free(a.p);
}

/* Whatever is cut off is missed; a byte that changed is seen, or stands for
 * nothing that is inside, such as a file's date. */
static void
test_damage(enum d4_gz_kind kind)
{
	struct file f = packed(kind, 0, 5000, 5000);
	size_t i, magic = kind == D4_GZ_GZIP ? 2 : 4;
	unsigned missed = 0, unseen = 0;
	struct d4_gz_in *g;
	uint8_t byte;

	for (i = magic; i < f.len; i++)
		missed += unpack_memory(f.p, i, 512) != -1 || errno != EILSEQ;
	is(missed, 0, "%s: each of %zu cuts is seen", names[kind], f.len);
	for (i = magic; i < f.len; i++) {
		long n;

		f.p[i] ^= 0x20;
		n = unpack_memory(f.p, f.len, 512);
		unseen += n != -1 && n != 5000;
		f.p[i] ^= 0x20;
	}
	is(unseen, 0, "%s: each change is", names[kind]);
	g = d4_gz_in_memory(f.p, f.len / 2);
	ok(unpack(g, 512) == -1 && d4_gz_in_read(g, &byte, 1) == -1 &&
	    errno == EILSEQ, "and said again");
	d4_gz_in_close(g);
	free(f.p);
}

/* With a header as gzip(1) and others write it, in pieces of a byte. */
static void
test_header(void)
{
	static const uint8_t head[] = "\x1f\x8b\x08\x1c\1\2\3\4\0\3"
	    "\5\0extra" "name.pcap\0" "a comment";
	struct file f = packed(D4_GZ_GZIP, 0, 5000, 5000);
	struct d4_gz_in *g;
	pid_t pid;
	int fds[2];
	size_t i;

	if (pipe(fds) == -1 || (pid = fork()) == -1)
		abort();
	if (pid == 0) {
		for (i = 0; i < sizeof(head); i++)
			(void)!write(fds[1], head + i, 1);
		for (i = 10; i < f.len; i++)
			(void)!write(fds[1], f.p + i, 1);
		free(f.p);
		_exit(0);
	}
	(void)close(fds[1]);
	g = d4_gz_in_open(fds[0]);
	is(unpack(g, 65536), 5000, "a header with all its fields, in bytes");
	d4_gz_in_close(g);
	(void)close(fds[0]);
	(void)waitpid(pid, NULL, 0);
	free(f.p);
}

/* What one library writes the other reads, whichever a build prefers. */
static void
test_engines(const char *name, const struct gz_engine *in,
    const struct gz_engine *out)
{
	uint8_t *packed_by = malloc(2 * BIG), *back = malloc(BIG + 1);
	struct gz_flow f = { data, BIG, packed_by, 2 * BIG };
	enum gz_step step = GZ_MORE;
	void *state = out->open(0);

	while (step == GZ_MORE && f.outlen > 0)
		step = out->step(state, &f, true);
	out->close(state);
	is(step, GZ_END, "%s", name);
	state = in->open(0);
	f = (struct gz_flow){ packed_by, 2 * BIG - f.outlen, back, BIG + 1 };
	do
		step = in->step(state, &f, true);
	while (step == GZ_MORE && f.inlen > 0);
	in->close(state);
	ok(step == GZ_END && f.outlen == 1 && f.inlen == 0 &&
	    memcmp(back, data, BIG) == 0, "and back");
	free(packed_by);
	free(back);
}

/* An empty frame whose window is 2^27 bytes, and one of twice as many. */
static void
test_window(void)
{
	uint8_t frame[] = { 0x28, 0xb5, 0x2f, 0xfd, 0, 17 << 3, 1, 0, 0 };

	is(unpack_memory(frame, sizeof(frame), 1), 0, "a window of 128 MiB");
	frame[5] = 18 << 3;
	ok(unpack_memory(frame, sizeof(frame), 1) == -1 && errno == EILSEQ,
	    "one of 256 MiB is refused");
}

static void
test_faults(enum d4_gz_kind kind)
{
	int full = open("/dev/full", O_WRONLY);
	struct d4_gz_out *g;

	if (full == -1) {
		skip("no /dev/full");
		return;
	}
	g = d4_gz_out_open(full, kind, 0);
	ok((d4_gz_out_write(g, data, BIG) == -1 ||
	    d4_gz_out_finish(g) == -1) && errno == ENOSPC,
	    "%s: a full disk is told", names[kind]);
	d4_gz_out_close(g);
	(void)close(full);
}

static void
test_directory(void)
{
	int fd = open("/", O_RDONLY);
	struct d4_gz_in *g = d4_gz_in_open(fd);
	char c;

	ok(d4_gz_in_read(g, &c, 1) == -1 && errno == EISDIR,
	    "a directory can't be read");
	ok(strcmp(d4_gz_in_fault(g), strerror(EISDIR)) == 0, "for that");
	d4_gz_in_close(g);
	(void)close(fd);
}

int
main(void)
{
	enum d4_gz_kind kind;

	tap_limit(120);
	if (scratch_make() == -1)
		return 1;
	make_data();
	for (kind = D4_GZ_PLAIN; kind <= D4_GZ_ZSTD; kind++) {
		if (!d4_gz_has(kind)) {
			ok(d4_gz_out_open(1, kind, 0) == NULL &&
			    errno == ENOTSUP, "no %s here", names[kind]);
			continue;
		}
		test_round(kind);
		test_descriptor(kind);
		test_faults(kind);
		if (kind == D4_GZ_PLAIN)
			continue;
		test_levels(kind);
		test_members(kind);
		test_slow(kind);
		test_damage(kind);
	}
	test_header();
	test_engines("zlib", &gz_zlib_in, &gz_zlib_out);
	if (gz_isal_in.open != NULL) {
		test_engines("isa-l", &gz_isal_in, &gz_isal_out);
		test_engines("isa-l for zlib", &gz_zlib_in, &gz_isal_out);
		test_engines("zlib for isa-l", &gz_isal_in, &gz_zlib_out);
	} else
		skip("isa-l is not installed");
	if (d4_gz_has(D4_GZ_ZSTD))
		test_window();
	test_directory();
	free(data);
	scratch_remove();
	return tap_done();
}
