/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "d4-recv/errors.h"
#include "d4-recv/refusals.h"
#include "lib/uuid.h"

/* A type that is not accepted: d4-core has words for extended ones. */
static void
put_type(char text[ERRORS_TEXT], const struct session *s)
{
	if (s->header != NULL)
		(void)snprintf(text, ERRORS_TEXT, "Error: Type=2, Unsupported "
		    "extended_type: %s", d4_meta_type(s->header));
	else
		(void)snprintf(text, ERRORS_TEXT, "%s",
		    refused_str(D4_BAD_TYPE));
}

void
errors_text(char text[ERRORS_TEXT], unsigned reason, const struct session *s,
    const struct d4_header *odd)
{
	const char *words = refused_str(reason);
	char uuid[D4_UUID_HEX];

	switch (reason) {
	case REFUSED_KICKED:
		words = "Error: This UUID is temporarily blacklisted";
		break;
	case D4_NO_META:
		words = "Error: a type 2 packet must be sent, type=254";
		break;
	case D4_BAD_HMAC:
		words = "Error: HMAC don't match";
		break;
	case REFUSED_OVERFLOW:
		words = "Error: stream exceed max entries limit";
		break;
	case D4_BAD_META:
		words = "Error: Type=2, Incorrect JSON object";
		break;
	case D4_BAD_TYPE:
		put_type(text, s);
		return;
	case D4_BAD_DATA:
		(void)snprintf(text, ERRORS_TEXT, "Error: Type=%u, Incorrect "
		    "file format", s->type);
		return;
	case REFUSED_DUPLICATE:
		(void)snprintf(text, ERRORS_TEXT, "Error: This UUID is using "
		    "the same UUID for one type=%u", s->type);
		return;
	case D4_TYPE_CHANGED:
		(void)snprintf(text, ERRORS_TEXT, "Error: Unexpected type "
		    "change type=%u, new type=%u", s->type, odd->type);
		return;
	case D4_UUID_CHANGED:
		d4_uuid_hex(uuid, odd->uuid);
		(void)snprintf(text, ERRORS_TEXT, "Error: The uuid change, "
		    "new_uuid=%s", uuid);
		return;
	}
	(void)snprintf(text, ERRORS_TEXT, "%s", words);
}
