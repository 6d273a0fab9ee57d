/* SPDX-License-Identifier: ISC */
#define _GNU_SOURCE
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>

#include "d4-recv/recover.h"
#include "lib/base64.h"
#include "lib/border.h"
#include "lib/bytes.h"
#include "lib/digest.h"
#include "t/unit/shelf.h"
#include "t/unit/tap.h"

#define START		1709251198	/* 2024-02-29 23:59:58 UTC */
#define NPACKETS	9
#define PACKET		(16 + 40)
#define HEAD		24
#define NFILES		3	/* that filewatcher sends */

/*
 * The calls by which a file comes into being, counted so that a process can be
 * killed before each of them.  These stand before those of the C library.
 */
static atomic_int steps, fatal_step;

static void
die_before(int k)
{
	atomic_store(&steps, 0);
	atomic_store(&fatal_step, k);
}

static void
step(void)
{
	if (atomic_fetch_add(&steps, 1) + 1 == atomic_load(&fatal_step))
		(void)kill(getpid(), SIGKILL);
}

int
openat(int at, const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	if ((flags & O_CREAT) != 0) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
		step();
	}
	return (int)syscall(SYS_openat, at, path, flags, mode);
}

ssize_t
write(int fd, const void *bytes, size_t len)
{
	step();
	return syscall(SYS_write, fd, bytes, len);
}

int
fsync(int fd)
{
	step();
	return (int)syscall(SYS_fsync, fd);
}

int
ftruncate(int fd, off_t len)
{
	step();
	return (int)syscall(SYS_ftruncate, fd, len);
}

int
flock(int fd, int how)
{
	step();
	return (int)syscall(SYS_flock, fd, how);
}

int
linkat(int from, const char *a, int to, const char *b, int flags)
{
	step();
	return (int)syscall(SYS_linkat, from, a, to, b, flags);
}

int
unlinkat(int at, const char *path, int flags)
{
	step();
	return (int)syscall(SYS_unlinkat, at, path, flags);
}

int
mkdirat(int at, const char *path, mode_t mode)
{
	step();
	return (int)syscall(SYS_mkdirat, at, path, mode);
}

/* What the processes share: the queue and how far the sensor was served. */
struct shared {
	size_t	npushed;
	char	pushed[64][256];
	size_t	flushed;	/* bytes of the capture */
	size_t	nlines;		/* of files handed to filewatcher */
	bool	twice;
};

static struct shared *shared;

/* A queue that knows its items by their path. */
static int
push(void *cookie, const uint8_t uuid[16], const char *queue,
    const void *item, size_t len, bool again)
{
	size_t i;

	(void)cookie;
	(void)uuid;
	(void)queue;
	step();
	for (i = 0; i < shared->npushed; i++) {
		if (strlen(shared->pushed[i]) == len &&
		    memcmp(shared->pushed[i], item, len) == 0) {
			shared->twice |= !again;
			return 0;
		}
	}
	if (i == 64 || len > 255)
		abort();
	memcpy(shared->pushed[i], item, len);
	shared->npushed++;
	step();
	return 0;
}

static void
make_pcap(uint8_t *p)
{
	static const uint8_t head[HEAD] = {
		0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 4, 0, 1, 0, 0, 0
	};
	size_t i;

	memcpy(p, head, HEAD);
	for (p += HEAD, i = 0; i < NPACKETS; i++, p += PACKET) {
		memset(p, (int)i + 1, PACKET);
		d4_put32le(p + 8, 40);
		d4_put32le(p + 12, 40);
	}
}

static void
start(struct shelf *s, enum d4_gz_kind compress)
{
	struct finish_settings fs = { .root = s->root, .runner = -1,
	    .items = { .push = push } };
	struct store_settings ss = { .rotate_size = 150,
	    .compress = compress, .items = { .push = push } };

	if ((ss.finish = s->finish = finish_new(&fs)) == NULL ||
	    (s->store = store_new(&ss)) == NULL)
		abort();
}

