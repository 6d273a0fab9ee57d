/* SPDX-License-Identifier: ISC */
#ifndef LIB_NET_H
#define LIB_NET_H

/*
 * Sockets from the text of a configuration:
 *
 *	HOST:PORT, [V6]:PORT	TCP, over TLS
 *	tcp:HOST:PORT ...	TCP, plain
 *	unix:PATH		a stream socket in the file system
 *	:PORT			to listen: all addresses, dual stack
 *
 * A port is a number of 1 to 65535 (0 to listen: any).  HOST is a name, of any
 * number of labels, or an address; a zone (%eth0) may follow a V6 address.
 * To listen, [::] is all IPv6 addresses and 0.0.0.0 all IPv4 addresses.
 */

#include <sys/socket.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define D4_NET_HOST	256	/* bytes of a host with its NUL */
#define D4_NET_PATH	108	/* bytes of a socket's path with its NUL */
#define D4_NET_NAME	300	/* of an address as text for people */

enum d4_net_kind { D4_NET_TLS, D4_NET_TCP, D4_NET_UNIX };

struct d4_net_addr {
	enum d4_net_kind kind;
	char		 host[D4_NET_HOST];	/* "" for all, to listen */
	uint16_t	 port;
	char		 path[D4_NET_PATH];	/* unix only */
};

/* Whether the text has the form of one of the above, right or wrong, and so is
 * no file's name: it begins with "tcp:" or "unix:", or has a colon and no
 * slash. */
bool d4_net_is_addr(const char *);

/* Reads the text.  Returns 0, or -1 with *why a few static words; what it
 * would have filled in is then undefined.  With listen, HOST may be empty and
 * the port 0. */
int d4_net_parse(struct d4_net_addr *, const char *, bool listen,
    const char **why);

/* The opposite, for messages; unlike the input it has no "tcp:".  A unix
 * socket keeps its "unix:". */
void d4_net_text(const struct d4_net_addr *, char[D4_NET_NAME]);

/*
 * Connects, waiting at most timeout_ms in all.  Names are resolved (by the
 * proxy when there is one); of several addresses IPv6 comes first, and the
 * next is begun when one has not answered after 250 ms or failed, in the
 * spirit of RFC 8305; the first 16 count.  proxy is a SOCKS5 server without
 * login (RFC 1928), at any kind of address (TLS counts as TCP), or NULL; a
 * unix destination passes it by.
 * Returns a connected descriptor, close-on-exec, not blocking, with keepalive
 * (TCP: a dead peer is noticed after two minutes of silence), no Nagle delay
 * and a bounded send buffer of sndbuf bytes (0: the system's); or -1 with a
 * reason in why, fit for "destination: reason".  When several addresses
 * failed, each is named with its reason; the proxy's faults begin "proxy: ".
 *
 * It blocks, signals do not end it, and resolving may go on for longer than
 * the timeout: callers that have other things to do run it in a thread.
 */
int d4_net_connect(const struct d4_net_addr *, const struct d4_net_addr *proxy,
    int timeout_ms, int sndbuf, char why[256]);

/*
 * Listens: fills fds with up to max (> 0) descriptors, close-on-exec, not
 * blocking (one dual-stack socket for ":PORT", one for each address of a name
 * that this machine has).  With share, several processes may listen on the
 * TCP port (SO_REUSEPORT).  A unix socket left by a dead process is replaced,
 * one that answers, or anything else at its path, is a fault; its mode is that
 * of the umask, and removing it in the end is the caller's.
 * Returns how many, at least 1, or -1 with a reason in why and none open.
 */
int d4_net_listen(const struct d4_net_addr *, bool share, int fds[],
    size_t max, char why[256]);

/*
 * Accepts one connection, its peer's address in the second argument.  Returns
 * a descriptor, close-on-exec, not blocking, with keepalive and without Nagle
 * delay as d4_net_connect() gives; or -1 with errno: EAGAIN when none waits
 * (the listening descriptor must not block), else a want of ours, such as
 * EMFILE.  A connection that went away before is passed over.
 */
int d4_net_accept(int fd, struct sockaddr_storage *);

/* Bounds what the kernel holds for a reader who doesn't read, to so many bytes
 * or the system's own limit (on Linux twice net.core.rmem_max), which bounds
 * the rate on a long path, too.  What it holds is lost with this machine's
 * kernel or this process. */
void d4_net_limit_receive(int fd, size_t bytes);

/* The peer of an accepted descriptor: its address alone as text, v4-mapped
 * written as v4, without zone; "unix" for a unix socket. */
void d4_net_peer(const struct sockaddr_storage *, char[D4_NET_HOST]);

/* The port a descriptor listens on, 0 when it has none. */
uint16_t d4_net_port(int fd);

/* How many bytes the peer's kernel has not yet acknowledged (SIOCOUTQ; a unix
 * socket: 0 when the peer has read them all, else a rough figure), -1 where
 * that can't be known. */
long d4_net_unacked(int fd);

#endif
