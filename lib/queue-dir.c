/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/inotify.h>
#endif

#include "lib/io.h"
#include "lib/queue-backend.h"
#include "lib/stop.h"

#define PATH_LEN	1024
#define NAME_LEN	64
#define ITEM_MAX	(64u << 20)
#define NAP_MS		200	/* without inotify, between looks */

struct dir_queue {
	struct d4_queue	 q;		/* first */
	char		 path[PATH_LEN];
	int		 fd, new, tmp, hand;
	int		 watch;		/* inotify, -1 without */
	char		(*names)[NAME_LEN];	/* of new/, oldest first */
	size_t		 nnames, at, room;
	uint64_t	 count;		/* about so many wait, when limited */
	bool		 counted;
	uint64_t	 stamp;		/* of the last item made */
	unsigned	 serial;
};

static struct dir_queue *
inside(struct d4_queue *q)
{
	union { struct d4_queue *q; struct dir_queue *d; } u = { .q = q };

	return u.d;
}

static int
fail(struct dir_queue *d, const char *what)
{
	(void)snprintf(d->q.fault, sizeof(d->q.fault), "%.200s%s%s: %s",
	    d->path, *what == '\0' ? "" : "/", what, strerror(errno));
	return -1;
}

static void
close_dir(struct d4_queue *q)
{
	struct dir_queue *d = inside(q);
	const int fds[] = { d->fd, d->new, d->tmp, d->hand, d->watch };
	size_t i;

	for (i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		if (fds[i] != -1)
			(void)close(fds[i]);
	}
	free(d->names);
	free(d);
}

/* -- names ------------------------------------------------------------------ */

static int
compare(const void *a, const void *b)
{
	return strncmp(a, b, NAME_LEN);
}

/* Reads the names in a directory of the queue, in their order. */
static int
list(struct dir_queue *d, int fd, char (**names)[NAME_LEN], size_t *room,
    size_t *n)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy == -1 ? NULL : fdopendir(copy);
	const struct dirent *e;

	*n = 0;
	if (dir == NULL) {
		if (copy != -1)
			(void)close(copy);
		return fail(d, "");
	}
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.' || strlen(e->d_name) >= NAME_LEN)
			continue;
		if (*n == *room) {
			size_t more = *room == 0 ? 64 : *room * 2;
			void *p = realloc(*names, more * NAME_LEN);

			if (p == NULL) {
				(void)closedir(dir);
				return fail(d, "");
			}
			*names = p;
			*room = more;
		}
		memcpy((*names)[(*n)++], e->d_name, strlen(e->d_name) + 1);
	}
	(void)closedir(dir);
	if (*n > 0)
		qsort(*names, *n, NAME_LEN, compare);
	return 0;
}

/* The name of the oldest item known, NULL when there is none.  Names are read
 * many at a time; one that others took meanwhile is found out by its use. */
static int
oldest(struct dir_queue *d, const char **name)
{
	*name = NULL;
	if (d->at == d->nnames) {
		d->at = 0;
		if (list(d, d->new, &d->names, &d->room, &d->nnames) == -1)
			return -1;
	}
	if (d->at < d->nnames)
		*name = d->names[d->at++];
	return 0;
}

static void
forget_names(struct dir_queue *d)
{
	d->at = d->nnames = 0;
}

/* -- pushing ---------------------------------------------------------------- */

/* The time in nanoseconds, but later than the item before. */
static void
make_name(struct dir_queue *d, char name[NAME_LEN])
{
	struct timespec t;
	uint64_t now;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	now = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
	d->stamp = now > d->stamp ? now : d->stamp + 1;
	(void)snprintf(name, NAME_LEN, "%020llu-%010ld-%010u",
	    (unsigned long long)d->stamp, (long)getpid(), d->serial++);
}

/* Drops the oldest while there are more than may be. */
static int
drop_oldest(struct dir_queue *d)
{
	const char *name;

	if (!d->counted) {
		int64_t n = d->q.backend->length(&d->q);

		if (n == -1)
			return -1;
		d->count = (uint64_t)n;
		d->counted = true;
	}
	while (d->count > d->q.max) {
		if (oldest(d, &name) == -1)
			return -1;
		if (name == NULL)
			d->count = 0;
		else if (unlinkat(d->new, name, 0) == 0) {
			d->q.dropped++;
			d->count--;
		} else if (errno == ENOENT) {
			/* Somebody takes items: count them again. */
			forget_names(d);
			d->counted = false;
			return drop_oldest(d);
		} else
			return fail(d, "new");
	}
	return 0;
}

