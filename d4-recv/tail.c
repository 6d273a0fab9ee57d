/* SPDX-License-Identifier: ISC */
#include <sys/file.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/tail-log.h"
#include "d4-recv/tail.h"
#include "lib/bytes.h"
#include "lib/digest.h"
#include "lib/log.h"
#include "lib/os-host.h"
#include "lib/uuid.h"

#define BASE		64	/* of a path without its generation, with NUL */
#define NAME		(BASE + 24)
#define TAGS_MAX	((size_t)LOG_BODY_MAX / MATCH_TAG)
#define LOST		(UINT64_C(1) << 20)	/* numbers of files that are
						 * never used again */
#define PENDING_FIRST	64
#define ID		"id"

struct tails {
	int		 dir;
	const char	*root;
	uint8_t		 boot[16];
	bool		 unmarked;
};

struct pending {
	uint8_t		 tag[MATCH_TAG];
	uint32_t	 wire;
	uint8_t		 flags;
	bool		 data;
	uint64_t	 end, whole;
};

/* Entries by number that count no more. */
struct hole {
	uint64_t	 from, to;
};

/* The record behind the last one, so far. */
struct part {
	uint8_t		 tag[MATCH_TAG];
	uint32_t	 taken;		/* bytes of its payload, 0: none */
};

/* What a match reads. */
struct reading {
	struct log_reader reader;
	bool		 in_last;	/* generation */
	struct log_frame frame;		/* of entries */
	size_t		 at;		/* in it */
	bool		 lacks_frame;	/* it is to be read again */
	uint64_t	 number;	/* of the next entry */
	uint8_t		(*tags)[MATCH_TAG];	/* of all preambles, sorted */
	size_t		 ntags;
	struct match_tail match;
};

struct tail {
	struct tails	*tails;
	uint8_t		 hello[D4_HMAC_LEN];
	char		 base[BASE];
	int		 fd;		/* the last generation, locked */
	int		 before;	/* the one before it, or -1 */
	uint64_t	 generation, generation_before;
	uint64_t	 len;		/* of the last one */
	uint64_t	 wire;		/* that it covers */
	uint64_t	 nfiles;	/* begun */
	uint64_t	 lost;		/* the first of them that is */
	uint64_t	 nentries;	/* in both, with those in holes */
	uint64_t	 nbefore;	/* of them in the one before */
	struct hole	*holes;
	size_t		 nholes;
	struct tail_file file;
	struct part	 part;
	uint8_t		(*preamble)[MATCH_TAG];	/* in force */
	size_t		 npreamble;
	struct pending	*pending;
	size_t		 npending, room;
	uint64_t	 pending_bytes;
	bool		 by_mark;
	bool		 fresh;		/* there was nothing of it */
	uint64_t	 marked, nmarks;
	int		 unmarked;	/* an older generation, or -1 */
	uint64_t	 unmarked_at;
	bool		 entries;	/* of the directory are new */
	struct reading	*reading;
};

/* -- names ----------------------------------------------------------------- */

static void
make_base(char base[BASE], const uint8_t uuid[D4_UUID_LEN], uint8_t type,
    const char stream[PLACE_TAIL])
{
	char hex[D4_UUID_HEX];

	d4_uuid_hex(hex, uuid);
	(void)snprintf(base, BASE, "%s/%u-%.16s.", hex, type, stream);
}

static void
stream_name(char stream[PLACE_TAIL], const uint8_t hello[D4_HMAC_LEN])
{
	d4_digest_hex(stream, hello, (PLACE_TAIL - 1) / 2);
}

static void
name_generation(char name[NAME], const char base[BASE], uint64_t generation)
{
	(void)snprintf(name, NAME, "%.*s%" PRIu64, BASE - 1, base, generation);
}

/* The number behind the base, -1 when the name is another's. */
static int
parse_generation(const char *name, const char *base, uint64_t *generation)
{
	size_t len = strlen(base);
	char *end;

	if (strncmp(name, base, len) != 0 || name[len] < '0' ||
	    name[len] > '9')
		return -1;
	errno = 0;
	*generation = strtoull(name + len, &end, 10);
	return *end == '\0' && errno == 0 ? 0 : -1;
}

static DIR *
open_sensor(const struct tails *tails, const char *base)
{
	char folder[D4_UUID_HEX];
	DIR *dir = NULL;
	int fd;

	(void)snprintf(folder, sizeof(folder), "%.*s", D4_UUID_HEX - 1, base);
	fd = openat(tails->dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC |
	    O_NOFOLLOW);
	if (fd != -1 && (dir = fdopendir(fd)) == NULL)
		(void)close(fd);
	return dir;
}

/* The last generation and the one before it.  How many there are, or -1. */
static int
find_generations(const struct tails *tails, const char base[BASE],
    uint64_t *last, uint64_t *before)
{
	const struct dirent *entry;
	uint64_t generation;
	DIR *dir;
	int n = 0;

	if ((dir = open_sensor(tails, base)) == NULL)
		return errno == ENOENT ? 0 : -1;
	while ((entry = readdir(dir)) != NULL) {
		if (parse_generation(entry->d_name, base + D4_UUID_HEX,
		    &generation) == -1)
			continue;
		if (n++ == 0) {
			*last = generation;
		} else if (generation > *last) {
			*before = *last;
			*last = generation;
		} else if (n == 2 || generation > *before) {
			*before = generation;
		}
	}
	(void)closedir(dir);
	return n;
}

static void
remove_generation(const struct tails *tails, const char base[BASE],
    uint64_t generation)
{
	char name[NAME];

	name_generation(name, base, generation);
	(void)unlinkat(tails->dir, name, 0);
}

