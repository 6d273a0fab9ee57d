/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "lib/os-host.h"

void
d4_os_host(struct d4_os_host *host)
{
	memset(host, 0, sizeof(*host));
	host->has_load = getloadavg(host->load, 3) == 3;
}

void
d4_os_boot(uint8_t boot[16])
{
	memset(boot, 0, 16);
}
