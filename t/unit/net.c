/* SPDX-License-Identifier: ISC */
#define _GNU_SOURCE		/* RTLD_NEXT */
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/net.h"
#include "t/unit/tap.h"

#define MS	5000		/* more than anything here takes */

static char why[256];
static bool have_v6;

/* -- a resolver of our own ------------------------------------------------ */

/* both.test is ::1 and 127.0.0.1, three.test has 127.0.0.2 besides. */

typedef int resolver(const char *, const char *, const struct addrinfo *,
    struct addrinfo **);

int
getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
    struct addrinfo **list)
{
	union { void *object; resolver *function; } real = {
		.object = dlsym(RTLD_NEXT, "getaddrinfo")
	};
	int rc;

	if (host == NULL || strstr(host, ".test") == NULL)
		return real.function(host, port, hints, list);
	if (strcmp(host, "both.test") != 0 && strcmp(host, "three.test") != 0)
		return EAI_NONAME;
	/* IPv4 twice and first: order and doubles are the room's concern. */
	if ((rc = real.function("127.0.0.1", port, hints, list)) != 0)
		return rc;
	list = &(*list)->ai_next;
	if ((rc = real.function(host[0] == 't' ? "127.0.0.2" : "127.0.0.1",
	    port, hints, list)) != 0)
		return rc;
	list = &(*list)->ai_next;
	return real.function("::1", port, hints, list);
}

/* -- helpers -------------------------------------------------------------- */

static int64_t
now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static struct d4_net_addr
addr_of(const char *text, bool listening)
{
	struct d4_net_addr addr;
	const char *reason;

	if (d4_net_parse(&addr, text, listening, &reason) == -1) {
		diag("%s: %s", text, reason);
		abort();
	}
	return addr;
}

static struct d4_net_addr
at_port(const char *host, uint16_t port)
{
	struct d4_net_addr addr = { .kind = D4_NET_TCP, .port = port };

	snprintf(addr.host, sizeof(addr.host), "%s", host);
	return addr;
}

static int
listen_on(const char *text)
{
	struct d4_net_addr addr = addr_of(text, true);
	int fd;

	if (d4_net_listen(&addr, false, &fd, 1, why) != 1) {
		diag("%s: %s", text, why);
		abort();
	}
	return fd;
}

static int
dial(const char *host, uint16_t port, int timeout_ms)
{
	struct d4_net_addr addr = at_port(host, port);

	return d4_net_connect(&addr, NULL, timeout_ms, 0, why);
}

static int
take(int listener, struct sockaddr_storage *peer)
{
	struct pollfd pfd = { .fd = listener, .events = POLLIN };
	struct sockaddr_storage unused;

	if (poll(&pfd, 1, MS) != 1)
		return -1;
	return d4_net_accept(listener, peer != NULL ? peer : &unused);
}

/* A port of 127.0.0.1 where nobody listens. */
static uint16_t
free_port(void)
{
	int fd = listen_on("127.0.0.1:0");
	uint16_t port = d4_net_port(fd);

	close(fd);
	return port;
}

static bool
has(const char *text, const char *part)
{
	if (strstr(text, part) != NULL)
		return true;
	diag("\"%s\" without \"%s\"", text, part);
	return false;
}

static int
option(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	(void)getsockopt(fd, level, name, &value, &len);
	return value;
}

/* -- text ----------------------------------------------------------------- */

