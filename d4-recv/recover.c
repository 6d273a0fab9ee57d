/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/recover.h"
#include "d4-recv/settle.h"

/* An entry that can't be opened or locked is somebody's, or gone, or it is
 * better tried later. */
static int
pass_over(void)
{
	return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -1 : 0;
}

/* Finished bytes without the entry they were made from. */
static int
recover_done(struct finish *f, const struct place *p, unsigned n,
    const char *entry)
{
	char plain[PLACE_ENTRY];
	struct stat st;
	nlink_t nlink;
	int fd;

	place_entry(p, n, false, plain);
	if (fstatat(finish_open_dir(f), plain, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;	/* these two go together, by the other */
	fd = settle_open(finish_open_dir(f), entry, &nlink);
	if (fd == -1)
		return pass_over();
	return finish_submit(f, p, n, true, fd, nlink > 1 ? FINISH_LINKED :
	    FINISH_WHOLE);
}

/* 0, 1 when it is to be tried again, or -1 with errno when the next entries
 * need not be tried. */
static int
recover_entry(struct finish *f, struct tails *tails, struct share *share,
    bool impatient, const char *entry)
{
	enum settle what = SETTLE_CUT;
	struct place place;
	nlink_t nlink;
	unsigned n;
	bool done;
	int fd;

	if (place_parse(&place, entry, &n, &done) == -1)
		return 0;
	if (done)
		return recover_done(f, &place, n, entry);
	if (*place.tail != '\0')
		what = settle_entry(f, tails, share, &place, entry,
		    impatient);
	if (what == SETTLE_FAILED)
		return pass_over() == -1 ? -1 : 1;
	if (what == SETTLE_DONE || what == SETTLE_LATER)
		return what == SETTLE_LATER;
	if ((fd = settle_open(finish_open_dir(f), entry, &nlink)) == -1)
		return pass_over();
	if (what == SETTLE_LOST) {
		finish_discard(f, &place, n, fd);
		return 0;
	}
	return settle_submit(f, &place, n, fd, nlink,
	    what == SETTLE_WHOLE ? FINISH_WHOLE : FINISH_CUT);
}

/* Files of one stream in its order, for so they will be named. */
static int
compare_entries(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;
	struct place p, q;
	unsigned m, n;
	bool done;
	int rc;

	if (place_parse(&p, x, &m, &done) == -1 ||
	    place_parse(&q, y, &n, &done) == -1)
		return strcmp(x, y);
	if ((rc = strcmp(p.path, q.path)) != 0 ||
	    (rc = strcmp(p.tail, q.tail)) != 0)
		return rc;
	if (p.ordinal != q.ordinal)
		return p.ordinal < q.ordinal ? -1 : 1;
	return m != n ? (m < n ? -1 : 1) : strcmp(x, y);
}

/* The names in .open, each and all to be freed.  How many, or -1. */
static ssize_t
list_entries(const struct finish *f, char ***names)
{
	const struct dirent *entry;
	char **grown, *name;
	size_t n = 0;
	DIR *dir = NULL;
	int fd;

	*names = NULL;
	fd = openat(finish_open_dir(f), ".", O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC);
	if (fd == -1 || (dir = fdopendir(fd)) == NULL)
		goto bad;
	for (errno = 0; (entry = readdir(dir)) != NULL; errno = 0) {
		if (*entry->d_name == '.')
			continue;
		if ((n & (n - 1)) == 0) {
			grown = realloc(*names, (n == 0 ? 1 : 2 * n) *
			    sizeof(**names));
			if (grown == NULL)
				goto bad;
			*names = grown;
		}
		if ((name = strdup(entry->d_name)) == NULL)
			goto bad;
		(*names)[n++] = name;
	}
	if (errno != 0)
		goto bad;
	(void)closedir(dir);
	if (n > 1)
		qsort(*names, n, sizeof(**names), compare_entries);
	return (ssize_t)n;
bad:
	while (n > 0)
		free((*names)[--n]);
	free(*names);
	if (dir != NULL)
		(void)closedir(dir);
	else if (fd != -1)
		(void)close(fd);
	return -1;
}

int
recover_run(struct finish *f, struct tails *tails, struct share *share,
    bool impatient)
{
	bool later = false;
	ssize_t i, n;
	char **names;
	int rc = 0, err = 0;

	if ((n = list_entries(f, &names)) == -1)
		return -1;
	for (i = 0; i < n; i++) {
		if (rc != -1 && !finish_busy(f)) {
			rc = recover_entry(f, tails, share, impatient,
			    names[i]);
			err = errno;
			later = later || rc == 1;
		}
		free(names[i]);
	}
	free(names);
	if (share != NULL)
		share_recovered(share);
	errno = err;
	return rc == -1 ? -1 : finish_busy(f) || later;
}
