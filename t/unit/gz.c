/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/gz.h"
#include "t/unit/scratch.h"
#include "t/unit/tap.h"

#define LEN	3000000

static uint8_t plain[LEN], got[LEN + 1];

static const char *
name_of(enum d4_gz_kind kind)
{
	return kind == D4_GZ_PLAIN ? "plain" : kind == D4_GZ_GZIP ? "gzip" :
	    "zstd";
}

/* Text that can be compressed, with noise that can't. */
static void
fill(void)
{
	uint32_t x = 1;
	size_t i;

	for (i = 0; i < LEN; i++) {
		x = x * 1664525 + 1013904223;
		plain[i] = i % 4096 < 1024 ? (uint8_t)(x >> 24) :
		    (uint8_t)("backscatter"[i % 11]);
	}
}

/* Reads all, by slices of step bytes; the bytes, or -1. */
static ssize_t
read_all(struct d4_gz_in *g, size_t step)
{
	size_t n = 0;
	ssize_t part = 0;

	while (n < sizeof(got) && (part = d4_gz_in_read(g, got + n,
	    step < sizeof(got) - n ? step : sizeof(got) - n)) > 0)
		n += (size_t)part;
	return part == -1 ? -1 : (ssize_t)n;
}

static off_t
write_file(const char *path, enum d4_gz_kind kind, int level)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	struct d4_gz_out *g = d4_gz_out_open(fd, kind, level);
	off_t len;

	if (g == NULL || d4_gz_out_write(g, plain, LEN / 2) == -1 ||
	    d4_gz_out_write(g, plain + LEN / 2, LEN - LEN / 2) == -1 ||
	    d4_gz_out_finish(g) == -1)
		len = -1;
	else
		len = lseek(fd, 0, SEEK_CUR);
	d4_gz_out_close(g);
	(void)close(fd);
	return len;
}

static void
test_file(enum d4_gz_kind kind, int level)
{
	const char *path = scratch_path("file%s", d4_gz_suffix(kind));
	off_t len = write_file(path, kind, level);
	int fd = open(path, O_RDONLY);
	struct d4_gz_in *g = d4_gz_in_open(fd);

	ok(len > 0 && (kind == D4_GZ_PLAIN || len < LEN / 2),
	    "%s, level %d: written", name_of(kind), level);
	is(read_all(g, 100000), LEN, "%s: read", name_of(kind));
	ok(memcmp(got, plain, LEN) == 0, "%s: the same", name_of(kind));
	is(d4_gz_in_kind(g), kind, "%s: recognised", name_of(kind));
	is(d4_gz_in_taken(g), len, "%s: all of it taken", name_of(kind));
	d4_gz_in_close(g);
	(void)close(fd);
}

static uint8_t *
load(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY);
	off_t n = lseek(fd, 0, SEEK_END);
	uint8_t *p = malloc((size_t)n * 2 + 64);

	*len = (size_t)n;
	if (p == NULL || pread(fd, p, *len, 0) != n)
		abort();
	(void)close(fd);
	return p;
}

static ssize_t
read_memory(const uint8_t *p, size_t len, int *err, size_t step)
{
	struct d4_gz_in *g = d4_gz_in_memory(p, len);
	ssize_t n = read_all(g, step);

	*err = n == -1 ? errno : 0;
	d4_gz_in_close(g);
	return n;
}