static void
test_parse(void)
{
	static const struct {
		const char *text;
		enum d4_net_kind kind;
		const char *host;
		unsigned port;
		const char *back;
	} good[] = {
		{ "a:4443", D4_NET_TLS, "a", 4443, "a:4443" },
		{ "a-b.c_d.e:1", D4_NET_TLS, "a-b.c_d.e", 1, "a-b.c_d.e:1" },
		{ "10.0.0.1:65535", D4_NET_TLS, "10.0.0.1", 65535,
		    "10.0.0.1:65535" },
		{ "[::1]:4443", D4_NET_TLS, "::1", 4443, "[::1]:4443" },
		{ "[fe80::1%eth0.1]:22", D4_NET_TLS, "fe80::1%eth0.1", 22,
		    "[fe80::1%eth0.1]:22" },
		{ "tcp:a:80", D4_NET_TCP, "a", 80, "a:80" },
		{ "tcp:[::]:80", D4_NET_TCP, "::", 80, "[::]:80" },
		{ "unix:/a:b", D4_NET_UNIX, "", 0, "unix:/a:b" },
	};
	struct d4_net_addr addr;
	char text[D4_NET_NAME];
	const char *reason;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		bool fine = d4_net_parse(&addr, good[i].text, false,
		    &reason) == 0;

		if (!ok(fine, "%s is read", good[i].text))
			continue;
		d4_net_text(&addr, text);
		ok(addr.kind == good[i].kind && addr.port == good[i].port &&
		    strcmp(addr.host, good[i].host) == 0 &&
		    has(text, good[i].back), "%s is understood", good[i].text);
	}
	addr = addr_of(":4443", true);
	ok(addr.host[0] == '\0' && addr.port == 4443, ":4443 to listen");
	is(addr_of("tcp::0", true).port, 0, "tcp::0 to listen");
}

static void
test_refuse(void)
{
	static const char port[] = "port is not a number";
	static const struct {
		const char *text;
		bool listening;
		const char *reason;
	} bad[] = {
		{ "", false, "port is missing" },
		{ "a", false, "port is missing" },
		{ "a:", false, "port is missing" },
		{ "tcp:80", false, "port is missing" },
		{ "[::1]", false, "port is missing" },
		{ "[::1]4443", false, "port is missing" },
		{ "[::1:4443", false, "bracket is not closed" },
		{ ":80", false, "host is missing" },
		{ "[]:80", true, "not an IPv6 address" },
		{ "[a]:80", false, "not an IPv6 address" },
		{ "[10.0.0.1]:80", false, "not an IPv6 address" },
		{ "[fe80::1%]:80", false, "not an IPv6 address" },
		{ "[::1%a b]:80", false, "not an IPv6 address" },
		{ "::1:80", false, "needs brackets" },
		{ "a b:80", false, "not a host name" },
		{ "a/b:80", false, "not a host name" },
		{ "a%b:80", false, "not a host name" },
		{ "a:0", false, port }, { "a:65536", false, port },
		{ "a:4294967297", false, port }, { "a:-1", false, port },
		{ "a:+1", false, port }, { "a: 1", false, port },
		{ "a:1x", false, port }, { "a:65536", true, port },
		{ "unix:", false, "path is missing" },
	};
	char text[D4_NET_HOST + 120];
	struct d4_net_addr addr;
	const char *reason;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(d4_net_parse(&addr, bad[i].text, bad[i].listening,
		    &reason) == -1 && has(reason, bad[i].reason),
		    "\"%s\" is refused", bad[i].text);
	memset(text, 'a', sizeof(text));
	memcpy(text + D4_NET_HOST - 1, ":80", 4);
	ok(d4_net_parse(&addr, text, false, &reason) == 0,
	    "a host of 255 bytes");
	memcpy(text + D4_NET_HOST, ":80", 4);
	text[D4_NET_HOST - 1] = 'a';
	ok(d4_net_parse(&addr, text, false, &reason) == -1 &&
	    has(reason, "too long"), "a host of 256 bytes is refused");
	memcpy(text, "unix:", 5);
	text[5 + D4_NET_PATH - 1] = '\0';
	ok(d4_net_parse(&addr, text, false, &reason) == 0,
	    "a path of 107 bytes");
	text[5 + D4_NET_PATH - 1] = 'a';
	text[5 + D4_NET_PATH] = '\0';
	ok(d4_net_parse(&addr, text, false, &reason) == -1 &&
	    has(reason, "too long"), "a path of 108 bytes is refused");
}

static void
test_is_addr(void)
{
	ok(d4_net_is_addr("a:80") && d4_net_is_addr("[::1]:x") &&
	    d4_net_is_addr("unix:/a/b") && d4_net_is_addr("unix:") &&
	    d4_net_is_addr("tcp:a/b"), "what has the form of an address");
	ok(!d4_net_is_addr("stdout") && !d4_net_is_addr("/a/b:c") &&
	    !d4_net_is_addr("./a:b") && !d4_net_is_addr(""),
	    "what is the name of a file");
}

/* -- listening and accepting ---------------------------------------------- */

