/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "d4/seen.h"
#include "d4/source-backend.h"
#include "lib/base64.h"
#include "lib/clock.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/os.h"

#define SCHEME		"folder:"
#define QUEUE_MAX	16384	/* files known to wait; others come later */
#define DEPTH_MAX	32	/* directories within directories */
#define PLAIN_LEN	49152	/* bytes read at a time, and as base64 */
#define BASE64_LEN	D4_BASE64_ENCODED(PLAIN_LEN)
#define SETTLE_S	2	/* so long left alone, a file is complete, */
#define OPEN_S		3600	/* and one that seems to be open */
#define LOOK_MS		60000	/* to look through it all again */
#define BLIND_MS	1000	/* the same, when nothing else would tell */
#define NAME_MS		1000	/* to see whether the name has changed */
#define RETRY_MS	1000	/* when there are no descriptors left */
#define NOTES_MORE	1000	/* entries that are not worth a new file */
#define TEMPORARY	".tmp"

struct file {
	struct timespec	 mtime;
	char		*path;
};

/* A file that was handed out, up to that mark. */
struct handed {
	uint64_t	 mark;
	struct stat	 st;
};

struct folder {
	const char	*pattern;	/* of the caller */
	bool		 json;
	time_t		 told;		/* when we last looked at the pattern */
	char		 now[PATH_MAX];	/* what it says */
	char		 before[PATH_MAX]; /* what it said, or "" */

	struct d4_os_watch *watch;	/* NULL where there is none */
	int64_t		 due;		/* when to look through it all */
	int64_t		 earliest;	/* but not before */
	bool		 more;		/* files were left out of the queue */
	bool		 blind;		/* a directory can't be watched */
	bool		 unread;	/* or can't be read, which was said */
	time_t		 missed;	/* of what was told before, some */
	struct seen	*seen;

	struct file	*queue;		/* next is the first that waits */
	size_t		 next;
	size_t		 nqueue;
	size_t		 room;

	const char	*files;		/* of the caller: see source.h */
	int		 notes;		/* that file, -1: not or not yet */
	size_t		 nnotes;	/* entries in it */
	struct handed	*handed;	/* files not yet noted, oldest first */
	size_t		 nhanded;
	size_t		 handed_room;
	uint64_t	 made;		/* bytes, up to the end of out */

	int64_t		 pause;		/* open none before */
	bool		 stuck;		/* descriptors are short, as was said */
	int		 fd;		/* the file being read, or -1 */
	char		*path;		/* its name */
	struct stat	 st;		/* what it was when opened */
	uint8_t		*plain;		/* PLAIN_LEN, unless json */
	char		*out;		/* BASE64_LEN and a newline */
	size_t		 at;		/* next byte of out */
	size_t		 nout;
};

/* One look through everything. */
struct look {
	struct folder	*folder;
	struct seen	*seen;		/* what is still there */
	time_t		 young;		/* changed later is not complete */
	time_t		 now;
	struct timespec	 since;		/* see d4_os_watch_add(), or -1 */
	bool		 failed;
	bool		 unsettled;	/* there was one not complete */
};

/* -- the name of the folder ------------------------------------------------ */

static size_t
put_time(char *out, size_t size, char what, const struct tm *tm)
{
	switch (what) {
	case 'Y': return strftime(out, size, "%Y", tm);
	case 'm': return strftime(out, size, "%m", tm);
	case 'd': return strftime(out, size, "%d", tm);
	case 'j': return strftime(out, size, "%j", tm);
	case 'H': return strftime(out, size, "%H", tm);
	case 'M': return strftime(out, size, "%M", tm);
	case 'F': return strftime(out, size, "%F", tm);
	case 'G': return strftime(out, size, "%G", tm);
	case 'V': return strftime(out, size, "%V", tm);
	case 'u': return strftime(out, size, "%u", tm);
	case '%': return strftime(out, size, "%%", tm);
	default: return 0;
	}
}

/* Returns 0, or -1 when the pattern has no meaning or no room. */
static int
expand(char out[PATH_MAX], const char *pattern, time_t now)
{
	struct tm tm;
	size_t n = 0, put;

	if (localtime_r(&now, &tm) == NULL)
		return -1;
	for (; *pattern != '\0' && n < PATH_MAX; pattern++) {
		if (*pattern != '%') {
			out[n++] = *pattern;
			continue;
		}
		put = put_time(out + n, PATH_MAX - n, *++pattern, &tm);
		if (put == 0)
			return -1;
		n += put;
	}
	if (n == PATH_MAX)
		return -1;
	out[n] = '\0';
	return 0;
}

