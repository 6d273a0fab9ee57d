/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/queue-backend.h"
#include "lib/redis.h"
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
	"1:0f3c2a9e5b714c8d9a647e2d1b0c9f35", "20240229", "18446744073709551615",
	"-1", "1.5", "None", "metadata_uuid:0f3c2a9e5b714c8d9a647e2d1b0c9f35",
	"NOAUTH no", "first_seen", "last_seen", "description"
};

/* A reply, which owns its text and elements. */
struct node {
	struct d4_redis_reply	 reply;
	char			*text;
	struct node		*elements;
};

struct d4_redis {
	bool		 connected;
	size_t		 outstanding;
	struct node	*last;		/* the reply that was handed out */
	uint64_t	 received;
};

static const uint8_t *at, *end;
static bool lost;
static int64_t now_ms;
static unsigned nopen, nbehind;

void
fake_redis_begin(const uint8_t *data, size_t len)
{
	at = data;
	end = data + len;
	lost = false;
	nbehind = 0;
	now_ms = 1000000;
}

void
fake_redis_end(void)
{
	assert(nopen == 0);
}

static uint8_t
next(void)
{
	return at < end ? *at++ : 0;
}

static void
make_text(struct node *n, uint8_t more)
{
	const void *bytes = at;
	size_t len;

	if (more < 24) {
		bytes = fake_texts[more];
		len = strlen(fake_texts[more]);
	} else {
		len = next();
		bytes = at;
		if (len > (size_t)(end - at))
			len = (size_t)(end - at);
		at += len;
	}
	n->text = malloc(len + 1);
	assert(n->text != NULL);
	if (len > 0)
		memcpy(n->text, bytes, len);
	n->text[len] = '\0';
	n->reply.text = n->text;
	n->reply.len = len;
}

static void
make_node(struct node *n, unsigned depth)
{
	static const enum d4_redis_kind kinds[] = { D4_REDIS_NIL,
	    D4_REDIS_STATUS, D4_REDIS_ERROR, D4_REDIS_INTEGER,
	    D4_REDIS_STRING, D4_REDIS_STRING, D4_REDIS_ARRAY,
	    D4_REDIS_ARRAY };
	uint8_t byte = next(), more = byte >> 3;
	size_t i;

	memset(n, 0, sizeof(*n));
	n->reply.kind = kinds[byte & 7];
	n->reply.text = "";
	switch (n->reply.kind) {
	case D4_REDIS_NIL:
		break;
	case D4_REDIS_INTEGER:
		n->reply.number = more;
		for (i = 0; more == 31 && i < 8; i++)
			n->reply.number = (long long)
			    ((unsigned long long)n->reply.number << 8 |
			    next());
		break;
	case D4_REDIS_ARRAY:
		n->reply.n = depth == DEPTH ? 0 : more;
		n->elements = calloc(n->reply.n + 1, sizeof(*n->elements));
		assert(n->elements != NULL);
		for (i = 0; i < n->reply.n; i++)
			make_node(&n->elements[i], depth + 1);
		n->reply.inside = n->elements;
		break;
	default:
		make_text(n, more);
		break;
	}
}

static void
free_node(struct node *n)
{
	size_t i;

	for (i = 0; i < n->reply.n; i++)
		free_node(&n->elements[i]);
	free(n->elements);
	free(n->text);
}

static void
forget(struct d4_redis *r)
{
	if (r->last != NULL)
		free_node(r->last);
	free(r->last);
	r->last = NULL;
}

/* -- the room's functions --------------------------------------------------- */

int
d4_redis_parse(struct d4_redis_addr *addr, const char *text, const char **why)
{
	(void)text;
	(void)why;
	memset(addr, 0, sizeof(*addr));
	return 0;
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
	free(r);
	nopen--;
}

int
d4_redis_connect(struct d4_redis *r, int timeout_ms)
{
	now_ms += lost ? timeout_ms : 1;
	forget(r);
	r->outstanding = 0;
	r->connected = !lost;
	return lost ? -1 : 0;
}

void
d4_redis_drop(struct d4_redis *r)
{
	forget(r);
	r->outstanding = 0;
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
	if (!r->connected)
		return -1;
	r->outstanding++;
	return 0;
}

static int
answer(struct d4_redis *r, struct d4_redis_reply *reply)
{
	bool were;

	forget(r);
	now_ms += 20;
	if (!r->connected || (at < end ? *at == LOST : nbehind++ == BEHIND)) {
		lost = true;
		d4_redis_drop(r);
		return -1;
	}
	r->outstanding--;
	were = faults_pause();
	r->last = malloc(sizeof(*r->last));
	assert(r->last != NULL);
	make_node(r->last, 0);
	faults_resume(were);
	*reply = r->last->reply;
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
	if (at < end && *at == SLOW) {
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
	const struct node *elements = array->inside;

	memset(reply, 0, sizeof(*reply));
	reply->text = "";
	if (i < array->n)
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

/* -- time ------------------------------------------------------------------- */

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