static void
check_manners(int fd, const char *what)
{
	ok((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0, "%s: close-on-exec", what);
	ok((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0, "%s: does not block", what);
}

static void
check_tcp(int fd, const char *what)
{
	check_manners(fd, what);
	is(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1, "%s: keepalive", what);
	is(option(fd, IPPROTO_TCP, TCP_NODELAY), 1, "%s: no delay", what);
#ifdef TCP_KEEPIDLE
	is(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 60, "%s: idle", what);
	is(option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 15, "%s: interval", what);
	is(option(fd, IPPROTO_TCP, TCP_KEEPCNT), 4, "%s: probes", what);
#endif
}

static void
check_peer(int listener, const char *host, const char *want)
{
	struct sockaddr_storage sa;
	char peer[D4_NET_HOST];
	int fd, server;

	fd = dial(host, d4_net_port(listener), MS);
	if (!ok(fd != -1, "connect to %s", host)) {
		diag("%s", why);
		return;
	}
	if (ok((server = take(listener, &sa)) != -1, "accept from %s", host)) {
		d4_net_peer(&sa, peer);
		ok(strcmp(peer, want) == 0, "the peer is %s", want);
		printf("# peer: %s\n", peer);
		close(server);
	}
	close(fd);
}

static void
test_listen(void)
{
	struct sockaddr_storage sa;
	int fd, server, listener;

	listener = listen_on("tcp:0.0.0.0:0");
	check_manners(listener, "listener");
	ok(d4_net_accept(listener, &sa) == -1 && errno == EAGAIN,
	    "nobody waits: EAGAIN");
	fd = dial("127.0.0.1", d4_net_port(listener), MS);
	check_tcp(fd, "connected");
	server = take(listener, &sa);
	check_tcp(server, "accepted");
	close(server);
	close(fd);
	check_peer(listener, "127.0.0.1", "127.0.0.1");
	close(listener);

	listener = listen_on(":0");
	check_peer(listener, "127.0.0.1", "127.0.0.1");
	if (have_v6)
		check_peer(listener, "::1", "::1");
	else
		skip("no IPv6 here");
	close(listener);

	if (!have_v6) {
		skip("no IPv6 here");
		return;
	}
	listener = listen_on("[::]:0");
	check_peer(listener, "::1", "::1");
	ok(dial("127.0.0.1", d4_net_port(listener), MS) == -1 &&
	    has(why, "refused"), "[::] is not IPv4");
	close(listener);
}

static void
test_listen_name(void)
{
	struct d4_net_addr addr = addr_of("both.test:0", true);
	int fds[4], n, i;

	n = d4_net_listen(&addr, false, fds, 4, why);
	is(n, have_v6 ? 2 : 1, "a name: a socket for each address");
	for (i = 0; i < n; i++)
		close(fds[i]);
	n = d4_net_listen(&addr, false, fds, 1, why);
	is(n, 1, "but no more than there is room for");
	close(fds[0]);
	addr = addr_of("missing.test:0", true);
	ok(d4_net_listen(&addr, false, fds, 4, why) == -1 &&
	    has(why, "name does not resolve: "), "no such name");
	addr = addr_of("192.0.2.1:0", true);
	ok(d4_net_listen(&addr, false, fds, 4, why) == -1 &&
	    why[0] != '\0', "not an address of ours: %s", why);
}

static void
test_share(void)
{
	struct d4_net_addr addr = addr_of("127.0.0.1:0", true);
	int fd, again;

	(void)d4_net_listen(&addr, true, &fd, 1, why);
	addr.port = d4_net_port(fd);
	is(d4_net_listen(&addr, true, &again, 1, why), 1, "a shared port");
	close(again);
	ok(d4_net_listen(&addr, false, &again, 1, why) == -1 &&
	    has(why, "in use"), "a port that is not shared");
	close(fd);
}

/* -- connecting ----------------------------------------------------------- */

/* A port that answers nobody: its queue is full.  -1 where the system takes
 * more. */
static int
full_port(const char *host, int fill[], int max)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	struct sockaddr_in four = { .sin_family = AF_INET };
	bool v6 = strchr(host, ':') != NULL;
	int fd, i;

	fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
	if (v6)
		six.sin6_addr = in6addr_loopback;
	else
		four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, v6 ? (void *)&six : (void *)&four,
	    v6 ? sizeof(six) : sizeof(four)) == -1 || listen(fd, 0) == -1)
		abort();
	for (i = 0; i < max; i++) {
		fill[i] = dial(host, d4_net_port(fd), 300);
		if (fill[i] == -1)
			break;
	}
	if (i < max && strcmp(why, "timed out") == 0)
		return fd;
	while (i > 0)
		close(fill[--i]);
	close(fd);
	return -1;
}

