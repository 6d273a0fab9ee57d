/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "d4-pibs/lines.h"

/* More than any line is long: 11 + 46 + 4 + 6 bytes. */
#define LINE_ROOM	80

/* A short text written as four bytes, of which len count. */
struct piece {
	char		text[4];
	uint32_t	len;
};

/*
 * Text is laid down from tables: the second only changes now and then, an octet
 * or flags byte with the sign behind it is one store of four bytes, and a port
 * is two: its thousands and the rest.
 */
struct lines {
	struct out	*out;
	uint32_t	 sec;			/* of which text is */
	size_t		 seclen;
	char		 second[16];
	struct piece	 dotted[256];		/* "N." */
	struct piece	 comma[256];		/* "N," */
	struct piece	 thousands[66];		/* nothing for 0 */
	struct piece	 rest[2][1000];		/* "N\n", in [1] of 3 digits */
};

/* The number in so many digits at least, which may be none, and the sign, if
 * there is one. */
static void
fill(struct piece *p, unsigned n, unsigned digits, char sign)
{
	if (n >= 100 || digits >= 3)
		p->text[p->len++] = (char)('0' + n / 100);
	if (n >= 10 || digits >= 2)
		p->text[p->len++] = (char)('0' + n / 10 % 10);
	if (n >= 1 || digits >= 1)
		p->text[p->len++] = (char)('0' + n % 10);
	if (sign != '\0')
		p->text[p->len++] = sign;
}

struct lines *
lines_new(struct out *out)
{
	struct lines *l = calloc(1, sizeof(*l));
	unsigned i;

	if (l == NULL)
		return NULL;
	l->out = out;
	for (i = 0; i < 256; i++) {
		fill(&l->dotted[i], i, 1, '.');
		fill(&l->comma[i], i, 1, ',');
	}
	for (i = 0; i < 66; i++)
		fill(&l->thousands[i], i, 0, '\0');
	for (i = 0; i < 1000; i++) {
		fill(&l->rest[0][i], i, 1, '\n');
		fill(&l->rest[1][i], i, 3, '\n');
	}
	return l;
}

void
lines_free(struct lines *l)
{
	free(l);
}

void
lines_header(struct lines *l)
{
	out_text(l->out, "#timestamp, source IP, TCP flags, source port\n");
}

static inline char *
put_piece(char *at, const struct piece *p)
{
	memcpy(at, p->text, 4);
	return at + p->len;
}

static inline char *
put_port(const struct lines *l, char *at, unsigned n)
{
	at = put_piece(at, &l->thousands[n / 1000]);
	return put_piece(at, &l->rest[n >= 1000][n % 1000]);
}

static void
set_second(struct lines *l, uint32_t sec)
{
	char digits[10];
	size_t n = 0;

	l->sec = sec;
	do {
		digits[n++] = (char)('0' + sec % 10);
	} while ((sec /= 10) != 0);
	for (l->seclen = 0; n > 0; )
		l->second[l->seclen++] = digits[--n];
	l->second[l->seclen++] = ',';
}

static inline char *
put_addr(const struct lines *l, char *at, struct addr a)
{
	uint32_t v4 = (uint32_t)a.lo;

	if (!addr_is_v4(a)) {
		addr_text(at, a);
		at += strlen(at);
		*at++ = ',';
		return at;
	}
	at = put_piece(at, &l->dotted[v4 >> 24]);
	at = put_piece(at, &l->dotted[v4 >> 16 & 255]);
	at = put_piece(at, &l->dotted[v4 >> 8 & 255]);
	return put_piece(at, &l->comma[v4 & 255]);
}

void
lines_write(struct lines *l, const struct packet *k, const uint8_t *index,
    size_t n)
{
	char *room = out_room(l->out, n * LINE_ROOM), *at = room;
	size_t i;

	for (i = 0; i < n; i++) {
		const struct packet *p = &k[index[i]];

		if (p->sec != l->sec || l->seclen == 0)
			set_second(l, p->sec);
		memcpy(at, l->second, sizeof(l->second));
		at = put_addr(l, at + l->seclen, p->src);
		at = put_piece(at, &l->comma[p->flags]);
		at = put_port(l, at, p->sport);
	}
	l->out->len += (size_t)(at - room);
}
