/* SPDX-License-Identifier: ISC */

/*
 * The door to libpcap: interfaces, the formats that only it knows, and filters.
 */

#define _GNU_SOURCE	/* fopencookie() */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include "d4-pibs/reader.h"
#include "lib/stop.h"

#define SNAPLEN		65535
#define KERNEL_BUFFER	(16 << 20)
#define FILTERS_MAX	16	/* link types in one run */
#define ROOM		((size_t)2 << 20)

/* A handle of libpcap; frames are copied, since they last no longer than a
 * call back of it. */
struct lib {
	pcap_t		*pcap;
	bool		 live;
	bool		 nsec;
	uint16_t	 link;
	uint8_t		*room;
	size_t		 used;
	struct frame	*frames;	/* of the caller, during a call */
	size_t		 n;
};

struct filter {
	char			*expr;
	struct bpf_program	 program[FILTERS_MAX];
	uint16_t		 link[FILTERS_MAX];
	size_t			 n;
};

static uint16_t
link_of(pcap_t *p)
{
	/* Numbers of this system for raw IP stand for the registry's. */
	return pcap_datalink(p) == DLT_RAW ? LINK_RAW :
	    (uint16_t)pcap_datalink(p);
}

static void
close_lib(void *arg)
{
	struct lib *l = arg;

	if (l == NULL)
		return;
	if (l->pcap != NULL)
		pcap_close(l->pcap);
	free(l->room);
	free(l);
}

static struct lib *
new_lib(char fault[CAPTURE_FAULT])
{
	struct lib *l = calloc(1, sizeof(*l));

	if (l == NULL || (l->room = malloc(ROOM)) == NULL) {
		(void)snprintf(fault, CAPTURE_FAULT, "out of memory");
		free(l);
		return NULL;
	}
	return l;
}

/* -- files ----------------------------------------------------------------- */

static ssize_t
read_cookie(void *arg, char *buf, size_t len)
{
	const uint8_t *p;
	ptrdiff_t n = window_begin(arg, 1, &p);

	if (len > (size_t)n)
		len = (size_t)n;
	memcpy(buf, p, len);
	window_skip(arg, len);
	return (ssize_t)len;
}

static void *
open_lib(struct window *w, char fault[CAPTURE_FAULT])
{
	cookie_io_functions_t io = { .read = read_cookie };
	char text[PCAP_ERRBUF_SIZE];
	struct lib *l = new_lib(fault);
	FILE *file;

	if (l == NULL)
		return NULL;
	if ((file = fopencookie(w, "r", io)) == NULL) {
		(void)snprintf(fault, CAPTURE_FAULT, "%s", strerror(errno));
		close_lib(l);
		return NULL;
	}
	l->pcap = pcap_fopen_offline_with_tstamp_precision(file,
	    PCAP_TSTAMP_PRECISION_NANO, text);
	if (l->pcap == NULL) {
		(void)snprintf(fault, CAPTURE_FAULT, "%.200s", text);
		(void)fclose(file);
		close_lib(l);
		return NULL;
	}
	l->nsec = true;
	l->link = link_of(l->pcap);
	return l;
}

/* -- interfaces ------------------------------------------------------------ */

static int
set_up(pcap_t *p, const char *expr, char fault[CAPTURE_FAULT])
{
	char text[PCAP_ERRBUF_SIZE];
	struct bpf_program program;
	const char *why;
	int rc;

	(void)pcap_set_snaplen(p, SNAPLEN);
	(void)pcap_set_promisc(p, 1);
	(void)pcap_set_timeout(p, 200);
	(void)pcap_set_buffer_size(p, KERNEL_BUFFER);
	(void)pcap_set_tstamp_precision(p, PCAP_TSTAMP_PRECISION_NANO);
	if ((rc = pcap_activate(p)) < 0) {
		why = pcap_geterr(p);
		if (*why == '\0' || strcmp(why, pcap_statustostr(rc)) == 0)
			(void)snprintf(fault, CAPTURE_FAULT, "%s",
			    pcap_statustostr(rc));
		else
			(void)snprintf(fault, CAPTURE_FAULT, "%s: %.200s",
			    pcap_statustostr(rc), why);
		return -1;
	}
	if (pcap_setnonblock(p, 1, text) == -1) {
		(void)snprintf(fault, CAPTURE_FAULT, "%.200s", text);
		return -1;
	}
	if (expr == NULL)
		return 0;
	rc = pcap_compile(p, &program, expr, 1, PCAP_NETMASK_UNKNOWN);
	if (rc == 0) {
		rc = pcap_setfilter(p, &program);
		pcap_freecode(&program);
	}
	if (rc != 0)
		(void)snprintf(fault, CAPTURE_FAULT, "%.200s", pcap_geterr(p));
	return rc;
}

void *
reader_lib_live(const char *name, const char *expr, char fault[CAPTURE_FAULT])
{
	char text[PCAP_ERRBUF_SIZE] = "";
	struct lib *l = new_lib(fault);

	if (l == NULL)
		return NULL;
	l->live = true;
	if ((l->pcap = pcap_create(name, text)) == NULL) {
		(void)snprintf(fault, CAPTURE_FAULT, "%.200s", text);
		close_lib(l);
		return NULL;
	}
	if (set_up(l->pcap, expr, fault) != 0) {
		close_lib(l);
		return NULL;
	}
	l->nsec = pcap_get_tstamp_precision(l->pcap) ==
	    PCAP_TSTAMP_PRECISION_NANO;
	l->link = link_of(l->pcap);
	return l;
}

