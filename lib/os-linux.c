/* SPDX-License-Identifier: ISC */
#define _GNU_SOURCE
#include <fcntl.h>

#include "lib/os.h"

/* /proc/sys/fs/pipe-max-size as the kernel sets it. */
#define PIPE_BYTES	(1 << 20)

void
d4_os_grow_pipe(int fd)
{
	(void)fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES);
}
