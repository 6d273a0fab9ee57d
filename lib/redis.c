/* SPDX-License-Identifier: ISC */
#include <sys/socket.h>
#include <sys/uio.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "lib/clock.h"
#include "lib/redis.h"

#define READ_BYTES	16384	/* that hiredis reads at most at once */
#define UNIX_BYTES	(1 << 20)	/* on their way through a unix socket */
#define SILENT_MS	20000	/* without a sign of the server */

struct d4_redis {
	struct d4_redis_addr	 addr;
	const char		*user;
	const char		*password;
	redisContext		*context;	/* NULL when not connected */
	redisReply		*reply;		/* the last one handed out */
	bool			 connected;	/* connect(2) has succeeded */
	bool			 unsent;	/* commands wait to be sent */
	bool			 refused;	/* the kernel took not all */
	int			 nsetup;	/* replies to AUTH and SELECT */
	uint64_t		 received;
	char			 why[256];
};

int
d4_redis_parse(struct d4_redis_addr *a, const char *text, const char **why)
{
	char where[D4_NET_NAME];
	const char *slash = strrchr(text, '/');
	unsigned long db;
	char *end;
	int len;

	*why = "is not HOST:PORT/DB or /path/to/socket/DB";
	if (slash == NULL || slash[1] < '0' || slash[1] > '9')
		return -1;
	db = strtoul(slash + 1, &end, 10);
	if (*end != '\0' || db > INT_MAX)
		return -1;
	/* A host may be called so: redis:6379/0. */
	if (strncmp(text, "redis:", 6) == 0 && (text[6] == '/' ||
	    memchr(text + 6, ':', (size_t)(slash - text - 6)) != NULL))
		text += 6;
	if (strncmp(text, "unix:", 5) == 0)
		text += 5;
	len = snprintf(where, sizeof(where), "%s%.*s",
	    text[0] == '/' ? "unix:" : "tcp:", (int)(slash - text), text);
	if (len < 0 || (size_t)len >= sizeof(where)) {
		*why = "is too long";
		return -1;
	}
	a->db = (unsigned)db;
	return d4_net_parse(&a->net, where, false, why);
}

void
d4_redis_text(const struct d4_redis_addr *a, char text[D4_REDIS_NAME])
{
	char where[D4_NET_NAME];

	d4_net_text(&a->net, where);
	(void)snprintf(text, D4_REDIS_NAME, "%s/%u", where, a->db);
}

static const char *
some(const char *text)
{
	return text != NULL && *text != '\0' ? text : NULL;
}

struct d4_redis *
d4_redis_new(const struct d4_redis_addr *addr, const char *user,
    const char *password)
{
	struct d4_redis *r;

	if ((r = calloc(1, sizeof(*r))) == NULL)
		return NULL;
	r->addr = *addr;
	r->user = some(user);
	r->password = some(password);
	return r;
}

void
d4_redis_free(struct d4_redis *r)
{
	if (r == NULL)
		return;
	d4_redis_drop(r);
	free(r);
}

void
d4_redis_drop(struct d4_redis *r)
{
	if (r->reply != NULL)
		freeReplyObject(r->reply);
	r->reply = NULL;
	if (r->context != NULL)
		redisFree(r->context);
	r->context = NULL;
	r->connected = r->unsent = r->refused = false;
	r->nsetup = 0;
}

/* Always -1, with the words given or those of hiredis. */
static int
fail(struct d4_redis *r, const char *what, const char *why)
{
	if (why == NULL)
		why = r->context != NULL && r->context->err != 0 ?
		    r->context->errstr : strerror(ENOMEM);
	(void)snprintf(r->why, sizeof(r->why), "%s%s%s", what,
	    what[0] == '\0' ? "" : ": ", why);
	d4_redis_drop(r);
	return -1;
}

/* Logs in and chooses the database. */
static int
set_up(struct d4_redis *r)
{
	char db[16];
	const char *login[] = { "AUTH", r->user, r->password };
	const char *choose[] = { "SELECT", db };

	if (r->user == NULL)
		login[1] = r->password;
	if (r->password != NULL) {
		if (d4_redis_send(r, r->user == NULL ? 2 : 3, login,
		    NULL) == -1)
			return -1;
		r->nsetup++;
	}
	(void)snprintf(db, sizeof(db), "%u", r->addr.db);
	if (d4_redis_send(r, 2, choose, NULL) == -1)
		return -1;
	r->nsetup++;
	return 0;
}

