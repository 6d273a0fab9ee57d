/* SPDX-License-Identifier: ISC */

/*
 * The small texts that come from outside: base64, uuids, networks, addresses
 * to connect to, names of extended types.  The first byte picks the decoder.
 * What is taken is written and read again, and must be the same.  Faults may be
 * behind it (faults.h).
 */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "lib/cidr.h"
#include "lib/net.h"
#include "lib/redis.h"
#include "lib/type.h"
#include "lib/uuid.h"
#include "t/fuzz/faults.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
take_base64(const char *text, size_t len)
{
	uint8_t *bytes = malloc(D4_BASE64_DECODED(len) + 1);
	char *again, *place = malloc(len + 1);
	size_t n, m;

	assert(bytes != NULL && place != NULL);
	memcpy(place, text, len);
	if (d4_base64_decode(bytes, &n, text, len) == 0) {
		assert(n <= D4_BASE64_DECODED(len));
		assert(D4_BASE64_ENCODED(n) == len);
		again = malloc(len + 1);
		assert(again != NULL);
		d4_base64_encode(again, bytes, n);
		assert(memcmp(again, text, len) == 0);
		free(again);
		assert(d4_base64_decode(place, &m, place, len) == 0);
		assert(m == n && memcmp(place, bytes, n) == 0);
	} else {
		assert(d4_base64_decode(place, &m, place, len) == -1);
	}
	free(place);
	free(bytes);
}

static void
take_uuid(const char *text)
{
	uint8_t uuid[D4_UUID_LEN], again[D4_UUID_LEN];
	char dashes[D4_UUID_TEXT], hex[D4_UUID_HEX];

	memset(uuid, 0xaa, sizeof(uuid));
	memset(again, 0xaa, sizeof(again));
	if (d4_uuid_parse(uuid, text) == -1) {
		assert(memcmp(uuid, again, sizeof(uuid)) == 0);
		return;
	}
	d4_uuid_text(dashes, uuid);
	d4_uuid_hex(hex, uuid);
	assert(strlen(dashes) == D4_UUID_TEXT - 1);
	assert(strlen(hex) == D4_UUID_HEX - 1);
	assert(d4_uuid_parse(again, dashes) == 0);
	assert(memcmp(uuid, again, sizeof(uuid)) == 0);
	assert(d4_uuid_parse(again, hex) == 0);
	assert(memcmp(uuid, again, sizeof(uuid)) == 0);
	assert(d4_uuid_is_v4(uuid) == ((uuid[6] & 0xf0) == 0x40 &&
	    (uuid[8] & 0xc0) == 0x80));
}

static void
take_network(struct d4_cidr_set *set, const char *text)
{
	struct d4_cidr net, again;
	char written[D4_CIDR_TEXT];
	const char *why = NULL;

	if (d4_cidr_parse(&net, text, &why) == -1) {
		assert(why != NULL && *why != '\0');
		return;
	}
	d4_cidr_text(written, &net);
	assert(strlen(written) < sizeof(written));
	assert(d4_cidr_parse(&again, written, &why) == 0);
	assert(again.family == net.family && again.bits == net.bits);
	assert(memcmp(again.first, net.first, net.family == 4 ? 4 : 16) == 0);
	faults_on();
	assert(d4_cidr_set_add(set, &net) == 0 || faults_any());
	faults_off();
}

/* A list of networks, and then of the addresses that are asked for: every
 * network holds its first address. */
