/* SPDX-License-Identifier: ISC */

/*
 * What of a file that a dead process of d4-recv left is whole.  The first byte
 * picks what the file is: captures, flows, lines or other data of a stream, a
 * meta header, a line of ja3-jl, or what bears its hash as a name; from 128 on
 * that of other bytes.  Faults may be behind the rest, which is the file
 * (faults.h); with a choice it is longer than any that we make.
 */

#define _GNU_SOURCE	/* memfd_create() */

#include <sys/mman.h>
#include <sys/stat.h>

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/handler.h"
#include "d4-recv/whole.h"
#include "lib/digest.h"
#include "t/fuzz/faults.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define NOW	1709251198

static const uint8_t uuid[D4_UUID_LEN] = { 1, 2, 3, 4, 5, 6, 0x40, 8, 0x80 };

static void
make_place(struct place *p, unsigned what, bool other, const uint8_t *data,
    size_t len)
{
	uint8_t digest[D4_DIGEST_SHA256];

	if (what < 5) {
		place_stream(p, uuid, 1, (enum d4_border_kind)what, NULL, NOW,
		    D4_GZ_PLAIN);
		return;
	}
	switch (what) {
	case 5:
		place_header(p, uuid, "x", NOW);
		break;
	case 6:
		place_json(p, uuid, "token");
		break;
	case 7:
		assert(d4_digest_sha1(digest, data, len) == 0);
		digest[0] ^= other;
		place_cert(p, uuid, digest);
		break;
	default:
		assert(d4_digest_sha256(digest, data, len) == 0);
		digest[31] ^= other;
		place_object(p, uuid, "filewatcher", digest, "exe", true, NOW,
		    D4_GZ_PLAIN);
	}
}

static off_t
size_of(int fd)
{
	struct stat st;

	assert(fstat(fd, &st) == 0);
	return st.st_size;
}

/* What is left is the beginning, up to the last unit's end that a scanner of
 * all of it knows, and is whole now. */
static void
check_stream(const struct place *p, int fd, const uint8_t *data, size_t len)
{
	struct d4_border *border = d4_border_new(p->border);
	off_t size = size_of(fd);
	size_t at;

	assert(border != NULL && size > 0 && (size_t)size <= len);
	(void)d4_border_scan(border, data, len, &at);
	assert((size_t)size == at);
	d4_border_free(border);
	assert(whole_cut(p, fd) == 1 && size_of(fd) == size);
}

static void
once(const uint8_t *data, size_t len)
{
	struct place place;
	unsigned what;
	bool other;
	int fd, rc;

	if (len < 1)
		return;
	what = data[0] % 128 % 9;
	other = data[0] >= 128;
	data++;
	len--;
	make_place(&place, what, other, data, len);
	fd = memfd_create("fuzz", MFD_CLOEXEC);
	assert(fd != -1 && write(fd, data, len) == (ssize_t)len);
	if (faults_choice() != 0 && place.kind != PLACE_STREAM)
		assert(ftruncate(fd, HANDLER_FILE_MAX + 1) == 0);
	faults_on();
	rc = whole_cut(&place, fd);
	faults_off();
	assert(rc == 0 || rc == 1 || (rc == -1 && faults_any()));
	if (rc == 1 && place.kind == PLACE_STREAM && !faults_any())
		check_stream(&place, fd, data, len);
	if (place.kind == PLACE_CERT || place.kind == PLACE_OBJECT)
		assert(rc == (!other && faults_choice() == 0) || faults_any());
	if (rc == 1 && place.kind != PLACE_STREAM)
		assert(size_of(fd) == (off_t)len);
	(void)close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	faults_run(data, len, once);
	return 0;
}
