/* SPDX-License-Identifier: ISC */
#ifndef D4_STDOUT_PCAP_H
#define D4_STDOUT_PCAP_H

/* The pcap format, read in all its forms and written in the form of a stream.
 * Pure: no descriptor, no memory of its own. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCAP_HEADER	24		/* bytes of a file header */
#define PCAP_PACKET_MAX	((uint32_t)4 << 20)	/* the longest taken */

/* How a file is written. */
struct pcap_form {
	bool		big;		/* byte order */
	bool		nano;		/* nanoseconds, else microseconds */
	uint32_t	link;		/* with the bits about checksums */
	uint32_t	snaplen;
	size_t		head;		/* bytes before a packet: 16, or 24 as
					 * in Kuznetzov's patch */
};

/* Whether 4 bytes begin a pcap file. */
bool pcap_is(const uint8_t[4]);

/* Reads a file header.  Returns 0, or -1: it is none, or of another version. */
int pcap_read(struct pcap_form *, const uint8_t[PCAP_HEADER]);

/* Writes one, version 2.4. */
void pcap_write(uint8_t[PCAP_HEADER], const struct pcap_form *);

enum pcap_stop {
	PCAP_MORE,			/* the rest is no whole record */
	PCAP_AGAIN,			/* a file header comes next */
	PCAP_LONG			/* a packet longer than may be */
};

/*
 * Converts whole records of a file to the form of the stream, in place:
 * *taken bytes of data become the *made bytes at its beginning, at most as
 * many.  Returns why it stopped.
 */
enum pcap_stop pcap_convert(const struct pcap_form *stream,
    const struct pcap_form *file, uint8_t *data, size_t len, size_t *taken,
    size_t *made);

#endif
