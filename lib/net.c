/* SPDX-License-Identifier: ISC */
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>
#ifdef __linux__
#include <linux/sockios.h>
#endif

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/net-socks.h"
#include "lib/net.h"

#define WHY		256
#define TARGETS		16	/* addresses of one name that are tried */
#define STAGGER_MS	250	/* RFC 8305, section 5 */
#define UNIX_RETRY_MS	20

#define KEEP_IDLE_S	60
#define KEEP_INTERVAL_S	15
#define KEEP_PROBES	4

struct target {
	struct sockaddr_storage	sa;
	socklen_t		len;
};

/* -- text ----------------------------------------------------------------- */

bool
d4_net_is_addr(const char *text)
{
	return strncmp(text, "tcp:", 4) == 0 ||
	    strncmp(text, "unix:", 5) == 0 ||
	    (strchr(text, ':') != NULL && strchr(text, '/') == NULL);
}

static bool
is_label(const char *text)
{
	return text[0] != '\0' &&
	    text[strspn(text, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")] == '\0';
}

static bool
is_v6(const char *text)
{
	char copy[D4_NET_HOST], *zone;
	struct in6_addr v6;

	snprintf(copy, sizeof(copy), "%s", text);
	if ((zone = strchr(copy, '%')) != NULL) {
		*zone++ = '\0';
		if (!is_label(zone))
			return false;
	}
	return inet_pton(AF_INET6, copy, &v6) == 1;
}

static const char *
parse_port(uint16_t *port, const char *text, bool listen)
{
	static const char wrong[] = "port is not a number of 1 to 65535";
	unsigned value = 0;
	size_t i;

	if (text[0] == '\0')
		return "port is missing";
	for (i = 0; text[i] != '\0'; i++) {
		if (text[i] < '0' || text[i] > '9')
			return wrong;
		value = value * 10 + (unsigned)(text[i] - '0');
		if (value > UINT16_MAX)
			return wrong;
	}
	if (value == 0 && !listen)
		return wrong;
	*port = (uint16_t)value;
	return NULL;
}

/* HOST:PORT or [V6]:PORT.  Returns what is wrong, or NULL. */
static const char *
parse_host(struct d4_net_addr *addr, const char *text, bool listen)
{
	bool bracket = text[0] == '[';
	const char *end;
	size_t len;

	text += bracket;
	end = bracket ? strchr(text, ']') : strrchr(text, ':');
	if (bracket && end == NULL)
		return "bracket is not closed";
	if (end == NULL || end[bracket] != ':')
		return "port is missing";
	len = (size_t)(end - text);
	if (len >= sizeof(addr->host))
		return "host is too long";
	memcpy(addr->host, text, len);
	addr->host[len] = '\0';
	if (bracket && !is_v6(addr->host))
		return "not an IPv6 address in the brackets";
	if (!bracket && len == 0 && !listen)
		return "host is missing";
	if (!bracket && strchr(addr->host, ':') != NULL)
		return "colon within the host, an IPv6 address needs brackets";
	if (!bracket && len > 0 && !is_label(addr->host))
		return "not a host name";
	return parse_port(&addr->port, end + 1 + bracket, listen);
}

int
d4_net_parse(struct d4_net_addr *addr, const char *text, bool listen,
    const char **why)
{
	memset(addr, 0, sizeof(*addr));
	*why = NULL;
	if (strncmp(text, "unix:", 5) == 0) {
		addr->kind = D4_NET_UNIX;
		text += 5;
		if (text[0] == '\0')
			*why = "path is missing";
		else if (strlen(text) >= sizeof(addr->path))
			*why = "path is too long for a socket";
		else
			memcpy(addr->path, text, strlen(text));
	} else if (strncmp(text, "tcp:", 4) == 0) {
		addr->kind = D4_NET_TCP;
		*why = parse_host(addr, text + 4, listen);
	} else {
		addr->kind = D4_NET_TLS;
		*why = parse_host(addr, text, listen);
	}
	return *why == NULL ? 0 : -1;
}

void
d4_net_text(const struct d4_net_addr *addr, char text[D4_NET_NAME])
{
	if (addr->kind == D4_NET_UNIX)
		snprintf(text, D4_NET_NAME, "unix:%s", addr->path);
	else if (strchr(addr->host, ':') != NULL)
		snprintf(text, D4_NET_NAME, "[%s]:%u", addr->host, addr->port);
	else
		snprintf(text, D4_NET_NAME, "%s:%u", addr->host, addr->port);
}

/* -- what every socket needs ---------------------------------------------- */

static const char *
words(int error)
{
	return error == ETIMEDOUT ? "timed out" : strerror(error);
}

static void
set(int fd, int level, int option, int value)
{
	(void)setsockopt(fd, level, option, &value, sizeof(value));
}

/* A dead peer is noticed after two minutes.  None of it is vital, and a unix
 * socket has none of it. */
static void
keep_alive(int fd)
{
	set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
#ifdef TCP_KEEPIDLE
	set(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S);
#endif
#ifdef TCP_KEEPINTVL
	set(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_S);
#endif
#ifdef TCP_KEEPCNT
	set(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_PROBES);
#endif
}

/* Takes the descriptor: closes it when it fails. */
static int
unblock(int fd)
{
	int flags, error;

	if (fd == -1)
		return -1;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) != -1 &&
	    (flags = fcntl(fd, F_GETFL)) != -1 &&
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) != -1)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static int
close_with(int fd, int error)
{
	close(fd);
	errno = error;
	return -1;
}

