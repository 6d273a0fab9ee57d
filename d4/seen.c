/* SPDX-License-Identifier: ISC */
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "d4/seen.h"
#include "lib/bytes.h"
#include "lib/io.h"
#include "lib/sum.h"

#define ENTRY	24	/* bytes on a disk: the two numbers and their sum */
#define ENTRIES	512	/* read or written at a time */
#define PLACES	64	/* to begin with; a power of two */

/* Two files with one inode number differ in the other half, but for a chance
 * of one in 2^64.  An empty place is all zero. */
struct id {
	uint64_t ino;
	uint64_t rest;
};

struct seen {
	struct id	*places;
	size_t		 nplaces;	/* a power of two */
	size_t		 n;		/* of them in use */
};

struct seen *
seen_new(void)
{
	struct seen *s;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	s->nplaces = PLACES;
	if ((s->places = calloc(PLACES, sizeof(*s->places))) == NULL) {
		free(s);
		return NULL;
	}
	return s;
}

void
seen_free(struct seen *s)
{
	if (s == NULL)
		return;
	free(s->places);
	free(s);
}

/* Mixes a number in; the constants are those of splitmix64. */
static uint64_t
mix(uint64_t h, uint64_t v)
{
	h += v + UINT64_C(0x9e3779b97f4a7c15);
	h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
	return h ^ h >> 31;
}

static struct id
id_of(const struct stat *st)
{
	struct id id = { .ino = (uint64_t)st->st_ino };

	id.rest = mix(id.ino, (uint64_t)st->st_dev);
	id.rest = mix(id.rest, (uint64_t)st->st_mtim.tv_sec);
	id.rest = mix(id.rest, (uint64_t)st->st_mtim.tv_nsec);
	id.rest = mix(id.rest, (uint64_t)st->st_size) | 1;
	return id;
}

/* Where it is, or the empty place where it belongs; one is always empty. */
static struct id *
place(struct id *places, size_t nplaces, struct id id)
{
	size_t at = (size_t)id.rest >> 1 & (nplaces - 1);

	while (places[at].rest != 0 &&
	    (places[at].ino != id.ino || places[at].rest != id.rest))
		at = (at + 1) & (nplaces - 1);
	return places + at;
}

bool
seen_has(const struct seen *s, const struct stat *st)
{
	return place(s->places, s->nplaces, id_of(st))->rest != 0;
}

static int
grow(struct seen *s)
{
	size_t i, nplaces = s->nplaces * 2;
	struct id *places;

	if ((places = calloc(nplaces, sizeof(*places))) == NULL)
		return -1;
	for (i = 0; i < s->nplaces; i++) {
		if (s->places[i].rest != 0)
			*place(places, nplaces, s->places[i]) = s->places[i];
	}
	free(s->places);
	s->places = places;
	s->nplaces = nplaces;
	return 0;
}

static int
add(struct seen *s, struct id id)
{
	struct id *at;

	/* Three in four at most. */
	if (s->n >= s->nplaces / 4 * 3 && grow(s) == -1)
		return -1;
	at = place(s->places, s->nplaces, id);
	if (at->rest == 0) {
		*at = id;
		s->n++;
	}
	return 0;
}

int
seen_add(struct seen *s, const struct stat *st)
{
	return add(s, id_of(st));
}

size_t
seen_count(const struct seen *s)
{
	return s->n;
}

static void
put_entry(uint8_t p[ENTRY], struct id id)
{
	d4_put64le(p, id.ino);
	d4_put64le(p + 8, id.rest);
	d4_put64le(p + 16, d4_sum_add(0, p, 16));
}

int
seen_note(int fd, const struct stat *st)
{
	uint8_t p[ENTRY];

	put_entry(p, id_of(st));
	return d4_io_write_full(fd, p, sizeof(p), NULL);
}

int
seen_save(const struct seen *s, int fd)
{
	uint8_t p[ENTRIES * ENTRY];
	size_t i, n = 0;

	for (i = 0; i < s->nplaces; i++) {
		if (s->places[i].rest == 0)
			continue;
		put_entry(p + n++ * ENTRY, s->places[i]);
		if (n == ENTRIES) {
			if (d4_io_write_full(fd, p, sizeof(p), NULL) == -1)
				return -1;
			n = 0;
		}
	}
	return d4_io_write_full(fd, p, n * ENTRY, NULL);
}

int
seen_load(struct seen *s, int fd, size_t *count)
{
	uint8_t p[ENTRIES * ENTRY];
	struct id id;
	off_t total = 0;
	ssize_t n;
	size_t at;

	*count = 0;
	do {
		if ((n = d4_io_read_full(fd, p, sizeof(p))) == -1)
			return -1;
		for (at = 0; at + ENTRY <= (size_t)n; at += ENTRY) {
			id.ino = d4_get64le(p + at);
			id.rest = d4_get64le(p + at + 8);
			if (d4_get64le(p + at + 16) != d4_sum_add(0, p + at,
			    16) || id.rest == 0)
				continue;
			if (add(s, id) == -1)
				return -1;
			++*count;
		}
		total += n;
	} while (n == (ssize_t)sizeof(p));
	/* What was torn must not shift what is added. */
	return total % ENTRY == 0 ? 0 : ftruncate(fd, total - total % ENTRY);
}
