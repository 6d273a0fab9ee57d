/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>
#include <uuid/uuid.h>

#include "lib/uuid.h"

static const char digits[] = "0123456789abcdef";

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
d4_uuid_parse(uint8_t uuid[D4_UUID_LEN], const char *text)
{
	static const char urn[] = "urn:uuid:";
	uint8_t bytes[D4_UUID_LEN];
	size_t i, len;
	bool dashed;

	len = strlen(text);
	if (strncasecmp(text, urn, sizeof(urn) - 1) == 0) {
		text += sizeof(urn) - 1;
		len -= sizeof(urn) - 1;
	} else if (len > 2 && text[0] == '{' && text[len - 1] == '}') {
		text++;
		len -= 2;
	}
	dashed = len == D4_UUID_TEXT - 1;
	if (!dashed && len != D4_UUID_HEX - 1)
		return -1;
	for (i = 0; i < D4_UUID_LEN; i++) {
		int high, low;

		if (dashed && (i == 4 || i == 6 || i == 8 || i == 10) &&
		    *text++ != '-')
			return -1;
		high = digit(text[0]);
		low = high < 0 ? -1 : digit(text[1]);
		if (low < 0)
			return -1;
		bytes[i] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	memcpy(uuid, bytes, sizeof(bytes));
	return 0;
}

void
d4_uuid_text(char text[D4_UUID_TEXT], const uint8_t uuid[D4_UUID_LEN])
{
	size_t i;

	for (i = 0; i < D4_UUID_LEN; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*text++ = '-';
		*text++ = digits[uuid[i] >> 4];
		*text++ = digits[uuid[i] & 15];
	}
	*text = '\0';
}

void
d4_uuid_hex(char text[D4_UUID_HEX], const uint8_t uuid[D4_UUID_LEN])
{
	size_t i;

	for (i = 0; i < D4_UUID_LEN; i++) {
		*text++ = digits[uuid[i] >> 4];
		*text++ = digits[uuid[i] & 15];
	}
	*text = '\0';
}

bool
d4_uuid_is_v4(const uint8_t uuid[D4_UUID_LEN])
{
	return uuid[6] >> 4 == 4 && uuid[8] >> 6 == 2;
}

void
d4_uuid_new(uint8_t uuid[D4_UUID_LEN])
{
	uuid_generate_random(uuid);
}
