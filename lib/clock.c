/* SPDX-License-Identifier: ISC */
#include <time.h>

#include "lib/clock.h"

int64_t
d4_clock_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
