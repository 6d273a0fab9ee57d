/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <netinet/in.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "lib/cert.h"

#define SERIAL		16	/* bytes, of which the first bit is 0 */
#define BEFORE_S	3600	/* clocks may be wrong by as much */
#define DAY_S		86400L

struct d4_cert {
	X509		*x509;
	EVP_PKEY	*key;		/* or NULL */
};

static struct d4_cert *
fault(struct d4_cert *cert, char why[256], const char *reason)
{
	unsigned long code = ERR_peek_last_error();

	if (reason == NULL && code != 0)
		reason = ERR_reason_error_string(code);
	ERR_clear_error();
	(void)snprintf(why, 256, "%s", reason != NULL ? reason :
	    "not enough memory");
	d4_cert_free(cert);
	return NULL;
}

/* -- making ---------------------------------------------------------------- */

static bool
is_address(const char *name)
{
	uint8_t bytes[16];

	return inet_pton(AF_INET, name, bytes) == 1 ||
	    inet_pton(AF_INET6, name, bytes) == 1;
}

bool
d4_cert_name_ok(const char *name)
{
	static const char part[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
	const char *p = name;
	size_t n;

	if (is_address(name))
		return true;
	if (p[0] == '*' && p[1] == '.')
		p += 2;
	for (;;) {
		n = strspn(p, part);
		if (n == 0 || n > 63 || *p == '-' || strlen(name) > 253)
			return false;
		p += n;
		if (*p == '\0')
			return true;
		if (*p++ != '.')
			return false;
	}
}

static int
extend(X509 *x509, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *extension;
	X509V3_CTX ctx;
	int ok;

	X509V3_set_ctx(&ctx, issuer, x509, NULL, NULL, 0);
	if ((extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value)) == NULL)
		return 0;
	ok = X509_add_ext(x509, extension, -1);
	X509_EXTENSION_free(extension);
	return ok;
}

/* The names as OpenSSL's extension wants them, checked before. */
static int
add_names(X509 *x509, X509 *issuer, const struct d4_cert_spec *spec)
{
	char *text, *p;
	size_t i, size = 1;
	int ok;

	if (spec->nnames == 0)
		return 1;
	for (i = 0; i < spec->nnames; i++)
		size += strlen(spec->names[i]) + 5;
	if ((text = malloc(size)) == NULL)
		return 0;
	for (i = 0, p = text; i < spec->nnames; i++)
		p += snprintf(p, size - (size_t)(p - text), "%s%s:%s",
		    i > 0 ? "," : "",
		    is_address(spec->names[i]) ? "IP" : "DNS", spec->names[i]);
	ok = extend(x509, issuer, NID_subject_alt_name, text);
	free(text);
	return ok;
}

static int
add_extensions(X509 *x509, X509 *issuer, const struct d4_cert_spec *spec)
{
	bool ca = spec->kind == D4_CERT_CA;

	return extend(x509, issuer, NID_basic_constraints, ca ?
	    "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE") &&
	    extend(x509, issuer, NID_key_usage, ca ?
	    "critical,keyCertSign,cRLSign" : "critical,digitalSignature") &&
	    (ca || extend(x509, issuer, NID_ext_key_usage,
	    spec->kind == D4_CERT_SERVER ? "serverAuth" : "clientAuth")) &&
	    extend(x509, issuer, NID_subject_key_identifier, "hash") &&
	    extend(x509, issuer, NID_authority_key_identifier, "keyid") &&
	    add_names(x509, issuer, spec);
}

static int
set_serial(X509 *x509)
{
	unsigned char bytes[SERIAL];
	BIGNUM *n;
	int ok;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return 0;
	bytes[0] = (bytes[0] & 0x7f) | 0x40;
	if ((n = BN_bin2bn(bytes, sizeof(bytes), NULL)) == NULL)
		return 0;
	ok = BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x509)) != NULL;
	BN_free(n);
	return ok;
}

static int
set_time(X509 *x509, const X509 *issuer, unsigned days)
{
	const ASN1_TIME *end = X509_get0_notAfter(issuer);

	if (X509_gmtime_adj(X509_getm_notBefore(x509), -BEFORE_S) == NULL ||
	    X509_gmtime_adj(X509_getm_notAfter(x509),
	    (long)days * DAY_S) == NULL)
		return 0;
	return x509 == issuer ||
	    ASN1_TIME_compare(X509_get0_notAfter(x509), end) <= 0 ||
	    X509_set1_notAfter(x509, end);
}

static int
set_subject(X509 *x509, const char *cn)
{
	return X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN",
	    MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0);
}

