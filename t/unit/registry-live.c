/* SPDX-License-Identifier: ISC */
#include <sys/wait.h>

#include <signal.h>
#include <string.h>
#include <time.h>

#include "lib/registry.h"
#include "lib/uuid.h"
#include "t/unit/halves.h"
#include "t/unit/scratch.h"
#include "t/unit/tap.h"

#define WORKERS	50
#define DAY	86400
#define NOON	1700049600	/* of 15 November 2023 */

static struct d4_registry *
open_registry(void)
{
	struct d4_registry *reg;
	char why[256] = "";

	if ((reg = open_half(NULL, why)) == NULL) {
		printf("Bail out! %s\n", why);
		exit(1);
	}
	return reg;
}

/* A connection with a session of its own. */
static struct d4_registry_live
connection(unsigned int sensor, uint8_t type, const char *address)
{
	struct d4_registry_live live = { .type = type, .since = NOON };

	memcpy(live.uuid, uuid(sensor), D4_UUID_LEN);
	d4_uuid_new(live.session);
	(void)snprintf(live.address, sizeof(live.address), "%s", address);
	return live;
}

static struct d4_registry_claim *
claim(struct d4_registry *reg, unsigned int sensor, uint8_t type,
    const char *address)
{
	struct d4_registry_live live = connection(sensor, type, address);
	struct d4_registry_claim *c = NULL;

	if (d4_registry_claim(reg, &live, true, NULL, &c) != 0)
		diag("%s", d4_registry_why(reg));
	return c;
}

static int
count_live(void *n, const struct d4_registry_live *live)
{
	(void)live;
	(*(int *)n)++;
	return 0;
}

static int
nlive(struct d4_registry *reg)
{
	int n = 0;

	return d4_registry_connections(reg, count_live, &n) == 0 ? n : -1;
}

static int
on_one(void *cookie, const struct d4_registry_live *live)
{
	memcpy(cookie, live, sizeof(*live));
	return 0;
}

/* Adds up what was counted. */
static int
on_count(void *sum, const struct d4_registry_count *count)
{
	((uint64_t *)sum)[0] += count->records;
	((uint64_t *)sum)[1] += count->bytes;
	return 0;
}

static uint64_t
records(struct d4_registry *reg, uint32_t day, const uint8_t *sensor)
{
	uint64_t sum[2] = { 0, 0 };

	if (d4_registry_counts(reg, day, sensor, on_count, sum) != 0)
		diag("%s", d4_registry_why(reg));
	return sum[0];
}

/* -- claims ---------------------------------------------------------------- */

static void
test_same_process(void)
{
	struct d4_registry *reg = open_registry();
	struct d4_registry_live a = connection(1, 1, "192.0.2.1");
	struct d4_registry_live b = connection(1, 1, "192.0.2.2");
	struct d4_registry_claim *one, *two, *other;

	is(d4_registry_claim(reg, &a, false, &a, &one), 0, "a claim");
	is(d4_registry_claim(reg, &a, false, &a, &other), -1,
	    "a session has one claim");
	is(d4_registry_claim(reg, &b, false, &b, &two), 1,
	    "a second connection of the type is refused");
	is(nlive(reg), 1, "one is live");
	is(d4_registry_claim(reg, &b, true, &b, &two), 0,
	    "or takes the claim");
	ok(d4_registry_lost(reg) == &a, "the first learns of it at once");
	ok(d4_registry_lost(reg) == NULL, "once");
	is(nlive(reg), 1, "one is live");
	d4_registry_release(reg, one);
	is(nlive(reg), 1, "it is the second");
	other = claim(reg, 1, 3, "192.0.2.1");
	ok(other != NULL && nlive(reg) == 2, "another type is another claim");
	d4_registry_release(reg, other);
	d4_registry_release(reg, two);
	d4_registry_release(reg, NULL);
	is(nlive(reg), 0, "released, nothing is live");
	is(d4_registry_claim(reg, &a, false, &a, &one), 0,
	    "and the claim is free");
	d4_registry_close(reg);
	reg = open_registry();
	is(nlive(reg), 0, "closing releases it");
	(void)snprintf(a.address, sizeof(a.address), "two words");
	is(d4_registry_claim(reg, &a, false, &a, &one), -1,
	    "an address has no blank");
	d4_registry_close(reg);
}

