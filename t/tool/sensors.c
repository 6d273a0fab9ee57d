/* SPDX-License-Identifier: ISC */

/*
 * Many sensors at once, for tests, from one loop:
 *
 *	sensors [-aflw] [-b bytes] [-c records] [-i first] [-k key]
 *	    [-n sensors] [-r size] [-s ms] [-t types] port
 *
 *	-a	announce a record of 1,000,000 bytes, send nothing of it, wait
 *	-b	bytes of data of each, 100000
 *	-c	instead, so many records of -r bytes, 0 of them too
 *	-f	for ever: who loses the link connects anew, a new session
 *	-i	number of the first sensor; it is in the uuid
 *	-k	key
 *	-l	plain TCP, not TLS
 *	-n	how many, 1
 *	-r	bytes of payload of a record, 4000
 *	-s	after each 8 KiB rest for so long
 *	-t	types of the sensors in turn: 1,3,5,7,8,254 of them
 *	-w	when all is sent, wait for SIGTERM before the end
 *
 * What a sensor sends is made of units that say whose they are: sensor,
 * session, number; t/tool/store.pl knows them.  When all is sent each says
 * so (close_notify, or the end of what it writes) and waits for the answer.
 * Then a line "uuid type bytes sha256" a sensor; exit 0 when each was answered.
 */

#include <sys/resource.h>
#include <sys/socket.h>

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "lib/bytes.h"
#include "lib/mac.h"
#include "lib/net.h"
#include "lib/tls.h"
#include "lib/type.h"
#include "lib/uuid.h"

#define UNIT_MAX	2048
#define OUT_MAX		(1000062 + 65536)
#define AT_ONCE		65536	/* bytes made before they are sent */
#define AT_REST		8192	/* with -s */
#define META		"{\"type\":\"fascia\"}"

enum state { IDLE, SHAKING, SENDING, WAITING, ENDING, DONE, FAILED };

struct sensor {
	enum state	 state;
	unsigned	 n;
	uint8_t		 type;
	uint8_t		 uuid[D4_UUID_LEN];
	int		 fd;
	struct d4_tls	*tls;
	short		 waits;
	uint32_t	 session, seq;
	uint64_t	 made;		/* bytes of data, or records */
	bool		 preamble;	/* is made */
	uint8_t		*unit;		/* left to be put into a record */
	size_t		 unit_len, unit_at;
	uint8_t		*out;
	size_t		 len, at;
	time_t		 again;
	EVP_MD_CTX	*sha;
};

static struct options {
	bool		 announce, forever, plain, wait, count;
	uint64_t	 bytes;
	unsigned	 first, n;
	uint32_t	 record;
	const char	*key, *types;
	uint16_t	 port;
	unsigned	 rest;
} o = { .bytes = 100000, .n = 1, .record = 4000,
    .key = "a key for these tests", .types = "1,3,5,7,8,254" };

static struct d4_tls_context *context;
static struct d4_mac *mac;
static struct d4_mac_key *key;
static uint8_t noise[65536];
static volatile sig_atomic_t ended;

static void
on_signal(int sig)
{
	(void)sig;
	ended = 1;
}

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "sensors: %s\n", what);
	exit(1);
}

/* -- what they send -------------------------------------------------------- */

/* Twelve bytes that say whose the unit is, then noise. */
static void
put_body(const struct sensor *s, uint8_t *at, size_t len)
{
	d4_put32le(at, s->n);
	d4_put32le(at + 4, s->session);
	d4_put32le(at + 8, s->seq);
	memcpy(at + 12, noise + s->seq * 131 % 32768, len - 12);
	if (len >= 16)
		d4_put32le(at + len - 4, s->seq);
}

static size_t
put_pcap(const struct sensor *s, uint8_t *at, size_t len)
{
	if (!s->preamble) {
		memset(at, 0, 24);
		d4_put32le(at, 0xa1b2c3d4);
		d4_put16le(at + 4, 2);
		d4_put16le(at + 6, 4);
		d4_put32le(at + 16, 65535);
		d4_put32le(at + 20, 1);
		return 24;
	}
	d4_put32le(at, 1700000000 + s->seq);
	d4_put32le(at + 4, 0);
	d4_put32le(at + 8, (uint32_t)len);
	d4_put32le(at + 12, (uint32_t)len);
	put_body(s, at + 16, len);
	return 16 + len;
}

