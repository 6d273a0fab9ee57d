/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_RUNNER_H
#define D4_RECV_RUNNER_H

/*
 * The process that runs hooks.  A hook is the operator's program and may do as
 * it likes, while those that sensors talk to may execute nothing: so it is
 * started here, by a process that was there before the others were confined and
 * holds no key and no connection.  What it is asked for is a path: which
 * program that is for it reads from the configuration itself, and it takes no
 * path but one that this store could have.  It ends when nobody is left to ask.
 */

#include <sys/types.h>

#include <stddef.h>

#define RUNNER_AT_ONCE	4	/* hooks of each who asks */

struct runner_settings {
	const char	*dir;		/* configuration, NULL: no reload */
	const char	*program;	/* at first; NULL or "" for none */
	const char	*root;		/* the store */
	const char	*user;		/* to become, NULL or "" to stay */
};

/* How a hook ended. */
struct runner_end {
	pid_t	who;		/* asked for it */
	int	err;		/* an errno: it could not be started */
	int	status;		/* as waitpid(2) has it, else */
};

/* Whether a program could be started by this name, which is looked for in PATH
 * when there is no slash in it: 0, or -1 with errno. */
int runner_finds(const char *program);

/*
 * Forks it and fills in n descriptors, close-on-exec, one for each process that
 * will ask.  Returns 0, or -1 with errno.
 */
int runner_start(const struct runner_settings *, int fds[], size_t n);

/* Asks for the hook on a file, by its absolute path; the program is to be
 * looked up anew in the configuration.  0, or -1 with errno. */
int runner_ask(int fd, const char *path);
int runner_reload(int fd);

/* Takes the end of a hook of ours: 1, 0 when none has come, -1 with errno. */
int runner_next(int fd, struct runner_end *);

#endif
