/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "d4-stdout/merge.h"
#include "d4-stdout/pcap.h"
#include "lib/border.h"
#include "lib/bytes.h"

#define BUFFER		((size_t)256 << 10)
#define BUFFER_MAX	((size_t)PCAP_PACKET_MAX + 64)	/* a unit, its head */
#define SNAPLEN		262144		/* that libpcap takes of any link */
#define BYTE_ORDER_MAGIC 0x1a2b3c4d
#define MAGIC		4		/* bytes that tell what a file is */

enum kind { KIND_NONE, KIND_PCAP, KIND_PCAPNG, KIND_OTHER };

/* The type of a section's header, the same in both byte orders. */
static const uint8_t section[] = { 0x0a, 0x0d, 0x0d, 0x0a };

static const char *const names[] = { "empty", "pcap", "pcapng", "other data" };

struct merge {
	struct output		*out;
	enum kind		 stream;	/* what has been written */
	struct pcap_form	 form;		/* of a pcap stream */
	/* The file: */
	enum kind		 kind;
	struct pcap_form	 file;
	struct d4_border	*border;	/* of pcapng */
	bool			 headed;	/* its header has been read */
	bool			 big;		/* byte order of a section */
	size_t			 seen;		/* by border, of buf */
	uint8_t			*buf;
	size_t			 len, room;	/* bytes in it, and at most */
	char			 why[160];
};

struct merge *
merge_new(struct output *out)
{
	struct merge *m = calloc(1, sizeof(*m));

	if (m == NULL || (m->buf = malloc(BUFFER)) == NULL) {
		free(m);
		return NULL;
	}
	m->room = BUFFER;
	m->out = out;
	return m;
}

void
merge_free(struct merge *m)
{
	if (m == NULL)
		return;
	d4_border_free(m->border);
	free(m->buf);
	free(m);
}

const char *
merge_why(const struct merge *m)
{
	return m->why;
}

static enum merge_end
refuse(struct merge *m, enum merge_end end, const char *words)
{
	(void)snprintf(m->why, sizeof(m->why), "%s", words);
	return end;
}

/* Writes what is in front of the buffer and drops what was taken of it. */
static enum merge_end
put(struct merge *m, size_t made, size_t taken)
{
	if (output_write(m->out, m->buf, made) == -1)
		return MERGE_OUTPUT;
	m->len -= taken;
	memmove(m->buf, m->buf + taken, m->len);
	return MERGE_DONE;
}

/* -- pcap ------------------------------------------------------------------ */

/* The stream's header, made of that of its first file. */
static enum merge_end
begin_pcap(struct merge *m)
{
	uint8_t header[PCAP_HEADER];

	m->form = m->file;
	m->form.head = 16;
	if (m->form.snaplen < SNAPLEN)
		m->form.snaplen = SNAPLEN;
	if (m->form.snaplen > PCAP_PACKET_MAX)
		m->form.snaplen = PCAP_PACKET_MAX;
	m->stream = KIND_PCAP;
	pcap_write(header, &m->form);
	return output_write(m->out, header, sizeof(header)) == -1 ?
	    MERGE_OUTPUT : MERGE_DONE;
}

static enum merge_end
take_header(struct merge *m)
{
	if (pcap_read(&m->file, m->buf) == -1)
		return refuse(m, MERGE_DAMAGED,
		    "not a file header of pcap version 2");
	if (m->stream == KIND_PCAP && m->file.link != m->form.link) {
		(void)snprintf(m->why, sizeof(m->why), "link type %u does not "
		    "fit into a stream of link type %u",
		    m->file.link & 0xffff, m->form.link & 0xffff);
		return MERGE_MISFIT;
	}
	m->headed = true;
	m->len -= PCAP_HEADER;
	memmove(m->buf, m->buf + PCAP_HEADER, m->len);
	return m->stream == KIND_NONE ? begin_pcap(m) : MERGE_DONE;
}

static enum merge_end
step_pcap(struct merge *m)
{
	enum pcap_stop stop = PCAP_AGAIN;
	size_t taken, made;
	enum merge_end end;

	while (stop == PCAP_AGAIN) {
		if (!m->headed && m->len < PCAP_HEADER)
			return MERGE_DONE;
		if (!m->headed && (end = take_header(m)) != MERGE_DONE)
			return end;
		stop = pcap_convert(&m->form, &m->file, m->buf, m->len, &taken,
		    &made);
		if ((end = put(m, made, taken)) != MERGE_DONE)
			return end;
		m->headed = stop != PCAP_AGAIN;
	}
	return stop == PCAP_LONG ? refuse(m, MERGE_DAMAGED,
	    "a packet is longer than it may be") : MERGE_DONE;
}

