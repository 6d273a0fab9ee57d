/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "lib/tls-bio.h"
#include "lib/tls.h"
#include "lib/uuid.h"

#define WHY	256
#define HOST	256
#define SCRAPS	64	/* reads of what nobody wants, at a time */
#define AHEAD	((size_t)128 << 10)	/* to read at once */
#define BATCH	8	/* full TLS records to write at once: 128 KiB */

/* AES with 128 bits is as safe as anyone needs and a quarter faster than with
 * 256: a client asks for it first. */
#define SUITES	"ECDHE+AES128+AESGCM:ECDHE+AESGCM:ECDHE+CHACHA20"
#define SUITES_1_3 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:" \
    "TLS_CHACHA20_POLY1305_SHA256"

struct d4_tls_context {
	SSL_CTX	*ssl;
};

/* TLS records that are encrypted, and not yet written whole. */
struct batch {
	struct {
		size_t	 len;		/* bytes of the caller's in it */
		size_t	 end;		/* of it, in what is gathered */
	}		 records[BATCH];
	size_t		 first, n;
};

struct d4_tls {
	SSL		*ssl;
	struct tls_socket socket;
	struct batch	 batch;
	short		 waits;		/* after AGAIN: POLLIN or POLLOUT */
	bool		 failed;	/* for good */
	bool		 open;		/* the handshake is done */
	bool		 closed;	/* our close_notify is sent */
	bool		 cut_off;	/* the peer's never came */
	char		 why[128];
};

/* -- words ---------------------------------------------------------------- */

static const char *
verify_words(long code)
{
	switch (code) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return "certificate has expired";
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return "certificate is not yet valid";
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		return "certificate is self-signed";
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		return "certificate is by an unknown CA";
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return "certificate is for another name";
	default:
		return X509_verify_cert_error_string(code);
	}
}

/* OpenSSL says "tlsv1 alert unknown ca", whatever the version is. */
static void
describe_alert(char *why, size_t len, const char *text)
{
	const char *alert = text == NULL ? NULL : strstr(text, " alert ");

	snprintf(why, len, "refused by the peer: %s",
	    alert == NULL ? "unknown alert" : alert + strlen(" alert "));
}

/* The oldest error in OpenSSL's queue: later ones tell who passed it on. */
static void
describe(char *why, size_t len, long verified)
{
	unsigned long error = ERR_peek_error();
	int reason = ERR_GET_REASON(error);
	const char *text = ERR_reason_error_string(error);

	if (ERR_SYSTEM_ERROR(error)) {
		text = strerror(reason);
	} else if (ERR_GET_LIB(error) == ERR_LIB_SSL) {
		if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
			text = verify_words(verified);
		else if (reason == SSL_R_WRONG_VERSION_NUMBER ||
		    reason == SSL_R_HTTP_REQUEST)
			text = "the peer does not speak TLS";
		else if (reason > SSL_AD_REASON_OFFSET) {
			describe_alert(why, len, text);
			return;
		}
	}
	snprintf(why, len, "%s", text != NULL ? text : "failure in OpenSSL");
}

/* -- contexts ------------------------------------------------------------- */

/* A library doesn't ask at the terminal. */
static int
no_password(char *buf, int size, int rwflag, void *wanted)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	*(bool *)wanted = true;
	return -1;
}

static SSL_CTX *
make_context(const SSL_METHOD *method)
{
	SSL_CTX *ctx;

	if ((ctx = SSL_CTX_new(method)) == NULL)
		return NULL;
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
	    SSL_OP_NO_RENEGOTIATION);
	/* The system's configuration may hold what would hide a cut. */
	SSL_CTX_clear_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
	    SSL_CTX_set_cipher_list(ctx, SUITES) == 1 &&
	    SSL_CTX_set_ciphersuites(ctx, SUITES_1_3) == 1 &&
	    SSL_CTX_set_num_tickets(ctx, 0) == 1 &&
	    SSL_CTX_set_max_early_data(ctx, 0) == 1 &&
	    SSL_CTX_set_recv_max_early_data(ctx, 0) == 1)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

/* What OpenSSL says of a file can need its source to be understood. */
static const char *
file_words(void)
{
	unsigned long error = ERR_peek_error();
	int lib = ERR_GET_LIB(error), reason = ERR_GET_REASON(error);

	if (lib == ERR_LIB_PEM && reason == PEM_R_NO_START_LINE)
		return "no certificate in PEM";
	if (lib == ERR_LIB_OSSL_DECODER && reason == ERR_R_UNSUPPORTED)
		return "no private key in PEM";
	if (lib == ERR_LIB_X509 && reason == X509_R_KEY_VALUES_MISMATCH)
		return "the key of another certificate";
	return NULL;
}

