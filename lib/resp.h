/* SPDX-License-Identifier: ISC */
#ifndef LIB_RESP_H
#define LIB_RESP_H

/*
 * Commands as Redis reads them (RESP 2): the number of words, then each word
 * with its length before it.
 *
 *	*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n
 *
 * Each function writes at "at", where there has to be room for
 * D4_RESP_HEAD bytes, for a word D4_RESP_WORD(len), and returns the byte behind
 * what it wrote.  No NUL is written.
 */

#include <stddef.h>
#include <stdint.h>

#define D4_RESP_DIGITS		20	/* of the greatest number */
#define D4_RESP_HEAD		(1 + D4_RESP_DIGITS + 2)
#define D4_RESP_WORD(len)	(D4_RESP_HEAD + (len) + 2)

/* How many words there are. */
char *d4_resp_count(char *at, size_t n);

/* A word, of any bytes. */
char *d4_resp_word(char *at, const void *bytes, size_t len);

/* A word in decimal digits; the digits alone. */
char *d4_resp_number(char *at, uint64_t n);
char *d4_resp_digits(char *at, uint64_t n);

#endif
