/* SPDX-License-Identifier: ISC */
#include <sys/wait.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "d4-recv/hook.h"
#include "d4-recv/runner.h"
#include "lib/log.h"

struct file {
	struct file	*next;
	char		 path[];
};

struct hook {
	char		*program;	/* or NULL */
	struct file	*first, **last;	/* that wait */
	size_t		 nwait;
	int		 runner;
	bool		 gone;		/* the runner is, as was said */
	unsigned	 running;
	uint64_t	 nrun, nfailed;
};

struct hook *
hook_new(int runner)
{
	struct hook *h;

	if ((h = calloc(1, sizeof(*h))) == NULL)
		return NULL;
	h->last = &h->first;
	h->runner = runner;
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
	while (h->first != NULL)
		remove_first(h);
	free(h->program);
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
	/* It reads for itself which program that is. */
	if (h->runner != -1 && !h->gone && runner_reload(h->runner) == -1)
		d4_log_warn("hook");
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

static const char *
name(const struct hook *h)
{
	return h->program == NULL ? "hook" : h->program;
}

static void
take_end(struct hook *h, const struct runner_end *end)
{
	h->running--;
	if (end->err == 0 && WIFEXITED(end->status) &&
	    WEXITSTATUS(end->status) == 0)
		return;
	h->nfailed++;
	errno = end->err;
	if (end->err != 0)
		d4_log_warn("%s", name(h));
	else if (WIFEXITED(end->status))
		d4_log_warnx("%s: exit status %d", name(h),
		    WEXITSTATUS(end->status));
	else
		d4_log_warnx("%s: killed by signal %d", name(h),
		    WTERMSIG(end->status));
}

/* Nobody runs hooks any more, and nobody can be had who would. */
static void
give_up(struct hook *h)
{
	d4_log_warn("%s: hooks are not run before a new start", name(h));
	h->gone = true;
	h->nfailed += h->running;
	h->running = 0;
}

void
hook_tick(struct hook *h)
{
	struct runner_end end;
	int rc = 0;

	while (!h->gone && h->running > 0 &&
	    (rc = runner_next(h->runner, &end)) == 1)
		take_end(h, &end);
	if (rc == -1)
		give_up(h);
	while (h->first != NULL && h->running < RUNNER_AT_ONCE) {
		if (!h->gone && runner_ask(h->runner, h->first->path) == -1)
			give_up(h);
		h->nrun++;
		if (h->gone)
			h->nfailed++;
		else
			h->running++;
		remove_first(h);
	}
}

void
hook_drop(struct hook *h)
{
	if (h->nwait > 0)
		d4_log_warnx("%s: not run for %zu files, %s and later ones",
		    name(h), h->nwait, h->first->path);
	h->nfailed += h->nwait;
	while (h->first != NULL)
		remove_first(h);
}

void
hook_say(const struct hook *h, const char *what)
{
	d4_log_warnx("%s: %s", name(h), what);
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
