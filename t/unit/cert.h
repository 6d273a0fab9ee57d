/* SPDX-License-Identifier: ISC */
#ifndef T_UNIT_CERT_H
#define T_UNIT_CERT_H

/* Certificates for tests, with keys on P-256, made when they are needed. */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

struct cert {
	X509		*x509;
	EVP_PKEY	*key;
};

struct cert_spec {
	const char		*cn;
	const char		*san;	/* "DNS:a,IP:127.0.0.1", or NULL */
	const struct cert	*by;	/* NULL: self-signed */
	bool			 ca;
	long			 from_s, to_s;	/* from now; both 0: a day */
};

static void
cert_extend(struct cert *cert, const struct cert *by, int nid,
    const char *value)
{
	X509_EXTENSION *extension;
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, by->x509, cert->x509, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	if (extension == NULL || X509_add_ext(cert->x509, extension, -1) != 1)
		abort();
	X509_EXTENSION_free(extension);
}

static struct cert
cert_new(struct cert_spec spec)
{
	struct cert cert = {
		.x509 = X509_new(), .key = EVP_EC_gen("P-256")
	};
	const struct cert *by = spec.by != NULL ? spec.by : &cert;
	static long serial;
	X509_NAME *name;

	if (cert.x509 == NULL || cert.key == NULL)
		abort();
	if (spec.from_s == 0 && spec.to_s == 0) {
		spec.from_s = -60;
		spec.to_s = 24 * 60 * 60;
	}
	(void)X509_set_version(cert.x509, X509_VERSION_3);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(cert.x509), ++serial);
	(void)X509_gmtime_adj(X509_getm_notBefore(cert.x509), spec.from_s);
	(void)X509_gmtime_adj(X509_getm_notAfter(cert.x509), spec.to_s);
	(void)X509_set_pubkey(cert.x509, cert.key);
	name = X509_get_subject_name(cert.x509);
	(void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
	    (const unsigned char *)spec.cn, -1, -1, 0);
	(void)X509_set_issuer_name(cert.x509, X509_get_subject_name(by->x509));
	cert_extend(&cert, by, NID_basic_constraints,
	    spec.ca ? "critical,CA:TRUE" : "CA:FALSE");
	if (spec.san != NULL)
		cert_extend(&cert, by, NID_subject_alt_name, spec.san);
	if (X509_sign(cert.x509, by->key, EVP_sha256()) == 0)
		abort();
	return cert;
}

static void
cert_free(struct cert *cert)
{
	X509_free(cert->x509);
	EVP_PKEY_free(cert->key);
}

/* What is asked for of: the certificate, the one after it in the chain, the
 * key. */
static void
cert_write(const char *path, const struct cert *cert,
    const struct cert *chain, const struct cert *key)
{
	FILE *file = fopen(path, "w");

	if (file == NULL ||
	    (cert != NULL && PEM_write_X509(file, cert->x509) != 1) ||
	    (chain != NULL && PEM_write_X509(file, chain->x509) != 1) ||
	    (key != NULL && PEM_write_PrivateKey(file, key->key, NULL, NULL,
	    0, NULL, NULL) != 1) ||
	    fclose(file) == EOF)
		abort();
}

#endif
