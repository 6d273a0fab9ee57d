/* SPDX-License-Identifier: ISC */
#ifndef D4_PIBS_CAPTURE_H
#define D4_PIBS_CAPTURE_H

/*
 * Frames, from wherever they come.
 *
 *	capture.c	what a file is, and which reader takes it
 *	pcap.c		classic pcap, walked by hand where it lies
 *	pcapng.c	pcapng, also with several link types in one file
 *	pcap-lib.c	libpcap: interfaces, other formats, filters
 *	window.[ch]	the bytes of a file, mapped, read or decompressed
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "d4-pibs/frame.h"

struct capture;

/* The longest fault, with its NUL. */
#define CAPTURE_FAULT	256

/*
 * Opens a file, "-" for standard input.  NULL when it is no capture, with the
 * reason in the text.  The name is kept for messages.
 */
struct capture *capture_open_file(const char *name, char[CAPTURE_FAULT]);

/* Opens an interface, with the filter done by the kernel; expr may be NULL. */
struct capture *capture_open_live(const char *name, const char *expr,
    char[CAPTURE_FAULT]);

/* Takes NULL. */
void capture_close(struct capture *);

/*
 * The next frames, at most max <= FRAME_BATCH; they are lent until the next
 * call.  Waits until there is one.  Returns their number, 0 at the end, or -1
 * when a signal interrupted: call again, or not.
 */
int capture_next(struct capture *, struct frame *, size_t max);

/* After the end: what cut the capture off, or NULL when it was whole. */
const char *capture_fault(const struct capture *);

/* How much of it is done, in percent, -1 when nobody knows. */
int capture_percent(const struct capture *);

/* Whether its times are finer than a microsecond. */
bool capture_nsec(const struct capture *);

/* -- filters --------------------------------------------------------------- */

struct filter;

/* A filter in the language of pcap-filter(7).  NULL and the reason when it is
 * none. */
struct filter *filter_open(const char *expr, char[CAPTURE_FAULT]);

/* Takes NULL. */
void filter_close(struct filter *);

/* Leaves those of n frames that pass, in order; returns their number. */
size_t filter_frames(struct filter *, struct frame *, size_t n);

#endif
