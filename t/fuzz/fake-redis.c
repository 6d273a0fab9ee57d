/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/queue-backend.h"
#include "lib/redis.h"
#include "t/fuzz/fake-keys.h"
#include "t/fuzz/fake-redis.h"
#include "t/fuzz/faults.h"

#define LOST	255
#define SLOW	248
#define DEPTH	4
#define BEHIND	2000

const char *const fake_texts[24] = {
	"", "0", "1", "254", "x", "OK", "QUEUED", "1700000000",
	"0f3c2a9e5b714c8d9a647e2d1b0c9f35",
	"0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35",
	"ffeeddcc-bbaa-4988-9a66-554433221100", "192.0.2.1", "2001:db8::/32",
	"1:0f3c2a9e5b714c8d9a647e2d1b0c9f35", "20240229",
	"18446744073709551615", "-1", "1.5", "None",
	"metadata_uuid:0f3c2a9e5b714c8d9a647e2d1b0c9f35",
	"NOAUTH no", "first_seen", "last_seen", "description"
};

struct d4_redis {
	bool		 connected;
	bool		 queues;	/* commands up to EXEC */
	size_t		 outstanding;
	struct fake_reply last;		/* the reply that was handed out */
	struct fake_reply made;		/* those of commands that were done */
	size_t		 first;		/* that was not asked for of these */
	struct fake_reply all;		/* what EXEC is to say */
	uint64_t	 received;
};

static const uint8_t *at, *end;
static bool lost, keeps;
static int64_t now_ms, locked_ms;
static unsigned nopen, nbehind;

void
fake_redis_begin(const uint8_t *data, size_t len)
{
	at = data;
	end = data + len;
	lost = keeps = false;
	nbehind = 0;
	now_ms = 1000000;
	locked_ms = 0;
}

void
fake_redis_end(void)
{
	assert(nopen == 0);
	fake_keys_clear();
}

static uint8_t
next(void)
{
	return at < end ? *at++ : 0;
}

static void
make_text(struct fake_reply *r, enum d4_redis_kind kind, uint8_t more)
{
	size_t len;

	if (more < 24) {
		fake_reply_text(r, kind, fake_texts[more],
		    strlen(fake_texts[more]));
		return;
	}
	len = next();
	if (len > (size_t)(end - at))
		len = (size_t)(end - at);
	fake_reply_text(r, kind, at, len);
	at += len;
}

static void
make_reply(struct fake_reply *r, unsigned depth)
{
	static const enum d4_redis_kind kinds[] = { D4_REDIS_NIL,
	    D4_REDIS_STATUS, D4_REDIS_ERROR, D4_REDIS_INTEGER,
	    D4_REDIS_STRING, D4_REDIS_STRING, D4_REDIS_ARRAY,
	    D4_REDIS_ARRAY };
	uint8_t byte = next(), more = byte >> 3;
	unsigned long long number = more;
	size_t i;

	switch (kinds[byte & 7]) {
	case D4_REDIS_NIL:
		fake_reply_nil(r);
		break;
	case D4_REDIS_INTEGER:
		for (i = 0; more == 31 && i < 8; i++)
			number = number << 8 | next();
		fake_reply_number(r, (long long)number);
		break;
	case D4_REDIS_ARRAY:
		fake_reply_array(r, depth == DEPTH ? 0 : more);
		for (i = 0; i < r->reply.n; i++)
			make_reply(&r->elements[i], depth + 1);
		break;
	default:
		make_text(r, kinds[byte & 7], more);
		break;
	}
}

static void
forget(struct d4_redis *r)
{
	fake_reply_free(&r->last);
}

/* -- a server that keeps what it is told ----------------------------------- */

/* Replies to a command of the input, if it is one. */
static bool
do_input(void)
{
	const char *words[32];
	struct fake_reply command, reply;
	size_t i, len[32];
	bool is;

	make_reply(&command, 0);
	if ((is = command.reply.kind == D4_REDIS_ARRAY)) {
		for (i = 0; i < command.reply.n; i++) {
			words[i] = command.elements[i].reply.text;
			len[i] = command.elements[i].reply.len;
		}
		if (i > 0 && fake_keys_do(&reply, (int)i, words, len))
			fake_reply_free(&reply);
	}
	fake_reply_free(&command);
	return is;
}

void
fake_redis_keeps(void)
{
	keeps = true;
	while (at < end && do_input())
		continue;
}

