/* SPDX-License-Identifier: ISC */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/uio.h>

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>

#include "d4-recv/recover.h"
#include "d4-recv/tail-log.h"
#include "lib/bytes.h"
#include "lib/type.h"
#include "t/unit/shelf.h"
#include "t/unit/tap.h"

/*
 * Loss of power: the calls by which a store changes the disk are recorded, and
 * each beginning of that record makes a disk as it may be after the power was
 * lost there.  A collector that starts on it has to come to a valid state: what
 * is kept is a beginning of what was sent, with all that was promised to be on
 * the disk, and a sensor that sends everything again leaves it whole, each byte
 * once.
 *
 *	all	everything that was called reached the disk
 *	synced	of each file what was synced; names as of the last sync
 *	some	all names, what was synced, and some pages of what was not
 */

#define START		1709251198	/* 2024-02-29 23:59:58 UTC */
#define NRECORDS	70
#define OPS_MAX		4096
#define FILES_MAX	512
#define PAGE		4096

enum op_kind { MAKE, WRITE, CUT, SYNC, LINK, UNLINK, FOLDER };

struct op {
	enum op_kind	 kind;
	ino_t		 ino;
	char		*path;		/* below the store */
	uint8_t		*bytes;
	size_t		 len;
	off_t		 at;
};

static struct op ops[OPS_MAX];
static size_t nops;
static size_t promised[OPS_MAX + 1];	/* bytes, when so many were called */
static size_t promise;
static char recorded[128];		/* the store, or "": nothing is */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* -- the record ------------------------------------------------------------ */

/* The path below the store, NULL when it is elsewhere. */
static char *
path_of(int dir, const char *name)
{
	char link[64], path[4096];
	size_t root = strlen(recorded);
	char *below;
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return NULL;
	path[n] = '\0';
	if (strncmp(path, recorded, root) != 0)
		return NULL;
	if (asprintf(&below, "%s/%s", path + root, name) == -1)
		abort();
	return below;
}

static void
record(enum op_kind kind, ino_t ino, char *path, const void *bytes, size_t len,
    off_t at)
{
	struct op *op;

	(void)pthread_mutex_lock(&lock);
	if (nops == OPS_MAX)
		abort();
	op = &ops[nops++];
	op->kind = kind;
	op->ino = ino;
	op->path = path;
	op->len = len;
	op->at = at;
	op->bytes = NULL;
	if (len > 0 && bytes != NULL) {
		if ((op->bytes = malloc(len)) == NULL)
			abort();
		memcpy(op->bytes, bytes, len);
	}
	promised[nops] = promise;
	(void)pthread_mutex_unlock(&lock);
}

static ino_t
inode(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) ||
	    S_ISDIR(st.st_mode)) ? st.st_ino : 0;
}

static bool
is_recorded(void)
{
	return *recorded != '\0';
}

int
openat(int at, const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;
	int fd;

	if ((flags & O_CREAT) != 0) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	fd = (int)syscall(SYS_openat, at, path, flags, mode);
	if (is_recorded() && fd != -1 && (flags & O_CREAT) != 0)
		record(MAKE, inode(fd), path_of(at, path), NULL, 0, 0);
	return fd;
}

ssize_t
write(int fd, const void *bytes, size_t len)
{
	off_t at = is_recorded() ? lseek(fd, 0, SEEK_CUR) : -1;
	ssize_t n = syscall(SYS_write, fd, bytes, len);

	if (at != -1 && n > 0 && inode(fd) != 0)
		record(WRITE, inode(fd), NULL, bytes, (size_t)n, at);
	return n;
}

ssize_t
writev(int fd, const struct iovec *iov, int n)
{
	ssize_t done, all = 0;
	int i;

	for (i = 0; i < n; i++) {
		done = write(fd, iov[i].iov_base, iov[i].iov_len);
		if (done == -1)
			return all > 0 ? all : -1;
		all += done;
	}
	return all;
}

ssize_t
pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	ssize_t n = syscall(SYS_pwrite64, fd, bytes, len, at);

	if (is_recorded() && n > 0)
		record(WRITE, inode(fd), NULL, bytes, (size_t)n, at);
	return n;
}

/* Nothing need reach a disk here. */
int
fsync(int fd)
{
	if (is_recorded())
		record(SYNC, inode(fd), NULL, NULL, 0, 0);
	return 0;
}

int
fdatasync(int fd)
{
	return fsync(fd);
}

int
ftruncate(int fd, off_t len)
{
	int rc = (int)syscall(SYS_ftruncate, fd, len);

	if (is_recorded() && rc == 0)
		record(CUT, inode(fd), NULL, NULL, 0, len);
	return rc;
}

