/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <sys/socket.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cidr.h"

struct d4_cidr_set {
	struct d4_cidr	*nets;
	size_t		 n;
	size_t		 room;
};

/* The first address behind ::ffff:0:0/96 is that of IPv4. */
static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255 };

static int
parse_address(struct d4_cidr *net, const char *text)
{
	memset(net, 0, sizeof(*net));
	if (inet_pton(AF_INET, text, net->first) == 1) {
		net->family = 4;
		net->bits = 32;
		return 0;
	}
	if (inet_pton(AF_INET6, text, net->first) != 1)
		return -1;
	net->family = 6;
	net->bits = 128;
	return 0;
}

/* Decimal digits alone, without a leading zero. */
static int
parse_bits(const char *text, unsigned int max, uint8_t *bits)
{
	unsigned int n = 0;
	const char *p;

	if (*text == '\0' || (*text == '0' && text[1] != '\0'))
		return -1;
	for (p = text; *p != '\0'; p++) {
		if (*p < '0' || *p > '9' || (n = n * 10 +
		    (unsigned int)(*p - '0')) > max)
			return -1;
	}
	*bits = (uint8_t)n;
	return 0;
}

static void
unmap(struct d4_cidr *net)
{
	if (net->family != 6 || net->bits < 96 ||
	    memcmp(net->first, mapped, sizeof(mapped)) != 0)
		return;
	net->family = 4;
	net->bits = (uint8_t)(net->bits - 96);
	memmove(net->first, net->first + sizeof(mapped), 4);
	memset(net->first + 4, 0, sizeof(net->first) - 4);
}

/* Clears the bits behind the prefix; whether there were any. */
static bool
mask(uint8_t addr[16], unsigned int bits)
{
	bool any = false;
	size_t i;

	for (i = 0; i < 16; i++) {
		uint8_t keep;

		keep = bits >= 8 ? 0xff : (uint8_t)(0xff00 >> bits);
		bits = bits >= 8 ? bits - 8 : 0;
		any = any || (addr[i] & (uint8_t)~keep) != 0;
		addr[i] &= keep;
	}
	return any;
}

int
d4_cidr_parse(struct d4_cidr *out, const char *text, const char **why)
{
	char addr[INET6_ADDRSTRLEN];
	struct d4_cidr net;
	const char *slash;
	size_t len;

	slash = strchr(text, '/');
	len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	*why = "is neither an address nor a network";
	if (len >= sizeof(addr))
		return -1;
	memcpy(addr, text, len);
	addr[len] = '\0';
	if (parse_address(&net, addr) == -1)
		return -1;
	*why = "has a wrong prefix length";
	if (slash != NULL && parse_bits(slash + 1, net.bits, &net.bits) == -1)
		return -1;
	unmap(&net);
	*why = "has bits set behind its prefix";
	if (mask(net.first, net.bits))
		return -1;
	*out = net;
	return 0;
}

void
d4_cidr_text(char text[D4_CIDR_TEXT], const struct d4_cidr *net)
{
	size_t len;

	(void)inet_ntop(net->family == 4 ? AF_INET : AF_INET6, net->first,
	    text, D4_CIDR_TEXT);
	len = strlen(text);
	if (net->bits != (net->family == 4 ? 32 : 128))
		(void)snprintf(text + len, D4_CIDR_TEXT - len, "/%d",
		    net->bits);
}

struct d4_cidr_set *
d4_cidr_set_new(void)
{
	return calloc(1, sizeof(struct d4_cidr_set));
}

void
d4_cidr_set_free(struct d4_cidr_set *set)
{
	if (set == NULL)
		return;
	free(set->nets);
	free(set);
}

int
d4_cidr_set_add(struct d4_cidr_set *set, const struct d4_cidr *net)
{
	struct d4_cidr *nets;
	size_t room;

	if (set->n == set->room) {
		room = set->room == 0 ? 16 : 2 * set->room;
		nets = realloc(set->nets, room * sizeof(*nets));
		if (nets == NULL)
			return -1;
		set->nets = nets;
		set->room = room;
	}
	set->nets[set->n++] = *net;
	return 0;
}

/* By family, then by lowest address, the wider network first. */
static int
compare(const void *a, const void *b)
{
	const struct d4_cidr *x = a, *y = b;
	int d;

	if (x->family != y->family)
		return x->family - y->family;
	if ((d = memcmp(x->first, y->first, sizeof(x->first))) != 0)
		return d;
	return x->bits - y->bits;
}

static bool
within(const struct d4_cidr *outer, const struct d4_cidr *inner)
{
	uint8_t addr[16];

	if (outer->family != inner->family || outer->bits > inner->bits)
		return false;
	memcpy(addr, inner->first, sizeof(addr));
	(void)mask(addr, outer->bits);
	return memcmp(addr, outer->first, sizeof(addr)) == 0;
}

/* Two networks are apart or one is within the other: when the inner ones are
 * left out, one comparison tells whether an address is in any. */
void
d4_cidr_set_seal(struct d4_cidr_set *set)
{
	size_t i, n = 0;

	if (set->n == 0)
		return;
	qsort(set->nets, set->n, sizeof(*set->nets), compare);
	for (i = 1; i < set->n; i++) {
		if (!within(&set->nets[n], &set->nets[i]))
			set->nets[++n] = set->nets[i];
	}
	set->n = n + 1;
}

size_t
d4_cidr_set_count(const struct d4_cidr_set *set)
{
	return set->n;
}

bool
d4_cidr_set_has(const struct d4_cidr_set *set, const char *address)
{
	size_t low = 0, high = set->n, mid;
	struct d4_cidr one;

	if (parse_address(&one, address) == -1)
		return false;
	unmap(&one);
	/* The last network that does not begin behind the address. */
	while (low < high) {
		mid = low + (high - low) / 2;
		if (compare(&set->nets[mid], &one) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low > 0 && within(&set->nets[low - 1], &one);
}
