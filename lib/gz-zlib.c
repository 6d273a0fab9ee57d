/* SPDX-License-Identifier: ISC */
#include <limits.h>
#include <stdlib.h>

#define ZLIB_CONST
#include <zlib.h>

#include "lib/gz-engine.h"

#define GZIP_WRAP	16	/* added to the window bits: gzip, not zlib */

static void *
open_in(int level)
{
	z_stream *z = calloc(1, sizeof(*z));

	(void)level;
	if (z != NULL && inflateInit2(z, MAX_WBITS + GZIP_WRAP) != Z_OK) {
		free(z);
		return NULL;
	}
	return z;
}

static void *
open_out(int level)
{
	z_stream *z = calloc(1, sizeof(*z));

	if (z != NULL && deflateInit2(z, level == 0 ? Z_DEFAULT_COMPRESSION :
	    level, Z_DEFLATED, MAX_WBITS + GZIP_WRAP, 8,
	    Z_DEFAULT_STRATEGY) != Z_OK) {
		free(z);
		return NULL;
	}
	return z;
}

static void
close_in(void *arg)
{
	(void)inflateEnd(arg);
	free(arg);
}

static void
close_out(void *arg)
{
	(void)deflateEnd(arg);
	free(arg);
}

static void
reset_in(void *arg)
{
	(void)inflateReset(arg);
}

static unsigned
clamp(size_t n)
{
	return n > UINT_MAX ? UINT_MAX : (unsigned)n;
}

static enum gz_step
step(z_stream *z, struct gz_flow *f, int (*run)(z_stream *, int), int flush)
{
	unsigned in = clamp(f->inlen), out = clamp(f->outlen);
	int rc;

	z->next_in = f->in;
	z->avail_in = in;
	z->next_out = f->out;
	z->avail_out = out;
	rc = run(z, flush);
	f->in = z->next_in;
	f->inlen -= in - z->avail_in;
	f->out = z->next_out;
	f->outlen -= out - z->avail_out;
	switch (rc) {
	case Z_OK: case Z_BUF_ERROR:
		return GZ_MORE;
	case Z_STREAM_END:
		return GZ_END;
	case Z_MEM_ERROR:
		return GZ_NOMEM;
	default:
		return GZ_BROKEN;
	}
}

static enum gz_step
step_in(void *arg, struct gz_flow *f, bool finish)
{
	(void)finish;
	return step(arg, f, inflate, Z_NO_FLUSH);
}

static enum gz_step
step_out(void *arg, struct gz_flow *f, bool finish)
{
	return step(arg, f, deflate, finish ? Z_FINISH : Z_NO_FLUSH);
}

const struct gz_engine gz_zlib_in = {
	open_in, close_in, step_in, reset_in
};

const struct gz_engine gz_zlib_out = {
	open_out, close_out, step_out, NULL
};
