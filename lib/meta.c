/* SPDX-License-Identifier: ISC */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "lib/meta.h"

struct d4_meta {
	json_t	*object;
};

/* Looks at one byte outside of strings. */
static void
look(struct d4_meta_scan *s, char c)
{
	if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
		return;
	if (s->depth == 0 && (s->closed || c != '{'))
		s->other = true;
	if (c == '"') {
		s->in_string = true;
	} else if (c == '{' || c == '[') {
		if (++s->depth > D4_META_DEPTH)
			s->too_deep = true;
	} else if ((c == '}' || c == ']') && s->depth > 0) {
		if (--s->depth == 0)
			s->closed = true;
	}
}

enum d4_meta_state
d4_meta_scan(struct d4_meta_scan *s, const void *bytes, size_t len)
{
	const char *text = bytes;
	size_t i;

	/* Too deep stays so; not looking further keeps the depth a number. */
	for (i = 0; i < len && !s->too_deep; i++) {
		if (s->escaped)
			s->escaped = false;
		else if (!s->in_string)
			look(s, text[i]);
		else if (text[i] == '\\')
			s->escaped = true;
		else if (text[i] == '"')
			s->in_string = false;
	}
	if (s->too_deep || s->other)
		return D4_META_NEVER;
	return s->closed ? D4_META_WHOLE : D4_META_MORE;
}

/*
 * Whether the text nests no deeper than we allow.  Asked before the parser
 * sees it, so that no nesting of a stranger's costs stack or time.
 */
static bool
is_shallow(const char *text, size_t len)
{
	struct d4_meta_scan scan = { .depth = 0 };

	(void)d4_meta_scan(&scan, text, len);
	return !scan.too_deep;
}

/* Whether it begins as a list: known without parsing all of it. */
static bool
is_list(const char *text, size_t len)
{
	size_t i = 0;

	while (i < len && memchr(" \t\n\r", text[i], 4) != NULL)
		i++;
	return i < len && text[i] == '[';
}

static json_t *
load(const char *text, size_t len, json_error_t *error)
{
	return json_loadb(len > 0 ? text : "", len,
	    JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, error);
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
	else if (is_list(bytes, len))
		*why = "it is not an object";
	if (*why != NULL)
		return NULL;
	if ((meta = calloc(1, sizeof(*meta))) == NULL) {
		*why = "not enough memory";
		return NULL;
	}
	meta->object = load(bytes, len, &error);
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
	const size_t flags = JSON_COMPACT | JSON_SORT_KEYS;
	size_t len = json_dumpb(meta->object, NULL, 0, flags);
	char *text = len > 0 ? malloc(len + 1) : NULL;

	/* Not json_dumps(): it leaves out what it finds no memory for. */
	if (text == NULL ||
	    json_dumpb(meta->object, text, len, flags) != len) {
		free(text);
		return NULL;
	}
	text[len] = '\0';
	return text;
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

bool
d4_meta_is_value(const void *bytes, size_t len)
{
	json_error_t error;
	json_t *value;

	if (len > D4_META_MAX || !is_shallow(bytes, len))
		return false;
	value = load(bytes, len, &error);
	json_decref(value);
	return value != NULL;
}