int
d4_redis_begin(struct d4_redis *r)
{
	d4_redis_drop(r);
	r->context = r->addr.net.kind == D4_NET_UNIX ?
	    redisConnectUnixNonBlock(r->addr.net.path) :
	    redisConnectNonBlock(r->addr.net.host, r->addr.net.port);
	if (r->context == NULL || r->context->err != 0)
		return fail(r, "", NULL);
	(void)fcntl(r->context->fd, F_SETFD, FD_CLOEXEC);
	return set_up(r) == 0 ? 0 : fail(r, "", NULL);
}

int
d4_redis_send(struct d4_redis *r, int argc, const char *const argv[],
    const size_t len[])
{
	/* hiredis forgot a const; it changes nothing there. */
	union { const char *const *in; const char **out; } words;

	words.in = argv;
	if (r->context == NULL || redisAppendCommandArgv(r->context, argc,
	    words.out, len) != REDIS_OK)
		return -1;
	r->unsent = true;
	return 0;
}

/* Whether the descriptor is ready for the events now. */
static bool
is_ready(const struct d4_redis *r, short events)
{
	struct pollfd pfd = { .fd = r->context->fd, .events = events };

	return poll(&pfd, 1, 0) == 1;
}

/* A server whose machine is gone sends nothing, not even that. */
static void
notice_death(struct d4_redis *r)
{
#ifdef TCP_USER_TIMEOUT
	unsigned int ms = SILENT_MS;

	(void)setsockopt(r->context->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms,
	    sizeof(ms));
#endif
	(void)redisEnableKeepAlive(r->context);
}

/* A unix socket holds little by itself, so that the server would often wait for
 * us; TCP grows by itself. */
static void
widen(struct d4_redis *r)
{
	int len = UNIX_BYTES;

	(void)setsockopt(r->context->fd, SOL_SOCKET, SO_SNDBUF, &len,
	    sizeof(len));
}

/* Returns 1 when connected, 0 when not yet, -1 when that failed. */
static int
finish_connect(struct d4_redis *r)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (r->connected)
		return 1;
	if (!is_ready(r, POLLOUT))
		return 0;
	if (getsockopt(r->context->fd, SOL_SOCKET, SO_ERROR, &err, &len) == -1)
		err = errno;
	if (err != 0)
		return fail(r, "", strerror(err));
	if (r->addr.net.kind != D4_NET_UNIX)
		notice_death(r);
	else
		widen(r);
	r->connected = true;
	return 1;
}

/* Writes what it can. */
static int
flush_commands(struct d4_redis *r)
{
	int done = 0;

	if (!r->unsent)
		return 0;
	if (redisBufferWrite(r->context, &done) != REDIS_OK)
		return fail(r, "", NULL);
	r->unsent = !done;
	return 0;
}

ssize_t
d4_redis_write(struct d4_redis *r, const struct iovec *iov, int n)
{
	size_t len = 0;
	ssize_t taken;
	int i;

	if (!d4_redis_ready(r))
		return r->context == NULL ? -1 : 0;
	if (flush_commands(r) == -1)
		return -1;
	if (r->unsent)
		return 0;
	for (i = 0; i < n; i++)
		len += iov[i].iov_len;
	while ((taken = writev(r->context->fd, iov, n)) == -1 &&
	    errno == EINTR)
		continue;
	if (taken == -1 && errno != EAGAIN && errno != EWOULDBLOCK)
		return fail(r, "", strerror(errno));
	r->refused = taken != (ssize_t)len;
	return taken == -1 ? 0 : taken;
}

/* The next whole reply, read from the server as far as needed. */
static int
read_reply(struct d4_redis *r)
{
	redisReader *reader = r->context->reader;
	void *reply = NULL;
	size_t before;
	bool drained = false;

	if (r->reply != NULL)
		freeReplyObject(r->reply);
	r->reply = NULL;
	for (;;) {
		if (redisGetReplyFromReader(r->context, &reply) != REDIS_OK)
			return fail(r, "", NULL);
		if (reply != NULL)
			break;
		if (drained)
			return 0;
		before = reader->len;
		if (redisBufferRead(r->context) != REDIS_OK)
			return fail(r, "", NULL);
		if (reader->len == before)
			return 0;
		r->received += reader->len - before;
		drained = reader->len - before < READ_BYTES;
	}
	r->reply = reply;
	return 1;
}

