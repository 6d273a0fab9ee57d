/* SPDX-License-Identifier: ISC */

/* The process that runs hooks takes no path but a plain one of the store, runs
 * no program but the configuration's, and ends with those who ask. */

#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/runner.h"
#include "t/unit/scratch.h"
#include "t/unit/tap.h"

static int fds[2];

/* The end of the next hook, waiting 10 s for it. */
static int
next(int fd, struct runner_end *end)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	(void)poll(&pfd, 1, 10000);
	return runner_next(fd, end);
}

static void
script(const char *name, int status)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "#!/bin/sh\nexit %d\n", status);

	if (!scratch_write(scratch_path("%s", name), text, (size_t)n) ||
	    chmod(scratch_path("%s", name), 0700) == -1)
		abort();
}

/* Asks, and takes the end of it: errno, or the exit status plus 1000. */
static int
ask(int fd, const char *path)
{
	struct runner_end end;

	if (runner_ask(fd, path) == -1 || next(fd, &end) != 1)
		return -1;
	return end.err != 0 ? end.err : 1000 + WEXITSTATUS(end.status);
}

static void
test_paths(void)
{
	static const char *const bad[] = {
		"/etc/passwd", "x", "", "reload.d", "-", "/"
	};
	char good[512], path[600];
	size_t i;

	(void)snprintf(good, sizeof(good), "%s",
	    scratch_path("store/a/2026/b-2026.1.pcap.gz"));
	is(ask(fds[0], good), 1003, "a path of the store");
	is(ask(fds[1], good), 1003, "of another who asks");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		is(ask(fds[0], bad[i]), EPERM, "not \"%s\"", bad[i]);
	(void)snprintf(path, sizeof(path), "%s",
	    scratch_path("store/../secret"));
	is(ask(fds[0], path), EPERM, "not out of it");
	(void)snprintf(path, sizeof(path), "%s", scratch_path("storehouse"));
	is(ask(fds[0], path), EPERM, "not what only begins like it");
	(void)snprintf(path, sizeof(path), "%s", scratch_path("store/.open/x"));
	is(ask(fds[0], path), EPERM, "nothing unfinished");
	(void)snprintf(path, sizeof(path), "%s", scratch_path("store/a b"));
	is(ask(fds[0], path), EPERM, "no blanks");
	(void)snprintf(path, sizeof(path), "%s", scratch_path("store/$(id)"));
	is(ask(fds[0], path), EPERM, "nothing for a shell");
}

static void
test_reload(void)
{
	char good[512], text[600];
	int n;

	(void)snprintf(good, sizeof(good), "%s", scratch_path("store/a"));
	n = snprintf(text, sizeof(text), "%s\n", scratch_path("second"));
	(void)scratch_write(scratch_path("conf/hook"), text, (size_t)n);
	is(ask(fds[0], good), 1003, "the program stays until it is told");
	is(runner_reload(fds[0]), 0, "told");
	is(ask(fds[0], good), 1004, "the one of the configuration");
	(void)unlink(scratch_path("conf/hook"));
	is(runner_reload(fds[1]), 0, "told again");
	is(runner_reload(fds[0]), 0, "by both");
	/* Valgrind makes a fork of posix_spawn's vfork, which cannot tell. */
	is(ask(fds[0], good), tap_slow() ? 1127 : ENOENT, "none");
}

static void
test_finds(void)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s", scratch_path("first"));
	is(runner_finds(path), 0, "a program");
	(void)chmod(path, 0600);
	ok(runner_finds(path) == -1 && errno == EACCES, "not executable");
	(void)chmod(path, 0700);
	ok(runner_finds(scratch_path("store")) == -1 && errno == EISDIR,
	    "a directory");
	ok(runner_finds(scratch_path("nothing")) == -1 && errno == ENOENT,
	    "nothing");
	is(runner_finds("sh"), 0, "a name, in PATH");
	ok(runner_finds("no-such-program") == -1 && errno == ENOENT,
	    "no such name in PATH");
	if (chdir(scratch_path("store/..")) == -1)
		abort();
	ok(runner_finds("first") == -1 && errno == ENOENT,
	    "PATH does not say the current directory");
	(void)setenv("PATH", "/nowhere:", 1);
	is(runner_finds("first"), 0, "it does");
	(void)unsetenv("PATH");
	is(runner_finds("sh"), 0, "the system's own PATH");
}

static void
test_many(void)
{
	struct runner_end end;
	char good[512];
	int i, n = 0;

	script("first", 3);
	(void)snprintf(good, sizeof(good), "%s\n", scratch_path("first"));
	(void)scratch_write(scratch_path("conf/hook"), good, strlen(good));
	is(runner_reload(fds[0]), 0, "a program again");
	(void)snprintf(good, sizeof(good), "%s", scratch_path("store/a"));
	for (i = 0; i < 40; i++) {
		if (runner_ask(fds[0], good) == -1 && errno == EAGAIN)
			i -= usleep(10000) == 0;
	}
	while (n < 40 && next(fds[0], &end) == 1)
		n += WEXITSTATUS(end.status) == 3;
	is(n, 40, "more than it runs at once: all are run");
}

static void
test_end(void)
{
	char text[8] = "";
	int ends[2];
	struct pollfd pfd = { .events = POLLIN };

	/* It has our stderr: that ends with it. */
	if (pipe(ends) == -1)
		abort();
	pfd.fd = ends[0];
	(void)close(fds[0]);
	(void)close(fds[1]);
	(void)fflush(stderr);
	{
		struct runner_settings s = { .root = scratch };
		int saved = dup(STDERR_FILENO), fd = -1;

		(void)dup2(ends[1], STDERR_FILENO);
		is(runner_start(&s, &fd, 1), 0, "another one");
		(void)dup2(saved, STDERR_FILENO);
		(void)close(saved);
		(void)close(ends[1]);
		is(poll(&pfd, 1, 200), 0, "is there");
		(void)close(fd);
	}
	ok(poll(&pfd, 1, 10000) == 1 && read(ends[0], text, 1) == 0,
	    "and ends with the last who asks");
	(void)close(ends[0]);
}

int
main(void)
{
	struct runner_settings s;
	char dir[512], program[512], root[512];

	if (scratch_make() == -1)
		return 1;
	(void)mkdir(scratch_path("store"), 0700);
	(void)mkdir(scratch_path("conf"), 0700);
	script("first", 3);
	script("second", 4);
	(void)snprintf(dir, sizeof(dir), "%s", scratch_path("conf"));
	(void)snprintf(program, sizeof(program), "%s", scratch_path("first"));
	(void)snprintf(root, sizeof(root), "%s", scratch_path("store"));
	s = (struct runner_settings){ .dir = dir, .program = program,
	    .root = root };
	is(runner_start(&s, fds, 2), 0, "it is started");
	test_paths();
	test_finds();
	test_reload();
	test_many();
	test_end();
	scratch_remove();
	return tap_done();
}
