/* SPDX-License-Identifier: ISC */
#ifndef T_UNIT_REDIS_SERVER_H
#define T_UNIT_REDIS_SERVER_H

/* A Redis server of our own for tests, on a unix socket within a directory and
 * a free port of the loopback, that writes each change into a file before it
 * answers: it may be killed.  It waits for no disk, since nobody cuts its power
 * and a busy disk can take seconds. */

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <netinet/in.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "lib/redis.h"

#define REDIS_MS	5000

static pid_t redis_pid = -1;
static unsigned redis_port;		/* the same at each start */

static bool
redis_installed(void)
{
	return system("redis-server --version >/dev/null 2>&1") == 0;
}

static void
redis_find_port(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&sin, len) == -1 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) == -1)
		abort();
	redis_port = ntohs(sin.sin_port);
	(void)close(fd);
}

static void
redis_exec(const char *in, const char *password)
{
	char path[256], port[16];
	int fd = open("/dev/null", O_RDWR);

#ifdef __linux__
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
	(void)dup2(fd, STDOUT_FILENO);
	(void)snprintf(path, sizeof(path), "%s/redis", in);
	(void)snprintf(port, sizeof(port), "%u", redis_port);
	execlp("redis-server", "redis-server", "--port", port, "--bind",
	    "127.0.0.1", "--unixsocket", path, "--dir", in, "--appendonly",
	    "yes", "--appendfsync", "no", "--save", "", "--requirepass",
	    password, (char *)NULL);
	_exit(127);
}

/* Starts it and waits until it answers.  text is where it is. */
static void
redis_start(const char *in, const char *password, char text[256])
{
	struct timespec ts = { .tv_nsec = 20000000 };
	const char *ping[] = { "PING" };
	struct d4_redis_reply reply;
	struct d4_redis_addr addr;
	struct d4_redis *r;
	const char *why;
	int i;

	if (redis_port == 0)
		redis_find_port();
	(void)snprintf(text, 256, "unix:%s/redis/0", in);
	if ((redis_pid = fork()) == 0)
		redis_exec(in, password);
	if (d4_redis_parse(&addr, text, &why) == -1 || (r = d4_redis_new(&addr,
	    NULL, password[0] == '\0' ? NULL : password)) == NULL)
		abort();
	for (i = 0; i < 500; i++) {
		if (d4_redis_connect(r, REDIS_MS) == 0 &&
		    d4_redis_send(r, 1, ping, NULL) == 0 &&
		    d4_redis_wait(r, &reply, REDIS_MS) == 0 &&
		    reply.kind == D4_REDIS_STATUS)
			break;
		(void)nanosleep(&ts, NULL);
	}
	d4_redis_free(r);
}

static void
redis_stop(int sig)
{
	(void)kill(redis_pid, sig);
	(void)waitpid(redis_pid, NULL, 0);
	redis_pid = -1;
}

#endif