static int
refuse(char why[WHY], const char *file, const char *reason)
{
	char text[128];

	if (reason == NULL) {
		describe(text, sizeof(text), X509_V_OK);
		reason = text;
	}
	if (file == NULL)
		snprintf(why, WHY, "%s", reason);
	else
		snprintf(why, WHY, "%.*s: %s", WHY - 3 - (int)strlen(reason),
		    file, reason);
	return -1;
}

static int
load_pair(SSL_CTX *ctx, const char *cert, const char *key, char why[WHY])
{
	bool locked = false;
	int rc;

	SSL_CTX_set_default_passwd_cb(ctx, no_password);
	SSL_CTX_set_default_passwd_cb_userdata(ctx, &locked);
	if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
		return refuse(why, cert, file_words());
	rc = SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM);
	SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
	if (rc != 1)
		return refuse(why, key, locked ?
		    "the key is behind a password" : file_words());
	return 0;
}

static int
set_client(SSL_CTX *ctx, const struct d4_tls_client *client, char why[WHY])
{
	const char *key = client->key != NULL ? client->key : client->cert;

	SSL_CTX_set_verify(ctx, client->insecure ? SSL_VERIFY_NONE :
	    SSL_VERIFY_PEER, NULL);
	if (client->ca == NULL) {
		if (SSL_CTX_set_default_verify_paths(ctx) != 1)
			return refuse(why, NULL, NULL);
	} else if (SSL_CTX_load_verify_file(ctx, client->ca) != 1) {
		return refuse(why, client->ca, file_words());
	}
	return client->cert == NULL ? 0 :
	    load_pair(ctx, client->cert, key, why);
}

static int
set_server(SSL_CTX *ctx, const struct d4_tls_server *server, char why[WHY])
{
	STACK_OF(X509_NAME) *names;

	/* Of many connections most are idle.  A client has one, and would get
	 * a buffer anew for each TLS record. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	/* NOLINTNEXTLINE(clang-analyzer-core.*): it is one or the other */
	if (load_pair(ctx, server->cert, server->cert, why) == -1)
		return -1;
	if (server->client_ca == NULL)
		return 0;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER |
	    SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	if (SSL_CTX_load_verify_file(ctx, server->client_ca) != 1 ||
	    (names = SSL_load_client_CA_file(server->client_ca)) == NULL)
		return refuse(why, server->client_ca, file_words());
	SSL_CTX_set_client_CA_list(ctx, names);		/* takes names */
	return 0;
}

static struct d4_tls_context *
new_context(const struct d4_tls_client *client,
    const struct d4_tls_server *server, char why[WHY])
{
	struct d4_tls_context *context;

	/* exit(3) must not take away what another thread still uses. */
	(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
	ERR_clear_error();
	if ((context = calloc(1, sizeof(*context))) == NULL) {
		snprintf(why, WHY, "%s", strerror(errno));
		return NULL;
	}
	context->ssl = make_context(client != NULL ? TLS_client_method() :
	    TLS_server_method());
	if (context->ssl == NULL) {
		(void)refuse(why, NULL, NULL);
		goto err;
	}
	if ((client != NULL ? set_client(context->ssl, client, why) :
	    set_server(context->ssl, server, why)) == -1)
		goto err;
	ERR_clear_error();
	return context;

err:
	ERR_clear_error();
	d4_tls_context_free(context);
	return NULL;
}

struct d4_tls_context *
d4_tls_client_new(const struct d4_tls_client *client, char why[WHY])
{
	return new_context(client, NULL, why);
}

struct d4_tls_context *
d4_tls_server_new(const struct d4_tls_server *server, char why[WHY])
{
	return new_context(NULL, server, why);
}

void
d4_tls_context_free(struct d4_tls_context *context)
{
	if (context == NULL)
		return;
	SSL_CTX_free(context->ssl);
	free(context);
}

/* -- connections ---------------------------------------------------------- */

/* Whom the certificate must be for; names are sent too, without the dot that
 * ends them for the resolver alone. */
static int
expect(SSL *ssl, const char *host)
{
	char name[HOST];
	size_t len;

	len = strcspn(host, "%");	/* a zone is nobody else's business */
	if (len == 0 || len >= sizeof(name))
		return -1;
	memcpy(name, host, len);
	name[len] = '\0';
	if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1)
		return 0;
	if (len > 1 && name[len - 1] == '.')
		name[len - 1] = '\0';
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, name) == 1 &&
	    SSL_set_tlsext_host_name(ssl, name) == 1 ? 0 : -1;
}

