/* SPDX-License-Identifier: ISC */

/*
 * The first byte picks the link type; the rest are frames, each with a byte of
 * length before it, decoded, judged and made into flows.  Linked with
 * d4-pibs/packet.o, seen.o, attack.o, flow.o and hash.o.
 */

#include <assert.h>
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

static void
judge(const struct packet *k, size_t n)
{
	struct flow_limits limits = FLOW_LIMITS;
	uint64_t packets = 0, counted = 0;
	struct seen *s = seen_new(1u << 20, 0, false);
	uint8_t index[FRAME_BATCH];
	struct attacks *a;
	size_t m, i;

	limits.packets = 1;
	limits.duration = limits.ppm = 0;
	a = attack_new(&limits, 1u << 20, on_flow, &packets);
	assert(s != NULL && a != NULL);
	m = seen_rule(s, k, n, index);
	for (i = 0; i < m; i++)
		assert(k[index[i]].class >= PACKET_SYNACK &&
		    k[index[i]].class <= PACKET_ACK);
	for (i = 0; i < n; i++) {
		assert(k[i].class < PACKET_CLASSES);
		counted += k[i].class == PACKET_SYNACK ||
		    k[i].class == PACKET_RST || k[i].class == PACKET_ICMP;
	}
	attack_add(a, k, n);
	attack_flush(a);
	assert(packets == counted);
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
		LINK_SLL, LINK_IPV4, LINK_IPV6, LINK_SLL2, 9999
	};
	static struct frame f[FRAME_BATCH];
	static struct packet full[FRAME_BATCH], brief[FRAME_BATCH];
	static struct shadow shadow;
	size_t n, i;

	if (len < 1)
		return 0;
	n = cut(f, links[data[0] % (sizeof(links) / sizeof(*links))],
	    data + 1, len - 1);
	packet_decode(full, f, n, false);
	packet_decode(brief, f, n, true);
	look(f, full, n);
	for (i = 0; i < n; i++)
		assert(full[i].class == brief[i].class ||
		    brief[i].class == PACKET_PROTOCOL);
	judge(full, n);
	assert(packet_decode_pibs(&shadow, brief, f, n) <= n);
	for (i = 0; i < n; i++) {
		union { const uint8_t *in; void *out; } u = {
		    .in = f[i].data };

		free(u.out);
	}
	return 0;
}