static size_t
put_pcapng(const struct sensor *s, uint8_t *at, size_t len)
{
	uint32_t block;

	if (!s->preamble) {
		memset(at, 0, 48);
		d4_put32le(at, 0x0a0d0d0a);
		d4_put32le(at + 4, 28);
		d4_put32le(at + 8, 0x1a2b3c4d);
		d4_put16le(at + 12, 1);
		memset(at + 16, 0xff, 8);
		d4_put32le(at + 24, 28);
		d4_put32le(at + 28, 1);
		d4_put32le(at + 32, 20);
		d4_put16le(at + 36, 1);
		d4_put32le(at + 44, 20);
		return 48;
	}
	len &= ~(size_t)3;
	block = (uint32_t)len + 32;
	memset(at, 0, 28);
	d4_put32le(at, 6);
	d4_put32le(at + 4, block);
	d4_put32le(at + 20, (uint32_t)len);
	d4_put32le(at + 24, (uint32_t)len);
	put_body(s, at + 28, len);
	d4_put32le(at + 28 + len, block);
	return block;
}

static size_t
put_ipfix(const struct sensor *s, uint8_t *at, size_t len)
{
	size_t whole = 16 + 4 + len;

	memset(at, 0, 20);
	at[1] = 10;
	at[2] = (uint8_t)(whole >> 8);
	at[3] = (uint8_t)whole;
	at[16] = 1;		/* set 256 */
	at[18] = (uint8_t)((4 + len) >> 8);
	at[19] = (uint8_t)(4 + len);
	put_body(s, at + 20, len);
	return whole;
}

static size_t
put_line(const struct sensor *s, uint8_t *at, size_t len)
{
	size_t n, i;

	n = (size_t)snprintf((char *)at, UNIT_MAX, "%u %u %u ", s->n,
	    s->session, s->seq);
	for (i = 0; i < len / 8; i++)
		at[n++] = 'a' + noise[(s->seq * 131 + i) % 65536] % 26;
	n += (size_t)snprintf((char *)at + n, UNIT_MAX - n, " %u\n", s->seq);
	return n;
}

/* Makes the next unit of data, 0 bytes when all is made. */
static void
next_unit(struct sensor *s)
{
	size_t len = 40 + (s->seq * 37 + s->n * 101) % 1400;

	s->unit_at = s->unit_len = 0;
	if (!o.forever && s->made >= o.bytes)
		return;
	switch (s->type) {
	case 1:
		s->unit_len = put_pcap(s, s->unit, len);
		break;
	case 5:
		s->unit_len = put_pcapng(s, s->unit, len);
		break;
	case 7:
		s->unit_len = put_ipfix(s, s->unit, len);
		break;
	default:
		s->unit_len = put_line(s, s->unit, len);
	}
	if (s->preamble || (s->type != 1 && s->type != 5))
		s->seq++;
	s->preamble = true;
	s->made += s->unit_len;
	if (EVP_DigestUpdate(s->sha, s->unit, s->unit_len) != 1)
		die("sha256");
}

static size_t
fill_payload(struct sensor *s, uint8_t *at, size_t room)
{
	size_t done = 0, n;

	while (done < room) {
		if (s->unit_at == s->unit_len) {
			next_unit(s);
			if (s->unit_len == 0)
				break;
		}
		n = s->unit_len - s->unit_at;
		if (n > room - done)
			n = room - done;
		memcpy(at + done, s->unit + s->unit_at, n);
		s->unit_at += n;
		done += n;
	}
	return done;
}

static void
seal(struct sensor *s, uint8_t type, size_t size, uint32_t announced)
{
	struct d4_header h = { .version = 1, .type = type, .timestamp =
	    (uint64_t)time(NULL), .size = announced };
	struct d4_mac_job job = { .key = key, .record = s->out + s->len,
	    .len = D4_HEADER_LEN + size };

	memcpy(h.uuid, s->uuid, sizeof(h.uuid));
	d4_header_encode(job.record, &h);
	if (d4_mac_seal(mac, &job, 1) == -1)
		die("mac");
	s->len += job.len;
}

/* Makes records until there are enough; none are left when len stays 0. */
static void
make_records(struct sensor *s)
{
	size_t n, enough = o.rest > 0 ? AT_REST : AT_ONCE;

	s->at = s->len = 0;
	if (s->type == D4_TYPE_EXTENDED && s->seq == 0 && s->made == 0) {
		memcpy(s->out + D4_HEADER_LEN, META, sizeof(META) - 1);
		seal(s, D4_TYPE_META, sizeof(META) - 1, sizeof(META) - 1);
	}
	while (s->len < enough && o.count && s->made < o.bytes) {
		memset(s->out + s->len + D4_HEADER_LEN, '\n', o.record);
		seal(s, s->type, o.record, o.record);
		s->made++;
	}
	while (s->len < enough && !o.count && (n = fill_payload(s,
	    s->out + s->len + D4_HEADER_LEN, o.record)) > 0)
		seal(s, s->type, n, (uint32_t)n);
}

