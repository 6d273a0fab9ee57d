/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "d4/spool-own.h"
#include "lib/bytes.h"

/*
 * The thread that writes.  Whatever came while one sync was running goes into
 * the next, so a slow disk has fewer of them, and a line that comes alone is
 * on the disk at once.
 */
#define ROUND_BYTES	((size_t)4 << 20)	/* between two syncs, at most */
#define AGAIN_MS	500			/* when the disk is full */

struct writer {
	struct spool	*spool;
	struct disk_file file;		/* the segment, -1: none yet */
	struct form_segment segment;
	bool		 named;		/* it has its name */
	uint64_t	 number;	/* of the next one */
	uint64_t	 at;		/* where the next frame goes */
	uint64_t	 synced_at;
	struct progress	 now;
	struct progress	 synced;
	struct block	*blocks;	/* since then */
	bool		 spare;		/* there is a file to be written over */
	int		 failures;	/* in a row */
};

static bool
is_full(int err)
{
	return err == ENOSPC || err == EDQUOT;
}

/* Leaves the segment as it is, and what was not synced for another. */
static void
abandon(struct writer *w)
{
	if (w->file.fd != -1 && !w->named)
		(void)disk_unlink(w->spool->dir, SPOOL_SEGMENT);
	disk_close(&w->file);
}

/*
 * A file that is written over needs neither blocks nor a longer length, which
 * makes its syncs cheaper.  What it had counts no more: its sums are those of
 * another number.
 */
static int
open_file(struct writer *w)
{
	if (w->spare) {
		w->spare = false;
		if (disk_open(&w->file, w->spool->dir, SPOOL_SPARE) == 0 &&
		    disk_rename(&w->file, w->spool->dir, SPOOL_SEGMENT) == 0)
			return 0;
		disk_close(&w->file);
		(void)disk_unlink(w->spool->dir, SPOOL_SPARE);
	}
	return disk_create(&w->file, w->spool->dir, SPOOL_SEGMENT);
}

static int
begin_segment(struct writer *w)
{
	uint8_t head[FORM_HEAD];

	w->segment.stream = w->spool->id;
	w->segment.number = w->number++;
	w->segment.pos = w->now.pos;
	w->segment.data = w->now.data;
	w->segment.second = w->now.second;
	w->segment.preamble = (uint32_t)w->now.preamblelen;
	w->named = false;
	form_put_segment(head, &w->segment, w->now.preamble);
	if (open_file(w) == -1 || disk_write(&w->file, head, sizeof(head), 0) == -1 ||
	    (w->now.preamblelen > 0 && disk_write(&w->file, w->now.preamble,
	    w->now.preamblelen, FORM_HEAD) == -1))
		return -1;
	w->at = FORM_HEAD + w->now.preamblelen;
	w->synced_at = 0;
	return 0;
}

/* Makes the sums of its frames and writes it: all of it is in now, or none. */
static int
write_block(struct writer *w, struct block *b)
{
	uint8_t *frame;
	size_t at, len;

	for (at = 0; at < b->len; at += FORM_FRAME + len) {
		frame = b->bytes + at;
		len = d4_get32le(frame);
		form_put_frame(frame, &w->segment, w->at + at,
		    d4_get32le(frame + 4), frame + FORM_FRAME, len);
	}
	if (disk_write(&w->file, b->bytes, b->len, w->at) == -1)
		return -1;
	w->at += b->len;
	for (at = 0; at < b->len; at += FORM_FRAME + len) {
		frame = b->bytes + at;
		len = d4_get32le(frame);
		if (progress_take(&w->now, d4_get32le(frame + 4),
		    frame + FORM_FRAME, len) == -1)
			return -1;
	}
	return 0;
}

