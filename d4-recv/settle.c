/* SPDX-License-Identifier: ISC */
#include <sys/file.h>
#include <sys/stat.h>

#include <dirent.h>
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
    const struct place *place, unsigned n, int fd, nlink_t nlink, bool waits)
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
	if (!waits)
		return settle_submit(finish, place, n, fd, nlink,
		    FINISH_WHOLE);
	(void)close(fd);
	return 0;
bad:
	(void)close(fd);
	return -1;
}

/* The entry that the tail ends in: as settle_open(), or -2 when its name is
 * none. */
static int
open_last(const struct finish *finish, const struct tail *tail,
    struct place *place, unsigned *n, nlink_t *nlink)
{
	const char *entry = tail_file(tail)->entry;
	bool done;

	if (place_parse(place, entry, n, &done) == -1 || done)
		return -2;
	return settle_open(finish_open_dir(finish), entry, nlink);
}

int
settle_tail(struct finish *finish, struct tail *tail, bool waits)
{
	const struct tail_file *file = tail_file(tail);
	struct place place;
	nlink_t nlink;
	unsigned n;
	int fd;

	if (file->settled || *file->entry == '\0')
		return file->by_mark ? tail_settle(tail, file->end) : 0;
	if ((fd = open_last(finish, tail, &place, &n, &nlink)) == -2)
		return 2;
	if (fd != -1)
		return settle_file(finish, tail, &place, n, fd, nlink, waits);
	if (errno == EWOULDBLOCK)
		return 1;
	/* Somebody removed it. */
	return errno == ENOENT ? tail_settle(tail, file->end) : -1;
}

void
settle_hand(struct finish *finish, const struct tail *tail)
{
	const struct tail_file *file = tail_file(tail);
	struct place place;
	nlink_t nlink;
	unsigned n;
	int fd;

	if (!file->settled || *file->entry == '\0')
		return;
	if ((fd = open_last(finish, tail, &place, &n, &nlink)) >= 0)
		(void)settle_submit(finish, &place, n, fd, nlink,
		    FINISH_WHOLE);
}

/* Cuts an entry to what counts of it.  0; 1: it is in another's hand; -1. */
static int
cut_entry(struct finish *finish, const char *entry, const struct place *place,
    unsigned n, const struct tail_place *counts)
{
	uint64_t whole = place->ordinal > counts->ordinal || !counts->data ?
	    0 : counts->whole;
	struct stat st;
	nlink_t nlink;
	int fd, rc = 0;

	/* A file that has its end may be in the finisher's hand. */
	if (fstatat(finish_open_dir(finish), entry, &st,
	    AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ? 0 : -1;
	if (whole > 0 && (uint64_t)st.st_size <= whole)
		return 0;
	if ((fd = settle_open(finish_open_dir(finish), entry, &nlink)) == -1)
		return errno == ENOENT ? 0 : errno == EWOULDBLOCK ? 1 : -1;
	if (whole == 0) {
		finish_discard(finish, place, n, fd);
		return 0;
	}
	rc = ftruncate(fd, (off_t)whole);
	(void)close(fd);
	return rc;
}

/* All entries of a stream. */
static int
cut_entries(struct finish *finish, const struct place *of,
    const struct tail_place *counts)
{
	const struct dirent *entry;
	struct place place;
	DIR *dir = NULL;
	unsigned n;
	bool done;
	int fd, rc = 0;

	fd = openat(finish_open_dir(finish), ".", O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC);
	if (fd == -1 || (dir = fdopendir(fd)) == NULL) {
		if (fd != -1)
			(void)close(fd);
		return -1;
	}
	while (rc == 0 && (entry = readdir(dir)) != NULL) {
		if (place_parse(&place, entry->d_name, &n, &done) == -1 ||
		    done || place.kind != PLACE_STREAM ||
		    place.type != of->type || memcmp(place.uuid, of->uuid,
		    sizeof(of->uuid)) != 0 ||
		    strcmp(place.tail, of->tail) != 0 ||
		    place.ordinal < counts->ordinal)
			continue;
		rc = cut_entry(finish, entry->d_name, &place, n, counts);
	}
	(void)closedir(dir);
	return rc;
}

/* Where it says; 0: it does not, our own tail does; -1. */
static int
find_end(const struct tail *tail, const struct share_note *note,
    struct tail_place *counts)
{
	*counts = note->place;
	if (!note->any)
		return 0;
	return note->first ? tail_find(tail, note->tag, counts) : 1;
}

int
settle_elsewhere(struct finish *finish, struct tail *tail,
    const struct place *of, const struct share_note *note)
{
	struct tail_place counts;
	int rc;

	if ((rc = find_end(tail, note, &counts)) == -1)
		return -1;
	return rc == 0 ? settle_tail(finish, tail, false) :
	    cut_entries(finish, of, &counts);
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

/* Asks first where the stream went on; the tail is held until that has been
 * done what is to be done. */
static enum settle
settle_shared(struct finish *finish, struct share_stream *s,
    const struct place *p, const char *entry)
{
	const struct share_note *note = share_note(s);
	struct tail *tail = share_tail(s);
	struct tail_place counts;
	int rc;

	switch (share_state(s)) {
	case SHARE_OWN:
		if ((rc = settle_tail(finish, tail, true)) == 0)
			(void)share_upload(s, tail);
		return rc == 2 ? SETTLE_CUT : SETTLE_LATER;
	case SHARE_SETTLED:
		return judge(finish, tail, p, entry);
	case SHARE_OTHERS:
		if ((rc = find_end(tail, note, &counts)) == -1)
			return SETTLE_FAILED;
		if (rc == 0) {
			rc = settle_tail(finish, tail, true);
			return rc == 0 ? judge(finish, tail, p, entry) :
			    rc == 2 ? SETTLE_CUT : SETTLE_LATER;
		}
		if ((rc = cut_entries(finish, p, &counts)) != 0)
			return rc == 1 ? SETTLE_LATER : SETTLE_FAILED;
		return p->ordinal == counts.ordinal ? SETTLE_WHOLE :
		    SETTLE_CUT;
	default:
		return SETTLE_LATER;
	}
}

enum settle
settle_entry(struct finish *finish, struct tails *tails, struct share *share,
    const struct place *p, const char *entry, bool impatient)
{
	struct share_stream *stream = NULL;
	enum settle what;
	struct tail *tail;
	bool was_open;
	int rc;

	if (share != NULL && (stream = share_recovering(share, p)) != NULL)
		return settle_shared(finish, stream, p, entry);
	if ((rc = tail_open_for(tails, p, &tail)) == 2)
		return SETTLE_CUT;
	if (rc == 3)
		return SETTLE_LOST;
	if (rc == 1)
		return judge_held(finish, entry, impatient);
	if (rc == -1)
		return SETTLE_FAILED;
	if (share != NULL) {
		(void)share_recover(share, p, tail);
		return SETTLE_LATER;
	}
	was_open = !tail_file(tail)->settled;
	if ((rc = settle_tail(finish, tail, false)) == 2) {
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
