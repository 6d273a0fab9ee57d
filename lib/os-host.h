/* SPDX-License-Identifier: ISC */
#ifndef LIB_OS_HOST_H
#define LIB_OS_HOST_H

/* The state of the host, as far as its system tells: os-host-linux.c asks,
 * os-host-posix.c knows nothing. */

#include <stdbool.h>
#include <stdint.h>

struct d4_os_host {
	bool		 has_uptime;	/* whether the next one is known */
	uint64_t	 uptime;	/* seconds since the host was booted */
	bool		 has_load;	/* and so on */
	double		 load[3];	/* of 1, 5 and 15 minutes */
	bool		 has_memory;
	uint64_t	 memory_total;		/* bytes */
	uint64_t	 memory_available;	/* bytes, without swapping */
	bool		 has_clock;
	bool		 clock_synchronized;	/* by NTP, PTP or alike */
	int64_t		 clock_offset_ns;	/* still to be corrected */
	int64_t		 clock_error_us;	/* estimated */
	int64_t		 clock_error_max_us;
};

/* Fills it in.  What is not known is 0 and marked so.  The first call opens
 * what the others read again: it comes before a process is confined. */
void d4_os_host(struct d4_os_host *);

/* Which boot of this machine it is: another value after each.  Zeros where
 * that can't be known. */
void d4_os_boot(uint8_t[16]);

#endif
