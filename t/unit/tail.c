/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/tail-blob.h"
#include "d4-recv/tail-log.h"
#include "d4-recv/tail.h"
#include "lib/bytes.h"
#include "t/unit/shelf.h"
#include "t/unit/tap.h"

void *__real_realloc(void *, size_t);
void *__wrap_realloc(void *, size_t);

static bool no_memory;
static struct shelf shelf;
static struct tails *tails;
static int root;
static uint8_t hello[D4_HMAC_LEN];

static void
name_tag(uint8_t tag[MATCH_TAG], uint32_t n)
{
	memset(tag, 0, MATCH_TAG);
	d4_put32le(tag, n);
	d4_put32le(tag + 4, ~n);
}

static struct tail *
open_tail(void)
{
	struct tail *tail;

	return tail_open(tails, shelf_uuid, 3, hello, &tail) == 0 ? tail :
	    NULL;
}

/* Adds records from first on, each of so many bytes with its header, and
 * commits some at a time. */
static uint64_t
fill(struct tail *t, uint32_t first, uint32_t n, uint32_t wire, uint32_t some,
    uint64_t at)
{
	struct tail_end end = { .data = true };
	uint8_t tag[MATCH_TAG];
	uint32_t i;

	for (i = 0; i < n; i++) {
		name_tag(tag, first + i);
		at += wire - D4_HEADER_LEN;
		end.end = end.whole = at;
		if (tail_add(t, tag, wire, 0, &end) == -1)
			return 0;
		if (i % some == some - 1 && tail_commit(t, at) == -1)
			return 0;
	}
	return tail_commit(t, at) == 0 ? at : 0;
}

static void
begin_file(struct tail *t)
{
	char entry[PLACE_ENTRY];
	struct place p;

	place_stream(&p, shelf_uuid, 3, D4_BORDER_LINES, NULL, 1709251198,
	    D4_GZ_PLAIN);
	tail_name(t, &p);
	place_entry(&p, 0, false, entry);
	(void)tail_begin_file(t, entry, p.ordinal, 0);
}

/* The numbers of all its entries, and whether they are one after the other. */
static uint32_t
read_all(struct tail *t, uint32_t *first)
{
	const struct match_tail *m = tail_match(t);
	const uint8_t *entry;
	uint8_t tag[MATCH_TAG];
	uint32_t n = 0;
	bool preamble;

	while ((entry = m->next(m->cookie, &preamble)) != NULL) {
		if (n == 0)
			*first = d4_get32le(entry);
		name_tag(tag, *first + n);
		if (memcmp(tag, entry, MATCH_TAG) != 0)
			return 0;
		n++;
		/* What is idle holds nothing and knows where it was. */
		if (n % 1000 == 7)
			tail_idle(t);
	}
	tail_match_done(t);
	return n;
}

static void
test_coverage(void)
{
	uint32_t first = 0, n, total = 0, wire = 4096;
	uint64_t at = 0, cover, least = UINT64_MAX, most = 0;
	struct tail *t = open_tail();
	unsigned i;

	ok(t != NULL && tail_count(t) == 0, "a new tail is empty");
	begin_file(t);
	for (i = 0; i < 30; i++) {
		at = fill(t, total, 700, wire, 16, at);
		total += 700;
		tail_close(t);
		t = open_tail();
		n = read_all(t, &first);
		cover = (uint64_t)n * wire;
		if (first > 0 && cover < least)
			least = cover;
		if (cover > most)
			most = cover;
		if (n == 0 || first + n != total)
			break;
	}
	is(i, 30, "80 MiB of records: the last of them, in order");
	ok(least >= 16u << 20, "never less than 16 MiB (%llu)",
	    (unsigned long long)least);
	ok(most <= (32u << 20) + 700 * wire, "never more than 32 (%llu)",
	    (unsigned long long)most);
	is(shelf_count(&shelf, TAIL_DIR), 2, "in two files");
	is(tail_file(t)->end, at, "and it knows where its file ends");
	is(tail_settle(t, at - 2 * (wire - D4_HEADER_LEN)), 0,
	    "two records less");
	tail_close(t);
	t = open_tail();
	n = read_all(t, &first);
	is(first + n, total - 2, "are no more in it");
	ok(tail_file(t)->settled, "and it is settled");
	tail_close(t);
}

