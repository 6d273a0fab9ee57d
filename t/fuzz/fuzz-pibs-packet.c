/* SPDX-License-Identifier: ISC */

/*
 * The first byte picks the link type; the rest are frames, each with a byte of
 * length before it, decoded, judged and made into flows.  Linked with
 * d4-pibs/packet.o, seen.o, attack.o, repeat.o, flow.o and hash.o.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "d4-pibs/attack.h"
#include "d4-pibs/packet.h"
#include "d4-pibs/seen.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
on_flow(void *arg, struct flow *f, bool over, bool open)
{
	uint64_t *packets = arg;

	assert(f->packets > 0 && f->first <= f->last);
	assert(!over || f->detail != NULL);
	assert(!over || f->detail->destinations <= f->packets);
	assert(!open);
	*packets += f->packets;
}

/* Each frame in memory of its own, so that a read beyond it is found. */
static size_t
cut(struct frame *f, uint16_t link, const uint8_t *data, size_t len)
{
	size_t n = 0;

	while (len > 0 && n < FRAME_BATCH) {
		size_t part = data[0] < len - 1 ? data[0] : len - 1;
		uint8_t *copy = malloc(part + (part == 0));

		assert(copy != NULL);
		memcpy(copy, data + 1, part);
		f[n] = (struct frame){ .data = copy, .link = link,
		    .caplen = (uint32_t)part, .len = (uint32_t)part,
		    .sec = (uint32_t)(n * part), .usec = n % 2 == 0 };
		data += part + 1;
		len -= part + 1;
		n++;
	}
	return n;
}

/* What is wanted is the same however little else is. */
static void
compare(const struct batch *all, const struct batch *some, uint32_t packets,
    uint32_t answers)
{
	size_t i, j = 0;

	for (i = 0; i < some->n; i++) {
		const struct packet *k = &some->packet[i];

		if ((packets >> k->class & 1) == 0)
			continue;
		while (memcmp(&all->packet[j], k, sizeof(*k)) != 0) {
			assert((packets >> all->packet[j].class & 1) == 0);
			j++;
			assert(j < all->n);
		}
		j++;
	}
	for (; j < all->n; j++)
		assert((packets >> all->packet[j].class & 1) == 0);
	for (i = j = 0; i < all->nanswers; i++) {
		if ((answers >> all->answer[i].class & 1) == 0)
			continue;
		assert(j < some->nanswers);
		assert(memcmp(&all->answer[i], &some->answer[j],
		    offsetof(struct answer, marks) + 1) == 0);
		assert(!(some->answer[j].marks & ANSWER_QUOTED) ||
		    memcmp(&all->reporter[i], &some->reporter[j],
		    sizeof(struct addr)) == 0);
		j++;
	}
	assert(j == some->nanswers);
	for (i = j = 0; i < some->nanswers; i++) {
		if (some->answer[i].class != PACKET_SYNACK)
			continue;
		assert(some->synack[j].answer == i);
		j++;
	}
	assert(j == some->nsynacks);
}

static void
judge(const struct frame *f, size_t n, const struct flow_limits *limits)
{
	static struct batch batch, *b = &batch;
	uint64_t packets = 0;
	struct seen *s = seen_new(1u << 20, 0, false);
	struct attacks *a = attack_new(limits, 1u << 20, on_flow, &packets);
	struct packet_wanted wanted;
	uint8_t index[FRAME_BATCH];
	struct hash_key key;
	size_t m, i;

	assert(s != NULL && a != NULL);
	key = attack_key(a);
	packet_want(&wanted, PACKET_BIT(PACKET_SYN), attack_classes(limits),
	    &key);
	packet_decode(b, f, n, &wanted);
	m = seen_rule(s, b->packet, b->n, index);
	for (i = 0; i < m; i++)
		assert(PACKET_TCP_ANSWERS >> b->packet[index[i]].class & 1);
	attack_prepare(a, b);
	attack_add(a, b);
	attack_flush(a);
	assert(packets == b->nanswers);
	attack_free(a);
	seen_free(s);
}

/* The IP packet lies within the frame. */
static void
look(const struct frame *f, const struct packet *k, size_t n)
{
	const uint8_t *ip;
	uint16_t type;
	size_t i, len;

	for (i = 0; i < n; i++) {
		assert(*packet_class_name((enum packet_class)k[i].class) !=
		    '\0');
		ip = packet_ip(&f[i], &len, &type);
		assert(ip == NULL || (ip >= f[i].data &&
		    len <= f[i].caplen - (size_t)(ip - f[i].data)));
		assert(frame_link_known(f[i].link) || ip == NULL);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint16_t links[] = {
		LINK_NULL, LINK_ETHERNET, LINK_PPP, LINK_RAW, LINK_LOOP,
		LINK_SLL, LINK_IPV4, LINK_IPV6, LINK_SLL2, 9999, LINK_RAW_12,
		LINK_RAW_14
	};
	static struct frame f[FRAME_BATCH];
	static struct batch all, some;
	struct packet_wanted wanted;
	static struct shadow shadow;
	static const struct hash_key key = { { 3, 5, 7 } };
	struct flow_limits limits = FLOW_LIMITS;
	uint32_t answers, packets = PACKET_BIT(PACKET_SYN) |
	    PACKET_TCP_ANSWERS;
	size_t n, i;

	if (len < 1)
		return 0;
	limits.packets = 1;
	limits.duration = limits.ppm = 0;
	limits.ack = data[0] & 64;
	limits.dns = data[0] & 128;
	answers = attack_classes(&limits);
	n = cut(f, links[data[0] % (sizeof(links) / sizeof(*links))],
	    data + 1, len - 1);
	packet_want(&wanted, PACKET_ALL, PACKET_ALL, &key);
	packet_decode(&all, f, n, &wanted);
	assert(all.n == n && all.nanswers <= n);
	look(f, all.packet, n);
	for (i = 0; i < n; i++)
		assert(all.packet[i].class < PACKET_CLASSES);
	packet_want(&wanted, packets, 0, NULL);
	packet_decode(&some, f, n, &wanted);
	compare(&all, &some, packets, 0);
	packet_want(&wanted, PACKET_BIT(PACKET_SYN), answers, &key);
	packet_decode(&some, f, n, &wanted);
	compare(&all, &some, PACKET_BIT(PACKET_SYN), answers);
	judge(f, n, &limits);
	assert(packet_decode_pibs(&shadow, all.packet, f, n) <= n);
	for (i = 0; i < n; i++) {
		union { const uint8_t *in; void *out; } u = {
		    .in = f[i].data };

		free(u.out);
	}
	return 0;
}