/* The one script that it knows: the end of a lock. */
static bool
do_unlock(struct fake_reply *reply, int argc, const char *const argv[])
{
	const char *words[] = { "DEL", argc > 3 ? argv[3] : "" };

	return strcmp(argv[0], "EVAL") == 0 &&
	    strstr(argv[1], "'DEL', KEYS[1]") != NULL &&
	    fake_keys_do(reply, 2, words, NULL);
}

/* A lock is all that expires. */
static void
expire(int argc, const char *const argv[])
{
	const char *words[] = { "DEL", argv[1] };
	struct fake_reply none;

	if (argc != 6 || strcmp(argv[3], "NX") != 0 || now_ms < locked_ms)
		return;
	(void)fake_keys_do(&none, 2, words, NULL);
	locked_ms = now_ms + strtol(argv[5], NULL, 10);
}

/* What it says to another is the input's. */
static void
do_command(struct d4_redis *r, int argc, const char *const argv[],
    const size_t len[])
{
	struct fake_reply *reply;

	if (strcmp(argv[0], "EXEC") == 0) {
		*fake_reply_more(&r->made) = r->all;
		fake_reply_nil(&r->all);
		r->queues = false;
		return;
	}
	if (strcmp(argv[0], "MULTI") == 0) {
		reply = fake_reply_more(&r->made);
		r->queues = true;
		fake_reply_free(&r->all);
		fake_reply_array(&r->all, 0);
		fake_reply_text(reply, D4_REDIS_STATUS, "OK", 2);
		return;
	}
	expire(argc, argv);
	reply = fake_reply_more(r->queues ? &r->all : &r->made);
	if (!do_unlock(reply, argc, argv) &&
	    !fake_keys_do(reply, argc, argv, len))
		make_reply(reply, 1);
	if (r->queues)
		fake_reply_text(fake_reply_more(&r->made), D4_REDIS_STATUS,
		    "QUEUED", 6);
}

/* Nothing is under way any more. */
static void
forget_made(struct d4_redis *r)
{
	for (; r->first < r->made.reply.n; r->first++)
		fake_reply_free(&r->made.elements[r->first]);
	r->made.reply.n = r->first = 0;
	fake_reply_free(&r->all);
	r->queues = false;
	r->outstanding = 0;
}

/* How the input has a reply be another (faults.h): 0, or -1 for none. */
static int
spoil(struct fake_reply *reply)
{
	int how = faults_next(FAULT_ANSWER);

	if (how == 0)
		return 0;
	fake_reply_free(reply);
	lost = lost || how == EIO;
	switch (how) {
	case EIO:
	case EAGAIN:
		return -1;
	case ENOENT:
		break;
	case EMFILE:
		fake_reply_number(reply, 0);
		break;
	case EEXIST:
		fake_reply_number(reply, 1);
		break;
	case EACCES:
		fake_reply_text(reply, D4_REDIS_STRING, fake_texts[8],
		    strlen(fake_texts[8]));
		break;
	case FAULT_SHORT:
		fake_reply_array(reply, 0);
		break;
	case EINTR:
	case FAULT_NONE:
		fake_reply_array(reply, 1);
		fake_reply_text(reply->elements, how == EINTR ?
		    D4_REDIS_STRING : D4_REDIS_ERROR, "what", 4);
		break;
	default:
		fake_reply_text(reply, D4_REDIS_ERROR, "ERR it is a fake", 16);
		break;
	}
	return 0;
}

/* -- the room's functions -------------------------------------------------- */

int
d4_redis_parse(struct d4_redis_addr *addr, const char *text, const char **why)
{
	memset(addr, 0, sizeof(*addr));
	*why = "is not one";
	return strstr(text, "none") != NULL ? -1 : 0;
}

void
d4_redis_text(const struct d4_redis_addr *addr, char text[D4_REDIS_NAME])
{
	(void)addr;
	(void)strcpy(text, "redis");
}

struct d4_redis *
d4_redis_new(const struct d4_redis_addr *addr, const char *user,
    const char *password)
{
	struct d4_redis *r;

	(void)addr;
	(void)user;
	(void)password;
	if ((r = calloc(1, sizeof(*r))) != NULL)
		nopen++;
	return r;
}

void
d4_redis_free(struct d4_redis *r)
{
	if (r == NULL)
		return;
	forget(r);
	forget_made(r);
	free(r->made.elements);
	free(r);
	nopen--;
}

