/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/complete.h"
#include "d4-recv/handler.h"
#include "d4-recv/store.h"
#include "lib/base64.h"
#include "lib/digest.h"
#include "lib/io.h"
#include "lib/meta-ja3.h"
#include "lib/type.h"

/* What is done with the lines of one name. */
struct kind {
	const char		*ext;		/* NULL: of all others */
	enum handler_result	(*line)(struct handler *, const char *,
				    size_t, time_t);
	bool			 keeps_stream;
	size_t			 line_max;
	bool			 cuts;
};

struct handler {
	const struct kind *kind;
	struct finish	*finish;
	struct items	 items;
	uint8_t		 uuid[D4_UUID_LEN];
	char		 queue[D4_TYPE_NAME_MAX + 1];
	char		*header;	/* the meta header, until it is kept */
	const char	*why;
	uint64_t	 nitems;

	/* filewatcher */
	char		 extension[PLACE_WORD_MAX + 1];
	bool		 segregate;
	enum d4_gz_kind	 compress;
};

static enum handler_result push_line(struct handler *, const char *, size_t,
    time_t);
static enum handler_result keep_session(struct handler *, const char *,
    size_t, time_t);
static enum handler_result keep_decoded(struct handler *, const char *,
    size_t, time_t);
static enum handler_result keep_line(struct handler *, const char *, size_t,
    time_t);

static const struct kind kinds[] = {
	{ "filewatcher", keep_decoded, false, HANDLER_FILE_MAX, false },
	{ "filewatcherjson", keep_line, false, HANDLER_FILE_MAX, false },
	{ "ja3-jl", keep_session, false, D4_META_JA3_MAX, false },
	{ "maltrail", push_line, false, LINE_ITEM_MAX, true },
	{ NULL, push_line, true, LINE_ITEM_MAX, true },
};

static const char *
read_options(struct handler *h, const struct d4_meta *meta)
{
	const char *extension = d4_meta_string(meta, "extension", NULL);

	h->segregate = true;
	h->compress = D4_GZ_PLAIN;
	if (h->kind->line != keep_decoded)
		return NULL;
	/* A member that is neither with either fallback is no boolean. */
	if (d4_meta_has(meta, "compress") &&
	    d4_meta_bool(meta, "compress", 0) !=
	    d4_meta_bool(meta, "compress", 1))
		return "its \"compress\" is not a boolean";
	if (d4_meta_has(meta, "segregate") &&
	    d4_meta_bool(meta, "segregate", 0) !=
	    d4_meta_bool(meta, "segregate", 1))
		return "its \"segregate\" is not a boolean";
	if (d4_meta_bool(meta, "compress", 0))
		h->compress = D4_GZ_GZIP;
	h->segregate = d4_meta_bool(meta, "segregate", 1);
	if (!d4_meta_has(meta, "extension"))
		return NULL;
	if (extension == NULL)
		return "its \"extension\" is not a string";
	if (*extension != '\0' && !place_word_ok(extension,
	    strlen(extension)))
		return "its \"extension\" is not a plain word";
	(void)snprintf(h->extension, sizeof(h->extension), "%s", extension);
	return NULL;
}

struct handler *
handler_open(struct finish *finish, const struct items *items,
    const uint8_t uuid[D4_UUID_LEN], uint8_t type, const struct d4_meta *meta,
    const char **why)
{
	struct handler *h;

	*why = "not enough memory";
	if ((h = calloc(1, sizeof(*h))) == NULL)
		return NULL;
	h->finish = finish;
	h->items = *items;
	memcpy(h->uuid, uuid, sizeof(h->uuid));
	(void)snprintf(h->queue, sizeof(h->queue), "%u", type);
	if (meta != NULL)
		(void)snprintf(h->queue, sizeof(h->queue), "%s",
		    d4_meta_type(meta));
	for (h->kind = kinds; h->kind->ext != NULL &&
	    strcmp(h->kind->ext, h->queue) != 0; )
		h->kind++;
	if (meta == NULL)
		return h;
	if ((h->header = d4_meta_text(meta)) == NULL) {
		errno = ENOMEM;
	} else if ((*why = read_options(h, meta)) == NULL) {
		return h;
	} else {
		errno = EINVAL;
	}
	handler_close(h);
	return NULL;
}

void
handler_close(struct handler *h)
{
	int err = errno;

	if (h == NULL)
		return;
	free(h->header);
	free(h);
	errno = err;
}

bool
handler_keeps_stream(const struct handler *h)
{
	return h->kind->keeps_stream;
}

size_t
handler_line_max(const struct handler *h, bool *cuts)
{
	*cuts = h->kind->cuts;
	return h->kind->line_max;
}

uint64_t
handler_nitems(const struct handler *h)
{
	return h->nitems;
}

const char *
handler_why(const struct handler *h)
{
	return h->why == NULL ? "" : h->why;
}

static enum handler_result
refuse(struct handler *h, const char *why)
{
	h->why = why;
	return HANDLER_BAD_DATA;
}

static enum handler_result
failure(void)
{
	return complete_waits(errno) ? HANDLER_FULL : HANDLER_FAILED;
}

/* Makes a small file and hands it on. */
static enum handler_result
write_file(struct handler *h, const struct place *place, const void *bytes,
    size_t len)
{
	unsigned n;
	int fd, err;

	if (finish_busy(h->finish))
		return HANDLER_FULL;
	if ((fd = finish_create(h->finish, place, &n)) == -1)
		return failure();
	if (d4_io_write_full(fd, bytes, len, NULL) == -1) {
		err = errno;
		finish_discard(h->finish, place, n, fd);
		errno = err;
		return failure();
	}
	if (finish_submit(h->finish, place, n, false, fd, FINISH_WHOLE) == -1)
		return HANDLER_FAILED;
	return HANDLER_OK;
}

