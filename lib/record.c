/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/io.h"
#include "lib/record.h"

/*
 * A batch is large enough that the cost of a system call vanishes in it and
 * small enough to stay in a core's cache between read, hash and write.
 */
#define BATCH_BYTES	((size_t)256 << 10)
#define BATCH_RECORDS	((size_t)1024)	/* what one readv(2) takes */
#define SEAL_RECORDS	((size_t)256)	/* given to the mac at a time */

struct d4_record {
	uint8_t			 head[D4_HEADER_LEN];	/* of every record */
	struct d4_mac		*mac;
	size_t			 snaplen;
	size_t			 max;	/* full records that fit */
	size_t			 size;	/* bytes at buf */
	size_t			 n;	/* records there are */
	size_t			 nsealed; /* of them, sealed already */
	size_t			 len;	/* bytes of them all */
	uint8_t			*buf;
	struct iovec		*slots;	/* where full payloads lie */
	struct d4_mac_job	*jobs;	/* a record each */
};

struct d4_record *
d4_record_new(const struct d4_header *header, size_t snaplen,
    struct d4_mac *mac, struct d4_mac_key *key)
{
	size_t i, stride = D4_HEADER_LEN + snaplen;
	struct d4_record *r;

	if ((r = calloc(1, sizeof(*r))) == NULL)
		return NULL;
	r->max = BATCH_BYTES / stride;
	if (r->max > BATCH_RECORDS)
		r->max = BATCH_RECORDS;
	if (r->max < 1)
		r->max = 1;
	r->size = r->max * stride;
	r->snaplen = snaplen;
	r->mac = mac;
	d4_header_encode(r->head, header);
	r->buf = malloc(r->size);
	r->slots = calloc(r->max, sizeof(*r->slots));
	r->jobs = calloc(BATCH_RECORDS, sizeof(*r->jobs));
	if (r->buf == NULL || r->slots == NULL || r->jobs == NULL) {
		d4_record_free(r);
		return NULL;
	}
	for (i = 0; i < r->max; i++) {
		r->slots[i].iov_base = r->buf + i * stride + D4_HEADER_LEN;
		r->slots[i].iov_len = snaplen;
	}
	for (i = 0; i < BATCH_RECORDS; i++)
		r->jobs[i].key = key;
	return r;
}

void
d4_record_free(struct d4_record *r)
{
	if (r == NULL)
		return;
	free(r->buf);
	free(r->slots);
	free(r->jobs);
	free(r);
}

/* Puts the header of the next record before the payload of len bytes that is
 * there or will be. */
static void
add(struct d4_record *r, uint8_t type, size_t len)
{
	uint8_t *record = r->buf + r->len;

	memcpy(record, r->head, D4_HEADER_LEN);
	record[D4_TYPE_AT] = type;
	d4_put32le(record + D4_SIZE_AT, (uint32_t)len);
	r->jobs[r->n].record = record;
	r->jobs[r->n].len = D4_HEADER_LEN + len;
	r->n++;
	r->len += D4_HEADER_LEN + len;
}

ssize_t
d4_record_fill(struct d4_record *r, int fd, uint8_t type)
{
	ssize_t got;
	size_t left;

	d4_record_clear(r);
	if ((got = d4_io_readv(fd, r->slots, (int)r->max)) <= 0)
		return got;
	for (left = (size_t)got; left > r->snaplen; left -= r->snaplen)
		add(r, type, r->snaplen);
	add(r, type, left);
	return got;
}

int
d4_record_put(struct d4_record *r, uint8_t type, const void *data, size_t len)
{
	if (r->n == BATCH_RECORDS ||
	    r->size - r->len < D4_HEADER_LEN + len)
		return -1;
	if (len > 0)
		memcpy(r->buf + r->len + D4_HEADER_LEN, data, len);
	add(r, type, len);
	return 0;
}

int
d4_record_seal(struct d4_record *r, uint64_t timestamp)
{
	return d4_record_seal_all(&r, 1, timestamp);
}

/* The mac is the faster the more records it has at once. */
int
d4_record_seal_all(struct d4_record *const batches[], size_t n,
    uint64_t timestamp)
{
	struct d4_mac_job jobs[SEAL_RECORDS];
	struct d4_record *r;
	size_t i, at, njobs = 0;

	for (i = 0; i < n; i++) {
		r = batches[i];
		for (at = r->nsealed; at < r->n; at++) {
			d4_put64le(r->jobs[at].record + D4_TIMESTAMP_AT,
			    timestamp);
			jobs[njobs++] = r->jobs[at];
			if (njobs < SEAL_RECORDS)
				continue;
			if (d4_mac_seal(r->mac, jobs, njobs) == -1)
				return -1;
			njobs = 0;
		}
	}
	if (njobs > 0 && d4_mac_seal(batches[0]->mac, jobs, njobs) == -1)
		return -1;
	for (i = 0; i < n; i++)
		batches[i]->nsealed = batches[i]->n;
	return 0;
}

const uint8_t *
d4_record_bytes(const struct d4_record *r, size_t *len)
{
	*len = r->len;
	return r->buf;
}

size_t
d4_record_count(const struct d4_record *r)
{
	return r->n;
}

size_t
d4_record_whole(const struct d4_record *r, size_t len)
{
	size_t i, whole = 0;

	for (i = 0; i < r->n && whole + r->jobs[i].len <= len; i++)
		whole += r->jobs[i].len;
	return whole;
}

void
d4_record_clear(struct d4_record *r)
{
	r->n = 0;
	r->nsealed = 0;
	r->len = 0;
}
