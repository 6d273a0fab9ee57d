/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "d4-recv/session.h"
#include "lib/type.h"
#include "lib/uuid.h"

enum d4_refusal
session_admit(struct session *s, const struct rules *rules,
    const struct d4_header *h)
{
	if (!d4_uuid_is_v4(h->uuid))
		return D4_BAD_UUID;
	if (!rules->types[h->type])
		return D4_BAD_TYPE;
	if (!s->begun) {
		if (h->type == D4_TYPE_EXTENDED)
			return D4_NO_META;
		memcpy(s->uuid, h->uuid, sizeof(s->uuid));
		s->begun = true;
	} else {
		if (!d4_type_may_follow(s->type, h->type))
			return D4_TYPE_CHANGED;
		if (memcmp(s->uuid, h->uuid, sizeof(s->uuid)) != 0)
			return D4_UUID_CHANGED;
	}
	s->type = h->type;
	return D4_OK;
}

enum d4_refusal
session_take_meta(struct session *s, const uint8_t *bytes, size_t len)
{
	uint8_t *meta;

	if (len == 0)
		return D4_OK;
	if (len > D4_META_MAX || s->metalen > D4_META_MAX - len)
		return D4_BAD_META;
	if ((meta = realloc(s->meta, s->metalen + len)) == NULL)
		return D4_BAD_META;
	memcpy(meta + s->metalen, bytes, len);
	s->meta = meta;
	s->metalen += len;
	return D4_OK;
}

enum d4_refusal
session_close_meta(struct session *s, const struct rules *rules,
    const char **why)
{
	s->header = d4_meta_parse(s->meta, s->metalen, why);
	if (s->header == NULL)
		return D4_BAD_META;
	if (!rules_accept_metatype(rules, d4_meta_type(s->header))) {
		*why = "its type is not among metatypes";
		return D4_BAD_TYPE;
	}
	return D4_OK;
}

void
session_free(struct session *s)
{
	free(s->meta);
	d4_meta_free(s->header);
	s->meta = NULL;
	s->header = NULL;
	s->metalen = 0;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

bool
rules_accept_metatype(const struct rules *rules, const char *name)
{
	return rules->nmetatypes > 0 && bsearch(&name, rules->metatypes,
	    rules->nmetatypes, sizeof(*rules->metatypes), compare) != NULL;
}

int
rules_add_metatype(struct rules *rules, const char *name)
{
	char **list;

	if (!d4_type_name_ok(name, strlen(name)))
		return -1;
	list = realloc(rules->metatypes,
	    (rules->nmetatypes + 1) * sizeof(*list));
	if (list == NULL)
		return -1;
	rules->metatypes = list;
	if ((list[rules->nmetatypes] = strdup(name)) == NULL)
		return -1;
	rules->nmetatypes++;
	qsort(list, rules->nmetatypes, sizeof(*list), compare);
	return 0;
}

void
rules_free(struct rules *rules)
{
	while (rules->nmetatypes > 0)
		free(rules->metatypes[--rules->nmetatypes]);
	free(rules->metatypes);
	rules->metatypes = NULL;
}