/* -- files that wait ------------------------------------------------------- */

static int
oldest_first(const void *a, const void *b)
{
	const struct file *f = a, *g = b;

	if (f->mtime.tv_sec != g->mtime.tv_sec)
		return f->mtime.tv_sec < g->mtime.tv_sec ? -1 : 1;
	if (f->mtime.tv_nsec != g->mtime.tv_nsec)
		return f->mtime.tv_nsec < g->mtime.tv_nsec ? -1 : 1;
	return strcmp(f->path, g->path);
}

/* There is no room for one: only a look finds it, and it was told already. */
static void
leave_out(struct folder *f)
{
	f->more = true;
	f->missed = time(NULL);
}

/* Sorts the queue and drops those for which it was not made. */
static void
trim(struct folder *f)
{
	if (f->nqueue > 1)
		qsort(f->queue, f->nqueue, sizeof(*f->queue), oldest_first);
	while (f->nqueue > QUEUE_MAX) {
		free(f->queue[--f->nqueue].path);
		leave_out(f);
	}
}

static int
enqueue(struct folder *f, const char *path, const struct stat *st)
{
	struct file *file;

	if (f->nqueue == f->room) {
		size_t room = f->room == 0 ? 64 : f->room * 2;
		struct file *queue;

		queue = realloc(f->queue, room * sizeof(*queue));
		if (queue == NULL)
			return -1;
		f->queue = queue;
		f->room = room;
	}
	file = &f->queue[f->nqueue];
	if ((file->path = strdup(path)) == NULL)
		return -1;
	file->mtime = st->st_mtim;
	f->nqueue++;
	return 0;
}

static bool
is_wanted(const char *name)
{
	size_t len = strlen(name);

	return name[0] != '.' &&
	    (len < 4 || strcmp(name + len - 4, ".tmp") != 0) &&
	    (len < 5 || strcmp(name + len - 5, ".part") != 0);
}

/* -- looking through it all ------------------------------------------------ */

static void
look_failed(struct look *l, const char *path)
{
	if (!l->folder->unread)
		d4_log_warn("%s", path);
	l->failed = true;
}

