/* SPDX-License-Identifier: ISC */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>

#include "lib/os-swap.h"

int
d4_os_swap(int at, const char *spare, const char *name)
{
	if (renameat2(at, spare, at, name, RENAME_EXCHANGE) == 0)
		return 0;
	/* None yet, or a file system or kernel that can't. */
	if (errno != ENOENT && errno != EINVAL && errno != ENOSYS)
		return -1;
	return renameat(at, spare, at, name);
}