int
d4_redis_connect(struct d4_redis *r, int timeout_ms)
{
	bool fails = lost || faults_next(FAULT_OPEN) != 0;

	now_ms += fails ? timeout_ms : 1;
	forget(r);
	forget_made(r);
	r->connected = !fails;
	return fails ? -1 : 0;
}

void
d4_redis_drop(struct d4_redis *r)
{
	forget(r);
	forget_made(r);
	r->connected = false;
}

int
d4_redis_send(struct d4_redis *r, int argc, const char *const argv[],
    const size_t len[])
{
	int i;

	assert(argc > 0);
	for (i = 0; i < argc; i++)
		assert(argv[i] != NULL && (len != NULL ||
		    strlen(argv[i]) < 100000));
	if (!r->connected || faults_next(FAULT_LIBRARY) != 0)
		return -1;
	if (keeps)
		do_command(r, argc, argv, len);
	r->outstanding++;
	return 0;
}

/* The next reply, as the input has it or as the command was answered. */
static int
next_reply(struct d4_redis *r)
{
	if (keeps) {
		assert(r->first < r->made.reply.n);
		r->last = r->made.elements[r->first++];
		return 0;
	}
	if (at < end ? *at == LOST : nbehind++ == BEHIND) {
		lost = true;
		return -1;
	}
	make_reply(&r->last, 0);
	return 0;
}

static int
answer(struct d4_redis *r, struct d4_redis_reply *reply)
{
	forget(r);
	now_ms += 20;
	if (!r->connected || next_reply(r) == -1 || spoil(&r->last) == -1) {
		d4_redis_drop(r);
		return -1;
	}
	r->outstanding--;
	*reply = r->last.reply;
	return 1;
}

int
d4_redis_next(struct d4_redis *r, struct d4_redis_reply *reply)
{
	if (!r->connected)
		return -1;
	if (r->outstanding == 0)
		return 0;
	/* Some take their time. */
	if (keeps && nbehind++ % 3 != 0)
		return 0;
	if (!keeps && at < end && *at == SLOW) {
		at++;
		return 0;
	}
	return answer(r, reply);
}

int
d4_redis_wait(struct d4_redis *r, struct d4_redis_reply *reply,
    int timeout_ms)
{
	(void)timeout_ms;
	if (r->outstanding == 0) {
		d4_redis_drop(r);
		return -1;
	}
	return answer(r, reply) == 1 ? 0 : -1;
}

int
d4_redis_call(struct d4_redis *r, struct d4_redis_reply *reply,
    int timeout_ms, int argc, const char *const argv[], const size_t len[])
{
	assert(r->outstanding == 0);
	if (d4_redis_send(r, argc, argv, len) == -1)
		return -1;
	return d4_redis_wait(r, reply, timeout_ms);
}

void
d4_redis_element(const struct d4_redis_reply *array, size_t i,
    struct d4_redis_reply *reply)
{
	const struct fake_reply *elements = array->inside;

	memset(reply, 0, sizeof(*reply));
	reply->text = "";
	if (array->kind == D4_REDIS_ARRAY && i < array->n)
		*reply = elements[i].reply;
}

void
d4_redis_poll(const struct d4_redis *r, struct pollfd *pfd)
{
	(void)r;
	pfd->fd = -1;
	pfd->events = POLLIN;
}

bool
d4_redis_ready(const struct d4_redis *r)
{
	return r->connected;
}

uint64_t
d4_redis_received(const struct d4_redis *r)
{
	return r->received;
}

const char *
d4_redis_why(const struct d4_redis *r)
{
	(void)r;
	return "the server is a fake";
}

/* -- time ------------------------------------------------------------------ */

int64_t
d4_clock_ms(void)
{
	return now_ms;
}

/* Whoever sleeps takes no time of ours. */
int
nanosleep(const struct timespec *t, struct timespec *left)
{
	(void)left;
	now_ms += (int64_t)t->tv_sec * 1000 + t->tv_nsec / 1000000 + 1;
	return 0;
}

int
queue_left_ms(int64_t until)
{
	return until == -1 ? -1 : until < now_ms ? 0 : (int)(until - now_ms);
}

bool
queue_wait(int fd, short events, int timeout_ms)
{
	(void)fd;
	(void)events;
	now_ms += timeout_ms < 0 ? 1000 : timeout_ms;
	return now_ms % 7 != 0;
}
