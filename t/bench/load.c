/* SPDX-License-Identifier: ISC */

/*
 * Many sensors in one process, over TLS to a collector on loopback:
 *
 *	load -C ca.crt -k keyfile [-b bytes] [-n sensors] [-o]
 *	    [-r records] [-s seconds] [-u] port
 *
 * Connects all, then has all send log lines of so many bytes, a record each,
 * for so many seconds or until each has sent that many records or a few more,
 * and prints how many records were sent, how long it took from the first to
 * the answer that the last was stored, and the rate.  With -u the sensors are
 * 00000000-0000-4000-8000-000000000000 and those that follow.  With -o each
 * opens with an empty record, as those do that go on with their streams.
 *
 *	load -i -C ca.crt -k keyfile [-a at_once] [-n sensors] port
 *
 * Connects all, so many at a time, has each send one record and then be silent.
 * Prints a line when all are there, and for each line on stdin the milliseconds
 * that one more sensor takes from connect(2) to the answer that its record was
 * stored.
 *
 * The records of a sensor are sealed once and sent over and over, 128 KiB at
 * once, so that the collector is what is measured.
 */

#include <sys/resource.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/header.h"
#include "lib/mac.h"
#include "lib/tls.h"
#include "lib/uuid.h"

#define BATCH		((size_t)128 << 10)	/* bytes written at once */
#define RECORD_MAX	16384	/* with its header */
#define PER_ADDRESS	250	/* sensors of one address of 127.0.0.0/8 */
#define STUCK_MS	60000	/* without any progress: give up */

enum state { CONNECTING, SHAKING, WAITING, SENDING, ENDING, DONE };

struct sensor {
	enum state	 state;
	int		 fd;
	struct d4_tls	*tls;
	short		 events;
	uint8_t		*batch;		/* records, sealed */
	size_t		 start;		/* of what is sent again */
	size_t		 len;
	size_t		 at;		/* of them that was sent */
	size_t		 nsent;		/* batches */
};

struct load {
	struct d4_tls_context	*tls;
	struct d4_mac		*mac;
	struct d4_mac_key	*key;
	uint16_t		 port;
	size_t			 bytes;		/* of a record's payload */
	size_t			 nrecords;	/* of a sensor's batch */
	size_t			 nbatches;	/* of each, or 0: any number */
	bool			 numbered;	/* uuids are */
	bool			 opens;		/* with an empty record */
	unsigned		 ncreated;
	uint64_t		 sent;		/* bytes of records */
};

static _Noreturn void
die(const char *what, const char *why)
{
	fprintf(stderr, "load: %s: %s\n", what, why);
	exit(1);
}

static double
now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* -- a sensor -------------------------------------------------------------- */

static void
number_uuid(uint8_t uuid[D4_UUID_LEN], unsigned n)
{
	memset(uuid, 0, D4_UUID_LEN);
	uuid[6] = 0x40;
	uuid[8] = 0x80;
	uuid[14] = (uint8_t)(n >> 8);
	uuid[15] = (uint8_t)n;
}

/* Lines of a log, each a record. */
static void
seal(struct load *l, struct sensor *s)
{
	struct d4_header header = { .version = 1, .type = 3 };
	size_t i, n = l->nrecords + l->opens, len = D4_HEADER_LEN + l->bytes;
	struct d4_mac_job *jobs;
	uint8_t *at;

	if (l->numbered)
		number_uuid(header.uuid, l->ncreated);
	else
		d4_uuid_new(header.uuid);
	header.timestamp = (uint64_t)time(NULL);
	s->start = l->opens ? D4_HEADER_LEN : 0;
	s->len = s->start + l->nrecords * len;
	if ((s->batch = malloc(s->len)) == NULL ||
	    (jobs = calloc(n, sizeof(*jobs))) == NULL)
		die("memory", "not enough");
	for (i = 0, at = s->batch; i < n; i++, at += jobs[i - 1].len) {
		header.size = l->opens && i == 0 ? 0 : (uint32_t)l->bytes;
		jobs[i].key = l->key;
		jobs[i].record = at;
		jobs[i].len = D4_HEADER_LEN + header.size;
		d4_header_encode(at, &header);
		if (header.size == 0)
			continue;
		memset(at + D4_HEADER_LEN, 'x', l->bytes - 1);
		at[len - 1] = '\n';
	}
	if (d4_mac_seal(l->mac, jobs, n) == -1)
		die("HMAC", "cannot be computed");
	free(jobs);
}

