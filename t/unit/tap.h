/* SPDX-License-Identifier: ISC */
#ifndef T_UNIT_TAP_H
#define T_UNIT_TAP_H

/*
 * A unit test speaks TAP (prove): one line a check, the plan last, so that a
 * test that dies early fails.  What was wrong is said with it.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static int tap_count, tap_failed;

#define ok(cond, ...)	tap_ok((cond), #cond, __FILE__, __LINE__, __VA_ARGS__)

#define is(got, want, ...) do {						\
	long long tap_got = (long long)(got), tap_want = (long long)(want);\
	if (!ok(tap_got == tap_want, __VA_ARGS__))			\
		printf("# got %lld, wanted %lld\n", tap_got, tap_want);	\
} while (0)

#define skip(...) do {							\
	printf("ok %d # SKIP ", ++tap_count);				\
	printf(__VA_ARGS__);						\
	printf("\n");							\
} while (0)

__attribute__((format(printf, 5, 6), unused))
static bool
tap_ok(bool good, const char *cond, const char *file, int line,
    const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d - ", good ? "" : "not ", ++tap_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	if (!good) {
		tap_failed++;
		printf("# %s:%d: %s\n", file, line, cond);
	}
	fflush(stdout);
	return good;
}

__attribute__((unused))
static int
tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed == 0 ? 0 : 1;
}

#endif
