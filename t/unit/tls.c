/* SPDX-License-Identifier: ISC */
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "lib/tls.h"
#include "lib/uuid.h"
#include "t/unit/cert.h"
#include "t/unit/tap.h"

#define TURNS	100000		/* of a loop that should end long before */
#define UUID	"8b9ad3a1-0c4e-4d2f-9a55-b6f1c9e6a3f0"
#define UUID_HEX "8B9AD3A10C4E4D2F9A55B6F1C9E6A3F0"

static char dir[] = "/tmp/d4-tls-XXXXXX";
static char why[256];

/* -- counting what OpenSSL keeps ------------------------------------------ */

union block {
	struct {
		size_t	len;
		bool	counted;
	} head;
	max_align_t align;
};

static size_t counted;		/* bytes allocated while counting, not freed */
static bool counting;

static void *
count_malloc(size_t len, const char *file, int line)
{
	union block *block = malloc(sizeof(*block) + len);

	(void)file;
	(void)line;
	if (block == NULL)
		return NULL;
	block->head.len = len;
	block->head.counted = counting;
	counted += counting ? len : 0;
	return block + 1;
}

static void
count_free(void *p, const char *file, int line)
{
	union block *block = p;

	(void)file;
	(void)line;
	if (block == NULL)
		return;
	block--;
	counted -= block->head.counted ? block->head.len : 0;
	free(block);
}

static void *
count_realloc(void *p, size_t len, const char *file, int line)
{
	union block *old = p;
	void *new = count_malloc(len, file, line);

	if (new != NULL && old != NULL) {
		old--;
		memcpy(new, p, len < old->head.len ? len : old->head.len);
		count_free(p, file, line);
	}
	return new;
}

/* -- files ---------------------------------------------------------------- */

static const char *
at(const char *name)
{
	static char paths[4][128];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static void
put_text(const char *name, const char *text)
{
	FILE *file = fopen(at(name), "w");

	if (file == NULL || fputs(text, file) == EOF || fclose(file) == EOF)
		abort();
}

static const char *const names[] = {
	"root.pem", "other.pem", "good.pem", "unchained.pem", "wrong.pem",
	"unknown.pem", "expired.pem", "early.pem", "self.pem", "client.crt",
	"client.key", "client.pem", "stranger.pem", "old-client.pem",
	"uuid-cn.pem", "uuid-dns.pem", "uuid-uri.pem", "uuid-none.pem",
	"text.pem", "locked.pem"
};

static void
write_leaf(const char *name, struct cert_spec spec)
{
	struct cert cert = cert_new(spec);

	cert_write(at(name), &cert, NULL, &cert);
	cert_free(&cert);
}

static void
write_clients(const struct cert *root, const struct cert *other)
{
	struct cert cert = cert_new((struct cert_spec){ "c", .by = root });
	FILE *file;

	cert_write(at("client.crt"), &cert, NULL, NULL);
	cert_write(at("client.key"), NULL, NULL, &cert);
	cert_write(at("client.pem"), &cert, NULL, &cert);
	if ((file = fopen(at("locked.pem"), "w")) == NULL ||
	    PEM_write_X509(file, cert.x509) != 1 ||
	    PEM_write_PrivateKey(file, cert.key, EVP_aes_128_cbc(),
	    (const unsigned char *)"secret", 6, NULL, NULL) != 1 ||
	    fclose(file) == EOF)
		abort();
	cert_free(&cert);
	write_leaf("stranger.pem", (struct cert_spec){ "c", .by = other });
	write_leaf("old-client.pem", (struct cert_spec){ "c", .by = root,
	    .from_s = -7200, .to_s = -3600 });
	write_leaf("uuid-cn.pem", (struct cert_spec){ UUID, .by = root });
	write_leaf("uuid-dns.pem", (struct cert_spec){ "c", .by = root,
	    .san = "DNS:a.test,DNS:" UUID_HEX });
	write_leaf("uuid-uri.pem", (struct cert_spec){ "c", .by = root,
	    .san = "URI:urn:uuid:" UUID });
	write_leaf("uuid-none.pem", (struct cert_spec){
	    "8b9ad3a1-0c4e-4d2f-9a55-b6f1c9e6a3f1", .by = root,
	    .san = "DNS:" UUID ".test,URI:http://" UUID "/,email:a@b.test" });
}

static void
write_files(void)
{
	static const char san[] =
	    "DNS:good.test,DNS:*.wild.test,IP:127.0.0.1,IP:::1";
	struct cert root = cert_new((struct cert_spec){ "r", .ca = true });
	struct cert other = cert_new((struct cert_spec){ "o", .ca = true });
	struct cert middle = cert_new((struct cert_spec){ "m", .by = &root,
	    .ca = true });
	struct cert good = cert_new((struct cert_spec){ "g", san,
	    .by = &middle });

	cert_write(at("root.pem"), &root, NULL, NULL);
	cert_write(at("other.pem"), &other, NULL, NULL);
	cert_write(at("good.pem"), &good, &middle, &good);
	cert_write(at("unchained.pem"), &good, NULL, &good);
	write_leaf("wrong.pem", (struct cert_spec){ "good.test",
	    "DNS:bad.test,IP:192.0.2.1", .by = &root });
	write_leaf("unknown.pem", (struct cert_spec){ "u", san,
	    .by = &other });
	write_leaf("expired.pem", (struct cert_spec){ "e", san, .by = &root,
	    .from_s = -7200, .to_s = -3600 });
	write_leaf("early.pem", (struct cert_spec){ "e", san, .by = &root,
	    .from_s = 3600, .to_s = 7200 });
	write_leaf("self.pem", (struct cert_spec){ .cn = "s",
	    .san = san });
	write_clients(&root, &other);
	put_text("text.pem", "nothing of the kind\n");
	cert_free(&root);
	cert_free(&other);
	cert_free(&middle);
	cert_free(&good);
}

/* -- pairs ---------------------------------------------------------------- */

struct pair {
	int		 fd[2];
	struct d4_tls	*client, *server;
	int		 client_rc, server_rc;
};

static struct d4_tls_context *
client_context(const char *ca, const char *cert, bool insecure)
{
	struct d4_tls_client client = {
		.ca = ca, .cert = cert, .insecure = insecure
	};
	struct d4_tls_context *context = d4_tls_client_new(&client, why);

	if (context == NULL) {
		diag("%s", why);
		abort();
	}
	return context;
}

static struct d4_tls_context *
server_context(const char *cert, const char *client_ca)
{
	struct d4_tls_server server = {
		.cert = cert, .client_ca = client_ca
	};
	struct d4_tls_context *context = d4_tls_server_new(&server, why);

	if (context == NULL) {
		diag("%s", why);
		abort();
	}
	return context;
}

static void
join(int fd[2])
{
	int i;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == -1)
		abort();
	for (i = 0; i < 2; i++)
		(void)fcntl(fd[i], F_SETFL, O_NONBLOCK);
}