struct d4_tls *
d4_tls_new(struct d4_tls_context *context, int fd, const char *host)
{
	struct d4_tls *tls;
	BIO *bio;

	ERR_clear_error();
	if ((tls = calloc(1, sizeof(*tls))) == NULL)
		return NULL;
	tls->socket.fd = fd;
	if ((tls->ssl = SSL_new(context->ssl)) == NULL ||
	    (bio = tls_bio_new(&tls->socket)) == NULL)
		goto err;
	SSL_set_bio(tls->ssl, bio, bio);	/* takes bio */
	if (host != NULL && expect(tls->ssl, host) == -1)
		goto err;
	if (host != NULL)
		SSL_set_connect_state(tls->ssl);
	else
		SSL_set_accept_state(tls->ssl);
	return tls;

err:
	d4_tls_free(tls);
	return NULL;
}

void
d4_tls_free(struct d4_tls *tls)
{
	if (tls == NULL)
		return;
	SSL_free(tls->ssl);
	tls_socket_free(&tls->socket);
	free(tls);
}

/* Before each call: what OpenSSL says of it must not be of an older one. */
static bool
ready(struct d4_tls *tls)
{
	ERR_clear_error();
	errno = 0;
	return !tls->failed;
}

static int
fail(struct d4_tls *tls, const char *why)
{
	tls->failed = true;
	snprintf(tls->why, sizeof(tls->why), "%s", why);
	return D4_TLS_FAILED;
}

/* What a call that gave rc amounts to: 0 for the peer's close_notify, AGAIN or
 * FAILED. */
