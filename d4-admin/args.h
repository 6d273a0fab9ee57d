/* SPDX-License-Identifier: ISC */
#ifndef D4_ADMIN_ARGS_H
#define D4_ADMIN_ARGS_H

/*
 * The arguments of a verb: options by name, the rest in order.  What is wrong
 * is said on stderr with what would be right; then the result is 2, the exit
 * status of wrong usage, and 0 otherwise.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/header.h"
#include "lib/type.h"

#define ARGS_OPTIONS	16	/* given to one verb, at most */

struct verb;

struct args {
	const struct verb	*verb;
	char			**operand;
	size_t			 n;
	struct {
		const char	*name;
		const char	*value;		/* "" for one without */
	}			 option[ARGS_OPTIONS];
	size_t			 noptions;
};

/* Sorts what stands behind the verb; the array is reordered. */
int args_parse(struct args *, const struct verb *, char *argv[], size_t argc);

/* The value of an option, or NULL when it was not given. */
const char *args_option(const struct args *, const char *name);

/* Says that the verb was used wrongly, and how it is used.  Returns 2. */
int args_misuse(const struct args *);

int args_uuid(const char *text, uint8_t[D4_UUID_LEN]);

/* One of version 4, as sensors have. */
int args_sensor(const char *text, uint8_t[D4_UUID_LEN]);

int args_number(const char *what, const char *text, uint64_t min, uint64_t max,
    uint64_t *);

/* A line of text that the registry takes. */
int args_text(const char *what, const char *text);

/* A day as 20241231 or 2024-12-31. */
int args_day(const char *text, uint32_t *);

/* An accepted type, or the name of an extended one: then type is
 * D4_TYPE_EXTENDED.  *name points into text, or is "". */
int args_type(const char *text, uint8_t *type, const char **name);

#endif
