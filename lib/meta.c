/* SPDX-License-Identifier: ISC */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "lib/meta.h"

struct d4_meta {
	json_t	*object;
};

/*
 * Whether the text nests no deeper than we allow.  Asked before the parser
 * sees it, so that no nesting of a stranger's costs stack or time.
 */
static bool
is_shallow(const char *text, size_t len)
{
	bool in_string = false;
	size_t i;
	int depth = 0;

	for (i = 0; i < len; i++) {
		if (in_string) {
			if (text[i] == '\\')
				i++;
			else if (text[i] == '"')
				in_string = false;
		} else if (text[i] == '"') {
			in_string = true;
		} else if (text[i] == '{' || text[i] == '[') {
			if (++depth > D4_META_DEPTH)
				return false;
		} else if (text[i] == '}' || text[i] == ']') {
			depth--;
		}
	}
	return true;
}

/* The parser's reason in words that do not change with its version. */
static const char *
words(const json_error_t *error)
{
	switch (json_error_code(error)) {
	case json_error_out_of_memory:
		return "not enough memory";
	case json_error_invalid_utf8:
		return "it is not UTF-8";
	case json_error_duplicate_key:
		return "it has a key twice";
	case json_error_end_of_input_expected:
		return "bytes follow the object";
	case json_error_null_character:
	case json_error_null_byte_in_key:
		return "it has a NUL character";
	default:
		return "it is not JSON";
	}
}

static const char *
judge(const json_t *object)
{
	const json_t *type;

	if (!json_is_object(object))
		return "it is not an object";
	if ((type = json_object_get(object, "type")) == NULL)
		return "it has no \"type\"";
	if (!json_is_string(type))
		return "its \"type\" is not a string";
	if (!d4_type_name_ok(json_string_value(type),
	    json_string_length(type)))
		return "its \"type\" is not a name like ja3-jl";
	return NULL;
}

struct d4_meta *
d4_meta_parse(const void *bytes, size_t len, const char **why)
{
	json_error_t error;
	struct d4_meta *meta;

	*why = NULL;
	if (len > D4_META_MAX)
		*why = "it is too long";
	else if (!is_shallow(bytes, len))
		*why = "it is nested too deeply";
	if (*why != NULL)
		return NULL;
	if ((meta = calloc(1, sizeof(*meta))) == NULL) {
		*why = "not enough memory";
		return NULL;
	}
	meta->object = json_loadb(len > 0 ? bytes : "", len,
	    JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	*why = meta->object == NULL ? words(&error) : judge(meta->object);
	if (*why != NULL) {
		d4_meta_free(meta);
		return NULL;
	}
	return meta;
}

void
d4_meta_free(struct d4_meta *meta)
{
	if (meta == NULL)
		return;
	json_decref(meta->object);
	free(meta);
}

bool
d4_meta_has(const struct d4_meta *meta, const char *key)
{
	return json_object_get(meta->object, key) != NULL;
}

const char *
d4_meta_type(const struct d4_meta *meta)
{
	return d4_meta_string(meta, "type", "");
}

char *
d4_meta_text(const struct d4_meta *meta)
{
	return json_dumps(meta->object, JSON_COMPACT | JSON_SORT_KEYS);
}

const char *
d4_meta_string(const struct d4_meta *meta, const char *key,
    const char *fallback)
{
	const json_t *value = json_object_get(meta->object, key);

	return json_is_string(value) ? json_string_value(value) : fallback;
}

int
d4_meta_bool(const struct d4_meta *meta, const char *key, int fallback)
{
	const json_t *value = json_object_get(meta->object, key);

	return json_is_boolean(value) ? json_is_true(value) : fallback;
}
