/* SPDX-License-Identifier: ISC */
#ifndef D4_CUT_H
#define D4_CUT_H

/*
 * From bytes to records: cuts a stream at the borders of its type, packs whole
 * units into payloads of at most snaplen, gives the preamble records of its
 * own and adds all to the window.  A unit longer than snaplen takes several
 * records; one longer than D4_BORDER_UNIT_MAX, a line that never ends, counts
 * as another each time it reaches that.  The end of an unfinished unit waits
 * for the rest of it.  Where the window wants an anchor a record ends early:
 * behind a unit, or within one that then takes two.
 *
 * Data that is not what its type says is still carried, cut at snaplen, until
 * another writer begins anew.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "d4/window.h"
#include "lib/border.h"

struct cut;

/* NULL when memory is short.  name is the source's, for messages; with drop,
 * units that find the window full are counted and left out. */
struct cut *cut_new(struct window *, enum d4_border_kind, uint8_t type,
    size_t snaplen, bool drop, const char *name);

/* Takes NULL. */
void cut_free(struct cut *);

/* Where the next bytes are to be put: at least 1 KiB, or 64 KiB with payloads
 * that are not tiny. */
size_t cut_space(struct cut *, uint8_t **at);

/* Takes n bytes put there and adds what they make whole.  -1: no memory. */
int cut_take(struct cut *, size_t n);

/* What is put next is another writer's.  Where it begins as a stream of its
 * kind does, what the one before left of an unfinished unit is left out, with
 * a message: nobody has the rest of it. */
void cut_other_writer(struct cut *);

/* Takes bytes that stand before those that are read. */
int cut_put(struct cut *, const uint8_t *, size_t len);

/* The data goes on behind a preamble, these records: only before the first
 * bytes.  A preamble that makes no sense is passed over. */
void cut_go_on(struct cut *, const uint8_t *records, size_t len);

/* What is left of a line is added as if it were whole: whoever goes on after
 * this run completes it.  The rest of any other unit is of no use and stays.
 * -1: no memory. */
int cut_rest(struct cut *);

/* The end: adds what is left, then the record of size 0 that ends a stream. */
int cut_finish(struct cut *);

/* Bytes taken and not yet added: what there is of an unfinished unit. */
size_t cut_pending(const struct cut *);

/* Whether it goes on taking bytes while the window is full. */
bool cut_drops(const struct cut *);

/* How many units were left out. */
uint64_t cut_dropped(const struct cut *);

/* How many bytes of data were added. */
uint64_t cut_bytes(const struct cut *);

#endif
