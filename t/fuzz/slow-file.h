/* SPDX-License-Identifier: ISC */
#ifndef T_FUZZ_SLOW_FILE_H
#define T_FUZZ_SLOW_FILE_H

#include <sys/socket.h>

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

/* A descriptor to read the data from, which is the caller's.  Each read(2)
 * gives one part of it; what of the part finds no room is lost, so that pieces
 * may not be smaller. */
static int
slow_file(const uint8_t *data, size_t len, size_t part)
{
	size_t n;
	int fds[2];

	assert(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds) == 0);
	for (; len > 0; data += n, len -= n) {
		n = len < part ? len : part;
		assert(write(fds[1], data, n) == (ssize_t)n);
	}
	(void)close(fds[1]);
	return fds[0];
}

#endif