static void
send_capture(struct shelf *s)
{
	uint8_t pcap[HEAD + NPACKETS * PACKET];
	struct store_stream *stream;
	size_t taken, at, n;
	const char *why;
	time_t now = START;

	make_pcap(pcap);
	stream = store_open(s->store, shelf_uuid, 1, NULL, &why);
	for (at = 0; at < sizeof(pcap); at += taken, now++) {
		n = sizeof(pcap) - at < 35 ? sizeof(pcap) - at : 35;
		if (store_write(stream, pcap + at, n, now, &taken) !=
		    STORE_OK || store_flush(stream, now) != STORE_OK)
			abort();
		shared->flushed = at + taken;
	}
	store_close(stream, true, now);
}

static void
send_files(struct shelf *s)
{
	static const char meta[] = "{\"type\":\"filewatcher\","
	    "\"extension\":\"bin\",\"compress\":true}";
	struct store_stream *stream;
	struct d4_meta *header;
	size_t i, taken;
	const char *why;
	char line[64];

	header = d4_meta_parse(meta, strlen(meta), &why);
	stream = store_open(s->store, shelf_uuid, 254, header, &why);
	for (i = 0; i < NFILES; i++) {
		uint8_t file[30] = { (uint8_t)i };

		d4_base64_encode(line, file, sizeof(file));
		line[40] = '\n';
		if (store_write(stream, line, 41, START, &taken) != STORE_OK)
			abort();
		shared->nlines++;
	}
	store_close(stream, true, START);
	d4_meta_free(header);
}

/* What the process does that is killed. */
static void
serve(struct shelf *s, enum d4_gz_kind compress)
{
	start(s, compress);
	send_capture(s);
	send_files(s);
	if (!shelf_stop(s))
		abort();
}

