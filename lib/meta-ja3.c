/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "lib/meta-ja3.h"

struct d4_meta_ja3 {
	json_t	*object;
	json_t	*certs;		/* of it: a list, null or NULL */
};

static const char *
judge(struct d4_meta_ja3 *j)
{
	const json_t *cert;
	size_t i;

	if (!json_is_object(j->object))
		return "it is not a JSON object";
	if (!json_is_string(json_object_get(j->object, "Timestamp")))
		return "it has no string \"Timestamp\"";
	j->certs = json_object_get(j->object, "Certificates");
	if (!json_is_null(j->certs) && !json_is_array(j->certs))
		return "it has no list \"Certificates\"";
	json_array_foreach(j->certs, i, cert) {
		if (!json_is_string(json_object_get(cert, "Raw")))
			return "a certificate has no string \"Raw\"";
	}
	return NULL;
}

struct d4_meta_ja3 *
d4_meta_ja3_parse(const char *line, size_t len, const char **why)
{
	struct d4_meta_ja3 *j;
	json_error_t error;

	*why = "it is too long";
	if (len > D4_META_JA3_MAX)
		return NULL;
	*why = "not enough memory";
	if ((j = calloc(1, sizeof(*j))) == NULL)
		return NULL;
	j->object = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	if ((*why = judge(j)) == NULL)
		return j;
	if (j->object == NULL &&
	    json_error_code(&error) == json_error_out_of_memory)
		*why = "not enough memory";
	d4_meta_ja3_free(j);
	return NULL;
}

void
d4_meta_ja3_free(struct d4_meta_ja3 *j)
{
	if (j == NULL)
		return;
	json_decref(j->object);
	free(j);
}

const char *
d4_meta_ja3_timestamp(const struct d4_meta_ja3 *j, size_t *len)
{
	const json_t *value = json_object_get(j->object, "Timestamp");

	*len = json_string_length(value);
	return json_string_value(value);
}

size_t
d4_meta_ja3_ncerts(const struct d4_meta_ja3 *j)
{
	return json_array_size(j->certs);
}

const char *
d4_meta_ja3_cert(const struct d4_meta_ja3 *j, size_t i, size_t *len)
{
	const json_t *value;

	value = json_object_get(json_array_get(j->certs, i), "Raw");
	*len = json_string_length(value);
	return json_string_value(value);
}
