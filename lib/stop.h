/* SPDX-License-Identifier: ISC */
#ifndef LIB_STOP_H
#define LIB_STOP_H

/*
 * Signals as flags and a wake-up.
 *
 *	SIGTERM, SIGINT	end, cleanly; a second one ends at once
 *	SIGUSR1		print a line of figures
 *	SIGHUP		load the configuration again, where asked for
 *	SIGPIPE		ignored, writes say EPIPE
 *
 * A blocking call returns EINTR.  A signal that falls between the look at the
 * flag and the call would be missed, so each signal comes with an alarm(2)
 * that interrupts again, each second until the flag was taken.
 */

#include <stdbool.h>

/* Installs the handlers, SIGHUP's too with reload.  Returns 0, or -1 with
 * errno. */
int d4_stop_install(bool reload);

/* The same, with SIGHUP's, in a child after fork(2).  A terminal or a service
 * manager may tell child and parent, and the parent tells the child once more:
 * so a second one changes nothing here. */
int d4_stop_install_child(void);

/* Whether the end was asked for. */
bool d4_stop_wanted(void);

/* Whether figures were, or a reload was, since the last call. */
bool d4_stop_take_figures(void);
bool d4_stop_take_reload(void);

/* A descriptor that becomes readable with each signal, for poll(2); reading
 * it empty is d4_stop_drain().  -1 before d4_stop_install(). */
int d4_stop_fd(void);
void d4_stop_drain(void);

#endif
