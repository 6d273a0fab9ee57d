/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "d4-pibs/attack.h"
#include "d4-pibs/bins.h"
#include "d4-pibs/intake.h"
#include "d4-pibs/lines.h"
#include "d4-pibs/plot.h"
#include "d4-pibs/run.h"
#include "d4-pibs/save.h"
#include "d4-pibs/seen.h"
#include "d4-pibs/state.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/stop.h"

#define PLOT_BIN	60	/* seconds, when --bins does not say */
#define PROGRESS	4096	/* batches between looks at the clock */

struct run {
	const struct settings	*set;
	struct decoder		 decoder;
	struct seen		*seen;
	struct attacks		*attacks;	/* NULL: not asked for */
	bool			 flows;		/* attacks get packets */
	struct lines		*lines;
	struct bins		*bins;
	struct plot		 plot;
	struct report		 report;
	struct save		 save;
	struct out		 out;		/* stdout */
	int			 save_fd, plot_fd, bins_fd;
	bool			 failed;
	bool			 keep_state;	/* as it was saved last */

	/* Figures. */
	uint64_t		 total, reported, found;
	uint64_t		 class[PACKET_CLASSES];
	uint32_t		 now;		/* second of the last packet */
	struct timespec		 start, shown;
	bool			 progress;	/* a line of it stands there */
};

/* -- attacks --------------------------------------------------------------- */

static void
callback_flow(void *arg, struct flow *f, bool over, bool open)
{
	struct run *r = arg;

	if (!over)
		return;
	if (!open)
		r->found++;
	if (r->set->attacks && (!open || r->set->open))
		report_attack(&r->report, f, seen_last(r->seen, f->target,
		    (uint32_t)(f->last / SECOND)), open);
	if (r->set->plot != NULL)
		plot_attack(&r->plot, f);
}

/* -- what is asked for ----------------------------------------------------- */

static bool
rule_asked(const struct settings *s)
{
	return s->lines || s->save != NULL || s->statistics;
}

/* Sets what is to be decoded.  Statistics count all classes, and what is saved
 * is found by the index of its frame. */
static void
set_wanted(struct run *r)
{
	const struct settings *s = r->set;
	struct decoder *d = &r->decoder;
	uint32_t packets = s->statistics || s->save != NULL ? PACKET_ALL :
	    PACKET_BIT(PACKET_SYN) |
	    (rule_asked(s) ? PACKET_TCP_ANSWERS : 0);
	struct hash_key key;

	if (!r->flows) {
		packet_want(&d->wanted, packets, 0, NULL);
		return;
	}
	key = attack_key(r->attacks);
	packet_want(&d->wanted, packets, attack_classes(&s->limits), &key);
	d->attacks = r->attacks;
}

/* -- opening --------------------------------------------------------------- */

/* What people call standard output. */
static const char *
name_of(const char *name)
{
	return settings_is_stdout(name) ? "stdout" : name;
}

/* Whether it is a file that is read, or the state, which replaces its file. */
static bool
is_read(const struct settings *s, int fd)
{
	struct stat st;
	size_t i;

	for (i = 0; i < s->nfiles; i++) {
		if ((strcmp(s->files[i], "-") == 0 ?
		    fstat(STDIN_FILENO, &st) : stat(s->files[i], &st)) == 0 &&
		    d4_io_is_file(fd, &st))
			return true;
	}
	return s->state != NULL && stat(s->state, &st) == 0 &&
	    d4_io_is_file(fd, &st);
}

/* Whether it is a file that another output has. */
static bool
is_written(const struct run *r, int fd)
{
	const int fds[] = { r->save_fd, r->plot_fd, r->bins_fd };
	struct stat st;
	size_t i;

	for (i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		if (fds[i] != -1 && fds[i] != fd && fstat(fds[i], &st) == 0 &&
		    d4_io_is_file(fd, &st))
			return true;
	}
	return false;
}

