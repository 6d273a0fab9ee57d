/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4/link.h"
#include "d4/wire.h"
#include "lib/io.h"

struct link {
	struct link_settings	 settings;
	enum link_state		 state;
	struct wire		*wire;	/* NULL while DOWN, or with a
					 * descriptor */
	size_t			 sent;	/* not yet said */
	size_t			 unacked;	/* when it was lost */
	char			 why[256];
};

struct link *
link_new(const struct link_settings *settings)
{
	struct link *l;

	if ((l = calloc(1, sizeof(*l))) == NULL)
		return NULL;
	l->settings = *settings;
	l->state = settings->fd == -1 ? LINK_DOWN : LINK_UP;
	return l;
}

void
link_free(struct link *l)
{
	if (l == NULL)
		return;
	wire_free(l->wire);
	free(l);
}

int
link_dial(struct link *l)
{
	struct wire_settings settings = {
		.addr = l->settings.addr, .tls = l->settings.tls,
		.use_proxy = l->settings.use_proxy, .proxy = l->settings.proxy
	};

	if ((l->wire = wire_new(&settings)) == NULL)
		return -1;
	l->state = LINK_DIALING;
	return 0;
}

enum link_state
link_state(const struct link *l)
{
	return l->state;
}

int
link_poll(const struct link *l, bool want_write, struct pollfd *pfd)
{
	if (l->wire != NULL) {
		pfd->fd = wire_fd(l->wire);
		pfd->events = POLLIN;
		return 1;
	}
	pfd->fd = l->settings.fd;
	pfd->events = POLLOUT;
	/* A reader that is gone would wake us for ever. */
	return l->state == LINK_UP && want_write ? 1 : 0;
}

/* Nothing lent is in use any more then. */
static void
drop_wire(struct link *l, enum link_state state, const char *why)
{
	(void)snprintf(l->why, sizeof(l->why), "%s", why);
	if (l->wire != NULL)
		l->unacked = l->state == LINK_DIALING ? 0 :
		    wire_unacked(l->wire);
	wire_free(l->wire);
	l->wire = NULL;
	l->state = state;
}

enum link_state
link_step(struct link *l)
{
	enum wire_state state;
	size_t taken;

	if (l->wire == NULL)
		return l->state;
	state = wire_look(l->wire, &taken);
	l->sent += taken;
	if (state == WIRE_ENDED)
		drop_wire(l, l->state == LINK_CLOSING &&
		    wire_arrived(l->wire) ? LINK_CLOSED : LINK_DOWN,
		    wire_why(l->wire));
	else if (state == WIRE_UP && l->state == LINK_DIALING)
		l->state = LINK_UP;
	return l->state;
}

ssize_t
link_write(struct link *l, const void *bytes, size_t len)
{
	ssize_t n;

	if (l->wire != NULL)
		return wire_lend(l->wire, bytes, len) ? (ssize_t)len : 0;
	if ((n = write(l->settings.fd, bytes, len)) >= 0) {
		l->sent += (size_t)n;
		return n;
	}
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
		return 0;
	drop_wire(l, LINK_DOWN, strerror(errno));
	return -1;
}

size_t
link_sent(struct link *l)
{
	size_t sent = l->sent;

	l->sent = 0;
	return sent;
}

size_t
link_unacked(const struct link *l)
{
	if (l->settings.fd != -1)
		return 0;
	return l->wire != NULL && l->state != LINK_DIALING ?
	    wire_unacked(l->wire) : l->unacked;
}

void
link_lose(struct link *l, const char *why)
{
	drop_wire(l, LINK_DOWN, why);
}

void
link_close(struct link *l, int timeout_ms)
{
	if (l->wire != NULL)
		wire_close(l->wire, timeout_ms);
	l->state = l->wire != NULL ? LINK_CLOSING : LINK_CLOSED;
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
