/* SPDX-License-Identifier: ISC */

/*
 * One value of a configuration, asked for in every way: as text, a number, a
 * key, a uuid, a list and a file.  Faults may be behind it (faults.h), and the
 * choice is what stands in the place of the value: 1 nothing, 2 a directory, 3
 * a FIFO; 4 others may read it, 5 the directory's name is the longest.
 */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/conf.h"
#include "lib/uuid.h"
#include "t/fuzz/faults.h"
#include "t/unit/scratch.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

enum choice { VALUE, NOTHING, FOLDER, FIFO, READABLE, LONG_NAME };

/* Where the value ends, by another way than that of the room. */
static size_t
value_len(const uint8_t *data, size_t len)
{
	size_t i, end = len;

	for (i = 0; i < len; i++) {
		if (data[i] == '\n')
			end = i;
	}
	return end > 0 && data[end - 1] == '\r' ? end - 1 : end;
}

static void
check_fault(const struct d4_conf *conf)
{
	const char *fault = d4_conf_fault(conf);

	assert(strncmp(fault, scratch, strlen(scratch)) == 0);
	assert(strstr(fault, "/v: ") != NULL && strchr(fault, '\n') == NULL);
}

/* That of a text, unless there was none or one of them was cut. */
static void
check_number(const char *text, uint64_t number)
{
	if (*text == '\0' || faults_any())
		return;
	assert(strspn(text, "0123456789") == strlen(text));
	assert(strtoull(text, NULL, 10) == number);
}

static void
take_text(struct d4_conf *conf, const uint8_t *data, size_t len)
{
	size_t n = value_len(data, len), i;
	uint64_t number = 42;
	char text[D4_CONF_TEXT] = "";

	if (d4_conf_text(conf, "v", text, "a text") == 0) {
		len = strlen(text);
		/* A read of nothing is the end, as of one that was cut. */
		assert(len == n || (len < n && faults_any()));
		assert(len > 0 && len < D4_CONF_TEXT);
		assert(memcmp(text, data, len) == 0);
		for (i = 0; i < len; i++)
			assert((uint8_t)text[i] >= ' ' && text[i] != 127);
	} else {
		check_fault(conf);
	}
	if (d4_conf_number(conf, "v", 1, 1000000, &number) == 0) {
		assert(number >= 1 && number <= 1000000);
		check_number(text, number);
	} else {
		assert(number == 42);
		check_fault(conf);
	}
	if (d4_conf_number(conf, "v", 0, UINT64_MAX, &number) == 0)
		check_number(text, number);
}

static void
take_key(struct d4_conf *conf, const uint8_t *data, size_t len)
{
	size_t n = value_len(data, len), keylen = 100;
	uint8_t key[100];

	if (d4_conf_key(conf, "v", key, &keylen) == 0) {
		assert(keylen == n || (keylen < n && faults_any()));
		assert(keylen > 0 && keylen <= sizeof(key));
		assert(memcmp(key, data, keylen) == 0);
		assert(memchr(key, '\0', keylen) == NULL);
	} else {
		assert(keylen == sizeof(key));
		assert(n == 0 || n > sizeof(key) || len > D4_CONF_TEXT + 1 ||
		    memchr(data, '\0', n) != NULL || faults_any());
		check_fault(conf);
	}
	assert(d4_conf_blank(conf, "v") == (n == 0 &&
	    len <= D4_CONF_TEXT + 1) || faults_any());
	(void)d4_conf_is_sample(data, len);
}

/* A wrong uuid stays as it is, a missing one is made. */
static void
take_uuid(struct d4_conf *conf, const uint8_t *data, size_t len)
{
	uint8_t uuid[D4_UUID_LEN], again[D4_UUID_LEN], *file;
	size_t n;

	if (d4_conf_uuid(conf, "v", uuid) == -1) {
		check_fault(conf);
		faults_off();
		/* Of a new name that could not be synced all is there. */
		if (faults_any() && d4_conf_uuid(conf, "v", again) == 0)
			return;
		assert(d4_conf_file(conf, "v", len, "all", &file, &n) == 0);
		/* A read of nothing is the end, as of one that was cut. */
		assert(n == len || (n < len && faults_any()));
		assert(memcmp(file, data, n) == 0);
		free(file);
		return;
	}
	faults_off();
	assert(d4_uuid_is_v4(uuid));
	assert(d4_conf_uuid(conf, "v", again) == 0);
	assert(memcmp(uuid, again, sizeof(uuid)) == 0);
}

struct list {
	size_t	n, bytes;
	bool	refuses;
};

static int
on_entry(void *cookie, const char *entry)
{
	struct list *list = cookie;

	assert(*entry != '\0' && strchr(entry, '\n') == NULL);
	list->n++;
	list->bytes += strlen(entry) + 1;
	return list->refuses ? -1 : 0;
}

