/* SPDX-License-Identifier: ISC */

/*
 * A registry's directory in which anybody may have written: up to eight files,
 * each a byte for where, a name and its content (a byte of length before each
 * of the two); then all of it is read.  What is handed out is as the header of
 * the room says, and a fault has words.  Faults may be behind them (faults.h),
 * and the choice is what is written then, before all is read again, or from 128
 * on what else is done.
 */

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/registry.h"
#include "t/fuzz/faults.h"
#include "t/fuzz/read-registry.h"
#include "t/unit/scratch.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define FILES	8
#define HEX	"0f3c2a9e5b714c8d9a647e2d1b0c9f35"
#define TEXT	"0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35"

/* The worker that lives, as claims name it: slot 0 and this token. */
#define TOKEN	"00112233445566778899aabbccddeeff"

static const char *const folders[] = {
	"sensors/" HEX, "facts", "days/20240229", "claims", "workers",
	"kicked", "pending", "blocks/address", "blocks/uuid",
	"blocks/by-uuid", "types", "metatypes", "queues/1/" TEXT,
	"queues/1/" TEXT "/group", "queues/x/" TEXT, "sensors", "days",
	"queues", "."
};

static struct d4_registry *reg;
static int worker = -1;		/* the one that lives */

/* -- what lies there ------------------------------------------------------- */

/* What it knew after a fault is of no use to others. */
static void
open_again(void)
{
	char why[256];

	d4_registry_close(reg);
	reg = d4_registry_open(scratch, NULL, true, why);
	assert(reg != NULL);
}

static void
open_registry(void)
{
	static const char line[] = "1 " TOKEN "\n";
	const char *path;
	int fd;

	if (*scratch == '\0')
		(void)atexit(scratch_remove);
	assert(scratch_make() == 0);
	/* What root makes in another's directory is the other's. */
	if (faults_choice() == 131 && geteuid() == 0)
		assert(chown(scratch, 65534, 65534) == 0);
	open_again();
	path = scratch_path("workers/0");
	assert(scratch_write(path, line, sizeof(line) - 1));
	if (worker != -1)
		(void)close(worker);
	worker = fd = open(path, O_RDONLY | O_CLOEXEC);
	assert(fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == 0);
}

static void
make_folder(const char *folder)
{
	char path[128], *slash = path;

	(void)snprintf(path, sizeof(path), "%s/", folder);
	while ((slash = strchr(slash, '/')) != NULL) {
		*slash = '\0';
		assert(mkdir(scratch_path("%s", path), 0700) == 0 ||
		    errno == EEXIST);
		*slash++ = '/';
	}
}

/* Bytes with their length before them; fewer at the end. */
static const uint8_t *
cut(const uint8_t **data, size_t *left, size_t *len)
{
	const uint8_t *bytes;

	*len = 0;
	if (*left == 0)
		return *data;
	bytes = *data + 1;
	*len = **data < *left - 1 ? **data : *left - 1;
	*data += 1 + *len;
	*left -= 1 + *len;
	return bytes;
}

/* A name of a single file, which it is not for all bytes. */
static void
take_name(char name[256], const uint8_t *bytes, size_t len)
{
	size_t i;

	memcpy(name, bytes, len);
	name[len] = '\0';
	for (i = 0; i < len; i++) {
		if (name[i] == '/' || name[i] == '\0')
			name[i] = '_';
	}
	if (*name == '.' || *name == '\0')
		(void)strcpy(name, "n");
	/* That one is held. */
	if (strcmp(name, "0") == 0)
		(void)strcpy(name, "00");
}

/* Writes one file, or with an empty content a folder; its path is kept. */
static bool
write_one(const uint8_t **data, size_t *left, char path[512])
{
	static const struct timeval old[2];
	const uint8_t *bytes;
	const char *folder;
	char name[256];
	size_t len;

	if (*left == 0)
		return false;
	folder = folders[**data % (sizeof(folders) / sizeof(*folders))];
	(*data)++;
	(*left)--;
	bytes = cut(data, left, &len);
	take_name(name, bytes, len);
	/* The folders beside it are to stay. */
	if (strcmp(folder, ".") == 0)
		(void)strcpy(name, "mode");
	bytes = cut(data, left, &len);
	make_folder(folder);
	(void)snprintf(path, 512, "%s", scratch_path("%s/%s", folder, name));
	/* What is there already stays, and goes with the rest. */
	(void)scratch_write(path, bytes, len);
	/* Some claims are old. */
	if (*name == 'o' && strcmp(folder, "claims") == 0)
		(void)utimes(path, old);
	return true;
}

static void
clear(char paths[FILES][512], size_t n)
{
	static const char *const made[] = { "queues/1/" TEXT "/group",
	    "queues/1/" TEXT, "queues/1", "queues/x/" TEXT, "queues/x",
	    "sensors/" HEX, "days/20240229" };
	size_t i;

	while (n-- > 0)
		(void)remove(paths[n]);
	for (i = 0; i < sizeof(made) / sizeof(*made); i++)
		(void)rmdir(scratch_path("%s", made[i]));
}

/* Two files of the same second are two changes: the stamp grows. */
static void
touch(void)
{
	int fd = open(scratch_path("stamp"), O_WRONLY | O_APPEND | O_CREAT,
	    0600);

	assert(fd != -1 && write(fd, "\n", 1) == 1);
	(void)close(fd);
}

