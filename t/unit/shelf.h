/* SPDX-License-Identifier: ISC */
#ifndef T_UNIT_SHELF_H
#define T_UNIT_SHELF_H

/* For tests of d4-recv's store: a store in a directory of its own, a queue
 * that remembers its items, and files read back. */

#include <sys/stat.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/finish.h"
#include "d4-recv/runner.h"
#include "d4-recv/store.h"
#include "lib/gz.h"

#define SHELF_UUID	"00112233445546778899aabbccddeeff"

static const uint8_t shelf_uuid[16] = {
	0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x46, 0x77,
	0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff
};

struct bytes {
	uint8_t	*p;
	size_t	 len;
};

struct shelf_item {
	char	*queue;
	char	*text;
	size_t	 len;
	bool	 again;
};

struct shelf {
	char		 root[64];
	struct finish	*finish;
	struct store	*store;
	struct shelf_item *items;
	size_t		 nitems;
	bool		 refuse;	/* the queue is full */
};

__attribute__((unused))
static void
bytes_add(struct bytes *b, const void *more, size_t len)
{
	if (len == 0)
		return;
	if ((b->p = realloc(b->p, b->len + len)) == NULL)
		abort();
	memcpy(b->p + b->len, more, len);
	b->len += len;
}

__attribute__((unused))
static void
bytes_free(struct bytes *b)
{
	free(b->p);
	b->p = NULL;
	b->len = 0;
}

static int
shelf_push(void *cookie, const uint8_t uuid[16], const char *queue,
    const void *item, size_t len, bool again)
{
	struct shelf *s = cookie;
	struct shelf_item *at;

	if (s->refuse || memcmp(uuid, shelf_uuid, 16) != 0)
		return -1;
	s->items = realloc(s->items, (s->nitems + 1) * sizeof(*s->items));
	if (s->items == NULL)
		abort();
	at = &s->items[s->nitems++];
	at->queue = strdup(queue);
	if ((at->text = malloc(len + 1)) == NULL)
		abort();
	memcpy(at->text, item, len);
	at->text[len] = '\0';
	at->len = len;
	at->again = again;
	return 0;
}

static void
shelf_forget(struct shelf *s)
{
	while (s->nitems > 0) {
		free(s->items[--s->nitems].queue);
		free(s->items[s->nitems].text);
	}
	free(s->items);
	s->items = NULL;
}

/* Who runs the hook; it ends with the test. */
static int
shelf_runner(struct shelf *s, const char *hook)
{
	struct runner_settings rs = { .program = hook, .root = s->root };
	int fd;

	if (runner_start(&rs, &fd, 1) == 0)
		return fd;
	perror(hook);
	exit(1);
}

/* Opens finisher and store on s->root. */
static void
shelf_start(struct shelf *s, unsigned rotate, uint64_t rotate_size,
    enum d4_gz_kind compress, const char *hook)
{
	struct finish_settings fs = {
		.root = s->root, .hook = hook, .runner = -1,
		.items = { .push = shelf_push, .cookie = s }
	};
	struct store_settings ss = {
		.rotate = rotate, .rotate_size = rotate_size,
		.compress = compress,
		.items = { .push = shelf_push, .cookie = s }
	};

	if (hook != NULL)
		fs.runner = shelf_runner(s, hook);
	if ((s->finish = finish_new(&fs)) == NULL) {
		perror(s->root);
		exit(1);
	}
	ss.finish = s->finish;
	if ((s->store = store_new(&ss)) == NULL)
		exit(1);
}

static void
shelf_new(struct shelf *s)
{
	const char *tmp = getenv("TMPDIR");

	memset(s, 0, sizeof(*s));
	(void)snprintf(s->root, sizeof(s->root), "%.40s/d4-shelf.XXXXXX",
	    tmp == NULL ? "/tmp" : tmp);
	if (mkdtemp(s->root) == NULL) {
		perror(s->root);
		exit(1);
	}
}

__attribute__((unused))
static void
shelf_open(struct shelf *s, unsigned rotate, uint64_t rotate_size,
    enum d4_gz_kind compress)
{
	shelf_new(s);
	shelf_start(s, rotate, rotate_size, compress, NULL);
}

/* Waits until all is finished and ends both. */
__attribute__((unused))
static bool
shelf_stop(struct shelf *s)
{
	bool drained = finish_drain(s->finish, 60000) == 0;

	store_free(s->store);
	finish_free(s->finish);
	s->store = NULL;
	s->finish = NULL;
	return drained;
}

static int
shelf_unlink(const char *path, const struct stat *st, int flag,
    struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

__attribute__((unused))
static void
shelf_remove(struct shelf *s)
{
	(void)nftw(s->root, shelf_unlink, 16, FTW_DEPTH | FTW_PHYS);
	shelf_forget(s);
}

static size_t shelf_nfound;
static char shelf_last[512];

static int
shelf_see(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	if (flag != FTW_F)
		return 0;
	shelf_nfound++;
	(void)snprintf(shelf_last, sizeof(shelf_last), "%s", path);
	return 0;
}

/* How many files lie below a directory of the store; the path of one of them
 * is in shelf_last. */
__attribute__((unused))
static size_t
shelf_count(const struct shelf *s, const char *below)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", s->root, below);
	shelf_nfound = 0;
	*shelf_last = '\0';
	(void)nftw(path, shelf_see, 16, FTW_PHYS);
	return shelf_nfound;
}

/* Reads a file, decompressed.  Returns false when it can't be read or is not
 * whole. */
__attribute__((unused))
static bool
shelf_read(const char *path, struct bytes *b)
{
	struct d4_gz_in *in;
	uint8_t chunk[16384];
	ssize_t n;
	int fd;

	if ((fd = open(path, O_RDONLY)) == -1)
		return false;
	in = d4_gz_in_open(fd);
	while ((n = d4_gz_in_read(in, chunk, sizeof(chunk))) > 0)
		bytes_add(b, chunk, (size_t)n);
	d4_gz_in_close(in);
	(void)close(fd);
	return n == 0;
}

#endif
