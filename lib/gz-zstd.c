/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include <zstd.h>

#include "lib/gz-engine.h"

#define WINDOW_LOG_MAX	27	/* 128 MiB, as zstd(1) without options */

static void *
open_in(int level)
{
	ZSTD_DCtx *d = ZSTD_createDCtx();

	(void)level;
	if (d != NULL)
		(void)ZSTD_DCtx_setParameter(d, ZSTD_d_windowLogMax,
		    WINDOW_LOG_MAX);
	return d;
}

static void
close_in(void *arg)
{
	(void)ZSTD_freeDCtx(arg);
}

static void
reset_in(void *arg)
{
	(void)ZSTD_DCtx_reset(arg, ZSTD_reset_session_only);
}

static enum gz_step
step_in(void *arg, struct gz_flow *f, bool finish)
{
	ZSTD_inBuffer in = { f->in, f->inlen, 0 };
	ZSTD_outBuffer out = { f->out, f->outlen, 0 };
	size_t rc = ZSTD_decompressStream(arg, &out, &in);

	(void)finish;
	f->in += in.pos;
	f->inlen -= in.pos;
	f->out += out.pos;
	f->outlen -= out.pos;
	if (ZSTD_isError(rc))
		return GZ_BROKEN;
	return rc == 0 ? GZ_END : GZ_MORE;
}

static void *
open_out(int level)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();

	if (c != NULL) {
		(void)ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel,
		    level == 0 ? ZSTD_CLEVEL_DEFAULT : level);
		(void)ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
	}
	return c;
}

static void
close_out(void *arg)
{
	(void)ZSTD_freeCCtx(arg);
}

static enum gz_step
step_out(void *arg, struct gz_flow *f, bool finish)
{
	ZSTD_inBuffer in = { f->in, f->inlen, 0 };
	ZSTD_outBuffer out = { f->out, f->outlen, 0 };
	size_t rc = ZSTD_compressStream2(arg, &out, &in,
	    finish ? ZSTD_e_end : ZSTD_e_continue);

	f->in += in.pos;
	f->inlen -= in.pos;
	f->out += out.pos;
	f->outlen -= out.pos;
	if (ZSTD_isError(rc))
		return GZ_BROKEN;
	return finish && rc == 0 ? GZ_END : GZ_MORE;
}

const struct gz_engine gz_zstd_in = {
	open_in, close_in, step_in, reset_in
};

const struct gz_engine gz_zstd_out = {
	open_out, close_out, step_out, NULL
};
