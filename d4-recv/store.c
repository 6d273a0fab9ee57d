/* SPDX-License-Identifier: ISC */
#include <sys/queue.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "d4-recv/store-own.h"
#include "lib/log.h"

enum store_result
store_fail(struct store_stream *s)
{
	s->err = errno;
	d4_log_warn("%s/%s", finish_root(s->store->set.finish),
	    s->fd == -1 ? PLACE_OPEN : s->place.path);
	errno = s->err;
	return STORE_FAILED;
}

enum store_result
store_standing(const struct store_stream *s)
{
	if (s->why != NULL)
		return STORE_BAD_DATA;
	if (s->err == 0)
		return STORE_OK;
	errno = s->err;
	return STORE_FAILED;
}

struct store *
store_new(const struct store_settings *settings)
{
	struct finish *finish = settings->finish;
	struct store *store;
	int err;

	if ((store = calloc(1, sizeof(*store))) == NULL)
		return NULL;
	store->set = *settings;
	STAILQ_INIT(&store->handing);
	if ((store->tails = tails_new(finish_root_dir(finish),
	    finish_root(finish))) != NULL &&
	    (settings->sync != STORE_SYNC_SECOND ||
	    (store->syncer = syncer_new()) != NULL)) {
		tails_set_marks(store->tails,
		    settings->sync != STORE_SYNC_NEVER);
		return store;
	}
	err = errno;
	store_free(store);
	errno = err;
	return NULL;
}

void
store_reload(struct store *store, const struct store_settings *settings)
{
	struct finish *finish = store->set.finish;
	enum store_sync sync = store->set.sync;

	store->set = *settings;
	store->set.finish = finish;
	store->set.sync = sync;
}

const struct store_figures *
store_figures(const struct store *store)
{
	return &store->figures;
}

void
store_free_stream(struct store_stream *s)
{
	if (s->prev != NULL) {
		*s->prev = s->next;
		if (s->next != NULL)
			s->next->prev = s->prev;
		s->store->figures.nstreams--;
	}
	d4_border_free(s->border);
	handler_close(s->handler);
	line_free(&s->line);
	tail_close(s->tail);
	tail_close(s->coming);
	share_drop(s->share);
	sync_state_drop(s->sync);
	free(s->buffer);
	free(s);
}

static bool
has_lines(uint8_t type)
{
	return type != 4 && d4_type_get(type)->border == D4_BORDER_LINES;
}

struct store_stream *
store_open(struct store *store, const uint8_t uuid[D4_UUID_LEN], uint8_t type,
    const struct d4_meta *meta, const char **why)
{
	struct store_stream *s;
	int err;

	*why = "not enough memory";
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	s->store = store;
	memcpy(s->uuid, uuid, sizeof(s->uuid));
	s->type = type;
	if (meta != NULL)
		(void)strcpy(s->ext, d4_meta_type(meta));
	s->kind = d4_type_get(type)->border;
	s->fd = -1;
	s->keeps = true;
	if (has_lines(type)) {
		s->handler = handler_open(store->set.finish,
		    &store->set.items, uuid, type, meta, why);
		if (s->handler == NULL)
			goto bad;
		s->keeps = handler_keeps_stream(s->handler);
	}
	if (type != 4 && (s->border = d4_border_new(s->kind)) == NULL)
		goto bad;
	if ((s->next = store->streams) != NULL)
		s->next->prev = &s->next;
	s->prev = &store->streams;
	store->streams = s;
	store->figures.nstreams++;
	return s;
bad:
	err = errno;
	store_free_stream(s);
	errno = err;
	return NULL;
}

enum store_result
store_write(struct store_stream *s, const void *bytes, size_t len, time_t now,
    size_t *taken)
{
	const uint8_t *data = bytes;
	enum store_result result;

	*taken = 0;
	if ((result = store_standing(s)) != STORE_OK)
		return result;
	result = unit_hand_pending(s, now);
	if (result == STORE_OK && s->border == NULL)
		result = unit_take_magic(s, data, len, now, taken);
	if (result == STORE_OK && s->border != NULL && *taken < len)
		result = unit_take(s, data + *taken, len - *taken, now, taken);
	/* What waited for room must not wait for the next record. */
	if (result == STORE_OK && len == 0)
		result = file_flush(s, now);
	s->store->figures.nbytes += *taken;
	return result;
}

enum store_result
store_flush(struct store_stream *s, time_t now)
{
	enum store_result result = STORE_OK;

	if (s->why == NULL)
		result = unit_hand_pending(s, now);
	if (result == STORE_OK || result == STORE_BAD_DATA)
		result = file_flush(s, now);
	if (result == STORE_OK && s->tail != NULL &&
	    s->store->set.sync == STORE_SYNC_ALWAYS)
		result = sync_mark_new(s);
	return result;
}

/* -- streams that go on -------------------------------------------------- */