/* What is written counts from now on.  Blocks up to last are done with. */
static int
publish(struct writer *w, const struct block *last)
{
	struct spool *sp = w->spool;
	struct segment s = { .number = w->segment.number,
	    .pos = w->segment.pos, .end = w->now.pos, .bytes = w->at };
	struct segment *old;
	struct block *b;
	int rc = 0;

	(void)pthread_mutex_lock(&sp->mutex);
	if (w->synced_at == 0) {
		rc = segment_push(sp, &s);
	} else {
		old = &sp->segments[sp->nsegments - 1];
		sp->on_disk += w->at - old->bytes;
		*old = s;
	}
	if (rc == 0)
		sp->synced = w->now.pos;
	while (rc == 0 && (b = w->blocks) != NULL) {
		w->blocks = b->next;
		sp->queued -= sizeof(*b) + b->cap;
		free(b);
		if (b == last)
			break;
	}
	(void)pthread_mutex_unlock(&sp->mutex);
	return rc;
}

/* Syncs what is written; only then has the segment its name. */
static int
sync_segment(struct writer *w, const struct block *last)
{
	char name[DISK_NAME];

	form_segment_name(name, w->segment.number);
	if (disk_sync(&w->file) == -1)
		return -1;
	if (!w->named) {
		if (disk_rename(&w->file, w->spool->dir, name) == -1)
			return -1;
		w->named = true;
		if (disk_sync_names(w->spool->dir) == -1)
			return -1;
	}
	if (progress_copy(&w->synced, &w->now) == -1 || publish(w, last) == -1)
		return -1;
	w->synced_at = w->at;
	w->failures = 0;
	if (w->at >= w->spool->segment_bytes)
		disk_close(&w->file);
	return 0;
}

/* Writes and syncs as many blocks as it can.  0, or -1 with errno. */
static int
write_blocks(struct writer *w)
{
	const struct block *written = NULL;
	struct block *b, *next;

	for (b = w->blocks; b != NULL; b = next) {
		next = b->next;
		if ((w->file.fd == -1 && begin_segment(w) == -1) ||
		    write_block(w, b) == -1)
			break;
		written = b;
		if (next != NULL && w->at < w->spool->segment_bytes)
			continue;
		if (sync_segment(w, b) == -1)
			break;
		written = NULL;
	}
	if (b == NULL)
		return 0;
	/* A disk that is full has room for what it has taken. */
	if (is_full(errno) && written != NULL && written != b &&
	    sync_segment(w, written) == 0)
		errno = ENOSPC;
	return -1;
}

/* After a failure: begins anew behind what is synced, in the same segment only
 * when all that was wrong is that it could not grow. */
static int
step_back(struct writer *w, int err)
{
	if (!is_full(err) || !w->named || w->at != w->synced_at)
		abandon(w);
	return progress_copy(&w->now, &w->synced);
}

/* The oldest segment that is not needed any more. */
static bool
oldest_done(struct spool *sp, uint64_t *number)
{
	bool done = sp->nsegments > 1 && sp->segments[0].end <= sp->have_head;

	if (done) {
		*number = sp->segments[0].number;
		sp->on_disk -= sp->segments[0].bytes;
		sp->nsegments--;
		memmove(sp->segments, sp->segments + 1,
		    sp->nsegments * sizeof(*sp->segments));
	}
	return done;
}

static void
wake(const struct spool *sp)
{
	/* Full, it is readable already. */
	if (write(sp->wake[1], "", 1) == -1)
		return;
}

/* Takes what is to be written next.  The mutex is held. */
static void
take_blocks(struct writer *w)
{
	struct spool *sp = w->spool;
	struct block **end = &w->blocks;
	size_t bytes = 0;

	while (sp->first != NULL && bytes < ROUND_BYTES) {
		*end = sp->first;
		sp->first = sp->first->next;
		bytes += (*end)->len;
		end = &(*end)->next;
		*end = NULL;
	}
	if (sp->first == NULL)
		sp->last = NULL;
}

static void
fail(struct writer *w, int err, const char *what)
{
	if (is_full(err)) {
		w->spool->stalled = err;
	} else if (++w->failures > 1) {
		w->spool->failed = err;
		w->spool->failed_at = what;
	}
}