/* Takes the contexts. */
static void
pair_new(struct pair *pair, struct d4_tls_context *client,
    struct d4_tls_context *server, const char *host)
{
	join(pair->fd);
	pair->client = d4_tls_new(client, pair->fd[0], host);
	pair->server = d4_tls_new(server, pair->fd[1], NULL);
	if (pair->client == NULL || pair->server == NULL)
		abort();
	d4_tls_context_free(client);
	d4_tls_context_free(server);
}

static void
pair_free(struct pair *pair)
{
	d4_tls_free(pair->client);
	d4_tls_free(pair->server);
	close(pair->fd[0]);
	close(pair->fd[1]);
}

/* Whether both are done. */
static bool
shake(struct pair *pair)
{
	int i;

	pair->client_rc = pair->server_rc = D4_TLS_AGAIN;
	for (i = 0; i < TURNS && (pair->client_rc == D4_TLS_AGAIN ||
	    pair->server_rc == D4_TLS_AGAIN); i++) {
		if (pair->client_rc == D4_TLS_AGAIN)
			pair->client_rc = d4_tls_handshake(pair->client);
		if (pair->server_rc == D4_TLS_AGAIN)
			pair->server_rc = d4_tls_handshake(pair->server);
	}
	return pair->client_rc == 0 && pair->server_rc == 0;
}

/* A pair that trusts each other. */
static void
pair_good(struct pair *pair)
{
	pair_new(pair, client_context(at("root.pem"), NULL, false),
	    server_context(at("good.pem"), NULL), "good.test");
	if (!shake(pair)) {
		diag("%s, %s", d4_tls_why(pair->client),
		    d4_tls_why(pair->server));
		abort();
	}
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
waiting(int fd)
{
	int bytes = -1;

	(void)ioctl(fd, FIONREAD, &bytes);
	return bytes;
}

/* -- verification --------------------------------------------------------- */

static void
test_names(void)
{
	static const struct {
		const char *host;
		bool good;
	} t[] = {
		{ "good.test", true }, { "GOOD.test", true },
		{ "good.test.", true }, { "a.wild.test", true },
		{ "127.0.0.1", true }, { "::1", true }, { "::1%lo", true },
		{ "g", false }, { "wild.test", false },
		{ "a.b.wild.test", false }, { "xgood.test", false },
		{ "127.0.0.2", false }, { "::2", false },
	};
	struct pair pair;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		pair_new(&pair, client_context(at("root.pem"), NULL, false),
		    server_context(at("good.pem"), NULL), t[i].host);
		ok(shake(&pair) == t[i].good && (t[i].good ||
		    has(d4_tls_why(pair.client), "for another name")),
		    "%s is %s", t[i].host, t[i].good ? "taken" : "refused");
		pair_free(&pair);
	}
}

