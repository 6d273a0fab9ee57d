/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "lib/bytes.h"
#include "lib/header.h"

void
d4_header_decode(struct d4_header *h, const uint8_t bytes[D4_HEADER_LEN])
{
	h->version = bytes[D4_VERSION_AT];
	h->type = bytes[D4_TYPE_AT];
	memcpy(h->uuid, bytes + D4_UUID_AT, D4_UUID_LEN);
	h->timestamp = d4_get64le(bytes + D4_TIMESTAMP_AT);
	memcpy(h->hmac, bytes + D4_HMAC_AT, D4_HMAC_LEN);
	h->size = d4_get32le(bytes + D4_SIZE_AT);
}

void
d4_header_encode(uint8_t bytes[D4_HEADER_LEN], const struct d4_header *h)
{
	bytes[D4_VERSION_AT] = h->version;
	bytes[D4_TYPE_AT] = h->type;
	memcpy(bytes + D4_UUID_AT, h->uuid, D4_UUID_LEN);
	d4_put64le(bytes + D4_TIMESTAMP_AT, h->timestamp);
	memcpy(bytes + D4_HMAC_AT, h->hmac, D4_HMAC_LEN);
	d4_put32le(bytes + D4_SIZE_AT, h->size);
}

const char *
d4_refusal_str(enum d4_refusal reason)
{
	static const char *const words[D4_REFUSALS] = {
		[D4_OK] = "no fault",
		[D4_SHORT] = "stream ends within a record",
		[D4_TOO_LARGE] = "size over the limit",
		[D4_BAD_UUID] = "uuid is not of version 4",
		[D4_BAD_TYPE] = "type not accepted",
		[D4_NO_META] = "type 254 without a meta header before it",
		[D4_UUID_CHANGED] = "uuid changed within the stream",
		[D4_TYPE_CHANGED] = "type changed within the stream",
		[D4_BAD_HMAC] = "HMAC does not match",
		[D4_BAD_META] = "meta header not acceptable",
		[D4_BAD_DATA] = "data is not what its type says",
	};

	if ((unsigned int)reason >= D4_REFUSALS)
		return "unknown reason";
	return words[reason];
}
