/* SPDX-License-Identifier: ISC */

/*
 * A registry's directory in which anybody may have written: up to eight files,
 * each a byte for where, a name and its content (a byte of length before each
 * of the two); then all of it is read.  What is handed out is as the header of
 * the room says, and a fault has words.  Faults may be behind them (faults.h),
 * and the choice is what is written then, before all is read again.
 */

#include <sys/file.h>
#include <sys/stat.h>

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

static void
once(const uint8_t *data, size_t len)
{
	static char paths[FILES][512];
	size_t n = 0;

	if (reg == NULL)
		open_registry();
	while (n < FILES && write_one(&data, &len, paths[n]))
		n++;
	touch();
	faults_on();
	read_registry(reg, true);
	if (faults_choice() != 0) {
		write_registry(reg, faults_choice() - 1);
		read_registry(reg, true);
	}
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
