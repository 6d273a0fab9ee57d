/* SPDX-License-Identifier: ISC */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "d4-recv/place.h"
#include "lib/digest.h"
#include "lib/uuid.h"

#define DATAS		"datas"
#define CERTS		DATAS "/ja3-jl/certs/"
#define JSONS		DATAS "/ja3-jl/jsons/"
#define FILES		"files/"
#define JA3		"ja3-jl"
#define FILEWATCHER	"filewatcher"
#define HEADER_SUFFIX	"json"
#define CAPTURE_SUFFIX	"cap"

static const char *const compressions[] = {
	[D4_GZ_PLAIN] = "none", [D4_GZ_GZIP] = "gz", [D4_GZ_ZSTD] = "zst"
};

static void
begin(struct place *p, enum place_kind kind, const uint8_t uuid[D4_UUID_LEN],
    uint8_t type, const char *ext, enum d4_gz_kind compress)
{
	memset(p, 0, sizeof(*p));
	p->kind = kind;
	memcpy(p->uuid, uuid, sizeof(p->uuid));
	p->type = type;
	p->border = D4_BORDER_OPAQUE;
	if (ext != NULL)
		(void)snprintf(p->ext, sizeof(p->ext), "%s", ext);
	p->compress = compress;
}

static const char *
stream_suffix(const struct place *p)
{
	if (p->type == 4 && p->border == D4_BORDER_PCAP)
		return CAPTURE_SUFFIX;
	return d4_type_get(p->type)->suffix;
}

/* The folder of the day, with a slash behind it. */
static size_t
day_folder(struct place *p, const struct tm *tm)
{
	char uuid[D4_UUID_HEX];

	d4_uuid_hex(uuid, p->uuid);
	return (size_t)snprintf(p->path, sizeof(p->path),
	    "%s/%u/%04d/%02d/%02d/%s%s", uuid, p->type, tm->tm_year + 1900,
	    tm->tm_mon + 1, tm->tm_mday, p->ext, *p->ext == '\0' ? "" : "/");
}

static void
name_by_time(struct place *p, const struct tm *tm, const char *suffix)
{
	char uuid[D4_UUID_HEX];
	size_t at = day_folder(p, tm);

	d4_uuid_hex(uuid, p->uuid);
	(void)snprintf(p->path + at, sizeof(p->path) - at,
	    "%s-%04d-%02d-%02d-%02d%02d%02d.%s", uuid, tm->tm_year + 1900,
	    tm->tm_mon + 1, tm->tm_mday, tm->tm_hour, tm->tm_min, tm->tm_sec,
	    suffix);
}

void
place_stream(struct place *p, const uint8_t uuid[D4_UUID_LEN], uint8_t type,
    enum d4_border_kind border, const char *ext, time_t now,
    enum d4_gz_kind compress)
{
	struct tm tm = { .tm_mday = 1 };

	begin(p, PLACE_STREAM, uuid, type, ext, compress);
	p->border = border;
	(void)gmtime_r(&now, &tm);
	name_by_time(p, &tm, stream_suffix(p));
}

void
place_header(struct place *p, const uint8_t uuid[D4_UUID_LEN],
    const char *ext, time_t now)
{
	struct tm tm = { .tm_mday = 1 };

	begin(p, PLACE_HEADER, uuid, D4_TYPE_EXTENDED, ext, D4_GZ_PLAIN);
	(void)gmtime_r(&now, &tm);
	name_by_time(p, &tm, HEADER_SUFFIX);
}

void
place_object(struct place *p, const uint8_t uuid[D4_UUID_LEN],
    const char *ext, const uint8_t sha256[D4_DIGEST_SHA256],
    const char *extension, bool segregate, time_t now,
    enum d4_gz_kind compress)
{
	struct tm tm = { .tm_mday = 1 };
	char hex[2 * D4_DIGEST_SHA256 + 1];
	size_t at;

	begin(p, PLACE_OBJECT, uuid, D4_TYPE_EXTENDED, ext, compress);
	(void)gmtime_r(&now, &tm);
	if (segregate)
		at = day_folder(p, &tm);
	else
		at = (size_t)snprintf(p->path, sizeof(p->path), DATAS "/%s/",
		    ext);
	d4_digest_hex(hex, sha256, D4_DIGEST_SHA256);
	(void)snprintf(p->path + at, sizeof(p->path) - at, FILES "%s.%s", hex,
	    extension);
}

void
place_cert(struct place *p, const uint8_t uuid[D4_UUID_LEN],
    const uint8_t sha1[D4_DIGEST_SHA1])
{
	char hex[2 * D4_DIGEST_SHA1 + 1];

	begin(p, PLACE_CERT, uuid, D4_TYPE_EXTENDED, JA3, D4_GZ_PLAIN);
	d4_digest_hex(hex, sha1, D4_DIGEST_SHA1);
	(void)snprintf(p->path, sizeof(p->path), CERTS "%s.crt", hex);
}

void
place_json(struct place *p, const uint8_t uuid[D4_UUID_LEN],
    const char *token)
{
	begin(p, PLACE_JSON, uuid, D4_TYPE_EXTENDED, JA3, D4_GZ_PLAIN);
	(void)snprintf(p->path, sizeof(p->path), JSONS "%s.json", token);
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9');
}

