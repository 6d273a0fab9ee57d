/* SPDX-License-Identifier: ISC */
#ifndef D4_PIBS_RESERVE_H
#define D4_PIBS_RESERVE_H

/*
 * Memory for large tables: zeros, taken from the system page by page as it is
 * touched, and in large pages where there are.
 */

#include <sys/mman.h>

#include <stddef.h>

#ifndef MAP_NORESERVE
#define MAP_NORESERVE	0
#endif

/* NULL with errno when there is none. */
static inline void *
reserve(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
#ifdef MADV_HUGEPAGE
	/* Each lookup in a large table is a miss; let it be one only. */
	(void)madvise(p, len, MADV_HUGEPAGE);
#endif
	return p;
}

/* Takes NULL. */
static inline void
unreserve(void *p, size_t len)
{
	if (p != NULL)
		(void)munmap(p, len);
}

#endif
