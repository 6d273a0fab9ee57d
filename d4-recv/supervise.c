/* SPDX-License-Identifier: ISC */
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/reload.h"
#include "d4-recv/supervise.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/notify.h"
#include "lib/os.h"
#include "lib/secret.h"
#include "lib/stop.h"

#define RESTART_MS	1000	/* between two starts of a worker */
#define LOOK_MS		500	/* between two looks at the workers */
#define END_MS		10000	/* for workers to end, after that they must */

struct worker {
	pid_t		 pid;		/* 0: none */
	int64_t		 started_ms;
	unsigned	 number;
	unsigned	 starts;
	bool		 hopeless;
	int		*listeners;
	size_t		 nlisteners;
	char		 metrics[4096];
};

/* The child: never returns. */
static void
work(const struct collect_settings *s, const struct worker *w, pid_t parent)
{
	struct collect_settings own = *s;
	enum collect_result result;

	d4_os_end_with_parent();
	if (getppid() != parent) {
		(void)d4_secret_erase();
		_exit(0);
	}
	own.worker = w->number;
	own.listeners = w->listeners;
	own.nlisteners = w->nlisteners;
	if (own.metrics != NULL)
		own.metrics = w->metrics;
	/* Signals came for the parent; the child has its own wake-up. */
	if (d4_stop_install_child() == -1) {
		d4_log_warn("signals");
		(void)d4_secret_erase();
		_exit(1);
	}
	result = collect_run(&own);
	(void)d4_secret_erase();
	_exit((int)result);
}

static void
start(const struct collect_settings *s, struct worker *w)
{
	pid_t pid, parent = getpid();

	w->started_ms = d4_clock_ms();
	w->starts++;
	if ((pid = fork()) == -1) {
		d4_log_warn("worker");
		return;
	}
	if (pid == 0)
		work(s, w, parent);
	w->pid = pid;
}

static void
signal_all(const struct worker *workers, unsigned n, int sig)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		if (workers[i].pid > 0)
			(void)kill(workers[i].pid, sig);
	}
}

/* Whether a worker could not even begin: then another can't either. */
static bool
is_hopeless(const struct worker *w, int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == COLLECT_NOT_BEGUN &&
	    w->starts == 1;
}

/* Says how a worker ended, who had not said it; returns whether it ended
 * well. */
static bool
explain(pid_t pid, int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	if (WIFEXITED(status) && WEXITSTATUS(status) == COLLECT_NOT_BEGUN)
		return false;
	if (WIFSIGNALED(status))
		d4_log_warnx("worker %ld: killed by signal %d", (long)pid,
		    WTERMSIG(status));
	else
		d4_log_warnx("worker %ld: ended with status %d", (long)pid,
		    WEXITSTATUS(status));
	return false;
}

/* Takes note of workers that ended.  Returns how many still run. */
static unsigned
reap(struct worker *workers, unsigned n, bool *well)
{
	unsigned i, running = 0;
	int status;

	for (i = 0; i < n; i++) {
		if (workers[i].pid > 0 && waitpid(workers[i].pid, &status,
		    WNOHANG) == workers[i].pid) {
			*well = explain(workers[i].pid, status) && *well;
			workers[i].hopeless = is_hopeless(&workers[i], status);
			workers[i].pid = 0;
		}
		running += workers[i].pid > 0;
	}
	return running;
}

static void
wait_a_little(void)
{
	struct pollfd pfd = { .fd = d4_stop_fd(), .events = POLLIN };

	if (poll(&pfd, 1, LOOK_MS) > 0)
		d4_stop_drain();
}

/* Workers that are started from now on have the new values, too. */
static void
reload(const struct collect_settings *s, struct worker *workers, unsigned n)
{
	struct d4_tls_context *tls = NULL;

	if (reload_settings(s->settings, s->dir,
	    s->tls != NULL ? &tls : NULL) == -1)
		return;
	if (tls != NULL) {
		d4_tls_context_free(*s->tls);
		*s->tls = tls;
	}
	signal_all(workers, n, SIGHUP);
}

/* Until a signal, or until a worker can't begin: -1. */
static int
keep_running(const struct collect_settings *s, struct worker *workers,
    unsigned n)
{
	bool well = true;
	unsigned i;

	while (!d4_stop_wanted()) {
		wait_a_little();
		if (d4_stop_take_reload())
			reload(s, workers, n);
		if (d4_stop_take_figures())
			signal_all(workers, n, SIGUSR1);
		(void)reap(workers, n, &well);
		for (i = 0; i < n && !d4_stop_wanted(); i++) {
			if (workers[i].hopeless)
				return -1;
			if (workers[i].pid == 0 &&
			    d4_clock_ms() - workers[i].started_ms >= RESTART_MS)
				start(s, &workers[i]);
		}
		d4_notify_send("WATCHDOG=1");
	}
	return 0;
}

static int
end(struct worker *workers, unsigned n)
{
	int64_t until = d4_clock_ms() + END_MS;
	bool well = true;

	d4_notify_send("STOPPING=1");
	signal_all(workers, n, SIGTERM);
	while (reap(workers, n, &well) > 0) {
		if (d4_clock_ms() >= until) {
			d4_log_warnx("workers: do not end");
			signal_all(workers, n, SIGKILL);
			until = d4_clock_ms() + END_MS;
			well = false;
		}
		(void)poll(NULL, 0, 10);
	}
	return well ? 0 : -1;
}

/* One metrics file a worker, the first without a number. */
static void
name_metrics(struct worker *w, const char *metrics, unsigned i)
{
	if (metrics == NULL)
		return;
	if (i == 0)
		(void)snprintf(w->metrics, sizeof(w->metrics), "%s", metrics);
	else
		(void)snprintf(w->metrics, sizeof(w->metrics), "%s.%u",
		    metrics, i);
}

int
supervise_run(const struct collect_settings *s, const int *listeners,
    size_t nlisteners, unsigned n, bool shared)
{
	struct worker *workers;
	unsigned i;
	size_t k;
	int rc = -1;

	if ((workers = calloc(n, sizeof(*workers))) == NULL)
		goto out;
	for (i = 0; i < n; i++) {
		workers[i].listeners = calloc(nlisteners, sizeof(int));
		if (workers[i].listeners == NULL)
			goto out;
		for (k = 0; k < nlisteners; k++) {
			if (shared || k / (nlisteners / n) == i)
				workers[i].listeners[workers[i].nlisteners++] =
				    listeners[k];
		}
		workers[i].number = i;
		name_metrics(&workers[i], s->metrics, i);
	}
	for (i = 0; i < n; i++)
		start(s, &workers[i]);
	d4_notify_send("READY=1");
	rc = keep_running(s, workers, n);
	if (end(workers, n) == -1)
		rc = -1;
out:
	if (workers == NULL || workers[n - 1].listeners == NULL)
		d4_log_warnx("memory: not enough");
	for (i = 0; workers != NULL && i < n; i++)
		free(workers[i].listeners);
	free(workers);
	return rc;
}
