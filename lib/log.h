/* SPDX-License-Identifier: ISC */
#ifndef LIB_LOG_H
#define LIB_LOG_H

/*
 * What a program says to people, for programs only: no room of the library
 * includes this.  A line is "program: object: reason" on stderr; each goes out
 * with one write, so that lines of several processes do not mix.  Control
 * characters in what others sent, and bytes that are not UTF-8, are shown as
 * \ooo.
 */

#include <stdarg.h>
#include <stdio.h>

#if defined(__GNUC__)
#define D4_LOG_PRINTF(f, a)	__attribute__((format(printf, f, a)))
#else
#define D4_LOG_PRINTF(f, a)
#endif

/* Sets the name before each line and how much d4_log_info() says: 0 nothing.
 * The name is kept, not copied. */
void d4_log_open(const char *program, int verbose);

/* From now on to syslog(3), facility daemon, instead of stderr. */
void d4_log_syslog(void);

/* A fault, with the words of errno behind it (warn) or without (warnx). */
void d4_log_warn(const char *fmt, ...) D4_LOG_PRINTF(1, 2);
void d4_log_warnx(const char *fmt, ...) D4_LOG_PRINTF(1, 2);

/* Talk, when the verbosity is at least level, from 1. */
void d4_log_info(int level, const char *fmt, ...) D4_LOG_PRINTF(2, 3);

/* Figures and answers asked for by a signal or option: always printed. */
void d4_log_say(const char *fmt, ...) D4_LOG_PRINTF(1, 2);

/* Sends out what was printed to the program's stdout: help, an answer, a table.
 * Returns 0, or 1 once it has said that some of it failed: an exit status. */
int d4_log_flush(FILE *out);

/* What came of d4_confine_enter(): said at level 1 when all holds, as a fault
 * else.  Returns 0 to go on, or -1. */
int d4_log_confined(int result, const char *words);

#endif
