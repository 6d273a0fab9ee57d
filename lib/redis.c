/* SPDX-License-Identifier: ISC */
#include <sys/time.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "lib/redis.h"

#define WORDS_MAX	256
#define ARGS_MAX	16

struct d4_redis {
	char		*host, *password;
	uint16_t	 port;
	uint32_t	 db;
	int		 timeout_ms;
	redisContext	*context;
	redisReply	*reply;		/* lent last */
	char		 fault[WORDS_MAX];
};

struct d4_redis *
d4_redis_new(const struct d4_redis_where *w)
{
	struct d4_redis *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->port = w->port;
	r->db = w->db;
	r->timeout_ms = w->timeout_ms;
	r->host = strdup(w->host);
	if (w->password != NULL)
		r->password = strdup(w->password);
	if (r->host == NULL || (w->password != NULL && r->password == NULL)) {
		d4_redis_free(r);
		return NULL;
	}
	return r;
}

static void
forget(struct d4_redis *r)
{
	if (r->reply != NULL)
		freeReplyObject(r->reply);
	r->reply = NULL;
}

static void
disconnect(struct d4_redis *r)
{
	forget(r);
	if (r->context != NULL)
		redisFree(r->context);
	r->context = NULL;
}

void
d4_redis_free(struct d4_redis *r)
{
	if (r == NULL)
		return;
	disconnect(r);
	free(r->host);
	free(r->password);
	free(r);
}

static int
fail(struct d4_redis *r, const char *words, size_t len)
{
	if (len > WORDS_MAX / 2)
		len = WORDS_MAX / 2;
	if (strchr(r->host, '/') != NULL)
		(void)snprintf(r->fault, sizeof(r->fault), "%.100s: %.*s",
		    r->host, (int)len, words);
	else
		(void)snprintf(r->fault, sizeof(r->fault), "%.100s:%u: %.*s",
		    r->host, r->port, (int)len, words);
	return -1;
}

static int
fail_context(struct d4_redis *r)
{
	const char *words = r->context == NULL ? "out of memory" :
	    r->context->errstr;

	(void)fail(r, words, strlen(words));
	disconnect(r);
	return -1;
}

static struct timeval
interval(int ms)
{
	return (struct timeval){ .tv_sec = ms / 1000,
	    .tv_usec = ms % 1000 * 1000 };
}

int
d4_redis_connect(struct d4_redis *r)
{
	struct timeval limit = interval(r->timeout_ms);
	char db[16];

	disconnect(r);
	r->context = strchr(r->host, '/') != NULL ?
	    redisConnectUnixWithTimeout(r->host, limit) :
	    redisConnectWithTimeout(r->host, r->port, limit);
	if (r->context == NULL || r->context->err != 0)
		return fail_context(r);
	if (redisSetTimeout(r->context, limit) != REDIS_OK)
		return fail_context(r);
	(void)snprintf(db, sizeof(db), "%u", r->db);
	if ((r->password != NULL && d4_redis_text(r, NULL, "AUTH",
	    r->password, NULL) == -1) ||
	    (r->db != 0 && d4_redis_text(r, NULL, "SELECT", db,
	    NULL) == -1)) {
		disconnect(r);
		return -1;
	}
	return 0;
}

bool
d4_redis_connected(const struct d4_redis *r)
{
	return r->context != NULL;
}

const char *
d4_redis_fault(const struct d4_redis *r)
{
	return r->fault;
}

static void
translate(const redisReply *from, struct d4_redis_reply *to)
{
	static const enum d4_redis_kind kinds[] = {
		[REDIS_REPLY_STRING] = D4_REDIS_STRING,
		[REDIS_REPLY_ARRAY] = D4_REDIS_LIST,
		[REDIS_REPLY_INTEGER] = D4_REDIS_NUMBER,
		[REDIS_REPLY_NIL] = D4_REDIS_NIL,
		[REDIS_REPLY_STATUS] = D4_REDIS_STATUS,
		[REDIS_REPLY_ERROR] = D4_REDIS_ERROR
	};

	*to = (struct d4_redis_reply){ .kind = kinds[from->type],
	    .number = from->integer };
	if (from->type == REDIS_REPLY_ARRAY)
		to->n = from->elements;
	if (to->kind == D4_REDIS_STRING || to->kind == D4_REDIS_STATUS ||
	    to->kind == D4_REDIS_ERROR) {
		to->text = (const uint8_t *)from->str;
		to->len = (size_t)from->len;
	}
}

int
d4_redis_receive(struct d4_redis *r, struct d4_redis_reply *reply)
{
	struct d4_redis_reply local;
	void *got;

	forget(r);
	if (r->context == NULL)
		return -1;
	if (redisGetReply(r->context, &got) != REDIS_OK)
		return fail_context(r);
	r->reply = got;
	translate(r->reply, &local);
	if (reply != NULL)
		*reply = local;
	if (local.kind == D4_REDIS_ERROR)
		return fail(r, r->reply->str, (size_t)r->reply->len);
	return 0;
}

int
d4_redis_send(struct d4_redis *r, size_t n, const void *const *argv,
    const size_t *lens)
{
	const char *text[ARGS_MAX];
	size_t i;

	if (r->context == NULL || n > ARGS_MAX)
		return -1;
	for (i = 0; i < n; i++)
		text[i] = argv[i];
	if (redisAppendCommandArgv(r->context, (int)n, text, lens) != REDIS_OK)
		return fail_context(r);
	return 0;
}

int
d4_redis_command(struct d4_redis *r, struct d4_redis_reply *reply, size_t n,
    const void *const *argv, const size_t *lens)
{
	if (d4_redis_send(r, n, argv, lens) == -1)
		return -1;
	return d4_redis_receive(r, reply);
}

int
d4_redis_text(struct d4_redis *r, struct d4_redis_reply *reply, ...)
{
	const void *argv[ARGS_MAX];
	size_t lens[ARGS_MAX], n = 0;
	const char *text;
	va_list ap;

	va_start(ap, reply);
	while (n < ARGS_MAX && (text = va_arg(ap, const char *)) != NULL) {
		argv[n] = text;
		lens[n++] = strlen(text);
	}
	va_end(ap);
	return d4_redis_command(r, reply, n, argv, lens);
}

int
d4_redis_item(const struct d4_redis *r, size_t i, struct d4_redis_reply *item)
{
	if (r->reply == NULL || r->reply->type != REDIS_REPLY_ARRAY ||
	    i >= r->reply->elements)
		return -1;
	translate(r->reply->element[i], item);
	return 0;
}

int
d4_redis_timeout(struct d4_redis *r, int timeout_ms)
{
	if (r->context == NULL)
		return -1;
	return redisSetTimeout(r->context, interval(timeout_ms)) == REDIS_OK ?
	    0 : fail_context(r);
}
