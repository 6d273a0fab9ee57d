/* SPDX-License-Identifier: ISC */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "lib/queue-names.h"
#include "lib/uuid.h"

#define STAMP_LEN	20
#define HANDLE_LEN	16
#define SECOND		1000000000

void
queue_namer_init(struct queue_namer *n)
{
	uint8_t random[D4_UUID_LEN];

	/* The bits that are the same in each uuid meet random ones. */
	d4_uuid_new(random);
	n->handle = d4_get64le(random) ^ d4_get64be(random + 8);
	n->stamp = 0;
}

static uint64_t
now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

void
queue_name_make(struct queue_namer *n, size_t len, char name[D4_QUEUE_NAME])
{
	uint64_t now = now_ns();

	n->stamp = now > n->stamp ? now : n->stamp + 1;
	(void)snprintf(name, D4_QUEUE_NAME, "%0*" PRIu64 "-%0*" PRIx64 "-%zu",
	    STAMP_LEN, n->stamp, HANDLE_LEN, n->handle, len);
}

bool
queue_name_fits(const char *name, uint64_t len)
{
	const char *text = name + STAMP_LEN + HANDLE_LEN + 2;

	if (strspn(name, "0123456789") != STAMP_LEN ||
	    name[STAMP_LEN] != '-' ||
	    strspn(name + STAMP_LEN + 1, "0123456789abcdef") != HANDLE_LEN ||
	    text[-1] != '-' || *text == '\0' ||
	    text[strspn(text, "0123456789")] != '\0')
		return true;
	return strtoull(text, NULL, 10) == len;
}

int
queue_names_each(int fd, int (*each)(void *, const char *), void *arg)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy == -1 ? NULL : fdopendir(copy);
	const struct dirent *e;
	int rc = 0, saved;

	if (dir == NULL) {
		saved = errno;
		if (copy != -1)
			(void)close(copy);
		errno = saved;
		return -1;
	}
	while (errno = 0, (e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.' || strlen(e->d_name) >= D4_QUEUE_NAME)
			continue;
		if ((rc = each(arg, e->d_name)) == -1)
			break;
	}
	saved = errno;
	(void)closedir(dir);
	errno = saved;
	return rc == -1 || saved != 0 ? -1 : 0;
}

/* -- the oldest or newest of many ------------------------------------------ */

static int
older(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int
newer(const void *a, const void *b)
{
	return strcmp(b, a);
}

struct reading {
	struct queue_names	*names;
	size_t			 most;
	int			(*compare)(const void *, const void *);
	bool			 sorted;	/* the first most are */
	int64_t			 seen;
};

static void
cut(struct reading *r)
{
	struct queue_names *n = r->names;

	if (n->n > 0)
		qsort(n->name, n->n, sizeof(*n->name), r->compare);
	if (n->n > r->most)
		n->n = r->most;
	r->sorted = n->n == r->most;
}

/* Twice as many as wanted are kept at most, so sorting is seldom. */
static int
on_name(void *arg, const char *name)
{
	struct reading *r = arg;
	struct queue_names *n = r->names;

	r->seen++;
	if (n->n >= r->most && n->n - r->most == r->most)
		cut(r);
	if (r->sorted && (r->most == 0 ||
	    r->compare(name, n->name[r->most - 1]) > 0))
		return 0;
	if (n->n == n->room) {
		size_t room = n->room == 0 ? 64 : n->room * 2;
		void *p = realloc(n->name, room * sizeof(*n->name));

		if (p == NULL)
			return -1;
		n->name = p;
		n->room = room;
	}
	memcpy(n->name[n->n++], name, strlen(name) + 1);
	return 0;
}

/* Leaves out what came after a time, unless the clock was turned back. */
static void
cut_after(struct queue_names *n, uint64_t time)
{
	char bound[STAMP_LEN + 1], beyond[STAMP_LEN + 1];

	(void)snprintf(bound, sizeof(bound), "%0*" PRIu64, STAMP_LEN, time);
	(void)snprintf(beyond, sizeof(beyond), "%0*" PRIu64, STAMP_LEN,
	    time + SECOND);
	while (n->n > 0 && strcmp(n->name[n->n - 1], bound) > 0 &&
	    strcmp(n->name[n->n - 1], beyond) < 0)
		n->n--;
}

int64_t
queue_names_read(struct queue_names *n, int fd, size_t most, bool newest)
{
	struct reading r = { .names = n, .most = most,
	    .compare = newest ? newer : older };
	uint64_t begun = now_ns();

	n->n = 0;
	if (queue_names_each(fd, on_name, &r) == -1) {
		n->n = 0;
		return -1;
	}
	cut(&r);
	if (!newest)
		cut_after(n, begun);
	return r.seen;
}

void
queue_names_free(struct queue_names *n)
{
	free(n->name);
	n->name = NULL;
	n->n = n->room = 0;
}
