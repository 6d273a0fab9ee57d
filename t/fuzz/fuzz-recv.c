/* SPDX-License-Identifier: ISC */

/*
 * Whole sessions of d4-recv: what up to three sensors send at a time, through
 * socket pairs, to the connections, sessions, borders, handlers and store that
 * d4-recv has; clock, disk and registry are faked (fake-recv.h), and so are
 * other stores, where the choice wants some (fake-share.h).
 *
 * The first byte says what the collector is like, and the choice that may be
 * behind all what else, with faults (faults.h).  In between are steps, a byte
 * each with its arguments, see step(): records, sealed as a sensor would or
 * wrongly, other bytes, ends of connections, time that goes by, a disk that is
 * full.  A sensor whose first record is empty may go on with its stream later.
 *
 * The steps are taken twice, the bytes between two others all at once and in
 * slices.  What is kept must be the same, unless something was full meanwhile;
 * without a record that is sealed nothing is.
 */

#include <sys/epoll.h>
#include <sys/socket.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/admit.h"
#include "d4-recv/conn.h"
#include "t/fuzz/fake-recv.h"
#include "t/fuzz/fake-share.h"
#include "t/fuzz/faults.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define SENSORS		3u
#define START		1709251198	/* 2024-02-29 23:59:58 UTC */
#define DEFAULT_KEY	"a key for these tests"

/* Of the first byte. */
#define REGISTERED	1
#define ROTATES		2
#define BY_SIZE		4
#define COMPRESSES	8
#define FEW_FILES	16
#define STREAMS_ALONE	32
#define STREAMS		64
#define TLS		128

/* Of the choice. */
#define SYNCS_ALWAYS	1
#define SYNCS_SECOND	2	/* not with the one before */
#define MAX_AGE		4
#define MONOTONIC	8
#define BINDS_UUID	16
#define LEAVES		32	/* ends while there is no room */
#define SHARES		64	/* tails, with other stores */
#define NO_ROTATION	128	/* unless by size */

/* A sensor: our end of its connection, and what it has not sent yet. */
struct sensor {
	int	 fd;		/* -1: not connected */
	uint8_t	*bytes;
	size_t	 len;
};

struct world {
	struct conn_context	*ctx;
	struct settings		 settings;
	struct store_settings	 store_settings;
	struct sensor		 sensors[SENSORS];
	unsigned		 last;		/* who sends */
	bool			 sliced;
	bool			 was_full;	/* at some time */
	bool			 left_some;	/* files as after a crash */
	bool			 shares;
	uint64_t		 nsealed;	/* records and their payloads */
	uint64_t		 nbytes;
	const uint8_t		*at, *end;	/* steps that are left */
};

/* What remains of a run. */
struct result {
	uint8_t	*out;
	size_t	 len;
	unsigned nfiles, nitems;
	uint64_t nrecords, nbytes, refused[REFUSED_REASONS];
	bool	 was_full;
};

static struct d4_mac *mac;
static struct d4_mac_key *keys[3];	/* the default, its own, a wrong one */

/* -- the collector --------------------------------------------------------- */

static enum store_sync
sync_of(unsigned choice)
{
	return (choice & SYNCS_ALWAYS) != 0 ? STORE_SYNC_ALWAYS :
	    (choice & SYNCS_SECOND) != 0 ? STORE_SYNC_SECOND :
	    STORE_SYNC_NEVER;
}

static void
begin_settings(struct settings *s, uint8_t how, unsigned choice)
{
	static const uint8_t types[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 254 };
	static const char *const names[] = { "filewatcher",
	    "filewatcherjson", "ja3-jl", "maltrail", "x" };
	size_t i;

	memset(s, 0, sizeof(*s));
	for (i = 0; i < sizeof(types); i++)
		s->rules.types[types[i]] = true;
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert(rules_add_metatype(&s->rules, names[i]) == 0);
	s->registered_only = (how & REGISTERED) != 0;
	s->sync = sync_of(choice);
	s->max_age = (choice & MAX_AGE) != 0 ? 8 : 0;
	s->monotonic = (choice & MONOTONIC) != 0;
	s->bind_uuid = (choice & BINDS_UUID) != 0;
	s->quiet = 5;
	s->max_connections = 100;
	s->max_per_address = 2;
	s->max_unauthenticated = 2;
}

