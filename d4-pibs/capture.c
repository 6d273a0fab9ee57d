/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-pibs/capture.h"
#include "d4-pibs/reader.h"
#include "lib/stop.h"

struct capture {
	int			 fd;
	struct window		*window;	/* NULL: live */
	const struct reader	*reader;
	void			*state;
	char			 fault[CAPTURE_FAULT];
};

/* What the first bytes say; libpcap may know what we do not. */
static const struct reader *
choose(struct window *w)
{
	const uint8_t *p;
	ptrdiff_t n = window_begin(w, 8, &p);

	if (reader_pcap_is(p, (size_t)n))
		return &reader_pcap;
	if (reader_pcapng_is(p, (size_t)n))
		return &reader_pcapng;
	return &reader_lib;
}

/* A FIFO waits here for its writer, and figures may be asked for meanwhile. */
static int
open_named(const char *name)
{
	int fd;

	if (strcmp(name, "-") == 0)
		return STDIN_FILENO;
	do {
		fd = open(name, O_RDONLY | O_CLOEXEC);
	} while (fd == -1 && errno == EINTR && !d4_stop_wanted());
	return fd;
}

struct capture *
capture_open_file(const char *name, char fault[CAPTURE_FAULT])
{
	struct capture *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		(void)snprintf(fault, CAPTURE_FAULT, "%s", strerror(errno));
		return NULL;
	}
	c->fd = open_named(name);
	if (c->fd == -1 || (c->window = window_open(c->fd, name)) == NULL) {
		(void)snprintf(fault, CAPTURE_FAULT, "%s", strerror(errno));
		capture_close(c);
		return NULL;
	}
	c->reader = choose(c->window);
	c->state = c->reader->open(c->window, fault);
	if (c->state == NULL) {
		if (window_fault(c->window) != NULL)
			(void)snprintf(fault, CAPTURE_FAULT, "%s",
			    window_fault(c->window));
		capture_close(c);
		return NULL;
	}
	return c;
}

struct capture *
capture_open_live(const char *name, const char *expr,
    char fault[CAPTURE_FAULT])
{
	struct capture *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		(void)snprintf(fault, CAPTURE_FAULT, "%s", strerror(errno));
		return NULL;
	}
	c->fd = -1;
	c->reader = &reader_lib;
	c->state = reader_lib_live(name, expr, fault);
	if (c->state == NULL) {
		capture_close(c);
		return NULL;
	}
	return c;
}

void
capture_close(struct capture *c)
{
	if (c == NULL)
		return;
	if (c->state != NULL)
		c->reader->close(c->state);
	window_close(c->window);
	if (c->fd > STDIN_FILENO)
		(void)close(c->fd);
	free(c);
}

int
capture_next(struct capture *c, struct frame *f, size_t max)
{
	return c->reader->next(c->state, f, max, c->fault);
}

const char *
capture_fault(const struct capture *c)
{
	/* What the file lacks comes before what its reader made of that. */
	if (c->window != NULL && window_fault(c->window) != NULL)
		return window_fault(c->window);
	return c->fault[0] == '\0' ? NULL : c->fault;
}

int
capture_percent(const struct capture *c)
{
	return c->window == NULL ? -1 : window_percent(c->window);
}

bool
capture_nsec(const struct capture *c)
{
	return c->reader->nsec(c->state);
}
