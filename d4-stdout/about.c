/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "d4-stdout/about.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/queue.h"

#define ANSWER_MS	5000
#define TEXT_MAX	4096		/* bytes of a value shown */
#define PATH_LEN	4096
#define DEFINITIONS	0		/* database of them, in d4-core */

/* A text of others: what is not plain ASCII is shown as \ooo. */
static void
show(const uint8_t *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (text[i] == '\\')
			(void)fputs("\\\\", stdout);
		else if (text[i] >= ' ' && text[i] <= '~')
			(void)putchar(text[i]);
		else
			(void)printf("\\%03o", text[i]);
	}
	(void)putchar('\n');
}

static int
show_item(void *arg, const uint8_t *item, size_t len)
{
	(void)arg;
	show(item, len);
	return ferror(stdout) ? -1 : 0;
}

static void
show_value(const char *name, const void *text, size_t len)
{
	if (len == 0)
		return;
	(void)printf("%s: ", name);
	show(text, len);
}

/* A value of a definition.  Returns its length without its newline, 0 when
 * there is none, or -1 and has said why. */
static ssize_t
read_value(const char *dir, const char *name, char text[TEXT_MAX])
{
	char path[PATH_LEN];
	ssize_t n = -1;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) == -1 &&
	    errno == ENOENT)
		return 0;
	if (fd == -1 || (n = d4_io_read_full(fd, text, TEXT_MAX)) == -1)
		d4_log_warn("%s", path);
	if (fd != -1)
		(void)close(fd);
	return n > 0 && text[n - 1] == '\n' ? n - 1 : n;
}

/* The definition beside the items; d4-store(5).  Returns 0, or -1. */
static int
define_dir(const struct options *o)
{
	char dir[PATH_LEN - 16], limit[TEXT_MAX], text[TEXT_MAX];
	ssize_t limit_len, text_len;

	(void)snprintf(dir, sizeof(dir), "%s/queues/%s/%s", o->store, o->type,
	    o->uuid);
	if ((limit_len = read_value(dir, "max_size", limit)) == -1 ||
	    (text_len = read_value(dir, "description", text)) == -1)
		return -1;
	show_value("limit", limit_len > 0 ? limit : "default",
	    limit_len > 0 ? (size_t)limit_len : strlen("default"));
	show_value("description", text, (size_t)text_len);
	return 0;
}

/* The definition that d4-core's web interface made.  Returns 0, or -1. */
static int
define_redis(const struct options *o)
{
	char key[64], name[D4_REDIS_NAME];
	const char *argv[] = { "HMGET", key, "max_size", "description" };
	struct d4_redis_addr addr = o->redis;
	struct d4_redis_reply reply, limit, text;
	struct d4_redis *redis;
	int rc = -1;

	addr.db = DEFINITIONS;
	d4_redis_text(&addr, name);
	(void)snprintf(key, sizeof(key), "analyzer:%s", o->uuid);
	if ((redis = d4_redis_new(&addr, o->login.user,
	    o->login.password)) == NULL) {
		d4_log_warnx("memory: not enough");
		return -1;
	}
	if (d4_redis_connect(redis, ANSWER_MS) == -1 ||
	    d4_redis_call(redis, &reply, ANSWER_MS, 4, argv, NULL) == -1)
		d4_log_warnx("%s: %s", name, d4_redis_why(redis));
	else if (reply.kind != D4_REDIS_ARRAY || reply.n != 2)
		d4_log_warnx("%s: %s: no definition of a queue", name, key);
	else {
		d4_redis_element(&reply, 0, &limit);
		d4_redis_element(&reply, 1, &text);
		if (limit.kind == D4_REDIS_STRING)
			show_value("limit", limit.text, limit.len);
		else
			show_value("limit", "default", strlen("default"));
		if (text.kind == D4_REDIS_STRING)
			show_value("description", text.text, text.len);
		rc = 0;
	}
	d4_redis_free(redis);
	return rc;
}

static int
print(const struct options *o, struct d4_queue *q)
{
	int64_t n;

	if (o->list) {
		if ((n = d4_queue_length(q)) == -1) {
			d4_log_warnx("%s", d4_queue_fault(q));
			return -1;
		}
		(void)printf("length: %lld\n", (long long)n);
		if ((o->store != NULL ? define_dir(o) : define_redis(o)) == -1)
			return -1;
	}
	if (o->show > 0 &&
	    d4_queue_peek(q, (size_t)o->show, show_item, NULL) == -1) {
		d4_log_warnx("%s", d4_queue_fault(q));
		return -1;
	}
	return 0;
}

int
about_print(const struct options *o)
{
	struct d4_queue_where where = {
		.store = o->store, .redis = o->store == NULL ? &o->redis : NULL,
		.user = o->login.user, .password = o->login.password,
		.type = o->type, .uuid = o->uuid, .plain = true
	};
	char why[D4_QUEUE_FAULT];
	struct d4_queue *q = d4_queue_open(&where, why);
	int rc;

	if (q == NULL) {
		d4_log_warnx("%s", why);
		return 1;
	}
	rc = print(o, q);
	d4_queue_close(q);
	if (d4_log_flush(stdout) != 0)
		rc = -1;
	return rc == 0 ? 0 : 1;
}