static int
judge(struct d4_tls *tls, int rc)
{
	int error = errno;

	switch (SSL_get_error(tls->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		tls->waits = POLLIN;
		return D4_TLS_AGAIN;
	case SSL_ERROR_WANT_WRITE:
		tls->waits = POLLOUT;
		return D4_TLS_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	}
	tls->failed = true;
	if (ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_SSL &&
	    ERR_GET_REASON(ERR_peek_error()) ==
	    SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		tls->cut_off = true;
		snprintf(tls->why, sizeof(tls->why), "cut off%s",
		    tls->open ? "" : " during the handshake");
	} else if (ERR_peek_error() == 0 && error != 0)
		snprintf(tls->why, sizeof(tls->why), "%s", strerror(error));
	else
		describe(tls->why, sizeof(tls->why),
		    SSL_get_verify_result(tls->ssl));
	ERR_clear_error();
	return D4_TLS_FAILED;
}

/* The same for calls that did not ask for the end. */
static int
judge_sent(struct d4_tls *tls, int rc)
{
	if ((rc = judge(tls, rc)) != 0)
		return rc;
	return fail(tls, "closed by the peer");
}

int
d4_tls_handshake(struct d4_tls *tls)
{
	int rc;

	if (!ready(tls))
		return D4_TLS_FAILED;
	if ((rc = SSL_do_handshake(tls->ssl)) != 1)
		return judge_sent(tls, rc);
	tls->open = true;
	return 0;
}

ssize_t
d4_tls_read(struct d4_tls *tls, void *bytes, size_t len)
{
	uint8_t ahead[AHEAD];
	size_t got = 0, n;
	int rc;

	if (!ready(tls))
		return D4_TLS_FAILED;
	tls_socket_ahead(&tls->socket, ahead, sizeof(ahead));
	do {
		/* About what it takes for the rest, with headers and tags. */
		tls->socket.want = len - got + (len - got) / 256 + 64;
		tls->socket.content = got > 0;
		rc = SSL_read_ex(tls->ssl, (uint8_t *)bytes + got, len - got,
		    &n);
		if (rc == 1)
			got += n;
	} while (rc == 1 && got < len);
	if (rc != 1)
		rc = judge(tls, rc);
	if (tls_socket_keep(&tls->socket) == -1)
		return fail(tls, "not enough memory");
	/* What is wrong behind the bytes is for the next call to say. */
	return got > 0 ? (ssize_t)got : rc;
}

/* Encrypts what is written at once.  Returns 0, D4_TLS_AGAIN, or
 * D4_TLS_FAILED. */
static int
encrypt(struct d4_tls *tls, const uint8_t *bytes, size_t len)
{
	struct batch *b = &tls->batch;
	size_t n, at = 0;
	int rc = 1;

	tls->socket.gather = true;
	for (; at < len && b->n < BATCH; at += n) {
		rc = SSL_write_ex(tls->ssl, bytes + at, len - at, &n);
		if (rc != 1)
			break;
		b->records[b->n].len = n;
		b->records[b->n++].end = tls->socket.out_len;
	}
	tls->socket.gather = false;
	return rc == 1 ? 0 : judge_sent(tls, rc);
}

/* How many of the caller's bytes the peer can read by now, which were not yet
 * said to be written. */
static size_t
count_written(struct d4_tls *tls, bool all)
{
	struct batch *b = &tls->batch;
	size_t put = 0;

	while (b->first < b->n && (all ||
	    b->records[b->first].end <= tls->socket.out_at))
		put += b->records[b->first++].len;
	if (b->first == b->n)
		b->first = b->n = 0;
	return put;
}

ssize_t
d4_tls_write(struct d4_tls *tls, const void *bytes, size_t len)
{
	size_t put;
	int rc;

	if (!ready(tls))
		return D4_TLS_FAILED;
	if (tls->batch.n == 0 && (rc = encrypt(tls, bytes, len)) != 0)
		return rc;
	rc = tls_socket_flush(&tls->socket);
	put = count_written(tls, rc == 0);
	if (rc == -1 && errno != EAGAIN && errno != EWOULDBLOCK)
		rc = fail(tls, strerror(errno));
	else if (rc == -1) {
		tls->waits = POLLOUT;
		rc = D4_TLS_AGAIN;
	}
	/* What went wrong behind these is for the next call to say. */
	return put > 0 ? (ssize_t)put : rc;
}

int
d4_tls_shutdown(struct d4_tls *tls)
{
	char scrap[4096];
	ssize_t got;
	int rc, i;

	if (!ready(tls))
		return D4_TLS_FAILED;
	if (!tls->closed) {
		if ((rc = SSL_shutdown(tls->ssl)) < 0)
			return judge_sent(tls, rc);
		tls->closed = true;
		return rc;
	}
	/* SSL_shutdown() takes data on the way for a fault.  Who goes on
	 * sending does not hold us. */
	for (i = 0; i < SCRAPS; i++) {
		if ((got = d4_tls_read(tls, scrap, sizeof(scrap))) <= 0)
			return got == 0 ? 1 : (int)got;
	}
	tls->waits = POLLIN;
	return D4_TLS_AGAIN;
}

bool
d4_tls_cut_off(const struct d4_tls *tls)
{
	return tls->cut_off;
}

short
d4_tls_waits(const struct d4_tls *tls)
{
	return tls->waits;
}

bool
d4_tls_pending(const struct d4_tls *tls)
{
	return SSL_pending(tls->ssl) > 0 || tls->socket.kept != NULL;
}

const char *
d4_tls_why(const struct d4_tls *tls)
{
	return tls->why;
}

const char *
d4_tls_version(const struct d4_tls *tls)
{
	return SSL_get_version(tls->ssl);
}

const char *
d4_tls_cipher(const struct d4_tls *tls)
{
	return SSL_get_cipher_name(tls->ssl);
}

/* -- the peer's certificate ----------------------------------------------- */

static bool
spells(const ASN1_STRING *text, const uint8_t uuid[D4_UUID_LEN])
{
	uint8_t bytes[D4_UUID_LEN];
	char copy[64];
	int len = ASN1_STRING_length(text);

	if (len < 0 || (size_t)len >= sizeof(copy))
		return false;
	memcpy(copy, ASN1_STRING_get0_data(text), (size_t)len);
	copy[len] = '\0';
	return strlen(copy) == (size_t)len &&
	    d4_uuid_parse(bytes, copy) == 0 &&
	    memcmp(bytes, uuid, sizeof(bytes)) == 0;
}

static bool
in_common_name(X509 *cert, const uint8_t uuid[D4_UUID_LEN])
{
	X509_NAME *name = X509_get_subject_name(cert);
	int at = -1;

	while ((at = X509_NAME_get_index_by_NID(name, NID_commonName,
	    at)) >= 0) {
		if (spells(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name,
		    at)), uuid))
			return true;
	}
	return false;
}

static bool
in_alternative_name(X509 *cert, const uint8_t uuid[D4_UUID_LEN])
{
	GENERAL_NAMES *names;
	bool found = false;
	int i;

	names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	for (i = 0; !found && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_DNS)
			found = spells(name->d.dNSName, uuid);
		else if (name->type == GEN_URI)
			found = spells(name->d.uniformResourceIdentifier,
			    uuid);
	}
	GENERAL_NAMES_free(names);
	return found;
}

bool
d4_tls_peer_has_uuid(const struct d4_tls *tls, const uint8_t uuid[D4_UUID_LEN])
{
	X509 *cert = SSL_get0_peer_certificate(tls->ssl);

	return cert != NULL && (in_common_name(cert, uuid) ||
	    in_alternative_name(cert, uuid));
}
