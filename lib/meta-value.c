/* SPDX-License-Identifier: ISC */
#include <jansson.h>

#include "lib/meta-value.h"

/* An object of the library's is ours, seen through another type. */

struct d4_meta_value *
d4_meta_value_parse(const void *bytes, size_t len, const char **why)
{
	json_error_t error;
	json_t *json;

	json = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, &error);
	if (json == NULL) {
		*why = "not JSON";
	} else if (!json_is_object(json)) {
		json_decref(json);
		json = NULL;
		*why = "not a JSON object";
	}
	return (struct d4_meta_value *)json;
}

void
d4_meta_value_free(struct d4_meta_value *value)
{
	json_decref((json_t *)value);
}

/* The member, or NULL when it is absent or null. */
static const json_t *
member(const struct d4_meta_value *value, const char *key)
{
	const json_t *json = json_object_get((const json_t *)value, key);

	return json_is_null(json) ? NULL : json;
}

int
d4_meta_value_string(const struct d4_meta_value *value, const char *key,
    const char **text)
{
	const json_t *json = member(value, key);

	if (json == NULL)
		return 1;
	if (!json_is_string(json))
		return -1;
	*text = json_string_value(json);
	return 0;
}

int
d4_meta_value_uint(const struct d4_meta_value *value, const char *key,
    uint64_t *number)
{
	const json_t *json = member(value, key);

	if (json == NULL)
		return 1;
	if (!json_is_integer(json) || json_integer_value(json) < 0)
		return -1;
	*number = (uint64_t)json_integer_value(json);
	return 0;
}

int
d4_meta_value_bool(const struct d4_meta_value *value, const char *key,
    int *yes)
{
	const json_t *json = member(value, key);

	if (json == NULL)
		return 1;
	if (!json_is_boolean(json))
		return -1;
	*yes = json_is_true(json);
	return 0;
}

int
d4_meta_value_strings(const struct d4_meta_value *value, const char *key,
    int (*callback)(void *, const char *), void *cookie)
{
	const json_t *list = member(value, key), *item;
	size_t i;
	int r = 0;

	if (list != NULL && !json_is_array(list))
		return -1;
	for (i = 0; r == 0 && i < json_array_size(list); i++) {
		item = json_array_get(list, i);
		r = json_is_string(item) ?
		    callback(cookie, json_string_value(item)) : -1;
	}
	return r;
}

int
d4_meta_value_objects(const struct d4_meta_value *value, const char *key,
    int (*callback)(void *, const struct d4_meta_value *), void *cookie)
{
	const json_t *list = member(value, key), *item;
	size_t i;
	int r = 0;

	if (list != NULL && !json_is_array(list))
		return -1;
	for (i = 0; r == 0 && i < json_array_size(list); i++) {
		item = json_array_get(list, i);
		r = json_is_object(item) ? callback(cookie,
		    (const struct d4_meta_value *)item) : -1;
	}
	return r;
}