int
linkat(int from, const char *a, int to, const char *b, int flags)
{
	int rc = (int)syscall(SYS_linkat, from, a, to, b, flags);
	struct stat st;

	if (is_recorded() && rc == 0 && fstatat(to, b, &st, 0) == 0)
		record(LINK, st.st_ino, path_of(to, b), NULL, 0, 0);
	return rc;
}

int
unlinkat(int at, const char *path, int flags)
{
	int rc = (int)syscall(SYS_unlinkat, at, path, flags);

	if (is_recorded() && rc == 0)
		record(UNLINK, 0, path_of(at, path), NULL, 0, 0);
	return rc;
}

int
mkdirat(int at, const char *path, mode_t mode)
{
	int rc = (int)syscall(SYS_mkdirat, at, path, mode);

	if (is_recorded() && rc == 0)
		record(FOLDER, 0, path_of(at, path), NULL, 0, 0);
	return rc;
}

/* -- a disk from it -------------------------------------------------------- */

enum model { ALL, SYNCED, SOME };
static const char *const models[] = { "all", "synced", "some" };

struct image {
	ino_t	 ino;
	uint8_t	*now, *synced;
	size_t	 len, synced_len;
};

static struct image images[FILES_MAX];
static size_t nimages;

static struct { char *path; ino_t ino; } names[FILES_MAX];
static size_t nnames;

static struct image *
image(ino_t ino)
{
	size_t i;

	for (i = 0; i < nimages; i++) {
		if (images[i].ino == ino)
			return &images[i];
	}
	if (nimages == FILES_MAX)
		abort();
	memset(&images[nimages], 0, sizeof(*images));
	images[nimages].ino = ino;
	return &images[nimages++];
}

static void
resize(uint8_t **bytes, size_t *len, size_t want)
{
	if ((*bytes = realloc(*bytes, want + 1)) == NULL)
		abort();
	if (want > *len)
		memset(*bytes + *len, 0, want - *len);
	*len = want;
}

static void
unname(const char *path)
{
	size_t i;

	for (i = 0; i < nnames; i++) {
		if (strcmp(names[i].path, path) == 0) {
			names[i] = names[--nnames];
			return;
		}
	}
}

static void
apply(const struct op *op, bool named)
{
	struct image *im = op->ino == 0 ? NULL : image(op->ino);

	switch (op->kind) {
	case MAKE:
	case LINK:
		if (!named || op->path == NULL)
			return;
		/* An inode may be one of a file that is gone. */
		if (op->kind == MAKE)
			im->len = im->synced_len = 0;
		unname(op->path);
		if (nnames == FILES_MAX)
			abort();
		names[nnames].path = op->path;
		names[nnames++].ino = op->ino;
		return;
	case UNLINK:
		if (named && op->path != NULL)
			unname(op->path);
		return;
	case WRITE:
		if ((size_t)op->at + op->len > im->len)
			resize(&im->now, &im->len, (size_t)op->at + op->len);
		memcpy(im->now + op->at, op->bytes, op->len);
		return;
	case CUT:
		resize(&im->now, &im->len, (size_t)op->at);
		return;
	case SYNC:
		if (im == NULL)
			return;
		resize(&im->synced, &im->synced_len, im->len);
		if (im->len > 0)
			memcpy(im->synced, im->now, im->len);
		return;
	case FOLDER:
		return;
	}
}

/* Some pages of what was written behind the last sync got there. */
static void
spoil(struct image *im, unsigned *seed)
{
	size_t at, n;

	for (at = 0; at < im->len; at += PAGE) {
		n = im->len - at < PAGE ? im->len - at : PAGE;
		if (rand_r(seed) % 2 == 0)
			continue;
		if (at + n <= im->synced_len)
			memcpy(im->now + at, im->synced + at, n);
		else if (at < im->synced_len) {
			memcpy(im->now + at, im->synced + at,
			    im->synced_len - at);
			memset(im->now + im->synced_len, 0,
			    at + n - im->synced_len);
		} else
			memset(im->now + at, 0, n);
	}
}

static void
put_file(const char *root, const char *path, const uint8_t *bytes, size_t len)
{
	char full[4096];
	FILE *out;

	(void)snprintf(full, sizeof(full), "%s%s", root, path);
	if ((out = fopen(full, "w")) == NULL) {
		perror(full);
		exit(1);
	}
	if (len > 0)
		(void)fwrite(bytes, 1, len, out);
	(void)fclose(out);
}