static bool
is_later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec > b->tv_sec ||
	    (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

/*
 * Whether somebody writes to it, though slowly: what was done last was a write,
 * which its times tell, and we would have been told of its end.
 */
static bool
seems_open(const struct look *l, const struct stat *st)
{
	return l->since.tv_sec != -1 && is_later(&st->st_mtim, &l->since) &&
	    st->st_mtime > l->folder->missed &&
	    st->st_mtime > l->now - OPEN_S && st->st_mtime <= l->now &&
	    !is_later(&st->st_ctim, &st->st_mtim);
}

/* A file, unless it was sent or is not complete. */
static void
look_at_file(struct look *l, const char *path, const struct stat *st)
{
	struct folder *f = l->folder;

	if (seen_has(f->seen, st)) {
		if (seen_add(l->seen, st) == -1)
			look_failed(l, path);
	} else if (st->st_mtime > l->young && st->st_mtime <= l->now) {
		l->unsettled = true;
	} else if (seems_open(l, st)) {
		return;
	} else if (enqueue(f, path, st) == -1) {
		look_failed(l, path);
	} else if (f->nqueue == 2 * QUEUE_MAX) {
		trim(f);
	}
}

static void look_into(struct look *, char[PATH_MAX], size_t, int);

static void
look_at(struct look *l, char path[PATH_MAX], size_t len, const char *name,
    int depth)
{
	size_t n = strlen(name);
	struct stat st;

	if (!is_wanted(name))
		return;
	if (len + 1 + n >= PATH_MAX) {
		errno = ENAMETOOLONG;
		look_failed(l, path);
		return;
	}
	path[len] = '/';
	memcpy(path + len + 1, name, n + 1);
	if (lstat(path, &st) == -1) {
		if (errno != ENOENT)
			look_failed(l, path);
	} else if (S_ISDIR(st.st_mode)) {
		look_into(l, path, len + 1 + n, depth + 1);
	} else if (S_ISREG(st.st_mode)) {
		look_at_file(l, path, &st);
	}
	path[len] = '\0';
}

/* A directory that has gone has nothing to say.  It is watched before it is
 * read, so that nothing falls in between. */
static void
look_into(struct look *l, char path[PATH_MAX], size_t len, int depth)
{
	struct folder *f = l->folder;
	struct timespec around = l->since;
	struct dirent *entry;
	DIR *dir;

	if (depth > DEPTH_MAX) {
		errno = ELOOP;
		look_failed(l, path);
		return;
	}
	l->since.tv_sec = -1;
	if (d4_os_watch_add(f->watch, path, &l->since) == -1 &&
	    (errno != ENOENT || strcmp(path, f->now) == 0))
		f->blind = true;
	if ((dir = opendir(path)) == NULL) {
		if (errno != ENOENT)
			look_failed(l, path);
		l->since = around;
		return;
	}
	while (errno = 0, (entry = readdir(dir)) != NULL)
		look_at(l, path, len, entry->d_name, depth);
	if (errno != 0)
		look_failed(l, path);
	(void)closedir(dir);
	l->since = around;
}

static void
want_look(struct folder *f, int64_t when)
{
	if (when < f->due)
		f->due = when;
	if (f->due < f->earliest)
		f->due = f->earliest;
}

/*
 * Fills the empty queue with what was not sent yet.  What was sent and is
 * there no more is forgotten, unless there was something we could not see.  It
 * takes a tenth of the time at most.
 */
static void
look(struct folder *f)
{
	struct look l = { .folder = f, .now = time(NULL) };
	int64_t start = d4_clock_ms();
	char path[PATH_MAX];
	struct seen *old;

	if (f->watch == NULL)
		f->watch = d4_os_watch_new();
	l.young = l.now - SETTLE_S;
	l.seen = seen_new();
	l.failed = l.seen == NULL;
	f->more = f->blind = false;
	f->due = INT64_MAX;
	if (l.seen != NULL) {
		look_into(&l, strcpy(path, f->now), strlen(f->now), 0);
		if (f->before[0] != '\0')
			look_into(&l, strcpy(path, f->before),
			    strlen(f->before), 0);
	}
	trim(f);
	old = l.seen;
	if (!l.failed) {
		old = f->seen;
		f->seen = l.seen;
	}
	seen_free(old);
	f->unread = l.failed;
	f->earliest = d4_clock_ms() + 10 * (d4_clock_ms() - start);
	want_look(f, f->more ? 0 : d4_clock_ms() + (f->blind ? BLIND_MS :
	    l.unsettled ? SETTLE_S * 1000 : LOOK_MS));
}

/* -- which files were sent ------------------------------------------------- */

static void
not_noted(struct folder *f)
{
	d4_log_warn("%s", f->files);
	if (f->notes != -1)
		(void)close(f->notes);
	f->notes = -1;
	f->files = NULL;
}

/* What an earlier run has sent. */
static void
load_notes(struct folder *f)
{
	f->notes = open(f->files, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC |
	    O_NOFOLLOW, 0600);
	if (f->notes == -1 || seen_load(f->seen, f->notes, &f->nnotes) == -1)
		not_noted(f);
}

/* Leaves out those that are there no more, when they are many.  A power failure
 * leaves the one file or the other. */
static void
renew_notes(struct folder *f)
{
	char path[PATH_MAX];
	int fd, n;

	if (f->notes == -1 || f->fd != -1 || f->at < f->nout ||
	    f->nhanded > 0 ||
	    f->nnotes < 2 * seen_count(f->seen) + NOTES_MORE)
		return;
	n = snprintf(path, sizeof(path), "%s" TEMPORARY, f->files);
	if (n < 0 || (size_t)n >= sizeof(path))
		return;
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC |
	    O_NOFOLLOW, 0600);
	if (fd == -1 || seen_save(f->seen, fd) == -1 || fsync(fd) == -1 ||
	    rename(path, f->files) == -1) {
		d4_log_warn("%s", path);
		if (fd != -1)
			(void)close(fd);
		return;
	}
	(void)close(f->notes);
	f->notes = fd;
	f->nnotes = seen_count(f->seen);
}

/* The file has been read to its end, which is that of out. */
static void
hand_out(struct folder *f)
{
	struct handed *handed = f->handed;

	if (f->notes == -1)
		return;
	if (f->nhanded == f->handed_room) {
		size_t room = f->handed_room > 0 ? 2 * f->handed_room : 64;

		/* Not noted, it comes again some day. */
		handed = realloc(handed, room * sizeof(*handed));
		if (handed == NULL)
			return;
		f->handed = handed;
		f->handed_room = room;
	}
	handed[f->nhanded].mark = f->made;
	handed[f->nhanded++].st = f->st;
}