static void
test_shared_types(void)
{
	struct d4_registry *reg = open_registry();
	struct d4_registry_claim *a, *b;
	struct d4_registry_live live;

	a = claim(reg, 2, 2, "192.0.2.1");
	b = claim(reg, 2, 2, "192.0.2.1");
	ok(a != NULL && b != NULL && nlive(reg) == 2,
	    "a sensor has many connections of type 2");
	is(d4_registry_claim_become(reg, a, 254, "ja3-jl"), 0,
	    "one goes on as type 254");
	d4_registry_release(reg, b);
	ok(d4_registry_connections(reg, on_one, &live) == 0 &&
	    live.type == 254 && strcmp(live.extended, "ja3-jl") == 0 &&
	    live.pid == (long)getpid() && live.since == NOON &&
	    strcmp(live.address, "192.0.2.1") == 0, "and is listed so");
	is(d4_registry_claim_become(reg, a, 254, "../x"), -1,
	    "not as what is no name");
	ok(d4_registry_lost(reg) == NULL, "nothing was lost");
	d4_registry_note(reg, a, 3, 300, NOON);
	is(d4_registry_flush(reg, 0), 0, "its numbers are written");
	ok(d4_registry_connections(reg, on_one, &live) == 0 &&
	    live.records == 3 && live.bytes == 300 && live.as_of_ms > 0,
	    "and come with it");
	d4_registry_release(reg, a);
	d4_registry_close(reg);
}

static void
say(int fd)
{
	if (write(fd, "!", 1) != 1)
		diag("nobody hears");
}

/* Waits for a word, or the end. */
static void
hear(int fd)
{
	char byte;

	while (read(fd, &byte, 1) == -1)
		continue;
}

/* A worker that claims, says so, and waits to be told that it lost. */
static pid_t
start_worker(int in[2], int out[2])
{
	struct d4_registry_live live = connection(3, 1, "192.0.2.3");
	struct d4_registry_claim *c;
	pid_t pid;

	(void)fflush(stdout);
	if (pipe(in) == -1 || pipe(out) == -1)
		return -1;
	if ((pid = fork()) == 0) {
		struct d4_registry *reg = open_registry();
		void *lost;

		if (d4_registry_claim(reg, &live, true, &live, &c) != 0)
			_exit(1);
		say(out[1]);
		hear(in[0]);
		if (d4_registry_refresh(reg) == -1)
			_exit(2);
		lost = d4_registry_lost(reg);
		d4_registry_close(reg);
		_exit(lost == &live ? 0 : 3);
	}
	hear(out[0]);
	return pid;
}

static void
test_other_process(void)
{
	struct d4_registry *reg = open_registry();
	struct d4_registry_live live = connection(3, 1, "192.0.2.4"), l;
	struct d4_registry_claim *c;
	int in[2], out[2], status;
	pid_t pid;

	pid = start_worker(in, out);
	ok(d4_registry_connections(reg, on_one, &l) == 0 && l.pid == pid,
	    "a worker's claim is seen by another");
	is(d4_registry_claim(reg, &live, false, NULL, &c), 1,
	    "and holds against it");
	is(d4_registry_claim(reg, &live, true, NULL, &c), 0,
	    "unless it takes it");
	is(nlive(reg), 1, "one is live");
	say(in[1]);
	ok(waitpid(pid, &status, 0) == pid && status == 0,
	    "the other learns of it");
	is(nlive(reg), 1, "which takes nothing from the new one");
	is(d4_registry_refresh(reg), 0, "we lost nothing");
	d4_registry_release(reg, c);
	pid = start_worker(in, out);
	is(nlive(reg), 1, "a worker claims again");
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	let_leases_end();
	is(nlive(reg), 0, "killed, it leaves no ghost");
	is(d4_registry_claim(reg, &live, false, NULL, &c), 0,
	    "and its claim is free");
	d4_registry_close(reg);
}

