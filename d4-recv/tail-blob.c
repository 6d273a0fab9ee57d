/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "d4-recv/tail-blob.h"
#include "d4-recv/tail-log.h"
#include "lib/bytes.h"

static bool
is_preamble(const struct tail_import *in, const uint8_t *tag)
{
	size_t i;

	for (i = 0; i < in->npreamble; i++) {
		if (memcmp(in->preamble[i], tag, MATCH_SHORT) == 0)
			return true;
	}
	return false;
}

/* Each of them has as many bytes as the others, for a tail's own count. */
int
blob_take(struct tail_import *in, const void *bytes, size_t len)
{
	size_t i, n = len < BLOB_HEAD ? 0 : (len - BLOB_HEAD) / MATCH_SHORT;
	uint8_t tag[MATCH_TAG] = { 0 }, *entries;
	const uint8_t *p = bytes;
	uint32_t wire;
	size_t room;

	if (n == 0)
		return 0;
	if (in->nentries + n > in->room) {
		room = 2 * in->room > in->nentries + n ? 2 * in->room :
		    in->nentries + n;
		entries = realloc(in->entries, room * LOG_ENTRY);
		if (entries == NULL)
			return -1;
		in->entries = entries;
		in->room = room;
	}
	wire = (d4_get32le(p) / (uint32_t)n) & 0xffffff;
	for (i = 0, p += BLOB_HEAD; i < n; i++, p += MATCH_SHORT) {
		memcpy(tag, p, MATCH_SHORT);
		log_put_entry(in->entries + in->nentries++ * LOG_ENTRY, tag,
		    wire, is_preamble(in, tag) ? LOG_PREAMBLE : 0);
	}
	return 0;
}

int
blob_take_preamble(struct tail_import *in, const void *bytes, size_t len)
{
	size_t n = len / MATCH_TAG;

	free(in->preamble);
	in->preamble = NULL;
	in->npreamble = 0;
	if (n == 0)
		return 0;
	if ((in->preamble = malloc(n * MATCH_TAG)) == NULL)
		return -1;
	memcpy(in->preamble, bytes, n * MATCH_TAG);
	in->npreamble = n;
	return 0;
}

void
blob_free(struct tail_import *in)
{
	free(in->preamble);
	free(in->entries);
	memset(in, 0, sizeof(*in));
}