static void
test_verify(void)
{
	static const struct {
		const char *cert, *client, *server;
	} t[] = {
		{ "wrong.pem", "certificate is for another name", "" },
		{ "unknown.pem", "certificate is by an unknown CA",
		    "unknown ca" },
		{ "unchained.pem", "certificate is by an unknown CA",
		    "unknown ca" },
		{ "expired.pem", "certificate has expired",
		    "certificate expired" },
		{ "early.pem", "certificate is not yet valid", "" },
		{ "self.pem", "certificate is self-signed", "unknown ca" },
	};
	struct pair pair;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		pair_new(&pair, client_context(at("root.pem"), NULL, false),
		    server_context(at(t[i].cert), NULL), "good.test");
		ok(!shake(&pair) && pair.client_rc == D4_TLS_FAILED &&
		    strcmp(d4_tls_why(pair.client), t[i].client) == 0,
		    "%s: %s", t[i].cert, d4_tls_why(pair.client));
		ok(pair.server_rc == D4_TLS_FAILED &&
		    has(d4_tls_why(pair.server), "refused by the peer: ") &&
		    has(d4_tls_why(pair.server), t[i].server),
		    "the server hears: %s", d4_tls_why(pair.server));
		is(d4_tls_handshake(pair.client), D4_TLS_FAILED,
		    "and that is for good");
		pair_free(&pair);
		pair_new(&pair, client_context(at("root.pem"), NULL, true),
		    server_context(at(t[i].cert), NULL), "good.test");
		ok(shake(&pair), "%s: taken with insecure", t[i].cert);
		pair_free(&pair);
	}
	/* Without a file it is the system's store that has none of ours. */
	pair_new(&pair, client_context(NULL, NULL, false),
	    server_context(at("good.pem"), NULL), "good.test");
	ok(!shake(&pair) && has(d4_tls_why(pair.client), "unknown CA"),
	    "the system's store: %s", d4_tls_why(pair.client));
	pair_free(&pair);
}

/* With TLS 1.3 a client is done before the server has judged it: the refusal
 * comes with the first read. */
static void
test_mutual(void)
{
	static const struct {
		const char *cert, *client, *server;
	} t[] = {
		{ NULL, "certificate required", "did not return" },
		{ "stranger.pem", "unknown ca",
		    "certificate is by an unknown CA" },
		{ "old-client.pem", "certificate expired",
		    "certificate has expired" },
	};
	struct pair pair;
	char byte;
	size_t i;

	pair_new(&pair, client_context(at("root.pem"), at("client.pem"),
	    false), server_context(at("good.pem"), at("root.pem")),
	    "good.test");
	ok(shake(&pair), "a client's certificate is taken");
	pair_free(&pair);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		pair_new(&pair, client_context(at("root.pem"), t[i].cert ==
		    NULL ? NULL : at(t[i].cert), false),
		    server_context(at("good.pem"), at("root.pem")),
		    "good.test");
		ok(!shake(&pair) && pair.server_rc == D4_TLS_FAILED &&
		    has(d4_tls_why(pair.server), t[i].server),
		    "refused: %s", d4_tls_why(pair.server));
		ok(d4_tls_read(pair.client, &byte, 1) == D4_TLS_FAILED &&
		    has(d4_tls_why(pair.client), "refused by the peer: ") &&
		    has(d4_tls_why(pair.client), t[i].client),
		    "the client hears: %s", d4_tls_why(pair.client));
		pair_free(&pair);
	}
}

static void
test_uuid(void)
{
	static const struct {
		const char *cert;
		bool bears;
	} t[] = {
		{ "uuid-cn.pem", true }, { "uuid-dns.pem", true },
		{ "uuid-uri.pem", true }, { "uuid-none.pem", false },
		{ "client.pem", false },
	};
	uint8_t uuid[D4_UUID_LEN];
	struct pair pair;
	size_t i;

	if (d4_uuid_parse(uuid, UUID) == -1)
		abort();
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		pair_new(&pair, client_context(at("root.pem"), at(t[i].cert),
		    false), server_context(at("good.pem"), at("root.pem")),
		    "good.test");
		ok(shake(&pair) && d4_tls_peer_has_uuid(pair.server, uuid) ==
		    t[i].bears, "%s %s the uuid", t[i].cert,
		    t[i].bears ? "bears" : "does not bear");
		pair_free(&pair);
	}
	pair_good(&pair);
	ok(!d4_tls_peer_has_uuid(pair.server, uuid), "no certificate");
	pair_free(&pair);
}

/* -- files that are not right --------------------------------------------- */