static int
push_dir(struct d4_queue *q, const void *data, size_t len)
{
	struct dir_queue *d = inside(q);
	char name[NAME_LEN];
	int fd;

	make_name(d, name);
	fd = openat(d->tmp, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    0640);
	if (fd == -1)
		return fail(d, "tmp");
	if (d4_io_write_full(fd, data, len, NULL) == -1 || close(fd) == -1 ||
	    renameat(d->tmp, name, d->new, name) == -1) {
		(void)fail(d, "tmp");
		(void)unlinkat(d->tmp, name, 0);
		return -1;
	}
	if (q->max == 0)
		return 0;
	d->count += d->counted;
	return drop_oldest(d);
}

static int
flush_dir(struct d4_queue *q)
{
	(void)q;
	return 0;
}

/* -- taking ----------------------------------------------------------------- */

static int
load(struct dir_queue *d, int dirfd, const char *name,
    struct d4_queue_item *item)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	ssize_t n;

	if (fd == -1 || fstat(fd, &st) == -1 || st.st_size > ITEM_MAX ||
	    (item->data = malloc((size_t)st.st_size + 1)) == NULL) {
		if (fd != -1)
			(void)close(fd);
		return fail(d, name);
	}
	n = d4_io_read_full(fd, item->data, (size_t)st.st_size);
	(void)close(fd);
	if (n == -1) {
		d4_queue_item_free(item);
		return fail(d, name);
	}
	item->len = (size_t)n;
	item->data[n] = '\0';
	(void)snprintf(item->name, sizeof(item->name), "%s", name);
	return 1;
}

/* Takes an item that is there.  Returns 1, 0 or -1. */
static int
take_now(struct dir_queue *d, struct d4_queue_item *item)
{
	const char *name;

	for (;;) {
		if (oldest(d, &name) == -1)
			return -1;
		if (name == NULL)
			return 0;
		if (renameat(d->new, name, d->hand, name) == 0) {
			d->count -= d->counted && d->count > 0;
			return load(d, d->hand, name, item);
		}
		if (errno != ENOENT)
			return fail(d, "hand");
	}
}

static int64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits until something may have come, a signal came or the time is over. */
static void
wait_dir(const struct dir_queue *d, int64_t left)
{
	struct pollfd pfd[2] = {
		{ .fd = d4_stop_fd(), .events = POLLIN },
		{ .fd = d->watch, .events = POLLIN }
	};
	char events[4096];
	int ms = left > 60000 || left < 0 ? 60000 : (int)left;

	if (d->watch == -1 && ms > NAP_MS)
		ms = NAP_MS;
	if (poll(pfd, d->watch == -1 ? 1 : 2, ms) <= 0)
		return;
	if (pfd[0].revents != 0)
		d4_stop_drain();
	if (d->watch != -1 && pfd[1].revents != 0)
		(void)!read(d->watch, events, sizeof(events));
}

static int
take_dir(struct d4_queue *q, struct d4_queue_item *item, int timeout_ms)
{
	struct dir_queue *d = inside(q);
	int64_t until = now_ms() + timeout_ms;
	int rc;

	for (;;) {
		if ((rc = take_now(d, item)) != 0)
			return rc;
		if (d4_stop_wanted() ||
		    (timeout_ms >= 0 && now_ms() >= until))
			return 0;
		wait_dir(d, timeout_ms < 0 ? -1 : until - now_ms());
	}
}

static int
ack_dir(struct d4_queue *q, const struct d4_queue_item *item)
{
	struct dir_queue *d = inside(q);

	return unlinkat(d->hand, item->name, 0) == -1 ? fail(d, "hand") : 0;
}

/* Its name says how old it is, so it is the oldest again. */
static int
put_back_dir(struct d4_queue *q, const struct d4_queue_item *item)
{
	struct dir_queue *d = inside(q);

	forget_names(d);
	d->count += d->counted;
	return renameat(d->hand, item->name, d->new, item->name) == -1 ?
	    fail(d, "hand") : 0;
}

static int64_t
recover_dir(struct d4_queue *q)
{
	struct dir_queue *d = inside(q);
	char (*names)[NAME_LEN] = NULL;
	size_t room = 0, n, i;
	int64_t moved = 0;

	if (list(d, d->hand, &names, &room, &n) == -1)
		moved = -1;
	for (i = 0; moved != -1 && i < n; i++) {
		if (renameat(d->hand, names[i], d->new, names[i]) == 0)
			moved++;
		else if (errno != ENOENT)
			moved = fail(d, "hand");
	}
	free(names);
	forget_names(d);
	d->counted = false;
	return moved;
}

/* -- looking ---------------------------------------------------------------- */

