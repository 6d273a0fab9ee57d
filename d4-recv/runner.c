/* SPDX-License-Identifier: ISC */
#define _GNU_SOURCE	/* ppoll() */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/runner.h"
#include "lib/conf.h"
#include "lib/confine.h"
#include "lib/secret.h"

#define FDS_MAX		1024	/* more are not open when it begins */
#define RELOAD		"reload"	/* no path: those begin with / */

/* What is asked. */
struct question {
	pid_t	who;
	char	text[PATH_MAX];
};
#define QUESTION_HEAD	offsetof(struct question, text)

struct run {
	pid_t	pid;		/* 0: none */
	pid_t	who;
};

/* One who asks. */
struct client {
	int		fd;	/* -1: gone */
	struct run	running[RUNNER_AT_ONCE];
};

struct runner {
	char		 dir[D4_CONF_TEXT], program[D4_CONF_TEXT];
	char		 root[D4_CONF_TEXT], user[D4_CONF_TEXT];
	struct client	*clients;
	size_t		 n;
};

/* -- those who ask --------------------------------------------------------- */

static int
send_question(int fd, const char *text)
{
	struct question q = { .who = getpid() };
	size_t len = strlen(text) + 1;

	if (len > sizeof(q.text)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(q.text, text, len);
	return send(fd, &q, QUESTION_HEAD + len, MSG_NOSIGNAL | MSG_DONTWAIT)
	    == -1 ? -1 : 0;
}

int
runner_ask(int fd, const char *path)
{
	return send_question(fd, path);
}

int
runner_reload(int fd)
{
	return send_question(fd, RELOAD);
}

int
runner_next(int fd, struct runner_end *end)
{
	ssize_t n;

	do {
		n = recv(fd, end, sizeof(*end), MSG_DONTWAIT);
	} while (n == (ssize_t)sizeof(*end) && end->who != getpid());
	if (n == (ssize_t)sizeof(*end))
		return 1;
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n != -1)
		errno = EPIPE;
	return -1;
}

/* -- the program ----------------------------------------------------------- */

static int
is_program(const char *path)
{
	struct stat st;

	if (stat(path, &st) == -1)
		return -1;
	if (!S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EACCES;
		return -1;
	}
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS);
}

/* As posix_spawnp(3) looks, where an empty name is the current directory. */
int
runner_finds(const char *program)
{
	const char *dir, *next, *path = getenv("PATH");
	char name[PATH_MAX];
	int len, err = ENOENT;

	if (strchr(program, '/') != NULL)
		return is_program(program);
	for (dir = path != NULL ? path : "/bin:/usr/bin"; dir != NULL;
	    dir = next) {
		len = (int)strcspn(dir, ":");
		next = dir[len] == ':' ? dir + len + 1 : NULL;
		if (snprintf(name, sizeof(name), "%.*s%s%s", len, dir,
		    len > 0 ? "/" : "", program) < (int)sizeof(name) &&
		    is_program(name) == 0)
			return 0;
		if (errno == EACCES)
			err = EACCES;
	}
	errno = err;
	return -1;
}

/* -- the process ----------------------------------------------------------- */

/* Starts it with signals as they are for a new program, whatever we ignore.
 * Returns 0 or an errno. */
static int
spawn(struct runner *r, char *path, pid_t *pid)
{
	char *argv[] = { r->program, path, NULL };
	posix_spawnattr_t attr;
	sigset_t none, all;
	int err;

	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	if ((err = posix_spawnattr_init(&attr)) != 0)
		return err;
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
	    POSIX_SPAWN_SETSIGDEF);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setsigdefault(&attr, &all);
	err = posix_spawnp(pid, r->program, NULL, &attr, argv, environ);
	(void)posix_spawnattr_destroy(&attr);
	return err;
}

/* Whether the path is one of the store's: plain, absolute, beneath it. */
static bool
is_ours(const struct runner *r, const char *path)
{
	char root[PATH_MAX];
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:+/-";
	const char *rest;
	size_t len;

	/* As finish.c has it; it need not have been there before. */
	if (realpath(r->root, root) == NULL)
		return false;
	len = strlen(root);
	if (strncmp(path, root, len) != 0 || path[len] != '/')
		return false;
	rest = path + len;
	return rest[strspn(rest, plain)] == '\0' && strstr(rest, "/.") == NULL;
}

/* The configuration without fault was taken by those who ask: so what can't be
 * read here is what has changed since, and the program stays. */
static void
reload(struct runner *r)
{
	char program[D4_CONF_TEXT] = "";
	struct d4_conf *conf;

	if (*r->dir == '\0' || (conf = d4_conf_open(r->dir)) == NULL)
		return;
	if (!d4_conf_has(conf, "hook") ||
	    d4_conf_text(conf, "hook", program, "the path of a program") == 0)
		(void)snprintf(r->program, sizeof(r->program), "%s", program);
	d4_conf_close(conf);
}

static void
answer(const struct client *c, pid_t who, int err, int status)
{
	struct runner_end end;

	memset(&end, 0, sizeof(end));
	end.who = who;
	end.err = err;
	end.status = status;
	if (c->fd != -1)
		(void)send(c->fd, &end, sizeof(end),
		    MSG_NOSIGNAL | MSG_DONTWAIT);
}

static struct run *
free_run(struct client *c)
{
	size_t i;

	for (i = 0; i < RUNNER_AT_ONCE; i++) {
		if (c->running[i].pid == 0)
			return &c->running[i];
	}
	return NULL;
}