static void
test_files(void)
{
	struct d4_tls_client c[] = {
		{ .ca = "/nonexistent/ca.pem" },
		{ .ca = at("text.pem") },
		{ .ca = at("root.pem"), .cert = at("text.pem") },
	};
	struct d4_tls_server s[] = {
		{ .cert = "/nonexistent/server.pem" },
		{ .cert = at("good.pem"), .client_ca = "/nonexistent/ca" },
	};
	struct d4_tls_context *context;
	struct d4_tls_client split = { 0 };
	struct d4_tls_server server = { 0 };

	ok(d4_tls_client_new(&c[0], why) == NULL && has(why, c[0].ca) &&
	    has(why, "No such file"), "%s", why);
	ok(d4_tls_client_new(&c[1], why) == NULL && has(why, c[1].ca), "%s",
	    why);
	ok(d4_tls_client_new(&c[2], why) == NULL && has(why, c[2].cert) &&
	    has(why, "no certificate in"), "%s", why);
	ok(d4_tls_server_new(&s[0], why) == NULL && has(why, s[0].cert) &&
	    has(why, "No such file"), "%s", why);
	ok(d4_tls_server_new(&s[1], why) == NULL && has(why, s[1].client_ca) &&
	    has(why, "No such file"), "%s", why);

	server.cert = at("root.pem");
	ok(d4_tls_server_new(&server, why) == NULL &&
	    has(why, "no private key"), "%s", why);
	server.cert = at("locked.pem");
	ok(d4_tls_server_new(&server, why) == NULL &&
	    has(why, "behind a password"), "%s", why);
	split.cert = at("client.crt");
	split.key = at("client.key");
	context = d4_tls_client_new(&split, why);
	ok(context != NULL, "certificate and key in two files");
	d4_tls_context_free(context);
	split.key = at("good.pem");
	ok(d4_tls_client_new(&split, why) == NULL && has(why, split.key) &&
	    has(why, "another certificate"), "%s", why);
}

static void
test_new(void)
{
	struct d4_tls_context *context = client_context(NULL, NULL, true);
	char host[257];

	memset(host, 'a', 256);
	host[256] = '\0';
	ok(d4_tls_new(context, 0, host) == NULL, "a host of 256 bytes");
	ok(d4_tls_new(context, 0, "") == NULL, "an empty host");
	d4_tls_context_free(context);
	d4_tls_context_free(NULL);
	d4_tls_free(NULL);
}

/* -- the protocol, against OpenSSL as it is ------------------------------- */

static SSL *
raw_new(SSL_CTX *ctx, int fd, bool server)
{
	SSL *ssl = SSL_new(ctx);

	if (ssl == NULL || SSL_set_fd(ssl, fd) != 1)
		abort();
	if (server)
		SSL_set_accept_state(ssl);
	else
		SSL_set_connect_state(ssl);
	return ssl;
}

static SSL_CTX *
raw_context(int version, const char *suites, bool server)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());

	if (ctx == NULL || SSL_CTX_set_cipher_list(ctx, suites) != 1 ||
	    SSL_CTX_set_min_proto_version(ctx, version) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, version) != 1 ||
	    (server && (SSL_CTX_use_certificate_chain_file(ctx,
	    at("good.pem")) != 1 || SSL_CTX_use_PrivateKey_file(ctx,
	    at("good.pem"), SSL_FILETYPE_PEM) != 1)))
		abort();
	return ctx;
}

/* Whether both are done. */
static bool
shake_raw(struct d4_tls *ours, SSL *theirs)
{
	int i, our = D4_TLS_AGAIN, their = -1;

	for (i = 0; i < TURNS && (our == D4_TLS_AGAIN || their == -1); i++) {
		if (our == D4_TLS_AGAIN)
			our = d4_tls_handshake(ours);
		if (their == -1 && (their = SSL_do_handshake(theirs)) != 1 &&
		    SSL_get_error(theirs, their) == SSL_ERROR_WANT_READ)
			their = -1;
		else if (their != 1)
			their = 0;
	}
	return our == 0 && their == 1;
}

static void
check_suite(int version, const char *suites, bool server, bool good,
    const char *part)
{
	struct d4_tls_context *context = server ?
	    client_context(at("root.pem"), NULL, false) :
	    server_context(at("good.pem"), NULL);
	SSL_CTX *ctx = raw_context(version, suites, server);
	const char *said;
	struct d4_tls *ours;
	SSL *theirs;
	bool done;
	int fd[2];

	join(fd);
	ours = d4_tls_new(context, fd[0], server ? "good.test" : NULL);
	theirs = raw_new(ctx, fd[1], server);
	done = shake_raw(ours, theirs);
	said = done ? d4_tls_cipher(ours) : d4_tls_why(ours);
	ok(done == good && has(said, part), "a %s with %s: %s",
	    server ? "server" : "client", suites, said);
	if (done)
		ok(strcmp(d4_tls_version(ours), SSL_get_version(theirs)) == 0,
		    "over %s", d4_tls_version(ours));
	SSL_free(theirs);
	SSL_CTX_free(ctx);
	d4_tls_free(ours);
	d4_tls_context_free(context);
	close(fd[0]);
	close(fd[1]);
}