bool
place_word_ok(const char *word, size_t len)
{
	size_t i;

	if (len < 1 || len > PLACE_WORD_MAX || !is_letter(word[0]))
		return false;
	for (i = 1; i < len; i++) {
		if (!is_letter(word[i]) &&
		    (word[i] == '\0' || strchr("._:+-", word[i]) == NULL))
			return false;
	}
	return true;
}

bool
place_is_queued(const struct place *p)
{
	if (p->kind == PLACE_STREAM)
		return p->type != D4_TYPE_EXTENDED &&
		    (p->type == 4 || p->border != D4_BORDER_LINES);
	return p->kind == PLACE_OBJECT || p->kind == PLACE_JSON;
}

void
place_queue(const struct place *p, char name[D4_TYPE_NAME_MAX + 1])
{
	if (p->type == D4_TYPE_EXTENDED)
		memcpy(name, p->ext, sizeof(p->ext));
	else
		(void)snprintf(name, D4_TYPE_NAME_MAX + 1, "%u", p->type);
}

static bool
begins_with_uuid(const struct place *p)
{
	return strncmp(p->path, DATAS "/", strlen(DATAS "/")) != 0;
}

void
place_entry(const struct place *p, unsigned n, bool done,
    char entry[PLACE_ENTRY])
{
	char uuid[D4_UUID_HEX], tail[PLACE_TAIL + 36] = "", *at;

	d4_uuid_hex(uuid, p->uuid);
	if (*p->tail != '\0')
		(void)snprintf(tail, sizeof(tail), "t%s.%llu.%u", p->tail,
		    (unsigned long long)p->ordinal, p->number);
	(void)snprintf(entry, PLACE_ENTRY, "%s@%s~%u%s~%s%s", uuid,
	    p->path + (begins_with_uuid(p) ? D4_UUID_HEX : 0), n, tail,
	    compressions[p->compress], done ? "~" : "");
	for (at = entry; (at = strchr(at, '/')) != NULL; )
		*at = '@';
}

/* Takes a decimal number without leading zeros; -1 when there is none or it
 * is over max. */
static long
take_number(const char **at, long max)
{
	const char *p = *at;
	long v = 0;

	while (*p >= '0' && *p <= '9' && v <= max)
		v = v * 10 + (*p++ - '0');
	if (p == *at || v > max || (**at == '0' && p > *at + 1))
		return -1;
	*at = p;
	return v;
}

/* Takes "t<stream>.<k>.<i>", if it is there. */
static int
parse_stream(struct place *p, const char **at)
{
	size_t len = PLACE_TAIL - 1;
	long v;

	if (**at != 't')
		return 0;
	if (strspn(++*at, "0123456789abcdef") != len || (*at)[len] != '.')
		return -1;
	memcpy(p->tail, *at, len);
	*at += len + 1;
	if ((v = take_number(at, LONG_MAX / 10 - 1)) < 1)
		return -1;
	p->ordinal = (uint64_t)v;
	if (*(*at)++ != '.' || (v = take_number(at, 1000000000)) < 0)
		return -1;
	p->number = (unsigned)v;
	return 0;
}

/* Takes "<n>[t<stream>.<k>.<i>]~<compression>" with perhaps one more '~' to the
 * end. */
static int
parse_tail(struct place *p, const char *at, unsigned *n, bool *done)
{
	size_t i, len;
	long v;

	if ((v = take_number(&at, 1000000000)) < 0 ||
	    parse_stream(p, &at) == -1 || *at++ != '~')
		return -1;
	*n = (unsigned)v;
	for (i = 0; i < sizeof(compressions) / sizeof(*compressions); i++) {
		len = strlen(compressions[i]);
		if (strncmp(at, compressions[i], len) != 0)
			continue;
		p->compress = (enum d4_gz_kind)i;
		*done = at[len] == '~';
		return strcmp(at + len, *done ? "~" : "") == 0 &&
		    (!*done || p->compress != D4_GZ_PLAIN) ? 0 : -1;
	}
	return -1;
}

/* Whether the text is so many lower-case hexadecimal digits and then the
 * rest, or, with rest NULL, a dot and a word or nothing. */
static bool
is_hash(const char *text, size_t ndigits, const char *rest)
{
	if (strspn(text, "0123456789abcdef") != ndigits)
		return false;
	text += ndigits;
	if (rest != NULL)
		return strcmp(text, rest) == 0;
	return *text == '.' && (text[1] == '\0' ||
	    place_word_ok(text + 1, strlen(text + 1)));
}

static bool
is_json_name(const char *name)
{
	size_t len = strlen(name);

	return len > 5 && strcmp(name + len - 5, ".json") == 0 &&
	    place_word_ok(name, len - 5);
}