static int64_t
length_dir(struct d4_queue *q)
{
	struct dir_queue *d = inside(q);

	forget_names(d);
	if (list(d, d->new, &d->names, &d->room, &d->nnames) == -1)
		return -1;
	return (int64_t)d->nnames;
}

static int
peek_dir(struct d4_queue *q, size_t n,
    int (*each)(void *, const uint8_t *, size_t), void *arg)
{
	struct dir_queue *d = inside(q);
	size_t i;

	if (length_dir(q) == -1)
		return -1;
	for (i = d->nnames; i > 0 && n > 0; i--, n--) {
		struct d4_queue_item item = { .data = NULL };
		int rc;

		/* Whoever took it meanwhile has it. */
		if (load(d, d->new, d->names[i - 1], &item) == -1)
			continue;
		rc = each(arg, item.data, item.len);
		d4_queue_item_free(&item);
		if (rc != 0)
			break;
	}
	return 0;
}

static int
clear_dir(struct d4_queue *q)
{
	struct dir_queue *d = inside(q);
	size_t i;

	if (length_dir(q) == -1)
		return -1;
	for (i = 0; i < d->nnames; i++) {
		if (unlinkat(d->new, d->names[i], 0) == -1 && errno != ENOENT)
			return fail(d, "new");
	}
	forget_names(d);
	d->counted = false;
	return 0;
}

static const struct d4_queue_backend backend = {
	close_dir, push_dir, flush_dir, take_dir, ack_dir, put_back_dir,
	recover_dir, length_dir, peek_dir, clear_dir
};

/* -- opening ---------------------------------------------------------------- */

/* Makes every directory of the path. */
static int
make_path(char *path)
{
	char *slash = path;

	while ((slash = strchr(slash + 1, '/')) != NULL) {
		*slash = '\0';
		if (mkdir(path, 0750) == -1 && errno != EEXIST) {
			*slash = '/';
			return -1;
		}
		*slash = '/';
	}
	return mkdir(path, 0750) == -1 && errno != EEXIST ? -1 : 0;
}

static int
open_part(struct dir_queue *d, const char *name, bool create)
{
	if (create && mkdirat(d->fd, name, 0750) == -1 && errno != EEXIST)
		return -1;
	return openat(d->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The queue's own limit, when its definition has one. */
static void
read_limit(struct dir_queue *d)
{
	char text[32], *end;
	ssize_t n;
	int fd = openat(d->fd, "max_size", O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		return;
	n = d4_io_read_full(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (n <= 0)
		return;
	text[n] = '\0';
	d->q.max = strtoull(text, &end, 10);
	if (end == text || (*end != '\0' && *end != '\n'))
		d->q.max = 0;
}

static int
open_parts(struct dir_queue *d, bool create)
{
	if (create && make_path(d->path) == -1)
		return fail(d, "");
	d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->fd == -1)
		return fail(d, "");
	/* Somebody may have emptied hand and tmp away: they are ours. */
	if ((d->new = open_part(d, "new", create)) == -1)
		return fail(d, "new");
	if ((d->tmp = open_part(d, "tmp", true)) == -1)
		return fail(d, "tmp");
	if ((d->hand = open_part(d, "hand", true)) == -1)
		return fail(d, "hand");
	return 0;
}

static void
watch(struct dir_queue *d)
{
#ifdef __linux__
	char path[PATH_LEN + 8];

	(void)snprintf(path, sizeof(path), "%s/new", d->path);
	d->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (d->watch != -1 &&
	    inotify_add_watch(d->watch, path, IN_MOVED_TO) == -1) {
		(void)close(d->watch);
		d->watch = -1;
	}
#else
	(void)d;
#endif
}

struct d4_queue *
d4_queue_dir_open(const struct d4_queue_where *where,
    char fault[D4_QUEUE_FAULT])
{
	struct dir_queue *d = calloc(1, sizeof(*d));
	int n;

	if (d == NULL) {
		(void)snprintf(fault, D4_QUEUE_FAULT, "out of memory");
		return NULL;
	}
	d->q.backend = &backend;
	d->fd = d->new = d->tmp = d->hand = d->watch = -1;
	n = where->path != NULL ?
	    snprintf(d->path, PATH_LEN, "%s", where->path) :
	    snprintf(d->path, PATH_LEN, "%s/queues/%s/%s", where->store,
	    where->type, where->uuid);
	errno = ENAMETOOLONG;
	if (n >= PATH_LEN ? fail(d, "") == -1 :
	    open_parts(d, where->create) == -1) {
		(void)snprintf(fault, D4_QUEUE_FAULT, "%s", d->q.fault);
		close_dir(&d->q);
		return NULL;
	}
	read_limit(d);
	watch(d);
	return &d->q;
}
