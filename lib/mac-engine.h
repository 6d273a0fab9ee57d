/* SPDX-License-Identifier: ISC */
#ifndef LIB_MAC_ENGINE_H
#define LIB_MAC_ENGINE_H

/*
 * What stands behind the mac room, and only there: two ways to compute the
 * HMAC-SHA-256 of messages.  Both take whole messages and leave them as they
 * are.
 *
 *	openssl	(libcrypto)	one after the other, any length
 *	lanes	(libIPSec_MB)	many side by side in the lanes of one core; not
 *				in every build, nor on every CPU
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/header.h"

/* One message and where its 32-byte tag goes; tag may lie in the message,
 * in bytes that are zero. */
struct mac_message {
	const void	*key;		/* as the engine made it */
	const uint8_t	*bytes;
	size_t		 len;
	uint8_t		*tag;
};

/* What an engine needs of a key at most, in bytes. */
#define MAC_LANES_KEY_LEN	64

/* The greatest message of the lanes, in bytes: lengths are of 16 bits there. */
#define MAC_LANES_MAX		65535

struct mac_openssl;
struct mac_openssl *mac_openssl_new(void);
void mac_openssl_free(struct mac_openssl *);
void *mac_openssl_key_new(struct mac_openssl *, const void *, size_t);
void mac_openssl_key_free(void *);
/* Returns 0, or -1 when memory is short. */
int mac_openssl_tag(const struct mac_message *);

/* NULL where there are no lanes or the CPU would not gain by them. */
struct mac_lanes;
struct mac_lanes *mac_lanes_new(void);
void mac_lanes_free(struct mac_lanes *);
const char *mac_lanes_name(const struct mac_lanes *);
void mac_lanes_key(struct mac_lanes *, uint8_t[MAC_LANES_KEY_LEN],
    const void *, size_t);
/* Messages of at most MAC_LANES_MAX bytes; cannot fail. */
void mac_lanes_tag(struct mac_lanes *, const struct mac_message *, size_t n);

#endif
