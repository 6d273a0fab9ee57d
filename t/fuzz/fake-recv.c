/* SPDX-License-Identifier: ISC */
#define _GNU_SOURCE	/* memfd_create() */

#include <sys/mman.h>
#include <sys/stat.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/tail.h"
#include "d4-recv/whole.h"
#include "lib/bytes.h"
#include "lib/log.h"
#include "t/fuzz/fake-recv.h"
#include "t/fuzz/faults.h"
#include "t/unit/scratch.h"

struct fake fake;

/* Two claims of one sensor and type are one too many. */
struct d4_registry_claim {
	struct d4_registry_claim *next;
	struct d4_registry_live	 live;
	void			*cookie;
	bool			 lost;
};

static struct d4_registry_claim *claims;

/* What Redis has of streams that are gone on with: beginnings of HMACs. */
static uint64_t *known;
static size_t nknown;

void
fake_begin(void)
{
	memset(&fake, 0, sizeof(fake));
	assert(claims == NULL);
}

void
fake_end(void)
{
	assert(fake.nopen == 0 && fake.nclaims == 0 && fake.nstreams == 0);
	assert(claims == NULL);
	free(fake.out);
	free(known);
	known = NULL;
	nknown = 0;
	(void)nftw(scratch_path("%s", TAIL_DIR), scratch_on_entry, 16,
	    FTW_DEPTH | FTW_PHYS);
}

static void
put(const void *bytes, size_t len)
{
	bool were = faults_pause();

	if (fake.cap - fake.len <= len) {
		fake.cap = 2 * fake.cap + len + 1;
		fake.out = realloc(fake.out, fake.cap);
		assert(fake.out != NULL);
	}
	if (len > 0)
		memcpy(fake.out + fake.len, bytes, len);
	fake.len += len;
	faults_resume(were);
}

/* -- the finisher ---------------------------------------------------------- */

struct finish {
	char	root[16];
};

static struct finish finisher = { "/nowhere" };

struct finish *
fake_finish(void)
{
	return &finisher;
}

static void
flush(void *cookie)
{
	assert(cookie == NULL);
}

static int
push(void *cookie, const uint8_t uuid[D4_UUID_LEN], const char *queue,
    const void *item, size_t len, bool again)
{
	(void)cookie;
	assert(!again);
	if (fake.items_full)
		return -1;
	put(uuid, D4_UUID_LEN);
	put(queue, strlen(queue) + 1);
	put(item, len);
	fake.nitems++;
	return 0;
}

struct items
fake_items(void)
{
	struct items items = { .push = push, .flush = flush };

	return items;
}

uint64_t
finish_nsubmitted(const struct finish *f)
{
	(void)f;
	return fake.nfiles;
}

uint64_t
finish_ndone(const struct finish *f)
{
	(void)f;
	return fake.busy && fake.nfiles > 0 ? fake.nfiles - 1 : fake.nfiles;
}

/* Tails are files that have no other door. */
int
finish_root_dir(const struct finish *f)
{
	static int fd = -1;

	(void)f;
	if (fd == -1) {
		bool were = faults_pause();

		assert(scratch_make() == 0);
		(void)atexit(scratch_remove);
		fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert(fd != -1);
		faults_resume(were);
	}
	return fd;
}

const char *
finish_root(const struct finish *f)
{
	return f->root;
}

int
finish_open_dir(const struct finish *f)
{
	static int fd = -1;
	int root = finish_root_dir(f);

	if (fd == -1) {
		bool were = faults_pause();

		assert(mkdirat(root, PLACE_OPEN, 0700) == 0);
		fd = openat(root, PLACE_OPEN, O_RDONLY | O_DIRECTORY |
		    O_CLOEXEC);
		assert(fd != -1);
		faults_resume(were);
	}
	return fd;
}

bool
finish_busy(const struct finish *f)
{
	(void)f;
	return fake.busy;
}

bool
finish_loaded(const struct finish *f)
{
	(void)f;
	return fake.busy;
}

