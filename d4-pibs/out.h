/* SPDX-License-Identifier: ISC */
#ifndef D4_PIBS_OUT_H
#define D4_PIBS_OUT_H

/*
 * Buffered output to a descriptor.  The first fault is kept: what comes after
 * it goes nowhere, and out_flush() says so.
 */

#include <stddef.h>
#include <stdint.h>

#include "d4-pibs/packet.h"

#define OUT_SIZE	(64u << 10)

struct out {
	int	 fd;
	int	 fault;			/* an errno, or 0 */
	size_t	 len;
	char	*buf;			/* OUT_SIZE bytes */
};

/* Returns 0, or -1 with errno when memory is short.  The descriptor stays the
 * caller's. */
int out_open(struct out *, int fd);

/* Frees the buffer; flush before. */
void out_close(struct out *);

/* Returns 0, or -1 with errno. */
int out_flush(struct out *);

/* Makes room for n <= OUT_SIZE bytes and returns where they go; whoever writes
 * them adds to len. */
char *out_room(struct out *, size_t n);

void out_bytes(struct out *, const void *, size_t);
void out_text(struct out *, const char *);
void out_printf(struct out *, const char *, ...)
    __attribute__((format(printf, 2, 3)));

/* Text of others within a JSON string, without the quotes. */
void out_json_text(struct out *, const char *);

/* An address in its usual form; room for ADDR_TEXT bytes, NUL included. */
#define ADDR_TEXT	46
void addr_text(char[ADDR_TEXT], struct addr);

/* Reads such an address.  Returns 0, or -1. */
int addr_parse(struct addr *, const char *);

#endif