/* -- connections ----------------------------------------------------------- */

static void
hang_up(struct sensor *s, enum state state)
{
	d4_tls_free(s->tls);
	s->tls = NULL;
	if (s->fd != -1)
		(void)close(s->fd);
	s->fd = -1;
	s->state = state;
	if (state == FAILED && o.forever && !ended) {
		s->state = IDLE;
		s->again = time(NULL) + 1;
	}
}

static void
begin(struct sensor *s)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };

	sin.sin_port = htons(o.port);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (s->fd == -1 || (connect(s->fd, (struct sockaddr *)&sin,
	    sizeof(sin)) == -1 && errno != EINPROGRESS)) {
		hang_up(s, FAILED);
		return;
	}
	if (!o.plain && (s->tls = d4_tls_new(context, s->fd,
	    "localhost")) == NULL)
		die("tls");
	s->session++;
	s->seq = 0;
	s->made = 0;
	s->preamble = false;
	s->unit_at = s->unit_len = s->at = s->len = 0;
	if (EVP_DigestInit_ex(s->sha, EVP_sha256(), NULL) != 1)
		die("sha256");
	s->state = s->tls != NULL ? SHAKING : SENDING;
	s->waits = POLLOUT;
	if (o.announce)
		seal(s, s->type, 0, D4_PAYLOAD_MAX);
}

static void
answered(struct sensor *s, bool well)
{
	hang_up(s, well ? DONE : FAILED);
}

/* Our end is said; the peer's comes once it has stored everything. */
static void
await_end(struct sensor *s)
{
	char scrap[64];
	ssize_t n;

	if (s->tls != NULL) {
		int rc = d4_tls_shutdown(s->tls);

		if (rc == 1 || rc == D4_TLS_FAILED)
			answered(s, rc == 1);
		s->waits = POLLIN;
		return;
	}
	if (s->state != ENDING)
		(void)shutdown(s->fd, SHUT_WR);
	n = read(s->fd, scrap, sizeof(scrap));
	if (n == 0 || (n == -1 && errno != EAGAIN))
		answered(s, n == 0);
	s->waits = POLLIN;
}

static void
send_some(struct sensor *s)
{
	ssize_t n;

	if (s->at == s->len && !o.announce)
		make_records(s);
	if (s->at == s->len) {
		if (o.wait || o.announce) {
			s->state = WAITING;
			s->waits = POLLIN;
			return;
		}
		await_end(s);
		if (s->state == SENDING)
			s->state = ENDING;
		return;
	}
	n = s->tls != NULL ? d4_tls_write(s->tls, s->out + s->at,
	    s->len - s->at) : write(s->fd, s->out + s->at, s->len - s->at);
	s->waits = POLLOUT;
	if (s->tls != NULL && n == D4_TLS_AGAIN)
		s->waits = d4_tls_waits(s->tls);
	else if (n > 0)
		s->at += (size_t)n;
	else if (s->tls != NULL || errno != EAGAIN)
		hang_up(s, FAILED);
}

static void
step(struct sensor *s)
{
	char scrap;
	int rc;

	switch (s->state) {
	case SHAKING:
		rc = d4_tls_handshake(s->tls);
		if (rc == D4_TLS_FAILED) {
			hang_up(s, FAILED);
		} else if (rc == 0) {
			s->state = SENDING;
			s->waits = POLLOUT;
		} else {
			s->waits = d4_tls_waits(s->tls);
		}
		break;
	case SENDING:
		send_some(s);
		break;
	case WAITING:		/* nothing may come */
		rc = s->tls != NULL ? (int)d4_tls_read(s->tls, &scrap, 1) :
		    (int)read(s->fd, &scrap, 1);
		if (rc >= 0 || rc == D4_TLS_FAILED)
			hang_up(s, FAILED);
		break;
	case ENDING:
		await_end(s);
		break;
	default:
		break;
	}
}

/* Returns whether any is not at its end. */
static bool
turn(struct sensor *all, struct pollfd *pfds)
{
	bool going = false;
	unsigned i;

	for (i = 0; i < o.n; i++) {
		if (all[i].state == IDLE && time(NULL) >= all[i].again)
			begin(&all[i]);
		pfds[i].fd = all[i].fd;
		pfds[i].events = all[i].waits;
		going = going || (all[i].state != DONE &&
		    all[i].state != FAILED);
	}
	if (!going || poll(pfds, o.n, 200) <= 0)
		return going;
	for (i = 0; i < o.n; i++) {
		if (all[i].fd != -1 && pfds[i].revents != 0)
			step(&all[i]);
	}
	if (o.rest > 0)
		(void)poll(NULL, 0, (int)o.rest);
	return true;
}

