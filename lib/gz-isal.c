/* SPDX-License-Identifier: ISC */
#include <limits.h>
#include <stdlib.h>

#include <isa-l/igzip_lib.h>

#include "lib/gz-engine.h"

struct reader {
	struct inflate_state	 state;
	struct isal_gzip_header	 header;
	bool			 headed;	/* it has been read */
};

struct writer {
	struct isal_zstream	 z;
	uint8_t			*work;		/* what the level needs */
};

/* isal_inflate() would read the header too, but forgets its flags where input
 * ends within; so it is read apart. */
static void
reset_in(void *arg)
{
	struct reader *r = arg;

	isal_inflate_reset(&r->state);
	r->state.crc_flag = ISAL_GZIP_NO_HDR_VER;
	isal_gzip_header_init(&r->header);
	r->headed = false;
}

static void *
open_in(int level)
{
	struct reader *r = calloc(1, sizeof(*r));

	(void)level;
	if (r != NULL) {
		isal_inflate_init(&r->state);
		reset_in(r);
	}
	return r;
}

static uint32_t
clamp(size_t n)
{
	return n > INT_MAX ? INT_MAX : (uint32_t)n;
}

static enum gz_step
step_in(void *arg, struct gz_flow *f, bool finish)
{
	/* The library leaves input as it is, but takes it without const. */
	union { const uint8_t *in; uint8_t *out; } from = { .in = f->in };
	struct reader *r = arg;
	struct inflate_state *s = &r->state;
	uint32_t in = clamp(f->inlen), out = clamp(f->outlen);
	int rc = ISAL_DECOMP_OK;

	(void)finish;
	s->next_in = from.out;
	s->avail_in = in;
	s->next_out = f->out;
	s->avail_out = out;
	if (!r->headed) {
		rc = isal_read_gzip_header(s, &r->header);
		r->headed = rc == ISAL_DECOMP_OK;
	}
	if (r->headed)
		rc = isal_inflate(s);
	/* ISAL_END_INPUT is positive: more is wanted.  After a fault avail_in
	 * may be one less than nothing. */
	if (rc < 0)
		return GZ_BROKEN;
	f->in += in - s->avail_in;
	f->inlen -= in - s->avail_in;
	f->out += out - s->avail_out;
	f->outlen -= out - s->avail_out;
	return s->block_state == ISAL_BLOCK_FINISH ? GZ_END : GZ_MORE;
}

static void *
open_out(int level)
{
	static const uint32_t sizes[] = {
		ISAL_DEF_LVL0_DEFAULT, ISAL_DEF_LVL1_DEFAULT,
		ISAL_DEF_LVL2_DEFAULT, ISAL_DEF_LVL3_DEFAULT
	};
	/* The usual level is its best, which still beats zlib's fastest. */
	uint32_t lvl = level == 0 ? 3 : level < 3 ? 1 : level < 6 ? 2 : 3;
	struct writer *w = calloc(1, sizeof(*w));

	if (w == NULL || (w->work = malloc(sizes[lvl])) == NULL) {
		free(w);
		return NULL;
	}
	isal_deflate_init(&w->z);
	w->z.level = lvl;
	w->z.level_buf = w->work;
	w->z.level_buf_size = sizes[lvl];
	w->z.gzip_flag = IGZIP_GZIP;
	return w;
}

static void
close_out(void *arg)
{
	struct writer *w = arg;

	free(w->work);
	free(w);
}

static enum gz_step
step_out(void *arg, struct gz_flow *f, bool finish)
{
	union { const uint8_t *in; uint8_t *out; } from = { .in = f->in };
	struct writer *w = arg;
	uint32_t in = clamp(f->inlen), out = clamp(f->outlen);
	int rc;

	w->z.next_in = from.out;
	w->z.avail_in = in;
	w->z.next_out = f->out;
	w->z.avail_out = out;
	w->z.end_of_stream = finish && in == f->inlen;
	rc = isal_deflate(&w->z);
	f->in += in - w->z.avail_in;
	f->inlen -= in - w->z.avail_in;
	f->out += out - w->z.avail_out;
	f->outlen -= out - w->z.avail_out;
	if (rc != COMP_OK)
		return GZ_BROKEN;
	return w->z.internal_state.state == ZSTATE_END ? GZ_END :
	    GZ_MORE;
}

const struct gz_engine gz_isal_in = {
	open_in, free, step_in, reset_in
};

const struct gz_engine gz_isal_out = {
	open_out, close_out, step_out, NULL
};
