/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "lib/cidr.h"
#include "t/unit/tap.h"

#define NETS	10000
#define ADDRESSES 4000

static uint32_t state = 12345;

/* Marsaglia's xorshift: the same numbers each time. */
static uint32_t
number(void)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

static void
test_text(const char *in, const char *out)
{
	char text[D4_CIDR_TEXT];
	struct d4_cidr net;
	const char *why;

	if (!ok(d4_cidr_parse(&net, in, &why) == 0, "%s is read", in))
		return;
	d4_cidr_text(text, &net);
	ok(strcmp(text, out) == 0, "%s is spelt %s", in, out);
}

static void
test_refused(const char *in, const char *reason)
{
	struct d4_cidr net;
	const char *why = "";

	ok(d4_cidr_parse(&net, in, &why) == -1 &&
	    strstr(why, reason) != NULL, "\"%s\" %s", in, reason);
}

/* The plain way: the bits of the prefix, one after the other. */
static bool
naive(const struct d4_cidr *nets, size_t n, const struct d4_cidr *addr)
{
	size_t i, bit;

	for (i = 0; i < n; i++) {
		if (nets[i].family != addr->family)
			continue;
		for (bit = 0; bit < nets[i].bits; bit++) {
			int shift = 7 - (int)(bit % 8);

			if (((nets[i].first[bit / 8] ^
			    addr->first[bit / 8]) >> shift & 1) != 0)
				break;
		}
		if (bit == nets[i].bits)
			return true;
	}
	return false;
}

/* Addresses out of few bits, so that networks hold others and are hit. */
static void
make_address(char text[D4_CIDR_TEXT], unsigned int *bits)
{
	uint32_t a = number(), b = number();

	if (a % 2 == 0) {
		(void)snprintf(text, D4_CIDR_TEXT, "10.%u.%u.%u", b % 8,
		    b / 8 % 256, b / 2048 % 256);
		*bits = 12 + a / 2 % 21;
	} else {
		(void)snprintf(text, D4_CIDR_TEXT, "2001:db8:%x:%x::%x",
		    b % 16, b / 16 % 65536, a / 2 % 65536);
		*bits = 36 + a / 2 % 93;
	}
}

static void
clear(struct d4_cidr *net, unsigned int bits)
{
	size_t i;

	for (i = 0; i < 128; i++) {
		if (i >= bits)
			net->first[i / 8] &= (uint8_t)~(0x80u >> i % 8);
	}
	net->bits = (uint8_t)bits;
}

static void
test_random(void)
{
	static struct d4_cidr nets[NETS];
	struct d4_cidr_set *set = d4_cidr_set_new();
	char text[D4_CIDR_TEXT];
	size_t n = tap_slow() ? ADDRESSES / 10 : ADDRESSES;
	size_t i, in = 0, wrong = 0;
	struct d4_cidr addr;
	unsigned int bits;
	const char *why;
	bool want;

	for (i = 0; i < NETS; i++) {
		make_address(text, &bits);
		(void)d4_cidr_parse(&nets[i], text, &why);
		/* A network as wide as that with most bits is rare. */
		clear(&nets[i], number() % 500 == 0 ? bits : nets[i].bits -
		    bits % 3);
		(void)d4_cidr_set_add(set, &nets[i]);
	}
	d4_cidr_set_seal(set);
	ok(d4_cidr_set_count(set) < NETS, "inner networks are left out");
	for (i = 0; i < n; i++) {
		make_address(text, &bits);
		(void)d4_cidr_parse(&addr, text, &why);
		want = naive(nets, NETS, &addr);
		in += want;
		wrong += want != d4_cidr_set_has(set, text);
	}
	is(wrong, 0, "%d networks tell %zu addresses as one by one does", NETS,
	    n);
	ok(in > n / 40 && in < n - n / 40, "some are in, some are not");
	d4_cidr_set_free(set);
}

static void
test_set(void)
{
	struct d4_cidr_set *set = d4_cidr_set_new();
	struct d4_cidr net;
	const char *why;

	ok(!d4_cidr_set_has(set, "192.0.2.1"), "an empty set has nothing");
	d4_cidr_set_seal(set);
	ok(d4_cidr_parse(&net, "::/0", &why) == 0 &&
	    d4_cidr_set_add(set, &net) == 0, "all of IPv6 is added");
	d4_cidr_set_seal(set);
	ok(d4_cidr_set_has(set, "2001:db8::1"), "it has an IPv6 address");
	ok(!d4_cidr_set_has(set, "192.0.2.1"), "and no IPv4 one");
	ok(!d4_cidr_set_has(set, "::ffff:192.0.2.1"), "nor a mapped one");
	ok(d4_cidr_parse(&net, "0.0.0.0/0", &why) == 0 &&
	    d4_cidr_set_add(set, &net) == 0, "all of IPv4 is added");
	d4_cidr_set_seal(set);
	ok(d4_cidr_set_has(set, "::ffff:192.0.2.1"), "then a mapped one is in");
	ok(!d4_cidr_set_has(set, "unix"), "\"unix\" is nowhere");
	ok(!d4_cidr_set_has(set, ""), "nor is nothing");
	ok(!d4_cidr_set_has(set, "10.0.0.0/8"), "nor a network");
	d4_cidr_set_free(set);
	d4_cidr_set_free(NULL);
}

int
main(void)
{
	test_text("192.0.2.1", "192.0.2.1");
	test_text("192.0.2.1/32", "192.0.2.1");
	test_text("192.0.2.0/24", "192.0.2.0/24");
	test_text("0.0.0.0/0", "0.0.0.0/0");
	test_text("2001:DB8:0:0::/32", "2001:db8::/32");
	test_text("::1/128", "::1");
	test_text("::/0", "::/0");
	test_text("::ffff:192.0.2.1", "192.0.2.1");
	test_text("::ffff:192.0.2.0/120", "192.0.2.0/24");
	test_refused("", "neither");
	test_refused("192.0.2", "neither");
	test_refused("192.0.2.256", "neither");
	test_refused("fe80::1%eth0", "neither");
	test_refused("sensor.example", "neither");
	test_refused("192.0.2.0/", "prefix length");
	test_refused("192.0.2.0/33", "prefix length");
	test_refused("192.0.2.0/024", "prefix length");
	test_refused("192.0.2.0/4294967320", "prefix length");
	test_refused("192.0.2.0/-1", "prefix length");
	test_refused("2001:db8::/129", "prefix length");
	test_refused("192.0.2.1/24", "bits set");
	test_refused("2001:db8::1/32", "bits set");
	test_set();
	test_random();
	return tap_done();
}
