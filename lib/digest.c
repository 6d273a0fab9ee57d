/* SPDX-License-Identifier: ISC */
#include <openssl/evp.h>

#include "lib/digest.h"

int
d4_digest_sha1(uint8_t digest[D4_DIGEST_SHA1], const void *bytes, size_t len)
{
	return EVP_Digest(bytes, len, digest, NULL, EVP_sha1(), NULL) == 1 ?
	    0 : -1;
}

int
d4_digest_sha256(uint8_t digest[D4_DIGEST_SHA256], const void *bytes,
    size_t len)
{
	return EVP_Digest(bytes, len, digest, NULL, EVP_sha256(), NULL) == 1 ?
	    0 : -1;
}

void
d4_digest_hex(char *text, const uint8_t *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < len; i++) {
		*text++ = digits[bytes[i] >> 4];
		*text++ = digits[bytes[i] & 15];
	}
	*text = '\0';
}
