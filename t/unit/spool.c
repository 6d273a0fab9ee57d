/* SPDX-License-Identifier: ISC */

/*
 * The spool: what it keeps over ends of every kind, a loss of power at any
 * moment among them, and what it makes of faults and of damaged files.
 */

#include <sys/stat.h>
#include <sys/syscall.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "d4/cut.h"
#include "d4/spool-disk.h"
#include "d4/spool.h"
#include "lib/bytes.h"
#include "t/unit/scratch.h"
#include "t/unit/stream.h"
#include "t/unit/tap.h"

#define SIZE	((uint64_t)512 << 10)	/* segments of 64 KiB */
#define QUEUE	((size_t)128 << 10)
#define KEEP	((size_t)64 << 10)
#define INPUT	((size_t)400 << 10)

static uint8_t input[INPUT];

/* All records that were ever added, by their position. */
static uint8_t *wires;
static size_t nwires;

static void
make_input(void)
{
	size_t n = 0, i = 0;
	char line[400];
	int len;

	while (n < INPUT) {
		len = snprintf(line, sizeof(line), "%06zu %0*d\n", i,
		    (int)(i * 37 % 300) + 1, 7);
		i++;
		if ((size_t)len > INPUT - n)
			len = (int)(INPUT - n);
		memcpy(input + n, line, (size_t)len);
		n += (size_t)len;
	}
	input[INPUT - 1] = '\n';
}

/* -- a stream in a spool --------------------------------------------------- */

struct life {
	struct spool	*spool;
	struct window	*window;
	struct cut	*cut;
	uint64_t	 second;
	size_t		 fed;		/* of the input */
};

static void
begin_stream(struct spool *sp)
{
	struct spool_source source = { .name = "test", .regular = true };
	struct window *w = make_window(1000, 0, 1000);
	const uint8_t *opening;
	size_t len;

	window_clock(w, spool_hello_time(sp) + 1);
	if (window_add_opening(w, 3, NULL, 0) == -1)
		abort();
	opening = window_hello(w, &len);
	if (spool_begin(sp, &source, opening, len) == -1)
		abort();
	window_free(w);
}

static struct spool *
open_sized(const char *dir, uint64_t size, size_t queue)
{
	char why[SPOOL_WHY] = "";
	bool wrong;
	struct spool *sp;

	if ((sp = spool_open(dir, size, queue, why, &wrong)) == NULL)
		diag("%s: %s", dir, why);
	return sp;
}

static struct spool *
open_spool(const char *dir)
{
	return open_sized(dir, SIZE, QUEUE);
}

/* Goes on with what is there, or begins. */
static bool
live_in(struct life *l, struct spool *sp, size_t queue)
{
	const struct spool_stream *s;
	struct d4_header h = { .version = 1, .type = 3 };

	memset(l, 0, sizeof(*l));
	if ((l->spool = sp) == NULL)
		return false;
	if (spool_stream(l->spool) == NULL)
		begin_stream(l->spool);
	s = spool_stream(l->spool);
	memset(h.uuid, 0xab, sizeof(h.uuid));
	l->window = window_new(&h, 1000, mac, key, KEEP, queue, l->spool);
	l->cut = cut_new(l->window, D4_BORDER_LINES, 3, 1000, false, "test");
	if (l->window == NULL || l->cut == NULL)
		abort();
	cut_go_on(l->cut, s->end_preamble, s->end_preamblelen);
	l->second = s->second + 1;
	l->fed = (size_t)s->data;
	return true;
}

static bool
live(struct life *l, const char *dir)
{
	return live_in(l, open_spool(dir), QUEUE);
}

/* As a program has it. */
static bool
live_large(struct life *l, const char *dir)
{
	return live_in(l, open_sized(dir, (uint64_t)1 << 30,
	    (size_t)8 << 20), (size_t)8 << 20);
}

static void
die(struct life *l)
{
	cut_free(l->cut);
	window_free(l->window);
	spool_close(l->spool);
}

/* Adds so much of the input, and notes the records. */
static void
add_input(struct life *l, size_t n)
{
	uint8_t *at;

	n = n < INPUT - l->fed ? n : INPUT - l->fed;
	if (cut_space(l->cut, &at) < n)
		abort();
	memcpy(at, input + l->fed, n);
	l->fed += n;
	window_clock(l->window, ++l->second);
	if (cut_take(l->cut, n) == -1 || window_seal(l->window) == -1)
		abort();
}

/* Waits until all is synced, or the spool has stalled or failed. */
static bool
settle(struct life *l)
{
	struct pollfd pfd = { .fd = spool_fd(l->spool), .events = POLLIN };
	int i;

	window_flush(l->window);
	for (i = 0; i < 1000 && !spool_settled(l->spool) &&
	    spool_failure(l->spool) == NULL; i++) {
		(void)poll(&pfd, 1, 10);
		spool_drain(l->spool);
	}
	return spool_settled(l->spool);
}

/* All that the spool gives out from the head on: payloads, and the records as
 * they are.  -1 when it can't be read. */
static uint8_t payload[2 * INPUT];

static ptrdiff_t
read_all(struct spool *sp, uint64_t head)
{
	struct run run;
	uint64_t pos = head;
	size_t n = 0, at, len;
	int rc;

	while ((rc = spool_run(sp, pos, &run)) == 1) {
		if (run.pos != pos)
			return -1;
		for (at = 0; at < run.len; at += D4_HEADER_LEN + len) {
			struct d4_mac_job job = { .key = key };
			uint8_t record[D4_HEADER_LEN + 1000];

			len = d4_get32le(run.bytes + at + D4_SIZE_AT);
			job.len = D4_HEADER_LEN + len;
			memcpy(record, run.bytes + at, job.len);
			job.record = record;
			if (d4_mac_verify(mac, &job, 1) == -1 || !job.good ||
			    n + len > sizeof(payload))
				return -1;
			memcpy(payload + n, run.bytes + at + D4_HEADER_LEN,
			    len);
			n += len;
		}
		if (nwires >= pos + run.len && memcmp(wires + pos, run.bytes,
		    run.len) != 0)
			return -1;
		pos += run.len;
	}
	return rc == -1 ? -1 : (ptrdiff_t)n;
}