/* -- what else is done ----------------------------------------------------- */

/* More sessions are lost than a worker's file keeps, and what is no session. */
static void
tell_losses(void)
{
	int i, fd = open(scratch_path("workers/1"), O_WRONLY | O_APPEND);
	bool were = faults_pause();

	for (i = 0; fd != -1 && i < 2000; i++)
		assert(write(fd, i == 5 ? TEXT "\n" : HEX "\n", 33) == 33);
	if (fd != -1)
		(void)close(fd);
	faults_resume(were);
}

/* What one worker has another takes, and is told by the first one's file. */
static void
take_over(void)
{
	struct d4_registry_live live = { .type = 1, .address = "192.0.2.1" };
	struct d4_registry_claim *one = NULL, *two = NULL;
	struct d4_registry_claim *some[6] = { NULL };
	struct d4_registry *other;
	int cookies[2], i;
	char why[256];

	if ((other = d4_registry_open(scratch, NULL, true, why)) == NULL)
		return;
	for (i = 0; i < 6; i++) {
		live.type = i == 4 ? D4_TYPE_META : 1;
		live.session[0] = (uint8_t)(2 * i);
		(void)d4_registry_claim(reg, &live, true, &cookies[0], &one);
		live.session[0]++;
		(void)d4_registry_claim(other, &live, i > 0, &cookies[1],
		    &two);
		if (i == 5)
			tell_losses();
		(void)d4_registry_refresh(reg);
		while (d4_registry_lost(reg) != NULL)
			continue;
		d4_registry_release(reg, one);
		d4_registry_release(other, two);
		one = two = NULL;
	}
	/* Numbers that are free are taken again. */
	live.type = D4_TYPE_META;
	for (i = 0; i < 12; i++) {
		live.session[1] = (uint8_t)i;
		if (i > 5) {
			d4_registry_release(reg, some[i * 5 % 6]);
			some[i * 5 % 6] = NULL;
		}
		if (i < 6 || i % 2 == 0)
			(void)d4_registry_claim(reg, &live, false, &cookies[0],
			    &some[i < 6 ? i : i * 5 % 6]);
	}
	for (i = 0; i < 6; i++)
		d4_registry_release(reg, some[i]);
	d4_registry_close(other);
}

static void
open_others(void)
{
	static const struct d4_registry_login logins[] = {
		{ .insecure_key = true }, { .insecure_key = false }
	};
	static char path[5000];
	struct d4_registry *other;
	char why[256] = "";
	int i;

	memset(path, 'x', sizeof(path) - 1);
	for (i = 0; i < 6; i++) {
		const char *spec = i == 0 ? scratch_path("none") : i == 1 ?
		    path : i == 2 ? scratch_path("mode/none") :
		    scratch_path("other");

		other = d4_registry_open_as(spec, i == 4 ? scratch : NULL,
		    i != 0 && i != 5, i < 3 ? NULL : &logins[i % 2], why);
		assert(other != NULL || *why != '\0');
		assert(other == NULL || i > 2);
		if (other != NULL)
			read_registry(other, true);
		d4_registry_close(other);
	}
}

/* More strangers than are kept. */
static void
crowd(void)
{
	uint8_t uuid[D4_UUID_LEN] = { 0xff };
	const char *path = scratch_path("pending");
	static const struct timespec times[2];
	int dir, fd, i;
	bool were = faults_pause();
	char name[40];

	if ((dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return;
	for (i = 0; i < D4_REGISTRY_PENDING; i++) {
		(void)snprintf(name, sizeof(name), "%032x", i);
		/* One that no stranger is called. */
		if (i == 7)
			(void)strcat(name, "x");
		fd = openat(dir, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		assert(fd != -1);
		/* Some came before, or at the same time. */
		if (i % 1000 < 3)
			assert(futimens(fd, times) == 0);
		(void)close(fd);
	}
	faults_resume(were);
	faults_rewind();
	for (i = 0; i < 3; i++) {
		uuid[1] = (uint8_t)i;
		(void)d4_registry_stranger(reg, uuid, "192.0.2.1", 1700000000);
	}
	(void)close(dir);
}

static void
do_choice(unsigned choice)
{
	faults_rewind();
	if (choice < 128) {
		write_registry(reg, choice - 1);
		read_registry(reg, true);
	} else if (choice == 128) {
		take_over();
	} else if (choice == 129) {
		open_others();
	} else if (choice == 130) {
		crowd();
	} else {
		write_registry(reg, 7);
	}
}

static void
once(const uint8_t *data, size_t len)
{
	static char paths[FILES][512];
	size_t n = 0;

	if (faults_choice() == 131 && reg != NULL) {
		d4_registry_close(reg);
		reg = NULL;
		scratch_remove();
	}
	if (reg == NULL)
		open_registry();
	while (n < FILES && write_one(&data, &len, paths[n]))
		n++;
	touch();
	faults_on();
	read_registry(reg, true);
	if (faults_choice() != 0)
		do_choice(faults_choice());
	faults_off();
	if (faults_choice() != 0) {
		d4_registry_close(reg);
		reg = NULL;
		scratch_remove();
		return;
	}
	if (faults_any())
		open_again();
	clear(paths, n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	faults_run(data, len, once);
	return 0;
}
