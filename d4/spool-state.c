/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4/spool-own.h"
#include "lib/bytes.h"
#include "lib/header.h"
#include "lib/io.h"
#include "lib/sum.h"

/*
 * The stream file:
 *
 *	0	8	"d4strm1\n"
 *	8	8	timestamp of the last hello
 *	16	4	enum state
 *	20	4	1: its source is a file that can be read again
 *	24	24	device, inode, offset where the stream began, or another
 *			would
 *	48	4	bytes of the source's name
 *	52	4	bytes of the opening
 *	56	8	sum over these 56 bytes and what follows
 *	64		the name and a NUL, the opening;
 *		8	sum over what the source has before the offset
 *			the prefix
 *
 * The last two were not always there.
 */
#define STATE_MAGIC	"d4strm1\n"
#define STATE_LEN	64
#define STATE_SUM_AT	56
#define STATE_MAX	(STATE_LEN + 2 * FORM_PREAMBLE_MAX)
#define SOURCE_SUM	8

/*
 * The head file has two places, the later of which counts:
 *
 *	0	8	stream
 *	8	8	position
 *	16	8	sum over these 16 bytes
 */
#define PLACE_LEN	24
#define PLACE_SUM_AT	16
#define PLACE_STEP	512	/* each in a sector of its own */

static uint64_t
sum_state(const uint8_t *p, size_t len)
{
	return d4_sum_add(d4_sum_add(0, p, STATE_SUM_AT), p + STATE_LEN,
	    len - STATE_LEN);
}

/* Finds the parts of it.  What it says of, or -1: it is damaged. */
static int
parse(struct spool *sp, uint8_t *p, size_t len)
{
	size_t name, opening, rest;
	struct spool_stream *s = &sp->stream;
	uint32_t state;

	if (len < STATE_LEN || memcmp(p, STATE_MAGIC, 8) != 0 ||
	    d4_get64le(p + STATE_SUM_AT) != sum_state(p, len))
		return -1;
	sp->hello_time = d4_get64le(p + 8);
	if ((state = d4_get32le(p + 16)) == STATE_NONE)
		return STATE_NONE;
	name = d4_get32le(p + 48);
	opening = d4_get32le(p + 52);
	rest = len - STATE_LEN;
	if (state > STATE_ENDED || name == 0 || name > rest ||
	    opening > rest - name || opening < D4_HEADER_LEN ||
	    p[STATE_LEN + name - 1] != '\0')
		return -1;
	rest -= name + opening;
	if (rest > 0 && rest < SOURCE_SUM)
		return -1;
	s->source.regular = d4_get32le(p + 20) != 0;
	s->source.dev = d4_get64le(p + 24);
	s->source.ino = d4_get64le(p + 32);
	s->source.offset = d4_get64le(p + 40);
	s->source.name = (const char *)p + STATE_LEN;
	s->opening = p + STATE_LEN + name;
	s->openinglen = opening;
	if (rest > 0) {
		s->source.sum = d4_get64le(s->opening + opening);
		s->source.prefix = s->opening + opening + SOURCE_SUM;
		s->source.prefixlen = rest - SOURCE_SUM;
	}
	sp->id = d4_get64le(s->opening + D4_HMAC_AT);
	return (int)state;
}

/* Has the parts of a file that was read, or written, in the place of those
 * before. */
static int
adopt(struct spool *sp, uint8_t *p, size_t len)
{
	int state;

	memset(&sp->stream, 0, sizeof(sp->stream));
	state = parse(sp, p, len);
	free(sp->state);
	sp->state = (char *)p;
	sp->there = state == STATE_STREAM;
	sp->ended = state == STATE_ENDED;
	if (state == -1)
		errno = EILSEQ;
	return state;
}

int
state_read(struct spool *sp)
{
	struct disk_file f;
	off_t size;
	uint8_t *p = NULL;
	int rc = -1;

	if (disk_open(&f, sp->dir, SPOOL_STREAM) == -1)
		return errno == ENOENT ? STATE_NONE : -1;
	size = lseek(f.fd, 0, SEEK_END);
	if (size > (off_t)STATE_MAX)
		errno = EILSEQ;
	else if (size != -1 && lseek(f.fd, 0, SEEK_SET) == 0 &&
	    (p = malloc((size_t)size + 1)) != NULL)
		rc = d4_io_read_full(f.fd, p, (size_t)size) == (ssize_t)size ?
		    0 : -1;
	disk_close(&f);
	if (rc == 0)
		return adopt(sp, p, (size_t)size);
	free(p);
	return -1;
}

