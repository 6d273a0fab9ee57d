/* SPDX-License-Identifier: ISC */
#include <sys/ioctl.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "d4-admin/sensor.h"
#include "d4-admin/table.h"
#include "lib/log.h"
#include "lib/stop.h"
#include "lib/uuid.h"

static const struct column columns[] = {
	{ "uuid", "UUID", CELL_TEXT },
	{ "type", "TYPE", CELL_COUNT },
	{ "extended", "EXTENDED", CELL_TEXT },
	{ "address", "ADDRESS", CELL_TEXT },
	{ "since", "SINCE (UTC)", CELL_TIME },
	{ "records", "RECORDS", CELL_COUNT },
	{ "bytes", "BYTES", CELL_BYTES },
	{ "records_per_second", "RECORDS/S", CELL_COUNT },
	{ "bytes_per_second", "RATE", CELL_RATE }
};

/* What was seen of one connection at the look before. */
struct seen {
	struct d4_registry_live	 live;
	uint64_t		 at_ms;		/* when these figures came */
	uint64_t		 records, bytes;	/* a second, then */
};

struct looks {
	struct seen	*list;		/* by uuid and session */
	size_t		 n;
};

static uint64_t
clock_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t
rate(uint64_t now, uint64_t before, uint64_t ms)
{
	return now < before ? 0 : (now - before) * 1000 / ms;
}

/*
 * What there is a second.  A collector tells its figures once a second, and
 * seldomer the more connections it has (see lib/registry-claim.c): until then
 * what it told last holds.  It tells nothing when nothing came.
 */
static void
measure(struct seen *s, const struct seen *before, uint64_t now_ms, size_t n)
{
	const struct d4_registry_live *is = &s->live, *was;

	s->at_ms = now_ms;
	s->records = s->bytes = 0;
	if (before == NULL)
		return;
	was = &before->live;
	if (was->as_of_ms == 0 || is->as_of_ms < was->as_of_ms)
		return;
	if (is->as_of_ms == was->as_of_ms) {
		s->at_ms = before->at_ms;
		if (now_ms - s->at_ms > 2 * (1000 + (uint64_t)n))
			return;
		s->records = before->records;
		s->bytes = before->bytes;
	} else {
		s->records = rate(is->records, was->records,
		    is->as_of_ms - was->as_of_ms);
		s->bytes = rate(is->bytes, was->bytes,
		    is->as_of_ms - was->as_of_ms);
	}
}

/* The connections with their rates take the place of what was seen before. */
static int
see(struct looks *looks, const struct connected *c)
{
	uint64_t now_ms = clock_ms();
	const struct seen *before;
	struct seen *list;
	size_t i;

	if ((list = calloc(c->n + 1, sizeof(*list))) == NULL) {
		d4_log_warnx("memory: not enough");
		return 1;
	}
	for (i = 0; i < c->n; i++) {
		list[i].live = c->list[i];
		/* The connection stands first, so it is the key. */
		before = looks->n == 0 ? NULL : bsearch(&list[i], looks->list,
		    looks->n, sizeof(*looks->list), connected_compare);
		measure(&list[i], before, now_ms, c->n);
	}
	free(looks->list);
	looks->list = list;
	looks->n = c->n;
	return 0;
}

static void
put(struct table *t, const struct seen *s)
{
	const struct d4_registry_live *live = &s->live;
	char uuid[D4_UUID_TEXT];

	d4_uuid_text(uuid, live->uuid);
	table_text(t, uuid);
	table_number(t, live->type);
	table_text(t, *live->extended != '\0' ? live->extended : NULL);
	table_text(t, live->address);
	table_number(t, live->since);
	table_number(t, live->records);
	table_number(t, live->bytes);
	table_number(t, s->records);
	table_number(t, s->bytes);
}

/* How many rows a screen has room for beside the titles and a line below. */
static size_t
rows_of_screen(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 &&
	    size.ws_row > 3 ? (size_t)size.ws_row - 3 : SIZE_MAX;
}

/* One look. */
static int
look(struct admin *a, struct looks *looks, bool clears)
{
	size_t i, rows = clears ? rows_of_screen() : SIZE_MAX;
	struct connected c;
	struct table *t;
	int status;

	if (connected_load(a, &c) != 0)
		return 1;
	status = see(looks, &c);
	free(c.list);
	if (status != 0)
		return status;
	a->now = (uint64_t)time(NULL);
	t = table_new(columns, sizeof(columns) / sizeof(columns[0]), a->json,
	    a->now);
	for (i = 0; t != NULL && i < looks->n && i < rows; i++)
		put(t, &looks->list[i]);
	/* Cursor to the top, the rest of the screen cleared; a line that is too
	 * long for it is cut. */
	if (clears)
		(void)fputs("\033[H\033[J\033[?7l", stdout);
	status = table_end(t);
	if (clears)
		(void)fputs("\033[?7h", stdout);
	if (status == 0 && looks->n > rows)
		printf("and %zu more\n", looks->n - rows);
	return status == 0 ? d4_log_flush(stdout) : 1;
}

/* Waits; whether the end was asked for. */
static bool
wait_quit(int keyboard, int timeout_ms)
{
	struct pollfd fds[2] = {
		{ .fd = d4_stop_fd(), .events = POLLIN },
		{ .fd = keyboard, .events = POLLIN }
	};
	char key;

	if (poll(fds, 2, timeout_ms) > 0 && fds[1].revents != 0 &&
	    (read(keyboard, &key, 1) != 1 || key == 'q'))
		return true;
	return d4_stop_wanted();
}

/* Keys come as they are pressed; -1 when stdin is no terminal. */
static int
open_keyboard(struct termios *kept)
{
	struct termios raw;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, kept) == -1)
		return -1;
	raw = *kept;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	return tcsetattr(STDIN_FILENO, TCSANOW, &raw) == -1 ? -1 :
	    STDIN_FILENO;
}

int
watch_all(struct admin *a, const struct args *args)
{
	const char *n = args_option(args, "n");
	const char *interval = args_option(args, "interval");
	struct looks looks = { .n = 0 };
	bool clears = !a->json && isatty(STDOUT_FILENO);
	uint64_t seconds = 2, times = 0, i;
	struct termios kept;
	int keyboard, status = 0;

	if ((n != NULL && args_number("-n", n, 1, 1000000, &times) != 0) ||
	    (interval != NULL && args_number("--interval", interval, 1, 3600,
	    &seconds) != 0))
		return 2;
	if (admin_open(a, args) == -1)
		return admin_fault(a);
	keyboard = open_keyboard(&kept);
	for (i = 1; status == 0; i++) {
		status = look(a, &looks, clears);
		if (i == times || status != 0 ||
		    wait_quit(keyboard, (int)seconds * 1000))
			break;
	}
	if (keyboard != -1)
		(void)tcsetattr(keyboard, TCSANOW, &kept);
	free(looks.list);
	return status;
}
