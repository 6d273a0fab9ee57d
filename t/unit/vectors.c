/* SPDX-License-Identifier: ISC */

/*
 * Streams that the original clients made, with their configuration: they
 * verify here, no changed byte of them does, and our encoder makes the same
 * bytes when it is given their timestamps.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "lib/feed.h"
#include "lib/mac.h"
#include "lib/record.h"
#include "lib/uuid.h"
#include "t/unit/tap.h"

#define STREAM_MAX	(1u << 16)
#define KEY_MAX		512

static char dir[2048];
static struct d4_mac *mac;

struct vector {
	const char		*name;
	const char		*program;
	const json_t		*json;
	const json_t		*packets;
	uint8_t			 bytes[STREAM_MAX];	/* what was sent */
	size_t			 len;
	uint8_t			 in[STREAM_MAX];	/* what it was fed */
	size_t			 inlen;
	struct d4_mac_key	*key;
};

/* Reads dir/name behind what is there already. */
static void
add_file(const char *name, uint8_t bytes[STREAM_MAX], size_t *len)
{
	char path[4096];
	ssize_t got;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	if ((fd = open(path, O_RDONLY)) == -1 ||
	    (got = read(fd, bytes + *len, STREAM_MAX - *len)) == -1) {
		printf("Bail out! %s\n", path);
		exit(1);
	}
	*len += (size_t)got;
	close(fd);
}

static struct d4_mac_key *
key_of(const char *hex)
{
	uint8_t bytes[KEY_MAX];
	size_t n;
	unsigned int byte;

	for (n = 0; n < KEY_MAX && sscanf(hex + 2 * n, "%2x", &byte) == 1; n++)
		bytes[n] = (uint8_t)byte;
	return d4_mac_key_new(mac, bytes, n);
}

static void
load(struct vector *v, const json_t *json)
{
	const json_t *in = json_object_get(json, "inputs");
	size_t i;

	memset(v, 0, sizeof(*v));
	v->json = json;
	v->name = json_string_value(json_object_get(json, "name"));
	v->program = json_string_value(json_object_get(json, "program"));
	v->packets = json_object_get(json, "packets");
	v->key = key_of(json_string_value(json_object_get(json,
	    "hmac_key_hex")));
	add_file(json_string_value(json_object_get(json, "output")), v->bytes,
	    &v->len);
	for (i = 0; i < json_array_size(in); i++)
		add_file(json_string_value(json_array_get(in, i)), v->in,
		    &v->inlen);
}

static struct d4_header
listed(const struct vector *v, size_t i)
{
	const json_t *packet = json_array_get(v->packets, i);
	struct d4_header h = { .version = 0 };

	h.version = (uint8_t)json_integer_value(json_array_get(packet, 0));
	h.type = (uint8_t)json_integer_value(json_array_get(packet, 1));
	if (d4_uuid_parse(h.uuid,
	    json_string_value(json_array_get(packet, 2))) == -1)
		diag("%s: a uuid is none", v->name);
	h.timestamp = (uint64_t)json_integer_value(json_array_get(packet, 3));
	h.size = (uint32_t)json_integer_value(json_array_get(packet, 4));
	return h;
}

/*
 * Takes the bytes as a receiver does.  Returns how many records were good, or
 * -1 when one was not or the stream ends within one.
 */
static int
receive(const struct vector *v, const uint8_t *bytes, size_t len)
{
	struct d4_feed *feed = d4_feed_new(D4_PAYLOAD_MAX);
	struct d4_feed_record r;
	enum d4_refusal reason;
	uint8_t *at;
	int n = 0;

	if (d4_feed_space(feed, len + 1, &at) == 0)
		abort();
	memcpy(at, bytes, len);
	d4_feed_filled(feed, len);
	while ((reason = d4_feed_next(feed, &r)) == D4_OK) {
		struct d4_mac_job job = {
			.key = v->key, .record = r.bytes, .len = r.len
		};

		if (d4_mac_verify(mac, &job, 1) == -1 || !job.good)
			break;
		n++;
	}
	if (reason != D4_SHORT || d4_feed_pending(feed) != 0)
		n = -1;
	d4_feed_free(feed);
	return n;
}

