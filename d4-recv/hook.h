/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_HOOK_H
#define D4_RECV_HOOK_H

/*
 * A program of the operator's that is run for each finished file, with the
 * file's path as its one argument, as tcpdump -z does: a few at a time, in the
 * order of the files, standard input and output at /dev/null.  Failures are
 * said on stderr and counted.
 */

#include <stddef.h>
#include <stdint.h>

struct hook;

/* Hooks are run by that process (runner.h), -1: none are.  NULL when memory is
 * short. */
struct hook *hook_new(int runner);

/* What waits is not run any more; what runs goes on by itself.  Takes NULL. */
void hook_free(struct hook *);

/* The program, by path or as the shell finds it, for messages: the runner looks
 * it up anew; NULL: none, and what waits is forgotten.  0, or -1 when memory is
 * short. */
int hook_set(struct hook *, const char *program);

/* Has it run for that file; nothing without a program.  0, or -1 when memory
 * is short. */
int hook_add(struct hook *, const char *path);

/* Takes note of those that ended and has others started. */
void hook_tick(struct hook *);

/* The program for what waits is not run, which is said and counts as
 * failed. */
void hook_drop(struct hook *);

/* Says something of the program. */
void hook_say(const struct hook *, const char *what);

size_t hook_nwait(const struct hook *);
uint64_t hook_nrun(const struct hook *);
uint64_t hook_nfailed(const struct hook *);

#endif
