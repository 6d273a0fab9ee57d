/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/gz-engine.h"
#include "lib/gz.h"
#include "lib/io.h"

#define BUFFER_LEN	(256u << 10)
#define MAGIC_LEN	4
#define RUBBISH		"rubbish after the compressed data"

struct d4_gz_in {
	int			 fd;		/* -1: memory */
	uint8_t			*buf;		/* NULL for memory */
	struct gz_flow		 flow;		/* in: what waits */
	uint64_t		 taken;
	enum d4_gz_kind		 kind;
	bool			 known;		/* kind is */
	bool			 ended;		/* end of file */
	bool			 within;	/* a member has begun */
	bool			 broken;	/* the bytes are no good */
	const struct gz_engine	*engine;	/* NULL: plain */
	void			*state;		/* of the engine */
	const char		*fault;
};

struct d4_gz_out {
	int			 fd;
	const struct gz_engine	*engine;	/* NULL: plain */
	void			*state;
	uint8_t			*buf;
};

/* The engine of a kind, NULL when there is none: plain, or not built in. */
static const struct gz_engine *
reader(enum d4_gz_kind kind)
{
	const struct gz_engine *e = &gz_zstd_in;

	if (kind == D4_GZ_PLAIN)
		return NULL;
	if (kind == D4_GZ_GZIP)
		e = gz_isal_in.open != NULL ? &gz_isal_in : &gz_zlib_in;
	return e->open != NULL ? e : NULL;
}

static const struct gz_engine *
writer(enum d4_gz_kind kind)
{
	const struct gz_engine *e = &gz_zstd_out;

	if (kind == D4_GZ_PLAIN)
		return NULL;
	if (kind == D4_GZ_GZIP)
		e = gz_isal_out.open != NULL ? &gz_isal_out : &gz_zlib_out;
	return e->open != NULL ? e : NULL;
}

int
d4_gz_has(enum d4_gz_kind kind)
{
	return kind == D4_GZ_PLAIN || reader(kind) != NULL;
}

const char *
d4_gz_suffix(enum d4_gz_kind kind)
{
	return kind == D4_GZ_GZIP ? ".gz" : kind == D4_GZ_ZSTD ? ".zst" : "";
}

/* -- in -------------------------------------------------------------------- */

struct d4_gz_in *
d4_gz_in_open(int fd)
{
	struct d4_gz_in *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return NULL;
	g->fd = fd;
	g->fault = "";
	if ((g->buf = malloc(BUFFER_LEN)) == NULL) {
		free(g);
		return NULL;
	}
	g->flow.in = g->buf;
	return g;
}

struct d4_gz_in *
d4_gz_in_memory(const void *data, size_t len)
{
	struct d4_gz_in *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return NULL;
	g->fd = -1;
	g->fault = "";
	g->flow.in = data;
	g->flow.inlen = len;
	g->taken = len;
	g->ended = true;
	return g;
}

void
d4_gz_in_close(struct d4_gz_in *g)
{
	if (g == NULL)
		return;
	if (g->state != NULL)
		g->engine->close(g->state);
	free(g->buf);
	free(g);
}

static int
fail(struct d4_gz_in *g, int err, const char *words)
{
	g->fault = words;
	g->broken = err == EILSEQ;
	errno = err;
	return -1;
}

/* Reads more behind what waits; sets ended at the end of file. */
static int
refill(struct d4_gz_in *g)
{
	ssize_t n;

	if (g->ended)
		return 0;
	memmove(g->buf, g->flow.in, g->flow.inlen);
	g->flow.in = g->buf;
	n = d4_io_read(g->fd, g->buf + g->flow.inlen,
	    BUFFER_LEN - g->flow.inlen);
	if (n == -1)
		return fail(g, errno, strerror(errno));
	g->ended = n == 0;
	g->flow.inlen += (size_t)n;
	g->taken += (uint64_t)n;
	return 0;
}

/* A frame of Zstandard, or one to be skipped. */
static bool
is_zstd(uint32_t magic)
{
	return magic == 0xfd2fb528 || (magic & 0xfffffff0) == 0x184d2a50;
}

/* Looks at the first bytes and makes the engine ready. */
static int
recognise(struct d4_gz_in *g)
{
	while (g->flow.inlen < MAGIC_LEN && !g->ended) {
		if (refill(g) == -1)
			return -1;
	}
	if (g->flow.inlen >= 2 && g->flow.in[0] == 0x1f &&
	    g->flow.in[1] == 0x8b)
		g->kind = D4_GZ_GZIP;
	else if (g->flow.inlen >= 4 && is_zstd(d4_get32le(g->flow.in)))
		g->kind = D4_GZ_ZSTD;
	g->engine = reader(g->kind);
	if (g->engine == NULL && g->kind != D4_GZ_PLAIN)
		return fail(g, ENOTSUP, "Zstandard is not read by this build");
	if (g->engine != NULL && (g->state = g->engine->open(0)) == NULL)
		return fail(g, ENOMEM, "out of memory");
	g->known = true;
	return 0;
}

static ssize_t
read_plain(struct d4_gz_in *g, void *to, size_t len)
{
	ssize_t n;

	if (g->flow.inlen > 0) {
		if (len > g->flow.inlen)
			len = g->flow.inlen;
		memcpy(to, g->flow.in, len);
		g->flow.in += len;
		g->flow.inlen -= len;
		return (ssize_t)len;
	}
	if (g->ended)
		return 0;
	n = d4_io_read(g->fd, to, len);
	if (n == -1)
		return fail(g, errno, strerror(errno));
	g->taken += (uint64_t)n;
	g->ended = n == 0;
	return n;
}

