/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <limits.h>
#include <poll.h>

#include "lib/clock.h"
#include "lib/queue-backend.h"
#include "lib/stop.h"

int
queue_left_ms(int64_t until)
{
	int64_t left = until - d4_clock_ms();

	if (until == -1)
		return -1;
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

bool
queue_wait(int fd, short events, int timeout_ms)
{
	struct pollfd pfd[2] = {
		{ .fd = d4_stop_fd(), .events = POLLIN },
		{ .fd = fd, .events = events }
	};

	if (d4_stop_wanted())
		return false;
	if (poll(pfd, 2, timeout_ms) == -1 && errno == EINTR)
		return false;
	if (pfd[0].revents == 0)
		return true;
	d4_stop_drain();
	return false;
}
