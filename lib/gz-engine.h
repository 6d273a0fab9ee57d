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
struct gz_flow {
	const uint8_t	*in;
	size_t		 inlen;
	uint8_t		*out;
	size_t		 outlen;
};

enum gz_step {
	GZ_MORE,		/* wants input, or room for output */
	GZ_END,			/* a member, or all that was to be written */
	GZ_BROKEN,		/* no valid data */
	GZ_NOMEM
};

struct gz_engine {
	/* NULL when memory is short.  The level is 0 to 9, for writing.  An
	 * engine whose open is NULL is not in this build. */
	void		*(*open)(int level);
	void		 (*close)(void *);
	/* Goes on as far as it can.  With finish no more input will come. */
	enum gz_step	 (*step)(void *, struct gz_flow *, bool finish);
	/* Makes it ready for the next member; NULL for writers. */
	void		 (*reset)(void *);
};

extern const struct gz_engine gz_zlib_in, gz_zlib_out;
extern const struct gz_engine gz_isal_in, gz_isal_out;
extern const struct gz_engine gz_zstd_in, gz_zstd_out;

#endif
