/* SPDX-License-Identifier: ISC */
#ifndef D4_ADMIN_VERBS_H
#define D4_ADMIN_VERBS_H

/* What can be done: the table of objects and their verbs. */

#include <stdio.h>

#include "d4-admin/admin.h"

enum need {
	NEED_NOTHING,		/* where is known, if it was said */
	NEED_WHERE,		/* -d, -c or -i must be given */
	NEED_REGISTRY,		/* it must be there */
	NEED_CONTENTS,		/* the same, to be changed */
	NEED_CHANGES		/* it is made if missing: for what may be the
				 * first in it */
};

struct verb {
	const char	*object;
	const char	*name;		/* "" where the object is all */
	int		(*run)(struct admin *, const struct args *);
	enum need	 need;
	size_t		 min, max;	/* operands */
	const char	*options;	/* words, with '=' those with a value */
	const char	*usage;		/* operands and options */
	const char	*help;
};

/* Finds a verb; *used is how many words its name has.  NULL when there is
 * none, which is said with those that there are. */
const struct verb *verbs_find(char *argv[], size_t argc, size_t *used);

/* A line of usage for each verb, or with help two. */
void verbs_print(FILE *);

#endif
