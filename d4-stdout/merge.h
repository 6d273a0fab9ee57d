/* SPDX-License-Identifier: ISC */
#ifndef D4_STDOUT_MERGE_H
#define D4_STDOUT_MERGE_H

/*
 * Files one after another become one stream.
 *
 *	pcap	one file header, in the byte order and time unit of the first
 *		file; the records of the others are converted to it.  The
 *		link types must be the same.
 *	pcapng	section after section, whole blocks
 *	other	as it is
 *
 * What a stream is, its first file says; another kind does not fit into it.
 * Of a damaged or cut file the whole records or blocks before the fault go
 * out, so that the stream stays well-formed.  Memory is bounded, whatever a
 * file says.
 */

#include "d4-stdout/output.h"
#include "lib/gz.h"

struct merge;

enum merge_end {
	MERGE_DONE,
	MERGE_DAMAGED,			/* the file is */
	MERGE_SHORT,			/* of memory */
	MERGE_MISFIT,			/* it does not belong in this stream */
	MERGE_OUTPUT			/* output failed, and has said why */
};

/* NULL when memory is short.  The output is the caller's. */
struct merge *merge_new(struct output *);

/* Takes NULL. */
void merge_free(struct merge *);

/* Adds what is inside a file. */
enum merge_end merge_file(struct merge *, struct d4_gz_in *);

/* What was wrong with the last file, in a few words. */
const char *merge_why(const struct merge *);

#endif