static int
begin_store(struct world *w, uint8_t how, unsigned choice)
{
	struct store_settings set = {
		.finish = fake_finish(),
		.rotate = (how & ROTATES) != 0 ? 2 :
		    (choice & NO_ROTATION) != 0 ? 0 : 300,
		.rotate_size = (how & BY_SIZE) != 0 ? 100 : 0,
		.compress = (how & COMPRESSES) != 0 ? D4_GZ_GZIP : D4_GZ_PLAIN,
		.max_files = (how & FEW_FILES) != 0 ? 2 : 0,
		.sync = sync_of(choice),
		.items = fake_items()
	};

	if ((how & STREAMS_ALONE) != 0)
		return 0;
	w->store_settings = set;
	if ((w->ctx->store = store_new(&set)) == NULL)
		return -1;
	w->shares = (choice & SHARES) != 0;
	if (w->shares)
		store_share(w->ctx->store, fake_share_begin());
	return 0;
}

/* -1 when something failed. */
static int
begin(struct world *w, uint8_t how, bool sliced)
{
	static struct conn_context ctx;
	/* The fakes ask nothing of them. */
	union {
		struct conn_context	*ctx;
		struct stream		*streams;
		struct d4_tls_context	*tls;
	} some = { .ctx = &ctx };
	unsigned choice = faults_choice();
	size_t i;
	int rc;

	memset(&ctx, 0, sizeof(ctx));
	memset(w, 0, sizeof(*w));
	fake_begin();
	w->ctx = &ctx;
	w->sliced = sliced;
	for (i = 0; i < SENSORS; i++)
		w->sensors[i].fd = -1;
	begin_settings(&w->settings, how, choice);
	ctx.settings = &w->settings;
	ctx.mac = mac;
	ctx.peers = peers_new();
	ctx.epoll = epoll_create1(EPOLL_CLOEXEC);
	assert(ctx.peers != NULL && ctx.epoll != -1);
	ctx.max_connections = 3;
	ctx.now_ms = 1000000;
	ctx.now = START;
	TAILQ_INIT(&ctx.strangers);
	if ((how & (STREAMS_ALONE | STREAMS)) != 0)
		ctx.streams = some.streams;
	if ((how & TLS) != 0)
		ctx.tls = some.tls;
	faults_on();
	ctx.default_key = conn_key_new(mac, DEFAULT_KEY,
	    strlen(DEFAULT_KEY));
	rc = ctx.default_key != NULL && begin_store(w, how, choice) == 0 &&
	    admit_rules(&ctx) == 0 ? 0 : -1;
	faults_off();
	assert(rc == 0 || faults_any());
	return rc;
}

/* Turns of the loop until nothing is ready. */
static void
turn(struct world *w)
{
	struct epoll_event events[8];
	bool again = false;
	int i, n;

	faults_on();
	for (;;) {
		n = epoll_wait(w->ctx->epoll, events, 8, 0);
		assert(n >= 0);
		if (n == 0 && !again)
			break;
		if (again)
			conn_reread(w->ctx);
		for (i = 0; i < n; i++)
			conn_ready(w->ctx, events[i].data.ptr);
		again = conn_turn(w->ctx);
	}
	faults_off();
}

/* Goes on with what has ended until all is stored; a thread may have it. */
static void
finish_store(struct store *store, time_t now)
{
	struct pollfd pfd = { .fd = store_fd(store), .events = POLLIN };
	int i;

	for (i = 0; i < 100 && store_tick(store, now); i++) {
		if (pfd.fd != -1)
			(void)poll(&pfd, 1, 10);
		fake_share_run();
		(void)store_run(store);
	}
}

static void
tick_store(struct world *w)
{
	(void)store_tick(w->ctx->store, w->ctx->now);
	(void)store_run(w->ctx->store);
	if (w->ctx->now % 2 == 0)
		(void)store_sync(w->ctx->store, w->ctx->now);
	if (w->ctx->now % 5 == 0)
		store_reload(w->ctx->store, &w->store_settings);
	w->left_some = store_left_some(w->ctx->store) || w->left_some;
}