static void
test_protocol(void)
{
	static const char all[] = "ALL:@SECLEVEL=0";
	static const char gcm[] = "ECDHE-ECDSA-AES256-GCM-SHA384";
	static const char chacha[] = "ECDHE-ECDSA-CHACHA20-POLY1305";
	static const char cbc[] = "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0";

	check_suite(TLS1_3_VERSION, "DEFAULT", false, true, "TLS_");
	check_suite(TLS1_3_VERSION, "DEFAULT", true, true, "TLS_");
	check_suite(TLS1_2_VERSION, gcm, false, true, gcm);
	check_suite(TLS1_2_VERSION, gcm, true, true, gcm);
	check_suite(TLS1_2_VERSION, chacha, false, true, chacha);
	check_suite(TLS1_2_VERSION, cbc, false, false, "no shared cipher");
	check_suite(TLS1_2_VERSION, cbc, true, false, "handshake failure");
	check_suite(TLS1_1_VERSION, all, false, false, "protocol");
	check_suite(TLS1_1_VERSION, all, true, false, "protocol version");
}

static int sessions;

static int
on_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	(void)session;
	sessions++;
	return 0;
}

/* A client that would take tickets gets none, nor resumes without. */
static void
test_tickets(int version)
{
	struct d4_tls_context *context = server_context(at("good.pem"), NULL);
	SSL_CTX *ctx = raw_context(version, "DEFAULT", false);
	SSL_SESSION *session = NULL;
	struct d4_tls *ours;
	int fd[2], round;
	SSL *theirs;
	char byte;

	sessions = 0;
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
	for (round = 0; round < 2; round++) {
		join(fd);
		ours = d4_tls_new(context, fd[0], NULL);
		theirs = raw_new(ctx, fd[1], false);
		if (session != NULL)
			(void)SSL_set_session(theirs, session);
		if (!shake_raw(ours, theirs))
			abort();
		is(waiting(fd[1]), 0, "%s: nothing after the handshake",
		    d4_tls_version(ours));
		is(SSL_read(theirs, &byte, 1), -1, "nor is there data");
		is(sessions, 0, "no session to keep");
		ok(!SSL_session_reused(theirs), "nothing is resumed");
		SSL_SESSION_free(session);
		session = SSL_get1_session(theirs);
		ok(!SSL_SESSION_has_ticket(session), "nor could it be");
		SSL_free(theirs);
		d4_tls_free(ours);
		close(fd[0]);
		close(fd[1]);
	}
	SSL_SESSION_free(session);
	SSL_CTX_free(ctx);
	d4_tls_context_free(context);
}

/* A server that sends tickets: reading takes them off the socket. */
static void
test_foreign_tickets(void)
{
	struct d4_tls_context *context = client_context(at("root.pem"), NULL,
	    false);
	SSL_CTX *ctx = raw_context(TLS1_3_VERSION, "DEFAULT", true);
	struct d4_tls *ours;
	const char *name;
	SSL *theirs;
	char byte;
	int fd[2];

	join(fd);
	ours = d4_tls_new(context, fd[0], "good.test");
	theirs = raw_new(ctx, fd[1], true);
	if (!shake_raw(ours, theirs))
		abort();
	ok(waiting(fd[0]) > 0, "a server's tickets wait");
	ok(d4_tls_read(ours, &byte, 1) == D4_TLS_AGAIN && waiting(fd[0]) == 0,
	    "and are read away");
	name = SSL_get_servername(theirs, TLSEXT_NAMETYPE_host_name);
	ok(name != NULL && strcmp(name, "good.test") == 0,
	    "the server's name was sent");
	SSL_free(theirs);
	SSL_CTX_free(ctx);
	d4_tls_free(ours);
	d4_tls_context_free(context);
	close(fd[0]);
	close(fd[1]);
}

static void
test_renegotiation(void)
{
	struct d4_tls_context *context = server_context(at("good.pem"), NULL);
	SSL_CTX *ctx = raw_context(TLS1_2_VERSION, "DEFAULT", false);
	int fd[2];
	struct d4_tls *ours;
	SSL *theirs;
	char byte;

	join(fd);
	ours = d4_tls_new(context, fd[0], NULL);
	theirs = raw_new(ctx, fd[1], false);
	if (!shake_raw(ours, theirs) || SSL_renegotiate(theirs) != 1)
		abort();
	is(SSL_do_handshake(theirs), -1, "a client renegotiates");
	is(d4_tls_read(ours, &byte, 1), D4_TLS_AGAIN, "the server does not");
	ok(SSL_do_handshake(theirs) == -1 &&
	    ERR_GET_REASON(ERR_peek_error()) == SSL_R_NO_RENEGOTIATION,
	    "and says so");
	SSL_free(theirs);
	SSL_CTX_free(ctx);
	d4_tls_free(ours);
	d4_tls_context_free(context);
	close(fd[0]);
	close(fd[1]);
}

/* -- the handshake over a bad line ---------------------------------------- */

/* Moves one byte, when there is one. */
static int
move(int from, int to)
{
	char byte;

	return read(from, &byte, 1) == 1 && write(to, &byte, 1) == 1;
}