/* Two handles are two workers, as two processes are. */
static void
test_told(void)
{
	struct d4_registry *a = open_registry(), *b = open_registry();
	struct d4_registry_live one = connection(4, 1, "192.0.2.1");
	struct d4_registry_live two = connection(4, 1, "192.0.2.2");
	struct d4_registry_claim *ca, *cb;
	int i, told = 0;

	for (i = 0; i < 4000; i++) {
		d4_uuid_new(one.session);
		d4_uuid_new(two.session);
		(void)d4_registry_claim(a, &one, true, &one, &ca);
		(void)d4_registry_claim(b, &two, true, &two, &cb);
		if (d4_registry_refresh(a) != 0 ||
		    d4_registry_lost(a) != &one || d4_registry_lost(a) != NULL)
			break;
		told++;
		d4_registry_release(a, ca);
		d4_registry_release(b, cb);
	}
	is(told, 4000, "each loss is told to the worker that lost, once");
	ok(d4_registry_lost(b) == NULL, "and to no other");
	is(nlive(a), 0, "all are released");
	d4_registry_close(a);
	d4_registry_close(b);
}

/* Many workers want the same few claims, and at the end one of them. */
static void
compete(int fd)
{
	struct d4_registry *reg = open_registry();
	struct d4_registry_claim *c;
	struct d4_registry_live live;
	unsigned int i;
	int r;

	for (i = 0; i < 100; i++) {
		live = connection(70 + i % 3, 1, "192.0.2.1");
		r = d4_registry_claim(reg, &live, i % 2 == 0, &c, &c);
		if (r == -1 || d4_registry_refresh(reg) == -1)
			_exit(1);
		if (r == 0)
			d4_registry_release(reg, c);
	}
	live = connection(70, 1, "192.0.2.1");
	/* Waits until others were killed. */
	hear(fd);
	if (d4_registry_claim(reg, &live, true, NULL, &c) != 0)
		_exit(2);
	(void)pause();
}

static void
test_competition(void)
{
	struct d4_registry *reg = open_registry();
	int calm, dead = 0, fds[2], i, status;
	pid_t pids[WORKERS];

	(void)fflush(stdout);
	if (pipe(fds) == -1)
		return;
	for (i = 0; i < WORKERS; i++) {
		if ((pids[i] = fork()) == 0) {
			(void)close(fds[1]);
			compete(fds[0]);
		}
	}
	/* Half of them are killed where they are. */
	(void)usleep(100000);
	for (i = 0; i < WORKERS; i += 2)
		(void)kill(pids[i], SIGKILL);
	for (i = 0; i < WORKERS; i += 2)
		(void)waitpid(pids[i], NULL, 0);
	(void)close(fds[0]);
	(void)close(fds[1]);
	/* Until they are through: one changes hands for the last time. */
	for (i = calm = 0; i < 300 && calm < 10; i++) {
		(void)usleep(100000);
		calm = nlive(reg) == 1 ? calm + 1 : 0;
	}
	is(nlive(reg), 1, "of %d workers one has the claim", WORKERS / 2);
	for (i = 1; i < WORKERS; i += 2)
		dead += waitpid(pids[i], &status, WNOHANG) != 0;
	is(dead, 0, "none met a fault");
	for (i = 1; i < WORKERS; i += 2) {
		(void)kill(pids[i], SIGKILL);
		(void)waitpid(pids[i], NULL, 0);
	}
	let_leases_end();
	is(nlive(reg), 0, "and nothing is left of them");
	d4_registry_close(reg);
}

/* -- facts ----------------------------------------------------------------- */

