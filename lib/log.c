/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/log.h"
#include "lib/utf8.h"

/* With the program's name no more than PIPE_BUF, which a pipe takes whole. */
#define LINE_MAX_LEN	3900

static const char *name = "d4";
static int verbosity;
static bool use_syslog;

void
d4_log_open(const char *program, int verbose)
{
	name = program;
	verbosity = verbose;
}

void
d4_log_syslog(void)
{
	openlog(name, LOG_PID, LOG_DAEMON);
	use_syslog = true;
}

/* Copies text so that nothing in it can act on a terminal or begin a line. */
static size_t
show(char *out, size_t size, const char *text)
{
	size_t i, left, len, n = 0;

	for (left = strlen(text); left > 0; text += len, left -= len) {
		len = d4_utf8_len(text, left);
		if (n + 5 * (len == 0 ? 1 : len) >= size)
			break;
		if (len > 0 && !d4_utf8_is_control(text, len)) {
			memcpy(out + n, text, len);
			n += len;
			continue;
		}
		len = len == 0 ? 1 : len;
		for (i = 0; i < len; i++)
			n += (size_t)snprintf(out + n, size - n, "\\%03o",
			    (unsigned char)text[i]);
	}
	return n;
}

D4_LOG_PRINTF(3, 0)
static void
emit(int priority, int err, const char *fmt, va_list ap)
{
	char text[LINE_MAX_LEN], line[LINE_MAX_LEN + 128];
	const char *reason = err != 0 ? strerror(err) : "";
	size_t n, most = sizeof(text) - strlen(reason) - 8;
	int len;

	len = vsnprintf(text, sizeof(text), fmt, ap);
	/* An object that is too long does not take its reason along. */
	if (err != 0 && len >= 0)
		(void)snprintf(text + ((size_t)len < most ? (size_t)len : most),
		    strlen(reason) + 8, "%s: %s",
		    (size_t)len < most ? "" : "...", reason);
	n = (size_t)snprintf(line, 64, "%s: ", name);
	n += show(line + n, sizeof(line) - n - 1, text);
	if (use_syslog) {
		line[n] = '\0';
		syslog(priority, "%s", line + strlen(name) + 2);
		return;
	}
	line[n++] = '\n';
	/* Nobody is left to be told when stderr fails. */
	(void)d4_io_write_full(STDERR_FILENO, line, n, NULL);
}

void
d4_log_warn(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_ERR, err, fmt, ap);
	va_end(ap);
	errno = err;
}

void
d4_log_warnx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_ERR, 0, fmt, ap);
	va_end(ap);
}

void
d4_log_info(int level, const char *fmt, ...)
{
	va_list ap;

	if (level > verbosity)
		return;
	va_start(ap, fmt);
	emit(LOG_INFO, 0, fmt, ap);
	va_end(ap);
}

void
d4_log_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_NOTICE, 0, fmt, ap);
	va_end(ap);
}

int
d4_log_flush(FILE *out)
{
	if (fflush(out) == 0 && !ferror(out))
		return 0;
	d4_log_warn("stdout");
	return 1;
}

int
d4_log_confined(int result, const char *words)
{
	if (result == 1)
		d4_log_info(1, "confined: %s", words);
	else
		d4_log_warnx("not confined: %s", words);
	return result == -1 ? -1 : 0;
}
