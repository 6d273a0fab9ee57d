/* SPDX-License-Identifier: ISC */
#ifndef D4_SPOOL_FORM_H
#define D4_SPOOL_FORM_H

/*
 * The form of the spool's files.  Numbers are little-endian.
 *
 *	stream		what stream there is, or was last
 *	head		where it may be resumed, in two places by turns, so
 *			that a full disk does not hinder it
 *	<16 digits>.seg	a segment: records, one behind the other
 *
 *	segment
 *	0	8	"d4spool1"
 *	8	8	stream: the first bytes of its hello's HMAC
 *	16	8	number: that of its name
 *	24	8	position of the first record
 *	32	8	bytes of data in all records before it
 *	40	8	the latest timestamp of those
 *	48	4	bytes of the preamble in force there
 *	52	4	zero
 *	56	8	sum over these 56 bytes and the preamble
 *	64		the preamble's records, then frames:
 *	0	4	bytes of the record
 *	4	4	flags of window.h
 *	8	8	sum over stream, number, place, these 8 bytes, record
 *	16		the record
 *
 * A record counts up to where the next segment says it begins, so what a
 * segment holds beyond does no harm.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "d4/spool-disk.h"

#define FORM_HEAD	64
#define FORM_FRAME	16
#define FORM_PREAMBLE_MAX	((size_t)1 << 25)	/* snaplen 1 */

struct form_segment {
	uint64_t	stream;
	uint64_t	number;
	uint64_t	pos;
	uint64_t	data;
	uint64_t	second;
	uint32_t	preamble;	/* its length */
};

void form_segment_name(char[DISK_NAME], uint64_t number);

/* The number in a segment's name, and whether it is one. */
bool form_segment_number(const char *name, uint64_t *number);

void form_put_segment(uint8_t[FORM_HEAD], const struct form_segment *,
    const uint8_t *preamble);

/* Reads a head from the file and its preamble, which the caller frees, NULL
 * for none.  1; 0 when it is no head or not whole; -1 with errno. */
int form_get_segment(struct form_segment *, const struct disk_file *,
    uint8_t **preamble);

/* Before a record that will begin at that place of the file, behind this. */
void form_put_frame(uint8_t[FORM_FRAME], const struct form_segment *,
    uint64_t at, uint32_t flags, const uint8_t *record, size_t len);

/* Copies the payloads of records to a place of the same length.  Returns the
 * length of those. */
size_t form_payloads(uint8_t *to, const uint8_t *records, size_t len);

/* -- reading frames -------------------------------------------------------- */

struct form_frame {
	uint64_t	 at;		/* of the frame in the file */
	uint32_t	 flags;
	const uint8_t	*record;
	size_t		 len;
};

struct form_reader {
	const struct disk_file	*file;
	struct form_segment	 segment;
	uint64_t		 at;	/* of the next frame */
	uint8_t			*buf;
	size_t			 cap;
	size_t			 len;	/* bytes in it */
	uint64_t		 from;	/* their place */
};

/* From the first frame on; form_reader_free() is owed. */
void form_reader_begin(struct form_reader *, const struct disk_file *,
    const struct form_segment *);
void form_reader_free(struct form_reader *);

/* The next frame that lies wholly before end, good until the next call: 1; 0
 * when there is none that is right and whole; -1 with errno. */
int form_read(struct form_reader *, uint64_t end, struct form_frame *);

#endif