static void
test_byte_by_byte(void)
{
	struct d4_tls_context *client = client_context(at("root.pem"), NULL,
	    false), *server = server_context(at("good.pem"), NULL);
	int near[2], far[2], i, c = D4_TLS_AGAIN, s = D4_TLS_AGAIN, bytes = 0;
	struct pair pair;

	join(near);
	join(far);
	pair.client = d4_tls_new(client, near[0], "good.test");
	pair.server = d4_tls_new(server, far[0], NULL);
	for (i = 0; i < TURNS && (c == D4_TLS_AGAIN || s == D4_TLS_AGAIN);
	    i++) {
		if (c == D4_TLS_AGAIN)
			c = d4_tls_handshake(pair.client);
		if (s == D4_TLS_AGAIN)
			s = d4_tls_handshake(pair.server);
		if (c == D4_TLS_AGAIN && d4_tls_waits(pair.client) != POLLIN)
			break;
		bytes += move(near[1], far[1]) + move(far[1], near[1]);
	}
	ok(c == 0 && s == 0, "a handshake byte by byte: %d of them", bytes);
	d4_tls_free(pair.client);
	d4_tls_free(pair.server);
	d4_tls_context_free(client);
	d4_tls_context_free(server);
	for (i = 0; i < 2; i++) {
		close(near[i]);
		close(far[i]);
	}
}

static void
test_not_tls(void)
{
	static const char http[] = "HTTP/1.0 400 Bad Request\r\n\r\n";
	struct pair pair;

	pair_new(&pair, client_context(at("root.pem"), NULL, false),
	    server_context(at("good.pem"), NULL), "good.test");
	is(d4_tls_handshake(pair.client), D4_TLS_AGAIN, "nobody answers");
	is(d4_tls_waits(pair.client), POLLIN, "it waits to read");
	(void)!write(pair.fd[1], http, sizeof(http) - 1);
	ok(d4_tls_handshake(pair.client) == D4_TLS_FAILED &&
	    has(d4_tls_why(pair.client), "does not speak TLS"), "%s",
	    d4_tls_why(pair.client));
	pair_free(&pair);

	pair_new(&pair, client_context(at("root.pem"), NULL, false),
	    server_context(at("good.pem"), NULL), "good.test");
	(void)!write(pair.fd[0], "GET / HTTP/1.0\r\n\r\n", 18);
	ok(d4_tls_handshake(pair.server) == D4_TLS_FAILED &&
	    has(d4_tls_why(pair.server), "does not speak TLS"), "%s",
	    d4_tls_why(pair.server));
	pair_free(&pair);

	pair_new(&pair, client_context(at("root.pem"), NULL, false),
	    server_context(at("good.pem"), NULL), "good.test");
	(void)d4_tls_handshake(pair.client);
	(void)d4_tls_handshake(pair.server);
	(void)shutdown(pair.fd[0], SHUT_WR);
	ok(d4_tls_handshake(pair.server) == D4_TLS_FAILED &&
	    has(d4_tls_why(pair.server), "cut off during the handshake"),
	    "%s", d4_tls_why(pair.server));
	pair_free(&pair);
}

/* -- data ----------------------------------------------------------------- */

static void
test_echo(void)
{
	struct pair pair;
	char bytes[16] = "";

	pair_good(&pair);
	ok(strcmp(d4_tls_version(pair.client), "TLSv1.3") == 0, "TLS 1.3");
	ok(d4_tls_read(pair.server, bytes, 4) == D4_TLS_AGAIN &&
	    d4_tls_waits(pair.server) == POLLIN, "nothing to read");
	ok(!d4_tls_pending(pair.server), "nor pending");
	is(d4_tls_write(pair.client, "abcdef", 6), 6, "six bytes written");
	is(d4_tls_read(pair.server, bytes, 4), 4, "four of them read");
	ok(d4_tls_pending(pair.server) && waiting(pair.fd[1]) == 0,
	    "two are pending, unseen by poll");
	is(d4_tls_read(pair.server, bytes + 4, 4), 2, "two read");
	ok(strcmp(bytes, "abcdef") == 0 && !d4_tls_pending(pair.server),
	    "and they are the same");
	pair_free(&pair);
}

/* Many TLS records come with one call, and the first that has not come whole
 * with a later one; what was read too far is not lost. */
