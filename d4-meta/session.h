/* SPDX-License-Identifier: ISC */
#ifndef D4_META_SESSION_H
#define D4_META_SESSION_H

/*
 * The sessions within a stream, as their records tell: one ends where the uuid
 * changes or the type does, other than from 2 to 254.  No keys, descriptors
 * or clock.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/header.h"
#include "lib/meta.h"

struct session {
	uint64_t	 number;	/* of sessions so far; 0 before any */
	uint8_t		 uuid[D4_UUID_LEN];
	uint8_t		 type;		/* of the last record */
	char		 metatype[D4_TYPE_NAME_MAX + 1]; /* "" when not known */
	struct d4_meta	*meta;		/* whole with the last record; NULL */
	enum d4_refusal	 fault;		/* of the last record */
	const char	*why;		/* more words on it, or "" */

	bool		 judged;	/* its header was taken or refused */
	struct d4_meta_scan scan;
	size_t		 len;
	uint8_t		 text[D4_META_MAX + 1];	/* type 2 payloads, joined */
};

/*
 * Takes the next record.  Afterwards metatype, meta and fault say what it
 * brought: meta is the header that it completes, good until the next record;
 * fault is what a receiver would refuse it for (uuid, header) or D4_OK.
 * Returns whether it begins a new session.  A session begins zeroed.
 */
bool session_take(struct session *, const struct d4_header *,
    const uint8_t *payload);

/* At the end of the stream: whether a header has been left unfinished.  Then
 * fault and why say how. */
bool session_finish(struct session *);

/* Frees what it holds. */
void session_free(struct session *);

#endif