/* Whether what is read there is the input up to fed. */
static bool
holds(struct spool *sp, uint64_t head, size_t fed)
{
	ptrdiff_t n = read_all(sp, head);

	if (n == -1 || (size_t)n > fed ||
	    memcmp(payload, input + fed - n, (size_t)n) != 0) {
		diag("%td bytes, up to %zu", n, fed);
		return false;
	}
	return true;
}

/* Files in the directory whose names end like that. */
static int
count_files(const char *dir, const char *suffix)
{
	const struct dirent *e;
	DIR *d = opendir(dir);
	size_t len = strlen(suffix);
	int n = 0;

	while (d != NULL && (e = readdir(d)) != NULL)
		n += strlen(e->d_name) >= len &&
		    strcmp(e->d_name + strlen(e->d_name) - len, suffix) == 0;
	if (d != NULL)
		(void)closedir(d);
	return n;
}

/* -- tests ----------------------------------------------------------------- */

static void
test_life(void)
{
	const char *dir = scratch_path("life");
	uint8_t hello[D4_HEADER_LEN];
	const struct spool_stream *s;
	struct spool_source source = { .name = "x" }, end;
	struct life l;
	char why[SPOOL_WHY];
	uint64_t time_before, head;
	bool wrong;
	size_t i;

	if (!live(&l, dir))
		abort();
	ok(spool_open(dir, SIZE, QUEUE, why, &wrong) == NULL && !wrong &&
	    strcmp(why, "another d4 works with it") == 0,
	    "only one works with it");
	for (i = 0; i < 20; i++)
		add_input(&l, 5000);
	ok(settle(&l), "what is added is synced");
	is(spool_synced(l.spool), window_end(l.window), "all of it");
	ok(holds(l.spool, 0, l.fed - cut_pending(l.cut)),
	    "and can be read from its beginning");
	memcpy(hello, spool_stream(l.spool)->opening, sizeof(hello));
	time_before = spool_hello_time(l.spool);
	nwire = 0;
	(void)take(l.window, STREAM, 5000);
	window_unacked(l.window, 0);
	window_rest(l.window);
	for (i = 0; i < 200 && spool_head(l.spool) == 0; i++)
		(void)poll(NULL, 0, 5);
	head = spool_head(l.spool);
	ok(head > 0 && window_end(l.window) - head >= KEEP &&
	    window_end(l.window) - head < 2 * KEEP,
	    "it remembers where the stream is to be resumed");
	/* By the thread that writes. */
	for (i = 0; i < 1000 && count_files(dir, ".seg") > 2; i++)
		(void)poll(NULL, 0, 5);
	is(count_files(dir, ".seg"), 2, "and what lies before is removed");
	die(&l);

	if (!live(&l, dir))
		abort();
	s = spool_stream(l.spool);
	ok(memcmp(s->opening, hello, sizeof(hello)) == 0,
	    "the next start finds the stream");
	is(s->head, head, "its head");
	ok(!s->closed && s->source.regular && strcmp(s->source.name,
	    "test") == 0, "and its source");
	ok(s->data > 90000 && input[s->data - 1] == '\n',
	    "whole units of it");
	while (l.fed < INPUT)
		add_input(&l, 5000);
	ok(settle(&l) && holds(l.spool, head, INPUT), "it goes on there");
	if (cut_finish(l.cut) == -1 || window_seal(l.window) == -1)
		abort();
	die(&l);

	if (!live(&l, dir))
		abort();
	ok(spool_stream(l.spool)->closed, "the end of a stream is known");
	is(spool_stream(l.spool)->data, INPUT, "all of it was there");
	is(spool_data(l.spool), INPUT, "and is on the disk");
	end = spool_stream(l.spool)->source;
	end.offset = INPUT;
	end.sum = 17;
	is(spool_finish(l.spool, &end), 0, "it is over");
	is(count_files(dir, ".seg"), 0, "nothing is left");
	ok(spool_stream(l.spool) == NULL, "of any stream");
	die(&l);

	if ((l.spool = open_spool(dir)) == NULL)
		abort();
	ok(spool_stream(l.spool) == NULL, "nor at the next start");
	s = spool_ended(l.spool);
	ok(s != NULL && memcmp(s->opening, hello, sizeof(hello)) == 0 &&
	    strcmp(s->source.name, "test") == 0 && s->source.regular &&
	    s->source.offset == INPUT && s->source.sum == 17 &&
	    s->source.prefixlen == 0 && s->data == 0,
	    "which knows where it ended");
	is(spool_hello_time(l.spool), time_before,
	    "but for the second of its hello");
	is(spool_begin(l.spool, &source, hello, sizeof(hello)), 0,
	    "another begins");
	is(spool_stream(l.spool)->end, 0, "from nothing");
	ok(spool_ended(l.spool) == NULL, "in the place of the other");
	is(spool_finish(l.spool, NULL), 0, "and ends");
	ok(spool_stream(l.spool) == NULL && spool_ended(l.spool) == NULL,
	    "with nothing known of it");
	spool_close(l.spool);
	spool_close(NULL);
}

