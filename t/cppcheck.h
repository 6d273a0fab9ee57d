/* SPDX-License-Identifier: ISC */

/* For cppcheck alone, which sees no system header: those macros of
 * <sys/queue.h> that are no calls. */

#define TAILQ_HEAD(name, type)	struct name { struct type *first; }
#define TAILQ_ENTRY(type)	struct { struct type *next; }
#define TAILQ_FOREACH(var, head, field) \
	for ((var) = (head)->first; (var) != NULL; (var) = (var)->field.next)
#define STAILQ_HEAD(name, type)	struct name { struct type *first; }
#define STAILQ_ENTRY(type)	struct { struct type *next; }
#define STAILQ_FOREACH(var, head, field) \
	for ((var) = (head)->first; (var) != NULL; (var) = (var)->field.next)
