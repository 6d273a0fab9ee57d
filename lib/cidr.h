/* SPDX-License-Identifier: ISC */
#ifndef LIB_CIDR_H
#define LIB_CIDR_H

/*
 * Networks of IPv4 and IPv6 in CIDR notation (RFC 4632, RFC 4291), and sets
 * of them that are asked whether an address is within.  A network is never
 * expanded.  IPv6 addresses that map IPv4 ones are those IPv4 addresses; no
 * IPv6 network holds an IPv4 one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define D4_CIDR_TEXT	50	/* bytes of the text with its NUL */

struct d4_cidr {
	uint8_t		family;		/* 4 or 6 */
	uint8_t		bits;		/* of the prefix, 0 to 32 or 128 */
	uint8_t		first[16];	/* the lowest address; IPv4 in 4 */
};

/*
 * Reads "192.0.2.1", "192.0.2.0/24", "2001:db8::/32"; an address alone is a
 * network of one.  Returns 0, or -1 with *why a few static words, also when
 * bits are set behind the prefix.
 */
int d4_cidr_parse(struct d4_cidr *, const char *, const char **why);

/* The shortest text, lower case, without the prefix of a single address. */
void d4_cidr_text(char[D4_CIDR_TEXT], const struct d4_cidr *);

struct d4_cidr_set;

/* An empty set; NULL when memory is short. */
struct d4_cidr_set *d4_cidr_set_new(void);

/* Takes NULL. */
void d4_cidr_set_free(struct d4_cidr_set *);

/* Adds a network.  Returns 0, or -1 when memory is short. */
int d4_cidr_set_add(struct d4_cidr_set *, const struct d4_cidr *);

/* To be called after the last addition and before the first question. */
void d4_cidr_set_seal(struct d4_cidr_set *);

/* How many networks were added, and once it is sealed how many of them are not
 * within another. */
size_t d4_cidr_set_count(const struct d4_cidr_set *);

/* Whether the address, as text without prefix or zone, is in one of them;
 * false for what is no address.  Takes time by the logarithm of the count. */
bool d4_cidr_set_has(const struct d4_cidr_set *, const char *address);

#endif
