/* SPDX-License-Identifier: ISC */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4/wire.h"
#include "lib/clock.h"

#define CONNECT_MS	30000
#define HANDSHAKE_MS	15000
#define DRAIN_READS	64	/* before something else is looked at */
#define SNDBUF		(1 << 20)	/* what a lost link may hold of ours */
#define LOANS		16	/* places for bytes lent */
#define TELL_BYTES	((size_t)512 << 10)	/* taken are worth a look */

struct loan {
	const uint8_t	*at;
	size_t		 len;
};

/* Freed by whichever of the two sides ends last. */
struct wire {
	struct wire_settings	 settings;
	pthread_t		 thread;
	int			 wake[2];	/* the thread */
	int			 tell[2];	/* the owner */

	pthread_mutex_t		 lock;	/* of what follows */
	enum wire_state		 state;
	bool			 abandoned;	/* by the owner */
	bool			 asleep;	/* the thread is, for want of
						 * work */
	bool			 told;		/* the owner is, and has not
						 * looked */
	struct loan		 loans[LOANS];	/* a ring */
	size_t			 first_loan;
	size_t			 nloans;
	size_t			 taken;		/* of them, not yet said */
	bool			 closing;	/* wanted */
	int			 answer_ms;	/* for the peer's end */

	/* The thread's own; of the last two the owner learns at the end. */
	int			 fd;		/* -1: not connected */
	struct d4_tls		*tls;
	short			 waits;		/* what blocks us, or 0 */
	bool			 arrived;
	char			 why[256];
};

static void *wire_main(void *);

/* -- the owner's side ----------------------------------------------------- */

static void
free_all(struct wire *w)
{
	d4_tls_free(w->tls);
	if (w->fd != -1)
		(void)close(w->fd);
	(void)close(w->wake[0]);
	(void)close(w->wake[1]);
	(void)close(w->tell[0]);
	(void)close(w->tell[1]);
	(void)pthread_mutex_destroy(&w->lock);
	free(w);
}

static int
open_pipe(int fds[2])
{
	int i;

	if (pipe(fds) == -1)
		return -1;
	for (i = 0; i < 2; i++) {
		(void)fcntl(fds[i], F_SETFD, FD_CLOEXEC);
		(void)fcntl(fds[i], F_SETFL, O_NONBLOCK);
	}
	return 0;
}

/* Signals are for the thread that looks at them. */
static int
start_thread(struct wire *w)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&w->thread, NULL, wire_main, w);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

struct wire *
wire_new(const struct wire_settings *settings)
{
	struct wire *w;
	int err;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		return NULL;
	w->settings = *settings;
	w->fd = -1;
	if (open_pipe(w->wake) == -1) {
		err = errno;
		goto err0;
	}
	if (open_pipe(w->tell) == -1) {
		err = errno;
		goto err1;
	}
	(void)pthread_mutex_init(&w->lock, NULL);
	if ((err = start_thread(w)) == 0)
		return w;
	free_all(w);
	errno = err;
	return NULL;

err1:
	(void)close(w->wake[0]);
	(void)close(w->wake[1]);
err0:
	free(w);
	errno = err;
	return NULL;
}

/* A full pipe has woken the other already.  Whoever is not woken waits for
 * ever, so a write that fails is tried again. */
static void
signal_to(const int fds[2])
{
	int tries = 3;

	while (write(fds[1], "", 1) == -1 && --tries > 0)
		continue;
}

static void
quiet(const int fds[2])
{
	char bytes[64];

	while (read(fds[0], bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes))
		continue;
}

void
wire_free(struct wire *w)
{
	bool leave;

	if (w == NULL)
		return;
	(void)pthread_mutex_lock(&w->lock);
	w->abandoned = true;
	leave = w->state == WIRE_DIALING;
	if (leave)
		(void)pthread_detach(w->thread);
	(void)pthread_mutex_unlock(&w->lock);
	if (leave)
		return;
	signal_to(w->wake);
	(void)pthread_join(w->thread, NULL);
	free_all(w);
}

int
wire_fd(const struct wire *w)
{
	return w->tell[0];
}

/* Nothing is told before we have looked, so that nothing told is lost. */
enum wire_state
wire_look(struct wire *w, size_t *taken)
{
	enum wire_state state;
	bool told;

	(void)pthread_mutex_lock(&w->lock);
	told = w->told;
	(void)pthread_mutex_unlock(&w->lock);
	if (told)
		quiet(w->tell);
	(void)pthread_mutex_lock(&w->lock);
	if (told)
		w->told = false;
	state = w->state;
	*taken = w->taken;
	w->taken = 0;
	(void)pthread_mutex_unlock(&w->lock);
	return state;
}

/* Where bytes lie behind those of the last loan they are one with it. */
static bool
put_loan(struct wire *w, const uint8_t *at, size_t len)
{
	struct loan *loan;

	if (w->nloans > 0) {
		loan = &w->loans[(w->first_loan + w->nloans - 1) % LOANS];
		if (loan->at + loan->len == at) {
			loan->len += len;
			return true;
		}
	}
	if (w->nloans == LOANS)
		return false;
	loan = &w->loans[(w->first_loan + w->nloans++) % LOANS];
	loan->at = at;
	loan->len = len;
	return true;
}