static void
test_bulk(void)
{
	enum { LEN = 300000 };
	static uint8_t data[LEN], got[LEN];
	struct pair pair;
	size_t in, i;
	ssize_t n;

	for (i = 0; i < LEN; i++)
		data[i] = (uint8_t)(i * 2654435761u >> 11);
	pair_good(&pair);
	ok(strcmp(d4_tls_cipher(pair.client), "TLS_AES_128_GCM_SHA256") == 0,
	    "the fastest suite is agreed on");
	n = d4_tls_write(pair.client, data, 100000);
	is(n, 100000, "several records are written at once");
	is(d4_tls_read(pair.server, got, LEN), n, "and read at once");
	ok(memcmp(data, got, 100000) == 0, "the same");
	for (i = 0; i < 100; i++)
		(void)d4_tls_write(pair.client, data + 7 * i, 7);
	is(d4_tls_read(pair.server, got, LEN), 700, "small ones too");
	ok(memcmp(data, got, 700) == 0, "the same");
	for (i = 0; i < 50; i++)
		(void)d4_tls_write(pair.client, data + 1000 * i, 1000);
	for (in = 0; in < 50000; in += (size_t)n) {
		if ((n = d4_tls_read(pair.server, got + in, 1 + in % 999)) <= 0)
			break;
	}
	ok(in == 50000 && memcmp(data, got, in) == 0,
	    "or in pieces, with a rest kept each time");
	is(waiting(pair.fd[1]), 0, "the socket is empty");
	ok(!d4_tls_pending(pair.server), "so is the rest");
	is(d4_tls_read(pair.server, got, LEN), D4_TLS_AGAIN, "that was all");
	(void)d4_tls_write(pair.client, data, 50);
	(void)d4_tls_shutdown(pair.client);
	is(d4_tls_read(pair.server, got, 20), 20,
	    "before the end comes a part");
	ok(d4_tls_pending(pair.server), "of which the rest waits");
	is(d4_tls_read(pair.server, got, LEN), 30, "then that");
	is(d4_tls_read(pair.server, got, LEN), 0, "then the end");
	pair_free(&pair);
}

/* A socket that takes little: short writes, and the same bytes offered again
 * from another place. */
static void
test_full_socket(void)
{
	enum { LEN = 1 << 20 };
	static uint8_t data[LEN], got[LEN];
	size_t out = 0, in = 0, again = 0, shorter = 0, early = 0, i;
	struct pair pair;
	ssize_t n;
	int bytes = 4096;

	for (i = 0; i < LEN; i++)
		data[i] = (uint8_t)(i * 2654435761u >> 13);
	pair_good(&pair);
	(void)setsockopt(pair.fd[0], SOL_SOCKET, SO_SNDBUF, &bytes,
	    sizeof(bytes));
	while (in < LEN) {
		uint8_t *copy = malloc(LEN - out + 1);

		memcpy(copy, data + out, LEN - out);
		while (out < LEN && (n = d4_tls_write(pair.client, copy,
		    LEN - out)) > 0) {
			out += (size_t)n;
			shorter += out < LEN;
			memmove(copy, copy + n, LEN - out);
		}
		free(copy);
		if (out < LEN) {
			if (n != D4_TLS_AGAIN ||
			    d4_tls_waits(pair.client) != POLLOUT)
				break;
			again++;
		}
		while ((n = d4_tls_read(pair.server, got + in,
		    LEN - in)) > 0)
			in += (size_t)n;
		early += in > out;
		if (n != D4_TLS_AGAIN && in < LEN)
			break;
	}
	ok(again > 1, "the socket was full %zu times", again);
	ok(shorter > 1, "%zu writes were short", shorter);
	ok(in == LEN && memcmp(data, got, LEN) == 0, "all arrived");
	is(early, 0, "and nothing that was not said to be written");
	pair_free(&pair);
}

/* -- the end -------------------------------------------------------------- */

static void
test_close(void)
{
	struct pair pair;
	char bytes[8];

	pair_good(&pair);
	is(d4_tls_write(pair.client, "tail", 4), 4, "the tail is written");
	is(d4_tls_shutdown(pair.client), 0, "close_notify sent");
	is(d4_tls_shutdown(pair.client), D4_TLS_AGAIN, "the peer's is to come");
	is(d4_tls_waits(pair.client), POLLIN, "it waits to read");
	is(d4_tls_read(pair.server, bytes, 8), 4, "the tail is read");
	is(d4_tls_read(pair.server, bytes, 8), 0, "then the end");
	is(d4_tls_read(pair.server, bytes, 8), 0, "and the end again");
	is(d4_tls_write(pair.server, "more", 4), 4,
	    "the other way is still open");
	is(d4_tls_shutdown(pair.server), 1, "both have closed");
	is(d4_tls_shutdown(pair.client), 1, "data on the way do no harm");
	ok(d4_tls_write(pair.client, "x", 1) == D4_TLS_FAILED,
	    "nothing is written after the end: %s", d4_tls_why(pair.client));
	pair_free(&pair);

	pair_good(&pair);
	(void)d4_tls_shutdown(pair.server);
	is(d4_tls_read(pair.client, bytes, 8), 0, "the server closed");
	close(pair.fd[1]);
	ok(d4_tls_shutdown(pair.client) == D4_TLS_FAILED &&
	    d4_tls_why(pair.client)[0] != '\0',
	    "and is gone: %s", d4_tls_why(pair.client));
	pair.fd[1] = dup(0);
	pair_free(&pair);
}

static void
test_close_full(void)
{
	struct pair pair;
	char junk[4096] = { 0 };

	pair_good(&pair);
	while (write(pair.fd[0], junk, sizeof(junk)) > 0)
		continue;
	while (write(pair.fd[0], junk, 1) > 0)
		continue;
	ok(d4_tls_shutdown(pair.client) == D4_TLS_AGAIN &&
	    d4_tls_waits(pair.client) == POLLOUT,
	    "no room for close_notify");
	is(d4_tls_shutdown(pair.client), D4_TLS_AGAIN, "still none");
	while (read(pair.fd[1], junk, sizeof(junk)) > 0)
		continue;
	is(d4_tls_shutdown(pair.client), 0, "sent");
	ok(waiting(pair.fd[1]) > 0, "indeed");
	pair_free(&pair);
}

