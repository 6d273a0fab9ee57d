/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "lib/meta-line.h"
#include "lib/meta.h"
#include "lib/utf8.h"

#define NUMBER_TEXT	32	/* 20 digits, or 17 and an exponent */
#define DIGITS_MAX	17	/* that tell any double from any other */

struct d4_meta_line {
	char	*buf;
	size_t	 len;
	size_t	 cap;
	bool	 failed;		/* memory was short */
	bool	 first;			/* no member yet: no comma */
	int	 depth;			/* brackets that are open */
	char	 closing[D4_META_DEPTH];
};

struct d4_meta_line *
d4_meta_line_new(void)
{
	struct d4_meta_line *line;

	if ((line = calloc(1, sizeof(*line))) != NULL)
		d4_meta_line_clear(line);
	return line;
}

void
d4_meta_line_free(struct d4_meta_line *line)
{
	if (line == NULL)
		return;
	free(line->buf);
	free(line);
}

/* Room for n more bytes and a NUL; false when there is none. */
static bool
reserve(struct d4_meta_line *line, size_t n)
{
	size_t cap = line->cap > 0 ? line->cap : 256;
	char *buf;

	if (line->failed)
		return false;
	if (line->cap - line->len > n)
		return true;
	while (cap - line->len <= n)
		cap *= 2;
	if ((buf = realloc(line->buf, cap)) == NULL) {
		line->failed = true;
		return false;
	}
	line->buf = buf;
	line->cap = cap;
	return true;
}

static void
add(struct d4_meta_line *line, const char *text, size_t len)
{
	if (!reserve(line, len))
		return;
	memcpy(line->buf + line->len, text, len);
	line->len += len;
	line->buf[line->len] = '\0';
}

/* Most characters: of one byte, without an escape. */
static bool
is_plain(uint8_t c)
{
	return c >= ' ' && c < 127 && c != '"' && c != '\\';
}

/* What is not plain, as an escape; what is no character (n is 0) as U+FFFD.  A
 * control of two bytes, of C1, has its number in the second. */
static void
escape(struct d4_meta_line *line, const uint8_t *p, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t c = p[n == 2 ? 1 : 0];
	char text[] = "\\u0000";

	if (n == 0) {
		add(line, "\\ufffd", 6);
	} else if (c == '"' || c == '\\') {
		text[1] = (char)c;
		add(line, text, 2);
	} else {
		text[4] = hex[c >> 4];
		text[5] = hex[c & 15];
		add(line, text, 6);
	}
}

/* Text in quotes; runs that need no escape are copied as they are. */
static void
quote(struct d4_meta_line *line, const char *text)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t left = strlen(text), run = 0, n;

	add(line, "\"", 1);
	while (left > run) {
		if (is_plain(p[run])) {
			run++;
			continue;
		}
		n = d4_utf8_len(p + run, left - run);
		if (n > 1 && !d4_utf8_is_control(p + run, n)) {
			run += n;
			continue;
		}
		add(line, (const char *)p, run);
		escape(line, p + run, n);
		n = n == 0 ? 1 : n;
		p += run + n;
		left -= run + n;
		run = 0;
	}
	add(line, (const char *)p, run);
	add(line, "\"", 1);
}

/* What stands before a value: the line's own bracket, a comma, a name. */
static void
begin(struct d4_meta_line *line, const char *key)
{
	if (line->depth == 0) {
		line->closing[line->depth++] = '}';
		add(line, "{", 1);
	} else if (!line->first) {
		add(line, ",", 1);
	}
	line->first = false;
	if (key != NULL) {
		quote(line, key);
		add(line, ":", 1);
	}
}

static void
put(struct d4_meta_line *line, const char *key, const char *value)
{
	begin(line, key);
	add(line, value, strlen(value));
}

static void
nest(struct d4_meta_line *line, const char *key, const char *opening,
    char closing)
{
	put(line, key, opening);
	if (line->depth == D4_META_DEPTH) {
		line->failed = true;
		return;
	}
	line->closing[line->depth++] = closing;
	line->first = true;
}

void
d4_meta_line_object(struct d4_meta_line *line, const char *key)
{
	nest(line, key, "{", '}');
}

void
d4_meta_line_list(struct d4_meta_line *line, const char *key)
{
	nest(line, key, "[", ']');
}

void
d4_meta_line_close(struct d4_meta_line *line)
{
	if (line->depth == 0)
		return;
	add(line, &line->closing[--line->depth], 1);
	line->first = false;
}

void
d4_meta_line_string(struct d4_meta_line *line, const char *key,
    const char *text)
{
	begin(line, key);
	quote(line, text);
}

/* Writes the digits from the end of the text; returns where they begin. */
static char *
decimal(char text[NUMBER_TEXT], uint64_t n)
{
	char *at = text + NUMBER_TEXT - 1;

	*at = '\0';
	do {
		*--at = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	return at;
}

void
d4_meta_line_uint(struct d4_meta_line *line, const char *key, uint64_t n)
{
	char text[NUMBER_TEXT];

	put(line, key, decimal(text, n));
}

void
d4_meta_line_int(struct d4_meta_line *line, const char *key, int64_t n)
{
	char text[NUMBER_TEXT], *at;

	at = decimal(text, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
	if (n < 0)
		*--at = '-';
	put(line, key, at);
}

void
d4_meta_line_real(struct d4_meta_line *line, const char *key, double n,
    size_t digits)
{
	char text[NUMBER_TEXT];
	json_t *real;
	size_t len;

	/* NULL when it is not finite; or memory is short, which is as bad. */
	if ((real = json_real(n)) == NULL) {
		d4_meta_line_null(line, key);
		return;
	}
	if (digits > DIGITS_MAX)
		digits = DIGITS_MAX;
	len = json_dumpb(real, text, sizeof(text) - 1,
	    JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits));
	json_decref(real);
	if (len == 0 || len >= sizeof(text)) {
		d4_meta_line_null(line, key);
		return;
	}
	text[len] = '\0';
	put(line, key, text);
}

void
d4_meta_line_bool(struct d4_meta_line *line, const char *key, bool yes)
{
	put(line, key, yes ? "true" : "false");
}

void
d4_meta_line_null(struct d4_meta_line *line, const char *key)
{
	put(line, key, "null");
}

void
d4_meta_line_json(struct d4_meta_line *line, const char *key,
    const char *json)
{
	put(line, key, json);
}

void
d4_meta_line_end(struct d4_meta_line *line)
{
	if (line->depth == 0)
		add(line, "{}", 2);
	while (line->depth > 0)
		d4_meta_line_close(line);
	add(line, "\n", 1);
}

const char *
d4_meta_line_bytes(const struct d4_meta_line *line, size_t *len)
{
	*len = line->failed ? 0 : line->len;
	return line->failed ? NULL : line->len > 0 ? line->buf : "";
}

void
d4_meta_line_clear(struct d4_meta_line *line)
{
	line->len = 0;
	line->depth = 0;
	line->first = true;
	line->failed = false;
}

bool
d4_meta_line_is_utf8(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	size_t n;

	for (; len > 0; p += n, len -= n) {
		if ((n = d4_utf8_len(p, len)) == 0)
			return false;
	}
	return true;
}