/* -- both ------------------------------------------------------------------ */

static void
callback_frame(u_char *arg, const struct pcap_pkthdr *h, const u_char *bytes)
{
	/* libpcap's own way to hand an argument on. */
	union { u_char *bytes; struct lib *lib; } to = { .bytes = arg };
	struct lib *l = to.lib;
	struct frame *f = &l->frames[l->n];
	uint32_t caplen = h->caplen < FRAME_MAX ? h->caplen : FRAME_MAX;

	memcpy(l->room + l->used, bytes, caplen);
	*f = (struct frame){ .data = l->room + l->used, .caplen = caplen,
	    .len = h->len, .sec = (uint32_t)h->ts.tv_sec,
	    .nsec = (uint32_t)h->ts.tv_usec * (l->nsec ? 1 : 1000),
	    .link = l->link, .usec = false };
	l->used += caplen;
	l->n++;
	if (ROOM - l->used < FRAME_MAX)
		pcap_breakloop(l->pcap);
}

/* Waits for frames or a signal.  Returns 0, or -1 for the signal. */
static int
wait_live(const struct lib *l)
{
	struct pollfd pfd[2] = {
		{ .fd = pcap_get_selectable_fd(l->pcap), .events = POLLIN },
		{ .fd = d4_stop_fd(), .events = POLLIN }
	};

	if (poll(pfd, 2, 1000) == -1)
		return -1;
	if (pfd[1].revents != 0) {
		d4_stop_drain();
		return -1;
	}
	return 0;
}

static int
next_lib(void *arg, struct frame *f, size_t max, char fault[CAPTURE_FAULT])
{
	struct lib *l = arg;
	union { u_char *bytes; struct lib *lib; } from = { .lib = l };
	int rc;

	/* After a fault libpcap would go on somewhere. */
	if (fault[0] != '\0')
		return 0;
	l->frames = f;
	l->n = l->used = 0;
	for (;;) {
		rc = pcap_dispatch(l->pcap, (int)max, callback_frame,
		    from.bytes);
		if (l->n > 0)
			return (int)l->n;
		if (rc == PCAP_ERROR) {
			(void)snprintf(fault, CAPTURE_FAULT, "%.200s",
			    pcap_geterr(l->pcap));
			return 0;
		}
		if (!l->live)
			return 0;
		if (d4_stop_wanted() || wait_live(l) == -1)
			return -1;
	}
}

static bool
nsec_lib(const void *arg)
{
	return ((const struct lib *)arg)->nsec;
}

const struct reader reader_lib = { open_lib, close_lib, next_lib, nsec_lib };

/* -- filters --------------------------------------------------------------- */

/* Compiles for a link type, for its first frame.  NULL when there is no such
 * filter: nothing of that link passes. */
static const struct bpf_program *
program_for(struct filter *f, uint16_t link)
{
	struct bpf_program *program;
	pcap_t *dead;
	size_t i;

	for (i = 0; i < f->n; i++) {
		if (f->link[i] == link)
			return f->program[i].bf_insns == NULL ? NULL :
			    &f->program[i];
	}
	if (f->n == FILTERS_MAX)
		return NULL;
	program = &f->program[f->n];
	f->link[f->n++] = link;
	memset(program, 0, sizeof(*program));
	dead = pcap_open_dead(link == LINK_RAW ? DLT_RAW : link, FRAME_MAX);
	if (dead == NULL)
		return NULL;
	if (pcap_compile(dead, program, f->expr, 1,
	    PCAP_NETMASK_UNKNOWN) != 0)
		memset(program, 0, sizeof(*program));
	pcap_close(dead);
	return program->bf_insns == NULL ? NULL : program;
}

struct filter *
filter_open(const char *expr, char fault[CAPTURE_FAULT])
{
	struct filter *f = calloc(1, sizeof(*f));
	size_t len = strlen(expr) + 1;

	if (f == NULL || (f->expr = malloc(len)) == NULL) {
		(void)snprintf(fault, CAPTURE_FAULT, "out of memory");
		free(f);
		return NULL;
	}
	memcpy(f->expr, expr, len);
	/* What neither of the two takes is no filter at all. */
	if (program_for(f, LINK_ETHERNET) == NULL &&
	    program_for(f, LINK_RAW) == NULL) {
		(void)snprintf(fault, CAPTURE_FAULT, "is no filter");
		filter_close(f);
		return NULL;
	}
	return f;
}

void
filter_close(struct filter *f)
{
	size_t i;

	if (f == NULL)
		return;
	for (i = 0; i < f->n; i++) {
		if (f->program[i].bf_insns != NULL)
			pcap_freecode(&f->program[i]);
	}
	free(f->expr);
	free(f);
}

size_t
filter_frames(struct filter *f, struct frame *k, size_t n)
{
	size_t i, m = 0;

	for (i = 0; i < n; i++) {
		const struct bpf_program *p = program_for(f, k[i].link);
		struct pcap_pkthdr h = { .caplen = k[i].caplen,
		    .len = k[i].len };

		if (p != NULL && pcap_offline_filter(p, &h, k[i].data) != 0)
			k[m++] = k[i];
	}
	return m;
}
