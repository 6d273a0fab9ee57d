/* SPDX-License-Identifier: ISC */
#ifndef D4_PIBS_READER_H
#define D4_PIBS_READER_H

/* Inside the capture room: what a reader of a format is. */

#include "d4-pibs/capture.h"
#include "d4-pibs/window.h"

struct reader {
	void	*(*open)(struct window *, char[CAPTURE_FAULT]);
	void	 (*close)(void *);
	/* As capture_next(); a fault's words go to the text. */
	int	 (*next)(void *, struct frame *, size_t, char[CAPTURE_FAULT]);
	bool	 (*nsec)(const void *);
};

/* The window stands at the beginning of the file and stays the caller's. */
extern const struct reader reader_pcap, reader_pcapng, reader_lib;

/* Opens an interface for reader_lib. */
void *reader_lib_live(const char *name, const char *expr,
    char[CAPTURE_FAULT]);

/* Whether four first bytes, and six for the version, are of a format. */
bool reader_pcap_is(const uint8_t *, size_t len);
bool reader_pcapng_is(const uint8_t *, size_t len);

#endif