static void
test_facts(void)
{
	struct d4_registry *reg = open_registry();
	struct d4_registry_claim *c;
	struct d4_registry_facts f;
	char address[64];
	unsigned int i;

	ok(d4_registry_facts(reg, uuid(5), &f) == 0 && f.first == 0 &&
	    f.nseen == 0 && f.naddresses == 0, "of a stranger there are none");
	d4_registry_facts_free(&f);
	c = claim(reg, 5, 2, "192.0.2.1");
	is(d4_registry_note(reg, c, 1, 10, NOON), 0, "a note");
	(void)d4_registry_claim_become(reg, c, 254, "ja3-jl");
	is(d4_registry_note(reg, c, 2, 20, NOON + 5), 0, "another");
	is(d4_registry_note_error(reg, uuid(5), "bad\nline", NOON + 6), 0,
	    "an error");
	ok(d4_registry_facts(reg, uuid(5), &f) == 0 && f.first == 0,
	    "nothing is written yet");
	d4_registry_facts_free(&f);
	is(d4_registry_flush(reg, 1), 0, "now it is");
	ok(d4_registry_facts(reg, uuid(5), &f) == 0 && f.first == NOON &&
	    f.last == NOON + 5, "first and last seen");
	ok(f.nseen == 3 && f.seen[0].type == 2 && f.seen[0].last == NOON &&
	    f.seen[1].type == 254 && f.seen[1].first == NOON + 5 &&
	    f.seen[1].extended[0] == '\0' &&
	    strcmp(f.seen[2].extended, "ja3-jl") == 0,
	    "and those of each type and extended type");
	ok(f.error_time == NOON + 6 && strcmp(f.error, "bad?line") == 0,
	    "the error, as one line");
	d4_registry_facts_free(&f);
	d4_registry_release(reg, c);
	for (i = 0; i < 20; i++) {
		struct d4_registry_live live;

		(void)snprintf(address, sizeof(address), "192.0.2.%u", i);
		live = connection(5, 1, address);
		live.since = NOON + 100 + i;
		(void)d4_registry_claim(reg, &live, false, NULL, &c);
		d4_registry_release(reg, c);
	}
	(void)d4_registry_flush(reg, 0);
	ok(d4_registry_facts(reg, uuid(5), &f) == 0 &&
	    f.naddresses == D4_REGISTRY_ADDRESSES &&
	    strcmp(f.addresses[0].text, "192.0.2.19") == 0 &&
	    f.addresses[0].time == NOON + 119 &&
	    strcmp(f.addresses[15].text, "192.0.2.4") == 0,
	    "the last %d addresses, newest first", D4_REGISTRY_ADDRESSES);
	d4_registry_facts_free(&f);
	is(records(reg, 20231115, uuid(5)), 3, "three records that day");
	is(records(reg, 20231115, uuid(6)), 0, "none of another sensor");
	d4_registry_close(reg);
	reg = open_registry();
	c = claim(reg, 5, 1, "192.0.2.1");
	(void)d4_registry_note(reg, c, 4, 40, NOON);
	(void)d4_registry_flush(reg, 0);
	is(records(reg, 20231115, uuid(5)), 7, "the next process goes on");
	d4_registry_close(reg);
}

static int
on_day(void *cookie, uint32_t day)
{
	uint32_t *days = cookie;

	days[++days[0]] = day;
	return 0;
}

static void
test_days(void)
{
	struct d4_registry *reg = open_registry();
	struct d4_registry_claim *c = claim(reg, 8, 1, "192.0.2.1");
	uint32_t days[8] = { 0 };

	is(d4_registry_day(0), 19700101, "the first day");
	is(d4_registry_day(951782400), 20000229, "a leap day");
	is(d4_registry_day(951782399), 20000228, "ends at midnight");
	(void)d4_registry_note(reg, c, 1, 1, NOON);
	(void)d4_registry_note(reg, c, 10, 1, NOON + DAY);
	(void)d4_registry_note(reg, c, 100, 1, NOON - DAY);
	(void)d4_registry_note(reg, c, 1000, 1, NOON);
	(void)d4_registry_flush(reg, 0);
	is(records(reg, 20231115, uuid(8)), 1001, "each day has its own");
	is(records(reg, 20231116, uuid(8)), 10, "the next, too");
	is(records(reg, 20231114, uuid(8)), 100, "and the one before");
	ok(d4_registry_days(reg, on_day, days) == 0 && days[0] == 3 &&
	    days[1] == 20231114 && days[3] == 20231116, "three, in order");
	is(d4_registry_forget_day(reg, 20231114), 0, "one is forgotten");
	is(d4_registry_forget_day(reg, 20231114), 1, "once");
	is(d4_registry_forget_day(reg, d4_registry_day(
	    (uint64_t)time(NULL))), -1, "not today");
	is(records(reg, 20231114, NULL), 0, "nothing is left of it");
	d4_registry_close(reg);
}

