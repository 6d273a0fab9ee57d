/* SPDX-License-Identifier: ISC */
#ifndef D4_ENCAP_H
#define D4_ENCAP_H

/*
 * From a descriptor to a descriptor: read what waits, seal it, write it, in
 * the manner of tee(1).  For destinations that cannot be reached again when
 * they fail: stdout, a file, a FIFO.
 */

#include <stdint.h>

#include "lib/record.h"

struct encap {
	int		 in;
	int		 out;
	const char	*in_name;	/* for messages */
	const char	*out_name;
	uint8_t		 type;
	struct d4_record *record;	/* the batch, of the caller */
	uint64_t	 nrecords;	/* written, whole */
	uint64_t	 nbytes;	/* of payload read */
};

/*
 * Writes the meta header that opens the stream, in records of type 2 with at
 * most snaplen bytes; nothing when len is 0.  Returns 0, or -1 with a line on
 * stderr.
 */
int encap_open(struct encap *, const uint8_t *meta, size_t len,
    size_t snaplen);

/*
 * Goes on until the end of the input or a signal, then writes a record of
 * size 0, as every stream ends.  Says what goes wrong on stderr.  Returns 0,
 * or -1 when the input or the output failed; a file is then cut to its last
 * whole record.
 */
int encap_run(struct encap *);

#endif