static void
drain(int fill[], int max)
{
	int i;

	for (i = 0; i < max && fill[i] != -1; i++)
		close(fill[i]);
}

static void
test_failures(void)
{
	int64_t begun;
	int fd, fill[64];

	ok(dial("127.0.0.1", free_port(), MS) == -1 &&
	    strcmp(why, "Connection refused") == 0, "refused: %s", why);
	ok(dial("missing.test", 1, MS) == -1 &&
	    has(why, "name does not resolve: "), "no name: %s", why);
	ok(dial("127.0.0.1", 1, 0) == -1 && strcmp(why, "timed out") == 0,
	    "no time at all");
	if ((fd = full_port("127.0.0.1", fill, 64)) == -1) {
		skip("a full queue answers here");
		return;
	}
	begun = now_ms();
	ok(dial("127.0.0.1", d4_net_port(fd), 400) == -1 &&
	    strcmp(why, "timed out") == 0, "no answer: %s", why);
	begun = now_ms() - begun;
	ok(begun >= 395 && begun < tap_time(2000), "after 400 ms and no later");
	printf("# %lld ms\n", (long long)begun);
	close(fd);
	drain(fill, 64);
}

static int
family_of(int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	(void)getpeername(fd, (struct sockaddr *)&sa, &len);
	return sa.ss_family;
}

static void
test_two_families(void)
{
	struct d4_net_addr addr;
	int64_t begun;
	int six, four, fd, fill[64];
	uint16_t port;

	port = free_port();
	ok(dial("both.test", port, MS) == -1 &&
	    has(why, "::1: ") && has(why, ", 127.0.0.1: Connection refused"),
	    "each address is named: %s", why);
	ok(strlen(why) < 80, "and once");

	six = listen_on("[::1]:0");
	port = d4_net_port(six);
	addr = at_port("127.0.0.1", port);
	if (d4_net_listen(&addr, false, &four, 1, why) != 1)
		abort();
	fd = dial("both.test", port, MS);
	is(family_of(fd), AF_INET6, "IPv6 comes first");
	close(fd);
	close(six);
	begun = now_ms();
	fd = dial("both.test", port, MS);
	is(family_of(fd), AF_INET, "IPv6 refused: IPv4");
	ok(now_ms() - begun < tap_time(200), "at once");
	close(fd);
	close(four);

	if ((six = full_port("::1", fill, 64)) == -1) {
		skip("a full queue answers here");
		return;
	}
	addr.port = d4_net_port(six);
	if (d4_net_listen(&addr, false, &four, 1, why) != 1)
		abort();
	begun = now_ms();
	fd = dial("both.test", addr.port, MS);
	is(family_of(fd), AF_INET, "IPv6 silent: IPv4");
	begun = now_ms() - begun;
	ok(begun >= 245 && begun < tap_time(1000), "after 250 ms");
	printf("# %lld ms\n", (long long)begun);
	close(fd);
	close(four);

	addr = at_port("127.0.0.2", addr.port);
	if (d4_net_listen(&addr, false, &four, 1, why) != 1)
		abort();
	begun = now_ms();
	fd = dial("three.test", addr.port, MS);
	is(family_of(fd), AF_INET, "IPv6 silent, IPv4 refused: the third");
	begun = now_ms() - begun;
	ok(begun >= 245 && begun < tap_time(480), "at once after the second");
	printf("# %lld ms\n", (long long)begun);
	close(fd);
	close(four);
	close(six);
	drain(fill, 64);
}

/* A reader that was fast, for which the kernel makes its buffer large, stands
 * still. */