/* Whether a file by its hash is there already; path is where. */
static bool
is_known(const struct handler *h, const struct place *place,
    char path[PATH_MAX + PLACE_PATH])
{
	char final[PLACE_PATH];

	place_final(place, 0, final);
	(void)snprintf(path, PATH_MAX + PLACE_PATH, "%s/%s",
	    finish_root(h->finish), final);
	return access(path, F_OK) == 0;
}

static enum handler_result
push_item(struct handler *h, const void *item, size_t len)
{
	if (h->items.push(h->items.cookie, h->uuid, h->queue, item, len,
	    false) == -1)
		return HANDLER_FULL;
	return HANDLER_OK;
}

static enum handler_result
push_line(struct handler *h, const char *line, size_t len, time_t now)
{
	enum handler_result result;

	(void)now;
	if ((result = push_item(h, line, len)) == HANDLER_OK)
		h->nitems++;
	return result;
}

static enum handler_result
keep_object(struct handler *h, const void *bytes, size_t len, time_t now)
{
	uint8_t digest[D4_DIGEST_SHA256];
	char path[PATH_MAX + PLACE_PATH];
	struct place place;

	if (d4_digest_sha256(digest, bytes, len) == -1) {
		errno = ENOMEM;
		return HANDLER_FAILED;
	}
	place_object(&place, h->uuid, h->queue, digest, h->extension,
	    h->segregate, now, h->compress);
	if (is_known(h, &place, path))
		return push_item(h, path, strlen(path));
	return write_file(h, &place, bytes, len);
}

static enum handler_result
keep_line(struct handler *h, const char *line, size_t len, time_t now)
{
	(void)strcpy(h->extension, "json");
	return keep_object(h, line, len, now);
}

static enum handler_result
keep_decoded(struct handler *h, const char *line, size_t len, time_t now)
{
	enum handler_result result;
	uint8_t *bytes;
	size_t n;

	if (line[len - 1] == '\r')
		len--;
	if ((bytes = malloc(D4_BASE64_DECODED(len) + 1)) == NULL)
		return HANDLER_FAILED;
	if (len == 0 || d4_base64_decode(bytes, &n, line, len) == -1)
		result = refuse(h, "a line is not base64");
	else
		result = keep_object(h, bytes, n, now);
	free(bytes);
	return result;
}

static enum handler_result
keep_cert(struct handler *h, const char *text, size_t len)
{
	uint8_t digest[D4_DIGEST_SHA1], *der;
	char path[PATH_MAX + PLACE_PATH];
	enum handler_result result;
	struct place place;
	size_t n;

	if ((der = malloc(D4_BASE64_DECODED(len) + 1)) == NULL)
		return HANDLER_FAILED;
	if (len == 0 || d4_base64_decode(der, &n, text, len) == -1) {
		result = refuse(h, "a certificate is not base64");
	} else if (d4_digest_sha1(digest, der, n) == -1) {
		errno = ENOMEM;
		result = HANDLER_FAILED;
	} else {
		place_cert(&place, h->uuid, digest);
		result = is_known(h, &place, path) ? HANDLER_OK :
		    write_file(h, &place, der, n);
	}
	free(der);
	return result;
}

/* The name of a session's file: its time, unless that could be anything but a
 * name. */
static int
session_token(const struct d4_meta_ja3 *session, const char *line, size_t len,
    char token[PLACE_WORD_MAX + 1])
{
	uint8_t digest[D4_DIGEST_SHA256];
	const char *timestamp;
	size_t n;

	timestamp = d4_meta_ja3_timestamp(session, &n);
	if (place_word_ok(timestamp, n)) {
		memcpy(token, timestamp, n + 1);
		return 0;
	}
	if (d4_digest_sha256(digest, line, len) == -1) {
		errno = ENOMEM;
		return -1;
	}
	d4_digest_hex(token, digest, sizeof(digest));
	return 0;
}

static enum handler_result
keep_session(struct handler *h, const char *line, size_t len, time_t now)
{
	enum handler_result result = HANDLER_OK;
	char token[PLACE_WORD_MAX + 1];
	struct d4_meta_ja3 *session;
	struct place place;
	const char *cert;
	size_t i, n;

	(void)now;
	if ((session = d4_meta_ja3_parse(line, len, &h->why)) == NULL)
		return HANDLER_BAD_DATA;
	for (i = 0; i < d4_meta_ja3_ncerts(session) &&
	    result == HANDLER_OK; i++) {
		cert = d4_meta_ja3_cert(session, i, &n);
		result = keep_cert(h, cert, n);
	}
	if (result == HANDLER_OK &&
	    session_token(session, line, len, token) == -1)
		result = HANDLER_FAILED;
	if (result == HANDLER_OK) {
		place_json(&place, h->uuid, token);
		result = write_file(h, &place, line, len);
	}
	d4_meta_ja3_free(session);
	return result;
}

/* The meta header is kept when the first line has come. */
static enum handler_result
keep_header(struct handler *h, time_t now)
{
	size_t len = strlen(h->header);
	enum handler_result result;
	struct place place;

	h->header[len] = '\n';		/* in place of its NUL */
	place_header(&place, h->uuid, h->queue, now);
	result = write_file(h, &place, h->header, len + 1);
	h->header[len] = '\0';
	if (result == HANDLER_OK) {
		free(h->header);
		h->header = NULL;
	}
	return result;
}

enum handler_result
handler_line(struct handler *h, const char *line, size_t len, time_t now)
{
	enum handler_result result;

	if (len == 0)
		return HANDLER_OK;
	if (h->header != NULL && (result = keep_header(h, now)) != HANDLER_OK)
		return result;
	return h->kind->line(h, line, len, now);
}