/* -- pcapng ---------------------------------------------------------------- */

/* A section may become shorter than it says: it says nothing.  There are whole
 * blocks in len bytes. */
static void
forget_lengths(struct merge *m, size_t len)
{
	size_t at = 0;

	while (at < len) {
		uint8_t *p = m->buf + at;

		if (memcmp(p, section, sizeof(section)) == 0) {
			m->big = d4_get32be(p + 8) == BYTE_ORDER_MAGIC;
			memset(p + 16, 0xff, 8);
		}
		at += m->big ? d4_get32be(p + 4) : d4_get32le(p + 4);
	}
}

static enum merge_end
step_pcapng(struct merge *m)
{
	ptrdiff_t n;
	size_t border, whole;
	enum merge_end end;

	if (m->border == NULL &&
	    (m->border = d4_border_new(D4_BORDER_PCAPNG)) == NULL)
		return refuse(m, MERGE_SHORT, "out of memory");
	n = d4_border_scan(m->border, m->buf + m->seen, m->len - m->seen,
	    &border);
	whole = border > 0 ? m->seen + border : 0;
	forget_lengths(m, whole);
	m->stream = KIND_PCAPNG;
	if ((end = put(m, whole, whole)) != MERGE_DONE)
		return end;
	m->seen = m->len;
	return n == -1 ? refuse(m, MERGE_DAMAGED,
	    d4_border_fault(m->border)) : MERGE_DONE;
}

/* -- a file ---------------------------------------------------------------- */

/* What the file is, once enough of it is there, and whether it fits. */
static enum merge_end
recognise(struct merge *m, bool ended)
{
	if (m->len == 0 || (m->len < MAGIC && !ended))
		return MERGE_DONE;
	m->kind = m->len < MAGIC ? KIND_OTHER : pcap_is(m->buf) ? KIND_PCAP :
	    memcmp(m->buf, section, MAGIC) == 0 ? KIND_PCAPNG : KIND_OTHER;
	if (m->stream == KIND_NONE || m->stream == m->kind)
		return MERGE_DONE;
	(void)snprintf(m->why, sizeof(m->why), "%s does not fit into a stream "
	    "of %s", names[m->kind], names[m->stream]);
	return MERGE_MISFIT;
}

/* Writes as much of the buffer as is whole. */
static enum merge_end
step(struct merge *m, bool ended)
{
	enum merge_end end;

	if (m->kind == KIND_NONE && (end = recognise(m, ended)) != MERGE_DONE)
		return end;
	switch (m->kind) {
	case KIND_PCAP:
		return step_pcap(m);
	case KIND_PCAPNG:
		return step_pcapng(m);
	case KIND_OTHER:
		m->stream = KIND_OTHER;
		return put(m, m->len, m->len);
	default:
		return MERGE_DONE;
	}
}

/* More room for a unit that fills the buffer. */
static enum merge_end
grow(struct merge *m)
{
	size_t room = m->room * 4 < BUFFER_MAX ? m->room * 4 : BUFFER_MAX;
	uint8_t *buf;

	if (m->len < m->room)
		return MERGE_DONE;
	if (m->room == BUFFER_MAX)
		return refuse(m, MERGE_DAMAGED,
		    "a block is longer than 4 MiB");
	if ((buf = realloc(m->buf, room)) == NULL)
		return refuse(m, MERGE_SHORT, "out of memory");
	m->buf = buf;
	m->room = room;
	return MERGE_DONE;
}

static void
begin_file(struct merge *m)
{
	m->kind = KIND_NONE;
	m->headed = false;
	m->len = m->seen = 0;
	d4_border_free(m->border);
	m->border = NULL;
	(void)snprintf(m->why, sizeof(m->why), "%s", "");
}

enum merge_end
merge_file(struct merge *m, struct d4_gz_in *in)
{
	enum merge_end end;
	ssize_t n = 1;

	begin_file(m);
	while (n != 0) {
		if ((end = grow(m)) != MERGE_DONE)
			return end;
		n = d4_gz_in_read(in, m->buf + m->len, m->room - m->len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return refuse(m, errno == ENOMEM ? MERGE_SHORT :
			    MERGE_DAMAGED, d4_gz_in_fault(in));
		m->len += (size_t)n;
		if ((end = step(m, n == 0)) != MERGE_DONE)
			return end;
	}
	return m->len == 0 ? MERGE_DONE : refuse(m, MERGE_DAMAGED,
	    "it ends within a packet or block");
}