static void
unix_target(struct target *target, const char *path)
{
	struct sockaddr_un *sun = (struct sockaddr_un *)&target->sa;

	memset(target, 0, sizeof(*target));
	sun->sun_family = AF_UNIX;
	memcpy(sun->sun_path, path, strlen(path) + 1);
	target->len = sizeof(*sun);
}

/* -- names ---------------------------------------------------------------- */

static size_t
add(struct target targets[], size_t n, const struct addrinfo *info)
{
	size_t i;

	if (n == TARGETS)
		return n;
	for (i = 0; i < n; i++) {
		if (targets[i].len == info->ai_addrlen &&
		    memcmp(&targets[i].sa, info->ai_addr, targets[i].len) == 0)
			return n;
	}
	memset(&targets[n], 0, sizeof(targets[n]));
	memcpy(&targets[n].sa, info->ai_addr, info->ai_addrlen);
	targets[n].len = info->ai_addrlen;
	return n + 1;
}

static const struct addrinfo *
of_family(const struct addrinfo *info, int family)
{
	while (info != NULL && info->ai_family != family)
		info = info->ai_next;
	return info;
}

/* The addresses by turns of IPv6 and IPv4, each family in the resolver's
 * order.  Returns how many, at least one, or -1. */
static int
resolve(const struct d4_net_addr *addr, int flags,
    struct target targets[TARGETS], char why[WHY])
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
		.ai_flags = flags | AI_NUMERICSERV
	};
	const struct addrinfo *six, *four;
	struct addrinfo *list;
	char port[8];
	size_t n = 0;
	int rc;

	snprintf(port, sizeof(port), "%u", addr->port);
	rc = getaddrinfo(addr->host[0] != '\0' ? addr->host : NULL, port,
	    &hints, &list);
	if (rc != 0) {
		snprintf(why, WHY, "name does not resolve: %s",
		    rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
		return -1;
	}
	six = of_family(list, AF_INET6);
	four = of_family(list, AF_INET);
	while (six != NULL || four != NULL) {
		if (six != NULL) {
			n = add(targets, n, six);
			six = of_family(six->ai_next, AF_INET6);
		}
		if (four != NULL) {
			n = add(targets, n, four);
			four = of_family(four->ai_next, AF_INET);
		}
	}
	freeaddrinfo(list);
	if (n == 0)
		snprintf(why, WHY, "name does not resolve: no address");
	return n == 0 ? -1 : (int)n;
}

