/* SPDX-License-Identifier: ISC */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/settle.h"

int
settle_open(int entries, const char *entry, nlink_t *nlink)
{
	struct stat a, b;
	int fd, err;

	fd = openat(entries, entry, O_RDWR | O_NOFOLLOW | O_NONBLOCK |
	    O_CLOEXEC);
	if (fd == -1)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &a) == 0 &&
	    S_ISREG(a.st_mode)) {
		/* It may have been removed before it was locked. */
		if (fstatat(entries, entry, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
		    a.st_ino == b.st_ino) {
			*nlink = b.st_nlink;
			return fd;
		}
		errno = ENOENT;
	}
	err = errno;
	(void)close(fd);
	errno = err;
	return -1;
}

/* An entry whose finished bytes may lie beside it. */
static int
submit_compressed(struct finish *f, const struct place *p, unsigned n, int fd,
    enum finish_how how)
{
	char entry[PLACE_ENTRY], done_entry[PLACE_ENTRY];
	int entries = finish_open_dir(f), done_fd;
	nlink_t nlink;

	place_entry(p, n, false, entry);
	place_entry(p, n, true, done_entry);
	done_fd = settle_open(entries, done_entry, &nlink);
	if (done_fd != -1 && nlink > 1) {
		(void)unlinkat(entries, entry, 0);
		(void)close(fd);
		return finish_submit(f, p, n, true, done_fd, FINISH_LINKED);
	}
	if (done_fd == -1 && (errno == EMFILE || errno == ENFILE ||
	    errno == ENOMEM)) {
		(void)close(fd);
		return -1;
	}
	if (done_fd != -1) {
		(void)unlinkat(entries, done_entry, 0);
		(void)close(done_fd);
	}
	return finish_submit(f, p, n, false, fd, how);
}

int
settle_submit(struct finish *f, const struct place *p, unsigned n, int fd,
    nlink_t nlink, enum finish_how how)
{
	if (p->compress != D4_GZ_PLAIN)
		return submit_compressed(f, p, n, fd, how);
	return finish_submit(f, p, n, false, fd,
	    nlink > 1 ? FINISH_LINKED : how);
}

/* Whether they can be of one stream.  A file has all that its tail has, and
 * only so much more as was on its way. */
static bool
agree(const struct tail_file *file, off_t size)
{
	return (uint64_t)size >= file->whole && (file->by_mark ||
	    (uint64_t)size <= file->end + TAIL_SLACK);
}

static int
settle_file(struct finish *finish, struct tail *tail,
    const struct place *place, unsigned n, int fd, nlink_t nlink)
{
	struct tail_file file = *tail_file(tail);
	struct stat st;

	if (fstat(fd, &st) == -1)
		goto bad;
	if (!agree(&file, st.st_size)) {
		(void)close(fd);
		return 2;
	}
	if ((uint64_t)st.st_size > file.whole &&
	    ftruncate(fd, (off_t)file.whole) == -1)
		goto bad;
	if (tail_settle(tail, file.whole) == -1)
		goto bad;
	if (!file.data) {
		finish_discard(finish, place, n, fd);
		return 0;
	}
	return settle_submit(finish, place, n, fd, nlink, FINISH_WHOLE);
bad:
	(void)close(fd);
	return -1;
}

int
settle_tail(struct finish *finish, struct tail *tail)
{
	const struct tail_file *file = tail_file(tail);
	struct place place;
	nlink_t nlink;
	unsigned n;
	bool done;
	int fd;

	if (file->settled || *file->entry == '\0')
		return file->by_mark ? tail_settle(tail, file->end) : 0;
	if (place_parse(&place, file->entry, &n, &done) == -1 || done)
		return 2;
	fd = settle_open(finish_open_dir(finish), file->entry, &nlink);
	if (fd != -1)
		return settle_file(finish, tail, &place, n, fd, nlink);
	if (errno == EWOULDBLOCK)
		return 1;
	/* Somebody removed it. */
	return errno == ENOENT ? tail_settle(tail, file->end) : -1;
}

/* By the tail, which is settled. */
static enum settle
judge(struct finish *finish, const struct tail *tail, const struct place *p,
    const char *entry)
{
	const struct tail_file *file = tail_file(tail);
	struct stat st;

	if (tail_lost(tail, p->ordinal))
		return SETTLE_LOST;
	if (p->ordinal < file->ordinal)
		return SETTLE_CUT;
	if (p->ordinal == file->ordinal)
		return SETTLE_WHOLE;
	/* It was to be the next one. */
	if (fstatat(finish_open_dir(finish), entry, &st,
	    AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > (off_t)TAIL_SLACK)
		return SETTLE_CUT;
	return SETTLE_LOST;
}

static enum settle
judge_held(struct finish *finish, const char *entry, bool impatient)
{
	nlink_t nlink;
	int fd;

	if ((fd = settle_open(finish_open_dir(finish), entry, &nlink)) == -1)
		return SETTLE_DONE;	/* who holds it has it in hand */
	(void)close(fd);
	return impatient ? SETTLE_CUT : SETTLE_LATER;
}

enum settle
settle_entry(struct finish *finish, struct tails *tails,
    const struct place *p, const char *entry, bool impatient)
{
	enum settle what;
	struct tail *tail;
	bool was_open;
	int rc;

	if ((rc = tail_open_for(tails, p, &tail)) == 2)
		return SETTLE_CUT;
	if (rc == 3)
		return SETTLE_LOST;
	if (rc == 1)
		return judge_held(finish, entry, impatient);
	if (rc == -1)
		return SETTLE_FAILED;
	was_open = !tail_file(tail)->settled;
	if ((rc = settle_tail(finish, tail)) == 2) {
		tail_drop(tail, "it says something else than its file");
		return SETTLE_CUT;
	}
	if (rc != 0)
		what = rc == 1 ? SETTLE_LATER : SETTLE_FAILED;
	else if (was_open && strcmp(tail_file(tail)->entry, entry) == 0)
		what = SETTLE_DONE;
	else
		what = judge(finish, tail, p, entry);
	tail_close(tail);
	return what;
}