int
finish_create(struct finish *f, const struct place *p, unsigned *n)
{
	bool were;
	int fd;

	(void)f;
	(void)p;
	if (fake.disk_full) {
		errno = ENOSPC;
		return -1;
	}
	were = faults_pause();
	fd = memfd_create("entry", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert(fd != -1);
	if (fake.disk_broken)
		assert(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	faults_resume(were);
	*n = 0;
	fake.nopen++;
	return fd;
}

void
finish_discard(struct finish *f, const struct place *p, unsigned n, int fd)
{
	(void)f;
	(void)p;
	assert(n == 0 && fake.nopen > 0);
	fake.nopen--;
	(void)close(fd);
}

/* What is handed over as whole is whole: nothing is cut off of it.  Lines may
 * end without a newline, and data that has no units has nothing to cut. */
static void
judge(const struct place *p, int fd, off_t size)
{
	struct stat st;

	if (p->kind == PLACE_STREAM && p->border == D4_BORDER_LINES) {
		assert(size > 0);
		return;
	}
	assert(whole_cut(p, fd) == 1);
	assert(fstat(fd, &st) == 0 && st.st_size == size);
}

int
finish_submit(struct finish *f, const struct place *p, unsigned n, bool done,
    int fd, enum finish_how how)
{
	char entry[PLACE_ENTRY], final[PLACE_PATH];
	struct place same;
	struct stat st;
	uint8_t *bytes;
	bool were;

	(void)f;
	assert(n == 0 && !done && fake.nopen > 0);
	/* It has no memory for it, and the next start finds the entry. */
	if ((bytes = malloc(1)) == NULL) {
		fake.nopen--;
		(void)close(fd);
		return -1;
	}
	free(bytes);
	were = faults_pause();
	assert(fstat(fd, &st) == 0);
	if (how == FINISH_WHOLE)
		judge(p, fd, st.st_size);
	else if (whole_cut(p, fd) == 1)
		assert(fstat(fd, &st) == 0);
	place_entry(p, n, done, entry);
	assert(place_parse(&same, entry, &n, &done) == 0);
	place_final(p, 0, final);
	put(final, strlen(final) + 1);
	bytes = malloc((size_t)st.st_size + 1);
	assert(bytes != NULL);
	assert(pread(fd, bytes, (size_t)st.st_size, 0) == st.st_size);
	put(bytes, (size_t)st.st_size);
	free(bytes);
	fake.nfiles++;
	fake.nopen--;
	(void)close(fd);
	faults_resume(were);
	return 0;
}

/* -- the registry ---------------------------------------------------------- */

/* Nothing can be read. */
static bool
is_mute(void)
{
	return fake.broken && !fake.answers;
}

const char *
d4_registry_why(const struct d4_registry *reg)
{
	(void)reg;
	return "the registry is a fake";
}

int
d4_registry_address_blocked(struct d4_registry *reg, const char *address)
{
	(void)reg;
	return strcmp(address, "broken") == 0 || is_mute() ? -1 :
	    fake.address_blocked;
}

int
d4_registry_sensor(struct d4_registry *reg, const uint8_t uuid[D4_UUID_LEN],
    struct d4_registry_sensor *sensor)
{
	static const uint8_t key[] = FAKE_KEY;

	(void)reg;
	memset(sensor, 0, sizeof(*sensor));
	if (is_mute() || faults_next(FAULT_ANSWER) != 0)
		return -1;
	sensor->block_address = fake.blames;
	if (uuid[1] == FAKE_OWN_KEY || fake.other_key) {
		sensor->key = key;
		sensor->keylen = sizeof(key) - 1;
	}
	switch (uuid[1] % FAKE_SENSORS) {
	case FAKE_OWN_KEY:
		sensor->max_age = 1000;
		sensor->monotonic = true;
		/* FALLTHROUGH */
	case FAKE_KNOWN:
		sensor->known = sensor->registered = true;
		sensor->kicked_until = fake.kicked ? UINT64_MAX : 0;
		break;
	case FAKE_BLOCKED:
		sensor->known = sensor->blocked = true;
		break;
	case FAKE_BLOCKS_ADDRESS:
		sensor->known = sensor->block_address = true;
		break;
	case FAKE_BROKEN:
		return -1;
	case FAKE_UNREGISTERED:
		sensor->known = true;
		break;
	default:
		break;
	}
	return 0;
}

int
d4_registry_stranger(struct d4_registry *reg,
    const uint8_t uuid[D4_UUID_LEN], const char *address, uint64_t now)
{
	(void)reg;
	(void)uuid;
	(void)address;
	return now % 2 == 0 ? 0 : -1;
}

int
d4_registry_add(struct d4_registry *reg, enum d4_registry_set set,
    const char *text)
{
	(void)reg;
	(void)text;
	assert(set == D4_SET_BLOCKED_ADDRESSES);
	if (fake.broken)
		return -1;
	fake.address_blocked = true;
	return 0;
}

int
d4_registry_mode(struct d4_registry *reg, enum d4_registry_mode *mode)
{
	(void)reg;
	*mode = fake.has_types ? D4_MODE_REGISTRATION : D4_MODE_CONFIGURED;
	return (fake.broken && fake.has_types) ||
	    faults_next(FAULT_ANSWER) != 0 ? -1 : 0;
}

int
d4_registry_types(struct d4_registry *reg, bool types[UINT8_MAX + 1])
{
	(void)reg;
	memset(types, 0, (UINT8_MAX + 1) * sizeof(*types));
	if (!fake.has_types)
		return is_mute() ? -1 : 0;
	types[D4_TYPE_META] = types[D4_TYPE_EXTENDED] = types[8] = true;
	return 4;
}

int
d4_registry_each(struct d4_registry *reg, enum d4_registry_set set,
    int (*callback)(void *, const char *), void *cookie)
{
	(void)reg;
	assert(set == D4_SET_EXTENDED && fake.has_types);
	return callback(cookie, "x");
}

static bool
is_shared(uint8_t type)
{
	return type == D4_TYPE_META || type == D4_TYPE_EXTENDED;
}

int
d4_registry_claim(struct d4_registry *reg,
    const struct d4_registry_live *live, bool take_over, void *cookie,
    struct d4_registry_claim **out)
{
	struct d4_registry_claim *c;

	(void)reg;
	errno = fake.disk_full ? ENOSPC : 0;
	if (fake.broken || fake.disk_full)
		return -1;
	if (fake.elsewhere && !take_over)
		return 1;
	for (c = claims; c != NULL; c = c->next) {
		if (c->lost || is_shared(live->type) ||
		    c->live.type != live->type ||
		    memcmp(c->live.uuid, live->uuid, D4_UUID_LEN) != 0)
			continue;
		if (!take_over)
			return 1;
		c->lost = true;
	}
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return -1;
	c->live = *live;
	c->cookie = cookie;
	c->next = claims;
	claims = c;
	fake.nclaims++;
	*out = c;
	return 0;
}

int
d4_registry_has_stream(struct d4_registry *reg,
    const uint8_t uuid[D4_UUID_LEN], uint8_t type,
    const uint8_t hello[D4_HMAC_LEN])
{
	(void)reg;
	(void)uuid;
	(void)type;
	(void)hello;
	return is_mute() ? -1 : fake.elsewhere;
}

int
d4_registry_claim_become(struct d4_registry *reg,
    struct d4_registry_claim *claim, uint8_t type, const char *name)
{
	(void)reg;
	assert(is_shared(claim->live.type) && type == D4_TYPE_EXTENDED);
	assert(d4_type_name_ok(name, strlen(name)));
	if (fake.broken)
		return -1;
	claim->live.type = type;
	return 0;
}

void
d4_registry_release(struct d4_registry *reg, struct d4_registry_claim *claim)
{
	struct d4_registry_claim **at;

	(void)reg;
	if (claim == NULL)
		return;
	for (at = &claims; *at != claim; at = &(*at)->next)
		assert(*at != NULL);
	*at = claim->next;
	fake.nclaims--;
	free(claim);
}

void *
d4_registry_lost(struct d4_registry *reg)
{
	struct d4_registry_claim *c;
	void *cookie;

	(void)reg;
	for (c = claims; c != NULL; c = c->next) {
		if (!c->lost || c->cookie == NULL)
			continue;
		cookie = c->cookie;
		c->cookie = NULL;
		return cookie;
	}
	return NULL;
}

int
d4_registry_note(struct d4_registry *reg, struct d4_registry_claim *claim,
    uint64_t records, uint64_t bytes, uint64_t now)
{
	(void)reg;
	(void)bytes;
	assert(claim != NULL);
	fake.nnotes++;
	fake.nrecords += records;
	return now % 3 == 0 ? -1 : 0;
}

int
d4_registry_note_error(struct d4_registry *reg,
    const uint8_t uuid[D4_UUID_LEN], const char *error, uint64_t now)
{
	(void)reg;
	(void)uuid;
	(void)now;
	assert(*error != '\0');
	return fake.broken ? -1 : 0;
}

int
d4_registry_facts(struct d4_registry *reg, const uint8_t uuid[D4_UUID_LEN],
    struct d4_registry_facts *facts)
{
	static struct d4_registry_seen seen[2] = { { .type = 1 },
	    { .type = 3 } };

	(void)reg;
	(void)uuid;
	seen[0].last = seen[1].last = fake.heard;
	if (!fake.elsewhere || faults_next(FAULT_ANSWER) != 0)
		return -1;
	facts->seen = seen;
	facts->nseen = 2;
	return 0;
}

void
d4_registry_facts_free(struct d4_registry_facts *facts)
{
	assert(facts->nseen == 2 || facts->nseen == 0);
}

/* -- d4-core's streams ----------------------------------------------------- */

struct stream_session {
	uint64_t	n;
	bool		resumes;
	struct match	match;
};

struct stream_session *
stream_open(struct stream *s, const uint8_t uuid[D4_UUID_LEN],
    const uint8_t id[D4_UUID_LEN], uint8_t type, uint64_t limit)
{
	struct stream_session *session;

	(void)s;
	(void)uuid;
	(void)id;
	(void)type;
	(void)limit;
	if ((session = calloc(1, sizeof(*session))) != NULL)
		fake.nstreams++;
	return session;
}

void
stream_resume(struct stream_session *s, const uint8_t hello[D4_HMAC_LEN])
{
	assert(s != NULL);
	(void)hello;
	s->resumes = true;
}

int
stream_judge(struct stream_session *s, const struct d4_header *h,
    const uint8_t *payload, enum match_verdict *verdict)
{
	size_t i;
	void *p;

	(void)payload;
	*verdict = MATCH_NEW;
	if (!s->resumes)
		return 1;
	if (fake.stream_full)
		return 0;
	if ((p = malloc(1)) == NULL)
		return -1;
	free(p);
	for (i = 0; i < nknown; i++) {
		if (known[i] == d4_get64le(h->hmac)) {
			s->match.nstored++;
			*verdict = MATCH_STORED;
			return 1;
		}
	}
	s->match.end = MATCH_COMPLETE;
	return 1;
}

const struct match *
stream_match(const struct stream_session *s)
{
	return s->resumes ? &s->match : NULL;
}

int
stream_add(struct stream_session *s, const struct d4_header *h,
    const uint8_t *payload)
{
	bool were = faults_pause();
	uint64_t *grown;

	put(payload, h->size);
	s->n++;
	if (s->resumes) {
		grown = realloc(known, (nknown + 1) * sizeof(*known));
		assert(grown != NULL);
		known = grown;
		known[nknown++] = d4_get64le(h->hmac);
	}
	faults_resume(were);
	return fake.broken ? -1 : 0;
}

void
stream_set_limit(struct stream_session *s, uint64_t limit)
{
	(void)s;
	(void)limit;
}

bool
stream_is_full(struct stream_session *s)
{
	(void)s;
	return fake.stream_full;
}

enum stream_end
stream_end(const struct stream_session *s)
{
	(void)s;
	return !fake.stream_over ? STREAM_GOES_ON :
	    fake.broken ? STREAM_BAD_DATA :
	    fake.elsewhere ? STREAM_TAKEN : STREAM_OVERFLOW;
}

bool
stream_settled(struct stream_session *s)
{
	(void)s;
	return !fake.stream_full && !fake.busy;
}

void
stream_close(struct stream_session *s)
{
	if (s == NULL)
		return;
	fake.nstreams--;
	free(s);
}

void
stream_run(struct stream *s)
{
	assert(s != NULL);
}

/* -- the log --------------------------------------------------------------- */

/* The words are made, for the sake of what is printed in them, and
 * forgotten. */
__attribute__((format(printf, 1, 0)))
static void
say(const char *fmt, va_list ap)
{
	static char line[4096];

	assert(vsnprintf(line, sizeof(line), fmt, ap) > 0);
}

void
d4_log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

void
d4_log_warnx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

void
d4_log_info(int level, const char *fmt, ...)
{
	va_list ap;

	(void)level;
	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

void
d4_log_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}