/* Adds a reason to those there are, with the address when there are several. */
static void
note(char why[WHY], bool several, const struct target *target, int error)
{
	char host[D4_NET_HOST];
	size_t at = strlen(why);

	d4_net_peer(&target->sa, host);
	snprintf(why + at, WHY - at, "%s%s%s%s", at > 0 ? ", " : "",
	    several ? host : "", several ? ": " : "", words(error));
}

/* -- connecting ----------------------------------------------------------- */

/* A connection under way, or -1 with errno. */
static int
begin(const struct target *target, int sndbuf)
{
	int fd = unblock(socket(target->sa.ss_family, SOCK_STREAM, 0));

	if (fd == -1)
		return -1;
	if (target->sa.ss_family != AF_UNIX)
		keep_alive(fd);
	if (sndbuf > 0)
		set(fd, SOL_SOCKET, SO_SNDBUF, sndbuf);
	if (connect(fd, (const struct sockaddr *)&target->sa,
	    target->len) == 0 || errno == EINPROGRESS || errno == EINTR)
		return fd;
	return close_with(fd, errno);
}

/* On loopback, a port out of the ephemeral range that nobody listens on may
 * be given to the connection itself, which then succeeds. */
static bool
met_itself(int fd)
{
	struct sockaddr_storage us, peer;
	socklen_t len = sizeof(us), peer_len = sizeof(peer);

	memset(&us, 0, sizeof(us));
	memset(&peer, 0, sizeof(peer));
	return getsockname(fd, (struct sockaddr *)&us, &len) == 0 &&
	    getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0 &&
	    len == peer_len && memcmp(&us, &peer, len) == 0;
}

/* What became of a connection that poll(2) has news of: 0 or an errno. */
static int
outcome(int fd)
{
	socklen_t len = sizeof(int);
	int error;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		return errno;
	if (error == 0 && met_itself(fd))
		return ECONNREFUSED;
	return error;
}

struct race {
	const struct target	*targets;
	size_t			 n, begun, live;
	struct pollfd		 pfd[TARGETS];	/* fd -1: lost */
	int64_t			 next;		/* when to begin another */
	int			 sndbuf;
	char			*why;
};

static void
begin_due(struct race *race, int64_t now)
{
	while (race->begun < race->n &&
	    (race->live == 0 || now >= race->next)) {
		const struct target *target = &race->targets[race->begun];
		int fd = begin(target, race->sndbuf);

		race->pfd[race->begun].fd = fd;
		race->pfd[race->begun].events = POLLOUT;
		race->pfd[race->begun].revents = 0;
		race->begun++;
		if (fd == -1) {
			note(race->why, race->n > 1, target, errno);
			continue;
		}
		race->live++;
		race->next = now + STAGGER_MS;
	}
}

/* The first that is connected, or -1. */
static int
find_winner(struct race *race)
{
	size_t i;

	for (i = 0; i < race->begun; i++) {
		int error, fd = race->pfd[i].fd;

		if (fd == -1 || race->pfd[i].revents == 0)
			continue;
		race->pfd[i].fd = -1;
		race->live--;
		if ((error = outcome(fd)) == 0)
			return fd;
		close(fd);
		note(race->why, race->n > 1, &race->targets[i], error);
		race->next = 0;
	}
	return -1;
}

static int
run_race(struct race *race, int64_t deadline)
{
	int64_t until, now;
	int fd = -1;
	size_t i;

	while (fd == -1 && (now = d4_clock_ms()) < deadline) {
		begin_due(race, now);
		if (race->live == 0)
			return -1;
		until = race->begun < race->n && race->next < deadline ?
		    race->next : deadline;
		if (poll(race->pfd, race->begun, (int)(until - now)) > 0)
			fd = find_winner(race);
	}
	for (i = 0; i < race->begun; i++) {
		if (race->pfd[i].fd == -1)
			continue;
		close(race->pfd[i].fd);
		note(race->why, race->n > 1, &race->targets[i], ETIMEDOUT);
	}
	if (fd == -1 && race->why[0] == '\0')	/* resolving took it all */
		snprintf(race->why, WHY, "%s", words(ETIMEDOUT));
	return fd;
}

