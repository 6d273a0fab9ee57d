/* SPDX-License-Identifier: ISC */
#ifndef LIB_TYPE_H
#define LIB_TYPE_H

/*
 * The registry of D4 types: the number in a header, what it means, how its
 * data is cut (border.h) and which suffix a stored file bears.  The numbers
 * are those of the D4 architecture document; the suffixes those of d4-core's
 * workers.  Types 0 to 8 and 254 are known; every number is legal on the wire.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/border.h"

#define D4_TYPE_META	2	/* a JSON object that describes what follows */
#define D4_TYPE_EXTENDED 254	/* what the meta header before it said */

struct d4_type {
	uint8_t			number;
	const char		*name;		/* one word */
	const char		*description;
	const char		*suffix;	/* without a dot in front */
	enum d4_border_kind	border;
};

/* An extended type: a name within a meta header, see d4_type_extended(). */
struct d4_type_extended {
	const char		*name;
	const char		*description;
};

/* The longest name of an extended type, in bytes without the NUL. */
#define D4_TYPE_NAME_MAX	64

/* What is known of a number; for an unknown one an entry without meaning:
 * name "unknown", opaque data.  Never NULL. */
const struct d4_type *d4_type_get(uint8_t);

/* The known types in order, *n of them. */
const struct d4_type *d4_type_list(size_t *n);

/* The extended types that the D4 project lists, *n of them.  Others are
 * legal. */
const struct d4_type_extended *d4_type_extended_list(size_t *n);

/* Whether the text may name an extended type: [a-z0-9][a-z0-9._-]{0,63}.
 * What passes is safe as a file name. */
bool d4_type_name_ok(const char *, size_t len);

/*
 * The rule for a change of type within one stream: the same type, or 2 to
 * 254.  Nothing else.
 */
bool d4_type_may_follow(uint8_t before, uint8_t after);

#endif