static int
recover(struct shelf *s, enum d4_gz_kind compress)
{
	int rc;

	start(s, compress);
	while ((rc = recover_run(s->finish, NULL, NULL, false)) == 1)
		(void)finish_drain(s->finish, 10);
	return shelf_stop(s) ? rc : -1;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* The queued captures joined are what was flushed, to its last packet. */
static bool
capture_is_kept(void)
{
	uint8_t pcap[HEAD + NPACKETS * PACKET];
	struct bytes file = { NULL, 0 };
	size_t i, at = 0, whole = 0;
	bool good = true;

	make_pcap(pcap);
	for (i = 0; i < shared->npushed && good; i++) {
		if (strstr(shared->pushed[i], ".cap") == NULL)
			continue;
		good = shelf_read(shared->pushed[i], &file) &&
		    file.len > HEAD && (file.len - HEAD) % PACKET == 0 &&
		    memcmp(file.p, pcap, HEAD) == 0 &&
		    HEAD + at + file.len - HEAD <= sizeof(pcap) &&
		    memcmp(file.p + HEAD, pcap + HEAD + at,
		    file.len - HEAD) == 0;
		at += file.len - HEAD;
		bytes_free(&file);
	}
	if (shared->flushed > HEAD)
		whole = (shared->flushed - HEAD) / PACKET * PACKET;
	return good && at >= whole;
}

static bool
files_are_kept(void)
{
	struct bytes file = { NULL, 0 };
	uint8_t digest[D4_DIGEST_SHA256];
	char hex[2 * D4_DIGEST_SHA256 + 1];
	bool good = true;
	size_t i, n = 0;

	for (i = 0; i < shared->npushed && good; i++) {
		if (strstr(shared->pushed[i], "/files/") == NULL)
			continue;
		n++;
		good = shelf_read(shared->pushed[i], &file) &&
		    d4_digest_sha256(digest, file.p, file.len) == 0;
		d4_digest_hex(hex, digest, sizeof(digest));
		good = good && strstr(shared->pushed[i], hex) != NULL;
		bytes_free(&file);
	}
	return good && n >= shared->nlines;
}

/* Returns whether the process lived to its end. */
static bool
check_killed_at(int k, enum d4_gz_kind compress)
{
	size_t header, nfiles;
	struct shelf s;
	int status;
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	shelf_new(&s);
	fflush(stdout);
	if ((pid = fork()) == 0) {
		die_before(k);
		serve(&s, compress);
		_exit(0);
	}
	(void)waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		ok(false, "step %d: status %d", k, WEXITSTATUS(status));
	is(recover(&s, compress), 0, "killed before step %d%s: recovered", k,
	    d4_gz_suffix(compress));
	qsort(shared->pushed, shared->npushed, sizeof(*shared->pushed),
	    by_text);
	is(shelf_count(&s, ".open"), 0, "nothing is left open");
	ok(!shared->twice, "nothing was queued twice");
	nfiles = shelf_count(&s, ".");
	header = shelf_count(&s, SHELF_UUID "/254/2024/02/29/filewatcher") -
	    shelf_count(&s, SHELF_UUID "/254/2024/02/29/filewatcher/files");
	is(shared->npushed, nfiles - header, "every file was queued");
	ok(capture_is_kept(), "the capture is kept");
	ok(files_are_kept(), "the files are kept");
	shelf_remove(&s);
	return WIFEXITED(status);
}

static void
test_every_step(enum d4_gz_kind compress)
{
	int k = 1;

	while (!check_killed_at(k, compress))
		k++;
	ok(k > 50, "killed before each of %d steps", k - 1);
	is(shared->npushed, 3 + NFILES, "in the end all files are there");
}

/* Has a child serve or recover, to be killed before step k.  Returns whether
 * it lived to its end. */
static bool
lives(struct shelf *s, int k, bool serves)
{
	int status;
	pid_t pid;

	fflush(stdout);
	if ((pid = fork()) == 0) {
		die_before(k);
		if (serves)
			serve(s, D4_GZ_GZIP);
		else if (recover(s, D4_GZ_GZIP) != 0)
			abort();
		_exit(0);
	}
	(void)waitpid(pid, &status, 0);
	return WIFEXITED(status);
}

/* The recovering processes die too, each a little later. */
static void
test_recover_killed(void)
{
	struct shelf s;
	int k, end;

	for (end = 10; end < 110; end += 9) {
		memset(shared, 0, sizeof(*shared));
		shelf_new(&s);
		(void)lives(&s, end, true);
		for (k = 1; !lives(&s, k, false); k += 2)
			;
		qsort(shared->pushed, shared->npushed,
		    sizeof(*shared->pushed), by_text);
		ok(!shared->twice && capture_is_kept() && files_are_kept(),
		    "killed before step %d, then %d times: all is there, once",
		    end, k / 2);
		is(shelf_count(&s, ".open"), 0, "nothing is left open");
		shelf_remove(&s);
	}
}

/* What a living process holds is its own. */
static void
test_living(void)
{
	struct shelf s;
	int pipes[2], status;
	pid_t pid;
	char c;

	memset(shared, 0, sizeof(*shared));
	shelf_new(&s);
	if (pipe(pipes) == -1)
		abort();
	fflush(stdout);
	if ((pid = fork()) == 0) {
		uint8_t pcap[HEAD + NPACKETS * PACKET];
		struct store_stream *stream;
		const char *why;
		size_t taken;

		make_pcap(pcap);
		start(&s, D4_GZ_GZIP);
		stream = store_open(s.store, shelf_uuid, 1, NULL, &why);
		(void)store_write(stream, pcap, HEAD + PACKET + 7, START,
		    &taken);
		(void)store_flush(stream, START);
		(void)!write(pipes[1], "", 1);
		(void)pause();
		_exit(0);
	}
	(void)!read(pipes[0], &c, 1);
	is(recover(&s, D4_GZ_GZIP), 0, "a living process has a file open");
	is(shelf_count(&s, ".open"), 1, "which it keeps");
	is(shared->npushed, 0, "nothing is queued");
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	is(recover(&s, D4_GZ_GZIP), 0, "it dies");
	is(shelf_count(&s, ".open"), 0, "now it is finished");
	is(shared->npushed, 1, "and queued");
	shared->flushed = HEAD + PACKET;
	ok(capture_is_kept(), "cut to a packet");
	(void)close(pipes[0]);
	(void)close(pipes[1]);
	shelf_remove(&s);
}

static void
put(const struct shelf *s, const char *name, const char *text)
{
	char path[512];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/.open/%s", s->root, name);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	(void)!write(fd, text, strlen(text));
	(void)close(fd);
}

/* What a power cut may leave, and what others put there. */
static void
test_leftovers(void)
{
#define DAY "@2024@02@29@"
#define NAME SHELF_UUID "-2024-02-29-235958"
	struct bytes b = { NULL, 0 };
	char path[512];
	struct shelf s;

	memset(shared, 0, sizeof(*shared));
	shelf_new(&s);
	(void)snprintf(path, sizeof(path), "%s/.open", s.root);
	(void)mkdir(path, 0700);
	put(&s, SHELF_UUID "@1" DAY NAME ".cap~0~gz", "");
	put(&s, SHELF_UUID "@1" DAY NAME ".cap~1~gz", "no capture at all");
	put(&s, SHELF_UUID "@1" DAY NAME ".cap~1~gz~", "half a gz");
	put(&s, SHELF_UUID "@3" DAY NAME ".syslog.txt~0~none", "one\ntwo\nthr");
	put(&s, SHELF_UUID "@8" DAY NAME ".passivedns.txt~0~none", "no line");
	put(&s, SHELF_UUID "@254" DAY "maltrail@" NAME ".json~0~none",
	    "{\"type\":\"maltr");
	put(&s, SHELF_UUID "@254" DAY "fascia@" NAME ".json~0~none",
	    "{\"type\":\"fascia\"}\n");
	put(&s, SHELF_UUID "@datas@ja3-jl@jsons@x.json~0~none",
	    "{\"Timestamp\":\"x\",\"Certificates\":nul");
	put(&s, SHELF_UUID "@datas@ja3-jl@jsons@y.json~0~none",
	    "{\"Timestamp\":\"y\",\"Certificates\":null}");
	put(&s, SHELF_UUID "@datas@ja3-jl@certs@a9993e364706816aba3e"
	    "25717850c26c9cd0d89d.crt~0~none", "abc");
	put(&s, SHELF_UUID "@datas@ja3-jl@certs@a9993e364706816aba3e"
	    "25717850c26c9cd0d89e.crt~0~none", "abc");
	put(&s, "README", "not ours");
	put(&s, SHELF_UUID "@1@..@..@..@..@etc@passwd~0~none", "not ours");
	(void)snprintf(path, sizeof(path), "%s/.open/%s", s.root,
	    SHELF_UUID "@0" DAY NAME ".bin~0~none");
	(void)!symlink("README", path);
	(void)snprintf(path, sizeof(path), "%s/.open/%s", s.root,
	    SHELF_UUID "@0" DAY NAME ".bin~1~none");
	(void)mkfifo(path, 0600);
	is(recover(&s, D4_GZ_PLAIN), 0, "recovered");
	/* nftw(3) does not count the link, but the FIFO. */
	is(shelf_count(&s, ".open"), 3, "what is not ours is left alone");
	is(shared->npushed, 1, "one is queued");
	ok(strstr(shared->pushed[0], "/datas/ja3-jl/jsons/y.json") != NULL,
	    "the whole session");
	is(shelf_count(&s, "datas"), 2, "and its certificate is kept");
	is(shelf_count(&s, SHELF_UUID "/1"), 0, "no capture");
	is(shelf_count(&s, SHELF_UUID "/8"), 0, "no line");
	is(shelf_count(&s, SHELF_UUID "/254"), 1, "one header");
	is(shelf_count(&s, SHELF_UUID "/3"), 1, "lines");
	ok(shelf_read(shelf_last, &b) && b.len == 8 &&
	    memcmp(b.p, "one\ntwo\n", 8) == 0, "to the last whole one");
	bytes_free(&b);
	shelf_remove(&s);
}

int
main(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	test_every_step(D4_GZ_GZIP);
	test_every_step(D4_GZ_PLAIN);
	test_recover_killed();
	test_living();
	test_leftovers();
	return tap_done();
}