static void
test_many_addresses(void)
{
	struct d4_registry *reg = open_registry();
	struct d4_registry_claim *c;
	char address[64];
	unsigned int i;
	uint64_t sum[2] = { 0, 0 };

	for (i = 0; i < 1500; i++) {
		(void)snprintf(address, sizeof(address), "2001:db8::%x", i);
		c = claim(reg, 9, 1, address);
		(void)d4_registry_note(reg, c, 1, 2, NOON);
		d4_registry_release(reg, c);
	}
	is(d4_registry_flush(reg, 0), 0, "notes from 1,500 addresses");
	ok(d4_registry_counts(reg, 20231115, uuid(9), on_count, sum) == 0 &&
	    sum[0] == 1500 && sum[1] == 3000, "none is lost");
	d4_registry_close(reg);
}

static void
test_flush(void)
{
	struct d4_registry *reg = open_registry();
	struct d4_registry_claim *c[10];
	unsigned int i;

	for (i = 0; i < 10; i++) {
		c[i] = claim(reg, 200 + i, 1, "192.0.2.1");
		(void)d4_registry_note(reg, c[i], 1, 1, NOON);
	}
	is(d4_registry_flush(reg, 4), 6, "four of ten are written");
	(void)d4_registry_note(reg, c[0], 1, 1, NOON);
	is(d4_registry_flush(reg, 4), 3, "then others");
	is(records(reg, 20231115, uuid(204)), 1, "not the first again");
	is(d4_registry_flush(reg, 0), 0, "then all");
	is(records(reg, 20231115, uuid(200)), 2, "nothing is lost");
	d4_registry_close(reg);
}

static int
on_monitored(void *cookie, const struct d4_registry_monitored *one)
{
	memcpy(cookie, one, sizeof(*one));
	return 0;
}

static void
test_monitor(void)
{
	struct d4_registry *reg = open_registry();
	struct d4_registry_monitored one = { .limit = 0 };

	ok(d4_registry_set(reg, uuid(5), D4_FIELD_MONITOR, "60", 2) == 0 &&
	    d4_registry_monitor(reg, NOON + 65, on_monitored, &one) == 0 &&
	    one.limit == 60 && one.last == NOON + 5 && !one.fails,
	    "60 seconds are not over 60");
	ok(d4_registry_monitor(reg, NOON + 66, on_monitored, &one) == 0 &&
	    one.fails, "61 are");
	ok(d4_registry_set(reg, uuid(5), D4_FIELD_MONITOR, NULL, 0) == 0 &&
	    d4_registry_set(reg, uuid(999), D4_FIELD_MONITOR, "60", 2) == 0 &&
	    d4_registry_monitor(reg, NOON, on_monitored, &one) == 0 &&
	    one.last == 0 && one.fails, "who never came is silent");
	(void)d4_registry_unregister(reg, uuid(999));
	d4_registry_close(reg);
}

static void
test_merge(void)
{
	struct d4_registry *reg = open_registry();
	struct d4_registry_seen seen = { .type = 1, .first = 50, .last = 60 };
	struct d4_registry_facts f = { .first = 50, .last = 60, .nseen = 1,
	    .seen = &seen, .naddresses = 1, .addresses = { { "192.0.2.9",
	    55 } }, .error_time = 57, .error = "old" }, got;
	struct d4_registry_count n = { .type = 1, .address = "192.0.2.9",
	    .records = 5, .bytes = 50 };

	memcpy(n.uuid, uuid(10), D4_UUID_LEN);
	is(d4_registry_merge_facts(reg, uuid(10), &f), 0, "facts come in");
	f.last = seen.last = 70;
	is(d4_registry_merge_facts(reg, uuid(10), &f), 0, "and later ones");
	is(d4_registry_merge_count(reg, 19700101, &n), 0, "counts");
	is(d4_registry_merge_count(reg, 19700102, &n), 0, "of another day");
	is(d4_registry_merge_count(reg, 19700101, &n), 0, "more of the first");
	is(d4_registry_merge_count(reg, 19701301, &n), -1, "of no day none");
	is(d4_registry_flush(reg, 0), 0, "written");
	ok(d4_registry_facts(reg, uuid(10), &got) == 0 && got.first == 50 &&
	    got.last == 70 && got.nseen == 1 && got.seen[0].last == 70 &&
	    got.naddresses == 1 && strcmp(got.error, "old") == 0,
	    "facts are put together");
	d4_registry_facts_free(&got);
	is(records(reg, 19700101, uuid(10)), 10, "counts are added");
	is(records(reg, 19700102, uuid(10)), 5, "for each day");
	d4_registry_close(reg);
}