void
store_resume(struct store_stream *s, const uint8_t hello[D4_HMAC_LEN])
{
	s->resumes = true;
	memcpy(s->hello, hello, sizeof(s->hello));
}

bool
store_has_stream(const struct store *store, const uint8_t uuid[D4_UUID_LEN],
    uint8_t type, const uint8_t hello[D4_HMAC_LEN])
{
	return tails_have(store->tails, uuid, type, hello);
}

const struct match *
store_match(const struct store_stream *s)
{
	return s->tail == NULL ? NULL : &s->match;
}

bool
store_is_held(const struct store_stream *s)
{
	return s->resumes && (s->tail == NULL || s->goes_on);
}

void
store_want(const struct store_stream *s)
{
	/* Of what other stores say the share sees to. */
	if (s->tail == NULL && s->coming == NULL)
		tails_want(s->store->tails, s->uuid, s->type, s->hello);
}

bool
store_is_wanted(const struct store_stream *s)
{
	return s->tail != NULL && tail_is_wanted(s->tail);
}

bool
store_is_taken(const struct store_stream *s)
{
	return s->tail != NULL && s->share != NULL &&
	    (store_is_gone(s) || share_is_wanted(s->share));
}

uint64_t
store_newest(const struct store *store, const uint8_t uuid[D4_UUID_LEN],
    uint8_t type)
{
	return tails_newest(store->tails, uuid, type);
}

int
store_note_newest(const struct store *store, const uint8_t uuid[D4_UUID_LEN],
    uint8_t type, uint64_t timestamp)
{
	return tails_note_newest(store->tails, uuid, type, timestamp);
}

const char *
store_why(const struct store_stream *s)
{
	return s->why == NULL ? "" : s->why;
}

/* -- turns --------------------------------------------------------------- */

bool
store_tick(struct store *store, time_t now)
{
	struct store_stream *s, *next;
	bool waits = false;

	for (s = store->streams; s != NULL; s = next) {
		next = s->next;
		if (s->closed) {
			waits = !store_end_stream(s, now) || waits;
			continue;
		}
		if (s->border == NULL || s->err != 0)
			continue;
		/* Files of silent sensors are in no hurry: new ones must not
		 * have to wait for the finisher because of them. */
		if (!finish_loaded(store->set.finish) && file_is_due(s, now))
			waits = file_rotate(s, now) == STORE_FULL || waits;
		waits = file_flush(s, now) == STORE_FULL || waits || s->pending;
		if (s->tail != NULL)
			(void)sync_mark_new(s);
		if (s->share != NULL && s->tail != NULL) {
			if (store->set.sync == STORE_SYNC_NEVER &&
			    share_state(s->share) == SHARE_SETTLED)
				sync_tell_all(s);
			sync_tell_again(s);
		}
		file_shrink(s);
	}
	waits = waits || !STAILQ_EMPTY(&store->handing);
	return waits || (store->syncer != NULL &&
	    syncer_nwaiting(store->syncer) > 0);
}

int
store_fd(const struct store *store)
{
	return store->syncer == NULL ? -1 : syncer_fd(store->syncer);
}

bool
store_run(struct store *store)
{
	struct store_stream *s, *next;
	struct sync_job *job;
	bool any = false;

	while (store->syncer != NULL &&
	    (job = syncer_take(store->syncer)) != NULL) {
		sync_end_job(store, job);
		any = true;
	}
	if (store->share == NULL)
		return any;
	any = sync_hand_arrived(store) || any;
	for (s = store->streams; s != NULL; s = next) {
		next = s->next;
		if (s->closed)
			any = store_end_stream(s, time(NULL)) || any;
	}
	return any;
}

bool
store_left_some(struct store *store)
{
	bool left = store->left_some;

	store->left_some = false;
	return left;
}

int
store_id(const struct store *store, char id[TAIL_STORE])
{
	return tails_id(store->tails, id);
}

void
store_share(struct store *store, struct share *share)
{
	store->share = share;
}

struct tails *
store_tails(struct store *store)
{
	return store->tails;
}

void
store_free(struct store *store)
{
	struct store_stream *s;
	struct sync_job *job;

	if (store == NULL)
		return;
	while ((s = store->streams) != NULL) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): off the list */
		if (s->len > 0 || s->pending)
			d4_log_warnx("%s: %zu bytes of a sensor found no room",
			    finish_root(store->set.finish),
			    s->len + (s->pending ? s->line.len : 0));
		if (s->fd != -1 && s->tail != NULL)
			file_leave(s);
		(void)sync_hand_over(s, FINISH_CUT);
		store_free_stream(s);
	}
	while ((job = STAILQ_FIRST(&store->handing)) != NULL) {
		STAILQ_REMOVE_HEAD(&store->handing, next);
		sync_job_free(job);
	}
	syncer_free(store->syncer);
	tails_free(store->tails);
	free(store);
}
