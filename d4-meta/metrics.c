/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-meta/metrics.h"
#include "lib/io.h"
#include "lib/meta-line.h"
#include "lib/meta.h"

#define LINE_LEN	1024	/* of one figure, with its NUL */

static const char blanks[] = " \t";

/* Where "name" or "name{labels}" ends; NULL when there is none.  A label's
 * value is in quotes, within which a backslash protects the next byte. */
static char *
skip_name(char *line)
{
	bool quoted = false;
	char *p = line + strcspn(line, "{ \t");

	if (p == line)
		return NULL;
	if (*p != '{')
		return p;
	for (p++; *p != '\0' && (quoted || *p != '}'); p++) {
		if (quoted && *p == '\\' && p[1] != '\0')
			p++;
		else if (*p == '"')
			quoted = !quoted;
	}
	return *p == '}' ? p + 1 : NULL;
}

/* Takes one figure, a line without its newline.  Returns 0, or -1 when it is
 * none. */
static int
take(struct d4_meta_line *json, char *line)
{
	char *name = line + strspn(line, blanks), *end, *value, *rest;
	unsigned long long whole;
	double real;

	if (*name == '\0' || *name == '#')
		return 0;
	if ((end = skip_name(name)) == NULL ||
	    !d4_meta_line_is_utf8(name, (size_t)(end - name)))
		return -1;
	value = end + strspn(end, blanks);
	if (*value == '\0')
		return -1;
	*end = '\0';
	rest = value + strspn(value, "0123456789");
	errno = 0;
	/* Beyond it many readers of JSON give up; as a real it passes. */
	whole = strtoull(value, &end, 10);
	if (rest > value && (*rest == '\0' || strchr(blanks, *rest) != NULL) &&
	    errno == 0 && whole <= INT64_MAX) {
		d4_meta_line_uint(json, name, whole);
	} else {
		real = strtod(value, &end);
		if (end == value || (*end != '\0' &&
		    strchr(blanks, *end) == NULL))
			return -1;
		d4_meta_line_real(json, name, real, 17);
	}
	end += strspn(end, blanks);
	/* What may follow is a timestamp. */
	end += strspn(end, "-0123456789");
	return end[strspn(end, blanks)] == '\0' ? 0 : -1;
}

static int
take_lines(struct d4_meta_line *json, const char *text, size_t len)
{
	char line[LINE_LEN];

	while (len > 0) {
		const char *newline = memchr(text, '\n', len);
		size_t n = newline == NULL ? len : (size_t)(newline - text);

		if (n >= sizeof(line) || memchr(text, '\0', n) != NULL)
			return -1;
		memcpy(line, text, n);
		line[n] = '\0';
		if (take(json, line) == -1)
			return -1;
		n += newline != NULL;
		text += n;
		len -= n;
	}
	d4_meta_line_end(json);
	return 0;
}

char *
metrics_parse(const char *text, size_t len, const char **why)
{
	struct d4_meta_line *json;
	const char *bytes;
	char *object = NULL;
	size_t n;

	*why = "not enough memory";
	if ((json = d4_meta_line_new()) == NULL)
		return NULL;
	if (take_lines(json, text, len) == -1) {
		*why = "a line is no figure";
	} else if ((bytes = d4_meta_line_bytes(json, &n)) != NULL) {
		n--;	/* the newline */
		if (d4_meta_is_value(bytes, n))
			object = strndup(bytes, n);
		else
			*why = "a figure is there twice, or there are too many";
	}
	d4_meta_line_free(json);
	return object;
}

char *
metrics_read(const char *file, int64_t *mtime, const char **why)
{
	char text[METRICS_MAX + 1];
	char *object = NULL;
	struct stat st;
	ssize_t got;
	int fd;

	/* A FIFO must not hang us. */
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1) {
		*why = strerror(errno);
		return NULL;
	}
	if (fstat(fd, &st) == -1) {
		*why = strerror(errno);
	} else if (!S_ISREG(st.st_mode)) {
		*why = "not a regular file";
	} else if ((got = d4_io_read_full(fd, text, sizeof(text))) == -1) {
		*why = strerror(errno);
	} else if ((size_t)got == sizeof(text)) {
		*why = "too long";
	} else {
		*mtime = (int64_t)st.st_mtime;
		object = metrics_parse(text, (size_t)got, why);
	}
	(void)close(fd);
	return object;
}