static void
begin(struct load *l, struct sensor *s)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	struct sockaddr_in to = { .sin_family = AF_INET };
	int on = 1;

	seal(l, s);
	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 +
	    l->ncreated++ / PER_ADDRESS);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons(l->port);
	if ((s->fd = socket(AF_INET, SOCK_STREAM, 0)) == -1 ||
	    fcntl(s->fd, F_SETFL, O_NONBLOCK) == -1 ||
	    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on,
	    sizeof(on)) == -1 ||
	    bind(s->fd, (struct sockaddr *)&from, sizeof(from)) == -1 ||
	    (connect(s->fd, (struct sockaddr *)&to, sizeof(to)) == -1 &&
	    errno != EINPROGRESS))
		die("connect", strerror(errno));
	if ((s->tls = d4_tls_new(l->tls, s->fd, "127.0.0.1")) == NULL)
		die("memory", "not enough");
	s->state = CONNECTING;
	s->events = POLLOUT;
	s->at = 0;
}

static void
end(struct sensor *s)
{
	d4_tls_free(s->tls);
	(void)close(s->fd);
	free(s->batch);
	s->batch = NULL;
	s->state = DONE;
}

static void
send_some(struct load *l, struct sensor *s)
{
	ssize_t n;

	n = d4_tls_write(s->tls, s->batch + s->at, s->len - s->at);
	if (n == D4_TLS_FAILED)
		die("send", d4_tls_why(s->tls));
	if (n == D4_TLS_AGAIN) {
		s->events = d4_tls_waits(s->tls);
		return;
	}
	s->events = POLLOUT;
	s->at += (size_t)n;
	l->sent += (uint64_t)n;
}

/* Goes on as far as it can without waiting. */
static void
step(struct load *l, struct sensor *s)
{
	int rc;

	switch (s->state) {
	case CONNECTING:
		s->state = SHAKING;
		/* FALLTHROUGH */
	case SHAKING:
		if ((rc = d4_tls_handshake(s->tls)) == D4_TLS_FAILED)
			die("handshake", d4_tls_why(s->tls));
		s->events = d4_tls_waits(s->tls);
		if (rc == 0)
			s->state = WAITING;
		break;
	case SENDING:
		send_some(l, s);
		break;
	case ENDING:
		rc = d4_tls_shutdown(s->tls);
		if (rc == D4_TLS_FAILED)
			die("end", d4_tls_why(s->tls));
		s->events = rc == 0 ? POLLIN : d4_tls_waits(s->tls);
		if (rc == 1)
			end(s);
		break;
	default:
		break;
	}
}

/* -- many ------------------------------------------------------------------ */

/* Waits for whatever is possible and does it. */
static void
turn(struct load *l, struct sensor *sensors, size_t n)
{
	static struct pollfd *fds;
	static size_t nfds;
	size_t i;
	void *more;

	if (nfds < n) {
		if ((more = realloc(fds, n * sizeof(*fds))) == NULL)
			die("memory", "not enough");
		fds = more;
		nfds = n;
	}
	for (i = 0; i < n; i++) {
		fds[i].fd = sensors[i].state == WAITING ||
		    sensors[i].state == DONE ? -1 : sensors[i].fd;
		fds[i].events = sensors[i].events;
	}
	if (poll(fds, n, STUCK_MS) <= 0)
		die("collector", "does not answer");
	for (i = 0; i < n; i++) {
		if (fds[i].fd != -1 && fds[i].revents != 0)
			step(l, &sensors[i]);
	}
}

static bool
all_in(const struct sensor *sensors, size_t n, enum state state)
{
	while (n > 0 && sensors[n - 1].state == state)
		n--;
	return n == 0;
}

static void
connect_all(struct load *l, struct sensor *sensors, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		begin(l, &sensors[i]);
	while (!all_in(sensors, n, WAITING))
		turn(l, sensors, n);
}

/* Every sensor ends behind a whole batch. */
static void
send_all(struct load *l, struct sensor *sensors, size_t n, unsigned seconds)
{
	double until = now() + seconds;
	bool over = false;
	size_t i;

	for (i = 0; i < n; i++) {
		sensors[i].state = SENDING;
		sensors[i].events = POLLOUT;
	}
	while (!all_in(sensors, n, DONE)) {
		turn(l, sensors, n);
		over = over || now() >= until;
		for (i = 0; i < n; i++) {
			if (sensors[i].state != SENDING ||
			    sensors[i].at < sensors[i].len)
				continue;
			sensors[i].at = sensors[i].start;
			if (++sensors[i].nsent == l->nbatches || over) {
				sensors[i].state = ENDING;
				step(l, &sensors[i]);
			}
		}
	}
}

