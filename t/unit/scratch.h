/* SPDX-License-Identifier: ISC */
#ifndef T_UNIT_SCRATCH_H
#define T_UNIT_SCRATCH_H

/* A directory of the test's own, and files in it. */

#include <sys/stat.h>

#include <ftw.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char scratch[64];

__attribute__((unused))
static int
scratch_make(void)
{
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(scratch, sizeof(scratch), "%.40s/d4-test.XXXXXX",
	    tmp != NULL && *tmp != '\0' ? tmp : "/tmp");
	return mkdtemp(scratch) != NULL ? 0 : -1;
}

static int
scratch_on_entry(const char *path, const struct stat *st, int what,
    struct FTW *ftw)
{
	(void)st;
	(void)what;
	(void)ftw;
	return remove(path);
}

__attribute__((unused))
static void
scratch_remove(void)
{
	(void)nftw(scratch, scratch_on_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* A path within it; good until the fourth call from now. */
__attribute__((format(printf, 1, 2), unused))
static const char *
scratch_path(const char *fmt, ...)
{
	static char paths[4][512];
	static unsigned int next;
	char *path = paths[next++ % 4];
	va_list ap;
	int n;

	n = snprintf(path, sizeof(paths[0]), "%s/", scratch);
	va_start(ap, fmt);
	(void)vsnprintf(path + n, sizeof(paths[0]) - (size_t)n, fmt, ap);
	va_end(ap);
	return path;
}

/* Writes a file anew. */
__attribute__((unused))
static bool
scratch_write(const char *path, const void *data, size_t len)
{
	FILE *file;
	bool good;

	(void)remove(path);
	if ((file = fopen(path, "w")) == NULL)
		return false;
	good = fwrite(data, 1, len, file) == len;
	return fclose(file) == 0 && good;
}

__attribute__((unused))
static unsigned int
scratch_mode(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 ? (unsigned int)st.st_mode & 07777 : 0;
}

#endif
