/* SPDX-License-Identifier: ISC */
#ifndef LIB_HEADER_H
#define LIB_HEADER_H

/*
 * The D4 record header: 62 bytes before each payload, integers little-endian
 * (the D4 protocol page names no order; every client sends this one).
 *
 *	offset	bytes	field
 *	0	1	version		1 in practice, never refused
 *	1	1	type		see type.h
 *	2	16	uuid		of the sensor, in the order of its text
 *	18	8	timestamp	seconds since 1970, of the encapsulation
 *	26	32	hmac		HMAC-SHA-256, see mac.h
 *	58	4	size		bytes of payload that follow, 0 is valid
 *
 * A stream is records back to back.  Nothing stands before, between or after
 * them and nothing is ever sent back.
 */

#include <stdint.h>

#define D4_HEADER_LEN	62
#define D4_HMAC_LEN	32
#define D4_UUID_LEN	16

#define D4_VERSION_AT	0
#define D4_TYPE_AT	1
#define D4_UUID_AT	2
#define D4_TIMESTAMP_AT	18
#define D4_HMAC_AT	26
#define D4_SIZE_AT	58

/* The greatest payload, in bytes, that d4-core and we accept. */
#define D4_PAYLOAD_MAX	1000000

struct d4_header {
	uint8_t		version;
	uint8_t		type;
	uint8_t		uuid[D4_UUID_LEN];
	uint64_t	timestamp;
	uint8_t		hmac[D4_HMAC_LEN];
	uint32_t	size;
};

/*
 * Why a record or a stream is not taken.  A value travels, words are made of
 * it by whoever prints.
 */
enum d4_refusal {
	D4_OK = 0,
	D4_SHORT,		/* the bytes end within a record */
	D4_TOO_LARGE,		/* size over the limit */
	D4_BAD_UUID,		/* uuid not of version 4 */
	D4_BAD_TYPE,		/* type not accepted here */
	D4_NO_META,		/* type 254 without a type 2 before it */
	D4_UUID_CHANGED,	/* another uuid within one stream */
	D4_TYPE_CHANGED,	/* another type, and not 2 to 254 */
	D4_BAD_HMAC,		/* the HMAC does not match */
	D4_BAD_META,		/* the meta header is not one; see meta.h */
	D4_BAD_DATA,		/* the payload is not what its type says */
	D4_REFUSALS		/* how many there are */
};

/* Reads the 62 bytes at the second argument.  Cannot fail: judging is for
 * others. */
void d4_header_decode(struct d4_header *, const uint8_t[D4_HEADER_LEN]);

/* Writes the header as 62 bytes, the hmac field as it stands in the struct. */
void d4_header_encode(uint8_t[D4_HEADER_LEN], const struct d4_header *);

/* A few lower-case words for the reason, static, never NULL. */
const char *d4_refusal_str(enum d4_refusal);

#endif