static void
test_damage(enum d4_gz_kind kind)
{
	size_t len, i;
	uint8_t *p = load(scratch_path("file%s", d4_gz_suffix(kind)), &len);
	int err, wrong = 0;

	is(read_memory(p, len, &err, 7), LEN, "%s: by seven bytes",
	    name_of(kind));
	for (i = 4; i < len; i += len / 50) {
		if (read_memory(p, i, &err, LEN) != -1 || err != EILSEQ)
			wrong++;
	}
	is(wrong, 0, "%s: cut off at any place is a fault", name_of(kind));
	p[len / 2] ^= 0x10;
	ok(read_memory(p, len, &err, LEN) == -1 && err == EILSEQ,
	    "%s: a flipped bit is a fault", name_of(kind));
	p[len / 2] ^= 0x10;
	memcpy(p + len, "rubbish", 7);
	ok(read_memory(p, len + 7, &err, LEN) == -1 && err == EILSEQ,
	    "%s: rubbish behind it is a fault", name_of(kind));
	memset(p + len, 0, 64);
	is(read_memory(p, len + 64, &err, LEN), LEN,
	    "%s: zeros behind it are not", name_of(kind));
	free(p);
}

/* Two members, one after the other, are one stream. */
static void
test_members(enum d4_gz_kind kind)
{
	const char *path = scratch_path("members");
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600), err, i;
	uint8_t *p;
	size_t len;

	for (i = 0; i < 3; i++) {
		struct d4_gz_out *g = d4_gz_out_open(fd, kind, 0);

		if (d4_gz_out_write(g, plain + i * 1000, 1000) == -1 ||
		    d4_gz_out_finish(g) == -1)
			abort();
		d4_gz_out_close(g);
	}
	(void)close(fd);
	p = load(path, &len);
	ok(read_memory(p, len, &err, 64) == 3000 &&
	    memcmp(got, plain, 3000) == 0, "%s: three members", name_of(kind));
	free(p);
}

static void
test_copy(enum d4_gz_kind kind)
{
	int in = open(scratch_path("file"), O_RDONLY);
	int out = open(scratch_path("copy"), O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct d4_gz_in *g;

	is(d4_gz_copy(in, out, kind, 1), 0, "%s: copied", name_of(kind));
	(void)lseek(out, 0, SEEK_SET);
	g = d4_gz_in_open(out);
	ok(read_all(g, LEN) == LEN && memcmp(got, plain, LEN) == 0,
	    "%s: the copy is the same", name_of(kind));
	d4_gz_in_close(g);
	(void)close(in);
	(void)close(out);
	out = open("/dev/full", O_WRONLY);
	in = open(scratch_path("file"), O_RDONLY);
	ok(out == -1 || (d4_gz_copy(in, out, kind, 1) == -1 &&
	    errno == ENOSPC), "%s: a full disk is a fault", name_of(kind));
	(void)close(in);
	(void)close(out);
}

/* gzip(1) and zstd(1) must read what we write. */
static void
test_others(const char *suffix, const char *tool)
{
	char cmd[512];

	(void)snprintf(cmd, sizeof(cmd), "command -v %s >/dev/null", tool);
	if (system(cmd) != 0) {
		skip("%s is not installed", tool);
		return;
	}
	(void)snprintf(cmd, sizeof(cmd), "%s -dc <%s/file%s | cmp -s - %s/file",
	    tool, scratch, suffix, scratch);
	is(system(cmd), 0, "%s reads what was written", tool);
}

int
main(void)
{
	enum d4_gz_kind kind;
	int err, level;

	fill();
	if (scratch_make() == -1)
		return 1;
	test_file(D4_GZ_PLAIN, 0);
	for (kind = D4_GZ_GZIP; kind <= D4_GZ_ZSTD; kind++) {
		if (!d4_gz_has(kind)) {
			skip("%s is not built in", name_of(kind));
			continue;
		}
		for (level = 9; level >= 0; level -= 3)
			test_file(kind, level);
		test_damage(kind);
		test_members(kind);
		test_copy(kind);
	}
	test_others(".gz", "gzip");
	if (d4_gz_has(D4_GZ_ZSTD))
		test_others(".zst", "zstd");
	is(read_memory(plain, 0, &err, 10), 0, "nothing is nothing");
	is(read_memory((const uint8_t *)"\x1f", 1, &err, 10), 1,
	    "one byte is plain");
	scratch_remove();
	return tap_done();
}
