/* SPDX-License-Identifier: ISC */
#ifndef LIB_BYTES_H
#define LIB_BYTES_H

/*
 * Integers in byte strings.  This is the only place that knows a byte order;
 * no other room casts a pointer to a wider integer.  The pointers need no
 * alignment.  "le" is little-endian, as D4 travels; "be" is big-endian, as in
 * network protocols and in captures made on such machines.
 */

#include <stdint.h>

static inline uint16_t
d4_get16le(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t
d4_get32le(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

static inline uint64_t
d4_get64le(const uint8_t *p)
{
	return (uint64_t)d4_get32le(p) | (uint64_t)d4_get32le(p + 4) << 32;
}

static inline uint16_t
d4_get16be(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t
d4_get32be(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

static inline uint64_t
d4_get64be(const uint8_t *p)
{
	return (uint64_t)d4_get32be(p) << 32 | (uint64_t)d4_get32be(p + 4);
}

static inline void
d4_put16le(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static inline void
d4_put32le(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

static inline void
d4_put64le(uint8_t *p, uint64_t v)
{
	d4_put32le(p, (uint32_t)v);
	d4_put32le(p + 4, (uint32_t)(v >> 32));
}

static inline void
d4_put16be(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void
d4_put32be(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static inline void
d4_put64be(uint8_t *p, uint64_t v)
{
	d4_put32be(p, (uint32_t)(v >> 32));
	d4_put32be(p + 4, (uint32_t)v);
}

#endif