/* Returns whether each was answered. */
static bool
run(struct sensor *all)
{
	struct pollfd *pfds = calloc(o.n, sizeof(*pfds));
	bool well = true;
	unsigned i;

	if (pfds == NULL)
		die("memory");
	while (turn(all, pfds)) {
		if (!ended)
			continue;
		if (o.forever || o.announce)
			break;
		o.wait = false;
		for (i = 0; i < o.n; i++) {
			if (all[i].state == WAITING)
				all[i].state = SENDING;
			if (all[i].state == SENDING)
				all[i].waits = POLLOUT;
		}
	}
	for (i = 0; i < o.n; i++)
		well = well && all[i].state == DONE;
	free(pfds);
	return well;
}

/* -- the order of things --------------------------------------------------- */

static void
begin_sensor(struct sensor *s, unsigned n)
{
	static const char *next;
	char *end;

	if (next == NULL || *next == '\0')
		next = o.types;
	s->type = (uint8_t)strtoul(next, &end, 10);
	next = *end == ',' ? end + 1 : end;
	s->n = n;
	d4_put32le(s->uuid, n);
	s->uuid[6] = 0x40;
	s->uuid[8] = 0x80;
	s->uuid[15] = s->type;
	s->fd = -1;
	if ((s->unit = malloc(UNIT_MAX)) == NULL ||
	    (s->out = malloc(o.record > AT_ONCE ? OUT_MAX :
	    2 * AT_ONCE + D4_HEADER_LEN)) == NULL ||
	    (s->sha = EVP_MD_CTX_new()) == NULL)
		die("memory");
}

static void
show(struct sensor *s)
{
	uint8_t sha[EVP_MAX_MD_SIZE];
	char uuid[D4_UUID_HEX];
	unsigned i, n = 0;

	d4_uuid_hex(uuid, s->uuid);
	if (EVP_DigestFinal_ex(s->sha, sha, &n) != 1)
		die("sha256");
	printf("%s %u %llu ", uuid, s->type, (unsigned long long)s->made);
	for (i = 0; i < n; i++)
		printf("%02x", sha[i]);
	printf("\n");
}

static void
parse(int argc, char *argv[])
{
	int ch;

	while ((ch = getopt(argc, argv, "ab:c:fi:k:ln:r:s:t:w")) != -1) {
		switch (ch) {
		case 'a':
			o.announce = true;
			break;
		case 'c':
			o.count = true;
			/* FALLTHROUGH */
		case 'b':
			o.bytes = strtoull(optarg, NULL, 10);
			break;
		case 'f':
			o.forever = true;
			break;
		case 'i':
			o.first = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'k':
			o.key = optarg;
			break;
		case 'l':
			o.plain = true;
			break;
		case 'n':
			o.n = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'r':
			o.record = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 's':
			o.rest = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 't':
			o.types = optarg;
			break;
		case 'w':
			o.wait = true;
			break;
		default:
			die("unknown option");
		}
	}
	if (optind + 1 != argc)
		die("one port");
	o.port = (uint16_t)strtoul(argv[optind], NULL, 10);
	if (o.record > 1000000 || o.n == 0)
		die("numbers");
}

int
main(int argc, char *argv[])
{
	struct d4_tls_client client = { .insecure = true };
	struct rlimit limit;
	struct sensor *all;
	uint32_t x = 1;
	char why[256];
	unsigned i;
	bool well;

	parse(argc, argv);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGTERM, on_signal);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	for (i = 0; i < sizeof(noise); i++) {
		x = x * 1664525 + 1013904223;
		noise[i] = (uint8_t)(x >> 24);
	}
	if ((context = d4_tls_client_new(&client, why)) == NULL)
		die(why);
	if ((mac = d4_mac_new()) == NULL || (key = d4_mac_key_new(mac, o.key,
	    strlen(o.key))) == NULL ||
	    (all = calloc(o.n, sizeof(*all))) == NULL)
		die("memory");
	for (i = 0; i < o.n; i++)
		begin_sensor(&all[i], o.first + i);
	well = run(all);
	for (i = 0; i < o.n; i++) {
		if (!o.announce)
			show(&all[i]);
		hang_up(&all[i], DONE);
		free(all[i].unit);
		free(all[i].out);
		EVP_MD_CTX_free(all[i].sha);
	}
	free(all);
	d4_mac_key_free(key);
	d4_mac_free(mac);
	d4_tls_context_free(context);
	return well ? 0 : 1;
}