static void
take_list(struct d4_conf *conf, size_t len)
{
	struct list list = { 0 }, refusing = { .refuses = true };

	if (d4_conf_list(conf, "v", "words", on_entry, &list) == 0) {
		assert(list.bytes <= len + 1);
		assert(d4_conf_list(conf, "v", "words", on_entry,
		    &refusing) == (list.n == 0 ? 0 : -1) || faults_any());
		assert(refusing.n <= 1);
	} else {
		check_fault(conf);
	}
}

static void
take_file(struct d4_conf *conf, const uint8_t *data, size_t len)
{
	uint8_t *file;
	size_t n;

	if (d4_conf_file(conf, "v", len, "all", &file, &n) == 0) {
		/* A read of nothing is the end, as of one that was cut. */
		assert(n == len || (n < len && faults_any()));
		assert(memcmp(file, data, n) == 0);
		assert(file[n] == '\0');
		free(file);
	} else {
		assert(faults_any());
		check_fault(conf);
	}
	if (len > 0) {
		if (d4_conf_file(conf, "v", len - 1, "all", &file, &n) == 0) {
			assert(n < len && faults_any());
			free(file);
		} else {
			check_fault(conf);
		}
	}
}

static void
put(enum choice choice, const uint8_t *data, size_t len)
{
	const char *path = scratch_path("v");

	(void)remove(path);
	switch (choice) {
	case NOTHING:
		break;
	case FOLDER:
		assert(mkdir(path, 0700) == 0);
		break;
	case FIFO:
		assert(mkfifo(path, 0600) == 0);
		break;
	default:
		assert(scratch_write(path, data, len));
		assert(chmod(path, choice == READABLE ? 0606 : 0600) == 0);
	}
}

/* What is no value at all is refused in every way. */
static void
take_none(struct d4_conf *conf, enum choice choice)
{
	struct list list = { 0 };
	char text[D4_CONF_TEXT];
	uint64_t number;
	uint8_t key[1], uuid[D4_UUID_LEN], *file;
	size_t len = sizeof(key), n;

	assert(d4_conf_has(conf, "v") == (choice != NOTHING) || faults_any());
	assert(d4_conf_text(conf, "v", text, "a text") == -1);
	assert(d4_conf_number(conf, "v", 0, 1, &number) == -1);
	assert(d4_conf_key(conf, "v", key, &len) == -1);
	assert(d4_conf_list(conf, "v", "words", on_entry, &list) == -1);
	assert(d4_conf_file(conf, "v", 1, "all", &file, &n) == -1);
	check_fault(conf);
	if (d4_conf_uuid(conf, "v", uuid) == -1)
		check_fault(conf);
	else
		assert(choice == NOTHING && d4_uuid_is_v4(uuid));
}

static void
take_value(struct d4_conf *conf, const uint8_t *data, size_t len)
{
	assert(d4_conf_has(conf, "v") || faults_any());
	take_text(conf, data, len);
	take_key(conf, data, len);
	take_list(conf, len);
	take_file(conf, data, len);
	take_uuid(conf, data, len);
}

/* What is asked of the file, and of the directory, without looking within. */
static void
look_around(struct d4_conf *conf, enum choice choice)
{
	char path[D4_CONF_TEXT];
	int closed;

	if (choice == VALUE || choice == READABLE)
		assert(d4_conf_path(conf, "v", path) == 0 || faults_any());
	else
		assert(d4_conf_path(conf, "v", path) == -1);
	(void)d4_conf_denied(conf, "v");
	closed = d4_conf_closed(conf, "v", false);
	assert(closed == (choice == READABLE ? -1 : 0) || faults_any());
	closed = d4_conf_closed(conf, "v", true);
	assert(closed == (choice == READABLE ? 1 : 0) || faults_any());
}

/* The directory, with so many dots before it that a name behind it makes the
 * path too long. */
static struct d4_conf *
open_long(void)
{
	char dir[D4_CONF_TEXT];
	size_t n = strlen(scratch);

	memset(dir, '/', sizeof(dir));
	memcpy(dir + sizeof(dir) - 1 - n, scratch, n + 1);
	return d4_conf_open(dir);
}

static void
once(const uint8_t *data, size_t len)
{
	struct d4_conf *conf;
	enum choice choice;

	if (*scratch == '\0') {
		assert(scratch_make() == 0);
		(void)atexit(scratch_remove);
	}
	choice = (enum choice)(faults_choice() % (LONG_NAME + 1));
	put(choice, data, len);
	faults_on();
	conf = choice == LONG_NAME ? open_long() : d4_conf_open(scratch);
	if (conf != NULL) {
		look_around(conf, choice);
		if (choice == VALUE || choice == READABLE)
			take_value(conf, data, len);
		else if (choice != LONG_NAME)
			take_none(conf, choice);
	}
	faults_off();
	assert(conf != NULL || faults_any());
	d4_conf_close(conf);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	faults_run(data, len, once);
	return 0;
}