static int
write_at(int fd, const void *bytes, size_t len, uint64_t at)
{
	const uint8_t *p = bytes;
	ssize_t n;

	while (len > 0) {
		n = pwrite(fd, p, len, (off_t)at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* -- all of a store -------------------------------------------------------- */

struct tails *
tails_new(int root, const char *name)
{
	static const uint8_t unknown[16];
	struct tails *tails;

	if ((tails = calloc(1, sizeof(*tails))) == NULL)
		return NULL;
	tails->root = name;
	if (mkdirat(root, TAIL_DIR, 0700) == -1 && errno != EEXIST) {
		free(tails);
		return NULL;
	}
	tails->dir = openat(root, TAIL_DIR, O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC);
	if (tails->dir == -1) {
		free(tails);
		return NULL;
	}
	d4_os_boot(tails->boot);
	/* Then all are one, for zeros are none. */
	if (memcmp(tails->boot, unknown, sizeof(unknown)) == 0)
		memset(tails->boot, 0xff, sizeof(tails->boot));
	return tails;
}

void
tails_free(struct tails *tails)
{
	if (tails == NULL)
		return;
	(void)close(tails->dir);
	free(tails);
}

void
tails_set_marks(struct tails *tails, bool marks)
{
	tails->unmarked = !marks;
}

bool
tails_have(const struct tails *tails, const uint8_t uuid[D4_UUID_LEN],
    uint8_t type, const uint8_t hello[D4_HMAC_LEN])
{
	uint64_t last, before;
	char stream[PLACE_TAIL], base[BASE];

	stream_name(stream, hello);
	make_base(base, uuid, type, stream);
	return find_generations(tails, base, &last, &before) > 0;
}

/* -- what else is kept there ----------------------------------------------- */

static int
make_folder(const struct tails *tails, const char *path)
{
	char folder[D4_UUID_HEX];

	(void)snprintf(folder, sizeof(folder), "%.*s", D4_UUID_HEX - 1, path);
	return mkdirat(tails->dir, folder, 0700) == -1 && errno != EEXIST ?
	    -1 : 0;
}

static void
name_want(char name[NAME], const char base[BASE])
{
	(void)snprintf(name, NAME, "%.*swant", BASE - 1, base);
}

void
tails_want(const struct tails *tails, const uint8_t uuid[D4_UUID_LEN],
    uint8_t type, const uint8_t hello[D4_HMAC_LEN])
{
	char stream[PLACE_TAIL], base[BASE], name[NAME];
	int fd;

	stream_name(stream, hello);
	make_base(base, uuid, type, stream);
	name_want(name, base);
	fd = openat(tails->dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd != -1)
		(void)close(fd);
}

bool
tail_is_wanted(const struct tail *t)
{
	char name[NAME];

	name_want(name, t->base);
	return faccessat(t->tails->dir, name, F_OK, 0) == 0;
}

static void
name_newest(char name[NAME], const uint8_t uuid[D4_UUID_LEN], uint8_t type)
{
	char hex[D4_UUID_HEX];

	d4_uuid_hex(hex, uuid);
	(void)snprintf(name, NAME, "%s/%u.newest", hex, type);
}

uint64_t
tails_newest(const struct tails *tails, const uint8_t uuid[D4_UUID_LEN],
    uint8_t type)
{
	char name[NAME], text[24];
	ssize_t n = -1;
	int fd;

	name_newest(name, uuid, type);
	fd = openat(tails->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd != -1) {
		n = read(fd, text, sizeof(text) - 1);
		(void)close(fd);
	}
	if (n < 1)
		return 0;
	text[n] = '\0';
	return strtoull(text, NULL, 10);
}

int
tails_note_newest(const struct tails *tails, const uint8_t uuid[D4_UUID_LEN],
    uint8_t type, uint64_t timestamp)
{
	char name[NAME], text[24];
	int fd, rc;

	name_newest(name, uuid, type);
	if (make_folder(tails, name) == -1)
		return -1;
	fd = openat(tails->dir, name, O_WRONLY | O_CREAT | O_NOFOLLOW |
	    O_CLOEXEC, 0600);
	if (fd == -1)
		return -1;
	/* It only grows, and has as many digits as before. */
	(void)snprintf(text, sizeof(text), "%020" PRIu64 "\n", timestamp);
	rc = pwrite(fd, text, strlen(text), 0) == (ssize_t)strlen(text) ?
	    0 : -1;
	if (close(fd) == -1)
		rc = -1;
	return rc;
}

/* It is there in whole or not at all, and the first one stays. */
static int
make_id(const struct tails *tails)
{
	uint8_t id[D4_UUID_LEN];
	char hex[D4_UUID_HEX], name[NAME];
	int fd, rc = -1, err;

	d4_uuid_new(id);
	d4_uuid_hex(hex, id);
	(void)snprintf(name, sizeof(name), ID ".%s", hex);
	fd = openat(tails->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    0600);
	if (fd == -1)
		return -1;
	hex[TAIL_STORE - 1] = '\n';
	if (write_at(fd, hex, TAIL_STORE, 0) == 0 && fsync(fd) == 0 &&
	    (linkat(tails->dir, name, tails->dir, ID, 0) == 0 ||
	    errno == EEXIST) && fsync(tails->dir) == 0)
		rc = 0;
	err = errno;
	(void)close(fd);
	(void)unlinkat(tails->dir, name, 0);
	errno = err;
	return rc;
}

int
tails_id(const struct tails *tails, char id[TAIL_STORE])
{
	ssize_t n;
	int fd;

	fd = openat(tails->dir, ID, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1 && errno == ENOENT && make_id(tails) == 0)
		fd = openat(tails->dir, ID, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return -1;
	n = read(fd, id, TAIL_STORE);
	(void)close(fd);
	if (n == TAIL_STORE && id[TAIL_STORE - 1] == '\n') {
		id[TAIL_STORE - 1] = '\0';
		if (strspn(id, "0123456789abcdef") == TAIL_STORE - 1)
			return 0;
	}
	errno = EINVAL;
	return -1;
}

/* -- old ones -------------------------------------------------------------- */

/* A stream that nobody has goes. */
static void
remove_stream(const struct tails *tails, const char base[BASE])
{
	uint64_t last = 0, before = 0;
	char name[NAME];
	int fd, n;

	if ((n = find_generations(tails, base, &last, &before)) < 1)
		return;
	name_generation(name, base, last);
	fd = openat(tails->dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		if (n > 1)
			remove_generation(tails, base, before);
		remove_generation(tails, base, last);
		name_want(name, base);
		(void)unlinkat(tails->dir, name, 0);
	}
	(void)close(fd);
}

/* The oldest streams of the sensor and type go, so that few are kept. */
static void
prune(const struct tails *tails, const char base[BASE])
{
	size_t len = strlen(base) - D4_UUID_HEX, dash;
	const char *prefix = base + D4_UUID_HEX;
	struct { char name[BASE]; struct timespec at; } known[4 * TAIL_KEPT];
	const struct dirent *entry;
	size_t i, n = 0, oldest;
	struct stat st;
	DIR *dir;

	dash = strcspn(prefix, "-") + 1;
	if ((dir = open_sensor(tails, base)) == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		if (strlen(entry->d_name) <= len ||
		    strncmp(entry->d_name, prefix, dash) != 0 ||
		    fstatat(dirfd(dir), entry->d_name, &st,
		    AT_SYMLINK_NOFOLLOW) == -1)
			continue;
		for (i = 0; i < n && strncmp(known[i].name + D4_UUID_HEX,
		    entry->d_name, len) != 0; i++)
			continue;
		if (i == sizeof(known) / sizeof(*known))
			continue;
		if (i == n) {
			memcpy(known[n].name, base, D4_UUID_HEX);
			(void)snprintf(known[n].name + D4_UUID_HEX,
			    BASE - D4_UUID_HEX, "%.*s", (int)len,
			    entry->d_name);
			known[n++].at = st.st_mtim;
		} else if (st.st_mtim.tv_sec > known[i].at.tv_sec) {
			known[i].at = st.st_mtim;
		}
	}
	(void)closedir(dir);
	for (; n >= TAIL_KEPT; known[oldest] = known[--n]) {
		for (i = 1, oldest = 0; i < n; i++) {
			if (known[i].at.tv_sec < known[oldest].at.tv_sec ||
			    (known[i].at.tv_sec == known[oldest].at.tv_sec &&
			    known[i].at.tv_nsec < known[oldest].at.tv_nsec))
				oldest = i;
		}
		remove_stream(tails, known[oldest].name);
	}
}

/* -- writing --------------------------------------------------------------- */

static int
write_head(const struct tail *t, int fd, uint64_t generation, bool first)
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
	return write_at(fd, p, first ? LOG_HEAD : LOG_MARKS_AT, 0);
}

/* A frame that has its place in the buffer before the body. */
static int
append_frame(int fd, uint64_t generation, uint64_t *len, uint8_t *buf,
    struct log_frame *f)
{
	int err;

	f->at = *len;
	f->body = buf + LOG_FRAME;
	log_put_frame(buf, generation, f);
	if (write_at(fd, buf, LOG_FRAME + f->len, *len) == -1) {
		err = errno;
		if (ftruncate(fd, (off_t)*len) == -1)
			err = EIO;
		errno = err;
		return -1;
	}
	*len += LOG_FRAME + f->len;
	return 0;
}

static int
append_file(int fd, uint64_t generation, uint64_t *len,
    const struct tail_file *file)
{
	uint8_t buf[LOG_FRAME + PLACE_ENTRY];
	struct log_frame f = {
		.kind = LOG_FILE, .flags = file->data ? LOG_DATA : 0,
		.end = file->end, .whole = file->whole
	};

	f.len = strlen(file->entry);
	memcpy(buf + LOG_FRAME, file->entry, f.len);
	return append_frame(fd, generation, len, buf, &f);
}

static int
append_settled(int fd, uint64_t generation, uint64_t *len, uint64_t end,
    uint64_t dropped, const struct part *part)
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
	return append_frame(fd, generation, len, buf, &f);
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
	rc = append_frame(fd, generation, len, buf, &f);
	free(buf);
	return rc;
}

/* -- the preamble in force ------------------------------------------------- */

/* One that finds no memory will be taken for a gap at worst. */
static void
note_preamble(struct tail *t, const uint8_t tag[MATCH_TAG], uint8_t flags)
{
	uint8_t (*grown)[MATCH_TAG];

	if ((flags & LOG_PREAMBLE) == 0)
		return;
	if ((flags & LOG_ANEW) != 0)
		t->npreamble = 0;
	if (t->npreamble == TAGS_MAX)
		return;
	grown = realloc(t->preamble, (t->npreamble + 1) * sizeof(*grown));
	if (grown == NULL)
		return;
	t->preamble = grown;
	memcpy(t->preamble[t->npreamble++], tag, MATCH_TAG);
}

static int
take_tags(struct tail *t, const struct log_frame *f)
{
	uint8_t (*tags)[MATCH_TAG] = NULL;

	if (f->len > 0 && (tags = malloc(f->len)) == NULL)
		return -1;
	if (f->len > 0)
		memcpy(tags, f->body, f->len);
	free(t->preamble);
	t->preamble = tags;
	t->npreamble = f->len / MATCH_TAG;
	return 0;
}

/* -- reading it back ------------------------------------------------------- */

static int
take_settled(struct tail *t, uint64_t end, uint64_t dropped,
    const struct part *part)
{
	struct hole *grown;

	t->file.settled = true;
	t->file.end = t->file.whole = end;
	t->part = *part;
	if (dropped == 0 || dropped > t->nentries)
		return 0;
	grown = realloc(t->holes, (t->nholes + 1) * sizeof(*grown));
	if (grown == NULL)
		return -1;
	t->holes = grown;
	t->holes[t->nholes].from = t->nentries - dropped;
	t->holes[t->nholes++].to = t->nentries;
	return 0;
}

static void
take_entries(struct tail *t, const struct log_frame *f)
{
	size_t at;

	for (at = 0; at < f->len; at += LOG_ENTRY) {
		note_preamble(t, f->body + at, log_entry_flags(f->body + at));
		t->wire += log_entry_wire(f->body + at);
		t->nentries++;
	}
	t->part.taken = 0;
	if (t->file.settled)
		return;
	t->file.end = f->end;
	t->file.whole = f->whole;
	t->file.data = (f->flags & LOG_DATA) != 0;
}

/* 0, 1 when the name is none of ours. */
static int
take_file(struct tail *t, const struct log_frame *f)
{
	struct place place;
	unsigned n;
	bool done;

	if (f->len >= sizeof(t->file.entry))
		return 1;
	memcpy(t->file.entry, f->body, f->len);
	t->file.entry[f->len] = '\0';
	if (place_parse(&place, t->file.entry, &n, &done) == -1 || done ||
	    place.kind != PLACE_STREAM || *place.tail == '\0')
		return 1;
	t->file.ordinal = place.ordinal;
	t->file.settled = false;
	t->file.data = (f->flags & LOG_DATA) != 0;
	t->file.end = f->end;
	t->file.whole = f->whole;
	if (place.ordinal > t->nfiles)
		t->nfiles = place.ordinal;
	return 0;
}

static void
get_part(struct part *part, const struct log_frame *f)
{
	part->taken = 0;
	if (f->len < 8 + LOG_PART)
		return;
	memcpy(part->tag, f->body + 8, MATCH_TAG);
	part->taken = d4_get32le(f->body + 8 + MATCH_TAG);
}

static int
take_frame(struct tail *t, const struct log_frame *f)
{
	struct part part;

	switch (f->kind) {
	case LOG_ENTRIES:
		take_entries(t, f);
		return 0;
	case LOG_TAGS:
		return take_tags(t, f);
	case LOG_FILE:
		return take_file(t, f);
	case LOG_SETTLED:
		get_part(&part, f);
		return take_settled(t, f->end, d4_get64le(f->body), &part);
	}
	return 0;
}

/* Reads a generation up to a limit.  0 and where it ends, 1 when it holds what
 * can't be, -1. */
static int
load_generation(struct tail *t, int fd, uint64_t generation, uint64_t limit,
    uint64_t *end)
{
	struct log_reader reader = { .fd = -1 };
	struct log_frame f;
	int rc;

	log_reader_begin(&reader, fd, generation);
	*end = reader.at;
	while ((rc = log_read(&reader, &f)) == 1 && reader.at <= limit) {
		if ((rc = take_frame(t, &f)) != 0)
			break;
		*end = reader.at;
	}
	if (rc == 1 && reader.at > limit)
		rc = 0;
	log_reader_free(&reader);
	return rc;
}

/* 0; 1 when it is none; 2 when it was never written, or never reached the
 * disk; -1. */
static int
read_head(int fd, struct log_head *head)
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

static int
open_generation(const struct tail *t, uint64_t generation)
{
	char name[NAME];

	name_generation(name, t->base, generation);
	return openat(t->tails->dir, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK |
	    O_CLOEXEC);
}

/* The generation before the last one, if it is any good; marks of it hold. */
static void
open_before(struct tail *t, uint64_t generation, struct log_head *head)
{
	struct stat st;

	memset(head, 0, sizeof(*head));
	if ((t->before = open_generation(t, generation)) == -1)
		return;
	if (fstat(t->before, &st) == 0 && S_ISREG(st.st_mode) &&
	    read_head(t->before, head) == 0 &&
	    head->generation == generation &&
	    memcmp(head->hello, t->hello, sizeof(t->hello)) == 0) {
		t->generation_before = generation;
		return;
	}
	(void)close(t->before);
	t->before = -1;
}

/* The last generation has nothing that counts: the one before is it. */
static int
step_back(struct tail *t, struct log_head *head)
{
	if (flock(t->before, LOCK_EX | LOCK_NB) == -1)
		return -1;
	remove_generation(t->tails, t->base, t->generation);
	(void)close(t->fd);
	t->fd = t->before;
	t->generation = t->generation_before;
	t->before = -1;
	return read_head(t->fd, head);
}

/* The machine went down: where the last mark is.  0; 1: there is none to go
 * by; -1. */
static int
go_by_mark(struct tail *t, struct log_head *head, const struct log_head *older)
{
	if (head->unmarked)
		return 1;
	if (head->mark != 0 || t->before == -1)
		return 0;
	if (older->mark != 0)
		return step_back(t, head);
	remove_generation(t->tails, t->base, t->generation_before);
	(void)close(t->before);
	t->before = -1;
	return 0;
}

/* Nothing of the last generation is there: the one before is it, or nothing of
 * the stream counts. */
static int
load_blank(struct tail *t, uint64_t generation_before, bool *has_before,
    struct log_head *head)
{
	if (*has_before)
		open_before(t, generation_before, head);
	*has_before = false;
	if (t->before != -1)
		return step_back(t, head);
	t->fresh = true;
	t->lost = 1;
	t->len = LOG_HEAD;
	return ftruncate(t->fd, 0) == -1 ? -1 :
	    write_head(t, t->fd, t->generation, true);
}

/* 0; 1 when it is damaged; -1. */
static int
load(struct tail *t, uint64_t generation_before, bool has_before)
{
	struct log_head head, older = { .mark = 0 };
	uint64_t limit = UINT64_MAX, end;
	struct stat st;
	int rc;

	if ((rc = read_head(t->fd, &head)) == 2)
		rc = load_blank(t, generation_before, &has_before, &head);
	if (rc != 0 || t->fresh)
		return rc;
	if (head.generation != t->generation ||
	    memcmp(head.hello, t->hello, sizeof(t->hello)) != 0)
		return 1;
	if (has_before)
		open_before(t, generation_before, &older);
	t->by_mark = memcmp(head.boot, t->tails->boot, sizeof(head.boot)) != 0;
	if (t->by_mark && (rc = go_by_mark(t, &head, &older)) != 0)
		return rc;
	t->nfiles = head.nfiles;
	t->lost = head.lost;
	t->nmarks = head.mark_count;
	t->marked = head.mark;
	if (t->by_mark)
		limit = head.mark != 0 ? head.mark : LOG_HEAD;
	if (t->before != -1) {
		if ((rc = load_generation(t, t->before, t->generation_before,
		    UINT64_MAX, &end)) != 0)
			return rc;
		t->nbefore = t->nentries;
		t->wire = 0;
	}
	if ((rc = load_generation(t, t->fd, t->generation, limit,
	    &t->len)) != 0)
		return rc;
	if (fstat(t->fd, &st) == -1)
		return -1;
	/* A mark that was being written may be there before what it marks. */
	if (t->by_mark ? t->len < head.mark_before :
	    !log_is_torn(t->fd, t->len, (uint64_t)st.st_size))
		return 1;
	if ((uint64_t)st.st_size > t->len &&
	    ftruncate(t->fd, (off_t)t->len) == -1)
		return -1;
	if (t->by_mark)
		t->lost = t->nfiles + 1;
	t->file.by_mark = t->by_mark;
	return 0;
}

/* -- opening --------------------------------------------------------------- */

/* 0, 1 when another has it or it went meanwhile, -1. */
static int
hold(int fd)
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

static int
make_new(struct tail *t)
{
	char name[NAME];
	int rc;

	if (make_folder(t->tails, t->base) == -1)
		return -1;
	prune(t->tails, t->base);
	name_generation(name, t->base, 0);
	t->fd = openat(t->tails->dir, name, O_RDWR | O_CREAT | O_EXCL |
	    O_CLOEXEC, 0600);
	if (t->fd == -1)
		return errno == EEXIST ? 1 : -1;
	if ((rc = hold(t->fd)) != 0)
		return rc;
	t->generation = 0;
	t->len = LOG_HEAD;
	t->entries = true;
	return write_head(t, t->fd, 0, true);
}

static void
give_up(const struct tail *t, const char *why)
{
	d4_log_warnx("%s/" TAIL_DIR "/%s%" PRIu64 ": %s, given up",
	    t->tails->root, t->base, t->generation, why);
	if (t->before != -1)
		remove_generation(t->tails, t->base, t->generation_before);
	remove_generation(t->tails, t->base, t->generation);
}

static void
forget(struct tail *t)
{
	tail_match_done(t);
	if (t->fd != -1)
		(void)close(t->fd);
	if (t->before != -1)
		(void)close(t->before);
	if (t->unmarked != -1)
		(void)close(t->unmarked);
	free(t->holes);
	free(t->preamble);
	free(t->pending);
	memset(&t->file, 0, sizeof(t->file));
	t->fd = t->before = t->unmarked = -1;
	t->holes = NULL;
	t->preamble = NULL;
	t->pending = NULL;
	t->nholes = t->npreamble = t->npending = t->room = 0;
	t->nentries = t->nbefore = t->wire = t->nfiles = t->lost = 0;
	t->by_mark = t->fresh = false;
	t->marked = t->nmarks = 0;
	t->part.taken = 0;
}

/* One that is there.  0; 1: another has it; 2: it was damaged, and is gone;
 * -1. */
static int
take_hold(struct tail *t, uint64_t last, uint64_t before, int n)
{
	uint64_t now, other;
	int rc;

	t->generation = last;
	if ((t->fd = open_generation(t, last)) == -1)
		return errno == ENOENT ? 1 : -1;
	if ((rc = hold(t->fd)) != 0)
		return rc;
	/* Its holder may have begun the next one before it let go. */
	if (find_generations(t->tails, t->base, &now, &other) < 1 ||
	    now != last)
		return 1;
	if ((rc = load(t, before, n > 1)) != 1)
		return rc;
	give_up(t, "damaged");
	return 2;
}

static int
open_any(struct tails *tails, const char base[BASE],
    const uint8_t hello[D4_HMAC_LEN], bool create, struct tail **out)
{
	uint64_t last = 0, before = 0;
	char name[NAME];
	struct tail *t;
	int n, rc = -1;

	*out = NULL;
	if ((t = calloc(1, sizeof(*t))) == NULL)
		return -1;
	t->tails = tails;
	t->fd = t->before = t->unmarked = -1;
	memcpy(t->base, base, sizeof(t->base));
	memcpy(t->hello, hello, sizeof(t->hello));
	if ((n = find_generations(tails, base, &last, &before)) > 0)
		rc = take_hold(t, last, before, n);
	else if (n == 0)
		rc = 2;
	if (rc == 2 && create) {
		forget(t);
		rc = make_new(t);
	}
	if (rc == 0) {
		name_want(name, base);
		(void)unlinkat(tails->dir, name, 0);
		*out = t;
	} else {
		tail_close(t);
	}
	return rc;
}

int
tail_open(struct tails *tails, const uint8_t uuid[D4_UUID_LEN], uint8_t type,
    const uint8_t hello[D4_HMAC_LEN], struct tail **out)
{
	char stream[PLACE_TAIL], base[BASE];

	stream_name(stream, hello);
	make_base(base, uuid, type, stream);
	return open_any(tails, base, hello, true, out);
}

/* What read_head() says of a generation; 1 when it just went.  alone: whether
 * nobody holds it. */
static int
peek(const struct tails *tails, const char base[BASE], uint64_t generation,
    struct log_head *head, bool *alone)
{
	char name[NAME];
	int fd, rc;

	name_generation(name, base, generation);
	fd = openat(tails->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
	    O_CLOEXEC);
	if (fd == -1)
		return errno == ENOENT ? 1 : -1;
	rc = read_head(fd, head);
	*alone = hold(fd) == 0;
	(void)close(fd);
	return rc;
}

int
tail_open_for(struct tails *tails, const struct place *p, struct tail **out)
{
	uint64_t last = 0, before = 0;
	struct log_head head;
	char base[BASE];
	bool alone;
	int n, rc;

	*out = NULL;
	make_base(base, p->uuid, p->type, p->tail);
	if ((n = find_generations(tails, base, &last, &before)) < 1)
		return n == -1 ? -1 : 2;
	/* The name has half of the hello only. */
	rc = peek(tails, base, last, &head, &alone);
	if (rc == 2 && n == 1)
		return alone ? 3 : 1;
	if (rc == 2)
		rc = peek(tails, base, before, &head, &alone);
	if (rc == -1)
		return -1;
	/* Damaged, which who holds it will see. */
	if (rc != 0)
		memset(head.hello, 0, sizeof(head.hello));
	return open_any(tails, base, head.hello, false, out);
}

void
tail_close(struct tail *t)
{
	if (t == NULL)
		return;
	forget(t);
	free(t);
}

void
tail_drop(struct tail *t, const char *why)
{
	if (t == NULL)
		return;
	give_up(t, why);
	tail_close(t);
}

const struct tail_file *
tail_file(const struct tail *t)
{
	return &t->file;
}

bool
tail_lost(const struct tail *t, uint64_t ordinal)
{
	return t->lost > 0 && ordinal >= t->lost && ordinal < t->lost + LOST;
}

uint64_t
tail_count(const struct tail *t)
{
	uint64_t n = t->nentries;
	size_t i;

	for (i = 0; i < t->nholes; i++)
		n -= t->holes[i].to - t->holes[i].from;
	return n;
}

uint32_t
tail_part(const struct tail *t, const uint8_t tag[MATCH_TAG])
{
	return t->part.taken > 0 &&
	    memcmp(t->part.tag, tag, MATCH_TAG) == 0 ? t->part.taken : 0;
}

bool
tail_next_part(const struct tail *t, uint8_t tag[MATCH_TAG], uint32_t *taken)
{
	memcpy(tag, t->part.tag, MATCH_TAG);
	*taken = t->part.taken;
	return t->part.taken > 0;
}

struct tail_place
tail_place(const struct tail *t)
{
	struct tail_place place = {
		.ordinal = t->file.ordinal, .whole = t->file.whole,
		.data = t->file.data
	};

	return place;
}

/* -- what a match needs ---------------------------------------------------- */

static int
compare_tags(const void *a, const void *b)
{
	return memcmp(a, b, MATCH_TAG);
}

static bool
is_preamble(void *cookie, const uint8_t tag[MATCH_TAG])
{
	const struct tail *t = cookie;

	return t->reading->ntags > 0 && bsearch(tag, t->reading->tags,
	    t->reading->ntags, MATCH_TAG, compare_tags) != NULL;
}

static void
start_reading(void *cookie)
{
	struct tail *t = cookie;
	struct reading *r = t->reading;

	r->in_last = t->before == -1;
	r->frame.len = r->at = 0;
	r->lacks_frame = false;
	r->number = 0;
	log_reader_begin(&r->reader, r->in_last ? t->fd : t->before,
	    r->in_last ? t->generation : t->generation_before);
}

/* The next frame of entries.  Faults are ends: what can't be read can't be
 * matched. */
static bool
next_frame(struct tail *t)
{
	struct reading *r = t->reading;
	struct log_frame f;

	for (;;) {
		if (log_read(&r->reader, &f) == 1) {
			if (r->in_last && r->reader.at > t->len)
				return false;
			if (f.kind != LOG_ENTRIES)
				continue;
			r->frame = f;
			r->at = 0;
			return true;
		}
		if (r->in_last)
			return false;
		r->in_last = true;
		r->number = t->nbefore;
		log_reader_begin(&r->reader, t->fd, t->generation);
	}
}

static bool
in_hole(const struct tail *t, uint64_t number)
{
	size_t i;

	for (i = 0; i < t->nholes; i++) {
		if (number >= t->holes[i].from && number < t->holes[i].to)
			return true;
	}
	return false;
}

static const uint8_t *
next_entry(void *cookie, bool *preamble)
{
	struct tail *t = cookie;
	struct reading *r = t->reading;
	const uint8_t *entry;

	if (r->lacks_frame && log_read(&r->reader, &r->frame) != 1)
		return NULL;
	r->lacks_frame = false;
	do {
		if (r->at >= r->frame.len && !next_frame(t))
			return NULL;
		entry = r->frame.body + r->at;
		r->at += LOG_ENTRY;
	} while (in_hole(t, r->number++));
	*preamble = (log_entry_flags(entry) & LOG_PREAMBLE) != 0;
	return entry;
}

static int
add_tag(struct reading *r, const uint8_t tag[MATCH_TAG], size_t *room)
{
	uint8_t (*grown)[MATCH_TAG];

	if (r->ntags == *room) {
		*room = *room == 0 ? 16 : *room * 2;
		if ((grown = realloc(r->tags, *room * sizeof(*grown))) == NULL)
			return -1;
		r->tags = grown;
	}
	memcpy(r->tags[r->ntags++], tag, MATCH_TAG);
	return 0;
}

/* All that were in force at any time from where the tail begins. */
static int
gather_tags(struct tail *t, int fd, uint64_t generation, size_t *room)
{
	struct log_reader reader = { .fd = -1 };
	struct log_frame f;
	size_t at, step;
	int rc = 0;

	log_reader_begin(&reader, fd, generation);
	while (rc == 0 && log_read(&reader, &f) == 1) {
		if (f.kind != LOG_TAGS && f.kind != LOG_ENTRIES)
			continue;
		step = f.kind == LOG_TAGS ? MATCH_TAG : LOG_ENTRY;
		for (at = 0; rc == 0 && at < f.len; at += step) {
			if (f.kind == LOG_TAGS || (log_entry_flags(f.body +
			    at) & LOG_PREAMBLE) != 0)
				rc = add_tag(t->reading, f.body + at, room);
		}
	}
	log_reader_free(&reader);
	return rc;
}

const struct match_tail *
tail_match(struct tail *t)
{
	struct reading *r;
	size_t room = 0;

	if ((r = t->reading = calloc(1, sizeof(*r))) == NULL)
		return NULL;
	r->match.cookie = t;
	r->match.rewind = start_reading;
	r->match.next = next_entry;
	r->match.is_preamble = is_preamble;
	if ((t->before != -1 && gather_tags(t, t->before,
	    t->generation_before, &room) == -1) ||
	    gather_tags(t, t->fd, t->generation, &room) == -1) {
		tail_match_done(t);
		return NULL;
	}
	if (r->ntags > 1)
		qsort(r->tags, r->ntags, MATCH_TAG, compare_tags);
	start_reading(t);
	return &r->match;
}

void
tail_match_done(struct tail *t)
{
	if (t->reading == NULL)
		return;
	log_reader_free(&t->reading->reader);
	free(t->reading->tags);
	free(t->reading);
	t->reading = NULL;
}

int
tail_each(struct tail *t, uint64_t max,
    int (*callback)(void *, const uint8_t *, uint32_t), void *cookie)
{
	const uint8_t *entry;
	bool preamble;
	size_t i;
	int rc = 0;

	if (t->reading != NULL) {
		errno = EBUSY;
		return -1;
	}
	if (tail_match(t) == NULL)
		return -1;
	for (i = 0; rc == 0 && i < t->reading->ntags; i++)
		rc = callback(cookie, t->reading->tags[i], 0);
	for (; rc == 0 && max > 0 &&
	    (entry = next_entry(t, &preamble)) != NULL; max--)
		rc = callback(cookie, entry, log_entry_wire(entry));
	tail_match_done(t);
	return rc;
}

/* -- other stores ----------------------------------------------------------- */

/* What is looked for. */
struct search {
	const uint8_t		*tag;
	struct tail_place	 from, found;
	uint64_t		 ordinal;	/* of the file that is read */
	bool			 data;		/* it has some before */
	bool			 any;
};

static bool
has_data(const struct log_frame *f, size_t len)
{
	size_t at;

	for (at = 0; at < len; at += LOG_ENTRY) {
		if ((log_entry_flags(f->body + at) & LOG_PREAMBLE) == 0)
			return true;
	}
	return false;
}

/* The first such entry of a frame of which those behind the place are looked
 * at.  Files have to be known by their names, as they may be of before. */
static void
search_frame(struct search *s, const struct log_frame *f)
{
	uint64_t end = f->end, size;
	size_t at;

	if (s->ordinal < s->from.ordinal)
		return;
	for (at = f->len; at > 0; end -= size < end ? size : end) {
		at -= LOG_ENTRY;
		size = log_entry_wire(f->body + at) - D4_HEADER_LEN;
		if (s->ordinal == s->from.ordinal && end <= s->from.whole)
			return;
		if (memcmp(f->body + at, s->tag, MATCH_TAG) != 0)
			continue;
		s->found.ordinal = s->ordinal;
		s->found.whole = size < end ? end - size : 0;
		s->found.data = s->data || has_data(f, at);
		s->any = true;
	}
}

static int
search_generation(struct search *s, int fd, uint64_t generation, uint64_t len)
{
	struct log_reader reader = { .fd = -1 };
	struct log_frame f;
	struct place place;
	char entry[PLACE_ENTRY];
	unsigned n;
	bool done;
	int rc;

	log_reader_begin(&reader, fd, generation);
	while (!s->any && (rc = log_read(&reader, &f)) == 1 &&
	    reader.at <= len) {
		if (f.kind == LOG_FILE && f.len < sizeof(entry)) {
			memcpy(entry, f.body, f.len);
			entry[f.len] = '\0';
			if (place_parse(&place, entry, &n, &done) == 0)
				s->ordinal = place.ordinal;
			s->data = (f.flags & LOG_DATA) != 0;
		} else if (f.kind == LOG_ENTRIES) {
			search_frame(s, &f);
			s->data = s->data || has_data(&f, f.len);
		}
	}
	log_reader_free(&reader);
	return !s->any && rc == -1 ? -1 : 0;
}

int
tail_find(const struct tail *t, const uint8_t tag[MATCH_TAG],
    struct tail_place *place)
{
	struct search s = { .tag = tag, .from = *place };

	if ((t->before != -1 && search_generation(&s, t->before,
	    t->generation_before, UINT64_MAX) == -1) ||
	    (!s.any && search_generation(&s, t->fd, t->generation,
	    t->len) == -1))
		return -1;
	if (s.any)
		*place = s.found;
	return s.any;
}

/* Frames of a generation that begins with what another store has. */
static int
append_import(const struct tail *t, int fd, uint64_t generation,
    uint64_t *len, const struct tail_import *in)
{
	static const struct part none;
	struct log_frame f = { .kind = LOG_ENTRIES };
	struct part part = { .taken = in->part_taken };
	size_t most = LOG_BODY_MAX / LOG_ENTRY, done, n;
	uint8_t *buf;
	int rc = 0;

	memcpy(part.tag, in->part, sizeof(part.tag));
	if (*t->file.entry != '\0' && (append_file(fd, generation, len,
	    &t->file) == -1 || append_settled(fd, generation, len,
	    t->file.end, 0, &none) == -1))
		return -1;
	if ((buf = malloc(LOG_FRAME + most * LOG_ENTRY)) == NULL)
		return -1;
	for (done = 0; rc == 0 && done < in->nentries; done += n) {
		n = in->nentries - done < most ? in->nentries - done : most;
		f.len = n * LOG_ENTRY;
		memcpy(buf + LOG_FRAME, in->entries + done * LOG_ENTRY, f.len);
		rc = append_frame(fd, generation, len, buf, &f);
	}
	free(buf);
	if (rc == 0 && part.taken > 0)
		rc = append_settled(fd, generation, len, t->file.end, 0,
		    &part);
	return rc;
}

/* The next generation, in the place of all there are. */
static void
step_over(struct tail *t, int fd, uint64_t generation)
{
	if (t->before != -1) {
		(void)close(t->before);
		remove_generation(t->tails, t->base, t->generation_before);
	}
	if (t->unmarked != -1)
		(void)close(t->unmarked);
	(void)close(t->fd);
	remove_generation(t->tails, t->base, t->generation);
	t->before = t->unmarked = -1;
	t->fd = fd;
	t->generation = generation;
	t->wire = t->nentries = t->nbefore = t->nholes = 0;
	t->marked = 0;
	t->by_mark = t->file.by_mark = t->fresh = false;
	t->entries = true;
}

/* Gives up a generation that was not begun as a whole.  Returns -1. */
static int
abandon(const struct tail *t, int fd, uint64_t generation)
{
	remove_generation(t->tails, t->base, generation);
	(void)close(fd);
	return -1;
}

/* A file for the next generation, held, with its head and the preamble in
 * force. */
static int
create_generation(const struct tail *t, uint64_t generation, uint64_t *len)
{
	char name[NAME];
	int fd;

	*len = LOG_HEAD;
	name_generation(name, t->base, generation);
	(void)unlinkat(t->tails->dir, name, 0);
	fd = openat(t->tails->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
	    0600);
	if (fd == -1)
		return -1;
	if (hold(fd) != 0 || write_head(t, fd, generation, true) == -1 ||
	    append_tags(t, fd, generation, len) == -1)
		return abandon(t, fd, generation);
	return fd;
}

int
tail_import(struct tail *t, const struct tail_import *in)
{
	uint64_t generation = t->generation + 1, len;
	uint8_t (*tags)[MATCH_TAG] = t->preamble;
	size_t ntags = t->npreamble;
	int fd;

	t->preamble = in->preamble;
	t->npreamble = in->npreamble;
	fd = create_generation(t, generation, &len);
	t->preamble = tags;
	t->npreamble = ntags;
	if (fd == -1)
		return -1;
	if (append_import(t, fd, generation, &len, in) == -1)
		return abandon(t, fd, generation);
	step_over(t, fd, generation);
	return load_generation(t, fd, generation, len, &t->len) == 0 ? 0 : -1;
}

/* -- adding ---------------------------------------------------------------- */

void
tail_name(const struct tail *t, struct place *p)
{
	uint64_t next = t->nfiles + 1;

	if (tail_lost(t, next))
		next = t->lost + LOST;
	stream_name(p->tail, t->hello);
	p->ordinal = next;
}

int
tail_begin_file(struct tail *t, const char *entry, uint64_t ordinal,
    uint64_t start)
{
	struct tail_file file = {
		.ordinal = ordinal, .end = start, .whole = start
	};

	(void)snprintf(file.entry, sizeof(file.entry), "%s", entry);
	if (append_file(t->fd, t->generation, &t->len, &file) == -1)
		return -1;
	t->file = file;
	t->nfiles = ordinal;
	return 0;
}

int
tail_add(struct tail *t, const uint8_t tag[MATCH_TAG], uint32_t wire,
    uint8_t flags, const struct tail_end *end)
{
	size_t room = t->room == 0 ? PENDING_FIRST : 2 * t->room;
	struct pending *p;

	if (t->npending == t->room) {
		if ((p = realloc(t->pending, room * sizeof(*p))) == NULL)
			return -1;
		t->pending = p;
		t->room = room;
	}
	p = &t->pending[t->npending++];
	memcpy(p->tag, tag, MATCH_TAG);
	p->wire = wire;
	p->flags = flags;
	p->end = end->end;
	p->whole = end->whole;
	p->data = end->data;
	t->pending_bytes += wire;
	return 0;
}

size_t
tail_npending(const struct tail *t)
{
	return t->npending;
}

uint64_t
tail_pending_bytes(const struct tail *t)
{
	return t->pending_bytes;
}

/* The next generation, whose head says what the last one ends with. */
static int
begin_generation(struct tail *t)
{
	uint64_t generation = t->generation + 1, len;
	int fd;

	if ((fd = create_generation(t, generation, &len)) == -1)
		return -1;
	if ((*t->file.entry != '\0' && append_file(fd, generation, &len,
	    &t->file) == -1) || (t->file.settled && append_settled(fd,
	    generation, &len, t->file.end, 0, &t->part) == -1))
		return abandon(t, fd, generation);
	if (t->before != -1) {
		(void)close(t->before);
		remove_generation(t->tails, t->base, t->generation_before);
	}
	if (t->unmarked != -1)
		(void)close(t->unmarked);
	t->unmarked = fcntl(t->fd, F_DUPFD_CLOEXEC, 3);
	t->unmarked_at = t->len;
	t->before = t->fd;
	t->generation_before = t->generation;
	t->fd = fd;
	t->generation = generation;
	t->len = len;
	t->wire = 0;
	t->marked = 0;
	t->entries = true;
	/* Nobody matches now; numbers begin anew when it is opened. */
	t->nholes = 0;
	t->nentries = t->nbefore = 0;
	return 0;
}

static size_t
count_written(const struct tail *t, uint64_t written)
{
	size_t most = (LOG_BODY_MAX / LOG_ENTRY), n;

	for (n = 0; n < t->npending && n < most &&
	    t->pending[n].end <= written; n++)
		continue;
	return n;
}

static int
commit_some(struct tail *t, size_t n)
{
	const struct pending *p = &t->pending[n - 1];
	struct log_frame f = {
		.kind = LOG_ENTRIES, .flags = p->data ? LOG_DATA : 0,
		.end = p->end, .whole = p->whole, .len = n * LOG_ENTRY
	};
	uint8_t small[LOG_FRAME + 16 * LOG_ENTRY], *buf = small;
	size_t i;
	int rc;

	if (n > 16 && (buf = malloc(LOG_FRAME + f.len)) == NULL)
		return -1;
	for (i = 0; i < n; i++) {
		p = &t->pending[i];
		log_put_entry(buf + LOG_FRAME + i * LOG_ENTRY, p->tag, p->wire,
		    p->flags);
	}
	rc = append_frame(t->fd, t->generation, &t->len, buf, &f);
	if (rc == 0)
		take_entries(t, &f);
	if (buf != small)
		free(buf);
	if (rc == -1)
		return -1;
	for (i = 0; i < n; i++)
		t->pending_bytes -= t->pending[i].wire;
	t->npending -= n;
	memmove(t->pending, t->pending + n, t->npending * sizeof(*p));
	return 0;
}

int
tail_commit(struct tail *t, uint64_t written)
{
	size_t n;

	while ((n = count_written(t, written)) > 0) {
		if (commit_some(t, n) == -1)
			return -1;
		/* Without room for the next one this one grows. */
		if (t->wire >= TAIL_BYTES)
			(void)begin_generation(t);
	}
	return 0;
}

void
tail_idle(struct tail *t)
{
	struct reading *r = t->reading;

	if (t->npending == 0) {
		free(t->pending);
		t->pending = NULL;
		t->room = 0;
	}
	/* The frame will be read again. */
	if (r != NULL && r->reader.buf != NULL) {
		if (r->frame.len > 0)
			r->reader.at = r->frame.at;
		r->reader.from = r->reader.at;
		r->reader.len = 0;
		free(r->reader.buf);
		r->reader.buf = NULL;
		r->lacks_frame = r->frame.len > 0;
	}
}

/* What of the current file ends behind a place. */
struct behind {
	uint64_t	 whole;		/* the place */
	char		 entry[PLACE_ENTRY];
	uint64_t	 n;		/* entries */
	struct part	 part;		/* of the first one */
};

/* A record of so much payload that ends there, behind the place. */
static void
note_part(struct part *part, const uint8_t tag[MATCH_TAG], int64_t start,
    uint64_t whole)
{
	memcpy(part->tag, tag, MATCH_TAG);
	part->taken = start < (int64_t)whole ?
	    (uint32_t)((int64_t)whole - start) : 0;
}

/* Those of a frame, the first one last.  What a record has in a file before
 * makes it begin before this one does. */
static void
count_frame(struct behind *b, const struct log_frame *f)
{
	int64_t end = (int64_t)f->end;
	bool first = b->n == 0;
	size_t at;

	for (at = f->len; at > 0 && end > (int64_t)b->whole; ) {
		at -= LOG_ENTRY;
		b->n++;
		end -= (int64_t)log_entry_wire(f->body + at) - D4_HEADER_LEN;
		if (first)
			note_part(&b->part, f->body + at, end, b->whole);
	}
}

static int
count_behind(const struct tail *t, int fd, uint64_t generation,
    struct behind *b)
{
	struct log_reader reader = { .fd = -1 };
	struct log_frame f;
	int rc;

	log_reader_begin(&reader, fd, generation);
	while ((rc = log_read(&reader, &f)) == 1) {
		if (fd == t->fd && reader.at > t->len)
			break;
		if (f.kind == LOG_FILE && (f.len != strlen(b->entry) ||
		    memcmp(f.body, b->entry, f.len) != 0)) {
			(void)snprintf(b->entry, PLACE_ENTRY, "%.*s",
			    (int)f.len, (const char *)f.body);
			b->n = 0;
		}
		if (f.kind == LOG_ENTRIES)
			count_frame(b, &f);
	}
	log_reader_free(&reader);
	return rc == -1 ? -1 : 0;
}

/* The first one of those that were not committed. */
static void
count_pending(const struct tail *t, struct behind *b)
{
	const struct pending *p;
	size_t i;

	for (i = 0; i < t->npending && t->pending[i].end <= b->whole; i++)
		continue;
	if (i == t->npending || b->n > 0)
		return;
	p = &t->pending[i];
	note_part(&b->part, p->tag, (int64_t)p->end - (int64_t)p->wire +
	    D4_HEADER_LEN, b->whole);
}

int
tail_settle(struct tail *t, uint64_t whole)
{
	struct behind behind = { .whole = whole, .part = t->part };
	bool open = *t->file.entry != '\0' && !t->file.settled;
	uint64_t len = t->len;

	if (open && t->file.end > whole && ((t->before != -1 &&
	    count_behind(t, t->before, t->generation_before,
	    &behind) == -1) || count_behind(t, t->fd, t->generation,
	    &behind) == -1))
		return -1;
	count_pending(t, &behind);
	if (open || behind.part.taken != t->part.taken) {
		if (append_settled(t->fd, t->generation, &len, whole,
		    behind.n, &behind.part) == -1)
			return -1;
		t->len = len;
		if (take_settled(t, whole, behind.n, &behind.part) == -1)
			return -1;
	}
	t->npending = 0;
	t->pending_bytes = 0;
	if (t->by_mark && write_head(t, t->fd, t->generation,
	    false) == -1)
		return -1;
	t->by_mark = t->file.by_mark = false;
	return 0;
}

/* -- marks ----------------------------------------------------------------- */

bool
tail_is_unmarked(const struct tail *t)
{
	return t->len != t->marked;
}

int
tail_mark_begin(struct tail *t, struct tail_mark *m)
{
	char folder[D4_UUID_HEX];

	if (t->len == t->marked)
		return 0;
	m->older = m->dir = -1;
	if ((m->fd = fcntl(t->fd, F_DUPFD_CLOEXEC, 3)) == -1)
		return -1;
	if (t->entries) {
		(void)snprintf(folder, sizeof(folder), "%.*s",
		    D4_UUID_HEX - 1, t->base);
		m->dir = openat(t->tails->dir, folder, O_RDONLY |
		    O_DIRECTORY | O_CLOEXEC);
		if (m->dir == -1) {
			(void)close(m->fd);
			return -1;
		}
		t->entries = false;
	}
	m->older = t->unmarked;
	m->older_at = t->unmarked_at;
	t->unmarked = -1;
	m->at = t->marked = t->len;
	m->count = ++t->nmarks;
	return 1;
}

static int
write_mark(int fd, uint64_t at, uint64_t count)
{
	uint8_t mark[LOG_MARK];

	log_put_mark(mark, at, count);
	if (write_at(fd, mark, sizeof(mark), log_mark_at(count)) == -1)
		return -1;
	while (fdatasync(fd) == -1) {
		if (errno != EINTR)
			return -1;
	}
	return 0;
}

int
tail_mark_write(const struct tail_mark *m)
{
	if (m->dir != -1 && fsync(m->dir) == -1)
		return -1;
	if (m->older != -1 && write_mark(m->older, m->older_at,
	    m->count) == -1)
		return -1;
	return write_mark(m->fd, m->at, m->count);
}

void
tail_mark_close(struct tail_mark *m)
{
	(void)close(m->fd);
	if (m->older != -1)
		(void)close(m->older);
	if (m->dir != -1)
		(void)close(m->dir);
}

void
tail_mark_doubt(const struct tail_mark *m)
{
	static const uint8_t none[LOG_BOOT];

	(void)write_at(m->fd, none, sizeof(none), LOG_BOOT_AT);
}