/* The tail of a stream that the machine had before it was booted anew. */
static bool
is_tail(const char *path)
{
	const char *dot = strrchr(path, '.');

	return strstr(path, "/" TAIL_DIR "/") != NULL && dot != NULL &&
	    dot[1] >= '0' && dot[1] <= '9';
}

static void
make_disk(const char *root, size_t n, enum model model, unsigned seed)
{
	size_t i, last = 0;
	struct image *im;
	char full[4096];

	for (i = 0; i < nimages; i++) {
		free(images[i].now);
		free(images[i].synced);
	}
	nimages = nnames = 0;
	for (i = 0; i < n; i++) {
		if (ops[i].kind == SYNC)
			last = i;
	}
	for (i = 0; i < n; i++)
		apply(&ops[i], model != SYNCED || i <= last);
	(void)mkdir(root, 0700);
	for (i = 0; i < n; i++) {
		if (ops[i].kind != FOLDER || ops[i].path == NULL)
			continue;
		(void)snprintf(full, sizeof(full), "%s%s", root, ops[i].path);
		(void)mkdir(full, 0700);
	}
	for (i = 0; model == SOME && i < nimages; i++)
		spoil(&images[i], &seed);
	for (i = 0; i < nnames; i++) {
		im = image(names[i].ino);
		if (model == SYNCED)
			put_file(root, names[i].path, im->synced,
			    im->synced_len);
		else
			put_file(root, names[i].path, im->now, im->len);
	}
	/* Links are of one file. */
	for (i = 0; i < nnames; i++) {
		char other[4096];
		size_t j;

		for (j = 0; j < i && names[j].ino != names[i].ino; j++)
			continue;
		if (j == i)
			continue;
		(void)snprintf(full, sizeof(full), "%s%s", root,
		    names[i].path);
		(void)snprintf(other, sizeof(other), "%s%s", root,
		    names[j].path);
		(void)unlink(full);
		if (link(other, full) == -1)
			abort();
	}
	for (i = 0; i < nnames; i++) {
		static const uint8_t none[LOG_BOOT];
		int fd;

		if (names[i].path == NULL || !is_tail(names[i].path))
			continue;
		(void)snprintf(full, sizeof(full), "%s%s", root,
		    names[i].path);
		if ((fd = open(full, O_RDWR)) == -1)
			continue;
		if (lseek(fd, 0, SEEK_END) >= LOG_HEAD)
			(void)syscall(SYS_pwrite64, fd, none, sizeof(none),
			    LOG_BOOT_AT);
		(void)close(fd);
	}
}

/* -- a stream -------------------------------------------------------------- */

struct sent {
	uint8_t	 hmac[D4_HMAC_LEN];
	size_t	 at, len;		/* in the input */
	size_t	 last, whole;		/* where its last unit begins, and where
					 * the last whole one ends */
};

static struct bytes input;
static struct sent sent[NRECORDS];
static const uint8_t hello[D4_HMAC_LEN] = "the hello of this stream";

static void
make_input(uint8_t type)
{
	static const uint8_t head[24] = {
		0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 4, 0, 1, 0, 0, 0
	};
	uint8_t packet[16 + 700];
	unsigned seed = 7, i, j, n;
	char line[800];
	size_t len;

	bytes_free(&input);
	for (i = 0; i < NRECORDS; i++) {
		sent[i].at = input.len;
		n = 1 + (unsigned)rand_r(&seed) % 3;
		if (type == 1 && i == 0) {
			bytes_add(&input, head, sizeof(head));
			n = 0;
		}
		for (j = 0; j < n; j++) {
			len = 20 + (size_t)rand_r(&seed) % 680;
			sent[i].last = input.len;
			if (type == 1) {
				memset(packet, (int)(i + j), sizeof(packet));
				d4_put32le(packet + 8, (uint32_t)len);
				d4_put32le(packet + 12, (uint32_t)len);
				bytes_add(&input, packet, 16 + len);
			} else {
				(void)memset(line, 'a' + (int)(i + j) % 26,
				    len);
				(void)snprintf(line, 12, "%u.%u ", i, j);
				line[strlen(line)] = ' ';
				line[len - 1] = '\n';
				bytes_add(&input, line, len);
			}
		}
		sent[i].len = input.len - sent[i].at;
		sent[i].whole = input.len;
		memset(sent[i].hmac, 0, sizeof(sent[i].hmac));
		d4_put32le(sent[i].hmac, i + 1);
	}
	/* Some records end within a unit. */
	for (i = 3; i + 1 < NRECORDS; i += 3) {
		n = 1 + (unsigned)rand_r(&seed) % 19;
		sent[i].whole = sent[i].last;
		sent[i].len -= n;
		sent[i + 1].at -= n;
		sent[i + 1].len += n;
	}
}

