/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "d4-pibs/out.h"
#include "lib/bytes.h"
#include "lib/io.h"

int
out_open(struct out *o, int fd)
{
	*o = (struct out){ .fd = fd, .buf = malloc(OUT_SIZE) };
	return o->buf == NULL ? -1 : 0;
}

void
out_close(struct out *o)
{
	free(o->buf);
	o->buf = NULL;
}

int
out_flush(struct out *o)
{
	if (o->fault == 0 && o->len > 0 &&
	    d4_io_write_full(o->fd, o->buf, o->len, NULL) == -1)
		o->fault = errno;
	o->len = 0;
	if (o->fault == 0)
		return 0;
	errno = o->fault;
	return -1;
}

char *
out_room(struct out *o, size_t n)
{
	if (OUT_SIZE - o->len < n)
		(void)out_flush(o);
	return o->buf + o->len;
}

void
out_bytes(struct out *o, const void *p, size_t n)
{
	const char *at = p;

	while (n > 0) {
		size_t part = n < OUT_SIZE ? n : OUT_SIZE;

		memcpy(out_room(o, part), at, part);
		o->len += part;
		at += part;
		n -= part;
	}
}

void
out_text(struct out *o, const char *text)
{
	out_bytes(o, text, strlen(text));
}

void
out_printf(struct out *o, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > 0)
		out_bytes(o, text, (size_t)n < sizeof(text) ? (size_t)n :
		    sizeof(text) - 1);
}

void
out_json_text(struct out *o, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			out_printf(o, "\\%c", c);
		else if (c < ' ' || c >= 127)
			out_printf(o, "\\u%04x", c);
		else
			out_bytes(o, text, 1);
	}
}

void
addr_text(char text[ADDR_TEXT], struct addr a)
{
	uint8_t bytes[16];
	int family = addr_is_v4(a) ? AF_INET : AF_INET6;

	d4_put64be(bytes, a.hi);
	d4_put64be(bytes + 8, a.lo);
	if (inet_ntop(family, family == AF_INET ? bytes + 12 : bytes, text,
	    ADDR_TEXT) == NULL)
		text[0] = '\0';
}

int
addr_parse(struct addr *a, const char *text)
{
	uint8_t bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1) {
		*a = (struct addr){ 0, ADDR_V4 | d4_get32be(bytes) };
		return 0;
	}
	if (inet_pton(AF_INET6, text, bytes) != 1)
		return -1;
	*a = (struct addr){ d4_get64be(bytes), d4_get64be(bytes + 8) };
	return 0;
}
