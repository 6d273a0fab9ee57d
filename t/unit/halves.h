/* SPDX-License-Identifier: ISC */
#ifndef T_UNIT_HALVES_H
#define T_UNIT_HALVES_H

/* The two halves of the registry, a directory and Redis, for tests that run
 * over both. */

#include <stdarg.h>
#include <string.h>

#include "lib/redis.h"
#include "lib/registry.h"
#include "lib/uuid.h"
#include "t/unit/redis-server.h"
#include "t/unit/scratch.h"
#include "t/unit/tap.h"

static bool over_redis;
static char redis_where[256];

/* A uuid of version 4 with a number in it, and how it is written; both are good
 * for the next three calls. */
__attribute__((unused))
static const uint8_t *
uuid(unsigned int n)
{
	static uint8_t bytes[4][D4_UUID_LEN];
	static unsigned int next;
	uint8_t *b = bytes[next++ % 4];

	memset(b, 0, D4_UUID_LEN);
	b[0] = (uint8_t)n;
	b[1] = (uint8_t)(n >> 8);
	b[6] = 0x40;
	b[8] = 0x80;
	return b;
}

__attribute__((unused))
static const char *
hex(unsigned int n)
{
	static char text[4][D4_UUID_HEX];
	static unsigned int next;
	char *t = text[next++ % 4];

	d4_uuid_hex(t, uuid(n));
	return t;
}

/* Runs a command of words without blanks, as it is; its number, or whether
 * there was anything. */
__attribute__((format(printf, 1, 2), unused))
static long long
raw(const char *fmt, ...)
{
	char text[512], *words[16], *rest = NULL;
	const char *argv[16], *why;
	struct d4_redis_addr addr;
	struct d4_redis_reply reply = { .number = -1 };
	struct d4_redis *r;
	int n = 0;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (words[n] = strtok_r(text, " ", &rest); n < 15 && words[n] != NULL;
	    words[n] = strtok_r(NULL, " ", &rest)) {
		argv[n] = words[n];
		n++;
	}
	if (d4_redis_parse(&addr, redis_where, &why) == -1 ||
	    (r = d4_redis_new(&addr, NULL, NULL)) == NULL)
		return -1;
	if (d4_redis_connect(r, REDIS_MS) == -1 ||
	    d4_redis_send(r, n, argv, NULL) == -1 ||
	    d4_redis_wait(r, &reply, REDIS_MS) == -1 ||
	    reply.kind == D4_REDIS_ERROR)
		diag("redis: %s", reply.kind == D4_REDIS_ERROR ?
		    reply.text : d4_redis_why(r));
	else if (reply.kind != D4_REDIS_INTEGER)
		reply.number = reply.kind != D4_REDIS_NIL;
	d4_redis_free(r);
	return reply.number;
}

/* The registry of the half that is being tested. */
__attribute__((unused))
static struct d4_registry *
open_half(const char *queues, char why[256])
{
	char spec[300];

	(void)snprintf(spec, sizeof(spec), "redis:%s", redis_where +
	    strlen("unix:"));
	return over_redis ? d4_registry_open(spec, NULL, true, why) :
	    d4_registry_open(scratch_path("registry"), queues, true, why);
}

/* Starts a server of the test's own; false when none is installed. */
__attribute__((unused))
static bool
begin_redis(void)
{
	if (!redis_installed())
		return false;
	redis_start(scratch, "", redis_where);
	/* What survives a crash is another test's. */
	(void)raw("CONFIG SET appendonly no");
	over_redis = true;
	return true;
}

/* A worker that died has to be silent for a while before Redis knows. */
__attribute__((unused))
static void
let_leases_end(void)
{
	if (over_redis)
		(void)sleep(4);
}

#endif
