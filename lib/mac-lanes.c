/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>

#include "lib/mac-engine.h"

#define BLOCK	64	/* of SHA-256, in bytes */

struct mac_lanes {
	IMB_MGR		*manager;
	const char	*name;
};

/*
 * With AVX2 or AVX-512 the lanes hash 8 or 16 messages at once, with SHA
 * extensions two, which hides their latency: both beat one message after the
 * other.  With less, nothing was measured, so nothing is claimed.
 */
struct mac_lanes *
mac_lanes_new(void)
{
	struct mac_lanes *lanes;
	IMB_ARCH arch;

	if ((lanes = calloc(1, sizeof(*lanes))) == NULL)
		return NULL;
	if ((lanes->manager = alloc_mb_mgr(0)) == NULL)
		goto err0;
	init_mb_mgr_auto(lanes->manager, &arch);
	if (arch == IMB_ARCH_AVX512)
		lanes->name = "libIPSec_MB, AVX-512";
	else if (arch == IMB_ARCH_AVX2)
		lanes->name = "libIPSec_MB, AVX2";
	else if (arch != IMB_ARCH_NONE &&
	    (lanes->manager->features & IMB_FEATURE_SHANI) != 0)
		lanes->name = "libIPSec_MB, SHA extensions";
	else
		goto err1;
	return lanes;

err1:
	free_mb_mgr(lanes->manager);
err0:
	free(lanes);
	return NULL;
}

void
mac_lanes_free(struct mac_lanes *lanes)
{
	if (lanes == NULL)
		return;
	free_mb_mgr(lanes->manager);
	free(lanes);
}

const char *
mac_lanes_name(const struct mac_lanes *lanes)
{
	return lanes->name;
}

/* The two inner states of RFC 2104: after key xor ipad and key xor opad. */
void
mac_lanes_key(struct mac_lanes *lanes, uint8_t states[MAC_LANES_KEY_LEN],
    const void *bytes, size_t len)
{
	uint8_t key[BLOCK] = { 0 }, block[BLOCK];
	size_t i;

	if (len > BLOCK)
		IMB_SHA256(lanes->manager, bytes, len, key);
	else if (len > 0)
		memcpy(key, bytes, len);
	for (i = 0; i < BLOCK; i++)
		block[i] = key[i] ^ 0x36;
	IMB_SHA256_ONE_BLOCK(lanes->manager, block, states);
	for (i = 0; i < BLOCK; i++)
		block[i] = key[i] ^ 0x5c;
	IMB_SHA256_ONE_BLOCK(lanes->manager, block,
	    states + MAC_LANES_KEY_LEN / 2);
	OPENSSL_cleanse(key, sizeof(key));
	OPENSSL_cleanse(block, sizeof(block));
}

void
mac_lanes_tag(struct mac_lanes *lanes, const struct mac_message *m, size_t n)
{
	IMB_MGR *manager = lanes->manager;
	const uint8_t *states;
	IMB_JOB *job;
	size_t i;

	for (i = 0; i < n; i++) {
		states = m[i].key;
		job = IMB_GET_NEXT_JOB(manager);
		job->cipher_mode = IMB_CIPHER_NULL;
		job->cipher_direction = IMB_DIR_ENCRYPT;
		job->chain_order = IMB_ORDER_HASH_CIPHER;
		job->hash_alg = IMB_AUTH_HMAC_SHA_256;
		job->src = m[i].bytes;
		job->hash_start_src_offset_in_bytes = 0;
		job->msg_len_to_hash_in_bytes = m[i].len;
		job->auth_tag_output = m[i].tag;
		job->auth_tag_output_len_in_bytes = D4_HMAC_LEN;
		job->u.HMAC._hashed_auth_key_xor_ipad = states;
		job->u.HMAC._hashed_auth_key_xor_opad =
		    states + MAC_LANES_KEY_LEN / 2;
		(void)IMB_SUBMIT_JOB_NOCHECK(manager);
	}
	while (IMB_FLUSH_JOB(manager) != NULL)
		continue;
}
