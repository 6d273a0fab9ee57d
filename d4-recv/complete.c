/* SPDX-License-Identifier: ISC */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/complete.h"
#include "d4-recv/whole.h"
#include "lib/gz.h"

#define CHUNK	((size_t)256 << 10)

bool
complete_waits(int err)
{
	return err == ENOSPC || err == EDQUOT || err == EMFILE ||
	    err == ENFILE;
}

/* After a failure the kernel forgets what it could not write, and a second
 * call would succeed: so this is never a reason to wait. */
static int
sync_file(int fd)
{
	while (fsync(fd) == -1) {
		if (errno == EINTR)
			continue;
		if (complete_waits(errno))
			errno = EIO;
		return -1;
	}
	return 0;
}

static int
sync_directory(int root, const char *path)
{
	int fd, rc, err;

	fd = openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	rc = sync_file(fd);
	err = errno;
	(void)close(fd);
	errno = err;
	return rc;
}

/* Makes the directories above the file, each synced into the one above. */
static int
make_directories(int root, const char *file)
{
	char path[PLACE_PATH], above[PLACE_PATH] = ".", *slash = path;

	(void)memcpy(path, file, strlen(file) + 1);
	while ((slash = strchr(slash, '/')) != NULL) {
		*slash = '\0';
		if (mkdirat(root, path, 0777) == 0) {
			if (sync_directory(root, above) == -1)
				return -1;
		} else if (errno != EEXIST) {
			return -1;
		}
		memcpy(above, path, strlen(path) + 1);
		*slash++ = '/';
	}
	return 0;
}

static int
copy_compressed(struct complete *c, int in, struct d4_gz_out *gz)
{
	uint8_t *chunk;
	ssize_t n;
	off_t at = 0;
	int rc = -1;

	if ((chunk = malloc(CHUNK)) == NULL)
		return -1;
	for (;;) {
		if (atomic_load(&c->stop)) {
			errno = EINTR;
			break;
		}
		n = pread(in, chunk, CHUNK, at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == 0)
			rc = d4_gz_out_finish(gz);
		if (n <= 0 || d4_gz_out_write(gz, chunk, (size_t)n) == -1)
			break;
		at += n;
	}
	free(chunk);
	return rc;
}

static int
compress_entry(struct complete *c, struct complete_file *f)
{
	char entry[PLACE_ENTRY];
	struct d4_gz_out *gz = NULL;
	int fd, err;

	place_entry(&f->place, f->n, true, entry);
	/* Never into an older one, which might be finished and have a name. */
	(void)unlinkat(c->entries, entry, 0);
	fd = openat(c->entries, entry, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
	    0666);
	if (fd == -1)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && (gz = d4_gz_out_open(fd,
	    f->place.compress, c->level)) != NULL &&
	    copy_compressed(c, f->fd, gz) == 0 && sync_file(fd) == 0) {
		d4_gz_out_close(gz);
		f->out = fd;
		return 0;
	}
	err = errno;
	d4_gz_out_close(gz);
	(void)unlinkat(c->entries, entry, 0);
	(void)close(fd);
	errno = err;
	return -1;
}

/* Whether the path is a name of the open file. */
static bool
is_name_of(int root, const char *path, int fd)
{
	struct stat a, b;

	return fstatat(root, path, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
	    fstat(fd, &b) == 0 && a.st_ino == b.st_ino &&
	    a.st_dev == b.st_dev;
}

static bool
is_taken(int root, const struct place *p, unsigned n)
{
	char path[PLACE_PATH];
	struct stat st;

	place_final(p, n, path);
	return fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The first free number after n, which is taken, in steps that double: many
 * files may want one name. */
static unsigned
next_free(int root, const struct place *p, unsigned n)
{
	unsigned step = 1;

	for (; step < 1u << 30 && is_taken(root, p, n + step); step *= 2)
		n += step;
	while ((step /= 2) > 0) {
		if (is_taken(root, p, n + step))
			n += step;
	}
	return n + 1;
}

static int
give_name(struct complete *c, struct complete_file *f)
{
	enum place_kind kind = f->place.kind;
	int fd = f->out == -1 ? f->fd : f->out;
	char entry[PLACE_ENTRY];
	unsigned n = f->place.number;
	bool made = false;

	place_entry(&f->place, f->n, f->done || f->out != -1, entry);
	for (;;) {
		place_final(&f->place, n, f->final);
		if (linkat(c->entries, entry, c->root, f->final, 0) == 0)
			return 0;
		if (errno == ENOENT && !made) {
			if (make_directories(c->root, f->final) == -1)
				return -1;
			made = true;
		} else if (errno != EEXIST) {
			return -1;
		} else if (is_name_of(c->root, f->final, fd)) {
			return 0;
		} else if (kind == PLACE_OBJECT || kind == PLACE_CERT) {
			return 0;	/* the same bytes by their hash */
		} else {
			/* One of them may be its own name already. */
			n = f->how == FINISH_LINKED ? n + 1 :
			    next_free(c->root, &f->place, n);
		}
	}
}

static int
name_entry(struct complete *c, struct complete_file *f)
{
	char folder[PLACE_PATH];

	if (give_name(c, f) == -1)
		return -1;
	memcpy(folder, f->final, sizeof(folder));
	*strrchr(folder, '/') = '\0';
	return sync_directory(c->root, folder);
}

int
complete_run(struct complete *c, struct complete_file *f)
{
	char entry[PLACE_ENTRY];
	int rc;

	place_entry(&f->place, f->n, f->done, entry);
	if (f->how == FINISH_CUT) {
		if ((rc = whole_cut(&f->place, f->fd)) == -1)
			return -1;
		if (rc == 0) {
			(void)unlinkat(c->entries, entry, 0);
			return 0;
		}
		f->how = FINISH_WHOLE;
	}
	if (f->how != FINISH_LINKED && !f->synced) {
		if (sync_file(f->fd) == -1)
			return -1;
		f->synced = true;
	}
	if (f->place.compress != D4_GZ_PLAIN && !f->done && f->out == -1 &&
	    compress_entry(c, f) == -1)
		return -1;
	if (name_entry(c, f) == -1)
		return -1;
	if (f->out != -1) {
		(void)unlinkat(c->entries, entry, 0);
		(void)close(f->fd);
		f->fd = f->out;
		f->out = -1;
		f->done = true;
	}
	return 1;
}