static uint64_t
folder_mark(const void *state)
{
	const struct folder *f = state;

	return f->made - (f->nout - f->at);
}

static void
folder_sent(void *state, uint64_t mark)
{
	struct folder *f = state;
	size_t i;

	for (i = 0; i < f->nhanded && f->handed[i].mark <= mark; i++) {
		if (f->notes != -1 &&
		    seen_note(f->notes, &f->handed[i].st) == -1)
			not_noted(f);
		f->nnotes++;
	}
	if (i == 0)
		return;
	f->nhanded -= i;
	memmove(f->handed, f->handed + i, f->nhanded * sizeof(*f->handed));
	if (f->notes != -1 && fdatasync(f->notes) == -1)
		not_noted(f);
}

/* -- what happens in between ----------------------------------------------- */

/* A file was completed.  While others wait to be found by the next look, so
 * does this one: it is younger. */
static void
on_file(struct folder *f, const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	struct stat st;

	if (!is_wanted(name))
		return;
	if (f->more) {
		leave_out(f);
		return;
	}
	memset(&st, 0, sizeof(st));
	if (f->nqueue - f->next >= QUEUE_MAX || enqueue(f, path, &st) == -1) {
		leave_out(f);
		want_look(f, 0);
	}
}

/* The day has changed, or whatever the name is made of. */
static void
on_time(struct folder *f)
{
	char path[PATH_MAX];
	time_t now = time(NULL);

	if (now == f->told)
		return;
	f->told = now;
	if (expand(path, f->pattern, now) == -1 || strcmp(path, f->now) == 0)
		return;
	strcpy(f->before, f->now);
	strcpy(f->now, path);
	d4_os_watch_free(f->watch);
	f->watch = NULL;
	want_look(f, 0);
}

static void
attend(struct folder *f)
{
	enum d4_os_watched what;
	char path[PATH_MAX];

	if (f->files != NULL && f->notes == -1)
		load_notes(f);
	on_time(f);
	while ((what = d4_os_watch_next(f->watch, path)) !=
	    D4_OS_WATCH_NONE) {
		if (what == D4_OS_WATCH_FILE)
			on_file(f, path);
		else
			want_look(f, 0);
	}
	if (f->next == f->nqueue) {
		f->next = f->nqueue = 0;
		if (f->due <= d4_clock_ms()) {
			look(f);
			renew_notes(f);
		}
	}
}

/* -- a file ---------------------------------------------------------------- */

/* Says why a file was not opened.  Returns 0 when it is passed over, -1 when
 * it has to be tried again. */
static int
not_opened(struct folder *f, const char *path, const struct stat *st)
{
	int err = errno;
	bool ours = err == EMFILE || err == ENFILE || err == ENOMEM;

	if (!ours || !f->stuck)
		d4_log_warn("%s", path);
	f->stuck = ours;
	if (f->fd != -1)
		(void)close(f->fd);
	f->fd = -1;
	if (ours)
		return -1;
	/* Once is enough to say what can't be read. */
	(void)seen_add(f->seen, st);
	return 0;
}

/*
 * Opens it to be read.  Returns 1; 0 when it is to be passed over; -1 when it
 * has to be tried again.  A FIFO must not even be opened: its writer would
 * take us for a reader.
 */
static int
open_file(struct folder *f, const char *path)
{
	struct stat st;

	if (lstat(path, &st) == -1) {
		d4_log_warn("%s", path);
		return 0;
	}
	if (!S_ISREG(st.st_mode) || seen_has(f->seen, &st))
		return 0;
	f->fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (f->fd == -1 || fstat(f->fd, &st) == -1)
		return not_opened(f, path, &st);
	if (seen_add(f->seen, &st) == -1) {
		errno = ENOMEM;
		return not_opened(f, path, &st);
	}
	f->st = st;
	f->stuck = false;
	return 1;
}

/* Takes the next file of the queue.  Returns false when there is none. */
static bool
next_file(struct folder *f)
{
	int rc = 0;

	if (f->pause > d4_clock_ms())
		return false;
	while (rc == 0 && f->next < f->nqueue) {
		char *path = f->queue[f->next].path;

		rc = open_file(f, path);
		if (rc == -1) {
			f->pause = d4_clock_ms() + RETRY_MS;
			return false;
		}
		f->next++;
		if (rc == 1)
			f->path = path;
		else
			free(path);
	}
	return rc == 1;
}