static void
test_receive(void)
{
	static char bytes[1 << 16];
	int listener = listen_on("127.0.0.1:0"), held = 0, from, to, i;
	ssize_t n;

	from = dial("127.0.0.1", d4_net_port(listener), MS);
	to = take(listener, NULL);
	d4_net_limit_receive(to, (size_t)1 << 20);
	(void)fcntl(from, F_SETFL, O_NONBLOCK);
	(void)fcntl(to, F_SETFL, O_NONBLOCK);
	for (i = 0; i < 800; i++) {
		while (write(from, bytes, sizeof(bytes)) > 0)
			continue;
		while ((n = read(to, bytes, sizeof(bytes))) > 0)
			continue;
	}
	for (i = 0; i < 50; i++) {
		while (write(from, bytes, sizeof(bytes)) > 0)
			continue;
		(void)poll(NULL, 0, 2);
	}
	(void)ioctl(to, FIONREAD, &held);
	ok(held > 0 && held <= 1 << 20, "a receive buffer holds %d bytes",
	    held);
	close(from);
	close(to);
	close(listener);
}

static void
test_sndbuf(void)
{
	int listener = listen_on("127.0.0.1:0"), fd, server;
	struct d4_net_addr addr = at_port("127.0.0.1", d4_net_port(listener));
	char bytes[4096] = { 0 };
	size_t sent = 0;
	ssize_t n;

	fd = d4_net_connect(&addr, NULL, MS, 65536, why);
	ok(option(fd, SOL_SOCKET, SO_SNDBUF) >= 65536 &&
	    option(fd, SOL_SOCKET, SO_SNDBUF) <= 2 * 65536,
	    "the send buffer is bounded");
	server = take(listener, NULL);
	if (d4_net_unacked(fd) == -1) {
		skip("what is unacknowledged can't be known here");
	} else {
		is(d4_net_unacked(fd), 0, "nothing sent, nothing unacked");
		while ((n = write(fd, bytes, sizeof(bytes))) > 0)
			sent += (size_t)n;
		ok(d4_net_unacked(fd) > 0 &&
		    d4_net_unacked(fd) <= (long)sent,
		    "peer reads nothing: some of it is unacked");
		printf("# %zu sent, %ld unacked\n", sent, d4_net_unacked(fd));
	}
	is(d4_net_unacked(-1), -1, "no descriptor, no figure");
	close(server);
	close(fd);
	close(listener);
}

/* -- unix sockets --------------------------------------------------------- */

static void
test_unix(void)
{
	char dir[] = "/tmp/d4-net-XXXXXX", path[64], text[80];
	struct sockaddr_storage sa;
	char peer[D4_NET_HOST];
	struct d4_net_addr addr;
	int listener, again, fd, server;

	if (mkdtemp(dir) == NULL)
		abort();
	snprintf(path, sizeof(path), "%s/socket", dir);
	snprintf(text, sizeof(text), "unix:%s", path);
	addr = addr_of(text, false);
	ok(d4_net_connect(&addr, NULL, MS, 0, why) == -1 &&
	    has(why, "No such file"), "nothing there: %s", why);
	listener = listen_on(text);
	check_manners(listener, "unix listener");
	is(d4_net_port(listener), 0, "a unix socket has no port");
	fd = d4_net_connect(&addr, NULL, MS, 0, why);
	check_manners(fd, "unix connected");
	server = take(listener, &sa);
	check_manners(server, "unix accepted");
	d4_net_peer(&sa, peer);
	ok(strcmp(peer, "unix") == 0, "its peer is \"unix\"");
	close(server);
	close(fd);
	ok(d4_net_listen(&addr, false, &again, 1, why) == -1 &&
	    has(why, "in use"), "one that answers stays: %s", why);
	close(listener);
	ok(d4_net_connect(&addr, NULL, MS, 0, why) == -1 &&
	    has(why, "refused"), "left behind: %s", why);
	is(d4_net_listen(&addr, false, &listener, 1, why), 1,
	    "left behind: replaced");
	fd = d4_net_connect(&addr, NULL, MS, 0, why);
	ok(fd != -1, "and works");
	close(fd);
	close(listener);
	unlink(path);
	if ((fd = open(path, O_CREAT | O_WRONLY, 0600)) == -1)
		abort();
	close(fd);
	ok(d4_net_listen(&addr, false, &listener, 1, why) == -1 &&
	    has(why, "not a socket") && access(path, F_OK) == 0,
	    "a file stays: %s", why);
	unlink(path);
	rmdir(dir);
}