static void
test_preamble(void)
{
	static const uint8_t head[24] = { 0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4,
	    [16] = 0, 0, 4, 0, 1 };
	const char *dir = scratch_path("preamble");
	struct d4_header h = { .version = 1, .type = 3 };
	const struct spool_stream *s;
	struct spool *sp;
	struct window *w;
	struct cut *c;
	uint8_t *at, packet[116] = { 0 }, hello[D4_HEADER_LEN];
	uint64_t sealed_head;
	int i, j;

	d4_put32le(packet + 8, 100);
	d4_put32le(packet + 12, 100);
	memset(h.uuid, 0xab, sizeof(h.uuid));
	for (i = 0; i < 3; i++) {
		if ((sp = open_spool(dir)) == NULL)
			abort();
		if (i == 0)
			begin_stream(sp);
		s = spool_stream(sp);
		w = window_new(&h, 300, mac, key, KEEP, QUEUE, sp);
		c = cut_new(w, D4_BORDER_PCAP, 3, 300, false, "test");
		if (w == NULL || c == NULL)
			abort();
		cut_go_on(c, s->end_preamble, s->end_preamblelen);
		if (i == 0) {
			(void)cut_space(c, &at);
			memcpy(at, head, sizeof(head));
			if (cut_take(c, sizeof(head)) == -1)
				abort();
		} else {
			is(s->end_preamblelen, D4_HEADER_LEN + 24,
			    "a preamble is known at the end");
		}
		for (j = 0; j < 1500; j++) {
			(void)cut_space(c, &at);
			memcpy(at, packet, sizeof(packet));
			packet[0]++;
			window_clock(w, TIME + (uint64_t)(i * 1500 + j));
			if (cut_take(c, sizeof(packet)) == -1 ||
			    window_seal(w) == -1)
				abort();
		}
		window_flush(w);
		for (j = 0; j < 500 && !spool_settled(sp); j++)
			(void)poll(NULL, 0, 5);
		nwire = 0;
		(void)take(w, STREAM, STREAM);
		ok(nwire > 2 * D4_HEADER_LEN + 24 && memcmp(wire +
		    2 * D4_HEADER_LEN, head, sizeof(head)) == 0,
		    "each session has the preamble");
		window_unacked(w, 0);
		window_rest(w);
		sealed_head = window_end(w) - window_kept(w);
		cut_free(c);
		window_free(w);
		ok(sealed_head > 0, "also where its own record is gone");
		if (i == 2) {
			is(spool_finish(sp, &spool_stream(sp)->source), 0,
			    "at its end");
			s = spool_ended(sp);
			ok(s != NULL && s->source.prefixlen == 24 &&
			    memcmp(s->source.prefix, head, 24) == 0,
			    "it is what another would begin with");
			/* A hello of its own. */
			memcpy(hello, s->opening, sizeof(hello));
			hello[D4_HMAC_AT] ^= 1;
			is(spool_begin(sp, &s->source, hello, sizeof(hello)),
			    0, "which it does");
		}
		spool_close(sp);
	}
	if ((sp = open_spool(dir)) == NULL)
		abort();
	s = spool_stream(sp);
	ok(s != NULL && s->source.prefixlen == 24 && s->data == 0 &&
	    memcmp(s->source.prefix, head, 24) == 0,
	    "and is known at the next start");
	spool_close(sp);
}

/* -- faults ---------------------------------------------------------------- */

static struct fault {
	enum disk_op	 op;
	const char	*name;		/* ends like that */
	int		 err;
	int		 after;		/* so many calls go well */
	int		 times;		/* then so many fail, -1: all */
	int		 failed;	/* did */
	char		 abandoned[DISK_NAME];
	bool		 left;		/* for another segment */
	int		 touched;	/* that, later */
} fault;
static pthread_mutex_t fault_lock = PTHREAD_MUTEX_INITIALIZER;

static bool
ends(const char *name, const char *end)
{
	size_t n = strlen(name), e = strlen(end);

	return n >= e && strcmp(name + n - e, end) == 0;
}

static int
on_call(const struct disk_call *call)
{
	int err = 0;

	(void)pthread_mutex_lock(&fault_lock);
	/* Until the writer has heard of it, it may write there. */
	if (ends(call->name, "segment.tmp"))
		fault.left = *fault.abandoned != '\0';
	if (*fault.abandoned != '\0' && strcmp(call->name,
	    fault.abandoned) == 0 && ((call->op == DISK_WRITE &&
	    fault.left) || call->op == DISK_SYNC))
		fault.touched++;
	if (call->op == fault.op && ends(call->name, fault.name) &&
	    fault.after-- <= 0 && fault.times != 0) {
		if (fault.times > 0)
			fault.times--;
		fault.failed++;
		err = fault.err;
		if (call->op == DISK_SYNC && ends(call->name, ".seg"))
			(void)snprintf(fault.abandoned, DISK_NAME, "%s",
			    call->name);
	}
	(void)pthread_mutex_unlock(&fault_lock);
	return err;
}

static void
set_fault(enum disk_op op, const char *name, int err, int after, int times)
{
	(void)pthread_mutex_lock(&fault_lock);
	memset(&fault, 0, sizeof(fault));
	fault.op = op;
	fault.name = name;
	fault.err = err;
	fault.after = after;
	fault.times = times;
	disk_hook = on_call;
	(void)pthread_mutex_unlock(&fault_lock);
}

static bool
has_failed(void)
{
	bool failed;

	(void)pthread_mutex_lock(&fault_lock);
	failed = fault.failed > 0;
	(void)pthread_mutex_unlock(&fault_lock);
	return failed;
}

/* One fault that passes: nothing is lost. */
static void
test_fault(enum disk_op op, const char *name, int err, int after, int times,
    const char *what)
{
	static int n;
	const char *dir = scratch_path("fault%d", n++);
	struct life l;
	uint64_t head = 0;
	size_t i;

	if (!live(&l, dir))
		abort();
	set_fault(op, name, err, after, times);
	for (i = 0; i < 30; i++) {
		add_input(&l, 5000);
		(void)settle(&l);
		nwire = 0;
		(void)take(l.window, STREAM, STREAM);
		window_unacked(l.window, 0);
		window_rest(l.window);
	}
	/* What is not needed any more goes a little later. */
	for (i = 0; i < 1000 && !has_failed(); i++)
		(void)poll(NULL, 0, 5);
	ok(fault.failed > 0 && spool_failure(l.spool) == NULL && settle(&l),
	    "%s: it goes on", what);
	is(fault.touched, 0, "a segment that could not be synced is left "
	    "alone");
	head = l.window != NULL ? window_end(l.window) -
	    window_kept(l.window) : 0;
	ok(holds(l.spool, head, l.fed - cut_pending(l.cut)),
	    "all of it is there");
	disk_hook = NULL;
	die(&l);
	if (!live(&l, dir))
		abort();
	ok(holds(l.spool, spool_stream(l.spool)->head, l.fed),
	    "and at the next start");
	die(&l);
}

