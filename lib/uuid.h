/* SPDX-License-Identifier: ISC */
#ifndef LIB_UUID_H
#define LIB_UUID_H

/* Sensor uuids (RFC 4122): 16 bytes on the wire, text for people and files. */

#include <stdbool.h>
#include <stdint.h>

#include "lib/header.h"

#define D4_UUID_TEXT	37	/* 8-4-4-4-12 lower-case digits and a NUL */
#define D4_UUID_HEX	33	/* 32 lower-case digits and a NUL */

/*
 * Reads every form that an existing client reads: 8-4-4-4-12 digits, 32 digits
 * without dashes, either within braces or after "urn:uuid:", in any case.
 * Nothing may stand before or behind.  Returns 0, or -1 and leaves the bytes
 * untouched.
 */
int d4_uuid_parse(uint8_t[D4_UUID_LEN], const char *);

/* Writes the form with dashes, as in files and messages of ours. */
void d4_uuid_text(char[D4_UUID_TEXT], const uint8_t[D4_UUID_LEN]);

/* Writes the 32 digits, as d4-core spells sensors in Redis and on disk. */
void d4_uuid_hex(char[D4_UUID_HEX], const uint8_t[D4_UUID_LEN]);

/* Whether the version field says 4 and the variant is that of RFC 4122. */
bool d4_uuid_is_v4(const uint8_t[D4_UUID_LEN]);

/* A new random uuid of version 4 (libuuid). */
void d4_uuid_new(uint8_t[D4_UUID_LEN]);

#endif
