/* SPDX-License-Identifier: ISC */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/hook.h"
#include "lib/log.h"

#define AT_ONCE	4

struct file {
	struct file	*next;
	char		 path[];
};

struct hook {
	char		*program;	/* or NULL */
	struct file	*first, **last;	/* that wait */
	size_t		 nwait;
	pid_t		 running[AT_ONCE]; /* 0: none */
	uint64_t	 nrun, nfailed;
};

extern char **environ;

struct hook *
hook_new(void)
{
	struct hook *h;

	if ((h = calloc(1, sizeof(*h))) != NULL)
		h->last = &h->first;
	return h;
}

static void
remove_first(struct hook *h)
{
	struct file *f = h->first;

	if ((h->first = f->next) == NULL)
		h->last = &h->first;
	h->nwait--;
	free(f);
}

void
hook_free(struct hook *h)
{
	if (h == NULL)
		return;
	(void)hook_set(h, NULL);
	free(h);
}

int
hook_set(struct hook *h, const char *program)
{
	char *copy = NULL;

	if (program != NULL && (copy = strdup(program)) == NULL)
		return -1;
	free(h->program);
	h->program = copy;
	while (copy == NULL && h->first != NULL)
		remove_first(h);
	return 0;
}

int
hook_add(struct hook *h, const char *path)
{
	size_t len = strlen(path) + 1;
	struct file *f;

	if (h->program == NULL)
		return 0;
	if ((f = malloc(sizeof(*f) + len)) == NULL)
		return -1;
	memcpy(f->path, path, len);
	f->next = NULL;
	*h->last = f;
	h->last = &f->next;
	h->nwait++;
	return 0;
}

/* Starts it with signals as they are for a new program, whatever the loop
 * blocks and ignores.  Returns 0 or an errno. */
static int
spawn(struct hook *h, const char *path, pid_t *pid)
{
	char *argv[] = { h->program, NULL, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	char *copy;
	int err;

	if ((argv[1] = copy = strdup(path)) == NULL)
		return ENOMEM;
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	(void)posix_spawnattr_init(&attr);
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
	    POSIX_SPAWN_SETSIGDEF);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setsigdefault(&attr, &all);
	err = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO,
	    "/dev/null", O_RDONLY, 0);
	if (err == 0)
		err = posix_spawn_file_actions_addopen(&actions,
		    STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	if (err == 0)
		err = posix_spawnp(pid, h->program, &actions, &attr, argv,
		    environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attr);
	free(copy);
	return err;
}

static void
reap(struct hook *h, pid_t *pid)
{
	int status;
	pid_t got;

	if (*pid == 0 || (got = waitpid(*pid, &status, WNOHANG)) == 0)
		return;
	*pid = 0;
	if (got == -1 || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
		return;
	h->nfailed++;
	if (WIFEXITED(status))
		d4_log_warnx("%s: exit status %d",
		    h->program == NULL ? "hook" : h->program,
		    WEXITSTATUS(status));
	else
		d4_log_warnx("%s: killed by signal %d",
		    h->program == NULL ? "hook" : h->program,
		    WTERMSIG(status));
}

void
hook_tick(struct hook *h)
{
	size_t i;

	for (i = 0; i < AT_ONCE; i++) {
		reap(h, &h->running[i]);
		if (h->running[i] != 0 || h->first == NULL)
			continue;
		errno = spawn(h, h->first->path, &h->running[i]);
		h->nrun++;
		if (errno != 0) {
			h->running[i] = 0;
			h->nfailed++;
			d4_log_warn("%s", h->program);
		}
		remove_first(h);
	}
}

size_t
hook_nwait(const struct hook *h)
{
	return h->nwait;
}

uint64_t
hook_nrun(const struct hook *h)
{
	return h->nrun;
}

uint64_t
hook_nfailed(const struct hook *h)
{
	return h->nfailed;
}