/* Takes a question; there is a free place for what it asks. */
static void
hear(struct runner *r, struct client *c)
{
	struct question q;
	struct run *run = free_run(c);
	ssize_t n = recv(c->fd, &q, sizeof(q) - 1, MSG_DONTWAIT);
	int err;

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= (ssize_t)QUESTION_HEAD) {
		(void)close(c->fd);
		c->fd = -1;
		return;
	}
	((char *)&q)[n] = '\0';
	if (strcmp(q.text, RELOAD) == 0) {
		reload(r);
		return;
	}
	err = is_ours(r, q.text) ? spawn(r, q.text, &run->pid) : EPERM;
	run->who = q.who;
	if (err != 0) {
		run->pid = 0;
		answer(c, q.who, err, 0);
	}
}

static void
reap(struct client *c)
{
	int status;
	size_t i;

	for (i = 0; i < RUNNER_AT_ONCE; i++) {
		struct run *run = &c->running[i];

		if (run->pid == 0 || waitpid(run->pid, &status, WNOHANG) == 0)
			continue;
		answer(c, run->who, 0, status);
		run->pid = 0;
	}
}

/* Waits for a question, where there is a place for one, or the end of a hook.
 * Returns whether somebody is left to ask. */
static bool
wait_for(struct runner *r, struct pollfd *pfds, const sigset_t *awake)
{
	bool any = false;
	size_t i;

	for (i = 0; i < r->n; i++) {
		pfds[i].fd = free_run(&r->clients[i]) != NULL ?
		    r->clients[i].fd : -1;
		pfds[i].events = POLLIN;
		pfds[i].revents = 0;
		any = any || r->clients[i].fd != -1;
	}
	if (any && ppoll(pfds, (nfds_t)r->n, NULL, awake) == -1) {
		for (i = 0; i < r->n; i++)
			pfds[i].revents = 0;
	}
	return any;
}

static void
on_child(int sig)
{
	(void)sig;
}

/* Ends with the last who asks, not by a signal that goes to all of us. */
static void
set_signals(sigset_t *awake)
{
	static const int ignored[] = {
		SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGPIPE
	};
	struct sigaction sa;
	sigset_t child;
	size_t i;

	memset(&sa, 0, sizeof(sa));
	(void)sigemptyset(&sa.sa_mask);
	sa.sa_handler = SIG_IGN;
	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		(void)sigaction(ignored[i], &sa, NULL);
	sa.sa_handler = on_child;
	(void)sigaction(SIGCHLD, &sa, NULL);
	(void)sigemptyset(&child);
	(void)sigaddset(&child, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &child, awake);
	(void)sigdelset(awake, SIGCHLD);
}

/* A hook has nothing of ours but stderr. */
static void
close_rest(const struct runner *r)
{
	int fd, null = open("/dev/null", O_RDWR);
	size_t i;

	(void)dup2(null, STDIN_FILENO);
	(void)dup2(null, STDOUT_FILENO);
	for (fd = STDERR_FILENO + 1; fd < FDS_MAX; fd++) {
		for (i = 0; i < r->n && r->clients[i].fd != fd; i++)
			continue;
		if (i == r->n)
			(void)close(fd);
	}
}

static int
run(struct runner *r)
{
	struct pollfd *pfds = calloc(r->n, sizeof(*pfds));
	sigset_t awake;
	size_t i;

	if (pfds == NULL)
		return 1;
	set_signals(&awake);
	while (wait_for(r, pfds, &awake)) {
		for (i = 0; i < r->n; i++) {
			reap(&r->clients[i]);
			if (pfds[i].revents != 0)
				hear(r, &r->clients[i]);
		}
	}
	free(pfds);
	return 0;
}

static void
copy(char to[D4_CONF_TEXT], const char *from)
{
	(void)snprintf(to, D4_CONF_TEXT, "%s", from != NULL ? from : "");
}

/* The process: never returns. */
static void
begin(struct runner *r)
{
	char words[D4_CONFINE_WORDS];

	/* Who started us is about to fail in the same way, and says so. */
	if (*r->user != '\0' && d4_confine_user(r->user, words) == -1)
		_exit(1);
	close_rest(r);
	_exit(run(r));
}

static void
close_some(struct runner *r, int fds[], size_t n)
{
	while (n-- > 0) {
		(void)close(fds[n]);
		(void)close(r->clients[n].fd);
	}
}

int
runner_start(const struct runner_settings *s, int fds[], size_t n)
{
	struct runner *r;
	int pair[2], saved, status;
	size_t i = 0;
	pid_t pid = -1;

	if ((r = calloc(1, sizeof(*r))) == NULL)
		return -1;
	r->n = n;
	copy(r->dir, s->dir);
	copy(r->program, s->program);
	copy(r->root, s->root);
	copy(r->user, s->user);
	if ((r->clients = calloc(n, sizeof(*r->clients))) != NULL) {
		for (i = 0; i < n; i++) {
			if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC,
			    0, pair) == -1)
				break;
			fds[i] = pair[0];
			r->clients[i].fd = pair[1];
		}
		if (i == n && (pid = fork()) == 0) {
			/* The settings lie where secrets do. */
			d4_secret_wipe();
			/* Nobody's child: the caller's are its workers. */
			if ((pid = fork()) != 0)
				_exit(pid == -1);
			for (i = 0; i < n; i++)
				(void)close(fds[i]);
			begin(r);
		}
	}
	saved = errno;
	if (pid != -1 && (waitpid(pid, &status, 0) != pid || status != 0)) {
		saved = EAGAIN;
		pid = -1;
	}
	if (pid == -1)
		close_some(r, fds, i);
	else
		for (i = 0; i < n; i++)
			(void)close(r->clients[i].fd);
	free(r->clients);
	free(r);
	errno = saved;
	return pid == -1 ? -1 : 0;
}