static void
stream(struct load *l, size_t n, unsigned seconds)
{
	struct sensor *sensors = calloc(n, sizeof(*sensors));
	uint64_t records;
	double began, took;

	if (sensors == NULL)
		die("memory", "not enough");
	connect_all(l, sensors, n);
	began = now();
	send_all(l, sensors, n, seconds);
	took = now() - began;
	records = (l->sent - n * sensors[0].start) /
	    (D4_HEADER_LEN + l->bytes);
	printf("%llu records, %.3f s, %.0f records/s\n",
	    (unsigned long long)records, took, (double)records / took);
	free(sensors);
}

/* Connects some and has each send its batch. */
static void
make_idle(struct load *l, struct sensor *sensors, size_t n)
{
	size_t i;

	connect_all(l, sensors, n);
	for (i = 0; i < n; i++) {
		while (sensors[i].at < sensors[i].len)
			send_some(l, &sensors[i]);
		free(sensors[i].batch);
		sensors[i].batch = NULL;
	}
}

static void
idle(struct load *l, size_t n, size_t at_once)
{
	struct sensor *sensors = calloc(n, sizeof(*sensors)), one;
	double began = now();
	char line[8];
	size_t i, some;

	if (sensors == NULL)
		die("memory", "not enough");
	for (i = 0; i < n; i += some) {
		some = n - i < at_once ? n - i : at_once;
		make_idle(l, sensors + i, some);
	}
	printf("%zu connected in %.1f s\n", n, now() - began);
	while (fflush(stdout) == 0 &&
	    fgets(line, sizeof(line), stdin) != NULL) {
		began = now();
		connect_all(l, &one, 1);
		send_all(l, &one, 1, 0);
		printf("%.1f\n", 1000 * (now() - began));
	}
	for (i = 0; i < n; i++)
		end(&sensors[i]);
	free(sensors);
}

/* -- options --------------------------------------------------------------- */

static void
read_key(struct load *l, const char *path)
{
	char key[4096];
	size_t len;
	FILE *in;

	if ((in = fopen(path, "r")) == NULL)
		die(path, strerror(errno));
	len = fread(key, 1, sizeof(key), in);
	(void)fclose(in);
	if (len > 0 && key[len - 1] == '\n')
		len--;
	if ((l->mac = d4_mac_new()) == NULL ||
	    (l->key = d4_mac_key_new(l->mac, key, len)) == NULL)
		die("memory", "not enough");
}

static void
raise_limit(size_t n)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		die("RLIMIT_NOFILE", strerror(errno));
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < n + 16)
		die("RLIMIT_NOFILE", "not enough descriptors");
}

static unsigned
number(const char *text, unsigned max)
{
	char *rest;
	unsigned long n = strtoul(text, &rest, 10);

	if (*text < '0' || *text > '9' || *rest != '\0' || n < 1 || n > max)
		die(text, "not a number in its bounds");
	return (unsigned)n;
}

int
main(int argc, char *argv[])
{
	struct d4_tls_client client = { .ca = NULL };
	struct load l = { .bytes = 100 };
	unsigned sensors = 50, seconds = 5, at_once = 64, records = 0;
	bool is_idle = false;
	char why[256];
	int ch;

	(void)signal(SIGPIPE, SIG_IGN);
	while ((ch = getopt(argc, argv, "a:b:C:ik:n:or:s:u")) != -1) {
		switch (ch) {
		case 'a':
			at_once = number(optarg, 50000);
			break;
		case 'b':
			l.bytes = number(optarg, RECORD_MAX - D4_HEADER_LEN);
			break;
		case 'C':
			client.ca = optarg;
			break;
		case 'i':
			is_idle = true;
			break;
		case 'k':
			read_key(&l, optarg);
			break;
		case 'n':
			sensors = number(optarg, 50000);
			break;
		case 'o':
			l.opens = true;
			break;
		case 'r':
			records = number(optarg, UINT_MAX);
			break;
		case 's':
			seconds = number(optarg, 3600);
			break;
		case 'u':
			l.numbered = true;
			break;
		default:
			return 2;
		}
	}
	if (client.ca == NULL || l.key == NULL || optind != argc - 1)
		die("usage", "-C ca.crt -k keyfile port are needed");
	l.port = (uint16_t)number(argv[optind], UINT16_MAX);
	l.nrecords = is_idle ? 1 : BATCH / (D4_HEADER_LEN + l.bytes);
	if (records > 0) {
		l.nbatches = (records - 1) / l.nrecords + 1;
		seconds = STUCK_MS;
	}
	if ((l.tls = d4_tls_client_new(&client, why)) == NULL)
		die("TLS", why);
	raise_limit(sensors);
	if (is_idle)
		idle(&l, sensors, at_once);
	else
		stream(&l, sensors, seconds);
	d4_tls_context_free(l.tls);
	d4_mac_key_free(l.key);
	d4_mac_free(l.mac);
	return fflush(stdout) == 0 ? 0 : 1;
}
