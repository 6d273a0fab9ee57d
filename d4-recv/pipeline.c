/* SPDX-License-Identifier: ISC */
#include <sys/epoll.h>
#include <sys/uio.h>

#include <stdio.h>
#include <stdlib.h>

#include "d4-recv/pipeline.h"
#include "lib/clock.h"
#include "lib/log.h"

#define PIECES		64	/* commands handed to the kernel at once */
#define BACKOFF_MS	250
#define BACKOFF_MAX_MS	4000
#define CONNECT_MS	3000
#define SILENT_MS	3000	/* asked, and without an answer: it is away */

struct pipeline {
	struct pipeline_settings s;
	struct d4_redis		*redis;
	char			 name[D4_REDIS_NAME];
	struct pipeline_cmds	 queue;		/* not answered */
	struct pipeline_cmd	*unsent;	/* the first of them, or NULL */
	size_t			 part;		/* bytes of it that are sent */
	bool			 ready;
	bool			 connecting;
	bool			 probing;	/* whether it takes writes */
	int64_t			 connecting_ms;
	int64_t			 retry_ms;
	int64_t			 backoff_ms;
	uint64_t		 received;	/* bytes, when we last heard */
	int64_t			 heard_ms;	/* of it, or had nothing to ask */
	bool			 silent;	/* that is why it is away */
	int			 fd;		/* that epoll watches, or -1 */
	uint32_t		 events;
	struct pipeline_figures	 figures;
};

/* -- the queue ------------------------------------------------------------- */

void
pipeline_put(struct pipeline *p, struct pipeline_cmd *cmd)
{
	TAILQ_INSERT_TAIL(&p->queue, cmd, entry);
	if (p->unsent == NULL)
		p->unsent = cmd;
	p->figures.waiting += cmd->len;
	p->figures.nwaiting++;
}

struct pipeline_cmd *
pipeline_first(struct pipeline *p)
{
	return TAILQ_FIRST(&p->queue);
}

void
pipeline_withdraw(struct pipeline *p, struct pipeline_cmd *cmd)
{
	if (p->unsent == cmd)
		p->unsent = TAILQ_NEXT(cmd, entry);
	TAILQ_REMOVE(&p->queue, cmd, entry);
	p->figures.waiting -= cmd->len;
	p->figures.nwaiting--;
}

static void
take_answer(struct pipeline *p, const struct d4_redis_reply *reply)
{
	struct pipeline_cmd *cmd;
	bool goes_on;

	do {
		cmd = TAILQ_FIRST(&p->queue);
		goes_on = cmd->goes_on;
		TAILQ_REMOVE(&p->queue, cmd, entry);
		p->figures.waiting -= cmd->len;
		p->figures.nwaiting--;
		p->s.answer(p->s.cookie, cmd, reply);
	} while (goes_on);
}

/* -- well or not ----------------------------------------------------------- */

static void
say_away(struct pipeline *p, const char *why)
{
	p->figures.nlosses++;
	if (!p->figures.away)
		d4_log_warnx("%s: %s: %s wait", p->name, why, p->s.what);
	p->figures.away = true;
}

void
pipeline_refuse(struct pipeline *p, const char *why)
{
	say_away(p, why);
	p->silent = false;
	/* Many are refused at once. */
	if (pipeline_pauses(p))
		return;
	p->backoff_ms = p->backoff_ms == 0 ? BACKOFF_MS : 2 * p->backoff_ms;
	if (p->backoff_ms > BACKOFF_MAX_MS)
		p->backoff_ms = BACKOFF_MAX_MS;
	p->retry_ms = d4_clock_ms() + p->backoff_ms;
}

bool
pipeline_pauses(const struct pipeline *p)
{
	return p->retry_ms != 0 && d4_clock_ms() < p->retry_ms;
}

void
pipeline_is_well(struct pipeline *p)
{
	p->backoff_ms = p->retry_ms = 0;
	if (!p->figures.away)
		return;
	d4_log_warnx("%s: %s go on", p->name, p->s.what);
	p->figures.away = false;
	if (p->s.well != NULL)
		p->s.well(p->s.cookie);
}

bool
pipeline_is_ready(const struct pipeline *p)
{
	return p->ready;
}

/* -- the connection -------------------------------------------------------- */

static void
lose(struct pipeline *p, const char *why)
{
	pipeline_refuse(p, why);
	d4_redis_drop(p->redis);
	p->ready = p->connecting = p->probing = false;
	p->fd = -1;
	p->unsent = TAILQ_FIRST(&p->queue);
	p->part = 0;
}

static void
connect_again(struct pipeline *p)
{
	int64_t now = d4_clock_ms();

	if (p->connecting || now < p->retry_ms)
		return;
	if (d4_redis_begin(p->redis) == -1) {
		lose(p, d4_redis_why(p->redis));
		return;
	}
	p->fd = -1;
	p->connecting = true;
	p->connecting_ms = now;
}

/* One that loads its data or takes no writes gets nothing of ours: what it
 * refused in the midst could not be told from what it has. */
static void
probe(struct pipeline *p)
{
	int n = 0;

	if (p->ready || p->probing || !d4_redis_ready(p->redis))
		return;
	while (p->s.probe[n] != NULL)
		n++;
	p->probing = d4_redis_send(p->redis, n, p->s.probe, NULL) == 0;
}

