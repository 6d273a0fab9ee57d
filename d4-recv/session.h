/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_SESSION_H
#define D4_RECV_SESSION_H

/*
 * Which records one stream may hold: the rules of a session, without keys,
 * descriptors or clock (d4-core.md 3.3 and 6.6 of clients.md have them as
 * facts).  The order of the checks is that of d4-core.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/header.h"
#include "lib/meta.h"

/* What this receiver accepts. */
struct rules {
	bool		 types[UINT8_MAX + 1];	/* by number */
	char		**metatypes;		/* extended types, sorted */
	size_t		 nmetatypes;
};

/* One stream so far. */
struct session {
	bool		 begun;		/* a header was admitted */
	uint8_t		 uuid[D4_UUID_LEN];
	uint8_t		 type;		/* of the last record admitted */
	uint64_t	 nrecords;	/* verified */
	uint64_t	 nbytes;	/* of payload, verified, without meta */
	uint8_t		*meta;		/* what type 2 records brought */
	size_t		 metalen;
	struct d4_meta	*header;	/* it, checked; set by the first 254 */
};

/*
 * Judges the next header, before its HMAC is looked at, and when it returns
 * D4_OK takes it as the one that later ones are compared with.
 */
enum d4_refusal session_admit(struct session *, const struct rules *,
    const struct d4_header *);

/*
 * Takes the payload of a type 2 record, verified.  D4_OK, or D4_BAD_META when
 * it becomes too long or memory is short.
 */
enum d4_refusal session_take_meta(struct session *, const uint8_t *, size_t);

/*
 * To be called once no further type 2 record can come, that is with the first
 * verified record of type 254: checks the meta header and whether its type is
 * accepted.  D4_OK, or D4_BAD_META, D4_BAD_TYPE with *why the words.
 */
enum d4_refusal session_close_meta(struct session *, const struct rules *,
    const char **why);

/* Frees what it holds. */
void session_free(struct session *);

/* Whether the extended type is accepted. */
bool rules_accept_metatype(const struct rules *, const char *);

/* Adds an extended type; 0, or -1 when the name is none or memory is short. */
int rules_add_metatype(struct rules *, const char *);

void rules_free(struct rules *);

#endif