/* -- bad files ------------------------------------------------------------- */

static void
test_spoilt(void)
{
	const char *facts = scratch_path("registry/facts/%s.0", hex(11));
	const char *counts = scratch_path("registry/days/20231115/%s.0",
	    hex(11));
	struct d4_registry *reg = open_registry();
	struct d4_registry_facts f;
	struct d4_registry_claim *c;
	uint64_t sum[2];

	(void)scratch_write(facts, "seen 1 2\ntype one 1 2\n", 22);
	(void)scratch_write(counts, "1 192.0.2.1 5", 13);
	ok(d4_registry_facts(reg, uuid(11), &f) == -1 &&
	    strstr(d4_registry_why(reg), "facts/") != NULL, "bad facts: %s",
	    d4_registry_why(reg));
	d4_registry_facts_free(&f);
	ok(d4_registry_counts(reg, 20231115, uuid(11), on_count, sum) == -1 &&
	    strstr(d4_registry_why(reg), "days/") != NULL, "bad counts: %s",
	    d4_registry_why(reg));
	c = claim(reg, 11, 1, "192.0.2.1");
	is(d4_registry_note(reg, c, 1, 1, NOON), -1, "a note says so: %s",
	    d4_registry_why(reg));
	is(d4_registry_note(reg, c, 1, 1, NOON), 0, "once");
	is(d4_registry_flush(reg, 0), 0, "they begin anew");
	is(records(reg, 20231115, uuid(11)), 2, "and count");
	ok(d4_registry_facts(reg, uuid(11), &f) == 0 && f.first == NOON,
	    "and know");
	d4_registry_facts_free(&f);
	is(scratch_mode(scratch_path("registry/facts/.bad-%s.0", hex(11))) !=
	    0, true, "the bad ones are set aside");
	(void)scratch_write(scratch_path("registry/claims/%s-1", hex(12)),
	    "garbage", 7);
	is(nlive(reg), -1, "a bad claim: %s", d4_registry_why(reg));
	d4_registry_release(reg, c);
	c = claim(reg, 12, 1, "192.0.2.1");
	ok(c != NULL && nlive(reg) == 1, "is nobody's");
	d4_registry_close(reg);
}

/* Nothing can be written, as on a full disk. */
static void
take_room(bool away)
{
	const char *const dirs[] = { "facts", "days" };
	size_t i;

	if (over_redis) {
		(void)raw("CONFIG SET maxmemory %d", away ? 1 : 0);
		return;
	}
	for (i = 0; i < 2; i++) {
		const char *here = scratch_path("registry/%s", dirs[i]);
		const char *gone = scratch_path("registry/%s.gone", dirs[i]);

		(void)rename(away ? here : gone, away ? gone : here);
	}
}

static void
test_no_room(void)
{
	struct d4_registry *reg = open_registry();
	struct d4_registry_claim *c = claim(reg, 13, 1, "192.0.2.1");

	(void)d4_registry_note(reg, c, 1, 1, NOON);
	take_room(true);
	is(d4_registry_flush(reg, 0), -1, "what can't be written: %s",
	    d4_registry_why(reg));
	is(d4_registry_flush(reg, 0), -1, "is tried again");
	(void)d4_registry_note(reg, c, 1, 1, NOON);
	is(d4_registry_note(reg, c, 1, 1, NOON + DAY), -1,
	    "over midnight, too");
	take_room(false);
	is(d4_registry_note(reg, c, 1, 1, NOON + DAY), 0, "with room again");
	is(d4_registry_flush(reg, 0), 0, "it is written");
	is(records(reg, 20231115, uuid(13)) + records(reg, 20231116,
	    uuid(13)), 4, "and nothing was lost");
	d4_registry_close(reg);
}

/* -- many at a time -------------------------------------------------------- */

static void
note_much(void)
{
	struct d4_registry *reg = open_registry();
	struct d4_registry_claim *c[3];
	unsigned int i;

	for (i = 0; i < 3; i++)
		c[i] = claim(reg, 80 + i, 2, "192.0.2.1");
	for (i = 0; i < 300; i++) {
		if (c[i % 3] == NULL || d4_registry_note(reg, c[i % 3], 1, 2,
		    NOON) == -1 || d4_registry_flush(reg, 2) == -1)
			_exit(1);
	}
	_exit(d4_registry_flush(reg, 0) == 0 ? 0 : 2);
}