struct d4_cert *
d4_cert_new(const struct d4_cert_spec *spec, char why[256])
{
	const struct d4_cert *by;
	struct d4_cert *cert;

	ERR_clear_error();
	if (spec->ca != NULL && spec->ca->key == NULL)
		return fault(NULL, why, "the authority's key is missing");
	if ((cert = calloc(1, sizeof(*cert))) == NULL)
		return fault(NULL, why, NULL);
	by = spec->ca != NULL ? spec->ca : cert;
	if (spec->key != NULL && (cert->key = spec->key->key) != NULL)
		(void)EVP_PKEY_up_ref(cert->key);
	else
		cert->key = EVP_EC_gen("P-256");
	cert->x509 = X509_new();
	if (cert->key == NULL || cert->x509 == NULL ||
	    !X509_set_version(cert->x509, X509_VERSION_3) ||
	    !set_serial(cert->x509) ||
	    !set_time(cert->x509, by->x509, spec->days) ||
	    !X509_set_pubkey(cert->x509, cert->key) ||
	    !set_subject(cert->x509, spec->cn) ||
	    !X509_set_issuer_name(cert->x509,
	    X509_get_subject_name(by->x509)) ||
	    !add_extensions(cert->x509, by->x509, spec) ||
	    !X509_sign(cert->x509, by->key, EVP_sha256()))
		return fault(cert, why, NULL);
	return cert;
}

/* -- reading and writing --------------------------------------------------- */

/* A password is asked of nobody. */
static int
no_password(char *buf, int size, int writing, void *cookie)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)cookie;
	return -1;
}

struct d4_cert *
d4_cert_parse(const void *pem, size_t len, char why[256])
{
	struct d4_cert *cert;
	BIO *bio;

	ERR_clear_error();
	if (len > INT32_MAX || (cert = calloc(1, sizeof(*cert))) == NULL)
		return fault(NULL, why, NULL);
	if ((bio = BIO_new_mem_buf(pem, (int)len)) != NULL) {
		cert->x509 = PEM_read_bio_X509(bio, NULL, no_password, NULL);
		BIO_free(bio);
	}
	if (cert->x509 == NULL)
		return fault(cert, why, "no certificate in PEM");
	if ((bio = BIO_new_mem_buf(pem, (int)len)) != NULL) {
		cert->key = PEM_read_bio_PrivateKey(bio, NULL, no_password,
		    NULL);
		BIO_free(bio);
	}
	ERR_clear_error();
	if (cert->key != NULL && X509_check_private_key(cert->x509,
	    cert->key) != 1)
		return fault(cert, why, "the key is not the certificate's");
	return cert;
}

void
d4_cert_free(struct d4_cert *cert)
{
	if (cert == NULL)
		return;
	X509_free(cert->x509);
	EVP_PKEY_free(cert->key);
	free(cert);
}

bool
d4_cert_has_key(const struct d4_cert *cert)
{
	return cert->key != NULL;
}

char *
d4_cert_pem(const struct d4_cert *cert, bool key, size_t *len)
{
	char *data, *text = NULL;
	long n;
	BIO *bio;

	if ((key && cert->key == NULL) ||
	    (bio = BIO_new(BIO_s_secmem())) == NULL)
		return NULL;
	if ((key ? PEM_write_bio_PrivateKey(bio, cert->key, NULL, NULL, 0,
	    NULL, NULL) : PEM_write_bio_X509(bio, cert->x509)) == 1 &&
	    (n = BIO_get_mem_data(bio, &data)) > 0 &&
	    (text = malloc((size_t)n + 1)) != NULL) {
		memcpy(text, data, (size_t)n);
		text[n] = '\0';
		*len = (size_t)n;
	}
	BIO_free(bio);
	return text;
}

void
d4_cert_cn(const struct d4_cert *cert, char cn[D4_CERT_NAME])
{
	int n;

	n = X509_NAME_get_text_by_NID(X509_get_subject_name(cert->x509),
	    NID_commonName, cn, D4_CERT_NAME);
	if (n < 0)
		*cn = '\0';
}

/* The text of a name, "" for kinds that we do not make. */
static void
name_text(const GENERAL_NAME *name, char text[256])
{
	const ASN1_STRING *s;
	const unsigned char *data;
	int len;

	*text = '\0';
	if (name->type != GEN_DNS && name->type != GEN_IPADD)
		return;
	s = name->type == GEN_DNS ? name->d.dNSName : name->d.iPAddress;
	data = ASN1_STRING_get0_data(s);
	len = ASN1_STRING_length(s);
	if (name->type == GEN_DNS && len < 254)
		(void)snprintf(text, 256, "%.*s", len, (const char *)data);
	else if (name->type == GEN_IPADD && (len == 4 || len == 16))
		(void)inet_ntop(len == 4 ? AF_INET : AF_INET6, data, text,
		    256);
}

int
d4_cert_names(const struct d4_cert *cert, int (*callback)(void *,
    const char *), void *cookie)
{
	GENERAL_NAMES *names;
	char text[256];
	int i, r = 0;

	names = X509_get_ext_d2i(cert->x509, NID_subject_alt_name, NULL, NULL);
	for (i = 0; r == 0 && i < sk_GENERAL_NAME_num(names); i++) {
		name_text(sk_GENERAL_NAME_value(names, i), text);
		if (d4_cert_name_ok(text))
			r = callback(cookie, text);
	}
	GENERAL_NAMES_free(names);
	return r;
}
