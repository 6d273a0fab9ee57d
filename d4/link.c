/* SPDX-License-Identifier: ISC */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4/link.h"
#include "lib/clock.h"
#include "lib/io.h"

#define CONNECT_MS	30000
#define HANDSHAKE_MS	15000
#define DRAIN_READS	64	/* before something else is looked at */
#define SNDBUF		(1 << 20)	/* what a lost link may hold of ours */

/* What a thread works on; freed by whichever of the two sides ends last. */
struct dial {
	struct link_settings	 settings;
	pthread_mutex_t		 lock;
	bool			 abandoned;	/* by the link */
	bool			 done;		/* by the thread */
	int			 wake[2];	/* readable when done */
	int			 fd;		/* what came of it, or -1 */
	struct d4_tls		*tls;
	char			 why[256];
};

struct link {
	struct link_settings	 settings;
	enum link_state		 state;
	struct dial		*dial;
	int			 fd;
	struct d4_tls		*tls;
	short			 tls_waits;	/* of a write that must go on */
	long long		 deadline_ms;	/* of CLOSING */
	long			 unacked;	/* when it was lost */
	char			 why[256];
};

struct link *
link_new(const struct link_settings *settings)
{
	struct link *l;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		return NULL;
	l->settings = *settings;
	l->fd = settings->fd;
	l->state = l->fd == -1 ? LINK_DOWN : LINK_UP;
	return l;
}

static void
dial_free(struct dial *d)
{
	d4_tls_free(d->tls);
	if (d->fd != -1)
		(void)close(d->fd);
	(void)close(d->wake[0]);
	(void)close(d->wake[1]);
	(void)pthread_mutex_destroy(&d->lock);
	free(d);
}

/* The rules are the caller's, who may have freed them once we are abandoned.
 * Returns -1 then, and when memory is short. */
static int
begin_tls(struct dial *d)
{
	(void)pthread_mutex_lock(&d->lock);
	if (!d->abandoned)
		d->tls = d4_tls_new(d->settings.tls, d->fd,
		    d->settings.addr.host);
	(void)pthread_mutex_unlock(&d->lock);
	if (d->tls == NULL)
		(void)snprintf(d->why, sizeof(d->why), "not enough memory");
	return d->tls == NULL ? -1 : 0;
}

/* Shakes hands on a descriptor that does not block. */
static int
shake_hands(struct dial *d)
{
	long long end = d4_clock_ms() + HANDSHAKE_MS, left;
	struct pollfd pfd;
	int rc;

	if (begin_tls(d) == -1)
		return -1;
	while ((rc = d4_tls_handshake(d->tls)) == D4_TLS_AGAIN) {
		pfd.fd = d->fd;
		pfd.events = d4_tls_waits(d->tls);
		left = end - d4_clock_ms();
		if (left <= 0 || poll(&pfd, 1, (int)left) == 0) {
			(void)snprintf(d->why, sizeof(d->why),
			    "TLS handshake timed out");
			return -1;
		}
	}
	if (rc != 0)
		(void)snprintf(d->why, sizeof(d->why), "%s",
		    d4_tls_why(d->tls));
	return rc == 0 ? 0 : -1;
}

static void *
dial_main(void *cookie)
{
	struct dial *d = cookie;
	bool abandoned;

	d->fd = d4_net_connect(&d->settings.addr, d->settings.use_proxy ?
	    &d->settings.proxy : NULL, CONNECT_MS, SNDBUF, d->why);
	if (d->fd != -1 && d->settings.tls != NULL && shake_hands(d) == -1) {
		d4_tls_free(d->tls);
		d->tls = NULL;
		(void)close(d->fd);
		d->fd = -1;
	}
	(void)pthread_mutex_lock(&d->lock);
	d->done = true;
	abandoned = d->abandoned;
	if (!abandoned && write(d->wake[1], "", 1) == -1)
		d->done = true;		/* the link also looks by itself */
	(void)pthread_mutex_unlock(&d->lock);
	if (abandoned)
		dial_free(d);
	return NULL;
}