static void
test_writers(void)
{
	struct d4_registry *reg = open_registry();
	struct d4_registry_facts f;
	pid_t pids[WORKERS];
	int i, status, wrong = 0;

	(void)fflush(stdout);
	for (i = 0; i < WORKERS; i++) {
		if ((pids[i] = fork()) == 0)
			note_much();
	}
	for (i = 0; i < WORKERS; i++) {
		(void)waitpid(pids[i], &status, 0);
		wrong += status != 0;
	}
	is(wrong, 0, "%d workers note the same sensors", WORKERS);
	is(records(reg, 20231115, uuid(80)), 100 * WORKERS,
	    "no count is lost");
	is(records(reg, 20231115, uuid(81)) + records(reg, 20231115,
	    uuid(82)), 200 * WORKERS, "of any");
	ok(d4_registry_facts(reg, uuid(80), &f) == 0 && f.first == NOON &&
	    f.nseen == 1 && f.naddresses == 1, "the facts are one's");
	d4_registry_facts_free(&f);
	d4_registry_close(reg);
}

/* Says after each flush how many it has flushed, until it is killed. */
static void
note_until_killed(int fd, unsigned int sensor)
{
	struct d4_registry *reg = open_registry();
	struct d4_registry_claim *c = claim(reg, sensor, 1, "192.0.2.1");
	uint64_t n;

	for (n = 1;; n++) {
		if (c == NULL || d4_registry_note(reg, c, 1, 1, NOON) == -1 ||
		    d4_registry_flush(reg, 1) == -1)
			_exit(1);
		if (write(fd, &n, sizeof(n)) != sizeof(n))
			_exit(2);
	}
}

static void
test_killed_writers(void)
{
	struct d4_registry *reg = open_registry();
	uint64_t all = 0, last, n, rounds = 20, sum;
	int fds[2], status, wrong = 0;
	unsigned int round;
	pid_t pid;

	(void)fflush(stdout);
	for (round = 0; round < rounds; round++) {
		if (pipe(fds) == -1)
			break;
		if ((pid = fork()) == 0)
			note_until_killed(fds[1], 90);
		(void)close(fds[1]);
		(void)usleep(5000 + 1000 * (useconds_t)round);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, &status, 0);
		wrong += !WIFSIGNALED(status);
		for (last = 0; read(fds[0], &n, sizeof(n)) == sizeof(n);)
			last = n;
		(void)close(fds[0]);
		all += last;
	}
	is(wrong, 0, "a worker is killed %d times", (int)rounds);
	sum = records(reg, 20231115, uuid(90));
	ok(all > rounds && sum >= all && sum <= all + rounds,
	    "what it had flushed is there: %llu, %llu",
	    (unsigned long long)all, (unsigned long long)sum);
	let_leases_end();
	is(nlive(reg), 0, "none is live");
	d4_registry_close(reg);
}

static void
test_speed(void)
{
	struct d4_registry *reg = open_registry();
	struct d4_registry_claim *c[100];
	struct timespec a, b;
	unsigned int i;
	int wrong = 0;

	for (i = 0; i < 100; i++)
		c[i] = claim(reg, 300 + i, 1, "192.0.2.1");
	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	for (i = 0; i < 1000000; i++)
		wrong += d4_registry_note(reg, c[i % 100], 1, 100, NOON) != 0;
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	is(wrong, 0, "a million notes");
	printf("# %.0f ns for a note\n",
	    ((double)(b.tv_sec - a.tv_sec) * 1e9 +
	    (double)(b.tv_nsec - a.tv_nsec)) / 1e6);
	is(d4_registry_flush(reg, 0), 0, "are written");
	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	printf("# %.0f us for a sensor written\n",
	    ((double)(a.tv_sec - b.tv_sec) * 1e9 +
	    (double)(a.tv_nsec - b.tv_nsec)) / 1e5);
	is(records(reg, 20231115, uuid(399)), 10000, "all of them");
	d4_registry_close(reg);
}

/* -- Redis alone ----------------------------------------------------------- */