static void
test_failure(enum disk_op op, const char *name, int err, const char *what)
{
	static int n;
	const char *dir = scratch_path("failure%d", n++);
	struct life l;
	uint64_t synced;
	size_t i;

	if (!live(&l, dir))
		abort();
	add_input(&l, 5000);
	(void)settle(&l);
	synced = spool_synced(l.spool);
	set_fault(op, name, err, 0, -1);
	for (i = 0; i < 100 && spool_failure(l.spool) == NULL; i++) {
		add_input(&l, 100);
		window_flush(l.window);
		(void)poll(NULL, 0, 2);
	}
	ok(spool_failure(l.spool) != NULL && strstr(spool_failure(l.spool),
	    strerror(err)) != NULL, "%s: it says %s", what,
	    spool_failure(l.spool));
	is(spool_synced(l.spool), synced, "and nothing more is synced");
	disk_hook = NULL;
	die(&l);
	if (!live(&l, dir))
		abort();
	ok(spool_stream(l.spool)->end >= synced &&
	    holds(l.spool, 0, l.fed), "what was is there");
	die(&l);
}

static void
test_full_disk(void)
{
	const char *dir = scratch_path("nospace");
	struct life l;
	uint64_t synced;
	int i;

	if (!live(&l, dir))
		abort();
	add_input(&l, 100000);
	(void)settle(&l);
	synced = spool_synced(l.spool);
	set_fault(DISK_WRITE, ".seg", ENOSPC, 0, -1);
	for (i = 0; i < 5; i++)
		add_input(&l, 1000);
	window_flush(l.window);
	for (i = 0; i < 200 && spool_stalled(l.spool) == 0; i++)
		(void)poll(NULL, 0, 5);
	is(spool_stalled(l.spool), ENOSPC, "a full disk");
	ok(spool_full(l.spool) && window_full(l.window), "takes no more");
	is(spool_synced(l.spool), synced, "is not written to");
	ok(spool_failure(l.spool) == NULL, "and is no failure");
	disk_hook = NULL;
	ok(settle(&l) && spool_stalled(l.spool) == 0 && !spool_full(l.spool),
	    "with room it goes on by itself");
	set_fault(DISK_CREATE, "", ENOSPC, 0, -1);
	nwire = 0;
	(void)take(l.window, STREAM, STREAM);
	window_unacked(l.window, 0);
	window_rest(l.window);
	for (i = 0; i < 200 && spool_head(l.spool) == 0; i++)
		(void)poll(NULL, 0, 5);
	ok(spool_head(l.spool) > 0, "where to resume needs no room");
	disk_hook = NULL;
	ok(holds(l.spool, spool_head(l.spool), l.fed - cut_pending(l.cut)),
	    "nothing is lost");
	die(&l);
}

/* Some input, and behind its end once more from the beginning, in the same
 * stream. */
static void
add_more(struct life *l)
{
	if (l->fed == INPUT)
		l->fed = 0;
	add_input(l, 5000);
}

/* Until the spool has no room. */
static void
fill(struct life *l)
{
	while (!spool_out_of_room(l->spool)) {
		add_more(l);
		(void)settle(l);
	}
}

static void
test_drop(void)
{
	const char *dir = scratch_path("drop");
	uint64_t units = 0, more;
	struct life l;
	size_t fed, i, last;
	ptrdiff_t n;

	if (!live(&l, dir))
		abort();
	fill(&l);
	ok(spool_full(l.spool), "with %llu bytes it is full",
	    (unsigned long long)spool_bytes(l.spool));
	fed = l.fed - cut_pending(l.cut);
	for (i = 0; i < 100 && spool_full(l.spool); i++) {
		if (window_drop(l.window, &more) == 1) {
			units += more;
			if (window_rewind(l.window) == -1)
				abort();
		}
		(void)poll(NULL, 0, 5);
	}
	ok(!spool_full(l.spool), "it makes room");
	nwire = 0;
	(void)take(l.window, STREAM, STREAM);
	ok(session()[0] == '|' && window_waiting(l.window) == 0,
	    "a session has the rest of it");
	n = read_all(l.spool, spool_head(l.spool));
	last = fed < 1000 ? fed : 1000;
	ok(n > 1000 && memcmp(payload + (size_t)n - last, input + fed - last,
	    last) == 0, "up to the end");
	ok(units > 0 && units < 400, "%llu units were dropped",
	    (unsigned long long)units);
	die(&l);
	if (!live(&l, dir))
		abort();
	is(read_all(l.spool, spool_stream(l.spool)->head), n,
	    "the next start has as much");
	die(&l);
}

/* The writer begins no segment as long as this is locked. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static int
on_gate(const struct disk_call *call)
{
	if (call->op == DISK_CREATE && ends(call->name, "segment.tmp")) {
		(void)pthread_mutex_lock(&gate);
		(void)pthread_mutex_unlock(&gate);
	}
	return 0;
}

/* A segment was given up, and the writer has not got to remove it. */
static void
test_drop_late(void)
{
	struct life l;
	uint64_t units = 0, more = 0, head;
	int i;

	if (!live(&l, scratch_path("late")))
		abort();
	fill(&l);
	(void)pthread_mutex_lock(&gate);
	disk_hook = on_gate;
	for (i = 0; i < 15; i++)
		add_more(&l);
	window_flush(l.window);
	(void)poll(NULL, 0, 50);
	ok(window_drop(l.window, &units) == 1 && units > 0, "one is dropped");
	for (i = 0; i < 1000 && spool_head(l.spool) == 0; i++)
		(void)poll(NULL, 0, 5);
	head = spool_head(l.spool);
	ok(head > 0, "that is noted");
	is(window_drop(l.window, &more), 0, "none while it is there");
	(void)pthread_mutex_unlock(&gate);
	for (i = 0; i < 1000 && more == 0; i++) {
		(void)poll(NULL, 0, 5);
		if (window_drop(l.window, &more) == -1)
			break;
	}
	ok(more > 0 && more < units * 3 / 2,
	    "another one, later, of %llu units as the first of %llu",
	    (unsigned long long)more, (unsigned long long)units);
	disk_hook = NULL;
	die(&l);
}

