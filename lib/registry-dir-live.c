/* SPDX-License-Identifier: ISC */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/registry-dir.h"
#include "lib/table.h"
#include "lib/uuid.h"

/*
 * A worker holds its slot's file, workers/N, by flock(2) for as long as it
 * lives; the kernel lets go of it however it ends.  A claim is a file that
 * names slot and token of its worker, and is worth nothing when that worker
 * is gone.  Workers read and write claims under one lock, so nothing happens
 * between the look at a claim and the change.  A worker that takes one over
 * writes the loser's session behind the first line of its slot file.
 *
 * Claims come and go by the thousand: their files stay, and are written over.
 * Of a type with one connection the claim is claims/UUID-TYPE, others are
 * numbered by the worker: claims/SLOT.NUMBER.
 */

#define STALE		3600	/* seconds after which .tmp is swept */
#define LOSSES		65536	/* bytes of losses read before they go */
#define UNUSED		86400	/* seconds after which a free claim goes */
#define CLAIM_MAX	512	/* bytes of a claim's file */
#define TRIES		10	/* to read one that is being written */
#define FREE		"-"	/* what is in one that nobody has */

struct owner {
	unsigned int	slot;
	char		token[D4_UUID_HEX];
};

/* -- slots ----------------------------------------------------------------- */

struct sweep {
	struct dir		*dir;
	const struct tree	*tree;
	time_t			 before;
};