static void
test_cut(void)
{
	static const uint8_t forged[5 + 24] = { 0x17, 3, 3, 0, 24 };
	struct pair pair;
	char bytes[8];

	pair_good(&pair);
	(void)shutdown(pair.fd[0], SHUT_WR);
	ok(d4_tls_read(pair.server, bytes, 8) == D4_TLS_FAILED &&
	    strcmp(d4_tls_why(pair.server), "cut off") == 0, "%s",
	    d4_tls_why(pair.server));
	ok(d4_tls_read(pair.server, bytes, 8) == D4_TLS_FAILED &&
	    d4_tls_write(pair.server, bytes, 8) == D4_TLS_FAILED &&
	    d4_tls_shutdown(pair.server) == D4_TLS_FAILED &&
	    strcmp(d4_tls_why(pair.server), "cut off") == 0, "for good");
	pair_free(&pair);

	pair_good(&pair);	/* within a record */
	(void)!write(pair.fd[0], "\x17\3\3\1", 4);
	(void)shutdown(pair.fd[0], SHUT_WR);
	ok(d4_tls_read(pair.server, bytes, 8) == D4_TLS_FAILED &&
	    strcmp(d4_tls_why(pair.server), "cut off") == 0, "%s",
	    d4_tls_why(pair.server));
	pair_free(&pair);

	pair_good(&pair);
	close(pair.fd[0]);
	ok(d4_tls_write(pair.server, "x", 1) == D4_TLS_FAILED &&
	    has(d4_tls_why(pair.server), strerror(EPIPE)), "%s",
	    d4_tls_why(pair.server));
	pair.fd[0] = dup(0);
	pair_free(&pair);

	pair_good(&pair);
	(void)!write(pair.fd[0], forged, sizeof(forged));
	ok(d4_tls_read(pair.server, bytes, 8) == D4_TLS_FAILED &&
	    d4_tls_why(pair.server)[0] != '\0', "forged: %s",
	    d4_tls_why(pair.server));
	pair_free(&pair);
}

/* -- memory --------------------------------------------------------------- */

static size_t
measure(const char *client_cert, const char *client_ca)
{
	enum { PAIRS = 20 };
	struct d4_tls_context *client = client_context(at("root.pem"),
	    client_cert, false);
	struct d4_tls_context *server = server_context(at("good.pem"),
	    client_ca);
	struct pair pairs[PAIRS];
	size_t i, turn, each;
	char bytes[64] = { 0 };

	counted = 0;
	for (i = 0; i < PAIRS; i++) {
		struct pair *p = &pairs[i];

		join(p->fd);
		p->client = d4_tls_new(client, p->fd[0], "good.test");
		counting = true;
		p->server = d4_tls_new(server, p->fd[1], NULL);
		for (turn = 0; turn < 8; turn++) {
			counting = true;
			(void)d4_tls_handshake(p->server);
			counting = false;
			(void)d4_tls_handshake(p->client);
		}
		(void)d4_tls_write(p->client, bytes, sizeof(bytes));
		counting = true;
		(void)d4_tls_read(p->server, bytes, sizeof(bytes));
		(void)d4_tls_read(p->server, bytes, sizeof(bytes));
		counting = false;
	}
	each = counted / PAIRS;
	for (i = 0; i < PAIRS; i++)
		pair_free(&pairs[i]);
	d4_tls_context_free(client);
	d4_tls_context_free(server);
	return each;
}

static void
test_memory(void)
{
	size_t plain = measure(NULL, NULL);
	size_t mutual = measure(at("client.pem"), at("root.pem"));

	ok(plain > 1000 && plain < 24 * 1024,
	    "an idle connection keeps %zu bytes", plain);
	ok(mutual > 1000 && mutual < 36 * 1024,
	    "with a client's certificate %zu bytes", mutual);
}

int
main(void)
{
	size_t i;

	if (CRYPTO_set_mem_functions(count_malloc, count_realloc,
	    count_free) != 1)
		abort();
	(void)signal(SIGPIPE, SIG_IGN);
	if (mkdtemp(dir) == NULL)
		abort();
	write_files();
	test_names();
	test_verify();
	test_mutual();
	test_uuid();
	test_files();
	test_new();
	test_protocol();
	test_tickets(TLS1_3_VERSION);
	test_tickets(TLS1_2_VERSION);
	test_foreign_tickets();
	test_renegotiation();
	test_byte_by_byte();
	test_not_tls();
	test_echo();
	test_bulk();
	test_full_socket();
	test_close();
	test_close_full();
	test_cut();
	test_memory();
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)unlink(at(names[i]));
	(void)rmdir(dir);
	return tap_done();
}
