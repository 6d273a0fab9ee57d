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

/* A second since the figures before; 0 when there are none of this one. */
static uint64_t
rate(uint64_t now, uint64_t before, uint64_t ms)
{
	return ms == 0 || now < before ? 0 : (now - before) * 1000 / ms;
}

static const struct d4_registry_live *
find(const struct connected *c, const struct d4_registry_live *live)
{
	size_t i;

	for (i = 0; i < c->n; i++) {
		if (memcmp(c->list[i].session, live->session,
		    sizeof(live->session)) == 0)
			return &c->list[i];
	}
	return NULL;
}

static int
compare(const void *left, const void *right)
{
	const struct d4_registry_live *a = left, *b = right;
	int r = memcmp(a->uuid, b->uuid, sizeof(a->uuid));

	return r != 0 ? r : memcmp(a->session, b->session, sizeof(a->session));
}

static void
put(struct table *t, const struct d4_registry_live *live,
    const struct d4_registry_live *before)
{
	uint64_t ms = before == NULL || live->as_of_ms < before->as_of_ms ?
	    0 : live->as_of_ms - before->as_of_ms;
	char uuid[D4_UUID_TEXT];

	d4_uuid_text(uuid, live->uuid);
	table_text(t, uuid);
	table_number(t, live->type);
	table_text(t, *live->extended != '\0' ? live->extended : NULL);
	table_text(t, live->address);
	table_number(t, live->since);
	table_number(t, live->records);
	table_number(t, live->bytes);
	table_number(t, ms == 0 ? 0 : rate(live->records, before->records,
	    ms));
	table_number(t, ms == 0 ? 0 : rate(live->bytes, before->bytes, ms));
}

/* How many rows a screen has room for beside the titles and a line below. */
static size_t
rows_of_screen(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 &&
	    size.ws_row > 3 ? (size_t)size.ws_row - 3 : SIZE_MAX;
}

/* One look; what was seen takes the place of what was before. */
static int
look(struct admin *a, struct connected *before, bool clears)
{
	size_t i, rows = clears ? rows_of_screen() : SIZE_MAX;
	struct connected c;
	struct table *t;
	int status;

	if (connected_load(a, &c) != 0)
		return 1;
	if (c.n > 0)
		qsort(c.list, c.n, sizeof(*c.list), compare);
	a->now = (uint64_t)time(NULL);
	t = table_new(columns, sizeof(columns) / sizeof(columns[0]), a->json,
	    a->now);
	for (i = 0; t != NULL && i < c.n && i < rows; i++)
		put(t, &c.list[i], find(before, &c.list[i]));
	free(before->list);
	*before = c;
	/* Cursor to the top, the rest of the screen cleared. */
	if (clears)
		(void)fputs("\033[H\033[J", stdout);
	status = table_end(t);
	if (status == 0 && c.n > rows) {
		printf("and %zu more\n", c.n - rows);
		status = fflush(stdout) == 0 ? 0 : 1;
	}
	return status;
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
	struct connected before = { .n = 0 };
	bool clears = !a->json && isatty(STDOUT_FILENO);
	uint64_t seconds = 2, times = 0, i;
	struct termios kept;
	int keyboard, status = 0;

	if ((n != NULL && args_number("-n", n, 1, 1000000, &times) != 0) ||
	    (interval != NULL && args_number("--interval", interval, 1, 3600,
	    &seconds) != 0))
		return 2;
	keyboard = open_keyboard(&kept);
	for (i = 1; status == 0; i++) {
		status = look(a, &before, clears);
		if (i == times || status != 0 ||
		    wait_quit(keyboard, (int)seconds * 1000))
			break;
	}
	if (keyboard != -1)
		(void)tcsetattr(keyboard, TCSANOW, &kept);
	free(before.list);
	return status;
}
