/* SPDX-License-Identifier: ISC */
#include "lib/mac-engine.h"

/* A build without libIPSec_MB. */

struct mac_lanes *
mac_lanes_new(void)
{
	return NULL;
}

void
mac_lanes_free(struct mac_lanes *lanes)
{
	(void)lanes;
}

const char *
mac_lanes_name(const struct mac_lanes *lanes)
{
	(void)lanes;
	return "";
}

void
mac_lanes_key(struct mac_lanes *lanes, uint8_t states[MAC_LANES_KEY_LEN],
    const void *bytes, size_t len)
{
	(void)lanes;
	(void)states;
	(void)bytes;
	(void)len;
}

void
mac_lanes_tag(struct mac_lanes *lanes, const struct mac_message *m, size_t n)
{
	(void)lanes;
	(void)m;
	(void)n;
}