/* Leaves the thread to itself, or frees what it left. */
static void
dial_end(struct dial *d)
{
	bool done;

	(void)pthread_mutex_lock(&d->lock);
	d->abandoned = true;
	done = d->done;
	(void)pthread_mutex_unlock(&d->lock);
	if (done)
		dial_free(d);
}

/* Signals are for the thread that looks at them. */
static int
start_thread(struct dial *d)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	sigfillset(&all);
	if ((err = pthread_attr_init(&attr)) != 0)
		return err;
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&thread, &attr, dial_main, d);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attr);
	return err;
}

int
link_dial(struct link *l)
{
	struct dial *d;
	int err;

	if ((d = calloc(1, sizeof(*d))) == NULL)
		return -1;
	d->settings = l->settings;
	d->fd = -1;
	if (pipe(d->wake) == -1) {
		err = errno;
		free(d);
		errno = err;
		return -1;
	}
	(void)fcntl(d->wake[0], F_SETFD, FD_CLOEXEC);
	(void)fcntl(d->wake[1], F_SETFD, FD_CLOEXEC);
	(void)pthread_mutex_init(&d->lock, NULL);
	if ((err = start_thread(d)) != 0) {
		dial_free(d);
		errno = err;
		return -1;
	}
	l->dial = d;
	l->state = LINK_DIALING;
	return 0;
}

/* The link is gone: nothing of it is used again. */
static void
lose(struct link *l, const char *why)
{
	(void)snprintf(l->why, sizeof(l->why), "%s", why);
	l->unacked = l->fd != -1 ? d4_net_unacked(l->fd) : 0;
	d4_tls_free(l->tls);
	l->tls = NULL;
	l->tls_waits = 0;
	if (l->fd != -1 && l->fd != l->settings.fd)
		(void)close(l->fd);
	l->fd = -1;
	l->state = LINK_DOWN;
}

void
link_free(struct link *l)
{
	if (l == NULL)
		return;
	link_lose(l, "");
	free(l);
}

enum link_state
link_state(const struct link *l)
{
	return l->state;
}

int
link_poll(const struct link *l, bool want_write, struct pollfd *pfd)
{
	pfd->events = POLLIN;
	switch (l->state) {
	case LINK_DIALING:
		pfd->fd = l->dial->wake[0];
		return 1;
	case LINK_UP:
		pfd->fd = l->fd;
		if (l->settings.fd != -1) {
			/* A reader that is gone would wake us for ever. */
			pfd->events = POLLOUT;
			return want_write ? 1 : 0;
		}
		if (want_write)
			pfd->events = (short)(pfd->events |
			    (l->tls_waits != 0 ? l->tls_waits : POLLOUT));
		return 1;
	case LINK_CLOSING:
		pfd->fd = l->fd;
		if (l->tls_waits != 0)
			pfd->events = l->tls_waits;
		return 1;
	default:
		return 0;
	}
}

static void
take_dial(struct link *l)
{
	struct dial *d = l->dial;
	bool done;

	(void)pthread_mutex_lock(&d->lock);
	done = d->done;
	(void)pthread_mutex_unlock(&d->lock);
	if (!done)
		return;
	l->dial = NULL;
	l->fd = d->fd;
	l->tls = d->tls;
	(void)snprintf(l->why, sizeof(l->why), "%s", d->why);
	l->state = l->fd != -1 ? LINK_UP : LINK_DOWN;
	d->fd = -1;
	d->tls = NULL;
	dial_free(d);
}

/*
 * Reads and throws away, but does nothing else for no peer.  Returns 1 while
 * it may say more, 0 when it has ended in good order, -1 when it failed or was
 * cut off.
 */
