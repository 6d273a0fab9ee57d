/* SPDX-License-Identifier: ISC */
#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-pibs/out.h"
#include "d4-pibs/state.h"
#include "lib/bytes.h"
#include "lib/io.h"

#define HEAD_LEN	32
#define SCANNER_LEN	20
#define VERSION		1

static const uint8_t magic[8] = "d4-pibs";

/* Words folded into a product: finds what disks and editors do to files. */
struct checksum {
	uint64_t	sum;
	uint8_t		rest[8];
	size_t		nrest;
};

struct writer {
	struct out	out;
	struct checksum	checksum;
	uint64_t	len;
};

static void
fold(struct checksum *c, uint64_t word)
{
	c->sum = (c->sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	c->sum ^= c->sum >> 29;
}

static void
add(struct checksum *c, const uint8_t *p, size_t len)
{
	while (len > 0 && (c->nrest > 0 || len < 8)) {
		c->rest[c->nrest++] = *p++;
		len--;
		if (c->nrest == 8) {
			fold(c, d4_get64le(c->rest));
			c->nrest = 0;
		}
	}
	for (; len >= 8; len -= 8, p += 8)
		fold(c, d4_get64le(p));
	while (len-- > 0)
		c->rest[c->nrest++] = *p++;
}

static uint64_t
result(struct checksum *c)
{
	memset(c->rest + c->nrest, 0, sizeof(c->rest) - c->nrest);
	fold(c, d4_get64le(c->rest));
	fold(c, c->nrest);
	return c->sum;
}

/* -- reading --------------------------------------------------------------- */

static int
fail(char fault[STATE_FAULT], const char *words)
{
	(void)snprintf(fault, STATE_FAULT, "%s", words);
	return -1;
}

static int
check(const uint8_t *p, size_t len, char fault[STATE_FAULT])
{
	struct checksum c = { 0, { 0 }, 0 };

	if (len < HEAD_LEN || memcmp(p, magic, sizeof(magic)) != 0)
		return fail(fault, "is no state of d4-pibs");
	if (d4_get32le(p + 8) != VERSION)
		return fail(fault, "is of another version");
	if (d4_get64le(p + 16) != len - HEAD_LEN)
		return fail(fault, "is cut off");
	add(&c, p + HEAD_LEN, len - HEAD_LEN);
	if (result(&c) != d4_get64le(p + 24))
		return fail(fault, "is damaged: the checksum differs");
	return 0;
}

static int
take(const uint8_t *p, size_t len, struct seen *seen, struct attacks *attacks,
    char fault[STATE_FAULT])
{
	uint64_t n, i;

	if (check(p, len, fault) == -1)
		return -1;
	p += HEAD_LEN;
	len -= HEAD_LEN;
	if (len < 8 || (n = d4_get64le(p)) > (len - 8) / SCANNER_LEN)
		return fail(fault, "is damaged");
	p += 8;
	len -= 8;
	for (i = 0; i < n; i++, p += SCANNER_LEN, len -= SCANNER_LEN)
		seen_put(seen, (struct addr){ d4_get64le(p),
		    d4_get64le(p + 8) }, d4_get32le(p + 16));
	if (attacks != NULL && len > 0 &&
	    attack_load(attacks, p, len) == -1)
		return fail(fault, "has flows of other --interval, --window "
		    "or --slide, or is damaged");
	return 0;
}

int
state_load(const char *path, struct seen *seen, struct attacks *attacks,
    char fault[STATE_FAULT])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc;
	struct stat st;
	void *map;

	if (fd == -1)
		return errno == ENOENT ? 0 : fail(fault, strerror(errno));
	if (fstat(fd, &st) == -1 || st.st_size == 0 ||
	    (map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd,
	    0)) == MAP_FAILED) {
		(void)close(fd);
		return fail(fault, "is empty or can't be mapped");
	}
	rc = take(map, (size_t)st.st_size, seen, attacks, fault);
	(void)munmap(map, (size_t)st.st_size);
	(void)close(fd);
	return rc;
}

/* -- writing --------------------------------------------------------------- */

static void
put(void *arg, const void *p, size_t len)
{
	struct writer *w = arg;

	add(&w->checksum, p, len);
	w->len += len;
	out_bytes(&w->out, p, len);
}

static void
count_scanner(void *arg, struct addr a, uint32_t sec)
{
	uint64_t *n = arg;

	(void)a;
	(void)sec;
	++*n;
}

static void
put_scanner(void *arg, struct addr a, uint32_t sec)
{
	uint8_t b[SCANNER_LEN];

	d4_put64le(b, a.hi);
	d4_put64le(b + 8, a.lo);
	d4_put32le(b + 16, sec);
	put(arg, b, sizeof(b));
}

/* The body, then the head that knows its length and checksum. */
static int
write_all(struct writer *w, const struct seen *seen,
    const struct attacks *attacks, uint32_t now)
{
	uint8_t head[HEAD_LEN] = { 0 };
	uint64_t n = 0;

	if (lseek(w->out.fd, HEAD_LEN, SEEK_SET) == -1)
		return -1;
	seen_each(seen, now, count_scanner, &n);
	d4_put64le(head, n);
	put(w, head, 8);
	seen_each(seen, now, put_scanner, w);
	if (attacks != NULL)
		attack_save(attacks, put, w);
	if (out_flush(&w->out) == -1)
		return -1;
	memcpy(head, magic, sizeof(magic));
	d4_put32le(head + 8, VERSION);
	d4_put32le(head + 12, 0);
	d4_put64le(head + 16, w->len);
	d4_put64le(head + 24, result(&w->checksum));
	if (lseek(w->out.fd, 0, SEEK_SET) == -1 ||
	    d4_io_write_full(w->out.fd, head, sizeof(head), NULL) == -1)
		return -1;
	return fsync(w->out.fd);
}

int
state_save(const char *path, const struct seen *seen,
    const struct attacks *attacks, uint32_t now)
{
	struct writer w = { .len = 0 };
	char temporary[PATH_MAX];
	int fd, rc = -1, saved;

	if (snprintf(temporary, sizeof(temporary), "%s.%ld", path,
	    (long)getpid()) >= (int)sizeof(temporary)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	/* What is there was left by a process that died, or lies in wait. */
	(void)unlink(temporary);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1)
		return -1;
	if (out_open(&w.out, fd) == 0) {
		rc = write_all(&w, seen, attacks, now);
		out_close(&w.out);
	}
	if (close(fd) == -1)
		rc = -1;
	if (rc == 0)
		rc = rename(temporary, path);
	saved = errno;
	if (rc == -1)
		(void)unlink(temporary);
	errno = saved;
	return rc;
}