bool
wire_lend(struct wire *w, const void *bytes, size_t len)
{
	bool put, asleep;

	(void)pthread_mutex_lock(&w->lock);
	put = put_loan(w, bytes, len);
	asleep = w->asleep;
	w->asleep = false;
	(void)pthread_mutex_unlock(&w->lock);
	if (asleep)
		signal_to(w->wake);
	return put;
}

size_t
wire_unacked(const struct wire *w)
{
	long n = w->fd != -1 ? d4_net_unacked(w->fd) : 0;

	return n > 0 ? (size_t)n : 0;
}

void
wire_close(struct wire *w, int answer_ms)
{
	(void)pthread_mutex_lock(&w->lock);
	w->closing = true;
	w->answer_ms = answer_ms;
	(void)pthread_mutex_unlock(&w->lock);
	signal_to(w->wake);
}

bool
wire_arrived(const struct wire *w)
{
	return w->arrived;
}

const char *
wire_why(const struct wire *w)
{
	return w->why;
}

/* -- the thread's side: dialing ------------------------------------------- */

/* With the lock. */
static void
tell(struct wire *w)
{
	if (w->told)
		return;
	w->told = true;
	signal_to(w->tell);
}

/* The rules are the owner's, who may have freed them once we are abandoned.
 * Returns -1 then, and when memory is short. */
static int
begin_tls(struct wire *w)
{
	(void)pthread_mutex_lock(&w->lock);
	if (!w->abandoned)
		w->tls = d4_tls_new(w->settings.tls, w->fd,
		    w->settings.addr.host);
	(void)pthread_mutex_unlock(&w->lock);
	if (w->tls == NULL)
		(void)snprintf(w->why, sizeof(w->why), "not enough memory");
	return w->tls == NULL ? -1 : 0;
}

/* Shakes hands on a descriptor that does not block. */
static int
shake_hands(struct wire *w)
{
	int64_t end = d4_clock_ms() + HANDSHAKE_MS, left;
	struct pollfd pfd;
	int rc;

	if (begin_tls(w) == -1)
		return -1;
	while ((rc = d4_tls_handshake(w->tls)) == D4_TLS_AGAIN) {
		pfd.fd = w->fd;
		pfd.events = d4_tls_waits(w->tls);
		left = end - d4_clock_ms();
		if (left <= 0 || poll(&pfd, 1, (int)left) == 0) {
			(void)snprintf(w->why, sizeof(w->why),
			    "TLS handshake timed out");
			return -1;
		}
	}
	if (rc != 0)
		(void)snprintf(w->why, sizeof(w->why), "%s",
		    d4_tls_why(w->tls));
	return rc == 0 ? 0 : -1;
}

/* Returns -1 when nothing came of it. */
static int
dial(struct wire *w)
{
	w->fd = d4_net_connect(&w->settings.addr, w->settings.use_proxy ?
	    &w->settings.proxy : NULL, CONNECT_MS, SNDBUF, w->why);
	if (w->fd == -1)
		return -1;
	return w->settings.tls == NULL ? 0 : shake_hands(w);
}

/* -- the thread's side: what is lent -------------------------------------- */

/* What there is to do. */
struct work {
	const uint8_t	*at;
	size_t		 len;		/* to be sent, or 0 */
	bool		 closing;	/* then this is all */
	bool		 abandoned;	/* then that */
};

/* Before it waits the owner is told how far it came. */
static struct work
find_work(struct wire *w)
{
	struct work work = { .len = 0 };

	(void)pthread_mutex_lock(&w->lock);
	work.abandoned = w->abandoned;
	work.closing = w->closing;
	if (w->nloans > 0) {
		work.at = w->loans[w->first_loan].at;
		work.len = w->loans[w->first_loan].len;
	}
	w->asleep = work.len == 0;
	if (w->taken > 0 && (w->asleep || w->waits != 0))
		tell(w);
	(void)pthread_mutex_unlock(&w->lock);
	return work;
}

/* So much of the first loan is the system's. */
static void
take(struct wire *w, size_t n)
{
	struct loan *loan = &w->loans[w->first_loan];

	(void)pthread_mutex_lock(&w->lock);
	loan->at += n;
	loan->len -= n;
	if (loan->len == 0) {
		w->first_loan = (w->first_loan + 1) % LOANS;
		w->nloans--;
	}
	w->taken += n;
	if (w->taken >= TELL_BYTES)
		tell(w);
	(void)pthread_mutex_unlock(&w->lock);
}

static const char *
reason(const struct wire *w)
{
	return w->tls != NULL ? d4_tls_why(w->tls) : strerror(errno);
}

/* Returns -1 when the connection is lost. */
static int
send_some(struct wire *w, const struct work *work)
{
	ssize_t n;

	if (w->tls != NULL) {
		n = d4_tls_write(w->tls, work->at, work->len);
		if (n == D4_TLS_AGAIN)
			w->waits = d4_tls_waits(w->tls);
		else if (n == D4_TLS_FAILED)
			return -1;
	} else {
		n = write(w->fd, work->at, work->len);
		if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
			w->waits = POLLOUT;
		else if (n == -1 && errno != EINTR)
			return -1;
	}
	if (n > 0)
		take(w, (size_t)n);
	return 0;
}