/* A unix socket whose queue is full says so by EAGAIN. */
static void
test_unix_full(void)
{
	char dir[] = "/tmp/d4-net-XXXXXX";
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct d4_net_addr addr = { .kind = D4_NET_UNIX };
	int listener, fill[64], i, again;

	if (mkdtemp(dir) == NULL)
		abort();
	snprintf(addr.path, sizeof(addr.path), "%s/socket", dir);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/socket", dir);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&sun, sizeof(sun)) == -1 ||
	    listen(listener, 0) == -1)
		abort();
	for (i = 0; i < 64; i++) {
		fill[i] = d4_net_connect(&addr, NULL, 100, 0, why);
		if (fill[i] == -1)
			break;
	}
	if (i == 64) {
		skip("the queue is never full");
	} else {
		ok(strcmp(why, "timed out") == 0, "full: %s", why);
		ok(d4_net_listen(&addr, false, &again, 1, why) == -1 &&
		    has(why, "in use"), "and it counts as one that answers");
	}
	drain(fill, 64);
	close(listener);
	unlink(addr.path);
	rmdir(dir);
}

/* -- SOCKS5 --------------------------------------------------------------- */

struct script {
	const char	*greeting;	/* two bytes */
	const char	*reply;
	size_t		 len;
	bool		 hang;		/* instead of closing at the end */
};

/* A proxy that says what it is told to, a byte at a time, then "data", and
 * hands what was asked to the parent. */
static pid_t
start_proxy(int listener, const struct script *script, int out)
{
	uint8_t request[512];
	ssize_t len;
	size_t i;
	pid_t pid;
	int fd;

	fflush(stdout);
	if ((pid = fork()) != 0)
		return pid;
	tap_limit(20);
	fd = take(listener, NULL);
	(void)fcntl(fd, F_SETFL, 0);
	if (recv(fd, request, 3, MSG_WAITALL) != 3 ||
	    memcmp(request, "\5\1", 3) != 0)
		_exit(1);
	for (i = 0; script->greeting != NULL && i < 2; i++) {
		(void)!write(fd, script->greeting + i, 1);
		(void)poll(NULL, 0, 2);
	}
	len = recv(fd, request, sizeof(request), 0);
	(void)!write(out, request, len > 0 ? (size_t)len : 0);
	for (i = 0; i < script->len; i++) {
		if (i + 1 == script->len) {	/* the last and what follows */
			char last[] = "xdata";

			last[0] = script->reply[i];
			(void)!write(fd, last, 5);
		} else {
			(void)!write(fd, script->reply + i, 1);
			(void)poll(NULL, 0, 2);
		}
	}
	if (script->hang)
		pause();
	_exit(0);
}

/* One conversation; request takes what the proxy was asked. */
static int
converse(const struct script *script, const char *host, int timeout_ms,
    uint8_t request[512], ssize_t *len)
{
	int listener = listen_on("127.0.0.1:0"), ends[2], fd;
	struct d4_net_addr proxy = at_port("127.0.0.1", d4_net_port(listener));
	struct d4_net_addr addr = at_port(host, 0x1234);
	pid_t pid;

	if (pipe(ends) == -1)
		abort();
	pid = start_proxy(listener, script, ends[1]);
	close(ends[1]);
	close(listener);
	fd = d4_net_connect(&addr, &proxy, timeout_ms, 0, why);
	if (script->hang && fd == -1)
		(void)kill(pid, SIGKILL);
	*len = read(ends[0], request, 512);
	close(ends[0]);
	(void)waitpid(pid, NULL, 0);
	return fd;
}

static void
check_granted(const char *host, const char *reply, size_t reply_len,
    const char *want, size_t want_len)
{
	const struct script script = { "\5", reply, reply_len, false };
	uint8_t request[512];
	char data[16] = "";
	ssize_t len;
	int fd;

	fd = converse(&script, host, MS, request, &len);
	if (!ok(fd != -1, "%.40s through a proxy", host)) {
		diag("%s", why);
		return;
	}
	ok(len == (ssize_t)want_len && memcmp(request, want, want_len) == 0,
	    "the request for %.40s", host);
	(void)fcntl(fd, F_SETFL, 0);
	ok(recv(fd, data, 4, MSG_WAITALL) == 4 && strcmp(data, "data") == 0,
	    "what follows the reply is left");
	close(fd);
}