/* Returns 0 or an exit status.  A file loses what is in it. */
static int
open_file(const struct run *r, const char *name, int *fd)
{
	struct stat st;

	if (name == NULL)
		return 0;
	*fd = settings_is_stdout(name) ? dup(STDOUT_FILENO) :
	    open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (*fd != -1 && is_read(r->set, *fd)) {
		d4_log_warnx("%s: is a file that is read", name_of(name));
		return 2;
	}
	if (*fd != -1 && is_written(r, *fd)) {
		d4_log_warnx("%s: is a file that is written already",
		    name_of(name));
		return 2;
	}
	if (*fd != -1 && (settings_is_stdout(name) || fstat(*fd, &st) == -1 ||
	    !S_ISREG(st.st_mode) || ftruncate(*fd, 0) == 0))
		return 0;
	d4_log_warn("%s", name_of(name));
	return 1;
}

static int
open_tables(struct run *r)
{
	const struct settings *s = r->set;
	size_t memory = (size_t)s->memory;

	/* Five eighths for scanners, two for flows, one for all the rest. */
	r->seen = seen_new(memory / 8 * 5, s->expire, s->pibs);
	r->flows = s->attacks || s->bins > 0 || s->plot != NULL;
	if (r->seen == NULL)
		return -1;
	if (r->flows || s->state != NULL) {
		r->attacks = attack_new(&s->limits, memory / 4, callback_flow,
		    r);
		if (r->attacks == NULL)
			return -1;
	}
	if (s->bins > 0 || s->plot != NULL) {
		r->bins = bins_new(s->bins > 0 ? s->bins : PLOT_BIN,
		    memory / 8);
		if (r->bins == NULL)
			return -1;
		attack_watch(r->attacks, bins_count, r->bins);
	}
	if (out_open(&r->out, STDOUT_FILENO) == -1 ||
	    (r->lines = lines_new(&r->out)) == NULL)
		return -1;
	return s->save != NULL ? save_open(&r->save, r->save_fd, s->pibs) : 0;
}

static int
open_all(struct run *r)
{
	const struct settings *s = r->set;
	char fault[STATE_FAULT];
	int rc;

	if (is_read(s, STDOUT_FILENO)) {
		d4_log_warnx("stdout: is a file that is read");
		return 2;
	}
	if ((rc = open_file(r, s->save, &r->save_fd)) != 0 ||
	    (rc = open_file(r, s->plot, &r->plot_fd)) != 0 ||
	    (rc = open_file(r, s->bins_file, &r->bins_fd)) != 0)
		return rc;
	if (open_tables(r) == -1) {
		d4_log_warn("memory");
		return 1;
	}
	if (s->state != NULL && state_load(s->state, r->seen, r->attacks,
	    fault) == -1) {
		d4_log_warnx("%s: %s", s->state, fault);
		return 2;
	}
	return 0;
}

struct run *
run_open(const struct settings *s, int *status)
{
	char fault[CAPTURE_FAULT];
	struct run *r = calloc(1, sizeof(*r));

	*status = 1;
	if (r == NULL) {
		d4_log_warn("memory");
		return NULL;
	}
	r->set = s;
	r->save_fd = r->plot_fd = r->bins_fd = -1;
	r->report = (struct report){ .out = &r->out, .format = s->format,
	    .telescope = s->telescope, .limits = &s->limits };
	(void)clock_gettime(CLOCK_MONOTONIC, &r->start);
	r->shown = r->start;
	r->decoder.pibs = s->pibs;
	if (s->filter != NULL && (r->decoder.filter =
	    filter_open(s->filter, fault)) == NULL) {
		d4_log_warnx("%s: %s", s->filter, fault);
		*status = 2;
	} else if ((*status = open_all(r)) == 0) {
		set_wanted(r);
		if (s->lines)
			lines_header(r->lines);
		if (s->attacks)
			report_header(&r->report);
		return r;
	}
	r->failed = true;
	(void)run_close(r);
	return NULL;
}

/* -- a batch --------------------------------------------------------------- */

