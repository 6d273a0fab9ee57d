/* SPDX-License-Identifier: ISC */

/*
 * A file of any bytes: pcap, pcapng, what libpcap knows, compressed or not.
 * The first byte says whether it is mapped or comes through a pipe.  Linked
 * with d4-pibs/capture.o, pcap.o, pcapng.o, pcap-lib.o, window.o and packet.o.
 */

#define _GNU_SOURCE	/* memfd_create() */

#include <sys/mman.h>

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "d4-pibs/capture.h"
#include "d4-pibs/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct batch batch;
	static const struct hash_key key;
	struct packet_wanted wanted;
	struct frame frames[FRAME_BATCH];
	char name[64], fault[CAPTURE_FAULT];
	struct capture *c;
	int fd, n;

	if (len < 1)
		return 0;
	packet_want(&wanted, PACKET_ALL, PACKET_ALL, &key);
	fd = memfd_create("fuzz", MFD_CLOEXEC);
	assert(fd != -1 && write(fd, data + 1, len - 1) == (ssize_t)len - 1);
	assert(lseek(fd, data[0] & 1, SEEK_SET) == (data[0] & 1));
	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	if ((c = capture_open_file(name, fault)) == NULL) {
		assert(memchr(fault, '\0', sizeof(fault)) != NULL);
		(void)close(fd);
		return 0;
	}
	while ((n = capture_next(c, frames, FRAME_BATCH)) != 0) {
		assert(n > 0 && n <= FRAME_BATCH);
		packet_decode(&batch, frames, (size_t)n, &wanted);
	}
	assert(capture_next(c, frames, FRAME_BATCH) == 0);
	capture_close(c);
	(void)close(fd);
	return 0;
}