/* The records are those listed, and their payloads the input. */
static bool
agrees(const struct vector *v)
{
	const char *fed = json_string_value(json_object_get(v->json, "fed"));
	struct d4_header h, want;
	size_t i, at = 0, data = 0;

	for (i = 0; i < json_array_size(v->packets); i++) {
		if (at + D4_HEADER_LEN > v->len)
			return false;
		d4_header_decode(&h, v->bytes + at);
		want = listed(v, i);
		if (h.version != want.version || h.type != want.type ||
		    memcmp(h.uuid, want.uuid, sizeof(h.uuid)) != 0 ||
		    h.timestamp != want.timestamp || h.size != want.size)
			return false;
		at += D4_HEADER_LEN;
		if (strcmp(fed, "stdin") == 0 && h.type != 2 &&
		    (data + h.size > v->inlen || memcmp(v->bytes + at,
		    v->in + data, h.size) != 0))
			return false;
		data += h.type != 2 ? h.size : 0;
		at += h.size;
	}
	return at == v->len;
}

/* A bit of each byte of the stream, all eight of the first header. */
static int
count_taken(struct vector *v)
{
	size_t bit;
	int taken = 0;

	for (bit = 0; bit < 8 * v->len; bit++) {
		if (bit >= 8 * D4_HEADER_LEN && bit % 8 != bit / 8 % 8)
			continue;
		v->bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		taken += receive(v, v->bytes, v->len) != -1;
		v->bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	return taken;
}

/* Each listed header around the payload, sealed: the stream again? */
static bool
encodes(const struct vector *v)
{
	static uint8_t made[STREAM_MAX];
	size_t i, at = 0;

	for (i = 0; i < json_array_size(v->packets); i++) {
		struct d4_header h = listed(v, i);
		struct d4_mac_job job = {
			.key = v->key, .record = made + at,
			.len = D4_HEADER_LEN + (size_t)h.size
		};

		if (at + job.len > v->len)
			return false;
		d4_header_encode(job.record, &h);
		memcpy(job.record + D4_HEADER_LEN,
		    v->bytes + at + D4_HEADER_LEN, h.size);
		if (d4_mac_seal(mac, &job, 1) == -1)
			return false;
		at += job.len;
	}
	return at == v->len && memcmp(made, v->bytes, at) == 0;
}

/* What d4 does, with the input file and the listed time. */
static bool
encapsulates(const struct vector *v)
{
	const json_t *conf = json_object_get(v->json, "conf");
	size_t len, at = 0, snaplen = strtoul(json_string_value(
	    json_object_get(conf, "snaplen")), NULL, 10);
	struct d4_header h = listed(v, 0);
	struct d4_record *r = d4_record_new(&h, snaplen, mac, v->key);
	const uint8_t *bytes;
	bool same = true;
	ssize_t got;
	int fds[2];

	if (pipe(fds) == -1 || write(fds[1], v->in, v->inlen) == -1)
		abort();
	close(fds[1]);
	do {
		if ((got = d4_record_fill(r, fds[0], h.type)) == 0)
			(void)d4_record_put(r, h.type, NULL, 0);
		if (got == -1 || d4_record_seal(r, h.timestamp) == -1)
			same = false;
		bytes = d4_record_bytes(r, &len);
		same = same && at + len <= v->len &&
		    memcmp(bytes, v->bytes + at, len) == 0;
		at += len;
	} while (same && got > 0);
	close(fds[0]);
	d4_record_free(r);
	return same && at == v->len;
}

static void
test_vector(const json_t *json)
{
	static struct vector v;

	load(&v, json);
	is(receive(&v, v.bytes, v.len), json_array_size(v.packets),
	    "%s: every record verifies", v.name);
	ok(agrees(&v), "%s: and is what is listed", v.name);
	is(count_taken(&v), 0, "%s: no changed byte passes", v.name);
	ok(encodes(&v), "%s: encodes to the same bytes", v.name);
	if (strncmp(v.program, "d4-core/client", 14) == 0)
		ok(encapsulates(&v), "%s: and so does its input", v.name);
	d4_mac_key_free(v.key);
}

int
main(void)
{
	const char *shared = getenv("D4_SHARED");
	char path[4096];
	json_t *all;
	size_t i;

	(void)snprintf(dir, sizeof(dir), "%.2000s/vectors",
	    shared == NULL ? "../shared" : shared);
	(void)snprintf(path, sizeof(path), "%s/vectors.json", dir);
	if (access(path, R_OK) == -1) {
		skip("the vectors are not here");
		return tap_done();
	}
	all = json_load_file(path, 0, NULL);
	ok(json_array_size(all) > 0, "%zu vectors", json_array_size(all));
	mac = d4_mac_new();
	for (i = 0; i < json_array_size(all); i++)
		test_vector(json_array_get(all, i));
	d4_mac_free(mac);
	json_decref(all);
	return tap_done();
}