static void
save_batch(struct run *r, const struct frame *f, const uint8_t *index,
    size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		save_frame(&r->save, &f[index[i]]);
}

static void
count_classes(struct run *r, const struct batch *b)
{
	size_t i;

	for (i = 0; i < b->n; i++)
		r->class[b->packet[i].class]++;
}

/* f is there when frames are saved. */
static void
take_batch(struct run *r, struct harvest *h, const struct frame *f)
{
	const struct settings *s = r->set;
	struct batch *b = &h->batch;
	uint8_t index[FRAME_BATCH];
	size_t m;

	r->total += h->frames;
	r->now = h->sec;
	if (s->statistics)
		count_classes(r, b);
	if (rule_asked(s)) {
		m = seen_rule(r->seen, b->packet, b->n, index);
		r->reported += m;
		if (s->lines)
			lines_write(r->lines, b->packet, index, m);
		if (s->save != NULL)
			save_batch(r, f, index, m);
	} else
		seen_record(r->seen, b->packet, b->n);
	if (r->flows)
		attack_add(r->attacks, b);
}

/* -- figures and progress -------------------------------------------------- */

static void
say_figures(const struct run *r)
{
	d4_log_say("%llu packets, %llu backscatter, %llu scanners, %llu open "
	    "flows, %llu attacks; fallen out: %llu scanners, %llu flows",
	    (unsigned long long)r->total, (unsigned long long)r->reported,
	    (unsigned long long)seen_count(r->seen),
	    (unsigned long long)(r->attacks == NULL ? 0 :
	    attack_count(r->attacks)), (unsigned long long)r->found,
	    (unsigned long long)seen_lost(r->seen),
	    (unsigned long long)(r->attacks == NULL ? 0 :
	    attack_lost(r->attacks)));
}

void
run_figures(const struct run *r)
{
	if (d4_stop_take_figures())
		say_figures(r);
}

static double
since(const struct timespec *t)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - t->tv_sec) +
	    (double)(now.tv_nsec - t->tv_nsec) / 1e9;
}

/* A line that overwrites itself, on a terminal, each second. */
static void
show_progress(struct run *r, const struct intake *t, const char *name)
{
	int percent = intake_percent(t);
	char line[160];
	struct out o = { .fd = STDERR_FILENO };
	int n;

	if (since(&r->shown) < 1)
		return;
	(void)clock_gettime(CLOCK_MONOTONIC, &r->shown);
	n = snprintf(line, sizeof(line),
	    "\r\033[Kd4-pibs: %.80s: %3d %%, %.1f million packets/s", name,
	    percent < 0 ? 0 : percent, (double)r->total / 1e6 /
	    since(&r->start));
	o.buf = line;
	o.len = n < 0 ? 0 : (size_t)n < sizeof(line) ? (size_t)n :
	    sizeof(line) - 1;
	(void)out_flush(&o);
	r->progress = true;
}

static void
end_progress(struct run *r)
{
	char clear[] = "\r\033[K";
	struct out o = { .fd = STDERR_FILENO, .buf = clear, .len = 4 };

	if (r->progress)
		(void)out_flush(&o);
	r->progress = false;
}

/* -- a capture ------------------------------------------------------------- */

/* What failed is found by run_broken(). */
static void
flush(struct run *r)
{
	(void)out_flush(&r->out);
	if (r->set->save != NULL)
		(void)out_flush(&r->save.out);
}

/* Until the end, a signal or a fault of the output. */
static void
take_all(struct run *r, struct intake *t, const char *name)
{
	bool terminal = isatty(STDERR_FILENO) == 1;
	struct harvest *harvest;
	const struct frame *frames = NULL;
	uint64_t batches = 0;
	int rc;

	while (!d4_stop_wanted() && !run_broken(r) &&
	    (rc = intake_next(t, &harvest, &frames)) != -2) {
		run_figures(r);
		if (rc == 0 && harvest->frames > 0)
			take_batch(r, harvest, frames);
		if (intake_idle(t))
			flush(r);
		if (terminal && ++batches % PROGRESS == 0)
			show_progress(r, t, name);
	}
	end_progress(r);
}

