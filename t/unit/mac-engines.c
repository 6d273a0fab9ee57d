/* SPDX-License-Identifier: ISC */

/*
 * The two engines of the mac room against each other: records of every length
 * from 0 to 70,000 bytes of payload, shuffled, in batches of random size and
 * of several keys, sealed by one and by the other and verified crosswise.
 */

#include <stdlib.h>
#include <string.h>

#include "lib/header.h"
#include "lib/mac.h"
#include "t/unit/tap.h"

#define LENGTHS		70001
#define BATCH_MAX	300
#define NKEYS		3

struct engine {
	struct d4_mac		*mac;
	struct d4_mac_key	*keys[NKEYS];
};

static const char *const secrets[NKEYS] = {
	"k", "private key to change",
	"a key that is longer than one block of the hash, which is 64 bytes"
};

static struct engine
engine_new(void)
{
	struct engine e;
	size_t i;

	if ((e.mac = d4_mac_new()) == NULL)
		exit(1);
	for (i = 0; i < NKEYS; i++) {
		e.keys[i] = d4_mac_key_new(e.mac, secrets[i],
		    strlen(secrets[i]));
		if (e.keys[i] == NULL)
			exit(1);
	}
	return e;
}

static void
engine_free(struct engine *e)
{
	size_t i;

	for (i = 0; i < NKEYS; i++)
		d4_mac_key_free(e->keys[i]);
	d4_mac_free(e->mac);
}

static void
shuffle(size_t *lengths)
{
	size_t i, k, swap;

	for (i = 0; i < LENGTHS; i++)
		lengths[i] = i;
	for (i = LENGTHS - 1; i > 0; i--) {
		k = (size_t)random() % (i + 1);
		swap = lengths[i];
		lengths[i] = lengths[k];
		lengths[k] = swap;
	}
}

/* Two copies of a record, one for each engine. */
static void
make(struct d4_mac_job *a, struct d4_mac_job *b, size_t len,
    const struct engine *first, const struct engine *second)
{
	size_t key = (size_t)random() % NKEYS, i;

	a->len = b->len = D4_HEADER_LEN + len;
	a->record = malloc(a->len);
	b->record = malloc(b->len);
	if (a->record == NULL || b->record == NULL)
		exit(1);
	for (i = 0; i < a->len; i++)
		a->record[i] = (uint8_t)(i * 31 + len + (i >> 8));
	memcpy(b->record, a->record, a->len);
	a->key = first->keys[key];
	b->key = second->keys[key];
	a->good = b->good = false;
}

/* Returns how many records of the batch the engines do not agree on. */
static size_t
compare(const struct engine *first, const struct engine *second,
    const size_t *lengths, size_t n)
{
	struct d4_mac_job a[BATCH_MAX], b[BATCH_MAX];
	size_t i, wrong = 0;
	uint8_t *swap;

	for (i = 0; i < n; i++)
		make(&a[i], &b[i], lengths[i], first, second);
	if (d4_mac_seal(first->mac, a, n) == -1 ||
	    d4_mac_seal(second->mac, b, n) == -1)
		exit(1);
	for (i = 0; i < n; i++) {
		wrong += memcmp(a[i].record, b[i].record, a[i].len) != 0;
		swap = a[i].record;
		a[i].record = b[i].record;
		b[i].record = swap;
	}
	/* Each takes what the other sealed, but for a record that was bent. */
	a[n / 2].record[a[n / 2].len - 1] ^= 1;
	if (d4_mac_verify(first->mac, a, n) == -1 ||
	    d4_mac_verify(second->mac, b, n) == -1)
		exit(1);
	for (i = 0; i < n; i++) {
		wrong += a[i].good != (i != n / 2) || !b[i].good;
		free(a[i].record);
		free(b[i].record);
	}
	return wrong;
}

int
main(void)
{
	static size_t lengths[LENGTHS];
	struct engine first, second;
	size_t at, n, wrong = 0, batches = 0;
	/* They are shuffled: a part of them is of all sizes. */
	size_t most = tap_slow() ? LENGTHS / 100 : LENGTHS;

	(void)unsetenv("D4_MAC");
	first = engine_new();
	(void)setenv("D4_MAC", "openssl", 1);
	second = engine_new();
	ok(strcmp(d4_mac_name(second.mac), "OpenSSL") == 0,
	    "D4_MAC=openssl forces the plain engine");
	if (strcmp(d4_mac_name(first.mac), "OpenSSL") == 0) {
		skip("no other engine in this build or on this CPU");
	} else {
		srandom(1);
		shuffle(lengths);
		for (at = 0; at < most; at += n, batches++) {
			n = 1 + (size_t)random() % BATCH_MAX;
			if (n > most - at)
				n = most - at;
			wrong += compare(&first, &second, lengths + at, n);
		}
		is(wrong, 0, "%s and OpenSSL agree on %zu lengths in %zu "
		    "batches", d4_mac_name(first.mac), most, batches);
	}
	engine_free(&first);
	engine_free(&second);
	return tap_done();
}