static void
test_holding(void)
{
	struct tail *t = open_tail(), *other;
	pid_t pid;
	int status;

	is(tail_open(tails, shelf_uuid, 3, hello, &other), 1,
	    "who has a tail has it alone");
	if ((pid = fork()) == 0) {
		tail_close(t);
		_exit(tail_open(tails, shelf_uuid, 3, hello, &other));
	}
	(void)waitpid(pid, &status, 0);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 1,
	    "against other processes, too");
	tail_close(t);
	ok((t = open_tail()) != NULL, "until it lets go");
	tail_close(t);
}

static void
test_many(void)
{
	struct tail *t;
	unsigned i;

	for (i = 0; i < 3 * TAIL_KEPT; i++) {
		memset(hello, (int)i + 1, sizeof(hello));
		if ((t = open_tail()) != NULL)
			(void)fill(t, 0, 3, 100, 1, 0);
		tail_close(t);
	}
	is(shelf_count(&shelf, TAIL_DIR), TAIL_KEPT,
	    "the tails of few streams are kept");
	ok(tails_have(tails, shelf_uuid, 3, hello), "the last ones");
}

/* What an idle stream takes, however much went through it. */
static void
test_memory(void)
{
	struct tail *t;
	size_t before, after;

	memset(hello, 99, sizeof(hello));
	before = (size_t)mallinfo2().uordblks;
	t = open_tail();
	begin_file(t);
	(void)fill(t, 0, 20000, 3000, 4000, 0);
	tail_idle(t);
	after = (size_t)mallinfo2().uordblks;
	ok(after - before < 64 << 10, "an idle tail takes %zu bytes",
	    after - before);
	(void)tail_match(t);
	tail_match_done(t);
	tail_idle(t);
	after = (size_t)mallinfo2().uordblks;
	ok(after - before < 64 << 10, "and after a match %zu",
	    after - before);
	tail_close(t);
}

void *
__wrap_realloc(void *p, size_t n)
{
	if (!no_memory)
		return __real_realloc(p, n);
	errno = ENOMEM;
	return NULL;
}

/* A tail that there is no memory to read looks like an empty one. */
static void
test_no_memory(void)
{
	const struct match_tail *m;
	bool preamble;
	uint32_t first;
	struct tail *t;

	hello[0]++;
	t = open_tail();
	begin_file(t);
	(void)fill(t, 0, 100, 500, 7, 0);
	no_memory = true;
	ok(tail_match(t) == NULL && errno == ENOMEM, "no memory: no match");
	no_memory = false;
	ok((m = tail_match(t)) != NULL && !tail_match_failed(t), "but with it");
	tail_idle(t);
	no_memory = true;
	m->rewind(m->cookie);
	ok(m->next(m->cookie, &preamble) == NULL && tail_match_failed(t),
	    "none is no end");
	no_memory = false;
	tail_match_done(t);
	ok(!tail_match_failed(t), "and no fault of the next one");
	is(read_all(t, &first), 100, "which reads all");
	tail_close(t);
}

/* -- other stores ---------------------------------------------------------- */

/* Where in a file of records of 438 bytes of payload one begins, and so if it
 * is behind the end of another; 0: it is not found. */
static uint64_t
find_behind(struct tail *t, uint32_t n, uint32_t behind)
{
	struct tail_place place = tail_place(t);
	uint8_t tag[MATCH_TAG];

	place.whole = (uint64_t)(behind + 1) * 438;
	name_tag(tag, n);
	return tail_find(t, tag, &place) == 1 ? place.whole : 0;
}

