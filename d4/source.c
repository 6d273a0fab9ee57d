/* SPDX-License-Identifier: ISC */
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4/source-backend.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/net.h"
#include "lib/sum.h"

#define SUM_BYTES	((size_t)64 << 10)

/* How long to leave it when no writer can be accepted. */
#define ACCEPT_MS	1000

/* Between two looks whether a FIFO is still the one of its name. */
#define LOOK_MS		1000

/* Those who write, of a FIFO or a socket. */
struct writers {
	bool	 left;		/* one did, since the last that was read */
	bool	 other;		/* which is of another */
};

struct source {
	const struct source_kind *kind;
	void	*state;			/* the kind's */
	char	 why[SOURCE_WHY];
};

/* stdin, a file, a FIFO. */
struct plain {
	const char *path;	/* of the caller */
	int	 fd;
	int	 holder;	/* our own writer of a FIFO, else -1 */
	bool	 fifo;		/* never at its end */
	int64_t	 due;		/* when to look for another of its name */
	bool	 gone;		/* there is none, and no writer */
	bool	 held;		/* a holder is wanted */
	struct writers writers;
};

/* A unix socket. */
struct listener {
	const char *name;	/* of the caller */
	struct d4_net_addr addr;
	int	 fd;
	int	 writer;	/* -1 while there is none */
	int64_t	 again;		/* not to be tried before */
	struct writers writers;
};

static const struct source_kind source_plain, source_unix;

static const struct source_kind *
kind_of(const char *text)
{
	if (strcmp(text, "d4server") == 0)
		return &source_redis;
	if (strncmp(text, "folder:", 7) == 0)
		return &source_folder;
	if (strncmp(text, "unix:", 5) == 0)
		return &source_unix;
	return &source_plain;
}

int
source_check(const struct source_settings *s, char why[SOURCE_WHY])
{
	const struct source_kind *kind = kind_of(s->source);

	return kind->check == NULL ? 0 : kind->check(s, why);
}

struct source *
source_open(const struct source_settings *s, char why[SOURCE_WHY])
{
	struct source *src;

	if (source_check(s, why) == -1)
		return NULL;
	if ((src = calloc(1, sizeof(*src))) == NULL) {
		(void)snprintf(why, SOURCE_WHY, "%s", strerror(errno));
		return NULL;
	}
	src->kind = kind_of(s->source);
	if ((src->state = src->kind->open(s, why)) == NULL) {
		free(src);
		return NULL;
	}
	return src;
}

void
source_close(struct source *src)
{
	if (src == NULL)
		return;
	src->kind->close(src->state);
	free(src);
}

int
source_fd(const struct source *src)
{
	const struct plain *p = src->state;

	/* A FIFO without a writer of our own has to be opened again. */
	if (src->kind != &source_plain || (p->fifo && p->holder == -1))
		return -1;
	return p->fd;
}

bool
source_file(const struct source *src, struct source_file *file)
{
	struct stat st;
	off_t at;
	int fd;

	if ((fd = source_fd(src)) == -1 || fstat(fd, &st) == -1 ||
	    !S_ISREG(st.st_mode) || (at = lseek(fd, 0, SEEK_CUR)) == -1)
		return false;
	file->dev = (uint64_t)st.st_dev;
	file->ino = (uint64_t)st.st_ino;
	file->size = (uint64_t)st.st_size;
	file->offset = (uint64_t)at;
	return true;
}

int
source_seek(const struct source *src, uint64_t offset)
{
	return lseek(source_fd(src), (off_t)offset, SEEK_SET) == -1 ? -1 : 0;
}

int
source_sum(const struct source *src, uint64_t offset, uint64_t *sum)
{
	uint8_t bytes[SUM_BYTES];
	size_t len = offset < SUM_BYTES ? (size_t)offset : SUM_BYTES;
	const uint64_t at[2] = { 0, offset - len };
	ssize_t n;
	int i;

	*sum = 0;
	for (i = 0; i < 2; i++) {
		n = pread(source_fd(src), bytes, len, (off_t)at[i]);
		if (n != (ssize_t)len) {
			if (n >= 0)
				errno = ESPIPE;
			return -1;
		}
		*sum = d4_sum_add(*sum, bytes, len);
	}
	return 0;
}

