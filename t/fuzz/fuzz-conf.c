/* SPDX-License-Identifier: ISC */

/*
 * One value of a configuration, asked for in every way: as text, a number, a
 * key, a uuid, a list and a file.
 */

#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/conf.h"
#include "lib/uuid.h"
#include "t/unit/scratch.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

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

static void
take_text(struct d4_conf *conf, const uint8_t *data, size_t len)
{
	size_t n = value_len(data, len), i;
	uint64_t number = 42;
	char text[D4_CONF_TEXT];

	if (d4_conf_text(conf, "v", text, "a text") == 0) {
		assert(strlen(text) == n && n > 0 && n < D4_CONF_TEXT);
		assert(memcmp(text, data, n) == 0);
		for (i = 0; i < n; i++)
			assert((uint8_t)text[i] >= ' ' && text[i] != 127);
	} else {
		check_fault(conf);
	}
	if (d4_conf_number(conf, "v", 1, 1000000, &number) == 0) {
		assert(number >= 1 && number <= 1000000);
		assert(strtoull(text, NULL, 10) == number);
		assert(strspn(text, "0123456789") == n);
	} else {
		assert(number == 42);
		check_fault(conf);
	}
	if (d4_conf_number(conf, "v", 0, UINT64_MAX, &number) == 0)
		assert(strtoull(text, NULL, 10) == number);
}

static void
take_key(struct d4_conf *conf, const uint8_t *data, size_t len)
{
	size_t n = value_len(data, len), keylen = 100;
	uint8_t key[100];

	if (d4_conf_key(conf, "v", key, &keylen) == 0) {
		assert(keylen == n && n > 0 && n <= sizeof(key));
		assert(memcmp(key, data, n) == 0);
		assert(memchr(key, '\0', n) == NULL);
	} else {
		assert(keylen == sizeof(key));
		assert(n == 0 || n > sizeof(key) || len > D4_CONF_TEXT + 1 ||
		    memchr(data, '\0', n) != NULL);
		check_fault(conf);
	}
	assert(d4_conf_blank(conf, "v") == (n == 0 &&
	    len <= D4_CONF_TEXT + 1));
}

/* A wrong uuid stays as it is, a missing one is made. */
static void
take_uuid(struct d4_conf *conf, const uint8_t *data, size_t len)
{
	uint8_t uuid[D4_UUID_LEN], again[D4_UUID_LEN], *file;
	size_t n;

	if (d4_conf_uuid(conf, "v", uuid) == -1) {
		check_fault(conf);
		assert(d4_conf_file(conf, "v", len, "all", &file, &n) == 0);
		assert(n == len && memcmp(file, data, len) == 0);
		free(file);
		return;
	}
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
		    &refusing) == (list.n == 0 ? 0 : -1));
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

	assert(d4_conf_file(conf, "v", len, "all", &file, &n) == 0);
	assert(n == len && memcmp(file, data, len) == 0);
	assert(file[n] == '\0');
	free(file);
	if (len > 0) {
		assert(d4_conf_file(conf, "v", len - 1, "all", &file,
		    &n) == -1);
		check_fault(conf);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct d4_conf *conf;
	char path[D4_CONF_TEXT];

	if (conf == NULL) {
		assert(scratch_make() == 0);
		(void)atexit(scratch_remove);
		conf = d4_conf_open(scratch);
		assert(conf != NULL && !d4_conf_has(conf, "v"));
	}
	assert(scratch_write(scratch_path("v"), data, len));
	assert(d4_conf_has(conf, "v") && d4_conf_path(conf, "v", path) == 0);
	take_text(conf, data, len);
	take_key(conf, data, len);
	take_list(conf, len);
	take_file(conf, data, len);
	take_uuid(conf, data, len);
	return 0;
}