/* Passes over zeros up to the end of the file. */
static int
skip_padding(struct d4_gz_in *g)
{
	while (g->flow.inlen > 0 && g->flow.in[0] == 0) {
		g->flow.in++;
		if (--g->flow.inlen == 0 && refill(g) == -1)
			return -1;
	}
	return 0;
}

/* At the end of a member: another, or the end.  What is not one is refused,
 * except zeros, with which tapes and block devices pad. */
static int
next_member(struct d4_gz_in *g)
{
	while (g->flow.inlen < MAGIC_LEN && !g->ended) {
		if (refill(g) == -1)
			return -1;
	}
	if (g->flow.inlen > 0 && g->flow.in[0] == 0) {
		if (skip_padding(g) == -1)
			return -1;
		if (g->flow.inlen > 0)
			return fail(g, EILSEQ, RUBBISH);
	}
	if (g->flow.inlen == 0)
		return 0;
	if (g->kind == D4_GZ_GZIP ? (g->flow.inlen < 2 ||
	    g->flow.in[0] != 0x1f || g->flow.in[1] != 0x8b) :
	    (g->flow.inlen < 4 || !is_zstd(d4_get32le(g->flow.in))))
		return fail(g, EILSEQ, RUBBISH);
	g->engine->reset(g->state);
	g->within = true;
	return 0;
}

ssize_t
d4_gz_in_read(struct d4_gz_in *g, void *to, size_t len)
{
	/* An engine is not asked again after that. */
	if (g->broken)
		return fail(g, EILSEQ, g->fault);
	if (!g->known && recognise(g) == -1)
		return -1;
	if (g->engine == NULL)
		return read_plain(g, to, len);
	g->flow.out = to;
	g->flow.outlen = len;
	while (g->flow.outlen == len) {
		if (!g->within) {
			if (next_member(g) == -1)
				return -1;
			if (!g->within)
				return 0;
		}
		switch (g->engine->step(g->state, &g->flow, g->ended)) {
		case GZ_END:
			g->within = false;
			break;
		case GZ_BROKEN:
			return fail(g, EILSEQ, "compressed data is damaged");
		case GZ_NOMEM:
			return fail(g, ENOMEM, "out of memory");
		case GZ_MORE:
			if (g->flow.outlen < len)
				break;
			if (g->ended)
				return fail(g, EILSEQ,
				    "compressed data is cut off");
			if (refill(g) == -1)
				return -1;
			break;
		}
	}
	return (ssize_t)(len - g->flow.outlen);
}

enum d4_gz_kind
d4_gz_in_kind(const struct d4_gz_in *g)
{
	return g->kind;
}

const char *
d4_gz_in_fault(const struct d4_gz_in *g)
{
	return g->fault;
}

uint64_t
d4_gz_in_taken(const struct d4_gz_in *g)
{
	return g->taken - g->flow.inlen;
}

/* -- out ------------------------------------------------------------------- */

struct d4_gz_out *
d4_gz_out_open(int fd, enum d4_gz_kind kind, int level)
{
	struct d4_gz_out *g;

	if (!d4_gz_has(kind)) {
		errno = ENOTSUP;
		return NULL;
	}
	if ((g = calloc(1, sizeof(*g))) == NULL)
		return NULL;
	g->fd = fd;
	g->engine = writer(kind);
	if (g->engine == NULL)
		return g;
	if ((g->buf = malloc(BUFFER_LEN)) == NULL ||
	    (g->state = g->engine->open(level)) == NULL) {
		d4_gz_out_close(g);
		errno = ENOMEM;
		return NULL;
	}
	return g;
}

void
d4_gz_out_close(struct d4_gz_out *g)
{
	if (g == NULL)
		return;
	if (g->state != NULL)
		g->engine->close(g->state);
	free(g->buf);
	free(g);
}

/* Runs the engine until it wants more input, or with finish to its end. */
static int
pump(struct d4_gz_out *g, const void *data, size_t len, bool finish)
{
	struct gz_flow f = { .in = data, .inlen = len };
	enum gz_step step;

	do {
		f.out = g->buf;
		f.outlen = BUFFER_LEN;
		step = g->engine->step(g->state, &f, finish);
		if (step == GZ_BROKEN || step == GZ_NOMEM) {
			errno = step == GZ_NOMEM ? ENOMEM : EIO;
			return -1;
		}
		if (d4_io_write_full(g->fd, g->buf, BUFFER_LEN - f.outlen,
		    NULL) == -1)
			return -1;
	} while (finish ? step != GZ_END : f.inlen > 0 || f.outlen == 0);
	return 0;
}

int
d4_gz_out_write(struct d4_gz_out *g, const void *data, size_t len)
{
	if (g->engine == NULL)
		return d4_io_write_full(g->fd, data, len, NULL);
	return len == 0 ? 0 : pump(g, data, len, false);
}

int
d4_gz_out_finish(struct d4_gz_out *g)
{
	return g->engine == NULL ? 0 : pump(g, "", 0, true);
}

int
d4_gz_copy(int in, int out, enum d4_gz_kind kind, int level)
{
	struct d4_gz_out *g = d4_gz_out_open(out, kind, level);
	uint8_t *buf = malloc(BUFFER_LEN);
	ssize_t n = -1;
	int rc = -1, saved;

	if (g != NULL && buf != NULL) {
		while ((n = d4_io_read_full(in, buf, BUFFER_LEN)) > 0) {
			if (d4_gz_out_write(g, buf, (size_t)n) == -1)
				break;
		}
		if (n == 0)
			rc = d4_gz_out_finish(g);
	}
	saved = errno;
	free(buf);
	d4_gz_out_close(g);
	errno = saved;
	return rc;
}
