/* SPDX-License-Identifier: ISC */
#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-pibs/window.h"
#include "lib/gz.h"
#include "lib/io.h"
#include "lib/stop.h"

/* So much of a file is mapped at a time: little enough for the memory limit,
 * much enough for the calls not to count. */
#define MAP_LEN		((size_t)8 << 20)
#define READ_LEN	((size_t)1 << 20)

/* So much of that gets its pages at once, a little before they are come to: not
 * more, or whoever waits for what is read would run dry meanwhile. */
#define TOUCH_LEN	((size_t)512 << 10)

struct window {
	int		 fd;
	const char	*name;
	const char	*fault;
	const uint8_t	*at;			/* what is in sight */
	size_t		 len;
	uint64_t	 size;			/* of the file, 0 unknown */

	bool		 mapped;
	uint8_t		*map;
	size_t		 maplen, touched;	/* bytes; that have pages */
	uint64_t	 next;			/* offset behind at + len */

	struct d4_gz_in	*gz;
	uint8_t		*buf;
	size_t		 room;
	bool		 ended;
};

/* In sight before anything is, so that it is a place. */
static const uint8_t nothing[1];

/* A mapped file that somebody cuts off below us; the name is the file's. */
static const char *volatile mapped_name = "";

static void
on_bus(int sig)
{
	static const char words[] = ": became shorter while it was read\n";

	(void)sig;
	(void)d4_io_write_full(STDERR_FILENO, "d4-pibs: ", 9, NULL);
	(void)d4_io_write_full(STDERR_FILENO, mapped_name,
	    strlen(mapped_name), NULL);
	(void)d4_io_write_full(STDERR_FILENO, words, sizeof(words) - 1, NULL);
	_exit(1);
}

/* Whether the file begins as a compressed one; a descriptor in the middle of a
 * file is read, not mapped. */
static bool
may_map(int fd, const struct stat *st)
{
	uint8_t magic[4];

	if (!S_ISREG(st->st_mode) || st->st_size < 4 ||
	    lseek(fd, 0, SEEK_CUR) != 0 ||
	    pread(fd, magic, sizeof(magic), 0) != (ssize_t)sizeof(magic))
		return false;
	return !(magic[0] == 0x1f && magic[1] == 0x8b) &&
	    !(magic[1] == 0xb5 && magic[2] == 0x2f && magic[3] == 0xfd) &&
	    !(magic[1] == 0x2a && magic[2] == 0x4d && magic[3] == 0x18);
}

struct window *
window_open(int fd, const char *name)
{
	struct sigaction sa = { .sa_handler = on_bus };
	struct window *w;
	struct stat st;

	if (fstat(fd, &st) == -1 || (w = calloc(1, sizeof(*w))) == NULL)
		return NULL;
	w->fd = fd;
	w->name = name;
	w->size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	w->at = nothing;
	w->mapped = may_map(fd, &st);
	if (w->mapped) {
		mapped_name = name;
		(void)sigaction(SIGBUS, &sa, NULL);
		return w;
	}
	w->room = READ_LEN;
	if ((w->gz = d4_gz_in_open(fd)) == NULL ||
	    (w->buf = malloc(w->room)) == NULL) {
		window_close(w);
		errno = ENOMEM;
		return NULL;
	}
	w->at = w->buf;
	return w;
}

void
window_close(struct window *w)
{
	if (w == NULL)
		return;
	if (w->map != NULL)
		(void)munmap(w->map, w->maplen);
	d4_gz_in_close(w->gz);
	free(w->buf);
	free(w);
}

/* Maps the part of the file from what is still in sight on. */
static void
slide_map(struct window *w, size_t n)
{
	uint64_t from = w->next - w->len;
	size_t lead = (size_t)(from % (uint64_t)sysconf(_SC_PAGESIZE));
	size_t len = lead + (n > MAP_LEN ? n : MAP_LEN);
	struct stat st;
	uint8_t *map;

	if (fstat(w->fd, &st) == 0)
		w->size = (uint64_t)st.st_size;
	if (w->size <= w->next)
		return;
	if (len > w->size - (from - lead))
		len = (size_t)(w->size - (from - lead));
	map = mmap(NULL, len, PROT_READ, MAP_PRIVATE, w->fd,
	    (off_t)(from - lead));
	if (map == MAP_FAILED) {
		w->fault = strerror(errno);
		return;
	}
	if (w->map != NULL)
		(void)munmap(w->map, w->maplen);
	w->map = map;
	w->maplen = len;
	w->at = map + lead;
	w->len = len - lead;
	w->next = from - lead + len;
	w->touched = 0;
	(void)madvise(map, len, MADV_SEQUENTIAL);
}

/* Has pages made for what is looked at next. */
static void
touch(struct window *w)
{
	size_t at = (size_t)(w->at - w->map), len = w->maplen - w->touched;

	if (len == 0 || at + TOUCH_LEN / 4 < w->touched)
		return;
	if (len > TOUCH_LEN)
		len = TOUCH_LEN;
#ifdef MADV_POPULATE_READ
	(void)madvise(w->map + w->touched, len, MADV_POPULATE_READ);
#endif
	w->touched += len;
}

/* Reads on until n bytes are in sight.  -1 when a signal interrupted. */
static int
slide_read(struct window *w, size_t n)
{
	if (w->len > 0 && w->at != w->buf)
		memmove(w->buf, w->at, w->len);
	w->at = w->buf;
	if (n > w->room) {
		uint8_t *buf = realloc(w->buf, n);

		if (buf == NULL) {
			w->fault = "out of memory";
			return 0;
		}
		w->at = w->buf = buf;
		w->room = n;
	}
	while (w->len < n && !w->ended && w->fault == NULL) {
		ssize_t got = d4_gz_in_read(w->gz, w->buf + w->len,
		    w->room - w->len);

		if (got == -1 && errno == EINTR)
			return -1;
		if (got == -1)
			w->fault = d4_gz_in_fault(w->gz);
		else if (got == 0)
			w->ended = true;
		else
			w->len += (size_t)got;
	}
	return 0;
}

ptrdiff_t
window_need(struct window *w, size_t n, const uint8_t **at)
{
	if (w->len < n && n <= WINDOW_MAX && w->fault == NULL) {
		if (w->mapped)
			slide_map(w, n);
		else if (slide_read(w, n) == -1)
			return -1;
	}
	if (w->map != NULL)
		touch(w);
	*at = w->at;
	return (ptrdiff_t)w->len;
}

ptrdiff_t
window_begin(struct window *w, size_t n, const uint8_t **at)
{
	ptrdiff_t len;

	while ((len = window_need(w, n, at)) == -1) {
		*at = w->at;
		if (d4_stop_wanted())
			return (ptrdiff_t)w->len;
	}
	return len;
}

void
window_skip(struct window *w, size_t n)
{
	w->at += n;
	w->len -= n;
}

const char *
window_fault(const struct window *w)
{
	return w->fault;
}

int
window_percent(const struct window *w)
{
	uint64_t done = w->mapped ? w->next - w->len : d4_gz_in_taken(w->gz);

	if (w->size == 0)
		return -1;
	return done >= w->size ? 100 : (int)(done * 100 / w->size);
}
