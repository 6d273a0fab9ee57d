/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

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

#include "lib/clock.h"
#include "lib/io.h"
#include "lib/queue-backend.h"
#include "lib/queue-names.h"

#define PATH_LEN	1024
#define BATCH		65536	/* names read at a time */
#define NAP_MS		200	/* without inotify, between looks */
#define STALE_S		3600	/* what is half made so long is no more */

struct dir_queue {
	struct d4_queue		 q;		/* first */
	char			 path[PATH_LEN];
	int			 fd, new, tmp, hand;
	int			 watch;		/* inotify, -1 without */
	struct queue_namer	 namer;
	struct queue_names	 names;		/* of new/, oldest first */
	size_t			 at;		/* the next of them */
	/* Pushing to a limit: */
	bool			 counted;
	uint64_t		 count;		/* about so many wait */
	uint64_t		 since;		/* pushes since it was exact */
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
	(void)snprintf(d->q.fault, sizeof(d->q.fault), "%.200s%s%.*s: %s",
	    d->path, *what == '\0' ? "" : "/", D4_QUEUE_NAME, what,
	    strerror(errno));
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
	queue_names_free(&d->names);
	free(d);
}

/* Reads the oldest names anew and counts what waits. */
static int
look(struct dir_queue *d)
{
	int64_t n = queue_names_read(&d->names, d->new, BATCH, false);

	d->at = 0;
	if (n == -1)
		return fail(d, "new");
	d->count = (uint64_t)n;
	d->since = 0;
	d->counted = true;
	return 0;
}

/* The name of the oldest item known, NULL when there is none.  One that others
 * took meanwhile is found out by its use. */
static int
oldest(struct dir_queue *d, const char **name)
{
	*name = NULL;
	while (d->at == d->names.n) {
		if (look(d) == -1)
			return -1;
		if (d->names.n == 0 && d->count == 0)
			return 0;
	}
	*name = d->names.name[d->at++];
	return 0;
}

/* -- pushing --------------------------------------------------------------- */

/*
 * Drops the oldest while there are more than may be.  Names are tried from the
 * oldest on, so those that others took are met before any that is to stay;
 * what others pushed is not known until the next count, after as many pushes
 * as make it cheap.
 */
static int
keep_limit(struct dir_queue *d)
{
	const char *name;

	d->count++;
	if ((!d->counted || ++d->since > d->q.max / 8) && look(d) == -1)
		return -1;
	while (d->count > d->q.max) {
		/* There may be fewer by now. */
		if (d->at == d->names.n) {
			if (look(d) == -1)
				return -1;
			continue;
		}
		name = d->names.name[d->at++];
		if (unlinkat(d->new, name, 0) == 0)
			d->q.dropped++;
		else if (errno != ENOENT)
			return fail(d, name);
		d->count--;
	}
	return 0;
}

static int
push_dir(struct d4_queue *q, const void *data, size_t len)
{
	struct dir_queue *d = inside(q);
	char name[D4_QUEUE_NAME];
	int fd, rc;

	queue_name_make(&d->namer, len, name);
	fd = openat(d->tmp, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    0640);
	if (fd == -1)
		return fail(d, "tmp");
	rc = d4_io_write_full(fd, data, len, NULL);
	if (rc == -1)
		(void)fail(d, "tmp");
	if (close(fd) == -1 && rc == 0)
		rc = fail(d, "tmp");
	if (rc == 0 && renameat(d->tmp, name, d->new, name) == -1)
		rc = fail(d, "new");
	if (rc == -1) {
		(void)unlinkat(d->tmp, name, 0);
		return -1;
	}
	if (q->max > 0)
		return keep_limit(d);
	d->counted = false;
	return 0;
}

static int
flush_dir(struct d4_queue *q)
{
	(void)q;
	return 0;
}

/* -- taking ---------------------------------------------------------------- */

/* Reads an item.  Returns 1; 0 when it is less than its name says, for the
 * machine went down before all of it was on the disk; -1 with errno. */