/* -- how often, and from where --------------------------------------------- */

static struct {
	size_t	 written;	/* since the last sync began */
	size_t	 most;
	int	 syncs;
} rounds;

static int
on_round(const struct disk_call *call)
{
	int i;

	(void)pthread_mutex_lock(&fault_lock);
	for (i = 0; call->op == DISK_WRITE && i < call->niov; i++)
		rounds.written += call->iov[i].iov_len;
	if (call->op == DISK_SYNC && !ends(call->name, "head")) {
		rounds.syncs++;
		if (rounds.written > rounds.most)
			rounds.most = rounds.written;
		rounds.written = 0;
	}
	(void)pthread_mutex_unlock(&fault_lock);
	return 0;
}

static long long
now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Waits until all of it is synced, by itself.  Returns how long that took. */
static long long
wait_settled(struct life *l)
{
	struct pollfd pfd = { .fd = spool_fd(l->spool), .events = POLLIN };
	long long begin = now_ms();

	while (!spool_settled(l->spool) && now_ms() - begin < tap_time(10000)) {
		(void)poll(&pfd, 1, 100);
		spool_drain(l->spool);
	}
	return now_ms() - begin;
}

static void
test_rounds(void)
{
	enum { MIB = 40 };
	struct life l;
	long long begin, ms, seconds;
	size_t i;

	memset(&rounds, 0, sizeof(rounds));
	if (!live_large(&l, scratch_path("rounds")))
		abort();
	disk_hook = on_round;
	begin = now_ms();
	for (i = 0; i < MIB << 20; i += 5000) {
		if (l.fed == INPUT)
			l.fed = 0;
		add_input(&l, 5000);
		while (spool_full(l.spool))
			(void)poll(NULL, 0, 1);
	}
	ms = wait_settled(&l);
	ok(ms < tap_time(5000),
	    "without a word it is synced within a second or so: %lld ms", ms);
	seconds = (now_ms() - begin) / 1000;
	ok(rounds.syncs <= MIB / 4 + 5 + seconds, "%d syncs of %d MiB, "
	    "each of which takes 4 or a second: %lld", rounds.syncs, MIB,
	    seconds);
	/* What a sync counts for is bounded; here it is seen when it is called,
	 * by when the writer may have written as much again. */
	ok(rounds.most <= (9 << 20), "none of more than 4 MiB or a little "
	    "more: %zu", rounds.most);
	add_input(&l, 100);
	ms = wait_settled(&l);
	ok(ms > 500, "a little waits for more: %lld ms", ms);
	add_input(&l, 100);
	window_flush(l.window);
	ms = wait_settled(&l);
	ok(ms < tap_time(500), "unless nothing more comes: %lld ms", ms);
	disk_hook = NULL;
	die(&l);
}

/* No sync of a segment returns while this is locked. */
static pthread_mutex_t sync_gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool gated;
static atomic_int at_gate;

/* In the place of the system's. */
int
fdatasync(int fd)
{
	char link[64], name[512];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (gated && (n = readlink(link, name, sizeof(name) - 1)) > 0) {
		name[n] = '\0';
		if (ends(name, ".seg") || ends(name, "segment.tmp")) {
			at_gate++;
			(void)pthread_mutex_lock(&sync_gate);
			(void)pthread_mutex_unlock(&sync_gate);
		}
	}
	return (int)syscall(SYS_fdatasync, fd);
}

static void
test_keeper(void)
{
	struct life l;
	uint64_t synced;
	int i;

	if (!live(&l, scratch_path("keeper")))
		abort();
	for (i = 0; i < 60; i++) {
		add_input(&l, 5000);
		(void)settle(&l);
		nwire = 0;
		(void)take(l.window, STREAM, STREAM);
		window_unacked(l.window, 0);
	}
	synced = spool_synced(l.spool);
	is(spool_head(l.spool), 0, "the head waits to be asked for");
	(void)pthread_mutex_lock(&sync_gate);
	gated = true;
	add_input(&l, 5000);
	window_flush(l.window);
	for (i = 0; i < 1000 && at_gate == 0; i++)
		(void)poll(NULL, 0, 5);
	window_rest(l.window);
	for (i = 0; i < 400 && spool_head(l.spool) == 0; i++)
		(void)poll(NULL, 0, 5);
	ok(at_gate > 0 && spool_synced(l.spool) == synced &&
	    spool_head(l.spool) > 0,
	    "it is kept while a sync of records waits for the disk");
	gated = false;
	(void)pthread_mutex_unlock(&sync_gate);
	ok(settle(&l), "which ends");
	die(&l);
}

/* What is still in memory is not read again. */
static void
test_memory(void)
{
	const char *dir = scratch_path("memory");
	char path[800];
	struct life l;
	size_t n;

	if (!live(&l, dir))
		abort();
	add_input(&l, 60000);
	nwire = 0;
	is(take(l.window, STREAM, STREAM), D4_HEADER_LEN,
	    "nothing is given out that is not synced");
	if (!settle(&l))
		abort();
	(void)snprintf(path, sizeof(path), "%s/0000000000000000.seg", dir);
	ok(rename(path, scratch_path("away")) == 0, "a segment is away");
	n = take(l.window, STREAM, 1000);
	is(n, window_end(l.window), "it is sent from memory");
	ok(spool_failure(l.spool) == NULL, "and not missed");
	while (spool_synced(l.spool) < 4 * QUEUE) {
		if (l.fed == INPUT)
			l.fed = 0;
		add_input(&l, 5000);
		(void)settle(&l);
		(void)take(l.window, STREAM, STREAM);
	}
	if (window_rewind(l.window) == -1)
		abort();
	nwire = 0;
	is(take(l.window, STREAM, 1000), D4_HEADER_LEN,
	    "what was sent long ago is not there");
	ok(spool_failure(l.spool) != NULL, "%s", spool_failure(l.spool));
	die(&l);
}

