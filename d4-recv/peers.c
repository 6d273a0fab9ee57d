/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-recv/peers.h"
#include "lib/table.h"

struct peer {
	uint8_t	address[D4_UUID_LEN];	/* IPv6, or IPv4 mapped into it */
	size_t	n;
};

struct peers {
	struct d4_table	*table;
};

struct peers *
peers_new(void)
{
	struct peers *peers;
	uint64_t seed;

	if (getentropy(&seed, sizeof(seed)) == -1 ||
	    (peers = calloc(1, sizeof(*peers))) == NULL)
		return NULL;
	if ((peers->table = d4_table_new(seed)) == NULL) {
		free(peers);
		return NULL;
	}
	return peers;
}

void
peers_free(struct peers *peers)
{
	if (peers == NULL)
		return;
	d4_table_free(peers->table, free);
	free(peers);
}

/* What is no address, such as "unix", counts as one: all zero. */
static void
to_bytes(uint8_t bytes[D4_UUID_LEN], const char *address)
{
	memset(bytes, 0, D4_UUID_LEN);
	if (inet_pton(AF_INET6, address, bytes) == 1)
		return;
	if (inet_pton(AF_INET, address, bytes + 12) == 1)
		bytes[10] = bytes[11] = 0xff;
}

struct peer *
peers_add(struct peers *peers, const char *address, size_t max)
{
	uint8_t bytes[D4_UUID_LEN];
	struct peer *peer;

	to_bytes(bytes, address);
	if ((peer = d4_table_get(peers->table, bytes)) != NULL) {
		if (peer->n >= max)
			return NULL;
		peer->n++;
		return peer;
	}
	if ((peer = calloc(1, sizeof(*peer))) == NULL)
		return NULL;
	memcpy(peer->address, bytes, sizeof(bytes));
	peer->n = 1;
	if (d4_table_put(peers->table, peer) == -1) {
		free(peer);
		return NULL;
	}
	return peer;
}

void
peers_remove(struct peers *peers, struct peer *peer)
{
	if (peer == NULL || --peer->n > 0)
		return;
	free(d4_table_take(peers->table, peer->address));
}
