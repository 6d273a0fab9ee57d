/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/handler.h"
#include "d4-recv/whole.h"
#include "lib/border.h"
#include "lib/digest.h"
#include "lib/meta-ja3.h"
#include "lib/meta.h"

#define CHUNK	((size_t)256 << 10)

/* What a scan of a file found. */
struct scan {
	off_t	whole;		/* where the last unit ends */
	bool	data;		/* whether one of them is data */
};

static ssize_t
read_at(int fd, void *bytes, size_t len, off_t at)
{
	ssize_t n;

	do {
		n = pread(fd, bytes, len, at);
	} while (n == -1 && errno == EINTR);
	return n;
}

/* Returns false at the first byte that is not of the border's kind. */
static bool
scan_bytes(struct d4_border *border, const uint8_t *bytes, size_t len,
    off_t at, struct scan *scan)
{
	size_t done = 0;
	ptrdiff_t n;
	bool whole;

	while (done < len) {
		n = d4_border_step(border, bytes + done, len - done, &whole);
		if (n < 0)
			return false;
		done += (size_t)n;
		if (!whole)
			continue;
		scan->whole = at + (off_t)done;
		if (!d4_border_was_preamble(border))
			scan->data = true;
	}
	return true;
}

static int
cut_stream(const struct place *p, int fd)
{
	struct scan scan = { 0, false };
	struct d4_border *border;
	uint8_t *chunk;
	ssize_t n = -1;
	off_t at = 0;
	int rc = -1;

	border = d4_border_new(p->border);
	if ((chunk = malloc(CHUNK)) == NULL || border == NULL)
		goto out;
	while ((n = read_at(fd, chunk, CHUNK, at)) > 0 &&
	    scan_bytes(border, chunk, (size_t)n, at, &scan))
		at += n;
	if (n >= 0 && (rc = scan.data) && ftruncate(fd, scan.whole) == -1)
		rc = -1;
out:
	free(chunk);
	d4_border_free(border);
	return rc;
}

static bool
is_whole(const struct place *p, const void *bytes, size_t len)
{
	char hex[2 * D4_DIGEST_SHA256 + 1] = "";
	uint8_t digest[D4_DIGEST_SHA256];
	struct d4_meta_ja3 *line;
	struct d4_meta *meta;
	const char *why;

	switch (p->kind) {
	case PLACE_HEADER:
		d4_meta_free(meta = d4_meta_parse(bytes, len, &why));
		return meta != NULL;
	case PLACE_JSON:
		d4_meta_ja3_free(line = d4_meta_ja3_parse(bytes, len, &why));
		return line != NULL;
	case PLACE_CERT:
		if (d4_digest_sha1(digest, bytes, len) == 0)
			d4_digest_hex(hex, digest, D4_DIGEST_SHA1);
		break;
	default:
		if (d4_digest_sha256(digest, bytes, len) == 0)
			d4_digest_hex(hex, digest, D4_DIGEST_SHA256);
	}
	return *hex != '\0' && strncmp(strrchr(p->path, '/') + 1, hex,
	    strlen(hex)) == 0;
}

static int
judge_file(const struct place *p, int fd)
{
	struct stat st;
	uint8_t *bytes;
	size_t len = 0;
	ssize_t n = 0;
	int rc;

	if (fstat(fd, &st) == -1)
		return -1;
	if (st.st_size > (off_t)HANDLER_FILE_MAX)
		return 0;
	if ((bytes = malloc((size_t)st.st_size + 1)) == NULL)
		return -1;
	while (len < (size_t)st.st_size && (n = read_at(fd, bytes + len,
	    (size_t)st.st_size - len, (off_t)len)) > 0)
		len += (size_t)n;
	rc = n == -1 ? -1 : is_whole(p, bytes, len);
	free(bytes);
	return rc;
}

int
whole_cut(const struct place *p, int fd)
{
	return p->kind == PLACE_STREAM ? cut_stream(p, fd) : judge_file(p, fd);
}