static void
start(struct shelf *s, enum d4_gz_kind compress, enum store_sync sync)
{
	struct finish_settings fs = { .root = s->root, .runner = -1,
	    .items = { .push = shelf_push, .cookie = s } };
	struct store_settings ss = { .rotate_size = 6000, .sync = sync,
	    .compress = compress,
	    .items = { .push = shelf_push, .cookie = s } };

	if ((ss.finish = s->finish = finish_new(&fs)) == NULL ||
	    (s->store = store_new(&ss)) == NULL) {
		perror(s->root);
		exit(1);
	}
}

static void
wait_for(struct shelf *s)
{
	while (store_tick(s->store, START)) {
		(void)store_run(s->store);
		(void)finish_drain(s->finish, 1);
	}
	(void)store_run(s->store);
}

/* One record; 0, or -1 when it was refused. */
static int
give(struct shelf *s, struct store_stream *stream, const struct sent *r)
{
	enum match_verdict verdict;
	enum store_result result;
	size_t done, taken;
	int tries = 0;

	while ((result = store_judge(stream, r->hmac, input.p + r->at, r->len,
	    &verdict, &done)) == STORE_FULL && tries++ < 5000) {
		(void)store_run(s->store);
		(void)finish_drain(s->finish, 1);
	}
	if (result != STORE_OK)
		return -1;
	while (verdict == MATCH_NEW && done < r->len) {
		result = store_record(stream, r->hmac, (uint32_t)r->len,
		    input.p + r->at + done, r->len - done, START, &taken);
		done += taken;
		if (result == STORE_FULL) {
			(void)store_run(s->store);
			(void)finish_drain(s->finish, 1);
		} else if (result != STORE_OK)
			return -1;
	}
	return 0;
}

static struct store_stream *
begin(struct shelf *s, uint8_t type)
{
	struct store_stream *stream;
	const char *why;

	if ((stream = store_open(s->store, shelf_uuid, type, NULL,
	    &why)) == NULL)
		exit(1);
	store_resume(stream, hello);
	return stream;
}

/* What is recorded: two sessions, the first cut off. */
static void
run(uint8_t type, enum d4_gz_kind compress, enum store_sync sync)
{
	struct store_stream *stream;
	struct shelf s;
	unsigned i;

	while (nops > 0) {
		free(ops[--nops].path);
		free(ops[nops].bytes);
	}
	promise = promised[0] = 0;
	shelf_new(&s);
	(void)snprintf(recorded, sizeof(recorded), "%s", s.root);
	start(&s, compress, sync);
	stream = begin(&s, type);
	for (i = 0; i < NRECORDS; i++) {
		if (i == NRECORDS / 2) {
			store_close(stream, false, START);
			stream = begin(&s, type);
			if (type == 1)
				(void)give(&s, stream, &sent[0]);
			while (i > NRECORDS / 2 - 5)
				i--;
			for (; i < NRECORDS / 2; i++)
				(void)give(&s, stream, &sent[i]);
		}
		(void)give(&s, stream, &sent[i]);
		if (i % 4 != 3)
			continue;
		if (sync == STORE_SYNC_ALWAYS) {
			if (store_flush(stream, START) == STORE_OK)
				promise = sent[i].whole;
		} else if (i % 8 == 7) {
			wait_for(&s);
			promise = sent[i].whole;
		}
	}
	(void)store_end(stream, START);
	store_close(stream, true, START);
	wait_for(&s);
	promise = input.len;
	(void)finish_drain(s.finish, 10000);
	promised[nops] = promise;
	(void)shelf_stop(&s);
	*recorded = '\0';
	shelf_remove(&s);
}

/* -- what is kept ---------------------------------------------------------- */

static char kept[FILES_MAX][512];
static size_t nkept;

static int
see_kept(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	if (flag == FTW_F && strstr(path, "/" PLACE_OPEN "/") == NULL &&
	    strstr(path, "/" TAIL_DIR "/") == NULL && nkept < FILES_MAX)
		(void)snprintf(kept[nkept++], sizeof(*kept), "%s", path);
	return 0;
}

/* Time, then number. */
static int
compare_names(const void *a, const void *b)
{
	const char *x = strrchr(a, '/') + 1, *y = strrchr(b, '/') + 1;
	size_t len = strcspn(x, ".");
	int rc = strncmp(x, y, len);

	return rc != 0 ? rc : atoi(x + len + 1) - atoi(y + len + 1);
}