static int
on_left(void *cookie, const char *name)
{
	struct sweep *sweep = cookie;
	char path[DIR_PATH];
	struct stat st;

	(void)snprintf(path, sizeof(path), ".tmp/%.255s", name);
	if (fstatat(sweep->tree->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_ctime < sweep->before &&
	    unlinkat(sweep->tree->fd, path, 0) == -1 &&
	    (errno == EISDIR || errno == EPERM))
		(void)dir_remove_tree(sweep->dir, sweep->tree, path);
	return 0;
}

/* What killed writers left behind. */
static void
sweep(struct dir *dir, const struct tree *tree)
{
	struct sweep s = { .dir = dir, .tree = tree };

	s.before = time(NULL) - STALE;
	(void)dir_each(dir, tree, ".tmp", on_left, &s);
}

/* Removes a claim that was of no use for long. */
static int on_old(void *, const char *);

static int
open_lock(struct dir *dir)
{
	int fd;

	fd = openat(dir->root.fd, "workers/lock",
	    O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (fd == -1 || dir_give(dir, fd) == -1) {
		(void)dir_fault(dir, &dir->root, "workers/lock",
		    strerror(errno));
		if (fd != -1)
			(void)close(fd);
		return -1;
	}
	dir->worker.claims = fd;
	return 0;
}

static int
take_slot(struct dir *dir, unsigned int slot)
{
	char line[80], path[DIR_PATH];
	int fd, n;

	(void)snprintf(path, sizeof(path), "workers/%u", slot);
	fd = openat(dir->root.fd, path,
	    O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd == -1)
		return dir_fault(dir, &dir->root, path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		n = errno == EWOULDBLOCK || errno == EINTR ? 1 :
		    dir_fault(dir, &dir->root, path, strerror(errno));
		(void)close(fd);
		return n;
	}
	n = snprintf(line, sizeof(line), "%ld %s\n", (long)getpid(),
	    dir->token);
	if (dir_give(dir, fd) == -1 || ftruncate(fd, 0) == -1 ||
	    d4_io_write_full(fd, line, (size_t)n, NULL) == -1) {
		(void)dir_fault(dir, &dir->root, path, strerror(errno));
		(void)close(fd);
		return -1;
	}
	dir->worker.fd = fd;
	dir->worker.slot = slot;
	dir->worker.head = dir->worker.at = n;
	return 0;
}

int
dir_worker(struct dir *dir)
{
	unsigned int slot;
	int r = 1;

	if (dir->worker.fd != -1)
		return 0;
	for (slot = 0; r == 1 && slot < DIR_WORKERS; slot++)
		r = take_slot(dir, slot);
	if (r == 1)
		return dir_fault(dir, &dir->root, "workers",
		    "too many workers");
	if (r == -1)
		return -1;
	sweep(dir, &dir->root);
	sweep(dir, &dir->queues);
	return dir_each(dir, &dir->root, "claims", on_old, dir);
}

void
dir_worker_close(struct dir *dir)
{
	if (dir->worker.fd != -1)
		(void)close(dir->worker.fd);
	if (dir->worker.claims != -1)
		(void)close(dir->worker.claims);
	dir->worker.fd = dir->worker.claims = -1;
	free(dir->worker.numbered);
	dir->worker.numbered = NULL;
}

/*
 * Whether the worker lives: its slot is locked, and by the one of that token.
 * The lock we try is a shared one: two who look at a time don't take each
 * other for the worker.  A worker that starts just then takes another slot.
 */
static int
is_alive(struct dir *dir, const struct owner *owner, long *pid)
{
	char buf[80], path[DIR_PATH], *text = buf, *line;
	uint64_t n = 0;
	ssize_t got;
	int fd, r = 0;

	(void)snprintf(path, sizeof(path), "workers/%u", owner->slot);
	fd = openat(dir->root.fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1)
		return errno == ENOENT ? 0 :
		    dir_fault(dir, &dir->root, path, strerror(errno));
	if (flock(fd, LOCK_SH | LOCK_NB) == -1) {
		got = d4_io_read_full(fd, buf, sizeof(buf) - 1);
		buf[got > 0 ? got : 0] = '\0';
		if ((line = dir_line(&text)) != NULL &&
		    d4_registry_number(&line, INT32_MAX, &n) == 0 &&
		    line != NULL && strcmp(line, owner->token) == 0)
			r = 1;
	}
	(void)close(fd);
	*pid = (long)n;
	return r;
}

/* -- claims ---------------------------------------------------------------- */

static bool
is_shared(uint8_t type)
{
	return type == D4_TYPE_META || type == D4_TYPE_EXTENDED;
}

/* Gives the session the lowest number that no claim of ours has. */
static int
take_number(struct dir *dir, const uint8_t *session)
{
	uint8_t (*numbered)[D4_UUID_LEN];
	static const uint8_t none[D4_UUID_LEN];
	size_t i;

	for (i = dir->worker.lowest; i < dir->worker.nnumbered; i++) {
		if (memcmp(dir->worker.numbered[i], none, sizeof(none)) == 0)
			break;
	}
	if (i == dir->worker.nnumbered) {
		numbered = realloc(dir->worker.numbered,
		    (i + 1) * sizeof(*numbered));
		if (numbered == NULL)
			return dir_fault(dir, &dir->root, "claims",
			    strerror(errno));
		dir->worker.numbered = numbered;
		dir->worker.nnumbered++;
	}
	memcpy(dir->worker.numbered[i], session, D4_UUID_LEN);
	dir->worker.lowest = i + 1;
	return 0;
}

static int
claim_path(struct dir *dir, char path[DIR_PATH],
    const struct d4_registry_live *live)
{
	char hex[D4_UUID_HEX];
	size_t i;

	d4_uuid_hex(hex, live->uuid);
	if (!is_shared(live->type)) {
		dir_path(path, "claims/%s-%u", hex, live->type);
		return 0;
	}
	for (i = 0; i < dir->worker.nnumbered; i++) {
		if (memcmp(dir->worker.numbered[i], live->session,
		    D4_UUID_LEN) == 0) {
			dir_path(path, "claims/%u.%zu", dir->worker.slot, i);
			return 0;
		}
	}
	return dir_fault(dir, &dir->root, "claims", "the claim is not ours");
}

static void
give_number(struct dir *dir, const uint8_t *session)
{
	size_t i;

	for (i = 0; i < dir->worker.nnumbered; i++) {
		if (memcmp(dir->worker.numbered[i], session,
		    D4_UUID_LEN) != 0)
			continue;
		memset(dir->worker.numbered[i], 0, D4_UUID_LEN);
		if (i < dir->worker.lowest)
			dir->worker.lowest = i;
	}
}

/* "SLOT TOKEN UUID TYPE SESSION SINCE ADDRESS [EXTENDED]" */
static int
parse_claim(char *line, struct owner *owner, struct d4_registry_live *live)
{
	char *token, *address;
	uint64_t slot, type;

	if (d4_registry_number(&line, DIR_WORKERS - 1, &slot) == -1 ||
	    (token = d4_registry_word(&line)) == NULL ||
	    strlen(token) != D4_UUID_HEX - 1 || line == NULL ||
	    dir_uuid(live->uuid, d4_registry_word(&line)) == -1 ||
	    d4_registry_number(&line, UINT8_MAX, &type) == -1 ||
	    line == NULL ||
	    dir_uuid(live->session, d4_registry_word(&line)) == -1 ||
	    d4_registry_number(&line, UINT64_MAX, &live->since) == -1 ||
	    (address = d4_registry_word(&line)) == NULL ||
	    !d4_registry_text_ok(address, sizeof(live->address)) ||
	    (line != NULL && !d4_type_name_ok(line, strlen(line))))
		return -1;
	owner->slot = (unsigned int)slot;
	live->type = (uint8_t)type;
	memcpy(owner->token, token, sizeof(owner->token));
	memcpy(live->address, address, strlen(address) + 1);
	(void)snprintf(live->extended, sizeof(live->extended), "%s",
	    line != NULL ? line : "");
	return 0;
}

/* Reads a claim: 0, 1 free, 2 not one, -1. */
static int
read_claim(struct dir *dir, const char *path, struct owner *owner,
    struct d4_registry_live *live)
{
	char *text, *rest, *line;
	size_t len;
	int r;

	memset(live, 0, sizeof(*live));
	if ((r = dir_slurp(dir, &dir->root, path, CLAIM_MAX, &text,
	    &len)) != 0)
		return r;
	rest = text;
	/* Empty is a file that there was no room to write. */
	if ((line = dir_line(&rest)) == NULL || strcmp(line, FREE) == 0)
		r = 1;
	else if (parse_claim(line, owner, live) == -1) {
		(void)dir_fault(dir, &dir->root, path, "is not a claim");
		r = 2;
	}
	free(text);
	return r;
}

/* What stood there before may be longer: all but the first line is nothing. */
static int
write_claim(struct dir *dir, const struct d4_registry_live *live)
{
	char data[CLAIM_MAX], path[DIR_PATH];
	char hex[D4_UUID_HEX], session[D4_UUID_HEX];
	int n;

	d4_uuid_hex(hex, live->uuid);
	d4_uuid_hex(session, live->session);
	n = snprintf(data, sizeof(data), "%u %s %s %u %s %ju %s%s%s\n",
	    dir->worker.slot, dir->token, hex, live->type, session,
	    (uintmax_t)live->since, live->address,
	    live->extended[0] != '\0' ? " " : "", live->extended);
	if (claim_path(dir, path, live) == -1)
		return -1;
	return dir_overwrite(dir, path, data, (size_t)n);
}

static int
lock_claims(struct dir *dir)
{
	if (dir->worker.claims == -1 && open_lock(dir) == -1)
		return -1;
	while (flock(dir->worker.claims, LOCK_EX) == -1) {
		if (errno != EINTR)
			return dir_fault(dir, &dir->root, "workers/lock",
			    strerror(errno));
	}
	return 0;
}

static void
unlock_claims(struct dir *dir)
{
	(void)flock(dir->worker.claims, LOCK_UN);
}

static bool
is_mine(const struct dir *dir, const struct owner *owner)
{
	return dir->worker.fd != -1 && owner->slot == dir->worker.slot &&
	    strcmp(owner->token, dir->token) == 0;
}

static int
on_old(void *cookie, const char *name)
{
	struct dir *dir = cookie;
	struct d4_registry_live live;
	struct owner owner;
	char path[DIR_PATH];
	struct stat st;
	long pid;
	int r;

	(void)snprintf(path, sizeof(path), "claims/%.255s", name);
	if (fstatat(dir->root.fd, path, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
	    st.st_mtime > time(NULL) - UNUSED)
		return 0;
	if (lock_claims(dir) == -1)
		return -1;
	r = read_claim(dir, path, &owner, &live);
	if (r > 0 || (r == 0 && is_alive(dir, &owner, &pid) == 0))
		(void)unlinkat(dir->root.fd, path, 0);
	unlock_claims(dir);
	return r == -1 ? -1 : 0;
}

/* Tells another worker that it lost a claim. */
static int
tell(struct dir *dir, const struct owner *owner, const uint8_t *session)
{
	char line[D4_UUID_HEX + 1], path[DIR_PATH];
	int fd, r;

	(void)snprintf(path, sizeof(path), "workers/%u", owner->slot);
	d4_uuid_hex(line, session);
	line[D4_UUID_HEX - 1] = '\n';
	fd = openat(dir->root.fd, path,
	    O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1)
		return dir_fault(dir, &dir->root, path, strerror(errno));
	r = d4_io_write_full(fd, line, D4_UUID_HEX, NULL) == 0 ? 0 :
	    dir_fault(dir, &dir->root, path, strerror(errno));
	(void)close(fd);
	return r;
}

/* The one claim of a sensor and type; the lock is held. */
static int
claim_one(struct dir *dir, const struct d4_registry_live *live,
    bool take_over, bool *took, uint8_t lost[D4_UUID_LEN])
{
	struct d4_registry_live held;
	struct owner owner;
	char path[DIR_PATH];
	bool alive = false, mine = false;
	long pid;
	int r;

	if (claim_path(dir, path, live) == -1 ||
	    (r = read_claim(dir, path, &owner, &held)) == -1)
		return -1;
	/* What is not a claim is nobody's. */
	if (r == 0) {
		mine = is_mine(dir, &owner);
		alive = mine || is_alive(dir, &owner, &pid) == 1;
	}
	if (alive && !take_over)
		return 1;
	if (write_claim(dir, live) == -1)
		return -1;
	*took = mine;
	memcpy(lost, held.session, D4_UUID_LEN);
	return alive && !mine ? tell(dir, &owner, held.session) : 0;
}

int
dir_claim(void *store, const struct d4_registry_live *live, bool take_over,
    bool *took, uint8_t lost[D4_UUID_LEN])
{
	struct dir *dir = store;
	bool shared = is_shared(live->type);
	int r;

	*took = false;
	if (dir_worker(dir) == -1 ||
	    (shared && take_number(dir, live->session) == -1))
		return -1;
	if ((r = lock_claims(dir)) == 0) {
		r = shared ? write_claim(dir, live) :
		    claim_one(dir, live, take_over, took, lost);
		unlock_claims(dir);
	}
	if (r == -1 && shared)
		give_number(dir, live->session);
	return r;
}

int
dir_become(void *store, const struct d4_registry_live *was,
    const struct d4_registry_live *is)
{
	struct dir *dir = store;
	int r;

	/* Only of these may one become another, and the number stays. */
	if (!is_shared(was->type) || !is_shared(is->type))
		return dir_fault(dir, &dir->root, "claims",
		    "such a type does not change");
	if (lock_claims(dir) == -1)
		return -1;
	r = write_claim(dir, is);
	unlock_claims(dir);
	return r;
}

int
dir_release(void *store, const struct d4_registry_live *live)
{
	struct dir *dir = store;
	struct d4_registry_live held;
	struct owner owner;
	char path[DIR_PATH];
	int r;

	if (claim_path(dir, path, live) == -1 ||
	    lock_claims(dir) == -1)
		return -1;
	r = read_claim(dir, path, &owner, &held);
	if (r == 0 && memcmp(held.session, live->session, D4_UUID_LEN) == 0)
		r = dir_overwrite(dir, path, FREE "\n", sizeof(FREE));
	unlock_claims(dir);
	if (is_shared(live->type))
		give_number(dir, live->session);
	return r == -1 ? -1 : 0;
}

/* All read: once there are many, they go, while nobody writes. */
static void
shorten(struct dir *dir)
{
	struct stat st;

	if (dir->worker.at - dir->worker.head < LOSSES ||
	    lock_claims(dir) == -1)
		return;
	if (fstat(dir->worker.fd, &st) == 0 &&
	    st.st_size == dir->worker.at &&
	    ftruncate(dir->worker.fd, dir->worker.head) == 0)
		dir->worker.at = dir->worker.head;
	unlock_claims(dir);
}

int
dir_lost(void *store, uint8_t session[D4_UUID_LEN])
{
	struct dir *dir = store;
	char line[D4_UUID_HEX];
	ssize_t got;

	if (dir->worker.fd == -1)
		return 1;
	for (;;) {
		got = pread(dir->worker.fd, line, sizeof(line),
		    dir->worker.at);
		if (got == -1)
			return dir_fault(dir, &dir->root, "workers",
			    strerror(errno));
		if (got < (ssize_t)sizeof(line)) {
			shorten(dir);
			return 1;
		}
		dir->worker.at += got;
		line[sizeof(line) - 1] = '\0';
		if (dir_uuid(session, line) == 0)
			return 0;
	}
}

/* -- numbers of live connections ------------------------------------------- */

int
dir_save_live(void *store, const struct d4_registry_live *const *live,
    size_t n, uint64_t now_ms)
{
	char hex[D4_UUID_HEX], path[DIR_PATH], *text = NULL;
	struct dir *dir = store;
	size_t i, len = 0;
	FILE *file;
	int r = -1;

	if (dir_worker(dir) == -1)
		return -1;
	(void)snprintf(path, sizeof(path), "workers/%u.live",
	    dir->worker.slot);
	if ((file = open_memstream(&text, &len)) != NULL) {
		(void)fprintf(file, "%ju\n", (uintmax_t)now_ms);
		for (i = 0; i < n; i++) {
			d4_uuid_hex(hex, live[i]->session);
			(void)fprintf(file, "%s %ju %ju\n", hex,
			    (uintmax_t)live[i]->records,
			    (uintmax_t)live[i]->bytes);
		}
		r = fclose(file);
	}
	if (r == -1)
		(void)dir_fault(dir, &dir->root, path, strerror(errno));
	else
		r = dir_rewrite(dir, path, text, len);
	free(text);
	return r;
}

struct numbers {
	uint8_t		session[D4_UUID_LEN];
	uint64_t	records;
	uint64_t	bytes;
	uint64_t	as_of_ms;
};

/* What is needed while all claims are gone through. */
struct listing {
	struct dir		*dir;
	d4_registry_on_live	*callback;
	void			*cookie;
	struct d4_table		*numbers;
	bool			 read[DIR_WORKERS];	/* its numbers were */
};

static int
add_numbers(struct d4_table *table, char *line, uint64_t as_of_ms)
{
	struct numbers *one;

	if ((one = calloc(1, sizeof(*one))) == NULL)
		return -1;
	one->as_of_ms = as_of_ms;
	if (line != NULL &&
	    dir_uuid(one->session, d4_registry_word(&line)) == 0 &&
	    d4_registry_number(&line, UINT64_MAX, &one->records) == 0 &&
	    d4_registry_digits(line, UINT64_MAX, &one->bytes) == 0 &&
	    d4_table_get(table, one->session) == NULL &&
	    d4_table_put(table, one) == 0)
		return 0;
	free(one);
	return -1;
}

static int
read_numbers(struct listing *listing, unsigned int slot)
{
	char path[DIR_PATH], *text, *rest, *line;
	struct dir *dir = listing->dir;
	uint64_t as_of_ms;
	size_t len;
	int r;

	listing->read[slot] = true;
	(void)snprintf(path, sizeof(path), "workers/%u.live", slot);
	if ((r = dir_slurp(dir, &dir->root, path, 64u << 20, &text,
	    &len)) != 0)
		return r == 1 ? 0 : -1;
	rest = text;
	if (d4_registry_digits(dir_line(&rest), UINT64_MAX, &as_of_ms) == -1)
		r = -1;
	while (r == 0 && (line = dir_line(&rest)) != NULL)
		r = add_numbers(listing->numbers, line, as_of_ms);
	free(text);
	if (r == -1)
		return dir_fault(dir, &dir->root, path,
		    "is not a list of sessions");
	return 0;
}

static int
on_claim(void *cookie, const char *name)
{
	struct listing *listing = cookie;
	struct d4_registry_live live;
	const struct numbers *numbers;
	struct owner owner;
	char path[DIR_PATH];
	int r, tries = 0;

	(void)snprintf(path, sizeof(path), "claims/%.255s", name);
	/* Without the lock, which is for workers: who lists may be stopped by
	 * its terminal.  What is read in the midst of a change is read anew. */
	do {
		r = read_claim(listing->dir, path, &owner, &live);
	} while (r == 2 && ++tries < TRIES);
	if (r != 0)
		return r == 1 ? 0 : -1;
	if ((r = is_alive(listing->dir, &owner, &live.pid)) != 1)
		return r;
	if (!listing->read[owner.slot] &&
	    read_numbers(listing, owner.slot) == -1)
		return -1;
	numbers = d4_table_get(listing->numbers, live.session);
	if (numbers != NULL) {
		live.records = numbers->records;
		live.bytes = numbers->bytes;
		live.as_of_ms = numbers->as_of_ms;
	}
	return listing->callback(listing->cookie, &live);
}

int
dir_each_live(void *store, d4_registry_on_live *callback, void *cookie)
{
	struct listing listing = { .dir = store, .callback = callback,
	    .cookie = cookie };
	int r;

	if ((listing.numbers = d4_table_new(0)) == NULL)
		return dir_fault(store, &listing.dir->root, "claims",
		    strerror(errno));
	r = dir_each(store, &listing.dir->root, "claims", on_claim, &listing);
	d4_table_free(listing.numbers, free);
	return r;
}