int
state_write(struct spool *sp, enum state state,
    const struct spool_source *source, const uint8_t *opening,
    size_t openinglen)
{
	size_t name, len = STATE_LEN;
	uint8_t *p, *at;

	name = source != NULL ? strlen(source->name) + 1 : 0;
	if (source != NULL)
		len += name + openinglen + SOURCE_SUM + source->prefixlen;
	if ((p = calloc(1, len)) == NULL)
		return -1;
	memcpy(p, STATE_MAGIC, 8);
	d4_put64le(p + 8, state == STATE_STREAM ?
	    d4_get64le(opening + D4_TIMESTAMP_AT) : sp->hello_time);
	if (source != NULL) {
		d4_put32le(p + 16, state);
		d4_put32le(p + 20, source->regular);
		d4_put64le(p + 24, source->dev);
		d4_put64le(p + 32, source->ino);
		d4_put64le(p + 40, source->offset);
		d4_put32le(p + 48, (uint32_t)name);
		d4_put32le(p + 52, (uint32_t)openinglen);
		at = p + STATE_LEN;
		memcpy(at, source->name, name);
		memcpy(at += name, opening, openinglen);
		d4_put64le(at += openinglen, source->sum);
		if (source->prefixlen > 0)
			memcpy(at + SOURCE_SUM, source->prefix,
			    source->prefixlen);
	}
	d4_put64le(p + STATE_SUM_AT, sum_state(p, len));
	if (disk_replace(sp->dir, SPOOL_STREAM, p, len) == -1) {
		free(p);
		return -1;
	}
	return adopt(sp, p, len) == -1 ? -1 : 0;
}

uint64_t
head_read(const struct spool *sp)
{
	uint8_t p[PLACE_STEP + PLACE_LEN] = { 0 };
	struct disk_file f;
	uint64_t pos = 0;
	int i;

	if (disk_open(&f, sp->dir, SPOOL_HEAD) == -1)
		return 0;
	(void)d4_io_read_full(f.fd, p, sizeof(p));
	disk_close(&f);
	for (i = 0; i < 2; i++) {
		const uint8_t *place = p + i * PLACE_STEP;

		if (d4_get64le(place) == sp->id &&
		    d4_get64le(place + PLACE_SUM_AT) ==
		    d4_sum_add(0, place, PLACE_SUM_AT) &&
		    d4_get64le(place + 8) > pos)
			pos = d4_get64le(place + 8);
	}
	return pos;
}

/* Where the place of less is, so that the other stays whole. */
static int
lesser_place(const struct spool *sp, const struct disk_file *f)
{
	uint8_t p[PLACE_STEP + PLACE_LEN] = { 0 };
	uint64_t best = head_read(sp);

	if (lseek(f->fd, 0, SEEK_SET) == -1 ||
	    d4_io_read_full(f->fd, p, sizeof(p)) == -1)
		return -1;
	return d4_get64le(p) == sp->id && d4_get64le(p + 8) == best ? 1 : 0;
}

int
head_write(const struct spool *sp, uint64_t pos)
{
	uint8_t place[PLACE_LEN], all[PLACE_STEP + PLACE_LEN] = { 0 };
	struct disk_file f;
	int i, err, rc = -1;

	d4_put64le(place, sp->id);
	d4_put64le(place + 8, pos);
	d4_put64le(place + PLACE_SUM_AT, d4_sum_add(0, place, PLACE_SUM_AT));
	if (disk_open(&f, sp->dir, SPOOL_HEAD) == 0) {
		if ((i = lesser_place(sp, &f)) != -1)
			rc = disk_write(&f, place, sizeof(place),
			    (uint64_t)i * PLACE_STEP);
		if (rc == 0)
			rc = disk_sync(&f);
		err = errno;
		disk_close(&f);
		errno = err;
		if (rc == 0)
			return 0;
	}
	/* There is none, or it is not to be trusted any more. */
	memcpy(all, place, sizeof(place));
	return disk_replace(sp->dir, SPOOL_HEAD, all, sizeof(all));
}