/* -- loss of power --------------------------------------------------------- */

/* What was done, in order, and what was known to be synced before. */
struct step {
	enum disk_op	 op;
	char		 name[DISK_NAME], to[DISK_NAME];
	uint8_t		*bytes;
	size_t		 len;
	uint64_t	 at;
	uint64_t	 synced;
	uint64_t	 sent;
};
#define STEPS	4000
static struct step steps[STEPS];
static size_t nsteps;
static uint64_t known_synced, known_sent;

static int
on_step(const struct disk_call *call)
{
	struct step *s;
	size_t len;
	int i;

	(void)pthread_mutex_lock(&fault_lock);
	if (nsteps == STEPS)
		abort();
	s = &steps[nsteps++];
	memset(s, 0, sizeof(*s));
	s->op = call->op;
	(void)snprintf(s->name, DISK_NAME, "%s", call->name);
	if (call->to != NULL)
		(void)snprintf(s->to, DISK_NAME, "%s", call->to);
	for (i = 0; call->op == DISK_WRITE && i < call->niov; i++) {
		len = call->iov[i].iov_len;
		if ((s->bytes = realloc(s->bytes, s->len + len)) == NULL)
			abort();
		memcpy(s->bytes + s->len, call->iov[i].iov_base, len);
		s->len += len;
		s->at = call->at;
	}
	s->synced = known_synced;
	s->sent = known_sent;
	(void)pthread_mutex_unlock(&fault_lock);
	return 0;
}

/* A disk as the machine sees it, and as it would be after a loss of power. */
struct inode {
	uint8_t	*now, *safe;
	size_t	 nnow, nsafe;
};
struct name {
	char	 name[DISK_NAME];
	int	 inode;
};
struct disk {
	struct inode	 inodes[STEPS];
	int		 ninodes;
	struct name	 names[64], safe[64];
	int		 nnames, nsafe;
};
static struct disk disk;

static struct name *
find(struct name *names, int n, const char *name)
{
	int i;

	for (i = 0; i < n; i++) {
		if (strcmp(names[i].name, name) == 0)
			return &names[i];
	}
	return NULL;
}

static void
forget(struct name *names, int *n, const char *name)
{
	struct name *found = find(names, *n, name);

	if (found != NULL)
		*found = names[--*n];
}

static void
put_name(struct name *names, int *n, const char *name, int inode)
{
	forget(names, n, name);
	if (*n == 64)
		abort();
	(void)snprintf(names[*n].name, DISK_NAME, "%s", name);
	names[(*n)++].inode = inode;
}

static void
put_bytes(uint8_t **bytes, size_t *n, const uint8_t *from, size_t len,
    uint64_t at)
{
	if (len == 0)
		return;
	if (at + len > *n) {
		if ((*bytes = realloc(*bytes, at + len)) == NULL)
			abort();
		memset(*bytes + *n, 0, at + len - *n);
		*n = at + len;
	}
	if (len > 0)
		memcpy(*bytes + at, from, len);
}

/* Does it to names; the caller knows of bytes. */
static void
do_names(struct name *names, int *n, const struct step *s, int inode)
{
	struct name *found;

	switch (s->op) {
	case DISK_CREATE:
		put_name(names, n, s->name, inode);
		break;
	case DISK_RENAME:
		if ((found = find(names, *n, s->name)) != NULL) {
			inode = found->inode;
			forget(names, n, s->name);
			put_name(names, n, s->to, inode);
		}
		break;
	case DISK_UNLINK:
		forget(names, n, s->name);
		break;
	default:
		break;
	}
}

static void
disk_reset(void)
{
	int i;

	for (i = 0; i < disk.ninodes; i++) {
		free(disk.inodes[i].now);
		free(disk.inodes[i].safe);
	}
	memset(&disk, 0, sizeof(disk));
}

/* The inode that a created file gets: the number of its step. */
static void
disk_do(size_t i)
{
	const struct step *s = &steps[i];
	const struct name *name = find(disk.names, disk.nnames, s->name);
	struct inode *inode = name != NULL ? &disk.inodes[name->inode] : NULL;

	switch (s->op) {
	case DISK_WRITE:
		put_bytes(&inode->now, &inode->nnow, s->bytes, s->len, s->at);
		break;
	case DISK_SYNC:
		inode->nsafe = 0;
		put_bytes(&inode->safe, &inode->nsafe, inode->now,
		    inode->nnow, 0);
		break;
	case DISK_SYNC_NAMES:
		memcpy(disk.safe, disk.names, sizeof(disk.names));
		disk.nsafe = disk.nnames;
		break;
	default:
		do_names(disk.names, &disk.nnames, s, (int)i);
		disk.ninodes = (int)i + 1;
	}
}

enum power { ALL, NONE, SOME };	/* of what is not synced is on the disk */

/* Makes the directory as it would be found. */
static void
put_disk(const char *where, size_t upto, enum power power)
{
	char dir[480];
	static struct name names[64];
	int n, j;
	size_t i, from = 0;

	n = power == ALL ? disk.nnames : disk.nsafe;
	memcpy(names, power == ALL ? disk.names : disk.safe, sizeof(names));
	if (power == SOME) {
		/* Names are changed in order, but not all of them yet. */
		for (i = 0; i < upto; i++) {
			if (steps[i].op == DISK_SYNC_NAMES)
				from = i + 1;
		}
		for (i = from; i < upto && random() % 8 != 0; i++)
			do_names(names, &n, &steps[i], (int)i);
	}
	(void)snprintf(dir, sizeof(dir), "%s", where);
	(void)mkdir(dir, 0700);
	for (j = 0; j < n; j++) {
		const struct inode *f = &disk.inodes[names[j].inode];
		uint8_t *bytes = NULL;
		size_t len = 0, at, piece;
		char path[512 + DISK_NAME];

		put_bytes(&bytes, &len, power == ALL ? f->now : f->safe,
		    power == ALL ? f->nnow : f->nsafe, 0);
		/* Pieces of what was written are there, by sectors. */
		for (at = 0; power == SOME && at < f->nnow; at += piece) {
			piece = f->nnow - at < 512 ? f->nnow - at : 512;
			if (random() % 2 == 0)
				put_bytes(&bytes, &len, f->now + at, piece,
				    at);
		}
		(void)snprintf(path, sizeof(path), "%s/%.31s", dir,
		    names[j].name);
		if (!scratch_write(path, len > 0 ? bytes : input, len))
			abort();
		free(bytes);
	}
}