static void
leave_file(struct folder *f)
{
	if (f->fd != -1)
		(void)close(f->fd);
	f->fd = -1;
	free(f->path);
	f->path = NULL;
}

/* The next part of the file, the newline behind the last. */
static void
read_part(struct folder *f)
{
	size_t want = f->json ? BASE64_LEN : PLAIN_LEN;
	ssize_t got;

	got = d4_io_read_full(f->fd, f->json ? (void *)f->out : f->plain, want);
	if (got == -1) {
		d4_log_warn("%s: the rest is missing", f->path);
		got = 0;
	}
	f->at = 0;
	f->nout = (size_t)got;
	if (!f->json) {
		f->nout = D4_BASE64_ENCODED((size_t)got);
		d4_base64_encode(f->out, f->plain, (size_t)got);
	}
	f->made += f->nout;
	if ((size_t)got < want) {
		f->out[f->nout++] = '\n';
		f->made++;
		hand_out(f);
		leave_file(f);
	}
}

/* -- the source ------------------------------------------------------------ */

static void
folder_close(void *state)
{
	struct folder *f = state;

	leave_file(f);
	if (f->notes != -1)
		(void)close(f->notes);
	free(f->handed);
	while (f->next < f->nqueue)
		free(f->queue[f->next++].path);
	free(f->queue);
	seen_free(f->seen);
	d4_os_watch_free(f->watch);
	free(f->plain);
	free(f->out);
	free(f);
}

static int
folder_check(const struct source_settings *s, char why[SOURCE_WHY])
{
	const char *pattern = s->source + strlen(SCHEME);
	char path[PATH_MAX];

	if (*pattern != '\0' && expand(path, pattern, time(NULL)) == 0)
		return 0;
	(void)snprintf(why, SOURCE_WHY, "%s", *pattern == '\0' ? "no path" :
	    "not a path or not a pattern of one "
	    "(%Y %m %d %j %H %M %F %G %V %u, %% for a percent)");
	return -1;
}

static void *
folder_open(const struct source_settings *s, char why[SOURCE_WHY])
{
	struct folder *f;
	struct stat st;

	if ((f = calloc(1, sizeof(*f))) == NULL) {
		(void)snprintf(why, SOURCE_WHY, "%s", strerror(errno));
		return NULL;
	}
	f->fd = f->notes = -1;
	f->files = s->files;
	f->pattern = s->source + strlen(SCHEME);
	f->json = s->json;
	f->told = time(NULL);
	tzset();
	(void)expand(f->now, f->pattern, f->told);
	if (stat(f->now, &st) == -1) {
		d4_log_warn("%s: waiting for it", f->now);
	} else if (!S_ISDIR(st.st_mode)) {
		(void)snprintf(why, SOURCE_WHY, "%s", strerror(ENOTDIR));
		folder_close(f);
		return NULL;
	}
	f->seen = seen_new();
	f->out = malloc(BASE64_LEN + 1);
	if (f->seen == NULL || f->out == NULL || (!f->json &&
	    (f->plain = malloc(PLAIN_LEN)) == NULL)) {
		(void)snprintf(why, SOURCE_WHY, "%s", strerror(ENOMEM));
		folder_close(f);
		return NULL;
	}
	return f;
}

static ssize_t
folder_read(void *state, void *buf, size_t len, char why[SOURCE_WHY])
{
	struct folder *f = state;
	char *to = buf;
	size_t part, done = 0;

	(void)why;
	attend(f);
	while (done < len) {
		if (f->at == f->nout) {
			if (f->fd == -1 && !next_file(f))
				break;
			read_part(f);
		}
		part = f->nout - f->at;
		if (part > len - done)
			part = len - done;
		memcpy(to + done, f->out + f->at, part);
		f->at += part;
		done += part;
	}
	if (done > 0)
		return (ssize_t)done;
	errno = EAGAIN;
	return -1;
}

static int
folder_poll(const void *state, struct pollfd *pfd)
{
	const struct folder *f = state;
	int ms;

	pfd->fd = -1;
	if (f->at < f->nout || f->fd != -1)
		return 0;
	if (f->next < f->nqueue)
		return source_until(f->pause);
	pfd->fd = d4_os_watch_fd(f->watch);
	ms = source_until(f->due);
	return strchr(f->pattern, '%') != NULL && ms > NAME_MS ? NAME_MS : ms;
}

const struct source_kind source_folder = {
	folder_check, folder_open, folder_close, folder_read, folder_poll,
	folder_mark, folder_sent
};