static int
drain(struct link *l)
{
	char trash[16384];	/* no less than a TLS record */
	ssize_t n;
	int i = 0;

	do {
		n = l->tls != NULL ? d4_tls_read(l->tls, trash, sizeof(trash)) :
		    recv(l->fd, trash, sizeof(trash), 0);
	} while ((n > 0 && ++i < DRAIN_READS) ||
	    (n == -1 && l->tls == NULL && errno == EINTR));
	if (n >= 0)
		return n > 0;
	if (l->tls != NULL ? n == D4_TLS_AGAIN :
	    errno == EAGAIN || errno == EWOULDBLOCK)
		return 1;
	return -1;
}

static const char *
reason(const struct link *l)
{
	return l->tls != NULL ? d4_tls_why(l->tls) : strerror(errno);
}

/* Ours is said.  Returns as drain() does. */
static int
hear_end(struct link *l)
{
	int rc;

	if (l->tls == NULL)
		return drain(l);
	rc = d4_tls_shutdown(l->tls);
	l->tls_waits = rc == D4_TLS_AGAIN ? d4_tls_waits(l->tls) : 0;
	return rc == 1 ? 0 : rc == D4_TLS_FAILED ? -1 : 1;
}

/*
 * Some peers never say the end, or close the connection without a word of TLS.
 * What their kernel has acknowledged, they have: a process that ends without
 * having read it all resets the connection.
 */
static void
step_closing(struct link *l)
{
	bool arrived = false;
	int rc = hear_end(l);

	if (rc == 0) {
		arrived = true;
		lose(l, "");
	} else if (rc == -1) {
		arrived = l->tls != NULL && d4_tls_cut_off(l->tls) &&
		    d4_net_unacked(l->fd) == 0;
		lose(l, reason(l));
	} else if (d4_clock_ms() >= l->deadline_ms) {
		arrived = d4_net_unacked(l->fd) <= 0;
		lose(l, "no answer to the end of the stream");
	}
	if (arrived)
		l->state = LINK_CLOSED;
}

enum link_state
link_step(struct link *l)
{
	int rc;

	if (l->state == LINK_DIALING) {
		take_dial(l);
	} else if (l->state == LINK_UP && l->settings.fd == -1) {
		if ((rc = drain(l)) == 0)
			lose(l, "closed by the peer");
		else if (rc == -1)
			lose(l, reason(l));
	} else if (l->state == LINK_CLOSING) {
		step_closing(l);
	}
	return l->state;
}

ssize_t
link_write(struct link *l, const void *bytes, size_t len)
{
	ssize_t n;

	l->tls_waits = 0;
	if (l->tls != NULL) {
		if ((n = d4_tls_write(l->tls, bytes, len)) > 0)
			return n;
		if (n == D4_TLS_AGAIN) {
			l->tls_waits = d4_tls_waits(l->tls);
			return 0;
		}
	} else {
		if ((n = write(l->fd, bytes, len)) >= 0)
			return n;
		if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
			return 0;
	}
	lose(l, reason(l));
	return -1;
}

void
link_lose(struct link *l, const char *why)
{
	if (l->dial != NULL)
		dial_end(l->dial);
	l->dial = NULL;
	lose(l, why);
}

void
link_close(struct link *l, int timeout_ms)
{
	l->deadline_ms = d4_clock_ms() + timeout_ms;
	if (l->settings.fd != -1) {
		l->state = LINK_CLOSED;
		return;
	}
	l->state = LINK_CLOSING;
	/* Behind TLS the close_notify says it; the socket stays whole for the
	 * answer. */
	if (l->tls == NULL)
		(void)shutdown(l->fd, SHUT_WR);
	step_closing(l);
}

size_t
link_unacked(const struct link *l)
{
	long n = 0;

	if (l->settings.fd == -1)
		n = l->fd != -1 ? d4_net_unacked(l->fd) : l->unacked;
	return n > 0 ? (size_t)n : 0;
}

int
link_take_back(const struct link *l, size_t n)
{
	return l->settings.fd == -1 ? 0 : d4_io_take_back(l->settings.fd, n);
}

const char *
link_why(const struct link *l)
{
	return l->why;
}