static void
tick(struct world *w, unsigned seconds, bool judge)
{
	for (; seconds > 0; seconds--) {
		w->ctx->now_ms += 1000;
		w->ctx->now++;
		faults_on();
		fake_share_run();
		if (judge)
			(void)admit_rules(w->ctx);
		conn_tick(w->ctx, judge);
		(void)conn_turn(w->ctx);
		if (w->ctx->store != NULL)
			tick_store(w);
		if (w->ctx->streams != NULL)
			conn_wake(w->ctx);
		(void)conn_turn(w->ctx);
		conn_retry(w->ctx);
		(void)conn_turn(w->ctx);
		faults_off();
		turn(w);
	}
}

static void
end(struct world *w, struct result *r)
{
	struct conn_context *ctx = w->ctx;
	bool leaves;
	size_t i;

	/* There is room again for what waits, and nothing fails. */
	leaves = (faults_choice() & LEAVES) != 0;
	if (!leaves) {
		fake.disk_full = fake.busy = fake.items_full = false;
		memset(&fake_share, 0, sizeof(fake_share));
	}
	fake.disk_broken = false;
	fake.stream_full = false;
	/* A thread is done when it is, and a server answers when it does. */
	r->was_full = w->was_full || faults_any() || w->shares ||
	    w->settings.sync == STORE_SYNC_SECOND;
	faults_forget();
	(void)conn_drain(ctx);
	(void)conn_turn(ctx);
	tick(w, 2, false);
	(void)conn_end_all(ctx);
	assert(ctx->nconns == 0 && ctx->nstrangers == 0);
	assert(ctx->first == NULL && ctx->last == NULL);
	if (ctx->store != NULL) {
		finish_store(ctx->store, ctx->now);
		w->left_some = store_left_some(ctx->store) || w->left_some;
		r->nbytes = store_figures(ctx->store)->nbytes;
		assert(store_figures(ctx->store)->nstreams == 0 || leaves);
		assert(store_figures(ctx->store)->nfiles == 0 || leaves);
		assert(r->nbytes <= w->nbytes);
	}
	store_free(ctx->store);
	fake_share_end();
	assert(ctx->nrecords <= w->nsealed);
	assert(fake.nrecords == ctx->nrecords);
	if (w->nsealed == 0)
		assert(fake.len == 0 && fake.nnotes == 0);
	r->nrecords = ctx->nrecords;
	memcpy(r->refused, ctx->refusals.counts, sizeof(r->refused));
	r->out = fake.out;
	r->len = fake.len;
	r->nfiles = fake.nfiles;
	r->nitems = fake.nitems;
	fake.out = NULL;
	if (w->left_some || leaves)
		fake.nopen = 0;
	fake_end();
	for (i = 0; i < SENSORS; i++) {
		if (w->sensors[i].fd != -1)
			(void)close(w->sensors[i].fd);
		free(w->sensors[i].bytes);
	}
	conn_key_drop(ctx->default_key);
	peers_free(ctx->peers);
	rules_free(&ctx->rules);
	rules_free(&w->settings.rules);
	(void)close(ctx->epoll);
}

/* -- the sensors ----------------------------------------------------------- */