static int
parse_datas(struct place *p)
{
	static const char files[] = DATAS "/" FILEWATCHER "/" FILES;
	const char *name = strrchr(p->path, '/') + 1;
	size_t folder = (size_t)(name - p->path);

	p->type = D4_TYPE_EXTENDED;
	if (folder == strlen(CERTS) && strncmp(p->path, CERTS, folder) == 0) {
		p->kind = PLACE_CERT;
		strcpy(p->ext, JA3);
		return is_hash(name, 2 * D4_DIGEST_SHA1, ".crt") ? 0 : -1;
	}
	if (folder == strlen(JSONS) && strncmp(p->path, JSONS, folder) == 0) {
		p->kind = PLACE_JSON;
		strcpy(p->ext, JA3);
		return is_json_name(name) ? 0 : -1;
	}
	p->kind = PLACE_OBJECT;
	strcpy(p->ext, FILEWATCHER);
	return folder == strlen(files) &&
	    strncmp(p->path, files, folder) == 0 &&
	    is_hash(name, 2 * D4_DIGEST_SHA256, NULL) ? 0 : -1;
}

/* The name of a file by its time, which must be the one that we would make. */
static int
parse_named_by_time(struct place *p, const char *day, const char *name)
{
	char uuid[D4_UUID_HEX], made[PLACE_PATH];
	const char *suffix;

	d4_uuid_hex(uuid, p->uuid);
	(void)snprintf(made, sizeof(made), "%s-%.4s-%.2s-%.2s-", uuid, day,
	    day + 5, day + 8);
	if (strncmp(name, made, strlen(made)) != 0 ||
	    strspn(name + strlen(made), "0123456789") != 6)
		return -1;
	suffix = name + strlen(made) + 6;
	if (*suffix++ != '.')
		return -1;
	p->kind = PLACE_STREAM;
	p->border = d4_type_get(p->type)->border;
	if (p->type == D4_TYPE_EXTENDED && strcmp(suffix, HEADER_SUFFIX) == 0)
		p->kind = PLACE_HEADER;
	else if (p->type == 4 && strcmp(suffix, CAPTURE_SUFFIX) == 0)
		p->border = D4_BORDER_PCAP;
	else if (strcmp(suffix, d4_type_get(p->type)->suffix) != 0)
		return -1;
	return 0;
}

static int
parse_below_sensor(struct place *p)
{
	static const char form[] = "dddd/dd/dd/";
	const char *at = p->path + D4_UUID_HEX, *day;
	size_t i, len;
	long v;

	if ((v = take_number(&at, UINT8_MAX)) < 0 || *at++ != '/')
		return -1;
	p->type = (uint8_t)v;
	for (day = at, i = 0; form[i] != '\0'; i++, at++) {
		if (form[i] == 'd' ? *at < '0' || *at > '9' : *at != form[i])
			return -1;
	}
	if (p->type == D4_TYPE_EXTENDED) {
		len = strcspn(at, "/");
		if (at[len] != '/' || !d4_type_name_ok(at, len))
			return -1;
		memcpy(p->ext, at, len);
		at += len + 1;
		if (strncmp(at, FILES, strlen(FILES)) == 0) {
			p->kind = PLACE_OBJECT;
			return is_hash(at + strlen(FILES),
			    2 * D4_DIGEST_SHA256, NULL) ? 0 : -1;
		}
	}
	return parse_named_by_time(p, day, at);
}

int
place_parse(struct place *p, const char *entry, unsigned *n, bool *done)
{
	char uuid[D4_UUID_HEX], *at;
	const char *tail;
	size_t len;

	memset(p, 0, sizeof(*p));
	if ((tail = strchr(entry, '~')) == NULL ||
	    (len = (size_t)(tail - entry)) <= D4_UUID_HEX ||
	    len >= sizeof(p->path) || entry[D4_UUID_HEX - 1] != '@' ||
	    parse_tail(p, tail + 1, n, done) == -1 ||
	    strchr(entry, '/') != NULL)
		return -1;
	memcpy(uuid, entry, D4_UUID_HEX - 1);
	uuid[D4_UUID_HEX - 1] = '\0';
	if (strspn(uuid, "0123456789abcdef") != D4_UUID_HEX - 1 ||
	    d4_uuid_parse(p->uuid, uuid) == -1)
		return -1;
	memcpy(p->path, entry, len);
	for (at = p->path; (at = strchr(at, '@')) != NULL; )
		*at = '/';
	at = p->path + D4_UUID_HEX;
	if (strncmp(at, DATAS "/", strlen(DATAS "/")) != 0)
		return parse_below_sensor(p);
	memmove(p->path, at, strlen(at) + 1);
	return parse_datas(p);
}

void
place_final(const struct place *p, unsigned n, char path[PLACE_PATH])
{
	const char *name = strrchr(p->path, '/') + 1;
	const char *dot;

	/* A token has dots of its own, a suffix of a type two. */
	dot = p->kind == PLACE_JSON ? strrchr(name, '.') : strchr(name, '.');
	if (n == 0)
		(void)snprintf(path, PLACE_PATH, "%s%s", p->path,
		    d4_gz_suffix(p->compress));
	else
		(void)snprintf(path, PLACE_PATH, "%.*s.%u%s%s",
		    (int)(dot - p->path), p->path, n, dot,
		    d4_gz_suffix(p->compress));
}