static void
take_networks(char *text)
{
	struct d4_cidr_set *set;
	char *line, *next = text, *slash;
	struct d4_cidr net;
	const char *why;
	size_t n;

	faults_on();
	set = d4_cidr_set_new();
	faults_off();
	if (set == NULL) {
		assert(faults_any());
		return;
	}
	while ((line = next) != NULL) {
		if ((next = strchr(line, '\n')) != NULL)
			*next++ = '\0';
		take_network(set, line);
		if (next != NULL)
			next[-1] = '\n';
	}
	n = d4_cidr_set_count(set);
	d4_cidr_set_seal(set);
	assert(d4_cidr_set_count(set) <= n);
	next = text;
	while ((line = next) != NULL) {
		if ((next = strchr(line, '\n')) != NULL)
			*next++ = '\0';
		if (d4_cidr_parse(&net, line, &why) == 0) {
			if ((slash = strchr(line, '/')) != NULL)
				*slash = '\0';
			assert(d4_cidr_set_has(set, line) || faults_any());
		} else {
			(void)d4_cidr_set_has(set, line);
		}
	}
	d4_cidr_set_free(set);
}

static void
take_address(const char *text, bool listens)
{
	struct d4_net_addr addr;
	char name[D4_NET_NAME];
	const char *why = NULL;

	(void)d4_net_is_addr(text);
	if (d4_net_parse(&addr, text, listens, &why) == -1) {
		assert(why != NULL && *why != '\0');
		return;
	}
	assert(strlen(addr.host) < sizeof(addr.host));
	assert(addr.kind != D4_NET_UNIX || *addr.path != '\0');
	assert(addr.kind == D4_NET_UNIX || listens || *addr.host != '\0');
	d4_net_text(&addr, name);
	assert(*name != '\0');
}

static void
take_redis(const char *text)
{
	struct d4_redis_addr addr, again;
	char name[D4_REDIS_NAME];
	const char *why = NULL;

	if (d4_redis_parse(&addr, text, &why) == -1) {
		assert(why != NULL && *why != '\0');
		return;
	}
	d4_redis_text(&addr, name);
	assert(d4_redis_parse(&again, name, &why) == 0);
	assert(again.db == addr.db && again.net.kind == addr.net.kind);
	assert(again.net.port == addr.net.port);
	assert(strcmp(again.net.host, addr.net.host) == 0);
	assert(strcmp(again.net.path, addr.net.path) == 0);
}

static void
take_name(const char *text, size_t len)
{
	if (!d4_type_name_ok(text, len))
		return;
	assert(len > 0 && len <= D4_TYPE_NAME_MAX && text[0] != '.');
	assert(memchr(text, '/', len) == NULL);
	assert(memchr(text, '\0', len) == NULL);
	assert(memchr(text, ' ', len) == NULL);
}

static void
take_types(uint8_t before, uint8_t after)
{
	const struct d4_type *type = d4_type_get(before);
	const struct d4_type_extended *list;
	size_t n;

	uint8_t uuid[D4_UUID_LEN];

	assert(type->name != NULL && type->suffix != NULL);
	d4_uuid_new(uuid);
	assert(d4_uuid_is_v4(uuid));
	assert(d4_type_may_follow(before, after) == (before == after ||
	    (before == D4_TYPE_META && after == D4_TYPE_EXTENDED)));
	assert(d4_type_list(&n) != NULL && n == 10);
	list = d4_type_extended_list(&n);
	assert(n > 0);
	for (; n > 0; n--)
		assert(d4_type_name_ok(list[n - 1].name,
		    strlen(list[n - 1].name)));
}

static void
once(const uint8_t *data, size_t len)
{
	char *text;

	if (len < 1)
		return;
	text = malloc(len);
	assert(text != NULL);
	len--;
	memcpy(text, data + 1, len);
	text[len] = '\0';
	switch (data[0] % 7) {
	case 0:
		take_base64(text, len);
		break;
	case 1:
		take_uuid(text);
		break;
	case 2:
		take_networks(text);
		break;
	case 3:
		take_address(text, false);
		break;
	case 4:
		take_address(text, true);
		break;
	case 5:
		take_redis(text);
		break;
	default:
		take_name(text, len);
		if (len > 1)
			take_types(data[1], data[2]);
		break;
	}
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	faults_run(data, len, once);
	return 0;
}
