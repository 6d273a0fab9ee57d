/* SPDX-License-Identifier: ISC */
#ifndef LIB_SECRET_H
#define LIB_SECRET_H

/*
 * Memory for keys, and for what holds them: pages of their own, which are left
 * out of core dumps and, where that is allowed, of swap.  They are wiped when
 * they are freed and by d4_secret_wipe(), so that a process can wipe what it
 * has wherever it ends.  For a few at a time, of one thread.
 */

#include <stdbool.h>
#include <stddef.h>

/* Zeroed and aligned for anything; NULL with errno. */
void *d4_secret_new(size_t len);

/* Takes NULL. */
void d4_secret_free(void *);

/* Wipes all there are, as they stay in place.  May be called by a handler of a
 * signal. */
void d4_secret_wipe(void);

/*
 * The same, and the heap, where libraries leave copies of keys that nobody else
 * can find.  Returns whether it did: then nothing may follow but _exit(2), so
 * no output of stdio may wait; other threads may go on until then.  Without
 * d4_secret_guard() before, and in builds with a sanitizer, the heap stays.
 */
bool d4_secret_erase(void);

/* The end of a handler of a signal that is to kill the process: erases, and has
 * it kill when the handler returns. */
void d4_secret_die(int sig);

/*
 * Signals that kill the process by a fault, at a terminal or by an operator's
 * kill(1), and that nobody handles or ignores yet, wipe first.  Programs
 * started later have them as they were.  Returns 0, or -1 with errno.
 */
int d4_secret_guard(void);

#endif