static int
load(int dirfd, const char *name, struct d4_queue_item *item)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK);
	struct stat st;
	ssize_t n = -1;
	int saved;

	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == 0) {
		if (!S_ISREG(st.st_mode))
			errno = EINVAL;
		else if (st.st_size > D4_QUEUE_ITEM)
			errno = EFBIG;
		else if ((item->data = malloc((size_t)st.st_size + 1)) != NULL)
			n = d4_io_read_full(fd, item->data,
			    (size_t)st.st_size);
	}
	saved = errno;
	(void)close(fd);
	if (n == -1 || !queue_name_fits(name, (uint64_t)n)) {
		d4_queue_item_free(item);
		errno = saved;
		return n == -1 ? -1 : 0;
	}
	item->len = (size_t)n;
	item->data[n] = '\0';
	(void)snprintf(item->name, sizeof(item->name), "%s", name);
	return 1;
}

/* An item that could not be read goes back and is still the oldest, for the
 * fault may be ours; what is none at all would stop the queue for ever, so it
 * stays in hand. */
static int
not_loaded(struct dir_queue *d, const char *name)
{
	bool bad = errno == EINVAL || errno == EFBIG || errno == ELOOP;

	(void)fail(d, name);
	if (!bad && renameat(d->hand, name, d->new, name) == 0) {
		d->at--;
		d->count++;
	}
	return -1;
}

/* Takes an item that is there.  Returns 1, 0 or -1. */
static int
take_now(struct dir_queue *d, struct d4_queue_item *item)
{
	const char *name;
	int rc;

	for (;;) {
		if (oldest(d, &name) == -1)
			return -1;
		if (name == NULL)
			return 0;
		if (renameat(d->new, name, d->hand, name) == -1) {
			if (errno == ENOENT)
				continue;
			d->at--;
			return fail(d, "hand");
		}
		d->count -= d->count > 0;
		if ((rc = load(d->hand, name, item)) == 1)
			return 1;
		if (rc == -1)
			return not_loaded(d, name);
		(void)unlinkat(d->hand, name, 0);
	}
}

/* Begins to watch new/.  Where that is not to be had it is looked at often. */
static void
begin_watch(struct dir_queue *d)
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

static bool
wait_for_item(struct dir_queue *d, int64_t until)
{
	char events[4096];
	int ms = queue_left_ms(until);

	if (d->watch == -1) {
		/* What came before the watch began is not told. */
		begin_watch(d);
		if (d->watch != -1)
			return true;
		ms = ms == -1 || ms > NAP_MS ? NAP_MS : ms;
	}
	if (!queue_wait(d->watch, POLLIN, ms))
		return false;
	while (d->watch != -1 && read(d->watch, events, sizeof(events)) > 0)
		continue;
	return true;
}

static int
take_dir(struct d4_queue *q, struct d4_queue_item *item, int timeout_ms)
{
	struct dir_queue *d = inside(q);
	int64_t until = timeout_ms < 0 ? -1 : d4_clock_ms() + timeout_ms;
	int rc;

	for (;;) {
		if ((rc = take_now(d, item)) != 0)
			return rc;
		if (queue_left_ms(until) == 0 || !wait_for_item(d, until))
			return 0;
	}
}

static size_t
more_dir(struct d4_queue *q, struct d4_queue_item *items, size_t most)
{
	struct dir_queue *d = inside(q);
	size_t n, bytes = 0;

	for (n = 0; n < most && bytes < QUEUE_SOME; n++) {
		memset(&items[n], 0, sizeof(items[n]));
		if (take_now(d, &items[n]) != 1)
			break;
		bytes += items[n].len;
	}
	return n;
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

	d->at = d->names.n;
	if (renameat(d->hand, item->name, d->new, item->name) == -1)
		return fail(d, "hand");
	d->count++;
	return 0;
}

/* -- all of it ------------------------------------------------------------- */

struct sweep {
	struct dir_queue	*d;
	int64_t			 n;
	time_t			 now;
};

static int
put_back_name(void *arg, const char *name)
{
	struct sweep *s = arg;

	if (renameat(s->d->hand, name, s->d->new, name) == 0)
		s->n++;
	else if (errno != ENOENT)
		return -1;
	return 0;
}

static int
clear_name(void *arg, const char *name)
{
	struct sweep *s = arg;

	return unlinkat(s->d->new, name, 0) == -1 && errno != ENOENT ? -1 : 0;
}