static int
take_probe(struct pipeline *p, const struct d4_redis_reply *reply)
{
	p->probing = false;
	if (reply->kind == D4_REDIS_ERROR) {
		lose(p, reply->text);
		return -1;
	}
	p->ready = true;
	p->connecting = false;
	p->figures.nconnects++;
	p->s.ready(p->s.cookie);
	return 0;
}

/* So many bytes more were taken. */
static void
advance(struct pipeline *p, size_t n)
{
	while (n > 0 && n >= p->unsent->len - p->part) {
		n -= p->unsent->len - p->part;
		p->part = 0;
		p->unsent = TAILQ_NEXT(p->unsent, entry);
	}
	p->part += n;
}

/* Hands out commands until there are no more, or the kernel takes no more. */
static int
send_some(struct pipeline *p)
{
	union { const char *in; void *out; } at;
	struct iovec iov[PIECES];
	struct pipeline_cmd *cmd;
	size_t skip, len;
	ssize_t taken;
	int n;

	while (p->unsent != NULL) {
		skip = p->part;
		len = 0;
		for (n = 0, cmd = p->unsent; n < PIECES && cmd != NULL; n++) {
			/* writev(2) forgot a const. */
			at.in = cmd->bytes + skip;
			iov[n].iov_base = at.out;
			iov[n].iov_len = cmd->len - skip;
			len += iov[n].iov_len;
			skip = 0;
			cmd = TAILQ_NEXT(cmd, entry);
		}
		if ((taken = d4_redis_write(p->redis, iov, n)) == -1)
			return -1;
		advance(p, (size_t)taken);
		if ((size_t)taken < len)
			break;
	}
	return 0;
}

/* Takes all answers there are, and hands out commands. */
static void
exchange(struct pipeline *p)
{
	struct d4_redis_reply reply;
	int rc;

	while ((rc = d4_redis_next(p->redis, &reply)) == 1) {
		if (!p->probing && TAILQ_EMPTY(&p->queue)) {
			lose(p, "an answer to nothing");
			return;
		}
		if (!p->probing)
			take_answer(p, &reply);
		else if (take_probe(p, &reply) == -1)
			return;
	}
	if (rc == 0)
		probe(p);
	if (rc == -1 || (p->ready && send_some(p) == -1))
		lose(p, d4_redis_why(p->redis));
}

/* One that stands still keeps its connection. */
static void
mind_silence(struct pipeline *p)
{
	uint64_t received = d4_redis_received(p->redis);
	int64_t now = d4_clock_ms();

	if (received != p->received || TAILQ_EMPTY(&p->queue)) {
		p->received = received;
		p->heard_ms = now;
		if (p->silent)
			pipeline_is_well(p);
		p->silent = false;
	} else if (!p->figures.away && now - p->heard_ms > SILENT_MS) {
		p->silent = true;
		say_away(p, "no answer in time");
	}
}

static void
watch(struct pipeline *p)
{
	struct epoll_event event = { .data.ptr = p->s.tag };
	struct pollfd pfd;

	d4_redis_poll(p->redis, &pfd);
	if (pfd.fd == -1)
		return;
	event.events = ((pfd.events & POLLIN) != 0 ? EPOLLIN : 0u) |
	    ((pfd.events & POLLOUT) != 0 ? EPOLLOUT : 0u);
	if (p->fd == pfd.fd && p->events == event.events)
		return;
	if (epoll_ctl(p->s.epoll, p->fd == pfd.fd ? EPOLL_CTL_MOD :
	    EPOLL_CTL_ADD, pfd.fd, &event) == -1)
		d4_log_warn("epoll");
	p->fd = pfd.fd;
	p->events = event.events;
}

void
pipeline_run(struct pipeline *p)
{
	if (!p->ready)
		connect_again(p);
	if (!p->ready && !p->connecting)
		return;
	exchange(p);
	if (p->connecting && d4_clock_ms() - p->connecting_ms > CONNECT_MS)
		lose(p, "no answer in time");
	if (p->ready)
		mind_silence(p);
	watch(p);
}

void
pipeline_poll(const struct pipeline *p, struct pollfd *pfd)
{
	d4_redis_poll(p->redis, pfd);
}

/* -- the rest -------------------------------------------------------------- */

const struct pipeline_figures *
pipeline_figures(const struct pipeline *p)
{
	return &p->figures;
}

const char *
pipeline_name(const struct pipeline *p)
{
	return p->name;
}

struct pipeline *
pipeline_new(const struct pipeline_settings *settings, char why[256])
{
	struct d4_redis_addr addr;
	struct pipeline *p;
	const char *words;

	if (d4_redis_parse(&addr, settings->where, &words) == -1) {
		(void)snprintf(why, 256, "%.150s: %s", settings->where,
		    words);
		return NULL;
	}
	(void)snprintf(why, 256, "not enough memory");
	if ((p = calloc(1, sizeof(*p))) == NULL)
		return NULL;
	p->s = *settings;
	p->fd = -1;
	TAILQ_INIT(&p->queue);
	d4_redis_text(&addr, p->name);
	p->redis = d4_redis_new(&addr, settings->user, settings->password);
	if (p->redis != NULL)
		return p;
	pipeline_free(p);
	return NULL;
}

void
pipeline_free(struct pipeline *p)
{
	struct pipeline_cmd *cmd;

	if (p == NULL)
		return;
	while ((cmd = TAILQ_FIRST(&p->queue)) != NULL) {
		TAILQ_REMOVE(&p->queue, cmd, entry);
		free(cmd);
	}
	d4_redis_free(p->redis);
	free(p);
}