/* Removes what is not needed any more.  The mutex is held. */
static void
remove_oldest(struct writer *w)
{
	struct spool *sp = w->spool;
	struct disk_file f = { .fd = -1 };
	uint64_t number;

	while (oldest_done(sp, &number)) {
		(void)pthread_mutex_unlock(&sp->mutex);
		form_segment_name(f.name, number);
		/* What stays for a fault is found at the next start. */
		if (!w->spare && sp->stalled == 0 &&
		    disk_rename(&f, sp->dir, SPOOL_SPARE) == 0)
			w->spare = true;
		else
			(void)disk_unlink(sp->dir, f.name);
		(void)pthread_mutex_lock(&sp->mutex);
	}
}

/* The mutex is held, though not while the disk is waited for. */
static void
one_round(struct writer *w)
{
	struct spool *sp = w->spool;
	uint64_t head = sp->want_head;
	bool move = head > sp->have_head;
	int err = 0, head_err = 0;

	if (w->blocks == NULL)
		take_blocks(w);
	(void)pthread_mutex_unlock(&sp->mutex);
	if (w->blocks != NULL && write_blocks(w) == -1) {
		err = errno;
		if (step_back(w, err) == -1)
			err = ENOMEM;
	}
	if (move && head_write(sp, head) == -1)
		head_err = errno;
	(void)pthread_mutex_lock(&sp->mutex);
	if (err != 0)
		fail(w, err, "a segment");
	if (head_err != 0)
		fail(w, head_err, SPOOL_HEAD);
	else if (move)
		sp->have_head = head;
	if (err == 0 && head_err == 0)
		sp->stalled = 0;
	remove_oldest(w);
	wake(sp);
}

static void
wait_a_little(struct spool *sp)
{
	struct timespec then;

	(void)clock_gettime(CLOCK_MONOTONIC, &then);
	then.tv_nsec += AGAIN_MS * 1000000L;
	if (then.tv_nsec >= 1000000000L) {
		then.tv_sec++;
		then.tv_nsec -= 1000000000L;
	}
	(void)pthread_cond_timedwait(&sp->work, &sp->mutex, &then);
}

static void *
writer_main(void *cookie)
{
	struct writer *w = cookie;
	struct spool *sp = w->spool;
	struct block *b;

	(void)pthread_mutex_lock(&sp->mutex);
	while (sp->failed == 0) {
		if (w->blocks == NULL && sp->first == NULL &&
		    sp->want_head <= sp->have_head) {
			if (sp->closing)
				break;
			(void)pthread_cond_wait(&sp->work, &sp->mutex);
			continue;
		}
		one_round(w);
		if (sp->stalled != 0 && sp->closing)
			break;
		if (sp->stalled != 0)
			wait_a_little(sp);
	}
	wake(sp);
	(void)pthread_mutex_unlock(&sp->mutex);
	disk_close(&w->file);
	if (w->spare)
		(void)disk_unlink(sp->dir, SPOOL_SPARE);
	progress_free(&w->now);
	progress_free(&w->synced);
	while ((b = w->blocks) != NULL) {
		w->blocks = b->next;
		free(b);
	}
	free(w);
	return NULL;
}

/* Signals are for the thread that looks at them. */
int
writer_start(struct spool *sp)
{
	struct writer *w;
	sigset_t all, before;
	int err;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		return -1;
	w->spool = sp;
	w->file.fd = -1;
	w->number = sp->next_number;
	err = ENOMEM;
	if (progress_copy(&w->now, &sp->tail) == 0 &&
	    progress_copy(&w->synced, &sp->tail) == 0) {
		sigfillset(&all);
		(void)pthread_sigmask(SIG_SETMASK, &all, &before);
		err = pthread_create(&sp->thread, NULL, writer_main, w);
		(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	if (err == 0) {
		sp->running = true;
		return 0;
	}
	progress_free(&w->now);
	progress_free(&w->synced);
	free(w);
	errno = err;
	return -1;
}

void
writer_stop(struct spool *sp)
{
	if (!sp->running)
		return;
	(void)pthread_mutex_lock(&sp->mutex);
	sp->closing = true;
	(void)pthread_cond_signal(&sp->work);
	(void)pthread_mutex_unlock(&sp->mutex);
	(void)pthread_join(sp->thread, NULL);
	sp->running = false;
	sp->closing = false;
}