/* A worker whose lease ended while it was stopped claims anew. */
static void
test_lease(void)
{
	struct d4_registry *a = open_registry(), *b = open_registry();
	struct d4_registry_live one = connection(20, 1, "192.0.2.1");
	struct d4_registry_live two = connection(21, 1, "192.0.2.1");
	struct d4_registry_live other = connection(20, 1, "192.0.2.2");
	struct d4_registry_claim *ca, *cb, *co;

	is(d4_registry_claim(a, &one, false, &one, &ca), 0, "a claim");
	is(d4_registry_claim(a, &two, false, &two, &cb), 0, "another");
	let_leases_end();
	is(nlive(b), 0, "silent for long, the worker has none");
	is(d4_registry_claim(b, &other, false, &other, &co), 0,
	    "one is taken over");
	(void)d4_registry_refresh(a);
	(void)d4_registry_refresh(a);
	ok(d4_registry_lost(a) == &one && d4_registry_lost(a) == NULL,
	    "back again, it learns of that one");
	is(nlive(b), 2, "and has the other as before");
	(void)d4_registry_refresh(b);
	(void)raw("FLUSHALL");
	(void)d4_registry_refresh(a);
	(void)d4_registry_refresh(b);
	is(nlive(b), 2, "an emptied server learns of both again");
	d4_registry_release(a, ca);
	d4_registry_release(a, cb);
	d4_registry_release(b, co);
	is(nlive(b), 0, "all are released");
	d4_registry_close(a);
	d4_registry_close(b);
}

/* d4-core reads its error, which goes with the next sign of life; one on what
 * came before with the next connection. */
static void
test_error(void)
{
	struct d4_registry *reg = open_registry();
	struct d4_registry_claim *c = claim(reg, 22, 1, "192.0.2.1");

	(void)d4_registry_note(reg, c, 1, 1, NOON);
	(void)d4_registry_note_error(reg, uuid(22), "bad", NOON);
	(void)d4_registry_flush(reg, 0);
	is(raw("HEXISTS metadata_uuid:%s Error", hex(22)), 0,
	    "an error that d4-core has no words for is not for it");
	(void)d4_registry_note_error(reg, uuid(22), "Error: bad", NOON);
	(void)d4_registry_flush(reg, 0);
	is(raw("HEXISTS metadata_uuid:%s Error", hex(22)), 1, "an error");
	(void)d4_registry_note(reg, c, 1, 1, NOON + 1);
	(void)d4_registry_flush(reg, 0);
	is(raw("HEXISTS metadata_uuid:%s Error", hex(22)), 0,
	    "the next record takes it away");
	(void)raw("EVAL return\tredis.call('HSET',KEYS[1],'Error',"
	    "'Error:'..string.char(32)..'Type=1') 1 metadata_uuid:%s",
	    hex(22));
	(void)d4_registry_note(reg, c, 1, 1, NOON + 2);
	(void)d4_registry_flush(reg, 0);
	is(raw("HEXISTS metadata_uuid:%s Error", hex(22)), 1,
	    "but not one of a worker");
	d4_registry_release(reg, c);
	c = claim(reg, 22, 1, "192.0.2.1");
	is(raw("HEXISTS metadata_uuid:%s Error", hex(22)), 0,
	    "which goes with the next connection");
	is(raw("EVAL return\ttonumber(redis.call('ZSCORE',KEYS[1],KEYS[2])) 2 "
	    "daily_uuid:20231115 %s", hex(22)), 3, "all were counted");
	d4_registry_release(reg, c);
	d4_registry_close(reg);
}

/* What both halves must do alike. */
static void
test_half(void)
{
	test_same_process();
	test_shared_types();
	test_other_process();
	test_told();
	test_competition();
	test_facts();
	test_days();
	test_many_addresses();
	test_flush();
	test_monitor();
	test_merge();
	if (!over_redis)
		test_spoilt();
	test_no_room();
	test_writers();
	test_killed_writers();
	test_speed();
}

int
main(void)
{
	if (scratch_make() == -1) {
		printf("Bail out! no scratch directory\n");
		return 1;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	test_half();
	if (begin_redis()) {
		printf("# the same over Redis\n");
		test_half();
		test_lease();
		test_error();
		redis_stop(SIGTERM);
	} else
		skip("redis-server is not installed");
	scratch_remove();
	return tap_done();
}
