/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "d4-meta/session.h"
#include "lib/type.h"
#include "lib/uuid.h"

static void
refuse(struct session *s, enum d4_refusal fault, const char *why)
{
	s->fault = fault;
	s->why = why;
}

/* No further byte changes what the header is. */
static void
judge(struct session *s)
{
	const char *why;

	s->judged = true;
	if ((s->meta = d4_meta_parse(s->text, s->len, &why)) == NULL)
		refuse(s, D4_BAD_META, why);
	else
		(void)strcpy(s->metatype, d4_meta_type(s->meta));
}

/* Takes a part of the header; once judged, only white space may follow. */
static void
take_meta(struct session *s, const uint8_t *bytes, size_t len)
{
	size_t room = sizeof(s->text) - s->len;
	enum d4_meta_state state;

	/* One byte over the limit is enough for the words. */
	if (len > room)
		len = room;
	if (len > 0)
		memcpy(s->text + s->len, bytes, len);
	s->len += len;
	state = d4_meta_scan(&s->scan, bytes, len);
	if (s->len == sizeof(s->text))
		state = D4_META_NEVER;
	if (s->judged && state == D4_META_NEVER && s->metatype[0] != '\0') {
		s->metatype[0] = '\0';
		judge(s);
	} else if (!s->judged && state != D4_META_MORE) {
		judge(s);
	}
}

static void
begin(struct session *s, const struct d4_header *h)
{
	s->number++;
	memcpy(s->uuid, h->uuid, sizeof(s->uuid));
	s->metatype[0] = '\0';
	s->judged = false;
	memset(&s->scan, 0, sizeof(s->scan));
	s->len = 0;
}

bool
session_take(struct session *s, const struct d4_header *h,
    const uint8_t *payload)
{
	bool fresh = s->number == 0 || !d4_type_may_follow(s->type, h->type) ||
	    memcmp(s->uuid, h->uuid, sizeof(s->uuid)) != 0;

	d4_meta_free(s->meta);
	s->meta = NULL;
	refuse(s, D4_OK, "");
	if (fresh) {
		begin(s, h);
		if (!d4_uuid_is_v4(h->uuid))
			refuse(s, D4_BAD_UUID, "");
		else if (h->type == D4_TYPE_EXTENDED)
			refuse(s, D4_NO_META, "");
	}
	if (h->type == D4_TYPE_META)
		take_meta(s, payload, h->size);
	else if (s->type == D4_TYPE_META && !fresh && !s->judged)
		judge(s);
	s->type = h->type;
	return fresh;
}

bool
session_finish(struct session *s)
{
	if (s->number == 0 || s->type != D4_TYPE_META || s->judged ||
	    s->len == 0)
		return false;
	judge(s);
	return true;
}

void
session_free(struct session *s)
{
	d4_meta_free(s->meta);
	s->meta = NULL;
}