static int
clear_stale(void *arg, const char *name)
{
	struct sweep *s = arg;
	struct stat st;

	if (fstatat(s->d->tmp, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_mtime < s->now - STALE_S)
		(void)unlinkat(s->d->tmp, name, 0);
	return 0;
}

static int64_t
recover_dir(struct d4_queue *q)
{
	struct sweep s = { .d = inside(q), .now = time(NULL) };

	s.d->at = s.d->names.n = 0;
	s.d->counted = false;
	if (queue_names_each(s.d->hand, put_back_name, &s) == -1)
		return fail(s.d, "hand");
	if (queue_names_each(s.d->tmp, clear_stale, &s) == -1)
		return fail(s.d, "tmp");
	return s.n;
}

static int
clear_dir(struct d4_queue *q)
{
	struct sweep s = { .d = inside(q) };

	s.d->at = s.d->names.n = 0;
	s.d->counted = false;
	return queue_names_each(s.d->new, clear_name, &s) == -1 ?
	    fail(s.d, "new") : 0;
}

/* -- looking --------------------------------------------------------------- */

static int64_t
length_dir(struct d4_queue *q)
{
	struct dir_queue *d = inside(q);

	return look(d) == -1 ? -1 : (int64_t)d->count;
}

static int
peek_dir(struct d4_queue *q, size_t n,
    int (*each)(void *, const uint8_t *, size_t), void *arg)
{
	struct dir_queue *d = inside(q);
	struct queue_names names = { .name = NULL };
	bool done = false;
	int rc = 0;
	size_t i;

	if (queue_names_read(&names, d->new, n, true) == -1)
		rc = fail(d, "new");
	for (i = 0; rc == 0 && !done && i < names.n; i++) {
		struct d4_queue_item item = { .data = NULL };
		int got = load(d->new, names.name[i], &item);

		if (got == 1)
			done = each(arg, item.data, item.len) != 0;
		/* Whoever took it meanwhile has it. */
		else if (got == -1 && errno != ENOENT)
			rc = fail(d, names.name[i]);
		d4_queue_item_free(&item);
	}
	queue_names_free(&names);
	return rc;
}

/* There is no server. */
static bool
lost_dir(const struct d4_queue *q)
{
	(void)q;
	return false;
}

static const struct queue_backend backend = {
	close_dir, push_dir, flush_dir, take_dir, more_dir, ack_dir,
	put_back_dir, recover_dir, length_dir, peek_dir, clear_dir, lost_dir
};

/* -- opening --------------------------------------------------------------- */

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

/* Whoever defines a queue makes its directory; what is within is ours. */
static int
open_part(struct dir_queue *d, const char *name, int *fd)
{
	if ((mkdirat(d->fd, name, 0750) == -1 && errno != EEXIST) ||
	    (*fd = openat(d->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) ==
	    -1)
		return fail(d, name);
	return 0;
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
	if (text[0] < '0' || text[0] > '9' || (*end != '\0' && *end != '\n'))
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
	return open_part(d, "new", &d->new) == -1 ||
	    open_part(d, "tmp", &d->tmp) == -1 ||
	    open_part(d, "hand", &d->hand) == -1 ? -1 : 0;
}

static int
set_path(struct dir_queue *d, const struct d4_queue_where *w)
{
	int n = w->path != NULL ? snprintf(d->path, PATH_LEN, "%s", w->path) :
	    w->queues != NULL ? snprintf(d->path, PATH_LEN, "%s/%s/%s",
	    w->queues, w->type, w->uuid) : snprintf(d->path, PATH_LEN,
	    "%s/queues/%s/%s", w->store, w->type, w->uuid);

	errno = ENAMETOOLONG;
	return n >= PATH_LEN ? fail(d, "") : 0;
}

struct d4_queue *
queue_dir_open(const struct d4_queue_where *where, char fault[D4_QUEUE_FAULT])
{
	struct dir_queue *d = calloc(1, sizeof(*d));

	if (d == NULL) {
		(void)snprintf(fault, D4_QUEUE_FAULT, "out of memory");
		return NULL;
	}
	d->q.backend = &backend;
	d->fd = d->new = d->tmp = d->hand = d->watch = -1;
	if (set_path(d, where) == -1 || open_parts(d, where->create) == -1) {
		(void)snprintf(fault, D4_QUEUE_FAULT, "%s", d->q.fault);
		close_dir(&d->q);
		return NULL;
	}
	queue_namer_init(&d->namer);
	read_limit(d);
	return &d->q;
}