/* A unix socket connects at once, or its queue is full: EAGAIN, and no
 * descriptor that poll(2) could wait for. */
static int
connect_unix(const char *path, int64_t deadline, int sndbuf, char why[WHY])
{
	struct target target;
	int fd;

	unix_target(&target, path);
	while ((fd = begin(&target, sndbuf)) == -1 && errno == EAGAIN) {
		if (d4_clock_ms() >= deadline) {
			errno = ETIMEDOUT;
			break;
		}
		(void)poll(NULL, 0, UNIX_RETRY_MS);
	}
	if (fd == -1)
		snprintf(why, WHY, "%s", words(errno));
	return fd;
}

static int
connect_direct(const struct d4_net_addr *addr, int64_t deadline, int sndbuf,
    char why[WHY])
{
	struct target targets[TARGETS];
	struct race race = {
		.targets = targets, .sndbuf = sndbuf, .why = why
	};
	int n;

	if (addr->kind == D4_NET_UNIX)
		return connect_unix(addr->path, deadline, sndbuf, why);
	if ((n = resolve(addr, 0, targets, why)) == -1)
		return -1;
	race.n = (size_t)n;
	why[0] = '\0';
	return run_race(&race, deadline);
}

int
d4_net_connect(const struct d4_net_addr *addr, const struct d4_net_addr *proxy,
    int timeout_ms, int sndbuf, char why[WHY])
{
	int64_t deadline = d4_clock_ms() + timeout_ms, left;
	char reason[WHY];
	int fd;

	if (proxy == NULL || addr->kind == D4_NET_UNIX)
		return connect_direct(addr, deadline, sndbuf, why);
	fd = connect_direct(proxy, deadline, sndbuf, reason);
	if (fd == -1) {
		snprintf(why, WHY, "proxy: %.*s", WHY - 8, reason);
		return -1;
	}
	left = deadline - d4_clock_ms();
	if (net_socks_request(fd, addr->host, addr->port,
	    left > 0 ? (int)left : 0, why) == 0)
		return fd;
	close(fd);
	return -1;
}

/* -- listening ------------------------------------------------------------ */

static int
listen_at(const struct target *target, bool share, bool dual)
{
	int fd = unblock(socket(target->sa.ss_family, SOCK_STREAM, 0));

	if (fd == -1)
		return -1;
	if (target->sa.ss_family != AF_UNIX)
		set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
#ifdef SO_REUSEPORT
	if (share && target->sa.ss_family != AF_UNIX)
		set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
#endif
	if (target->sa.ss_family == AF_INET6)
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !dual);
	if (bind(fd, (const struct sockaddr *)&target->sa,
	    target->len) == 0 && listen(fd, SOMAXCONN) == 0)
		return fd;
	return close_with(fd, errno);
}

