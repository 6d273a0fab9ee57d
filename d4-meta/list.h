/* SPDX-License-Identifier: ISC */
#ifndef D4_META_LIST_H
#define D4_META_LIST_H

/* The types that D4 knows, to standard output. */

#include <stdbool.h>

/* As a table, or as JSON lines.  Returns 0, or -1 and says why on stderr. */
int list_print(bool json);

#endif