static void
connect_sensor(struct world *w, struct sensor *s, const char *peer)
{
	int fds[2];

	assert(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	assert(fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0);
	assert(fcntl(fds[1], F_SETFL, O_NONBLOCK) == 0);
	s->fd = fds[0];
	/* Which waits in read(2), and never has TLS. */
	if (strcmp(peer, "stdin") == 0 && w->ctx->tls == NULL)
		assert(fcntl(fds[1], F_SETFL, 0) == 0);
	faults_on();
	conn_new(w->ctx, fds[1], peer);
	(void)conn_turn(w->ctx);
	faults_off();
	/* A handshake, unless it is the input that has it. */
	if (w->ctx->tls != NULL && strcmp(peer, "unix") != 0)
		(void)send(s->fd, "wh", 2, MSG_NOSIGNAL);
}

/* Sends what has gathered; slices grow, or a megabyte of them took half a
 * minute.  A collector that doesn't read has it in its socket meanwhile, where
 * there is room for all that one run sends. */
static void
send_all(struct world *w, struct sensor *s)
{
	size_t done = 0, n;
	ssize_t sent;

	while (s->fd != -1 && done < s->len) {
		n = w->sliced ? 1u + s->bytes[done] % 97 + done / 64 : s->len;
		if (n > s->len - done)
			n = s->len - done;
		if ((sent = send(s->fd, s->bytes + done, n,
		    MSG_NOSIGNAL)) == -1) {
			/* It was refused, or was not read for long. */
			w->was_full = w->was_full || errno == EAGAIN;
			break;
		}
		done += (size_t)sent;
		turn(w);
	}
	free(s->bytes);
	s->bytes = NULL;
	s->len = 0;
}

static void
flush(struct world *w)
{
	send_all(w, &w->sensors[w->last]);
}

/* Adds to what a sensor is about to send. */
static void
gather(struct world *w, unsigned i, const void *bytes, size_t len)
{
	struct sensor *s = &w->sensors[i];

	if (w->last != i)
		flush(w);
	w->last = i;
	if (s->fd == -1)
		connect_sensor(w, s, "192.0.2.1");
	s->bytes = realloc(s->bytes, s->len + len + 1);
	assert(s->bytes != NULL);
	if (len > 0)
		memcpy(s->bytes + s->len, bytes, len);
	s->len += len;
}

static uint8_t
next(struct world *w)
{
	return w->at < w->end ? *w->at++ : 0;
}

/* A length and as many bytes: 0 to 223, or more in two bytes. */
static const uint8_t *
next_bytes(struct world *w, size_t *len)
{
	const uint8_t *bytes;
	size_t n = next(w);

	if (n >= 224)
		n = (n - 224) << 8 | next(w);
	if (n > (size_t)(w->end - w->at))
		n = (size_t)(w->end - w->at);
	bytes = w->at;
	w->at += n;
	*len = n;
	return bytes;
}

/*
 * A record: a byte for who it says it is and how it is sealed, one for its type
 * and the payload; for a step of 192 and more that is a sixteenth of it, of 224
 * and more a hundredth.
 *
 *	bits 0 to 2	enum fake_sensor, 7: no uuid of version 4
 *	bits 3 to 4	0, 1 rightly, 2 with a wrong key, 3 with a bit turned
 *	bit 5		its size says a byte more
 *	bit 6		its size says more than may be
 *	bit 7		another version, which is nobody's business, and another
 *			time, which may be
 */
static void
send_record(struct world *w, unsigned i, unsigned times)
{
	struct d4_header h = { .version = 1, .timestamp = START };
	uint8_t how = next(w), type = next(w), *record;
	struct d4_mac_job job;
	const uint8_t *payload;
	size_t len, part, at;

	payload = next_bytes(w, &part);
	len = part * times;
	if ((how & 128) != 0) {
		h.version = 9;
		h.timestamp = len % 3 == 0 ? START - 5 : START + 3;
	}
	h.type = type == 255 ? D4_TYPE_EXTENDED : type;
	h.uuid[1] = how & 7;
	h.uuid[6] = (how & 7) == 7 ? 0x10 : 0x40;
	h.uuid[8] = 0x80;
	h.size = (uint32_t)len;
	if ((how & 32) != 0)
		h.size++;
	if ((how & 64) != 0)
		h.size += D4_PAYLOAD_MAX;
	record = malloc(D4_HEADER_LEN + len);
	assert(record != NULL);
	d4_header_encode(record, &h);
	for (at = 0; at < len; at += part)
		memcpy(record + D4_HEADER_LEN + at, payload, part);
	job.record = record;
	job.len = D4_HEADER_LEN + len;
	job.key = (how >> 3 & 3) == 2 ? keys[2] :
	    keys[(how & 7) == FAKE_OWN_KEY];
	assert(d4_mac_seal(mac, &job, 1) == 0);
	if ((how >> 3 & 3) == 3)
		record[len % job.len] ^= (uint8_t)(1u << (type & 7));
	else if ((how >> 3 & 3) < 2 && (how & 96) == 0) {
		w->nsealed++;
		w->nbytes += len;
	}
	gather(w, i, record, job.len);
	free(record);
}

static void
end_sensor(struct world *w, struct sensor *s, bool answered)
{
	uint8_t byte;

	if (s->fd == -1)
		return;
	if (answered) {
		(void)shutdown(s->fd, SHUT_WR);
		turn(w);
		/* Nothing is ever sent back. */
		assert(recv(s->fd, &byte, 1, 0) <= 0);
		/* One that is slow stays. */
		if (fake.tls_slow)
			return;
	}
	fake.cuts_off = !answered;
	(void)close(s->fd);
	s->fd = -1;
	turn(w);
	fake.cuts_off = false;
}

/* What other stores do. */
static void
turn_shared(unsigned which)
{
	bool *const switches[] = { &fake_share.elsewhere, &fake_share.first,
	    &fake_share.taken, &fake_share.wanted, &fake_share.lost,
	    &fake_share.away, &fake_share.mute, &fake_share.forgets };
	size_t i = which % (sizeof(switches) / sizeof(*switches));

	*switches[i] = !*switches[i];
}

/* The same switches are turned on and off. */
static void
turn_switch(struct world *w, uint8_t which)
{
	bool *const switches[] = { &fake.disk_full, &fake.busy,
	    &fake.items_full, &fake.stream_full, &fake.stream_over,
	    &fake.kicked, &fake.address_blocked, &fake.disk_broken,
	    &fake.tls_slow, &fake.tls_broken, &fake.broken,
	    &fake.elsewhere, &fake.blames, &fake.other_key,
	    &fake.has_types };
	size_t i = which % (sizeof(switches) / sizeof(*switches) + 1);

	if (w->shares && which >= 16) {
		turn_shared(which);
		return;
	}
	/* Or somebody sets the clock. */
	if (i == sizeof(switches) / sizeof(*switches)) {
		w->ctx->now -= 100;
		return;
	}
	*switches[i] = !*switches[i];
	w->was_full = w->was_full || i < 5 || (i >= 7 && i <= 10);
	fake.heard = which < 16 ? 0 : START - 10;
	fake.answers = which >= 16;
	if (i == 3 && !fake.stream_full) {
		conn_wake(w->ctx);
		turn(w);
	}
}

static void
step(struct world *w)
{
	static const unsigned seconds[] = { 1, 3, 6, 31 };
	uint8_t what = next(w);
	unsigned i = what / 8 % SENSORS;
	const uint8_t *bytes;
	size_t len;

	switch (what % 8) {
	case 0:
	case 1:
	case 2:
		send_record(w, i, what < 192 ? 1 : what < 224 ? 16 : 100);
		break;
	case 3:
		bytes = next_bytes(w, &len);
		gather(w, i, bytes, len);
		break;
	case 4:
		flush(w);
		end_sensor(w, &w->sensors[i], what < 128);
		break;
	case 5:
		flush(w);
		tick(w, seconds[what / 8 % 4], what >= 128);
		break;
	case 6:
		flush(w);
		turn_switch(w, what / 8);
		break;
	default:
		flush(w);
		end_sensor(w, &w->sensors[i], false);
		connect_sensor(w, &w->sensors[i], what < 64 ? "broken" :
		    what < 128 ? "unix" : what < 216 ? "2001:db8::1" :
		    "stdin");
		break;
	}
}

static void
run(struct result *r, const uint8_t *data, size_t len, bool sliced)
{
	struct world w;

	memset(r, 0, sizeof(*r));
	faults_rewind();
	if (begin(&w, data[0], sliced) == 0) {
		w.at = data + 1;
		w.end = data + len;
		while (w.at < w.end)
			step(&w);
		flush(&w);
	}
	end(&w, r);
}

static void
once(const uint8_t *data, size_t len)
{
	struct result whole, sliced;

	if (len < 2)
		return;
	if (mac == NULL) {
		mac = d4_mac_new();
		assert(mac != NULL);
		keys[0] = d4_mac_key_new(mac, DEFAULT_KEY,
		    strlen(DEFAULT_KEY));
		keys[1] = d4_mac_key_new(mac, FAKE_KEY, strlen(FAKE_KEY));
		keys[2] = d4_mac_key_new(mac, "wrong", 5);
	}
	run(&whole, data, len, false);
	run(&sliced, data, len, true);
	if (!whole.was_full && !sliced.was_full) {
		assert(whole.nrecords == sliced.nrecords);
		assert(whole.nbytes == sliced.nbytes);
		assert(whole.nfiles == sliced.nfiles);
		assert(whole.nitems == sliced.nitems);
		assert(memcmp(whole.refused, sliced.refused,
		    sizeof(whole.refused)) == 0);
		assert(whole.len == sliced.len);
		assert(whole.len == 0 || memcmp(whole.out, sliced.out,
		    whole.len) == 0);
	}
	free(whole.out);
	free(sliced.out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	faults_run(data, len, once);
	return 0;
}