/*
 * Reads and throws away, but does nothing else for no peer.  Returns 1 while
 * it may say more, 0 when it has ended in good order, -1 when it failed or was
 * cut off.
 */
static int
drain(struct wire *w)
{
	char trash[16384];
	ssize_t n;
	int i = 0;

	do {
		n = w->tls != NULL ? d4_tls_read(w->tls, trash, sizeof(trash)) :
		    recv(w->fd, trash, sizeof(trash), 0);
	} while ((n > 0 && ++i < DRAIN_READS) ||
	    (n == -1 && w->tls == NULL && errno == EINTR));
	if (n >= 0)
		return n > 0;
	if (w->tls != NULL ? n == D4_TLS_AGAIN :
	    errno == EAGAIN || errno == EWOULDBLOCK)
		return 1;
	return -1;
}

/* Until there is room, something to do, or something is heard; or just to
 * see.  Returns whether the peer is to be heard. */
static bool
wait_for(struct wire *w, short events, int timeout_ms)
{
	struct pollfd pfds[2] = {
		{ .fd = w->fd, .events = events },
		{ .fd = w->wake[0], .events = POLLIN }
	};

	if (poll(pfds, 2, timeout_ms) <= 0)
		return false;
	if (pfds[1].revents != 0)
		quiet(w->wake);
	if (pfds[0].revents != 0)
		w->waits = 0;
	return (pfds[0].revents & ~POLLOUT) != 0;
}

/* Sends what is lent until there is no more to come.  Returns 0 then, or -1
 * with the reason in why; "" when abandoned. */
static int
carry(struct wire *w)
{
	struct work work;
	int rc;

	for (;;) {
		work = find_work(w);
		if (work.abandoned)
			return -1;
		if (work.len == 0 && work.closing)
			return 0;
		if (wait_for(w, (short)(POLLIN | w->waits),
		    work.len > 0 && w->waits == 0 ? 0 : -1) &&
		    (rc = drain(w)) != 1) {
			(void)snprintf(w->why, sizeof(w->why), "%s", rc == 0 ?
			    "closed by the peer" : reason(w));
			return -1;
		}
		if (work.len > 0 && w->waits == 0 &&
		    send_some(w, &work) == -1) {
			(void)snprintf(w->why, sizeof(w->why), "%s",
			    reason(w));
			return -1;
		}
	}
}

/* -- the thread's side: the end ------------------------------------------- */

/* Ours is said, or about to be.  Returns as drain() does. */
static int
hear_end(struct wire *w)
{
	int rc;

	w->waits = 0;
	if (w->tls == NULL)
		return drain(w);
	rc = d4_tls_shutdown(w->tls);
	if (rc == D4_TLS_AGAIN)
		w->waits = d4_tls_waits(w->tls);
	return rc == 1 ? 0 : rc == D4_TLS_FAILED ? -1 : 1;
}

/*
 * Some peers never say the end, or close the connection without a word of TLS.
 * What their kernel has acknowledged, they have: a process that ends without
 * having read it all resets the connection.
 */
static void
end(struct wire *w)
{
	int64_t deadline = d4_clock_ms() + w->answer_ms, left;
	int rc;

	/* Behind TLS the close_notify says it; the socket stays whole for the
	 * answer. */
	if (w->tls == NULL)
		(void)shutdown(w->fd, SHUT_WR);
	while ((rc = hear_end(w)) == 1 &&
	    (left = deadline - d4_clock_ms()) > 0) {
		if (find_work(w).abandoned)
			return;
		(void)wait_for(w, w->waits != 0 ? w->waits : POLLIN,
		    (int)left);
	}
	if (rc == 0) {
		w->arrived = true;
	} else if (rc == -1) {
		(void)snprintf(w->why, sizeof(w->why), "%s", reason(w));
		w->arrived = w->tls != NULL && d4_tls_cut_off(w->tls) &&
		    d4_net_unacked(w->fd) == 0;
	} else {
		(void)snprintf(w->why, sizeof(w->why),
		    "no answer to the end of the stream");
		w->arrived = d4_net_unacked(w->fd) <= 0;
	}
}

/* Returns false, and the wire is no more, when nobody waits for it. */
static bool
enter(struct wire *w, enum wire_state state)
{
	bool left;

	(void)pthread_mutex_lock(&w->lock);
	left = w->abandoned && w->state == WIRE_DIALING;
	w->state = state;
	tell(w);
	(void)pthread_mutex_unlock(&w->lock);
	if (left)
		free_all(w);
	return !left;
}

static void *
wire_main(void *cookie)
{
	struct wire *w = cookie;

	if (dial(w) == -1) {
		(void)enter(w, WIRE_ENDED);
		return NULL;
	}
	if (!enter(w, WIRE_UP))
		return NULL;
	if (carry(w) == 0)
		end(w);
	(void)enter(w, WIRE_ENDED);
	return NULL;
}
