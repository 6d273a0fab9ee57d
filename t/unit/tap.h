/* SPDX-License-Identifier: ISC */
#ifndef T_UNIT_TAP_H
#define T_UNIT_TAP_H

/*
 * A unit test speaks TAP (prove): one line a check, the plan last, so that a
 * test that dies early fails.  What explains a failed check goes to stderr,
 * which prove shows, with the test's name, for several run at a time.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int tap_count, tap_failed;

#define ok(cond, ...)	tap_ok((cond), #cond, __FILE__, __LINE__, __VA_ARGS__)

#define is(got, want, ...) do {						\
	long long tap_got = (long long)(got), tap_want = (long long)(want);\
	if (!ok(tap_got == tap_want, __VA_ARGS__))			\
		diag("got %lld, wanted %lld", tap_got, tap_want);	\
} while (0)

#define skip(...) do {							\
	printf("ok %d # SKIP ", ++tap_count);				\
	printf(__VA_ARGS__);						\
	printf("\n");							\
} while (0)

/* Explains a failed check, or one that is about to fail; no newline. */
__attribute__((format(printf, 1, 2), unused))
static void
diag(const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "# %s: %s\n", __BASE_FILE__, text);
}

__attribute__((format(printf, 5, 6), unused))
static bool
tap_ok(bool good, const char *cond, const char *file, int line,
    const char *fmt, ...)
{
	char name[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	printf("%sok %d - %s\n", good ? "" : "not ", ++tap_count, name);
	fflush(stdout);
	if (!good) {
		tap_failed++;
		diag("not ok %d - %s\n# %s:%d: %s", tap_count, name, file,
		    line, cond);
	}
	return good;
}

/* Whether the test runs under valgrind, which takes many times as long. */
__attribute__((unused))
static bool
tap_slow(void)
{
	const char *sanitize = getenv("D4_SANITIZE");

	return sanitize != NULL && strcmp(sanitize, "valgrind") == 0;
}

/* What may take so long, in any unit, may take as long as this here. */
__attribute__((unused))
static unsigned
tap_time(unsigned most)
{
	return tap_slow() ? 10 * most : most;
}

/* Ends a test that hangs after so many seconds, 0: never. */
__attribute__((unused))
static void
tap_limit(unsigned seconds)
{
	(void)alarm(tap_time(seconds));
}

__attribute__((unused))
static int
tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed == 0 ? 0 : 1;
}

#endif
