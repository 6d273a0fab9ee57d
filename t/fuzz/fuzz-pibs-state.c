/* SPDX-License-Identifier: ISC */

/*
 * A state file of d4-pibs.  With an odd first byte the rest is the file; with
 * an even one it is what stands behind the head, which is made for it.  What is
 * loaded is saved and loaded again, and must then be as much.  Faults may be
 * behind it (faults.h), and the choice is what it is: 1 missing, 2 a directory.
 */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "d4-pibs/state.h"
#include "lib/bytes.h"
#include "t/fuzz/faults.h"
#include "t/unit/scratch.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define HEAD	32
#define NOW	1700000000

struct loaded {
	struct seen	*seen;
	struct attacks	*attacks;
	uint64_t	 packets;
};

static uint64_t
mix(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return sum ^ sum >> 29;
}

static uint64_t
checksum(const uint8_t *p, size_t len)
{
	uint8_t rest[8] = { 0 };
	uint64_t sum = 0;

	for (; len >= 8; len -= 8, p += 8)
		sum = mix(sum, d4_get64le(p));
	if (len > 0)
		memcpy(rest, p, len);
	return mix(mix(sum, d4_get64le(rest)), len);
}

static void
on_flow(void *arg, struct flow *f, bool over, bool open)
{
	uint64_t *packets = arg;

	(void)over;
	(void)open;
	*packets += f->packets;
}

static int
load(struct loaded *l, const char *path)
{
	struct flow_limits limits = FLOW_LIMITS;
	char fault[STATE_FAULT];
	int r;

	l->packets = 0;
	l->seen = seen_new(1u << 20, 0, false);
	l->attacks = attack_new(&limits, 1u << 20, on_flow, &l->packets);
	assert(l->seen != NULL && l->attacks != NULL);
	faults_on();
	r = state_load(path, l->seen, l->attacks, fault);
	faults_off();
	assert(r == 0 || memchr(fault, '\0', sizeof(fault)) != NULL);
	return r;
}

static void
drop(struct loaded *l)
{
	attack_free(l->attacks);
	seen_free(l->seen);
}

static off_t
size_of(const char *path)
{
	struct stat st;

	assert(stat(path, &st) == 0);
	return st.st_size;
}

/* What is saved can be loaded; only the order of it may be another. */
static void
check_again(const struct loaded *l)
{
	const char *path = scratch_path("again");
	struct loaded again;
	off_t size;
	int rc;

	(void)remove(path);
	faults_on();
	rc = state_save(path, l->seen, l->attacks, NOW);
	faults_off();
	assert(rc == 0 || faults_any());
	faults_forget();
	if (rc != 0)
		return;
	size = size_of(path);
	assert(load(&again, path) == 0);
	assert(seen_count(again.seen) == seen_count(l->seen));
	assert(attack_count(again.attacks) == attack_count(l->attacks));
	assert(state_save(path, again.seen, again.attacks, NOW) == 0);
	assert(size_of(path) == size);
	attack_flush(again.attacks);
	drop(&again);
}

static void
once(const uint8_t *data, size_t len)
{
	static uint8_t made[HEAD + 65536];
	struct loaded l;
	const char *path;

	if (len < 1 || len > 65536)
		return;
	if (*scratch == '\0') {
		assert(scratch_make() == 0);
		(void)atexit(scratch_remove);
	}
	path = scratch_path("state");
	(void)remove(path);
	if (faults_choice() == 2) {
		assert(mkdir(path, 0700) == 0);
	} else if (data[0] % 2 == 1) {
		assert(scratch_write(path, data + 1, len - 1));
	} else if (faults_choice() != 1) {
		memcpy(made, "d4-pibs", 8);
		d4_put32le(made + 8, 1);
		d4_put32le(made + 12, 0);
		d4_put64le(made + 16, len - 1);
		d4_put64le(made + 24, checksum(data + 1, len - 1));
		memcpy(made + HEAD, data + 1, len - 1);
		assert(scratch_write(path, made, HEAD + len - 1));
	}
	if (load(&l, path) == 0) {
		check_again(&l);
		attack_flush(l.attacks);
	}
	drop(&l);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	faults_run(data, len, once);
	return 0;
}