int
run_capture(struct run *r, struct capture *c, const char *name)
{
	const struct settings *s = r->set;
	uint64_t unread = r->decoder.unread;
	struct intake *t;

	t = intake_open(c, &r->decoder, s->save != NULL);
	if (t == NULL) {
		d4_log_warn("%s", name);
		return -1;
	}
	take_all(r, t, name);
	intake_close(t);
	/* Who follows a queue may have to wait long for the next file, and
	 * what is acknowledged has been written. */
	flush(r);
	if (capture_fault(c) != NULL) {
		d4_log_warnx("%s: %s", name, capture_fault(c));
		return -1;
	}
	if (r->decoder.unread == unread)
		return 0;
	d4_log_warnx("%s: link type %u is not read", name,
	    r->decoder.unread_link);
	return -1;
}

/*
 * PIBS's library judges a file by its first three records, and when one of
 * them is impossible it takes the file for another format and finds nothing.
 */
static bool
pibs_would_read(const char *name)
{
	char fault[CAPTURE_FAULT];
	struct capture *c = NULL;
	struct frame f;
	struct stat st;
	bool yes = true;
	int i;

	/* What a pipe gives can't be looked at beforehand. */
	if (strcmp(name, "-") != 0 && stat(name, &st) == 0 &&
	    S_ISREG(st.st_mode))
		c = capture_open_file(name, fault);

	for (i = 0; c != NULL && i < 3 && yes; i++)
		yes = capture_next(c, &f, 1) != 0 || capture_fault(c) == NULL;
	capture_close(c);
	return yes;
}

int
run_file(struct run *r, const char *name)
{
	char fault[CAPTURE_FAULT];
	struct capture *c;
	int rc;

	if (r->set->pibs && !pibs_would_read(name)) {
		d4_log_warnx("%s: one of the first records is damaged: PIBS "
		    "reads none of them", name);
		return -1;
	}
	if ((c = capture_open_file(name, fault)) == NULL) {
		if (d4_stop_wanted())
			return 0;
		d4_log_warnx("%s: %s", name, fault);
		return -1;
	}
	d4_log_info(1, "%s", name);
	rc = run_capture(r, c, name);
	capture_close(c);
	return rc;
}

bool
run_broken(const struct run *r)
{
	return r->out.fault != 0 || r->save.out.fault != 0;
}

/* -- the end --------------------------------------------------------------- */

int
run_save_state(struct run *r)
{
	if (r->set->state == NULL || r->keep_state ||
	    state_save(r->set->state, r->seen, r->attacks, r->now) == 0)
		return 0;
	d4_log_warn("%s", r->set->state);
	return -1;
}

void
run_keep_state(struct run *r)
{
	r->keep_state = true;
}

/* Each figure a line that readers of -b pass over. */
static void
put_statistics(const struct run *r, struct out *o)
{
	int i;

	out_printf(o, "#packets: %llu\n#backscatter of TCP: %llu\n"
	    "#Number of unique IP addresses: %llu\n#fallen out: %llu\n",
	    (unsigned long long)r->total, (unsigned long long)r->reported,
	    (unsigned long long)seen_count(r->seen),
	    (unsigned long long)seen_lost(r->seen));
	if (r->set->pibs)
		out_printf(o, "#too small: %llu\n",
		    (unsigned long long)r->decoder.small);
	else
		out_printf(o, "#of link types not read: %llu\n",
		    (unsigned long long)r->decoder.unread);
	for (i = 0; i < PACKET_CLASSES && !r->set->pibs; i++)
		out_printf(o, "#class %s: %llu\n", packet_class_name(
		    (enum packet_class)i), (unsigned long long)r->class[i]);
	if (!r->flows)
		return;
	out_printf(o, "#attacks: %llu\n#flows open: %llu\n"
	    "#flows fallen out: %llu\n", (unsigned long long)r->found,
	    (unsigned long long)attack_count(r->attacks),
	    (unsigned long long)attack_lost(r->attacks));
	if (r->bins != NULL)
		out_printf(o, "#outside of bins: %llu\n",
		    (unsigned long long)bins_outside(r->bins));
}

