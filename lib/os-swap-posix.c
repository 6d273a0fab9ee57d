/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "lib/os-swap.h"

int
d4_os_swap(int at, const char *spare, const char *name)
{
	return renameat(at, spare, at, name);
}