ssize_t
source_read(struct source *src, void *buf, size_t len)
{
	return src->kind->read(src->state, buf, len, src->why);
}

bool
source_other_writer(const struct source *src)
{
	const struct plain *p = src->state;
	const struct listener *l = src->state;

	return (src->kind == &source_plain && p->writers.other) ||
	    (src->kind == &source_unix && l->writers.other);
}

int
source_poll(const struct source *src, struct pollfd *pfd)
{
	pfd->events = POLLIN;
	pfd->revents = 0;
	return src->kind->poll(src->state, pfd);
}

const char *
source_why(const struct source *src)
{
	return src->why;
}

uint64_t
source_mark(const struct source *src)
{
	return src->kind->mark == NULL ? 0 : src->kind->mark(src->state);
}

void
source_sent(struct source *src, uint64_t mark)
{
	if (src->kind->sent != NULL)
		src->kind->sent(src->state, mark);
}

int
source_until(int64_t then)
{
	int64_t left = then - d4_clock_ms();

	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* Something was read. */
static void
take_from(struct writers *w)
{
	w->other = w->left;
	w->left = false;
}

/* -- stdin, a file, a FIFO ------------------------------------------------- */

static int
open_path(const char *path)
{
	return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

/* Such a path is a descriptor we were given, a pipe perhaps, with an end. */
static bool
is_descriptor(const char *path)
{
	return strcmp(path, "/dev/stdin") == 0 ||
	    strncmp(path, "/dev/fd/", 8) == 0;
}

/* With a writer of its own a FIFO is never at its end.  Where we may not write,
 * or want to see them leave, it is opened again each time. */
static void
hold(struct plain *p)
{
	if (p->held)
		p->holder = open(p->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
}

static void *
plain_open(const struct source_settings *s, char why[SOURCE_WHY])
{
	struct plain *p;
	struct stat st;
	int saved;

	if ((p = calloc(1, sizeof(*p))) == NULL)
		goto err0;
	p->path = s->source;
	p->holder = -1;
	if (strcmp(p->path, "stdin") == 0) {
		p->fd = STDIN_FILENO;
		return p;
	}
	if ((p->fd = open_path(p->path)) == -1 || fstat(p->fd, &st) == -1)
		goto err1;
	if (S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		goto err1;
	}
	p->fifo = S_ISFIFO(st.st_mode) && !is_descriptor(p->path);
	p->held = p->fifo && !s->writers;
	hold(p);
	return p;
err1:
	saved = errno;
	if (p->fd != -1)
		(void)close(p->fd);
	free(p);
	errno = saved;
err0:
	(void)snprintf(why, SOURCE_WHY, "%s", strerror(errno));
	return NULL;
}

static void
plain_close(void *state)
{
	struct plain *p = state;

	if (p->fd != STDIN_FILENO)
		(void)close(p->fd);
	if (p->holder != -1)
		(void)close(p->holder);
	free(p);
}

/* The new descriptor comes first, so that what a next writer has already left
 * in the FIFO stays there.  What is no FIFO is not the one that is missed. */
static int
open_again(struct plain *p)
{
	struct stat st;
	int fd;

	if ((fd = open_path(p->path)) == -1)
		return -1;
	if (fstat(fd, &st) == -1 || !S_ISFIFO(st.st_mode)) {
		(void)close(fd);
		errno = ENOENT;
		return -1;
	}
	(void)close(p->fd);
	p->fd = fd;
	return 0;
}

/* Whoever writes may have made the FIFO anew, and we read of one without a
 * name.  It is empty. */
static void
follow_name(struct plain *p)
{
	struct stat ours, st;

	if (d4_clock_ms() < p->due)
		return;
	p->due = d4_clock_ms() + LOOK_MS;
	if (fstat(p->fd, &ours) == -1 || stat(p->path, &st) == -1 ||
	    !S_ISFIFO(st.st_mode) || (st.st_dev == ours.st_dev &&
	    st.st_ino == ours.st_ino) || open_again(p) == -1)
		return;
	p->writers.left = true;
	if (p->holder != -1)
		(void)close(p->holder);
	hold(p);
}

static ssize_t
plain_read(void *state, void *buf, size_t len, char why[SOURCE_WHY])
{
	struct plain *p = state;
	struct pollfd pfd = { .fd = p->fd, .events = POLLIN };
	ssize_t got;

	/* Standard input is left blocking, if that is how it came. */
	if (p->fd == STDIN_FILENO && poll(&pfd, 1, 0) == 0) {
		errno = EAGAIN;
		return -1;
	}
	do {
		got = read(p->fd, buf, len);
	} while (got == -1 && errno == EINTR);
	if (got > 0)
		take_from(&p->writers);
	if (got == 0 && p->fifo && len > 0) {
		got = -1;
		p->writers.left = true;
		p->gone = open_again(p) == -1;
		if (!p->gone || errno == ENOENT)
			errno = EAGAIN;
	}
	if (got == -1 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		if (p->fifo)
			follow_name(p);
		errno = EAGAIN;
	} else if (got == -1) {
		(void)snprintf(why, SOURCE_WHY, "%s", strerror(errno));
	}
	return got;
}

static int
plain_poll(const void *state, struct pollfd *pfd)
{
	const struct plain *p = state;

	pfd->fd = p->gone ? -1 : p->fd;
	return p->fifo ? source_until(p->due) : -1;
}

static const struct source_kind source_plain = {
	NULL, plain_open, plain_close, plain_read, plain_poll, NULL, NULL
};

/* -- a unix socket --------------------------------------------------------- */

static int
unix_check(const struct source_settings *s, char why[SOURCE_WHY])
{
	struct d4_net_addr addr;
	const char *words;

	if (d4_net_parse(&addr, s->source, true, &words) == 0)
		return 0;
	(void)snprintf(why, SOURCE_WHY, "%s", words);
	return -1;
}

static void *
unix_open(const struct source_settings *s, char why[SOURCE_WHY])
{
	struct listener *l;
	const char *words;

	if ((l = calloc(1, sizeof(*l))) == NULL) {
		(void)snprintf(why, SOURCE_WHY, "%s", strerror(errno));
		return NULL;
	}
	l->name = s->source;
	l->writer = -1;
	(void)d4_net_parse(&l->addr, s->source, true, &words);
	if (d4_net_listen(&l->addr, false, &l->fd, 1, why) == -1) {
		free(l);
		return NULL;
	}
	return l;
}

static void
unix_close(void *state)
{
	struct listener *l = state;

	(void)unlink(l->addr.path);
	(void)close(l->fd);
	if (l->writer != -1)
		(void)close(l->writer);
	free(l);
}

/* The next writer, when one waits. */
static int
accept_writer(struct listener *l)
{
	struct sockaddr_storage peer;

	if (l->again <= d4_clock_ms()) {
		if ((l->writer = d4_net_accept(l->fd, &peer)) != -1)
			return 0;
		if (errno != EAGAIN) {
			d4_log_warn("%s: accept", l->name);
			l->again = d4_clock_ms() + ACCEPT_MS;
		}
	}
	errno = EAGAIN;
	return -1;
}

static ssize_t
unix_read(void *state, void *buf, size_t len, char why[SOURCE_WHY])
{
	struct listener *l = state;
	ssize_t got;

	(void)why;
	for (;;) {
		if (l->writer == -1 && accept_writer(l) == -1)
			return -1;
		got = read(l->writer, buf, len);
		if (got > 0) {
			take_from(&l->writers);
			return got;
		}
		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			errno = EAGAIN;
			return -1;
		}
		if (got == -1)
			d4_log_warn("%s: the writer", l->name);
		(void)close(l->writer);
		l->writer = -1;
		l->writers.left = true;
	}
}

static int
unix_poll(const void *state, struct pollfd *pfd)
{
	const struct listener *l = state;

	if (l->writer == -1 && l->again > d4_clock_ms()) {
		pfd->fd = -1;
		return source_until(l->again);
	}
	pfd->fd = l->writer != -1 ? l->writer : l->fd;
	return -1;
}

static const struct source_kind source_unix = {
	unix_check, unix_open, unix_close, unix_read, unix_poll, NULL, NULL
};