/* One socket for everything; IPv4 alone where there is no IPv6. */
static int
listen_all(uint16_t port, bool share)
{
	struct target six = { .len = sizeof(struct sockaddr_in6) };
	struct target four = { .len = sizeof(struct sockaddr_in) };
	int fd;

	six.sa.ss_family = AF_INET6;	/* zeros are the rest of "any" */
	((struct sockaddr_in6 *)&six.sa)->sin6_port = htons(port);
	four.sa.ss_family = AF_INET;
	((struct sockaddr_in *)&four.sa)->sin_port = htons(port);
	fd = listen_at(&six, share, true);
	if (fd == -1 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
		fd = listen_at(&four, share, false);
	return fd;
}

/* Removes a socket that nobody listens on.  Returns NULL, or why the path
 * can't be had. */
static const char *
clear_path(const struct target *target, const char *path)
{
	struct stat st;
	int fd;

	if (lstat(path, &st) == -1)
		return errno == ENOENT ? NULL : strerror(errno);
	if (!S_ISSOCK(st.st_mode))
		return "exists and is not a socket";
	if ((fd = begin(target, 0)) != -1)
		close(fd);
	else if (errno == ECONNREFUSED)
		return unlink(path) == 0 || errno == ENOENT ? NULL :
		    strerror(errno);
	else if (errno != EAGAIN)	/* which is: its queue is full */
		return strerror(errno);
	return "in use by another process";
}

static int
listen_unix(const char *path, int fds[], char why[WHY])
{
	struct target target;
	const char *reason;

	unix_target(&target, path);
	reason = clear_path(&target, path);
	if (reason == NULL && (fds[0] = listen_at(&target, false, false)) == -1)
		reason = strerror(errno);
	if (reason != NULL)
		snprintf(why, WHY, "%s", reason);
	return reason == NULL ? 1 : -1;
}

/* A name may have addresses of a family that is switched off here. */
static int
listen_named(const struct d4_net_addr *addr, bool share, int fds[],
    size_t max, char why[WHY])
{
	struct target targets[TARGETS];
	size_t i, n = 0;
	int count;

	if ((count = resolve(addr, AI_PASSIVE, targets, why)) == -1)
		return -1;
	why[0] = '\0';
	for (i = 0; i < (size_t)count && n < max; i++) {
		if ((fds[n] = listen_at(&targets[i], share, false)) != -1) {
			n++;
			continue;
		}
		note(why, count > 1, &targets[i], errno);
		if (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)
			continue;
		while (n > 0)
			close(fds[--n]);
		return -1;
	}
	return n > 0 ? (int)n : -1;
}

int
d4_net_listen(const struct d4_net_addr *addr, bool share, int fds[],
    size_t max, char why[WHY])
{
	if (addr->kind == D4_NET_UNIX)
		return listen_unix(addr->path, fds, why);
	if (addr->host[0] != '\0')
		return listen_named(addr, share, fds, max, why);
	if ((fds[0] = listen_all(addr->port, share)) != -1)
		return 1;
	snprintf(why, WHY, "%s", strerror(errno));
	return -1;
}

int
d4_net_accept(int fd, struct sockaddr_storage *peer)
{
	socklen_t len;
	int got;

	do {
		memset(peer, 0, sizeof(*peer));
		len = sizeof(*peer);
		got = accept(fd, (struct sockaddr *)peer, &len);
	} while (got == -1 && (errno == EINTR || errno == ECONNABORTED ||
	    errno == EPROTO));
	if ((got = unblock(got)) != -1 && peer->ss_family != AF_UNIX)
		keep_alive(got);
	return got;
}

/* -- what a socket can tell ----------------------------------------------- */

void
d4_net_limit_receive(int fd, size_t bytes)
{
	/* Linux takes twice as much, for what its packets need besides.  A
	 * clamp of the window would not do: the kernel moves it. */
	int n = (int)(bytes / 2);

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &n, sizeof(n));
}

void
d4_net_peer(const struct sockaddr_storage *sa, char host[D4_NET_HOST])
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;
	const void *bytes = &v4->sin_addr;
	int family = sa->ss_family;

	if (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		family = AF_INET;
		bytes = &v6->sin6_addr.s6_addr[12];
	} else if (family == AF_INET6) {
		bytes = &v6->sin6_addr;
	} else if (family != AF_INET) {
		snprintf(host, D4_NET_HOST, "unix");
		return;
	}
	(void)inet_ntop(family, bytes, host, D4_NET_HOST);
}

uint16_t
d4_net_port(int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len) == -1)
		return 0;
	if (sa.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)&sa)->sin_port);
	if (sa.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&sa)->sin6_port);
	return 0;
}

long
d4_net_unacked(int fd)
{
#ifdef SIOCOUTQ
	int bytes;

	if (ioctl(fd, SIOCOUTQ, &bytes) == 0)
		return bytes;
#else
	(void)fd;
#endif
	return -1;
}
