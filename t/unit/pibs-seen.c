/* SPDX-License-Identifier: ISC */

/* Growth, loss and expiry of the table of scanners, and PIBS's rule. */

#include "d4-pibs/seen.h"
#include "t/unit/tap.h"

#define MANY	300000

static struct addr
addr4(uint32_t a)
{
	return (struct addr){ 0, ADDR_V4 | a };
}

static struct addr
addr6(uint64_t a)
{
	return (struct addr){ UINT64_C(0x20010db8) << 32, a };
}

static void
count(void *arg, struct addr a, uint32_t sec)
{
	uint64_t *n = arg;

	(void)a;
	*n += sec != 0;
}

/* Every address is found again after the tables have grown several times. */
static void
test_growth(void)
{
	struct seen *s = seen_new((size_t)64 << 20, 0, false);
	uint32_t i, wrong = 0;
	uint64_t n = 0;

	for (i = 0; i < MANY; i++) {
		seen_put(s, addr4(i * 2654435761u), i + 1);
		seen_put(s, addr6(i), i + 1);
	}
	for (i = 0; i < MANY; i++)
		wrong += seen_last(s, addr4(i * 2654435761u), 0) != i + 1 ||
		    seen_last(s, addr6(i), 0) != i + 1 ||
		    seen_last(s, addr6(i + (UINT64_C(1) << 40)), 0) != 0;
	is(wrong, 0, "all addresses are found, and no others");
	is(seen_count(s), 2 * MANY, "and counted");
	is(seen_lost(s), 0, "none is lost");
	seen_each(s, 0, count, &n);
	is(n, 2 * MANY, "each is called back with");
	seen_free(s);
}

/* A full table keeps what is new and counts what it loses. */
static void
test_full(void)
{
	struct seen *s = seen_new((size_t)1 << 20, 0, false);
	uint32_t i, found = 0;

	for (i = 0; i < MANY; i++)
		seen_put(s, addr4(i), i + 1);
	ok(seen_lost(s) > 0, "a small table loses some");
	is(seen_count(s) + seen_lost(s), MANY, "all are accounted for");
	is(seen_last(s, addr4(MANY - 1), 0), MANY, "the newest is there");
	for (i = MANY - MANY / 10; i < MANY; i++)
		found += seen_last(s, addr4(i), 0) != 0;
	ok(found > MANY / 10 / 10 * 8, "most of the new are: %u", found);
	seen_free(s);
}

static void
test_expiry(void)
{
	struct seen *s = seen_new((size_t)1 << 20, 60, false);

	seen_put(s, addr4(1), 1000);
	is(seen_last(s, addr4(1), 1060), 1000, "until it expires");
	is(seen_last(s, addr4(1), 1061), 0, "and no longer");
	is(seen_last(s, addr4(1), 900), 1000, "packets out of order");
	seen_put(s, addr4(1), 2000);
	is(seen_last(s, addr4(1), 2001), 2000, "seen again");
	seen_free(s);
}

static struct packet
packet(uint32_t source, uint32_t sec, enum packet_class class)
{
	return (struct packet){ .src = addr4(source), .sec = sec,
	    .class = (uint8_t)class };
}

static void
test_rule(bool pibs)
{
	struct seen *s = seen_new((size_t)1 << 20, 0, pibs);
	struct packet k[] = {
		packet(1, 10, PACKET_SYNACK),	/* before its SYN */
		packet(1, 11, PACKET_SYN),
		packet(1, 12, PACKET_RST),	/* after it */
		packet(2, 12, PACKET_ACK),
		packet(3, 12, PACKET_DATA),	/* no backscatter */
		packet(4, 0, PACKET_SYN),	/* at second 0 */
		packet(4, 13, PACKET_SYNACK),
		packet(5, 13, PACKET_NOT_IP)
	};
	uint8_t index[FRAME_BATCH];
	size_t n = seen_rule(s, k, sizeof(k) / sizeof(*k), index);

	ok(n >= 2 && index[0] == 0 && index[1] == 3,
	    "an answer before the SYN, and one of another");
	is(n, pibs ? 3 : 2, "second 0 records %s", pibs ? "nothing" : "too");
	seen_free(s);
}

int
main(void)
{
	test_growth();
	test_full();
	test_expiry();
	test_rule(false);
	test_rule(true);
	return tap_done();
}
