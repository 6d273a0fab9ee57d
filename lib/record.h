/* SPDX-License-Identifier: ISC */
#ifndef LIB_RECORD_H
#define LIB_RECORD_H

/*
 * Records in the making: a batch of one sensor's records in one buffer, laid
 * out as they travel, header, payload, header, payload.  Data is read straight
 * into the place of the payloads, sealed where it lies and written with one
 * call, so a payload is never copied and a reader never meets half a header
 * because of how we write.
 */

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#include "lib/header.h"
#include "lib/mac.h"

struct d4_record;

/*
 * A batch for the version and uuid of the header and payloads of at most
 * snaplen bytes, 1 to D4_PAYLOAD_MAX.  NULL when memory is short.  Mac and key
 * are the caller's and outlive it.
 */
struct d4_record *d4_record_new(const struct d4_header *, size_t snaplen,
    struct d4_mac *, struct d4_mac_key *);

/* Takes NULL. */
void d4_record_free(struct d4_record *);

/*
 * Reads once what waits at the descriptor into an emptied batch, as records of
 * the given type, all full but the last.  Returns the bytes read, 0 at the end
 * of file, or -1 with errno, EINTR among them.
 */
ssize_t d4_record_fill(struct d4_record *, int fd, uint8_t type);

/* Adds one record with a copy of len bytes, 0 to snaplen.  Returns 0, or -1
 * when the batch is full: then seal, write and clear it first. */
int d4_record_put(struct d4_record *, uint8_t type, const void *, size_t len);

/* Writes timestamps (seconds since 1970) and tags into the records that were
 * added since the last call.  Returns 0, or -1 when the mac failed. */
int d4_record_seal(struct d4_record *, uint64_t timestamp);

/* The same for n > 0 batches of one mac together, which is faster. */
int d4_record_seal_all(struct d4_record *const[], size_t n,
    uint64_t timestamp);

/* The records as bytes to send, *len of them. */
const uint8_t *d4_record_bytes(const struct d4_record *, size_t *len);

/* How many records are in the batch. */
size_t d4_record_count(const struct d4_record *);

/* The greatest number of bytes, not over len, at which a record ends: what a
 * reader can use of a write that went wrong after len bytes. */
size_t d4_record_whole(const struct d4_record *, size_t len);

void d4_record_clear(struct d4_record *);

#endif