static void
test_find(void)
{
	struct tail_place place;
	uint8_t tag[MATCH_TAG];
	struct tail *t;

	memset(hello, 31, sizeof(hello));
	t = open_tail();
	begin_file(t);
	(void)fill(t, 0, 100, 500, 7, 0);
	is(find_behind(t, 50, 30), 50 * 438, "a record behind a place");
	is(find_behind(t, 31, 30), 31 * 438, "the first one there");
	is(find_behind(t, 30, 30), 0, "the last one before is none");
	is(find_behind(t, 100, 30), 0, "nor is one that is not there");
	/* Equal records: the first one is meant. */
	(void)fill(t, 50, 1, 500, 1, 100 * 438);
	is(find_behind(t, 50, 30), 50 * 438, "of two that are equal the first");
	is(find_behind(t, 50, 60), 100 * 438, "of those behind the place");
	place = tail_place(t);
	begin_file(t);
	(void)fill(t, 200, 10, 500, 7, 0);
	name_tag(tag, 203);
	ok(tail_find(t, tag, &place) == 1 && place.ordinal == 2 &&
	    place.whole == 3 * 438, "one in the next file");
	tail_close(t);
}

/* What Redis has of so many records, and of the preamble the first one. */
static void
make_import(struct tail_import *in, uint32_t first, uint32_t n)
{
	uint8_t blob[BLOB_HEAD + 3 * MATCH_SHORT], tag[MATCH_TAG];
	uint32_t i;

	memset(in, 0, sizeof(*in));
	name_tag(tag, first);
	(void)blob_take_preamble(in, tag, sizeof(tag));
	for (i = 0; i < n; i++) {
		name_tag(tag, first + i);
		memcpy(blob + BLOB_HEAD + i % 3 * MATCH_SHORT, tag,
		    MATCH_SHORT);
		if (i % 3 < 2 && i + 1 < n)
			continue;
		d4_put32le(blob, (i % 3 + 1) * 500);
		(void)blob_take(in, blob, BLOB_HEAD + (i % 3 + 1) *
		    MATCH_SHORT);
	}
}

static void
test_import(void)
{
	struct tail_import in;
	uint32_t first = 0, taken = 0;
	uint8_t tag[MATCH_TAG], part[MATCH_TAG];
	struct tail *t;
	struct place p;

	memset(hello, 32, sizeof(hello));
	t = open_tail();
	begin_file(t);
	(void)tail_settle(t, fill(t, 0, 100, 500, 7, 0));
	make_import(&in, 1000, 50000);
	is(in.nentries, 50000, "50000 records in blobs");
	name_tag(in.part, 51000);
	in.part_taken = 17;
	is(tail_import(t, &in), 0, "a tail of another store");
	is(tail_count(t), 50000, "has its records");
	tail_close(t);
	t = open_tail();
	is(read_all(t, &first), 50000, "also when it is opened again");
	is(first, 1000, "and none of before");
	ok(tail_match(t)->is_preamble(t, in.preamble[0]), "with its preamble");
	tail_match_done(t);
	name_tag(tag, 51000);
	ok(tail_next_part(t, part, &taken) && taken == 17 &&
	    memcmp(part, tag, MATCH_TAG) == 0 && tail_part(t, tag) == 17,
	    "and the part that is stored of the next one");
	ok(tail_file(t)->settled && tail_place(t).ordinal == 1 &&
	    tail_place(t).whole == 100 * 438, "our own file is as it was");
	tail_name(t, &p);
	is(p.ordinal, 2, "the next one is behind it");
	begin_file(t);
	(void)fill(t, 51000, 10, 500, 7, 0);
	is(read_all(t, &first), 50010, "it is gone on with");
	is(tail_settle(t, 438 + 100), 0, "and cut within a record");
	tail_close(t);
	t = open_tail();
	is(read_all(t, &first), 50001, "so that one is left");
	ok(tail_next_part(t, part, &taken) && taken == 100, "and a part");
	tail_close(t);
	blob_free(&in);
}

static void
test_id(void)
{
	char id[TAIL_STORE] = "", again[TAIL_STORE] = "";

	is(tails_id(tails, id), 0, "a store has a name for others");
	ok(strlen(id) == TAIL_STORE - 1, "of 32 digits");
	ok(tails_id(tails, again) == 0 && strcmp(id, again) == 0,
	    "and keeps it");
}