static void
remove_dir(const char *dir)
{
	(void)nftw(dir, scratch_on_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Where the last unit ends that lies wholly before. */
static uint64_t
last_border(uint64_t pos)
{
	uint64_t at = 0, border = 0;
	size_t len;

	while (at + D4_HEADER_LEN <= nwires) {
		len = D4_HEADER_LEN + d4_get32le(wires + at + D4_SIZE_AT);
		if (at + len > pos)
			break;
		at += len;
		if (wires[at - 1] == '\n')
			border = at;
	}
	return border;
}

/* After a loss of power there: whether it is found in good order. */
static bool
recovers(size_t upto, enum power power, uint64_t synced, uint64_t sent)
{
	const char *dir = scratch_path("power");
	const struct spool_stream *s;
	struct life l;
	bool good = false;
	uint64_t head;

	put_disk(dir, upto, power);
	if (live(&l, dir)) {
		s = spool_stream(l.spool);
		head = s->head;
		good = s->end >= last_border(synced) &&
		    s->end <= nwires && (sent == 0 || head <= sent) &&
		    holds(l.spool, head, (size_t)s->data);
		if (!good)
			diag("end %llu head %llu, synced %llu sent %llu",
			    (unsigned long long)s->end,
			    (unsigned long long)head,
			    (unsigned long long)synced,
			    (unsigned long long)sent);
		/* And it goes on from there. */
		nwires = 0;
		add_input(&l, 3000);
		good = settle(&l) && good && holds(l.spool, head, l.fed -
		    cut_pending(l.cut));
		die(&l);
	}
	remove_dir(dir);
	return good;
}

static void
note_wires(struct life *l)
{
	struct run run;
	uint64_t pos = nwires;

	while (spool_run(l->spool, pos, &run) == 1) {
		memcpy(wires + pos, run.bytes + (pos - run.pos),
		    run.len - (pos - run.pos));
		pos = run.pos + run.len;
	}
	nwires = (size_t)pos;
}

static void
test_power(void)
{
	const char *dir = scratch_path("traced");
	enum power power;
	struct life l;
	size_t i, bad = 0, n = 0, all;

	disk_hook = on_step;
	if (!live(&l, dir))
		abort();
	for (i = 0; i < 70; i++) {
		add_input(&l, 200 + i * 97 % 9000);
		if (i % 2 == 0 && !settle(&l))
			abort();
		note_wires(&l);
		nwire = 0;
		(void)pthread_mutex_lock(&fault_lock);
		known_synced = spool_synced(l.spool);
		(void)pthread_mutex_unlock(&fault_lock);
		(void)take(l.window, STREAM, STREAM);
		(void)pthread_mutex_lock(&fault_lock);
		known_sent = window_reached(l.window);
		(void)pthread_mutex_unlock(&fault_lock);
		window_unacked(l.window, 0);
		if (i % 5 == 0)
			window_rest(l.window);
	}
	(void)settle(&l);
	note_wires(&l);
	die(&l);
	disk_hook = NULL;
	all = nwires;
	ok(count_files(dir, ".seg") > 1 && count_files(dir, ".seg") < 5 &&
	    nsteps > 100, "%zu steps, segments came and went", nsteps);
	for (i = 0; i <= nsteps; i++) {
		for (power = ALL; power <= SOME; power++) {
			nwires = all;
			bad += !recovers(i, power, i > 0 ?
			    steps[i - 1].synced : 0, i < nsteps ?
			    steps[i].sent : known_sent);
			n++;
		}
		if (i < nsteps)
			disk_do(i);
	}
	is(bad, 0, "%zu losses of power, and nothing is lost that was synced",
	    n);
	disk_reset();
	for (i = 0; i < nsteps; i++)
		free(steps[i].bytes);
	nwires = 0;
}

/* -- damage ---------------------------------------------------------------- */

static void
copy_dir(const char *from, const char *to)
{
	const struct dirent *e;
	DIR *d = opendir(from);
	char path[800];
	static uint8_t bytes[1 << 20];

	(void)mkdir(to, 0700);
	while (d != NULL && (e = readdir(d)) != NULL) {
		FILE *f;
		size_t n;

		if (*e->d_name == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", from, e->d_name);
		if ((f = fopen(path, "r")) == NULL)
			abort();
		n = fread(bytes, 1, sizeof(bytes), f);
		(void)fclose(f);
		(void)snprintf(path, sizeof(path), "%s/%s", to, e->d_name);
		if (!scratch_write(path, bytes, n))
			abort();
	}
	if (d != NULL)
		(void)closedir(d);
}

/* One of its files, by number. */
static bool
nth_file(const char *dir, long n, char path[800])
{
	const struct dirent *e;
	DIR *d = opendir(dir);
	long left = 0;

	*path = '\0';
	while (d != NULL && *path == '\0' && (e = readdir(d)) != NULL) {
		if (*e->d_name != '.' && strcmp(e->d_name, "lock") != 0 &&
		    left++ == n)
			(void)snprintf(path, 800, "%s/%s", dir, e->d_name);
	}
	if (d != NULL)
		(void)closedir(d);
	return *path != '\0';
}

static void
damage(const char *path)
{
	static uint8_t bytes[1 << 20];
	size_t n, i;
	FILE *f;

	if ((f = fopen(path, "r")) == NULL)
		abort();
	n = fread(bytes, 1, sizeof(bytes), f);
	(void)fclose(f);
	switch (random() % 4) {
	case 0:
		n = (size_t)random() % (n + 1);
		break;
	case 1:
		for (i = 0; i < 5 && n > 0; i++)
			bytes[(size_t)random() % n] = (uint8_t)random();
		break;
	case 2:
		for (i = (size_t)random() % (n + 1); i < n; i++)
			bytes[i] = (uint8_t)random();
		break;
	default:
		if (n > 0)
			bytes[(size_t)random() % (n < 150 ? n : 150)] ^= 0x40;
	}
	if (!scratch_write(path, bytes, n))
		abort();
}

/* Whatever is in it: it opens, what it gives out is true, and it goes on. */
static void
test_damage(void)
{
	char dir[512], copy[512];
	struct life l;
	char path[800];
	int i, bad = 0, cut = 0, gone = 0;

	(void)snprintf(dir, sizeof(dir), "%s", scratch_path("good"));
	(void)snprintf(copy, sizeof(copy), "%s", scratch_path("bad"));
	if (!live(&l, dir))
		abort();
	for (i = 0; i < 40; i++) {
		add_input(&l, 5000);
		(void)settle(&l);
	}
	die(&l);
	for (i = 0; i < 400; i++) {
		uint64_t head;
		bool there;

		copy_dir(dir, copy);
		if (!nth_file(copy, random() % 6, path))
			continue;
		damage(path);
		if ((l.spool = open_spool(copy)) == NULL) {
			bad++;
			continue;
		}
		there = spool_stream(l.spool) != NULL;
		gone += !there;
		cut += *spool_damage(l.spool) != '\0';
		spool_close(l.spool);
		if (!live(&l, copy)) {
			bad++;
			continue;
		}
		head = spool_stream(l.spool)->head;
		if (!holds(l.spool, head,
		    (size_t)spool_stream(l.spool)->data))
			bad++;
		add_input(&l, 3000);
		if (!settle(&l) || !holds(l.spool, head, l.fed -
		    cut_pending(l.cut)))
			bad++;
		die(&l);
		remove_dir(copy);
	}
	is(bad, 0, "damaged at 400 places it goes on with what is whole");
	ok(cut > 20 && gone < 200, "%d times it was cut, %d times all of it "
	    "was gone", cut, gone);
}

static void
test_hostile(void)
{
	char dir[512];
	struct spool *sp;
	char why[SPOOL_WHY];
	bool wrong = false;

	(void)snprintf(dir, sizeof(dir), "%s", scratch_path("hostile"));
	if ((sp = open_spool(dir)) == NULL)
		abort();
	begin_stream(sp);
	spool_close(sp);
	(void)mkdir(scratch_path("hostile/0000000000000001.seg"), 0700);
	if (symlink("/etc/passwd",
	    scratch_path("hostile/0000000000000002.seg")) == -1)
		abort();
	(void)mkfifo(scratch_path("hostile/0000000000000003.seg"), 0600);
	(void)scratch_write(scratch_path("hostile/ffffffffffffffff.seg"),
	    "x", 1);
	(void)scratch_write(scratch_path("hostile/mine"), "x", 1);
	sp = open_spool(dir);
	ok(sp != NULL && spool_stream(sp) != NULL &&
	    spool_stream(sp)->end == 0, "what else lies there does no harm");
	ok(access(scratch_path("hostile/mine"), F_OK) == 0,
	    "what is not its own stays");
	ok(access("/etc/passwd", F_OK) == 0, "nor is a link followed");
	spool_close(sp);
	(void)scratch_write(scratch_path("file"), "x", 1);
	ok(spool_open(scratch_path("file"), SIZE, QUEUE, why, &wrong) ==
	    NULL && wrong, "a file is no spool: %s", why);
	ok(spool_open(scratch_path("none/there"), SIZE, QUEUE, why, &wrong) ==
	    NULL && wrong, "nor is one made in no directory: %s", why);
}

int
main(void)
{
	const char *seed = getenv("D4_SEED");

	/* Thousands of syncs, of which none needs a real disk. */
	if (getenv("TMPDIR") == NULL && access("/dev/shm", W_OK) == 0)
		(void)setenv("TMPDIR", "/dev/shm", 1);
	if (scratch_make() == -1 || (wires = malloc(8 << 20)) == NULL)
		abort();
	srandom(seed != NULL ? (unsigned int)atoi(seed) : 1);
	make_input();
	window_free(make_window(100, 0, 100));
	test_life();
	test_preamble();
	test_fault(DISK_SYNC, ".seg", EIO, 1, 1, "a sync that fails");
	test_fault(DISK_SYNC, "segment.tmp", EIO, 1, 1, "the first of one");
	test_fault(DISK_WRITE, ".seg", EIO, 2, 1, "a write that fails");
	test_fault(DISK_WRITE, "segment.tmp", EIO, 1, 1, "into a new one");
	test_fault(DISK_CREATE, "segment.tmp", EMFILE, 0, 1, "no new one");
	test_fault(DISK_RENAME, "segment.tmp", EIO, 0, 1, "no name for it");
	test_fault(DISK_SYNC_NAMES, "", EIO, 0, 1, "names not synced");
	test_fault(DISK_WRITE, "head", EIO, 0, 1, "the head not written");
	test_fault(DISK_SYNC, "head", EIO, 0, 1, "the head not synced");
	test_fault(DISK_WRITE, ".seg", ENOSPC, 1, 1, "a disk full once");
	test_fault(DISK_SYNC, ".seg", ENOSPC, 1, 1, "which only a sync tells");
	test_fault(DISK_RENAME, ".seg", EIO, 0, -1, "none written over");
	test_failure(DISK_SYNC, "", EIO, "no sync at all");
	test_failure(DISK_WRITE, "", EIO, "no write at all");
	test_full_disk();
	test_drop();
	test_drop_late();
	test_rounds();
	test_keeper();
	test_memory();
	test_power();
	test_damage();
	test_hostile();
	scratch_remove();
	free(wires);
	d4_mac_key_free(key);
	d4_mac_free(mac);
	return tap_done();
}
