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

#include "d4-recv/tail-own.h"
#include "lib/digest.h"
#include "lib/os-host.h"
#include "lib/uuid.h"

#define ID		"id"

/* -- names ----------------------------------------------------------------- */

void
tails_base(char base[TAIL_BASE], const uint8_t uuid[D4_UUID_LEN], uint8_t type,
    const char stream[PLACE_TAIL])
{
	char hex[D4_UUID_HEX];

	d4_uuid_hex(hex, uuid);
	(void)snprintf(base, TAIL_BASE, "%s/%u-%.16s.", hex, type, stream);
}

void
tails_stream(char stream[PLACE_TAIL], const uint8_t hello[D4_HMAC_LEN])
{
	d4_digest_hex(stream, hello, (PLACE_TAIL - 1) / 2);
}

void
tails_generation(char name[TAIL_NAME], const char base[TAIL_BASE],
    uint64_t generation)
{
	(void)snprintf(name, TAIL_NAME, "%.*s%" PRIu64, TAIL_BASE - 1, base,
	    generation);
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

int
tails_find(const struct tails *tails, const char base[TAIL_BASE],
    uint64_t *last, uint64_t *before)
{
	const struct dirent *entry;
	uint64_t generation;
	DIR *dir;
	int n = 0;

	*last = *before = 0;
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

void
tails_remove(const struct tails *tails, const char base[TAIL_BASE],
    uint64_t generation)
{
	char name[TAIL_NAME];

	tails_generation(name, base, generation);
	(void)unlinkat(tails->dir, name, 0);
}

int
tails_write(int fd, const void *bytes, size_t len, uint64_t at)
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
	char stream[PLACE_TAIL], base[TAIL_BASE];

	tails_stream(stream, hello);
	tails_base(base, uuid, type, stream);
	return tails_find(tails, base, &last, &before) > 0;
}

/* -- what else is kept there ----------------------------------------------- */

int
tails_make_folder(const struct tails *tails, const char *path)
{
	char folder[D4_UUID_HEX];

	(void)snprintf(folder, sizeof(folder), "%.*s", D4_UUID_HEX - 1, path);
	return mkdirat(tails->dir, folder, 0700) == -1 && errno != EEXIST ?
	    -1 : 0;
}

void
tails_name_want(char name[TAIL_NAME], const char base[TAIL_BASE])
{
	(void)snprintf(name, TAIL_NAME, "%.*swant", TAIL_BASE - 1, base);
}

void
tails_want(const struct tails *tails, const uint8_t uuid[D4_UUID_LEN],
    uint8_t type, const uint8_t hello[D4_HMAC_LEN])
{
	char stream[PLACE_TAIL], base[TAIL_BASE], name[TAIL_NAME];
	int fd;

	tails_stream(stream, hello);
	tails_base(base, uuid, type, stream);
	tails_name_want(name, base);
	fd = openat(tails->dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd != -1)
		(void)close(fd);
}

static void
name_newest(char name[TAIL_NAME], const uint8_t uuid[D4_UUID_LEN], uint8_t type)
{
	char hex[D4_UUID_HEX];

	d4_uuid_hex(hex, uuid);
	(void)snprintf(name, TAIL_NAME, "%s/%u.newest", hex, type);
}

uint64_t
tails_newest(const struct tails *tails, const uint8_t uuid[D4_UUID_LEN],
    uint8_t type)
{
	char name[TAIL_NAME], text[24];
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
	char name[TAIL_NAME], text[24];
	int fd, rc;

	name_newest(name, uuid, type);
	if (tails_make_folder(tails, name) == -1)
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
	char hex[D4_UUID_HEX], name[TAIL_NAME];
	int fd, rc = -1, err;

	d4_uuid_new(id);
	d4_uuid_hex(hex, id);
	(void)snprintf(name, sizeof(name), ID ".%s", hex);
	fd = openat(tails->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    0600);
	if (fd == -1)
		return -1;
	hex[TAIL_STORE - 1] = '\n';
	if (tails_write(fd, hex, TAIL_STORE, 0) == 0 && fsync(fd) == 0 &&
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
remove_stream(const struct tails *tails, const char base[TAIL_BASE])
{
	uint64_t last = 0, before = 0;
	char name[TAIL_NAME];
	int fd, n;

	if ((n = tails_find(tails, base, &last, &before)) < 1)
		return;
	tails_generation(name, base, last);
	fd = openat(tails->dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		if (n > 1)
			tails_remove(tails, base, before);
		tails_remove(tails, base, last);
		tails_name_want(name, base);
		(void)unlinkat(tails->dir, name, 0);
	}
	(void)close(fd);
}

void
tails_prune(const struct tails *tails, const char base[TAIL_BASE])
{
	size_t len = strlen(base) - D4_UUID_HEX, dash;
	const char *prefix = base + D4_UUID_HEX;
	struct {
		char		name[TAIL_BASE];
		struct timespec	at;
	} known[4 * TAIL_KEPT];
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
			    TAIL_BASE - D4_UUID_HEX, "%.*s", (int)len,
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
