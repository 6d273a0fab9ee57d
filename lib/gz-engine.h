/* SPDX-License-Identifier: ISC */
#ifndef LIB_GZ_ENGINE_H
#define LIB_GZ_ENGINE_H

/*
 * Inside the gz room: what each compression library is asked to do.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that wait on either side; an engine moves all four. */
struct d4_gz_flow {
	const uint8_t	*in;
	size_t		 inlen;
	uint8_t		*out;
	size_t		 outlen;
};

enum d4_gz_step {
	D4_GZ_MORE,		/* wants input, or room for output */
	D4_GZ_END,		/* a member, or all that was to be written */
	D4_GZ_BROKEN,		/* no valid data */
	D4_GZ_NOMEM
};

struct d4_gz_engine {
	/* NULL when memory is short.  The level is 0 to 9, for writing. */
	void		*(*open)(int level);
	void		 (*close)(void *);
	/* Goes on as far as it can.  With finish no more input will come. */
	enum d4_gz_step	 (*step)(void *, struct d4_gz_flow *, bool finish);
	/* Makes it ready for the next member; NULL for writers. */
	void		 (*reset)(void *);
};

extern const struct d4_gz_engine d4_gz_zlib_in, d4_gz_zlib_out;
extern const struct d4_gz_engine d4_gz_isal_in, d4_gz_isal_out;
extern const struct d4_gz_engine d4_gz_zstd_in, d4_gz_zstd_out;

#endif
