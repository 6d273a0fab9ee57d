/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "lib/mac.h"

/* By itself, so that who only wipes links no hash. */
void
d4_mac_wipe(void *secret, size_t len)
{
	explicit_bzero(secret, len);
}
