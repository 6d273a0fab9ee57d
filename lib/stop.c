/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "lib/secret.h"
#include "lib/stop.h"

static volatile sig_atomic_t wanted, figures, reload;
static volatile sig_atomic_t told[2];	/* SIGTERM, SIGINT, once is enough */
static bool second_ends;
static int wake[2] = { -1, -1 };

static void
on_signal(int sig)
{
	int saved = errno;

	if (sig == SIGTERM || sig == SIGINT) {
		if (second_ends && told[sig == SIGINT]) {
			d4_secret_die(sig);
			return;
		}
		told[sig == SIGINT] = wanted = 1;
	}
	if (sig == SIGUSR1)
		figures = 1;
	else if (sig == SIGHUP)
		reload = 1;
	if (wanted || figures || reload)
		(void)alarm(1);
	/* A full pipe wakes as well as one more byte. */
	if (write(wake[1], "", 1) == -1)
		errno = saved;
	errno = saved;
}

static int
wake_open(void)
{
	int i;

	/* A child after fork(2) must not share its parent's. */
	for (i = 0; i < 2; i++) {
		if (wake[i] != -1)
			(void)close(wake[i]);
	}
	if (pipe(wake) == -1)
		return -1;
	for (i = 0; i < 2; i++) {
		if (fcntl(wake[i], F_SETFD, FD_CLOEXEC) == -1 ||
		    fcntl(wake[i], F_SETFL, O_NONBLOCK) == -1)
			return -1;
	}
	return 0;
}

static int
install(bool with_reload, bool ends)
{
	static const int signals[] = {
		SIGTERM, SIGINT, SIGUSR1, SIGALRM, SIGHUP
	};
	size_t i, n = sizeof(signals) / sizeof(signals[0]);
	struct sigaction sa;

	if (wake_open() == -1)
		return -1;
	second_ends = ends;
	memset(&sa, 0, sizeof(sa));
	sigemptyset(&sa.sa_mask);
	sa.sa_handler = on_signal;
	for (i = 0; i < (with_reload ? n : n - 1); i++) {
		if (sigaction(signals[i], &sa, NULL) == -1)
			return -1;
	}
	sa.sa_handler = SIG_IGN;
	return sigaction(SIGPIPE, &sa, NULL);
}

int
d4_stop_install(bool with_reload)
{
	return install(with_reload, true);
}

int
d4_stop_install_child(void)
{
	return install(true, false);
}

bool
d4_stop_wanted(void)
{
	return wanted != 0;
}

bool
d4_stop_take_figures(void)
{
	if (!figures)
		return false;
	figures = 0;
	return true;
}

bool
d4_stop_take_reload(void)
{
	if (!reload)
		return false;
	reload = 0;
	return true;
}

int
d4_stop_fd(void)
{
	return wake[0];
}

void
d4_stop_drain(void)
{
	char buf[64];

	while (read(wake[0], buf, sizeof(buf)) > 0)
		continue;
}
