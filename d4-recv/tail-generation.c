/* SPDX-License-Identifier: ISC */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/tail-own.h"
#include "lib/bytes.h"

/* -- writing --------------------------------------------------------------- */

int
generation_put_head(const struct tail *t, int fd, uint64_t generation,
    bool first)
{
	struct log_head head = {
		.generation = generation, .nfiles = t->nfiles,
		.lost = t->lost, .unmarked = t->tails->unmarked
	};
	uint8_t p[LOG_HEAD];

	memcpy(head.hello, t->hello, sizeof(head.hello));
	memcpy(head.boot, t->tails->boot, sizeof(head.boot));
	log_put_head(p, &head);
	/* Marks stay. */
	return tails_write(fd, p, first ? LOG_HEAD : LOG_MARKS_AT, 0);
}

int
generation_append(int fd, uint64_t generation, uint64_t *len, uint8_t *buf,
    struct log_frame *f)
{
	int err;

	f->at = *len;
	f->body = buf + LOG_FRAME;
	log_put_frame(buf, generation, f);
	if (tails_write(fd, buf, LOG_FRAME + f->len, *len) == -1) {
		err = errno;
		if (ftruncate(fd, (off_t)*len) == -1)
			err = EIO;
		errno = err;
		return -1;
	}
	*len += LOG_FRAME + f->len;
	return 0;
}

int
generation_append_file(int fd, uint64_t generation, uint64_t *len,
    const struct tail_file *file)
{
	uint8_t buf[LOG_FRAME + PLACE_ENTRY];
	struct log_frame f = {
		.kind = LOG_FILE, .flags = file->data ? LOG_DATA : 0,
		.end = file->end, .whole = file->whole
	};

	f.len = strlen(file->entry);
	memcpy(buf + LOG_FRAME, file->entry, f.len);
	return generation_append(fd, generation, len, buf, &f);
}

int
generation_append_settled(int fd, uint64_t generation, uint64_t *len,
    uint64_t end, uint64_t dropped, const struct part *part)
{
	uint8_t buf[LOG_FRAME + 8 + LOG_PART], *body = buf + LOG_FRAME;
	struct log_frame f = {
		.kind = LOG_SETTLED, .end = end, .whole = end, .len = 8
	};

	d4_put64le(body, dropped);
	if (part->taken > 0) {
		memcpy(body + 8, part->tag, MATCH_TAG);
		d4_put32le(body + 8 + MATCH_TAG, part->taken);
		f.len += LOG_PART;
	}
	return generation_append(fd, generation, len, buf, &f);
}

static int
append_tags(const struct tail *t, int fd, uint64_t generation, uint64_t *len)
{
	struct log_frame f = { .kind = LOG_TAGS };
	uint8_t *buf;
	int rc;

	f.len = t->npreamble * MATCH_TAG;
	if ((buf = malloc(LOG_FRAME + f.len)) == NULL)
		return -1;
	if (f.len > 0)
		memcpy(buf + LOG_FRAME, t->preamble, f.len);
	rc = generation_append(fd, generation, len, buf, &f);
	free(buf);
	return rc;
}

/* -- the file -------------------------------------------------------------- */

int
generation_get_head(int fd, struct log_head *head)
{
	static const uint8_t blank[LOG_HEAD];
	uint8_t p[LOG_HEAD];
	ssize_t n;

	do {
		n = pread(fd, p, sizeof(p), 0);
	} while (n == -1 && errno == EINTR);
	if (n == -1)
		return -1;
	if (n < LOG_HEAD || memcmp(p, blank, sizeof(blank)) == 0)
		return 2;
	return log_get_head(head, p) == 0 ? 0 : 1;
}

int
generation_open(const struct tail *t, uint64_t generation)
{
	char name[TAIL_NAME];

	tails_generation(name, t->base, generation);
	return openat(t->tails->dir, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK |
	    O_CLOEXEC);
}

int
generation_hold(int fd)
{
	struct stat st;

	if (flock(fd, LOCK_EX | LOCK_NB) == -1)
		return errno == EWOULDBLOCK ? 1 : -1;
	if (fstat(fd, &st) == -1)
		return -1;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return -1;
	}
	return st.st_nlink == 0;
}

int
generation_abandon(const struct tail *t, int fd, uint64_t generation)
{
	tails_remove(t->tails, t->base, generation);
	(void)close(fd);
	return -1;
}

int
generation_create(const struct tail *t, uint64_t generation, uint64_t *len)
{
	char name[TAIL_NAME];
	int fd;

	*len = LOG_HEAD;
	tails_generation(name, t->base, generation);
	(void)unlinkat(t->tails->dir, name, 0);
	fd = openat(t->tails->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
	    0600);
	if (fd == -1)
		return -1;
	if (generation_hold(fd) != 0 ||
	    generation_put_head(t, fd, generation, true) == -1 ||
	    append_tags(t, fd, generation, len) == -1)
		return generation_abandon(t, fd, generation);
	return fd;
}
