/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_TAIL_LOG_H
#define D4_RECV_TAIL_LOG_H

/*
 * The form of a tail on the disk (tail.h); d4-store(5) has it for others.  All
 * numbers are little-endian.
 *
 *	0	8	"d4tail1\n"
 *	8	32	the hello's HMAC
 *	40	8	generation
 *	48	8	number of the stream's file last begun before
 *	56	8	when the machine went down: number of its first file
 *			that counts no more; 0: it never did
 *	64	8	1: no marks are made
 *	72	8	sum over the 72 bytes before
 *	80	24	the boot of this machine and a sum over it; zeros: only
 *			marks count
 *	104	24	mark: position, count, sum over these two
 *	128	24	another; the one of the greater count holds
 *	152		frames, each of
 *		1	kind
 *		1	flags
 *		2	zero
 *		4	bytes of the body
 *		8	end: where in the file the last entry ends
 *		8	whole: where the last whole unit does, not behind end
 *		8	sum over generation, position, the 24 bytes, the body
 *			body
 *
 * An entry is 20 bytes: 16 of a record's HMAC, its length with header in the
 * lower 24 bits of a number, flags above.  A frame that is not whole, or whose
 * sum is another, is the end.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "d4-recv/match.h"
#include "lib/header.h"

#define LOG_HEAD	152
#define LOG_BOOT_AT	80
#define LOG_BOOT	24
#define LOG_MARKS_AT	104
#define LOG_MARK	24
#define LOG_FRAME	32
#define LOG_ENTRY	(MATCH_TAG + 4)
#define LOG_BODY_MAX	(512u << 10)

/* Flags of an entry. */
#define LOG_PREAMBLE	1	/* it holds only what a reader needs first */
#define LOG_ANEW	2	/* and takes the place of what was so before */

enum log_kind {
	LOG_ENTRIES = 1,	/* records stored, in order */
	LOG_TAGS,		/* of the preamble in force where this
				 * generation begins */
	LOG_FILE,		/* the next go into this entry of .open: its
				 * name; end and whole are what it begins
				 * with */
	LOG_SETTLED		/* that one ends at end, nothing follows; the
				 * body is how many entries before count no
				 * more, 8 bytes; then, if the next record is
				 * stored in part, its tag and how many bytes
				 * of its payload, 4 */
};

#define LOG_PART	(MATCH_TAG + 4)

/* Flag of a frame: the file holds data, not a preamble alone. */
#define LOG_DATA	1

struct log_head {
	uint8_t		hello[D4_HMAC_LEN];
	uint64_t	generation;
	uint64_t	nfiles;
	uint64_t	lost;
	bool		unmarked;
	uint8_t		boot[16];
	uint64_t	mark;		/* a position, 0: none */
	uint64_t	mark_count;
	uint64_t	mark_before;	/* the other one, 0: none */
};

struct log_frame {
	enum log_kind	 kind;
	uint8_t		 flags;
	uint64_t	 at;		/* position of the frame */
	uint64_t	 end;
	uint64_t	 whole;
	const uint8_t	*body;
	size_t		 len;
};

/* The head without marks. */
void log_put_head(uint8_t[LOG_HEAD], const struct log_head *);

/* Reads it, with the better of its marks.  0, or -1 when it is none. */
int log_get_head(struct log_head *, const uint8_t[LOG_HEAD]);

/* A mark, and where it goes by its count. */
void log_put_mark(uint8_t[LOG_MARK], uint64_t mark, uint64_t count);
size_t log_mark_at(uint64_t count);

/* The frame's first bytes, for a body that lies elsewhere. */
void log_put_frame(uint8_t[LOG_FRAME], uint64_t generation,
    const struct log_frame *);

void log_put_entry(uint8_t[LOG_ENTRY], const uint8_t tag[MATCH_TAG],
    uint32_t wire, uint8_t flags);

/* An entry's length with header, and its flags. */
uint32_t log_entry_wire(const uint8_t[LOG_ENTRY]);
uint8_t log_entry_flags(const uint8_t[LOG_ENTRY]);

/* -- reading --------------------------------------------------------------- */

struct log_reader {
	int		 fd;
	uint64_t	 generation;
	uint64_t	 at;		/* of the next frame */
	uint8_t		*buf;
	size_t		 len;		/* bytes in it */
	uint64_t	 from;		/* their position */
};

/* Reads from the first frame on.  The reader begins zeroed and may be begun
 * again; log_reader_free() is owed. */
void log_reader_begin(struct log_reader *, int fd, uint64_t generation);
void log_reader_free(struct log_reader *);

/* 1 and the next frame, good until the next call; 0 at the end, of what is
 * whole; -1 with errno. */
int log_read(struct log_reader *, struct log_frame *);

/* Whether what is behind the last frame, up to the end of the file, is nothing
 * or the beginning of a frame that could not be written whole. */
bool log_is_torn(int fd, uint64_t at, uint64_t size);

#endif
