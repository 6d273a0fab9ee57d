/* SPDX-License-Identifier: ISC */
#ifndef D4_ADMIN_SENSOR_H
#define D4_ADMIN_SENSOR_H

/* What several verbs ask of sensors. */

#include <stdbool.h>
#include <stddef.h>

#include "d4-admin/admin.h"

/* All living connections, by uuid and session; the caller frees the list. */
struct connected {
	struct d4_registry_live	*list;
	size_t			 n;
};

/* Returns 0, or 1 and says why. */
int connected_load(struct admin *, struct connected *);

/* The order of the list, for qsort(3) and bsearch(3). */
int connected_compare(const void *, const void *);

size_t connected_count(const struct connected *, const uint8_t[D4_UUID_LEN]);

#endif
