/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

/* An entry whose finished bytes may lie beside it, and which is locked. */
static int
recover_compressed(struct finish *f, const struct place *p, unsigned n, int fd,
    const char *entry, enum finish_how how)
{
	int entries = finish_open_dir(f), done_fd;
	char done_entry[PLACE_ENTRY];
	nlink_t nlink;

	place_entry(p, n, true, done_entry);
	done_fd = settle_open(entries, done_entry, &nlink);
	if (done_fd != -1 && nlink > 1) {
		(void)unlinkat(entries, entry, 0);
		(void)close(fd);
		return finish_submit(f, p, n, true, done_fd, FINISH_LINKED);
	}
	if (done_fd == -1 && pass_over() == -1) {
		(void)close(fd);
		return -1;
	}
	if (done_fd != -1) {
		(void)unlinkat(entries, done_entry, 0);
		(void)close(done_fd);
	}
	return finish_submit(f, p, n, false, fd, how);
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
recover_entry(struct finish *f, struct tails *tails, bool impatient,
    const char *entry)
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
		what = settle_entry(f, tails, &place, entry, impatient);
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
	if (place.compress != D4_GZ_PLAIN)
		return recover_compressed(f, &place, n, fd, entry,
		    what == SETTLE_WHOLE ? FINISH_WHOLE : FINISH_CUT);
	return finish_submit(f, &place, n, false, fd, nlink > 1 ?
	    FINISH_LINKED : what == SETTLE_WHOLE ? FINISH_WHOLE : FINISH_CUT);
}

int
recover_run(struct finish *f, struct tails *tails, bool impatient)
{
	const struct dirent *entry = NULL;
	int fd, rc = 0, err;
	bool later = false;
	DIR *dir;

	fd = openat(finish_open_dir(f), ".", O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC);
	if (fd == -1)
		return -1;
	if ((dir = fdopendir(fd)) == NULL) {
		err = errno;
		(void)close(fd);
		errno = err;
		return -1;
	}
	while (rc != -1 && !finish_busy(f)) {
		errno = 0;
		if ((entry = readdir(dir)) == NULL) {
			rc = errno == 0 ? 0 : -1;
			break;
		}
		rc = recover_entry(f, tails, impatient, entry->d_name);
		later = later || rc == 1;
	}
	err = errno;
	(void)closedir(dir);
	errno = err;
	return rc == -1 ? -1 : finish_busy(f) || later;
}