/* To a descriptor of its own.  Returns 0, or -1 with errno. */
static int
write_to(int fd, void (*write)(struct run *, struct out *), struct run *r)
{
	struct out o;
	int rc;

	if (out_open(&o, fd) == -1)
		return -1;
	write(r, &o);
	rc = out_flush(&o);
	out_close(&o);
	return rc;
}

static void
write_bins(struct run *r, struct out *o)
{
	bins_write(r->bins, o, r->set->json);
}

static void
write_statistics(struct run *r, struct out *o)
{
	put_statistics(r, o);
}

static void
write_plot(struct run *r, struct out *o)
{
	const struct settings *s = r->set;

	plot_draw(&r->plot, r->bins, o, s->nfiles > 0 ? s->files[0] :
	    s->interface != NULL ? s->interface : s->uuid != NULL ? s->uuid :
	    s->dir);
}

static int
say_failed(const char *name)
{
	d4_log_warn("%s", name_of(name));
	return -1;
}

/* All that can only be written when everything is known. */
static int
finish(struct run *r)
{
	const struct settings *s = r->set;
	/* Lines with a # may stand among those of -b alone. */
	bool data = settings_on_stdout(s) > s->lines;
	int rc = 0;

	if (r->attacks != NULL && r->flows) {
		if (s->state == NULL || s->flush)
			attack_flush(r->attacks);
		else if (s->open || s->plot != NULL)
			attack_each(r->attacks);
	}
	if (s->bins > 0 && s->bins_file == NULL)
		bins_write(r->bins, &r->out, s->json);
	if (s->statistics && !data)
		put_statistics(r, &r->out);
	if (out_flush(&r->out) == -1)
		rc = say_failed("stdout");
	if (s->statistics && data && write_to(STDERR_FILENO, write_statistics,
	    r) == -1)
		rc = say_failed("stderr");
	if (s->bins_file != NULL && write_to(r->bins_fd, write_bins, r) == -1)
		rc = say_failed(s->bins_file);
	if (s->plot != NULL && write_to(r->plot_fd, write_plot, r) == -1)
		rc = say_failed(s->plot);
	if (r->bins != NULL && bins_outside(r->bins) > 0)
		d4_log_warnx("bins: %llu packets outside of what --memory has "
		    "room for", (unsigned long long)bins_outside(r->bins));
	if (s->save != NULL && r->save.left_out > 0)
		d4_log_warnx("%s: %llu frames of other link types left out",
		    s->save, (unsigned long long)r->save.left_out);
	if (s->save != NULL && save_close(&r->save) == -1)
		rc = say_failed(s->save);
	else if (s->save != NULL && s->pibs && !data) {
		out_printf(&r->out, "[INFO] Created pcap file %.400s\n",
		    s->save);
		(void)out_flush(&r->out);
	}
	/* Who got nothing to see must be able to have it told again. */
	if (rc == 0)
		rc = run_save_state(r);
	if (s->verbose > 0)
		say_figures(r);
	return rc;
}

static int
close_fd(int fd, const char *name)
{
	return fd != -1 && close(fd) == -1 ? say_failed(name) : 0;
}

int
run_close(struct run *r)
{
	const struct settings *s = r->set;
	int rc = r->failed ? -1 : finish(r);

	if (close_fd(r->save_fd, s->save) == -1 ||
	    close_fd(r->plot_fd, s->plot) == -1 ||
	    close_fd(r->bins_fd, s->bins_file) == -1)
		rc = -1;
	attack_free(r->attacks);
	bins_free(r->bins);
	lines_free(r->lines);
	seen_free(r->seen);
	filter_close(r->decoder.filter);
	out_close(&r->out);
	free(r);
	return rc;
}
