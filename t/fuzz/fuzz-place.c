/* SPDX-License-Identifier: ISC */

/*
 * The name of an entry in .open, which anybody who may write there chose.  What
 * is taken names the entry again, and a path that stays within the store.
 */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "d4-recv/place.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Only what we would make of a uuid, numbers and checked names. */
static void
check_path(const char *path)
{
	const char *part = path, *end;

	assert(strlen(path) < PLACE_PATH && *path != '/');
	do {
		end = strchr(part, '/');
		assert(part[0] != '.' && part[0] != '\0' && part[0] != '/');
		part = end == NULL ? NULL : end + 1;
	} while (part != NULL);
	for (; *path != '\0'; path++)
		assert(*path > ' ' && *path < 127);
}

static void
take(const char *name)
{
	char again[PLACE_ENTRY], path[PLACE_PATH];
	char queue[D4_TYPE_NAME_MAX + 1];
	struct place place, same;
	unsigned n, m, i;
	bool done, too;

	if (place_parse(&place, name, &n, &done) == -1)
		return;
	place_entry(&place, n, done, again);
	assert(strcmp(again, name) == 0);
	for (i = 0; i < 2; i++) {
		place_final(&place, i * n, path);
		check_path(path);
	}
	/* The other entry of the same file. */
	place_entry(&place, n, !done, again);
	if (place.compress != D4_GZ_PLAIN) {
		assert(place_parse(&same, again, &m, &too) == 0);
		assert(m == n && too == !done && same.kind == place.kind);
		assert(strcmp(same.path, place.path) == 0);
	}
	if (place_is_queued(&place)) {
		place_queue(&place, queue);
		assert(place.type != D4_TYPE_EXTENDED ||
		    d4_type_name_ok(queue, strlen(queue)));
	}
}

/* What our own places are called is understood. */
static void
make(const uint8_t *data, size_t len)
{
	static const char *const names[] = { "x", "filewatcher", "ja3-jl" };
	uint8_t bytes[32 + D4_UUID_LEN + 8] = { 0 };
	char entry[PLACE_ENTRY], word[PLACE_WORD_MAX + 1];
	struct place place, same;
	enum d4_gz_kind gz;
	const char *ext;
	unsigned n;
	size_t wordlen;
	time_t now;
	bool done;

	memcpy(bytes, data, len < sizeof(bytes) ? len : sizeof(bytes));
	wordlen = len > sizeof(bytes) ? len - sizeof(bytes) : 0;
	if (wordlen > PLACE_WORD_MAX)
		wordlen = PLACE_WORD_MAX;
	if (wordlen > 0)
		memcpy(word, data + sizeof(bytes), wordlen);
	word[wordlen] = '\0';
	if (!place_word_ok(word, wordlen))
		strcpy(word, "w");
	gz = (enum d4_gz_kind)(bytes[48] % 3);
	ext = names[bytes[49] % 3];
	/* Up to the year 9999, beyond which nobody's clock is. */
	now = (time_t)((uint64_t)bytes[50] << 24 | (uint64_t)bytes[51] << 16 |
	    (uint64_t)bytes[52] << 8 | bytes[53]) * 58;
	switch (bytes[54] % 6) {
	case 0:
		place_stream(&place, bytes, bytes[55], bytes[55] == 4 &&
		    bytes[50] % 2 == 1 ? D4_BORDER_PCAP :
		    d4_type_get(bytes[55])->border,
		    bytes[55] == D4_TYPE_EXTENDED ? ext : NULL, now, gz);
		break;
	case 1:
		place_header(&place, bytes, ext, now);
		break;
	case 2:
		place_object(&place, bytes, ext, bytes + 16, word, true, now,
		    gz);
		break;
	case 3:
		place_object(&place, bytes, "filewatcher", bytes + 16,
		    bytes[55] % 2 == 1 ? "" : word, false, now, gz);
		break;
	case 4:
		place_cert(&place, bytes, bytes + 16);
		break;
	default:
		place_json(&place, bytes, word);
		break;
	}
	place_entry(&place, bytes[55], false, entry);
	assert(place_parse(&same, entry, &n, &done) == 0);
	assert(n == bytes[55] && !done && same.kind == place.kind);
	assert(same.type == place.type);
	assert(same.kind != PLACE_STREAM || same.border == place.border);
	assert(strcmp(same.path, place.path) == 0);
	assert(strcmp(same.ext, place.ext) == 0);
	assert(same.compress == place.compress);
	assert(memcmp(same.uuid, place.uuid, sizeof(same.uuid)) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *name;

	if (len < 1)
		return 0;
	if (data[0] == 0) {
		make(data + 1, len - 1);
		return 0;
	}
	/* A directory has no longer names. */
	if (len > 255)
		len = 255;
	name = malloc(len + 1);
	assert(name != NULL);
	memcpy(name, data, len);
	name[len] = '\0';
	take(name);
	free(name);
	return 0;
}