/* -- damage ---------------------------------------------------------------- */

static unsigned seed = 1;

static void
damage(const char *path)
{
	struct stat st;
	uint8_t byte;
	off_t at;
	int i, fd, rc = 0;

	if ((fd = open(path, O_RDWR)) == -1 || fstat(fd, &st) == -1)
		return;
	switch (rand_r(&seed) % 4) {
	case 0:
		rc = ftruncate(fd, st.st_size == 0 ? 0 :
		    rand_r(&seed) % st.st_size);
		break;
	case 1:
		rc = ftruncate(fd, st.st_size + rand_r(&seed) % 2000000);
		break;
	default:
		for (i = 1 + rand_r(&seed) % 4; i > 0; i--) {
			/* Heads of frames and of the file most of all. */
			at = rand_r(&seed) % (rand_r(&seed) % 2 == 0 ? 400 :
			    (int)st.st_size);
			byte = (uint8_t)rand_r(&seed);
			if (pwrite(fd, &byte, 1, at) != 1)
				rc = -1;
		}
	}
	if (close(fd) == -1 || rc == -1)
		perror(path);
}

static void
test_damage(void)
{
	unsigned i, bad = 0, given_up = 0, shorter = 0;
	uint32_t first, n;
	char path[600];
	struct tail *t;

	for (i = 0; i < 400; i++) {
		memset(hello, 0, sizeof(hello));
		d4_put32le(hello, 1000 + i);
		t = open_tail();
		begin_file(t);
		(void)fill(t, 5, 300, 500, 7, 0);
		tail_close(t);
		(void)snprintf(path, sizeof(path), "%s/" TAIL_DIR "/"
		    SHELF_UUID "/3-%02x%02x000000000000.0", shelf.root,
		    hello[0], hello[1]);
		damage(path);
		if ((t = open_tail()) == NULL) {
			bad++;
			continue;
		}
		if (tail_count(t) == 0) {
			given_up++;
		} else {
			n = read_all(t, &first);
			bad += first != 5 || n > 300 || n != tail_count(t);
			shorter += n < 300;
		}
		/* It can be gone on with. */
		begin_file(t);
		bad += fill(t, 1000, 10, 500, 3, 0) == 0;
		tail_close(t);
	}
	is(bad, 0, "400 damaged tails: each can be gone on with, as a "
	    "beginning (%u) or anew (%u)", shorter, given_up);
}

static void
test_hostile(void)
{
	char path[600];
	struct tail *t;

	memset(hello, 7, sizeof(hello));
	(void)snprintf(path, sizeof(path), "%s/" TAIL_DIR "/" SHELF_UUID
	    "/3-0707070707070707.0", shelf.root);
	(void)mkdir(path, 0700);
	ok(open_tail() == NULL, "a directory in the place of a tail");
	(void)rmdir(path);
	ok(symlink("/etc/hostname", path) == 0 && open_tail() == NULL,
	    "a symbolic link");
	(void)unlink(path);
	(void)mkfifo(path, 0600);
	ok(open_tail() == NULL, "a FIFO, without waiting for anybody");
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/" TAIL_DIR "/" SHELF_UUID
	    "/3-0707070707070707.18446744073709551615999", shelf.root);
	(void)close(open(path, O_CREAT | O_WRONLY, 0600));
	ok((t = open_tail()) != NULL, "a name with too great a number is none");
	tail_close(t);
}

int
main(void)
{
	shelf_new(&shelf);
	root = open(shelf.root, O_RDONLY | O_DIRECTORY);
	if ((tails = tails_new(root, shelf.root)) == NULL) {
		perror(shelf.root);
		return 1;
	}
	test_coverage();
	test_holding();
	test_many();
	test_memory();
	test_no_memory();
	test_find();
	test_import();
	test_id();
	test_damage();
	test_hostile();
	tails_free(tails);
	(void)close(root);
	shelf_remove(&shelf);
	return tap_done();
}
