#pragma once
/* For tests of tokens: keys, and what is signed with them. Include it before everything else: OpenSSL's
 * names come first (net/tls_priv.h says why). */

#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#undef ERR_STATE

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/enc.h"
#include "base/must.h"
#include "services/auth/jose.h"

static struct arena *jose_arena;

static inline const char *b64url(struct span s)
{
	struct buf *b = arena_buf(jose_arena, s.len * 2 + 8);
	char *text;
	size_t n;

	enc_put_base64(b, s);
	text = arena_str(jose_arena, buf_span(b));
	n = strlen(text);
	while (n && text[n - 1] == '=')
		text[--n] = 0;
	for (char *p = text; *p; p++)
		*p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
	return text;
}

static struct {
	EVP_PKEY *rsa, *other_rsa, *small_rsa, *ec, *ed;
} keys;

static inline int make_keys(void **state)
{
	(void)state;
	jose_arena = arena_new();
	keys.rsa = EVP_RSA_gen(2048);
	keys.other_rsa = EVP_RSA_gen(2048);
	keys.small_rsa = EVP_RSA_gen(1024);
	keys.ec = EVP_EC_gen("P-256");
	keys.ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	return keys.rsa && keys.ec && keys.ed ? 0 : -1;
}

static inline int free_keys(void **state)
{
	(void)state;
	EVP_PKEY_free(keys.rsa);
	EVP_PKEY_free(keys.other_rsa);
	EVP_PKEY_free(keys.small_rsa);
	EVP_PKEY_free(keys.ec);
	EVP_PKEY_free(keys.ed);
	arena_free(&jose_arena);
	return 0;
}

static inline struct span der_to_raw(struct span der)
{
	const unsigned char *at = (const unsigned char *)der.ptr;
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)der.len);
	unsigned char *raw = arena_alloc(jose_arena, 64);

	BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 32);
	BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 32, 32);
	ECDSA_SIG_free(sig);
	return span_of(raw, 64);
}

static inline const char *sign(
	EVP_PKEY *key, const char *alg, const char *header, const char *claims)
{
	const char *part = arena_printf(
		jose_arena, "%s.%s", b64url(span_str(header)), b64url(span_str(claims)));
	bool is_ed = strcmp(alg, "EdDSA") == 0;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *ctx;
	size_t n = 1024;
	unsigned char *sig = arena_alloc(jose_arena, n);
	struct span raw;

	assert_int_equal(EVP_DigestSignInit(md, &ctx, is_ed ? NULL : EVP_sha256(), NULL, key), 1);
	if (strcmp(alg, "PS256") == 0) {
		EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST);
	}
	assert_int_equal(EVP_DigestSign(md, sig, &n, (const unsigned char *)part, strlen(part)), 1);
	EVP_MD_CTX_free(md);
	raw = span_of(sig, n);
	if (strcmp(alg, "ES256") == 0)
		raw = der_to_raw(raw);
	return arena_printf(jose_arena, "%s.%s", part, b64url(raw));
}

static inline const char *bn_param(EVP_PKEY *key, const char *name)
{
	BIGNUM *n = NULL;
	unsigned char *octets = arena_alloc(jose_arena, 1024);
	int len;

	assert_int_equal(EVP_PKEY_get_bn_param(key, name, &n), 1);
	len = BN_bn2bin(n, octets);
	BN_free(n);
	return b64url(span_of(octets, (size_t)len));
}

static inline const char *coordinate(EVP_PKEY *key, const char *name)
{
	BIGNUM *n = NULL;
	unsigned char *octets = arena_alloc(jose_arena, 32);

	assert_int_equal(EVP_PKEY_get_bn_param(key, name, &n), 1);
	BN_bn2binpad(n, octets, 32);
	BN_free(n);
	return b64url(span_of(octets, 32));
}

static inline const char *jwk_rsa(EVP_PKEY *key, const char *more)
{
	return arena_printf(jose_arena, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"%s}",
		bn_param(key, OSSL_PKEY_PARAM_RSA_N), bn_param(key, OSSL_PKEY_PARAM_RSA_E), more);
}

static inline const char *jwk_ec(const char *more)
{
	return arena_printf(jose_arena,
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"%s}",
		coordinate(keys.ec, OSSL_PKEY_PARAM_EC_PUB_X),
		coordinate(keys.ec, OSSL_PKEY_PARAM_EC_PUB_Y), more);
}

static inline const char *jwk_ed(const char *more)
{
	unsigned char *octets = arena_alloc(jose_arena, 32);
	size_t len = 32;

	assert_int_equal(EVP_PKEY_get_raw_public_key(keys.ed, octets, &len), 1);
	return arena_printf(jose_arena, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"%s}",
		b64url(span_of(octets, len)), more);
}
