/* SPDX-License-Identifier: ISC */
#ifndef LIB_DIGEST_H
#define LIB_DIGEST_H

/*
 * Digests of whole byte strings, for names of files by what is in them.  This
 * is libcrypto's third door, beside mac and tls: records are authenticated in
 * mac, nothing here is keyed.
 */

#include <stddef.h>
#include <stdint.h>

#define D4_DIGEST_SHA1		20
#define D4_DIGEST_SHA256	32

/* 0, or -1 when libcrypto fails (memory, or SHA-1 forbidden by its
 * configuration). */
int d4_digest_sha1(uint8_t[D4_DIGEST_SHA1], const void *, size_t len);
int d4_digest_sha256(uint8_t[D4_DIGEST_SHA256], const void *, size_t len);

/* Writes 2 * len lower-case digits and a NUL. */
void d4_digest_hex(char *, const uint8_t *, size_t len);

#endif