static void
test_socks(void)
{
	static const char v4[] = "\5\0\0\1" "abcd" "pp";
	static const char v6[] = "\5\0\0\4" "abcdefghijklmnop" "pp";
	static const char name[] = "\5\0\0\3" "\3" "abc" "pp";
	char longest[256], want[300] = "\5\1\0\3\xff";

	check_granted("missing.test", v4, 10,
	    "\5\1\0\3\14missing.test\x12\x34", 19);
	check_granted("192.0.2.1", v6, 22,
	    "\5\1\0\1\xc0\0\2\1\x12\x34", 10);
	check_granted("2001:db8::1", name, 10,
	    "\5\1\0\4\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x12\x34", 22);
	memset(longest, 'a', 255);
	longest[255] = '\0';
	memcpy(want + 5, longest, 255);
	memcpy(want + 260, "\x12\x34", 2);
	check_granted(longest, v4, 10, want, 262);
}

static void
test_socks_replies(void)
{
	static const char *const words[] = {
		[1] = "general failure", [2] = "not allowed by its rules",
		[3] = "network unreachable", [4] = "host unreachable",
		[5] = "connection refused", [6] = "TTL expired",
		[7] = "command not supported",
		[8] = "address type not supported", [9] = "unknown reply 9",
		[10] = "unknown reply 255",
	};
	char reply[] = "\5\0\0\1" "abcd" "pp";
	struct script script = { "\5", reply, 10, false };
	uint8_t request[512];
	ssize_t len;
	int i;

	for (i = 1; i <= 10; i++) {
		reply[1] = (char)(i == 10 ? 255 : i);
		ok(converse(&script, "a.test", MS, request, &len) == -1 &&
		    has(why, "proxy: ") && has(why, words[i]),
		    "reply %d: %s", i, why);
	}
}

static void
test_socks_faults(void)
{
	static const struct {
		struct script script;
		const char *why;
	} t[] = {
		{ { "\5\xff", "", 0, false }, "proxy: asks for a login" },
		{ { "\4", "", 0, false }, "proxy: does not speak SOCKS5" },
		{ { "\5", "\4\0\0\1", 4, false },
		    "proxy: does not speak SOCKS5" },
		{ { "\5", "\5\0\0\2abcdpp", 10, false },
		    "proxy: replied with an unknown address type" },
		{ { "\5", "", 0, false }, "proxy: closed the connection" },
		{ { "\5", "", 0, true }, "proxy: timed out" },
		{ { NULL, "", 0, true }, "proxy: timed out" },
	};
	struct d4_net_addr proxy, addr = at_port("a.test", 1);
	uint8_t request[512];
	ssize_t len;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		ok(converse(&t[i].script, "a.test",
		    t[i].script.hang ? 300 : MS, request, &len) == -1 &&
		    strcmp(why, t[i].why) == 0, "%s", why);
	ok(converse(&t[4].script, "fe80::1%lo", MS, request, &len) == -1 &&
	    has(why, "a zone"), "%s", why);
	proxy = at_port("127.0.0.1", free_port());
	ok(d4_net_connect(&addr, &proxy, MS, 0, why) == -1 &&
	    strcmp(why, "proxy: Connection refused") == 0, "%s", why);
}

int
main(void)
{
	struct d4_net_addr six = addr_of("[::1]:0", true);
	int fd;

	(void)signal(SIGPIPE, SIG_IGN);
	if ((have_v6 = d4_net_listen(&six, false, &fd, 1, why) == 1))
		close(fd);
	test_parse();
	test_refuse();
	test_is_addr();
	test_listen();
	test_listen_name();
	test_share();
	test_failures();
	if (have_v6)
		test_two_families();
	else
		skip("no IPv6 here");
	test_receive();
	test_sndbuf();
	test_unix();
	test_unix_full();
	test_socks();
	test_socks_replies();
	test_socks_faults();
	return tap_done();
}
