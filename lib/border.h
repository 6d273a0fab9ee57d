/* SPDX-License-Identifier: ISC */
#ifndef LIB_BORDER_H
#define LIB_BORDER_H

/*
 * Where one unit of a sensor's data ends and the next begins: a packet of a
 * capture, a block of a pcapng file, an IPFIX message, a line.  A program that
 * cuts, rotates or resumes a stream cuts it here, and begins what follows with
 * the preamble: what a reader must have seen before any other unit.
 *
 *	kind		a unit is			the preamble
 *	opaque		every byte			none
 *	lines		up to and with a newline	none
 *	pcap		the 24-byte file header,	the file header
 *			then each packet record
 *	pcapng		a block				section header and
 *							interface descriptions
 *							of the current section
 *	ipfix		a message (RFC 7011)		none (templates are
 *							repeated by exporters)
 *
 * pcap of version 2 is taken in both byte orders, with microseconds and
 * nanoseconds, and with the longer record heads of Kuznetzov's patch; a packet
 * may be as long as the snaplen or 262144 bytes, whichever is more.  A file
 * header in mid-stream (captures joined by cat, or a session begun anew by a
 * client) is a unit and replaces the preamble.  It is known by a magic number,
 * version 2 and 0 for both time zone and accuracy: as a packet record that
 * would be a packet of no bytes, neither captured nor on the wire.
 *
 * pcapng is taken in both byte orders, which may change from section to
 * section.  The section length in the preamble always reads "not specified",
 * for what follows the preamble is a part of that section.
 *
 * The room has no descriptor, clock or global, sees each byte once, in slices
 * of any length, and copies no more than the heads of units and the preamble.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum d4_border_kind {
	D4_BORDER_OPAQUE,
	D4_BORDER_LINES,
	D4_BORDER_PCAP,
	D4_BORDER_PCAPNG,
	D4_BORDER_IPFIX
};

/* The greatest unit, in bytes; a longer one is no data of its type.  For
 * lines there is no such limit: a line may go on for ever. */
#define D4_BORDER_UNIT_MAX	(64u << 20)

/* The greatest preamble kept, in bytes; a section with more is refused. */
#define D4_BORDER_PREAMBLE_MAX	(256u << 10)

struct d4_border;

/* A scanner at the beginning of a stream; NULL when memory is short.  The
 * caller owns it. */
struct d4_border *d4_border_new(enum d4_border_kind);

/* Wipes nothing, takes NULL. */
void d4_border_free(struct d4_border *);

/*
 * Takes the next bytes of the stream, as many as belong to the current unit.
 * Returns how many of the len bytes were taken, more than 0 when len is; they
 * end where the unit does, in which case *whole is true, or where the slice
 * does, in which case it is false.  Call it again with the rest.  For opaque
 * data and len > 0 it takes all and *whole is true.
 *
 * Returns -1 when the bytes are not what the kind says: the magic number, a
 * length, a block's trailing length; or when memory for the preamble is short.
 * Then *whole is false, the scanner stays where the fault is and goes on
 * returning -1 (d4_border_fault() has the words).  What earlier calls took is
 * not affected.  Data that ends within a unit is no fault, only not whole.
 *
 * Borders, preamble and fault do not depend on how the stream was sliced.
 */
ptrdiff_t d4_border_step(struct d4_border *, const uint8_t *data, size_t len,
    bool *whole);

/*
 * As d4_border_step(), over as many units as the slice holds: returns the
 * bytes taken, which is len unless a fault stops it, and sets *border to how
 * many of them end at the last border among them, 0 when there was none.  On
 * a fault it returns -1 and *border is still what was whole before the fault.
 */
ptrdiff_t d4_border_scan(struct d4_border *, const uint8_t *data, size_t len,
    size_t *border);

/* Whether the bytes taken so far end at a border (true before the first, and
 * always for opaque data). */
bool d4_border_at(const struct d4_border *);

/* What d4_border_begins() needs to see. */
#define D4_BORDER_BEGIN	16

/* Whether these bytes are how a stream of that kind begins, and nothing else
 * is likely to: the header of a pcap file, of a pcapng section.  Never for
 * other kinds, which begin as they go on. */
bool d4_border_begins(enum d4_border_kind, const uint8_t[D4_BORDER_BEGIN]);

/*
 * The preamble as of the last border: *len bytes, owned by the scanner and
 * good until its next step.  *len is 0, and the pointer may be NULL, where the
 * kind has none or it has not come yet.
 */
const uint8_t *d4_border_preamble(const struct d4_border *, size_t *len);

/* Whether the unit that ended last belongs to the preamble (a file header, a
 * section header, an interface description), so that data has yet to come. */
bool d4_border_was_preamble(const struct d4_border *);

/* After a fault: what is wrong, in a few lower-case words, static.  "" when
 * there was none. */
const char *d4_border_fault(const struct d4_border *);

#endif