static void
join(const struct shelf *s, uint8_t type, struct bytes *all)
{
	struct bytes file = { NULL, 0 };
	size_t i, skip;

	nkept = 0;
	(void)nftw(s->root, see_kept, 16, FTW_PHYS);
	qsort(kept, nkept, sizeof(*kept), compare_names);
	for (i = 0; i < nkept; i++) {
		if (!shelf_read(kept[i], &file))
			diag("%s: not whole", kept[i]);
		skip = type == 1 && i > 0 ? 24 : 0;
		if (file.len >= skip)
			bytes_add(all, file.p + skip, file.len - skip);
		bytes_free(&file);
	}
}

/* Whether it is a beginning, up to the last unit that a record ends. */
static bool
is_beginning(const struct bytes *all)
{
	unsigned i;

	if (all->len > input.len ||
	    (all->len > 0 && memcmp(all->p, input.p, all->len) != 0))
		return false;
	for (i = 0; i < NRECORDS; i++) {
		if (all->len == sent[i].whole)
			return true;
	}
	return all->len == 0;
}

static void
recover_all(struct shelf *s)
{
	int rc, n = 0;

	while ((rc = recover_run(s->finish, store_tails(s->store), NULL,
	    false)) != 0 && n++ < 2000)
		(void)finish_drain(s->finish, 1);
	(void)finish_drain(s->finish, 60000);
}

/* What is wrong, NULL when nothing is. */
static const char *
restart(const char *root, uint8_t type, enum d4_gz_kind compress,
    enum store_sync sync, size_t least)
{
	struct bytes all = { NULL, 0 }, whole = { NULL, 0 };
	struct store_stream *stream;
	const char *wrong = NULL;
	struct shelf s;
	unsigned i;

	memset(&s, 0, sizeof(s));
	(void)snprintf(s.root, sizeof(s.root), "%s", root);
	start(&s, compress, sync);
	recover_all(&s);
	join(&s, type, &all);
	if (!is_beginning(&all))
		wrong = "what is kept is no beginning of what was sent";
	else if (all.len < least)
		wrong = "something is missing that was synced";
	stream = begin(&s, type);
	for (i = 0; wrong == NULL && i < NRECORDS; i++) {
		if (give(&s, stream, &sent[i]) == -1)
			wrong = "a record that comes again is refused";
	}
	(void)store_end(stream, START + 10);
	store_close(stream, true, START + 10);
	wait_for(&s);
	(void)finish_drain(s.finish, 60000);
	join(&s, type, &whole);
	if (wrong == NULL && (whole.len != input.len ||
	    memcmp(whole.p, input.p, input.len) != 0))
		wrong = whole.len > input.len ?
		    "something is there twice" : "something is missing";
	if (wrong == NULL && shelf_count(&s, PLACE_OPEN) != 0)
		wrong = "something is unfinished";
	bytes_free(&all);
	bytes_free(&whole);
	(void)shelf_stop(&s);
	shelf_remove(&s);
	return wrong;
}

static void
test_power(uint8_t type, enum d4_gz_kind compress, enum store_sync sync)
{
	static const char *const syncs[] = { "second", "always", "never" };
	char root[64];
	const char *wrong;
	size_t n, bad;
	int model;

	make_input(type);
	run(type, compress, sync);
	for (model = ALL; model <= SOME; model++) {
		for (n = 0, bad = 0; n <= nops && bad < 3; n++) {
			(void)snprintf(root, sizeof(root), "%s/d4-power.%d",
			    getenv("TMPDIR"), (int)getpid());
			make_disk(root, n, (enum model)model, (unsigned)n);
			wrong = restart(root, type, compress, sync,
			    promised[n]);
			if (wrong == NULL)
				continue;
			diag("after %zu of %zu calls: %s", n, nops,
			    wrong);
			bad++;
		}
		is(bad, 0, "type %u%s, sync %s, power lost after each of %zu "
		    "calls, of which %s reached the disk", type,
		    d4_gz_suffix(compress), syncs[sync], nops, models[model]);
	}
}

int
main(void)
{
	/* Faster than a disk, and nothing of it is wanted. */
	(void)setenv("TMPDIR", access("/dev/shm", W_OK) == 0 ? "/dev/shm" :
	    "/tmp", 1);
	test_power(3, D4_GZ_PLAIN, STORE_SYNC_ALWAYS);
	test_power(1, D4_GZ_PLAIN, STORE_SYNC_SECOND);
	test_power(3, D4_GZ_GZIP, STORE_SYNC_SECOND);
	return tap_done();
}
