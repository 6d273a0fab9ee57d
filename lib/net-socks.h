/* SPDX-License-Identifier: ISC */
#ifndef LIB_NET_SOCKS_H
#define LIB_NET_SOCKS_H

/*
 * What stands behind the net room, and only there: the client's half of SOCKS5
 * (RFC 1928), without login, CONNECT alone.
 *
 *	05 01 00			we can do without a login
 *	05 00				the proxy can too
 *	05 01 00 ATYP HOST PORT		connect to this
 *	05 REP 00 ATYP HOST PORT	done when REP is 0
 */

#include <stdint.h>

/*
 * Asks the proxy at the other end of a connected descriptor for host and
 * port, waiting at most timeout_ms in all.  host is an address, of four bytes
 * or sixteen, or a name of up to 255 bytes, which the proxy resolves.  The
 * descriptor may be blocking or not and stays the caller's.
 *
 * Returns 0 and has read no byte of what follows the reply, or -1 with a
 * reason in why; the connection is of no use then.
 */
int net_socks_request(int fd, const char *host, uint16_t port, int timeout_ms,
    char why[256]);

#endif