static void
show(struct d4_redis_reply *to, const redisReply *from)
{
	memset(to, 0, sizeof(*to));
	to->text = "";
	to->inside = from;
	switch (from->type) {
	case REDIS_REPLY_STRING:
	case REDIS_REPLY_STATUS:
	case REDIS_REPLY_ERROR:
		to->kind = from->type == REDIS_REPLY_STRING ?
		    D4_REDIS_STRING : from->type == REDIS_REPLY_STATUS ?
		    D4_REDIS_STATUS : D4_REDIS_ERROR;
		to->text = from->str;
		to->len = (size_t)from->len;
		break;
	case REDIS_REPLY_INTEGER:
		to->kind = D4_REDIS_INTEGER;
		to->number = from->integer;
		break;
	case REDIS_REPLY_ARRAY:
		to->kind = D4_REDIS_ARRAY;
		to->n = from->elements;
		break;
	default:
		to->kind = D4_REDIS_NIL;
	}
}

int
d4_redis_next(struct d4_redis *r, struct d4_redis_reply *reply)
{
	int rc;

	if (r->context == NULL)
		return -1;
	if ((rc = finish_connect(r)) != 1)
		return rc;
	if (flush_commands(r) == -1)
		return -1;
	while ((rc = read_reply(r)) == 1) {
		show(reply, r->reply);
		if (r->nsetup == 0)
			return 1;
		if (reply->kind == D4_REDIS_ERROR) {
			char words[200];

			(void)snprintf(words, sizeof(words), "%s",
			    reply->text);
			return fail(r, "login", words);
		}
		r->nsetup--;
	}
	return rc;
}

/* Waits for a reply, or with NULL until it is ready for commands. */
static int
wait_for(struct d4_redis *r, struct d4_redis_reply *reply, int timeout_ms)
{
	long long end = d4_clock_ms() + timeout_ms, left;
	struct d4_redis_reply none;
	struct pollfd pfd;
	int rc;

	for (;;) {
		rc = d4_redis_next(r, reply != NULL ? reply : &none);
		if (rc == -1)
			return -1;
		if (rc == 1 || (reply == NULL && d4_redis_ready(r)))
			return 0;
		if ((left = end - d4_clock_ms()) <= 0)
			return fail(r, "", "no answer in time");
		d4_redis_poll(r, &pfd);
		if (poll(&pfd, 1, (int)left) == -1 && errno != EINTR)
			return fail(r, "", strerror(errno));
	}
}

int
d4_redis_connect(struct d4_redis *r, int timeout_ms)
{
	return d4_redis_begin(r) == -1 ? -1 : wait_for(r, NULL, timeout_ms);
}

int
d4_redis_wait(struct d4_redis *r, struct d4_redis_reply *reply,
    int timeout_ms)
{
	return wait_for(r, reply, timeout_ms);
}

int
d4_redis_call(struct d4_redis *r, struct d4_redis_reply *reply, int timeout_ms,
    int argc, const char *const argv[], const size_t len[])
{
	if (d4_redis_send(r, argc, argv, len) == -1)
		return fail(r, "", r->context == NULL ? "not connected" :
		    NULL);
	return wait_for(r, reply, timeout_ms);
}

void
d4_redis_element(const struct d4_redis_reply *array, size_t i,
    struct d4_redis_reply *element)
{
	const redisReply *inside = array->inside;

	if (i < array->n) {
		show(element, inside->element[i]);
	} else {
		memset(element, 0, sizeof(*element));
		element->text = "";
	}
}

void
d4_redis_poll(const struct d4_redis *r, struct pollfd *pfd)
{
	pfd->fd = r->context == NULL ? -1 : r->context->fd;
	/* Replies are taken when there is room again: each by itself would
	 * wake us for nothing. */
	pfd->events = !r->connected || r->refused ? POLLOUT :
	    r->unsent ? POLLIN | POLLOUT : POLLIN;
	pfd->revents = 0;
}

bool
d4_redis_ready(const struct d4_redis *r)
{
	return r->connected && r->nsetup == 0;
}

uint64_t
d4_redis_received(const struct d4_redis *r)
{
	return r->received;
}

const char *
d4_redis_why(const struct d4_redis *r)
{
	return r->why;
}
